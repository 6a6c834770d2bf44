//! Every verb of the Hetzner room.

use serde_json::{Value, json};
use spuff_core::provider::{HetznerProvider, InstanceRequest, InstanceStatus, Provider};

use super::cloud::{Asked, Change, Cloud};
use super::document::Document;
use super::support;

const OPERATIONS: [&str; 12] = [
    "create_image_from_server",
    "create_server",
    "delete_image",
    "delete_server",
    "get_image",
    "get_multiple_actions",
    "get_server",
    "list_images",
    "list_prices",
    "list_server_types",
    "list_servers",
    "list_ssh_keys",
];

const CHANGES: [(&str, Change); 9] = [
    ("create_server", |_, reply| reply["server"]["labels"] = labels()),
    ("create_image_from_server", |_, reply| {
        reply["action"]["status"] = json!("running");
        reply["image"]["labels"] = labels();
    }),
    ("get_image", |asked, reply| {
        reply["image"]["id"] = json!(asked.sent.id());
        reply["image"]["status"] =
            json!(if asked.before("get_image") == 0 { "creating" } else { "available" });
        reply["image"]["description"] = json!("my image");
    }),
    ("get_multiple_actions", |asked, reply| {
        let first = reply["actions"][0].take();
        // Each set of actions is looked at twice. Their `error` stays, and does not count.
        let status =
            if asked.before("get_multiple_actions") % 2 == 0 { "running" } else { "success" };
        let action = |id: &str| {
            let mut action = first.clone();
            action["id"] = json!(id.parse::<u64>().unwrap());
            action["status"] = json!(status);
            action
        };
        let ids = asked.sent.query.iter().filter(|(name, _)| name == "id");
        reply["actions"] = ids.map(|(_, id)| action(id)).collect();
    }),
    ("get_server", |asked, reply| {
        reply["server"]["status"] =
            json!(if asked.before("get_server") == 0 { "initializing" } else { "running" });
    }),
    ("list_images", |asked, reply| {
        let image = &mut reply["images"][0];
        if let Some(name) = asked.sent.query("name") {
            image["name"] = json!(name);
            image["architecture"] = json!(asked.sent.query("architecture").unwrap());
            image["type"] = json!(asked.sent.query("type").unwrap_or("app"));
        } else {
            image["name"] = Value::Null;
            image["labels"] = labels();
        }
        two_pages(asked, reply, "images");
    }),
    ("list_server_types", |asked, reply| two_pages(asked, reply, "server_types")),
    ("list_servers", |asked, reply| {
        reply["servers"][0]["labels"] = labels();
        two_pages(asked, reply, "servers");
    }),
    ("list_ssh_keys", |asked, reply| two_pages(asked, reply, "ssh_keys")),
];

fn labels() -> Value {
    json!({"managed-by": "spuff", "env": "prod"})
}

/// The first page leads to a second, on which the ids are others.
fn two_pages(asked: &Asked<'_>, reply: &mut Value, items: &str) {
    let is_last = asked.sent.query("page") == Some("2");
    reply["meta"]["pagination"]["next_page"] = if is_last { Value::Null } else { json!(2) };
    if is_last {
        let item = &mut reply[items][0];
        item["id"] = json!(item["id"].as_u64().unwrap() + 1000);
    }
}

/// The description, with what is known to be otherwise.
fn document() -> Document {
    let mut document = Document::load("hetzner.json");
    // The schema wants strings; its own text says "SSH key IDs (`integer`) or names (`string`)".
    *document.part("/components/schemas/create_server_request/properties/ssh_keys/items/type") =
        json!(["integer", "string"]);
    // A string by the schema, "ID or name" by its text; the official clients send an id as a
    // number, which no name can be.
    *document.part("/components/schemas/create_server_request/properties/image/type") =
        json!(["integer", "string"]);
    // Dropped from the API in July 2026, in both directions.
    document
        .part("/components/schemas/create_server_request/properties")
        .as_object_mut()
        .unwrap()
        .remove("datacenter")
        .unwrap();
    document
        .part("/components/schemas/server/required")
        .as_array_mut()
        .unwrap()
        .retain(|name| name != "datacenter");
    document
}

