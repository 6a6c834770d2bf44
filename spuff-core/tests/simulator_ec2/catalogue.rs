//! Regions, zones, types, keys, networks, and who asks.

use super::*;

#[tokio::test]
async fn regions_and_types_are_read() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "eu-central-1");
    let regions = ec2.ask("DescribeRegions", &[]).await.good().all("regionName");
    assert!(
        regions.contains(&"us-east-1".to_string()) && !regions.contains(&"eu-south-1".to_string()),
        "{regions:?}"
    );
    let all = ec2.ask("DescribeRegions", &[("AllRegions", "true")]).await.good();
    assert!(
        all.text.contains("<optInStatus>not-opted-in</optInStatus>")
            && all.all("regionName").len() > regions.len()
    );
    let one = ec2.ask("DescribeRegions", &[("RegionName.1", "us-west-2")]).await.good();
    assert_eq!(one.all("regionEndpoint"), ["ec2.us-west-2.amazonaws.com"]);
    assert_eq!(
        ec2.ask("DescribeRegions", &[("RegionName.1", "moon-1")]).await.code().1,
        "InvalidParameterValue"
    );
    let zones = ec2.ask("DescribeAvailabilityZones", &[]).await.good();
    assert_eq!(zones.all("zoneName"), ["eu-central-1a", "eu-central-1b", "eu-central-1c"]);
    assert_eq!(zones.one("zoneId"), "euc1-az1");

    for (name, architecture) in [
        ("t3.micro", "x86_64"),
        ("t4g.micro", "arm64"),
        ("g5g.xlarge", "arm64"),
        ("g4dn.xlarge", "x86_64"),
    ] {
        let shown = ec2.ask("DescribeInstanceTypes", &[("InstanceType.1", name)]).await.good();
        assert_eq!(shown.all("instanceType"), [name]);
        assert!(
            shown.text.contains(&format!("<supportedArchitectures><item>{architecture}</item>")),
            "{}",
            shown.text
        );
    }
    for unknown in ["t9.nano", "m1.small"] {
        let refused = ec2.ask("DescribeInstanceTypes", &[("InstanceType.1", unknown)]).await;
        assert_eq!(refused.code(), (400, "InvalidInstanceType".to_string()));
        assert!(refused.one("Message").contains(unknown));
    }
    let arm =
        [("Filter.1.Name", "processor-info.supported-architecture"), ("Filter.1.Value.1", "arm64")];
    let mut found = Vec::new();
    let mut token = String::new();
    loop {
        let mut parameters = [&arm[..], &[("MaxResults", "10")]].concat();
        parameters.extend((!token.is_empty()).then_some(("NextToken", token.as_str())));
        let page = ec2.ask("DescribeInstanceTypes", &parameters).await.good();
        found.extend(page.all("instanceType"));
        token = page.one("nextToken");
        if token.is_empty() {
            break;
        }
    }
    assert!(
        found.len() > 20 && found.iter().all(|name| name.contains('g') || name.starts_with("a1.")),
        "{found:?}"
    );
    let offered = [
        ("Filter.1.Name", "instance-type"),
        ("Filter.1.Value.1", "t3.micro"),
        ("LocationType", "availability-zone"),
    ];
    assert_eq!(
        ec2.ask("DescribeInstanceTypeOfferings", &offered).await.good().all("location").len(),
        3
    );
    assert_eq!(
        ec2.ask("DescribeInstanceTypes", &[("MaxResults", "101")]).await.code().1,
        "InvalidParameterValue"
    );
    let account =
        ec2.ask("DescribeAccountAttributes", &[("AttributeName.1", "default-vpc")]).await.good();
    assert_eq!(
        account.one("attributeValue"),
        ec2.ask("DescribeVpcs", &[]).await.good().one("vpcId")
    );
    assert!(
        ec2.ask("DescribeAddresses", &[])
            .await
            .good()
            .text
            .contains("<addressesSet></addressesSet>")
    );
}

