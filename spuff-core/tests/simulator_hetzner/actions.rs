//! Actions: asked for by id, by server, in pages.

use serde_json::json;

use super::{Lab, POWER};

#[tokio::test]
async fn all_actions_cannot_be_listed_any_more() {
    let lab = Lab::new();
    lab.server("web-1").await;
    for path in ["/actions", "/actions?page=1", "/actions?status=running"] {
        let refused = lab.get(path).await.refused(410, "deprecated_api_endpoint");
        assert!(
            refused.body["error"]["details"]["announcement"]
                .as_str()
                .unwrap()
                .starts_with("https://")
        );
    }
    lab.get("/actions?id=one").await.refused_for("id");
}

#[tokio::test]
async fn what_does_not_exist_is_left_out() {
    let lab = Lab::new();
    let id = lab.server("web-1").await;
    let all = lab.get(&format!("/servers/{id}/actions")).await.ok(200);
    assert_eq!(all.each("actions", "command"), ["create_server", "start_server"]);
    let one = all.number("/actions/0/id");
    let two = all.number("/actions/1/id");
    let found = lab.get(&format!("/actions?id={one}&id=1&id={two}&id={one}")).await.ok(200);
    assert_eq!(found.each("actions", "id"), [one.to_string(), two.to_string()]);
    lab.get("/actions/1").await.refused(404, "not_found");
    lab.get("/actions/x").await.refused(404, "not_found");
    lab.get(&format!("/servers/{id}/actions/{one}")).await.ok(200);
    let other = lab.server("web-2").await;
    lab.get(&format!("/servers/{other}/actions/{one}")).await.refused(404, "not_found");
    lab.get("/servers/1/actions").await.refused(404, "not_found");
    assert_eq!(
        lab.get(&format!("/servers/actions?id={two}")).await.ok(200).each("actions", "id"),
        [two.to_string()]
    );
    assert_eq!(lab.get("/images/actions").await.ok(200).body["actions"], json!([]));
}

#[tokio::test]
async fn they_come_25_at_a_time_and_in_any_order() {
    let lab = Lab::new();
    let id = lab.server("web-1").await;
    for _ in 0..30 {
        lab.act(id, "reboot", json!({})).await.ok(201);
        lab.pass(POWER);
    }
    lab.act(id, "reboot", json!({})).await.ok(201);
    let all = lab.get(&format!("/servers/{id}/actions?per_page=50")).await.ok(200);
    let ids = all.each("actions", "id");
    assert_eq!(ids.len(), 33);
    let asked: Vec<String> = ids.iter().map(|id| format!("id={id}")).collect();
    let page = lab.get(&format!("/actions?{}", asked.join("&"))).await.ok(200);
    assert_eq!(
        (page.each("actions", "id").len(), page.number("/meta/pagination/next_page")),
        (25, 2)
    );

    let at = |query: &str| format!("/servers/{id}/actions?per_page=50&{query}");
    let sorted = lab.get(&at("sort=status&sort=id:desc")).await.ok(200);
    assert_eq!(sorted.each("actions", "status")[0], "running");
    assert_eq!(sorted.each("actions", "id")[1..3], [ids[31].clone(), ids[30].clone()]);
    assert_eq!(
        lab.get(&at("sort=command")).await.ok(200).each("actions", "command")[0],
        "create_server"
    );
    assert_eq!(lab.get(&at("sort=started:desc")).await.ok(200).each("actions", "id")[0], ids[32]);
    assert_eq!(
        lab.get(&at("status=running")).await.ok(200).each("actions", "id"),
        [ids[32].clone()]
    );
    lab.get(&at("status=sleeping")).await.refused_for("status");
    lab.get(&at("sort=colour")).await.refused_for("sort");
    lab.get(&at("sort=id:up")).await.refused_for("sort");
}
