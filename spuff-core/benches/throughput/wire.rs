//! What a caller with bare `reqwest` would write to read a machine from each cloud's replies: as
//! much as spuff reads.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use spuff_core::provider::{InstanceStatus, ProviderInstance};

fn instance(id: String, status: &str, name: String, ip: Option<IpAddr>) -> ProviderInstance {
    let status = InstanceStatus::from_word(status);
    ProviderInstance {
        id,
        status,
        name,
        ip: ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
        ..ProviderInstance::default()
    }
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// An action of Hetzner.
#[derive(Deserialize)]
struct Action {
    id: u64,
    command: String,
    status: String,
}

#[derive(Deserialize)]
struct Actions {
    actions: Vec<Action>,
}

fn succeeds(action: &Action) -> bool {
    action.id > 0 && !action.command.is_empty() && action.status != "error"
}

/// Reads actions, of which none may have failed.
pub(crate) fn check_actions(body: &[u8]) {
    let reply: Actions = serde_json::from_slice(body).unwrap();
    assert!(reply.actions.iter().all(succeeds));
}

/// A reply of Hetzner with one server, or many.
#[derive(Deserialize)]
pub(crate) struct Hetzner {
    server: Option<Server>,
    #[serde(default)]
    servers: Vec<Server>,
    action: Option<Action>,
    #[serde(default)]
    next_actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Server {
    id: u64,
    name: String,
    status: String,
    created: DateTime<Utc>,
    public_net: PublicNet,
    labels: HashMap<String, String>,
    location: Named,
    server_type: Named,
}

#[derive(Deserialize)]
struct PublicNet {
    ipv4: Option<Ip>,
}

#[derive(Deserialize)]
struct Ip {
    ip: IpAddr,
}

impl From<Server> for ProviderInstance {
    fn from(server: Server) -> Self {
        let ip = server.public_net.ipv4.map(|v4| v4.ip);
        let region = server.location.name;
        let size = server.server_type.name;
        let machine = instance(server.id.to_string(), &server.status, server.name, ip);
        Self { region, size, labels: server.labels, created_at: server.created, ..machine }
    }
}

/// A reply of DigitalOcean with one droplet, or many.
#[derive(Deserialize)]
pub(crate) struct DigitalOcean {
    droplet: Option<Droplet>,
    #[serde(default)]
    droplets: Vec<Droplet>,
}

#[derive(Deserialize)]
struct Droplet {
    id: u64,
    name: String,
    status: String,
    created_at: DateTime<Utc>,
    networks: Networks,
    tags: Vec<String>,
    region: Slug,
    size_slug: String,
}

#[derive(Deserialize)]
struct Slug {
    slug: String,
}

#[derive(Deserialize)]
struct Networks {
    v4: Vec<Network>,
}

#[derive(Deserialize)]
struct Network {
    ip_address: IpAddr,
    #[serde(rename = "type")]
    kind: String,
}

impl From<Droplet> for ProviderInstance {
    fn from(droplet: Droplet) -> Self {
        let ip = droplet
            .networks
            .v4
            .iter()
            .find(|network| network.kind == "public")
            .map(|network| network.ip_address);
        let labels = droplet
            .tags
            .into_iter()
            .filter_map(|tag| Some(tag.split_once(':')?).map(|(a, b)| (a.into(), b.into())));
        let labels = labels.collect();
        let machine = instance(droplet.id.to_string(), &droplet.status, droplet.name, ip);
        Self {
            region: droplet.region.slug,
            size: droplet.size_slug,
            labels,
            created_at: droplet.created_at,
            ..machine
        }
    }
}

#[derive(Deserialize)]
#[serde(default, bound = "T: Deserialize<'de>")]
struct Items<T> {
    item: Vec<T>,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self { item: Vec::new() }
    }
}

/// A reply of EC2 with machines, or with reservations of them.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Ec2 {
    instances_set: Items<Instance>,
    reservation_set: Items<Reservation>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Reservation {
    instances_set: Items<Instance>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Instance {
    instance_id: String,
    instance_state: State,
    instance_type: String,
    launch_time: DateTime<Utc>,
    ip_address: String,
    placement: Placement,
    tag_set: Items<Tag>,
}

#[derive(Default, Deserialize)]
struct State {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Placement {
    availability_zone: String,
}

#[derive(Default, Deserialize)]
struct Tag {
    key: String,
    value: String,
}

impl From<Instance> for ProviderInstance {
    fn from(found: Instance) -> Self {
        let labels: HashMap<_, _> =
            found.tag_set.item.into_iter().map(|tag| (tag.key, tag.value)).collect();
        let name = labels.get("Name").cloned().unwrap_or_default();
        let machine = instance(
            found.instance_id,
            &found.instance_state.name,
            name,
            found.ip_address.parse().ok(),
        );
        let region = found.placement.availability_zone;
        let size = found.instance_type;
        Self { region, size, labels, created_at: found.launch_time, ..machine }
    }
}

/// The machine of that id in a reply, or the first one where there is none yet.
pub(crate) fn machine(name: &str, body: &[u8], id: &str) -> Option<ProviderInstance> {
    let all: Vec<ProviderInstance> = match name {
        "hetzner" => {
            let reply: Hetzner = serde_json::from_slice(body).unwrap();
            assert!(reply.action.iter().chain(&reply.next_actions).all(succeeds));
            reply.server.into_iter().chain(reply.servers).map(Into::into).collect()
        }
        "digitalocean" => {
            let reply: DigitalOcean = serde_json::from_slice(body).unwrap();
            reply.droplet.into_iter().chain(reply.droplets).map(Into::into).collect()
        }
        _ => {
            let reply: Ec2 = quick_xml::de::from_reader(body).unwrap();
            let reserved = reply
                .reservation_set
                .item
                .into_iter()
                .flat_map(|reservation| reservation.instances_set.item);
            reply.instances_set.item.into_iter().chain(reserved).map(Into::into).collect()
        }
    };
    all.into_iter().find(|machine| id.is_empty() || machine.id == id)
}
