//! When each look that is waited for is due, and who looks.
//!
//! Bookkeeping alone: nothing here waits. Whoever looks shows that it is at it; one that does not
//! is taken over from.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Observation;
use super::batch_poll::{BatchPoll, Subject};
use crate::http::number;
use crate::provider::config::ProviderTimeouts;
use crate::provider::error::ProviderResult;

/// How long after it was due a look is not waited for any more where nobody is seen to be at it:
/// the runtime of whoever looks for all may stand still, neither driven nor ended.
pub(super) const OVERDUE: Duration = Duration::from_secs(3);

/// Who waits for a look, when each is due, and who looks.
pub(super) struct PollSchedule<R: BatchPoll> {
    pub(super) waiting: Vec<PendingPoll<R>>,
    pub(super) is_driven: bool,
    /// How often somebody has taken over from one that stood still.
    epoch: u64,
    /// When whoever looks was seen at it last.
    heartbeat: Option<Instant>,
    /// When all were looked at last.
    last: Option<Instant>,
    /// How long after that they are looked at again.
    pub(super) pause: Duration,
    /// How long after that newcomers are looked at: at once while they are found ready, else as the
    /// others.
    first_poll_delay: Duration,
    /// How long it takes to earn what the last look took.
    refill_interval: Duration,
}

/// One look that is waited for.
pub(super) struct PendingPoll<R: BatchPoll> {
    /// Of whoever asks: it looks with those credentials.
    pub(super) room: Arc<R>,
    pub(super) subject: Subject<R::Hint>,
    pub(super) due: Instant,
    pub(super) is_first: bool,
    pub(super) poll_interval: Duration,
    pub(super) answer: Answer<R::Thing>,
}

impl<R: BatchPoll> Default for PollSchedule<R> {
    fn default() -> Self {
        let (waiting, is_driven, epoch, heartbeat, last) = (Vec::new(), false, 0, None, None);
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
        // What others are patient about is not a newcomer's.
        let own = first_pause(poll_interval).max(self.refill_interval.min(poll_interval));
        let pause = if is_first { self.first_poll_delay.min(own) } else { self.pause };
        let due = self.last.map_or(now, |last| (last + pause).max(now));
        self.waiting.push(PendingPoll { room, subject, due, is_first, poll_interval, answer });
        Ticket { begins, epoch: self.epoch, due }
    }

    /// Whether whoever looked since that epoch does so no more: from now on, somebody else may.
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

    /// Notes that whoever looks is at it. Not, where somebody else has taken over.
    pub(super) fn heartbeat(&mut self, epoch: u64) -> bool {
        let is_current = self.epoch == epoch;
        if is_current {
            self.heartbeat = Some(Instant::now());
        }
        is_current
    }

    /// Lets those that wait begin anew, as whoever looked since that epoch has broken off.
    pub(super) fn poller_lost(&mut self, epoch: u64) {
        if self.epoch == epoch {
            self.is_driven = false;
            self.waiting.clear();
        }
    }

    /// Those whose look is due, or will be soon: looking at more costs little more.
    pub(super) fn take(&mut self, now: Instant) -> Vec<PendingPoll<R>> {
        let soon = now + self.pause / 2;
        let (due, later) =
            std::mem::take(&mut self.waiting).into_iter().partition(|asked| asked.due <= soon);
        self.waiting = later;
        due
    }

    /// Sets the next pauses, after a look that took so long to earn.
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

/// When something that was asked for is looked at, and by whom.
pub(super) struct Ticket {
    /// Whether somebody must begin to look.
    pub(super) begins: bool,
    pub(super) epoch: u64,
    pub(super) due: Instant,
}

/// What a look has shown of those that were looked at for the first time.
#[derive(Clone, Copy)]
pub(super) enum Newcomers {
    None,
    NotReady,
    Ready,
}
