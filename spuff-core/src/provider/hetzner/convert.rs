//! Pure conversions between the contract's types and Hetzner's, tested by tables.

use std::collections::{BTreeMap, HashMap};
use std::net::{AddrParseError, Ipv6Addr};
use std::str::FromStr;

use serde_json::Value;

use super::NAME;
use super::wire::{Action, CreateImage, CreateServer, Host, Image, Pricing, PublicNetwork, Server};
use crate::provider::config::{ImageSpec, InstanceRequest};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::shared::price_list;
use crate::provider::shared::validate;
use crate::provider::{Address, Price, ProviderInstance, Snapshot, labels};

pub(super) const MAX_USER_DATA: usize = 32 * 1024;
/// Limits of a host name, whole and between two dots.
const MAX_NAME: usize = 253;
const MAX_NAME_PART: usize = 63;
/// Limits of a label's key and value, and of a key's optional prefix.
const MAX_LABEL: usize = 63;
const MAX_LABEL_PREFIX: usize = 253;
const RESERVED_PREFIX: &str = "hetzner.cloud";
/// Selects resources with `managed-by=spuff`.
pub(super) const MANAGED_SELECTOR: &str = "managed-by==spuff";

/// Runs the checks that need no look-up, before the first request.
pub(super) fn check_request(request: &InstanceRequest) -> ProviderResult<()> {
    validate::request(request, MAX_NAME, MAX_USER_DATA)?;
    for part in request.name.split('.') {
        validate::at_most(
            "name",
            part.len(),
            MAX_NAME_PART,
            "characters between two dots",
            "shorten it",
        )?;
        validate::host_name("name", part, MAX_NAME_PART)?;
    }
    image(&request.image)?;
    validate::labels(request)?.iter().try_for_each(|(key, value)| check_label(key, value))
}

pub(super) fn create_server(
    request: &InstanceRequest,
    image: Value,
    ssh_keys: Vec<Value>,
) -> ProviderResult<CreateServer<'_>> {
    Ok(CreateServer {
        name: &request.name,
        server_type: &request.size,
        location: &request.region,
        image,
        ssh_keys,
        user_data: request.user_data.as_deref(),
        labels: validate::labels(request)?,
        public_net: PublicNetwork { enable_ipv4: true, enable_ipv6: true },
        start_after_create: true,
    })
}

/// A snapshot's name goes into its description: the API has no snapshot names, and labels hold no
/// free text.
pub(super) fn create_image<'a>(
    name: &'a str,
    labels: BTreeMap<&'static str, String>,
) -> CreateImage<'a> {
    CreateImage { kind: "snapshot", description: name, labels }
}

/// Returns the hourly price of each type in each location. Omits unreadable prices.
pub(super) fn prices(pricing: Pricing) -> price_list::List {
    let currency = &pricing.currency;
    let types = pricing.server_types.into_iter();
    types
        .map(|of| {
            let offers = of.prices.into_iter();
            let offers = offers.filter_map(|at| {
                Some((at.location, Price::listed(&at.price_hourly.net, currency)?))
            });
            (of.name, offers.collect())
        })
        .collect()
}

/// How a request identifies an image.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Wanted {
    Id(u64),
    /// The name of one of Hetzner's operating system images.
    System(String),
    /// The name of any image.
    Any(String),
}

pub(super) fn image(spec: &ImageSpec) -> ProviderResult<Wanted> {
    let release = |distribution: &str, version: &str| {
        validate::required("image", version)?;
        validate::slug("image", version)?;
        Ok(Wanted::System(format!("{distribution}-{version}")))
    };
    match spec {
        ImageSpec::Ubuntu(version) => release("ubuntu", version),
        ImageSpec::Debian(version) => {
            release("debian", version.split('.').next().unwrap_or(version))
        }
        ImageSpec::Custom(id) => {
            validate::required("image", id)?;
            Ok(validate::numeric_id(NAME, "image", id)
                .map_or_else(|_| Wanted::Any(id.clone()), Wanted::Id))
        }
        ImageSpec::Snapshot(id) => validate::numeric_id(NAME, "image", id).map(Wanted::Id),
    }
}

/// Returns an id as a number, which is how the API distinguishes it from a name.
pub(super) fn ssh_key(key: &str) -> Value {
    validate::numeric_id(NAME, "ssh_keys", key).map_or_else(|_| Value::from(key), Value::from)
}

