//! Lists: pages, filters, and the catalogue.

use reqwest::Method;
use serde_json::{Value, json};
use spuff_core::simulator::{Fault, Route};

use super::{Api, BOOT};

#[tokio::test]
async fn pages_have_20_by_default_and_200_at_most() {
    let api = Api::start();
    for batch in 0..21 {
        let names: Vec<String> = (0..10).map(|number| format!("web-{batch}-{number}")).collect();
        api.create(json!({"name": null, "names": names, "tags": ["web"]})).await;
    }
    api.pass(BOOT);
    for (query, count) in [
        ("", 20),
        ("?page=11", 10),
        ("?page=12", 0),
        ("?per_page=200", 200),
        ("?per_page=1000", 200),
        ("?per_page=200&page=2", 10),
        ("?per_page=0", 20),
        ("?per_page=many&page=none", 20),
        ("?page=18446744073709551615&per_page=200", 0),
        ("?page=0", 20),
        ("?page=-1", 20),
        ("?per_page=7&page=30", 7),
        ("?tag_name=web&per_page=150&page=2", 60),
        ("?name=web-3-7", 1),
    ] {
        let page = api.get(&format!("/v2/droplets{query}")).await;
        assert_eq!((page.status, page.each("droplets", "id").len()), (200, count), "{query}");
        assert_eq!(
            page.number("/meta/total"),
            if query.contains("name=web-") { 1 } else { 210 },
            "{query}"
        );
    }

    let links =
        async |query: &str| api.get(&format!("/v2/droplets{query}")).await.body["links"].clone();
    let home = "https://api.digitalocean.com/v2/droplets";
    assert_eq!(links("?per_page=200&name=web-1-1").await, json!({}), "one page has no links");
    let first = links("?per_page=70&tag_name=web").await;
    let link = |page: u32| format!("{home}?per_page=70&tag_name=web&page={page}");
    assert_eq!(first, json!({"pages": {"next": link(2), "last": link(3)}}));
    let middle = links("?tag_name=web&page=2&per_page=70").await;
    let link = |page: u32| format!("{home}?tag_name=web&per_page=70&page={page}");
    assert_eq!(
        middle,
        json!({"pages": {"first": link(1), "prev": link(1), "next": link(3), "last": link(3)}})
    );
    let last = links("?per_page=70&page=3&tag_name=web").await;
    let link = |page: u32| format!("{home}?per_page=70&tag_name=web&page={page}");
    assert_eq!(last, json!({"pages": {"first": link(1), "prev": link(2)}}));
    assert_eq!(links("").await["pages"]["next"], json!(format!("{home}?page=2")));
}

#[tokio::test]
async fn droplets_are_filtered_by_tag_or_name_or_type() {
    let api = Api::start();
    let gpu = json!({
        "name": "gpu-1", "size": "gpu-h100x1-80gb", "image": "gpu-h100x1-base", "region": "tor1",
        "tags": ["web"]
    });
    let gpu = api.active(gpu).await.to_string();
    let web = api.active(json!({"name": "Web-1", "tags": ["web"]})).await.to_string();
    let other = api.active(json!({"name": "other", "tags": ["web-1"]})).await.to_string();
    for (query, expected) in [
        ("", vec![&web, &other]),
        ("?type=droplets", vec![&web, &other]),
        ("?type=gpus", vec![&gpu]),
        ("?tag_name=web", vec![&web]),
        ("?tag_name=Web", vec![]),
        ("?tag_name=nothing", vec![]),
        ("?name=web-1", vec![&web]),
        ("?name=WEB-1", vec![&web]),
        ("?name=web", vec![]),
        ("?name=gpu-1", vec![]),
        ("?name=gpu-1&type=gpus", vec![&gpu]),
    ] {
        let listed = api.get(&format!("/v2/droplets{query}")).await;
        assert_eq!(listed.each("droplets", "id").iter().collect::<Vec<_>>(), expected, "{query}");
    }
    for query in ["?tag_name=web&name=web-1", "?tag_name=web&type=gpus", "?type=gpu"] {
        assert_eq!(api.get(&format!("/v2/droplets{query}")).await.status, 400, "{query}");
    }
    api.act(web.parse().unwrap(), json!({"type": "rename", "name": "web-2"})).await;
    assert_eq!(api.get("/v2/droplets?name=web-1").await.number("/meta/total"), 0);
    assert_eq!(api.get("/v2/droplets?name=Web-2").await.each("droplets", "id"), [web]);
}

