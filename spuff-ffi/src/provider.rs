//! `spuff_provider`: the operations that block.

use std::ffi::{CString, c_char};
use std::time::Duration;

use spuff_core::{OnFailure, blocking};

use crate::boundary::{
    Failure, Out, Outcome, c_text, getter, guard, handle, optional, owned_pairs, put_value,
    release, text,
};
use crate::cancel::Cancel;
use crate::error::{Code, Error};
use crate::instance::{Instance, Instances};
use crate::progress::Observer;
use crate::reap::{Reap, Reaped};
use crate::request::Request;
use crate::snapshot::{Snapshot, Snapshots};
use crate::strings::Strings;
use crate::verb;

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

/// Creates an instance and returns as soon as the cloud has accepted it: it may still be booting.
/// The caller owns *out. If the reply is lost, spuff resolves the outcome before any retry.
///
/// Errors: SPUFF_INVALID_CONFIG before anything was sent; SPUFF_CAPACITY and SPUFF_QUOTA_EXCEEDED
/// when there is no room; SPUFF_UNKNOWN_OUTCOME, with a key for spuff_provider_resolve.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_create_instance(
    provider: *const Provider,
    request: *const Request,
    cancel: *const Cancel,
    out: *mut *mut Instance,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let request = handle(request, "request")?.inner.clone();
        out.put(verb::create_instance(request).block(provider, cancel, std::ptr::null())?.into());
        Ok(())
    })
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

/// Destroys an instance. One that is already gone is SPUFF_OK; for a locked one the destroy is
/// retried until `action_complete` has passed.
///
/// Errors: SPUFF_CONFLICT when it stays locked or is protected.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_destroy_instance(
    provider: *const Provider,
    id: *const c_char,
    cancel: *const Cancel,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        verb::destroy_instance(text(id, "id")?).block(provider, cancel, std::ptr::null())
    })
}

/// Returns one instance; *out is NULL, with SPUFF_OK, if it does not exist. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG when `id` cannot be an id of this cloud.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_get_instance(
    provider: *const Provider,
    id: *const c_char,
    cancel: *const Cancel,
    out: *mut *mut Instance,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let found =
            verb::get_instance(text(id, "id")?).block(provider, cancel, std::ptr::null())?;
        out.set_some(found.map(Into::into));
        Ok(())
    })
}

/// Every instance that spuff manages, from all pages. The caller owns *out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_list_instances(
    provider: *const Provider,
    cancel: *const Cancel,
    out: *mut *mut Instances,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        out.put(verb::list_instances().block(provider, cancel, std::ptr::null())?.into());
        Ok(())
    })
}

/// Waits until an instance is active and has a public address. The caller owns *out. `observer` may
/// be NULL.
///
/// Errors: SPUFF_TIMEOUT after `instance_ready`; earlier when the instance has failed, with the
/// cloud's reason, and SPUFF_NOT_FOUND when it is gone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_wait_ready(
    provider: *const Provider,
    id: *const c_char,
    cancel: *const Cancel,
    observer: *const Observer,
    out: *mut *mut Instance,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        out.put(verb::wait_ready(text(id, "id")?).block(provider, cancel, observer)?.into());
        Ok(())
    })
}

/// Makes a snapshot and waits until it can be used. The caller owns *out. `observer` may be NULL. A
/// call that is cancelled lets the snapshot be finished in the background.
///
/// Errors: SPUFF_TIMEOUT after `action_complete`; SPUFF_NOT_SUPPORTED if there are no snapshots;
/// SPUFF_UNKNOWN_OUTCOME, with a key for spuff_provider_resolve_snapshot.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_create_snapshot(
    provider: *const Provider,
    instance_id: *const c_char,
    name: *const c_char,
    cancel: *const Cancel,
    observer: *const Observer,
    out: *mut *mut Snapshot,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let verb = verb::create_snapshot(text(instance_id, "instance_id")?, text(name, "name")?);
        out.put(verb.block(provider, cancel, observer)?.into());
        Ok(())
    })
}

/// Every snapshot that spuff manages, from all pages, without its labels. The caller owns *out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_list_snapshots(
    provider: *const Provider,
    cancel: *const Cancel,
    out: *mut *mut Snapshots,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        out.put(
            verb::list_snapshots().block(provider, cancel, std::ptr::null())?.into_iter().collect(),
        );
        Ok(())
    })
}

/// Every snapshot that spuff manages, each with its labels. The caller owns *out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_list_labelled_snapshots(
    provider: *const Provider,
    cancel: *const Cancel,
    out: *mut *mut Snapshots,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        out.put(
            verb::list_labelled_snapshots()
                .block(provider, cancel, std::ptr::null())?
                .into_iter()
                .collect(),
        );
        Ok(())
    })
}

/// Deletes a snapshot with all that it stores. One that is already gone is SPUFF_OK.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_delete_snapshot(
    provider: *const Provider,
    id: *const c_char,
    cancel: *const Cancel,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        verb::delete_snapshot(text(id, "id")?).block(provider, cancel, std::ptr::null())
    })
}

/// The instance made under a key: that of SPUFF_UNKNOWN_OUTCOME, or an idempotency key, from this
/// process or another. *out is NULL, with SPUFF_OK, if it is certain that there is none. The caller
/// owns *out.
///
/// Errors: SPUFF_UNKNOWN_OUTCOME when the cloud cannot be asked; SPUFF_NOT_SUPPORTED if the
/// provider does not support it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_resolve(
    provider: *const Provider,
    key: *const c_char,
    cancel: *const Cancel,
    out: *mut *mut Instance,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let found = verb::resolve(text(key, "key")?).block(provider, cancel, std::ptr::null())?;
        out.set_some(found.map(Into::into));
        Ok(())
    })
}

/// The snapshot that was made under the key of SPUFF_UNKNOWN_OUTCOME, as spuff_provider_resolve.
///
/// Errors: as there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_resolve_snapshot(
    provider: *const Provider,
    key: *const c_char,
    cancel: *const Cancel,
    out: *mut *mut Snapshot,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let found =
            verb::resolve_snapshot(text(key, "key")?).block(provider, cancel, std::ptr::null())?;
        out.set_some(found.map(Into::into));
        Ok(())
    })
}

/// Adds `count` labels to an instance, or replaces their values; other labels stay.
///
/// Errors: SPUFF_NOT_FOUND when the instance does not exist; SPUFF_NOT_SUPPORTED if the provider
/// does not support it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_set_labels(
    provider: *const Provider,
    id: *const c_char,
    keys: *const *const c_char,
    values: *const *const c_char,
    count: usize,
    cancel: *const Cancel,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        verb::set_labels(text(id, "id")?, owned_pairs(keys, values, count)?).block(
            provider,
            cancel,
            std::ptr::null(),
        )
    })
}

/// The SSH keys of the account, as values that spuff_request_add_ssh_key takes. The caller owns
/// *out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_get_ssh_keys(
    provider: *const Provider,
    cancel: *const Cancel,
    out: *mut *mut Strings,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        out.put(Strings::new(verb::get_ssh_keys().block(provider, cancel, std::ptr::null())?));
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
