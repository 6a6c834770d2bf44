//! How long a verb may take, and all of its calls together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::number;

/// A point in time that everything inside a verb must keep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    began: Instant,
    end: Instant,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        let began = Instant::now();
        Self { began, end: number::later(began, limit) }
    }

    /// The same, so much later: by what had to be waited for.
    fn postponed(self, by: Duration) -> Self {
        Self { end: number::later(self.end, by), ..self }
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn remaining(self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }
}

/// What a verb that only asks or tells is on: all its calls together may take so long. Where they
/// wait for their turns, its time stands still.
#[derive(Debug)]
pub(crate) struct Errand {
    began: Deadline,
    /// In microseconds.
    waited: AtomicU64,
    /// When the first of its calls that were answered was sent.
    as_of: Mutex<Option<Instant>>,
}

impl Errand {
    pub(super) fn of(limit: Duration) -> Self {
        Self { began: Deadline::after(limit), waited: AtomicU64::new(0), as_of: Mutex::default() }
    }

    pub(super) fn waited(&self, time: Duration) {
        self.waited
            .fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// A call was answered that was sent then.
    pub(super) fn answered(&self, sent: Instant) {
        let mut as_of = self.as_of.lock().unwrap_or_else(PoisonError::into_inner);
        *as_of = Some(as_of.map_or(sent, |as_of| as_of.min(sent)));
    }

    /// As of when all that its calls have shown is true: what came later need not be among it.
    pub(crate) fn as_of(&self) -> Instant {
        self.as_of.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(Instant::now)
    }

    pub(crate) fn deadline(&self) -> Deadline {
        self.began.postponed(Duration::from_micros(self.waited.load(Ordering::Relaxed)))
    }
}
