//! The API's resources as JSON, with all documented fields.

use std::net::{Ipv4Addr, Ipv6Addr};

use chrono::TimeDelta;
use serde::{Serialize, Serializer};

use super::super::account::{Action, Image as WorldImage, Key, Machine, Progress};
use super::super::clock::Moment;
use super::catalogue::{self, Location, ServerType, Type, architecture};
use super::rules::Labels;
use super::{About, Nature};

/// Formats a time in whole seconds with the offset `+00:00`.
pub(super) struct Time(pub(super) Moment);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.format("%Y-%m-%dT%H:%M:%S+00:00"))
    }
}

/// Always `[]`.
type Nothing = [u64; 0];

#[derive(Serialize)]
pub(super) struct Server<'a> {
    id: u64,
    name: &'a str,
    status: &'static str,
    created: Time,
    public_net: PublicNet,
    private_net: Nothing,
    server_type: Option<&'static ServerType>,
    location: Option<&'static Location>,
    image: Option<Image<'a>>,
    iso: Option<()>,
    rescue_enabled: bool,
    locked: bool,
    backup_window: Option<&'static str>,
    outgoing_traffic: Option<u64>,
    ingoing_traffic: Option<u64>,
    included_traffic: u64,
    primary_disk_size: u32,
    protection: ServerProtection,
    labels: &'a Labels,
    volumes: Nothing,
    load_balancers: Nothing,
    placement_group: Option<()>,
}

/// Server data of Hetzner that the world does not store.
#[derive(Debug, Clone, Default)]
pub(super) struct Extra {
    pub(super) protected: bool,
    pub(super) rescue: bool,
    pub(super) backups: bool,
    /// The disk's size, if it differs from the server type's: the type was changed without the
    /// disk.
    pub(super) disk_gib: Option<u32>,
}

#[derive(Clone, Copy, Serialize)]
struct ServerProtection {
    delete: bool,
    rebuild: bool,
}

#[derive(Serialize)]
struct PublicNet {
    ipv4: Option<Ipv4>,
    ipv6: Option<Ipv6>,
    floating_ips: Nothing,
    firewalls: Nothing,
}

#[derive(Serialize)]
struct Ipv4 {
    id: u64,
    ip: Ipv4Addr,
    blocked: bool,
    dns_ptr: String,
}

#[derive(Serialize)]
struct Ipv6 {
    id: u64,
    ip: String,
    blocked: bool,
    dns_ptr: Nothing,
}

impl<'a> Server<'a> {
    pub(super) fn new(
        machine: &'a Machine,
        status: &'static str,
        image: Option<Image<'a>>,
        extra: Option<&Extra>,
        now: Moment,
    ) -> Self {
        let server_type = catalogue::type_of(machine.size);
        let [ipv4_id, ipv6_id] = primary_ip_ids(machine);
        let ipv4 = |ip| Ipv4 { id: ipv4_id, ip, blocked: false, dns_ptr: dns_ptr(ip) };
        let ipv6 = |ip| Ipv6 { id: ipv6_id, ip: network(ip), blocked: false, dns_ptr: [] };
        let price = |it: &'static Type| {
            it.shown.prices.iter().find(|price| price.location == machine.region)
        };
        let protected = extra.is_some_and(|extra| extra.protected);
        Self {
            id: machine.id,
            name: &machine.name,
            status,
            created: Time(machine.created),
            public_net: PublicNet {
                ipv4: machine.ipv4.map(ipv4),
                ipv6: machine.ipv6.map(ipv6),
                floating_ips: [],
                firewalls: [],
            },
            private_net: [],
            server_type: server_type.map(|server_type| &server_type.shown),
            location: catalogue::location_named(machine.region),
            image,
            iso: None,
            rescue_enabled: extra.is_some_and(|extra| extra.rescue),
            locked: machine.is_locked(now),
            backup_window: extra.filter(|extra| extra.backups).map(|_| "22-02"),
            outgoing_traffic: Some(0),
            ingoing_traffic: Some(0),
            included_traffic: server_type.and_then(price).map_or(0, |price| price.included_traffic),
            primary_disk_size: extra
                .and_then(|extra| extra.disk_gib)
                .unwrap_or(machine.size.disk_gib),
            protection: ServerProtection { delete: protected, rebuild: protected },
            labels: &machine.labels,
            volumes: [],
            load_balancers: [],
            placement_group: None,
        }
    }
}

/// The ids of a server's addresses: the two ids after its own and its create action's.
pub(super) fn primary_ip_ids(machine: &Machine) -> [u64; 2] {
    [machine.id + 2, machine.id + 3]
}

fn dns_ptr(ip: Ipv4Addr) -> String {
    let [a, b, c, d] = ip.octets();
    format!("static.{d}.{c}.{b}.{a}.clients.your-server.de")
}

/// The /64 network of an address.
fn network(ip: Ipv6Addr) -> String {
    format!("{}/64", Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)))
}

#[derive(Serialize)]
pub(super) struct PrimaryIp<'a> {
    id: u64,
    name: String,
    ip: String,
    #[serde(rename = "type")]
    kind: &'static str,
    labels: Labels,
    protection: Protection,
    dns_ptr: Vec<DnsPtr>,
    assignee_id: u64,
    assignee_type: &'static str,
    auto_delete: bool,
    blocked: bool,
    created: Time,
    location: Option<&'a Location>,
}

#[derive(Serialize)]
struct DnsPtr {
    ip: Ipv4Addr,
    dns_ptr: String,
}

#[derive(Serialize)]
struct Protection {
    delete: bool,
}

