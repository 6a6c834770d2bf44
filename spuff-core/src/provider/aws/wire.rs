//! The wire types of the EC2 Query API 2016-11-15: the parts of replies that are read.
//!
//! Sets are `<name><item/>…</name>`; empty and absent sets are equal.

use chrono::{DateTime, Utc};
use quick_xml::events::Event;
use quick_xml::{DeError, Reader};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::http::{Call, HttpClient, Reply, wanted, wire};
use crate::provider::error::ProviderResult;

/// A reply, with the name of its root element. A document with another root, such as a proxy's
/// page, is not read as an empty reply.
pub(super) trait Document: DeserializeOwned {
    const ROOT: &'static str;

    /// Returns the id element that some item lacks: a resource without an id cannot be destroyed.
    fn nameless(&self) -> Option<&'static str> {
        None
    }
}

/// One page of a list, and the token of the next page; empty at the end.
pub(super) trait Listing: Document {
    type Item;
    fn into_parts(self) -> (Vec<Self::Item>, String);
}

macro_rules! documents {
    ($($name:ty: $root:literal $(, $id:literal of $ids:expr)?);* $(;)?) => {
        $(impl Document for $name {
            const ROOT: &'static str = $root;
            $(
                fn nameless(&self) -> Option<&'static str> {
                    let ids: fn(&Self) -> bool = $ids;
                    ids(self).then_some($id)
                }
            )?
        })*
    };
}

documents! {
    RunInstances: "RunInstancesResponse";
    DescribeInstances: "DescribeInstancesResponse", "instanceId" of |all| {
        all.reservation_set.item.iter().flat_map(|some| &some.instances_set.item)
            .any(|instance| instance.instance_id.trim().is_empty())
    };
    TerminateInstances: "TerminateInstancesResponse";
    CreateTags: "CreateTagsResponse";
    CreateImage: "CreateImageResponse";
    DescribeImages: "DescribeImagesResponse", "imageId" of |all| {
        all.images_set.item.iter().any(|image| image.image_id.trim().is_empty())
    };
    DeregisterImage: "DeregisterImageResponse";
    DescribeSnapshots: "DescribeSnapshotsResponse", "snapshotId" of |all| {
        all.snapshot_set.item.iter().any(|snapshot| snapshot.snapshot_id.trim().is_empty())
    };
    DeleteSnapshot: "DeleteSnapshotResponse";
    DescribeKeyPairs: "DescribeKeyPairsResponse", "keyName" of |all| {
        all.key_set.item.iter().any(|pair| pair.key_name.trim().is_empty())
    };
    DescribeInstanceTypes: "DescribeInstanceTypesResponse";
    DescribeRegions: "DescribeRegionsResponse", "regionName" of |all| {
        all.region_info.item.iter().any(|region| region.region_name.trim().is_empty())
    };
}

/// Sends a call that may be repeated, and reads its reply.
pub(super) async fn ask<T: Document>(http: &HttpClient, call: &Call<'_>) -> ProviderResult<T> {
    http.read(call, read).await
}

/// Reads a reply. Errors never repeat its content.
pub(super) fn read<T: Document>(reply: &Reply) -> ProviderResult<T> {
    if root(&reply.body).as_deref() != Some(T::ROOT) {
        return Err(reply.unreadable(&format!("is not a {}", T::ROOT)));
    }
    let read: T = quick_xml::de::from_reader(&reply.body[..]).map_err(|error| {
        let wanted = if let DeError::Custom(words) = &error { wanted(words) } else { None };
        let field =
            wanted.map(|(verb, field)| format!(": it {verb} `{field}`")).unwrap_or_default();
        reply.unreadable(&format!("is cut off or is not a valid {}{field}", T::ROOT))
    })?;
    match read.nameless() {
        Some(field) => {
            Err(reply.unreadable(&format!("is not a valid {}: it lacks `{field}`", T::ROOT)))
        }
        None => Ok(read),
    }
}

