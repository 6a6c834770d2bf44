//! The type of a target, and checks of the values read.

use std::fmt::Debug;

use futures_util::FutureExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;

use crate::create;
use crate::lease;
use crate::provider::error::{ErrorParts, ProviderError, ProviderResult};
use crate::provider::{ImageSpec, InstanceRequest, ProviderInstance, Snapshot};

/// A reader, or several of the same format.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Reads an input.
    pub run: fn(&[u8]),
}

impl Target {
    pub(crate) const fn new(name: &'static str, run: fn(&[u8])) -> Self {
        Self { name, run }
    }
}

/// Marks values in corpora that no error may repeat.
const CANARY: &str = "canary-word";
/// Limit on the length of an error: a path of fields, and a cloud's message, cut.
const LONGEST_ERROR: usize = 16 * 1024;

/// Reads an input as text.
pub(crate) fn text(input: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(input)
}

/// Splits a text into `N` lines; missing ones are empty.
pub(crate) fn words<const N: usize>(text: &str) -> [&str; N] {
    let mut lines = text.splitn(N, '\n');
    std::array::from_fn(|_| lines.next().unwrap_or_default())
}

/// Checks that a value survives serialization.
pub(crate) fn same_again<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let written = serde_json::to_string(value);
    let read = written.as_deref().map(serde_json::from_str::<T>);
    assert!(
        matches!(&read, Ok(Ok(read)) if read == value),
        "{value:?} is written as {written:?} and read as {read:?}"
    );
}

/// Checks that an error is short enough to show, and survives conversion to parts.
pub(crate) fn check_error(error: &ProviderError) {
    let text = error.to_string();
    assert!(
        text.len() <= LONGEST_ERROR,
        "{} bytes: {}",
        text.len(),
        text.chars().take(200).collect::<String>()
    );
    let parts = ErrorParts::from(error);
    let again = ErrorParts::from(&ProviderError::from(parts.clone()));
    assert_eq!(again, parts);
    same_again(&parts);
}

/// Checks that an error about an input names its field.
pub(crate) fn check_refusal<T>(result: ProviderResult<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let is_named =
                matches!(&error, ProviderError::InvalidConfig { field, .. } if !field.is_empty());
            assert!(is_named || matches!(error, ProviderError::NotSupported { .. }), "{error:?}");
            let parts = ErrorParts::from(&error);
            assert_eq!(ErrorParts::from(&ProviderError::from(parts.clone())), parts);
            None
        }
    }
}

/// Checks the error of an unreadable reply: it repeats nothing of the reply.
pub(crate) fn check_unreadable(error: &ProviderError) {
    assert!(matches!(error, ProviderError::Api { retryable: true, .. }), "{error:?}");
    let text = error.to_string();
    assert!(!text.contains(CANARY) && !text.contains(char::is_control), "{text}");
    check_error(error);
}

pub(crate) fn check_instance(instance: &ProviderInstance) {
    same_again(instance);
    let _ = (
        instance.is_ready(),
        instance.is_managed(),
        instance.known_created_at(),
        lease::expires_at(&instance.labels),
    );
    assert!(
        instance.ip.is_unspecified()
            || instance.addresses.iter().any(|address| address.ip == instance.ip),
        "{instance:?}"
    );
}

pub(crate) fn check_snapshot(snapshot: &Snapshot) {
    same_again(snapshot);
    let _ = snapshot.age(crate::clock::utc());
}

/// Reads a request, a line for each field; the user data is the rest.
pub(crate) fn request(input: &[u8]) -> InstanceRequest {
    let text = text(input);
    let [name, region, size, image, key, value, owner, idempotency_key, ssh_key, user_data] =
        words(&text);
    let image: ImageSpec = read_image(image);
    let mut request = InstanceRequest::new(name, region, size).with_image(image);
    if !key.is_empty() || !value.is_empty() {
        request = request.with_label(key, value);
    }
    if !owner.is_empty() {
        request = request.with_owner(owner);
    }
    if !idempotency_key.is_empty() {
        request = request.with_idempotency_key(idempotency_key);
    }
    if !ssh_key.is_empty() {
        request = request.with_ssh_key(ssh_key);
    }
    if user_data.is_empty() { request } else { request.with_user_data(user_data) }
}

/// Returns a request as its provider module receives it.
pub(crate) fn marked(request: &InstanceRequest) -> Option<InstanceRequest> {
    let (mark, marked) = check_refusal(create::CreateKey::of(request))?;
    let again = mark.matches(&marked.labels, "1");
    assert!(matches!(again, Ok(true)), "{again:?}");
    Some(marked)
}

pub(super) fn read_image(word: &str) -> ImageSpec {
    match word.parse() {
        Ok(image) => image,
        Err(never) => match never {},
    }
}

/// Runs a future that never waits, inside a runtime.
pub(crate) fn at_once<T>(work: impl Future<Output = T>) -> Option<T> {
    thread_local! {
        static RUNTIME: Option<Runtime> =
            tokio::runtime::Builder::new_current_thread().enable_time().build().ok();
    }
    RUNTIME.with(|runtime| {
        let runtime = runtime.as_ref()?;
        let _inside = runtime.enter();
        work.now_or_never()
    })
}
