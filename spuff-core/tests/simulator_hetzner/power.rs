//! What is done with a server that exists.

use serde_json::{Value, json};

use super::{Lab, POWER, order_with};

#[tokio::test]
async fn power_goes_through_its_states() {
    let lab = Lab::new();
    let id = lab.server("web-1").await;
    for (action, command, between, after) in [
        ("poweroff", "stop_server", "stopping", "off"),
        ("poweroff", "stop_server", "off", "off"),
        ("reboot", "reboot_server", "off", "off"),
        ("poweron", "start_server", "starting", "running"),
        ("poweron", "start_server", "running", "running"),
        ("reboot", "reboot_server", "running", "running"),
        ("reset", "reset_server", "running", "running"),
    ] {
        let begun = lab.act(id, action, Value::Null).await.ok(201);
        assert_eq!(
            (&begun.body["action"]["command"], &begun.body["action"]["status"]),
            (&json!(command), &json!("running"))
        );
        assert_eq!(lab.status(id).await, between, "{action}");
        lab.pass(POWER - 1);
        assert_eq!(lab.status(id).await, between, "{action}");
        lab.pass(1);
        assert_eq!(lab.status(id).await, after, "{action}");
        assert_eq!(lab.action_status(begun.number("/action/id")).await, "success");
    }
}

/// Its action tells that the server was told, not that it is off.
#[tokio::test]
async fn a_shutdown_ends_before_the_server_is_off() {
    let lab = Lab::new();
    let id = lab.server("web-1").await;
    let action = lab.act(id, "shutdown", json!({})).await.ok(201).number("/action/id");
    lab.pass(1);
    assert_eq!(lab.action_status(action).await, "success");
    let server = lab.get(&format!("/servers/{id}")).await.ok(200).body["server"].take();
    assert_eq!((&server["status"], &server["locked"]), (&json!("stopping"), &json!(false)));
    lab.pass(POWER - 1);
    assert_eq!(lab.status(id).await, "off");
    lab.act(id, "poweron", json!({})).await.ok(201);
    lab.pass(POWER);
    // One that takes too long can be cut short.
    lab.act(id, "shutdown", json!({})).await.ok(201);
    lab.act(id, "poweroff", json!({})).await.refused(423, "locked");
    lab.pass(1);
    lab.act(id, "poweroff", json!({})).await.ok(201);
}

#[tokio::test]
async fn a_type_changes_only_when_off_and_where_it_fits() {
    let lab = Lab::new();
    let id = lab.server("web-1").await;
    let change = |server_type: &str, upgrade: bool| {
        json!({
            "server_type": server_type, "upgrade_disk": upgrade
        })
    };
    lab.act(id, "change_type", change("cx33", true)).await.refused(422, "server_not_stopped");
    lab.act(id, "poweroff", json!({})).await.ok(201);
    lab.pass(POWER);
    lab.act(id, "change_type", json!({"server_type": "cx33"})).await.refused_for("upgrade_disk");
    lab.act(id, "change_type", change("cx99", true)).await.refused_for("server_type");
    lab.act(id, "change_type", change("cax21", true)).await.refused(422, "invalid_server_type");
    for (server_type, upgrade, disk) in
        [("cx33", false, 40), ("cx23", false, 40), ("cx43", true, 160)]
    {
        lab.act(id, "change_type", change(server_type, upgrade)).await.ok(201);
        assert_eq!(lab.status(id).await, "migrating");
        lab.pass(POWER);
        let server = lab.get(&format!("/servers/{id}")).await.ok(200);
        assert_eq!(
            (
                &server.body["server"]["server_type"]["name"],
                server.number("/server/primary_disk_size")
            ),
            (&json!(server_type), disk)
        );
        assert_eq!(server.body["server"]["status"], "running");
        lab.act(id, "poweroff", json!({})).await.ok(201);
        lab.pass(POWER);
    }
    lab.act(id, "change_type", change("cx33", false)).await.refused(422, "invalid_server_type");
    let bill = lab.cloud.bill();
    let sizes: Vec<_> =
        bill.lines.iter().map(|line| (line.size.as_str(), line.until.is_none())).collect();
    assert_eq!(sizes, [("cx23", false), ("cx33", false), ("cx23", false), ("cx43", true)]);
}

#[tokio::test]
async fn a_rebuild_gives_another_image() {
    let lab = Lab::new();
    let id = lab.made(order_with(json!({"ssh_keys": ["laptop"]}))).await;
    for (image, refused) in
        [(json!("nothing-1"), true), (json!(null), true), (json!("debian-12"), false)]
    {
        let reply = lab.act(id, "rebuild", json!({"image": image})).await;
        if refused {
            reply.refused_for("image");
        } else {
            assert_eq!(reply.ok(201).body["root_password"], Value::Null);
        }
    }
    assert_eq!(lab.status(id).await, "rebuilding");
    lab.pass(POWER);
    let server = lab.get(&format!("/servers/{id}")).await.ok(200);
    assert_eq!(
        (&server.body["server"]["status"], &server.body["server"]["image"]["name"]),
        (&json!("running"), &json!("debian-12"))
    );
}

#[tokio::test]
async fn rescue_and_backups_are_switched() {
    let lab = Lab::new();
    let id = lab.server("web-1").await;
    let shown = async || {
        let server = lab.get(&format!("/servers/{id}")).await.ok(200).body["server"].take();
        (server["rescue_enabled"].as_bool().unwrap(), server["backup_window"].is_string())
    };
    assert_eq!(shown().await, (false, false));
    assert!(
        lab.act(
            id,
            "enable_rescue",
            json!({"type": "linux64"})
        )
        .await
        .ok(201)
        .body["root_password"]
            .is_string()
    );
    lab.act(id, "enable_backup", json!({})).await.ok(201);
    assert_eq!(shown().await, (true, true));
    lab.act(id, "disable_rescue", json!({})).await.ok(201);
    lab.act(id, "disable_backup", json!({})).await.ok(201);
    assert_eq!(shown().await, (false, false));
    // With backups an hour costs a fifth more.
    assert_eq!(
        lab.cloud.bill().lines.iter().map(|line| line.micros).collect::<Vec<_>>(),
        [5_600, 6_720, 5_600]
    );
    let console = lab.act(id, "request_console", json!({})).await.ok(201);
    assert!(console.body["wss_url"].as_str().unwrap().starts_with("wss://"));
    lab.act(id, "fly", json!({})).await.refused(404, "not_found");
}
