//! Machines that end with the work they are for: create, wait, use, destroy, whatever happens.
//!
//! Works with every provider: it needs the contract, and nothing of a cloud.

mod fleet;

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::time::Instant;
use tracing::warn;

use crate::guard::InstanceGuard;
use crate::progress::{self, Phase};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::{InstanceRequest, OnCancel, Provider, ProviderInstance};

pub use fleet::{FleetError, with_instances};

/// What becomes of a machine that was made but does not become ready. One that was found, as
/// [`adopted`](ProviderInstance::adopted) tells, is left whatever is said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// It is destroyed, when it has failed itself, is gone, or was not ready in time. Where it
    /// could not be looked at, nobody knows that: it is left, and the error carries its id.
    Destroy,
    /// It is left as it is. The error carries its id.
    Keep,
}

/// Starts a machine and waits until it is ready.
///
/// When the future is dropped in the middle, the machine is destroyed in the background, or kept,
/// as `on_failure` says; one that was found, and not made, is kept.
///
/// # Errors
/// As [`Provider::create_instance`]; after the machine exists, [`ProviderError::AfterCreate`] with
/// its id, with the error of [`Provider::wait_ready`] in it. What could not be destroyed is tried
/// again in the background: the error says that it exists.
///
/// # Examples
/// ```no_run
/// use std::sync::Arc;
/// use spuff_core::provider::{InstanceRequest, Provider, ProviderRegistry};
/// use spuff_core::{OnFailure, create_and_wait};
///
/// # async fn example() -> Result<(), spuff_core::provider::ProviderError> {
/// let provider: Arc<dyn Provider> = ProviderRegistry::with_defaults().from_env("hetzner")?.into();
/// let request = InstanceRequest::new("web-1", "fsn1", "cx22");
/// let machine = create_and_wait(&provider, &request, OnFailure::Destroy).await?;
/// println!("{}", machine.ip);
/// # Ok(())
/// # }
/// ```
pub async fn create_and_wait(
    provider: &Arc<dyn Provider>,
    request: &InstanceRequest,
    on_failure: OnFailure,
) -> ProviderResult<ProviderInstance> {
    let on_drop = match on_failure {
        OnFailure::Destroy => request.on_cancel.unwrap_or(OnCancel::Destroy),
        OnFailure::Keep => OnCancel::Keep,
    };
    let is_over = |error: &ProviderError, id: &str| {
        on_failure == OnFailure::Destroy && error.is_instance_failure(id)
    };
    Ok(made_ready(provider, request, on_drop, is_over, on_failure == OnFailure::Destroy)
        .await?
        .release())
}

/// A machine that is ready. For an error that `is_over` it is ended; and where it `ends_half_made`,
/// for one of the create itself that tells of a machine.
async fn made_ready(
    provider: &Arc<dyn Provider>,
    request: &InstanceRequest,
    on_drop: OnCancel,
    is_over: impl Fn(&ProviderError, &str) -> bool,
    ends_half_made: bool,
) -> ProviderResult<InstanceGuard> {
    let began = Instant::now();
    let made = match provider.create_instance(request).await {
        Ok(made) => made,
        // What a key of the caller's has made may be in use elsewhere.
        Err(ProviderError::AfterCreate { instance_id, exists: true, source, .. })
            if ends_half_made && request.idempotency_key.is_none() =>
        {
            let half = ProviderInstance { id: instance_id, ..ProviderInstance::default() };
            return Err(InstanceGuard::new(provider, half, on_drop).destroy_after(*source).await);
        }
        Err(error) => return Err(error),
    };
    let mut guard = InstanceGuard::new(provider, made, on_drop);
    guard.report_made();
    progress::report_instance(
        "create_instance",
        Phase::Accepted,
        guard.instance(),
        began.elapsed(),
    );
    let id = guard.instance().id.clone();
    let waited = provider.wait_ready(&id).await;
    progress::flush().await;
    match waited {
        Ok(ready) => {
            guard.update(ready);
            Ok(guard)
        }
        Err(error) if is_over(&error, &id) => Err(guard.destroy_after(error).await),
        Err(error) => {
            let error = guard.annotate(error).await;
            guard.release();
            Err(error)
        }
    }
}

