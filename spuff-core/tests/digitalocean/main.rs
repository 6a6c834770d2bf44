//! Each verb of the DigitalOcean room against scripted replies. A mock that is not called as often as expected fails.
#![cfg(feature = "digitalocean")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

mod prices;
mod snapshots;
#[path = "../support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use spuff_core::provider::{
    DigitalOceanProvider, ImageSpec, InstanceRequest, InstanceStatus, Provider, ProviderConfig, ProviderError, ProviderRegistry,
    ProviderTimeouts,
};
use wiremock::matchers::{header, method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockBuilder, MockServer, ResponseTemplate};

fn provider(server: &MockServer) -> DigitalOceanProvider {
    DigitalOceanProvider::with_config("test-token", &server.uri(), support::timeouts()).unwrap()
}

/// Timeouts short enough that a test can wait for their end.
fn hasty() -> ProviderTimeouts {
    let short = Duration::from_millis(300);
    ProviderTimeouts { instance_ready: short, action_complete: short, ..support::timeouts() }
}

fn droplet(id: u64, status: &str, v4: Value) -> Value {
    json!({
        "id": id, "name": format!("web-{id}"), "memory": 1024, "vcpus": 1, "disk": 25, "locked": false, "status": status,
        "kernel": null, "created_at": "2026-01-05T10:00:00Z", "features": [], "backup_ids": [], "snapshot_ids": [],
        "image": {"id": 1, "slug": "ubuntu-24-04-x64"}, "volume_ids": [], "size": {"slug": "s-1vcpu-1gb"},
        "size_slug": "s-1vcpu-1gb", "networks": {"v4": v4, "v6": []},
        "region": {"slug": "nyc3", "name": "New York 3"}, "tags": ["managed-by:spuff", "env:prod_3aeu"]
    })
}

fn addresses() -> Value {
    json!([
        {"ip_address": "10.124.0.2", "netmask": "255.255.240.0", "gateway": "<nil>", "type": "private"},
        {"ip_address": "203.0.113.7", "netmask": "255.255.240.0", "gateway": "203.0.113.1", "type": "public"}
    ])
}

fn reply(status: u16, body: Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

fn refusal(status: u16, id: &str, message: &str) -> ResponseTemplate {
    reply(status, json!({"id": id, "message": message, "request_id": "4d9d8375"}))
}

async fn sent(server: &MockServer) -> Vec<wiremock::Request> {
    server.received_requests().await.unwrap()
}

fn good() -> InstanceRequest {
    InstanceRequest::new("web-1", "nyc3", "s-1vcpu-1gb")
}

/// The body of a create, whose last tag stands for its key.
fn body_json_but_for_the_key(expected: Value) -> impl wiremock::Match {
    move |request: &wiremock::Request| {
        let mut body: Value = serde_json::from_slice(&request.body).unwrap();
        let tag = body["tags"].as_array_mut().and_then(Vec::pop).unwrap_or_default();
        let nonce = tag.as_str().and_then(|tag| tag.strip_prefix("spuff-key:")).unwrap_or_default();
        body == expected && nonce.len() == 32
    }
}

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
                "links": {"actions": [{"id": 7515, "rel": "create", "href": "https://api.digitalocean.com/v2/actions/7515"}]}
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
    let labels = [("managed-by", "spuff"), ("env", "prod:eu")].map(|(key, value)| (key.to_string(), value.to_string()));
    assert_eq!(machine.labels, HashMap::from(labels));
}

