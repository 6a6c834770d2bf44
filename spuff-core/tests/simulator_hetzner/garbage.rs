//! Input that makes no sense is refused in the cloud's form, and does nothing.

use reqwest::Method;
use serde_json::json;

use super::Lab;

#[tokio::test]
async fn bodies() {
    let lab = Lab::new();
    let id = lab.server("web-1").await;
    let snapshot = lab.snapshot(id, "one").await;
    let before = (lab.cloud.instances(), lab.cloud.snapshots());
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 14] = [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b"\"text\"",
        b"{}{}",
        b"{\"name\": }",
        b"\xff\xfe\x00",
        b"name=web-1&image=x",
        b"<html></html>",
        b"{\"name\": \"\\ud800\"}",
        b"{\"name\": 1e999}",
        deep.as_bytes(),
    ];
    for body in bodies {
        for (method, path) in [
            ("POST", "/servers".to_string()),
            ("PUT", format!("/servers/{id}")),
            ("POST", format!("/servers/{id}/actions/rebuild")),
            ("POST", format!("/servers/{id}/actions/change_type")),
            ("PUT", format!("/images/{snapshot}")),
            ("POST", "/ssh_keys".to_string()),
        ] {
            let reply = lab
                .raw(method.parse::<Method>().unwrap(), &path, "token", Some(body.to_vec()))
                .await;
            reply.refused(400, "json_error");
        }
    }
    assert_eq!((lab.cloud.instances(), lab.cloud.snapshots()), before);
}

/// Every field as something that it is not.
#[tokio::test]
async fn fields() {
    let lab = Lab::new();
    let id = lab.server("web-1").await;
    let fields = [
        "name",
        "server_type",
        "image",
        "location",
        "ssh_keys",
        "user_data",
        "labels",
        "start_after_create",
        "automount",
        "public_net",
        "volumes",
        "networks",
        "firewalls",
        "placement_group",
        "type",
        "description",
        "upgrade_disk",
        "delete",
        "rebuild",
        "public_key",
    ];
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("x"),
        json!("\u{0}"),
        json!("💥".repeat(1000)),
        json!([]),
        json!([[]]),
        json!([{}]),
        json!({}),
        json!({"a": {}}),
        json!({"": ""}),
    ];
    let paths = [
        "/servers".to_string(),
        "/ssh_keys".to_string(),
        format!("/servers/{id}/actions/create_image"),
        format!("/servers/{id}/actions/rebuild"),
        format!("/servers/{id}/actions/change_type"),
        format!("/servers/{id}/actions/change_protection"),
        format!("/servers/{id}/actions/enable_rescue"),
    ];
    for field in fields {
        for value in &values {
            for path in &paths {
                let mut body = super::order("web-2");
                body[field] = value.clone();
                let reply = lab.post(path, body).await;
                assert!(
                    (200..500).contains(&reply.status),
                    "{path} {field} {value}: {}",
                    reply.text
                );
                lab.pass(60);
            }
            lab.put(&format!("/servers/{id}"), json!({field: value})).await;
        }
    }
}

#[tokio::test]
async fn queries() {
    let lab = Lab::new();
    lab.server("web-1").await;
    let values = [
        "",
        "0",
        "-1",
        "x",
        "%00",
        "%ff",
        "%",
        "(",
        ")",
        ",",
        "!",
        "=",
        "a=b=c",
        "a%20in%20(",
        "💥",
        "1&page=2",
        "id:desc:x",
    ];
    for path in [
        "/servers",
        "/images",
        "/actions",
        "/ssh_keys",
        "/server_types",
        "/locations",
        "/primary_ips",
        "/servers/actions",
        "/volumes",
    ] {
        for name in [
            "page",
            "per_page",
            "name",
            "label_selector",
            "status",
            "sort",
            "type",
            "id",
            "architecture",
            "bound_to",
            "fingerprint",
            "include_deprecated",
        ] {
            for value in values {
                let reply = lab.get(&format!("{path}?{name}={value}")).await;
                assert!(
                    matches!(reply.status, 200 | 410 | 422),
                    "{path} {name} {value}: {}",
                    reply.text
                );
            }
        }
    }
}