/// A machine for some work, which ends with it whatever fails: nobody else is told of it.
pub(crate) async fn made_for_work(
    provider: &Arc<dyn Provider>,
    request: &InstanceRequest,
) -> ProviderResult<InstanceGuard> {
    let on_drop = request.on_cancel.unwrap_or(OnCancel::Destroy);
    let mut guard = made_ready(provider, request, on_drop, |_, _| true, true).await?;
    guard.destroy_on_drop();
    Ok(guard)
}

/// Starts a machine, waits until it is ready, runs `work` with it, and destroys it: also when
/// `work` fails or panics, and in the background when the future is dropped in the middle.
///
/// What this has made is what it ends: a machine that the request's
/// [`idempotency_key`](InstanceRequest::idempotency_key) had made before is used, and left, as
/// [`adopted`](ProviderInstance::adopted) tells.
///
/// # Errors
/// As [`create_and_wait`], but that the machine is destroyed as well where it could not be looked
/// at; those of `work`; that of [`Provider::destroy_instance`], as [`ProviderError::AfterCreate`]
/// with the machine's id, when the work has succeeded and the machine still exists. To destroy it
/// is tried again in the background then.
///
/// # Examples
/// ```no_run
/// use std::sync::Arc;
/// use spuff_core::provider::{InstanceRequest, Provider, ProviderError, ProviderRegistry};
/// use spuff_core::with_instance;
///
/// # async fn example() -> Result<(), ProviderError> {
/// let provider: Arc<dyn Provider> = ProviderRegistry::with_defaults().from_env("hetzner")?.into();
/// let request = InstanceRequest::new("build-1", "fsn1", "cx22");
/// let address = with_instance(&provider, &request, |machine| async move { Ok::<_, ProviderError>(machine.ip) }).await?;
/// println!("{address} was used");
/// # Ok(())
/// # }
/// ```
pub async fn with_instance<T, E, W>(
    provider: &Arc<dyn Provider>,
    request: &InstanceRequest,
    work: impl FnOnce(ProviderInstance) -> W,
) -> Result<T, E>
where
    E: From<ProviderError>,
    W: Future<Output = Result<T, E>>,
{
    let guard = made_for_work(provider, request).await?;
    let ready = guard.instance().clone();
    let id = ready.id.clone();
    let done = caught(async move { work(ready).await }).await;
    let ended = guard.destroy().await;
    finish(done, ended, &id)
}

/// Some work, with its panic as a value.
async fn caught<W: Future>(work: W) -> std::thread::Result<W::Output> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// The outcome of some work, after the end of the machine that it was for.
pub(crate) fn finish<T, E: From<ProviderError>>(
    done: std::thread::Result<Result<T, E>>,
    ended: Option<ProviderResult<()>>,
    id: &str,
) -> Result<T, E> {
    let ended = ended.unwrap_or(Ok(()));
    if let (Err(error), false) = (&ended, matches!(done, Ok(Ok(_)))) {
        warn!(id, %error, "a machine could not be destroyed after its work had failed, and costs \
         money");
    }
    let value = done.unwrap_or_else(|panic| resume_unwind(panic))?;
    ended.map_err(|error| error.after_create(id, None))?;
    Ok(value)
}

/// As [`Provider::create_instance`], where the outcome may be [`untaken`].
///
/// # Errors
/// As [`Provider::create_instance`].
#[doc(hidden)]
pub async fn create_instance(
    provider: &Arc<dyn Provider>,
    request: &InstanceRequest,
) -> ProviderResult<ProviderInstance> {
    Ok(InstanceGuard::new(
        provider,
        provider.create_instance(request).await?,
        request.cancellation(),
    )
    .release())
}

#[cfg(test)]
mod tests;
