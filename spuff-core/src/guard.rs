//! Guards: an instance that is destroyed when its guard is dropped, and an outcome that its caller
//! has not claimed yet.

use std::future::Future;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task_local;

use crate::create::{self, About, Ending, Site, background, catch_panic};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::{OnCancel, Provider, ProviderInstance};

task_local! {
    static RELEASED: Arc<Mutex<Vec<InstanceGuard>>>;
    static MADE_SO_FAR: MadeSoFar;
}

/// The id of the instance that an unfinished operation has made, and whether it is destroyed if the
/// caller leaves.
type MadeSoFar = Arc<Mutex<Option<(String, bool)>>>;

/// Wraps an operation whose caller may leave before it ends. Returns the future, and a function
/// that returns the instance made so far.
#[cfg(feature = "blocking")]
pub(crate) fn watch_made<W: Future>(
    work: W,
) -> (impl Future<Output = W::Output>, impl Fn() -> Option<(String, bool)>) {
    let place = MadeSoFar::default();
    let made = place.clone();
    (MADE_SO_FAR.scope(place, work), move || {
        made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    })
}

/// The outcome of an operation, for a caller that may leave before it claims it. Dropping it
/// unclaimed destroys the instances that the operation made, as dropping the operation's future
/// does.
#[doc(hidden)]
pub struct Unclaimed<T> {
    outcome: T,
    released: Arc<Mutex<Vec<InstanceGuard>>>,
}

impl<T> Unclaimed<T> {
    pub fn claim(self) -> T {
        self.released
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
            .for_each(InstanceGuard::forget);
        self.outcome
    }
}

impl<T> From<T> for Unclaimed<T> {
    fn from(outcome: T) -> Self {
        Self { outcome, released: Arc::default() }
    }
}

/// Runs an operation whose outcome the caller claims afterwards.
#[doc(hidden)]
pub async fn unclaimed<W: Future>(work: W) -> Unclaimed<W::Output> {
    let released = Arc::<Mutex<Vec<InstanceGuard>>>::default();
    let outcome = RELEASED.scope(released.clone(), work).await;
    Unclaimed { outcome, released }
}

/// Destroys its instance in the background when it is dropped, unless the instance was released or
/// destroyed before, or is to be kept. An adopted instance is always kept.
pub(crate) struct InstanceGuard {
    provider: Arc<dyn Provider>,
    instance: ProviderInstance,
    site: Site,
    process: u32,
    on_drop: OnCancel,
}

impl InstanceGuard {
    pub(crate) fn new(
        provider: &Arc<dyn Provider>,
        instance: ProviderInstance,
        on_drop: OnCancel,
    ) -> Self {
        let on_drop = if instance.adopted { OnCancel::Keep } else { on_drop };
        Self {
            provider: provider.clone(),
            instance,
            site: Site::current(),
            process: process::id(),
            on_drop,
        }
    }

    /// Reports the instance to [`watch_made`].
    pub(crate) fn report_made(&self) {
        let made = (self.instance.id.clone(), self.on_drop == OnCancel::Destroy);
        // An error means that no caller watches the operation.
        let _ = MADE_SO_FAR
            .try_with(|place| *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(made));
    }

    /// Destroys the instance when the guard is dropped, whatever its request says.
    pub(crate) fn destroy_on_drop(&mut self) {
        if !self.instance.adopted {
            self.on_drop = OnCancel::Destroy;
        }
    }

    pub(crate) fn instance(&self) -> &ProviderInstance {
        &self.instance
    }

    /// Replaces the instance by a later observation of it.
    pub(crate) fn update(&mut self, instance: ProviderInstance) {
        self.instance = ProviderInstance { adopted: self.instance.adopted, ..instance };
    }

    /// Releases the instance to the caller, once the caller has claimed the outcome.
    pub(crate) fn release(self) -> ProviderInstance {
        let instance = self.instance.clone();
        match RELEASED.try_with(Clone::clone) {
            Ok(released) => released.lock().unwrap_or_else(PoisonError::into_inner).push(self),
            // The caller does not claim: it has the outcome at once.
            Err(_) => self.forget(),
        }
        instance
    }

    /// Drops the guard and keeps the instance.
    pub(crate) fn forget(mut self) {
        self.on_drop = OnCancel::Keep;
    }

    /// Destroys the instance. Returns `None` if it is kept: it was adopted, or belongs to the
    /// parent of this process. A failed destroy is retried in the background.
    pub(crate) async fn destroy(mut self) -> Option<ProviderResult<()>> {
        if self.instance.adopted || self.process != process::id() {
            return None;
        }
        let ended = catch_panic(self.provider.destroy_instance(&self.instance.id)).await;
        self.on_drop = if ended.is_ok() { OnCancel::Keep } else { OnCancel::Destroy };
        Some(ended)
    }

    /// Adds the instance's id to the error, and whether the instance still exists: a failed one may
    /// be gone.
    pub(crate) async fn annotate(&self, error: ProviderError) -> ProviderError {
        let id = self.instance.id.as_str();
        if !error.is_instance_failure(id) {
            return error.after_create(id, None);
        }
        let is_gone = match catch_panic(self.provider.get_instance(id)).await {
            Ok(there) => there.is_none(),
            Err(_) => matches!(error, ProviderError::NotFound { .. }),
        };
        error.after_create(id, is_gone.then_some(Ok(())))
    }

    /// Destroys the instance because of an error. Returns the error with the result of the destroy.
    pub(crate) async fn destroy_after(self, error: ProviderError) -> ProviderError {
        if self.instance.adopted {
            return self.annotate(error).await;
        }
        let id = self.instance.id.clone();
        let destroyed = self.destroy().await;
        error.after_create(id, destroyed)
    }
}

impl Drop for InstanceGuard {
    fn drop(&mut self) {
        // A forked child leaves the instances to its parent.
        if self.on_drop == OnCancel::Keep || self.process != process::id() {
            return;
        }
        let provider = self.provider.clone();
        let id = std::mem::take(&mut self.instance.id);
        let about = About::new(Operation::DestroyInstance, provider.name(), &id);
        // Mark it now, because the background task may start later.
        let ending = Ending::begin(provider.name(), &id);
        background(&self.site, about, async move {
            create::destroy_with_retry(&*provider, &id).await;
            drop(ending);
        });
    }
}
