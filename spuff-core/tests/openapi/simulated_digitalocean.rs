//! Every kind of reply of the simulated DigitalOcean, held against what the real one has published.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use spuff_core::simulator::{Clock, Cloud, Fault, Options, Route};

use super::document::{Document, Sent};
use super::schema::violations;

/// All that the excerpt holds and the simulator answers.
const ANSWERED: [&str; 38] = [
    "account_get",
    "actions_get",
    "actions_list",
    "dropletActions_get",
    "dropletActions_list",
    "dropletActions_post",
    "dropletActions_post_byTag",
    "droplets_create",
    "droplets_destroy",
    "droplets_destroy_byTag",
    "droplets_get",
    "droplets_list",
    "droplets_list_associatedResources",
    "droplets_list_backups",
    "droplets_list_firewalls",
    "droplets_list_kernels",
    "droplets_list_neighbors",
    "droplets_list_snapshots",
    "imageActions_list",
    "images_delete",
    "images_get",
    "images_list",
    "images_update",
    "regions_list",
    "sizes_list",
    "snapshots_delete",
    "snapshots_get",
    "snapshots_list",
    "sshKeys_create",
    "sshKeys_delete",
    "sshKeys_get",
    "sshKeys_list",
    "sshKeys_update",
    "tags_assign_resources",
    "tags_create",
    "tags_delete",
    "tags_get",
    "tags_list",
];

struct Checked {
    document: Document,
    cloud: Cloud,
    http: reqwest::Client,
    answered: BTreeSet<String>,
}

impl Checked {
    fn start() -> Self {
        let cloud = Options::default().with_clock(Clock::Manual).start().unwrap();
        let http = spuff_core::http_client(
            &format!("http://{}", cloud.address()),
            &cloud.config("digitalocean"),
        )
        .unwrap();
        let mut document = Document::load("digitalocean.bundled.json");
        // Atlanta was opened in 2025, and is not on the document's list of regions.
        document
            .part("/components/schemas/region_slug/enum")
            .as_array_mut()
            .unwrap()
            .push(json!("atl1"));
        Self { document, cloud, http, answered: BTreeSet::new() }
    }

    /// Sends a request, and holds its reply against the document; the request too where it has this
    /// status for a success.
    async fn send(&mut self, status: u16, method: &str, path: &str, body: Value) -> Value {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let request = self
            .http
            .request(method.parse().unwrap(), format!("http://{}{path}", self.cloud.address()));
        let request = request
            .bearer_auth("token")
            .header("content-type", "application/json")
            .body(text.clone());
        let reply = request.send().await.unwrap();
        let got = (reply.status().as_u16(), reply.headers().clone());
        let body = reply.text().await.unwrap();
        let told = format!("{method} {path} {text}: {} {body}", got.0);
        assert_eq!(got.0, status, "{told}");
        for header in ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "x-request-id"]
        {
            assert!(got.1.contains_key(header), "{header}: {told}");
        }

        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let sent = Sent {
            method: method.to_string(),
            path: path.to_string(),
            query: pairs.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            headers: [("authorization", "Bearer token"), ("content-type", "application/json")]
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .into(),
            body: text.into_bytes(),
        };
        let operation = self.document.operation(&sent).unwrap_or_else(|| panic!("{told}"));
        let Some(validator) = self.document.reply(&operation, status) else {
            assert_eq!(body, "", "{told}");
            self.answered.insert(operation.id.to_string());
            return Value::Null;
        };
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(violations(&validator, &body), Vec::<String>::new(), "{told}");
        if status < 400 {
            assert_eq!(self.document.violations(&sent), Vec::<String>::new(), "{told}");
            self.answered.insert(operation.id.to_string());
        }
        body
    }

    async fn get(&mut self, path: &str) -> Value {
        self.send(200, "GET", path, Value::Null).await
    }

    fn pass(&self) {
        self.cloud.advance(Duration::from_secs(600));
    }
}

