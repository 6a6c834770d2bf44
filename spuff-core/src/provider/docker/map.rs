//! Conversions between the contract's nouns and the engine's.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, EndpointSettings,
    HealthStatusEnum, HostConfig, Mount, MountType, MountVolumeOptions, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use chrono::DateTime;
use serde::{Deserialize, Serialize};

use super::boot::{self, Boot};
use super::engine::Reach;
use super::images::SNAPSHOT_KEY;
use super::options::Options;
use crate::provider::config::{ImageSpec, InstanceRequest};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::{Address, InstanceStatus, ProviderInstance, check};

/// The most that is handed over at a start.
pub(super) const MAX_USER_DATA: usize = 1 << 20;
const MAX_NAME: usize = 63;
const MIN_NAME: usize = 2;
const ID: usize = 64;

/// The network that every engine has.
pub(super) const DEFAULT_NETWORK: &str = "bridge";

/// Holds what a machine was asked to be: an image's labels come down to containers that were made without spuff.
pub(super) const MACHINE_KEY: &str = "spuff-machine";

/// The label of a published port begins so; the port inside and its protocol follow.
const PORT_PREFIX: &str = "spuff-port-";

/// A machine as it was asked for.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Asked {
    /// That of the container too: one that was made from an image of a machine by other means has another name.
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

/// A machine as an engine tells it.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) instance: ProviderInstance,
    /// Whether its first process leaves a mark, without which it is not up.
    pub(super) is_marked: bool,
}

pub(super) fn check_request(request: &InstanceRequest) -> ProviderResult<()> {
    check::host_name("name", &request.name, MAX_NAME)?;
    if request.name.len() < MIN_NAME {
        return Err(ProviderError::invalid_config("name", format!("{:?}: an engine wants {MIN_NAME} characters", request.name)));
    }
    check::slug("region", &request.region)?;
    if matches!(request.region.as_str(), "host" | "none") {
        let message = format!(
            "{:?}: a machine has no address of its own there; use {DEFAULT_NETWORK:?} or a network that you have made",
            request.region
        );
        return Err(ProviderError::invalid_config("region", message));
    }
    limits(&request.size)?;
    let bytes = request.user_data.as_ref().map_or(0, String::len);
    check::at_most("user_data", bytes, MAX_USER_DATA, "bytes", "shorten it, or let it fetch the rest")?;
    for key in request.labels.keys() {
        check::required("labels", key)?;
        if [MACHINE_KEY, SNAPSHOT_KEY].contains(&key.as_str()) || key.starts_with(PORT_PREFIX) {
            return Err(ProviderError::invalid_config("labels", format!("{key} is a label of spuff's own; use another")));
        }
    }
    Ok(())
}

/// An id is whole: a name, or a part of an id, might be that of a container which is not spuff's.
pub(super) fn check_id(field: &str, id: &str) -> ProviderResult<()> {
    if id.len() == ID && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    let message =
        format!("{id:?} is not an id of docker, whose ids are {ID} hexadecimal digits; it may belong to another provider");
    Err(ProviderError::invalid_config(field, message))
}

/// What a size allows: billionths of a processor, and bytes of memory; nothing of an empty one.
pub(super) fn limits(size: &str) -> ProviderResult<Option<(i64, i64)>> {
    if size.is_empty() {
        return Ok(None);
    }
    let invalid = || {
        let message = format!(
            "{size:?}: give processors, x and memory, such as 2x4g or 0.5x512m (6m at least), or leave it empty for no limits"
        );
        ProviderError::invalid_config("size", message)
    };
    let (processors, memory) = size.split_once('x').ok_or_else(invalid)?;
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let processors = processors.parse::<f64>().ok().filter(|_| plain(processors)).ok_or_else(invalid)?;
    let (number, unit) = memory.split_at_checked(memory.len().saturating_sub(1)).ok_or_else(invalid)?;
    let unit = match unit {
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1_i64 << 30,
        _ => return Err(invalid()),
    };
    let memory = number.parse::<i64>().ok().filter(|_| plain(number)).and_then(|number| number.checked_mul(unit));
    let memory = memory.filter(|bytes| *bytes >= 6 << 20).ok_or_else(invalid)?;
    let billionths = (processors * 1e9).round();
    if !(1e6..=1e15).contains(&billionths) {
        return Err(invalid());
    }
    Ok(Some((billionths as i64, memory)))
}

