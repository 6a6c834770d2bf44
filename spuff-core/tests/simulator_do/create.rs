//! What a create takes, and what it refuses.

use serde_json::{Value, json};

use super::{Api, BOOT, options};

#[tokio::test]
async fn a_create_is_accepted_before_anything_has_happened() {
    let api = Api::start();
    let fields = json!({
        "tags": ["managed-by:spuff", "env:prod"], "ipv6": true, "monitoring": true,
        "user_data": "#cloud-config\n", "ssh_keys": null
    });
    let made = api.create(fields).await;
    assert_eq!(made.status, 202);
    let droplet = &made.body["droplet"];
    for (field, expected) in [
        ("name", json!("web-1")),
        ("status", json!("new")),
        ("locked", json!(true)),
        ("networks", json!({"v4": [], "v6": []})),
        ("size_slug", json!("s-1vcpu-1gb")),
        ("memory", json!(1024)),
        ("vcpus", json!(1)),
        ("disk", json!(25)),
        ("kernel", Value::Null),
        ("snapshot_ids", json!([])),
        ("backup_ids", json!([])),
        ("volume_ids", json!([])),
        ("tags", json!(["env:prod", "managed-by:spuff"])),
    ] {
        assert_eq!(droplet[field], expected, "{field}");
    }
    assert_eq!(
        (&droplet["region"]["slug"], &droplet["size"]["slug"]),
        (&json!("nyc3"), &json!("s-1vcpu-1gb"))
    );
    assert_eq!(
        (&droplet["image"]["slug"], &droplet["image"]["type"]),
        (&json!("ubuntu-24-04-x64"), &json!("base"))
    );
    let features = droplet["features"].as_array().unwrap();
    assert!(
        features.contains(&json!("ipv6")) && features.contains(&json!("monitoring")),
        "{features:?}"
    );

    let link = &made.body["links"]["actions"][0];
    assert_eq!(
        (link["rel"].as_str(), made.body["links"]["actions"].as_array().unwrap().len()),
        (Some("create"), 1)
    );
    assert_eq!(
        link["href"],
        json!(format!("https://api.digitalocean.com/v2/actions/{}", link["id"]))
    );
    let action = api.get(&format!("/v2/actions/{}", link["id"])).await;
    assert_eq!((action.status, &action.body["action"]["status"]), (200, &json!("in-progress")));
    assert_eq!(action.body["action"]["resource_id"], droplet["id"]);
}

#[tokio::test]
async fn a_droplet_comes_up_with_its_private_address_first() {
    let api = Api::start();
    let id = api.create(json!({"ipv6": true})).await.number("/droplet/id");
    api.pass(BOOT * 2 / 3);
    let droplet = api.droplet(id).await.body["droplet"].clone();
    assert_eq!(
        (&droplet["status"], droplet["networks"]["v4"].as_array().unwrap().len()),
        (&json!("new"), 2),
        "an address is not a state"
    );
    api.pass(BOOT / 3);
    let droplet = api.droplet(id).await.body["droplet"].clone();
    assert_eq!((&droplet["status"], &droplet["locked"]), (&json!("active"), &json!(false)));
    let kinds: Vec<_> = droplet["networks"]["v4"]
        .as_array()
        .unwrap()
        .iter()
        .map(|network| network["type"].clone())
        .collect();
    assert_eq!(kinds, [json!("private"), json!("public")]);
    assert_eq!(droplet["networks"]["v4"][0]["gateway"], json!("<nil>"));
    assert_eq!(
        (&droplet["networks"]["v6"][0]["netmask"], &droplet["networks"]["v6"][0]["type"]),
        (&json!(64), &json!("public"))
    );

    let plain = api.active(json!({"name": "plain"})).await;
    assert_eq!(api.droplet(plain).await.body["droplet"]["networks"]["v6"], json!([]));
    let hidden = api.active(json!({"name": "hidden", "public_networking": false})).await;
    let networks = api.droplet(hidden).await.body["droplet"]["networks"].clone();
    assert_eq!(networks["v4"].as_array().unwrap().len(), 1, "{networks}");
    assert_eq!(networks["v4"][0]["type"], json!("private"));
}

