//! What a call that waits sees on its way.
//!
//! Stands on nothing: the wait loop and the creates below report, a caller that wants to know listens.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::futures::TaskLocalFuture;
use tokio::task_local;

task_local! {
    static LISTENER: UnboundedSender<Progress>;
}

/// Something new that a call has seen while it waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// The verb.
    pub operation: String,
    /// What it is about: the id of a machine, snapshot or action.
    pub id: String,
    /// What was seen, in words: `accepted`, `new`, `active, no public address yet`, `gone` …
    pub state: String,
    /// Since the verb began.
    pub elapsed: Duration,
}

/// Tells whoever listens.
pub(crate) fn report(operation: &str, id: &str, state: &str, elapsed: Duration) {
    // Nobody listens: neither has anybody asked, nor is the listener that has asked still there.
    let _ = LISTENER.try_with(|listener| {
        let (operation, id, state) = (operation.to_string(), id.to_string(), state.to_string());
        listener.send(Progress { operation, id, state, elapsed })
    });
}

/// Lets a future that is about to be spawned report to the listener of this one.
pub(crate) async fn inherit<F: Future>(listener: Option<UnboundedSender<Progress>>, work: F) -> F::Output {
    match listener {
        Some(listener) => LISTENER.scope(listener, work).await,
        None => work.await,
    }
}

/// The listener of this future, for [`inherit`].
pub(crate) fn listener() -> Option<UnboundedSender<Progress>> {
    LISTENER.try_with(Clone::clone).ok()
}

/// Runs a verb, or several, and gives what they see on their way to `on_progress`, in order and before the outcome.
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

/// A future with what it sees on its way, step by step: what [`observe`] is made of, for a caller that has something to do
/// between the steps.
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
    work: Pin<Box<TaskLocalFuture<UnboundedSender<Progress>, F>>>,
    seen: UnboundedReceiver<Progress>,
    outcome: Option<F::Output>,
}

/// What comes next of an observed future.
#[derive(Debug)]
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
        Self { work: Box::pin(LISTENER.scope(tell, work)), seen, outcome: None }
    }

    /// What was seen comes before the outcome. After the outcome, never returns.
    pub async fn next(&mut self) -> Step<F::Output> {
        poll_fn(|context| {
            if self.outcome.is_none()
                && let Poll::Ready(outcome) = self.work.as_mut().poll(context)
            {
                self.outcome = Some(outcome);
            }
            match self.seen.poll_recv(context) {
                Poll::Ready(Some(seen)) => Poll::Ready(Step::Progress(seen)),
                _ => self.outcome.take().map_or(Poll::Pending, |outcome| Poll::Ready(Step::Done(outcome))),
            }
        })
        .await
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
            let inherited = inherit(listener(), async { report("wait_ready", "7", "active", Duration::ZERO) });
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
}
