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
                    "{key} is a label of spuff's own; use idempotency_key, owner and ttl, or \
                     another label"
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
            return Err(
                reply.unreadable("is about another machine than the one that was asked for")
            );
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
            "the idempotency key {key:?} has made {id} with other parameters; use another key"
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
            format!("{ttl:?}: give it a second or more, and a hundred years at most"),
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
        "{owner:?} ({} bytes): every cloud takes 1 to {MAX_OWNER} letters, digits, '-', '_' and \
         '.', with a letter or digit at both ends",
        owner.len()
    );
    Err(ProviderError::invalid_config("owner", message))
}

fn check_key(key: &str) -> ProviderResult<&str> {
    if !key.is_empty() && key.len() <= MAX_KEY && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(key);
    }
    let message =
        format!("{} bytes; it must be 1 to {MAX_KEY} visible ASCII characters", key.len());
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
mod tests {
    use super::*;

    fn request() -> InstanceRequest {
        InstanceRequest::new("a", "b", "c")
    }

    fn create_key(request: &InstanceRequest) -> CreateKey {
        CreateKey::of(request).unwrap().0
    }

    #[test]
    fn keys_are_the_callers_or_random() {
        let (one, two) = (create_key(&request()), create_key(&request()));
        assert!(
            one.key.len() == 32
                && one.key != two.key
                && one.key_hash != two.key_hash
                && !one.is_caller_supplied()
        );
        let given = create_key(&request().with_idempotency_key("order-7"));
        assert!(
            given.key == "order-7"
                && given.key_hash == hash_of_key("order-7")
                && given.is_caller_supplied()
        );
        let there = CreateKey::of_place(&request(), "us-west-2").unwrap().0.key;
        assert_eq!((place_of_key(&there), there.len() > 32), (Some("us-west-2"), true));
        assert_eq!(place_of_key(&format!("{there}/7")), Some("us-west-2"));
        for other in [&one.key, "order-7", "order-7@us-west-2", "", &format!("{}/7", one.key)] {
            assert_eq!(place_of_key(other), None, "{other}");
        }
        for key in ["", "a b", "é", &"k".repeat(65)] {
            let error = CreateKey::of(&request().with_idempotency_key(key)).unwrap_err();
            assert!(
                matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "idempotency_key"),
                "{key}"
            );
        }
    }

    #[test]
    fn a_mark_knows_its_own() {
        let (create_key, tagged) =
            CreateKey::of(&request().with_idempotency_key("order-7").with_owner("ci")).unwrap();
        assert!(create_key.matches(&tagged.labels, "1").unwrap());
        assert!(!create_key.matches(&CreateKey::of(&request()).unwrap().1.labels, "1").unwrap());
        let (_, other) =
            CreateKey::of(&request().with_idempotency_key("order-7").with_user_data("x")).unwrap();
        assert!(matches!(
            create_key.matches(&other.labels, "1"),
            Err(ProviderError::Conflict { retryable: false, .. })
        ));
        let (_, leased) = CreateKey::of(
            &request()
                .with_idempotency_key("order-7")
                .with_owner("ci")
                .with_ttl(Duration::from_secs(60)),
        )
        .unwrap();
        assert!(
            create_key.matches(&leased.labels, "1").unwrap(),
            "a lease is not part of what is asked for"
        );
        let (again, its) =
            CreateKey::of(&request().with_idempotency_key("order-7").with_owner("ci")).unwrap();
        assert!(create_key.matches(&its.labels, "1").unwrap(), "another call of the same request");
        for origin in [Origin::Answered, Origin::Recovered, Origin::Found] {
            assert!(
                create_key.has_made(origin, &tagged.labels)
                    && !create_key.has_made(origin, &its.labels),
                "{origin:?}"
            );
            assert!(again.has_made(origin, &its.labels), "{origin:?}");
        }
        let mut earlier = tagged.labels.clone();
        earlier.get_mut(labels::REQUEST_DIGEST).unwrap().truncate(DIGEST);
        assert!(
            create_key.matches(&earlier, "1").unwrap()
                && !create_key.has_made(Origin::Recovered, &earlier),
            "of an earlier version"
        );
        assert!(tagged.labels.values().all(
            |value| value.len() <= 63 && value.bytes().all(|byte| byte.is_ascii_alphanumeric())
        ));
    }

    #[test]
    fn owners_leases_and_reserved_labels_are_checked() {
        let field = |request: InstanceRequest| match CreateKey::of(&request) {
            Err(ProviderError::InvalidConfig { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        for owner in ["", "-a", "a b", "a/b", "é", &"o".repeat(64)] {
            assert_eq!(field(request().with_owner(owner)), "owner", "{owner}");
        }
        assert_eq!(field(request().with_ttl(Duration::ZERO)), "ttl");
        assert_eq!(field(request().with_ttl(Duration::MAX)), "ttl");
        assert_eq!(field(request().with_label(labels::CREATE_KEY, "x")), "labels");
    }

    #[test]
    fn what_was_found_is_the_marks_own_or_not() {
        let made = |labels: &HashMap<String, String>| {
            Some(ProviderInstance {
                id: "7".to_string(),
                labels: labels.clone(),
                ..ProviderInstance::default()
            })
        };
        let (create_key, tagged) =
            CreateKey::of(&request().with_idempotency_key("order-7")).unwrap();
        let (_, other) =
            CreateKey::of(&request().with_idempotency_key("order-7").with_user_data("x")).unwrap();
        let (_, foreign) = CreateKey::of(&request().with_idempotency_key("order-8")).unwrap();
        assert!(
            matches!(create_key.found(made(&tagged.labels)), Ok(Lookup::Found(found)) if found.id == "7")
        );
        assert!(matches!(create_key.found(made(&foreign.labels)), Ok(Lookup::Nothing)));
        assert!(matches!(
            (create_key.found(None), create_key.adopted(None)),
            (Ok(Lookup::Nothing), Ok(Lookup::Nothing))
        ));
        assert!(
            matches!(create_key.adopted(made(&tagged.labels)), Ok(Lookup::Found(found)) if found.id == "7")
        );
        assert!(
            matches!(create_key.adopted(made(&HashMap::new())), Ok(Lookup::Found(_))),
            "an earlier version has told no request"
        );
        for error in [
            create_key.found(made(&other.labels)).unwrap_err(),
            create_key.adopted(made(&other.labels)).unwrap_err(),
        ] {
            assert!(matches!(error, ProviderError::Conflict { retryable: false, .. }), "{error}");
            assert!(
                error.to_string().contains("order-7") && error.to_string().contains(" 7 "),
                "{error}"
            );
        }
        let ending = create_key.still_ending("7");
        assert!(matches!(ending, ProviderError::Conflict { retryable: true, .. }), "{ending}");
        assert!(
            ending.to_string().contains("order-7") && ending.to_string().contains("7, which"),
            "{ending}"
        );
    }

    #[test]
    fn what_a_random_key_has_made_is_known_by_how_it_was_come_by() {
        let (create_key, tagged) = CreateKey::of(&request()).unwrap();
        let has_made = |origin| create_key.has_made(origin, &tagged.labels);
        assert!(
            has_made(Origin::Answered) && has_made(Origin::Recovered) && !has_made(Origin::Found)
        );
        let (given, _) = CreateKey::of(&request().with_idempotency_key("order-7")).unwrap();
        let has_made = |origin| given.has_made(origin, &HashMap::new());
        assert!(
            has_made(Origin::Answered) && !has_made(Origin::Recovered) && !has_made(Origin::Found)
        );
    }

    #[test]
    fn one_create_is_told_by_the_label_that_no_other_has() {
        let random = CreateKey::of(&request()).unwrap();
        assert_eq!(
            label_of_one(&random.1.labels),
            Some((labels::CREATE_KEY, random.0.key_hash.as_str()))
        );
        let (_, given) = CreateKey::of(&request().with_idempotency_key("order-7")).unwrap();
        assert_eq!(
            label_of_one(&given.labels),
            Some((labels::REQUEST_DIGEST, given.labels[labels::REQUEST_DIGEST].as_str()))
        );
        let mut earlier = given.labels.clone();
        earlier.get_mut(labels::REQUEST_DIGEST).unwrap().truncate(DIGEST);
        assert_eq!(label_of_one(&earlier), None, "an earlier version has told no call");
        assert_eq!(label_of_one(&HashMap::new()), None);
    }

    #[test]
    fn a_part_of_a_batch_leads_to_the_batch() {
        let create_key = CreateKey::random("").unwrap();
        let part = CreateKey::under(format!("{}/web-1", create_key.key));
        assert_eq!((create_key.batch(), part.batch()), (None, Some(create_key.key_hash.clone())));
        assert_eq!(place_of_key(&CreateKey::random("us-west-2").unwrap().key), Some("us-west-2"));
    }

    #[test]
    fn the_longest_that_is_taken_is_taken() {
        for owner in ["o".repeat(MAX_OWNER), "a-b_c.d".to_string(), "7".to_string()] {
            assert_eq!(check_owner(&owner).unwrap(), owner);
        }
        for key in ["k".repeat(MAX_KEY), "!~".to_string()] {
            assert_eq!(check_key(&key).unwrap(), key);
        }
        assert!(expiry(LONGEST_LEASE + Duration::from_secs(1)).is_err());
        let now = || UNIX_EPOCH.elapsed().unwrap().as_secs();
        for ttl in [Duration::from_secs(1), Duration::from_secs(3600), LONGEST_LEASE] {
            let (before, end) = (now(), expiry(ttl).unwrap().parse::<u64>().unwrap());
            assert!((before..=now()).contains(&(end - ttl.as_secs())), "{ttl:?}");
        }
    }

    #[test]
    fn what_stands_for_a_key_and_a_request_is_always_the_same() {
        assert_eq!(hash_of_key("order-7"), "df8cf80227ec3237922df0ecd88385c5");
        let digest = |request: &InstanceRequest| digest_of(request).unwrap();
        assert_eq!(digest(&request()), digest(&request().with_ttl(Duration::from_secs(60))));
        let others = [
            request(),
            InstanceRequest::new("x", "b", "c"),
            InstanceRequest::new("a", "x", "c"),
            InstanceRequest::new("a", "b", "x"),
            request().with_image("debian:12".parse().unwrap()),
            request().with_user_data("x"),
            request().with_label("x", "y"),
            request().with_ssh_key("x"),
            request().with_owner("x"),
        ];
        let digests: std::collections::HashSet<_> = others.iter().map(digest).collect();
        assert_eq!(digests.len(), others.len());
    }

    #[test]
    fn a_reply_that_is_about_another_machine_cannot_be_used() {
        let reply =
            Reply { status: 201, headers: http::HeaderMap::new(), body: bytes::Bytes::new() };
        let (create_key, tagged) = CreateKey::of(&request()).unwrap();
        let (_, other) = CreateKey::of(&request()).unwrap();
        for (id, labels, expected) in [
            ("7", tagged.labels.clone(), true),
            ("7", HashMap::new(), true),
            ("7", other.labels, false),
            ("0", tagged.labels, false),
        ] {
            let made =
                ProviderInstance { id: id.to_string(), labels, ..ProviderInstance::default() };
            assert_eq!(create_key.check_answer(&reply, &made).is_ok(), expected, "{made:?}");
        }
    }
}
