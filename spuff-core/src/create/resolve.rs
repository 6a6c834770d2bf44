//! Polls for what a create may have made, until that is known or the deadline expires.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::http::{Deadline, ReadLag};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::wait::Pauses;

/// The result of one poll for an instance or snapshot that a create may have made.
#[derive(Debug)]
pub(crate) enum Lookup<T> {
    /// This create made it.
    Found(T),
    /// Another call made this under the key; an error if that call asked for something else. The
    /// result of this call's own request may still appear beside it.
    Others(ProviderResult<T>),
    /// Each of these ids may be it; a later poll decides.
    Ambiguous(Vec<String>),
    /// The create made nothing: its unique name belongs to another resource.
    Taken,
    /// As `Taken`, but the resource with this id is being destroyed and will free the name.
    Leaving(String),
    Nothing,
}

impl<T> Lookup<T> {
    pub(crate) fn found(found: Option<T>) -> Self {
        found.map_or(Self::Nothing, Self::Found)
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Lookup<U> {
        match self {
            Self::Found(made) => Lookup::Found(change(made)),
            Self::Others(made) => Lookup::Others(made.map(change)),
            Self::Ambiguous(candidates) => Lookup::Ambiguous(candidates),
            Self::Taken => Lookup::Taken,
            Self::Leaving(id) => Lookup::Leaving(id),
            Self::Nothing => Lookup::Nothing,
        }
    }
}

/// Searches for up to `limit` for what any process made under a key. Returns `None` if certainly
/// nothing was made.
///
/// # Errors
/// [`ProviderError::UnknownOutcome`] if the polls fail or show several candidates.
pub(crate) async fn resolve<T, F>(
    read_lag: ReadLag,
    operation: Operation,
    key: &str,
    limit: Duration,
    look: impl Fn() -> F,
) -> ProviderResult<Option<T>>
where
    F: Future<Output = ProviderResult<Lookup<T>>> + Send,
{
    let unknown = |candidates: &[String], why: &str| {
        ProviderError::unknown_outcome(
            operation,
            key,
            format!("the key could not be resolved{why}"),
        )
        .with_candidates(candidates)
    };
    // Wait even if lists do not lag: the request may still be in transit or in progress.
    Ok(poll_until_visible(Deadline::after(limit), read_lag, true, look, unknown).await?.ours())
}

/// The result of polling for a resource.
pub(super) enum Looked<T> {
    Ours(T),
    Taken,
    /// Certainly nothing was made.
    Nothing,
}

impl<T> Looked<T> {
    pub(super) fn ours(self) -> Option<T> {
        if let Self::Ours(made) = self { Some(made) } else { None }
    }
}

/// Consecutive denied polls after which polling stops, if stopping early loses nothing.
const DENIALS: u32 = 3;

/// Polls until the outcome is known or the deadline expires. A failed poll says nothing about the
/// create and may succeed later; if `prompt`, [`DENIALS`] permanent failures in a row stop it
/// early.
pub(super) async fn poll_until_visible<T, F>(
    deadline: Deadline,
    read_lag: ReadLag,
    prompt: bool,
    look: impl Fn() -> F,
    unknown: impl Fn(&[String], &str) -> ProviderError,
) -> ProviderResult<Looked<T>>
where
    F: Future<Output = ProviderResult<Lookup<T>>> + Send,
{
    let mut since = Instant::now();
    let mut pauses = Pauses::new(read_lag.poll_interval);
    let mut empty = 0;
    let mut denied = 0;
    let mut was_unsure = false;
    let mut candidates = Vec::new();
    let mut failed = String::new();
    loop {
        let asked = Instant::now();
        match tokio::time::timeout(deadline.remaining(), look()).await {
            Ok(Ok(found)) => {
                denied = 0;
                match found {
                    Lookup::Found(made) => return Ok(Looked::Ours(made)),
                    Lookup::Taken | Lookup::Leaving(_) => return Ok(Looked::Taken),
                    Lookup::Nothing | Lookup::Others(_) => {
                        // An unclear candidate may have been created at any time since the last
                        // poll.
                        if std::mem::take(&mut was_unsure) {
                            since = Instant::now();
                        }
                        empty += 1;
                        // The parts of a slow poll may be as old as its start.
                        let is_old_enough =
                            asked.saturating_duration_since(since) >= read_lag.consistency_delay;
                        if read_lag.consistency_delay.is_zero() || (empty >= 2 && is_old_enough) {
                            return if let Lookup::Others(made) = found {
                                made.map(Looked::Ours)
                            } else {
                                Ok(Looked::Nothing)
                            };
                        }
                    }
                    Lookup::Ambiguous(some) => {
                        candidates = some;
                        (was_unsure, empty) = (true, 0);
                    }
                }
            }
            // Another request made it under this key.
            Ok(Err(error @ ProviderError::Conflict { retryable: false, .. })) => return Err(error),
            Ok(Err(error)) => {
                denied = if error.is_transient() { 0 } else { denied + 1 };
                failed = format!("; the lookup failed: {error}");
            }
            Err(_) => {}
        }
        if deadline.remaining().is_zero() || (prompt && denied >= DENIALS) {
            return Err(unknown(&candidates, &failed));
        }
        tokio::time::sleep(pauses.next(deadline)).await;
    }
}
