//! Many machines as one call: created, waited for and destroyed at once, each with an outcome of
//! its own.
//!
//! What many waits cost is seen to below: the built-in providers look at all the machines of an
//! account together.
//!
//! Every verb here reports to [`observe`](crate::observe): what it tells carries the position of
//! the machine in what the verb was given, how far it is, and the time since the verb began.

mod abort;
mod batch;
mod make;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub(crate) use abort::{AbortFlag, retry_while_rate_limited};
use make::SingleProvider;
pub(crate) use make::{Maker, make, make_for_work};

use crate::create::catch_panic;
use crate::progress::{self, Observed, Phase, Progress, Step};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::{InstanceRequest, Provider, ProviderInstance};

/// What becomes of the machines of a fleet when one of them fails.
///
/// A machine fails that cannot be made, fails itself, is gone, or is not ready in time. One that
/// could not be looked at may be well: nothing is destroyed for it, and its error carries its id.
/// What was found by the key of its request, and not made, as
/// [`adopted`](ProviderInstance::adopted) tells, is left by every roll-back. What cannot be
/// destroyed now is tried again in the background; its error says that it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rollback {
    /// All are left as they are. The error of each that has failed carries its id, if it has one.
    Keep,
    /// Those that were made and do not become ready are destroyed, the others are left.
    #[default]
    DestroyFailed,
    /// All that were made are destroyed, and no more are made.
    DestroyAll,
}

/// How a fleet is made.
///
/// # Examples
/// ```
/// use spuff_core::fleet::{FleetOptions, Rollback};
///
/// let options = FleetOptions::default().with_concurrency(32).with_on_failure(Rollback::DestroyAll).with_wait_ready(true);
/// assert_eq!(options.concurrency, 32);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FleetOptions {
    /// How many creates, or destroys, are under way at once; 16 by default. Waits are not counted.
    pub concurrency: usize,
    /// What becomes of the others when one fails; [`Rollback::DestroyFailed`] by default.
    pub on_failure: Rollback,
    /// Whether each machine is waited for, as by [`Provider::wait_ready`]; by default it need only
    /// be accepted.
    pub wait_ready: bool,
}

impl Default for FleetOptions {
    fn default() -> Self {
        Self { concurrency: 16, on_failure: Rollback::default(), wait_ready: false }
    }
}

impl FleetOptions {
    /// Sets how many creates are under way at once.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Sets what becomes of the others when one fails.
    #[must_use]
    pub fn with_on_failure(mut self, on_failure: Rollback) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Sets whether each machine is waited for.
    #[must_use]
    pub fn with_wait_ready(mut self, wait_ready: bool) -> Self {
        self.wait_ready = wait_ready;
        self
    }
}

/// Starts many machines at once, and waits for them where the options say so. The outcomes are in
/// the order of the requests.
///
/// A create that the cloud puts off, because it takes no more requests now, is tried again for two
/// hours. Where a create has an unknown outcome, and failed machines are to be destroyed, what it
/// may have made is looked for and destroyed.
///
/// # Errors
/// Each outcome has its own: those of [`Provider::create_instance`]; after the machine exists,
/// [`ProviderError::AfterCreate`] with its id. Of a fleet that is rolled back, those that had not
/// failed themselves are [`ProviderError::Cancelled`]: as they are, when nothing was made of them,
/// or within [`ProviderError::AfterCreate`]. A provider that panics over one machine has failed
/// with that one, as [`ProviderError::Internal`].
///
/// # Cancellation
/// When the future is dropped, no more are made, and all that were made are destroyed in the
/// background, but those that [`InstanceRequest::on_cancel`] keeps, or that were there before.
/// [`settled`](crate::settled) waits for that.
///
/// # Examples
/// ```no_run
/// use std::sync::Arc;
/// use spuff_core::fleet::{FleetOptions, create_instances};
/// use spuff_core::provider::{InstanceRequest, Provider, ProviderError, ProviderRegistry};
///
/// # async fn example() -> Result<(), ProviderError> {
/// let provider: Arc<dyn Provider> = ProviderRegistry::with_defaults().from_env("hetzner")?.into();
/// let requests: Vec<_> = (0..100).map(|n| InstanceRequest::new(format!("web-{n}"), "fsn1", "cx22")).collect();
/// let made = create_instances(&provider, &requests, FleetOptions::default().with_wait_ready(true));
/// let made = spuff_core::observe(made, |seen| println!("{:>6.1?} {} {}", seen.elapsed, seen.name, seen.phase)).await;
/// for ready in made {
///     println!("{}", ready?.ip);
/// }
/// # Ok(())
/// # }
/// ```
pub async fn create_instances(
    provider: &Arc<dyn Provider>,
    requests: &[InstanceRequest],
    options: FleetOptions,
) -> Vec<ProviderResult<ProviderInstance>> {
    make(&SingleProvider(provider.clone()), requests, options).await
}

