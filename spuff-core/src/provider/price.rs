//! Prices of instances, as exact amounts.
//!
//! This module knows no cloud.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::{ProviderError, ProviderResult};

/// The number of decimal places of an amount.
const DIGITS: usize = 6;
const UNIT: u64 = 1_000_000;

/// The hourly price of an instance, without tax, in millionths of the currency's unit.
///
/// # Examples
/// ```
/// use spuff_core::provider::Price;
///
/// let price: Price = "0.0056 EUR".parse().unwrap();
/// assert_eq!((price.micros, price.currency.as_str()), (5_600, "EUR"));
/// assert_eq!(price.to_string(), "0.0056 EUR");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Price {
    /// Millionths of the unit: 5,600 are 0.0056 EUR.
    pub micros: u64,
    /// The ISO 4217 code of the currency, such as `EUR` or `USD`.
    pub currency: String,
    /// The source of the price.
    #[serde(default)]
    pub source: PriceSource,
}

/// The source of a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PriceSource {
    /// The caller.
    #[default]
    Given,
    /// The cloud's own price list.
    Catalogue,
}

impl Price {
    /// A price given by the caller.
    pub fn new(micros: u64, currency: impl Into<String>) -> Self {
        Self { micros, currency: currency.into(), source: PriceSource::Given }
    }

    /// Parses a price of a cloud's list, in plain decimals. Fractions of a millionth are rounded
    /// up, so that a price is never understated. Returns `None` if it is unreadable.
    pub(crate) fn listed(amount: &str, currency: &str) -> Option<Self> {
        let micros = micros(amount)?;
        (!currency.is_empty()).then(|| Self {
            micros,
            currency: currency.to_string(),
            source: PriceSource::Catalogue,
        })
    }
}

/// Parses plain decimals as millionths, rounded up.
fn micros(amount: &str) -> Option<u64> {
    let (whole, part) = amount.split_once('.').unwrap_or((amount, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return None;
    }
    let (kept, rest) = part.split_at(part.len().min(DIGITS));
    let kept: u64 = format!("{kept:0<DIGITS$}").parse().ok()?;
    let up = u64::from(rest.bytes().any(|byte| byte != b'0'));
    whole.parse::<u64>().ok()?.checked_mul(UNIT)?.checked_add(kept + up)
}

/// `0.0056 EUR`.
impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:0DIGITS$}", self.micros % UNIT);
        let part = part.trim_end_matches('0');
        write!(
            f,
            "{}{}{part} {}",
            self.micros / UNIT,
            if part.is_empty() { "" } else { "." },
            self.currency
        )
    }
}

/// Parses the output of [`Display`](fmt::Display). Refuses amounts with more than six decimal
/// places, which would be inexact.
impl FromStr for Price {
    type Err = ProviderError;

    fn from_str(text: &str) -> ProviderResult<Self> {
        let read = || {
            let (amount, currency) = text.trim().split_once(' ')?;
            let exact = amount.split_once('.').is_none_or(|(_, part)| part.len() <= DIGITS);
            let named =
                currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
            micros(amount).filter(|_| exact && named).map(|micros| Self::new(micros, currency))
        };
        read().ok_or_else(|| {
            let message = format!(
                "{text:?}: must be a decimal, with up to {DIGITS} digits after the point, and a \
                 currency: 0.0056 EUR"
            );
            ProviderError::invalid_config("price", message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_rounded_up() {
        for (amount, micros) in [
            ("0.0056000000", Some(5_600)),
            ("0.0066640000000000", Some(6_664)),
            ("1.2345670000", Some(1_234_567)),
            ("0.0000001", Some(1)),
            ("0.9999999", Some(1_000_000)),
            ("23.92", Some(23_920_000)),
            ("23", Some(23_000_000)),
            ("0", Some(0)),
            ("18446744073709.551615", Some(u64::MAX)),
            ("18446744073709.551616", None),
            ("99999999999999999999", None),
            ("-1", None),
            ("+1", None),
            ("1e-3", None),
            ("1,5", None),
            (".5", None),
            ("5.", None),
            ("", None),
            ("NaN", None),
        ] {
            assert_eq!(Price::listed(amount, "EUR").map(|price| price.micros), micros, "{amount}");
        }
        assert_eq!(Price::listed("1", ""), None, "a price in no currency");
    }

    #[test]
    fn text_and_price_are_the_same() {
        for (text, micros) in
            [("0.0056 EUR", 5_600), ("0 USD", 0), ("1 USD", 1_000_000), ("23.92 USD", 23_920_000)]
        {
            let price: Price = text.parse().unwrap();
            assert_eq!(
                (price.micros, price.source, price.to_string().as_str()),
                (micros, PriceSource::Given, text)
            );
        }
        for text in
            ["", "1", "EUR", "1 eur", "1 EURO", "0.0000001 EUR", "-1 EUR", "1  EUR", "1 EUR now"]
        {
            let error = text.parse::<Price>().unwrap_err();
            assert!(
                matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "price"),
                "{text}: {error}"
            );
        }
    }
}
