//! `spuff_placement`: the candidates for an instance, best first, and a price ceiling.

use std::ffi::c_char;

use spuff_core::placement::{Candidate, Placement as CorePlacement};

use crate::boundary::{
    Outcome, getter, guard, handle, handle_mut, into_raw, optional_text, release, text,
};
use crate::error::{Code, Error};
use crate::provider::Provider;
use crate::request::image_of;

/// An ordered list of places where an instance may be made, and what it may cost. Owned by the
/// caller that made it, freed with spuff_placement_free; a call copies it. One thread at a time may
/// change it.
pub struct Placement {
    pub(crate) inner: CorePlacement,
}

/// Makes a placement without candidates, whatever they cost. Never NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_placement_new() -> *mut Placement {
    getter(std::ptr::null_mut(), || {
        Some(into_raw(Placement { inner: CorePlacement::new(Vec::new()) }))
    })
}

/// Frees a placement and sets *placement to NULL; calls that have it go on. NULL, or a pointer to
/// NULL, is fine: twice is harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_placement_free(placement: *mut *mut Placement) {
    release(placement);
}

fn change(placement: *mut Placement, change: impl FnOnce(&mut CorePlacement)) -> Outcome<()> {
    change(&mut handle_mut(placement, "placement")?.inner);
    Ok(())
}

/// Adds a candidate, to be tried after those there are: a provider, a region (empty: the provider's
/// default) and a size. The provider's handle may be freed afterwards. `price` may be NULL: else it
/// is what an hour costs there, such as `0.0056 EUR`, for a provider that does not tell, or a price
/// of one's own. `image` may be NULL: else it is what the instance boots from there, as
/// spuff_request_set_image takes it, where the image of the request is another provider's.
///
/// Errors, here and in the setters: SPUFF_INVALID_CONFIG for NULL, for text that is not UTF-8, and
/// for a price that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_placement_add(
    placement: *mut Placement,
    provider: *const Provider,
    region: *const c_char,
    size: *const c_char,
    price: *const c_char,
    image: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let provider = handle(provider, "provider")?.inner.shared()?;
        let mut candidate = Candidate::new(&provider, text(region, "region")?, text(size, "size")?);
        candidate.price = optional_text(price, "price")?.map(str::parse).transpose()?;
        candidate.image = optional_text(image, "image")?.map(image_of);
        change(placement, |placement| placement.candidates.push(candidate))
    })
}

/// Sets the most that an hour may cost, such as `0.01 EUR`. Every price must be in that currency:
/// none is converted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_placement_set_max_price(
    placement: *mut Placement,
    price: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let price = text(price, "price")?.parse()?;
        change(placement, |placement| placement.max_price = Some(price))
    })
}

/// Sets whether a candidate whose price is unknown is tried under a ceiling; not by default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_placement_set_allow_unknown_price(
    placement: *mut Placement,
    allow: bool,
    error: *mut *mut Error,
) -> Code {
    guard(error, || change(placement, |placement| placement.allow_unknown_price = allow))
}
