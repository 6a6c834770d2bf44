//! Blocking providers: those written in C or plain Python, or over a client without `async`.

mod verbs;

use std::sync::Arc;

use tokio::task;

use super::CancelToken;
use super::sync_provider::SyncProvider;
use crate::create::{self, About, Here, run_to_completion};
use crate::provider::config::ProviderTimeouts;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::{self, InstanceRequest, OnCancel, Provider, ProviderInstance, Snapshot};
use crate::wait::{Observation, Wait};

/// Wraps a blocking provider. An abandoned create is completed: its instance is destroyed or kept,
/// as the request says.
///
/// # Examples
/// ```
/// use spuff_core::blocking::{CancelToken, SyncProvider, from_sync};
/// use spuff_core::provider::{
///     InstanceRequest, Provider, ProviderError, ProviderInstance, ProviderResult,
///     ProviderTimeouts, Snapshot,
/// };
///
/// struct Nimbus;
///
/// impl SyncProvider for Nimbus {
///     fn name(&self) -> &str {
///         "nimbus"
///     }
///     fn create_instance(
///         &self,
///         _: &InstanceRequest,
///         _: &CancelToken,
///     ) -> ProviderResult<ProviderInstance> {
///         Err(ProviderError::capacity("nothing is free"))
///     }
///     fn destroy_instance(&self, _: &str, _: &CancelToken) -> ProviderResult<()> {
///         Ok(())
///     }
///     fn get_instance(
///         &self,
///         _: &str,
///         _: &CancelToken,
///     ) -> ProviderResult<Option<ProviderInstance>> {
///         Ok(None)
///     }
///     fn list_instances(&self, _: &CancelToken) -> ProviderResult<Vec<ProviderInstance>> {
///         Ok(Vec::new())
///     }
/// }
///
/// let provider: Box<dyn Provider> = from_sync(Nimbus, ProviderTimeouts::default());
/// assert!(!provider.supports_snapshots());
/// ```
pub fn from_sync(
    provider: impl SyncProvider,
    timeouts: ProviderTimeouts,
) -> Box<dyn provider::Provider> {
    Box::new(FromSync { provider: Arc::new(provider), timeouts })
}

struct FromSync<P> {
    provider: Arc<P>,
    timeouts: ProviderTimeouts,
}

impl<P> Clone for FromSync<P> {
    fn clone(&self) -> Self {
        Self { provider: self.provider.clone(), timeouts: self.timeouts }
    }
}

impl<P: SyncProvider> FromSync<P> {
    /// Runs an operation on a thread where it may block. Dropping the future cancels its token.
    async fn call<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&P, &CancelToken) -> ProviderResult<T> + Send + 'static,
    ) -> ProviderResult<T> {
        let cancel = CancelToken::new();
        let guard = cancel.guard();
        let outcome = self.run(cancel, verb).await;
        guard.disarm();
        outcome
    }

    async fn run<T: Send + 'static>(
        &self,
        cancel: CancelToken,
        verb: impl FnOnce(&P, &CancelToken) -> ProviderResult<T> + Send + 'static,
    ) -> ProviderResult<T> {
        let provider = self.provider.clone();
        let here = Here::current();
        match task::spawn_blocking(move || here.sync_scope(|| verb(&provider, &cancel))).await {
            Ok(outcome) => outcome,
            Err(error) => Err(ProviderError::from_panic(&*error.into_panic())),
        }
    }

    /// Runs a create to its end, even if its caller leaves; `on_abandoned` then handles the result.
    async fn make<T, U>(
        &self,
        about: About,
        verb: impl FnOnce(&P, &CancelToken) -> ProviderResult<T> + Send + 'static,
        on_abandoned: impl FnOnce(Self, T) -> U + Send + 'static,
    ) -> ProviderResult<T>
    where
        T: Send + 'static,
        U: Future<Output = ()> + Send,
    {
        let cancel = CancelToken::new();
        let guard = cancel.guard();
        let this = self.clone();
        let ender = self.clone();
        let work = move |_| async move { this.run(cancel, verb).await };
        let outcome = run_to_completion(about, work, move |made| on_abandoned(ender, made)).await;
        guard.disarm();
        outcome
    }
}

/// The operations that need more than a call.
impl<P: SyncProvider> FromSync<P> {
    async fn create_to_completion(
        &self,
        request: &InstanceRequest,
    ) -> ProviderResult<ProviderInstance> {
        // An `AfterCreate` error does not say whether the instance was adopted: one under the
        // caller's idempotency key may be in use elsewhere.
        let half =
            if request.idempotency_key.is_some() { OnCancel::Keep } else { request.cancellation() };
        let fate = request.cancellation();
        let request = request.clone();
        let on_abandoned = move |this: Self, made: ProviderResult<ProviderInstance>| async move {
            match made {
                Ok(made) => create::on_abandoned(&this, &made, fate).await,
                Err(ProviderError::AfterCreate { instance_id, exists: true, .. }) => {
                    let made = ProviderInstance { id: instance_id, ..ProviderInstance::default() };
                    create::on_abandoned(&this, &made, half).await;
                }
                Err(_) => {}
            }
        };
        let about = About::new(Operation::CreateInstance, self.name(), &request.name);
        let create = move |provider: &P, cancel: &CancelToken| match provider
            .create_instance(&request, cancel)
        {
            // Counts as an outcome, because its instance is cleaned up if the caller has left.
            Err(error @ ProviderError::AfterCreate { .. }) => Ok(Err(error)),
            outcome => outcome.map(Ok),
        };
        self.make(about, create, on_abandoned).await?
    }

    async fn wait_or_poll(&self, id: &str) -> ProviderResult<ProviderInstance> {
        let subject = id.to_string();
        match self.call(move |provider, cancel| provider.wait_ready(&subject, cancel)).await {
            Err(ProviderError::NotSupported { feature })
                if feature == Operation::WaitReady.as_str() => {}
            outcome => return outcome,
        }
        let wait = Wait::new(
            Operation::WaitReady,
            ("instance", id),
            self.timeouts.instance_ready,
            &self.timeouts,
        );
        wait.until(|| async {
            let found = self.get_instance(id).await;
            let found = found
                .and_then(|found| found.ok_or_else(|| ProviderError::not_found("instance", id)));
            Observation::of_instance(found, self.name())
        })
        .await
    }

    async fn snapshot_to_completion(
        &self,
        instance_id: &str,
        name: &str,
    ) -> ProviderResult<Snapshot> {
        let id = instance_id.to_string();
        let name = name.to_string();
        // A snapshot is finished and kept, as with the built-in providers.
        let about = About::new(Operation::CreateSnapshot, self.name(), &name);
        self.make(
            about,
            move |provider, cancel| provider.create_snapshot(&id, &name, cancel),
            |_, _| async {},
        )
        .await
    }

    async fn list_without_labels(&self) -> ProviderResult<Vec<Snapshot>> {
        Ok(self
            .list_labelled_snapshots()
            .await?
            .into_iter()
            .map(|(snapshot, _)| snapshot)
            .collect())
    }
}
