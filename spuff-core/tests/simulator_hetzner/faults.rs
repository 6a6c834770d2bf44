//! What goes wrong because it was asked to.

use serde_json::{Value, json};
use spuff_core::simulator::{Fault, Route};

use super::{BOOT, DESTROY, Lab, POWER, SNAPSHOT, order};

impl Lab {
    fn fault(&self, fault: Fault, route: Route) {
        self.cloud.inject(fault.once("hetzner", route));
    }
}

#[tokio::test]
async fn sold_out_and_too_many() {
    let lab = Lab::new();
    lab.fault(Fault::CapacityOut, Route::CreateInstance);
    let refused = lab.post("/servers", order("web-1")).await.refused(412, "resource_unavailable");
    assert_eq!(
        (refused.message(), &refused.body["error"]["details"]),
        ("error during placement", &Value::Null)
    );
    lab.fault(Fault::QuotaReached, Route::CreateInstance);
    lab.post("/servers", order("web-1")).await.refused(403, "resource_limit_exceeded");
    // What is wrong with the request comes first.
    lab.fault(Fault::CapacityOut, Route::CreateInstance);
    lab.post("/servers", order("web_1")).await.refused_for("name");
    lab.post("/servers", order("web-1")).await.ok(201);
}

#[tokio::test]
async fn locked() {
    let lab = Lab::new();
    let id = lab.server("web-1").await;
    let snapshot = lab.snapshot(id, "one").await;
    lab.fault(Fault::Locked, Route::PowerInstance);
    lab.act(id, "poweroff", json!({})).await.refused(423, "locked");
    lab.fault(Fault::Locked, Route::CreateSnapshot);
    lab.act(id, "create_image", json!({})).await.refused(423, "locked");
    lab.fault(Fault::Locked, Route::DeleteSnapshot);
    lab.delete(&format!("/images/{snapshot}")).await.refused(423, "locked");
    lab.fault(Fault::Locked, Route::DestroyInstance);
    lab.delete(&format!("/servers/{id}")).await.refused(423, "locked");
    lab.delete(&format!("/images/{snapshot}")).await.ok(204);
    lab.delete(&format!("/servers/{id}")).await.ok(200);
}

#[tokio::test]
async fn a_create_that_fails() {
    let lab = Lab::new();
    lab.fault(Fault::ActionFails, Route::CreateInstance);
    let made = lab.post("/servers", order("web-1")).await.ok(201);
    assert_eq!(made.body["action"]["error"], Value::Null, "it is not known from the start");
    lab.pass(BOOT);
    let action = lab.get(&format!("/actions/{}", made.number("/action/id"))).await.ok(200);
    assert_eq!(action.body["action"]["status"], "error");
    assert_eq!(action.body["action"]["error"]["code"], "action_failed");
    lab.get(&format!("/servers/{}", made.number("/server/id"))).await.refused(404, "not_found");
    lab.cloud.assert_no_leaks();
}

#[tokio::test]
async fn a_create_that_never_ends() {
    let lab = Lab::new();
    lab.fault(Fault::StuckCreating, Route::CreateInstance);
    let made = lab.post("/servers", order("web-1")).await.ok(201);
    let id = made.number("/server/id");
    lab.pass(24 * 3600);
    assert_eq!(lab.status(id).await, "initializing");
    for action in [made.number("/action/id"), made.number("/next_actions/0/id")] {
        assert_eq!(lab.action_status(action).await, "running");
    }
    lab.delete(&format!("/servers/{id}")).await.ok(200);
    lab.pass(DESTROY);
    lab.cloud.assert_no_leaks();
}

