//! `create_instance`: what is sent, and what keeps a second droplet out.

use super::*;

#[tokio::test]
async fn create_sends_all_that_was_asked_for() {
    let server = MockServer::start().await;
    let body = json!({
        "name": "web-1", "region": "nyc3", "size": "s-1vcpu-1gb", "image": 7_555_620,
        "ssh_keys": [289_794, "3b:16:e4:bf:8b:00:8b:b8:59:8c:a9:d3:f0:19:fa:45"],
        "tags": ["env:prod_3aeu", "managed-by:spuff"], "user_data": "#cloud-config\n", "ipv6": true
    });
    Mock::given(method("POST"))
        .and(path("/v2/droplets"))
        .and(header("authorization", "Bearer test-token"))
        .and(header("content-type", "application/json"))
        .and(body_json_but_for_the_key(body))
        .respond_with(reply(
            202,
            json!({
                "droplet": droplet(3_164_444, "new", json!([])),
                "links": {
                    "actions": [{
                        "id": 7515, "rel": "create",
                        "href": "https://api.digitalocean.com/v2/actions/7515"
                    }]
                }
            }),
        ))
        .expect(1)
        .mount(&server)
        .await;

    let request = good()
        .with_image(ImageSpec::Snapshot("7555620".to_string()))
        .with_label("env", "prod:eu")
        .with_user_data("#cloud-config\n")
        .with_ssh_key("289794")
        .with_ssh_key("3b:16:e4:bf:8b:00:8b:b8:59:8c:a9:d3:f0:19:fa:45");
    let machine = provider(&server).create_instance(&request).await.unwrap();

    assert_eq!((machine.id.as_str(), machine.status.clone()), ("3164444", InstanceStatus::New));
    assert!(machine.ip.is_unspecified());
    assert_eq!(machine.created_at.to_rfc3339(), "2026-01-05T10:00:00+00:00");
    assert_eq!((machine.region.as_str(), machine.size.as_str()), ("nyc3", "s-1vcpu-1gb"));
    let labels = [("managed-by", "spuff"), ("env", "prod:eu")]
        .map(|(key, value)| (key.to_string(), value.to_string()));
    assert_eq!(machine.labels, HashMap::from(labels));
}

#[tokio::test]
async fn create_without_extras_sends_no_keys_and_a_slug() {
    let server = MockServer::start().await;
    let body = json!({
        "name": "web-1", "size": "s-1vcpu-1gb", "image": "ubuntu-24-04-x64", "ssh_keys": [],
        "tags": ["managed-by:spuff"], "ipv6": true
    });
    let created = reply(202, json!({"droplet": droplet(1, "new", json!([]))}));
    Mock::given(method("POST"))
        .and(path("/v2/droplets"))
        .and(body_json_but_for_the_key(body))
        .respond_with(created)
        .expect(1)
        .mount(&server)
        .await;
    provider(&server)
        .create_instance(&InstanceRequest::new("web-1", "", "s-1vcpu-1gb"))
        .await
        .unwrap();
}

/// A droplet of the asked name, made two minutes ago by a clock that is behind this machine's.
fn named(tags: Value) -> ResponseTemplate {
    named_at(tags, json!((chrono::Utc::now() - chrono::TimeDelta::minutes(2)).to_rfc3339()))
}

fn named_at(tags: Value, created_at: Value) -> ResponseTemplate {
    let mut found = droplet(7, "new", json!([]));
    found["name"] = json!("web-1");
    (found["tags"], found["created_at"]) = (tags, created_at);
    reply(200, json!({"droplets": [found], "links": {}}))
}

fn look_for_the_name() -> MockBuilder {
    Mock::given(method("GET")).and(path("/v2/droplets")).and(query_param("name", "web-1"))
}

