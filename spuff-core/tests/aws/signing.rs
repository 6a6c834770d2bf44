use super::*;
use wiremock::Request;

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// The signed headers of a request, after a look at the parts of its signature.
fn signed(request: &Request, service: &str) -> Vec<String> {
    let authorization = header(request, "authorization");
    let date = header(request, "x-amz-date");
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential=AKIATEST/{}/eu-central-1/{service}/aws4_request, ",
        &date[..8]
    );
    let rest =
        authorization.strip_prefix(&scope).unwrap_or_else(|| panic!("{scope} in {authorization}"));
    let (headers, signature) =
        rest.strip_prefix("SignedHeaders=").unwrap().split_once(", Signature=").unwrap();
    assert!(
        signature.len() == 64 && signature.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{signature}"
    );
    headers.split(';').map(str::to_string).collect()
}

#[tokio::test]
async fn every_request_is_signed_with_its_body() {
    let server = MockServer::start().await;
    action("DescribeKeyPairs")
        .respond_with(reply("DescribeKeyPairs", ""))
        .expect(2)
        .mount(&server)
        .await;
    for (token, session) in
        [("AKIATEST:test/secret", ""), ("AKIATEST:test/secret:session/token==", "session/token==")]
    {
        AwsFactory
            .create_with(&config(&server).with_token(token))
            .unwrap()
            .get_ssh_keys()
            .await
            .unwrap();
        let request = server.received_requests().await.unwrap().pop().unwrap();
        let mut expected = vec!["content-type", "host", "x-amz-content-sha256", "x-amz-date"];
        expected.extend(Some("x-amz-security-token").filter(|_| !session.is_empty()));
        assert_eq!(signed(&request, "ec2"), expected);
        assert_eq!(header(&request, "x-amz-security-token"), session);
        assert_eq!(
            header(&request, "host"),
            server.address().to_string(),
            "the port belongs to the host"
        );
        assert_eq!(
            header(&request, "content-type"),
            "application/x-www-form-urlencoded; charset=utf-8"
        );
        // The SHA-256 of `Action=DescribeKeyPairs&Version=2016-11-15`.
        assert_eq!(
            header(&request, "x-amz-content-sha256"),
            "e7326d4766918579e6d040a9c8d2243cefc0ab1aaa37cd7a9dab76d8c3538b59"
        );
    }
}

#[test]
fn a_zone_is_no_region() {
    let config = ProviderConfig::new("AKIATEST:test/secret").with_region("us-east-1a");
    assert!(is_invalid(&AwsFactory.create_with(&config).err().unwrap(), "region"));
}