#[tokio::test]
async fn several_are_made_by_one_request() {
    let api = Api::start();
    let names: Vec<String> = (0..10).map(|number| format!("web-{number}")).collect();
    let made = api.create(json!({"name": null, "names": names, "tags": ["web"]})).await;
    assert_eq!(made.status, 202);
    assert_eq!(made.each("droplets", "name"), names);
    assert_eq!(made.body["links"]["actions"].as_array().unwrap().len(), 10);
    let eleven: Vec<String> = (0..11).map(|number| format!("web-{number}")).collect();
    api.create(json!({"name": null, "names": eleven})).await.refused(422, "more than 10");
    api.create(json!({"name": null, "names": ["good", "not_good"]}))
        .await
        .refused(422, "valid hostname characters");
    assert_eq!(api.cloud.instances().len(), 10, "a refusal makes none of them");
}

#[tokio::test]
async fn what_cannot_be_made_is_refused() {
    let api = Api::start();
    let image = "You specified an invalid image for Droplet creation.";
    let size = "You specified an invalid size for Droplet creation.";
    let region = "You specified an invalid region for Droplet creation.";
    let name = "Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)";
    let keys = "are invalid key identifiers for Droplet creation.";
    let table = [
        (json!({"name": null}), 422, "Name"),
        (json!({"name": ""}), 422, "Name"),
        (json!({"name": "web_1"}), 422, name),
        (json!({"name": "web-"}), 422, name),
        (json!({"name": "wéb"}), 422, name),
        (json!({"name": "a".repeat(256)}), 422, "255"),
        (json!({"size": null}), 422, size),
        (json!({"size": "tiny"}), 422, size),
        (json!({"size": "s-3vcpu-1gb"}), 422, "Size is not available in this region."),
        (json!({"size": "gpu-h100x1-80gb"}), 422, "Size is not available in this region."),
        (json!({"region": "mars1"}), 422, region),
        (json!({"region": "ams2"}), 422, "Region is not available"),
        (json!({"image": null}), 422, image),
        (json!({"image": "ubuntu-4-10-x64"}), 422, image),
        (json!({"image": 42}), 422, image),
        (json!({"image": -1}), 422, image),
        (json!({"image": [1]}), 422, image),
        (json!({"size": "s-1vcpu-512mb-10gb", "image": "docker-20-04"}), 422, "enough disk space"),
        (json!({"ssh_keys": [42]}), 422, keys),
        (
            json!({"ssh_keys": ["main", "00:11"]}),
            422,
            "main, 00:11 are invalid key identifiers for Droplet creation.",
        ),
        (json!({"ssh_keys": [null, {"id": 1}]}), 422, keys),
        (json!({"tags": ["a=b"]}), 422, "Tag"),
        (json!({"tags": ["a".repeat(256)]}), 422, "Tag"),
        (json!({"user_data": "x".repeat((64 << 10) + 1)}), 422, "User data"),
        (json!({"user_data": "é".repeat((32 << 10) + 1)}), 422, "User data"),
        (json!({"public_networking": false, "ipv6": true}), 422, "IPv6"),
        (json!({"volumes": ["12e97116-7280-11ed-b3d0-0a58ac146812"]}), 422, "Volume"),
        (json!({"vpc_uuid": "760e09ef-dc84-11e8-981e-3cfdfeaae000"}), 422, "VPC"),
        (json!({"name": 7}), 400, "malformed"),
        (json!({"names": "web"}), 400, "malformed"),
        (json!({"name": null, "names": [7]}), 400, "malformed"),
        (json!({"ipv6": "true"}), 400, "malformed"),
        (json!({"tags": "web"}), 400, "malformed"),
        (json!({"tags": [7]}), 400, "malformed"),
        (json!({"user_data": {"a": 1}}), 400, "malformed"),
    ];
    for (fields, status, message) in table {
        api.create(fields).await.refused(status, message);
    }
    assert!(api.cloud.instances().is_empty());
}

#[tokio::test]
async fn what_is_just_right_is_taken() {
    let api = Api::start();
    let keys = api.get("/v2/account/keys").await.body["ssh_keys"].clone();
    let ubuntu = api.get("/v2/images/ubuntu-22-04-x64").await.number("/image/id");
    for fields in [
        json!({"name": "a".repeat(255)}),
        json!({"name": "Web.example.org"}),
        json!({"user_data": "x".repeat(64 << 10)}),
        json!({
            "user_data": null, "tags": null, "ssh_keys": [], "ipv6": null, "volumes": [],
            "vpc_uuid": ""
        }),
        json!({"ssh_keys": [keys[0]["id"], keys[1]["fingerprint"], keys[0]["id"].to_string()]}),
        json!({"image": ubuntu}),
        json!({"image": ubuntu.to_string()}),
        json!({"tags": ["a".repeat(255)]}),
        json!({"vpc_uuid": "5a4981aa-9653-4bd1-bef5-d6bff5204203"}),
        json!({"unknown": "field", "private_networking": false, "backups": true}),
    ] {
        let made = api.create(fields.clone()).await;
        assert_eq!(made.status, 202, "{fields}: {made:?}");
    }
    assert_eq!(
        api.cloud.instances().iter().filter(|machine| machine.name == "web-1").count(),
        8,
        "names need not be unique"
    );
}

