//! The time limit of an operation and of all its calls together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::number;

/// A point in time by which an operation must end.
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

    /// The same deadline, later by the time spent waiting.
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

/// The time limit of an operation that does not wait for a resource, for all its calls together. It
/// stops while a call waits for the rate limit.
#[derive(Debug)]
pub(crate) struct Errand {
    began: Deadline,
    /// The time spent waiting for the rate limit, in microseconds.
    waited: AtomicU64,
    /// When the earliest of the answered calls was sent.
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

    /// Records the reply to a call that was sent at that time.
    pub(super) fn answered(&self, sent: Instant) {
        let mut as_of = self.as_of.lock().unwrap_or_else(PoisonError::into_inner);
        *as_of = Some(as_of.map_or(sent, |as_of| as_of.min(sent)));
    }

    /// The time as of which all its replies are true: they may lack anything that came later.
    pub(crate) fn as_of(&self) -> Instant {
        self.as_of.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(Instant::now)
    }

    pub(crate) fn deadline(&self) -> Deadline {
        self.began.postponed(Duration::from_micros(self.waited.load(Ordering::Relaxed)))
    }
}
