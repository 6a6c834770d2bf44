//! Snapshots: how they come to be, where they can be used, and how they go.

use reqwest::Method;
use serde_json::json;
use spuff_core::simulator::{Fault, Kind, Route};

use super::{Api, LIST_LAG, READ_LAG, SNAPSHOT};

#[tokio::test]
async fn a_snapshot_appears_after_its_action_has_ended() {
    let api = Api::start();
    let id = api.active(json!({})).await;
    let begun = api.act(id, json!({"type": "snapshot", "name": "Nightly, of 3 o'clock"})).await;
    assert_eq!(
        (begun.status, &begun.body["action"]["type"], &begun.body["action"]["resource_id"]),
        (201, &json!("snapshot"), &json!(id))
    );
    assert!(
        !begun.body.to_string().contains("image_id"),
        "the snapshot's id is never told: {}",
        begun.body
    );
    assert_eq!(
        api.droplet(id).await.body["droplet"]["status"],
        json!("active"),
        "it goes on running"
    );
    assert_eq!(api.droplet(id).await.body["droplet"]["locked"], json!(true));
    api.act(id, json!({"type": "snapshot", "name": "another"})).await.refused(422, "pending event");
    let image: u64 = api.cloud.snapshots()[0].id.parse().unwrap();
    let lists = [
        format!("/v2/droplets/{id}/snapshots"),
        "/v2/snapshots".to_string(),
        "/v2/snapshots?resource_type=droplet".to_string(),
    ];

    api.pass(SNAPSHOT - 1);
    assert_eq!(api.get(&format!("/v2/images/{image}")).await.status, 404);
    api.delete(&format!("/v2/images/{image}")).await.refused(404, "could not be found");
    api.create(json!({"image": image})).await.refused(422, "invalid image");
    api.pass(1);
    let action = api.get(&format!("/v2/actions/{}", begun.body["action"]["id"])).await;
    assert_eq!(action.body["action"]["status"], json!("completed"));
    for list in &lists {
        assert_eq!(api.get(list).await.number("/meta/total"), 0, "{list} lags");
    }
    api.pass(READ_LAG);
    assert_eq!(
        api.get(&format!("/v2/images/{image}")).await.body["image"]["status"],
        json!("available")
    );
    api.pass(LIST_LAG - READ_LAG);
    for list in &lists {
        assert_eq!(
            api.get(list).await.each("snapshots", "name"),
            ["Nightly, of 3 o'clock"],
            "{list}"
        );
    }
    assert_eq!(api.get("/v2/images?private=true").await.each("images", "id"), [image.to_string()]);
    assert_eq!(api.droplet(id).await.body["droplet"]["snapshot_ids"], json!([image]));

    // Ids are numbers in the droplet's list and as images, and texts among all snapshots.
    assert_eq!(api.get(&lists[0]).await.body["snapshots"][0]["id"], json!(image));
    let snapshot = api.get("/v2/snapshots").await.body["snapshots"][0].clone();
    assert_eq!(snapshot["id"], json!(image.to_string()));
    assert_eq!(api.get(&format!("/v2/snapshots/{image}")).await.body["snapshot"], snapshot);
    assert_eq!(
        (&snapshot["resource_id"], &snapshot["resource_type"]),
        (&json!(id.to_string()), &json!("droplet"))
    );
    assert_eq!((&snapshot["regions"], &snapshot["min_disk_size"]), (&json!(["nyc3"]), &json!(25)));
    assert!(snapshot["size_gigabytes"].as_f64().unwrap() > 1.0);
    assert_eq!(api.get("/v2/snapshots?resource_type=volume").await.number("/meta/total"), 0);
    assert_eq!(api.get("/v2/snapshots?resource_type=planet").await.status, 400);
    let image = api.get(&format!("/v2/images/{image}")).await.body["image"].clone();
    assert_eq!(
        (&image["type"], &image["public"], &image["slug"]),
        (&json!("snapshot"), &json!(false), &json!(null))
    );
}

#[tokio::test]
async fn a_snapshot_fits_its_region_and_a_disk_as_large() {
    let api = Api::start();
    let id = api.active(json!({"size": "s-1vcpu-2gb"})).await;
    let image = api.snapshot(id, "nightly").await;
    api.create(json!({"image": image, "size": "s-1vcpu-2gb", "region": "fra1"}))
        .await
        .refused(422, "not available in the selected region");
    api.create(json!({"image": image})).await.refused(422, "does not have enough disk space");
    for (fields, region) in [
        (json!({"image": image, "size": "s-1vcpu-2gb"}), "nyc3"),
        (json!({"image": image, "size": "s-2vcpu-4gb", "region": "nyc"}), "nyc3"),
        (json!({"image": image, "size": "s-2vcpu-4gb", "region": null}), "nyc3"),
        (json!({"image": image.to_string(), "size": "s-1vcpu-2gb"}), "nyc3"),
    ] {
        let made = api.create(fields.clone()).await;
        assert_eq!(
            (made.status, &made.body["droplet"]["region"]["slug"]),
            (202, &json!(region)),
            "{fields}"
        );
        assert_eq!(made.body["droplet"]["image"]["id"], json!(image));
    }
    api.create(json!({"image": "nightly", "size": "s-1vcpu-2gb"}))
        .await
        .refused(422, "invalid image");
}