#[tokio::test]
async fn a_droplet_whose_tags_come_to_light_later_is_waited_for_and_adopted() {
    let server = MockServer::start().await;
    let lost = refusal(503, "server_error", "Unable to process request");
    Mock::given(method("POST"))
        .and(path("/v2/droplets"))
        .respond_with(lost)
        .expect(1)
        .mount(&server)
        .await;
    look_for_the_name()
        .respond_with(named(json!([])))
        .up_to_n_times(3)
        .expect(3)
        .mount(&server)
        .await;
    // With the tags of the create, whatever its key was.
    let created = std::sync::Arc::new(std::sync::Mutex::new(Value::Null));
    let seen = created.clone();
    look_for_the_name()
        .respond_with(move |_: &wiremock::Request| named(seen.lock().unwrap().clone()))
        .expect(1)
        .mount(&server)
        .await;
    let provider = provider(&server);
    let request = good();
    let watch = async {
        loop {
            if let Some(sent) =
                sent(&server).await.iter().find(|sent| sent.method.as_str() == "POST")
            {
                *created.lock().unwrap() = sent.body_json::<Value>().unwrap()["tags"].clone();
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let made = tokio::select! {
        made = provider.create_instance(&request) => made.unwrap(),
        () = watch => unreachable!(),
    };
    assert_eq!(made.id, "7");
}

#[tokio::test]
async fn a_droplet_whose_tags_never_come_to_light_is_a_candidate_of_an_unknown_outcome() {
    // Also one that tells no time, or none that can be read.
    for listed in
        [named(json!([])), named_at(json!([]), Value::Null), named_at(json!([]), json!("soon"))]
    {
        let server = MockServer::start().await;
        let lost = refusal(503, "server_error", "Unable to process request");
        Mock::given(method("POST"))
            .and(path("/v2/droplets"))
            .respond_with(lost)
            .expect(1)
            .mount(&server)
            .await;
        look_for_the_name().respond_with(listed).expect(1..).mount(&server).await;
        let provider =
            DigitalOceanProvider::with_config("test-token", &server.uri(), hasty()).unwrap();
        let error = provider.create_instance(&good()).await.unwrap_err();
        let ProviderError::UnknownOutcome { candidates, .. } = &error else { panic!("{error}") };
        assert_eq!(candidates, &["7"]);
        assert!(error.to_string().contains("it may be 7"), "{error}");
    }
}

#[tokio::test]
async fn creates_at_once_look_up_key_names_once() {
    let server = MockServer::start().await;
    let keys = json!({"ssh_keys": [{"id": 512, "name": "laptop"}], "links": {}});
    let slow = reply(200, keys).set_delay(Duration::from_millis(200));
    Mock::given(method("GET"))
        .and(path("/v2/account/keys"))
        .respond_with(slow)
        .expect(1)
        .mount(&server)
        .await;
    let made = reply(202, json!({"droplet": droplet(1, "new", json!([]))}));
    Mock::given(method("POST"))
        .and(path("/v2/droplets"))
        .respond_with(made)
        .expect(16)
        .mount(&server)
        .await;
    let provider = provider(&server);
    let request = good().with_ssh_key("laptop");
    for made in
        futures_util::future::join_all((0..16).map(|_| provider.create_instance(&request))).await
    {
        made.unwrap();
    }
}

#[tokio::test]
async fn a_tag_that_is_gone_is_not_the_droplet() {
    let server = MockServer::start().await;
    let path_of = |at: &str, verb: &str| Mock::given(method(verb)).and(path(at));
    let tag = reply(201, json!({"tag": {"name": "env:prod"}}));
    path_of("/v2/tags", "POST").respond_with(tag).expect(2).mount(&server).await;
    // Somebody deletes it just after it was made; made again, it stays.
    let resources = "/v2/tags/env:prod/resources";
    let gone = refusal(404, "not_found", "The resource you were accessing could not be found.");
    path_of(resources, "POST").respond_with(gone).up_to_n_times(1).expect(1).mount(&server).await;
    path_of(resources, "POST")
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&server)
        .await;
    let droplet = reply(200, json!({"droplet": droplet(7, "active", addresses())}));
    path_of("/v2/droplets/7", "GET").respond_with(droplet).mount(&server).await;
    let untagged = ResponseTemplate::new(204);
    path_of("/v2/tags/env:prod_3aeu/resources", "DELETE")
        .respond_with(untagged)
        .mount(&server)
        .await;
    provider(&server)
        .set_labels("7", &HashMap::from([("env".to_string(), "prod".to_string())]))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_key_with_a_time_beyond_reason_is_refused() {
    let server = MockServer::start().await;
    for key in ["1:-8334601228800:x", "1:18446744073709551616999:x", "1:NaN:x"] {
        let resolved =
            tokio::time::timeout(Duration::from_secs(1), provider(&server).resolve_snapshot(key))
                .await;
        assert!(!matches!(resolved, Ok(Ok(_))), "{key}: {resolved:?}");
    }
}

#[tokio::test]
async fn key_names_are_looked_up_once_a_minute() {
    let server = MockServer::start().await;
    let keys = json!({
        "ssh_keys": [{
            "id": 512, "name": "laptop", "fingerprint": "aa:bb", "public_key": "ssh-ed25519 A"
        }],
        "links": {}
    });
    Mock::given(method("GET"))
        .and(path("/v2/account/keys"))
        .respond_with(reply(200, keys))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/v2/droplets"))
        .respond_with(reply(202, json!({"droplet": droplet(1, "new", json!([]))})))
        .expect(2)
        .mount(&server)
        .await;
    let provider = provider(&server);
    for _ in 0..2 {
        provider.create_instance(&good().with_ssh_key("laptop").with_ssh_key("7")).await.unwrap();
    }
    let body: Value = sent(&server).await.last().unwrap().body_json().unwrap();
    assert_eq!(body["ssh_keys"], json!([512, 7]));

    let error = provider.create_instance(&good().with_ssh_key("desktop")).await.unwrap_err();
    assert!(matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "ssh_keys"));
    assert!(error.to_string().contains("laptop"), "{error}");
}

#[tokio::test]
async fn bad_input_sends_nothing() {
    let server = MockServer::start().await;
    let provider = provider(&server);
    for (field, request) in [
        ("name", InstanceRequest::new("web_1", "nyc3", "s-1vcpu-1gb")),
        ("region", InstanceRequest::new("web-1", "New York", "s-1vcpu-1gb")),
        ("size", InstanceRequest::new("web-1", "nyc3", "")),
        ("user_data", good().with_user_data("x".repeat(70 * 1024))),
        ("labels[\"k\"]", good().with_label("k", "/".repeat(100))),
        ("labels", good().with_label("managed-by", "somebody-else")),
        ("image", good().with_image(ImageSpec::Snapshot("ami-0abc".to_string()))),
        ("idempotency_key", good().with_idempotency_key("")),
    ] {
        let error = provider.create_instance(&request).await.unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field: found, .. } if found == field),
            "{field}: {error}"
        );
    }
    for id in ["i-0123456789abcdef0", "", "../account", "12x"] {
        let errors = [
            provider.get_instance(id).await.unwrap_err(),
            provider.destroy_instance(id).await.unwrap_err(),
            provider.wait_ready(id).await.unwrap_err(),
            provider.create_snapshot(id, "s").await.unwrap_err(),
            provider.delete_snapshot(id).await.unwrap_err(),
        ];
        assert!(
            errors.iter().all(|error| matches!(error, ProviderError::InvalidConfig { .. })),
            "{id}: {errors:?}"
        );
    }
    assert!(sent(&server).await.is_empty());
}

