//! Pure conversions between the contract's types and EC2's, tested by tables.

use std::collections::{HashMap, HashSet};
use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::NAME;
use super::boot_image::BootImage;
use super::errors::UNSUPPORTED;
use super::query::Query;
use super::wire::{Image, Instance, Tag};
use crate::http::wire;
use crate::provider::config::InstanceRequest;
use crate::provider::error::{ErrorContext, ProviderError, ProviderResult};
use crate::provider::shared::validate;
use crate::provider::{Address, ProviderInstance, Snapshot, labels};

/// The limit of the raw bytes, before base64.
pub(super) const MAX_USER_DATA: usize = 16 * 1024;
const MAX_TAGS: usize = 50;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;
const MAX_KEY_NAME: usize = 255;
/// The tag that EC2's own tools show as the name.
pub(super) const NAME_TAG: &str = "Name";
/// The prefix of tags that EC2 reserves.
const RESERVED: &str = "aws:";
/// The filter for managed resources.
pub(super) const MANAGED: (&str, &str) = ("tag:managed-by", labels::MANAGED_BY_VALUE);

/// The filter for resources made under a key.
pub(super) const KEY: &str = "tag:spuff-key";

/// The network placement of instances; EC2's default if unset.
#[derive(Debug, Default)]
pub(super) struct Network {
    pub(super) subnet: Option<String>,
    pub(super) security_group: Option<String>,
}

impl Network {
    /// Corrects the error of a refused create: if the subnet fixes the zone, a size that the zone
    /// does not have is invalid.
    pub(super) fn refused(&self, error: ProviderError) -> ProviderError {
        match &error {
            ProviderError::Capacity { message, context }
                if self.subnet.is_some() && context.code.as_deref() == Some(UNSUPPORTED) =>
            {
                ProviderError::invalid_config("size", format!("{message}{context}"))
            }
            _ => error,
        }
    }
}

/// Runs the checks that need no look-up, before the first request.
pub(super) fn check_request(request: &InstanceRequest) -> ProviderResult<()> {
    validate::required("name", &request.name)?;
    validate::required("size", &request.size)?;
    validate::slug("size", &request.size)?;
    if let [_, more @ ..] = request.ssh_keys.as_slice()
        && !more.is_empty()
    {
        let message = format!(
            "{} keys, but EC2 takes one key pair; put the others into user_data",
            more.len() + 1
        );
        return Err(ProviderError::invalid_config("ssh_keys", message));
    }
    for key in &request.ssh_keys {
        validate::required("ssh_keys", key)?;
        validate::at_most(
            "ssh_keys",
            key.len(),
            MAX_KEY_NAME,
            "bytes",
            "give the name of a key pair",
        )?;
    }
    tags(request)?;
    user_data(request).map(drop)
}

/// Checks a request against EC2's limits and builds the query. The same request, image and key
/// produce the same bytes.
pub(super) fn run_instances(
    request: &InstanceRequest,
    count: usize,
    image: &BootImage,
    network: &Network,
    key: &str,
) -> ProviderResult<Query> {
    let count = count.to_string();
    let mut query = Query::new("RunInstances")
        .with("MinCount", &count)
        .with("MaxCount", &count)
        .with("ClientToken", key)
        .with("InstanceType", &request.size)
        .with("ImageId", &image.id)
        .with_some("UserData", user_data(request)?)
        .with_some("KeyName", request.ssh_keys.first());
    if let Some(device) = &image.root_device {
        query = query
            .with("BlockDeviceMapping.1.DeviceName", device)
            .with("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true");
    }
    // Overrides the subnet's default: without a public address, a wait for readiness cannot
    // succeed.
    let mut query = query
        .with("NetworkInterface.1.DeviceIndex", "0")
        .with("NetworkInterface.1.AssociatePublicIpAddress", "true")
        .with_some("NetworkInterface.1.SubnetId", network.subnet.as_ref())
        .with_some("NetworkInterface.1.SecurityGroupId.1", network.security_group.as_ref())
        .with("MetadataOptions.HttpTokens", "required");
    if request.ttl.is_some() {
        // An instance that shuts itself down at the end of its lease costs no more.
        query = query.with("InstanceInitiatedShutdownBehavior", "terminate");
    }
    let mut tags = tags(request)?;
    // The instances of a batch are named later, one by one.
    tags.retain(|(key, _)| count == "1" || *key != NAME_TAG);
    Ok(query.tags(&["instance", "volume"], &tags))
}

