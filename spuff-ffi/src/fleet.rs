//! The operations on many instances, in their two forms.

use std::ffi::{c_char, c_void};

use spuff_core::fleet::{FleetOptions as CoreOptions, Rollback};
use spuff_core::provider::InstanceRequest;

use crate::boundary::{Failure, Out, Outcome, View, array, guard, handle, text, view};
use crate::cancel::Cancel;
use crate::error::{Code, Error};
use crate::outcomes::Outcomes;
use crate::progress::Observer;
use crate::provider::Provider;
use crate::request::Request;
use crate::submit::{Callback, submit};
use crate::verb;

/// What happens to the instances of a fleet when one of them fails. Nothing is destroyed for one
/// that could not be polled: its error carries its id. What was found by the key of its request, as
/// spuff_instance_adopted reports, is left by all of these.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollbackCode {
    /// Those that were made and do not become ready are destroyed, the others are left.
    DestroyFailed = 0,
    /// All are left as they are. The error of each that has failed carries its id, if it has one.
    Keep = 1,
    /// All that were made are destroyed, and no more are made.
    DestroyAll = 2,
}

fn rollback_of(code: i32) -> Outcome<Rollback> {
    match code {
        code if code == RollbackCode::DestroyFailed as i32 => Ok(Rollback::DestroyFailed),
        code if code == RollbackCode::Keep as i32 => Ok(Rollback::Keep),
        code if code == RollbackCode::DestroyAll as i32 => Ok(Rollback::DestroyAll),
        code => Err(Failure::argument("on_failure", &format!("{code} is not a spuff_rollback"))),
    }
}

/// How a fleet is made. All zero but the size is the default of each.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FleetOptions {
    /// The size of this struct: set it to sizeof(spuff_fleet_options).
    pub size: usize,
    /// How many creates run at once; 0 is the default, 16. Waits are not counted.
    pub concurrency: usize,
    /// What happens to the others when one fails: one of spuff_rollback.
    pub on_failure: i32,
    /// Whether each instance is waited for until it is ready; else it need only be accepted.
    pub wait_ready: bool,
}

// SAFETY: as the trait asks; of a bool, C sets no other bytes than 0 and 1.
unsafe impl View for FleetOptions {
    const NAME: &'static str = "spuff_fleet_options";
    const LEAST: usize =
        (std::mem::offset_of!(Self, wait_ready) + 1).next_multiple_of(align_of::<Self>());
    const DEFAULT: Self =
        Self { size: size_of::<Self>(), concurrency: 0, on_failure: 0, wait_ready: false };
}

impl FleetOptions {
    pub(crate) fn read(options: *const Self) -> Outcome<CoreOptions> {
        let Some(given) = view(options, "options")? else { return Ok(CoreOptions::default()) };
        Ok(CoreOptions::default()
            .with_concurrency(concurrency_of(given.concurrency))
            .with_on_failure(rollback_of(given.on_failure)?)
            .with_wait_ready(given.wait_ready))
    }
}

/// A number of calls at once, in which 0 is the default.
fn concurrency_of(given: usize) -> usize {
    if given == 0 { CoreOptions::default().concurrency } else { given }
}

pub(crate) fn requests_of(
    requests: *const *const Request,
    count: usize,
) -> Outcome<Vec<InstanceRequest>> {
    array(requests, count, "requests")?
        .iter()
        .map(|request| Ok(handle(*request, "requests")?.inner.clone()))
        .collect()
}

fn ids_of(ids: *const *const c_char, count: usize) -> Outcome<Vec<String>> {
    array(ids, count, "ids")?.iter().map(|id| Ok(text(*id, "ids")?.to_string())).collect()
}

/// Called with the outcomes of an operation on many instances, which the callback owns. All else as
/// spuff_done_callback.
pub type OutcomesCallback = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        code: Code,
        outcomes: *mut Outcomes,
        error: *mut Error,
    ),
>;

