//! The attempts of a placement, one per candidate.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ErrorKind;
use crate::provider::price::Price;

/// The outcome of one candidate of a placement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Attempt {
    /// The position of the candidate in the list.
    pub candidate: usize,
    /// The provider's name.
    pub provider: String,
    /// The region or location.
    pub region: String,
    /// The size or type.
    pub size: String,
    /// The hourly price there, if it was requested and is known.
    pub price: Option<Price>,
    /// The outcome.
    pub outcome: AttemptOutcome,
    /// The kind of error, if it failed.
    pub kind: Option<ErrorKind>,
    /// The outcome, in words.
    pub message: String,
    /// How long it took.
    pub elapsed: Duration,
}

/// The outcome of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// The instance was made there.
    Made,
    /// There was no room, and nothing was made; the next candidate was tried.
    Full,
    /// Skipped: another instance of the same call had found no room there.
    KnownFull,
    /// Skipped: it costs more than allowed.
    TooDear,
    /// Skipped: its price is unknown.
    PriceUnknown,
    /// It failed with an error that ended the placement.
    Failed,
}

impl AttemptOutcome {
    /// The outcome as a word: `made`, `full`, `known_full`, `too_dear`, `price_unknown` or
    /// `failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Full => "full",
            Self::KnownFull => "known_full",
            Self::TooDear => "too_dear",
            Self::PriceUnknown => "price_unknown",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for AttemptOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str().replace('_', " "))
    }
}

impl Attempt {
    /// The candidate as text, such as `hetzner fsn1 cx22`, without the fields left to the provider.
    pub fn place(&self) -> String {
        let words = [&self.provider, &self.region, &self.size];
        words
            .into_iter()
            .filter(|word| !word.is_empty())
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// `hetzner fsn1 cx22 (0.006 EUR): full: no capacity: …`.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())?;
        if let Some(price) = &self.price {
            write!(f, " ({price})")?;
        }
        write!(f, ": {}", self.outcome)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}
