//! The one wait loop: looks until a thing is as it should be, cannot become so any more, or the deadline passes.
//!
//! Stands on the contract. What to look at comes from a cloud's room.

mod listing;
mod turns;
mod watch;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

pub(crate) use listing::{Listed, Listing};
pub(crate) use turns::Subject;
pub(crate) use watch::{Lookout, Seen, Watcher, for_all};

use crate::http::{Call, Deadline, Failure, HttpClient, number};
use crate::progress;
use crate::provider::config::ProviderTimeouts;
use crate::provider::error::{ErrorContext, ProviderError, ProviderResult};
use crate::provider::{InstanceStatus, ProviderInstance};

/// How long what was made is remembered: longer than any boot.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// The first pause is this part of `poll_interval`; the next ones grow to it.
const FIRST_PAUSE: u32 = 4;
const GROWTH: f64 = 1.5;

/// What a look has shown.
#[derive(Debug, Clone)]
pub(crate) enum Look<T> {
    /// It is as it should be.
    Done(T),
    /// Not yet; in words that a timeout can repeat.
    Pending(String),
    /// It is not there.
    Absent,
    /// The look itself failed in a way that may pass.
    Unclear(String),
}

impl<T> Look<T> {
    /// Looks past a failure that may pass; keeps any other.
    pub(crate) fn past(error: ProviderError) -> ProviderResult<Self> {
        if error.may_pass() { Ok(Self::Unclear(error.to_string())) } else { Err(error) }
    }
}

impl<T> Look<T> {
    /// Whether a thing that is to be changed is there already. Other failures have been tried again by the pipeline.
    pub(crate) fn of_change(answered: ProviderResult<T>) -> ProviderResult<Self> {
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
            Err(error) => Self::past(error),
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
            Err(error) => Self::past(error),
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
    /// Until when an answer that the thing is absent is not believed.
    pub(crate) absent_until: Option<Instant>,
}

impl<'a> Wait<'a> {
    /// A wait of at most `limit`.
    pub(crate) fn new(
        operation: &'static str,
        subject: (&'static str, &'a str),
        limit: Duration,
        timeouts: &ProviderTimeouts,
    ) -> Self {
        Self { operation, subject, deadline: Deadline::after(limit), poll_interval: timeouts.poll_interval, absent_until: None }
    }

    /// Bears with an absence until then.
    pub(crate) fn absent_until(mut self, time: Option<Instant>) -> Self {
        self.absent_until = time;
        self
    }

    /// Deletes what stands at `path`, again and again while it is busy. What is gone is as good as deleted.
    ///
    /// # Errors
    /// As [`until`](Self::until), but never [`ProviderError::NotFound`].
    pub(crate) async fn delete(self, http: &HttpClient, path: &str) -> ProviderResult<()> {
        let (operation, (resource_type, id)) = (self.operation, self.subject);
        let ended = self.until(|| async move {
            let call = Call::delete(operation, path).about(resource_type, id);
            Look::of_delete(http.send(&call).await.map(drop))
        });
        Look::deleted(ended.await)
    }

    /// Looks until `look` is done. An error of a look ends the wait; see [`Look::past`]. A look is cut off at the deadline.
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
        self.looking(|_| look(), Some(pauses)).await
    }

