//! Each verb of the DigitalOcean room against scripted replies. A mock that is not called as often
//! as expected fails.
#![cfg(feature = "digitalocean")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

mod create;
mod prices;
mod snapshots;
#[path = "../support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use spuff_core::provider::{
    DigitalOceanProvider, ImageSpec, InstanceRequest, InstanceStatus, Provider, ProviderConfig,
    ProviderError, ProviderRegistry, ProviderTimeouts,
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
        "id": id, "name": format!("web-{id}"), "memory": 1024, "vcpus": 1, "disk": 25,
        "locked": false, "status": status, "kernel": null, "created_at": "2026-01-05T10:00:00Z",
        "features": [], "backup_ids": [], "snapshot_ids": [],
        "image": {"id": 1, "slug": "ubuntu-24-04-x64"}, "volume_ids": [],
        "size": {"slug": "s-1vcpu-1gb"}, "size_slug": "s-1vcpu-1gb",
        "networks": {"v4": v4, "v6": []}, "region": {"slug": "nyc3", "name": "New York 3"},
        "tags": ["managed-by:spuff", "env:prod_3aeu"]
    })
}

fn addresses() -> Value {
    json!([
        {
            "ip_address": "10.124.0.2", "netmask": "255.255.240.0", "gateway": "<nil>",
            "type": "private"
        },
        {
            "ip_address": "203.0.113.7", "netmask": "255.255.240.0", "gateway": "203.0.113.1",
            "type": "public"
        }
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
async fn get_reads_addresses_public_first() {
    let server = MockServer::start().await;
    let body = json!({"droplet": droplet(7, "active", addresses())});
    Mock::given(method("GET"))
        .and(path("/v2/droplets/7"))
        .respond_with(reply(200, body))
        .expect(1)
        .mount(&server)
        .await;
    let machine = provider(&server).get_instance("7").await.unwrap().unwrap();
    assert_eq!(machine.ip.to_string(), "203.0.113.7");
    assert_eq!(
        machine.addresses.iter().map(|address| address.public).collect::<Vec<_>>(),
        [false, true]
    );
    assert!(machine.is_ready());
}

#[tokio::test]
async fn a_machine_with_ipv6_only_has_that_address() {
    let server = MockServer::start().await;
    let mut body = json!({"droplet": droplet(7, "active", Value::Null)});
    body["droplet"]["networks"]["v6"] = json!([
        {"ip_address": "2604:a880::1", "netmask": 64, "gateway": "2604:a880::", "type": "public"}
    ]);
    Mock::given(method("GET")).respond_with(reply(200, body)).expect(1).mount(&server).await;
    assert_eq!(
        provider(&server).get_instance("7").await.unwrap().unwrap().ip.to_string(),
        "2604:a880::1"
    );
}

#[tokio::test]
async fn what_is_absent_is_none_or_done() {
    let server = MockServer::start().await;
    let absent = refusal(404, "not_found", "The resource you were accessing could not be found.");
    // Another client may have made it a moment ago: to end it, and to wait for it, it is asked for
    // again.
    Mock::given(method("GET"))
        .and(path("/v2/droplets/9"))
        .respond_with(absent.clone())
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path("/v2/droplets/8"))
        .respond_with(absent.clone())
        .expect(2..)
        .mount(&server)
        .await;
    Mock::given(method("DELETE"))
        .and(path("/v2/droplets/9"))
        .respond_with(absent.clone())
        .expect(2..)
        .mount(&server)
        .await;
    Mock::given(method("DELETE"))
        .and(path("/v2/snapshots/9"))
        .respond_with(absent)
        .expect(1)
        .mount(&server)
        .await;
    let config = ProviderConfig::new("test-token")
        .with_endpoint(server.uri())
        .with_timeouts(support::timeouts());
    let config = config.with_option("settling", "0.2");
    let provider = ProviderRegistry::with_defaults().connect("digitalocean", config).unwrap();
    assert_eq!(provider.get_instance("9").await.unwrap(), None);
    provider.destroy_instance("9").await.unwrap();
    provider.delete_snapshot("9").await.unwrap();
    let error = provider.wait_ready("8").await.unwrap_err();
    assert!(
        matches!(
            &error,
            ProviderError::NotFound { resource_type, id }
                if resource_type == "instance" && id == "8"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_droplet_that_another_client_has_made_a_moment_ago_is_ended_when_it_comes_to_light() {
    let server = MockServer::start().await;
    let absent = refusal(404, "not_found", "The resource you were accessing could not be found.");
    let delete = || Mock::given(method("DELETE")).and(path("/v2/droplets/9"));
    delete().respond_with(absent.clone()).up_to_n_times(2).expect(2).mount(&server).await;
    delete()
        .respond_with(ResponseTemplate::new(204))
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
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
    Mock::given(method("DELETE"))
        .and(path("/v2/droplets/7"))
        .respond_with(busy)
        .up_to_n_times(2)
        .expect(2)
        .mount(&server)
        .await;
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
    let droplet =
        reply(200, json!({"droplet": {"id": 7, "name": "web-1", "status": "active", "tags": []}}));
    on("GET", "/v2/droplets/7").respond_with(droplet).mount(&server).await;
    let provider = provider(&server);
    provider
        .set_labels("7", &HashMap::from([("env".to_string(), "prod".to_string())]))
        .await
        .unwrap();
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
    assert!(
        matches!(
            &error,
            ProviderError::Timeout { operation, .. } if operation.contains("pending event")
        ),
        "{error}"
    );
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
    Mock::given(method("GET"))
        .and(path("/v2/droplets/7"))
        .respond_with(reply(200, ready))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("DELETE"))
        .respond_with(absent)
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("DELETE"))
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&server)
        .await;
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
        // The address of the next page is never used: its host is fixed, and would be sent the
        // token.
        let links = if more {
            json!({"pages": {"next": "https://api.digitalocean.com/v2/droplets?page=99"}})
        } else {
            json!({})
        };
        Mock::given(method("GET"))
            .and(path("/v2/droplets"))
            .and(query_param("tag_name", "managed-by:spuff"))
            .and(query_param("per_page", "200"))
            .and(query_param("page", number.to_string()))
            .respond_with(reply(
                200,
                json!({"droplets": droplets, "links": links, "meta": {"total": 401}}),
            ))
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
    for (status, v4) in
        [("new", json!([])), ("active", json!([])), ("active", json!([addresses()[0]]))]
    {
        let body = json!({"droplet": droplet(7, status, v4)});
        Mock::given(method("GET"))
            .respond_with(reply(200, body))
            .up_to_n_times(1)
            .expect(1)
            .mount(&server)
            .await;
    }
    let body = json!({"droplet": droplet(7, "active", addresses())});
    Mock::given(method("GET")).respond_with(reply(200, body)).expect(1).mount(&server).await;
    assert_eq!(provider(&server).wait_ready("7").await.unwrap().ip.to_string(), "203.0.113.7");
}

#[tokio::test]
async fn wait_ready_ends_at_its_deadline_with_the_last_state() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(reply(200, json!({"droplet": droplet(7, "new", json!([]))})))
        .mount(&server)
        .await;
    let provider = DigitalOceanProvider::with_config("test-token", &server.uri(), hasty()).unwrap();
    let error = provider.wait_ready("7").await.unwrap_err();
    assert!(
        matches!(
            &error,
            ProviderError::Timeout { operation, .. }
                if operation.contains("new") && operation.contains('7')
        ),
        "{error}"
    );
    assert!(error.is_retryable());
}

#[tokio::test]
async fn wait_ready_ends_early_on_what_cannot_recover() {
    let server = MockServer::start().await;
    let archived = reply(200, json!({"droplet": droplet(6, "archive", json!([]))}));
    Mock::given(method("GET"))
        .and(path("/v2/droplets/6"))
        .respond_with(archived)
        .expect(1)
        .mount(&server)
        .await;
    let error = provider(&server).wait_ready("6").await.unwrap_err();
    assert_eq!(error.context().unwrap().instance_id.as_deref(), Some("6"), "{error}");

    // Seen, then gone.
    let new = reply(200, json!({"droplet": droplet(7, "new", json!([]))}));
    Mock::given(method("GET"))
        .and(path("/v2/droplets/7"))
        .respond_with(new)
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
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
    let created = json!({
        "droplet": droplet(7, "new", json!([])),
        "links": {"actions": [{"id": 7515, "rel": "create"}]}
    });
    Mock::given(method("POST")).respond_with(reply(202, created)).expect(1).mount(&server).await;
    Mock::given(method("GET"))
        .and(path("/v2/droplets/7"))
        .respond_with(refusal(404, "not_found", "gone"))
        .mount(&server)
        .await;
    let errored =
        json!({"action": {"id": 7515, "status": "errored", "type": "create", "region": "nyc3"}});
    Mock::given(method("GET"))
        .and(path("/v2/actions/7515"))
        .respond_with(reply(200, errored))
        .expect(1)
        .mount(&server)
        .await;
    let provider = provider(&server);
    provider.create_instance(&good()).await.unwrap();
    let error = provider.wait_ready("7").await.unwrap_err();
    assert!(
        error.to_string().contains("create action") && error.to_string().contains("instance 7"),
        "{error}"
    );
}

#[tokio::test]
async fn every_refusal_has_its_kind() {
    let table = [
        (400, "bad_request", "Bad", "invalid_config"),
        (401, "unauthorized", "Unable to authenticate you.", "authentication"),
        (403, "forbidden", "You are not authorized to perform this operation", "authentication"),
        (409, "conflict", "Conflict", "conflict"),
        (
            422,
            "unprocessable_entity",
            "You specified an invalid region for Droplet creation.",
            "invalid_config",
        ),
        (
            422,
            "unprocessable_entity",
            "creating this/these droplet(s) will exceed your droplet limit",
            "quota_exceeded",
        ),
        (422, "unprocessable_entity", "Size is not available in this region.", "capacity"),
        (410, "gone", "Gone", "api"),
        (500, "server_error", "Server was unable to give you a response.", "unknown_outcome"),
    ];
    for (status, id, message, kind) in table {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .respond_with(refusal(status, id, message))
            .expect(1)
            .mount(&server)
            .await;
        let error = provider(&server).create_instance(&good()).await.unwrap_err();
        assert_eq!(error.kind().name(), kind, "{status} {message}");
        let text = error.to_string();
        for part in ["digitalocean", message, id, &format!("HTTP {status}"), "4d9d8375"] {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    }
}
