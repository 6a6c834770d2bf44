//! Machines that end with the work they are for: create, wait, use, destroy, whatever happens.
//!
//! Stands on the contract alone, so that it works with every provider.

mod fleet;

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use tokio::task_local;
use tokio::time::Instant;
use tracing::warn;

use crate::create::{self, About, Ending, Site, background, contained};
use crate::progress::{self, Phase};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::{InstanceRequest, OnCancel, Provider, ProviderInstance};

pub use fleet::{FleetError, with_instances};

/// What becomes of a machine that was made but does not become ready. One that was found, as
/// [`adopted`](ProviderInstance::adopted) tells, is left whatever is said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// It is destroyed, when it has failed itself, is gone, or was not ready in time. Where it could not be looked at, nobody
    /// knows that: it is left, and the error carries its id.
    Destroy,
    /// It is left as it is. The error carries its id.
    Keep,
}

/// Starts a machine and waits until it is ready.
///
/// When the future is dropped in the middle, the machine is destroyed in the background, or kept, as `on_failure` says; one that
/// was found, and not made, is kept.
///
/// # Errors
/// As [`Provider::create_instance`]; after the machine exists, [`ProviderError::AfterCreate`] with its id, with the error of
/// [`Provider::wait_ready`] in it. What could not be destroyed is tried again in the background: the error says that it exists.
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
    let is_over = |error: &ProviderError, id: &str| on_failure == OnFailure::Destroy && error.is_instance_failure(id);
    Ok(made_ready(provider, request, on_drop, is_over, on_failure == OnFailure::Destroy).await?.spare())
}

/// A machine that is ready. For an error that `is_over` it is ended; and where it `ends_half_made`, for one of the create itself
/// that tells of a machine.
async fn made_ready(
    provider: &Arc<dyn Provider>,
    request: &InstanceRequest,
    on_drop: OnCancel,
    is_over: impl Fn(&ProviderError, &str) -> bool,
    ends_half_made: bool,
) -> ProviderResult<Doomed> {
    let began = Instant::now();
    let made = match provider.create_instance(request).await {
        Ok(made) => made,
        // What a key of the caller's has made may be in use elsewhere.
        Err(ProviderError::AfterCreate { instance_id, exists: true, source, .. })
            if ends_half_made && request.idempotency_key.is_none() =>
        {
            let half = ProviderInstance { id: instance_id, ..ProviderInstance::default() };
            return Err(Doomed::new(provider, half, on_drop).end_after(*source).await);
        }
        Err(error) => return Err(error),
    };
    let mut doomed = Doomed::new(provider, made, on_drop);
    doomed.is_on_the_way();
    progress::reached("create_instance", Phase::Accepted, doomed.instance(), began.elapsed());
    let id = doomed.instance().id.clone();
    let waited = provider.wait_ready(&id).await;
    progress::heard().await;
    match waited {
        Ok(ready) => {
            doomed.update(ready);
            Ok(doomed)
        }
        Err(error) if is_over(&error, &id) => Err(doomed.end_after(error).await),
        Err(error) => {
            let error = doomed.tell(error).await;
            doomed.spare();
            Err(error)
        }
    }
}

/// A machine for some work, which ends with it whatever fails: nobody else is told of it.
pub(crate) async fn made_for_work(provider: &Arc<dyn Provider>, request: &InstanceRequest) -> ProviderResult<Doomed> {
    let on_drop = request.on_cancel.unwrap_or(OnCancel::Destroy);
    let mut doomed = made_ready(provider, request, on_drop, |_, _| true, true).await?;
    doomed.doom();
    Ok(doomed)
}

/// Starts a machine, waits until it is ready, runs `work` with it, and destroys it: also when `work` fails or panics, and in
/// the background when the future is dropped in the middle.
///
/// What this has made is what it ends: a machine that the request's [`idempotency_key`](InstanceRequest::idempotency_key) had
/// made before is used, and left, as [`adopted`](ProviderInstance::adopted) tells.
///
/// # Errors
/// As [`create_and_wait`], but that the machine is destroyed as well where it could not be looked at; those of `work`; that of
/// [`Provider::destroy_instance`], as [`ProviderError::AfterCreate`] with the machine's id, when the work has succeeded and the
/// machine still exists. To destroy it is tried again in the background then.
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
    let doomed = made_for_work(provider, request).await?;
    let ready = doomed.instance().clone();
    let id = ready.id.clone();
    let done = caught(async move { work(ready).await }).await;
    let ended = doomed.end().await;
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
        warn!(id, %error, "a machine could not be destroyed after its work had failed, and costs money");
    }
    let value = done.unwrap_or_else(|panic| resume_unwind(panic))?;
    ended.map_err(|error| error.after_create(id, None))?;
    Ok(value)
}

task_local! {
    static SPARED: Arc<Mutex<Vec<Doomed>>>;
    static ON_THE_WAY: OnTheWay;
}

/// The machine that a verb has made on its way to more, and whether it is destroyed when nobody waits for the verb any more.
type OnTheWay = Arc<Mutex<Option<(String, bool)>>>;