#[tokio::test]
async fn pages_can_shift_while_they_are_read() {
    let api = Api::start();
    let names: Vec<String> = (0..5).map(|number| format!("web-{number}")).collect();
    api.create(json!({"name": null, "names": names})).await;
    api.pass(BOOT);
    api.cloud.inject(Fault::ShiftingPages.everywhere().on(Route::ListInstances));
    let mut seen = Vec::new();
    for page in 1..=3 {
        seen.extend(
            api.get(&format!("/v2/droplets?per_page=2&page={page}")).await.each("droplets", "name"),
        );
    }
    assert_eq!(seen, ["web-0", "web-1", "web-1", "web-2", "web-3", "web-4"]);
}

#[tokio::test]
async fn the_catalogue_agrees_with_itself() {
    let api = Api::start();
    let all = async |path: &str, key: &str| {
        api.get(&format!("{path}?per_page=200")).await.body[key].as_array().unwrap().clone()
    };
    let regions = all("/v2/regions", "regions").await;
    let sizes = all("/v2/sizes", "sizes").await;
    let images = all("/v2/images", "images").await;
    for size in &sizes {
        for region in &regions {
            let holds = |list: &Value, slug: &Value| list.as_array().unwrap().contains(slug);
            assert_eq!(
                holds(&size["regions"], &region["slug"]),
                holds(&region["sizes"], &size["slug"]),
                "{size} {region}"
            );
        }
        assert_eq!(
            size["available"],
            json!(!size["regions"].as_array().unwrap().is_empty()),
            "{size}"
        );
        let (month, hour) =
            (size["price_monthly"].as_f64().unwrap(), size["price_hourly"].as_f64().unwrap());
        assert!((month / 672.0 - hour).abs() < 0.00001, "a month has 672 hours: {size}");
        assert_eq!(
            size.get("gpu_info").is_some(),
            size["slug"].as_str().unwrap().starts_with("gpu-"),
            "{size}"
        );
    }
    for slug in [
        "ubuntu-20-04-x64",
        "ubuntu-22-04-x64",
        "ubuntu-24-04-x64",
        "debian-11-x64",
        "debian-12-x64",
        "debian-13-x64",
    ] {
        let image = images.iter().find(|image| image["slug"] == json!(slug)).unwrap();
        let read = api.get(&format!("/v2/images/{slug}")).await;
        assert_eq!(
            (&read.body["image"], &image["public"], &image["type"]),
            (image, &json!(true), &json!("base")),
            "{slug}"
        );
        assert_eq!(api.get(&format!("/v2/images/{}", image["id"])).await.body["image"], *image);
    }
    let kinds = async |query: &str| {
        api.get(&format!("/v2/images?per_page=200&{query}")).await.each("images", "slug")
    };
    let apps = kinds("type=application").await;
    let distributions = kinds("type=distribution").await;
    assert!(
        apps.contains(&"docker-20-04".to_string()) && !apps.contains(&"debian-12-x64".to_string())
    );
    assert_eq!(apps.len() + distributions.len(), images.len());
    assert!(kinds("private=true").await.is_empty());
    assert_eq!(api.get("/v2/images?type=app").await.status, 400);
    assert_eq!(api.delete("/v2/images/debian-12-x64").await.status, 403);
    assert_eq!(api.delete(&format!("/v2/snapshots/{}", images[0]["id"])).await.status, 400);
}

