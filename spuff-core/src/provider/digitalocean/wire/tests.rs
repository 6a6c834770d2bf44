//! Changes each field of each reply in turn: the reply still reads correctly, or the error names
//! the field.

use serde_json::{Value, json};

use super::super::convert;
use super::*;
use crate::http::changed::{Written, are_left, is_nothing, try_each};
use crate::provider::ProviderInstance;

fn droplet(id: u64) -> Value {
    json!({
        "id": id, "name": "web-1", "memory": 1024, "vcpus": 1, "disk": 25, "locked": false,
        "status": "active", "kernel": null, "created_at": "2026-01-05T10:00:00Z", "features": [],
        "image": {"id": 1, "slug": "ubuntu-24-04-x64"},
        "size": {"slug": "s-1vcpu-1gb"}, "size_slug": "s-1vcpu-1gb",
        "region": {"slug": "nyc3", "name": "New York 3"},
        "networks": {
            "v4": [
                {
                    "ip_address": "10.124.0.2", "netmask": "255.255.240.0", "gateway": "<nil>",
                    "type": "private"
                },
                {
                    "ip_address": "203.0.113.7", "netmask": "255.255.240.0",
                    "gateway": "203.0.113.1", "type": "public"
                }
            ],
            "v6": [{
                "ip_address": "2604:a880::1", "netmask": 64, "gateway": "2604:a880::",
                "type": "public"
            }]
        },
        "tags": ["managed-by:spuff", "env:prod"]
    })
}

fn image(id: Value) -> Value {
    json!({
        "id": id, "name": "nightly", "type": "snapshot", "distribution": "Ubuntu", "slug": null,
        "public": false, "regions": ["nyc3"], "created_at": "2026-01-05T10:00:00Z",
        "min_disk_size": 25, "size_gigabytes": 2.34,
        "status": "available", "tags": ["managed-by:spuff"], "resource_id": "3164444",
        "resource_type": "droplet"
    })
}

fn action(status: &str) -> Value {
    json!({
        "id": 36_804_636, "status": status, "type": "snapshot",
        "started_at": "2026-01-05T10:00:00Z", "completed_at": null,
        "resource_id": 3_164_444, "resource_type": "droplet", "region": {"slug": "nyc3"},
        "region_slug": "nyc3"
    })
}

/// Whether the droplet's other fields are unchanged when one field changes.
fn is_the_droplet(path: &str, written: &Written, droplet: Droplet, id: u64) -> bool {
    let told: ProviderInstance = convert::instance(droplet);
    let is = |field: &str| path.contains(field);
    let made = told.known_created_at().is_none_or(|created| created.timestamp() == 1_767_607_200);
    let dated = is("created_at") || told.known_created_at().is_some();
    let addressed = is("networks") || (told.is_ready() && told.addresses.len() == 3);
    let running = is("status")
        || told.status == InstanceStatus::Active
        || (is("networks") && !is_nothing(written));
    (is(".id") || told.id == id.to_string())
        && made
        && dated
        && (addressed || is("status"))
        && running
        && (is("tags") || told.is_managed())
}

fn listed(items: &str, things: &[Value]) -> Value {
    let next = "https://api.digitalocean.com/v2/things?page=2";
    json!({items: things, "links": {"pages": {"next": next, "last": next}}, "meta": {"total": 3}})
}

/// Whether the list has a next page, and holds what is left of two items.
fn are_there<T>(path: &str, written: &Written, items: &str, list: &List<T>) -> bool {
    let goes_on = path.starts_with("links") || list.links.pages.next.is_some();
    goes_on && are_left(path, written, items, list.items.len())
}

#[test]
fn a_droplet_reads_as_what_it_is() {
    let whole = json!({
        "droplet": droplet(42),
        "links": {"actions": [{"id": 7, "rel": "create", "href": "https://a"}]}
    });
    try_each(&whole, |path, written, reply: DropletReply| {
        let acted = path.starts_with("links")
            || reply.links.actions.iter().any(|action| action.rel == "create" && action.id == 7);
        acted && is_the_droplet(path, written, reply.droplet, 42)
    });
}

#[test]
fn a_list_of_droplets_leaves_none_out() {
    try_each(
        &listed("droplets", &[droplet(42), droplet(43)]),
        |path, written, list: List<Droplet>| {
            let there = are_there(path, written, "droplets", &list);
            let whole = path == "droplets" || matches!(path, "droplets[0]" | "droplets[1]");
            there
                && (whole
                    || list.items.into_iter().zip([42, 43]).all(|(droplet, id)| {
                        let path = if path.starts_with(&format!("droplets[{}]", id - 42)) {
                            path
                        } else {
                            ""
                        };
                        is_the_droplet(path, written, droplet, id)
                    }))
        },
    );
}

#[test]
fn a_snapshot_stays_one() {
    try_each(
        &listed("images", &[image(json!(7_555_620)), image(json!("7"))]),
        |path, written, list: List<Image>| {
            let managed = list.items.iter().all(convert::is_managed_snapshot);
            let named = list
                .items
                .iter()
                .all(|image| !image.id.is_empty() && image.id != "0" || path.ends_with(".id"));
            are_there(path, written, "images", &list) && named && (path.contains("tags") || managed)
        },
    );
    try_each(&json!({"image": image(json!(7))}), |path, _, reply: ImageReply| {
        path == "image.id" || reply.image.id == "7"
    });
}

#[test]
fn an_action_runs_until_it_is_said_to_have_ended() {
    try_each(&json!({"action": action("in-progress")}), |path, _, reply: ActionReply| {
        (path == "action.id" || reply.action.id == 36_804_636) && reply.action.status != "completed"
    });
    try_each(
        &listed("actions", &[action("in-progress"), action("errored")]),
        |path, written, list: List<Action>| are_there(path, written, "actions", &list),
    );
}

#[test]
fn keys_and_sizes_are_all_there() {
    let key = |id: u64| {
        json!({
            "id": id, "name": "laptop", "fingerprint": "3b:16:e4", "public_key": "ssh-ed25519 A"
        })
    };
    try_each(&listed("ssh_keys", &[key(1), key(2)]), |path, written, list: List<SshKey>| {
        are_there(path, written, "ssh_keys", &list)
    });
    let size = json!({
        "slug": "s-1vcpu-1gb", "memory": 1024, "price_monthly": 6.0, "price_hourly": 0.00893,
        "regions": ["nyc3"]
    });
    try_each(&listed("sizes", &[size.clone(), size]), |path, written, list: List<Size>| {
        let priced = |size: &Size| size.price_hourly.is_finite();
        are_there(path, written, "sizes", &list) && list.items.iter().all(priced)
    });
}