#[tokio::test]
async fn every_reply_is_as_published() {
    let mut api = Checked::start();
    for path in [
        "/v2/account",
        "/v2/regions?per_page=3&page=2",
        "/v2/sizes?per_page=200",
        "/v2/images?per_page=200",
        "/v2/account/keys",
    ] {
        api.get(path).await;
    }
    api.get("/v2/images/ubuntu-24-04-x64").await;
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g me";
    let key =
        api.send(201, "POST", "/v2/account/keys", json!({"name": "me", "public_key": key})).await;
    let key = format!("/v2/account/keys/{}", key["ssh_key"]["id"]);
    api.get(&key).await;
    api.send(200, "PUT", &key, json!({"name": "mine"})).await;
    api.send(204, "DELETE", &key, Value::Null).await;

    // A droplet in each of its states.
    let create = json!({
        "name": "web-1", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "ubuntu-24-04-x64",
        "tags": ["web"], "ipv6": true, "monitoring": true, "user_data": "#cloud-config\n"
    });
    let made = api.send(202, "POST", "/v2/droplets", create).await;
    let action = format!("/v2/actions/{}", made["links"]["actions"][0]["id"]);
    api.get(&action).await;
    api.cloud.advance(Duration::from_secs(5));
    let id = made["droplet"]["id"].as_u64().unwrap();
    let droplet = format!("/v2/droplets/{id}");
    api.get(&droplet).await;
    api.pass();
    api.get(&action).await;
    assert_eq!(api.get(&droplet).await["droplet"]["status"], json!("active"));
    let several = json!({
        "names": ["a", "b", "c"], "size": "c-2", "image": "debian-12-x64", "tags": ["several"]
    });
    api.send(202, "POST", "/v2/droplets", several).await;
    let gpu = json!({
        "name": "gpu", "region": "tor1", "size": "gpu-h100x1-80gb", "image": "gpu-h100x1-base"
    });
    api.send(202, "POST", "/v2/droplets", gpu).await;
    api.pass();
    for query in [
        "",
        "?per_page=2&page=1",
        "?per_page=2&page=2",
        "?tag_name=several",
        "?name=WEB-1",
        "?type=gpus",
    ] {
        api.get(&format!("/v2/droplets{query}")).await;
    }
    for of in ["actions", "backups", "kernels", "firewalls", "neighbors"] {
        api.get(&format!("{droplet}/{of}")).await;
    }

    let actions = format!("{droplet}/actions");
    for body in [
        json!({"type": "shutdown"}),
        json!({"type": "power_on"}),
        json!({"type": "rename", "name": "web-2"}),
        json!({"type": "rebuild", "image": "debian-13-x64"}),
        json!({"type": "password_reset"}),
        json!({"type": "snapshot", "name": "nightly"}),
    ] {
        let begun = api.send(201, "POST", &actions, body).await;
        api.get(&format!("{actions}/{}", begun["action"]["id"])).await;
        api.pass();
        api.get(&format!("{actions}/{}", begun["action"]["id"])).await;
        api.get(&droplet).await;
    }
    api.cloud.inject(Fault::ActionFails.once("digitalocean", Route::PowerInstance));
    let failed = api.send(201, "POST", &actions, json!({"type": "reboot"})).await;
    api.pass();
    assert_eq!(
        api.get(&format!("/v2/actions/{}", failed["action"]["id"])).await["action"]["status"],
        json!("errored")
    );
    api.send(201, "POST", "/v2/droplets/actions?tag_name=several", json!({"type": "power_off"}))
        .await;
    api.get("/v2/actions?per_page=5").await;

    // A snapshot in each of its forms, and tags.
    let listed = api.get(&format!("{droplet}/snapshots")).await;
    let image = listed["snapshots"][0]["id"].as_u64().unwrap();
    api.send(201, "POST", "/v2/tags", json!({"name": "backup"})).await;
    let resources = json!({"resources": [
        {"resource_id": image.to_string(), "resource_type": "image"},
        {"resource_id": id.to_string(), "resource_type": "droplet"}
    ]});
    api.send(204, "POST", "/v2/tags/backup/resources", resources).await;
    api.pass();
    for path in [
        "/v2/tags",
        "/v2/tags/backup",
        "/v2/images?tag_name=backup",
        "/v2/images?private=true",
        "/v2/snapshots",
    ] {
        api.get(path).await;
    }
    api.get("/v2/snapshots?resource_type=droplet").await;
    api.get(&format!("/v2/snapshots/{image}")).await;
    api.get(&format!("/v2/images/{image}")).await;
    api.get(&format!("/v2/images/{image}/actions")).await;
    api.send(
        200,
        "PUT",
        &format!("/v2/images/{image}"),
        json!({"name": "weekly", "description": "all"}),
    )
    .await;
    api.get(&format!("{droplet}/destroy_with_associated_resources")).await;
    let restored =
        json!({"name": "restored", "region": "nyc3", "size": "s-1vcpu-1gb", "image": image});
    let restored = api.send(202, "POST", "/v2/droplets", restored).await["droplet"]["id"].clone();
    let begun =
        api.send(201, "POST", &actions, json!({"type": "snapshot", "name": "another"})).await;
    api.pass();
    assert_eq!(
        api.get(&format!("/v2/actions/{}", begun["action"]["id"])).await["action"]["status"],
        json!("completed")
    );
    let all = api.get("/v2/snapshots").await;
    let another = all["snapshots"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == json!("another"))
        .unwrap()["id"]
        .clone();
    api.send(204, "DELETE", &format!("/v2/snapshots/{}", another.as_str().unwrap()), Value::Null)
        .await;
    api.send(204, "DELETE", &format!("/v2/images/{image}"), Value::Null).await;
    api.get(&format!("/v2/droplets/{restored}")).await;

    refusals(&mut api, &droplet).await;

    api.send(204, "DELETE", "/v2/tags/backup", Value::Null).await;
    api.send(204, "DELETE", "/v2/droplets?tag_name=several", Value::Null).await;
    api.send(204, "DELETE", &droplet, Value::Null).await;
    api.get(&droplet).await;
    assert_eq!(api.answered.iter().map(String::as_str).collect::<Vec<_>>(), ANSWERED);
}

