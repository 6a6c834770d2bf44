//! What is done with a droplet: power, names, and other actions.

use serde_json::{Value, json};
use spuff_core::simulator::{Fault, Route};

use super::{Api, POWER};

async fn status(api: &Api, id: u64) -> (Value, bool) {
    let droplet = api.droplet(id).await.body["droplet"].clone();
    (droplet["status"].clone(), droplet["locked"] == json!(true))
}

#[tokio::test]
async fn power_goes_on_and_off_and_locks_meanwhile() {
    let api = Api::start();
    let id = api.active(json!({})).await;
    for (kind, during, after) in [
        ("reboot", "active", "active"),
        ("power_cycle", "active", "active"),
        ("shutdown", "active", "off"),
        ("power_on", "off", "active"),
        ("power_off", "active", "off"),
        ("power_on", "off", "active"),
        ("password_reset", "active", "active"),
    ] {
        let begun = api.act(id, json!({"type": kind})).await;
        assert_eq!(
            (begun.status, &begun.body["action"]["status"]),
            (201, &json!("in-progress")),
            "{kind}"
        );
        let action = &begun.body["action"];
        assert_eq!(
            (&action["type"], &action["resource_id"], &action["resource_type"]),
            (&json!(kind), &json!(id), &json!("droplet"))
        );
        assert_eq!(
            (&action["region_slug"], &action["region"]["slug"]),
            (&json!("nyc3"), &json!("nyc3"))
        );
        assert_eq!(status(&api, id).await, (json!(during), true), "{kind}");
        api.act(id, json!({"type": "reboot"}))
            .await
            .refused(422, "Droplet already has a pending event.");
        api.delete(&format!("/v2/droplets/{id}")).await.refused(422, "pending event");
        api.pass(POWER);
        assert_eq!(status(&api, id).await, (json!(after), false), "{kind}");
        let path = format!("/v2/droplets/{id}/actions/{}", action["id"]);
        assert_eq!(api.get(&path).await.body["action"]["status"], json!("completed"), "{kind}");
    }
    let kinds = api.get(&format!("/v2/droplets/{id}/actions?per_page=3")).await;
    assert_eq!(
        kinds.each("actions", "type"),
        ["password_reset", "power_on", "power_off"],
        "newest first"
    );
    assert_eq!(kinds.number("/meta/total"), 8);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let api = Api::start();
    let id = api.active(json!({})).await;
    let other = api.active(json!({"name": "other"})).await;
    api.act(id, json!({"type": "power_on"})).await.refused(422, "Droplet is already powered on");
    api.act(id, json!({"type": "power_off"})).await;
    api.pass(POWER);
    api.act(id, json!({"type": "power_off"})).await.refused(422, "Droplet is already powered off");
    api.act(id, json!({"type": "shutdown"})).await.refused(422, "Droplet is already powered off");
    api.act(id, json!({"type": "reboot"})).await.refused(422, "powered off");
    for body in [
        json!({"type": "fly"}),
        json!({}),
        json!({"type": "resize", "size": "c-2"}),
        json!({"type": "enable_ipv6"}),
    ] {
        api.act(id, body).await.refused(422, "invalid action type");
    }
    let action = api.act(id, json!({"type": "power_on"})).await.number("/action/id");
    assert_eq!(
        api.get(&format!("/v2/droplets/{other}/actions/{action}")).await.status,
        404,
        "it is another droplet's"
    );
}

#[tokio::test]
async fn a_droplet_can_be_renamed_and_rebuilt() {
    let api = Api::start();
    let id = api.active(json!({})).await;
    for bad in [json!("a_b"), json!(""), Value::Null] {
        assert_eq!(api.act(id, json!({"type": "rename", "name": bad})).await.status, 422, "{bad}");
    }
    api.act(id, json!({"type": "rename", "name": "web-2"})).await;
    api.pass(POWER);
    assert_eq!(api.droplet(id).await.body["droplet"]["name"], json!("web-2"));
    api.act(id, json!({"type": "rebuild", "image": "beos-5"})).await.refused(422, "invalid image");
    api.act(id, json!({"type": "rebuild", "image": "debian-13-x64"})).await;
    api.pass(POWER);
    let droplet = api.droplet(id).await.body["droplet"].clone();
    assert_eq!(
        (&droplet["image"]["slug"], &droplet["status"]),
        (&json!("debian-13-x64"), &json!("active"))
    );
    assert_eq!(api.cloud.route_count("digitalocean", Route::UpdateInstance), 4);
}

#[tokio::test]
async fn an_action_can_fail() {
    let api = Api::start();
    let id = api.active(json!({})).await;
    for (body, route) in [
        (json!({"type": "shutdown"}), Route::PowerInstance),
        (json!({"type": "rename", "name": "web-2"}), Route::UpdateInstance),
    ] {
        api.cloud.inject(Fault::ActionFails.once("digitalocean", route));
        let action = api.act(id, body).await.number("/action/id");
        api.pass(POWER);
        assert_eq!(
            api.get(&format!("/v2/actions/{action}")).await.body["action"]["status"],
            json!("errored")
        );
        let droplet = api.droplet(id).await.body["droplet"].clone();
        assert_eq!(
            (&droplet["status"], &droplet["name"], &droplet["locked"]),
            (&json!("active"), &json!("web-1"), &json!(false))
        );
    }
    api.cloud.inject(Fault::Locked.once("digitalocean", Route::PowerInstance));
    api.act(id, json!({"type": "shutdown"}))
        .await
        .refused(422, "Droplet already has a pending event.");
}

#[tokio::test]
async fn droplets_with_a_tag_are_acted_on_together() {
    let api = Api::start();
    api.create(json!({"name": null, "names": ["a", "b"], "tags": ["web"]})).await;
    api.active(json!({"name": "c", "tags": ["db"]})).await;
    let begun = api.post("/v2/droplets/actions?tag_name=web", json!({"type": "power_off"})).await;
    assert_eq!(
        (begun.status, begun.each("actions", "type")),
        (201, vec!["power_off".to_string(), "power_off".to_string()])
    );
    api.pass(POWER);
    assert_eq!(api.get("/v2/droplets").await.each("droplets", "status"), ["off", "off", "active"]);
    api.post("/v2/droplets/actions?tag_name=web", json!({"type": "rename", "name": "d"}))
        .await
        .refused(422, "invalid action type");
}
