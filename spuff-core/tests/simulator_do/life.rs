//! How a droplet ends, and what it has cost.

use serde_json::json;
use spuff_core::simulator::{Fault, Kind, Route};

use super::{Api, BOOT, DESTROY};

#[tokio::test]
async fn a_destroyed_droplet_can_be_seen_until_it_is_gone() {
    let api = Api::start();
    let id = api.active(json!({})).await;
    let path = format!("/v2/droplets/{id}");
    let reply = api.delete(&path).await;
    assert_eq!((reply.status, &reply.body), (204, &json!("")));
    let droplet = api.droplet(id).await;
    assert_eq!(
        (&droplet.body["droplet"]["status"], &droplet.body["droplet"]["locked"]),
        (&json!("active"), &json!(true))
    );
    assert_eq!(api.get("/v2/droplets").await.number("/meta/total"), 1);
    api.delete(&path).await.refused(422, "pending event");
    api.cloud.assert_no_leaks();
    api.pass(DESTROY);
    assert_eq!(api.droplet(id).await.status, 404);
    assert_eq!(api.delete(&path).await.status, 404);
    assert_eq!(api.get("/v2/droplets").await.number("/meta/total"), 0);
    assert!(api.cloud.instances().is_empty());
    let actions = api.get("/v2/actions").await;
    assert_eq!(
        actions.each("actions", "type"),
        ["destroy", "create"],
        "newest first, and longer than the droplet"
    );
    assert_eq!(actions.each("actions", "status"), ["completed", "completed"]);
}

#[tokio::test]
async fn a_destroy_can_fail_without_a_word() {
    let api = Api::start();
    let id = api.active(json!({})).await;
    api.cloud.inject(Fault::ActionFails.once("digitalocean", Route::DestroyInstance));
    assert_eq!(api.delete(&format!("/v2/droplets/{id}")).await.status, 204);
    api.pass(DESTROY);
    assert_eq!(api.droplet(id).await.body["droplet"]["status"], json!("active"));
    assert_eq!(api.cloud.leaks().len(), 1);
    api.cloud.inject(Fault::Locked.once("digitalocean", Route::DestroyInstance));
    api.delete(&format!("/v2/droplets/{id}"))
        .await
        .refused(422, "Droplet already has a pending event.");
}

#[tokio::test]
async fn a_create_can_fail_after_it_was_accepted() {
    let api = Api::start();
    api.cloud.inject(Fault::ActionFails.once("digitalocean", Route::CreateInstance));
    let made = api.create(json!({})).await;
    let id = made.number("/droplet/id");
    let action = made.number("/links/actions/0/id");
    api.pass(BOOT - 1);
    assert_eq!(api.droplet(id).await.body["droplet"]["status"], json!("new"));
    api.pass(1);
    assert_eq!(api.droplet(id).await.status, 404, "it is gone for good");
    let action = api.get(&format!("/v2/actions/{action}")).await.body["action"].clone();
    assert_eq!(
        (&action["status"], &action["type"]),
        (&json!("errored"), &json!("create")),
        "only the action knows"
    );
    assert!(action["completed_at"].is_string());
    api.cloud.assert_no_leaks();
}

#[tokio::test]
async fn a_create_can_be_stuck_or_vanish() {
    let api = Api::start();
    api.cloud.inject(Fault::StuckCreating.once("digitalocean", Route::CreateInstance));
    let made = api.create(json!({})).await;
    let stuck = made.number("/droplet/id");
    let action = made.number("/links/actions/0/id");
    api.pass(86_400);
    assert_eq!(api.droplet(stuck).await.body["droplet"]["status"], json!("new"));
    let action = api.get(&format!("/v2/actions/{action}")).await.body["action"].clone();
    assert_eq!((&action["status"], &action["completed_at"]), (&json!("in-progress"), &json!(null)));
    assert_eq!(api.act(stuck, json!({"type": "power_off"})).await.status, 422);
    assert_eq!(
        api.delete(&format!("/v2/droplets/{stuck}")).await.status,
        204,
        "it is paid for, and can be ended"
    );

    api.cloud.inject(Fault::Vanishes { after: 100 }.once("digitalocean", Route::CreateInstance));
    let gone = api.active(json!({})).await;
    assert_eq!(api.droplet(gone).await.body["droplet"]["status"], json!("active"));
    api.pass(100 - BOOT);
    assert_eq!(api.droplet(gone).await.status, 404);
    api.cloud.assert_no_leaks();
}

#[tokio::test]
async fn every_droplet_with_a_tag_can_be_destroyed_at_once() {
    let api = Api::start();
    api.create(json!({"name": null, "names": ["a", "b", "c"], "tags": ["web"]})).await;
    api.pass(BOOT);
    let other = api.active(json!({"tags": ["db"]})).await;
    let reply = api.delete("/v2/droplets?tag_name=web").await;
    assert_eq!(reply.status, 204);
    api.pass(DESTROY);
    assert_eq!(api.get("/v2/droplets").await.each("droplets", "id"), [other.to_string()]);
}

/// By the second, a minute and a cent at least; also while it is off.
#[tokio::test]
async fn a_droplet_is_paid_for_until_its_end_is_accepted() {
    let api = Api::start();
    let cost = |id: u64| {
        let bill = api.cloud.bill();
        let line = bill
            .lines
            .iter()
            .find(|line| line.kind == Kind::Instance && line.id == id.to_string())
            .unwrap();
        assert_eq!(line.currency, "USD");
        line.micros
    };
    let small = api.active(json!({})).await;
    assert_eq!(cost(small), 10_000, "a cent");
    let large = api.active(json!({"name": "large", "size": "c-32"})).await;
    assert_eq!(cost(large), 1_000_000 * 60 / 3600, "a minute of one dollar an hour");
    api.pass(7200 - BOOT);
    assert_eq!(cost(large), 2_000_000);
    api.act(large, json!({"type": "power_off"})).await;
    api.pass(3600);
    assert_eq!(cost(large), 3_000_000, "one that is off is paid for");
    api.delete(&format!("/v2/droplets/{large}")).await;
    api.pass(7200);
    assert_eq!(cost(large), 3_000_000);
}
