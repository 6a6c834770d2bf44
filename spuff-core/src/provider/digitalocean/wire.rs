//! The wire types of the DigitalOcean API v2: request bodies, and the parts of replies that are
//! read.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::http::NumberedPage;
use crate::http::wire::{self, Liberal};
use crate::provider::InstanceStatus;

/// The largest page size of the API.
pub(super) const PER_PAGE: usize = 200;

#[derive(Debug, Serialize)]
pub(super) struct CreateDroplet<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    /// The names of a batch.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) names: &'a [&'a str],
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) region: &'a str,
    pub(super) size: &'a str,
    pub(super) image: Reference,
    pub(super) ssh_keys: Vec<Reference>,
    pub(super) tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_data: Option<&'a str>,
    pub(super) ipv6: bool,
}

/// An image or key, by number, slug or fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Reference {
    Id(u64),
    Text(String),
}

impl Reference {
    pub(super) fn parse(text: &str) -> Self {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits).map_or_else(|| Self::Text(text.to_string()), Self::Id)
    }
}

#[derive(Debug, Serialize)]
pub(super) struct DropletAction<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) name: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct CreateTag<'a> {
    pub(super) name: &'a str,
}

#[derive(Debug, Deserialize)]
pub(super) struct TagReply {
    pub(super) tag: Tag,
}

/// A tag, and the number of resources that carry it.
#[derive(Debug, Deserialize)]
pub(super) struct Tag {
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) name: String,
    #[serde(default)]
    resources: Option<Tagged>,
}

#[derive(Debug, Deserialize)]
struct Tagged {
    #[serde(default)]
    count: Option<u64>,
}

impl Tag {
    /// Whether the API reports that no resource carries the tag.
    pub(super) fn is_on_nothing(&self) -> bool {
        self.resources.as_ref().is_some_and(|tagged| tagged.count == Some(0))
    }
}

#[derive(Debug, Serialize)]
pub(super) struct TagResources<'a> {
    pub(super) resources: [TagResource<'a>; 1],
}

#[derive(Debug, Serialize)]
pub(super) struct TagResource<'a> {
    pub(super) resource_id: &'a str,
    pub(super) resource_type: &'static str,
}

impl<'a> TagResources<'a> {
    pub(super) fn of(resource_id: &'a str, resource_type: &'static str) -> Self {
        Self { resources: [TagResource { resource_id, resource_type }] }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct DropletReply {
    #[serde(deserialize_with = "wire::thing")]
    pub(super) droplet: Droplet,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) links: Links,
}

#[derive(Debug, Deserialize)]
pub(super) struct Droplet {
    #[serde(deserialize_with = "wire::number")]
    pub(super) id: u64,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) name: String,
    #[serde(default = "wire::no_status", deserialize_with = "wire::status")]
    pub(super) status: InstanceStatus,
    #[serde(default, deserialize_with = "wire::time")]
    pub(super) created_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) networks: Networks,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) tags: Vec<String>,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) region: Slug,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) size_slug: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Slug {
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) slug: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Networks {
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) v4: Vec<Network>,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) v6: Vec<Network>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Network {
    #[serde(default, deserialize_with = "wire::parsed")]
    pub(super) ip_address: Option<IpAddr>,
    #[serde(rename = "type", default, deserialize_with = "wire::nullable")]
    pub(super) kind: NetworkKind,
}

/// An address is public only if the reply says so.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum NetworkKind {
    Public,
    #[default]
    Private,
}

impl<'de> Liberal<'de> for NetworkKind {
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let public = String::read(deserializer)?.trim().eq_ignore_ascii_case("public");
        Ok(if public { Self::Public } else { Self::Private })
    }
}

wire::objects! {Meta,
    Links,
    Networks,
    Pages,
    Slug: |text| Some(Slug { slug: text.to_string() }),
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Links {
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) actions: Vec<ActionLink>,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) pages: Pages,
}

