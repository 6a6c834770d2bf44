//! Sources are asked in the order of the AWS tools, and say why they have no credentials.

use super::*;

#[tokio::test]
async fn sources_are_asked_in_order() {
    let files = Home::new(&[
        (
            ".aws/credentials",
            "[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = \
             s\n[work]\naws_access_key_id = AKIAWORK\naws_secret_access_key = s\n",
        ),
        (
            ".aws/config",
            "[profile new]\naws_access_key_id = AKIACONFIG\naws_secret_access_key = s\n[profile \
             bare]\nregion = x\n",
        ),
    ]);
    let keys = [("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
    assert_eq!(id(files.env(&keys), None).await, "AKIAENV");
    assert_eq!(id(files.env(&[keys[0], keys[1], ("AWS_PROFILE", "work")]), None).await, "AKIAENV");
    assert_eq!(
        id(files.env(&keys), Some("work")).await,
        "AKIAWORK",
        "a chosen profile passes over the environment"
    );
    assert_eq!(id(files.env(&[]), None).await, "AKIAFILE");
    assert_eq!(
        id(files.env(&[("AWS_ACCESS_KEY_ID", ""), ("AWS_PROFILE", "")]), None).await,
        "AKIAFILE"
    );
    assert_eq!(id(files.env(&[("AWS_PROFILE", "new")]), None).await, "AKIACONFIG");

    let other = files.0.join("other").display().to_string();
    std::fs::write(&other, "[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = s\n")
        .unwrap();
    assert_eq!(id(files.env(&[("AWS_SHARED_CREDENTIALS_FILE", &other)]), None).await, "AKIAOTHER");

    for name in ["absent", "bare"] {
        for (env, profile) in
            [(files.env(&[("AWS_PROFILE", name)]), None), (files.env(&[]), Some(name))]
        {
            let error = id(env, profile).await;
            assert!(
                error.contains(&format!("{name:?}")),
                "another identity must not step in: {error}"
            );
        }
    }
    let none = Home::new(&[]);
    assert!(id(none.env(&keys), Some("default")).await.contains("\"default\""));
    let error = id(files.env(&[keys[0]]), None).await;
    assert!(error.contains("AWS_SECRET_ACCESS_KEY is not"), "{error}");
}

#[tokio::test]
async fn what_the_chain_says_has_a_kind() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(503))
        .expect(1)
        .mount(&server)
        .await;
    let home = Home::new(&[]);
    let uri = server.uri();
    for (pairs, expected) in [
        ([("AWS_EC2_METADATA_DISABLED", "true"), ("", "")], "authentication"),
        (
            [
                ("AWS_EC2_METADATA_DISABLED", "true"),
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()),
            ],
            "unavailable",
        ),
    ] {
        let context = Context::new().with_http_send(fetch()).with_env(home.env(&pairs));
        let signing = SigV4::of_chain(context, Chain::new(None, "eu-central-1"));
        let mut head = Request::post("https://ec2.eu-central-1.amazonaws.com/")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        head.extensions.insert(Scope { service: "ec2", region: "eu-central-1".to_string() });
        let error = signing.sign(&mut head, b"").await.unwrap_err();
        assert_eq!(error.kind().name(), expected, "{error}");
        assert!(!head.headers.contains_key("authorization"));
    }
}

#[tokio::test]
async fn sources_are_asked_in_the_order_of_botocore() {
    let files = Home::new(&[
        (
            ".aws/credentials",
            "[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = \
             s\n[named]\naws_access_key_id = AKIANAMED\naws_secret_access_key = s\n",
        ),
        (
            ".aws/config",
            "[profile sso]\nsso_start_url = x\nsso_region = eu-west-1\nsso_account_id = \
             1\nsso_role_name = Dev\n\
             aws_access_key_id = AKIACONFIG\naws_secret_access_key = s\n\
             [profile process]\ncredential_process = /nowhere\naws_access_key_id = \
             AKIACONFIG\naws_secret_access_key = s\n",
        ),
        ("token", "subject-token"),
    ]);
    let token = files.0.join("token").display().to_string();
    let pod = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod"),
    ];
    assert_eq!(
        id(files.env(&pod), None).await,
        "ASIAROLE000000000001",
        "a web identity is before the keys of a file"
    );
    assert_eq!(
        id(files.env(&pod), Some("named")).await,
        "AKIANAMED",
        "not where a profile was chosen in the configuration"
    );
    assert!(
        id(files.env(&[]), Some("sso")).await.contains("aws sso login"),
        "SSO is before keys of the config file"
    );
    assert!(id(files.env(&[]), Some("process")).await.contains("cannot be started"));
    let both = [("AWS_DEFAULT_PROFILE", "named"), ("AWS_PROFILE", "default")];
    assert_eq!(id(files.env(&both), None).await, "AKIANAMED");
}

