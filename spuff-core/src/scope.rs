//! Machines that end with the work they are for: create, wait, use, destroy, whatever happens.
//!
//! Stands on the contract alone, so that it works with every provider.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::warn;

use crate::create::{self, background};
use crate::progress;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::{InstanceRequest, Provider, ProviderInstance};

/// What becomes of a machine that was made but does not become ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// It is destroyed.
    Destroy,
    /// It is left as it is. The error carries its id.
    Keep,
}

/// Starts a machine and waits until it is ready.
///
/// When the future is dropped in the middle, the machine is destroyed in the background, or kept, as `on_failure` says.
///
/// # Errors
/// As [`Provider::create_instance`]; after the machine exists, [`ProviderError::AfterCreate`] with its id, with the error of
/// [`Provider::wait_ready`] in it.
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
    let began = Instant::now();
    let doomed = Doomed::new(provider, provider.create_instance(request).await?);
    progress::report("create_instance", &doomed.instance.id, "accepted", began.elapsed());
    let ready = provider.wait_ready(&doomed.instance.id).await;
    match (ready, on_failure) {
        (Ok(ready), _) => {
            doomed.spare();
            Ok(ready)
        }
        (Err(error), OnFailure::Keep) => Err(error.after_create(doomed.spare(), None)),
        (Err(error), OnFailure::Destroy) => {
            let id = doomed.instance.id.clone();
            let ended = doomed.end().await;
            Err(error.after_create(&id, Some(ended)))
        }
    }
}

/// Starts a machine, waits until it is ready, runs `work` with it, and destroys it: also when `work` fails or panics, and in
/// the background when the future is dropped in the middle.
///
/// # Errors
/// As [`create_and_wait`]; those of `work`; that of [`Provider::destroy_instance`], as [`ProviderError::AfterCreate`] with the
/// machine's id, when the work has succeeded and the machine still exists.
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
    let ready = create_and_wait(provider, request, OnFailure::Destroy).await?;
    let doomed = Doomed::new(provider, ready.clone());
    let mut work = pin!(async move { work(ready).await });
    let done = std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => std::task::Poll::Ready(Err(panic)),
    });
    let done = done.await;
    let id = doomed.instance.id.clone();
    let ended = doomed.end().await;
    finish(done, ended, &id)
}

/// The outcome of some work, after the end of the machine that it was for.
pub(crate) fn finish<T, E: From<ProviderError>>(
    done: std::thread::Result<Result<T, E>>,
    ended: ProviderResult<()>,
    id: &str,
) -> Result<T, E> {
    if let (Err(error), false) = (&ended, matches!(done, Ok(Ok(_)))) {
        warn!(id, %error, "a machine could not be destroyed after its work had failed, and costs money");
    }
    let value = done.unwrap_or_else(|panic| resume_unwind(panic))?;
    ended.map_err(|error| error.after_create(id, None))?;
    Ok(value)
}

/// A machine that is destroyed when this is dropped, unless it has been spared or ended.
struct Doomed {
    provider: Arc<dyn Provider>,
    instance: ProviderInstance,
    runtime: Handle,
    over: bool,
}

impl Doomed {
    fn new(provider: &Arc<dyn Provider>, instance: ProviderInstance) -> Self {
        Self { provider: provider.clone(), instance, runtime: Handle::current(), over: false }
    }

    fn spare(mut self) -> String {
        self.over = true;
        std::mem::take(&mut self.instance.id)
    }

    async fn end(mut self) -> ProviderResult<()> {
        let ended = self.provider.destroy_instance(&self.instance.id).await;
        self.over = true;
        ended
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let (provider, id) = (self.provider.clone(), std::mem::take(&mut self.instance.id));
        background(&self.runtime, async move { create::end(&*provider, &id).await });
    }
}
