//! Operations on many instances: create, wait and destroy concurrently, each with its own outcome.
//!
//! Many waits need few requests: the built-in providers poll all instances of an account together.
//!
//! Every operation here reports to [`observe`](crate::observe): each report carries the instance's
//! position in the input, its phase, and the time since the operation began.

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
use crate::provider::operation::Operation;
use crate::provider::{InstanceRequest, Provider, ProviderInstance};

/// What to do with the instances of a fleet when one of them fails.
///
/// An instance fails if it cannot be made, fails itself, is gone, or is not ready in time. One that
/// could not be polled may be healthy: it triggers no destroy, and its error carries its id. Every
/// rollback keeps [`adopted`](ProviderInstance::adopted) instances. A failed destroy is retried in
/// the background; its error says that the instance exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rollback {
    /// Keep all. The error of each failed instance carries its id, if it has one.
    Keep,
    /// Destroy those that were made but do not become ready; keep the others.
    #[default]
    DestroyFailed,
    /// Destroy all that were made, and make no more.
    DestroyAll,
}

/// Options for creating a fleet.
///
/// # Examples
/// ```
/// use spuff_core::fleet::{FleetOptions, Rollback};
///
/// let options = FleetOptions::default()
///     .with_concurrency(32)
///     .with_on_failure(Rollback::DestroyAll)
///     .with_wait_ready(true);
/// assert_eq!(options.concurrency, 32);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FleetOptions {
    /// Maximum creates, or destroys, in progress at once; 16 by default. Waits do not count.
    pub concurrency: usize,
    /// What to do with the others when one fails; [`Rollback::DestroyFailed`] by default.
    pub on_failure: Rollback,
    /// Whether to wait for each instance, as [`Provider::wait_ready`]; by default a create only has
    /// to be accepted.
    pub wait_ready: bool,
}

impl Default for FleetOptions {
    fn default() -> Self {
        Self { concurrency: 16, on_failure: Rollback::default(), wait_ready: false }
    }
}

impl FleetOptions {
    /// Sets the maximum of creates in progress at once.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Sets what to do with the others when one fails.
    #[must_use]
    pub fn with_on_failure(mut self, on_failure: Rollback) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Sets whether to wait for each instance.
    #[must_use]
    pub fn with_wait_ready(mut self, wait_ready: bool) -> Self {
        self.wait_ready = wait_ready;
        self
    }
}

/// Creates many instances concurrently, and waits for them if the options say so. The outcomes are
/// in the order of the requests.
///
/// A rate-limited create is retried for up to two hours. If a create has an unknown outcome and
/// failed instances are to be destroyed, any instance it made is searched for and destroyed.
///
/// # Errors
/// Each outcome has its own: those of [`Provider::create_instance`]; once the instance exists,
/// [`ProviderError::AfterCreate`] with its id. In a fleet that is rolled back, instances that had
/// not failed themselves return [`ProviderError::Cancelled`]: directly if none was made, else
/// within [`ProviderError::AfterCreate`]. If a provider panics over one instance, only that one
/// fails, with [`ProviderError::Internal`].
///
/// # Cancellation
/// If the future is dropped, no more instances are made, and all that were made are destroyed in
/// the background, except adopted ones and those that [`InstanceRequest::on_cancel`] keeps.
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
/// let request = |n| InstanceRequest::new(format!("web-{n}"), "fsn1", "cx22");
/// let requests: Vec<_> = (0..100).map(request).collect();
/// let options = FleetOptions::default().with_wait_ready(true);
/// let made = create_instances(&provider, &requests, options);
/// let made = spuff_core::observe(made, |seen| {
///     println!("{:>6.1?} {} {}", seen.elapsed, seen.name, seen.phase);
/// })
/// .await;
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

/// Waits for many instances concurrently, as [`Provider::wait_ready`] for each. The outcomes are in
/// the order of the ids.
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
            Ok(ready) => progress::report_instance(
                Operation::WaitReady,
                Phase::Ready,
                ready,
                began.elapsed(),
            ),
            Err(error) => {
                progress::ended(Operation::WaitReady, Phase::Failed, id, error, began.elapsed())
            }
        }
        waited
    })
    .await
}

/// Destroys many instances, as [`Provider::destroy_instance`] for each: those already gone are
/// `Ok`. The outcomes are in the order of the ids. `concurrency` limits the destroys in progress at
/// once.
///
/// # Errors
/// Each outcome has its own: those of [`Provider::destroy_instance`].
///
/// # Cancellation
/// If the future is dropped, no more instances are destroyed.
pub async fn destroy_instances<S: AsRef<str>>(
    provider: &Arc<dyn Provider>,
    ids: &[S],
    concurrency: usize,
) -> Vec<ProviderResult<()>> {
    if concurrency == 0 {
        return ids.iter().map(|_| Err(no_concurrency())).collect();
    }
    let began = Instant::now();
    let turns = Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS));
    let abort = AbortFlag::new(Operation::DestroyInstances);
    each(ids, began, |id| async {
        let _turn = turns.acquire().await;
        let gone = retry_while_rate_limited(|| provider.destroy_instance(id), &abort).await;
        match &gone {
            Ok(()) => progress::ended(
                Operation::DestroyInstance,
                Phase::Destroyed,
                id,
                Phase::Destroyed,
                began.elapsed(),
            ),
            Err(error) => progress::ended(
                Operation::DestroyInstance,
                Phase::Failed,
                id,
                error,
                began.elapsed(),
            ),
        }
        gone
    })
    .await
}

/// Watches instances until each is ready or has failed. Returns a stream of observations, followed
/// by the outcomes.
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

/// A stream of observations; see [`watch()`].
#[derive(Debug)]
pub struct Watch {
    observed: Observed<Outcomes>,
    outcomes: Option<Vec<ProviderResult<ProviderInstance>>>,
}

impl Watch {
    /// Returns the next observation, or `None` once all are ready or have failed.
    pub async fn next(&mut self) -> Option<Progress> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// Returns the outcomes in the order of the ids; empty before the end of the stream.
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
    ProviderError::invalid_config("concurrency", "must be at least 1")
}

/// Runs `work` for each instance, with its position attached to progress reports.
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
