//! Fuzz targets, by name: the readers of all external input. For this crate's own tests; not an
//! API.
//!
//! A target returns no error: it panics if a reader does, or if the value read is invalid.

pub(crate) mod checks;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::checks::{at_once, check_error, check_refusal, read_image, same_again, text, words};
use crate::create;
use crate::http;
use crate::lease::{self, Reap};
use crate::placement::{Candidate, Placement, place_instance};
use crate::provider::error::{ErrorKind, ErrorParts, ProviderError, ProviderResult};
use crate::provider::{
    InstanceRequest, InstanceStatus, Price, Provider, ProviderInstance, ProviderType, Snapshot,
    labels,
};

pub use self::checks::Target;

/// Returns all targets of this build.
pub fn targets() -> Vec<Target> {
    let rooms: &[&[Target]] = &[
        COMMON,
        http::fuzzing::TARGETS,
        #[cfg(feature = "digitalocean")]
        crate::provider::digitalocean::fuzzing::TARGETS,
        #[cfg(feature = "hetzner")]
        crate::provider::hetzner::fuzzing::TARGETS,
        #[cfg(feature = "aws")]
        crate::provider::aws::fuzzing::TARGETS,
        #[cfg(feature = "docker")]
        crate::provider::docker::fuzzing::TARGETS,
        #[cfg(feature = "simulator")]
        crate::simulator::fuzzing::TARGETS,
    ];
    rooms.concat()
}

const COMMON: &[Target] = &[
    Target::new("error_parts", error_parts),
    Target::new("image_and_provider_words", image_and_provider_words),
    Target::new("keys_and_marks", keys_and_marks),
    Target::new("leases", leases),
    Target::new("placement_prices", placement_prices),
    Target::new("prices", prices),
];

/// Errors as languages without enums, logs and wire formats pass them.
fn error_parts(input: &[u8]) {
    let (kind, rest) = input.split_first().map_or((0, input), |(kind, rest)| (*kind, rest));
    let parts = match serde_json::from_slice::<ErrorParts>(input)
        .or_else(|_| serde_json::from_slice(rest))
    {
        Ok(parts) => parts,
        Err(_) => {
            let text = text(rest);
            let kind = ErrorKind::from_number(u32::from(kind)).unwrap_or(ErrorKind::Other);
            let [message, provider, code, request_id, resource, field, operation, key, name, id] =
                words(&text);
            let some = |word: &str| Some(word.to_string()).filter(|word| !word.is_empty());
            let mut parts = ErrorParts::new(kind, message);
            (parts.provider, parts.code, parts.request_id) =
                (some(provider), some(code), some(request_id));
            (parts.resource_type, parts.resource_id, parts.field) =
                (some(resource), some(id), some(field));
            (parts.operation, parts.key, parts.name, parts.instance_id) =
                (some(operation), some(key), some(name), some(id));
            parts.retryable = input.len() % 2 == 1;
            parts.instance_exists = (input.len() % 3 == 1).then_some(parts.retryable);
            parts
        }
    };
    let error = ProviderError::from(parts);
    let once = ErrorParts::from(&error);
    // The first conversion drops what the kind has no field for; the second drops nothing.
    let twice = ErrorParts::from(&ProviderError::from(once.clone()));
    assert_eq!(twice, once);
    same_again(&once);
    let _ = (
        error.to_string(),
        error.advice(),
        error.is_retryable(),
        error.is_instance_failure("1"),
        error.place(),
    );
}

fn image_and_provider_words(input: &[u8]) {
    let text = text(input);
    assert_eq!(read_image(&text).to_string(), text);
    same_again(&read_image(&text));
    if let Ok(provider) = text.parse::<ProviderType>() {
        assert_eq!(provider.as_str().parse::<ProviderType>().ok(), Some(provider));
    }
    let status = InstanceStatus::from_word(&text);
    assert!(!matches!(&status, InstanceStatus::Unknown(word) if *word != text), "{status:?}");
}

/// Keys of creates, and labels that this create or another one has written.
fn keys_and_marks(input: &[u8]) {
    let text = text(input);
    let [key, label, rest] = words(&text);
    let place = create::place_of_key(key);
    assert!(place.is_none_or(|place| key.contains(place)));
    if let Some((batch, part)) = create::part_of_key(key) {
        assert_eq!(format!("{batch}/{part}"), key);
    }
    let request = InstanceRequest::new(rest, label, rest).with_idempotency_key(key);
    let Some((mark, marked)) = check_refusal(create::CreateKey::of(&request)) else { return };
    assert!(matches!(mark.matches(&marked.labels, "1"), Ok(true)));
    let mut theirs = marked.labels.clone();
    theirs.insert(labels::REQUEST_DIGEST.to_string(), label.to_string());
    let (found, made) =
        (mark.matches(&theirs, "1"), mark.has_made(create::Origin::Answered, &theirs));
    // Only the label says whose call made it.
    assert!(!made || matches!(found, Ok(true)), "{found:?}");
    let _ = create::label_of_one(&theirs);
}

