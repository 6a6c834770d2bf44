//! Bodies of droplets, images, actions and other resources in DigitalOcean's format.
//!
//! Bodies borrow from the world, so a reply takes one pass over it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use chrono::SecondsFormat;
use serde::Serialize;

use super::super::account::{Account, Action, Image, Key, Machine, Power, Progress};
use super::super::clock::Moment;
use super::catalogue::{FEATURES, PLANS, Plan, REGIONS, find_stock};
use super::page::HOME;

pub(super) fn time(moment: Moment) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[derive(Debug, Serialize)]
pub(super) struct RegionBody {
    name: &'static str,
    pub(super) slug: &'static str,
    features: &'static [&'static str],
    available: bool,
    sizes: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct SizeBody {
    pub(super) slug: &'static str,
    memory: u32,
    vcpus: u32,
    disk: u32,
    transfer: f64,
    price_monthly: f64,
    price_hourly: f64,
    regions: &'static [&'static str],
    available: bool,
    description: &'static str,
    disk_info: [DiskBody; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_info: Option<GpuBody>,
}

#[derive(Debug, Serialize)]
struct DiskBody {
    #[serde(rename = "type")]
    kind: &'static str,
    size: Amount,
}

#[derive(Debug, Serialize)]
struct Amount {
    amount: u32,
    unit: &'static str,
}

#[derive(Debug, Serialize)]
struct GpuBody {
    count: u32,
    vram: Amount,
    model: &'static str,
}

fn disk(gib: u32) -> [DiskBody; 1] {
    [DiskBody { kind: "local", size: Amount { amount: gib, unit: "gib" } }]
}

/// The constant bodies of the catalogue.
#[derive(Debug)]
pub(super) struct CatalogueBodies {
    pub(super) regions: Vec<RegionBody>,
    pub(super) sizes: Vec<SizeBody>,
}

impl CatalogueBodies {
    pub(super) fn new() -> Self {
        let sold_in = |slug| {
            PLANS
                .iter()
                .filter(move |plan| plan.size.regions.contains(&slug))
                .map(|plan| plan.size.name)
        };
        let regions = REGIONS.iter().map(|region| RegionBody {
            name: region.name,
            slug: region.slug,
            features: FEATURES,
            available: region.open,
            sizes: sold_in(region.slug).collect(),
        });
        Self { regions: regions.collect(), sizes: PLANS.iter().map(size).collect() }
    }

    fn region(&self, slug: &str) -> Option<&RegionBody> {
        self.regions.iter().find(|region| region.slug == slug)
    }
}

#[allow(clippy::cast_precision_loss, reason = "prices are small")]
fn size(plan: &Plan) -> SizeBody {
    let size = &plan.size;
    SizeBody {
        slug: size.name,
        memory: size.memory_mib,
        vcpus: size.cpus,
        disk: size.disk_gib,
        transfer: plan.transfer,
        price_monthly: plan.cents_per_month as f64 / 100.0,
        // Rounded to five decimal places.
        price_hourly: ((size.rate.micros_per_hour + 5) / 10) as f64 / 1e5,
        regions: size.regions,
        available: !size.regions.is_empty(),
        description: size.class,
        disk_info: disk(size.disk_gib),
        gpu_info: plan.gpu.as_ref().map(|gpu| GpuBody {
            count: gpu.count,
            vram: Amount { amount: gpu.vram_gib, unit: "gib" },
            model: gpu.model,
        }),
    }
}

#[derive(Debug, Serialize)]
pub(super) struct DropletBody<'a> {
    id: u64,
    name: &'a str,
    memory: u32,
    vcpus: u32,
    disk: u32,
    disk_info: [DiskBody; 1],
    locked: bool,
    status: &'static str,
    kernel: (),
    created_at: String,
    features: Vec<&'static str>,
    backup_ids: [u64; 0],
    next_backup_window: (),
    snapshot_ids: Vec<u64>,
    image: ImageBody<'a>,
    volume_ids: [u64; 0],
    size: Option<&'a SizeBody>,
    size_slug: &'static str,
    networks: Networks,
    region: Option<&'a RegionBody>,
    tags: Vec<&'a str>,
    vpc_uuid: String,
}