#[derive(Debug, Deserialize)]
pub(super) struct ActionLink {
    #[serde(deserialize_with = "wire::number")]
    pub(super) id: u64,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) rel: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Pages {
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) next: Option<String>,
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
        alias = "droplets",
        alias = "images",
        alias = "snapshots",
        alias = "ssh_keys",
        alias = "actions",
        alias = "sizes",
        alias = "tags"
    )]
    items: Vec<T>,
    #[serde(default, deserialize_with = "wire::nullable")]
    links: Links,
    #[serde(default, deserialize_with = "wire::nullable")]
    meta: Meta,
}

#[derive(Debug, Default, Deserialize)]
struct Meta {
    #[serde(default, deserialize_with = "wire::nullable")]
    total: Option<u64>,
}

impl<T: DeserializeOwned> NumberedPage for List<T> {
    type Item = T;

    fn is_last(&self) -> bool {
        self.links.pages.next.is_none()
    }

    fn total(&self) -> Option<u64> {
        self.meta.total
    }

    fn into_items(self) -> Vec<T> {
        self.items
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ActionReply {
    #[serde(deserialize_with = "wire::thing")]
    pub(super) action: Action,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Action {
    #[serde(deserialize_with = "wire::number")]
    pub(super) id: u64,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) status: String,
    #[serde(rename = "type", default, deserialize_with = "wire::nullable")]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "wire::time")]
    pub(super) started_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::time")]
    pub(super) completed_at: Option<DateTime<Utc>>,
}

impl Action {
    pub(super) fn is_running_snapshot(&self) -> bool {
        self.kind == "snapshot" && self.status == "in-progress"
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ImageReply {
    #[serde(deserialize_with = "wire::thing")]
    pub(super) image: Image,
}

/// A snapshot, from the list of images or of snapshots.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Image {
    #[serde(deserialize_with = "wire::id")]
    pub(super) id: String,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) name: String,
    #[serde(rename = "type", default, deserialize_with = "wire::nullable")]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) status: String,
    #[serde(default, deserialize_with = "wire::time")]
    pub(super) created_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) tags: Vec<String>,
    /// The droplet that the snapshot was taken of; only in the list of snapshots.
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) resource_id: String,
}

/// A size. Availability is not read: the create checks the current state.
#[derive(Debug, Deserialize)]
pub(super) struct Size {
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) slug: String,
    /// In US dollars, without tax.
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) price_hourly: f64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct SshKey {
    #[serde(deserialize_with = "wire::number")]
    pub(super) id: u64,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "wire::nullable")]
    pub(super) fingerprint: String,
}

/// `{"id", "message", "request_id"}`, or on tag endpoints `{"error", "messages"}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    #[serde(deserialize_with = "wire::nullable")]
    pub(super) id: String,
    #[serde(deserialize_with = "wire::nullable")]
    pub(super) message: Option<String>,
    #[serde(deserialize_with = "wire::nullable")]
    pub(super) request_id: Option<String>,
    #[serde(deserialize_with = "wire::nullable")]
    pub(super) error: Option<String>,
    #[serde(deserialize_with = "wire::nullable")]
    pub(super) messages: Vec<String>,
    root_causes: Option<serde::de::IgnoredAny>,
}

impl Problem {
    /// Whether the body has one of the API's forms: other servers send messages and errors too.
    pub(super) fn is_own(&self) -> bool {
        let is_plain = !self.id.is_empty() || (self.message.is_some() && self.request_id.is_some());
        is_plain || self.is_absence()
    }

    /// Whether, with status 404, this can only mean that the resource of the path does not exist.
    pub(super) fn is_absence(&self) -> bool {
        self.id == "not_found" || self.is_of_tags() || self.message.as_deref() == Some(ABSENT)
    }

    fn is_of_tags(&self) -> bool {
        self.error.is_some() && (self.root_causes.is_some() || !self.messages.is_empty())
    }
}

/// The message for a missing resource; the `id` beside it may be empty.
const ABSENT: &str = "The resource you were accessing could not be found.";

#[cfg(test)]
mod tests;