#[tokio::test]
async fn create_without_extras_sends_no_keys_and_a_slug() {
    let server = MockServer::start().await;
    let body = json!({
        "name": "web-1", "size": "s-1vcpu-1gb", "image": "ubuntu-24-04-x64", "ssh_keys": [], "tags": ["managed-by:spuff"], "ipv6": true
    });
    let created = reply(202, json!({"droplet": droplet(1, "new", json!([]))}));
    Mock::given(method("POST"))
        .and(path("/v2/droplets"))
        .and(body_json_but_for_the_key(body))
        .respond_with(created)
        .expect(1)
        .mount(&server)
        .await;
    provider(&server).create_instance(&InstanceRequest::new("web-1", "", "s-1vcpu-1gb")).await.unwrap();
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
    Mock::given(method("POST")).and(path("/v2/droplets")).respond_with(lost).expect(1).mount(&server).await;
    look_for_the_name().respond_with(named(json!([]))).up_to_n_times(3).expect(3).mount(&server).await;
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
            if let Some(sent) = sent(&server).await.iter().find(|sent| sent.method.as_str() == "POST") {
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
    for listed in [named(json!([])), named_at(json!([]), Value::Null), named_at(json!([]), json!("soon"))] {
        let server = MockServer::start().await;
        let lost = refusal(503, "server_error", "Unable to process request");
        Mock::given(method("POST")).and(path("/v2/droplets")).respond_with(lost).expect(1).mount(&server).await;
        look_for_the_name().respond_with(listed).expect(1..).mount(&server).await;
        let provider = DigitalOceanProvider::with_config("test-token", &server.uri(), hasty()).unwrap();
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
    Mock::given(method("GET")).and(path("/v2/account/keys")).respond_with(slow).expect(1).mount(&server).await;
    let made = reply(202, json!({"droplet": droplet(1, "new", json!([]))}));
    Mock::given(method("POST")).and(path("/v2/droplets")).respond_with(made).expect(16).mount(&server).await;
    let (provider, request) = (provider(&server), good().with_ssh_key("laptop"));
    for made in futures_util::future::join_all((0..16).map(|_| provider.create_instance(&request))).await {
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
    path_of(resources, "POST").respond_with(ResponseTemplate::new(204)).expect(1).mount(&server).await;
    let droplet = reply(200, json!({"droplet": droplet(7, "active", addresses())}));
    path_of("/v2/droplets/7", "GET").respond_with(droplet).mount(&server).await;
    let untagged = ResponseTemplate::new(204);
    path_of("/v2/tags/env:prod_3aeu/resources", "DELETE").respond_with(untagged).mount(&server).await;
    provider(&server).set_labels("7", &HashMap::from([("env".to_string(), "prod".to_string())])).await.unwrap();
}

#[tokio::test]
async fn a_key_with_a_time_beyond_reason_is_refused() {
    let server = MockServer::start().await;
    for key in ["1:-8334601228800:x", "1:18446744073709551616999:x", "1:NaN:x"] {
        let resolved = tokio::time::timeout(Duration::from_secs(1), provider(&server).resolve_snapshot(key)).await;
        assert!(!matches!(resolved, Ok(Ok(_))), "{key}: {resolved:?}");
    }
}

#[tokio::test]
async fn key_names_are_looked_up_once_a_minute() {
    let server = MockServer::start().await;
    let keys =
        json!({"ssh_keys": [{"id": 512, "name": "laptop", "fingerprint": "aa:bb", "public_key": "ssh-ed25519 A"}], "links": {}});
    Mock::given(method("GET")).and(path("/v2/account/keys")).respond_with(reply(200, keys)).expect(1).mount(&server).await;
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
        assert!(matches!(&error, ProviderError::InvalidConfig { field: found, .. } if found == field), "{field}: {error}");
    }
    for id in ["i-0123456789abcdef0", "", "../account", "12x"] {
        let errors = [
            provider.get_instance(id).await.unwrap_err(),
            provider.destroy_instance(id).await.unwrap_err(),
            provider.wait_ready(id).await.unwrap_err(),
            provider.create_snapshot(id, "s").await.unwrap_err(),
            provider.delete_snapshot(id).await.unwrap_err(),
        ];
        assert!(errors.iter().all(|error| matches!(error, ProviderError::InvalidConfig { .. })), "{id}: {errors:?}");
    }
    assert!(sent(&server).await.is_empty());
}

/// Nothing but looking first keeps a second droplet out: one list that comes back wrong does not make one.
#[tokio::test]
async fn one_list_that_is_wrong_makes_no_second_droplet() {
    let mut made = droplet(7, "active", addresses());
    made["name"] = json!("web-1");
    made["tags"] = json!(["managed-by:spuff", "spuff-key:df8cf80227ec3237922df0ecd88385c5"]);
    let mut untagged = made.clone();
    untagged["tags"] = Value::Null;
    for wrong in [json!({"droplets": null}), json!({"droplets": []}), json!({"droplets": [untagged]})] {
        let server = MockServer::start().await;
        let list = || Mock::given(method("GET")).and(path("/v2/droplets"));
        let (by_tag, gpus) = (|| list().and(query_param("tag_name", "spuff-key:df8cf80227ec3237922df0ecd88385c5")), list());
        by_tag().respond_with(reply(200, wrong.clone())).up_to_n_times(1).expect(1).mount(&server).await;
        by_tag().respond_with(reply(200, json!({"droplets": [made]}))).mount(&server).await;
        gpus.and(query_param("type", "gpus")).respond_with(reply(200, json!({"droplets": []}))).mount(&server).await;
        Mock::given(method("POST")).respond_with(reply(500, json!({}))).expect(0).mount(&server).await;
        let found = provider(&server).create_instance(&good().with_idempotency_key("order-7")).await.unwrap();
        assert_eq!((found.id.as_str(), found.adopted), ("7", true), "{wrong}");
    }
}

#[tokio::test]
async fn get_reads_addresses_public_first() {
    let server = MockServer::start().await;
    let body = json!({"droplet": droplet(7, "active", addresses())});
    Mock::given(method("GET")).and(path("/v2/droplets/7")).respond_with(reply(200, body)).expect(1).mount(&server).await;
    let machine = provider(&server).get_instance("7").await.unwrap().unwrap();
    assert_eq!(machine.ip.to_string(), "203.0.113.7");
    assert_eq!(machine.addresses.iter().map(|address| address.public).collect::<Vec<_>>(), [false, true]);
    assert!(machine.is_ready());
}

#[tokio::test]
async fn a_machine_with_ipv6_only_has_that_address() {
    let server = MockServer::start().await;
    let mut body = json!({"droplet": droplet(7, "active", Value::Null)});
    body["droplet"]["networks"]["v6"] =
        json!([{"ip_address": "2604:a880::1", "netmask": 64, "gateway": "2604:a880::", "type": "public"}]);
    Mock::given(method("GET")).respond_with(reply(200, body)).expect(1).mount(&server).await;
    assert_eq!(provider(&server).get_instance("7").await.unwrap().unwrap().ip.to_string(), "2604:a880::1");
}

#[tokio::test]
async fn what_is_absent_is_none_or_done() {
    let server = MockServer::start().await;
    let absent = refusal(404, "not_found", "The resource you were accessing could not be found.");
    // Another client may have made it a moment ago: to end it, and to wait for it, it is asked for again.
    Mock::given(method("GET")).and(path("/v2/droplets/9")).respond_with(absent.clone()).expect(1).mount(&server).await;
    Mock::given(method("GET")).and(path("/v2/droplets/8")).respond_with(absent.clone()).expect(2..).mount(&server).await;
    Mock::given(method("DELETE")).and(path("/v2/droplets/9")).respond_with(absent.clone()).expect(2..).mount(&server).await;
    Mock::given(method("DELETE")).and(path("/v2/snapshots/9")).respond_with(absent).expect(1).mount(&server).await;
    let config = ProviderConfig::new("test-token").with_endpoint(server.uri()).with_timeouts(support::timeouts());
    let config = config.with_option("settling", "0.2");
    let provider = ProviderRegistry::with_defaults().connect("digitalocean", config).unwrap();
    assert_eq!(provider.get_instance("9").await.unwrap(), None);
    provider.destroy_instance("9").await.unwrap();
    provider.delete_snapshot("9").await.unwrap();
    let error = provider.wait_ready("8").await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::NotFound { resource_type, id } if resource_type == "instance" && id == "8"),
        "{error}"
    );
}