/// Whether the key is sixteen hexadecimal bytes separated by colons.
pub(super) fn is_fingerprint(key: &str) -> bool {
    let pairs = || key.split(':');
    pairs().count() == 16
        && pairs().all(|pair| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

pub(super) fn check_label(key: &str, value: &str) -> ProviderResult<()> {
    let field = &format!("labels[{key:?}]");
    let (prefix, name) =
        key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if name.is_empty() || prefix.is_some_and(str::is_empty) {
        return Err(ProviderError::invalid_config(
            field,
            "the key is empty or has an empty part; give it a name",
        ));
    }
    if let Some(prefix) = prefix {
        if prefix == RESERVED_PREFIX {
            return Err(ProviderError::invalid_config(
                field,
                format!("{RESERVED_PREFIX}/ is reserved; use another prefix"),
            ));
        }
        label_text(field, "prefix of the key", prefix, MAX_LABEL_PREFIX, "-.")?;
    }
    label_text(field, "key", name, MAX_LABEL, "-_.")?;
    label_text(field, "value", value, MAX_LABEL, "-_.")
}

fn label_text(
    field: &str,
    part: &str,
    text: &str,
    limit: usize,
    symbols: &str,
) -> ProviderResult<()> {
    validate::at_most(field, text.len(), limit, &format!("bytes in the {part}"), "shorten it")?;
    let alphanumeric = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let wrong = text.chars().find(|c| !(c.is_ascii_alphanumeric() || symbols.contains(*c)));
    let message = if let Some(wrong) = wrong {
        format!(
            "the {part} {text:?} contains {wrong:?}: use letters, digits and {symbols:?}, such as \
             a date without ':' and '+'"
        )
    } else if alphanumeric(text.chars().next()) && alphanumeric(text.chars().last()) {
        return Ok(());
    } else {
        format!("the {part} {text:?} must begin and end with a letter or digit")
    };
    Err(ProviderError::invalid_config(field, message))
}

pub(super) fn instance(server: Server) -> ProviderInstance {
    let ipv4 = server.public_net.ipv4.ip.map(Address::public);
    let ipv6 = server.public_net.ipv6.ip.map(|host| Address::public(host.0));
    let private = server.private_net.iter().filter_map(|network| network.ip).map(Address::private);
    let addresses: Vec<_> = ipv4.into_iter().chain(ipv6).chain(private).collect();
    ProviderInstance {
        id: server.id.to_string(),
        ip: Address::primary(&addresses),
        status: server.status,
        created_at: server.created.unwrap_or_default(),
        name: server.name,
        region: server.location.name,
        size: server.server_type.name,
        labels: server.labels,
        addresses,
        ..ProviderInstance::default()
    }
}

/// A server has a whole /64 network; Hetzner's images assign it the first address, `::1`.
impl FromStr for Host {
    type Err = AddrParseError;

    fn from_str(network: &str) -> Result<Self, AddrParseError> {
        let (address, is_network) =
            network.split_once('/').map_or((network, false), |(address, _)| (address, true));
        let bits = address.parse::<Ipv6Addr>()?.to_bits();
        let host = bits & u128::from(u64::MAX);
        Ok(Self(Ipv6Addr::from_bits(if is_network && host == 0 { bits | 1 } else { bits })))
    }
}

pub(super) fn snapshot(image: Image) -> Snapshot {
    Snapshot { id: image.id.to_string(), name: image.description, created_at: image.created }
}

pub(super) fn labelled_snapshot(mut image: Image) -> (Snapshot, HashMap<String, String>) {
    let labels = std::mem::take(&mut image.labels);
    (snapshot(image), labels)
}

/// Whether the image is a managed snapshot that still exists.
pub(super) fn is_managed_snapshot(image: &Image) -> bool {
    let ours =
        image.labels.get(labels::MANAGED_BY).is_some_and(|value| value == labels::MANAGED_BY_VALUE);
    // Only snapshots were requested: an unknown or missing type does not exclude an image.
    let other = matches!(image.kind.as_str(), "app" | "backup" | "system" | "temporary");
    !other && image.deleted.is_none() && ours
}

/// The combined state of several actions.
#[derive(Debug)]
pub(super) enum Progress<'a> {
    /// An action that ended in an error.
    Failed(&'a Action),
    /// An action that has not ended.
    Running(&'a Action),
    Success,
    /// There are none, or the API no longer shows all of them.
    Unknown,
}

pub(super) fn progress<'a>(ids: &[u64], actions: &'a [Action]) -> Progress<'a> {
    let find = |matches: fn(&str) -> bool| {
        actions.iter().find(|action| ids.contains(&action.id) && matches(&action.status))
    };
    if let Some(failed) = find(|status| status == "error") {
        return Progress::Failed(failed);
    }
    if let Some(running) = find(|status| status != "success") {
        return Progress::Running(running);
    }
    let shown = |id: &u64| actions.iter().any(|action| action.id == *id);
    if !ids.is_empty() && ids.iter().all(shown) { Progress::Success } else { Progress::Unknown }
}

#[cfg(test)]
mod tests;
