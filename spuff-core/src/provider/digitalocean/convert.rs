//! Pure conversions between the contract's types and DigitalOcean's, tested by tables.

use std::collections::{BTreeMap, HashMap};

use super::wire::{CreateDroplet, Droplet, Image, NetworkKind, Reference, Size};
use crate::provider::config::{ImageSpec, InstanceRequest};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::shared::price_list;
use crate::provider::shared::validate;
use crate::provider::{Address, Price, ProviderInstance, Snapshot, labels};

pub(super) const MAX_USER_DATA: usize = 64 * 1024;
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 255;
/// The tag of `managed-by=spuff`.
pub(super) const MANAGED_TAG: &str = "managed-by:spuff";
/// Checks a request against DigitalOcean's limits and builds the body. The caller resolves the
/// keys, as names need a look-up.
pub(super) fn create_droplet(
    request: &InstanceRequest,
    ssh_keys: Vec<Reference>,
) -> ProviderResult<CreateDroplet<'_>> {
    let user_data = request.user_data.as_deref();
    Ok(CreateDroplet {
        name: Some(&request.name),
        names: &[],
        region: &request.region,
        size: &request.size,
        image: image(&request.image)?,
        ssh_keys,
        tags: tags(&validate::labels(request)?)?,
        user_data,
        ipv6: true,
    })
}

/// Builds the body for requests that differ only in their names.
pub(super) fn create_droplets<'a>(
    request: &'a InstanceRequest,
    names: &'a [&'a str],
    ssh_keys: Vec<Reference>,
) -> ProviderResult<CreateDroplet<'a>> {
    Ok(CreateDroplet { name: None, names, ..create_droplet(request, ssh_keys)? })
}

/// Runs the checks that need no look-up, before the first request.
pub(super) fn check_request(request: &InstanceRequest) -> ProviderResult<()> {
    validate::request(request, MAX_NAME, MAX_USER_DATA)?;
    image(&request.image)?;
    tags(&validate::labels(request)?)?;
    Ok(())
}

pub(super) fn image(spec: &ImageSpec) -> ProviderResult<Reference> {
    let release = |distribution: &str, version: &str| {
        validate::required("image", version)?;
        validate::slug("image", version)?;
        Ok(Reference::Text(format!("{distribution}-{}-x64", version.replace('.', "-"))))
    };
    match spec {
        ImageSpec::Ubuntu(version) => release("ubuntu", version),
        ImageSpec::Debian(version) => {
            release("debian", version.split('.').next().unwrap_or(version))
        }
        ImageSpec::Custom(id) => validate::required("image", id).map(|()| Reference::parse(id)),
        ImageSpec::Snapshot(id) => {
            validate::numeric_id("digitalocean", "image", id).map(Reference::Id)
        }
    }
}

pub(super) fn instance(droplet: Droplet) -> ProviderInstance {
    let networks = droplet.networks.v4.iter().chain(&droplet.networks.v6);
    let addresses: Vec<_> = networks
        .filter_map(|network| {
            Some(Address { ip: network.ip_address?, public: network.kind == NetworkKind::Public })
        })
        .collect();
    ProviderInstance {
        id: droplet.id.to_string(),
        ip: Address::primary(&addresses),
        status: droplet.status,
        created_at: droplet.created_at.unwrap_or_default(),
        name: droplet.name,
        region: droplet.region.slug,
        size: droplet.size_slug,
        labels: labels(&droplet.tags),
        addresses,
        ..ProviderInstance::default()
    }
}

pub(super) fn snapshot(image: Image) -> Snapshot {
    Snapshot { id: image.id, name: image.name, created_at: image.created_at }
}

pub(super) fn labelled_snapshot(image: Image) -> (Snapshot, HashMap<String, String>) {
    let labels = labels(&image.tags);
    (snapshot(image), labels)
}

/// Returns the hourly price of each size, the same in every region. Omits unreadable prices.
pub(super) fn prices(sizes: Vec<Size>) -> price_list::List {
    let offer = |price_hourly| price(price_hourly).map(|price| (String::new(), price));
    sizes
        .into_iter()
        .map(|size| (size.slug, offer(size.price_hourly).into_iter().collect()))
        .collect()
}

