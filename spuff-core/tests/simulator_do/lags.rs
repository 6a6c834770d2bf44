//! What cannot be seen yet, and what can be done with it all the same.

use serde_json::json;
use spuff_core::simulator::{Fault, Route};

use super::{Api, BOOT, LIST_LAG, READ_LAG};

#[tokio::test]
async fn lists_lag_creates_and_so_do_reads() {
    let api = Api::start();
    let id = api.create(json!({"tags": ["web"]})).await.number("/droplet/id");
    let lists = ["/v2/droplets", "/v2/droplets?name=web-1", "/v2/droplets?tag_name=web"];
    api.droplet(id).await.refused(404, "The resource you were accessing could not be found.");
    for list in lists {
        assert_eq!(api.get(list).await.number("/meta/total"), 0, "{list}");
    }
    api.pass(READ_LAG);
    assert_eq!(api.droplet(id).await.status, 200);
    for list in lists {
        assert_eq!(api.get(list).await.number("/meta/total"), 0, "{list}");
    }
    api.pass(LIST_LAG - READ_LAG);
    for list in lists {
        assert_eq!(api.get(list).await.each("droplets", "id"), [id.to_string()], "{list}");
    }
}

/// A destroy reaches a droplet that reads do not show yet: a 404 would say that there is nothing to
/// pay for.
#[tokio::test]
async fn a_droplet_that_cannot_be_read_yet_can_be_reached() {
    let api = Api::start();
    let id = api.create(json!({})).await.number("/droplet/id");
    assert_eq!(api.droplet(id).await.status, 404);
    api.delete(&format!("/v2/droplets/{id}"))
        .await
        .refused(422, "Droplet already has a pending event.");
    api.act(id, json!({"type": "reboot"}))
        .await
        .refused(422, "Droplet already has a pending event.");
    api.pass(BOOT);
    assert_eq!(api.delete(&format!("/v2/droplets/{id}")).await.status, 204);
    api.cloud.assert_no_leaks();
}

/// Only looks that would have shown it count.
#[tokio::test]
async fn a_droplet_can_hide_for_so_many_looks() {
    let api = Api::start();
    api.cloud.inject(Fault::NotYetVisible { reads: 3 }.once("digitalocean", Route::CreateInstance));
    let id = api.active(json!({"tags": ["web"]})).await;
    for elsewhere in
        ["/v2/droplets?name=web-2", "/v2/droplets?tag_name=other", "/v2/droplets?type=gpus"]
    {
        assert_eq!(api.get(elsewhere).await.number("/meta/total"), 0);
    }
    assert_eq!(api.droplet(id).await.status, 404);
    assert_eq!(api.get("/v2/droplets?name=WEB-1").await.number("/meta/total"), 0);
    assert_eq!(api.get("/v2/droplets?tag_name=web").await.number("/meta/total"), 0);
    assert_eq!(api.droplet(id).await.status, 200);
    assert_eq!(api.get("/v2/droplets").await.number("/meta/total"), 1);
}

#[tokio::test]
async fn a_snapshot_can_hide_for_so_many_looks() {
    let api = Api::start();
    let id = api.active(json!({})).await;
    api.cloud.inject(Fault::NotYetVisible { reads: 2 }.once("digitalocean", Route::CreateSnapshot));
    api.act(id, json!({"type": "snapshot", "name": "nightly"})).await;
    api.pass(super::SNAPSHOT + LIST_LAG);
    assert_eq!(api.droplet(id).await.body["droplet"]["snapshot_ids"], json!([]));
    let list = format!("/v2/droplets/{id}/snapshots");
    assert_eq!(api.get(&list).await.number("/meta/total"), 0);
    assert_eq!(api.get("/v2/snapshots").await.number("/meta/total"), 0);
    assert_eq!(api.get(&list).await.each("snapshots", "name"), ["nightly"]);
    assert_eq!(api.droplet(id).await.body["droplet"]["snapshot_ids"].as_array().unwrap().len(), 1);
}
