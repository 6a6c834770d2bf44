//! Images: the cloud's own, snapshots and backups.

use serde_json::{Value, json};

use super::{DESTROY, Lab, SNAPSHOT, order_with};

#[tokio::test]
async fn a_snapshot_is_known_at_once_and_usable_later() {
    let lab = Lab::new();
    let server = lab.server("web-1").await;
    let body = json!({"type": "snapshot", "description": "before/after: \
     1", "labels": {"managed-by": "spuff"}});
    let made = lab.act(server, "create_image", body).await.ok(201);
    let image = &made.body["image"];
    assert_eq!(
        (&image["type"], &image["status"], &image["name"]),
        (&json!("snapshot"), &json!("creating"), &Value::Null)
    );
    assert_eq!(
        (&image["description"], &image["labels"]),
        (&json!("before/after: 1"), &json!({"managed-by": "spuff"}))
    );
    assert_eq!(
        (&image["created_from"], &image["bound_to"]),
        (&json!({"id": server, "name": "web-1"}), &Value::Null)
    );
    assert_eq!((&image["disk_size"], &image["image_size"]), (&json!(40), &Value::Null));
    assert_eq!(
        (&image["os_flavor"], &image["os_version"], &image["architecture"]),
        (&json!("ubuntu"), &json!("24.04"), &json!("x86"))
    );
    assert_eq!(made.body["action"]["command"], "create_image");
    assert_eq!(lab.status(server).await, "running", "a server need not be off");

    let id = made.number("/image/id");
    lab.post("/servers", order_with(json!({"name": "early", "image": id})))
        .await
        .refused_for("image");
    lab.pass(SNAPSHOT);
    assert_eq!(lab.action_status(made.number("/action/id")).await, "success");
    let image = lab.get(&format!("/images/{id}")).await.ok(200);
    assert_eq!(image.body["image"]["status"], "available");
    assert!(image.body["image"]["image_size"].as_f64().unwrap() > 0.0);

    lab.delete(&format!("/servers/{server}")).await.ok(200);
    lab.pass(DESTROY);
    let restored = lab.made(order_with(json!({"image": id}))).await;
    assert_eq!(
        lab.get(&format!("/servers/{restored}")).await.ok(200).number("/server/image/id"),
        id
    );
    lab.delete(&format!("/images/{id}")).await.ok(204);
    lab.get(&format!("/images/{id}")).await.refused(404, "not_found");
    assert_eq!(
        lab.get(&format!("/servers/{restored}")).await.ok(200).body["server"]["image"],
        Value::Null
    );
    lab.post("/servers", order_with(json!({"name": "late", "image": id})))
        .await
        .refused_for("image");
}

#[tokio::test]
async fn a_snapshot_fits_its_processors_and_a_disk_as_large() {
    let lab = Lab::new();
    let server = lab.made(order_with(json!({"server_type": "cx33"}))).await;
    let snapshot = lab.snapshot(server, "80 GB").await;
    for (server_type, message) in [
        ("cx23", "image disk is bigger"),
        ("cax21", "image has incompatible architecture"),
        ("cx33", ""),
        ("cx43", ""),
        ("ccx13", ""),
    ] {
        let reply = lab
            .post(
                "/servers",
                order_with(
                    json!({"name": server_type, "server_type": server_type, "image": snapshot}),
                ),
            )
            .await;
        if message.is_empty() {
            reply.ok(201);
        } else {
            let refused = reply.refused(422, "invalid_input");
            assert!(refused.message().contains(message), "{}", refused.message());
        }
    }
}

#[tokio::test]
async fn each_system_is_there_once_for_each_kind_of_processor() {
    let lab = Lab::new();
    for name in ["ubuntu-22.04", "ubuntu-24.04", "debian-11", "debian-12", "debian-13", "docker-ce"]
    {
        let both = lab.get(&format!("/images?name={name}")).await.ok(200);
        assert_eq!(both.each("images", "architecture"), ["x86", "arm"], "{name}");
        let arm = lab
            .get(&format!("/images?name={name}&architecture=arm"))
            .await
            .ok(200)
            .number("/images/0/id");
        let x86_with_arm = order_with(json!({"name": name.replace('.', "-"), "image": arm}));
        let refused = lab.post("/servers", x86_with_arm).await.refused(422, "invalid_input");
        assert_eq!(refused.message(), "image has incompatible architecture");
    }
    lab.post("/servers", order_with(json!({"server_type": "cax11", "image": "wordpress"})))
        .await
        .refused(422, "invalid_input");
}

#[tokio::test]
async fn deprecated_images_hide() {
    let lab = Lab::new();
    let named =
        async |more: &str| lab.get(&format!("/images?name=ubuntu-20.04{more}")).await.ok(200);
    assert_eq!(named("").await.body["images"], json!([]));
    assert_eq!(named("&include_deprecated=false").await.body["images"], json!([]));
    for yes in ["true", "True"] {
        let found = named(&format!("&include_deprecated={yes}")).await;
        assert_eq!(found.each("images", "architecture"), ["x86", "arm"]);
        assert!(
            found.body["images"][0]["deprecated"].is_string()
                && found.body["images"][0]["deprecation"].is_object()
        );
        lab.get(&format!("/images/{}", found.number("/images/0/id"))).await.ok(200);
    }
    lab.post("/servers", order_with(json!({"image": "ubuntu-20.04"}))).await.ok(201);
}

