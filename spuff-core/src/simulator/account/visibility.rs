//! Visibility of new resources: reads and lists lag behind writes.

use super::super::clock::{Moment, delta};
use super::super::fault::Effects;
use super::super::options::Timings;

/// When, and after how many reads, a new resource becomes visible.
#[derive(Debug)]
pub(super) struct Visibility {
    listed_from: Moment,
    readable_from: Moment,
    hidden_reads: u32,
}

impl Visibility {
    pub(super) fn now(now: Moment) -> Self {
        Self { listed_from: now, readable_from: now, hidden_reads: 0 }
    }

    pub(super) fn later(timings: &Timings, now: Moment, effects: Effects) -> Self {
        Self {
            listed_from: now + delta(timings.list_lag),
            readable_from: now + delta(timings.read_lag),
            hidden_reads: effects.hidden_reads(),
        }
    }

    /// Whether a read by id shows it; counts as a read.
    pub(super) fn reads(&mut self, now: Moment) -> bool {
        self.readable_from <= now && self.looked_at()
    }

    /// Whether a list shows it; counts as a read.
    pub(super) fn lists(&mut self, now: Moment) -> bool {
        self.listed_from <= now && self.looked_at()
    }

    /// Whether a list would show it; does not count as a read.
    pub(super) fn would_list(&self, now: Moment) -> bool {
        self.listed_from <= now && self.hidden_reads == 0
    }

    fn looked_at(&mut self) -> bool {
        let seen = self.hidden_reads == 0;
        self.hidden_reads = self.hidden_reads.saturating_sub(1);
        seen
    }
}