/// Waits for many machines at once, as [`Provider::wait_ready`] for each. The outcomes are in the
/// order of the ids.
///
/// # Errors
/// Each outcome has its own: those of [`Provider::wait_ready`].
pub async fn wait_ready_many<S: AsRef<str>>(
    provider: &Arc<dyn Provider>,
    ids: &[S],
) -> Vec<ProviderResult<ProviderInstance>> {
    let began = Instant::now();
    each(ids, began, |id| async move {
        let waited = catch_panic(provider.wait_ready(id)).await;
        match &waited {
            Ok(ready) => {
                progress::report_instance("wait_ready", Phase::Ready, ready, began.elapsed())
            }
            Err(error) => progress::ended("wait_ready", Phase::Failed, id, error, began.elapsed()),
        }
        waited
    })
    .await
}

/// Destroys many machines, as [`Provider::destroy_instance`] each: those that are already gone are
/// `Ok`. The outcomes are in the order of the ids. `concurrency` is how many are under way at once.
///
/// # Errors
/// Each outcome has its own: those of [`Provider::destroy_instance`].
///
/// # Cancellation
/// When the future is dropped, no more are destroyed.
pub async fn destroy_instances<S: AsRef<str>>(
    provider: &Arc<dyn Provider>,
    ids: &[S],
    concurrency: usize,
) -> Vec<ProviderResult<()>> {
    if concurrency == 0 {
        return ids.iter().map(|_| Err(no_concurrency())).collect();
    }
    let (began, turns) = (Instant::now(), Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS)));
    let abort = AbortFlag::new("destroy_instances");
    each(ids, began, |id| async {
        let _turn = turns.acquire().await;
        let gone = retry_while_rate_limited(|| provider.destroy_instance(id), &abort).await;
        match &gone {
            Ok(()) => progress::ended(
                "destroy_instance",
                Phase::Destroyed,
                id,
                Phase::Destroyed,
                began.elapsed(),
            ),
            Err(error) => {
                progress::ended("destroy_instance", Phase::Failed, id, error, began.elapsed())
            }
        }
        gone
    })
    .await
}

/// Watches machines until each is ready or has failed: what is seen, as a stream, and then the
/// outcomes.
///
/// # Examples
/// ```no_run
/// # use std::sync::Arc;
/// # use spuff_core::provider::{Provider, ProviderError};
/// # async fn example(provider: Arc<dyn Provider>) -> Result<(), ProviderError> {
/// let mut watch = spuff_core::fleet::watch(&provider, ["42", "43"]);
/// while let Some(seen) = watch.next().await {
///     println!("{} is {}", seen.id, seen.state);
/// }
/// for ready in watch.into_outcomes() {
///     println!("{}", ready?.ip);
/// }
/// # Ok(())
/// # }
/// ```
pub fn watch<S: Into<String>>(
    provider: &Arc<dyn Provider>,
    ids: impl IntoIterator<Item = S>,
) -> Watch {
    let (provider, ids): (_, Vec<String>) =
        (provider.clone(), ids.into_iter().map(Into::into).collect());
    let work: Outcomes = Box::pin(async move { wait_ready_many(&provider, &ids).await });
    Watch { observed: Observed::new(work), outcomes: None }
}

type Outcomes = Pin<Box<dyn Future<Output = Vec<ProviderResult<ProviderInstance>>> + Send>>;

/// Machines that are watched; see [`watch()`].
#[derive(Debug)]
pub struct Watch {
    observed: Observed<Outcomes>,
    outcomes: Option<Vec<ProviderResult<ProviderInstance>>>,
}

impl Watch {
    /// What is seen next; `None` when all are ready or have failed.
    pub async fn next(&mut self) -> Option<Progress> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// The outcomes, in the order of the ids; empty before the end of the stream.
    pub fn into_outcomes(self) -> Vec<ProviderResult<ProviderInstance>> {
        self.outcomes.unwrap_or_default()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Progress>> {
        if self.outcomes.is_some() {
            return Poll::Ready(None);
        }
        self.observed.poll_step(context).map(|step| match step {
            Step::Progress(seen) => Some(seen),
            Step::Done(outcomes) => {
                self.outcomes = Some(outcomes);
                None
            }
        })
    }
}

impl Stream for Watch {
    type Item = Progress;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Progress>> {
        self.get_mut().poll(context)
    }
}

fn no_concurrency() -> ProviderError {
    ProviderError::invalid_config("concurrency", "0: nothing would ever begin; give it 1 or more")
}

/// Does something with each of these machines; what it reports is about that one.
async fn each<'a, S, T, F>(ids: &'a [S], began: Instant, work: impl Fn(&'a str) -> F) -> Vec<T>
where
    S: AsRef<str>,
    F: Future<Output = T> + Send,
{
    join_all(ids.iter().enumerate().map(|(index, id)| {
        let listener = progress::listener_of_part(index, "", began);
        progress::inherit(listener, work(id.as_ref()))
    }))
    .await
}

#[cfg(test)]
mod tests;
