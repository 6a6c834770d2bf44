//! Placements: the operations in their two forms.

use std::ffi::c_void;

use crate::boundary::{Out, guard, handle};
use crate::cancel::Cancel;
use crate::error::{Code, Error};
use crate::fleet::{FleetOptions, OutcomesCallback, requests_of};
use crate::outcomes::Outcomes;
use crate::placed::Placed;
use crate::placement::Placement;
use crate::progress::Observer;
use crate::request::Request;
use crate::submit::Callback;
use crate::verb;

/// Called with a placed instance, which the callback owns. All else as spuff_done_callback.
pub type PlacedCallback = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        code: Code,
        placed: *mut Placed,
        error: *mut Error,
    ),
>;

/// Creates an instance at the first candidate that has capacity. The region and size of the request
/// are those of the candidate. The caller owns *out. `observer` may be NULL; with one, it is told
/// of each candidate that is passed over.
///
/// A candidate is left for SPUFF_CAPACITY and SPUFF_QUOTA_EXCEEDED alone, when it is certain that
/// nothing was made there. Under a ceiling, the prices of all candidates are asked for first: one
/// that costs more, or whose price is unknown, is not tried. When the call is cancelled, what it
/// made is destroyed in the background; see spuff_settled.
///
/// Errors: those of spuff_provider_create_instance, of whatever ended the placement; where no
/// candidate was left, SPUFF_CAPACITY if any was out of stock, else SPUFF_QUOTA_EXCEEDED if any was
/// at its limit, else SPUFF_INVALID_CONFIG of `max_price`. spuff_error_attempts reports the outcome
/// of each candidate. SPUFF_INVALID_CONFIG, before anything is made: of `candidates`, when there
/// are none; of `max_price`, when a price is in another currency; of `idempotency_key`, when there
/// are several candidates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_place_instance(
    placement: *const Placement,
    request: *const Request,
    cancel: *const Cancel,
    observer: *const Observer,
    out: *mut *mut Placed,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let placement = handle(placement, "placement")?.inner.clone();
        let call = verb::place_instance(placement, handle(request, "request")?.inner.clone());
        out.put(call.block(cancel, observer)?.into());
        Ok(())
    })
}

/// As spuff_place_instance; `callback` gets the outcome.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_place_instance_submit(
    placement: *const Placement,
    request: *const Request,
    cancel: *const Cancel,
    observer: *const Observer,
    callback: PlacedCallback,
    user_data: *mut c_void,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let placement = handle(placement, "placement")?.inner.clone();
        let call = verb::place_instance(placement, handle(request, "request")?.inner.clone());
        let callback = Callback::new(callback, user_data)?;
        call.submit(cancel, observer, move |outcome| {
            callback.call(outcome.map(|placed| Some(placed.into())))
        })
    })
}

/// Creates `count` instances, each at the first candidate that has capacity, as
/// spuff_provider_create_instances does with the same options: spuff_outcomes_placed tells where
/// each is. A candidate that was found full is not asked again for another instance of the same
/// call.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL. In the outcomes: those of spuff_place_instance, and of
/// spuff_provider_create_instances.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_place_instances(
    placement: *const Placement,
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
        let placement = handle(placement, "placement")?.inner.clone();
        let call = verb::place_instances(
            placement,
            requests_of(requests, count)?,
            FleetOptions::read(options)?,
        );
        out.put(call.block(cancel, observer)?.into());
        Ok(())
    })
}

/// As spuff_place_instances; `callback` gets the outcomes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_place_instances_submit(
    placement: *const Placement,
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
        let placement = handle(placement, "placement")?.inner.clone();
        let call = verb::place_instances(
            placement,
            requests_of(requests, count)?,
            FleetOptions::read(options)?,
        );
        let callback = Callback::new(callback, user_data)?;
        call.submit(cancel, observer, move |outcome| {
            callback.call(outcome.map(|placed| Some(placed.into())))
        })
    })
}
