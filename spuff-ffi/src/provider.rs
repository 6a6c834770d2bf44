//! `spuff_provider`: the operations that block.

pub mod verbs;

use std::ffi::{CString, c_char};
use std::time::Duration;

use spuff_core::{OnFailure, blocking};

use crate::boundary::{
    Failure, Out, Outcome, c_text, getter, guard, handle, optional, put_value, release, text,
};
use crate::cancel::Cancel;
use crate::error::{Code, Error};
use crate::instance::{Instance, Instances};
use crate::progress::Observer;
use crate::reap::{Reap, Reaped};
use crate::request::Request;
use crate::verb;

pub use verbs::*;

/// A cloud that instances can be started on. Owned by the caller that got it, freed with
/// spuff_provider_free, also while calls are in progress: those that were submitted, and those that
/// block and of which it is certain that they have begun, as a progress or the provider's own
/// function tells. Any thread may use it at any time; that none begins a call as it is freed is the
/// owner's to see to.
///
/// Every operation takes a token, or NULL, that ends the call early: with SPUFF_CANCELLED, or
/// SPUFF_TIMEOUT at the token's deadline. A read is abandoned without harm; a create is completed
/// or rolled back in the background, see spuff_settled. The errors of all operations name the
/// provider, and the instance that they are about.
pub struct Provider {
    pub(crate) inner: blocking::Provider,
    name: CString,
}

impl From<blocking::Provider> for Provider {
    fn from(inner: blocking::Provider) -> Self {
        Self { name: c_text(inner.name()), inner }
    }
}

/// What happens to an instance that was made but does not become ready. An adopted one (see
/// spuff_instance_adopted) is left.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailureCode {
    /// It is destroyed if it has failed itself, is gone, or was not ready in time. One that could
    /// not be polled is left; the error carries its id.
    Destroy = 0,
    /// It is left as it is; the error carries its id.
    Keep = 1,
}

pub(crate) fn on_failure_of(code: i32) -> Outcome<OnFailure> {
    match code {
        code if code == OnFailureCode::Destroy as i32 => Ok(OnFailure::Destroy),
        code if code == OnFailureCode::Keep as i32 => Ok(OnFailure::Keep),
        code => Err(Failure::argument("on_failure", &format!("{code} is not a spuff_on_failure"))),
    }
}

/// Frees a provider and sets *provider to NULL; calls that are in progress go on. NULL, or a
/// pointer to NULL, is fine: twice is harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_free(provider: *mut *mut Provider) {
    release(provider);
}

/// The provider's name. Lives as long as the provider. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_name(provider: *const Provider) -> *const c_char {
    getter(std::ptr::null(), || Some(optional(provider)?.name.as_ptr()))
}

/// Whether it makes snapshots. false for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_supports_snapshots(provider: *const Provider) -> bool {
    getter(false, || Some(optional(provider)?.inner.supports_snapshots()))
}

/// Creates an instance and waits until it is ready. One that was made but does not become ready is
/// destroyed or kept, as `on_failure`, one of spuff_on_failure, says; also when the call is
/// cancelled. The caller owns *out. `observer` may be NULL.
///
/// Errors: those of spuff_provider_create_instance and spuff_provider_wait_ready;
/// spuff_error_instance_exists reports whether the instance exists. A failed destroy is retried in
/// the background.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_create_and_wait(
    provider: *const Provider,
    request: *const Request,
    on_failure: i32,
    cancel: *const Cancel,
    observer: *const Observer,
    out: *mut *mut Instance,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let request = handle(request, "request")?.inner.clone();
        let verb = verb::create_and_wait_for(request, on_failure_of(on_failure)?);
        out.put(verb.block(provider, cancel, observer)?.into());
        Ok(())
    })
}

/// The instances of an owner, of those that spuff manages: also stopped ones. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for an owner that cannot be one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_list_owned(
    provider: *const Provider,
    owner: *const c_char,
    cancel: *const Cancel,
    out: *mut *mut Instances,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        out.put(
            verb::list_owned(text(owner, "owner")?)
                .block(provider, cancel, std::ptr::null())?
                .into(),
        );
        Ok(())
    })
}

/// Sets the lease of an instance to end `ttl_seconds` from now, whether or not it had one, and
/// returns the end in *expires_at_ms, in milliseconds since 1970 (UTC).
///
/// Errors: as spuff_provider_set_labels; SPUFF_INVALID_CONFIG for no time at all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_renew(
    provider: *const Provider,
    id: *const c_char,
    ttl_seconds: u64,
    cancel: *const Cancel,
    expires_at_ms: *mut i64,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        put_value(expires_at_ms, -1, "expires_at_ms")?;
        let verb = verb::renew(text(id, "id")?, Duration::from_secs(ttl_seconds));
        let end = verb.block(provider, cancel, std::ptr::null())?;
        put_value(expires_at_ms, end.timestamp_millis(), "expires_at_ms")
    })
}

/// Destroys the managed instances and snapshots that match `which`. One failure does not stop the
/// rest. The caller owns *out. `observer` may be NULL. An instance whose lease was renewed
/// meanwhile is left alone, and is not in *out. A cancelled call has destroyed some; call it again
/// for the rest.
///
/// Errors: SPUFF_INVALID_CONFIG when `which` has no filter; those of listing. *out reports what
/// could not be destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_reap(
    provider: *const Provider,
    which: *const Reap,
    cancel: *const Cancel,
    observer: *const Observer,
    out: *mut *mut Reaped,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let verb = verb::reap(handle(which, "which")?)?;
        out.put(verb.block(provider, cancel, observer)?.into());
        Ok(())
    })
}

/// Waits for the work that is in the background at this call: abandoned creates, and destroys of
/// instances whose create was cancelled. It does not wait for work that begins later, nor for a
/// create whose caller still waits. A program that exits earlier may leave instances behind; their
/// labels show the owner. The cloud has then accepted each destroy: lists may show the instance for
/// a while.
///
/// Errors: SPUFF_CANCELLED, or SPUFF_TIMEOUT at the token's deadline.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_settled(cancel: *const Cancel, error: *mut *mut Error) -> Code {
    guard(error, || verb::settled().block(cancel, std::ptr::null()))
}
