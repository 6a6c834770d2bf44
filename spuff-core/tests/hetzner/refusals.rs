//! Every kind of refusal, what it tells, and what the factory and the constructor refuse
//! themselves.

use std::time::Duration;

use serde_json::json;
use spuff_core::provider::{HetznerProvider, Provider, ProviderError, ProviderRegistry};
use wiremock::MockServer;

use super::{field, good, hasty_provider, on, provider, refusal, reply, support};

#[tokio::test]
async fn every_refusal_of_a_read_has_its_kind() {
    let table = [
        (400, "json_error", "invalid_config", false),
        (401, "unauthorized", "authentication", false),
        (401, "token_readonly", "authentication", false),
        (403, "forbidden", "authentication", false),
        (403, "token_readonly", "authentication", false),
        (403, "resource_limit_exceeded", "quota_exceeded", false),
        (403, "maintenance", "unavailable", true),
        (404, "not_found", "not_found", false),
        (405, "method_not_allowed", "api", false),
        (409, "uniqueness_error", "conflict", false),
        (409, "conflict", "conflict", true),
        (410, "deprecated_api_endpoint", "api", false),
        (412, "resource_unavailable", "capacity", false),
        (422, "invalid_input", "invalid_config", false),
        (422, "unsupported_error", "invalid_config", false),
        (422, "placement_error", "capacity", false),
        (422, "service_error", "unavailable", true),
        (422, "server_not_stopped", "conflict", false),
        (423, "locked", "conflict", true),
        (423, "protected", "conflict", false),
        (423, "resource_locked", "conflict", false),
        (429, "rate_limit_exceeded", "rate_limit", true),
        (500, "server_error", "unavailable", true),
        (502, "bad_gateway", "unavailable", true),
        (503, "unavailable", "unavailable", true),
        (504, "timeout", "unavailable", true),
        (418, "a_code_from_the_future", "api", false),
    ];
    for (status, code, kind, retryable) in table {
        let server = MockServer::start().await;
        // So long a pause that nothing is sent again.
        let refused = refusal(status, code, "no, not that").insert_header("Retry-After", "3600");
        on("GET", "/ssh_keys").respond_with(refused).expect(1).mount(&server).await;
        let error = provider(&server).get_ssh_keys().await.unwrap_err();
        assert_eq!(
            (error.kind().name(), error.is_retryable()),
            (kind, retryable),
            "{code}: {error}"
        );
        if matches!(kind, "rate_limit" | "unavailable") {
            assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)), "{code}");
        }
        if !matches!(kind, "rate_limit" | "not_found") {
            let text = error.to_string();
            for part in ["hetzner", "no, not that", code, &format!("HTTP {status}"), "261e51cc"] {
                assert!(text.contains(part), "{part:?} is not in {text:?}");
            }
        }
    }
}

#[tokio::test]
async fn every_refusal_of_a_create_has_its_kind_and_is_final_unless_it_leaves_the_outcome_open() {
    for (status, code, message, kind) in [
        (403, "resource_limit_exceeded", "server limit exceeded", "quota_exceeded"),
        (412, "resource_unavailable", "server type is sold out in this location", "capacity"),
        (422, "placement_error", "error during placement", "capacity"),
        (409, "uniqueness_error", "server name is already used", "conflict"),
        (422, "invalid_input", "unsupported location for server type", "invalid_config"),
        (401, "token_readonly", "the token is only allowed to read", "authentication"),
        // Nobody knows what a server did that answers with a fault of its own.
        (503, "unavailable", "try again later", "unknown_outcome"),
        (504, "timeout", "took too long", "unknown_outcome"),
    ] {
        let server = MockServer::start().await;
        let times = if kind == "unknown_outcome" { 2..u64::MAX } else { 1..2 };
        on("POST", "/servers")
            .respond_with(refusal(status, code, message))
            .expect(times)
            .mount(&server)
            .await;
        let error = hasty_provider(&server).create_instance(&good()).await.unwrap_err();
        assert_eq!(error.kind().name(), kind, "{code}: {error}");
        for part in [message, code, "261e51cc"] {
            assert!(error.to_string().contains(part), "{part:?} is not in {error}");
        }
    }
}

#[tokio::test]
async fn the_fields_of_a_refused_create_have_the_contracts_names() {
    for (theirs, ours) in [
        ("name", "name"),
        ("server_type", "size"),
        ("location", "region"),
        ("image", "image"),
        ("ssh_keys", "ssh_keys"),
        ("user_data", "user_data"),
        ("labels", "labels"),
        ("public_net", "request"),
    ] {
        let server = MockServer::start().await;
        let details = json!({"fields": [{"name": theirs, "messages": ["is too long"]}]});
        let body = json!({
            "error": {"code": "invalid_input", "message": "invalid input", "details": details}
        });
        on("POST", "/servers").respond_with(reply(422, body)).expect(1).mount(&server).await;
        let error = provider(&server).create_instance(&good()).await.unwrap_err();
        assert_eq!(field(&error), ours);
        assert!(error.to_string().contains("is too long"), "{error}");
    }
}

#[test]
fn tokens_and_endpoints_are_checked() {
    for (token, endpoint, expected) in [
        ("", "https://api.hetzner.cloud/v1", "token"),
        ("two words", "https://api.hetzner.cloud/v1", "token"),
        ("token", "http://api.hetzner.cloud/v1", "endpoint"),
        ("token", "api.hetzner.cloud", "endpoint"),
    ] {
        match HetznerProvider::with_config(token, endpoint, support::timeouts()) {
            Err(error) => assert_eq!(field(&error), expected, "{token} {endpoint}"),
            Ok(_) => panic!("{token:?} at {endpoint:?} is taken"),
        }
    }
}

#[test]
fn the_factory_describes_its_options() {
    let description = ProviderRegistry::with_defaults().describe("hetzner").unwrap();
    let env = |option: &str| description.option(option).unwrap().env.clone();
    assert_eq!(env("token"), ["HETZNER_TOKEN", "HCLOUD_TOKEN"]);
    assert_eq!(env("endpoint"), ["HCLOUD_ENDPOINT"]);
    let token = description.option("token").unwrap();
    assert!(token.required && token.secret);
    assert!(description.option("region").is_some() && description.option("ca_file").is_some());
    assert_eq!(description.capabilities.max_user_data, 32 * 1024);
    let config = spuff_core::provider::ProviderConfig::new("token").with_option("flavour", "x");
    let refused = ProviderRegistry::with_defaults().connect("hetzner", config).err();
    assert!(
        matches!(refused, Some(ProviderError::InvalidConfig { field, .. }) if field == "flavour")
    );
}