/// A container that is a machine.
pub(super) fn container(
    request: &InstanceRequest,
    image: &str,
    boot: &Boot,
    options: &Options,
) -> ProviderResult<ContainerCreateBody> {
    let labels: HashMap<_, _> =
        check::labels(request)?.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let region = if request.region.is_empty() { DEFAULT_NETWORK } else { &request.region };
    let asked = Asked {
        name: request.name.clone(),
        region: region.to_string(),
        size: request.size.clone(),
        labels: labels.clone(),
        snapshot: matches!(request.image, ImageSpec::Snapshot(_)),
        marked: true,
    };
    let asked = serde_json::to_string(&asked).map_err(|error| ProviderError::invalid_config("labels", error.to_string()))?;

    let mut host = HostConfig {
        init: Some(true),
        network_mode: Some(region.to_string()),
        // It comes back with its engine, as a machine with its power. Docker takes one that it has ended itself, when it came back
        // after being killed, for one that somebody has stopped.
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::ALWAYS), maximum_retry_count: None }),
        // No part of what a snapshot is made of, nor what an image has there a part of it.
        mounts: Some(vec![Mount {
            target: Some(boot::FOLDER.to_string()),
            typ: Some(MountType::VOLUME),
            volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
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

/// Labels that keep an image from handing down that a container is a machine.
pub(super) fn no_machine() -> (String, String) {
    (MACHINE_KEY.to_string(), String::new())
}

/// A machine, as it was inspected. One that spuff has not made has what can be seen.
pub(super) fn inspected(container: ContainerInspectResponse, reach: Reach) -> Seen {
    let has_run = has_begun(&container);
    let config = container.config.unwrap_or_default();
    let labels = config.labels.unwrap_or_default();
    let mode = container.host_config.and_then(|host| host.network_mode);
    let name = name(container.name.as_deref());
    let seen = |labels| Asked { region: network(mode.as_deref()), labels, ..Asked::default() };
    let mut asked = asked(&labels).filter(|asked| asked.name == name).unwrap_or_else(|| seen(labels));
    let state = container.state.unwrap_or_default();
    let health = state.health.and_then(|health| health.status).map(|health: HealthStatusEnum| health.to_string());
    let mut status = state.status.map(|status| status.to_string()).unwrap_or_default();
    // So Podman calls what ran before the power went.
    if status == "created" && has_run {
        status = "exited".to_string();
    }
    let settings = container.network_settings.unwrap_or_default();
    let bound = settings.ports.unwrap_or_default().into_iter().flat_map(|(inside, bindings)| {
        let at = |binding: PortBinding| (inside.clone(), binding.host_ip, binding.host_port.unwrap_or_default());
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

/// Whether a container runs, or is started again and again.
pub(super) fn runs(container: &ContainerInspectResponse) -> bool {
    let status = container.state.as_ref().and_then(|state| state.status);
    matches!(status, Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::RESTARTING))
}

/// Whether a container was ever started.
pub(super) fn has_begun(container: &ContainerInspectResponse) -> bool {
    let began = container.state.as_ref().and_then(|state| state.started_at.as_deref());
    began.is_some_and(|time| !time.is_empty() && !time.starts_with("0001-"))
}

/// Whether a container is a machine whose image is a snapshot.
pub(super) fn is_of_snapshot(container: &ContainerInspectResponse) -> bool {
    asked_of(container).is_some_and(|asked| asked.snapshot)
}

/// Whether a container is a machine whose first process leaves a mark.
pub(super) fn is_marked(container: &ContainerInspectResponse) -> bool {
    asked_of(container).is_some_and(|asked| asked.marked)
}

fn asked_of(container: &ContainerInspectResponse) -> Option<Asked> {
    let asked = asked(container.config.as_ref()?.labels.as_ref()?)?;
    (asked.name == name(container.name.as_deref())).then_some(asked)
}

/// A machine, as the list has it; nothing of a container that spuff has not made.
pub(super) fn listed(container: ContainerSummary, reach: Reach) -> Option<Seen> {
    let mut asked = asked(&container.labels.unwrap_or_default())?;
    if !container.names.unwrap_or_default().iter().any(|name| self::name(Some(name)) == asked.name) {
        return None;
    }
    let state = container.state.map(|state| state.to_string()).unwrap_or_default();
    // `Up 2 seconds (health: starting)`
    let told = container.status.unwrap_or_default();
    let health = ["starting)", "(unhealthy)"].into_iter().find(|word| told.ends_with(word)).unwrap_or_default();
    let bound = container.ports.unwrap_or_default().into_iter().filter_map(|port| {
        let protocol = port.typ.map_or_else(|| "tcp".to_string(), |protocol| protocol.to_string());
        Some((format!("{}/{protocol}", port.private_port), port.ip, port.public_port?.to_string()))
    });
    asked.labels.extend(published(bound));
    let networks = container.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let addresses = addresses(&networks, &asked.region, &state, reach);
    let instance = ProviderInstance {
        id: container.id.unwrap_or_default(),
        ip: primary(&addresses),
        status: status(&state, health.trim_matches(['(', ')'])),
        created_at: container.created.and_then(|seconds| DateTime::from_timestamp(seconds, 0)).unwrap_or_default(),
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

/// Where the ports inside are to be had outside: labels, for what an engine has chosen is told by nothing else.
fn published(bound: impl Iterator<Item = (String, Option<String>, String)>) -> impl Iterator<Item = (String, String)> {
    let mut ports: BTreeMap<String, BTreeSet<SocketAddr>> = BTreeMap::new();
    for (inside, ip, port) in bound {
        // Podman leaves out what means all interfaces.
        let ip = ip.filter(|ip| !ip.is_empty()).unwrap_or_else(|| Ipv4Addr::UNSPECIFIED.to_string());
        if let (Ok(ip), Ok(port)) = (ip.parse::<IpAddr>(), port.parse()) {
            ports.entry(inside).or_default().insert(SocketAddr::new(ip, port));
        }
    }
    ports.into_iter().map(|(inside, at)| {
        let at: Vec<_> = at.iter().map(ToString::to_string).collect();
        (format!("{PORT_PREFIX}{inside}"), at.join(","))
    })
}

/// Where a machine is reached: where that is not known, at an address that only its engine's computer reaches.
fn primary(addresses: &[Address]) -> IpAddr {
    let primary = Address::primary(addresses);
    if primary.is_unspecified() { addresses.first().map_or(primary, |address| address.ip) } else { primary }
}

/// The addresses on a machine's networks, that of its region first. They can be reached from the engine's computer; where that is
/// another one, or has the networks behind one of their own, the address at which published ports are stands before them. What
/// does not run may show those that others have got meanwhile.
fn addresses(networks: &HashMap<String, EndpointSettings>, region: &str, state: &str, reach: Reach) -> Vec<Address> {
    if !matches!(state, "running" | "paused") {
        return Vec::new();
    }
    let mut networks: Vec<_> = networks.iter().collect();
    networks.sort_by_key(|(name, _)| (name.as_str() != region, name.as_str()));
    let parse = |address: &Option<String>| address.as_deref().and_then(|address| address.parse::<IpAddr>().ok());
    let both = networks.into_iter().flat_map(|(_, network)| [parse(&network.ip_address), parse(&network.global_ipv6_address)]);
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
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::provider::config::ProviderConfig;

    fn good() -> InstanceRequest {
        InstanceRequest::new("web-1", "app", "2x4g").with_label("env", "prod")
    }

    #[test]
    fn requests_are_checked() {
        for request in [
            good(),
            InstanceRequest::new("ab", "", ""),
            InstanceRequest::new("a".repeat(MAX_NAME), "bridge", "0.001x6m"),
            good().with_user_data("x".repeat(MAX_USER_DATA)),
        ] {
            assert!(check_request(&request).is_ok(), "{request:?}");
        }
        for (expected, request) in [
            ("name", InstanceRequest::new("a", "app", "")),
            ("name", InstanceRequest::new("a".repeat(MAX_NAME + 1), "app", "")),
            ("region", InstanceRequest::new("web-1", "a b", "")),
            ("region", InstanceRequest::new("web-1", "host", "")),
            ("region", InstanceRequest::new("web-1", "none", "")),
            ("size", InstanceRequest::new("web-1", "app", "2x5m")),
            ("user_data", good().with_user_data("x".repeat(MAX_USER_DATA + 1))),
            ("labels", good().with_label("", "x")),
            ("labels", good().with_label(MACHINE_KEY, "x")),
            ("labels", good().with_label(SNAPSHOT_KEY, "x")),
            ("labels", good().with_label("spuff-port-80/tcp", "x")),
        ] {
            let error = check_request(&request).unwrap_err();
            assert!(matches!(&error, ProviderError::InvalidConfig { field, .. } if field == expected), "{expected}: {error}");
        }
    }

    /// What an engine is told to make, and what the label of a machine says of it.
    fn made(request: &InstanceRequest, options: &Options) -> (Value, Value) {
        let boot = Boot::new(request, "7", &options.environment).unwrap();
        let mut body = serde_json::to_value(container(request, "debian:12", &boot, options).unwrap()).unwrap();
        let body_of = body.as_object_mut().unwrap();
        assert_eq!(body_of.remove("Entrypoint").unwrap(), json!(boot.entrypoint()));
        let asked = body_of["Labels"].as_object_mut().unwrap().remove(MACHINE_KEY).unwrap();
        (body, serde_json::from_str(asked.as_str().unwrap()).unwrap())
    }

    #[test]
    fn a_container_is_all_that_was_asked_for() {
        let labels = json!({"env": "prod", "managed-by": "spuff"});
        let options = Options::new(&ProviderConfig::default().with_option("ports", "8080:80")).unwrap();
        let (body, asked) = made(&good(), &options);
        let mount = json!({"Target": "/.spuff", "Type": "volume", "VolumeOptions": {"NoCopy": true}});
        let host = json!({
            "Init": true, "NetworkMode": "app", "RestartPolicy": {"Name": "always"}, "Mounts": [mount], "NanoCpus": 2_000_000_000,
            "Memory": 4_i64 << 30, "PortBindings": {"80/tcp": [{"HostPort": "8080"}]}
        });
        let expected = json!({
            "Hostname": "web-1", "Image": "debian:12", "Cmd": [], "User": "0", "WorkingDir": "/", "ExposedPorts": {"80/tcp": {}},
            "Labels": labels, "HostConfig": host
        });
        assert_eq!(body, expected);
        let expected = json!({
            "name": "web-1", "region": "app", "size": "2x4g", "labels": labels, "snapshot": false, "marked": true
        });
        assert_eq!(asked, expected);

        let least = InstanceRequest::new("web-1", "", "").with_image(ImageSpec::Snapshot("s".to_string()));
        let (body, asked) = made(&least, &Options::default());
        let host = &body["HostConfig"];
        assert_eq!((&host["NetworkMode"], &host["NanoCpus"], &host["Memory"]), (&json!("bridge"), &Value::Null, &Value::Null));
        assert_eq!((&asked["region"], &asked["size"], &asked["snapshot"]), (&json!("bridge"), &json!(""), &json!(true)));
    }

    fn inspection(name: &str, asked: Option<&Value>, state: Value) -> ContainerInspectResponse {
        let mut labels = json!({"env": "of the image"});
        if let Some(asked) = asked {
            labels[MACHINE_KEY] = json!(asked.to_string());
        }
        let seen = json!({
            "Id": "0f", "Name": name, "Created": "2026-01-30T23:55:00Z", "Config": {"Labels": labels}, "State": state,
            "HostConfig": {"NetworkMode": "app"},
            "NetworkSettings": {
                "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "53/udp": null},
                "Networks": {"app": {"IPAddress": "172.18.0.2"}}
            }
        });
        serde_json::from_value(seen).unwrap()
    }

    fn as_asked() -> Value {
        json!({"name": "web-1", "region": "app", "size": "2x4g", "labels": {"env": "prod"}, "snapshot": true, "marked": true})
    }

    fn machine(size: &str, env: &str) -> ProviderInstance {
        let labels = [("env", env), ("spuff-port-80/tcp", "0.0.0.0:8080")];
        let ip = "172.18.0.2".parse().unwrap();
        ProviderInstance {
            name: "web-1".to_string(),
            region: "app".to_string(),
            size: size.to_string(),
            labels: labels.map(|(key, value)| (key.to_string(), value.to_string())).into(),
            addresses: vec![Address::public(ip)],
            ..ProviderInstance::new("0f", ip, InstanceStatus::Active, DateTime::from_timestamp(1_769_817_300, 0).unwrap())
        }
    }

    #[test]
    fn an_inspected_machine_is_what_it_was_asked_to_be() {
        let running = json!({"Status": "running", "StartedAt": "2026-01-30T23:55:01Z"});
        let seen = |name: &str, asked: Option<&Value>| inspected(inspection(name, asked, running.clone()), Reach::Direct);
        assert_eq!(seen("/web-1", Some(&as_asked())), Seen { instance: machine("2x4g", "prod"), is_marked: true });
        assert_eq!(seen("/web-1", None), Seen { instance: machine("", "of the image"), is_marked: false }, "not made by spuff");
        let other = seen("/web-2", Some(&as_asked()));
        assert_eq!((other.instance.size.as_str(), other.is_marked), ("", false), "its label came with its image");

        let unhealthy = json!({"Status": "running", "Health": {"Status": "unhealthy"}});
        let status = |state| inspected(inspection("/web-1", Some(&as_asked()), state), Reach::Direct).instance.status;
        assert_eq!(status(unhealthy), InstanceStatus::Unknown("unhealthy".to_string()));
        let podman = |began: &str| status(json!({"Status": "created", "StartedAt": began}));
        assert_eq!(podman("2026-01-30T23:55:01Z"), InstanceStatus::Off, "it ran before the power went");
        assert_eq!((podman("0001-01-01T00:00:00Z"), podman("")), (InstanceStatus::New, InstanceStatus::New));
        let exited = json!({"Status": "exited", "StartedAt": "0001-01-01T00:00:00Z"});
        assert_eq!((status(exited), status(json!({}))), (InstanceStatus::Off, InstanceStatus::Unknown("unknown".to_string())));
    }

    #[test]
    fn a_listed_machine_is_the_one_that_is_inspected() {
        let summary = |asked: Value| -> ContainerSummary {
            let listed = json!({
                "Id": "0f", "Names": ["/web-1"], "Created": 1_769_817_300, "State": "running", "Status": "Up 2 seconds",
                "Labels": {"env": "of the image", (MACHINE_KEY): asked.to_string()},
                "Ports": [{"PrivatePort": 80, "PublicPort": 8080, "IP": "0.0.0.0", "Type": "tcp"}, {"PrivatePort": 53, "Type": "udp"}],
                "NetworkSettings": {"Networks": {"app": {"IPAddress": "172.18.0.2"}}}
            });
            serde_json::from_value(listed).unwrap()
        };
        let seen = listed(summary(as_asked()), Reach::Direct).unwrap();
        assert_eq!(seen, Seen { instance: machine("2x4g", "prod"), is_marked: true });
        let mut earlier = as_asked();
        earlier.as_object_mut().unwrap().remove("marked");
        assert!(!listed(summary(earlier), Reach::Direct).unwrap().is_marked, "an earlier version's first process leaves no mark");
    }

    #[test]
    fn what_a_container_is_shows_in_its_state_and_its_label() {
        for (state, expected) in
            [("running", true), ("restarting", true), ("exited", false), ("created", false), ("paused", false)]
        {
            assert_eq!(runs(&inspection("/web-1", None, json!({"Status": state}))), expected, "{state}");
        }
        assert!(!runs(&ContainerInspectResponse::default()) && !has_begun(&ContainerInspectResponse::default()));
        for (name, asked, expected) in
            [("/web-1", Some(as_asked()), true), ("/web-2", Some(as_asked()), false), ("/web-1", None, false)]
        {
            let seen = inspection(name, asked.as_ref(), json!({}));
            assert_eq!((is_of_snapshot(&seen), is_marked(&seen)), (expected, expected), "{name} {asked:?}");
        }
        let mut plain = as_asked();
        (plain["snapshot"], plain["marked"]) = (json!(false), json!(false));
        let plain = inspection("/web-1", Some(&plain), json!({}));
        assert!(!is_of_snapshot(&plain) && !is_marked(&plain));
    }

    #[test]
    fn a_network_without_a_name_is_the_one_that_every_engine_has() {
        for (mode, expected) in [(None, "bridge"), (Some(""), "bridge"), (Some("default"), "bridge"), (Some("app"), "app")] {
            assert_eq!(network(mode), expected, "{mode:?}");
        }
    }

    #[test]
    fn sizes() {
        const G: i64 = 1 << 30;
        for (size, limit) in [
            ("2x4g", (2_000_000_000, 4 * G)),
            ("0.5x512m", (500_000_000, G / 2)),
            ("1x6144k", (1_000_000_000, 6 << 20)),
            ("0.001x6m", (1_000_000, 6 << 20)),
        ] {
            assert_eq!(limits(size).unwrap(), Some(limit), "{size}");
        }
        assert_eq!(limits("").unwrap(), None);
        for size in [
            "2",
            "x4g",
            "2x",
            "2x4",
            "0x1g",
            "0.0009x1g",
            "1000001x1g",
            "-1x1g",
            "1e3x1g",
            "2x1.5g",
            "2x5m",
            "infx1g",
            "2x4t",
            "s-1vcpu-1gb",
            "2x99999999999g",
            "2xé",
        ] {
            let error = limits(size).unwrap_err();
            assert!(matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "size"), "{size}");
            assert!(error.to_string().contains("2x4g"), "{error}");
        }
    }

    #[test]
    fn states() {
        let table = [
            ("created", "", InstanceStatus::New),
            ("running", "", InstanceStatus::Active),
            ("running", "starting", InstanceStatus::New),
            ("running", "healthy", InstanceStatus::Active),
            ("running", "none", InstanceStatus::Active),
            ("running", "unhealthy", InstanceStatus::Unknown("unhealthy".to_string())),
            ("restarting", "", InstanceStatus::New),
            ("paused", "", InstanceStatus::Unknown("paused".to_string())),
            ("exited", "", InstanceStatus::Off),
            ("removing", "", InstanceStatus::Off),
            ("dead", "", InstanceStatus::Unknown("dead".to_string())),
            ("", "", InstanceStatus::Unknown("unknown".to_string())),
        ];
        for (state, health, expected) in table {
            assert_eq!(status(state, health), expected, "{state} {health}");
        }
    }

    #[test]
    fn ids_are_whole() {
        assert!(check_id("id", &"0f".repeat(32)).is_ok());
        for id in ["", "web-1", "0f0f0f0f0f0f", &"g".repeat(64), &"0".repeat(65)] {
            assert!(check_id("id", id).is_err(), "{id}");
        }
    }

    #[test]
    fn addresses_begin_with_those_of_the_region() {
        let network = |v4: &str, v6: &str| EndpointSettings {
            ip_address: Some(v4.to_string()),
            global_ipv6_address: Some(v6.to_string()),
            ..EndpointSettings::default()
        };
        let networks = HashMap::from([
            ("app".to_string(), network("172.18.0.2", "")),
            ("bridge".to_string(), network("172.17.0.2", "fd00::2")),
        ]);
        let shown = |region: &str| {
            addresses(&networks, region, "running", Reach::Direct)
                .iter()
                .map(|address| address.ip.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(shown("bridge"), ["172.17.0.2", "fd00::2", "172.18.0.2"]);
        assert_eq!(shown("app")[0], "172.18.0.2");
        let six = HashMap::from([("six".to_string(), network("", "fd00::3"))]);
        assert_eq!(Address::primary(&addresses(&six, "six", "running", Reach::Direct)).to_string(), "fd00::3");
        assert!(addresses(&six, "six", "exited", Reach::Direct).is_empty());

        let host = IpAddr::from(Ipv4Addr::new(192, 0, 2, 7));
        let seen = |reach| {
            let seen = addresses(&networks, "app", "running", reach);
            let shown = seen.iter().map(|address| (address.ip.to_string(), address.public)).collect::<Vec<_>>();
            (shown, primary(&seen).to_string())
        };
        let own = [("172.18.0.2", false), ("172.17.0.2", false), ("fd00::2", false)].map(|(ip, public)| (ip.to_string(), public));
        let (shown, ip) = seen(Reach::Published(Some(host)));
        assert_eq!((shown[0].clone(), &shown[1..], ip.as_str()), ((host.to_string(), true), &own[..], "192.0.2.7"));
        assert_eq!(seen(Reach::Published(None)), (own.to_vec(), "172.18.0.2".to_string()));
        assert!(addresses(&six, "six", "exited", Reach::Published(Some(host))).is_empty());
    }

    #[test]
    fn published_ports_are_labels() {
        let bound = |inside: &str, ip: &str, port: &str| (inside.to_string(), Some(ip.to_string()), port.to_string());
        let ports = [bound("80/tcp", "::", "8080"), bound("80/tcp", "0.0.0.0", "8080"), bound("53/udp", "", "32768")];
        let labels: Vec<_> = published(ports.into_iter()).collect();
        let expected = [("spuff-port-53/udp", "0.0.0.0:32768"), ("spuff-port-80/tcp", "0.0.0.0:8080,[::]:8080")];
        assert_eq!(labels, expected.map(|(key, value)| (key.to_string(), value.to_string())));
    }

    #[test]
    fn what_an_image_hands_down_is_no_machine() {
        let labels = HashMap::from([no_machine(), ("managed-by".to_string(), "spuff".to_string())]);
        let container = ContainerSummary { labels: Some(labels), ..ContainerSummary::default() };
        assert_eq!(listed(container, Reach::Direct), None);

        // Of an image that was made by `docker commit`, without spuff.
        let asked = Asked { name: "web-1".to_string(), ..Asked::default() };
        let labels = HashMap::from([(MACHINE_KEY.to_string(), serde_json::to_string(&asked).unwrap())]);
        let container = |name: &str| ContainerSummary {
            labels: Some(labels.clone()),
            names: Some(vec![name.to_string()]),
            ..ContainerSummary::default()
        };
        assert_eq!(listed(container("/web-1"), Reach::Direct).unwrap().instance.name, "web-1");
        assert_eq!(listed(container("/web-2"), Reach::Direct), None);
    }

    #[test]
    fn health_in_a_list_is_a_part_of_a_sentence() {
        let asked = serde_json::to_string(&Asked { name: "a".to_string(), ..Asked::default() }).unwrap();
        let labels = HashMap::from([(MACHINE_KEY.to_string(), asked)]);
        for (told, status) in [
            ("Up 2 seconds", InstanceStatus::Active),
            ("Up 2 seconds (healthy)", InstanceStatus::Active),
            ("Up 2 seconds (health: starting)", InstanceStatus::New),
            ("Up 1 minute (unhealthy)", InstanceStatus::Unknown("unhealthy".to_string())),
        ] {
            let container = ContainerSummary {
                labels: Some(labels.clone()),
                names: Some(vec!["/b/c".to_string(), "/a".to_string()]),
                state: Some(bollard::models::ContainerSummaryStateEnum::RUNNING),
                status: Some(told.to_string()),
                ..ContainerSummary::default()
            };
            assert_eq!(listed(container, Reach::Direct).unwrap().instance.status, status, "{told}");
        }
    }
}
