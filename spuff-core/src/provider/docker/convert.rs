//! Converts between the contract's types and the engine's.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary,
    EndpointSettings, HealthStatusEnum, HostConfig, Mount, MountType, MountVolumeOptions,
    PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use chrono::DateTime;
use serde::{Deserialize, Serialize};

use super::boot::Boot;
use super::engine::Reach;
use super::options::{FOLDER, Options};
use crate::provider::config::{ImageSpec, InstanceRequest};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::shared::validate;
use crate::provider::{Address, InstanceStatus, ProviderInstance};

/// Limit on user data, in bytes.
pub(super) const MAX_USER_DATA: usize = 1 << 20;
const MAX_NAME: usize = 63;
const MIN_NAME: usize = 2;
const ID: usize = 64;

/// The network that every engine has.
pub(super) const DEFAULT_NETWORK: &str = "bridge";

/// Label that holds an instance's request. Containers made without spuff may inherit it from their
/// image.
pub(super) const MACHINE_KEY: &str = "spuff-machine";
/// Label that holds a snapshot's request.
pub(super) const SNAPSHOT_KEY: &str = "spuff-snapshot";

/// Prefix of the label of a published port; the container's port and protocol follow.
const PORT_PREFIX: &str = "spuff-port-";

/// The request of an instance.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Asked {
    /// Also the container's name: one made otherwise from an instance's image has another name.
    name: String,
    region: String,
    size: String,
    labels: HashMap<String, String>,
    /// Whether its image is a snapshot.
    snapshot: bool,
    /// Whether its first process leaves a mark.
    #[serde(default)]
    marked: bool,
}

/// An instance as an engine reports it.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) instance: ProviderInstance,
    /// Whether its first process leaves a mark, without which it is not up.
    pub(super) is_marked: bool,
}

pub(super) fn check_request(request: &InstanceRequest) -> ProviderResult<()> {
    validate::host_name("name", &request.name, MAX_NAME)?;
    if request.name.len() < MIN_NAME {
        return Err(ProviderError::invalid_config(
            "name",
            format!("{:?}: must have at least {MIN_NAME} characters", request.name),
        ));
    }
    validate::slug("region", &request.region)?;
    if matches!(request.region.as_str(), "host" | "none") {
        let message = format!(
            "{:?}: an instance has no address of its own there; use {DEFAULT_NETWORK:?} or a \
             network that you have created",
            request.region
        );
        return Err(ProviderError::invalid_config("region", message));
    }
    limits(&request.size)?;
    let bytes = request.user_data.as_ref().map_or(0, String::len);
    validate::at_most(
        "user_data",
        bytes,
        MAX_USER_DATA,
        "bytes",
        "shorten it, or let it fetch the rest",
    )?;
    for key in request.labels.keys() {
        validate::required("labels", key)?;
        if [MACHINE_KEY, SNAPSHOT_KEY].contains(&key.as_str()) || key.starts_with(PORT_PREFIX) {
            return Err(ProviderError::invalid_config(
                "labels",
                format!("{key} is reserved for spuff; use another label"),
            ));
        }
    }
    Ok(())
}

/// Accepts full ids only: a name or part of an id might match a container that is not spuff's.
pub(super) fn check_id(field: &str, id: &str) -> ProviderResult<()> {
    if id.len() == ID && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    let message = format!(
        "{id:?} is not an id of docker, whose ids are {ID} hexadecimal digits; it may belong to \
         another provider"
    );
    Err(ProviderError::invalid_config(field, message))
}

/// Returns a size's limits: billionths of a processor, and bytes of memory; `None` if it is empty.
pub(super) fn limits(size: &str) -> ProviderResult<Option<(i64, i64)>> {
    if size.is_empty() {
        return Ok(None);
    }
    let invalid = || {
        let message = format!(
            "{size:?}: must be processors, x and memory, such as 2x4g or 0.5x512m (at least 6m), \
             or empty for no limits"
        );
        ProviderError::invalid_config("size", message)
    };
    let (processors, memory) = size.split_once('x').ok_or_else(invalid)?;
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let processors =
        processors.parse::<f64>().ok().filter(|_| plain(processors)).ok_or_else(invalid)?;
    let (number, unit) =
        memory.split_at_checked(memory.len().saturating_sub(1)).ok_or_else(invalid)?;
    let unit = match unit {
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1_i64 << 30,
        _ => return Err(invalid()),
    };
    let memory = number
        .parse::<i64>()
        .ok()
        .filter(|_| plain(number))
        .and_then(|number| number.checked_mul(unit));
    let memory = memory.filter(|bytes| *bytes >= 6 << 20).ok_or_else(invalid)?;
    let billionths = (processors * 1e9).round();
    if !(1e6..=1e15).contains(&billionths) {
        return Err(invalid());
    }
    Ok(Some((billionths as i64, memory)))
}

