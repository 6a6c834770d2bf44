//! Every verb of the DigitalOcean room.

use serde_json::{Value, json};
use spuff_core::provider::{
    DigitalOceanProvider, ImageSpec, InstanceRequest, InstanceStatus, Provider,
};

use super::cloud::{Asked, Change, Cloud};
use super::document::Document;
use super::support;

const MANAGED_TAG: &str = "managed-by:spuff";
/// The snapshot of the examples, and the moment it was made.
const SNAPSHOT: (u64, &str, &str) = (6_372_321, "web-01-1595954862243", "2020-07-28T16:47:44Z");

const OPERATIONS: [&str; 14] = [
    "actions_get",
    "dropletActions_post",
    "droplets_create",
    "droplets_destroy",
    "droplets_get",
    "droplets_list",
    "droplets_list_snapshots",
    "images_get",
    "images_list",
    "sizes_list",
    "snapshots_delete",
    "sshKeys_list",
    "tags_assign_resources",
    "tags_create",
];

const CHANGES: [(&str, Change); 9] = [
    ("actions_get", |asked, reply| {
        reply["action"]["id"] = json!(asked.sent.id());
        // Each is looked at twice: that of the create, and that of the snapshot.
        reply["action"]["status"] =
            json!(if asked.before("actions_get") % 2 == 0 { "in-progress" } else { "completed" });
    }),
    ("dropletActions_post", |_, reply| {
        reply["action"]["status"] = json!("in-progress");
        reply["action"]["started_at"] = json!(SNAPSHOT.2);
    }),
    ("droplets_create", |asked, reply| {
        *reply = asked.examples.named("Single Droplet Create Response");
        add_tag(&mut reply["droplet"]);
    }),
    ("droplets_get", |asked, reply| {
        if asked.before("droplets_get") < 2 {
            reply["droplet"]["status"] = json!("new");
            reply["droplet"]["networks"] = json!({"v4": [], "v6": []});
        }
    }),
    ("droplets_list", |asked, reply| {
        let is_gpus = asked.sent.query("type") == Some("gpus");
        *reply =
            asked.examples.named(if is_gpus { "GPU Droplets" } else { "Droplets Filtered By Tag" });
        reply["droplets"].as_array_mut().unwrap().iter_mut().for_each(add_tag);
        two_pages(asked, reply, "droplets");
    }),
    ("droplets_list_snapshots", |asked, reply| {
        // The list lags: it is empty before the action, and once after it.
        let looks = asked.before("droplets_list_snapshots");
        if looks < 2 {
            reply["snapshots"] = json!([]);
        }
    }),
    ("images_get", |asked, reply| {
        reply["image"]["id"] = json!(asked.sent.id());
        reply["image"]["name"] = json!(SNAPSHOT.1);
        reply["image"]["status"] =
            json!(if asked.before("images_get") == 0 { "pending" } else { "available" });
    }),
    ("images_list", |asked, reply| {
        *reply = asked.examples.named("Snapshots");
        reply["images"].as_array_mut().unwrap().iter_mut().for_each(add_tag);
        two_pages(asked, reply, "images");
    }),
    ("sizes_list", |asked, reply| {
        // The second page has the same size: it is one.
        if asked.sent.query("page") != Some("1") {
            reply["links"] = json!({});
        }
    }),
];

fn add_tag(resource: &mut Value) {
    resource["tags"].as_array_mut().unwrap().push(json!(MANAGED_TAG));
}

/// The first page leads to a second, on which the ids are others.
fn two_pages(asked: &Asked<'_>, reply: &mut Value, items: &str) {
    if asked.sent.query("page") == Some("1") {
        reply["links"]["pages"] =
            json!({"next": format!("https://api.digitalocean.com{}?page=2", asked.sent.path)});
        return;
    }
    reply["links"] = json!({});
    for item in reply[items].as_array_mut().unwrap() {
        item["id"] = json!(item["id"].as_u64().unwrap() + 1_000_000_000);
    }
}

fn request(image: &str) -> InstanceRequest {
    InstanceRequest::new("example.com", "nyc3", "s-1vcpu-1gb").with_image(image.parse().unwrap())
}

#[tokio::test]
async fn every_request_is_as_published() {
    let cloud = Cloud::start(Document::load("digitalocean.bundled.json"), &CHANGES).await;
    let provider =
        DigitalOceanProvider::with_config("test-token", &cloud.uri(), support::timeouts()).unwrap();

    for image in ["ubuntu:24.04", "debian:12.5", "fedora-41-x64", "7555620", "snapshot:7555620"] {
        assert_eq!(
            provider.create_instance(&request(image)).await.unwrap().id,
            "3164444",
            "{image}"
        );
    }
    let full = request(&ImageSpec::default().to_string())
        .with_ssh_key("289794")
        .with_ssh_key("3b:16:e4:bf:8b:00:8b:b8:59:8c:a9:d3:f0:19:fa:45")
        .with_ssh_key("Other Public Key")
        .with_label("env", "prod")
        .with_label("Owner", "Zoë <z@example.org>")
        .with_user_data("#cloud-config\nruncmd:\n  - touch /test.txt\n")
        .with_idempotency_key("once");
    let created = provider.create_instance(&full).await.unwrap();
    assert_eq!(
        (created.id.as_str(), created.name.as_str(), &created.status),
        ("3164444", "example.com", &InstanceStatus::New)
    );
    assert!(created.ip.is_unspecified() && created.is_managed(), "{created:?}");
    let anywhere = InstanceRequest::new("example.com", "", "s-1vcpu-1gb");
    assert_eq!(provider.create_instance(&anywhere).await.unwrap().region, "nyc3");

    let ready = provider.wait_ready("3164444").await.unwrap();
    assert_eq!((ready.ip.to_string().as_str(), ready.addresses.len()), ("192.241.165.154", 3));
    let read = provider.get_instance("3164444").await.unwrap().unwrap();
    assert_eq!(read, ready);
    assert_eq!((read.region.as_str(), read.size.as_str()), ("nyc3", "s-1vcpu-1gb"));
    assert_eq!(read.labels["env"], "prod");
    assert_eq!(read.created_at.to_rfc3339(), "2020-07-21T18:37:44+00:00");

    let mut listed: Vec<_> =
        provider.list_instances().await.unwrap().into_iter().map(|instance| instance.id).collect();
    listed.sort();
    assert_eq!(
        listed,
        ["1003164444", "1003164459", "1448543583", "3164444", "3164459", "448543583"]
    );

    let made = provider.create_snapshot("3164444", SNAPSHOT.1).await.unwrap();
    assert_eq!((made.id, made.name), (SNAPSHOT.0.to_string(), SNAPSHOT.1.to_string()));
    let snapshots = provider.list_snapshots().await.unwrap();
    assert_eq!(
        snapshots.iter().map(|snapshot| snapshot.id.as_str()).collect::<Vec<_>>(),
        ["7555620", "7555621", "1007555620", "1007555621"]
    );
    assert_eq!(snapshots[0].name, "Nifty New Snapshot");
    provider.delete_snapshot("7555620").await.unwrap();

    assert_eq!(provider.get_ssh_keys().await.unwrap(), ["289794"]);
    assert_eq!(
        provider.hourly_price("nyc3", "s-1vcpu-1gb").await.unwrap().to_string(),
        "0.00744 USD"
    );
    provider.destroy_instance("3164444").await.unwrap();

    cloud.assert_asked_for(&OPERATIONS);
}
