//! Servers: their create, what is shown of them, and their end.

use serde_json::{Value, json};

use super::{BOOT, DESTROY, Lab, SNAPSHOT, order, order_with};

#[tokio::test]
async fn a_create_tells_of_everything_at_once() {
    let lab = Lab::new();
    let order = order_with(json!({
        "labels": {"managed-by": "spuff", "env": "prod"}, "user_data": "#cloud-config\n",
        "ssh_keys": ["laptop"]
    }));
    let made = lab.post("/servers", order).await.ok(201);
    let server = &made.body["server"];
    let id = server["id"].as_u64().unwrap();
    assert_eq!(
        (&server["status"], &server["name"], &server["locked"]),
        (&json!("initializing"), &json!("web-1"), &json!(true))
    );
    assert_eq!(server["labels"], json!({"managed-by": "spuff", "env": "prod"}));
    // The addresses are there long before the server is.
    let ipv4 = server["public_net"]["ipv4"]["ip"].as_str().unwrap();
    assert!(ipv4.parse::<std::net::Ipv4Addr>().is_ok(), "{ipv4}");
    let network =
        server["public_net"]["ipv6"]["ip"].as_str().unwrap().strip_suffix("::/64").unwrap();
    assert!(format!("{network}::1").parse::<std::net::Ipv6Addr>().is_ok(), "{network}");
    assert_eq!(server["location"]["name"], "fsn1");
    assert!(server.get("datacenter").is_none(), "gone since July 2026");
    let created = server["created"].as_str().unwrap();
    assert!(created.ends_with("+00:00") && created.len() == 25, "{created}");
    assert_eq!(
        (&server["server_type"]["name"], &server["image"]["name"]),
        (&json!("cx23"), &json!("ubuntu-24.04"))
    );
    assert_eq!(
        (&server["image"]["architecture"], &server["primary_disk_size"]),
        (&json!("x86"), &json!(40))
    );

    let action = &made.body["action"];
    assert_eq!(
        (&action["command"], &action["status"], &action["error"]),
        (&json!("create_server"), &json!("running"), &Value::Null)
    );
    assert_eq!(action["resources"], json!([{"id": id, "type": "server"}]));
    assert_eq!(made.each("next_actions", "command"), ["start_server"]);
    assert_eq!(made.body["root_password"], Value::Null);
}

#[tokio::test]
async fn a_password_is_made_where_there_is_no_key() {
    let lab = Lab::new();
    let made = lab.post("/servers", order("web-1")).await.ok(201);
    assert_eq!(made.body["root_password"].as_str().map(str::len), Some(20));
}

#[tokio::test]
async fn a_server_is_made_then_started_then_free() {
    let lab = Lab::new();
    let made = lab.post("/servers", order("web-1")).await.ok(201);
    let (id, create, start) =
        (made.number("/server/id"), made.number("/action/id"), made.number("/next_actions/0/id"));
    for (seconds, status, create_status, start_status, locked) in [
        (0, "initializing", "running", "running", true),
        (BOOT * 2 / 3 - 1, "initializing", "running", "running", true),
        (1, "starting", "success", "running", true),
        (BOOT / 3 - 1, "starting", "success", "running", true),
        (1, "running", "success", "success", false),
        (3600, "running", "success", "success", false),
    ] {
        lab.pass(seconds);
        let server = lab.get(&format!("/servers/{id}")).await.ok(200);
        assert_eq!(server.body["server"]["status"], status, "after {seconds} s");
        assert_eq!(server.body["server"]["locked"], locked, "after {seconds} s");
        let actions = lab.get(&format!("/actions?id={create}&id={start}")).await.ok(200);
        assert_eq!(
            actions.each("actions", "status"),
            [create_status, start_status],
            "after {seconds} s"
        );
    }
}

#[tokio::test]
async fn progress_grows_and_an_end_is_noted() {
    let lab = Lab::new();
    let action = lab.post("/servers", order("web-1")).await.ok(201).number("/next_actions/0/id");
    let mut seen = Vec::new();
    for _ in 0..=4 {
        let read = lab.get(&format!("/actions/{action}")).await.ok(200);
        seen.push((read.number("/action/progress"), read.body["action"]["finished"].is_string()));
        lab.pass(BOOT / 4);
    }
    assert_eq!(seen, [(0, false), (25, false), (50, false), (75, false), (100, true)]);
}

#[tokio::test]
async fn a_server_need_not_be_started() {
    let lab = Lab::new();
    let made = lab.post("/servers", order_with(json!({"start_after_create": false}))).await.ok(201);
    assert_eq!(made.body["next_actions"], json!([]));
    let id = made.number("/server/id");
    lab.pass(BOOT - 1);
    assert_eq!(lab.status(id).await, "initializing");
    lab.pass(1);
    assert_eq!(lab.status(id).await, "off");
    assert_eq!(lab.action_status(made.number("/action/id")).await, "success");
}