#[tokio::test]
async fn keys_belong_to_a_region() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let first = ec2.ask("DescribeKeyPairs", &[]).await.good();
    assert_eq!(
        (first.all("keyName"), first.all("keyType")),
        (vec!["ci".into(), "laptop".into()], vec!["rsa".to_string(), "ed25519".into()])
    );
    let prints: Vec<usize> = first.all("keyFingerprint").iter().map(String::len).collect();
    assert_eq!(prints, [47, 44], "MD5 of another's RSA, SHA-256 of ED25519");
    assert!(first.all("publicKey").is_empty());
    let keys =
        ec2.ask("DescribeKeyPairs", &[("IncludePublicKey", "true")]).await.good().all("publicKey");
    assert!(
        keys[0].starts_with("ssh-rsa AAAA")
            && keys[1].starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"),
        "{keys:?}"
    );

    let material = "c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTUgbWU=";
    let import = [("KeyName", "new"), ("PublicKeyMaterial", material)];
    let imported = ec2.ask("ImportKeyPair", &import).await.good();
    assert_eq!(
        ec2.ask("ImportKeyPair", &import).await.code(),
        (400, "InvalidKeyPair.Duplicate".to_string())
    );
    for wrong in ["", "!", "aGk=", "c3NoLWRzcyBBQUFB"] {
        let code = ec2
            .ask("ImportKeyPair", &[("KeyName", "bad"), ("PublicKeyMaterial", wrong)])
            .await
            .code()
            .1;
        assert_eq!(
            code,
            if wrong.is_empty() { "MissingParameter" } else { "InvalidKey.Format" },
            "{wrong}"
        );
    }
    let made = ec2.ask("CreateKeyPair", &[("KeyName", "made")]).await.good();
    assert!(
        made.one("keyMaterial").starts_with("-----BEGIN RSA PRIVATE KEY-----")
            && made.one("keyFingerprint").len() == 59
    );
    ec2.launch(&[("KeyName", "new")]).await;

    let elsewhere = Asker::new(&cloud, "eu-west-1");
    assert_eq!(elsewhere.run(&[("KeyName", "new")]).await.code().1, "InvalidKeyPair.NotFound");
    assert_eq!(
        elsewhere.ask("DescribeKeyPairs", &[("KeyName.1", "new")]).await.code().1,
        "InvalidKeyPair.NotFound"
    );
    for _ in 0..2 {
        ec2.ask("DeleteKeyPair", &[("KeyName", "new")]).await.good();
    }
    assert_eq!(
        ec2.ask("DescribeKeyPairs", &[("KeyPairId.1", &imported.one("keyPairId"))]).await.code().1,
        "InvalidKeyPair.NotFound"
    );
    assert_eq!(
        ec2.ask("DescribeKeyPairs", &[]).await.good().all("keyName"),
        ["ci", "laptop", "made"]
    );
}

#[tokio::test]
async fn who_does_not_sign_is_refused() {
    let cloud = instant().with_token("AKIAKNOWN").start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let body = "Action=DescribeRegions&Version=2016-11-15";
    let send = async |authorization: Option<String>, body: &str| {
        let request = ec2.http.post(&ec2.url).body(body.to_string());
        let request = authorization
            .into_iter()
            .fold(request, |request, value| request.header("authorization", value));
        ec2.send(request).await
    };
    let unsigned = send(None, body).await;
    assert_eq!(unsigned.code(), (400, "MissingParameter".to_string()));
    assert_eq!(unsigned.one("Message"), "The request must contain the parameter AWSAccessKeyId");
    let good =
        |region: &str, service: &str| signature(region, service).replace("simulated", "AKIAKNOWN");
    let refused = (401, "AuthFailure".to_string());
    for bad in [
        signature("us-east-1", "ec2"),
        good("us-east-1", "ec2").replace("AWS4-HMAC-SHA256", "AWS4"),
        good("us-east-1", "ec2").replace("aws4_request", "aws5"),
        good("us-east-1", "ec2").replace("host;", ""),
        good("us-east-1", "s3"),
        good("moon-1", "ec2"),
        good("eu-south-1", "ec2"),
        "Bearer AKIAKNOWN".to_string(),
    ] {
        assert_eq!(send(Some(bad.clone()), body).await.code(), refused, "{bad}");
    }
    assert_eq!(send(Some(good("us-east-1", "ec2")), body).await.status, 200);
    // Version 2 of the signature, in the address of a GET.
    let old = format!(
        "{}?{body}&AWSAccessKeyId=AKIAKNOWN&SignatureVersion=2&SignatureMethod=HmacSHA256\
         &Timestamp=x&Signature=y",
        ec2.url
    );
    assert_eq!(ec2.send(ec2.http.get(&old)).await.good().status, 200);
    assert_eq!(ec2.send(ec2.http.get(old.replace("AKIAKNOWN", "AKIA"))).await.code(), refused);

    let (status, reply) = ec2.ssm("GetParameter", "{}").await;
    assert_eq!((status, reply["__type"].as_str()), (400, Some("UnrecognizedClientException")));
    let who =
        send(Some(good("us-east-1", "sts")), "Action=GetCallerIdentity&Version=2011-06-15").await;
    assert_eq!((who.status, who.one("Account")), (200, "123456789012".to_string()));
    let who =
        send(Some(signature("us-east-1", "sts")), "Action=GetCallerIdentity&Version=2011-06-15")
            .await;
    assert_eq!((who.status, who.one("Code")), (403, "InvalidClientTokenId".to_string()));
    assert!(who.text.contains("<ErrorResponse"), "{}", who.text);
    let what = send(Some(good("us-east-1", "sts")), "Action=AssumeRole&Version=2011-06-15").await;
    assert_eq!((what.status, what.one("Code")), (400, "InvalidAction".to_string()));
}
