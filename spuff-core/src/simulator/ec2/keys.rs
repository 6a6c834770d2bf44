//! Key pairs, separate for each region. Each region starts with two.
//!
//! Fingerprints have the real format but are not computed from the key.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::super::account::Account;
use super::super::clock::Moment;
use super::Ec2;
use super::call::Call;
use super::filters::{Filters, on_tags};
use super::holdings::{KeyPair, Tags};
use super::ids;
use super::problem::{Outcome, Problem};
use super::tags::Specifications;
use super::xml::Xml;

const MAX_NAME: usize = 255;
/// Fingerprint lengths in bytes: SHA-1 for RSA keys that AWS created, MD5 for imported RSA keys,
/// SHA-256 for ED25519 keys.
const SHA_1: usize = 20;
const MD5: usize = 16;
const SHA_256: usize = 32;

/// The keys that a region starts with.
pub(super) fn at_first(
    account: &mut Account,
    region: &str,
    now: Moment,
) -> BTreeMap<String, KeyPair> {
    let mut pair = |kind: &'static str, name: &str| {
        let public_key = public_key(kind, &format!("{region}/{name}"), name);
        let fingerprint = fingerprint(kind, &public_key, false);
        let pair = KeyPair {
            id: account.next_id(),
            kind,
            fingerprint,
            public_key,
            created: now,
            tags: Tags::new(),
        };
        (name.to_string(), pair)
    };
    BTreeMap::from([pair("ed25519", "laptop"), pair("rsa", "ci")])
}

/// Bytes derived deterministically from a text.
fn bytes_of(text: &str, length: usize) -> Vec<u8> {
    let seed = text.bytes().fold(0x1234_5678_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut rng = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| rng.u8(..)).take(length).collect()
}

fn public_key(kind: &str, seed: &str, comment: &str) -> String {
    let blob = |name: &str, length: usize| {
        let mut blob = vec![0, 0, 0, u8::try_from(name.len()).unwrap_or_default()];
        blob.extend(name.bytes());
        blob.extend(bytes_of(seed, length));
        STANDARD.encode(blob)
    };
    match kind {
        "rsa" => format!("ssh-rsa {} {comment}", blob("ssh-rsa", 268)),
        _ => format!("ssh-ed25519 {} {comment}", blob("ssh-ed25519", 36)),
    }
}

fn fingerprint(kind: &str, key: &str, made_by_aws: bool) -> String {
    if kind == "ed25519" {
        return STANDARD.encode(bytes_of(key, SHA_256));
    }
    let bytes = bytes_of(key, if made_by_aws { SHA_1 } else { MD5 });
    bytes.iter().enumerate().fold(String::new(), |mut text, (at, byte)| {
        let _ = write!(text, "{}{byte:02x}", if at == 0 { "" } else { ":" });
        text
    })
}

pub(super) fn describe(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let Some(place) = backend.places.get(call.region.name) else { return Ok(()) };
    let names = call.params.list("KeyName");
    let pair_ids = call.params.list("KeyPairId");
    for name in &names {
        if !place.keys.contains_key(*name) {
            return Err(missing(name));
        }
    }
    let id = |pair: &KeyPair| ids::name("key-", pair.id);
    for wanted in &pair_ids {
        if !place.keys.values().any(|pair| id(pair) == *wanted) {
            let message = format!("The key pair ID '{wanted}' does not exist");
            return Err(Problem::new("InvalidKeyPair.NotFound", message));
        }
    }
    let filters =
        Filters::read(&call.params, &["key-name", "key-pair-id", "fingerprint", "tag", "tag-key"])?;
    let with_key = call.params.flag("IncludePublicKey")?.unwrap_or_default();
    let shown = place.keys.iter().filter(|(name, pair)| {
        let asked = names.contains(&name.as_str()) || pair_ids.contains(&id(pair).as_str());
        (asked || names.is_empty() && pair_ids.is_empty())
            && filters.hold(|field, is| match field {
                "key-name" => is(name),
                "key-pair-id" => is(&id(pair)),
                "fingerprint" => is(&pair.fingerprint),
                _ => on_tags(
                    pair.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())),
                    field,
                    is,
                ),
            })
    });
    xml.set("keySet", shown, |xml, (name, pair)| {
        show(xml, name, pair);
        xml.text("keyType", pair.kind);
        xml.time("createTime", pair.created);
        xml.maybe("publicKey", with_key.then_some(pair.public_key.as_str()));
    });
    Ok(())
}