async fn refusals(api: &mut Checked, droplet: &str) {
    let body = json!({"name": "web-1", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "beos-5"});
    api.send(422, "POST", "/v2/droplets", body).await;
    api.send(400, "POST", "/v2/droplets", json!({"name": 7})).await;
    api.send(400, "POST", "/v2/tags", json!({"name": "a=b"})).await;
    api.send(404, "GET", "/v2/droplets/42", Value::Null).await;
    api.send(404, "GET", "/v2/tags/nothing", Value::Null).await;
    let public = api.get("/v2/images/debian-12-x64").await["image"]["id"].clone();
    api.send(400, "DELETE", &format!("/v2/snapshots/{public}"), Value::Null).await;
    api.send(403, "DELETE", &format!("/v2/images/{public}"), Value::Null).await;
    for (status, fault) in [
        (401, Fault::Unauthorized),
        (429, Fault::RateLimited { retry_after: Some(1), headers: true }),
        (500, Fault::ServerError { status: 500, committed: false }),
        (503, Fault::ServerError { status: 503, committed: true }),
    ] {
        api.cloud.inject(fault.once("digitalocean", Route::GetInstance));
        api.send(status, "GET", droplet, Value::Null).await;
    }
    for (fault, route, method, path, body) in [
        (Fault::Locked, Route::DestroyInstance, "DELETE", droplet.to_string(), Value::Null),
        (
            Fault::Locked,
            Route::PowerInstance,
            "POST",
            format!("{droplet}/actions"),
            json!({"type": "reboot"}),
        ),
        (Fault::CapacityOut, Route::CreateInstance, "POST", "/v2/droplets".to_string(), create()),
        (Fault::QuotaReached, Route::CreateInstance, "POST", "/v2/droplets".to_string(), create()),
    ] {
        api.cloud.inject(fault.once("digitalocean", route));
        api.send(422, method, &path, body).await;
    }
}

fn create() -> Value {
    json!({"name": "web-1", "size": "s-1vcpu-1gb", "image": "debian-12-x64"})
}