/// Returns the name of the root element.
pub(super) fn root(body: &[u8]) -> Option<String> {
    let mut reader = Reader::from_reader(body);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).ok()? {
            Event::Start(element) | Event::Empty(element) => {
                return Some(element.local_name().as_ref().to_string());
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, bound = "T: Deserialize<'de>")]
pub(super) struct Items<T> {
    pub(super) item: Vec<T>,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self { item: Vec::new() }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RunInstances {
    pub(super) instances_set: Items<Instance>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DescribeInstances {
    reservation_set: Items<RunInstances>,
    next_token: String,
}

impl Listing for DescribeInstances {
    type Item = Instance;

    fn into_parts(self) -> (Vec<Instance>, String) {
        let reservations = self.reservation_set.item.into_iter();
        let mut instances: Vec<_> =
            reservations.flat_map(|reservation| reservation.instances_set.item).collect();
        instances.dedup_by(|one, other| one.instance_id == other.instance_id);
        (instances, self.next_token)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Instance {
    pub(super) instance_id: String,
    pub(super) client_token: String,
    #[serde(deserialize_with = "wire::parsed")]
    pub(super) ami_launch_index: Option<u32>,
    pub(super) instance_state: State,
    pub(super) state_reason: Reason,
    pub(super) instance_type: String,
    #[serde(deserialize_with = "wire::time")]
    pub(super) launch_time: Option<DateTime<Utc>>,
    pub(super) ip_address: String,
    pub(super) private_ip_address: String,
    pub(super) ipv6_address: String,
    pub(super) network_interface_set: Items<NetworkInterface>,
    pub(super) tag_set: Items<Tag>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct State {
    #[serde(deserialize_with = "wire::lower")]
    pub(super) name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reason {
    pub(super) code: String,
    pub(super) message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NetworkInterface {
    pub(super) association: Association,
    pub(super) attachment: Attachment,
    pub(super) ipv6_addresses_set: Items<Ipv6Address>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Association {
    pub(super) public_ip: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Attachment {
    pub(super) device_index: String,
    #[serde(deserialize_with = "wire::time")]
    pub(super) attach_time: Option<DateTime<Utc>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Ipv6Address {
    pub(super) ipv6_address: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tag {
    pub(super) key: String,
    pub(super) value: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct TerminateInstances {}

#[derive(Debug, Default, Deserialize)]
pub(super) struct CreateTags {}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct CreateImage {
    pub(super) image_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DescribeImages {
    pub(super) images_set: Items<Image>,
    next_token: String,
}

impl Listing for DescribeImages {
    type Item = Image;

    fn into_parts(mut self) -> (Vec<Image>, String) {
        self.images_set.item.dedup_by(|one, other| one.image_id == other.image_id);
        (self.images_set.item, self.next_token)
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Image {
    pub(super) image_id: String,
    pub(super) name: String,
    #[serde(deserialize_with = "wire::lower")]
    pub(super) image_state: String,
    pub(super) state_reason: Reason,
    #[serde(deserialize_with = "wire::time")]
    pub(super) creation_date: Option<DateTime<Utc>>,
    pub(super) root_device_name: String,
    pub(super) root_device_type: String,
    pub(super) block_device_mapping: Items<BlockDevice>,
    pub(super) tag_set: Items<Tag>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct BlockDevice {
    pub(super) ebs: EbsSnapshot,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct EbsSnapshot {
    pub(super) snapshot_id: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct DeregisterImage {}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DescribeSnapshots {
    pub(super) snapshot_set: Items<EbsSnapshot>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct DeleteSnapshot {}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DescribeKeyPairs {
    pub(super) key_set: Items<KeyPair>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct KeyPair {
    pub(super) key_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DescribeInstanceTypes {
    pub(super) instance_type_set: Items<InstanceType>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct InstanceType {
    pub(super) processor_info: ProcessorInfo,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ProcessorInfo {
    pub(super) supported_architectures: Items<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DescribeRegions {
    pub(super) region_info: Items<Region>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Region {
    pub(super) region_name: String,
}

/// The reply of SSM's `GetParameter`, which is JSON.
#[derive(Debug, Deserialize)]
pub(super) struct GetParameter {
    #[serde(rename = "Parameter")]
    pub(super) parameter: Parameter,
}

#[derive(Debug, Deserialize)]
pub(super) struct Parameter {
    #[serde(rename = "Value")]
    pub(super) value: String,
}

#[cfg(test)]
mod tests;