/// Creates `count` instances at once, and waits for them where the options say so. `options` and
/// `observer` may be NULL. The caller owns *out: an outcome for each request, in their order. The
/// result is SPUFF_OK also when some, or all, have failed: spuff_outcomes_error has the reasons. A
/// create that the cloud refuses because of its rate limit is retried.
///
/// When the call is cancelled, no more are made, and all that were made are destroyed in the
/// background, but those that spuff_request_set_on_cancel keeps; see spuff_settled.
///
/// Errors: SPUFF_INVALID_CONFIG before anything was sent. In the outcomes: those of
/// spuff_provider_create_instance and, after an instance exists, those of
/// spuff_provider_wait_ready; spuff_error_instance_exists reports whether the instance exists. Of a
/// fleet that is destroyed because one has failed, the others are SPUFF_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_create_instances(
    provider: *const Provider,
    requests: *const *const Request,
    count: usize,
    options: *const FleetOptions,
    cancel: *const Cancel,
    observer: *const Observer,
    out: *mut *mut Outcomes,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let verb =
            verb::create_instances(requests_of(requests, count)?, FleetOptions::read(options)?);
        out.put(verb.block(provider, cancel, observer)?.into());
        Ok(())
    })
}

/// As spuff_provider_create_instances; `callback` gets the outcomes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_create_instances_submit(
    provider: *const Provider,
    requests: *const *const Request,
    count: usize,
    options: *const FleetOptions,
    cancel: *const Cancel,
    observer: *const Observer,
    callback: OutcomesCallback,
    user_data: *mut c_void,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let verb =
            verb::create_instances(requests_of(requests, count)?, FleetOptions::read(options)?);
        submit(verb, (provider, cancel, observer), Callback::new(callback, user_data)?, |each| {
            Some(each.into())
        })
    })
}

/// Waits for `count` instances at once, as spuff_provider_wait_ready for each. The caller owns
/// *out: an outcome for each id, in their order; the result is SPUFF_OK also when some, or all,
/// have failed. `observer` may be NULL; with one, this is how instances are watched: it is called
/// with the progress of each, and its end, as it comes.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL and for text that is not UTF-8. In the outcomes: those of
/// spuff_provider_wait_ready.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_wait_ready_many(
    provider: *const Provider,
    ids: *const *const c_char,
    count: usize,
    cancel: *const Cancel,
    observer: *const Observer,
    out: *mut *mut Outcomes,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        out.put(
            verb::wait_ready_many(ids_of(ids, count)?).block(provider, cancel, observer)?.into(),
        );
        Ok(())
    })
}

/// As spuff_provider_wait_ready_many; `callback` gets the outcomes. With an observer, instances are
/// watched without a thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_wait_ready_many_submit(
    provider: *const Provider,
    ids: *const *const c_char,
    count: usize,
    cancel: *const Cancel,
    observer: *const Observer,
    callback: OutcomesCallback,
    user_data: *mut c_void,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let (verb, callback) =
            (verb::wait_ready_many(ids_of(ids, count)?), Callback::new(callback, user_data)?);
        submit(verb, (provider, cancel, observer), callback, |each| Some(each.into()))
    })
}

/// Destroys `count` instances, `concurrency` at once: 0 is the default, 16. Those that are already
/// gone count as destroyed. The caller owns *out: an outcome for each id, in their order, without
/// an instance; the result is SPUFF_OK also when some, or all, have failed. `observer` may be NULL.
/// When the call is cancelled, no more are destroyed.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL and for text that is not UTF-8. In the outcomes: those of
/// spuff_provider_destroy_instance; such an instance still exists and costs money.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_destroy_instances(
    provider: *const Provider,
    ids: *const *const c_char,
    count: usize,
    concurrency: usize,
    cancel: *const Cancel,
    observer: *const Observer,
    out: *mut *mut Outcomes,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let verb = verb::destroy_instances(ids_of(ids, count)?, concurrency_of(concurrency));
        out.put(verb.block(provider, cancel, observer)?.into());
        Ok(())
    })
}

/// As spuff_provider_destroy_instances; `callback` gets the outcomes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_destroy_instances_submit(
    provider: *const Provider,
    ids: *const *const c_char,
    count: usize,
    concurrency: usize,
    cancel: *const Cancel,
    observer: *const Observer,
    callback: OutcomesCallback,
    user_data: *mut c_void,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let verb = verb::destroy_instances(ids_of(ids, count)?, concurrency_of(concurrency));
        submit(verb, (provider, cancel, observer), Callback::new(callback, user_data)?, |each| {
            Some(each.into())
        })
    })
}
