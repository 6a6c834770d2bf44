use super::*;

#[tokio::test]
async fn a_code_decides_and_not_the_status() {
    for (status, code, kind) in [
        (401, "AuthFailure", "authentication"),
        (403, "UnauthorizedOperation", "authentication"),
        (400, "RequestExpired", "authentication"),
        (500, "InsufficientInstanceCapacity", "capacity"),
        (503, "InsufficientAddressCapacity", "capacity"),
        (400, "VcpuLimitExceeded", "quota_exceeded"),
        (400, "InsufficientFreeAddressesInSubnet", "quota_exceeded"),
        (400, "InvalidParameterValue", "invalid_config"),
        (400, "IdempotentParameterMismatch", "conflict"),
        (500, "InternalFailure", "unknown_outcome"),
        (503, "Unavailable", "unknown_outcome"),
        (400, "SomethingNew", "invalid_config"),
        (418, "SomethingNew", "api"),
        (500, "SomethingNew", "unknown_outcome"),
    ] {
        let server = MockServer::start().await;
        mount_image(&server, 1).await;
        action("RunInstances")
            .respond_with(refusal(status, code, "\n  the reason  "))
            .expect(1..)
            .mount(&server)
            .await;
        let error = hasty_provider(&server).create_instance(&good()).await.unwrap_err();
        assert_eq!(error.kind().name(), kind, "{code}: {error}");
        for part in ["the reason", code, "4d9d8375", "aws"] {
            assert!(error.to_string().contains(part), "{part} in {error}");
        }
        if let Some(context) = error.context() {
            assert_eq!((context.status, context.code.as_deref()), (Some(status), Some(code)));
        }
    }
}

#[tokio::test]
async fn what_a_create_names_and_is_not_there_is_a_wrong_value() {
    for (code, field) in [
        ("InvalidAMIID.NotFound", "image"),
        ("InvalidKeyPair.NotFound", "ssh_keys"),
        ("InvalidGroup.NotFound", "security_group"),
        ("InvalidSubnetID.NotFound", "subnet"),
        ("InvalidInstanceType", "size"),
        ("VPCIdNotSpecified", "subnet"),
        ("Unsupported", "size"),
        ("MissingParameter", "request"),
    ] {
        let server = MockServer::start().await;
        mount_image(&server, 1).await;
        action("RunInstances")
            .respond_with(refusal(400, code, "no"))
            .expect(1)
            .mount(&server)
            .await;
        let error = provider(&server).create_instance(&good()).await.unwrap_err();
        assert!(is_invalid(&error, field) && error.to_string().contains(code), "{code}: {error}");
    }
}

#[tokio::test]
async fn throttling_has_many_codes() {
    for code in
        ["RequestLimitExceeded", "Throttling", "EC2ThrottledException", "TooManyRequestsException"]
    {
        let server = MockServer::start().await;
        once(action("DescribeKeyPairs"), refusal(503, code, "slow down"), &server).await;
        action("DescribeKeyPairs")
            .respond_with(reply("DescribeKeyPairs", ""))
            .expect(1)
            .mount(&server)
            .await;
        assert_eq!(provider(&server).get_ssh_keys().await.unwrap(), Vec::<String>::new(), "{code}");
    }
}

#[tokio::test]
async fn a_message_about_the_signature_ends_before_the_request_is_repeated() {
    let server = MockServer::start().await;
    let message = "\n The request signature we calculated does not match the signature you \
     provided.\n\nThe Canonical String for this \
        request should have been\n'POST\n/\n\nx-amz-security-token:canary-token\n'";
    action("DescribeKeyPairs")
        .respond_with(refusal(403, "SignatureDoesNotMatch", message))
        .expect(1)
        .mount(&server)
        .await;
    let config = config(&server).with_token("ASIATEST:canary-secret:canary-token");
    let error = AwsFactory.create_with(&config).unwrap().get_ssh_keys().await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(
        matches!(error, ProviderError::Authentication { .. }) && text.contains("you provided"),
        "{text}"
    );
    assert!(!text.contains("canary") && !text.contains("Canonical"), "{text}");
}
