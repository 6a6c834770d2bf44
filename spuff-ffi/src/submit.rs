//! The operations that call back: each returns at once, and its callback is called once.

pub mod verbs;

use std::ffi::{c_char, c_void};
use std::ptr::null_mut;
use std::time::Duration;

use crate::boundary::{Failure, Outcome, UserData, guard, handle, into_raw, text};
use crate::cancel::Cancel;
use crate::error::{Code, Error};
use crate::instance::{Instance, Instances};
use crate::price::Price;
use crate::progress::Observer;
use crate::provider::{Provider, on_failure_of};
use crate::reap::{Reap, Reaped};
use crate::request::Request;
use crate::strings::Strings;
use crate::verb::{self, Verb};

pub use verbs::*;

/// Called at the end of a call without a result. Every callback is called once, on a thread of
/// spuff's, where it may block and call spuff; not at all when the submit itself has failed.
/// `error` is NULL with SPUFF_OK; else the callback owns it.
pub type DoneCallback =
    Option<unsafe extern "C" fn(user_data: *mut c_void, code: Code, error: *mut Error)>;
/// Called with an instance, which the callback owns: NULL if there is none. All else as
/// spuff_done_callback.
pub type InstanceCallback = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        code: Code,
        instance: *mut Instance,
        error: *mut Error,
    ),
>;
/// Called with instances, which the callback owns. All else as spuff_done_callback.
pub type InstancesCallback = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        code: Code,
        instances: *mut Instances,
        error: *mut Error,
    ),
>;
/// Called with what was reaped, which the callback owns. All else as spuff_done_callback.
pub type ReapedCallback = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        code: Code,
        reaped: *mut Reaped,
        error: *mut Error,
    ),
>;

/// Called with strings, which the callback owns. All else as spuff_done_callback.
pub type StringsCallback = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        code: Code,
        strings: *mut Strings,
        error: *mut Error,
    ),
>;
/// Called with a price, which the callback owns. All else as spuff_done_callback.
pub type PriceCallback = Option<
    unsafe extern "C" fn(user_data: *mut c_void, code: Code, price: *mut Price, error: *mut Error),
>;
/// Called with a time, in milliseconds since 1970 (UTC); -1 if there is none. All else as
/// spuff_done_callback.
pub type TimeCallback = Option<
    unsafe extern "C" fn(user_data: *mut c_void, code: Code, unix_ms: i64, error: *mut Error),
>;

/// A caller's function for a result of one type, and what it is called with.
pub(crate) struct Callback<T> {
    function: unsafe extern "C" fn(*mut c_void, Code, *mut T, *mut Error),
    user_data: UserData,
}

impl<T> Callback<T> {
    pub(crate) fn new(
        function: Option<unsafe extern "C" fn(*mut c_void, Code, *mut T, *mut Error)>,
        user_data: *mut c_void,
    ) -> Outcome<Self> {
        Ok(Self { function: function.ok_or_else(missing)?, user_data: UserData(user_data) })
    }

    pub(crate) fn call(self, outcome: Outcome<Option<T>>) {
        let (code, made, error) = match outcome {
            Ok(made) => (Code::Ok, made.map_or(null_mut(), into_raw), null_mut()),
            Err(failure) => (Code::from(&failure), null_mut(), into_raw(failure.into())),
        };
        // SAFETY: the caller's function, called as the header says.
        unsafe { (self.function)(self.user_data.0, code, made, error) };
    }
}

fn missing() -> Failure {
    Failure::argument("callback", "must not be NULL")
}

/// Submits an operation whose result is a handle.
pub(crate) fn submit<T: Send + 'static, H: 'static>(
    verb: Verb<T>,
    (provider, cancel, observer): (*const Provider, *const Cancel, *const Observer),
    callback: Callback<H>,
    handle: impl FnOnce(T) -> Option<H> + Send + 'static,
) -> Outcome<()> {
    verb.submit(provider, cancel, observer, move |outcome| callback.call(outcome.map(handle)))
}

/// Submits an operation without a result.
fn submit_done(
    verb: Verb<()>,
    (provider, cancel, observer): (*const Provider, *const Cancel, *const Observer),
    callback: DoneCallback,
    user_data: *mut c_void,
) -> Outcome<()> {
    verb.submit(provider, cancel, observer, when_done(callback, user_data)?)
}

/// Gives an outcome without a result to a caller's function.
fn when_done(
    callback: DoneCallback,
    user_data: *mut c_void,
) -> Outcome<impl FnOnce(Outcome<()>) + Send + 'static> {
    let callback = callback.ok_or_else(missing)?;
    let user_data = UserData(user_data);
    Ok(move |outcome: Outcome<()>| {
        let user_data = user_data;
        let error = outcome.err();
        let code = error.as_ref().map_or(Code::Ok, Code::from);
        // SAFETY: the caller's function, called as the header says.
        unsafe {
            callback(
                user_data.0,
                code,
                error.map_or(null_mut(), |failure| into_raw(failure.into())),
            )
        };
    })
}

/// As spuff_provider_create_and_wait; `callback` gets the outcome.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_create_and_wait_submit(
    provider: *const Provider,
    request: *const Request,
    on_failure: i32,
    cancel: *const Cancel,
    observer: *const Observer,
    callback: InstanceCallback,
    user_data: *mut c_void,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let request = handle(request, "request")?.inner.clone();
        let verb = verb::create_and_wait_for(request, on_failure_of(on_failure)?);
        submit(verb, (provider, cancel, observer), Callback::new(callback, user_data)?, |made| {
            Some(made.into())
        })
    })
}

/// As spuff_provider_reap; `callback` gets the outcome.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_reap_submit(
    provider: *const Provider,
    which: *const Reap,
    cancel: *const Cancel,
    observer: *const Observer,
    callback: ReapedCallback,
    user_data: *mut c_void,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let verb = verb::reap(handle(which, "which")?)?;
        submit(verb, (provider, cancel, observer), Callback::new(callback, user_data)?, |reaped| {
            Some(reaped.into())
        })
    })
}

/// As spuff_provider_list_owned; `callback` gets the outcome.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_list_owned_submit(
    provider: *const Provider,
    owner: *const c_char,
    cancel: *const Cancel,
    callback: InstancesCallback,
    user_data: *mut c_void,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let (verb, callback) =
            (verb::list_owned(text(owner, "owner")?), Callback::new(callback, user_data)?);
        submit(verb, (provider, cancel, std::ptr::null()), callback, |found| Some(found.into()))
    })
}

/// As spuff_provider_renew; `callback` gets the outcome.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_provider_renew_submit(
    provider: *const Provider,
    id: *const c_char,
    ttl_seconds: u64,
    cancel: *const Cancel,
    callback: TimeCallback,
    user_data: *mut c_void,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let verb = verb::renew(text(id, "id")?, Duration::from_secs(ttl_seconds));
        let callback = callback.ok_or_else(missing)?;
        let user_data = UserData(user_data);
        verb.submit(provider, cancel, std::ptr::null(), move |outcome| {
            let user_data = user_data;
            let (code, end, error) = match outcome {
                Ok(end) => (Code::Ok, end.timestamp_millis(), null_mut()),
                Err(failure) => (Code::from(&failure), -1, into_raw(failure.into())),
            };
            // SAFETY: the caller's function, called as the header says.
            unsafe { callback(user_data.0, code, end, error) };
        })
    })
}

/// As spuff_settled; `callback` gets the outcome.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_settled_submit(
    cancel: *const Cancel,
    callback: DoneCallback,
    user_data: *mut c_void,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        verb::settled().submit(cancel, std::ptr::null(), when_done(callback, user_data)?)
    })
}