#[tokio::test]
async fn a_droplet_that_another_client_has_made_a_moment_ago_is_ended_when_it_comes_to_light() {
    let server = MockServer::start().await;
    let absent = refusal(404, "not_found", "The resource you were accessing could not be found.");
    let delete = || Mock::given(method("DELETE")).and(path("/v2/droplets/9"));
    delete().respond_with(absent.clone()).up_to_n_times(2).expect(2).mount(&server).await;
    delete().respond_with(ResponseTemplate::new(204)).up_to_n_times(1).expect(1).mount(&server).await;
    let provider = provider(&server);
    provider.destroy_instance("9").await.unwrap();
    // What was ended from here is not doubted.
    delete().respond_with(absent).expect(1).mount(&server).await;
    provider.destroy_instance("9").await.unwrap();
}

#[tokio::test]
async fn destroy_waits_for_a_pending_event() {
    let server = MockServer::start().await;
    let busy = refusal(422, "unprocessable_entity", "Droplet already has a pending event.");
    Mock::given(method("DELETE")).and(path("/v2/droplets/7")).respond_with(busy).up_to_n_times(2).expect(2).mount(&server).await;
    Mock::given(method("DELETE"))
        .and(path("/v2/droplets/7"))
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&server)
        .await;
    provider(&server).destroy_instance("7").await.unwrap();
}

