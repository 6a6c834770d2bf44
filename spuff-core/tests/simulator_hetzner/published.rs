//! Replies against the published description of the API.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::json;

use super::document::{Document, Sent};
use super::schema::violations;
use super::{BOOT, DESTROY, Lab, order_with};

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let mut document = Document::load("hetzner.json");
    // Dropped from the API in July 2026.
    document
        .part("/components/schemas/server/required")
        .as_array_mut()
        .unwrap()
        .retain(|name| name != "datacenter");
    document
});

type Validators = HashMap<(String, u16), Option<Arc<Validator>>>;
static VALIDATORS: LazyLock<Mutex<Validators>> = LazyLock::new(Mutex::default);

/// What has been replied so far.
#[derive(Default)]
pub(super) struct Published(Mutex<BTreeSet<(String, u16)>>);

impl Published {
    /// Ends the test with what is wrong with a reply. Nothing is known of operations that are not
    /// described.
    pub(super) fn check(&self, method: &str, path: &str, status: u16, text: &str) {
        let path = path.split('?').next().unwrap_or_default().to_string();
        let sent = Sent { method: method.to_string(), path, ..Sent::default() };
        let Some(operation) = DOCUMENT.operation(&sent) else { return };
        let key = (operation.id.to_string(), status);
        let validator = VALIDATORS
            .lock()
            .unwrap()
            .entry(key.clone())
            .or_insert_with(|| DOCUMENT.reply(&operation, status).map(Arc::new))
            .clone();
        match (validator, serde_json::from_str(text)) {
            (Some(validator), Ok(body)) => {
                let wrong = violations(&validator, &body);
                assert!(wrong.is_empty(), "{key:?}: {}\n{text}", wrong.join("\n"));
            }
            (Some(_), Err(error)) => panic!("{key:?}: {error}: {text:?}"),
            (None, _) => assert_eq!(text, "", "{key:?}"),
        }
        self.0.lock().unwrap().insert(key);
    }
}

/// What the room answers, and how.
const REPLIES: [(&str, u16); 54] = [
    ("change_image_protection", 201),
    ("change_server_protection", 201),
    ("change_type_of_server", 201),
    ("create_image_from_server", 201),
    ("create_server", 201),
    ("create_server", 403),
    ("create_server", 409),
    ("create_server", 412),
    ("create_server", 422),
    ("create_ssh_key", 201),
    ("delete_image", 204),
    ("delete_image", 404),
    ("delete_image", 422),
    ("delete_image", 423),
    ("delete_server", 200),
    ("delete_server", 404),
    ("delete_server", 423),
    ("delete_ssh_key", 204),
    ("disable_backups_for_server", 201),
    ("disable_rescue_mode_for_server", 201),
    ("enable_and_configure_backups_for_server", 201),
    ("enable_rescue_mode_for_server", 201),
    ("get_action", 200),
    ("get_action_for_image", 200),
    ("get_action_for_server", 200),
    ("get_image", 200),
    ("get_image_action", 200),
    ("get_location", 200),
    ("get_multiple_actions", 200),
    ("get_multiple_actions", 410),
    ("get_server", 200),
    ("get_server_action", 200),
    ("get_server_type", 200),
    ("get_ssh_key", 200),
    ("list_actions_for_image", 200),
    ("list_actions_for_server", 200),
    ("list_data_centers", 410),
    ("list_image_actions", 200),
    ("list_images", 200),
    ("list_locations", 200),
    ("list_server_actions", 200),
    ("list_server_types", 200),
    ("list_servers", 200),
    ("list_ssh_keys", 200),
    ("power_off_server", 201),
    ("power_on_server", 201),
    ("rebuild_server_from_image", 201),
    ("replace_image", 200),
    ("replace_server", 200),
    ("replace_ssh_key", 200),
    ("reset_root_password_of_server", 201),
    ("reset_server", 201),
    ("shutdown_server", 201),
    ("soft_reboot_server", 201),
];