fn show(xml: &mut Xml, name: &str, pair: &KeyPair) {
    xml.text("keyPairId", &ids::name("key-", pair.id));
    xml.text("keyName", name);
    xml.text("keyFingerprint", &pair.fingerprint);
    xml.tags("tagSet", pair.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
}

fn missing(name: &str) -> Problem {
    Problem::new("InvalidKeyPair.NotFound", format!("The key pair '{name}' does not exist"))
}

/// Reads and validates the name of a new key, which must be unused.
fn new_name<'c>(backend: &Ec2, call: &'c Call<'_>) -> Outcome<&'c str> {
    let name = call.params.need("KeyName")?;
    if name.len() > MAX_NAME || !name.is_ascii() {
        return Err(Problem::value(format!(
            "Key names may have up to {MAX_NAME} ASCII characters"
        )));
    }
    if backend.places.get(call.region.name).is_some_and(|place| place.keys.contains_key(name)) {
        return Err(Problem::new(
            "InvalidKeyPair.Duplicate",
            format!("The keypair already exists: {name}"),
        ));
    }
    Ok(name)
}

fn add(backend: &mut Ec2, call: &Call<'_>, name: &str, pair: KeyPair, xml: &mut Xml) {
    show(xml, name, &pair);
    if let Some(place) = backend.places.get_mut(call.region.name) {
        place.keys.insert(name.to_string(), pair);
    }
}

pub(super) fn import(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let name = new_name(backend, call)?;
    let material = call.params.need("PublicKeyMaterial")?;
    let tags = Specifications::read(&call.params, &["key-pair"])?.take("key-pair");
    let wrong =
        || Problem::new("InvalidKey.Format", "Key is not in valid OpenSSH public key format");
    let bytes = STANDARD
        .decode(material)
        .or_else(|_| STANDARD_NO_PAD.decode(material))
        .map_err(|_| wrong())?;
    let public_key = String::from_utf8(bytes).map_err(|_| wrong())?.trim().to_string();
    let mut words = public_key.split_whitespace();
    let kind = match words.next() {
        Some("ssh-rsa") => "rsa",
        Some("ssh-ed25519") => "ed25519",
        _ => return Err(wrong()),
    };
    let is_blob = words.next().is_some_and(|blob| STANDARD.decode(blob).is_ok());
    if !is_blob {
        return Err(wrong());
    }
    let fingerprint = fingerprint(kind, &public_key, false);
    let pair = KeyPair {
        id: backend.account.next_id(),
        kind,
        fingerprint,
        public_key,
        created: call.now,
        tags,
    };
    add(backend, call, name, pair, xml);
    Ok(())
}

pub(super) fn create(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let name = new_name(backend, call)?;
    let kind = match call.params.get("KeyType") {
        None | Some("rsa") => "rsa",
        Some("ed25519") => "ed25519",
        Some(other) => return Err(Problem::value(format!("Invalid value '{other}' for keyType."))),
    };
    let tags = Specifications::read(&call.params, &["key-pair"])?.take("key-pair");
    let id = backend.account.next_id();
    let public_key = public_key(kind, &format!("{}/{id}", call.region.name), name);
    let fingerprint = fingerprint(kind, &public_key, true);
    // Pseudorandom bytes, not a usable private key.
    let material = STANDARD.encode(bytes_of(&format!("private {id}"), 420));
    let label = if kind == "rsa" { "RSA" } else { "OPENSSH" };
    let pair = KeyPair { id, kind, fingerprint, public_key, created: call.now, tags };
    add(backend, call, name, pair, xml);
    xml.text(
        "keyMaterial",
        &format!(
            "-----BEGIN {label} PRIVATE KEY-----\n{material}\n-----END {label} PRIVATE KEY-----"
        ),
    );
    Ok(())
}

/// Deletes a key pair; succeeds if it does not exist.
pub(super) fn delete(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let id = call.params.get("KeyPairId");
    let name = call.params.get("KeyName");
    if id.is_none() && name.is_none() {
        return Err(Problem::missing("KeyName"));
    }
    let Some(place) = backend.places.get_mut(call.region.name) else { return Ok(()) };
    let named = |key: &str, pair: &KeyPair| {
        name == Some(key) || id.is_some_and(|id| ids::name("key-", pair.id) == id)
    };
    let found = place.keys.iter().find(|(key, pair)| named(key, pair)).map(|(key, _)| key.clone());
    let deleted = found.and_then(|key| place.keys.remove(&key));
    xml.flag("return", true);
    xml.maybe("keyPairId", deleted.map(|pair| ids::name("key-", pair.id)).as_deref());
    Ok(())
}
