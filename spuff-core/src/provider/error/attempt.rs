//! What was tried, place by place, before a machine was made or an error came of it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ErrorKind;
use crate::provider::price::Price;

/// What came of one candidate of a placement.
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
    /// What an hour costs there, where that was asked for and is known.
    pub price: Option<Price>,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// The kind of error, where it was one.
    pub kind: Option<ErrorKind>,
    /// What came of it, in words.
    pub message: String,
    /// How long it took.
    pub elapsed: Duration,
}

/// What came of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// The machine was made there.
    Made,
    /// There is no room, and nothing was made: the next one was tried.
    Full,
    /// Not asked: another machine of the same call had found no room there.
    KnownFull,
    /// Not asked: it costs more than was allowed.
    TooDear,
    /// Not asked: what it costs is not known.
    PriceUnknown,
    /// It failed in a way that ended the placement.
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
    /// The candidate in words: `hetzner fsn1 cx22`, without what it leaves to the provider.
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