#[derive(Debug, Default, Serialize)]
struct Networks {
    v4: Vec<Network<Ipv4Addr, &'static str>>,
    v6: Vec<Network<Ipv6Addr, u8>>,
}

#[derive(Debug, Serialize)]
struct Network<Ip, Mask> {
    ip_address: Ip,
    netmask: Mask,
    gateway: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// A droplet's status. During deletion it keeps its previous status until it is gone.
pub(super) fn status(machine: &Machine, now: Moment) -> &'static str {
    match machine.power_before_end(now) {
        Power::Booting => "new",
        Power::Running | Power::Stopping | Power::Deleting => "active",
        Power::Off | Power::Starting => "off",
        Power::Gone => "archive",
    }
}

pub(super) fn is_locked(machine: &Machine, now: Moment) -> bool {
    machine.is_locked(now) || machine.power(now) == Power::Deleting
}

/// Addresses appear halfway through the boot: after the create, before the droplet is active.
fn networks(machine: &Machine, now: Moment) -> Networks {
    let passed = now - machine.created;
    let left = machine.locked_until - now;
    if machine.power(now) == Power::Booting && passed <= left {
        return Networks::default();
    }
    let net = |ip: Ipv4Addr| Ipv4Addr::from(u32::from(ip) & 0xffff_f000 | 1).to_string();
    let v4 =
        |ip_address, gateway, kind| Network { ip_address, netmask: "255.255.240.0", gateway, kind };
    // The private address comes first, and has no gateway.
    let private = v4(machine.private, "<nil>".to_string(), "private");
    let public = machine.ipv4.map(|ip| v4(ip, net(ip), "public"));
    let v6 = machine.ipv6.map(|ip| Network {
        ip_address: ip,
        netmask: 64,
        gateway: Ipv6Addr::from(u128::from(ip) >> 64 << 64).to_string(),
        kind: "public",
    });
    Networks { v4: std::iter::once(private).chain(public).collect(), v6: v6.into_iter().collect() }
}

/// The id of a region's default network.
pub(super) fn vpc(region: &str) -> String {
    let index = REGIONS.iter().position(|known| known.slug == region).unwrap_or_default();
    format!("5a4981aa-9653-4bd1-bef5-d6bff52042{index:02x}")
}

pub(super) fn droplet<'a>(
    machine: &'a Machine,
    account: &'a Account,
    bodies: &'a CatalogueBodies,
    snapshot_ids: Vec<u64>,
    now: Moment,
) -> DropletBody<'a> {
    let size = machine.size;
    let mut features = machine.features.clone();
    features.extend(machine.ipv6.map(|_| "ipv6"));
    DropletBody {
        id: machine.id,
        name: &machine.name,
        memory: size.memory_mib,
        vcpus: size.cpus,
        disk: size.disk_gib,
        disk_info: disk(size.disk_gib),
        locked: is_locked(machine, now),
        status: status(machine, now),
        kernel: (),
        created_at: time(machine.created),
        features,
        backup_ids: [],
        next_backup_window: (),
        snapshot_ids,
        image: account.image(machine.image).map_or_else(|| deleted_image(machine), image),
        volume_ids: [],
        size: bodies.sizes.iter().find(|body| body.slug == size.name),
        size_slug: size.name,
        networks: networks(machine, now),
        region: bodies.region(machine.region),
        tags: tags(&machine.labels, machine.id),
        vpc_uuid: vpc(machine.region),
    }
}

/// The order of tags is undefined, so some resources, chosen by id, show theirs reversed.
fn tags(labels: &BTreeMap<String, String>, id: u64) -> Vec<&str> {
    let mut tags: Vec<_> = labels.keys().map(String::as_str).collect();
    if id.count_ones() % 2 == 1 {
        tags.reverse();
    }
    tags
}

#[derive(Debug, Serialize)]
pub(super) struct ImageBody<'a> {
    id: u64,
    name: &'a str,
    distribution: &'a str,
    slug: Option<&'a str>,
    public: bool,
    regions: &'a [&'static str],
    created_at: String,
    #[serde(rename = "type")]
    kind: &'static str,
    min_disk_size: u32,
    size_gigabytes: f64,
    description: &'a str,
    tags: Vec<&'a str>,
    status: &'static str,
    error_message: &'static str,
}