#[tokio::test]
async fn a_page_of_a_proxy_has_done_nothing() {
    let server = MockServer::start().await;
    let page = || ResponseTemplate::new(200).set_body_raw("<html>Welcome</html>", "text/html");
    let on = |verb: &str, at: &str| Mock::given(method(verb)).and(path(at));
    let done = [
        ("DELETE", "/v2/droplets/7", ResponseTemplate::new(204)),
        ("DELETE", "/v2/snapshots/7", ResponseTemplate::new(204)),
        ("POST", "/v2/tags", reply(201, json!({"tag": {"name": "env:prod"}}))),
        ("POST", "/v2/tags/env:prod/resources", ResponseTemplate::new(204)),
    ];
    for (verb, at, done) in done {
        on(verb, at).respond_with(page()).up_to_n_times(1).expect(1).mount(&server).await;
        on(verb, at).respond_with(done).expect(1).mount(&server).await;
    }
    let droplet = reply(200, json!({"droplet": {"id": 7, "name": "web-1", "status": "active", "tags": []}}));
    on("GET", "/v2/droplets/7").respond_with(droplet).mount(&server).await;
    let provider = provider(&server);
    provider.set_labels("7", &HashMap::from([("env".to_string(), "prod".to_string())])).await.unwrap();
    provider.delete_snapshot("7").await.unwrap();
    provider.destroy_instance("7").await.unwrap();
}

#[tokio::test]
async fn destroy_gives_up_at_the_deadline_and_says_why() {
    let server = MockServer::start().await;
    let busy = refusal(422, "unprocessable_entity", "Droplet already has a pending event.");
    Mock::given(method("DELETE")).respond_with(busy).expect(1..).mount(&server).await;
    let provider = DigitalOceanProvider::with_config("test-token", &server.uri(), hasty()).unwrap();
    let error = provider.destroy_instance("7").await.unwrap_err();
    assert!(matches!(&error, ProviderError::Timeout { operation, .. } if operation.contains("pending event")), "{error}");
}

#[tokio::test]
async fn a_404_just_after_the_create_is_not_believed() {
    let server = MockServer::start().await;
    let absent = refusal(404, "not_found", "The resource you were accessing could not be found.");
    let created = json!({"droplet": droplet(7, "new", json!([]))});
    Mock::given(method("POST")).respond_with(reply(202, created)).expect(1).mount(&server).await;
    Mock::given(method("GET"))
        .and(path("/v2/droplets/7"))
        .respond_with(absent.clone())
        .up_to_n_times(2)
        .expect(2)
        .mount(&server)
        .await;
    let ready = json!({"droplet": droplet(7, "active", addresses())});
    Mock::given(method("GET")).and(path("/v2/droplets/7")).respond_with(reply(200, ready)).expect(1).mount(&server).await;
    Mock::given(method("DELETE")).respond_with(absent).up_to_n_times(1).expect(1).mount(&server).await;
    Mock::given(method("DELETE")).respond_with(ResponseTemplate::new(204)).expect(1).mount(&server).await;
    let provider = provider(&server);
    provider.create_instance(&good()).await.unwrap();
    assert_eq!(provider.wait_ready("7").await.unwrap().id, "7");
    provider.destroy_instance("7").await.unwrap();
}

#[tokio::test]
async fn list_follows_three_pages_and_finds_gpu_droplets() {
    let server = MockServer::start().await;
    let page = |number: u64, ids: std::ops::Range<u64>, more: bool| {
        let droplets: Vec<_> = ids.map(|id| droplet(id, "active", addresses())).collect();
        // The address of the next page is never used: its host is fixed, and would be sent the token.
        let links = if more { json!({"pages": {"next": "https://api.digitalocean.com/v2/droplets?page=99"}}) } else { json!({}) };
        Mock::given(method("GET"))
            .and(path("/v2/droplets"))
            .and(query_param("tag_name", "managed-by:spuff"))
            .and(query_param("per_page", "200"))
            .and(query_param("page", number.to_string()))
            .respond_with(reply(200, json!({"droplets": droplets, "links": links, "meta": {"total": 401}})))
            .expect(support::on_and_back(!more))
    };
    page(1, 0..200, true).mount(&server).await;
    page(2, 199..400, true).mount(&server).await;
    page(3, 400..401, false).mount(&server).await;
    let mut foreign = droplet(1001, "active", addresses());
    foreign["tags"] = json!(["env:prod"]);
    let gpus = json!({"droplets": [droplet(1000, "active", addresses()), foreign], "links": {}});
    Mock::given(method("GET"))
        .and(query_param("type", "gpus"))
        .and(query_param_is_missing("tag_name"))
        .respond_with(reply(200, gpus))
        .expect(1)
        .mount(&server)
        .await;

    let machines = provider(&server).list_instances().await.unwrap();
    let mut ids: Vec<u64> = machines.iter().map(|machine| machine.id.parse().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..401).chain([1000]).collect::<Vec<_>>());
    assert_eq!(machines[0].labels["env"], "prod:eu");
}

