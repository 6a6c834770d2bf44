//! `spuff_request`: a request for an instance.

use std::ffi::{CString, c_char};
use std::sync::OnceLock;
use std::time::Duration;

use spuff_core::provider::{ImageSpec, InstanceRequest, OnCancel};

use crate::boundary::{
    Failure, Out, Outcome, c_pairs, c_text, getter, guard, handle_mut, optional, release, text,
};
use crate::error::{Code, Error};

/// A request for an instance. Owned by the caller that made it, freed with spuff_request_free; a
/// create copies it. One thread at a time may change it.
#[derive(Default)]
pub struct Request {
    pub(crate) inner: InstanceRequest,
    texts: OnceLock<Texts>,
}

struct Texts {
    name: CString,
    region: CString,
    size: CString,
    image: CString,
    user_data: Option<CString>,
    idempotency_key: Option<CString>,
    owner: Option<CString>,
    labels: Vec<(CString, CString)>,
    ssh_keys: Vec<CString>,
}

impl From<InstanceRequest> for Request {
    fn from(inner: InstanceRequest) -> Self {
        Self { inner, texts: OnceLock::new() }
    }
}

impl Request {
    fn texts(&self) -> &Texts {
        self.texts.get_or_init(|| {
            let request = &self.inner;
            Texts {
                name: c_text(request.name.as_str()),
                region: c_text(request.region.as_str()),
                size: c_text(request.size.as_str()),
                image: c_text(request.image.to_string()),
                user_data: request.user_data.as_deref().map(c_text),
                idempotency_key: request.idempotency_key.as_deref().map(c_text),
                owner: request.owner.as_deref().map(c_text),
                labels: c_pairs(&request.labels),
                ssh_keys: request.ssh_keys.iter().map(|key| c_text(key.as_str())).collect(),
            }
        })
    }
}

/// What happens to the instance when its create is cancelled.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCancelCode {
    /// It is destroyed, unless it has an idempotency key of the caller's.
    Default = 0,
    /// It is destroyed in the background, as soon as it is known.
    Destroy = 1,
    /// It is left running.
    Keep = 2,
}

/// An image as text has it: every text is one.
pub(crate) fn image_of(text: &str) -> ImageSpec {
    match text.parse() {
        Ok(image) => image,
        Err(never) => match never {},
    }
}

fn change(
    request: *mut Request,
    change: impl FnOnce(InstanceRequest) -> Outcome<InstanceRequest>,
) -> Outcome<()> {
    let request = handle_mut(request, "request")?;
    *request = change(request.inner.clone())?.into();
    Ok(())
}

fn field(request: *const Request, field: impl FnOnce(&Texts) -> Option<&CString>) -> *const c_char {
    getter(std::ptr::null(), || Some(field(optional(request)?.texts())?.as_ptr()))
}

/// Makes a request for an instance of that name, in that region (empty: the provider's default), of
/// that size, with Ubuntu 24.04. The caller owns *out.
///
/// Errors, here and in the setters: SPUFF_INVALID_CONFIG for NULL and for text that is not UTF-8.
/// The cloud's own rules are checked by the create, before it sends anything.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_new(
    name: *const c_char,
    region: *const c_char,
    size: *const c_char,
    out: *mut *mut Request,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let request =
            InstanceRequest::new(text(name, "name")?, text(region, "region")?, text(size, "size")?);
        out.put(request.into());
        Ok(())
    })
}

/// Frees a request and sets *request to NULL. NULL, or a pointer to NULL, is fine: twice is
/// harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_free(request: *mut *mut Request) {
    release(request);
}

/// Sets what it boots from: `ubuntu:24.04`, `debian:12`, `snapshot:ID`, or the provider's own id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_set_image(
    request: *mut Request,
    image: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let image = image_of(text(image, "image")?);
        change(request, |request| Ok(request.with_image(image)))
    })
}

/// Sets a cloud-init document or script, as plain text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_set_user_data(
    request: *mut Request,
    user_data: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let user_data = text(user_data, "user_data")?;
        change(request, |request| Ok(request.with_user_data(user_data)))
    })
}