/// The example replies with a server, as they are since July 2026.
fn without_datacenter(document: &mut Document) {
    document
        .part("/components/schemas/server/properties")
        .as_object_mut()
        .unwrap()
        .remove("datacenter")
        .unwrap();
    let create = "/paths/~1servers/post/responses/201/content/application~1json\
        /examples/default/value/server";
    document.part(create).as_object_mut().unwrap().remove("datacenter").unwrap();
}

fn request(image: &str) -> InstanceRequest {
    InstanceRequest::new("my-server", "fsn1", "cpx22").with_image(image.parse().unwrap())
}

#[tokio::test]
async fn every_request_is_as_published() {
    drive(document()).await;
}

#[tokio::test]
async fn servers_need_no_datacenter() {
    let mut document = document();
    without_datacenter(&mut document);
    drive(document).await;
}

async fn drive(document: Document) {
    let cloud = Cloud::start(document, &CHANGES).await;
    let provider =
        HetznerProvider::with_config("test-token", &cloud.uri(), support::timeouts()).unwrap();

    for image in ["ubuntu:24.04", "debian:12.5", "docker-ce", "4711", "snapshot:4711"] {
        assert_eq!(provider.create_instance(&request(image)).await.unwrap().id, "42", "{image}");
    }
    let full = request("ubuntu:24.04")
        .with_ssh_key("2323")
        .with_ssh_key("my-ssh-key")
        .with_ssh_key("b7:2f:30:a0:2f:6c:58:6c:21:04:58:61:ba:06:3b:2f")
        .with_label("env", "prod")
        .with_label("example.com/my", "")
        .with_user_data("#cloud-config\nruncmd:\n- [touch, /root/cloud-init-worked]\n")
        .with_idempotency_key("once");
    let created = provider.create_instance(&full).await.unwrap();
    assert_eq!(
        (created.id.as_str(), created.name.as_str(), &created.status),
        ("42", "my-server", &InstanceStatus::New)
    );
    assert!(created.ip.to_string() == "1.2.3.4" && created.is_managed(), "{created:?}");
    let anywhere = InstanceRequest::new("my-server", "", "cpx22");
    assert_eq!(provider.create_instance(&anywhere).await.unwrap().region, "fsn1");

    let ready = provider.wait_ready("42").await.unwrap();
    assert_eq!((ready.ip.to_string().as_str(), ready.addresses.len()), ("1.2.3.4", 3));
    let read = provider.get_instance("42").await.unwrap().unwrap();
    assert_eq!(read, ready);
    assert_eq!((read.region.as_str(), read.size.as_str()), ("fsn1", "cpx22"));
    assert_eq!(read.labels["environment"], "prod");
    assert_eq!(read.created_at.to_rfc3339(), "2016-01-30T23:55:00+00:00");

    let listed = provider.list_instances().await.unwrap();
    assert_eq!(
        listed.iter().map(|instance| instance.id.as_str()).collect::<Vec<_>>(),
        ["42", "1042"]
    );

    let made = provider.create_snapshot("42", "my image").await.unwrap();
    assert_eq!((made.id.as_str(), made.name.as_str()), ("4711", "my image"));
    let snapshots = provider.list_snapshots().await.unwrap();
    assert_eq!(
        snapshots.iter().map(|snapshot| snapshot.id.as_str()).collect::<Vec<_>>(),
        ["42", "1042"]
    );
    assert_eq!(snapshots[0].name, "Ubuntu 24.04 Standard 64 bit");
    provider.delete_snapshot("42").await.unwrap();

    assert_eq!(provider.get_ssh_keys().await.unwrap(), ["42", "1042"]);
    assert_eq!(provider.hourly_price("fsn1", "cpx22").await.unwrap().to_string(), "1 EUR");
    provider.destroy_instance("42").await.unwrap();

    cloud.assert_asked_for(&OPERATIONS);
}