/// Converts a single-precision number, such as 0.00743999984115362, to the short decimal that it
/// represents: 0.00744.
#[allow(clippy::cast_possible_truncation, reason = "what is cut off says nothing")]
fn price(amount: f64) -> Option<Price> {
    Price::listed(&(amount as f32).to_string(), "USD").filter(|price| price.micros > 0)
}

/// Whether the image is a managed snapshot that still exists.
pub(super) fn is_managed_snapshot(image: &Image) -> bool {
    let gone = matches!(image.status.as_str(), "deleted" | "retired");
    // An unknown or missing type does not exclude an image that is tagged as spuff's.
    let other = matches!(image.kind.as_str(), "admin" | "backup" | "base" | "custom");
    !other && !gone && image.tags.iter().any(|tag| tag.eq_ignore_ascii_case(MANAGED_TAG))
}

/// Encodes each label as one tag `key:value`. Tags do not preserve upper case and allow few
/// symbols, so every byte except `a-z`, `0-9` and `-` becomes `_` and two hexadecimal digits. The
/// encoding is lossless.
pub(super) fn tags(labels: &BTreeMap<&str, &str>) -> ProviderResult<Vec<String>> {
    labels
        .iter()
        .map(|(key, value)| {
            if key.is_empty() {
                return Err(ProviderError::invalid_config("labels", "a key must not be empty"));
            }
            let tag = tag(key, value);
            let way_out =
                "shorten it (an upper-case letter or symbol takes three characters of a tag)";
            validate::at_most(
                &format!("labels[{key:?}]"),
                tag.len(),
                MAX_TAG,
                "characters as a tag",
                way_out,
            )?;
            Ok(tag)
        })
        .collect()
}

/// Encodes a label that is known to fit.
pub(super) fn tag(key: &str, value: &str) -> String {
    format!("{}:{}", encode(key), encode(value))
}

/// Returns the labels among a droplet's tags. Ignores tags that are not in the form of [`tags`]:
/// other clients wrote them. If an interrupted renewal left several ends of a lease, the latest
/// holds.
pub(super) fn labels(tags: &[String]) -> HashMap<String, String> {
    let mut labels = HashMap::new();
    for (key, value) in tags.iter().filter_map(|tag| label(tag)) {
        let end = |value: &str| value.parse::<u64>().unwrap_or_default();
        let earlier = key == labels::EXPIRES_AT
            && labels.get(&key).is_some_and(|known: &String| end(known) > end(&value));
        if !earlier {
            labels.insert(key, value);
        }
    }
    labels
}

