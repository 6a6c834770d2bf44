//! What goes wrong on the way, and what is true all the same.

use std::time::Duration;

use serde_json::json;
use spuff_core::simulator::{Fault, Route};

use super::Api;

#[tokio::test]
async fn the_cloud_can_be_full() {
    let api = Api::start();
    for (fault, message) in [
        (Fault::CapacityOut, "Size is not available in this region."),
        (Fault::QuotaReached, "creating this/these droplet(s) will exceed your droplet limit"),
    ] {
        api.cloud.inject(fault.once("digitalocean", Route::CreateInstance));
        api.create(json!({})).await.refused(422, message);
    }
    assert!(api.cloud.instances().is_empty());
    assert_eq!(api.create(json!({})).await.status, 202);
}

#[tokio::test]
async fn a_lost_reply_leaves_a_droplet() {
    let api = Api::start();
    for fault in [Fault::ReplyLost, Fault::ConnectionClosed, Fault::Truncated] {
        api.cloud.inject(fault.once("digitalocean", Route::CreateInstance));
        let url = format!("http://{}/v2/droplets", api.cloud.address());
        let sent = api
            .http
            .post(url)
            .bearer_auth("token")
            .body(super::droplet(json!({})).to_string())
            .send()
            .await;
        let ended = match sent {
            Ok(reply) => reply.bytes().await.map(drop),
            Err(error) => Err(error),
        };
        assert!(ended.is_err(), "{fault:?}");
    }
    assert_eq!(api.cloud.instances().len(), 2, "one request was not carried out");
}

/// What each request counts as, for faults and for counting.
#[tokio::test]
async fn requests_have_their_routes() {
    let api = Api::start();
    let id = api.active(json!({"tags": ["web"]})).await;
    let image = api.snapshot(id, "nightly").await;
    let droplet = format!("/v2/droplets/{id}");
    let tagged = |kind: &str| {
        json!({"resources": [{"resource_id": "1", "resource_type": kind}]}).to_string()
    };
    let table = [
        ("GET", "/v2/droplets".to_string(), String::new(), Route::ListInstances),
        ("GET", "/v2/droplets?name=a".to_string(), String::new(), Route::ListInstances),
        ("GET", droplet.clone(), String::new(), Route::GetInstance),
        ("GET", format!("{droplet}/snapshots"), String::new(), Route::ListSnapshots),
        ("GET", format!("{droplet}/actions"), String::new(), Route::GetAction),
        ("GET", "/v2/actions/1".to_string(), String::new(), Route::GetAction),
        ("POST", "/v2/droplets".to_string(), "garbage".to_string(), Route::CreateInstance),
        (
            "POST",
            format!("{droplet}/actions"),
            json!({"type": "snapshot"}).to_string(),
            Route::CreateSnapshot,
        ),
        (
            "POST",
            format!("{droplet}/actions"),
            json!({"type": "reboot"}).to_string(),
            Route::PowerInstance,
        ),
        (
            "POST",
            format!("{droplet}/actions"),
            json!({"type": "rename"}).to_string(),
            Route::UpdateInstance,
        ),
        ("POST", format!("{droplet}/actions"), json!({"type": "fly"}).to_string(), Route::Other),
        ("POST", format!("{droplet}/actions"), "garbage".to_string(), Route::Other),
        (
            "POST",
            "/v2/droplets/actions?tag_name=web".to_string(),
            json!({"type": "snapshot"}).to_string(),
            Route::CreateSnapshot,
        ),
        ("GET", "/v2/images".to_string(), String::new(), Route::Catalogue),
        ("GET", "/v2/images?type=distribution".to_string(), String::new(), Route::Catalogue),
        ("GET", "/v2/images?private=true".to_string(), String::new(), Route::ListSnapshots),
        ("GET", "/v2/images?tag_name=web".to_string(), String::new(), Route::ListSnapshots),
        ("GET", format!("/v2/images/{image}"), String::new(), Route::GetSnapshot),
        ("GET", "/v2/images/debian-12-x64".to_string(), String::new(), Route::Catalogue),
        ("PUT", format!("/v2/images/{image}"), "{}".to_string(), Route::UpdateSnapshot),
        ("GET", "/v2/snapshots".to_string(), String::new(), Route::ListSnapshots),
        ("GET", format!("/v2/snapshots/{image}"), String::new(), Route::GetSnapshot),
        ("POST", "/v2/tags/web/resources".to_string(), tagged("image"), Route::UpdateSnapshot),
        ("DELETE", "/v2/tags/web/resources".to_string(), tagged("droplet"), Route::UpdateInstance),
        ("POST", "/v2/tags/web/resources".to_string(), "garbage".to_string(), Route::Other),
        ("POST", "/v2/tags".to_string(), "{}".to_string(), Route::Other),
        ("GET", "/v2/account/keys".to_string(), String::new(), Route::SshKeys),
        ("GET", "/v2/account".to_string(), String::new(), Route::Other),
        ("GET", "/v2/regions".to_string(), String::new(), Route::Catalogue),
        ("GET", "/v2/sizes".to_string(), String::new(), Route::Catalogue),
        ("GET", "/v2/nowhere".to_string(), String::new(), Route::Other),
        ("DELETE", "/v2/snapshots/1".to_string(), String::new(), Route::DeleteSnapshot),
        ("DELETE", "/v2/images/1".to_string(), String::new(), Route::DeleteSnapshot),
        ("DELETE", droplet.clone(), String::new(), Route::DestroyInstance),
        ("DELETE", "/v2/droplets?tag_name=web".to_string(), String::new(), Route::DestroyInstance),
    ];
    for (method, path, body, route) in table {
        api.send(method.parse().unwrap(), &path, body).await;
        let last = api.cloud.requests().pop().unwrap();
        assert_eq!((last.route, last.path.as_str()), (route, path.as_str()), "{method}");
        // So that the next one finds the droplet free.
        api.cloud.advance(Duration::from_secs(120));
    }
}

#[tokio::test]
async fn ten_thousand_droplets_can_be_told_apart() {
    let api = Api::start();
    let mut last = 0;
    for batch in 0..1000 {
        let names: Vec<String> = (0..10).map(|number| format!("web-{batch}-{number}")).collect();
        let made = api.create(json!({"name": null, "names": names})).await;
        last = made.number("/droplets/9/id");
    }
    api.pass(super::BOOT);
    assert_eq!(api.get("/v2/droplets?per_page=1").await.number("/meta/total"), 10_000);
    assert_eq!(
        api.get("/v2/droplets?name=Web-999-9").await.each("droplets", "id"),
        [last.to_string()]
    );
    assert_eq!(api.droplet(last).await.body["droplet"]["name"], json!("web-999-9"));
}