/// A verb that may be left in the middle, with the place where it says what it has made by then.
#[cfg(feature = "blocking")]
pub(crate) fn on_the_way<W: Future>(work: W) -> (impl Future<Output = W::Output>, impl Fn() -> Option<(String, bool)>) {
    let place = OnTheWay::default();
    let made = place.clone();
    (ON_THE_WAY.scope(place, work), move || made.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// The outcome of a verb, for a caller that may leave before it takes it: dropped untaken, it ends what the verb has made, as
/// the verb does that is dropped in the middle.
#[doc(hidden)]
pub struct Untaken<T> {
    outcome: T,
    spared: Arc<Mutex<Vec<Doomed>>>,
}

impl<T> Untaken<T> {
    pub fn take(self) -> T {
        self.spared.lock().unwrap_or_else(PoisonError::into_inner).drain(..).for_each(Doomed::keep);
        self.outcome
    }
}

impl<T> From<T> for Untaken<T> {
    fn from(outcome: T) -> Self {
        Self { outcome, spared: Arc::default() }
    }
}

/// Runs a verb whose outcome has yet to be taken when it is there.
#[doc(hidden)]
pub async fn untaken<W: Future>(work: W) -> Untaken<W::Output> {
    let spared = Arc::<Mutex<Vec<Doomed>>>::default();
    let outcome = SPARED.scope(spared.clone(), work).await;
    Untaken { outcome, spared }
}

/// As [`Provider::create_instance`], where the outcome may be [`untaken`].
///
/// # Errors
/// As [`Provider::create_instance`].
#[doc(hidden)]
pub async fn create_instance(provider: &Arc<dyn Provider>, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
    Ok(Doomed::new(provider, provider.create_instance(request).await?, request.cancellation()).spare())
}

/// A machine that is destroyed in the background when this is dropped, unless it has been spared or ended, or is to be kept: as
/// one that was found, and not made, always is.
pub(crate) struct Doomed {
    provider: Arc<dyn Provider>,
    instance: ProviderInstance,
    site: Site,
    process: u32,
    on_drop: OnCancel,
}

impl Doomed {
    pub(crate) fn new(provider: &Arc<dyn Provider>, instance: ProviderInstance, on_drop: OnCancel) -> Self {
        let on_drop = if instance.adopted { OnCancel::Keep } else { on_drop };
        Self { provider: provider.clone(), instance, site: Site::current(), process: process::id(), on_drop }
    }

    /// Tells of it should the verb be left here.
    fn is_on_the_way(&self) {
        let made = (self.instance.id.clone(), self.on_drop == OnCancel::Destroy);
        // Nobody limits the verb.
        let _ = ON_THE_WAY.try_with(|place| *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(made));
    }

    /// Destroys it when this is dropped, whatever its request says.
    pub(crate) fn doom(&mut self) {
        if !self.instance.adopted {
            self.on_drop = OnCancel::Destroy;
        }
    }

    pub(crate) fn instance(&self) -> &ProviderInstance {
        &self.instance
    }

    /// The same machine, as it was seen later.
    pub(crate) fn update(&mut self, instance: ProviderInstance) {
        self.instance = ProviderInstance { adopted: self.instance.adopted, ..instance };
    }

    /// Leaves it to the caller of the verb, once that has taken the outcome.
    pub(crate) fn spare(self) -> ProviderInstance {
        let instance = self.instance.clone();
        match SPARED.try_with(Clone::clone) {
            Ok(spared) => spared.lock().unwrap_or_else(PoisonError::into_inner).push(self),
            // The outcome is taken where it is given.
            Err(_) => self.keep(),
        }
        instance
    }

    pub(crate) fn keep(mut self) {
        self.on_drop = OnCancel::Keep;
    }

    /// Destroys it. `None` where it is left: it was found, and not made, or is the parent's of this process. One that cannot be
    /// destroyed now is tried again in the background.
    pub(crate) async fn end(mut self) -> Option<ProviderResult<()>> {
        if self.instance.adopted || self.process != process::id() {
            return None;
        }
        let ended = contained(self.provider.destroy_instance(&self.instance.id)).await;
        self.on_drop = if ended.is_ok() { OnCancel::Keep } else { OnCancel::Destroy };
        Some(ended)
    }

    /// An error that leaves it as it is, which tells whether it is still there: one that has failed may be gone.
    pub(crate) async fn tell(&self, error: ProviderError) -> ProviderError {
        let id = self.instance.id.as_str();
        if !error.is_instance_failure(id) {
            return error.after_create(id, None);
        }
        let is_gone = match contained(self.provider.get_instance(id)).await {
            Ok(there) => there.is_none(),
            Err(_) => matches!(error, ProviderError::NotFound { .. }),
        };
        error.after_create(id, is_gone.then_some(Ok(())))
    }

    /// Ends it for an error, which then tells what has become of it.
    pub(crate) async fn end_after(self, error: ProviderError) -> ProviderError {
        if self.instance.adopted {
            return self.tell(error).await;
        }
        let id = self.instance.id.clone();
        let destroyed = self.end().await;
        error.after_create(id, destroyed)
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        // A forked child leaves the machines to its parent.
        if self.on_drop == OnCancel::Keep || self.process != process::id() {
            return;
        }
        let (provider, id) = (self.provider.clone(), std::mem::take(&mut self.instance.id));
        let about = About::new("destroy_instance", provider.name(), &id);
        // From here on: what is to be done in the background may begin later.
        let ending = Ending::begin(provider.name(), &id);
        background(&self.site, about, async move {
            create::end(&*provider, &id).await;
            drop(ending);
        });
    }
}

#[cfg(test)]
mod tests;
