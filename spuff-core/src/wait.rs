//! The one wait loop: polls until the resource is ready, has failed, or the deadline expires.
//!
//! The provider modules supply the poll.

mod batch_poll;
mod listing;
mod observation;
mod recent;
mod schedule;
mod shared_poll;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

pub(crate) use batch_poll::{BatchObservation, BatchPoll, Subject};
pub(crate) use listing::{Listed, Listing};
pub(crate) use observation::Observation;
pub(crate) use recent::RecentCreates;
pub(crate) use shared_poll::{SharedPoller, for_all};

use crate::http::{Call, Deadline, HttpClient, Reply, number};
use crate::progress;
use crate::provider::config::ProviderTimeouts;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;

/// The first pause is `poll_interval` divided by this; later pauses grow to `poll_interval`.
const FIRST_PAUSE: u32 = 4;
const GROWTH: f64 = 1.5;
/// Credentials that were accepted before count as invalid after this many refusals in a row, or
/// after being refused for this long.
const REFUSALS: u32 = 3;
const REFUSED_FOR: Duration = Duration::from_secs(30);
/// A stopped instance fails the wait after this long: it may be starting again until then.
const STOPPED_FOR: Duration = Duration::from_secs(30);

/// The pauses between polls: they grow to the longest, and none overshoots a deadline.
#[derive(Debug)]
pub(crate) struct Pauses {
    pause: Duration,
    longest: Duration,
}

impl Pauses {
    pub(crate) fn new(poll_interval: Duration) -> Self {
        let longest = poll_interval.max(ProviderTimeouts::MIN_POLL_INTERVAL);
        Self { pause: (longest / FIRST_PAUSE).max(ProviderTimeouts::MIN_POLL_INTERVAL), longest }
    }

    pub(crate) fn next(&mut self, deadline: Deadline) -> Duration {
        let pause = self.pause.min(deadline.remaining());
        self.pause = number::times(self.pause, GROWTH).min(self.longest);
        pause
    }
}

/// What the polls of a wait have shown so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SoFar {
    /// No poll has ended yet.
    Nothing,
    /// The resource was not seen.
    NotSeen,
    /// The resource was seen.
    BatchObservation,
}

/// One wait for one resource.
pub(crate) struct Wait<'a> {
    /// The operation, for the timeout's message.
    pub(crate) operation: Operation,
    /// The resource's type and id.
    pub(crate) subject: (&'static str, &'a str),
    pub(crate) deadline: Deadline,
    pub(crate) poll_interval: Duration,
    /// Before this time, an absence is ignored, because the resource was just created.
    pub(crate) grace_until: Option<Instant>,
    /// The same, for a resource whose creation time is unknown.
    unseen_until: Option<Instant>,
}

impl<'a> Wait<'a> {
    /// A wait of at most `limit`.
    pub(crate) fn new(
        operation: Operation,
        subject: (&'static str, &'a str),
        limit: Duration,
        timeouts: &ProviderTimeouts,
    ) -> Self {
        let deadline = Deadline::after(limit);
        let poll_interval = timeouts.poll_interval;
        Self { operation, subject, deadline, poll_interval, grace_until: None, unseen_until: None }
    }

    /// Ignores an absence before `time`.
    pub(crate) fn grace_until(mut self, time: Option<Instant>) -> Self {
        self.grace_until = time;
        self
    }

    /// Ignores the absence of a resource that was never seen, for `consistency_delay` but at most
    /// half of the remaining time: another client may have just created it.
    pub(crate) fn unseen_for(mut self, consistency_delay: Duration) -> Self {
        self.unseen_until = Some(number::later(
            Instant::now(),
            consistency_delay.min(self.deadline.remaining() / 2),
        ));
        self
    }

    fn bears_with_absence(&self) -> bool {
        self.grace_until.max(self.unseen_until).is_some_and(|time| Instant::now() < time)
    }

    /// Deletes the resource at `path`, sending again while it is busy, until a reply confirms it.
    /// Returns whether the resource existed; one that is gone counts as deleted.
    ///
    /// # Errors
    /// As [`until`](Self::until), but never [`ProviderError::NotFound`].
    pub(crate) async fn delete(
        self,
        http: &HttpClient,
        path: &str,
        is_said: fn(&Reply) -> ProviderResult<()>,
    ) -> ProviderResult<bool> {
        let (operation, (resource_type, id)) = (self.operation, self.subject);
        let ended = self.until(|| async move {
            let call = Call::delete(operation, path).about(resource_type, id);
            Observation::of_delete(http.told(&call, is_said).await)
        });
        Observation::deleted(ended.await)
    }