/// Returns the labels, and the name as the tag that EC2's own tools show.
fn tags(request: &InstanceRequest) -> ProviderResult<Vec<(&str, &str)>> {
    let mut tags = validate::labels(request)?;
    if let Some(other) = tags.insert(NAME_TAG, &request.name).filter(|other| *other != request.name)
    {
        let message = format!(
            "{other:?}: on EC2 the tag {NAME_TAG} is the instance's name; set the name instead"
        );
        return Err(ProviderError::invalid_config("labels[\"Name\"]", message));
    }
    validate::at_most(
        "labels",
        tags.len(),
        MAX_TAGS,
        "tags (with the name and spuff's own)",
        "leave some out",
    )?;
    let tags = tags.into_iter().collect::<Vec<_>>();
    check_tags(&tags)?;
    Ok(tags)
}

pub(super) fn check_tags(tags: &[(&str, &str)]) -> ProviderResult<()> {
    for (key, value) in tags {
        let field = if *key == NAME_TAG { "name".to_string() } else { format!("labels[{key:?}]") };
        validate::required(&field, key)?;
        if key.to_ascii_lowercase().starts_with(RESERVED) {
            return Err(ProviderError::invalid_config(
                field,
                format!("keys that begin with {RESERVED} are reserved for AWS"),
            ));
        }
        validate::at_most(
            &field,
            key.chars().count(),
            MAX_KEY,
            "characters in the key",
            "shorten it",
        )?;
        validate::at_most(&field, value.chars().count(), MAX_VALUE, "characters", "shorten it")?;
    }
    Ok(())
}

pub(super) fn create_tags(id: &str, tags: &[(&str, &str)]) -> Query {
    tags.iter().zip(1..).fold(
        Query::new("CreateTags").with("ResourceId.1", id),
        |query, ((key, value), number)| {
            query
                .with(format!("Tag.{number}.Key"), *key)
                .with(format!("Tag.{number}.Value"), *value)
        },
    )
}

/// Encodes in base64, and compresses text above the limit. Cloud-init reads both.
fn user_data(request: &InstanceRequest) -> ProviderResult<Option<String>> {
    let Some(text) = request.user_data.as_deref().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    validate::user_data(text)?;
    if text.len() <= MAX_USER_DATA {
        return Ok(Some(BASE64_STANDARD.encode(text)));
    }
    let failed =
        |error: std::io::Error| ProviderError::invalid_config("user_data", error.to_string());
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).map_err(failed)?;
    let compressed = encoder.finish().map_err(failed)?;
    if compressed.len() <= MAX_USER_DATA {
        return Ok(Some(BASE64_STANDARD.encode(compressed)));
    }
    let bytes = text.len();
    let compressed = compressed.len();
    Err(ProviderError::invalid_config(
        "user_data",
        format!(
            "{bytes} bytes, {compressed} bytes when compressed, but the limit is {MAX_USER_DATA}; \
             shorten it, or let it fetch the rest"
        ),
    ))
}

/// Checks an id such as `i-0abc1234` by its prefix.
pub(super) fn check_id(field: &str, id: &str, prefix: &str) -> ProviderResult<()> {
    let digits = id.strip_prefix(prefix).unwrap_or_default();
    let hexadecimal = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if hexadecimal && (8..=17).contains(&digits.len()) {
        return Ok(());
    }
    Err(ProviderError::invalid_config(
        field,
        format!(
            "{id:?} is not an id of {NAME}, such as {prefix}0123456789abcdef0; it may belong to \
             another provider"
        ),
    ))
}

/// Checks the name of an image.
pub(super) fn check_image_name(name: &str) -> ProviderResult<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "()[] ./-'@_".contains(c);
    if let Some(wrong) = name.chars().find(|c| !allowed(*c)) {
        let message = format!(
            "{name:?} contains {wrong:?}; use letters, digits, spaces and ( ) [ ] . / - ' @ _"
        );
        return Err(ProviderError::invalid_config("name", message));
    }
    if name.trim().len() >= 3 && name.len() <= 128 {
        return Ok(());
    }
    Err(ProviderError::invalid_config(
        "name",
        format!("{name:?} has {} characters; use 3 to 128", name.len()),
    ))
}