/// Returns the container of an instance, to create.
pub(super) fn container(
    request: &InstanceRequest,
    image: &str,
    boot: &Boot,
    options: &Options,
) -> ProviderResult<ContainerCreateBody> {
    let labels: HashMap<_, _> = validate::labels(request)?
        .into_iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect();
    let region = if request.region.is_empty() { DEFAULT_NETWORK } else { &request.region };
    let asked = Asked {
        name: request.name.clone(),
        region: region.to_string(),
        size: request.size.clone(),
        labels: labels.clone(),
        snapshot: matches!(request.image, ImageSpec::Snapshot(_)),
        marked: true,
    };
    let asked = serde_json::to_string(&asked)
        .map_err(|error| ProviderError::invalid_config("labels", error.to_string()))?;

    let mut host = HostConfig {
        init: Some(true),
        network_mode: Some(region.to_string()),
        // It restarts with its engine. Docker takes an instance that it ended itself, when it
        // returned after being killed, for one that a user has stopped.
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::ALWAYS),
            maximum_retry_count: None,
        }),
        // Snapshots exclude it, and the image's files are not copied into it.
        mounts: Some(vec![Mount {
            target: Some(FOLDER.to_string()),
            typ: Some(MountType::VOLUME),
            volume_options: Some(MountVolumeOptions {
                no_copy: Some(true),
                ..MountVolumeOptions::default()
            }),
            ..Mount::default()
        }]),
        ..HostConfig::default()
    };
    if let Some((processors, memory)) = limits(&request.size)? {
        (host.nano_cpus, host.memory) = (Some(processors), Some(memory));
    }
    options.apply(&mut host);
    Ok(ContainerCreateBody {
        hostname: Some(request.name.clone()),
        image: Some(image.to_string()),
        entrypoint: Some(boot.entrypoint()),
        cmd: Some(Vec::new()),
        user: Some("0".to_string()),
        working_dir: Some("/".to_string()),
        exposed_ports: options.exposed(),
        labels: Some(labels.into_iter().chain([(MACHINE_KEY.to_string(), asked)]).collect()),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    })
}

/// Returns the label that keeps containers from inheriting an instance's request from an image.
pub(super) fn no_machine() -> (String, String) {
    (MACHINE_KEY.to_string(), String::new())
}

/// Converts an inspected container. One that spuff did not make has its visible properties.
pub(super) fn inspected(container: ContainerInspectResponse, reach: Reach) -> Seen {
    let has_run = has_begun(&container);
    let config = container.config.unwrap_or_default();
    let labels = config.labels.unwrap_or_default();
    let mode = container.host_config.and_then(|host| host.network_mode);
    let name = name(container.name.as_deref());
    let seen = |labels| Asked { region: network(mode.as_deref()), labels, ..Asked::default() };
    let mut asked =
        asked(&labels).filter(|asked| asked.name == name).unwrap_or_else(|| seen(labels));
    let state = container.state.unwrap_or_default();
    let health = state
        .health
        .and_then(|health| health.status)
        .map(|health: HealthStatusEnum| health.to_string());
    let mut status = state.status.map(|status| status.to_string()).unwrap_or_default();
    // Podman reports this state for instances that ran before a power loss.
    if status == "created" && has_run {
        status = "exited".to_string();
    }
    let settings = container.network_settings.unwrap_or_default();
    let bound = settings.ports.unwrap_or_default().into_iter().flat_map(|(inside, bindings)| {
        let at = |binding: PortBinding| {
            (inside.clone(), binding.host_ip, binding.host_port.unwrap_or_default())
        };
        bindings.unwrap_or_default().into_iter().map(at).collect::<Vec<_>>()
    });
    asked.labels.extend(published(bound));
    let networks = settings.networks.unwrap_or_default();
    let addresses = addresses(&networks, &asked.region, &status, reach);
    let instance = ProviderInstance {
        id: container.id.unwrap_or_default(),
        ip: primary(&addresses),
        status: self::status(&status, health.as_deref().unwrap_or_default()),
        created_at: container.created.unwrap_or_default(),
        name,
        region: asked.region,
        size: asked.size,
        labels: asked.labels,
        addresses,
        ..ProviderInstance::default()
    };
    Seen { instance, is_marked: asked.marked }
}

/// Whether a container runs, or is restarting.
pub(super) fn runs(container: &ContainerInspectResponse) -> bool {
    let status = container.state.as_ref().and_then(|state| state.status);
    matches!(status, Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::RESTARTING))
}

/// Whether a container was ever started.
pub(super) fn has_begun(container: &ContainerInspectResponse) -> bool {
    let began = container.state.as_ref().and_then(|state| state.started_at.as_deref());
    began.is_some_and(|time| !time.is_empty() && !time.starts_with("0001-"))
}

/// Whether a container is an instance made from a snapshot.
pub(super) fn is_of_snapshot(container: &ContainerInspectResponse) -> bool {
    asked_of(container).is_some_and(|asked| asked.snapshot)
}

/// Whether a container is an instance whose first process leaves a mark.
pub(super) fn is_marked(container: &ContainerInspectResponse) -> bool {
    asked_of(container).is_some_and(|asked| asked.marked)
}

fn asked_of(container: &ContainerInspectResponse) -> Option<Asked> {
    let asked = asked(container.config.as_ref()?.labels.as_ref()?)?;
    (asked.name == name(container.name.as_deref())).then_some(asked)
}

