//! What the checks catch: a request that is right, and then wrong in one way after the other.

use serde_json::{Value, json};

use super::document::{Document, Sent};

const DIGITALOCEAN: &str = "digitalocean.bundled.json";
const HETZNER: &str = "hetzner.json";

fn sent(method: &str, path: &str) -> Sent {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    Sent {
        method: method.to_string(),
        path: path.to_string(),
        query: pairs.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        headers: [("authorization".to_string(), "Bearer test-token".to_string())].into(),
        body: Vec::new(),
    }
}

fn with_body(mut sent: Sent, body: &Value) -> Sent {
    sent.headers.insert("content-type".to_string(), "application/json; charset=utf-8".to_string());
    sent.body = body.to_string().into_bytes();
    sent
}

/// Every case must give violations that speak of its word; one without a word must give none.
fn check(document: &str, cases: impl IntoIterator<Item = (Sent, &'static str)>) {
    let document = Document::load(document);
    for (sent, word) in cases {
        let violations = document.violations(&sent);
        let body = String::from_utf8_lossy(&sent.body);
        if word.is_empty() {
            assert!(violations.is_empty(), "{sent:?} {body}: {violations:?}");
        } else {
            assert!(
                violations.iter().any(|violation| violation.contains(word)),
                "{word}: {sent:?} {body}: {violations:?}"
            );
        }
    }
}

/// A body, and what becomes of it when the parts at these places are others; null takes one out.
fn variants(
    sent: &Sent,
    body: &Value,
    changes: impl IntoIterator<Item = (&'static str, Value, &'static str)>,
) -> Vec<(Sent, &'static str)> {
    let changed = changes.into_iter().map(|(pointer, value, word)| {
        let mut body = body.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = body.pointer_mut(parent).unwrap();
        match parent.as_object_mut() {
            Some(object) if value.is_null() => drop(object.remove(name)),
            Some(object) => drop(object.insert(name.to_string(), value)),
            None => parent[name.parse::<usize>().unwrap()] = value,
        }
        (with_body(sent.clone(), &body), word)
    });
    changed.collect()
}

#[test]
fn bodies() {
    let create = sent("POST", "/v2/droplets");
    let droplet = json!({
        "name": "web-1", "region": "nyc3", "size": "s-1vcpu-1gb", "image": 7_555_620,
        "ssh_keys": [289_794, "aa:bb"], "tags": ["managed-by:spuff"],
        "user_data": "#cloud-config\n", "ipv6": true
    });
    let changes = [
        ("/image", json!("ubuntu-24-04-x64"), ""),
        ("/tags", json!([]), ""),
        ("/sshkeys", json!([289_794]), "sshkeys"),
        ("/datacenter", json!("nyc3"), "datacenter"),
        ("/names", json!(["web-1"]), "oneOf"),
        ("/size", Value::Null, "size"),
        ("/name", Value::Null, "name"),
        ("/name", json!("web_1"), "web_1"),
        ("/name", json!("a".repeat(256)), "255"),
        ("/image", json!(true), "/image"),
        ("/ssh_keys/0", json!({"id": 1}), "/ssh_keys/0"),
        ("/ipv6", json!("true"), "/ipv6"),
        ("/backup_policy", json!({"plan": "weekly"}), ""),
        ("/backup_policy", json!({"plan": "weekly", "colour": "red"}), "colour"),
        ("/user_data", json!(["a"]), "/user_data"),
    ];
    check(DIGITALOCEAN, variants(&create, &droplet, changes));

    // The type of an action decides which properties it has.
    let action = sent("POST", "/v2/droplets/3164444/actions");
    let changes = [
        ("/name", json!("another"), ""),
        ("/image", json!(7_555_620), "image"),
        ("/type", json!("snap"), "snap"),
        ("/type", Value::Null, "type"),
        ("/type", json!("rename"), ""),
        ("/type", json!("power_on"), "name"),
    ];
    check(
        DIGITALOCEAN,
        variants(&action, &json!({"type": "snapshot", "name": "nightly"}), changes),
    );

    let tag = sent("POST", "/v2/tags");
    let changes = [
        ("/name", json!("managed-by:hand"), ""),
        ("/name", json!("managed by"), "managed by"),
        ("/resources", json!({"count": 1}), "resources"),
    ];
    check(DIGITALOCEAN, variants(&tag, &json!({"name": "managed-by:spuff"}), changes));

    let resources = sent("POST", "/v2/tags/managed-by:spuff/resources");
    let changes = [
        ("/resources/0/resource_type", json!("volume"), ""),
        ("/resources/0/resource_type", json!("snapshot"), "/resources/0/resource_type"),
        ("/resources/0/resource_id", json!(7_555_620), "/resources/0/resource_id"),
        ("/resources/0/kind", json!("image"), "kind"),
    ];
    check(
        DIGITALOCEAN,
        variants(
            &resources,
            &json!({"resources": [{"resource_id": "7555620", "resource_type": "image"}]}),
            changes,
        ),
    );

    let create = sent("POST", "/servers");
    let server = json!({
        "name": "web-1", "server_type": "cx22", "image": "ubuntu-24.04", "labels": {"env": "prod"},
        "public_net": {"enable_ipv4": true, "ipv6": null}
    });
    let changes = [
        ("/labels/any", json!(""), ""),
        ("/public_net/ipv4", json!(7), ""),
        ("/labels/env", json!("prod eu"), "/labels/env"),
        ("/labels/env", json!(7), "/labels/env"),
        ("/public_net/ipv4", json!("7"), "/public_net/ipv4"),
        ("/public_net/enable_ipv5", json!(true), "enable_ipv5"),
        ("/sshkeys", json!([]), "sshkeys"),
        ("/ssh_keys", json!(["a", null]), "/ssh_keys/1"),
        ("/server_type", Value::Null, "server_type"),
        ("/firewalls", json!([{"firewall": 38}]), ""),
        ("/firewalls", json!([{"firewalls": 38}]), "firewalls"),
    ];
    check(HETZNER, variants(&create, &server, changes));
}

#[test]
fn what_surrounds_a_body() {
    let body = json!({"name": "managed-by:spuff"});
    let good = with_body(sent("POST", "/v2/tags"), &body);
    let header = |name: &str, value: Option<&str>| {
        let mut sent = good.clone();
        sent.headers.remove(name);
        sent.headers.extend(value.map(|value| (name.to_string(), value.to_string())));
        sent
    };
    let cases = [
        (good.clone(), ""),
        (header("content-type", Some("application/x-www-form-urlencoded")), "content type"),
        (header("content-type", None), "content type"),
        (header("authorization", None), "bearer"),
        (header("authorization", Some("Basic dGVzdA==")), "bearer"),
        (sent("POST", "/v2/tags"), "no body"),
        (Sent { body: b"name=x".to_vec(), ..good.clone() }, "no JSON"),
        (with_body(sent("GET", "/v2/tags"), &body), "none is declared"),
        (with_body(sent("DELETE", "/v2/droplets/7"), &json!({})), "none is declared"),
    ];
    check(DIGITALOCEAN, cases);
}

#[test]
fn paths_and_parameters() {
    let get = |path| sent("GET", path);
    let cases = [
        (get("/v2/droplets?per_page=200&page=2&tag_name=managed-by:spuff"), ""),
        (get("/v2/droplets?type=gpus"), ""),
        (get("/v2/droplets?per_page=201"), "per_page"),
        (get("/v2/droplets?per_page=many"), "per_page"),
        (get("/v2/droplets?per_page=20&per_page=30"), "per_page"),
        (get("/v2/droplets?page=0"), "page"),
        (get("/v2/droplets?type=gpu"), "type"),
        (get("/v2/droplets?tag=managed-by:spuff"), "tag is not declared"),
        (get("/v2/images?private=true"), ""),
        (get("/v2/images?private=yes"), "private"),
        (get("/v2/images?type=snapshot"), "type"),
        (get("/v2/droplets/7"), ""),
        (get("/v2/droplets/web-1"), "droplet_id"),
        (get("/v2/images/ubuntu-24-04-x64"), ""),
        (sent("POST", "/v2/droplets/7/snapshots"), "no such operation"),
        (get("/v2/droplet/7"), "no such operation"),
        (get("/v2/droplets/7/"), "no such operation"),
        (get("/v2/droplets/"), "no such operation"),
        (get("/droplets"), "no such operation"),
        (sent("DELETE", "/v2/droplets"), "tag_name is missing"),
        (
            sent("DELETE", "/v2/droplets/7/destroy_with_associated_resources/dangerous"),
            "X-Dangerous is missing",
        ),
    ];
    check(DIGITALOCEAN, cases);
    let cases = [
        (get("/actions?id=1&id=13"), ""),
        (get("/actions"), "id is missing"),
        (get("/actions?id=1&id=one"), "id does not take"),
        (get("/actions?ids=1"), "ids is not declared"),
        (get("/images?type=snapshot&type=system&label_selector=managed-by%3D%3Dspuff"), ""),
        (get("/images?type=snapshots"), "type"),
        (get("/images?architecture=x86_64"), "architecture"),
        (get("/servers/42"), ""),
        (get("/servers/9007199254740992"), "id does not take"),
        (get("/v1/servers/42"), "no such operation"),
        (sent("PATCH", "/servers/42"), "no such operation"),
    ];
    check(HETZNER, cases);
}

/// Of two paths that fit, the one that spells out more is meant.
#[test]
fn spelled_out_paths_come_first() {
    let document = Document::load(HETZNER);
    let id = |path| {
        document.operation(&sent("GET", path)).map(|operation| operation.id.to_string()).unwrap()
    };
    assert_eq!(
        (id("/servers/42"), id("/servers/actions")),
        ("get_server".to_string(), "list_server_actions".to_string())
    );
}
