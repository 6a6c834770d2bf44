//! How a create is identified: its key, and the labels that carry the key and the lease in the same
//! request.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use super::{Lookup, Origin};
use crate::clock;
use crate::http::Reply;
use crate::provider::config::InstanceRequest;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::{ProviderInstance, labels};
use crate::random;

/// The longest idempotency key, in bytes, that every supported cloud accepts.
const MAX_KEY: usize = 64;
/// Hexadecimal digits of a key hash (128 bits), of a request digest and of a call id (64 bits
/// each).
const KEY_HASH: usize = 32;
const DIGEST: usize = 16;
const CALL: usize = 16;
/// Separates the key of a batch from the part of one instance.
const BETWEEN: char = '/';
/// Separates the digits of a random key from the region it carries.
const AT: char = '@';
/// The longest owner, in bytes, that every supported cloud accepts as a label value.
const MAX_OWNER: usize = 63;

/// Identifies a create.
#[derive(Debug, Clone)]
pub(crate) struct CreateKey {
    /// The idempotency key, or 128 random bits, with the region if needed.
    pub(crate) key: String,
    /// Represents the key in labels.
    pub(crate) key_hash: String,
    /// The name of the resource to create.
    pub(crate) name: String,
    /// Set for an idempotency key, which may be used again.
    asked: Option<Asked>,
}

/// The request under an idempotency key, and the call that sends it.
#[derive(Debug, Clone)]
struct Asked {
    /// Identifies the request: the key may be used again with another one.
    digest: String,
    /// Random: another process may create the same under this key at the same time.
    call: String,
}

impl Asked {
    fn label(&self) -> String {
        format!("{}{}", self.digest, self.call)
    }
}

/// Splits a label into digest and call. Labels of an earlier version have no call.
fn asked_for(labels: &HashMap<String, String>) -> Option<(&str, &str)> {
    let label = labels.get(labels::REQUEST_DIGEST)?;
    Some(label.split_at_checked(DIGEST).unwrap_or((label, "")))
}

impl CreateKey {
    /// Returns the key of a request, and the request with the labels that carry it.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] if the key, owner or lease is invalid, or if the request
    /// sets a label that spuff reserves.
    pub(crate) fn of(request: &InstanceRequest) -> ProviderResult<(Self, InstanceRequest)> {
        Self::of_place(request, "")
    }