#[tokio::test]
async fn lists_are_narrowed() {
    let lab = Lab::new();
    let server = lab.server("web-1").await;
    let snapshot = lab.snapshot(server, "one").await;
    lab.act(server, "enable_backup", json!({})).await.ok(201);
    let body = json!({"type": "backup", "labels": {"kind": "backup"}});
    let backup = lab.act(server, "create_image", body).await.ok(201).number("/image/id");
    let snapshot = snapshot.to_string();
    let backup = backup.to_string();
    for (query, expected) in [
        ("type=snapshot", vec![&snapshot]),
        ("type=backup", vec![&backup]),
        ("type=snapshot&type=backup", vec![&snapshot, &backup]),
        ("type=snapshot&type=backup&sort=id:desc", vec![&backup, &snapshot]),
        ("type=snapshot&type=backup&status=creating", vec![&backup]),
        ("type=snapshot&type=backup&status=available", vec![&snapshot]),
        ("type=snapshot&type=backup&architecture=arm", vec![]),
        ("label_selector=kind", vec![&backup]),
        ("label_selector=kind%3D%3Dbackup", vec![&backup]),
        ("type=snapshot&label_selector=kind%3D%3Dbackup", vec![]),
        (&format!("bound_to={server}"), vec![&backup]),
        ("bound_to=1", vec![]),
        ("name=one", vec![]),
    ] {
        let found = lab.get(&format!("/images?{query}")).await.ok(200).each("images", "id");
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let systems = lab.get("/images?type=system&per_page=50").await.ok(200);
    assert!(systems.each("images", "type").iter().all(|kind| kind == "system"));
    for (query, field) in [
        ("type=app&type=disk", "type"),
        ("status=broken", "status"),
        ("architecture=x86_64", "architecture"),
    ] {
        lab.get(&format!("/images?{query}")).await.refused_for(field);
    }
}

#[tokio::test]
async fn backups_need_their_server() {
    let lab = Lab::new();
    let server = lab.server("web-1").await;
    lab.act(server, "create_image", json!({"type": "backup"})).await.refused(422, "invalid_input");
    lab.act(server, "create_image", json!({"type": "copy"})).await.refused_for("type");
    lab.act(server, "enable_backup", json!({})).await.ok(201);
    let mut made = Vec::new();
    for _ in 0..2 {
        made.push(lab.act(server, "create_image", json!({"type": "backup"})).await.ok(201));
        lab.pass(SNAPSHOT);
    }
    assert_eq!(made[0].number("/image/bound_to"), server);
    assert!(!made[0].body["image"]["description"].as_str().unwrap().is_empty(), "one is made up");
    let [kept, lost] = [made[0].number("/image/id"), made[1].number("/image/id")];
    let converted = lab.put(&format!("/images/{kept}"), json!({"type": "snapshot"})).await.ok(200);
    assert_eq!(
        (&converted.body["image"]["type"], &converted.body["image"]["bound_to"]),
        (&json!("snapshot"), &Value::Null)
    );
    lab.put(&format!("/images/{kept}"), json!({"type": "backup"})).await.refused_for("type");
    lab.delete(&format!("/servers/{server}")).await.ok(200);
    lab.pass(DESTROY);
    lab.get(&format!("/images/{lost}")).await.refused(404, "not_found");
    lab.get(&format!("/images/{kept}")).await.ok(200);
    assert_eq!(lab.cloud.leaks().len(), 1);
}

#[tokio::test]
async fn only_ones_own_can_be_changed_and_deleted() {
    let lab = Lab::new();
    let system = lab.get("/images").await.ok(200).number("/images/0/id");
    lab.delete(&format!("/images/{system}")).await.refused(422, "unsupported_error");
    lab.put(&format!("/images/{system}"), json!({"description": "mine"}))
        .await
        .refused(422, "unsupported_error");

    let server = lab.server("web-1").await;
    let at = format!("/images/{}", lab.snapshot(server, "one").await);
    let protect = async |on: bool| {
        lab.post(&format!("{at}/actions/change_protection"), json!({"delete": on})).await.ok(201)
    };
    assert_eq!(protect(true).await.body["action"]["resources"][0]["type"], "image");
    lab.delete(&at).await.refused(423, "protected");
    protect(false).await;
    let changed = lab.put(&at, json!({"description": "two", "labels": {"a": "b"}})).await.ok(200);
    assert_eq!(
        (&changed.body["image"]["description"], &changed.body["image"]["labels"]),
        (&json!("two"), &json!({"a": "b"}))
    );
    lab.put(&at, json!({"labels": {"a": "b:c"}})).await.refused_for("labels");
    lab.delete(&at).await.ok(204);
    lab.delete(&at).await.refused(404, "not_found");
    lab.delete("/images/nonsense").await.refused(404, "not_found");
}

#[tokio::test]
async fn one_that_is_being_made_is_locked() {
    let lab = Lab::new();
    let server = lab.server("web-1").await;
    let made = lab.act(server, "create_image", json!({})).await.ok(201);
    let at = format!("/images/{}", made.number("/image/id"));
    lab.delete(&at).await.refused(423, "locked");
    lab.pass(SNAPSHOT);
    lab.delete(&at).await.ok(204);
}

#[tokio::test]
async fn snapshots_are_paid_for_by_their_size() {
    let lab = Lab::new();
    let server = lab.server("web-1").await;
    let snapshot = lab.snapshot(server, "one").await;
    lab.delete(&format!("/servers/{server}")).await.ok(200);
    lab.pass(DESTROY);
    let before = lab.cloud.bill().total("EUR");
    let size = lab.get(&format!("/images/{snapshot}")).await.ok(200).body["image"]["image_size"]
        .as_f64()
        .unwrap();
    lab.pass(720 * 3600);
    let month = lab.cloud.bill().total("EUR") - before;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand")]
    let expected = (size * 11_000.0) as u64;
    assert!(month.abs_diff(expected) < expected / 20, "{month} for {size} GB");
    lab.delete(&format!("/images/{snapshot}")).await.ok(204);
    lab.cloud.assert_no_leaks();
}
