//! What a create is refused for, and how paths and methods that do not exist are answered.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Lab, order_with};

#[tokio::test]
async fn creates_that_are_wrong() {
    let lab = Lab::new();
    let long = "a".repeat(64);
    for (changes, field) in [
        (json!({"name": null}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": 7}), "name"),
        (json!({"name": "web_1"}), "name"),
        (json!({"name": "web 1"}), "name"),
        (json!({"name": "-web"}), "name"),
        (json!({"name": "web..1"}), "name"),
        (json!({"name": "wéb"}), "name"),
        (json!({"name": long}), "name"),
        (json!({"name": "a.".repeat(130)}), "name"),
        (json!({"server_type": null}), "server_type"),
        (json!({"server_type": "cx99"}), "server_type"),
        (json!({"server_type": "CX23"}), "server_type"),
        (json!({"server_type": 9999}), "server_type"),
        (json!({"server_type": true}), "server_type"),
        (json!({"server_type": -1}), "server_type"),
        (json!({"image": null}), "image"),
        (json!({"image": "ubuntu-1.0"}), "image"),
        (json!({"image": 1}), "image"),
        (json!({"image": ["ubuntu-24.04"]}), "image"),
        (json!({"location": "mars"}), "location"),
        (json!({"location": 99}), "location"),
        (json!({"location": {}}), "location"),
        (json!({"ssh_keys": ["nobody"]}), "ssh_keys"),
        (json!({"ssh_keys": [1]}), "ssh_keys"),
        (json!({"ssh_keys": "laptop"}), "ssh_keys"),
        (json!({"ssh_keys": [null]}), "ssh_keys"),
        (json!({"user_data": "x".repeat((32 << 10) + 1)}), "user_data"),
        (json!({"user_data": "é".repeat((32 << 9) + 1)}), "user_data"),
        (json!({"user_data": 7}), "user_data"),
        (json!({"labels": {"a": "b c"}}), "labels"),
        (json!({"labels": {"a": "2026-01-05T10:00:00+00:00"}}), "labels"),
        (json!({"labels": {"a": long}}), "labels"),
        (json!({"labels": {"": "b"}}), "labels"),
        (json!({"labels": {"hetzner.cloud/a": "b"}}), "labels"),
        (json!({"labels": {"a": 7}}), "labels"),
        (json!({"labels": ["a"]}), "labels"),
        (json!({"start_after_create": "yes"}), "start_after_create"),
        (json!({"automount": 1}), "automount"),
        (json!({"public_net": []}), "public_net"),
        (json!({"public_net": {"enable_ipv4": "no"}}), "public_net.enable_ipv4"),
        (json!({"public_net": {"ipv4": 42}}), "public_net.ipv4"),
        (json!({"volumes": [42]}), "volumes"),
        (json!({"networks": [42]}), "networks"),
        (json!({"firewalls": [{"firewall": 42}]}), "firewalls"),
        (json!({"placement_group": 42}), "placement_group"),
    ] {
        lab.post("/servers", order_with(changes)).await.refused_for(field);
    }
    assert!(
        lab.cloud.instances().is_empty() && lab.cloud.bill().lines.is_empty(),
        "nothing was made"
    );
}

#[tokio::test]
async fn creates_that_are_just_right() {
    let lab = Lab::new();
    for (number, changes) in [
        json!({"name": "a".repeat(63)}),
        json!({"name": "a.b-c.example.com"}),
        json!({"user_data": "x".repeat(32 << 10)}),
        json!({"user_data": "é".repeat(32 << 9)}),
        json!({"user_data": ""}),
        json!({"labels": {"a": "", "example.com/b": "A_b-c.d"}}),
        json!({"ssh_keys": [], "volumes": [], "networks": [], "firewalls": [], "automount": false}),
        json!({"public_net": {"ipv4": null, "ipv6": null}}),
        json!({"something": "new"}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut order = order_with(changes);
        if order["name"] == "web-1" {
            order["name"] = json!(format!("web-{number}"));
        }
        lab.post("/servers", order).await.ok(201);
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let lab = Lab::new();
    let refused = lab
        .post("/servers", json!({"name": "a b", "labels": {"a": 7}}))
        .await
        .refused(422, "invalid_input");
    assert_eq!(
        refused.message(),
        "invalid input in fields 'name', 'server_type', 'image', 'labels'"
    );
    let fields: Vec<&Value> = refused.body["error"]["details"]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(fields, ["name", "server_type", "image", "labels"]);
}

#[tokio::test]
async fn types_and_locations_must_go_together() {
    let lab = Lab::new();
    for (server_type, location, message) in [
        ("cx23", "ash", "unsupported location for server type"),
        ("cax11", "sin", "unsupported location for server type"),
        ("cpx22", "hil", "unsupported location for server type"),
        ("cx11", "fsn1", "server type 1 is deprecated"),
    ] {
        let order = order_with(json!({"server_type": server_type, "location": location}));
        assert_eq!(
            lab.post("/servers", order).await.refused(422, "invalid_input").message(),
            message
        );
    }
}

#[tokio::test]
async fn what_does_not_exist() {
    let lab = Lab::new();
    let id = lab.server("web-1").await;
    for (method, path, status, code) in [
        ("GET", "/servers/1", 404, "not_found"),
        ("GET", "/servers/web-1", 404, "not_found"),
        ("GET", "/servers/-1", 404, "not_found"),
        ("GET", "/servers/18446744073709551616", 404, "not_found"),
        ("PUT", "/servers/1", 404, "not_found"),
        ("DELETE", "/servers/1", 404, "not_found"),
        ("POST", "/servers/1/actions/poweron", 404, "not_found"),
        ("POST", "/servers/1/actions/nothing", 404, "not_found"),
        ("GET", "/images/1", 404, "not_found"),
        ("PUT", "/images/1", 404, "not_found"),
        ("DELETE", "/images/1", 404, "not_found"),
        ("GET", "/ssh_keys/1", 404, "not_found"),
        ("GET", "/ssh_keys/x", 404, "not_found"),
        ("GET", "/", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/servers/1/2/3/4/5", 404, "not_found"),
        ("POST", "/nothing", 404, "not_found"),
        ("POST", "/volumes", 404, "not_found"),
        ("DELETE", "/servers", 405, "method_not_allowed"),
        ("PATCH", "/servers/1", 405, "method_not_allowed"),
        ("POST", "/images", 405, "method_not_allowed"),
        ("POST", "/locations", 405, "method_not_allowed"),
        ("DELETE", "/actions/1", 405, "method_not_allowed"),
    ] {
        lab.send(method.parse::<Method>().unwrap(), path, Some(json!({})))
            .await
            .refused(status, code);
    }
    assert_eq!(lab.get("/servers/1").await.message(), "server with ID '1' not found");
    // Slashes more or less mean nothing.
    lab.get(&format!("/servers/{id}/")).await.ok(200);
}
