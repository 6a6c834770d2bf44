//! The one wait loop: looks until a thing is as it should be, cannot become so any more, or the deadline passes.
//!
//! Stands on the contract. What to look at comes from a cloud's room.

mod listing;
mod turns;
mod watch;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

pub(crate) use listing::{Listed, Listing};
pub(crate) use turns::Subject;
pub(crate) use watch::{Lookout, Seen, Watcher, for_all};

use crate::http::{Call, Deadline, Failure, HttpClient, Reply, number};
use crate::progress;
use crate::provider::config::ProviderTimeouts;
use crate::provider::error::{ErrorContext, ErrorParts, ProviderError, ProviderResult};
use crate::provider::{InstanceStatus, ProviderInstance};

/// How long what was made is remembered: longer than any boot.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// The first pause is this part of `poll_interval`; the next ones grow to it.
const FIRST_PAUSE: u32 = 4;
const GROWTH: f64 = 1.5;
/// Credentials that were accepted before are refused for good when that is said so often in a row, or for so long.
const REFUSALS: u32 = 3;
const REFUSED_FOR: Duration = Duration::from_secs(30);
/// A machine that was stopped is waited for so long: somebody may be starting it again.
const STOPPED_FOR: Duration = Duration::from_secs(30);

/// What a look has shown.
#[derive(Debug, Clone)]
pub(crate) enum Look<T> {
    /// It is as it should be.
    Done(T),
    /// Not yet; in words that a timeout can repeat.
    Pending(String),
    /// Not, and it will not be by itself; in words that an error can repeat.
    Stopped(String),
    /// It is not there.
    Absent,
    /// The look itself failed in a way that may pass.
    Unclear(String),
    /// The cloud has refused the credentials. It does so for a moment, too, when one of its parts is out of order.
    Refused(Box<ErrorParts>),
}

impl<T> Look<T> {
    /// Looks past a failure that may pass; keeps any other.
    pub(crate) fn past(error: ProviderError) -> ProviderResult<Self> {
        match error {
            ProviderError::Authentication { .. } => Ok(Self::Refused(Box::new(ErrorParts::from(&error)))),
            error if error.may_pass() => Ok(Self::Unclear(error.to_string())),
            error => Err(error),
        }
    }

    /// As [`past`](Self::past), of a call that only reads: one that is refused for want of room, or for what else goes on, tells nothing
    /// of what was to be read. What a room has concluded of a machine names it.
    pub(crate) fn unread(error: ProviderError) -> ProviderResult<Self> {
        let is_concluded = error.context().is_some_and(|context| context.instance_id.is_some());
        match error {
            ProviderError::Capacity { .. } | ProviderError::QuotaExceeded { .. } | ProviderError::Conflict { .. }
                if !is_concluded =>
            {
                Ok(Self::Unclear(error.to_string()))
            }
            error => Self::past(error),
        }
    }

    /// Whether the look has shown how the thing is, or that it is not there.
    fn is_clear(&self) -> bool {
        !matches!(self, Self::Unclear(_) | Self::Refused(_))
    }
}

impl<T> Look<T> {
    /// Whether a thing that is asked for or changed is there already. Other failures have been tried again by the pipeline.
    pub(crate) fn of_answer(answered: ProviderResult<T>) -> ProviderResult<Self> {
        match answered {
            Ok(answer) => Ok(Self::Done(answer)),
            Err(ProviderError::NotFound { .. }) => Ok(Self::Absent),
            Err(error) => Err(error),
        }
    }

    /// Whether a thing that was read is in the state that is waited for.
    pub(crate) fn of_state(read: ProviderResult<T>, state: impl Fn(&T) -> &str, wanted: &str) -> ProviderResult<Self> {
        match read {
            Ok(thing) if state(&thing) == wanted => Ok(Self::Done(thing)),
            Ok(thing) => Ok(Self::Pending(state(&thing).to_string())),
            Err(ProviderError::NotFound { .. }) => Ok(Self::Absent),
            Err(error) => Self::unread(error),
        }
    }
}