#[tokio::test]
async fn a_server_that_vanishes() {
    let lab = Lab::new();
    for (number, after) in [BOOT / 2, 2 * BOOT].into_iter().enumerate() {
        for start in [true, false] {
            lab.fault(Fault::Vanishes { after }, Route::CreateInstance);
            let order = super::order_with(
                json!({"name": format!("web-{number}-{start}"), "start_after_create": start}),
            );
            let id = lab.post("/servers", order).await.ok(201).number("/server/id");
            lab.pass(after - 1);
            let expected = if after < BOOT {
                "initializing"
            } else if start {
                "running"
            } else {
                "off"
            };
            assert_eq!(lab.status(id).await, expected);
            lab.pass(1);
            lab.get(&format!("/servers/{id}")).await.refused(404, "not_found");
            lab.cloud.assert_no_leaks();
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_seen_yet() {
    let lab = Lab::new();
    lab.fault(Fault::NotYetVisible { reads: 3 }, Route::CreateInstance);
    let id = lab.begin("web-1").await;
    lab.get(&format!("/servers/{id}")).await.refused(404, "not_found");
    assert_eq!(lab.get("/servers").await.ok(200).body["servers"], json!([]));
    assert_eq!(lab.get("/servers?name=web-1").await.ok(200).body["servers"], json!([]));
    assert_eq!(lab.get("/servers?name=web-1").await.ok(200).number("/servers/0/id"), id);
    lab.get(&format!("/servers/{id}")).await.ok(200);
    assert_eq!(lab.cloud.instances().len(), 1);
    // Its name is taken all the same.
    lab.fault(Fault::NotYetVisible { reads: 1 }, Route::CreateInstance);
    lab.begin("web-2").await;
    lab.post("/servers", order("web-2")).await.refused(409, "uniqueness_error");
}

#[tokio::test]
async fn a_snapshot_that_fails_hangs_or_hides() {
    let lab = Lab::new();
    let id = lab.server("web-1").await;
    for (fault, image_status, action_status) in [
        (Fault::ActionFails, "unavailable", "error"),
        (Fault::StuckCreating, "creating", "running"),
    ] {
        lab.fault(fault, Route::CreateSnapshot);
        let made = lab.act(id, "create_image", json!({})).await.ok(201);
        lab.pass(SNAPSHOT);
        let image = lab.get(&format!("/images/{}", made.number("/image/id"))).await.ok(200);
        assert_eq!(image.body["image"]["status"], image_status);
        assert_eq!(lab.action_status(made.number("/action/id")).await, action_status);
        assert_eq!(lab.cloud.snapshots().len(), 1, "what has failed is still there, and paid for");
        lab.delete(&format!("/images/{}", made.number("/image/id"))).await.ok(204);
    }
    lab.fault(Fault::NotYetVisible { reads: 2 }, Route::CreateSnapshot);
    let made = lab.act(id, "create_image", json!({})).await.ok(201).number("/image/id");
    lab.get(&format!("/images/{made}")).await.refused(404, "not_found");
    assert_eq!(lab.get("/images?type=snapshot").await.ok(200).body["images"], json!([]));
    lab.get(&format!("/images/{made}")).await.ok(200);
}

#[tokio::test]
async fn actions_that_fail_change_nothing() {
    let lab = Lab::new();
    let id = lab.server("web-1").await;
    let at = format!("/servers/{id}");
    lab.fault(Fault::ActionFails, Route::PowerInstance);
    let action = lab.act(id, "poweroff", json!({})).await.ok(201).number("/action/id");
    lab.pass(POWER);
    assert_eq!(
        (lab.status(id).await.as_str(), lab.action_status(action).await.as_str()),
        ("running", "error")
    );
    let before = lab.get(&at).await.ok(200).body;
    for (action, body) in [
        ("change_protection", json!({"delete": true, "rebuild": true})),
        ("enable_backup", json!({})),
        ("enable_rescue", json!({})),
        ("rebuild", json!({"image": "debian-12"})),
    ] {
        lab.fault(Fault::ActionFails, Route::Other);
        let action = lab.act(id, action, body).await.ok(201).number("/action/id");
        lab.pass(POWER);
        assert_eq!(lab.action_status(action).await, "error");
    }
    assert_eq!(lab.get(&at).await.ok(200).body, before);
    lab.fault(Fault::ActionFails, Route::DestroyInstance);
    let action = lab.delete(&at).await.ok(200).number("/action/id");
    lab.pass(DESTROY);
    assert_eq!(
        (lab.status(id).await.as_str(), lab.action_status(action).await.as_str()),
        ("running", "error")
    );
    assert_eq!(lab.cloud.leaks().len(), 1);
}

#[tokio::test]
async fn pages_that_shift() {
    let lab = Lab::new();
    for number in 0..4 {
        lab.begin(&format!("web-{number}")).await;
    }
    lab.cloud.inject(Fault::ShiftingPages.everywhere().on(Route::ListInstances));
    let mut names = Vec::new();
    let mut page = Some(1);
    while let Some(number) = page {
        let reply = lab.get(&format!("/servers?per_page=2&page={number}")).await.ok(200);
        names.push(reply.each("servers", "name"));
        page = reply.body["meta"]["pagination"]["next_page"].as_u64();
    }
    assert_eq!(names, [vec!["web-0", "web-1"], vec!["web-1", "web-2"], vec!["web-3"]]);
    lab.cloud.clear_faults();
    assert_eq!(
        lab.get("/servers?per_page=4").await.ok(200).body["meta"]["pagination"]["next_page"],
        Value::Null
    );
}

#[tokio::test]
async fn failures_of_the_cloud_in_its_own_words() {
    let lab = Lab::new();
    for (status, code) in [
        (500, "server_error"),
        (502, "bad_gateway"),
        (503, "unavailable"),
        (504, "timeout"),
        (599, "server_error"),
    ] {
        for committed in [false, true] {
            lab.fault(Fault::ServerError { status, committed }, Route::CreateInstance);
            let name = format!("web-{status}-{committed}");
            lab.post("/servers", order(&name)).await.refused(status, code);
            assert_eq!(
                lab.cloud.instances().iter().any(|instance| instance.name == name),
                committed
            );
        }
    }
}

/// Each request is of the kind that faults and counts go by.
#[tokio::test]
async fn requests_are_told_apart() {
    let lab = Lab::new();
    for (method, path, route) in [
        ("POST", "/servers", Route::CreateInstance),
        ("GET", "/servers/1", Route::GetInstance),
        ("GET", "/servers?name=a", Route::ListInstances),
        ("PUT", "/servers/1", Route::UpdateInstance),
        ("POST", "/servers/1/actions/poweron", Route::PowerInstance),
        ("POST", "/servers/1/actions/shutdown", Route::PowerInstance),
        ("POST", "/servers/1/actions/rebuild", Route::Other),
        ("DELETE", "/servers/1", Route::DestroyInstance),
        ("POST", "/servers/1/actions/create_image", Route::CreateSnapshot),
        ("GET", "/images/1", Route::GetSnapshot),
        ("GET", "/images?type=snapshot", Route::ListSnapshots),
        ("GET", "/images", Route::ListSnapshots),
        ("GET", "/images?type=system", Route::Catalogue),
        ("GET", "/images?name=ubuntu-24.04", Route::Catalogue),
        ("PUT", "/images/1", Route::UpdateSnapshot),
        ("POST", "/images/1/actions/change_protection", Route::UpdateSnapshot),
        ("DELETE", "/images/1", Route::DeleteSnapshot),
        ("GET", "/actions?id=1", Route::GetAction),
        ("GET", "/actions/1", Route::GetAction),
        ("GET", "/servers/1/actions", Route::GetAction),
        ("GET", "/servers/1/actions/1", Route::GetAction),
        ("GET", "/images/actions", Route::GetAction),
        ("GET", "/ssh_keys", Route::SshKeys),
        ("POST", "/ssh_keys", Route::SshKeys),
        ("GET", "/locations", Route::Catalogue),
        ("GET", "/server_types/1", Route::Catalogue),
        ("GET", "/pricing", Route::Catalogue),
        ("GET", "/volumes", Route::Other),
        ("GET", "/nothing", Route::Other),
    ] {
        lab.send(method.parse().unwrap(), path, None).await;
        let last = lab.cloud.requests().pop().unwrap();
        assert_eq!((last.route, last.provider), (route, "hetzner"), "{method} {path}");
    }
}