    /// As [`of`](Self::of), but a random key carries the region to search.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub(crate) fn of_place(
        request: &InstanceRequest,
        place: &str,
    ) -> ProviderResult<(Self, InstanceRequest)> {
        for key in [labels::CREATE_KEY, labels::REQUEST_DIGEST, labels::EXPIRES_AT, labels::OWNER] {
            if request.labels.contains_key(key) {
                let message = format!(
                    "{key} is reserved for spuff; use idempotency_key, owner and ttl, or another \
                     label"
                );
                return Err(ProviderError::invalid_config("labels", message));
            }
        }
        let given = request.idempotency_key.as_deref().map(check_key).transpose()?;
        let key = given.map_or_else(|| random_key_of(place), |key| Ok(key.to_string()))?;
        let asked = || {
            ProviderResult::Ok(Asked { digest: digest_of(request)?, call: random_digits(CALL)? })
        };
        let asked = given.map(|_| asked()).transpose()?;
        let create_key =
            Self { key_hash: hash_of_key(&key), key, name: request.name.clone(), asked };

        let mut tagged = request.clone();
        let mut label = |key: &str, value: String| tagged.labels.insert(key.to_string(), value);
        label(labels::CREATE_KEY, create_key.key_hash.clone());
        if let Some(asked) = &create_key.asked {
            label(labels::REQUEST_DIGEST, asked.label());
        }
        if let Some(owner) = &request.owner {
            label(labels::OWNER, check_owner(owner)?.to_string());
        }
        if let Some(ttl) = request.ttl {
            label(labels::EXPIRES_AT, expiry(ttl)?);
        }
        Ok((create_key, tagged))
    }

    /// Returns a random key for a create without a request: a snapshot.
    pub(crate) fn random(place: &str) -> ProviderResult<Self> {
        Ok(Self::under(random_key_of(place)?))
    }

    /// Returns the create key for a key string alone, without a name or request.
    pub(crate) fn under(key: String) -> Self {
        Self { key_hash: hash_of_key(&key), key, name: String::new(), asked: None }
    }

    /// Returns whether the key is an idempotency key, which may have been used before.
    pub(crate) fn is_caller_supplied(&self) -> bool {
        self.asked.is_some()
    }

    pub(super) fn digest(&self) -> Option<&str> {
        self.asked.as_ref().map(|asked| asked.digest.as_str())
    }

    /// Returns whether this key has the same request digest.
    pub(super) fn is_of(&self, digest: Option<&str>) -> bool {
        self.digest() == digest
    }

    /// Returns the key hash of the batch, if the key is that of a part of one.
    pub(super) fn batch(&self) -> Option<String> {
        part_of_key(&self.key).map(|(batch, _)| hash_of_key(batch))
    }

    /// Checks that this request made the instance found under the key, by either key hash.
    ///
    /// # Errors
    /// [`ProviderError::Conflict`] if another request made it.
    pub(super) fn adopted(
        &self,
        found: Option<ProviderInstance>,
    ) -> ProviderResult<Lookup<ProviderInstance>> {
        match &found {
            Some(made) if self.is_for_another_request(&made.labels) => Err(self.reused(&made.id)),
            _ => Ok(Lookup::found(found)),
        }
    }

    fn is_for_another_request(&self, labels: &HashMap<String, String>) -> bool {
        let theirs = asked_for(labels).map(|(digest, _)| digest);
        self.digest().zip(theirs).is_some_and(|(ours, theirs)| ours != theirs)
    }

    /// Returns whether this call made the resource with these labels and this origin. Another
    /// process may have made it under the idempotency key while a request here had an unknown
    /// outcome.
    pub(crate) fn has_made(&self, origin: Origin, labels: &HashMap<String, String>) -> bool {
        match (&self.asked, asked_for(labels)) {
            (Some(ours), Some((_, call))) => ours.call == call,
            (Some(_), None) => origin == Origin::Answered,
            (None, _) => origin != Origin::Found,
        }
    }

    /// Returns whether the labels contain this key.
    ///
    /// # Errors
    /// [`ProviderError::Conflict`] if another request used this key.
    pub(crate) fn matches(
        &self,
        labels: &HashMap<String, String>,
        id: &str,
    ) -> ProviderResult<bool> {
        if labels.get(labels::CREATE_KEY) != Some(&self.key_hash) {
            return Ok(false);
        }
        if self.is_for_another_request(labels) { Err(self.reused(id)) } else { Ok(true) }
    }

    /// Checks that the reply to a create is about the requested instance. An intermediary may have
    /// mixed up two replies.
    ///
    /// # Errors
    /// The reply is unusable, and the create must be resolved by polling.
    pub(crate) fn check_answer(
        &self,
        reply: &Reply,
        made: &ProviderInstance,
    ) -> ProviderResult<()> {
        let has_other_key =
            made.labels.get(labels::CREATE_KEY).is_some_and(|key| *key != self.key_hash);
        if has_other_key || made.id == "0" {
            return Err(reply.unreadable("is about another instance than the requested one"));
        }
        Ok(())
    }

    /// Converts a found instance to the result of a poll.
    ///
    /// # Errors
    /// As [`matches`](Self::matches).
    pub(crate) fn found(
        &self,
        made: Option<ProviderInstance>,
    ) -> ProviderResult<Lookup<ProviderInstance>> {
        match made {
            Some(made) if self.matches(&made.labels, &made.id)? => Ok(Lookup::Found(made)),
            _ => Ok(Lookup::Nothing),
        }
    }

    /// The error if the instance made under the key is still being destroyed.
    pub(crate) fn still_ending(&self, id: &str) -> ProviderError {
        let key = &self.key;
        let message = format!(
            "{id}, which was made under the idempotency key {key:?}, is still being destroyed; \
             create again when it is gone, or use another key"
        );
        ProviderError::conflict(message, true)
    }

    /// The error if the key was used before for another request.
    pub(crate) fn reused(&self, id: &str) -> ProviderError {
        let key = &self.key;
        let message = format!(
            "the idempotency key {key:?} was used for {id} with other parameters; use another key"
        );
        ProviderError::conflict(message, false)
    }
}

