//! The wire types of the Hetzner Cloud API v1: request bodies, and the parts of replies that are
//! read.
//!
//! Omitted on purpose: `root_password`, which must not stay in memory, and `datacenter`, which the
//! API has dropped.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::{NumberedPage, wire};
use crate::provider::InstanceStatus;

/// The largest page size of the API.
pub(super) const PER_PAGE: usize = 50;
/// The API returns 25 actions and no further pages, so at most 25 are requested at once.
pub(super) const ACTIONS_PER_CALL: usize = 25;

#[derive(Serialize)]
pub(super) struct CreateServer<'a> {
    pub(super) name: &'a str,
    pub(super) server_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) location: &'a str,
    /// An id as a number, or a name.
    pub(super) image: Value,
    /// Like `image`.
    pub(super) ssh_keys: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_data: Option<&'a str>,
    pub(super) labels: BTreeMap<&'a str, &'a str>,
    pub(super) public_net: PublicNetwork,
    pub(super) start_after_create: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct PublicNetwork {
    pub(super) enable_ipv4: bool,
    pub(super) enable_ipv6: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct CreateImage<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) description: &'a str,
    pub(super) labels: BTreeMap<&'static str, String>,
}

/// All labels of a server; omitted ones are removed.
#[derive(Debug, Serialize)]
pub(super) struct SetLabels<'a> {
    pub(super) labels: &'a HashMap<String, String>,
}

/// A server's labels before they are replaced: an empty set differs from a missing field.
#[derive(Debug, Deserialize)]
pub(super) struct LabelsReply {
    pub(super) server: Labelled,
}

#[derive(Debug, Deserialize)]
pub(super) struct Labelled {
    #[serde(deserialize_with = "wire::number")]
    pub(super) id: u64,
    pub(super) labels: HashMap<String, String>,
}

/// The action that a call has begun.
#[derive(Debug, Deserialize)]
pub(super) struct ActionReply {
    pub(super) action: Action,
}

#[derive(Debug, Deserialize)]
pub(super) struct CreateServerReply {
    #[serde(deserialize_with = "wire::thing")]
    pub(super) server: Server,
    #[serde(default)]
    pub(super) action: Option<Action>,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) next_actions: Vec<Action>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CreateImageReply {
    #[serde(deserialize_with = "wire::thing")]
    pub(super) action: Action,
    #[serde(deserialize_with = "wire::thing")]
    pub(super) image: Image,
}

#[derive(Debug, Deserialize)]
pub(super) struct ServerReply {
    #[serde(deserialize_with = "wire::thing")]
    pub(super) server: Server,
}

#[derive(Debug, Deserialize)]
pub(super) struct ImageReply {
    #[serde(deserialize_with = "wire::thing")]
    pub(super) image: Image,
}

/// A page of any list.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    #[serde(
        rename = "list",
        deserialize_with = "wire::items",
        bound(deserialize = "T: Deserialize<'de>")
    )]
    #[serde(
        alias = "actions",
        alias = "images",
        alias = "server_types",
        alias = "servers",
        alias = "ssh_keys"
    )]
    pub(super) items: Vec<T>,
    #[serde(default, deserialize_with = "wire::nullable")]
    meta: Meta,
}

impl<T: DeserializeOwned> NumberedPage for List<T> {
    type Item = T;

    fn is_last(&self) -> bool {
        self.meta.pagination.next_page.is_none()
    }

    fn total(&self) -> Option<u64> {
        self.meta.pagination.total_entries
    }

    fn into_items(self) -> Vec<T> {
        self.items
    }
}

#[derive(Debug, Default, Deserialize)]
struct Meta {
    #[serde(default, deserialize_with = "wire::nullable")]
    pagination: Pagination,
}

#[derive(Debug, Default, Deserialize)]
struct Pagination {
    #[serde(default, deserialize_with = "wire::nullable")]
    next_page: Option<u64>,
    #[serde(default, deserialize_with = "wire::nullable")]
    total_entries: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Server {
    #[serde(deserialize_with = "wire::number")]
    pub(super) id: u64,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) name: String,
    #[serde(default = "wire::no_status", deserialize_with = "wire::status")]
    pub(super) status: InstanceStatus,
    #[serde(default, deserialize_with = "wire::time")]
    pub(super) created: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) public_net: PublicAddresses,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) private_net: Vec<Ip<IpAddr>>,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) labels: HashMap<String, String>,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) locked: bool,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) location: Named,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) server_type: Named,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct PublicAddresses {
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) ipv4: Ip<IpAddr>,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) ipv6: Ip<Host>,
}

#[derive(Debug, Deserialize)]
#[serde(bound = "A: FromStr")]
pub(super) struct Ip<A> {
    #[serde(default, deserialize_with = "wire::parsed")]
    pub(super) ip: Option<A>,
}

impl<A> Default for Ip<A> {
    fn default() -> Self {
        Self { ip: None }
    }
}

wire::objects! {
    Amount: |net| Some(Amount { net: net.to_string() }),
    Ip<Host>: |ip| Some(Ip { ip: ip.trim().parse().ok() }),
    Ip<IpAddr>: |ip| Some(Ip { ip: ip.trim().parse().ok() }),
    Meta,
    Named: |name| Some(Named { name: name.to_string() }),
    Pagination,
    Problem,
    PublicAddresses,
}

/// The public IPv6 address, which the API writes as the server's network.
#[derive(Debug)]
pub(super) struct Host(pub(super) Ipv6Addr);

#[derive(Debug, Default, Deserialize)]
pub(super) struct Named {
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) name: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Action {
    #[serde(deserialize_with = "wire::number")]
    pub(super) id: u64,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) command: String,
    /// The only reliable state: `error` may be filled while the action is running.
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) status: String,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) error: Problem,
}

/// Why an action failed.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Problem {
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) code: String,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) message: String,
}

/// An image; `name` is always null for a snapshot.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Image {
    #[serde(deserialize_with = "wire::number")]
    pub(super) id: u64,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) description: String,
    #[serde(rename = "type", default, deserialize_with = "wire::nullable")]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) status: String,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) architecture: String,
    #[serde(default, deserialize_with = "wire::time")]
    pub(super) created: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) deleted: Option<String>,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) labels: HashMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ServerType {
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) architecture: String,
}

/// The price list, which is one page, in the currency of the project's owner.
#[derive(Debug, Deserialize)]
pub(super) struct PricingReply {
    #[serde(deserialize_with = "wire::thing")]
    pub(super) pricing: Pricing,
}

#[derive(Debug, Deserialize)]
pub(super) struct Pricing {
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) currency: String,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) server_types: Vec<TypePrices>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TypePrices {
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) prices: Vec<LocationPrice>,
}

#[derive(Debug, Deserialize)]
pub(super) struct LocationPrice {
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) location: String,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) price_hourly: Amount,
}

/// An amount as text, without tax. With tax it would vary by customer and not compare with the
/// prices of other clouds.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Amount {
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) net: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct SshKey {
    #[serde(deserialize_with = "wire::number")]
    pub(super) id: u64,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) fingerprint: String,
}

#[cfg(test)]
mod tests;