/// Each request of the room once: every reply is checked where it arrives, and here, that none was
/// left out.
#[tokio::test]
async fn every_kind_of_reply_is_as_published() {
    let lab = Lab::with(spuff_core::simulator::Options::default().with_quota(2));
    let server = lab
        .made(order_with(
            json!({"labels": {"env": "prod", "example.com/k": ""}, "ssh_keys": ["laptop"]}),
        ))
        .await;
    let at = |rest: &str| format!("/servers/{server}{rest}");
    let actions = [
        "shutdown",
        "poweron",
        "reboot",
        "reset",
        "poweroff",
        "reset_password",
        "enable_rescue",
        "disable_rescue",
        "request_console",
    ];
    for action in actions {
        lab.act(server, action, json!({})).await.ok(201);
        lab.pass(10);
    }
    lab.act(server, "change_type", json!({"server_type": "cx33", "upgrade_disk": true}))
        .await
        .ok(201);
    lab.delete(&at("")).await.refused(423, "locked");
    lab.pass(10);
    lab.act(server, "rebuild", json!({"image": "debian-13"})).await.ok(201);
    lab.pass(10);
    lab.act(server, "change_protection", json!({"delete": false, "rebuild": false})).await.ok(201);
    lab.act(server, "enable_backup", json!({})).await.ok(201);
    let backup = lab
        .act(server, "create_image", json!({"type": "backup"}))
        .await
        .ok(201)
        .number("/image/id");
    lab.delete(&format!("/images/{backup}")).await.refused(423, "locked");
    lab.get(&at("")).await.ok(200);
    lab.pass(60);
    let snapshot = lab.snapshot(server, "a snapshot").await;
    lab.act(server, "disable_backup", json!({})).await.ok(201);
    lab.put(&at(""), json!({"name": "web-2", "labels": {}})).await.ok(200);

    let image = lab.get(&format!("/images/{snapshot}")).await.ok(200);
    assert_eq!(image.body["image"]["status"], "available");
    lab.put(&format!("/images/{snapshot}"), json!({"description": "other", "labels": {"a": "b"}}))
        .await
        .ok(200);
    let protected = lab
        .post(&format!("/images/{snapshot}/actions/change_protection"), json!({"delete": false}))
        .await
        .ok(201);
    let action = protected.number("/action/id");
    for path in [
        format!("/images/{snapshot}/actions"),
        format!("/images/{snapshot}/actions/{action}"),
        "/images/actions".to_string(),
        format!("/images/actions/{action}"),
    ] {
        lab.get(&path).await.ok(200);
    }

    let action = lab.get(&at("/actions")).await.ok(200).number("/actions/0/id");
    for path in [
        at(&format!("/actions/{action}")),
        "/servers/actions".to_string(),
        format!("/servers/actions/{action}"),
        format!("/actions/{action}"),
        format!("/actions?id={action}"),
        "/servers".to_string(),
        "/images?include_deprecated=true&per_page=50".to_string(),
        "/locations".to_string(),
        "/locations/1".to_string(),
        "/server_types?per_page=50".to_string(),
        "/server_types/1".to_string(),
        "/ssh_keys".to_string(),
    ] {
        lab.get(&path).await.ok(200);
    }
    lab.get("/actions").await.refused(410, "deprecated_api_endpoint");
    lab.get("/datacenters").await.refused(410, "deprecated_api_endpoint");

    let public_key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL3KbmHdnpAkEwfDn0hsvRmuJ9N+v2i0JlHrKZCxh0bq";
    let key = lab
        .post("/ssh_keys", json!({"name": "k", "public_key": public_key}))
        .await
        .ok(201)
        .number("/ssh_key/id");
    lab.get(&format!("/ssh_keys/{key}")).await.ok(200);
    lab.put(&format!("/ssh_keys/{key}"), json!({"name": "l", "labels": {"a": ""}})).await.ok(200);
    lab.delete(&format!("/ssh_keys/{key}")).await.ok(204);

    lab.post("/servers", order_with(json!({"name": "web 1"}))).await.refused(422, "invalid_input");
    lab.post("/servers", order_with(json!({"name": "web-2"})))
        .await
        .refused(409, "uniqueness_error");
    let sold_out = spuff_core::simulator::Fault::CapacityOut;
    lab.cloud.inject(sold_out.once("hetzner", spuff_core::simulator::Route::CreateInstance));
    lab.post("/servers", order_with(json!({}))).await.refused(412, "resource_unavailable");
    let restored = order_with(json!({
        "server_type": "cx33", "image": snapshot, "public_net": {"enable_ipv4": false},
        "start_after_create": false
    }));
    let restored = lab.post("/servers", restored).await.ok(201).number("/server/id");
    lab.post("/servers", order_with(json!({"name": "web-3"})))
        .await
        .refused(403, "resource_limit_exceeded");
    lab.pass(BOOT);

    lab.send(Method::DELETE, "/images/1000001", None).await.refused(422, "unsupported_error");
    lab.delete(&format!("/images/{snapshot}")).await.ok(204);
    lab.delete(&format!("/images/{snapshot}")).await.refused(404, "not_found");
    lab.get(&format!("/servers/{restored}")).await.ok(200);
    for server in [server, restored] {
        lab.delete(&format!("/servers/{server}")).await.ok(200);
        lab.get(&format!("/servers/{server}")).await.ok(200);
        lab.pass(DESTROY);
        lab.delete(&format!("/servers/{server}")).await.refused(404, "not_found");
    }
    lab.cloud.assert_no_leaks();

    let replied = lab.published.0.lock().unwrap();
    let missing: Vec<_> = REPLIES
        .iter()
        .filter(|(id, status)| !replied.contains(&(id.to_string(), *status)))
        .collect();
    assert!(missing.is_empty(), "not asked for: {missing:?}");
    // `request_console` is the only other one.
    assert_eq!(replied.len(), REPLIES.len() + 1, "{replied:?}");
}