/// Adds a label, or replaces its value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_add_label(
    request: *mut Request,
    key: *const c_char,
    value: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let key = text(key, "key")?;
        let value = text(value, "value")?;
        change(request, |request| Ok(request.with_label(key, value)))
    })
}

/// Adds an SSH key of the account, by id, name or fingerprint.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_add_ssh_key(
    request: *mut Request,
    key: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let key = text(key, "key")?;
        change(request, |request| Ok(request.with_ssh_key(key)))
    })
}

/// Sets the idempotency key: the same request under the same key, also from another process,
/// returns the same instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_set_idempotency_key(
    request: *mut Request,
    key: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let key = text(key, "key")?;
        change(request, |request| Ok(request.with_idempotency_key(key)))
    })
}

/// Sets the owner: 1 to 63 letters, digits, `-`, `_` and `.`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_set_owner(
    request: *mut Request,
    owner: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let owner = text(owner, "owner")?;
        change(request, |request| Ok(request.with_owner(owner)))
    })
}

/// Sets for how many seconds, from its create, it is leased: after that spuff_provider_reap
/// destroys it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_set_ttl_seconds(
    request: *mut Request,
    seconds: u64,
    error: *mut *mut Error,
) -> Code {
    guard(error, || change(request, |request| Ok(request.with_ttl(Duration::from_secs(seconds)))))
}

/// Sets what happens to the instance when its create is cancelled: one of spuff_on_cancel.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_set_on_cancel(
    request: *mut Request,
    on_cancel: i32,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        change(request, |mut request| {
            request.on_cancel = match on_cancel {
                code if code == OnCancelCode::Default as i32 => None,
                code if code == OnCancelCode::Destroy as i32 => Some(OnCancel::Destroy),
                code if code == OnCancelCode::Keep as i32 => Some(OnCancel::Keep),
                code => {
                    return Err(Failure::argument(
                        "on_cancel",
                        &format!("{code} is not a spuff_on_cancel"),
                    ));
                }
            };
            Ok(request)
        })
    })
}

/// The name. Lives until the request is changed or freed, as what the other getters give. NULL for
/// NULL, as there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_name(request: *const Request) -> *const c_char {
    field(request, |texts| Some(&texts.name))
}

/// The region; empty for the provider's default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_region(request: *const Request) -> *const c_char {
    field(request, |texts| Some(&texts.region))
}

/// The size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_size(request: *const Request) -> *const c_char {
    field(request, |texts| Some(&texts.size))
}

/// What it boots from, as spuff_request_set_image takes it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_image(request: *const Request) -> *const c_char {
    field(request, |texts| Some(&texts.image))
}

/// The cloud-init document or script. NULL if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_user_data(request: *const Request) -> *const c_char {
    field(request, |texts| texts.user_data.as_ref())
}

/// The idempotency key. NULL if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_idempotency_key(request: *const Request) -> *const c_char {
    field(request, |texts| texts.idempotency_key.as_ref())
}

/// The owner. NULL if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_owner(request: *const Request) -> *const c_char {
    field(request, |texts| texts.owner.as_ref())
}

/// The lease in seconds; -1 if it has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_ttl_seconds(request: *const Request) -> i64 {
    getter(-1, || i64::try_from(optional(request)?.inner.ttl?.as_secs()).ok())
}

/// How many labels there are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_label_count(request: *const Request) -> usize {
    getter(0, || Some(optional(request)?.inner.labels.len()))
}

/// The key of a label, in the order of the keys. NULL past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_label_key(
    request: *const Request,
    index: usize,
) -> *const c_char {
    field(request, |texts| texts.labels.get(index).map(|(key, _)| key))
}

/// The value of that label. NULL past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_label_value(
    request: *const Request,
    index: usize,
) -> *const c_char {
    field(request, |texts| texts.labels.get(index).map(|(_, value)| value))
}

/// How many SSH keys are asked for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_ssh_key_count(request: *const Request) -> usize {
    getter(0, || Some(optional(request)?.inner.ssh_keys.len()))
}

/// One of these keys. NULL past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_request_ssh_key(
    request: *const Request,
    index: usize,
) -> *const c_char {
    field(request, |texts| texts.ssh_keys.get(index))
}
