//! `spuff_price`: the hourly price of an instance.

use std::ffi::{CString, c_char};

use spuff_core::provider::{ErrorParts, Price as CorePrice, PriceSource, ProviderError};

use crate::boundary::{Failure, Out, c_text, getter, guard, optional, release, text};
use crate::error::{Code, Error};

/// The hourly price of an instance, exactly. Owned by the caller that got it, freed with
/// spuff_price_free, unless it was got from a log of attempts, which owns it. Any thread may read
/// it.
pub struct Price {
    pub(crate) inner: CorePrice,
    currency: CString,
    text: CString,
}

impl From<CorePrice> for Price {
    fn from(inner: CorePrice) -> Self {
        Self { currency: c_text(inner.currency.as_str()), text: c_text(inner.to_string()), inner }
    }
}

/// Makes a price from words such as `0.0056 EUR`, for a provider written in C to return. The caller
/// owns *out, until a provider's function has returned it.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL, and for text that is no price.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_price_new(
    words: *const c_char,
    out: *mut *mut Price,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let mut price: CorePrice =
            text(words, "words")?.parse().map_err(|error: ProviderError| {
                Failure::argument("words", ErrorParts::from(&error).message.as_str())
            })?;
        price.source = PriceSource::Catalogue;
        out.put(price.into());
        Ok(())
    })
}

/// Frees a price and sets *price to NULL. NULL, or a pointer to NULL, is fine: twice is harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_price_free(price: *mut *mut Price) {
    release(price);
}

/// Millionths of the currency's unit: 5600 are 0.0056 euros. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_price_micros(price: *const Price) -> u64 {
    getter(0, || Some(optional(price)?.inner.micros))
}

/// The currency, as ISO 4217 names it, such as `EUR`. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_price_currency(price: *const Price) -> *const c_char {
    getter(std::ptr::null(), || Some(optional(price)?.currency.as_ptr()))
}

/// The price in words, `0.0056 EUR`, as spuff_placement_add and spuff_placement_set_max_price take
/// it. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_price_text(price: *const Price) -> *const c_char {
    getter(std::ptr::null(), || Some(optional(price)?.text.as_ptr()))
}

/// Whether the cloud says so, in its own list; else the caller does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_price_is_listed(price: *const Price) -> bool {
    getter(false, || Some(optional(price)?.inner.source == PriceSource::Catalogue))
}
