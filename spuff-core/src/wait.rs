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

    /// Ignores the absence of a resource that was never seen, for `consistency_delay` but at most half of
    /// the remaining time: another client may have just created it.
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
mod tests {
    use super::*;

    fn wait(limit: u64, poll: Duration) -> Wait<'static> {
        let timeouts = ProviderTimeouts { poll_interval: poll, ..ProviderTimeouts::default() };
        Wait::new(Operation::WaitReady, ("instance", "7"), Duration::from_secs(limit), &timeouts)
    }

    /// Replies from a script; the last line is repeated.
    async fn run(
        wait: Wait<'_>,
        script: Vec<fn() -> ProviderResult<Observation<u32>>>,
    ) -> (ProviderResult<u32>, usize) {
        let mut looks = 0;
        let result = wait
            .until(|| {
                let answer = script[looks.min(script.len() - 1)];
                looks += 1;
                async move { answer() }
            })
            .await;
        (result, looks)
    }

    fn pending() -> ProviderResult<Observation<u32>> {
        Ok(Observation::Pending("booting".to_string()))
    }

    const CONSISTENCY_DELAY: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn ends_when_done_and_bears_with_passing_errors() {
        let script: Vec<fn() -> _> =
            vec![pending, || Observation::past(ProviderError::unavailable("502")), || {
                Ok(Observation::Done(3))
            }];
        let (result, looks) = run(wait(300, Duration::from_secs(5)), script).await;
        assert_eq!((result.unwrap(), looks), (3, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_is_kept_to_the_instant_and_names_the_last_state() {
        for poll in [0, 1, 500, 5000, 60_000] {
            let began = Instant::now();
            let (result, looks) = run(wait(30, Duration::from_millis(poll)), vec![pending]).await;
            let error = result.unwrap_err();
            assert!(
                matches!(error, ProviderError::Timeout { .. })
                    && error.to_string().contains("booting"),
                "{error}"
            );
            let spent = began.elapsed();
            assert!(
                spent >= Duration::from_secs(30) && spent < Duration::from_millis(30_010),
                "{spent:?} at {poll} ms"
            );
            assert!(looks <= 1502, "{looks} looks at {poll} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_absence_is_believed_unless_the_thing_is_new() {
        let (result, looks) =
            run(wait(300, Duration::from_secs(5)), vec![|| Ok(Observation::Absent)]).await;
        assert!(matches!(result, Err(ProviderError::NotFound { .. })) && looks == 1);

        let new = || {
            wait(300, Duration::from_secs(5)).grace_until(Some(Instant::now() + CONSISTENCY_DELAY))
        };
        let (result, _) = run(
            new(),
            vec![|| Ok(Observation::Absent), || Ok(Observation::Absent), || {
                Ok(Observation::Done(1))
            }],
        )
        .await;
        assert_eq!(result.unwrap(), 1);

        let (result, looks) = run(new(), vec![pending, || Ok(Observation::Absent)]).await;
        assert!(
            matches!(result, Err(ProviderError::NotFound { .. })) && looks == 2,
            "seen, then gone"
        );

        let began = Instant::now();
        let (result, _) = run(new(), vec![|| Ok(Observation::Absent)]).await;
        assert!(
            matches!(result, Err(ProviderError::NotFound { .. }))
                && began.elapsed() >= CONSISTENCY_DELAY
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_nothing_is_one_look() {
        let (result, looks) =
            run(wait(0, Duration::from_secs(5)), vec![|| Ok(Observation::Done(3))]).await;
        assert_eq!((result.unwrap(), looks), (3, 1));
        let (result, looks) = run(wait(0, Duration::from_secs(5)), vec![pending]).await;
        assert!(matches!(result, Err(ProviderError::Timeout { .. })) && looks == 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_error_ends_the_wait_at_once() {
        let (result, looks) = run(
            wait(300, Duration::from_secs(5)),
            vec![|| Observation::past(ProviderError::capacity("sold out"))],
        )
        .await;
        assert!(matches!(result, Err(ProviderError::Capacity { .. })) && looks == 1);
    }

    #[tokio::test(start_paused = true)]
    async fn accepted_credentials_are_refused_for_good_only_when_that_is_said_again_and_again() {
        let no = || Observation::past(ProviderError::auth("test", "no"));
        let unclear = || Observation::past(ProviderError::unavailable("502"));
        let done = || Ok(Observation::Done(3));
        let often = || wait(300, Duration::from_secs(5));
        let (result, looks) = run(often(), vec![no]).await;
        assert!(
            matches!(result, Err(ProviderError::Authentication { .. })) && looks == 1,
            "at the first look"
        );
        for refused in [
            vec![pending, no, done],
            vec![pending, no, no, pending, no, no, done],
            vec![pending, no, unclear, no, done],
        ] {
            assert_eq!(run(often(), refused).await.0.unwrap(), 3);
        }
        for refused in [vec![pending, no], vec![pending, no, unclear, no, no]] {
            let ends_after = refused.len().max(4);
            let (result, looks) = run(often(), refused).await;
            assert!(matches!(result, Err(ProviderError::Authentication { .. })), "{result:?}");
            assert_eq!(looks, ends_after);
        }
        let (result, looks) = run(wait(3600, Duration::from_secs(240)), vec![pending, no]).await;
        assert!(
            matches!(result, Err(ProviderError::Authentication { .. })) && looks == 3,
            "for half a minute"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_stopped_is_waited_for_as_long_as_somebody_may_be_starting_it() {
        let often = || wait(300, Duration::from_secs(5));
        let stopped: fn() -> ProviderResult<Observation<u32>> =
            || Ok(Observation::Stopped("stopped".to_string()));
        let (result, _) =
            run(often(), vec![stopped, stopped, pending, || Ok(Observation::Done(3))]).await;
        assert_eq!(result.unwrap(), 3);
        for script in
            [vec![stopped], vec![pending, stopped], vec![stopped, stopped, pending, stopped]]
        {
            let began = Instant::now();
            let (result, _) = run(often(), script).await;
            let error = result.unwrap_err();
            assert!(matches!(error, ProviderError::Conflict { retryable: false, .. }), "{error}");
            assert!(error.to_string().contains("instance 7 is stopped"), "{error}");
            assert!(
                began.elapsed() >= STOPPED_FOR && began.elapsed() < 2 * STOPPED_FOR,
                "{:?}",
                began.elapsed()
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_absence_of_what_was_never_seen_is_borne_for_a_while() {
        let unseen = |limit| wait(limit, Duration::from_secs(5)).unseen_for(CONSISTENCY_DELAY);
        let (result, _) = run(
            unseen(300),
            vec![|| Ok(Observation::Absent), || Ok(Observation::Absent), || {
                Ok(Observation::Done(1))
            }],
        )
        .await;
        assert_eq!(result.unwrap(), 1);
        let (result, looks) = run(unseen(300), vec![pending, || Ok(Observation::Absent)]).await;
        assert!(
            matches!(result, Err(ProviderError::NotFound { .. })) && looks == 2,
            "seen, then gone"
        );
        for (limit, borne) in [(300, CONSISTENCY_DELAY), (60, CONSISTENCY_DELAY / 2)] {
            let began = Instant::now();
            let (result, _) = run(unseen(limit), vec![|| Ok(Observation::Absent)]).await;
            let spent = began.elapsed();
            assert!(
                matches!(result, Err(ProviderError::NotFound { .. }))
                    && spent >= borne
                    && spent < borne * 2,
                "{spent:?}"
            );
        }
    }

    /// Replies from a script, one line for each poll, and records each subject's `is_new`.
    #[derive(Clone)]
    struct Shown {
        script: &'static [fn() -> ProviderResult<Observation<u32>>],
        is_accepted: bool,
        asked: Arc<std::sync::Mutex<Vec<bool>>>,
    }

    #[async_trait::async_trait]
    impl BatchPoll for Shown {
        type Thing = u32;
        type Hint = ();

        fn is_accepted(&self) -> bool {
            self.is_accepted
        }

        fn refill_interval(&self) -> Duration {
            Duration::ZERO
        }

        async fn poll_batch(&self, subjects: &[Subject<()>]) -> BatchObservation<u32> {
            let mut asked = self.asked.lock().unwrap();
            asked.push(subjects[0].is_new);
            let looks = vec![self.script[(asked.len() - 1).min(self.script.len() - 1)]()];
            BatchObservation { observations: looks, requests: 1 }
        }
    }

    async fn together(
        wait: Wait<'_>,
        is_accepted: bool,
        script: &'static [fn() -> ProviderResult<Observation<u32>>],
    ) -> (ProviderResult<u32>, Vec<bool>) {
        let shown = Shown { script, is_accepted, asked: Arc::default() };
        let waited = wait.together(&shown, &Arc::default(), ()).await;
        let asked = shown.asked.lock().unwrap().clone();
        (waited, asked)
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_is_told_whether_it_need_not_show_a_thing_yet() {
        const ABSENT: fn() -> ProviderResult<Observation<u32>> = || Ok(Observation::Absent);
        const DONE: fn() -> ProviderResult<Observation<u32>> = || Ok(Observation::Done(3));
        let new = || {
            wait(300, Duration::from_secs(5)).grace_until(Some(Instant::now() + CONSISTENCY_DELAY))
        };
        let (waited, asked) = together(new(), false, &[ABSENT, pending, DONE]).await;
        assert_eq!((waited.unwrap(), asked), (3, vec![true, true, false]), "it was seen");
        let (waited, asked) =
            together(wait(300, Duration::from_secs(5)), false, &[pending, DONE]).await;
        assert_eq!((waited.unwrap(), asked), (3, vec![false, false]), "it is not new");
        let (waited, asked) = together(new(), false, &[ABSENT]).await;
        assert!(matches!(waited, Err(ProviderError::NotFound { .. })), "{waited:?}");
        assert!(
            asked.len() > 10 && asked.iter().all(|is_new| *is_new),
            "as long as it was never seen: {asked:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_that_others_were_accepted_with_are_refused_for_good_only_again_and_again()
    {
        const NO: fn() -> ProviderResult<Observation<u32>> =
            || Observation::past(ProviderError::auth("test", "no"));
        let often = || wait(300, Duration::from_secs(5));
        let (waited, asked) = together(often(), true, &[NO, NO, || Ok(Observation::Done(3))]).await;
        assert_eq!((waited.unwrap(), asked.len()), (3, 3));
        let (waited, asked) = together(often(), true, &[NO]).await;
        assert!(
            matches!(waited, Err(ProviderError::Authentication { .. })) && asked.len() == 3,
            "{waited:?}"
        );
        let (waited, asked) = together(often(), false, &[NO]).await;
        assert!(
            matches!(waited, Err(ProviderError::Authentication { .. })) && asked.len() == 1,
            "{waited:?}"
        );
        let (waited, asked) = together(wait(0, Duration::from_secs(5)), true, &[pending]).await;
        assert!(
            matches!(waited, Err(ProviderError::Timeout { .. })) && asked.is_empty(),
            "a list takes no time of its own"
        );
    }
}