pub(super) fn instance(instance: Instance, region: &str) -> ProviderInstance {
    let mut interfaces = instance.network_interface_set.item;
    interfaces
        .sort_by_key(|interface| interface.attachment.device_index.parse().unwrap_or(u32::MAX));
    let primary = interfaces
        .first()
        .filter(|interface| matches!(interface.attachment.device_index.as_str(), "0" | ""));
    // `launch_time` is the time of the last start.
    let created_at =
        primary.and_then(|interface| interface.attachment.attach_time).or(instance.launch_time);

    let public_v4 = interfaces.iter().map(|interface| &interface.association.public_ip);
    let v6 = interfaces
        .iter()
        .flat_map(|interface| &interface.ipv6_addresses_set.item)
        .map(|address| &address.ipv6_address);
    let public = [&instance.ip_address]
        .into_iter()
        .chain(public_v4)
        .chain([&instance.ipv6_address])
        .chain(v6);
    let public = public.filter_map(|text| text.parse().ok()).map(|ip| Address { ip, public: true });
    let private = instance.private_ip_address.parse().ok().map(|ip| Address { ip, public: false });
    let mut seen = HashSet::new();
    let addresses: Vec<Address> =
        public.chain(private).filter(|address| seen.insert(*address)).collect();
    ProviderInstance {
        id: instance.instance_id,
        ip: Address::primary(&addresses),
        status: wire::word(&instance.instance_state.name),
        created_at: created_at.unwrap_or_default(),
        name: tag(&instance.tag_set.item, NAME_TAG).unwrap_or_default().to_string(),
        region: region.to_string(),
        size: instance.instance_type,
        labels: labels(instance.tag_set.item),
        addresses,
        ..ProviderInstance::default()
    }
}

fn tag<'a>(tags: &'a [Tag], key: &str) -> Option<&'a str> {
    tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str())
}

/// Whether the tags belong to an instance made under a caller's own key.
pub(super) fn has_digest(tags: &[Tag]) -> bool {
    tag(tags, labels::REQUEST_DIGEST).is_some()
}

fn labels(tags: Vec<Tag>) -> HashMap<String, String> {
    let own = tags.into_iter().filter(|tag| tag.key != NAME_TAG && !tag.key.starts_with(RESERVED));
    own.map(|tag| (tag.key, tag.value)).collect()
}

/// Whether an instance is stopping or stopped, a state that no launch passes through.
pub(super) fn is_stopped(instance: &Instance) -> bool {
    matches!(instance.instance_state.name.as_str(), "stopping" | "stopped")
}

/// Whether an instance is ending or has ended.
pub(super) fn is_ending(instance: &Instance) -> bool {
    matches!(instance.instance_state.name.as_str(), "shutting-down" | "terminated")
}

/// Returns why an ending instance did not come up. One that a user ended is not found.
pub(super) fn failed_launch(instance: &Instance) -> ProviderError {
    let id = &instance.instance_id;
    let reason = &instance.state_reason;
    match reason.code.as_str() {
        "" | "Client.UserInitiatedShutdown" => ProviderError::not_found("instance", id),
        code if code.contains("Capacity") => {
            let context = ErrorContext::new(NAME).with_code(code).with_instance_id(id);
            ProviderError::capacity(words(reason.message.trim(), code)).with_context(context)
        }
        code => validate::failed(NAME, id, code, &words(reason.message.trim(), code)),
    }
}

fn words(message: &str, code: &str) -> String {
    if message.is_empty() {
        format!("EC2 terminated the instance: {code}")
    } else {
        message.to_string()
    }
}

/// Whether an image will never be available.
pub(super) fn has_failed(image: &Image) -> bool {
    matches!(image.image_state.as_str(), "failed" | "error" | "invalid")
}

/// Returns why an image will never be available.
pub(super) fn failed_image(image: &Image, instance_id: &str) -> ProviderError {
    let id = &image.image_id;
    let state = &image.image_state;
    let reason = &image.state_reason;
    let code = if reason.code.is_empty() { state } else { &reason.code };
    let message =
        format!("snapshot {id} exists, but its state is {state}: {}", reason.message.trim());
    validate::failed(NAME, instance_id, code, &message)
}

pub(super) fn snapshot(image: Image) -> Snapshot {
    Snapshot { id: image.image_id, name: image.name, created_at: image.creation_date }
}

pub(super) fn labelled_snapshot(mut image: Image) -> (Snapshot, HashMap<String, String>) {
    let labels = labels(std::mem::take(&mut image.tag_set.item));
    (snapshot(image), labels)
}

pub(super) fn is_made_under(tags: &[Tag], key_hash: &str) -> bool {
    tag(tags, labels::CREATE_KEY) == Some(key_hash)
}

/// Whether the image is a managed snapshot that still exists.
pub(super) fn is_managed_snapshot(image: &Image) -> bool {
    image.image_state != "deregistered"
        && tag(&image.tag_set.item, labels::MANAGED_BY) == Some(labels::MANAGED_BY_VALUE)
}

/// Returns the ids of an image's EBS snapshots.
pub(super) fn stored(image: &Image) -> Vec<String> {
    let ids = image.block_device_mapping.item.iter().map(|device| device.ebs.snapshot_id.clone());
    ids.filter(|id| !id.is_empty()).collect()
}

/// Returns the description that EC2 sets on the EBS snapshots of an image, as a filter.
pub(super) fn description_of(image_id: &str) -> String {
    format!("Created by CreateImage(*) for {image_id}*")
}

#[cfg(test)]
mod tests;