#[tokio::test]
async fn a_source_with_keys_ends_a_chain_of_roles() {
    let files = Home::new(&[(
        ".aws/config",
        "[profile a]\nrole_arn = arn:aws:iam::123456789012:role/one\nsource_profile = b\n\
         [profile b]\nrole_arn = arn:aws:iam::123456789012:role/two\nsource_profile = \
         c\naws_access_key_id = AKIAB\naws_secret_access_key = s\n\
         [profile c]\naws_access_key_id = AKIAC\naws_secret_access_key = s\n",
    )]);
    let sts = Roles::default();
    find(files.env(&[]), Some("a"), sts.clone()).await.unwrap();
    let asked = sts.0.lock().unwrap();
    assert!(
        asked.len() == 1
            && asked[0].contains("Credential=AKIAB/")
            && asked[0].contains("role%2Fone"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn what_passes_is_not_told_as_a_refusal() {
    for (answer, expected) in [
        (ResponseTemplate::new(429).insert_header("retry-after", "7"), "rate_limit"),
        (ResponseTemplate::new(503), "unavailable"),
        (ResponseTemplate::new(200).set_body_string("<html>"), "unavailable"),
        (
            ResponseTemplate::new(400).set_body_string(r#"{"__type": "ThrottlingException"}"#),
            "rate_limit",
        ),
        (ResponseTemplate::new(403), "authentication"),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("GET")).respond_with(answer).mount(&server).await;
        let home = Home::new(&[]);
        let uri = server.uri();
        let error = find(home.env(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri)]), None, fetch())
            .await
            .unwrap_err();
        assert_eq!(error.kind().name(), expected, "{error}");
        assert_eq!(error.is_retryable(), expected != "authentication");
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error =
        find(Home::new(&[]).env(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri)]), None, fetch())
            .await
            .unwrap_err();
    assert_eq!(error.kind().name(), "network", "{error}");
}

/// A service of credentials that refuses every request.
#[derive(Debug)]
struct Refusing(u16, &'static str);

impl HttpSend for Refusing {
    async fn http_send(&self, _: Request<Bytes>) -> Result<Response<Bytes>> {
        let mut reply = Response::new(Bytes::from(self.1));
        *reply.status_mut() = http::StatusCode::from_u16(self.0).unwrap();
        reply.headers_mut().insert("x-amzn-requestid", http::HeaderValue::from_static("4d9d"));
        Ok(reply)
    }
}

#[tokio::test]
async fn a_refusal_of_each_service_keeps_its_status_and_code() {
    let sts = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
        <Message>may not</Message></Error><RequestId>4d9d</RequestId></ErrorResponse>";
    let sso = r#"{"__type": "UnauthorizedException", "message": "may not"}"#;
    let start = reqsign_core::hash::hex_sha1(b"https://corp.awsapps.com/start");
    let files = Home::new(&[
        (
            ".aws/config",
            "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/one\n\
             source_profile = keys\n\
             [profile keys]\naws_access_key_id = AKIAKEYS\naws_secret_access_key = s\n\
             [profile sso]\nsso_start_url = https://corp.awsapps.com/start\n\
             sso_region = eu-west-1\nsso_account_id = 123456789012\nsso_role_name = Dev\n",
        ),
        (
            &format!(".aws/sso/cache/{start}.json"),
            r#"{"accessToken": "start-token", "expiresAt": "2099-01-01T00:00:00Z"}"#,
        ),
    ]);
    for (profile, refusal, code, words) in [
        (Some("role"), Refusing(403, sts), Some("AccessDenied"), "STS AssumeRole: may not"),
        (Some("sso"), Refusing(401, sso), Some("UnauthorizedException"), "aws sso login"),
        (None, Refusing(404, ""), None, "no AWS credentials found"),
    ] {
        let status = refusal.0;
        let error = find(files.env(&[]), profile, refusal).await.unwrap_err();
        assert!(matches!(&error, ProviderError::Authentication { .. }), "{error:?}");
        let context = error.context().unwrap();
        assert_eq!(context.status, Some(status), "{error}");
        assert_eq!(context.code.as_deref(), code, "{error}");
        assert_eq!(context.request_id.as_deref(), Some("4d9d"), "{error}");
        let shown = error.to_string();
        assert!(shown.contains(words), "{shown}");
        assert_eq!(shown.matches("HTTP").count(), 1, "{shown}");
    }
}
