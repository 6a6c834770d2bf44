//! Tags: objects of the account with a life of their own.

use reqwest::Method;
use serde_json::json;
use spuff_core::simulator::{Fault, Route};

use super::{Api, DESTROY, LIST_LAG};

async fn tag(api: &Api, name: &str, method: Method, kind: &str, id: u64) -> super::Reply {
    let body = json!({"resources": [{"resource_id": id.to_string(), "resource_type": kind}]});
    api.send(method, &format!("/v2/tags/{name}/resources"), body.to_string()).await
}

#[tokio::test]
async fn a_tag_keeps_its_first_spelling_and_outlives_its_droplets() {
    let api = Api::start();
    let id = api.active(json!({"tags": ["Prod", "env:a-b_c"]})).await;
    let other = api.create(json!({"name": "other", "tags": ["PROD"]})).await;
    assert_eq!(other.body["droplet"]["tags"], json!(["Prod"]));
    api.pass(LIST_LAG);
    assert_eq!(api.get("/v2/droplets?tag_name=Prod").await.number("/meta/total"), 2);
    assert_eq!(
        api.get("/v2/droplets?tag_name=prod").await.number("/meta/total"),
        0,
        "filters know no other spelling"
    );
    for wrong in ["/v2/tags/prod", "/v2/tags/PROD"] {
        assert_eq!(api.get(wrong).await.status, 404, "{wrong}");
    }
    assert_eq!(tag(&api, "prod", Method::POST, "droplet", id).await.status, 404);
    let again = api.post("/v2/tags", json!({"name": "pROD"})).await;
    assert_eq!((again.status, &again.body["tag"]["name"]), (201, &json!("Prod")));
    let counted = &again.body["tag"]["resources"];
    assert_eq!(
        (&counted["count"], &counted["droplets"]["count"], &counted["images"]["count"]),
        (&json!(2), &json!(2), &json!(0))
    );
    let last = format!("https://api.digitalocean.com/v2/droplets/{}", other.number("/droplet/id"));
    assert_eq!(
        (&counted["last_tagged_uri"], &counted["droplets"]["last_tagged_uri"]),
        (&json!(last), &json!(last))
    );

    api.pass(super::BOOT);
    api.delete("/v2/droplets?tag_name=Prod").await;
    api.pass(DESTROY);
    assert_eq!(api.get("/v2/tags").await.each("tags", "name"), ["env:a-b_c", "Prod"]);
    let left = api.get("/v2/tags/Prod").await.body["tag"]["resources"].clone();
    assert_eq!((&left["count"], left.get("last_tagged_uri")), (&json!(0), None));
}

