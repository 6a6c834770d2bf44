//! Machines and containers give the credentials of their role.

use super::*;

#[tokio::test]
async fn machines_give_their_role() {
    let server = MockServer::start().await;
    let mount = |mock: Mock| mock.expect(1..).mount(&server);
    mount(
        Mock::given(method("PUT"))
            .and(path("/latest/api/token"))
            .and(header("x-aws-ec2-metadata-token-ttl-seconds", "21600"))
            .respond_with(ResponseTemplate::new(200).set_body_string("imds-token")),
    )
    .await;
    let roles = "/latest/meta-data/iam/security-credentials/";
    for (at, answer) in [(roles.to_string(), "my-role"), (format!("{roles}my-role"), SESSION)] {
        let asked = Mock::given(method("GET"))
            .and(path(at))
            .and(header("x-aws-ec2-metadata-token", "imds-token"));
        mount(asked.respond_with(ResponseTemplate::new(200).set_body_string(answer))).await;
    }
    let home = Home::new(&[]);
    let endpoint = server.uri();
    let pairs = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.as_str())];
    let found = find(home.env(&pairs), None, fetch()).await.unwrap();
    assert_eq!(
        (found.access_key_id.as_str(), found.session_token.as_deref()),
        ("ASIAMACHINE", Some("machine-token"))
    );

    for word in ["true", "True"] {
        let off = [pairs[0], ("AWS_EC2_METADATA_DISABLED", word)];
        let error = find(home.env(&off), None, fetch()).await.unwrap_err().to_string();
        assert!(
            error.contains("AWS_ACCESS_KEY_ID")
                && error.contains("AWS_PROFILE")
                && error.contains("aws sso login"),
            "{error}"
        );
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}

/// Records the URI of each request, and fails it.
#[derive(Debug, Clone, Default)]
struct Nobody(Arc<Mutex<Vec<String>>>);

impl HttpSend for Nobody {
    async fn http_send(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        self.0.lock().unwrap().push(request.uri().to_string());
        Err(reqsign_core::Error::unexpected("nobody is there"))
    }
}

#[tokio::test]
async fn machines_are_asked_at_the_address_of_their_mode() {
    let mode = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";
    let v6 = ("AWS_IMDS_USE_IPV6", "true");
    let (old, new) = ("http://169.254.169.254/", "http://[fd00:ec2::254]/");
    for (pairs, expected) in [
        (vec![], Some(old)),
        (vec![(mode, "IPv6")], Some(new)),
        (vec![v6], Some(new)),
        (vec![v6, (mode, "ipv4")], Some(old)),
        (vec![(mode, "words")], None),
    ] {
        let home = Home::new(&[]);
        let asked = Nobody::default();
        let error = find(home.env(&pairs), None, asked.clone()).await.unwrap_err().to_string();
        let asked = asked.0.lock().unwrap();
        assert_eq!(
            asked.first().is_some_and(|uri| uri.starts_with(expected.unwrap_or(" "))),
            expected.is_some(),
            "{asked:?}"
        );
        assert_eq!(error.contains("must be ipv4 or ipv6"), expected.is_none(), "{error}");
    }
}

#[tokio::test]
async fn containers_give_their_role() {
    let server = MockServer::start().await;
    Mock::given(path("/role"))
        .and(header("authorization", "container-token"))
        .respond_with(ResponseTemplate::new(200).set_body_string(SESSION))
        .expect(1)
        .mount(&server)
        .await;
    let home = Home::new(&[("token", "container-token\n")]);
    let (uri, file) =
        (format!("{}/role", server.uri()), home.0.join("token").display().to_string());
    let pairs = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.as_str()),
    ];
    assert_eq!(find(home.env(&pairs), None, fetch()).await.unwrap().access_key_id, "ASIAMACHINE");

    let open = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/role")];
    assert!(
        find(home.env(&open), None, fetch()).await.is_err(),
        "a token must not go over plain http"
    );
}

#[tokio::test]
async fn a_machine_without_metadata_does_not_hang() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let home = Home::new(&[]);
    let began = Instant::now();
    let error = find(home.env(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint)]), None, fetch())
        .await
        .unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(10), "a server that never answers is given up");
    assert!(
        error.to_string().contains("no AWS credentials found")
            && error.to_string().contains("IMDS"),
        "{error}"
    );
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_metadata_token_that_is_refused_is_asked_for_again() {
    let server = MockServer::start().await;
    let answer = |text: &str| ResponseTemplate::new(200).set_body_string(text);
    Mock::given(method("PUT")).respond_with(answer("first")).up_to_n_times(1).mount(&server).await;
    Mock::given(method("PUT")).respond_with(answer("second")).mount(&server).await;
    let roles = "/latest/meta-data/iam/security-credentials/";
    for (at, text) in [(roles.to_string(), "my-role"), (format!("{roles}my-role"), SESSION)] {
        Mock::given(path(at))
            .and(header("x-aws-ec2-metadata-token", "second"))
            .respond_with(answer(text))
            .mount(&server)
            .await;
    }
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(401)).mount(&server).await;
    let home = Home::new(&[]);
    let uri = server.uri();
    let found = find(home.env(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &uri)]), None, fetch())
        .await
        .unwrap();
    assert_eq!(found.access_key_id, "ASIAMACHINE");
}