pub(super) fn image(image: &Image) -> ImageBody<'_> {
    let stock = find_stock(&image.name).filter(|_| image.public);
    ImageBody {
        id: image.id,
        name: stock.map_or(&image.name, |stock| stock.name),
        distribution: image.distribution,
        slug: stock.map(|stock| stock.slug),
        public: image.public,
        regions: &image.regions,
        created_at: stock.map_or_else(|| time(image.created), |stock| stock.created.to_string()),
        kind: if stock.is_some_and(|stock| !stock.app) { "base" } else { "snapshot" },
        min_disk_size: image.min_disk_gib,
        size_gigabytes: gigabytes(image),
        description: &image.description,
        tags: tags(&image.labels, image.id),
        status: "available",
        error_message: "",
    }
}

/// The placeholder for a droplet's image that has been deleted.
fn deleted_image(machine: &Machine) -> ImageBody<'_> {
    ImageBody {
        id: machine.image,
        name: "",
        distribution: "Unknown",
        slug: None,
        public: false,
        regions: &[],
        created_at: time(machine.created),
        kind: "snapshot",
        min_disk_size: machine.size.disk_gib,
        size_gigabytes: 0.0,
        description: "",
        tags: Vec::new(),
        status: "deleted",
        error_message: "",
    }
}

fn gigabytes(image: &Image) -> f64 {
    f64::from(image.size_centi_gib) / 100.0
}

/// A snapshot in the list of all snapshots, in which ids are strings.
#[derive(Debug, Serialize)]
pub(super) struct SnapshotBody<'a> {
    id: String,
    name: &'a str,
    created_at: String,
    regions: &'a [&'static str],
    resource_id: String,
    resource_type: &'static str,
    min_disk_size: u32,
    size_gigabytes: f64,
    tags: Vec<&'a str>,
}

pub(super) fn snapshot(image: &Image) -> SnapshotBody<'_> {
    SnapshotBody {
        id: image.id.to_string(),
        name: &image.name,
        created_at: time(image.created),
        regions: &image.regions,
        resource_id: image.source.as_ref().map(|(id, _)| id.to_string()).unwrap_or_default(),
        resource_type: "droplet",
        min_disk_size: image.min_disk_gib,
        size_gigabytes: gigabytes(image),
        tags: tags(&image.labels, image.id),
    }
}

#[derive(Debug, Serialize)]
pub(super) struct ActionBody<'a> {
    id: u64,
    status: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    started_at: String,
    completed_at: Option<String>,
    resource_id: u64,
    resource_type: &'static str,
    region: Option<&'a RegionBody>,
    region_slug: &'static str,
}

pub(super) fn action<'a>(
    action: &Action,
    bodies: &'a CatalogueBodies,
    now: Moment,
) -> ActionBody<'a> {
    let status = match action.progress(now) {
        Progress::Running => "in-progress",
        Progress::Success => "completed",
        Progress::Error => "errored",
    };
    ActionBody {
        id: action.id,
        status,
        kind: action.kind,
        started_at: time(action.started),
        completed_at: action.ends.filter(|ends| *ends <= now).map(time),
        // The droplet, for a snapshot too: the action does not contain the snapshot's id.
        resource_id: action.machine,
        resource_type: "droplet",
        region: bodies.region(action.region),
        region_slug: action.region,
    }
}

/// The link to a droplet's create action.
#[derive(Debug, Serialize)]
pub(super) struct ActionLink {
    id: u64,
    rel: &'static str,
    href: String,
}

impl ActionLink {
    pub(super) fn new(action: u64) -> Self {
        Self { id: action, rel: "create", href: format!("{HOME}/v2/actions/{action}") }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct KeyBody<'a> {
    id: u64,
    public_key: &'a str,
    name: &'a str,
    fingerprint: &'a str,
}

pub(super) fn key(key: &Key) -> KeyBody<'_> {
    KeyBody {
        id: key.id,
        public_key: &key.public_key,
        name: &key.name,
        fingerprint: &key.fingerprint,
    }
}
