//! Changes each field of each reply in turn: the reply still reads correctly, or the error names
//! the field.

use serde_json::{Value, json};

use super::super::convert;
use super::*;
use crate::http::changed::{Written, are_left, try_each};

fn server(id: u64) -> Value {
    json!({
        "id": id, "name": "web-1", "status": "running", "created": "2026-01-05T10:00:00+00:00",
        "public_net": {
            "ipv4": {"id": 1, "ip": "203.0.113.9", "blocked": false, "dns_ptr": "a.example"},
            "ipv6": {"id": 2, "ip": "2001:db8:1::/64", "blocked": false, "dns_ptr": []},
            "floating_ips": [], "firewalls": []
        },
        "private_net": [{
            "network": 4711, "ip": "10.0.0.2", "alias_ips": [], "mac_address": "86:00:ff:2a:7d:e1"
        }],
        "server_type": {"id": 104, "name": "cx22", "architecture": "x86"}, "image": null,
        "locked": false, "location": {"id": 1, "name": "fsn1"},
        "labels": {"managed-by": "spuff", "env": "prod"}, "volumes": []
    })
}

fn action(id: u64, status: &str) -> Value {
    let error = json!({"code": "action_failed", "message": "Action failed"});
    json!({
        "id": id, "command": "create_server", "status": status, "progress": 50,
        "started": "2026-01-05T10:00:00+00:00", "finished": null,
        "resources": [{"id": 42, "type": "server"}], "error": error
    })
}

fn image(id: u64) -> Value {
    json!({
        "id": id, "type": "snapshot", "status": "available", "name": null, "description": "nightly",
        "image_size": 2.3, "created": "2026-01-05T10:00:00+00:00",
        "created_from": {"id": 42, "name": "web-1"}, "bound_to": null, "deleted": null,
        "architecture": "x86", "labels": {"managed-by": "spuff"}
    })
}

/// Whether the server's other fields are unchanged when one field changes.
fn is_the_server(path: &str, server: Server, id: u64) -> bool {
    let told = convert::instance(server);
    let is = |field: &str| path.contains(field);
    let made = told.known_created_at().is_none_or(|created| created.timestamp() == 1_767_607_200);
    let dated = is("created") || told.known_created_at().is_some();
    let addressed = is("_net") || told.addresses.len() == 3;
    let running = is("status") || told.status == InstanceStatus::Active;
    (is(".id") || told.id == id.to_string())
        && made
        && dated
        && addressed
        && running
        && (is("labels") || told.is_managed())
}

fn listed(items: &str, things: &[Value]) -> Value {
    json!({
        items: things,
        "meta": {"pagination": {"page": 1, "per_page": 50, "next_page": 2, "total_entries": 52}}
    })
}

/// Whether the list has a next page, and holds what is left of two items.
fn are_there<T>(path: &str, written: &Written, items: &str, list: &List<T>) -> bool {
    let goes_on = path.starts_with("meta") || list.meta.pagination.next_page.is_some();
    goes_on && are_left(path, written, items, list.items.len())
}

#[test]
fn a_server_reads_as_what_it_is() {
    try_each(&json!({"server": server(42)}), |path, _, reply: ServerReply| {
        is_the_server(path, reply.server, 42)
    });
    let created = json!({
        "server": server(42), "root_password": null, "action": action(1, "running"),
        "next_actions": [action(2, "running")]
    });
    try_each(&created, |path, _, reply: CreateServerReply| {
        let next = path.starts_with("next_actions") || reply.next_actions.len() == 1;
        next && is_the_server(if path.starts_with("server") { path } else { "" }, reply.server, 42)
    });
}

#[test]
fn a_list_of_servers_leaves_none_out() {
    try_each(&listed("servers", &[server(42), server(43)]), |path, written, list: List<Server>| {
        let there = are_there(path, written, "servers", &list);
        let whole = path == "servers" || matches!(path, "servers[0]" | "servers[1]");
        there
            && (whole
                || list.items.into_iter().zip([42, 43]).all(|(server, id)| {
                    is_the_server(
                        if path.starts_with(&format!("servers[{}]", id - 42)) { path } else { "" },
                        server,
                        id,
                    )
                }))
    });
}

#[test]
fn a_snapshot_stays_one() {
    try_each(&listed("images", &[image(7), image(8)]), |path, written, list: List<Image>| {
        let managed = list.items.iter().all(convert::is_managed_snapshot);
        are_there(path, written, "images", &list)
            && (path.contains("labels") || path.contains("deleted") || managed)
    });
    let made = json!({"action": action(1, "running"), "image": image(7)});
    try_each(&made, |path, _, reply: CreateImageReply| {
        (path == "image.id" || reply.image.id == 7) && (path == "action.id" || reply.action.id == 1)
    });
    try_each(&json!({"image": image(7)}), |path, _, reply: ImageReply| {
        path == "image.id" || reply.image.id == 7
    });
}

#[test]
fn an_action_runs_until_it_is_said_to_have_ended() {
    try_each(
        &listed("actions", &[action(1, "running"), action(2, "error")]),
        |path, written, list: List<Action>| {
            let ended = |action: &Action| action.status == "success";
            are_there(path, written, "actions", &list) && !list.items.iter().any(ended)
        },
    );
}

#[test]
fn keys_types_and_prices_are_all_there() {
    let key = |id: u64| {
        json!({
            "id": id, "name": "laptop", "fingerprint": "b7:2f", "public_key": "ssh-ed25519 A",
            "labels": {}
        })
    };
    try_each(&listed("ssh_keys", &[key(1), key(2)]), |path, written, list: List<SshKey>| {
        are_there(path, written, "ssh_keys", &list)
    });
    let kind = json!({"id": 104, "name": "cx22", "architecture": "x86", "prices": []});
    try_each(
        &listed("server_types", &[kind.clone(), kind]),
        |path, written, list: List<ServerType>| are_there(path, written, "server_types", &list),
    );
    let price = json!({
        "location": "fsn1", "price_hourly": {"net": "0.0060", "gross": "0.0071"},
        "price_monthly": {"net": "3.79"}
    });
    let pricing = json!({
        "currency": "EUR", "vat_rate": "19.00",
        "server_types": [{"id": 104, "name": "cx22", "prices": [price]}]
    });
    try_each(&json!({ "pricing": pricing }), |path, _, reply: PricingReply| {
        let prices = convert::prices(reply.pricing);
        let told =
            prices.values().flatten().map(|(_, price)| price.to_string()).collect::<Vec<_>>();
        path.contains("net")
            || path.contains("currency")
            || told.iter().all(|price| price == "0.006 EUR")
    });
}