#[tokio::test]
async fn everything_goes_by_id_or_by_name() {
    let lab = Lab::new();
    let image = lab.get("/images?name=debian-12&architecture=x86").await.number("/images/0/id");
    let key = lab.get("/ssh_keys?name=ci").await.number("/ssh_keys/0/id");
    for (number, (image, server_type, location, key)) in [
        (json!(image), json!(114), json!(1), json!(key)),
        (json!(image.to_string()), json!("114"), json!("1"), json!(key.to_string())),
        (json!("debian-12"), json!("cx23"), json!("fsn1"), json!("ci")),
    ]
    .into_iter()
    .enumerate()
    {
        let order = json!({
            "name": format!("web-{number}"), "image": image, "server_type": server_type,
            "location": location, "ssh_keys": [key]
        });
        let made = lab.post("/servers", order).await.ok(201);
        let server = &made.body["server"];
        let words =
            (&server["image"]["name"], &server["server_type"]["name"], &server["location"]["name"]);
        assert_eq!(words, (&json!("debian-12"), &json!("cx23"), &json!("fsn1")));
        assert_eq!(made.body["root_password"], Value::Null);
    }
}

#[tokio::test]
async fn without_a_location_the_cloud_chooses_one() {
    let lab = Lab::new();
    let made = lab
        .post("/servers", order_with(json!({"location": null, "server_type": "cax11"})))
        .await
        .ok(201);
    assert!(
        ["fsn1", "nbg1", "hel1"]
            .contains(&made.body["server"]["location"]["name"].as_str().unwrap())
    );
    assert_eq!(
        made.body["server"]["image"]["architecture"], "arm",
        "a name means the image for the type's processors"
    );
}

#[tokio::test]
async fn a_server_may_do_without_one_kind_of_address() {
    let lab = Lab::new();
    for (ipv4, ipv6) in [(true, false), (false, true), (true, true)] {
        let net = json!({"enable_ipv4": ipv4, "enable_ipv6": ipv6});
        let made = lab
            .post(
                "/servers",
                order_with(json!({"name": format!("{ipv4}-{ipv6}"), "public_net": net})),
            )
            .await
            .ok(201);
        let public_net = &made.body["server"]["public_net"];
        assert_eq!((public_net["ipv4"].is_object(), public_net["ipv6"].is_object()), (ipv4, ipv6));
    }
    let net = json!({"enable_ipv4": false, "enable_ipv6": false});
    let refused = lab
        .post("/servers", order_with(json!({"public_net": net})))
        .await
        .refused(422, "invalid_input");
    assert!(refused.message().contains("no public network"), "{}", refused.message());
}

#[tokio::test]
async fn addresses_end_with_their_server() {
    let lab = Lab::new();
    let id = lab.server("web-1").await;
    let ips = lab.get("/primary_ips").await.ok(200);
    assert_eq!(ips.each("primary_ips", "type"), ["ipv4", "ipv6"]);
    assert_eq!(ips.each("primary_ips", "assignee_id"), [id.to_string(), id.to_string()]);
    assert_eq!(ips.each("primary_ips", "auto_delete"), ["true", "true"]);
    let server = lab.get(&format!("/servers/{id}")).await.ok(200);
    for (number, kind) in ["ipv4", "ipv6"].into_iter().enumerate() {
        let ip = ips.number(&format!("/primary_ips/{number}/id"));
        assert_eq!(server.number(&format!("/server/public_net/{kind}/id")), ip);
        assert_eq!(
            lab.get(&format!("/primary_ips/{ip}")).await.ok(200).body["primary_ip"]["type"],
            kind
        );
    }
    lab.get("/primary_ips/1").await.refused(404, "not_found");
    lab.delete(&format!("/servers/{id}")).await.ok(200);
    lab.pass(DESTROY);
    assert_eq!(lab.get("/primary_ips").await.ok(200).body["primary_ips"], json!([]));
}

#[tokio::test]
async fn ids_are_of_one_thing_only() {
    let lab = Lab::new();
    let mut ids = Vec::new();
    for number in 0..3 {
        let made = lab.post("/servers", order(&format!("web-{number}"))).await.ok(201);
        ids.extend(["/server/id", "/action/id", "/next_actions/0/id"].map(|at| made.number(at)));
        ids.extend(
            ["/server/public_net/ipv4/id", "/server/public_net/ipv6/id"].map(|at| made.number(at)),
        );
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "{ids:?}");
}

#[tokio::test]
async fn a_name_is_taken_once_until_its_server_is_gone() {
    let lab = Lab::new();
    let id = lab.server("web-1").await;
    let refused = lab.post("/servers", order("web-1")).await.refused(409, "uniqueness_error");
    assert_eq!(refused.message(), "server name is already used");
    lab.begin("WEB-1").await;
    let other = lab.begin("web-2").await;
    lab.put(&format!("/servers/{other}"), json!({"name": "web-1"}))
        .await
        .refused(409, "uniqueness_error");
    lab.put(&format!("/servers/{id}"), json!({"name": "web-1"})).await.ok(200);
    lab.put(&format!("/servers/{id}"), json!({"name": "web-9"})).await.ok(200);
    lab.begin("web-1").await;
    lab.delete(&format!("/servers/{id}")).await.ok(200);
    lab.post("/servers", order("web-9")).await.refused(409, "uniqueness_error");
    lab.pass(DESTROY);
    lab.begin("web-9").await;
}

