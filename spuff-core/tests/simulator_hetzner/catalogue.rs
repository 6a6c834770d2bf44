//! Locations, server types, prices, and what a project here has none of.

use serde_json::json;

use super::{Lab, order_with};

#[tokio::test]
async fn locations() {
    let lab = Lab::new();
    let all = lab.get("/locations").await.ok(200);
    assert_eq!(all.each("locations", "name"), ["fsn1", "nbg1", "hel1", "ash", "hil", "sin"]);
    assert_eq!(
        lab.get("/locations?name=ash").await.ok(200).each("locations", "network_zone"),
        ["us-east"]
    );
    assert_eq!(
        lab.get("/locations?sort=name:desc").await.ok(200).each("locations", "name")[0],
        "sin"
    );
    assert_eq!(lab.get("/locations/3").await.ok(200).body["location"]["name"], "hel1");
    lab.get("/locations/7").await.refused(404, "not_found");
}

#[tokio::test]
async fn data_centres_are_gone() {
    let lab = Lab::new();
    for path in ["/datacenters", "/datacenters/4"] {
        lab.get(path).await.refused(410, "deprecated_api_endpoint");
    }
}

#[tokio::test]
async fn server_types() {
    let lab = Lab::new();
    let first = lab.get("/server_types").await.ok(200);
    assert_eq!(
        (first.each("server_types", "id").len(), first.number("/meta/pagination/next_page")),
        (25, 2)
    );
    for (name, architecture, cpu) in
        [("cx23", "x86", "shared"), ("cax11", "arm", "shared"), ("ccx13", "x86", "dedicated")]
    {
        let found = lab.get(&format!("/server_types?name={name}")).await.ok(200);
        assert_eq!(found.each("server_types", "architecture"), [architecture]);
        assert_eq!(found.each("server_types", "cpu_type"), [cpu]);
        let id = found.number("/server_types/0/id");
        assert_eq!(
            lab.get(&format!("/server_types/{id}")).await.ok(200).body["server_type"]["name"],
            name
        );
    }
    assert_eq!(lab.get("/server_types?name=CX23").await.ok(200).body["server_types"], json!([]));
    lab.get("/server_types/9999").await.refused(404, "not_found");
}

/// What can be ordered is what is shown: in each location that a type names, and nowhere else.
#[tokio::test]
async fn every_type_can_be_had_where_it_says() {
    let lab = Lab::new();
    let mut types = lab.get("/server_types?per_page=50").await.ok(200).body["server_types"].take();
    for server_type in types.as_array_mut().unwrap() {
        let name = server_type["name"].as_str().unwrap();
        let sites: Vec<&str> = server_type["locations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        for location in ["fsn1", "nbg1", "hel1", "ash", "hil", "sin"] {
            let order = order_with(json!({
                "name": format!("{name}-{location}"), "server_type": name, "location": location
            }));
            let reply = lab.post("/servers", order).await;
            let price = server_type["prices"]
                .as_array()
                .unwrap()
                .iter()
                .find(|price| price["location"] == location);
            assert_eq!(price.is_some(), sites.contains(&location), "{name} in {location}");
            if server_type["deprecated"] == true {
                assert!(reply.refused(422, "invalid_input").message().ends_with("is deprecated"));
            } else if let Some(price) = price {
                let made = reply.ok(201);
                let bill = lab.cloud.bill();
                let line = bill
                    .lines
                    .iter()
                    .find(|line| line.id == made.number("/server/id").to_string())
                    .unwrap();
                let shown: f64 = price["price_hourly"]["net"].as_str().unwrap().parse().unwrap();
                #[allow(clippy::cast_precision_loss, reason = "small")]
                let charged = line.micros as f64 / 1e6;
                assert!(
                    (charged - shown).abs() < 1e-9,
                    "{name} in {location}: {charged} and {shown}"
                );
                assert_eq!(
                    made.number("/server/included_traffic"),
                    price["included_traffic"].as_u64().unwrap()
                );
            } else {
                assert_eq!(
                    reply.refused(422, "invalid_input").message(),
                    "unsupported location for server type"
                );
            }
        }
    }
}

#[tokio::test]
async fn pricing() {
    let lab = Lab::new();
    let pricing = lab.get("/pricing").await.ok(200).body["pricing"].take();
    assert_eq!(
        (&pricing["currency"], &pricing["image"]["price_per_gb_month"]["net"]),
        (&json!("EUR"), &json!("0.0110000000"))
    );
    let cx23 =
        pricing["server_types"].as_array().unwrap().iter().find(|it| it["name"] == "cx23").unwrap();
    assert_eq!(
        cx23["prices"][0]["price_hourly"],
        json!({"net": "0.0056000000", "gross": "0.0066640000000000"})
    );
}

#[tokio::test]
async fn of_other_things_there_are_none() {
    let lab = Lab::new();
    for collection in [
        "volumes",
        "networks",
        "firewalls",
        "floating_ips",
        "load_balancers",
        "certificates",
        "placement_groups",
        "isos",
    ] {
        let reply = lab.get(&format!("/{collection}?page=1&per_page=50")).await.ok(200);
        assert_eq!(
            (&reply.body[collection], reply.number("/meta/pagination/total_entries")),
            (&json!([]), 0)
        );
        lab.get(&format!("/{collection}/42")).await.refused(404, "not_found");
    }
}
