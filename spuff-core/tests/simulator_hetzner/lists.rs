//! Pages, orders and filters of lists.

use serde_json::{Value, json};

use super::{BOOT, Lab, POWER, order_with};

async fn with_servers(count: usize) -> Lab {
    let lab = Lab::new();
    for number in 0..count {
        let labels =
            json!({"parity": if number % 2 == 0 { "even" } else { "odd" }, "group": "all"});
        lab.post(
            "/servers",
            order_with(json!({"name": format!("web-{number:03}"), "labels": labels})),
        )
        .await
        .ok(201);
    }
    lab
}

#[tokio::test]
async fn pages_are_of_25_and_50_at_most() {
    let lab = with_servers(53).await;
    for (query, first, count, pagination) in [
        ("", 0, 25, [json!(1), json!(25), Value::Null, json!(2), json!(3)]),
        ("page=2", 25, 25, [json!(2), json!(25), json!(1), json!(3), json!(3)]),
        ("page=3", 50, 3, [json!(3), json!(25), json!(2), Value::Null, json!(3)]),
        ("page=4", 0, 0, [json!(4), json!(25), json!(3), Value::Null, json!(3)]),
        ("per_page=50", 0, 50, [json!(1), json!(50), Value::Null, json!(2), json!(2)]),
        ("per_page=51", 0, 50, [json!(1), json!(50), Value::Null, json!(2), json!(2)]),
        ("per_page=50&page=2", 50, 3, [json!(2), json!(50), json!(1), Value::Null, json!(2)]),
        ("per_page=1&page=53", 52, 1, [json!(53), json!(1), json!(52), Value::Null, json!(53)]),
        (
            "page=18446744073709551615",
            0,
            0,
            [json!(u64::MAX), json!(25), json!(u64::MAX - 1), Value::Null, json!(3)],
        ),
    ] {
        let reply = lab.get(&format!("/servers?{query}")).await.ok(200);
        let names = reply.each("servers", "name");
        assert_eq!(names.len(), count, "{query}");
        assert!(
            names.first().is_none_or(|name| *name == format!("web-{first:03}")),
            "{query}: {names:?}"
        );
        let meta = &reply.body["meta"]["pagination"];
        let shown = ["page", "per_page", "previous_page", "next_page", "last_page"]
            .map(|field| meta[field].clone());
        assert_eq!((shown, &meta["total_entries"]), (pagination, &json!(53)), "{query}");
    }
    for (query, field) in [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=one", "page"),
        ("page=", "page"),
        ("page=99999999999999999999", "page"),
        ("per_page=0", "per_page"),
        ("per_page=1.5", "per_page"),
    ] {
        lab.get(&format!("/servers?{query}")).await.refused_for(field);
    }
}

#[tokio::test]
async fn servers_are_narrowed_and_sorted() {
    let lab = with_servers(6).await;
    for (query, expected) in [
        ("name=web-003", vec![3]),
        ("name=web-00", vec![]),
        ("name=WEB-003", vec![]),
        ("label_selector=parity%3D%3Dodd", vec![1, 3, 5]),
        ("label_selector=parity=odd&name=web-002", vec![]),
        ("label_selector=parity!=odd,group", vec![0, 2, 4]),
        ("label_selector=!group", vec![]),
        ("label_selector=parity%20in%20(odd,even)", vec![0, 1, 2, 3, 4, 5]),
        ("label_selector=parity+notin+(odd)", vec![0, 2, 4]),
        ("sort=name:desc", vec![5, 4, 3, 2, 1, 0]),
        ("sort=id:desc&per_page=2", vec![5, 4]),
        ("sort=created&sort=name:desc", vec![5, 4, 3, 2, 1, 0]),
        ("status=initializing", vec![0, 1, 2, 3, 4, 5]),
        ("status=running", vec![]),
        ("status=running&status=initializing", vec![0, 1, 2, 3, 4, 5]),
    ] {
        let found = lab.get(&format!("/servers?{query}")).await.ok(200).each("servers", "name");
        assert_eq!(
            found,
            expected.iter().map(|number| format!("web-{number:03}")).collect::<Vec<_>>(),
            "{query}"
        );
    }
    for (query, field) in [
        ("label_selector=a%20b", "label_selector"),
        ("label_selector=a%20in%20b", "label_selector"),
        ("status=asleep", "status"),
        ("sort=size", "sort"),
    ] {
        lab.get(&format!("/servers?{query}")).await.refused_for(field);
    }
    lab.pass(BOOT);
    let id = lab.get("/servers?name=web-002").await.ok(200).number("/servers/0/id");
    lab.act(id, "poweroff", json!({})).await.ok(201);
    lab.pass(POWER);
    assert_eq!(lab.get("/servers?status=off").await.ok(200).each("servers", "name"), ["web-002"]);
    assert_eq!(lab.get("/servers?status=running").await.ok(200).each("servers", "name").len(), 5);
}

#[tokio::test]
async fn a_name_is_found_by_its_new_one_only() {
    let lab = with_servers(2).await;
    let id = lab.get("/servers?name=web-001").await.ok(200).number("/servers/0/id");
    lab.put(&format!("/servers/{id}"), json!({"name": "db-1"})).await.ok(200);
    assert_eq!(lab.get("/servers?name=web-001").await.ok(200).body["servers"], json!([]));
    assert_eq!(lab.get("/servers?name=db-1").await.ok(200).number("/servers/0/id"), id);
}