/// Returns the label that a tag encodes, if any.
pub(super) fn label(tag: &str) -> Option<(String, String)> {
    let tag = tag.to_ascii_lowercase();
    let (key, value) = tag.split_once(':')?;
    let key = decode(key)?;
    let value = decode(value)?;
    let canonical = !key.is_empty() && self::tag(&key, &value) == tag;
    canonical.then_some((key, value))
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("_{byte:02x}")),
        }
        encoded
    })
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = if *first == b'_' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            tail.get(2..)?
        } else {
            bytes.push(*first);
            tail
        };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images() {
        for (spec, expected) in [
            ("ubuntu:24.04", Reference::Text("ubuntu-24-04-x64".to_string())),
            ("debian:12", Reference::Text("debian-12-x64".to_string())),
            ("debian:12.5", Reference::Text("debian-12-x64".to_string())),
            ("fedora-41-x64", Reference::Text("fedora-41-x64".to_string())),
            ("7555620", Reference::Id(7_555_620)),
            ("snapshot:7555620", Reference::Id(7_555_620)),
        ] {
            assert_eq!(image(&spec.parse().unwrap()).unwrap(), expected, "{spec}");
        }
        for spec in ["snapshot:ami-0abc", "snapshot:", "", "ubuntu:", "debian:"] {
            let error = image(&spec.parse().unwrap()).unwrap_err();
            assert!(
                matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "image"),
                "{spec}"
            );
        }
    }

    #[test]
    fn prices_are_the_decimals_that_a_number_stands_for() {
        for (number, expected) in [
            ("0.00743999984115362", Some(7_440)),
            ("0.00595000013709068", Some(5_950)),
            ("0.00893", Some(8_930)),
            ("0.759999990463257", Some(760_000)),
            ("25.4400005340576", Some(25_440_000)),
            ("23.92", Some(23_920_000)),
            ("339", Some(339_000_000)),
            ("0", None),
            ("-1", None),
            ("1e300", None),
            ("null", None),
        ] {
            let sizes = format!(
                r#"[{{"slug": "s", "price_hourly": {number}, "regions": null, "available": false}}]"#
            );
            let list = prices(serde_json::from_str(&sizes).unwrap());
            let [(region, price)] = list["s"].as_slice() else {
                assert_eq!((expected, list["s"].len()), (None, 0), "{number}");
                continue;
            };
            assert_eq!(
                (region.as_str(), Some(price.micros), price.currency.as_str()),
                ("", expected, "USD"),
                "{number}"
            );
        }
    }

    #[test]
    fn labels_survive_as_tags() {
        let table = [
            ("managed-by", "spuff", "managed-by:spuff"),
            ("Owner", "A_b", "_4fwner:_41_5fb"),
            ("env", "prod:eu", "env:prod_3aeu"),
            ("spuff.rs/Env", "", "spuff_2ers_2f_45nv:"),
            ("who", "Zoë <z@example.org>", "who:_5ao_c3_ab_20_3cz_40example_2eorg_3e"),
        ];
        for (key, value, tag) in table {
            assert_eq!(tags(&BTreeMap::from([(key, value)])).unwrap(), [tag]);
            assert_eq!(
                labels(&[tag.to_ascii_uppercase()]),
                HashMap::from([(key.to_string(), value.to_string())]),
                "{tag}"
            );
        }
    }

    #[test]
    fn of_several_ends_of_a_lease_the_latest_holds() {
        let tags =
            |ends: &[&str]| ends.iter().map(|end| tag(labels::EXPIRES_AT, end)).collect::<Vec<_>>();
        for ends in [
            ["1999", "2000"],
            ["2000", "1999"],
            ["999", "2000"],
            ["soon", "2000"],
            ["2000", "soon"],
        ] {
            assert_eq!(
                labels(&tags(&ends)),
                HashMap::from([(labels::EXPIRES_AT.to_string(), "2000".to_string())]),
                "{ends:?}"
            );
        }
    }

    #[test]
    fn foreign_tags_are_not_labels() {
        for tag in ["web", "a:b:c", ":x", "a:_zz", "a:_4", "a:_ff", "a:_61", "a:b.c"] {
            assert!(labels(&[tag.to_string()]).is_empty(), "{tag}");
        }
    }

    #[test]
    fn labels_that_cannot_be_tags_are_refused() {
        for (key, value) in [("", "x".to_string()), ("k", "x".repeat(254)), ("k", "X".repeat(85))] {
            let error = tags(&BTreeMap::from([(key, value.as_str())])).unwrap_err();
            assert!(matches!(error, ProviderError::InvalidConfig { .. }), "{key}");
        }
        assert!(tags(&BTreeMap::from([("k", "x".repeat(253).as_str())])).is_ok());
    }

    #[test]
    fn requests_are_checked() {
        let good = || InstanceRequest::new("web-1", "nyc3", "s-1vcpu-1gb");
        assert!(check_request(&good()).is_ok());
        assert!(check_request(&good().with_user_data("x".repeat(MAX_USER_DATA))).is_ok());
        let table = [
            ("name", InstanceRequest::new("web_1", "nyc3", "s-1vcpu-1gb")),
            ("name", InstanceRequest::new("", "nyc3", "s-1vcpu-1gb")),
            ("size", InstanceRequest::new("web-1", "nyc3", "")),
            ("region", InstanceRequest::new("web-1", "New York", "s-1vcpu-1gb")),
            ("user_data", good().with_user_data("é".repeat(MAX_USER_DATA / 2 + 1))),
            ("labels", good().with_label("managed-by", "terraform")),
            ("image", good().with_image(ImageSpec::Snapshot("ami-0abc".to_string()))),
        ];
        for (expected, request) in table {
            let error = check_request(&request).unwrap_err();
            assert!(
                matches!(&error, ProviderError::InvalidConfig { field, .. } if field == expected),
                "{expected}: {error}"
            );
        }
    }

    #[test]
    fn a_create_says_all_that_was_asked_for() {
        let request = InstanceRequest::new("web-1", "nyc3", "s-1vcpu-1gb")
            .with_user_data("#!/bin/sh")
            .with_label("env", "prod");
        let sent = |droplet| serde_json::to_value::<CreateDroplet<'_>>(droplet).unwrap();
        let mut one = serde_json::json!({
            "name": "web-1", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "ubuntu-24-04-x64",
            "ssh_keys": [7], "tags": ["env:prod", "managed-by:spuff"], "user_data": "#!/bin/sh",
            "ipv6": true
        });
        let request = request.with_image("ubuntu:24.04".parse().unwrap());
        assert_eq!(sent(create_droplet(&request, vec![Reference::Id(7)]).unwrap()), one);
        let some = sent(create_droplets(&request, &["a", "b"], vec![Reference::Id(7)]).unwrap());
        one.as_object_mut().unwrap().remove("name");
        one["names"] = serde_json::json!(["a", "b"]);
        assert_eq!(some, one);
    }

    #[test]
    fn a_droplet_is_read_whole() {
        let network = |ip: &str, kind: &str| serde_json::json!({"ip_address": ip, "type": kind});
        let read = serde_json::json!({
            "id": 42, "name": "web-1", "status": "active", "created_at": "2026-01-30T23:55:00Z",
            "region": {"slug": "nyc3"}, "size_slug": "s-1vcpu-1gb", "tags": ["env:prod", "web"],
            "networks": {
                "v4": [network("10.0.0.2", "private"), network("203.0.113.9", "public")],
                "v6": [network("2001:db8::9", "public")]
            }
        });
        let ip = |text: &str| text.parse().unwrap();
        let expected = ProviderInstance {
            name: "web-1".to_string(),
            region: "nyc3".to_string(),
            size: "s-1vcpu-1gb".to_string(),
            labels: [("env".to_string(), "prod".to_string())].into(),
            addresses: vec![
                Address::private(ip("10.0.0.2")),
                Address::public(ip("203.0.113.9")),
                Address::public(ip("2001:db8::9")),
            ],
            ..ProviderInstance::new(
                "42",
                ip("203.0.113.9"),
                crate::provider::InstanceStatus::Active,
                chrono::DateTime::from_timestamp(1_769_817_300, 0).unwrap(),
            )
        };
        assert_eq!(instance(serde_json::from_value(read).unwrap()), expected);
    }

    #[test]
    fn snapshots_are_ours_by_their_tag() {
        let ours = ["env:prod", "Managed-By:spuff"];
        for (kind, status, tags, expected) in [
            ("snapshot", "available", &ours[..], true),
            ("", "", &ours, true),
            ("snapshot", "deleted", &ours, false),
            ("snapshot", "retired", &ours, false),
            ("snapshot", "available", &["env:prod"], false),
            ("backup", "available", &ours, false),
            ("base", "available", &ours, false),
            ("custom", "available", &ours, false),
            ("admin", "available", &ours, false),
        ] {
            let image = serde_json::json!({
                "id": 7, "name": "before", "type": kind, "status": status, "tags": tags,
                "created_at": "2026-01-30T23:55:00Z"
            });
            let read: Image = serde_json::from_value(image.clone()).unwrap();
            assert_eq!(is_managed_snapshot(&read), expected, "{image}");
            let (read, labels) = labelled_snapshot(read);
            assert_eq!((read.id.as_str(), read.name.as_str()), ("7", "before"));
            assert_eq!(read.created_at.map(|time| time.timestamp()), Some(1_769_817_300));
            assert_eq!(labels.get("env").map(String::as_str), Some("prod"));
        }
    }
}
