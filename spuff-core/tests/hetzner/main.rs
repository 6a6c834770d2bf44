//! Each verb of the Hetzner room against scripted replies. A mock that is not called as often as
//! expected fails.
#![cfg(feature = "hetzner")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

#[path = "../support/mod.rs"]
mod support;

mod create;
mod instances;
mod prices;
mod refusals;
mod snapshots;
mod taken;
mod wait_ready;

use std::time::Duration;

use serde_json::{Value, json};
use spuff_core::provider::{HetznerProvider, InstanceRequest, ProviderError, ProviderTimeouts};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockBuilder, MockServer, ResponseTemplate};

fn provider(server: &MockServer) -> HetznerProvider {
    // Only the slash at the end goes: the version belongs to the base.
    HetznerProvider::with_config(
        "test-token",
        &format!("{}/v1/", server.uri()),
        support::timeouts(),
    )
    .unwrap()
}

/// A provider whose deadlines are short enough that a test can wait for their end.
fn hasty_provider(server: &MockServer) -> HetznerProvider {
    let short = Duration::from_millis(700);
    let timeouts =
        ProviderTimeouts { instance_ready: short, action_complete: short, ..support::timeouts() };
    HetznerProvider::with_config("test-token", &format!("{}/v1", server.uri()), timeouts).unwrap()
}

/// A request that needs no look-up.
fn good() -> InstanceRequest {
    InstanceRequest::new("web-1", "fsn1", "cx22").with_image("67794396".parse().unwrap())
}

/// As the API sends it since it has dropped `datacenter`.
fn server_body(id: u64, status: &str) -> Value {
    json!({
        "id": id, "name": format!("web-{id}"), "status": status,
        "created": "2026-01-30T23:55:00+00:00", "public_net": {
            "ipv4": {
                "id": 1, "ip": "203.0.113.9", "blocked": false,
                "dns_ptr": "static.9.113.0.203.example.net"
            },
            "ipv6": {"id": 2, "ip": "2001:db8:1::/64", "blocked": false, "dns_ptr": []},
            "floating_ips": [], "firewalls": []
        },
        "private_net": [{
            "network": 4711, "ip": "10.0.0.2", "alias_ips": [], "mac_address": "86:00:ff:2a:7d:e1"
        }],
        "server_type": {"id": 104, "name": "cx22", "architecture": "x86", "cores": 2, "disk": 40},
        "image": null, "iso": null, "rescue_enabled": false, "locked": false, "backup_window": null,
        "location": {"id": 1, "name": "fsn1", "country": "DE", "city": "Falkenstein"},
        "labels": {"managed-by": "spuff", "env": "prod"}, "volumes": [],
        "protection": {"delete": false, "rebuild": false}
    })
}

fn locked(mut server: Value) -> Value {
    server["locked"] = json!(true);
    server
}

/// An action; while it runs its `error` is filled all the same, as in the API's own samples.
fn action(id: u64, command: &str, status: &str) -> Value {
    let error = if status == "success" {
        Value::Null
    } else {
        json!({"code": "action_failed", "message": "Action failed"})
    };
    json!({
        "id": id, "command": command, "status": status, "progress": 50,
        "started": "2026-01-30T23:55:00+00:00", "finished": null,
        "resources": [{"id": 42, "type": "server"}], "error": error
    })
}

fn created(server: Value, actions: &[Value]) -> ResponseTemplate {
    let next = actions.get(1..).unwrap_or_default();
    reply(
        201,
        json!({
            "server": server, "action": actions.first(), "next_actions": next,
            "root_password": "canary-root-pw"
        }),
    )
}

fn on(verb: &str, at: &str) -> MockBuilder {
    Mock::given(method(verb)).and(path(format!("/v1{at}")))
}

fn reply(status: u16, body: Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

fn refusal(status: u16, code: &str, message: &str) -> ResponseTemplate {
    let body = json!({"error": {"code": code, "message": message, "details": null}});
    reply(status, body).insert_header("X-Correlation-Id", "261e51cc")
}

/// The body of a create, with the label that stands for its key.
fn body_json_but_for_the_key(expected: Value) -> impl wiremock::Match {
    move |request: &wiremock::Request| {
        let mut sent: Value = request.body_json().unwrap();
        let nonce = sent["labels"]
            .as_object_mut()
            .and_then(|labels| labels.remove("spuff-key"))
            .unwrap_or_default();
        sent == expected && nonce.as_str().is_some_and(|nonce| nonce.len() == 32)
    }
}

/// A page of a list, with the number of the next one.
fn page(field: &str, items: &[Value], next: Option<u32>) -> ResponseTemplate {
    let pagination = json!({
        "page": 1, "per_page": 50, "previous_page": null, "next_page": next, "last_page": null,
        "total_entries": null
    });
    reply(200, json!({field: items, "meta": {"pagination": pagination}}))
}

async fn sent(server: &MockServer) -> Vec<wiremock::Request> {
    server.received_requests().await.unwrap()
}

/// The field that an error complains about.
fn field(error: &ProviderError) -> &str {
    match error {
        ProviderError::InvalidConfig { field, .. } => field,
        other => panic!("not InvalidConfig: {other:?}"),
    }
}