/// Nothing but looking first keeps a second droplet out: one list that comes back wrong does not
/// make one.
#[tokio::test]
async fn one_list_that_is_wrong_makes_no_second_droplet() {
    let mut made = droplet(7, "active", addresses());
    made["name"] = json!("web-1");
    made["tags"] = json!(["managed-by:spuff", "spuff-key:df8cf80227ec3237922df0ecd88385c5"]);
    let mut untagged = made.clone();
    untagged["tags"] = Value::Null;
    for wrong in
        [json!({"droplets": null}), json!({"droplets": []}), json!({"droplets": [untagged]})]
    {
        let server = MockServer::start().await;
        let list = || Mock::given(method("GET")).and(path("/v2/droplets"));
        let by_tag =
            || list().and(query_param("tag_name", "spuff-key:df8cf80227ec3237922df0ecd88385c5"));
        let gpus = list();
        by_tag()
            .respond_with(reply(200, wrong.clone()))
            .up_to_n_times(1)
            .expect(1)
            .mount(&server)
            .await;
        by_tag().respond_with(reply(200, json!({"droplets": [made]}))).mount(&server).await;
        gpus.and(query_param("type", "gpus"))
            .respond_with(reply(200, json!({"droplets": []})))
            .mount(&server)
            .await;
        Mock::given(method("POST"))
            .respond_with(reply(500, json!({})))
            .expect(0)
            .mount(&server)
            .await;
        let found = provider(&server)
            .create_instance(&good().with_idempotency_key("order-7"))
            .await
            .unwrap();
        assert_eq!((found.id.as_str(), found.adopted), ("7", true), "{wrong}");
    }
}
