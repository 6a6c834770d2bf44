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
mod tests {
    use super::super::convert;
    use super::*;
    use crate::http::changed::{each_element, reply as bytes};
    use crate::provider::InstanceStatus;

    fn reply(body: &str) -> Reply {
        bytes(body.to_string())
    }

    #[test]
    fn sets_are_read_whether_full_empty_or_absent() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
            <DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><reservationSet>
            <item><groupSet/><instancesSet><item><instanceId>i-1</instanceId><new><item>1</item></new>
              <instanceState><code>16</code><name>running</name></instanceState><launchTime>2026-01-05T10:00:00.000Z</launchTime>
              <tagSet><item><key>Name</key><value>a &amp; b</value></item><item><key>empty</key><value/></item></tagSet>
              <networkInterfaceSet/></item><item><instanceId>i-2</instanceId><launchTime/></item></instancesSet></item>
            <item><instancesSet/></item><item/></reservationSet><nextToken/></DescribeInstancesResponse>"#;
        let (instances, next) = read::<DescribeInstances>(&reply(text)).unwrap().into_parts();
        assert_eq!((instances.len(), next.as_str()), (2, ""));
        let tags: Vec<_> = instances[0]
            .tag_set
            .item
            .iter()
            .map(|tag| (tag.key.as_str(), tag.value.as_str()))
            .collect();
        assert_eq!(tags, [("Name", "a & b"), ("empty", "")]);
        assert_eq!(instances[0].launch_time.unwrap().timestamp(), 1_767_607_200);
        assert_eq!((instances[1].instance_id.as_str(), instances[1].launch_time), ("i-2", None));
    }

    #[test]
    fn another_document_is_not_an_empty_one() {
        for body in [
            "",
            " ",
            "<html><body>Welcome</body></html>",
            "<RunInstancesResponse/>",
            "{}",
            "<DescribeInstancesResponse><reservationSet><item>",
            "<DescribeInstancesResponse><reservationSet></DescribeInstancesResponse>",
        ] {
            assert!(read::<DescribeInstances>(&reply(body)).is_err(), "{body}");
        }
        assert!(read::<DescribeInstances>(&reply("<DescribeInstancesResponse/>")).is_ok());
    }

    const INSTANCES: &str = r#"<?xml version="1.0" encoding="UTF-8"?><DescribeInstancesResponse><requestId>r</requestId>
        <reservationSet><item><reservationId>r-1</reservationId><groupSet/><instancesSet><item><instanceId>i-1</instanceId>
        <amiLaunchIndex>3</amiLaunchIndex><instanceState><code>16</code><name>running</name></instanceState>
        <stateReason><code>c</code><message>m</message></stateReason><instanceType>t3.micro</instanceType>
        <launchTime>2026-01-05T10:00:00.000Z</launchTime><ipAddress>203.0.113.7</ipAddress>
        <privateIpAddress>10.0.0.2</privateIpAddress><ipv6Address>2600::1</ipv6Address><networkInterfaceSet><item>
        <association><publicIp>203.0.113.7</publicIp></association>
        <attachment><deviceIndex>0</deviceIndex><attachTime>2026-01-05T10:00:00.000Z</attachTime></attachment>
        <ipv6AddressesSet><item><ipv6Address>2600::1</ipv6Address></item></ipv6AddressesSet></item></networkInterfaceSet>
        <tagSet><item><key>managed-by</key><value>spuff</value></item></tagSet></item></instancesSet></item></reservationSet>
        <nextToken>more</nextToken></DescribeInstancesResponse>"#;

    #[test]
    fn an_instance_reads_as_what_it_is_when_an_element_is_not_as_ever() {
        let sets = ["reservationSet", "instancesSet", "item"];
        for (element, how, text) in each_element(INSTANCES) {
            let (instances, next) = match read::<DescribeInstances>(&reply(&text)) {
                Ok(read) => read.into_parts(),
                Err(error) => {
                    let error = error.to_string();
                    let named = error.contains(&format!("`{element}`")) || matches!(how, "filled");
                    // A changed `item` is reported as an item without an id.
                    assert!(
                        named || (element == "item" && error.contains("instanceId")),
                        "{element} {how}: {error}"
                    );
                    assert!(!error.contains("canary"), "{element} {how}: {error}");
                    assert!(
                        how != "removed" && how != "emptied"
                            || element.ends_with("Id")
                            || element == "item",
                        "{element} {how}"
                    );
                    continue;
                }
            };
            let whole = sets.contains(&element.as_str());
            assert!(
                instances.len() == 1 || (whole && how != "doubled"),
                "{element} {how}: {instances:?}"
            );
            assert!(element == "nextToken" || next == "more", "{element} {how}");
            for instance in instances {
                assert!(!convert::is_ending(&instance), "{element} {how}");
                let index = instance.ami_launch_index;
                assert!(
                    index == Some(3) || (element == "amiLaunchIndex" && index.is_none()),
                    "{element} {how}: {index:?}"
                );
                let told = convert::instance(instance, "us-east-1");
                assert!(
                    told.id == "i-1" || (element == "instanceId" && how == "other"),
                    "{element} {how}: {told:?}"
                );
                let made = told.known_created_at();
                assert!(
                    made.is_some_and(|made| made.timestamp() == 1_767_607_200),
                    "{element} {how}: {made:?}"
                );
                let stated = ["instanceState", "name"].contains(&element.as_str());
                assert!(
                    stated || told.status == InstanceStatus::Active,
                    "{element} {how}: {:?}",
                    told.status
                );
                assert!(told.is_ready() || stated, "{element} {how}: {told:?}");
                let tagged = ["tagSet", "key", "value", "item"].contains(&element.as_str());
                assert!(tagged || told.is_managed(), "{element} {how}: {told:?}");
            }
        }
    }

    #[test]
    fn an_image_stays_one_when_an_element_is_not_as_ever() {
        const IMAGES: &str = "<DescribeImagesResponse><requestId>r</requestId><imagesSet><item>\
            <imageId>ami-1</imageId><name>n</name><imageState>available</imageState>\
            <stateReason><code>c</code><message>m</message></stateReason>\
            <creationDate>2026-01-05T10:00:00.000Z</creationDate>\
            <rootDeviceName>/dev/sda1</rootDeviceName><rootDeviceType>ebs</rootDeviceType>\
            <blockDeviceMapping><item><deviceName>/dev/sda1</deviceName>\
            <ebs><snapshotId>snap-1</snapshotId></ebs></item></blockDeviceMapping>\
            <tagSet><item><key>managed-by</key><value>spuff</value></item></tagSet></item>\
            </imagesSet>\
            <nextToken>more</nextToken></DescribeImagesResponse>";
        for (element, how, text) in each_element(IMAGES) {
            match read::<DescribeImages>(&reply(&text)) {
                Ok(read) => {
                    let (images, next) = read.into_parts();
                    let whole = ["imagesSet", "item"].contains(&element.as_str());
                    assert!(
                        images.len() == 1 || (whole && how != "doubled"),
                        "{element} {how}: {images:?}"
                    );
                    assert!(element == "nextToken" || next == "more", "{element} {how}");
                    let tagged = ["tagSet", "key", "value", "item"].contains(&element.as_str());
                    assert!(
                        tagged || images.iter().all(convert::is_managed_snapshot),
                        "{element} {how}: {images:?}"
                    );
                    assert!(!images.iter().any(convert::has_failed), "{element} {how}");
                }
                Err(error) => {
                    let error = error.to_string();
                    let named = error.contains(&format!("`{element}`")) || matches!(how, "filled");
                    assert!(
                        named || (element == "item" && error.contains("imageId")),
                        "{element} {how}: {error}"
                    );
                    assert!(!error.contains("canary"), "{element} {how}: {error}");
                }
            }
        }
    }
}