    /// As [`until`](Self::until), where all that is waited for in an account is looked at together.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn together<R: Lookout>(
        self,
        room: &R,
        watcher: &Arc<Watcher<R::Thing, R::Hint>>,
        hint: R::Hint,
    ) -> ProviderResult<R::Thing> {
        let (id, poll_interval, absent_until) = (self.subject.1.to_string(), self.poll_interval, self.absent_until);
        let look = |so_far: SoFar| {
            let is_new = so_far != SoFar::Seen && absent_until.is_some_and(|time| Instant::now() < time);
            let subject = Subject { id: id.clone(), hint: hint.clone(), is_new };
            async move { watcher.look(room, &subject, so_far == SoFar::Nothing, poll_interval).await }
        };
        self.looking(look, None).await
    }

    /// `look` is told what the looks before it have shown. Without pauses, it takes its time itself.
    async fn looking<T, F>(self, mut look: impl FnMut(SoFar) -> F, mut pauses: Option<Pauses>) -> ProviderResult<T>
    where
        F: Future<Output = ProviderResult<Look<T>>> + Send,
    {
        let (resource_type, id) = self.subject;
        let mut so_far = SoFar::Nothing;
        let (mut state, mut told) = ("no answer yet".to_string(), String::new());
        while !self.deadline.remaining().is_zero() {
            let looked: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(look(so_far));
            let looked = tokio::time::timeout(self.deadline.remaining(), looked).await;
            if so_far == SoFar::Nothing {
                so_far = SoFar::NotSeen;
            }
            match looked {
                Ok(Ok(Look::Done(value))) => return Ok(value),
                Ok(Ok(Look::Pending(now))) => {
                    so_far = SoFar::Seen;
                    state = now;
                }
                Ok(Ok(Look::Absent)) if so_far != SoFar::Seen && self.absent_until.is_some_and(|time| Instant::now() < time) => {
                    state = "not visible yet".to_string();
                }
                Ok(Ok(Look::Absent)) => return Err(ProviderError::not_found(resource_type, id)),
                Ok(Ok(Look::Unclear(why))) => state = why,
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

/// A read of what may be too new to be shown: until then an absence is not believed but asked about again, for as long as a
/// verb that only asks may take.
///
/// # Errors
/// Those of the read.
pub(crate) async fn read_new<T, F>(
    (operation, id): (&'static str, &str),
    absent_until: Option<Instant>,
    timeouts: &ProviderTimeouts,
    read: impl Fn() -> F,
) -> ProviderResult<Option<T>>
where
    F: Future<Output = ProviderResult<Option<T>>> + Send,
{
    let first = read().await?;
    let (now, patience) = (Instant::now(), number::times(timeouts.http_request, 2.0));
    let Some(until) = absent_until.filter(|until| first.is_none() && *until > now) else { return Ok(first) };
    // The last look comes after that time, and has its own.
    let limit = number::times(patience, 2.0);
    let wait =
        Wait::new(operation, ("instance", id), limit, timeouts).absent_until(Some(until.min(number::later(now, patience))));
    let again = wait.until(|| {
        let read = read();
        async { Ok(read.await?.map_or(Look::Absent, Look::Done)) }
    });
    match again.await {
        Ok(found) => Ok(Some(found)),
        Err(ProviderError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What this process has made in an account a short while ago: the clouds' reads lag behind their writes.
#[derive(Debug)]
pub(crate) struct Recent<T> {
    made: Mutex<HashMap<String, Made<T>>>,
}

#[derive(Debug)]
struct Made<T> {
    since: Instant,
    settles_at: Instant,
    note: T,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { made: Mutex::default() }
    }
}

impl<T: Clone> Recent<T> {
    /// Notes that `id` was just made, with what only the create call could tell. The cloud shows it by id after `settling`, and
    /// to be sure, twice that.
    pub(crate) fn add(&self, id: &str, note: T, settling: Duration) {
        let since = Instant::now();
        let settles_at = number::later(since, settling.saturating_mul(2));
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|_, made| made.since.elapsed() < REMEMBERED);
        made.insert(id.to_string(), Made { since, settles_at, note });
    }

    /// Forgets an id whose end has been seen.
    pub(crate) fn remove(&self, id: &str) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Until when an absence of `id` is not believed; `None` for one that was not made here.
    pub(crate) fn settles_at(&self, id: &str) -> Option<Instant> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).get(id).map(|made| made.settles_at)
    }

    /// What the create call told.
    pub(crate) fn note(&self, id: &str) -> Option<T> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).get(id).map(|made| made.note.clone())
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

    /// Shows the thing from the third read on; what came of it, and after how many reads.
    async fn read(absent_until: Option<Instant>, shown_after: usize) -> (Option<u32>, usize) {
        let reads = std::sync::atomic::AtomicUsize::new(0);
        let look = || {
            let count = reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move { Ok((count >= shown_after).then_some(7)) }
        };
        let found = read_new(("get_instance", "7"), absent_until, &ProviderTimeouts::default(), look).await.unwrap();
        (found, reads.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_just_made_is_asked_for_again_until_it_must_be_shown() {
        assert_eq!(read(None, 2).await, (None, 1), "what was not made here is believed to be absent");
        assert_eq!(read(Some(Instant::now() + SETTLING), 2).await, (Some(7), 3));
        assert_eq!(read(Some(Instant::now() + SETTLING), 0).await, (Some(7), 1));
        let began = Instant::now();
        let (found, _) = read(Some(began + SETTLING), usize::MAX).await;
        assert!(found.is_none() && began.elapsed() >= SETTLING, "{:?}", began.elapsed());
        let began = Instant::now();
        let (found, _) = read(Some(began + 100 * SETTLING), usize::MAX).await;
        let patience = 2 * ProviderTimeouts::default().http_request;
        assert!(found.is_none() && began.elapsed() < 2 * patience, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_error_ends_the_wait_at_once() {
        let (result, looks) =
            run(wait(300, Duration::from_secs(5)), vec![|| Look::past(ProviderError::capacity("sold out"))]).await;
        assert!(matches!(result, Err(ProviderError::Capacity { .. })) && looks == 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_made_settles_and_is_forgotten() {
        let recent = Recent::default();
        recent.add("a", 1, SETTLING / 2);
        assert!(recent.settles_at("a").is_some_and(|until| until > Instant::now()));
        assert!(recent.settles_at("b").is_none());
        tokio::time::advance(SETTLING).await;
        assert!(recent.settles_at("a").is_some_and(|until| until <= Instant::now()));
        assert_eq!(recent.note("a"), Some(1));
        tokio::time::advance(REMEMBERED).await;
        recent.add("b", 2, SETTLING / 2);
        assert_eq!((recent.note("a"), recent.note("b")), (None, Some(2)));
        recent.remove("b");
        assert_eq!(recent.note("b"), None);
    }
}