fn leases(input: &[u8]) {
    let text = text(input);
    let [end, owner, seconds] = words(&text);
    let labels = [
        (labels::EXPIRES_AT, end),
        (labels::OWNER, owner),
        (labels::MANAGED_BY, labels::MANAGED_BY_VALUE),
    ];
    let labels = labels.map(|(key, value)| (key.to_string(), value.to_string())).into();
    if let Some(end) = lease::expires_at(&labels) {
        let is_over = end <= crate::clock::utc();
        assert_eq!(Reap::expired().takes(&labels, |_| None), is_over, "{end:?}");
    }
    let _ =
        Reap::owned_by(owner).and_older_than(Duration::MAX).takes(&labels, |_| Some(Duration::MAX));
    let seconds = http::number::seconds(seconds).unwrap_or_default();
    let ttl = seconds.saturating_mul(1 + u32::from(input.len() % 2 == 1) * 1000);
    check_refusal(create::expiry(ttl));
    let renewed = at_once(lease::renew(&Priced(None), "1", ttl)).and_then(check_refusal);
    assert!(renewed.is_none_or(|end| end.timestamp() > 0), "{renewed:?}");
}

fn prices(input: &[u8]) {
    let text = text(input);
    let read = text.parse::<Price>();
    if let Ok(price) = &read {
        assert_eq!(price.to_string().parse::<Price>().as_ref().ok(), Some(price), "{text}");
        same_again(price);
    }
    check_refusal(read);
    let [amount, currency] = words(&text);
    if let Some(price) = Price::listed(amount, currency) {
        let again = price.to_string().parse::<Price>();
        let is_named =
            currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
        assert!(!is_named || matches!(again, Ok(again) if again.micros == price.micros), "{price}");
    }
}

/// A ceiling, the caller's price of a place, and that of its cloud.
fn placement_prices(input: &[u8]) {
    let text = text(input);
    let [most, given, listed] = words(&text);
    let price = |text: &str| text.parse::<Price>().ok();
    let most = price(most);
    let given = price(given);
    let listed = price(listed);
    let provider: Arc<dyn Provider> = Arc::new(Priced(listed.clone()));
    let mut candidate = Candidate::new(&provider, "region", "size");
    candidate.price.clone_from(&given);
    let mut placement =
        Placement::new(vec![candidate]).with_allow_unknown_price(input.len() % 2 == 1);
    placement.max_price.clone_from(&most);
    let request = InstanceRequest::new("name", "", "");
    let Some(placed) = at_once(place_instance(&placement, &request)) else { return };
    let costs = given.or(most.as_ref().and(listed));
    let is_within = |most: &Price| {
        costs.as_ref().map_or(placement.allow_unknown_price, |costs| costs.micros <= most.micros)
    };
    let is_same = |most: &Price| costs.as_ref().is_none_or(|costs| costs.currency == most.currency);
    match placed {
        Ok(placed) => {
            assert!(
                most.as_ref().is_none_or(|most| is_within(most) && is_same(most)),
                "{placed:?}"
            );
            same_again(&placed);
        }
        Err(error) => {
            assert!(!most.as_ref().is_none_or(|most| is_within(most) && is_same(most)), "{error}");
            check_error(&error);
        }
    }
}

/// Creates an instance at once, and returns its price.
struct Priced(Option<Price>);

#[async_trait]
impl Provider for Priced {
    fn name(&self) -> &str {
        "priced"
    }

    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        Ok(ProviderInstance {
            id: "1".to_string(),
            name: request.name.clone(),
            ..ProviderInstance::default()
        })
    }

    async fn destroy_instance(&self, _: &str) -> ProviderResult<()> {
        Ok(())
    }

    async fn get_instance(&self, _: &str) -> ProviderResult<Option<ProviderInstance>> {
        Ok(None)
    }

    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        Ok(Vec::new())
    }

    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        Err(ProviderError::not_found("instance", id))
    }

    async fn create_snapshot(&self, _: &str, _: &str) -> ProviderResult<Snapshot> {
        Err(ProviderError::NotSupported { feature: "snapshots".to_string() })
    }

    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        Ok(Vec::new())
    }

    async fn delete_snapshot(&self, _: &str) -> ProviderResult<()> {
        Ok(())
    }

    async fn set_labels(
        &self,
        _: &str,
        _: &std::collections::HashMap<String, String>,
    ) -> ProviderResult<()> {
        Ok(())
    }

    async fn hourly_price(&self, _: &str, _: &str) -> ProviderResult<Price> {
        self.0.clone().ok_or_else(|| ProviderError::NotSupported {
            feature: crate::provider::Operation::HourlyPrice.to_string(),
        })
    }
}
