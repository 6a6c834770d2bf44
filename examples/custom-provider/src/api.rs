//! The wire types, and their conversion to the contract's types. This module sends no request.
//!
//! It reads only the fields that the provider uses. A field that the cloud may leave out, or send
//! as
//! `null`, is an `Option`: a missing field must not lose a new instance. Nimbus calls an instance a
//! machine, and a region a place.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use spuff_core::provider::{Address, ImageSpec, InstanceStatus, ProviderInstance, Snapshot};

#[derive(Debug, Serialize)]
pub(crate) struct CreateMachine<'a> {
    pub(crate) name: &'a str,
    pub(crate) place: &'a str,
    pub(crate) size: &'a str,
    pub(crate) image: String,
    pub(crate) labels: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) ssh_keys: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct MachineReply {
    pub(crate) machine: Machine,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Machine {
    pub(crate) id: String,
    pub(crate) state: String,
    /// Why the state is `failed`.
    pub(crate) reason: Option<String>,
    created: Option<DateTime<Utc>>,
    name: Option<String>,
    place: Option<String>,
    size: Option<String>,
    labels: Option<HashMap<String, String>>,
    public_ips: Option<Vec<String>>,
    private_ips: Option<Vec<String>>,
}

impl From<Machine> for ProviderInstance {
    fn from(machine: Machine) -> Self {
        let parsed = |ips: Option<Vec<String>>| {
            ips.unwrap_or_default().into_iter().filter_map(|ip| ip.parse().ok())
        };
        let public = parsed(machine.public_ips).map(|ip: std::net::IpAddr| Address::public(ip));
        let private = parsed(machine.private_ips).map(|ip: std::net::IpAddr| Address::private(ip));
        let addresses: Vec<Address> = public.chain(private).collect();
        Self {
            id: machine.id,
            ip: Address::primary(&addresses),
            status: status(&machine.state),
            created_at: machine.created.unwrap_or_default(),
            name: machine.name.unwrap_or_default(),
            region: machine.place.unwrap_or_default(),
            size: machine.size.unwrap_or_default(),
            labels: machine.labels.unwrap_or_default(),
            addresses,
            ..Self::default()
        }
    }
}

/// Nimbus' own states first. `from_word` knows those that all clouds share, and keeps a state that
/// it does not know.
pub(crate) fn status(word: &str) -> InstanceStatus {
    match word {
        "provisioning" | "booting" => InstanceStatus::New,
        "asleep" => InstanceStatus::Off,
        word => InstanceStatus::from_word(word),
    }
}

/// The name of an image at Nimbus.
pub(crate) fn image(spec: &ImageSpec) -> String {
    match spec {
        ImageSpec::Ubuntu(version) => format!("ubuntu-{version}"),
        ImageSpec::Debian(version) => format!("debian-{version}"),
        ImageSpec::Custom(id) | ImageSpec::Snapshot(id) => id.clone(),
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct CreateSnapshot<'a> {
    pub(crate) name: &'a str,
    pub(crate) labels: BTreeMap<&'a str, &'a str>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SnapshotStarted {
    pub(crate) snapshot: SnapshotItem,
    pub(crate) action: Action,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SnapshotItem {
    id: String,
    name: Option<String>,
    created: Option<DateTime<Utc>>,
}

impl From<SnapshotItem> for Snapshot {
    fn from(item: SnapshotItem) -> Self {
        Self { id: item.id, name: item.name.unwrap_or_default(), created_at: item.created }
    }
}

/// Work that the cloud continues after the reply.
#[derive(Debug, Deserialize)]
pub(crate) struct Action {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ActionReply {
    pub(crate) action: Action,
}

/// One page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<T> {
    #[serde(alias = "machines", alias = "snapshots")]
    pub(crate) items: Vec<T>,
    pub(crate) next_page: Option<u32>,
}

/// The body of every error.
#[derive(Debug, Deserialize)]
pub(crate) struct ApiError {
    pub(crate) error: ApiErrorDetail,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ApiErrorDetail {
    pub(crate) code: String,
    pub(crate) message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_converted() {
        for (word, expected) in [
            ("provisioning", InstanceStatus::New),
            ("pending", InstanceStatus::New),
            ("running", InstanceStatus::Active),
            ("asleep", InstanceStatus::Off),
            ("terminated", InstanceStatus::Archive),
            ("on-fire", InstanceStatus::Unknown("on-fire".to_string())),
        ] {
            assert_eq!(status(word), expected, "{word}");
        }
    }

    #[test]
    fn images_are_converted() {
        for (text, name) in [
            ("ubuntu:24.04", "ubuntu-24.04"),
            ("debian:12", "debian-12"),
            ("snapshot:s-7", "s-7"),
            ("w", "w"),
        ] {
            assert_eq!(text.parse().map(|spec| image(&spec)), Ok(name.to_string()));
        }
    }

    #[test]
    fn missing_fields_are_accepted() {
        let machine: Machine =
            serde_json::from_str(r#"{"id": "vm-1", "state": "booting", "labels": null, "new": 1}"#)
                .unwrap();
        let instance = ProviderInstance::from(machine);
        assert!(
            instance.id == "vm-1"
                && instance.ip.is_unspecified()
                && instance.status == InstanceStatus::New
        );
    }

    #[test]
    fn ipv4_goes_before_ipv6_and_public_before_private() {
        let text = r#"{"id": "vm-1", "state": "running", "public_ips": ["2001:db8::1", "junk", "192.0.2.1"],
                       "private_ips": ["10.0.0.2"]}"#;
        let instance = ProviderInstance::from(serde_json::from_str::<Machine>(text).unwrap());
        assert_eq!(instance.ip.to_string(), "192.0.2.1");
        assert_eq!(instance.addresses.len(), 3);
        assert!(instance.is_ready());
    }
}
