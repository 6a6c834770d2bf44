//! When each pending poll is due, and which task polls.
//!
//! Bookkeeping only: nothing here waits. The poller sends a heartbeat; if it stalls, another task
//! takes over.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Observation;
use super::batch_poll::{BatchPoll, Subject};
use crate::http::number;
use crate::provider::config::ProviderTimeouts;
use crate::provider::error::ProviderResult;

/// How long after its due time a poll without a heartbeat counts as stalled: the poller's runtime
/// may be neither driven nor ended.
pub(super) const OVERDUE: Duration = Duration::from_secs(3);

/// The pending polls, when each is due, and the state of the poller.
pub(super) struct PollSchedule<R: BatchPoll> {
    pub(super) waiting: Vec<PendingPoll<R>>,
    pub(super) is_driven: bool,
    /// How often another task took over from a stalled poller.
    epoch: u64,
    /// The poller's last heartbeat.
    heartbeat: Option<Instant>,
    /// When the last poll ended.
    last: Option<Instant>,
    /// The pause between `last` and the next poll.
    pub(super) pause: Duration,
    /// The pause between `last` and the first poll of a newcomer: zero while newcomers are found
    /// ready, else growing to `pause`.
    first_poll_delay: Duration,
    /// How long the rate limit takes to refill what the last poll used.
    refill_interval: Duration,
}

/// One pending poll.
pub(super) struct PendingPoll<R: BatchPoll> {
    /// The waiter's provider module, whose credentials it polls with.
    pub(super) room: Arc<R>,
    pub(super) subject: Subject<R::Hint>,
    pub(super) due: Instant,
    pub(super) is_first: bool,
    pub(super) poll_interval: Duration,
    pub(super) answer: Answer<R::Thing>,
}

impl<R: BatchPoll> Default for PollSchedule<R> {
    fn default() -> Self {
        let waiting = Vec::new();
        let is_driven = false;
        let epoch = 0;
        let heartbeat = None;
        let last = None;
        let zero = Duration::ZERO;
        Self {
            waiting,
            is_driven,
            epoch,
            heartbeat,
            last,
            pause: zero,
            first_poll_delay: zero,
            refill_interval: zero,
        }
    }
}

impl<R: BatchPoll> PollSchedule<R> {
    pub(super) fn ask(
        &mut self,
        (room, subject): (Arc<R>, Subject<R::Hint>),
        is_first: bool,
        poll_interval: Duration,
        answer: Answer<R::Thing>,
    ) -> Ticket {
        let now = Instant::now();
        let begins = !std::mem::replace(&mut self.is_driven, true);
        if begins {
            (self.pause, self.first_poll_delay) = (Duration::ZERO, Duration::ZERO);
        }
        // A newcomer does not wait for the long poll intervals of others.
        let own = first_pause(poll_interval).max(self.refill_interval.min(poll_interval));
        let pause = if is_first { self.first_poll_delay.min(own) } else { self.pause };
        let due = self.last.map_or(now, |last| (last + pause).max(now));
        self.waiting.push(PendingPoll { room, subject, due, is_first, poll_interval, answer });
        Ticket { begins, epoch: self.epoch, due }
    }

    /// Whether the poller of that epoch is stalled; if so, another task may take over from now on.
    pub(super) fn is_stalled(&mut self, epoch: u64) -> bool {
        if self.epoch == epoch {
            let due = self.waiting.iter().map(|asked| asked.due).min();
            if due.max(self.heartbeat).is_some_and(|last| last.elapsed() < OVERDUE) {
                return false;
            }
            self.epoch += 1;
            self.is_driven = false;
        }
        true
    }

    /// Records a heartbeat. Returns `false` if another task has taken over.
    pub(super) fn heartbeat(&mut self, epoch: u64) -> bool {
        let is_current = self.epoch == epoch;
        if is_current {
            self.heartbeat = Some(Instant::now());
        }
        is_current
    }

    /// Drops all pending polls, so that the waiters start over: the poller of that epoch was lost.
    pub(super) fn poller_lost(&mut self, epoch: u64) {
        if self.epoch == epoch {
            self.is_driven = false;
            self.waiting.clear();
        }
    }

    /// Takes the polls that are due or will be soon: polling a few more costs little.
    pub(super) fn take(&mut self, now: Instant) -> Vec<PendingPoll<R>> {
        let soon = now + self.pause / 2;
        let (due, later) =
            std::mem::take(&mut self.waiting).into_iter().partition(|asked| asked.due <= soon);
        self.waiting = later;
        due
    }

    /// Sets the next pauses, after a poll whose requests take `refill_interval` to refill.
    pub(super) fn looked(
        &mut self,
        interval: Duration,
        refill_interval: Duration,
        newcomers: Newcomers,
    ) {
        let (first, longest) =
            (first_pause(interval), interval.max(ProviderTimeouts::MIN_POLL_INTERVAL));
        (self.last, self.refill_interval) = (Some(Instant::now()), refill_interval);
        self.pause =
            number::times(self.pause, super::GROWTH).clamp(first, longest).max(refill_interval);
        self.first_poll_delay = match newcomers {
            Newcomers::None => self.first_poll_delay,
            Newcomers::Ready => Duration::ZERO,
            Newcomers::NotReady => {
                number::times(self.first_poll_delay, super::GROWTH).max(first).min(self.pause)
            }
        };
    }
}

fn first_pause(interval: Duration) -> Duration {
    (interval / super::FIRST_PAUSE).max(ProviderTimeouts::MIN_POLL_INTERVAL)
}

pub(super) type Answer<T> = oneshot::Sender<ProviderResult<Observation<T>>>;

/// When a requested poll is due, and whether a poller must be started.
pub(super) struct Ticket {
    /// Whether the caller must start a poller.
    pub(super) begins: bool,
    pub(super) epoch: u64,
    pub(super) due: Instant,
}

/// What a poll has shown of the subjects that were polled for the first time.
#[derive(Clone, Copy)]
pub(super) enum Newcomers {
    None,
    NotReady,
    Ready,
}
