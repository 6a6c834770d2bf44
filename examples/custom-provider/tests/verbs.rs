//! Each operation against a mock of the cloud: success, each API error, and lost replies.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

use std::time::Duration;

use custom_provider::{NimbusFactory, NimbusProvider};
use serde_json::{Value, json};
use spuff_core::provider::{
    ImageSpec, InstanceRequest, InstanceStatus, Provider, ProviderConfig, ProviderError,
    ProviderRegistry, ProviderTimeouts,
};
use wiremock::matchers::{any, body_partial_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const TOKEN: &str = "nimbus-canary-token";

/// Short pauses, and deadlines that only a hang reaches.
fn timeouts() -> ProviderTimeouts {
    ProviderTimeouts {
        instance_ready: Duration::from_secs(20),
        action_complete: Duration::from_secs(20),
        poll_interval: Duration::from_millis(20),
        http_request: Duration::from_secs(10),
        ..ProviderTimeouts::default()
    }
}

fn nimbus(cloud: &MockServer) -> NimbusProvider {
    NimbusProvider::with_config(TOKEN, &cloud.uri(), timeouts()).unwrap()
}

fn request() -> InstanceRequest {
    InstanceRequest::new("web-1", "north", "small")
}

fn machine(state: &str) -> Value {
    json!({
        "id": "vm-1", "state": state, "name": "web-1", "place": "north", "size": "small",
        "created": "2026-01-02T03:04:05Z", "labels": {"managed-by": "spuff"},
        "public_ips": ["2001:db8::1", "192.0.2.1"], "private_ips": ["10.0.0.2"],
        "reason": "the host caught fire",
    })
}

fn answer(status: u16, body: Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

fn refusal(status: u16, code: &str, message: &str) -> ResponseTemplate {
    answer(status, json!({"error": {"code": code, "message": message}}))
        .insert_header("x-request-id", "req-7")
}

fn on(verb: &str, at: &str) -> wiremock::MockBuilder {
    Mock::given(method(verb)).and(path(at))
}

#[tokio::test]
async fn create_sends_what_was_asked_for_and_returns_at_once() {
    let cloud = MockServer::start().await;
    on("POST", "/machines")
        .and(header("authorization", format!("Bearer {TOKEN}")))
        .and(body_partial_json(json!({
            "name": "web-1", "place": "north", "size": "small", "image": "debian-12",
            "user_data": "#!/bin/sh", "ssh_keys": ["laptop"],
            "labels": {"env": "prod", "managed-by": "spuff"}
        })))
        .respond_with(answer(202, json!({
            "machine": {"id": "vm-1", "state": "provisioning", "created": "2026-01-02T03:04:05Z"}
        })))
        .expect(1)
        .mount(&cloud)
        .await;
    let request = request()
        .with_image(ImageSpec::Debian("12".to_string()))
        .with_user_data("#!/bin/sh")
        .with_ssh_key("laptop")
        .with_label("env", "prod");
    let instance = nimbus(&cloud).create_instance(&request).await.unwrap();
    assert_eq!((instance.id.as_str(), instance.status), ("vm-1", InstanceStatus::New));
    assert!(instance.ip.is_unspecified());
}

#[tokio::test]
async fn invalid_requests_are_refused_before_anything_is_sent() {
    let cloud = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(500)).expect(0).mount(&cloud).await;
    let provider = nimbus(&cloud);
    for (request, expected) in [
        (InstanceRequest::new("", "north", "small"), "name"),
        (InstanceRequest::new("a b", "north", "small"), "name"),
        (InstanceRequest::new("web-1", "", "small"), "region"),
        (InstanceRequest::new("web-1", "north", ""), "size"),
        (request().with_user_data("x".repeat(32 * 1024 + 1)), "user_data"),
        (request().with_label("managed-by", "me"), "labels"),
        (request().with_idempotency_key("a b"), "idempotency_key"),
    ] {
        let error = provider.create_instance(&request).await.unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == expected),
            "{error}"
        );
    }
    for error in [
        provider.get_instance("../keys").await.unwrap_err(),
        provider.destroy_instance("").await.unwrap_err(),
        provider.delete_snapshot("a/b").await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "id"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_request_without_region_uses_that_of_the_provider() {
    let cloud = MockServer::start().await;
    on("POST", "/machines")
        .and(body_partial_json(json!({"place": "south", "project": "blog"})))
        .respond_with(answer(202, json!({"machine": machine("booting")})))
        .expect(1)
        .mount(&cloud)
        .await;
    let mut registry = ProviderRegistry::new();
    registry.register(NimbusFactory);
    let config = ProviderConfig::new(TOKEN)
        .with_endpoint(cloud.uri())
        .with_region("south")
        .with_option("project", "blog");
    let provider = registry.connect("nimbus", config).unwrap();
    provider.create_instance(&InstanceRequest::new("web-1", "", "small")).await.unwrap();
}

/// A cloud that carries out the create and loses the reply.
async fn losing(reply: ResponseTemplate, found: Value) -> MockServer {
    let cloud = MockServer::start().await;
    on("POST", "/machines").respond_with(reply).expect(1).mount(&cloud).await;
    on("GET", "/machines")
        .and(query_param("page", "1"))
        .respond_with(answer(200, json!({"machines": found})))
        .expect(1)
        .mount(&cloud)
        .await;
    cloud
}

#[tokio::test]
async fn lost_create_reply_is_resolved_without_a_second_create() {
    for reply in [
        ResponseTemplate::new(502),
        ResponseTemplate::new(202).set_body_string("<html>"),
        refusal(503, "down", "down"),
    ] {
        let cloud = losing(reply, json!([machine("booting")])).await;
        let instance = nimbus(&cloud).create_instance(&request()).await.unwrap();
        assert_eq!(instance.id, "vm-1");

        let sent = cloud.received_requests().await.unwrap();
        let ordered: Value = sent[0].body_json().unwrap();
        let key = ordered["labels"]["spuff-key"].as_str().unwrap();
        assert_eq!(sent[1].url.query().unwrap(), format!("label=spuff-key%3D{key}&page=1"));
    }
}

#[tokio::test]
async fn undetermined_create_returns_unknown_outcome() {
    let late =
        answer(202, json!({"machine": machine("booting")})).set_delay(Duration::from_secs(5));
    for reply in [ResponseTemplate::new(502), late] {
        let cloud = losing(reply, json!([])).await;
        let timeouts = ProviderTimeouts { http_request: Duration::from_secs(1), ..timeouts() };
        let provider = NimbusProvider::with_config(TOKEN, &cloud.uri(), timeouts).unwrap();
        let error = provider.create_instance(&request()).await.unwrap_err();
        assert!(!error.is_retryable(), "{error}");
        let sent = cloud.received_requests().await.unwrap();
        let ordered: Value = sent[0].body_json().unwrap();
        let ProviderError::UnknownOutcome { operation, key, .. } = error else { panic!("{error}") };
        assert_eq!(
            (operation.as_str(), json!(key)),
            ("create_instance", ordered["labels"]["spuff-key"].clone())
        );
    }
}

#[tokio::test]
async fn refused_connection_is_a_network_error() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let provider =
        NimbusProvider::with_config(TOKEN, &format!("http://{closed}"), timeouts()).unwrap();
    let error = provider.create_instance(&request()).await.unwrap_err();
    assert!(matches!(error, ProviderError::Network(_)), "{error}");
}