#[tokio::test]
async fn snapshots_outlive_their_droplet_and_are_paid_for() {
    let api = Api::start();
    let id = api.active(json!({})).await;
    let image = api.snapshot(id, "nightly").await;
    let leftovers = api.get(&format!("/v2/droplets/{id}/destroy_with_associated_resources")).await;
    assert_eq!(leftovers.each("snapshots", "id"), [image.to_string()]);
    assert_eq!(leftovers.each("volumes", "id"), Vec::<String>::new());
    api.delete(&format!("/v2/droplets/{id}")).await;
    api.pass(super::DESTROY);
    let [left] = &api.cloud.leaks()[..] else { panic!("{:?}", api.cloud.leaks()) };
    assert_eq!(
        (left.kind, left.id.as_str(), left.state.as_str()),
        (Kind::Snapshot, image.to_string().as_str(), "available")
    );
    let micros = |cloud: &spuff_core::simulator::Cloud| {
        cloud
            .bill()
            .lines
            .iter()
            .filter(|line| line.kind == Kind::Snapshot)
            .map(|line| line.micros)
            .sum::<u64>()
    };
    let first = micros(&api.cloud);
    api.pass(3 * 3600);
    assert_eq!(micros(&api.cloud), 4 * first, "by each hour that was begun");

    assert_eq!(api.delete(&format!("/v2/snapshots/{image}")).await.status, 204);
    assert_eq!(api.delete(&format!("/v2/snapshots/{image}")).await.status, 404);
    assert_eq!(api.delete(&format!("/v2/images/{image}")).await.status, 404);
    api.cloud.assert_no_leaks();
    let paid = micros(&api.cloud);
    api.pass(7200);
    assert_eq!(micros(&api.cloud), paid);
}

#[tokio::test]
async fn a_snapshot_can_be_changed_and_deleted_as_an_image() {
    let api = Api::start();
    let id = api.active(json!({})).await;
    let image = api.snapshot(id, "nightly").await;
    let restored = api.active(json!({"name": "restored", "image": image})).await;
    let path = format!("/v2/images/{image}");
    let changed = api
        .send(Method::PUT, &path, json!({"name": "weekly", "description": "all of it"}).to_string())
        .await;
    assert_eq!((changed.status, &changed.body["image"]["name"]), (200, &json!("weekly")));
    assert_eq!(api.get(&path).await.body["image"]["description"], json!("all of it"));
    api.send(Method::PUT, &path, json!({"name": ""}).to_string()).await.refused(422, "Name");
    let public = api.get("/v2/images/debian-12-x64").await.number("/image/id");
    api.send(Method::PUT, &format!("/v2/images/{public}"), "{}")
        .await
        .refused(403, "do not have access");
    assert_eq!(api.get(&format!("/v2/images/{image}/actions")).await.number("/meta/total"), 0);

    api.cloud.inject(Fault::Locked.once("digitalocean", Route::DeleteSnapshot));
    api.delete(&path).await.refused(422, "pending event");
    assert_eq!(api.delete(&path).await.status, 204);
    assert_eq!(api.droplet(id).await.body["droplet"]["snapshot_ids"], json!([]));
    assert_eq!(
        api.droplet(restored).await.body["droplet"]["image"]["status"],
        json!("deleted"),
        "what it was made of is told still"
    );
}

#[tokio::test]
async fn a_snapshot_that_fails_or_never_ends_leaves_nothing() {
    let api = Api::start();
    for (fault, status) in [(Fault::ActionFails, "errored"), (Fault::StuckCreating, "in-progress")]
    {
        let id = api.active(json!({})).await;
        api.cloud.inject(fault.once("digitalocean", Route::CreateSnapshot));
        let action =
            api.act(id, json!({"type": "snapshot", "name": "nightly"})).await.number("/action/id");
        api.pass(3600);
        assert_eq!(
            api.get(&format!("/v2/actions/{action}")).await.body["action"]["status"],
            json!(status)
        );
        assert_eq!(api.get(&format!("/v2/droplets/{id}/snapshots")).await.number("/meta/total"), 0);
        assert!(api.cloud.snapshots().is_empty());
        assert_eq!(api.delete(&format!("/v2/droplets/{id}")).await.status, 204);
    }
}

#[tokio::test]
async fn a_snapshot_without_a_name_gets_one() {
    let api = Api::start();
    let id = api.active(json!({})).await;
    let stamp = api.cloud.now().timestamp_millis();
    api.act(id, json!({"type": "snapshot"})).await;
    assert_eq!(api.cloud.snapshots()[0].name, format!("web-1-{stamp}"));
}