impl Look<ProviderInstance> {
    /// Whether a machine that was read is ready, may become so, or never will.
    pub(crate) fn of_instance(read: ProviderResult<ProviderInstance>, provider: &str) -> ProviderResult<Self> {
        match read {
            Ok(instance) if instance.is_ready() => Ok(Self::Done(instance)),
            Ok(instance) if instance.status == InstanceStatus::Archive => {
                let context = ErrorContext::new(provider).with_instance_id(instance.id);
                Err(ProviderError::conflict("the machine is archived and will not start", false).with_context(context))
            }
            Ok(instance) if instance.status == InstanceStatus::Active => {
                Ok(Self::Pending("active, no public address yet".to_string()))
            }
            Ok(instance) => Ok(Self::Pending(instance.status.to_string())),
            Err(ProviderError::NotFound { .. }) => Ok(Self::Absent),
            Err(error) => Self::unread(error),
        }
    }
}

impl Look<()> {
    /// Whether a delete has been taken. One that is refused because the thing is busy is tried again; other failures have
    /// been tried again by the pipeline already.
    pub(crate) fn of_delete(sent: Result<(), Failure>) -> ProviderResult<Self> {
        match sent.map_err(ProviderError::from) {
            Ok(()) => Ok(Self::Done(())),
            Err(ProviderError::NotFound { .. }) => Ok(Self::Absent),
            Err(error @ ProviderError::Conflict { retryable: true, .. }) => Ok(Self::Pending(error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// The end of a delete: what is gone is as good as deleted.
    pub(crate) fn deleted(ended: ProviderResult<()>) -> ProviderResult<()> {
        match ended {
            Err(ProviderError::NotFound { .. }) => Ok(()),
            ended => ended,
        }
    }
}

/// The pauses between looks: they grow to the longest, and none overshoots a deadline.
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

/// What the looks of a wait have shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SoFar {
    /// There was none yet.
    Nothing,
    /// Not the thing.
    NotSeen,
    /// The thing.
    Seen,
}

/// A thing that is waited for.
pub(crate) struct Wait<'a> {
    /// The verb, for the timeout's message.
    pub(crate) operation: &'static str,
    /// What is waited for: the type and the id.
    pub(crate) subject: (&'static str, &'a str),
    pub(crate) deadline: Deadline,
    pub(crate) poll_interval: Duration,
    /// Until when an answer that the thing is absent is not believed: it was made a short while ago.
    pub(crate) absent_until: Option<Instant>,
    /// The same, for a thing of which it is not known when it was made.
    unseen_until: Option<Instant>,
}

impl<'a> Wait<'a> {
    /// A wait of at most `limit`.
    pub(crate) fn new(
        operation: &'static str,
        subject: (&'static str, &'a str),
        limit: Duration,
        timeouts: &ProviderTimeouts,
    ) -> Self {
        let (deadline, poll_interval) = (Deadline::after(limit), timeouts.poll_interval);
        Self { operation, subject, deadline, poll_interval, absent_until: None, unseen_until: None }
    }

    /// Bears with an absence until then.
    pub(crate) fn absent_until(mut self, time: Option<Instant>) -> Self {
        self.absent_until = time;
        self
    }

    /// Bears with the absence of a thing that was never seen for so long, but half of the time that there is: another client may
    /// have made it a moment ago.
    pub(crate) fn unseen_for(mut self, settling: Duration) -> Self {
        self.unseen_until = Some(number::later(Instant::now(), settling.min(self.deadline.remaining() / 2)));
        self
    }

    fn bears_with_absence(&self) -> bool {
        self.absent_until.max(self.unseen_until).is_some_and(|time| Instant::now() < time)
    }

    /// Deletes what stands at `path`, again and again while it is busy, until a reply says that it is done. What is gone is as good
    /// as deleted.
    ///
    /// # Errors
    /// As [`until`](Self::until), but never [`ProviderError::NotFound`].
    pub(crate) async fn delete(
        self,
        http: &HttpClient,
        path: &str,
        is_said: fn(&Reply) -> ProviderResult<()>,
    ) -> ProviderResult<()> {
        let (operation, (resource_type, id)) = (self.operation, self.subject);
        let ended = self.until(|| async move {
            let call = Call::delete(operation, path).about(resource_type, id);
            Look::of_delete(http.told(&call, is_said).await)
        });
        Look::deleted(ended.await)
    }

    /// Looks until `look` is done. An error of a look ends the wait; see [`Look::past`]. A look is cut off at the deadline.
    /// Credentials that are refused end it at the first look, and later only when they are refused again and again.
    ///
    /// The future of a look is boxed and dropped before the pause, so that a waiter that sleeps is small.
    ///
    /// # Errors
    /// The first error of a look; [`ProviderError::NotFound`] when the thing is gone; [`ProviderError::Timeout`]
    /// with the last state that was seen.
    pub(crate) async fn until<T, F>(self, mut look: impl FnMut() -> F) -> ProviderResult<T>
    where
        F: Future<Output = ProviderResult<Look<T>>> + Send,
    {
        let pauses = Pauses::new(self.poll_interval);
        self.looking(|_| look(), || false, Some(pauses)).await
    }

    /// As [`until`](Self::until), where all that is waited for in an account is looked at together.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn together<R: Lookout>(
        self,
        room: &R,
        watcher: &Arc<Watcher<R>>,
        hint: R::Hint,
    ) -> ProviderResult<R::Thing> {
        let (id, poll_interval, absent_until) = (self.subject.1.to_string(), self.poll_interval, self.absent_until);
        let room = &Arc::new(room.clone());
        let look = |so_far: SoFar| {
            let is_new = so_far != SoFar::Seen && absent_until.is_some_and(|time| Instant::now() < time);
            let subject = Subject { id: id.clone(), hint: hint.clone(), is_new };
            async move { watcher.look(room, &subject, so_far == SoFar::Nothing, poll_interval).await }
        };
        self.looking(look, || room.is_accepted(), None).await
    }

    /// `look` is told what the looks before it have shown. Without pauses, it takes its time itself. `is_accepted` tells whether
    /// the cloud has accepted the credentials before.
    async fn looking<T, F>(
        self,
        mut look: impl FnMut(SoFar) -> F,
        is_accepted: impl Fn() -> bool,
        mut pauses: Option<Pauses>,
    ) -> ProviderResult<T>
    where
        F: Future<Output = ProviderResult<Look<T>>> + Send,
    {
        let (resource_type, id) = self.subject;
        let mut so_far = SoFar::Nothing;
        let (mut state, mut told) = ("no answer yet".to_string(), String::new());
        let (mut was_clear, mut refused, mut stopped) = (false, None, None);
        // Of a call that is made here, a limit of zero is one try, which takes as long as it takes.
        let is_one_look = pauses.is_some() && self.deadline.remaining().is_zero();
        while (is_one_look && so_far == SoFar::Nothing) || !self.deadline.remaining().is_zero() {
            let looked: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(look(so_far));
            let looked =
                if is_one_look { Ok(looked.await) } else { tokio::time::timeout(self.deadline.remaining(), looked).await };
            if so_far == SoFar::Nothing {
                so_far = SoFar::NotSeen;
            }
            if looked.as_ref().is_ok_and(|looked| looked.as_ref().is_ok_and(Look::is_clear)) {
                (was_clear, refused) = (true, None);
            }
            match looked {
                Ok(Ok(Look::Done(value))) => return Ok(value),
                Ok(Ok(Look::Pending(now))) => {
                    (so_far, stopped) = (SoFar::Seen, None);
                    state = now;
                }
                Ok(Ok(Look::Stopped(now))) => {
                    so_far = SoFar::Seen;
                    if stopped.get_or_insert_with(Instant::now).elapsed() >= STOPPED_FOR {
                        let message = format!("{resource_type} {id} is {now}, and does not start by itself: start or destroy it");
                        return Err(ProviderError::conflict(message, false));
                    }
                    state = now;
                }
                Ok(Ok(Look::Absent)) if so_far != SoFar::Seen && self.bears_with_absence() => {
                    state = "not visible yet".to_string();
                }
                Ok(Ok(Look::Absent)) => return Err(ProviderError::not_found(resource_type, id)),
                Ok(Ok(Look::Unclear(why))) => state = why,
                Ok(Ok(Look::Refused(error))) => {
                    let (since, times) = refused.get_or_insert((Instant::now(), 0));
                    *times += 1;
                    let is_known = was_clear || is_accepted();
                    if !is_known || *times >= REFUSALS || since.elapsed() >= REFUSED_FOR {
                        return Err((*error).into());
                    }
                    state.clone_from(&error.text);
                }
                Ok(Err(error)) => return Err(error),
                // The deadline came in the middle of a look.
                Err(_) => break,
            }
            debug!(operation = self.operation, id, %state, "waiting");
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

/// What this process has made in an account a short while ago: the clouds' reads lag behind their writes.
#[derive(Debug, Clone)]
pub(crate) struct Recent<T> {
    made: Arc<Made<T>>,
    settling: Duration,
}

/// What was made, by id: when, and what only the create call could tell; nothing of what has ended.
#[derive(Debug)]
struct Made<T>(Mutex<HashMap<String, (Instant, Option<T>)>>);

impl<T> Default for Made<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone + Send + 'static> Recent<T> {
    /// Shared by all clients of the account. Its cloud shows by id what is new after `settling`, and to be sure, twice that.
    pub(crate) fn of(http: &HttpClient) -> Self {
        Self { made: http.shared(), settling: http.settling() }
    }

    /// Notes that `id` was just made, with what only the create call could tell.
    pub(crate) fn add(&self, id: &str, note: T) {
        self.note_now(id, Some(note));
    }

    /// Notes an id whose end has been seen.
    pub(crate) fn end(&self, id: &str) {
        self.note_now(id, None);
    }

    fn note_now(&self, id: &str, note: Option<T>) {
        let mut made = self.locked();
        if made.len() == made.capacity() {
            made.retain(|_, (since, _)| since.elapsed() < REMEMBERED);
            // So much may come before all are walked through again.
            let kept = made.len();
            made.reserve(kept + 1);
        }
        made.insert(id.to_string(), (Instant::now(), note));
    }

    /// Until when an absence of `id` is not believed; `None` for one that was not made here, or has ended.
    pub(crate) fn settles_at(&self, id: &str) -> Option<Instant> {
        let (since, _) = self.known(id).filter(|(_, note)| note.is_some())?;
        Some(number::later(since, self.settling.saturating_mul(2)))
    }

    /// How long the absence of a thing is borne with that was never seen: another client may have made it a moment ago. Not of one
    /// whose end has been seen.
    pub(crate) fn unseen(&self, id: &str) -> Duration {
        if self.has_ended(id) { Duration::ZERO } else { self.settling }
    }

    /// Until when it is not believed that there is nothing to end, where there is so much time.
    pub(crate) fn endable_until(&self, id: &str, limit: Duration) -> Instant {
        self.settles_at(id).unwrap_or_else(|| number::later(Instant::now(), self.unseen(id).min(limit / 2)))
    }

    /// What `read` reads; `None` where it is absent, which is not believed of what was made here a moment ago.
    ///
    /// # Errors
    /// Those of `read`; [`ProviderError::Timeout`] where that one does not come to light in the time of a verb that only asks.
    pub(crate) async fn read<V, F>(
        &self,
        (operation, id): (&'static str, &str),
        http: &HttpClient,
        read: impl Fn() -> F,
    ) -> ProviderResult<Option<V>>
    where
        F: Future<Output = ProviderResult<V>> + Send,
    {
        let mut answer = read().await;
        if let (Err(ProviderError::NotFound { .. }), Some(time)) = (&answer, self.settles_at(id)) {
            let wait = Wait::new(operation, ("instance", id), http.errand().deadline().remaining(), http.timeouts());
            let look = || {
                let looked = read();
                async move {
                    match looked.await {
                        // Somebody has ended it meanwhile.
                        Err(error @ ProviderError::NotFound { .. }) if self.has_ended(id) => Err(error),
                        looked => Look::of_answer(looked),
                    }
                }
            };
            answer = wait.absent_until(Some(time)).until(look).await;
        }
        match answer {
            Err(ProviderError::NotFound { .. }) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Whether the end of `id` has been seen here.
    /// Whether its end has been seen.
    pub(crate) fn has_ended(&self, id: &str) -> bool {
        self.known(id).is_some_and(|(_, note)| note.is_none())
    }

    /// What the create call told.
    pub(crate) fn note(&self, id: &str) -> Option<T> {
        self.known(id).and_then(|(_, note)| note)
    }

    fn known(&self, id: &str) -> Option<(Instant, Option<T>)> {
        self.locked().get(id).filter(|(since, _)| since.elapsed() < REMEMBERED).cloned()
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, (Instant, Option<T>)>> {
        self.made.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(limit: u64, poll: Duration) -> Wait<'static> {
        let timeouts = ProviderTimeouts { poll_interval: poll, ..ProviderTimeouts::default() };
        Wait::new("wait_ready", ("instance", "7"), Duration::from_secs(limit), &timeouts)
    }

    /// Answers from a script; the last line is repeated.
    async fn run(wait: Wait<'_>, script: Vec<fn() -> ProviderResult<Look<u32>>>) -> (ProviderResult<u32>, usize) {
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

    fn pending() -> ProviderResult<Look<u32>> {
        Ok(Look::Pending("booting".to_string()))
    }

    const SETTLING: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn ends_when_done_and_bears_with_passing_errors() {
        let script: Vec<fn() -> _> = vec![pending, || Look::past(ProviderError::unavailable("502")), || Ok(Look::Done(3))];
        let (result, looks) = run(wait(300, Duration::from_secs(5)), script).await;
        assert_eq!((result.unwrap(), looks), (3, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_is_kept_to_the_instant_and_names_the_last_state() {
        for poll in [0, 1, 500, 5000, 60_000] {
            let began = Instant::now();
            let (result, looks) = run(wait(30, Duration::from_millis(poll)), vec![pending]).await;
            let error = result.unwrap_err();
            assert!(matches!(error, ProviderError::Timeout { .. }) && error.to_string().contains("booting"), "{error}");
            let spent = began.elapsed();
            assert!(spent >= Duration::from_secs(30) && spent < Duration::from_millis(30_010), "{spent:?} at {poll} ms");
            assert!(looks <= 1502, "{looks} looks at {poll} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_absence_is_believed_unless_the_thing_is_new() {
        let (result, looks) = run(wait(300, Duration::from_secs(5)), vec![|| Ok(Look::Absent)]).await;
        assert!(matches!(result, Err(ProviderError::NotFound { .. })) && looks == 1);

        let new = || wait(300, Duration::from_secs(5)).absent_until(Some(Instant::now() + SETTLING));
        let (result, _) = run(new(), vec![|| Ok(Look::Absent), || Ok(Look::Absent), || Ok(Look::Done(1))]).await;
        assert_eq!(result.unwrap(), 1);

        let (result, looks) = run(new(), vec![pending, || Ok(Look::Absent)]).await;
        assert!(matches!(result, Err(ProviderError::NotFound { .. })) && looks == 2, "seen, then gone");

        let began = Instant::now();
        let (result, _) = run(new(), vec![|| Ok(Look::Absent)]).await;
        assert!(matches!(result, Err(ProviderError::NotFound { .. })) && began.elapsed() >= SETTLING);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_nothing_is_one_look() {
        let (result, looks) = run(wait(0, Duration::from_secs(5)), vec![|| Ok(Look::Done(3))]).await;
        assert_eq!((result.unwrap(), looks), (3, 1));
        let (result, looks) = run(wait(0, Duration::from_secs(5)), vec![pending]).await;
        assert!(matches!(result, Err(ProviderError::Timeout { .. })) && looks == 1);
    }

    #[test]
    fn a_read_that_is_refused_for_want_of_room_tells_nothing_of_the_machine() {
        let refused =
            [ProviderError::capacity("full"), ProviderError::quota("test", "full"), ProviderError::conflict("busy", false)];
        for error in refused {
            let words = error.to_string();
            assert!(matches!(Look::of_instance(Err(error), "test"), Ok(Look::Unclear(_))), "{words}");
        }
        let concluded =
            ProviderError::conflict("it cannot run", false).with_context(ErrorContext::new("test").with_instance_id("42"));
        assert!(matches!(Look::of_instance(Err(concluded), "test"), Err(ProviderError::Conflict { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_error_ends_the_wait_at_once() {
        let (result, looks) =
            run(wait(300, Duration::from_secs(5)), vec![|| Look::past(ProviderError::capacity("sold out"))]).await;
        assert!(matches!(result, Err(ProviderError::Capacity { .. })) && looks == 1);
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_that_were_accepted_are_refused_for_good_only_when_that_is_said_again_and_again() {
        let no = || Look::past(ProviderError::auth("test", "no"));
        let unclear = || Look::past(ProviderError::unavailable("502"));
        let done = || Ok(Look::Done(3));
        let often = || wait(300, Duration::from_secs(5));
        let (result, looks) = run(often(), vec![no]).await;
        assert!(matches!(result, Err(ProviderError::Authentication { .. })) && looks == 1, "at the first look");
        for refused in
            [vec![pending, no, done], vec![pending, no, no, pending, no, no, done], vec![pending, no, unclear, no, done]]
        {
            assert_eq!(run(often(), refused).await.0.unwrap(), 3);
        }
        for refused in [vec![pending, no], vec![pending, no, unclear, no, no]] {
            let ends_after = refused.len().max(4);
            let (result, looks) = run(often(), refused).await;
            assert!(matches!(result, Err(ProviderError::Authentication { .. })), "{result:?}");
            assert_eq!(looks, ends_after);
        }
        let (result, looks) = run(wait(3600, Duration::from_secs(240)), vec![pending, no]).await;
        assert!(matches!(result, Err(ProviderError::Authentication { .. })) && looks == 3, "for half a minute");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_stopped_is_waited_for_as_long_as_somebody_may_be_starting_it() {
        let often = || wait(300, Duration::from_secs(5));
        let stopped: fn() -> ProviderResult<Look<u32>> = || Ok(Look::Stopped("stopped".to_string()));
        let (result, _) = run(often(), vec![stopped, stopped, pending, || Ok(Look::Done(3))]).await;
        assert_eq!(result.unwrap(), 3);
        for script in [vec![stopped], vec![pending, stopped], vec![stopped, stopped, pending, stopped]] {
            let began = Instant::now();
            let (result, _) = run(often(), script).await;
            let error = result.unwrap_err();
            assert!(matches!(error, ProviderError::Conflict { retryable: false, .. }), "{error}");
            assert!(error.to_string().contains("instance 7 is stopped"), "{error}");
            assert!(began.elapsed() >= STOPPED_FOR && began.elapsed() < 2 * STOPPED_FOR, "{:?}", began.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_absence_of_what_was_never_seen_is_borne_for_a_while() {
        let unseen = |limit| wait(limit, Duration::from_secs(5)).unseen_for(SETTLING);
        let (result, _) = run(unseen(300), vec![|| Ok(Look::Absent), || Ok(Look::Absent), || Ok(Look::Done(1))]).await;
        assert_eq!(result.unwrap(), 1);
        let (result, looks) = run(unseen(300), vec![pending, || Ok(Look::Absent)]).await;
        assert!(matches!(result, Err(ProviderError::NotFound { .. })) && looks == 2, "seen, then gone");
        for (limit, borne) in [(300, SETTLING), (60, SETTLING / 2)] {
            let began = Instant::now();
            let (result, _) = run(unseen(limit), vec![|| Ok(Look::Absent)]).await;
            let spent = began.elapsed();
            assert!(matches!(result, Err(ProviderError::NotFound { .. })) && spent >= borne && spent < borne * 2, "{spent:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_made_settles_and_is_forgotten() {
        let recent = Recent { made: Arc::default(), settling: SETTLING / 2 };
        recent.add("a", 1);
        assert!(recent.settles_at("a").is_some_and(|until| until > Instant::now()));
        assert!(recent.settles_at("b").is_none());
        tokio::time::advance(SETTLING).await;
        assert!(recent.settles_at("a").is_some_and(|until| until <= Instant::now()));
        assert_eq!(recent.note("a"), Some(1));
        tokio::time::advance(REMEMBERED).await;
        recent.add("b", 2);
        assert_eq!((recent.note("a"), recent.note("b")), (None, Some(2)));
        recent.end("b");
        assert_eq!((recent.note("b"), recent.settles_at("b"), recent.has_ended("b")), (None, None, true));
        assert!(!recent.has_ended("a"), "it is not known");
        for at in 0..1000 {
            recent.add(&at.to_string(), at);
        }
        tokio::time::advance(REMEMBERED).await;
        for at in 1000..2500 {
            recent.add(&at.to_string(), at);
        }
        assert!(recent.locked().len() <= 2000, "what is forgotten is not kept: {}", recent.locked().len());
    }
}