#[tokio::test]
async fn what_is_not_there_is_a_404() {
    let api = Api::start();
    for (method, path) in [
        (Method::GET, "/v2"),
        (Method::GET, "/v2/"),
        (Method::GET, "/v2/nowhere"),
        (Method::GET, "/v2/droplets/42"),
        (Method::GET, "/v2/droplets/web-1"),
        (Method::GET, "/v2/droplets/-1"),
        (Method::GET, "/v2/droplets/+1"),
        (Method::GET, "/v2/droplets/99999999999999999999999"),
        (Method::GET, "/v2/droplets/%ff%fe"),
        (Method::GET, "/v2/droplets/42/snapshots"),
        (Method::GET, "/v2/droplets/42/actions"),
        (Method::GET, "/v2/droplets/42/actions/1"),
        (Method::GET, "/v2/droplets/42/kernels"),
        (Method::GET, "/v2/droplets/42/neighbors"),
        (Method::GET, "/v2/droplets/42/destroy_with_associated_resources"),
        (Method::DELETE, "/v2/droplets/42"),
        (Method::DELETE, "/v2/droplets"),
        (Method::DELETE, "/v2/droplets?tag_name=nothing"),
        (Method::POST, "/v2/droplets/42/actions"),
        (Method::POST, "/v2/droplets/actions?tag_name=nothing"),
        (Method::PATCH, "/v2/droplets"),
        (Method::GET, "/v2/actions/42"),
        (Method::GET, "/v2/images/42"),
        (Method::GET, "/v2/images/beos-5"),
        (Method::PUT, "/v2/images/42"),
        (Method::DELETE, "/v2/images/42"),
        (Method::POST, "/v2/images/42/actions"),
        (Method::GET, "/v2/snapshots/42"),
        (Method::GET, "/v2/snapshots/fbe805e8-866b-11e6-96bf-000f53315a41"),
        (Method::DELETE, "/v2/snapshots/42"),
        (Method::GET, "/v2/tags/nothing"),
        (Method::DELETE, "/v2/tags/nothing"),
        (Method::POST, "/v2/tags/nothing/resources"),
        (Method::GET, "/v2/account/keys/42"),
        (Method::PUT, "/v2/account/keys/42"),
        (Method::DELETE, "/v2/account/keys/aa:bb"),
    ] {
        let reply = api.send(method.clone(), path, "").await;
        assert_eq!(
            (reply.status, &reply.body["id"]),
            (404, &json!("not_found")),
            "{method} {path}: {reply:?}"
        );
    }
}

/// Whatever is sent, there is an answer in the cloud's own form, and nothing is made.
#[tokio::test]
async fn garbage_is_refused() {
    let api = Api::start();
    let id = api.active(json!({"tags": ["web"]})).await;
    let image = api.snapshot(id, "nightly").await;
    let before = (api.cloud.instances(), api.cloud.snapshots());
    let bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"{".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"7".to_vec(),
        b"\"text\"".to_vec(),
        b"name=web-1&size=s-1vcpu-1gb".to_vec(),
        b"\xff\xfe\x00".to_vec(),
        b"[".repeat(100_000),
        br#"{"name": {}, "names": {}, "type": [], "resources": 7, "public_key": 1, "description": []}"#.to_vec(),
        br#"{"resources": [7], "type": "fly", "name": "\u0000", "size": "", "image": ""}"#.to_vec(),
        br#"{"resources": [{"resource_id": 7, "resource_type": "image"}], "type": 7, "name": 7}"#.to_vec(),
        br#"{"resources": [{"resource_id": "7", "resource_type": "planet"}], "type": null, "name": ""}"#.to_vec(),
        br#"{"resources": [{"resource_id": "seven", "resource_type": "droplet"}], "type": "rename"}"#.to_vec(),
        br#"{"resources": [{"resource_id": "1", "resource_type": "volume"}], "type": "rebuild", "image": 1e300}"#.to_vec(),
    ];
    let paths = [
        (Method::POST, "/v2/droplets".to_string()),
        (Method::POST, format!("/v2/droplets/{id}/actions")),
        (Method::POST, "/v2/droplets/actions?tag_name=web".to_string()),
        (Method::POST, "/v2/tags".to_string()),
        (Method::POST, "/v2/tags/web/resources".to_string()),
        (Method::DELETE, "/v2/tags/web/resources".to_string()),
        (Method::POST, "/v2/account/keys".to_string()),
        (Method::POST, "/v2/images".to_string()),
    ];
    for (method, path) in &paths {
        for body in &bodies {
            let reply = api.send(method.clone(), path, body.clone()).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
            assert!((400..500).contains(&reply.status), "{method} {path} {shown}: {reply:?}");
            assert!(
                reply.body["id"].is_string() || reply.body["error"].is_string(),
                "{method} {path} {shown}: {reply:?}"
            );
        }
    }
    for body in &bodies {
        for path in [format!("/v2/images/{image}"), "/v2/account/keys/1000001".to_string()] {
            let reply = api.send(Method::PUT, &path, body.clone()).await;
            assert!(reply.status == 200 || (400..500).contains(&reply.status), "{path}: {reply:?}");
        }
    }
    let after = (api.cloud.instances(), api.cloud.snapshots().len());
    assert_eq!(after, (before.0, before.1.len()));
}
