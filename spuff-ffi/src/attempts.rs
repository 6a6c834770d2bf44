//! `spuff_attempts`: the outcome of each candidate that was tried.

use std::ffi::{CString, c_char};

use spuff_core::provider::{Attempt as CoreAttempt, AttemptOutcome};

use crate::boundary::{c_text, getter, optional};
use crate::error::{Code, millis};
use crate::price::Price;

/// The outcome of each candidate of a placement that was tried, in order. Owned by the spuff_placed
/// or the spuff_error that it was got from, and freed with that. Any thread may read it.
pub struct Attempts(Vec<Attempt>);

struct Attempt {
    inner: CoreAttempt,
    price: Option<Price>,
    texts: [CString; FIELDS],
}

const FIELDS: usize = 6;

/// The place of a field among the texts.
#[derive(Clone, Copy)]
enum Field {
    Provider,
    Region,
    Size,
    OutcomeWord,
    Message,
    Text,
}

impl From<CoreAttempt> for Attempt {
    fn from(inner: CoreAttempt) -> Self {
        let words = inner.to_string();
        let texts = [
            &inner.provider,
            &inner.region,
            &inner.size,
            inner.outcome.as_str(),
            &inner.message,
            &words,
        ]
        .map(c_text);
        Self { price: inner.price.clone().map(Into::into), texts, inner }
    }
}

impl From<Vec<CoreAttempt>> for Attempts {
    fn from(attempts: Vec<CoreAttempt>) -> Self {
        Self(attempts.into_iter().map(Into::into).collect())
    }
}

/// The outcome of a candidate.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcomeCode {
    /// What has no place below; spuff_attempts_outcome_word gives it.
    Unknown = 0,
    /// The instance was made there.
    Made = 1,
    /// There is no capacity, and nothing was made: the next one was tried.
    Full = 2,
    /// Not asked: another instance of the same call had found no capacity there.
    KnownFull = 3,
    /// Not asked: it costs more than was allowed.
    TooDear = 4,
    /// Not asked: what it costs is not known.
    PriceUnknown = 5,
    /// It failed in a way that ended the placement.
    Failed = 6,
}

impl From<AttemptOutcome> for AttemptOutcomeCode {
    fn from(outcome: AttemptOutcome) -> Self {
        match outcome {
            AttemptOutcome::Made => Self::Made,
            AttemptOutcome::Full => Self::Full,
            AttemptOutcome::KnownFull => Self::KnownFull,
            AttemptOutcome::TooDear => Self::TooDear,
            AttemptOutcome::PriceUnknown => Self::PriceUnknown,
            AttemptOutcome::Failed => Self::Failed,
            // One that is newer than this list.
            _ => Self::Unknown,
        }
    }
}

fn one<'a>(attempts: *const Attempts, index: usize) -> Option<&'a Attempt> {
    optional(attempts)?.0.get(index)
}

fn field(attempts: *const Attempts, index: usize, field: Field) -> *const c_char {
    getter(std::ptr::null(), || Some(one(attempts, index)?.texts[field as usize].as_ptr()))
}

/// The number of entries. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_attempts_count(attempts: *const Attempts) -> usize {
    getter(0, || Some(optional(attempts)?.0.len()))
}

/// The position of its candidate, in the order in which they were added. 0 past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_attempts_candidate(
    attempts: *const Attempts,
    index: usize,
) -> usize {
    getter(0, || Some(one(attempts, index)?.inner.candidate))
}

/// The provider's name. NULL past the end, as all getters here that give text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_attempts_provider(
    attempts: *const Attempts,
    index: usize,
) -> *const c_char {
    field(attempts, index, Field::Provider)
}

/// The region, as the candidate names it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_attempts_region(
    attempts: *const Attempts,
    index: usize,
) -> *const c_char {
    field(attempts, index, Field::Region)
}

/// The size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_attempts_size(
    attempts: *const Attempts,
    index: usize,
) -> *const c_char {
    field(attempts, index, Field::Size)
}

/// The hourly price there, which the attempts own. NULL if it was not requested or is unknown, and
/// past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_attempts_price(
    attempts: *const Attempts,
    index: usize,
) -> *const Price {
    getter(std::ptr::null(), || one(attempts, index)?.price.as_ref().map(std::ptr::from_ref))
}

/// The outcome. SPUFF_ATTEMPT_OUTCOME_UNKNOWN past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_attempts_outcome(
    attempts: *const Attempts,
    index: usize,
) -> AttemptOutcomeCode {
    getter(AttemptOutcomeCode::Unknown, || Some(one(attempts, index)?.inner.outcome.into()))
}

/// The outcome as a word: `made`, `full`, `known_full`, `too_dear`, `price_unknown` or `failed`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_attempts_outcome_word(
    attempts: *const Attempts,
    index: usize,
) -> *const c_char {
    field(attempts, index, Field::OutcomeWord)
}

/// The kind of its error. SPUFF_OK if there was none, and past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_attempts_code(attempts: *const Attempts, index: usize) -> Code {
    getter(Code::Ok, || Some(one(attempts, index)?.inner.kind.map_or(Code::Ok, Code::from)))
}

/// The outcome in words; empty if the instance was made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_attempts_message(
    attempts: *const Attempts,
    index: usize,
) -> *const c_char {
    field(attempts, index, Field::Message)
}

/// How many milliseconds it took. -1 past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_attempts_elapsed_ms(attempts: *const Attempts, index: usize) -> i64 {
    getter(-1, || millis(Some(one(attempts, index)?.inner.elapsed)))
}

/// The whole attempt in words: what a person should read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_attempts_text(
    attempts: *const Attempts,
    index: usize,
) -> *const c_char {
    field(attempts, index, Field::Text)
}