impl PrimaryIp<'_> {
    /// The addresses that were created with a server, and are deleted with it.
    pub(super) fn of(machine: &Machine) -> Vec<Self> {
        let [ipv4_id, ipv6_id] = primary_ip_ids(machine);
        let address = |id, kind, ip, dns_ptr| Self {
            id,
            name: format!("primary_ip-{id}"),
            ip,
            kind,
            labels: Labels::new(),
            protection: Protection { delete: false },
            dns_ptr,
            assignee_id: machine.id,
            assignee_type: "server",
            auto_delete: true,
            blocked: false,
            created: Time(machine.created),
            location: catalogue::location_named(machine.region),
        };
        let ipv4 = machine.ipv4.map(|ip| {
            address(ipv4_id, "ipv4", ip.to_string(), vec![DnsPtr { ip, dns_ptr: dns_ptr(ip) }])
        });
        let ipv6 = machine.ipv6.map(|ip| address(ipv6_id, "ipv6", network(ip), Vec::new()));
        ipv4.into_iter().chain(ipv6).collect()
    }

    pub(super) fn is(&self, id: u64) -> bool {
        self.id == id
    }
}

#[derive(Serialize)]
pub(super) struct Image<'a> {
    id: u64,
    #[serde(rename = "type")]
    kind: &'static str,
    status: &'static str,
    /// Null unless it is a public image.
    name: Option<&'a str>,
    description: &'a str,
    image_size: Option<f64>,
    disk_size: u32,
    created: Time,
    created_from: Option<CreatedFrom<'a>>,
    bound_to: Option<u64>,
    os_flavor: &'static str,
    os_version: Option<&'static str>,
    architecture: &'static str,
    rapid_deploy: bool,
    protection: Protection,
    deprecated: Option<Time>,
    deprecation: Option<ImageDeprecation>,
    deleted: Option<()>,
    labels: &'a Labels,
}

#[derive(Serialize)]
struct ImageDeprecation {
    announced: Time,
    unavailable_after: Time,
}

#[derive(Serialize)]
struct CreatedFrom<'a> {
    id: u64,
    name: &'a str,
}

impl<'a> Image<'a> {
    pub(super) fn new(image: &'a WorldImage, about: &About, now: Moment) -> Self {
        let created_from = image.source.as_ref().map(|(id, name)| CreatedFrom { id: *id, name });
        Self {
            id: image.id,
            kind: about.nature.word(),
            status: image_status(image, now),
            name: image.public.then_some(&image.name),
            description: &image.description,
            image_size: (!image.public && image.is_available(now))
                .then(|| f64::from(image.size_centi_gib) / 100.0),
            disk_size: image.min_disk_gib,
            created: Time(image.created),
            bound_to: created_from
                .as_ref()
                .filter(|_| about.nature == Nature::Backup)
                .map(|from| from.id),
            created_from,
            os_flavor: image.distribution,
            os_version: about.os_version,
            architecture: architecture(image.architecture),
            rapid_deploy: image.public && matches!(image.distribution, "ubuntu" | "debian"),
            protection: Protection { delete: about.protected },
            deprecated: about.deprecated.map(Time),
            deprecation: about.deprecated.map(|announced| ImageDeprecation {
                announced: Time(announced),
                unavailable_after: Time(announced + TimeDelta::days(90)),
            }),
            deleted: None,
            labels: &image.labels,
        }
    }
}

pub(super) fn image_status(image: &WorldImage, now: Moment) -> &'static str {
    match () {
        () if image.is_available(now) => "available",
        () if image.has_ended(now) => "unavailable",
        () => "creating",
    }
}

#[derive(Serialize)]
pub(super) struct ShownAction {
    id: u64,
    command: &'static str,
    status: &'static str,
    progress: i64,
    started: Time,
    finished: Option<Time>,
    resources: [ActionResource; 1],
    error: Option<ActionError>,
}

#[derive(Serialize)]
struct ActionResource {
    id: u64,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct ActionError {
    code: &'static str,
    message: &'static str,
}

impl ShownAction {
    pub(super) fn new(action: &Action, now: Moment) -> Self {
        let progress = action.progress(now);
        let of_image = action.image == Some(action.machine);
        let failed = ActionError { code: "action_failed", message: "Action failed" };
        Self {
            id: action.id,
            command: action.kind,
            status: action_status(action, now),
            progress: if progress == Progress::Running { action.percent(now).min(99) } else { 100 },
            started: Time(action.started),
            finished: action.ends.filter(|_| progress != Progress::Running).map(Time),
            resources: [ActionResource {
                id: action.machine,
                kind: if of_image { "image" } else { "server" },
            }],
            error: (progress == Progress::Error).then_some(failed),
        }
    }
}

pub(super) fn action_status(action: &Action, now: Moment) -> &'static str {
    match action.progress(now) {
        Progress::Running => "running",
        Progress::Success => "success",
        Progress::Error => "error",
    }
}

#[derive(Serialize)]
pub(super) struct SshKey<'a> {
    id: u64,
    name: &'a str,
    fingerprint: &'a str,
    public_key: &'a str,
    labels: Labels,
    created: Time,
}

impl<'a> SshKey<'a> {
    pub(super) fn new(key: &'a Key, labels: Option<&Labels>) -> Self {
        Self {
            id: key.id,
            name: &key.name,
            fingerprint: &key.fingerprint,
            public_key: &key.public_key,
            labels: labels.cloned().unwrap_or_default(),
            created: Time(key.created),
        }
    }
}