#[tokio::test]
async fn labels_are_replaced_whole() {
    let lab = Lab::new();
    let id = lab.made(order_with(json!({"labels": {"a": "1", "b": "2"}}))).await;
    let at = format!("/servers/{id}");
    assert_eq!(
        lab.put(&at, json!({"name": "web-2"})).await.ok(200).body["server"]["labels"],
        json!({"a": "1", "b": "2"})
    );
    assert_eq!(
        lab.put(&at, json!({"labels": {"c": ""}})).await.ok(200).body["server"]["labels"],
        json!({"c": ""})
    );
    assert_eq!(
        lab.put(&at, json!({"labels": {}})).await.ok(200).body["server"]["labels"],
        json!({})
    );
    assert_eq!(lab.get(&at).await.ok(200).body["server"]["name"], "web-2");
    lab.put(&at, json!({"name": "web_2"})).await.refused_for("name");
    lab.put(&at, json!({"labels": {"a": "b c"}})).await.refused_for("labels");
}

#[tokio::test]
async fn a_delete_takes_a_while() {
    let lab = Lab::new();
    let id = lab.server("web-1").await;
    let deleted = lab.delete(&format!("/servers/{id}")).await.ok(200);
    assert_eq!(
        (deleted.body["action"]["command"].as_str(), deleted.body["action"]["status"].as_str()),
        (Some("delete_server"), Some("running"))
    );
    assert_eq!(lab.status(id).await, "deleting");
    lab.delete(&format!("/servers/{id}")).await.refused(423, "locked");
    lab.cloud.assert_no_leaks();
    lab.pass(DESTROY);
    lab.get(&format!("/servers/{id}")).await.refused(404, "not_found");
    lab.delete(&format!("/servers/{id}")).await.refused(404, "not_found");
    assert_eq!(lab.get("/servers").await.ok(200).body["servers"], json!([]));
    // The action outlives its server.
    assert_eq!(lab.action_status(deleted.number("/action/id")).await, "success");
}

#[tokio::test]
async fn a_server_that_is_worked_on_is_locked() {
    let lab = Lab::new();
    let id = lab.begin("web-1").await;
    let at = format!("/servers/{id}");
    let refused = lab.delete(&at).await.refused(423, "locked");
    assert_eq!(refused.message(), "cannot perform operation because server is locked");
    for action in
        ["poweroff", "poweron", "reboot", "create_image", "change_protection", "reset_password"]
    {
        lab.act(id, action, json!({})).await.refused(423, "locked");
    }
    lab.put(&at, json!({"labels": {"still": "possible"}})).await.ok(200);
    lab.pass(BOOT);
    for (action, seconds) in [("poweroff", 5), ("create_image", SNAPSHOT), ("poweron", 5)] {
        lab.act(id, action, json!({})).await.ok(201);
        lab.delete(&at).await.refused(423, "locked");
        lab.pass(seconds - 1);
        lab.delete(&at).await.refused(423, "locked");
        lab.pass(1);
    }
    lab.delete(&at).await.ok(200);
}

#[tokio::test]
async fn a_protected_server_stays() {
    let lab = Lab::new();
    let id = lab.server("web-1").await;
    lab.act(id, "change_protection", json!({"delete": true, "rebuild": true})).await.ok(201);
    let server = lab.get(&format!("/servers/{id}")).await.ok(200);
    assert_eq!(server.body["server"]["protection"], json!({"delete": true, "rebuild": true}));
    lab.delete(&format!("/servers/{id}")).await.refused(423, "protected");
    lab.act(id, "rebuild", json!({"image": "debian-12"})).await.refused(423, "protected");
    lab.act(id, "change_protection", json!({"delete": false})).await.refused_for("delete");
    lab.act(id, "change_protection", json!({"delete": false, "rebuild": false})).await.ok(201);
    lab.delete(&format!("/servers/{id}")).await.ok(200);
}

#[tokio::test]
async fn what_exists_is_paid_for_by_the_hour() {
    let lab = Lab::new();
    let id = lab.server("web-1").await;
    let total = || lab.cloud.bill().total("EUR");
    let hour = 5_600;
    assert_eq!(total(), hour, "the first hour is paid for when it begins");
    lab.act(id, "poweroff", json!({})).await.ok(201);
    lab.pass(3600);
    assert_eq!(total(), 2 * hour, "what is off costs as much");
    lab.pass(29 * 24 * 3600);
    assert_eq!(total(), 624 * hour, "no month costs more than its price");
    lab.delete(&format!("/servers/{id}")).await.ok(200);
    lab.pass(90 * 24 * 3600);
    assert_eq!(total(), 624 * hour, "and nothing does after its end");
    let shown = lab.get("/server_types?name=cx23").await.ok(200);
    let price = &shown.body["server_types"][0]["prices"][0];
    assert_eq!(
        (&price["price_hourly"]["net"], &price["price_monthly"]["net"]),
        (&json!("0.0056000000"), &json!("3.4944000000"))
    );
}
