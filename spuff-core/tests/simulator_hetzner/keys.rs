//! SSH keys.

use serde_json::json;

use super::{Lab, order_with};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL3KbmHdnpAkEwfDn0hsvRmuJ9N+v2i0JlHrKZCxh0bq me@example";

#[tokio::test]
async fn a_project_has_two_from_the_start() {
    let lab = Lab::new();
    let keys = lab.get("/ssh_keys").await.ok(200);
    assert_eq!(keys.each("ssh_keys", "name"), ["laptop", "ci"]);
    // As ssh-keygen tells them.
    let prints = [
        "78:64:e5:55:89:7a:59:ca:31:6b:96:9d:e8:3b:78:8e",
        "a6:72:09:7b:ba:42:5c:89:46:45:67:63:ea:8f:f3:e1",
    ];
    assert_eq!(keys.each("ssh_keys", "fingerprint"), prints);
    for (query, count) in [
        ("name=ci", 1),
        ("name=CI", 0),
        (&format!("fingerprint={}", prints[0]), 1),
        ("fingerprint=00:11", 0),
        ("label_selector=a", 0),
        ("sort=name", 2),
    ] {
        assert_eq!(
            lab.get(&format!("/ssh_keys?{query}")).await.ok(200).each("ssh_keys", "id").len(),
            count,
            "{query}"
        );
    }
    assert_eq!(
        lab.get("/ssh_keys?sort=name").await.ok(200).each("ssh_keys", "name"),
        ["ci", "laptop"]
    );
}

#[tokio::test]
async fn keys_come_and_go() {
    let lab = Lab::new();
    let made = lab
        .post("/ssh_keys", json!({"name": "mine", "public_key": KEY, "labels": {"a": "b"}}))
        .await
        .ok(201);
    let (id, at) =
        (made.number("/ssh_key/id"), format!("/ssh_keys/{}", made.number("/ssh_key/id")));
    assert_eq!(
        (&made.body["ssh_key"]["public_key"], &made.body["ssh_key"]["labels"]),
        (&json!(KEY), &json!({"a": "b"}))
    );
    assert_eq!(lab.get("/ssh_keys?label_selector=a=b").await.ok(200).number("/ssh_keys/0/id"), id);
    lab.put(&at, json!({"name": "laptop"})).await.refused(409, "uniqueness_error");
    let changed = lab.put(&at, json!({"name": "yours", "labels": {}})).await.ok(200);
    assert_eq!(
        (&changed.body["ssh_key"]["name"], &changed.body["ssh_key"]["labels"]),
        (&json!("yours"), &json!({}))
    );
    lab.post("/servers", order_with(json!({"ssh_keys": ["yours"]}))).await.ok(201);
    lab.delete(&at).await.ok(204);
    lab.get(&at).await.refused(404, "not_found");
    lab.delete(&at).await.refused(404, "not_found");
    lab.post("/servers", order_with(json!({"name": "web-2", "ssh_keys": ["yours"]})))
        .await
        .refused_for("ssh_keys");
}

#[tokio::test]
async fn only_keys_are_taken_and_each_once() {
    let lab = Lab::new();
    lab.post("/ssh_keys", json!({"name": "mine", "public_key": KEY})).await.ok(201);
    lab.post("/ssh_keys", json!({"name": "mine", "public_key": KEY}))
        .await
        .refused(409, "uniqueness_error");
    lab.post("/ssh_keys", json!({"name": "other", "public_key": KEY}))
        .await
        .refused(409, "uniqueness_error");
    for (body, field) in [
        (json!({"public_key": KEY}), "name"),
        (json!({"name": "", "public_key": KEY}), "name"),
        (json!({"name": 7, "public_key": KEY}), "name"),
        (json!({"name": "k"}), "public_key"),
        (json!({"name": "k", "public_key": ""}), "public_key"),
        (json!({"name": "k", "public_key": "ssh-ed25519 AAAA"}), "public_key"),
        (json!({"name": "k", "public_key": "-----BEGIN OPENSSH PRIVATE KEY-----"}), "public_key"),
        (json!({"name": "k", "public_key": KEY, "labels": {"a": 7}}), "labels"),
    ] {
        lab.post("/ssh_keys", body).await.refused_for(field);
    }
}