#[tokio::test]
async fn new_tags_lag_in_lists() {
    let api = Api::start();
    let made = api.post("/v2/tags", json!({"name": "web"})).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.body["tag"]["resources"]["count"], json!(0));
    assert_eq!(api.get("/v2/tags").await.number("/meta/total"), 0);
    assert_eq!(api.get("/v2/tags/web").await.status, 200);
    api.pass(LIST_LAG);
    assert_eq!(api.get("/v2/tags").await.each("tags", "name"), ["web"]);

    let id = api.active(json!({})).await;
    let image = api.snapshot(id, "nightly").await;
    for (kind, id, path, list) in
        [("droplet", id, "/v2/droplets", "droplets"), ("image", image, "/v2/images", "images")]
    {
        let tagged = tag(&api, "web", Method::POST, kind, id).await;
        assert_eq!((tagged.status, &tagged.body), (204, &json!("")));
        let filtered = format!("{path}?tag_name=web");
        let shown = api.get(&format!("{path}/{id}")).await.body.to_string();
        assert!(shown.contains(r#""tags":["web"]"#), "it is on it at once: {shown}");
        assert_eq!(api.get(&filtered).await.number("/meta/total"), 0, "{kind}: the filter lags");
        api.pass(LIST_LAG);
        assert_eq!(api.get(&filtered).await.each(list, "id"), [id.to_string()]);
    }
    let both = api.get("/v2/tags/web").await.body["tag"]["resources"].clone();
    assert_eq!((&both["count"], &both["images"]["count"]), (&json!(2), &json!(1)));
    assert_eq!(
        both["images"]["last_tagged_uri"],
        json!(format!("https://api.digitalocean.com/v2/images/{image}"))
    );
    assert_eq!(api.get("/v2/snapshots").await.body["snapshots"][0]["tags"], json!(["web"]));
    assert_eq!(api.cloud.snapshots()[0].labels.keys().collect::<Vec<_>>(), ["web"]);

    assert_eq!(tag(&api, "web", Method::DELETE, "droplet", id).await.status, 204);
    assert_eq!(api.droplet(id).await.body["droplet"]["tags"], json!([]));
    assert_eq!(api.delete("/v2/tags/web").await.status, 204);
    assert_eq!(
        api.get(&format!("/v2/images/{image}")).await.body["image"]["tags"],
        json!([]),
        "with the tag goes every use of it"
    );
    assert_eq!(api.delete("/v2/tags/web").await.status, 404);
}

#[tokio::test]
async fn bad_tags_are_refused_in_their_own_form() {
    let api = Api::start();
    for bad in ["", "a=b", "a.b", "a/b", "a b", "é", &"a".repeat(256)] {
        let refused = api.post("/v2/tags", json!({"name": bad})).await;
        assert_eq!(
            (refused.status, &refused.body["error"]),
            (400, &json!("bad_request")),
            "{bad}: {refused:?}"
        );
        assert!(refused.body["messages"][0].as_str().unwrap().contains("Tag name"));
        assert_eq!(refused.body["root_causes"], json!([]));
    }
    assert_eq!(api.post("/v2/tags", json!({"name": "a".repeat(255)})).await.status, 201);
    api.post("/v2/tags", json!({"name": "web"})).await;
    let id = api.active(json!({})).await;
    let resources = |resources| json!({"resources": resources});
    for (body, status) in [
        (json!({}), 400),
        (resources(json!([])), 400),
        (resources(json!([{"resource_id": id, "resource_type": "droplet"}])), 400),
        (resources(json!([{"resource_id": id.to_string(), "resource_type": "snapshot"}])), 400),
        (resources(json!([{"resource_id": "42", "resource_type": "droplet"}])), 404),
        (resources(json!([{"resource_id": id.to_string(), "resource_type": "image"}])), 404),
        (resources(json!([{"resource_id": "1000003", "resource_type": "image"}])), 404),
        (
            resources(json!([
                {
                    "resource_id": "fbe805e8-866b-11e6-96bf-000f53315a41",
                    "resource_type": "volume"
                }
            ])),
            404,
        ),
        (
            resources(json!([
                {"resource_id": id.to_string(), "resource_type": "droplet"},
                {"resource_id": "42", "resource_type": "droplet"}
            ])),
            404,
        ),
    ] {
        assert_eq!(api.post("/v2/tags/web/resources", body.clone()).await.status, status, "{body}");
    }
    assert_eq!(api.droplet(id).await.body["droplet"]["tags"], json!([]), "all or nothing");
    api.cloud.inject(Fault::Locked.once("digitalocean", Route::UpdateInstance));
    tag(&api, "web", Method::POST, "droplet", id).await.refused(422, "pending event");
}

/// Colons come as they are from some clients, and as `%3A` from others.
#[tokio::test]
async fn a_tag_in_a_path_may_be_escaped() {
    let api = Api::start();
    let id = api.active(json!({"tags": ["managed-by:spuff"]})).await;
    for spelling in ["managed-by:spuff", "managed-by%3Aspuff"] {
        assert_eq!(api.get(&format!("/v2/tags/{spelling}")).await.status, 200, "{spelling}");
        let listed = api.get(&format!("/v2/droplets?tag_name={spelling}")).await;
        assert_eq!(listed.each("droplets", "id"), [id.to_string()], "{spelling}");
    }
}