    /// Polls until `look` is done. Each poll is cut off at the deadline. An error of a poll ends
    /// the wait; see [`Observation::past`] for those that do not. Refused credentials end it at the
    /// first poll, and after an accepted poll only when refused repeatedly.
    ///
    /// The future of each poll is boxed and dropped before the pause, so that a sleeping waiter is
    /// small.
    ///
    /// # Errors
    /// The first error of a poll; [`ProviderError::NotFound`] when the resource is gone;
    /// [`ProviderError::Timeout`] with the last observed state.
    pub(crate) async fn until<T, F>(self, mut look: impl FnMut() -> F) -> ProviderResult<T>
    where
        F: Future<Output = ProviderResult<Observation<T>>> + Send,
    {
        let pauses = Pauses::new(self.poll_interval);
        self.looking(|_| look(), || false, Some(pauses)).await
    }

    /// As [`until`](Self::until), but polls together with the account's other waits.
    ///
    /// # Errors
    /// As [`until`](Self::until).
    pub(crate) async fn together<R: BatchPoll>(
        self,
        room: &R,
        poller: &Arc<SharedPoller<R>>,
        hint: R::Hint,
    ) -> ProviderResult<R::Thing> {
        let (id, poll_interval, grace_until) =
            (self.subject.1.to_string(), self.poll_interval, self.grace_until);
        let room = &Arc::new(room.clone());
        let look = |so_far: SoFar| {
            let is_new = so_far != SoFar::BatchObservation
                && grace_until.is_some_and(|time| Instant::now() < time);
            let subject = Subject { id: id.clone(), hint: hint.clone(), is_new };
            let is_first = so_far == SoFar::Nothing;
            async move { poller.look(room, &subject, is_first, poll_interval).await }
        };
        self.looking(look, || room.is_accepted(), None).await
    }

    /// Passes `look` what the earlier polls have shown. If `pauses` is `None`, `look` itself waits
    /// until a poll is due. `is_accepted` returns whether the cloud has accepted the credentials
    /// before.
    async fn looking<T, F>(
        self,
        mut look: impl FnMut(SoFar) -> F,
        is_accepted: impl Fn() -> bool,
        mut pauses: Option<Pauses>,
    ) -> ProviderResult<T>
    where
        F: Future<Output = ProviderResult<Observation<T>>> + Send,
    {
        let (resource_type, id) = self.subject;
        let mut so_far = SoFar::Nothing;
        let mut state = "no reply yet".to_string();
        let mut told = String::new();
        let mut was_clear = false;
        let mut refused = None;
        let mut stopped = None;
        // For an unshared poll, a limit of zero means one poll without a timeout.
        let is_one_look = pauses.is_some() && self.deadline.remaining().is_zero();
        while (is_one_look && so_far == SoFar::Nothing) || !self.deadline.remaining().is_zero() {
            let looked: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(look(so_far));
            let looked = if is_one_look {
                Ok(looked.await)
            } else {
                tokio::time::timeout(self.deadline.remaining(), looked).await
            };
            if so_far == SoFar::Nothing {
                so_far = SoFar::NotSeen;
            }
            if looked.as_ref().is_ok_and(|looked| looked.as_ref().is_ok_and(Observation::is_clear))
            {
                (was_clear, refused) = (true, None);
            }
            match looked {
                Ok(Ok(Observation::Done(value))) => return Ok(value),
                Ok(Ok(Observation::Pending(now))) => {
                    (so_far, stopped) = (SoFar::BatchObservation, None);
                    state = now;
                }
                Ok(Ok(Observation::Stopped(now))) => {
                    so_far = SoFar::BatchObservation;
                    if stopped.get_or_insert_with(Instant::now).elapsed() >= STOPPED_FOR {
                        let message = format!(
                            "{resource_type} {id} is {now}, and does not start by itself: start or \
                             destroy it"
                        );
                        return Err(ProviderError::conflict(message, false));
                    }
                    state = now;
                }
                Ok(Ok(Observation::Absent))
                    if so_far != SoFar::BatchObservation && self.bears_with_absence() =>
                {
                    state = "not visible yet".to_string();
                }
                Ok(Ok(Observation::Absent)) => {
                    return Err(ProviderError::not_found(resource_type, id));
                }
                Ok(Ok(Observation::Unclear(why))) => state = why,
                Ok(Ok(Observation::Refused(error))) => {
                    let (since, times) = refused.get_or_insert((Instant::now(), 0));
                    *times += 1;
                    let is_known = was_clear || is_accepted();
                    if !is_known || *times >= REFUSALS || since.elapsed() >= REFUSED_FOR {
                        return Err((*error).into());
                    }
                    state.clone_from(&error.text);
                }
                Ok(Err(error)) => return Err(error),
                // The deadline expired during a poll.
                Err(_) => break,
            }
            debug!(operation = self.operation.as_str(), id, %state, "waiting");
            if told != state {
                progress::report(self.operation, id, &state, self.deadline.elapsed());
                told.clone_from(&state);
            }
            if let Some(pauses) = &mut pauses {
                tokio::time::sleep(pauses.next(self.deadline)).await;
            }
        }
        let waited_for = format!("{} of {resource_type} {id} ({state})", self.operation);
        Err(ProviderError::timeout(waited_for, self.deadline.elapsed()))
    }
}

#[cfg(test)]
mod tests;