/// The longest lease: 100 years.
const LONGEST_LEASE: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Returns the label that no other create has: the random key, or the call under an idempotency
/// key.
pub(crate) fn label_of_one(labels: &HashMap<String, String>) -> Option<(&'static str, &str)> {
    match labels.get(labels::REQUEST_DIGEST) {
        Some(asked) => {
            (asked.len() == DIGEST + CALL).then_some((labels::REQUEST_DIGEST, asked.as_str()))
        }
        None => {
            labels.get(labels::CREATE_KEY).map(|key_hash| (labels::CREATE_KEY, key_hash.as_str()))
        }
    }
}

/// Returns the end of a lease that begins now, in seconds since 1970: digits only, so that every
/// cloud accepts it.
pub(crate) fn expiry(ttl: Duration) -> ProviderResult<String> {
    let now = clock::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if ttl.is_zero() || ttl > LONGEST_LEASE {
        return Err(ProviderError::invalid_config(
            "ttl",
            format!("{ttl:?}: must be more than 0 and at most 100 years"),
        ));
    }
    Ok((now.as_secs() + ttl.as_secs()).to_string())
}

pub(crate) fn check_owner(owner: &str) -> ProviderResult<&str> {
    let symbol = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = owner.as_bytes();
    let ends = bytes
        .first()
        .zip(bytes.last())
        .is_some_and(|(a, z)| a.is_ascii_alphanumeric() && z.is_ascii_alphanumeric());
    if ends && owner.len() <= MAX_OWNER && owner.bytes().all(symbol) {
        return Ok(owner);
    }
    let message = format!(
        "{owner:?} ({} bytes): must be 1 to {MAX_OWNER} letters, digits, '-', '_' and '.', with a \
         letter or digit at both ends",
        owner.len()
    );
    Err(ProviderError::invalid_config("owner", message))
}

fn check_key(key: &str) -> ProviderResult<&str> {
    if !key.is_empty() && key.len() <= MAX_KEY && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(key);
    }
    let message = format!("{} bytes: must be 1 to {MAX_KEY} visible ASCII characters", key.len());
    Err(ProviderError::invalid_config("idempotency_key", message))
}

/// 128 random bits, in hexadecimal.
pub(crate) fn random_key() -> ProviderResult<String> {
    random_digits(KEY_HASH)
}

fn random_digits(count: usize) -> ProviderResult<String> {
    let mut bits = vec![0; count / 2];
    random::fill(&mut bits)?;
    Ok(hexadecimal(&bits))
}

fn random_key_of(place: &str) -> ProviderResult<String> {
    let digits = random_key()?;
    Ok(if place.is_empty() { digits } else { format!("{digits}{AT}{place}") })
}

/// Splits a random key into its digits and the rest.
fn random_part(key: &str) -> Option<(&str, &str)> {
    key.split_at_checked(KEY_HASH)
        .filter(|(digits, _)| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Returns the region that a random key, or a part of a batch, carries.
pub(crate) fn place_of_key(key: &str) -> Option<&str> {
    let (_, more) = random_part(key)?;
    more.strip_prefix(AT)?.split(BETWEEN).next()
}

/// Returns the key of one instance of a batch.
pub(crate) fn key_of_part(create_key: &CreateKey, part: &str) -> String {
    format!("{}{BETWEEN}{part}", create_key.key)
}

/// Splits the key of a part into the key of the batch and the part.
pub(crate) fn part_of_key(key: &str) -> Option<(&str, &str)> {
    let (batch, part) = key.split_once(BETWEEN)?;
    let (_, place) = random_part(batch)?;
    (place.is_empty() || place_of_key(batch).is_some()).then_some((batch, part))
}

/// Hashes a key to a value that is a valid label at every cloud.
pub(crate) fn hash_of_key(key: &str) -> String {
    hash(key.as_bytes(), KEY_HASH)
}

/// Hashes a request without its idempotency key, `ttl` and `on_cancel`.
fn digest_of(request: &InstanceRequest) -> ProviderResult<String> {
    let labels: BTreeMap<_, _> = request.labels.iter().collect();
    let InstanceRequest { name, region, size, image, user_data, ssh_keys, owner, .. } = request;
    let text = serde_json::to_vec(&(
        name,
        region,
        size,
        image.to_string(),
        user_data,
        labels,
        ssh_keys,
        owner,
    ));
    let text = text.map_err(|error| ProviderError::invalid_config("request", error.to_string()))?;
    Ok(hash(&text, DIGEST))
}

fn hash(bytes: &[u8], digits: usize) -> String {
    let mut text = hexadecimal(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    text.truncate(digits);
    text
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
