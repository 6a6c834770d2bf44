//! What a call that waits sees on its way.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::futures::TaskLocalFuture;
use tokio::task_local;
use tokio::time::Instant;

use crate::provider::ProviderInstance;

task_local! {
    static LISTENER: Listener;
}

/// Something new that a call has seen while it waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// The verb.
    pub operation: String,
    /// What it is about: the id of a machine, snapshot or action; empty while it has none.
    pub id: String,
    /// What was seen, in words: `accepted`, `new`, `active, no public address yet`, `gone` …
    pub state: String,
    /// Since the verb began.
    pub elapsed: Duration,
    /// How far it is.
    #[serde(default)]
    pub phase: Phase,
    /// Of a verb over many machines, the position of this one in what the verb was given.
    #[serde(default)]
    pub index: Option<usize>,
    /// Of a verb over many machines, the name of this one, where the verb was given names.
    #[serde(default)]
    pub name: String,
    /// The machine, where this tells that it was accepted or is ready.
    #[serde(default)]
    pub instance: Option<ProviderInstance>,
}

/// How far something is that a call waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// It goes on.
    #[default]
    Pending,
    /// The cloud has accepted the create: there is a machine, and it is paid for.
    Accepted,
    /// The machine is not ready yet.
    Booting,
    /// The machine is ready.
    Ready,
    /// The machine is gone.
    Destroyed,
    /// It has come to an end that was not wanted.
    Failed,
}

