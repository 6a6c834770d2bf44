//! Instances scoped to a piece of work: create, wait, use, and always destroy.
//!
//! Works with every provider, because it uses only the `Provider` trait.

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
use crate::provider::operation::Operation;
use crate::provider::{InstanceRequest, OnCancel, Provider, ProviderInstance};

pub use fleet::{FleetError, with_instances};

/// What to do with an instance that was made but does not become ready. An
/// [`adopted`](ProviderInstance::adopted) instance is always kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// Destroy it if it failed, is gone, or was not ready in time. If it could not be polled, its
    /// state is unknown: it is kept, and the error carries its id.
    Destroy,
    /// Keep it. The error carries its id.
    Keep,
}

/// Creates an instance and waits until it is ready.
///
/// If the future is dropped before it ends, the instance is destroyed in the background or kept, as
/// `on_failure` and the request's [`on_cancel`](InstanceRequest::on_cancel) say. An adopted
/// instance is kept.
///
/// # Errors
/// As [`Provider::create_instance`]; once the instance exists, [`ProviderError::AfterCreate`] with
/// its id and the error of [`Provider::wait_ready`]. A failed destroy is retried in the background;
/// the error says that the instance exists.
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

/// Creates an instance and waits until it is ready. Destroys it on an error that `is_over`; if
/// `ends_half_made`, also when the create fails after making the instance.
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
        // An instance made under an idempotency key may be in use elsewhere.
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
        Operation::CreateInstance,
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

/// Creates an instance for some work. It is destroyed on any failure, because no other caller knows
/// of it.
pub(crate) async fn made_for_work(
    provider: &Arc<dyn Provider>,
    request: &InstanceRequest,
) -> ProviderResult<InstanceGuard> {
    let on_drop = request.on_cancel.unwrap_or(OnCancel::Destroy);
    let mut guard = made_ready(provider, request, on_drop, |_, _| true, true).await?;
    guard.destroy_on_drop();
    Ok(guard)
}

/// Creates an instance, waits until it is ready, runs `work` with it, and destroys it. Destroys it
/// also if `work` fails or panics, and in the background if the future is dropped before it ends.
///
/// Destroys only an instance that this call made. An instance adopted by the request's
/// [`idempotency_key`](InstanceRequest::idempotency_key) is used and kept; see
/// [`adopted`](ProviderInstance::adopted).
///
/// # Errors
/// As [`create_and_wait`], but the instance is also destroyed if it could not be polled; those of
/// `work`; that of [`Provider::destroy_instance`], as [`ProviderError::AfterCreate`] with the
/// instance's id, if the work succeeded and the instance still exists. The destroy is then retried
/// in the background.
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
/// let address = with_instance(&provider, &request, |machine| async move {
///     Ok::<_, ProviderError>(machine.ip)
/// })
/// .await?;
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

/// Runs some work and returns its panic as a value.
async fn caught<W: Future>(work: W) -> std::thread::Result<W::Output> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// Combines the outcome of the work with that of the destroy.
pub(crate) fn finish<T, E: From<ProviderError>>(
    done: std::thread::Result<Result<T, E>>,
    ended: Option<ProviderResult<()>>,
    id: &str,
) -> Result<T, E> {
    let ended = ended.unwrap_or(Ok(()));
    if let (Err(error), false) = (&ended, matches!(done, Ok(Ok(_)))) {
        warn!(id, %error, "an instance could not be destroyed after its work failed, and costs \
         money");
    }
    let value = done.unwrap_or_else(|panic| resume_unwind(panic))?;
    ended.map_err(|error| error.after_create(id, None))?;
    Ok(value)
}

/// As [`Provider::create_instance`], for an outcome that may be [`unclaimed`](crate::unclaimed).
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