#[tokio::test]
async fn wait_ready_looks_until_active_with_an_address() {
    let server = MockServer::start().await;
    for (status, v4) in [("new", json!([])), ("active", json!([])), ("active", json!([addresses()[0]]))] {
        let body = json!({"droplet": droplet(7, status, v4)});
        Mock::given(method("GET")).respond_with(reply(200, body)).up_to_n_times(1).expect(1).mount(&server).await;
    }
    let body = json!({"droplet": droplet(7, "active", addresses())});
    Mock::given(method("GET")).respond_with(reply(200, body)).expect(1).mount(&server).await;
    assert_eq!(provider(&server).wait_ready("7").await.unwrap().ip.to_string(), "203.0.113.7");
}

#[tokio::test]
async fn wait_ready_ends_at_its_deadline_with_the_last_state() {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(reply(200, json!({"droplet": droplet(7, "new", json!([]))}))).mount(&server).await;
    let provider = DigitalOceanProvider::with_config("test-token", &server.uri(), hasty()).unwrap();
    let error = provider.wait_ready("7").await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Timeout { operation, .. } if operation.contains("new") && operation.contains('7')),
        "{error}"
    );
    assert!(error.is_retryable());
}

#[tokio::test]
async fn wait_ready_ends_early_on_what_cannot_recover() {
    let server = MockServer::start().await;
    let archived = reply(200, json!({"droplet": droplet(6, "archive", json!([]))}));
    Mock::given(method("GET")).and(path("/v2/droplets/6")).respond_with(archived).expect(1).mount(&server).await;
    let error = provider(&server).wait_ready("6").await.unwrap_err();
    assert_eq!(error.context().unwrap().instance_id.as_deref(), Some("6"), "{error}");

    // Seen, then gone.
    let new = reply(200, json!({"droplet": droplet(7, "new", json!([]))}));
    Mock::given(method("GET")).and(path("/v2/droplets/7")).respond_with(new).up_to_n_times(1).expect(1).mount(&server).await;
    Mock::given(method("GET"))
        .and(path("/v2/droplets/7"))
        .respond_with(refusal(404, "not_found", "gone"))
        .expect(1)
        .mount(&server)
        .await;
    assert!(matches!(provider(&server).wait_ready("7").await, Err(ProviderError::NotFound { .. })));
}

#[tokio::test]
async fn wait_ready_reports_a_create_that_failed_later() {
    let server = MockServer::start().await;
    let created = json!({"droplet": droplet(7, "new", json!([])), "links": {"actions": [{"id": 7515, "rel": "create"}]}});
    Mock::given(method("POST")).respond_with(reply(202, created)).expect(1).mount(&server).await;
    Mock::given(method("GET")).and(path("/v2/droplets/7")).respond_with(refusal(404, "not_found", "gone")).mount(&server).await;
    let errored = json!({"action": {"id": 7515, "status": "errored", "type": "create", "region": "nyc3"}});
    Mock::given(method("GET")).and(path("/v2/actions/7515")).respond_with(reply(200, errored)).expect(1).mount(&server).await;
    let provider = provider(&server);
    provider.create_instance(&good()).await.unwrap();
    let error = provider.wait_ready("7").await.unwrap_err();
    assert!(error.to_string().contains("create action") && error.to_string().contains("instance 7"), "{error}");
}

#[tokio::test]
async fn every_refusal_has_its_kind() {
    let table = [
        (400, "bad_request", "Bad", "invalid_config"),
        (401, "unauthorized", "Unable to authenticate you.", "authentication"),
        (403, "forbidden", "You are not authorized to perform this operation", "authentication"),
        (409, "conflict", "Conflict", "conflict"),
        (422, "unprocessable_entity", "You specified an invalid region for Droplet creation.", "invalid_config"),
        (422, "unprocessable_entity", "creating this/these droplet(s) will exceed your droplet limit", "quota_exceeded"),
        (422, "unprocessable_entity", "Size is not available in this region.", "capacity"),
        (410, "gone", "Gone", "api"),
        (500, "server_error", "Server was unable to give you a response.", "unknown_outcome"),
    ];
    for (status, id, message, kind) in table {
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(refusal(status, id, message)).expect(1).mount(&server).await;
        let error = provider(&server).create_instance(&good()).await.unwrap_err();
        assert_eq!(error.kind().name(), kind, "{status} {message}");
        let text = error.to_string();
        for part in ["digitalocean", message, id, &format!("HTTP {status}"), "4d9d8375"] {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    }
}