#[tokio::test]
async fn idempotency_key_returns_the_same_instance() {
    let cloud = MockServer::start().await;
    on("GET", "/machines")
        .and(query_param("label", "spuff-key=order-7"))
        .respond_with(answer(200, json!({"machines": [machine("running")]})))
        .expect(1)
        .mount(&cloud)
        .await;
    on("POST", "/machines").respond_with(ResponseTemplate::new(500)).expect(0).mount(&cloud).await;
    let instance =
        nimbus(&cloud).create_instance(&request().with_idempotency_key("order-7")).await.unwrap();
    assert_eq!(instance.id, "vm-1");
}

#[tokio::test]
async fn api_errors_have_kinds() {
    let table: [(ResponseTemplate, &str); 12] = [
        (refusal(401, "bad_token", "no"), "authentication"),
        (refusal(403, "", "no"), "authentication"),
        (refusal(404, "", "no"), "not_found"),
        (refusal(422, "bad_size", "no"), "invalid_config"),
        (refusal(409, "name_taken", "no"), "conflict"),
        (refusal(423, "locked", "no"), "conflict"),
        (refusal(429, "slow_down", "no"), "rate_limit"),
        (refusal(503, "sold_out", "no"), "capacity"),
        (refusal(403, "limit_reached", "no"), "quota_exceeded"),
        (refusal(418, "teapot", "no"), "api"),
        (
            ResponseTemplate::new(302).insert_header("location", "https://example.com"),
            "unknown_outcome",
        ),
        (ResponseTemplate::new(403).set_body_string("<html>a proxy"), "unknown_outcome"),
    ];
    for (reply, kind) in table {
        let cloud = MockServer::start().await;
        on("POST", "/machines").respond_with(reply).expect(1).mount(&cloud).await;
        let error = nimbus(&cloud).create_instance(&request()).await.unwrap_err();
        assert_eq!(error.kind().name(), kind, "{error}");
        if let Some(context) = error.context().filter(|context| context.code.is_some()) {
            assert_eq!(
                (context.provider.as_deref(), context.request_id.as_deref()),
                (Some("nimbus"), Some("req-7")),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn foreign_404_is_not_not_found() {
    let cloud = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(404).set_body_string("<html>nginx</html>"))
        .mount(&cloud)
        .await;
    let provider = nimbus(&cloud);
    for error in [
        provider.get_instance("vm-1").await.unwrap_err(),
        provider.destroy_instance("vm-1").await.unwrap_err(),
        provider.delete_snapshot("s-1").await.unwrap_err(),
    ] {
        assert!(
            matches!(error, ProviderError::Api { status: 404, .. }) && error.is_retryable(),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn rate_limit_returns_retry_after() {
    let cloud = MockServer::start().await;
    Mock::given(any())
        .respond_with(refusal(429, "slow_down", "no").insert_header("retry-after", "7"))
        .mount(&cloud)
        .await;
    let error = nimbus(&cloud).get_instance("vm-1").await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn echoed_token_is_redacted() {
    let cloud = MockServer::start().await;
    for status in [401, 418, 422, 500] {
        cloud.reset().await;
        Mock::given(any())
            .respond_with(refusal(status, "bad_token", &format!("{TOKEN} is bad")))
            .expect(1)
            .mount(&cloud)
            .await;
        let error = nimbus(&cloud).list_instances().await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(TOKEN), "{error:?}");
        assert_eq!(matches!(error, ProviderError::Authentication { .. }), status == 401, "{error}");
    }
}

#[tokio::test]
async fn destroying_an_absent_instance_succeeds() {
    let cloud = MockServer::start().await;
    on("DELETE", "/machines/vm-1")
        .respond_with(ResponseTemplate::new(204))
        .up_to_n_times(1)
        .expect(1)
        .mount(&cloud)
        .await;
    on("DELETE", "/machines/vm-1")
        .respond_with(refusal(404, "not_found", "no such machine"))
        .expect(1)
        .mount(&cloud)
        .await;
    let provider = nimbus(&cloud);
    provider.destroy_instance("vm-1").await.unwrap();
    provider.destroy_instance("vm-1").await.unwrap();
}

#[tokio::test]
async fn locked_instance_is_destroyed_once_it_is_unlocked() {
    let cloud = MockServer::start().await;
    on("DELETE", "/machines/vm-1")
        .respond_with(refusal(423, "locked", "busy"))
        .up_to_n_times(2)
        .expect(2)
        .mount(&cloud)
        .await;
    on("DELETE", "/machines/vm-1")
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&cloud)
        .await;
    nimbus(&cloud).destroy_instance("vm-1").await.unwrap();

    cloud.reset().await;
    on("DELETE", "/machines/vm-1")
        .respond_with(refusal(401, "bad_token", "no"))
        .expect(1)
        .mount(&cloud)
        .await;
    let error = nimbus(&cloud).destroy_instance("vm-1").await.unwrap_err();
    assert!(matches!(error, ProviderError::Authentication { .. }), "{error}");
}

#[tokio::test]
async fn get_returns_an_instance_or_none() {
    let cloud = MockServer::start().await;
    on("GET", "/machines/vm-1")
        .respond_with(answer(200, json!({"machine": machine("running")})))
        .mount(&cloud)
        .await;
    on("GET", "/machines/vm-2")
        .respond_with(refusal(404, "not_found", "no such machine"))
        .mount(&cloud)
        .await;
    let provider = nimbus(&cloud);
    let instance = provider.get_instance("vm-1").await.unwrap().unwrap();
    assert_eq!(
        (instance.ip.to_string().as_str(), &instance.status),
        ("192.0.2.1", &InstanceStatus::Active)
    );
    assert_eq!(
        (instance.name.as_str(), instance.region.as_str(), instance.size.as_str()),
        ("web-1", "north", "small")
    );
    assert!(instance.is_managed() && instance.addresses.len() == 3);
    assert_eq!(provider.get_instance("vm-2").await.unwrap(), None);
}

#[tokio::test]
async fn lists_follow_pages_and_hold_only_managed_instances() {
    let cloud = MockServer::start().await;
    for (page, id, next) in [("1", "vm-1", json!(2)), ("2", "vm-2", json!(null))] {
        on("GET", "/machines")
            .and(query_param("label", "managed-by=spuff"))
            .and(query_param("page", page))
            .respond_with(answer(
                200,
                json!({"machines": [{"id": id, "state": "running"}], "next_page": next}),
            ))
            .expect(1)
            .mount(&cloud)
            .await;
    }
    let ids: Vec<_> = nimbus(&cloud)
        .list_instances()
        .await
        .unwrap()
        .into_iter()
        .map(|instance| instance.id)
        .collect();
    assert_eq!(ids, ["vm-1", "vm-2"]);
}

#[tokio::test]
async fn circular_pages_end_with_an_error() {
    let cloud = MockServer::start().await;
    on("GET", "/machines")
        .respond_with(answer(200, json!({"machines": [], "next_page": 1})))
        .expect(1)
        .mount(&cloud)
        .await;
    assert!(nimbus(&cloud).list_instances().await.is_err());
}

#[tokio::test]
async fn wait_survives_boot_and_transient_errors() {
    let cloud = MockServer::start().await;
    let bare = json!({"machine": {"id": "vm-1", "state": "running"}});
    for reply in [
        answer(200, json!({"machine": machine("booting")})),
        ResponseTemplate::new(502),
        answer(200, bare),
    ] {
        on("GET", "/machines/vm-1")
            .respond_with(reply)
            .up_to_n_times(1)
            .expect(1)
            .mount(&cloud)
            .await;
    }
    on("GET", "/machines/vm-1")
        .respond_with(answer(200, json!({"machine": machine("running")})))
        .expect(1)
        .mount(&cloud)
        .await;
    assert!(nimbus(&cloud).wait_ready("vm-1").await.unwrap().is_ready());
}

#[tokio::test]
async fn wait_ends_if_the_instance_cannot_become_ready() {
    let cloud = MockServer::start().await;
    on("GET", "/machines/vm-1")
        .respond_with(answer(200, json!({"machine": machine("failed")})))
        .expect(1)
        .mount(&cloud)
        .await;
    on("GET", "/machines/vm-2")
        .respond_with(refusal(404, "not_found", "no such machine"))
        .expect(1)
        .mount(&cloud)
        .await;
    on("GET", "/machines/vm-3")
        .respond_with(answer(200, json!({"machine": machine("booting")})))
        .mount(&cloud)
        .await;
    let hurried = ProviderTimeouts { instance_ready: Duration::from_millis(300), ..timeouts() };
    let provider = NimbusProvider::with_config(TOKEN, &cloud.uri(), hurried).unwrap();

    let error = provider.wait_ready("vm-1").await.unwrap_err();
    assert!(error.to_string().contains("caught fire") && !error.is_retryable(), "{error}");
    assert_eq!(error.context().unwrap().instance_id.as_deref(), Some("vm-1"));
    assert!(matches!(provider.wait_ready("vm-2").await, Err(ProviderError::NotFound { .. })));
    let error = provider.wait_ready("vm-3").await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Timeout { .. }) && error.to_string().contains("booting"),
        "{error}"
    );
}

#[tokio::test]
async fn create_snapshot_waits_for_completion() {
    let cloud = MockServer::start().await;
    let action = |state: &str| json!({"id": "a-1", "state": state, "reason": "the disk is full"});
    let started = json!({
        "snapshot": {"id": "s-1", "name": "before", "created": "2026-01-02T03:04:05Z"},
        "action": action("running")
    });
    on("POST", "/machines/vm-1/snapshots")
        .and(body_partial_json(json!({"name": "before", "labels": {"managed-by": "spuff"}})))
        .respond_with(answer(202, started))
        .expect(2)
        .mount(&cloud)
        .await;
    for state in ["running", "done", "failed"] {
        let reply = answer(200, json!({"action": action(state)}));
        on("GET", "/actions/a-1")
            .respond_with(reply)
            .up_to_n_times(1)
            .expect(1)
            .mount(&cloud)
            .await;
    }
    let provider = nimbus(&cloud);
    let snapshot = provider.create_snapshot("vm-1", "before").await.unwrap();
    assert_eq!((snapshot.id.as_str(), snapshot.name.as_str()), ("s-1", "before"));
    assert!(snapshot.created_at.is_some());
    let error = provider.create_snapshot("vm-1", "before").await.unwrap_err();
    assert!(
        error.to_string().contains("disk is full") && error.to_string().contains("s-1"),
        "{error}"
    );
}

#[tokio::test]
async fn lost_snapshot_reply_is_not_retried() {
    let cloud = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(500)).expect(1).mount(&cloud).await;
    let error = nimbus(&cloud).create_snapshot("vm-1", "before").await.unwrap_err();
    assert!(matches!(error, ProviderError::UnknownOutcome { .. }), "{error}");
}

#[tokio::test]
async fn snapshots_are_listed_and_deleted() {
    let cloud = MockServer::start().await;
    on("GET", "/snapshots")
        .and(query_param("label", "managed-by=spuff"))
        .respond_with(answer(200, json!({"snapshots": [{"id": "s-1", "name": "before"}]})))
        .expect(1)
        .mount(&cloud)
        .await;
    on("DELETE", "/snapshots/s-1")
        .respond_with(ResponseTemplate::new(204))
        .up_to_n_times(1)
        .expect(1)
        .mount(&cloud)
        .await;
    on("DELETE", "/snapshots/s-1")
        .respond_with(refusal(404, "not_found", "no such snapshot"))
        .expect(1)
        .mount(&cloud)
        .await;
    let provider = nimbus(&cloud);
    assert_eq!(provider.list_snapshots().await.unwrap()[0].id, "s-1");
    provider.delete_snapshot("s-1").await.unwrap();
    provider.delete_snapshot("s-1").await.unwrap();
}