/// Converts a listed container; `None` if spuff did not make it.
pub(super) fn listed(container: ContainerSummary, reach: Reach) -> Option<Seen> {
    let mut asked = asked(&container.labels.unwrap_or_default())?;
    if !container.names.unwrap_or_default().iter().any(|name| self::name(Some(name)) == asked.name)
    {
        return None;
    }
    let state = container.state.map(|state| state.to_string()).unwrap_or_default();
    // `Up 2 seconds (health: starting)`
    let told = container.status.unwrap_or_default();
    let health = ["starting)", "(unhealthy)"]
        .into_iter()
        .find(|word| told.ends_with(word))
        .unwrap_or_default();
    let bound = container.ports.unwrap_or_default().into_iter().filter_map(|port| {
        let protocol = port.typ.map_or_else(|| "tcp".to_string(), |protocol| protocol.to_string());
        Some((format!("{}/{protocol}", port.private_port), port.ip, port.public_port?.to_string()))
    });
    asked.labels.extend(published(bound));
    let networks =
        container.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let addresses = addresses(&networks, &asked.region, &state, reach);
    let instance = ProviderInstance {
        id: container.id.unwrap_or_default(),
        ip: primary(&addresses),
        status: status(&state, health.trim_matches(['(', ')'])),
        created_at: container
            .created
            .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
            .unwrap_or_default(),
        name: asked.name,
        region: asked.region,
        size: asked.size,
        labels: asked.labels,
        addresses,
        ..ProviderInstance::default()
    };
    Some(Seen { instance, is_marked: asked.marked })
}

fn asked(labels: &HashMap<String, String>) -> Option<Asked> {
    serde_json::from_str(labels.get(MACHINE_KEY)?).ok()
}

fn name(name: Option<&str>) -> String {
    name.unwrap_or_default().trim_start_matches('/').to_string()
}

fn network(mode: Option<&str>) -> String {
    match mode {
        None | Some("" | "default") => DEFAULT_NETWORK.to_string(),
        Some(mode) => mode.to_string(),
    }
}

fn status(state: &str, health: &str) -> InstanceStatus {
    match (state, health) {
        ("created" | "restarting", _) | ("running", "starting") => InstanceStatus::New,
        ("running", "unhealthy") => InstanceStatus::Unknown("unhealthy".to_string()),
        ("running", _) => InstanceStatus::Active,
        ("exited" | "stopping" | "removing", _) => InstanceStatus::Off,
        ("", _) => InstanceStatus::Unknown("unknown".to_string()),
        (other, _) => InstanceStatus::Unknown(other.to_string()),
    }
}

/// Returns labels with the published ports: nothing else reports the ports that an engine chose.
fn published(
    bound: impl Iterator<Item = (String, Option<String>, String)>,
) -> impl Iterator<Item = (String, String)> {
    let mut ports: BTreeMap<String, BTreeSet<SocketAddr>> = BTreeMap::new();
    for (inside, ip, port) in bound {
        // Podman omits the address that means all interfaces.
        let ip =
            ip.filter(|ip| !ip.is_empty()).unwrap_or_else(|| Ipv4Addr::UNSPECIFIED.to_string());
        if let (Ok(ip), Ok(port)) = (ip.parse::<IpAddr>(), port.parse()) {
            ports.entry(inside).or_default().insert(SocketAddr::new(ip, port));
        }
    }
    ports.into_iter().map(|(inside, at)| {
        let at: Vec<_> = at.iter().map(ToString::to_string).collect();
        (format!("{PORT_PREFIX}{inside}"), at.join(","))
    })
}

/// Returns the primary address; if unknown, one that only the engine's computer reaches.
fn primary(addresses: &[Address]) -> IpAddr {
    let primary = Address::primary(addresses);
    if primary.is_unspecified() {
        addresses.first().map_or(primary, |address| address.ip)
    } else {
        primary
    }
}

/// Returns the addresses on an instance's networks, that of its region first. The engine's computer
/// reaches them; if that is another one, or isolates its networks, the address of published ports
/// comes first. A container that does not run has none: it may show addresses that others use now.
fn addresses(
    networks: &HashMap<String, EndpointSettings>,
    region: &str,
    state: &str,
    reach: Reach,
) -> Vec<Address> {
    if !matches!(state, "running" | "paused") {
        return Vec::new();
    }
    let mut networks: Vec<_> = networks.iter().collect();
    networks.sort_by_key(|(name, _)| (name.as_str() != region, name.as_str()));
    let parse = |address: &Option<String>| {
        address.as_deref().and_then(|address| address.parse::<IpAddr>().ok())
    };
    let both = networks
        .into_iter()
        .flat_map(|(_, network)| [parse(&network.ip_address), parse(&network.global_ipv6_address)]);
    let own = both.flatten();
    match reach {
        Reach::Direct => own.map(Address::public).collect(),
        Reach::Published(host) => {
            let own: Vec<_> = own.map(Address::private).collect();
            let host = host.filter(|_| !own.is_empty()).map(Address::public);
            host.into_iter().chain(own).collect()
        }
    }
}

#[cfg(test)]
mod tests;