#[tokio::test]
async fn a_region_may_be_left_out_or_begun() {
    let api = Api::start();
    for (region, size, image, expected) in [
        (Value::Null, "s-1vcpu-1gb", "debian-12-x64", "nyc1"),
        (json!(""), "gpu-h200x1-141gb", "gpu-h100x1-base", "atl1"),
        (json!("nyc"), "s-1vcpu-1gb", "debian-12-x64", "nyc1"),
        (json!("nyc"), "gpu-h100x1-80gb", "gpu-h100x1-base", "nyc2"),
        (json!("sfo"), "s-1vcpu-1gb", "debian-12-x64", "sfo3"),
    ] {
        let made = api.create(json!({"region": region, "size": size, "image": image})).await;
        assert_eq!(
            made.body["droplet"]["region"]["slug"],
            json!(expected),
            "{region} {size}: {made:?}"
        );
    }
}

#[tokio::test]
async fn the_account_has_a_limit() {
    let api = Api::with(&options().with_quota(2));
    assert_eq!(api.get("/v2/account").await.number("/account/droplet_limit"), 2);
    let limit = "creating this/these droplet(s) will exceed your droplet limit";
    api.create(json!({"name": null, "names": ["a", "b", "c"]})).await.refused(422, limit);
    let first = api.active(json!({})).await;
    api.active(json!({})).await;
    api.create(json!({})).await.refused(422, limit);
    assert_eq!(api.delete(&format!("/v2/droplets/{first}")).await.status, 204);
    api.create(json!({})).await.refused(422, limit);
    api.pass(super::DESTROY);
    assert_eq!(api.create(json!({})).await.status, 202, "there is room once it is gone");
}

#[tokio::test]
async fn a_new_key_is_known_to_creates_later_than_to_lists() {
    let api = Api::start();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g \
     me@example.org";
    let made = api.post("/v2/account/keys", json!({"name": "me", "public_key": key})).await;
    assert_eq!(made.status, 201);
    let id = made.number("/ssh_key/id");
    assert_eq!(
        made.body["ssh_key"]["fingerprint"],
        json!("05:6d:11:6f:aa:82:7f:17:e4:a2:92:09:ca:cf:9d:42")
    );
    assert_eq!(
        api.get("/v2/account/keys").await.each("ssh_keys", "name"),
        ["alice@laptop", "ci", "me"]
    );
    api.create(json!({"ssh_keys": [id]}))
        .await
        .refused(422, &format!("{id} are invalid key identifiers"));
    api.pass(super::LIST_LAG);
    assert_eq!(api.create(json!({"ssh_keys": [id]})).await.status, 202);

    let again = json!({"name": "again", "public_key": key});
    api.post("/v2/account/keys", again)
        .await
        .refused(422, "SSH Key is already in use on your account");
    for bad in ["LaLaLaLaLa", "", "ssh-rsa AAAA"] {
        let bad = json!({"name": "bad", "public_key": bad});
        api.post("/v2/account/keys", bad)
            .await
            .refused(422, "Key invalid, key should be of the format `type key [comment]`");
    }
    api.post("/v2/account/keys", json!({"public_key": key})).await.refused(422, "Name");

    let path =
        format!("/v2/account/keys/{}", made.body["ssh_key"]["fingerprint"].as_str().unwrap());
    let renamed = api.send(reqwest::Method::PUT, &path, json!({"name": "mine"}).to_string()).await;
    assert_eq!((renamed.status, &renamed.body["ssh_key"]["name"]), (200, &json!("mine")));
    assert_eq!(api.get(&format!("/v2/account/keys/{id}")).await.body, renamed.body);
    assert_eq!(api.delete(&format!("/v2/account/keys/{id}")).await.status, 204);
    api.delete(&path).await.refused(404, "could not be found");
}
