//! Progress reports of operations that wait.

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
use crate::provider::operation::Operation;

task_local! {
    static LISTENER: Listener;
}

/// A progress report of an operation that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// The operation.
    pub operation: String,
    /// The id of the instance, snapshot or action; empty while it has none.
    pub id: String,
    /// The observed state, in words: `accepted`, `new`, `active, no public address yet`, `gone` …
    pub state: String,
    /// The time since the operation began.
    pub elapsed: Duration,
    /// The phase of the resource.
    #[serde(default)]
    pub phase: Phase,
    /// In a batch, the position of this instance in the arguments.
    #[serde(default)]
    pub index: Option<usize>,
    /// In a batch that was given names, the name of this instance.
    #[serde(default)]
    pub name: String,
    /// The instance, if this reports that it was accepted or is ready.
    #[serde(default)]
    pub instance: Option<ProviderInstance>,
}

/// The phase of a resource that an operation waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// The operation continues.
    #[default]
    Pending,
    /// The cloud has accepted the create: the instance exists and is billed.
    Accepted,
    /// The instance is not ready yet.
    Booting,
    /// The instance is ready.
    Ready,
    /// The instance is gone.
    Destroyed,
    /// The operation has failed.
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

/// The receiver of reports, and the part of a batch that they are about.
#[derive(Debug, Clone)]
pub(crate) struct Listener {
    tell: UnboundedSender<Progress>,
    part: Option<Part>,
}

/// One element of a batch.
#[derive(Debug, Clone)]
struct Part {
    index: usize,
    name: Arc<str>,
    began: Instant,
}

/// Sends a report to the listener, if there is one.
pub(crate) fn report(operation: Operation, id: &str, state: &str, elapsed: Duration) {
    let phase = if operation == Operation::WaitReady { Phase::Booting } else { Phase::Pending };
    tell(operation, phase, || (id.to_string(), state.to_string(), None), elapsed);
}

/// Reports that an instance has reached a phase.
pub(crate) fn report_instance(
    operation: Operation,
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

/// Reports the end of an instance of which only the id is known.
pub(crate) fn ended(
    operation: Operation,
    phase: Phase,
    id: &str,
    state: impl fmt::Display,
    elapsed: Duration,
) {
    tell(operation, phase, || (id.to_string(), state.to_string(), None), elapsed);
}

fn tell(
    operation: Operation,
    phase: Phase,
    seen: impl FnOnce() -> (String, String, Option<ProviderInstance>),
    elapsed: Duration,
) {
    // An error means that there is no listener.
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
        // The listener may have left.
        drop(listener.tell.send(progress));
    });
}

/// Runs a future that is about to be spawned with the given listener.
pub(crate) async fn inherit<F: Future>(listener: Option<Listener>, work: F) -> F::Output {
    match listener {
        Some(listener) => LISTENER.scope(listener, work).await,
        None => work.await,
    }
}

/// Runs a future without reports.
pub(crate) async fn muted<F: Future>(work: F) -> F::Output {
    let (tell, _) = unbounded_channel();
    LISTENER.scope(Listener { tell, part: None }, work).await
}

/// Lets the listener take all reports so far, while this future can still be dropped with its
/// values: a listener may panic, and a value already returned would be lost to the caller.
pub(crate) async fn flush() {
    let mut is_over = listener().is_none();
    // The second poll comes only after all reports were taken.
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

/// The listener of this future, for reports about one element of a batch that began then.
pub(crate) fn listener_of_part(index: usize, name: &str, began: Instant) -> Option<Listener> {
    let part = Some(Part { index, name: name.into(), began });
    listener().map(|listener| Listener { part, ..listener })
}

/// Runs one or more operations, and passes their reports to `on_progress`, in order and before the
/// outcome.
///
/// # Examples
/// ```no_run
/// # use spuff_core::provider::{Provider, ProviderError};
/// # async fn example(provider: &dyn Provider) -> Result<(), ProviderError> {
/// let wait = provider.wait_ready("42");
/// let ready = spuff_core::observe(wait, |seen| println!("{} {}", seen.id, seen.state)).await?;
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

/// A future with its reports, step by step: the basis of [`observe`], for a caller that has work to
/// do between the steps.
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
    /// `None` once it has ended.
    work: Option<Pin<Box<TaskLocalFuture<Listener, F>>>>,
    seen: UnboundedReceiver<Progress>,
    next: Option<Box<Progress>>,
    outcome: Option<F::Output>,
}

/// The next step of an observed future.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it is taken apart as soon as it is there")]
pub enum Step<T> {
    /// A report.
    Progress(Progress),
    /// The outcome, which comes last.
    Done(T),
}

impl<F: Future> Observed<F> {
    /// Observes a future.
    pub fn new(work: F) -> Self {
        let (tell, seen) = unbounded_channel();
        let work = Some(Box::pin(LISTENER.scope(Listener { tell, part: None }, work)));
        Self { work, seen, next: None, outcome: None }
    }

    /// Returns the reports before the outcome. After the outcome, never returns.
    pub async fn next(&mut self) -> Step<F::Output> {
        poll_fn(|context| self.poll_step(context)).await
    }

    pub(crate) fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Step<F::Output>> {
        // Reports go first: a slow caller receives no more before it has taken them.
        if let Some(seen) = self.take() {
            return Poll::Ready(Step::Progress(seen));
        }
        if let Some(work) = &mut self.work
            && let Poll::Ready(outcome) = work.as_mut().poll(context)
        {
            (self.work, self.outcome) = (None, Some(outcome));
        }
        if self.work.is_some() {
            // Yields before it returns a report: work deferred to the task's next turn would be
            // lost otherwise.
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

    /// Takes the next report, ignoring tokio's limit per turn of a task: `None` means that there is
    /// none.
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
            report(Operation::WaitReady, "7", "new", Duration::ZERO);
            tokio::task::yield_now().await;
            let inherited = inherit(listener(), async {
                report(Operation::WaitReady, "7", "active", Duration::ZERO)
            });
            tokio::spawn(inherited).await.ok();
            report(Operation::WaitReady, "7", "last", Duration::ZERO);
            5
        };
        let mut seen = Vec::new();
        assert_eq!(observe(work, |progress| seen.push(progress.state)).await, 5);
        assert_eq!(seen, ["new", "active", "last"]);
        report(Operation::WaitReady, "7", "heard by nobody", Duration::ZERO);
        assert!(listener().is_none());
    }

    /// More reports than tokio lets a task take in one turn.
    #[tokio::test]
    async fn much_that_is_seen_at_once_is_all_told() {
        let work = async {
            (0..1000)
                .for_each(|number| report(Operation::Reap, "", &number.to_string(), Duration::ZERO))
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
