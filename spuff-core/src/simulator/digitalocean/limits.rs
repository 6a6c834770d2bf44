//! Rate limits of a token: sliding windows, and the headers that report them.

use std::collections::{HashMap, VecDeque};

use chrono::TimeDelta;

use super::super::clock::Moment;

const PER_HOUR: usize = 5000;
const PER_MINUTE: usize = 250;
/// Maximum reads of the account's keys per minute.
const KEYS_PER_MINUTE: usize = 10;

/// A sliding window: at most `limit` requests within `span`.
#[derive(Debug)]
struct Window {
    limit: usize,
    span: TimeDelta,
    sent: VecDeque<Moment>,
}

impl Window {
    fn new(limit: usize, span: TimeDelta) -> Self {
        Self { limit, span, sent: VecDeque::new() }
    }

    /// Returns the wait until the next request is allowed; `None` if it is allowed now.
    fn wait(&mut self, now: Moment) -> Option<TimeDelta> {
        while self.sent.front().is_some_and(|sent| *sent + self.span <= now) {
            self.sent.pop_front();
        }
        (self.sent.len() >= self.limit)
            .then(|| self.sent.front().map_or(self.span, |oldest| *oldest + self.span - now))
    }
}

/// The windows of one token.
#[derive(Debug)]
struct Budget {
    hour: Window,
    minute: Window,
    keys: Window,
}

/// The values of a reply's rate limit headers.
#[derive(Debug, Clone, Copy)]
struct Told {
    remaining: usize,
    /// When the oldest counted request leaves the window.
    reset: Moment,
    retry_after: Option<i64>,
}

/// The windows of every token.
#[derive(Debug, Default)]
pub(super) struct Limits {
    budgets: HashMap<String, Budget>,
    told: Option<Told>,
    /// A refusal by a fault, reported as an exhausted hour that resets after this many seconds.
    used_up: Option<u64>,
}

impl Limits {
    /// Counts a request, or returns how long it must wait.
    pub(super) fn take(
        &mut self,
        token: &str,
        reads_keys: bool,
        now: Moment,
    ) -> Result<(), TimeDelta> {
        let budget = self.budgets.entry(token.to_string()).or_insert_with(|| Budget {
            hour: Window::new(PER_HOUR, TimeDelta::hours(1)),
            minute: Window::new(PER_MINUTE, TimeDelta::minutes(1)),
            keys: Window::new(KEYS_PER_MINUTE, TimeDelta::minutes(1)),
        });
        let hour = budget.hour.wait(now);
        let burst = budget.minute.wait(now).max(budget.keys.wait(now).filter(|_| reads_keys));
        let wait = hour.max(burst);
        if wait.is_none() {
            budget.hour.sent.push_back(now);
            budget.minute.sent.push_back(now);
            if reads_keys {
                budget.keys.sent.push_back(now);
            }
        }
        self.told = Some(Told {
            remaining: PER_HOUR - budget.hour.sent.len(),
            reset: budget.hour.sent.front().map_or(now, |oldest| *oldest + budget.hour.span),
            // Whole seconds, rounded up: a client that waits this long is accepted.
            retry_after: burst.map(|burst| (burst.num_milliseconds() + 999) / 1000),
        });
        wait.map_or(Ok(()), Err)
    }

    /// The `retry-after` of a refusal by [`take`](Self::take); only the burst limit sends one.
    pub(super) fn retry_after(&self) -> Option<i64> {
        self.told.and_then(|told| told.retry_after)
    }

    /// Makes the headers match a refusal by a fault.
    pub(super) fn pretend_used_up(&mut self, retry_after: Option<u64>) {
        if self.told.is_none() {
            self.used_up = Some(retry_after.unwrap_or(1));
        }
    }

    /// Clears what a previous reply without headers left behind.
    pub(super) fn begin(&mut self) {
        self.used_up = None;
    }

    /// The headers of a reply. If limits are disabled, each request counts as the first of its
    /// hour.
    pub(super) fn headers(&mut self, now: Moment) -> [(&'static str, String); 3] {
        let used_up = self.used_up.take().map(|seconds| Told {
            remaining: 0,
            reset: now + TimeDelta::seconds(seconds.min(3600).cast_signed()),
            retry_after: None,
        });
        let fresh = || Told {
            remaining: PER_HOUR - 1,
            reset: now + TimeDelta::hours(1),
            retry_after: None,
        };
        let told = self.told.take().or(used_up).unwrap_or_else(fresh);
        [
            ("ratelimit-limit", PER_HOUR.to_string()),
            ("ratelimit-remaining", told.remaining.to_string()),
            ("ratelimit-reset", told.reset.timestamp().to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_slides() {
        let began = chrono::Utc::now();
        let mut limits = Limits::default();
        for second in 0..PER_MINUTE {
            limits
                .take(
                    "t",
                    false,
                    began + TimeDelta::milliseconds(100 * i64::try_from(second).unwrap()),
                )
                .unwrap();
        }
        let full = began + TimeDelta::seconds(30);
        assert_eq!(limits.take("t", false, full).unwrap_err(), TimeDelta::seconds(30));
        assert_eq!(limits.retry_after(), Some(30));
        assert!(limits.take("another", false, full).is_ok());
        // After a minute only the first has expired.
        let later = began + TimeDelta::seconds(60);
        assert!(limits.take("t", false, later).is_ok());
        assert_eq!(limits.take("t", false, later).unwrap_err(), TimeDelta::milliseconds(100));
        let [_, (_, remaining), (_, reset)] = limits.headers(later);
        assert_eq!(remaining, (PER_HOUR - PER_MINUTE - 1).to_string());
        assert_eq!(reset, (began + TimeDelta::hours(1)).timestamp().to_string());
    }
}