impl Phase {
    /// The phase as a word: `pending`, `accepted`, `booting`, `ready`, `destroyed` or `failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Booting => "booting",
            Self::Ready => "ready",
            Self::Destroyed => "destroyed",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who is told, and of which part of the work.
#[derive(Debug, Clone)]
pub(crate) struct Listener {
    tell: UnboundedSender<Progress>,
    part: Option<Part>,
}

/// One of the things that a verb over many is about.
#[derive(Debug, Clone)]
struct Part {
    index: usize,
    name: Arc<str>,
    began: Instant,
}

/// Tells whoever listens.
pub(crate) fn report(operation: &str, id: &str, state: &str, elapsed: Duration) {
    let phase = if operation == "wait_ready" { Phase::Booting } else { Phase::Pending };
    tell(operation, phase, || (id.to_string(), state.to_string(), None), elapsed);
}

/// Tells whoever listens that a machine has come so far.
pub(crate) fn report_instance(
    operation: &str,
    phase: Phase,
    instance: &ProviderInstance,
    elapsed: Duration,
) {
    tell(
        operation,
        phase,
        || (instance.id.clone(), phase.as_str().to_string(), Some(instance.clone())),
        elapsed,
    );
}

/// Tells whoever listens how it has ended with a machine of which only this is known.
pub(crate) fn ended(
    operation: &str,
    phase: Phase,
    id: &str,
    state: impl fmt::Display,
    elapsed: Duration,
) {
    tell(operation, phase, || (id.to_string(), state.to_string(), None), elapsed);
}

fn tell(
    operation: &str,
    phase: Phase,
    seen: impl FnOnce() -> (String, String, Option<ProviderInstance>),
    elapsed: Duration,
) {
    // An error: nobody has asked.
    let _ = LISTENER.try_with(|listener| {
        let (id, state, instance) = seen();
        let part = listener.part.as_ref();
        let progress = Progress {
            operation: operation.to_string(),
            id,
            state,
            elapsed: part.map_or(elapsed, |part| part.began.elapsed()),
            phase,
            index: part.map(|part| part.index),
            name: part.map(|part| part.name.to_string()).unwrap_or_default(),
            instance,
        };
        // Whoever has asked may have left.
        drop(listener.tell.send(progress));
    });
}

/// Lets a future that is about to be spawned report to the listener of this one.
pub(crate) async fn inherit<F: Future>(listener: Option<Listener>, work: F) -> F::Output {
    match listener {
        Some(listener) => LISTENER.scope(listener, work).await,
        None => work.await,
    }
}

/// Does something of which nobody is told.
pub(crate) async fn muted<F: Future>(work: F) -> F::Output {
    let (tell, _) = unbounded_channel();
    LISTENER.scope(Listener { tell, part: None }, work).await
}

/// Lets whoever listens take all that was told so far, while this future can still be dropped with
/// what it holds: a listener may panic, and what was given back already would be lost to its
/// caller.
pub(crate) async fn flush() {
    let mut is_over = listener().is_none();
    // Polled again only when all was taken.
    poll_fn(|context| {
        if std::mem::replace(&mut is_over, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The listener of this future, for [`inherit`].
pub(crate) fn listener() -> Option<Listener> {
    LISTENER.try_with(Clone::clone).ok()
}

/// The listener of this future, told that what it hears is about one of the parts of a verb that
/// began then.
pub(crate) fn listener_of_part(index: usize, name: &str, began: Instant) -> Option<Listener> {
    let part = Some(Part { index, name: name.into(), began });
    listener().map(|listener| Listener { part, ..listener })
}

/// Runs a verb, or several, and gives what they see on their way to `on_progress`, in order and
/// before the outcome.
///
/// # Examples
/// ```no_run
/// # use spuff_core::provider::{Provider, ProviderError};
/// # async fn example(provider: &dyn Provider) -> Result<(), ProviderError> {
/// let ready = spuff_core::observe(provider.wait_ready("42"), |seen| println!("{} {}", seen.id, seen.state)).await?;
/// println!("{}", ready.ip);
/// # Ok(())
/// # }
/// ```
pub async fn observe<F: Future>(work: F, mut on_progress: impl FnMut(Progress)) -> F::Output {
    let mut observed = Observed::new(work);
    loop {
        match observed.next().await {
            Step::Progress(seen) => on_progress(seen),
            Step::Done(outcome) => return outcome,
        }
    }
}

/// A future with what it sees on its way, step by step: what [`observe`] is made of, for a caller
/// that has something to do between the steps.
///
/// # Examples
/// ```no_run
/// use spuff_core::{Observed, Step};
/// # async fn example(provider: &dyn spuff_core::Provider) {
///
/// let mut observed = Observed::new(provider.wait_ready("42"));
/// let ready = loop {
///     match observed.next().await {
///         Step::Progress(seen) => println!("{} {}", seen.id, seen.state),
///         Step::Done(outcome) => break outcome,
///     }
/// };
/// # drop(ready);
/// # }
/// ```
pub struct Observed<F: Future> {
    /// None after its outcome.
    work: Option<Pin<Box<TaskLocalFuture<Listener, F>>>>,
    seen: UnboundedReceiver<Progress>,
    next: Option<Box<Progress>>,
    outcome: Option<F::Output>,
}

/// What comes next of an observed future.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it is taken apart as soon as it is there")]
pub enum Step<T> {
    /// Something was seen.
    Progress(Progress),
    /// The last one.
    Done(T),
}

impl<F: Future> Observed<F> {
    /// Observes a future.
    pub fn new(work: F) -> Self {
        let (tell, seen) = unbounded_channel();
        let work = Some(Box::pin(LISTENER.scope(Listener { tell, part: None }, work)));
        Self { work, seen, next: None, outcome: None }
    }

    /// What was seen comes before the outcome. After the outcome, never returns.
    pub async fn next(&mut self) -> Step<F::Output> {
        poll_fn(|context| self.poll_step(context)).await
    }

    pub(crate) fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Step<F::Output>> {
        // What was seen goes first: a caller that is slow is not told more before it has taken
        // that.
        if let Some(seen) = self.take() {
            return Poll::Ready(Step::Progress(seen));
        }
        if let Some(work) = &mut self.work
            && let Poll::Ready(outcome) = work.as_mut().poll(context)
        {
            (self.work, self.outcome) = (None, Some(outcome));
        }
        if self.work.is_some() {
            // A task that gives something back has its turn: what the work has put off until the
            // next one would be forgotten.
            if let Poll::Ready(Some(seen)) = self.seen.poll_recv(context) {
                self.next = Some(Box::new(seen));
                context.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        match self.take() {
            Some(seen) => Poll::Ready(Step::Progress(seen)),
            None => self
                .outcome
                .take()
                .map_or(Poll::Pending, |outcome| Poll::Ready(Step::Done(outcome))),
        }
    }

    /// The next that was seen, without regard to how much tokio lets a task take in one go: nothing
    /// means that there is nothing.
    fn take(&mut self) -> Option<Progress> {
        self.next.take().map(|seen| *seen).or_else(|| self.seen.try_recv().ok())
    }
}

impl<F: Future> fmt::Debug for Observed<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_seen_comes_in_order_and_before_the_outcome_also_from_other_tasks() {
        let work = async {
            report("wait_ready", "7", "new", Duration::ZERO);
            tokio::task::yield_now().await;
            let inherited =
                inherit(listener(), async { report("wait_ready", "7", "active", Duration::ZERO) });
            tokio::spawn(inherited).await.ok();
            report("wait_ready", "7", "last", Duration::ZERO);
            5
        };
        let mut seen = Vec::new();
        assert_eq!(observe(work, |progress| seen.push(progress.state)).await, 5);
        assert_eq!(seen, ["new", "active", "last"]);
        report("wait_ready", "7", "heard by nobody", Duration::ZERO);
        assert!(listener().is_none());
    }

    /// More than a task of tokio's may take in one go.
    #[tokio::test]
    async fn much_that_is_seen_at_once_is_all_told() {
        let work = async {
            (0..1000).for_each(|number| report("reap", "", &number.to_string(), Duration::ZERO))
        };
        let mut seen = Vec::new();
        observe(work, |progress| seen.push(progress.state)).await;
        assert_eq!(seen, (0..1000).map(|number| number.to_string()).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn after_the_outcome_nothing_comes() {
        let mut observed = Observed::new(async { 5 });
        assert!(matches!(observed.next().await, Step::Done(5)));
        assert!(tokio::time::timeout(Duration::from_millis(10), observed.next()).await.is_err());
    }
}
