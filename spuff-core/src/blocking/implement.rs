//! Blocking providers: those written in C or plain Python, or over a client without `async`.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::task;

use super::CancelToken;
use crate::create::{self, About, Here, run_to_completion};
use crate::provider::config::ProviderTimeouts;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::{self, InstanceRequest, OnCancel, Price, ProviderInstance, Snapshot};
use crate::wait::{Observation, Wait};

/// A provider with blocking operations. They are those of [`provider::Provider`], each with a token
/// that is cancelled when its caller has left: a long operation should check it.
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
#[allow(
    missing_docs,
    unused_variables,
    reason = "each is described at the operation of provider::Provider with its name"
)]
pub trait SyncProvider: Send + Sync + 'static {
    fn name(&self) -> &str;
    fn create_instance(
        &self,
        request: &InstanceRequest,
        cancel: &CancelToken,
    ) -> ProviderResult<ProviderInstance>;
    fn destroy_instance(&self, id: &str, cancel: &CancelToken) -> ProviderResult<()>;
    fn get_instance(
        &self,
        id: &str,
        cancel: &CancelToken,
    ) -> ProviderResult<Option<ProviderInstance>>;
    fn list_instances(&self, cancel: &CancelToken) -> ProviderResult<Vec<ProviderInstance>>;

    /// By default [`NotSupported`](ProviderError::NotSupported): then
    /// [`get_instance`](Self::get_instance) is polled until the instance is ready or
    /// `instance_ready` has passed.
    fn wait_ready(&self, id: &str, cancel: &CancelToken) -> ProviderResult<ProviderInstance> {
        not_supported(Operation::WaitReady)
    }

    fn create_snapshot(
        &self,
        instance_id: &str,
        name: &str,
        cancel: &CancelToken,
    ) -> ProviderResult<Snapshot> {
        not_supported(Operation::CreateSnapshot)
    }

    /// Returns every snapshot, with its labels if the provider stores them.
    fn list_labelled_snapshots(
        &self,
        cancel: &CancelToken,
    ) -> ProviderResult<Vec<(Snapshot, HashMap<String, String>)>> {
        not_supported(Operation::ListSnapshots)
    }

    fn delete_snapshot(&self, id: &str, cancel: &CancelToken) -> ProviderResult<()> {
        not_supported(Operation::DeleteSnapshot)
    }

    fn resolve(&self, key: &str, cancel: &CancelToken) -> ProviderResult<Option<ProviderInstance>> {
        not_supported(Operation::Resolve)
    }

    fn resolve_snapshot(
        &self,
        key: &str,
        cancel: &CancelToken,
    ) -> ProviderResult<Option<Snapshot>> {
        not_supported(Operation::ResolveSnapshot)
    }

    fn set_labels(
        &self,
        id: &str,
        labels: &HashMap<String, String>,
        cancel: &CancelToken,
    ) -> ProviderResult<()> {
        not_supported(Operation::SetLabels)
    }

    fn get_ssh_keys(&self, cancel: &CancelToken) -> ProviderResult<Vec<String>> {
        Ok(Vec::new())
    }

    fn hourly_price(
        &self,
        region: &str,
        size: &str,
        cancel: &CancelToken,
    ) -> ProviderResult<Price> {
        not_supported(Operation::HourlyPrice)
    }

    /// By default `false`.
    fn supports_snapshots(&self) -> bool {
        false
    }
}

fn not_supported<T>(feature: Operation) -> ProviderResult<T> {
    Err(ProviderError::NotSupported { feature: feature.to_string() })
}

/// Wraps a blocking provider. An abandoned create is completed: its instance is destroyed or kept,
/// as the request says.
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

#[async_trait]
impl<P: SyncProvider> provider::Provider for FromSync<P> {
    fn name(&self) -> &str {
        self.provider.name()
    }

    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
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

    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        let id = id.to_string();
        self.call(move |provider, cancel| provider.destroy_instance(&id, cancel)).await
    }

    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        let id = id.to_string();
        self.call(move |provider, cancel| provider.get_instance(&id, cancel)).await
    }

    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        self.call(|provider, cancel| provider.list_instances(cancel)).await
    }

    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
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

    async fn create_snapshot(&self, instance_id: &str, name: &str) -> ProviderResult<Snapshot> {
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

    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        Ok(self
            .list_labelled_snapshots()
            .await?
            .into_iter()
            .map(|(snapshot, _)| snapshot)
            .collect())
    }

    async fn list_labelled_snapshots(
        &self,
    ) -> ProviderResult<Vec<(Snapshot, HashMap<String, String>)>> {
        self.call(|provider, cancel| provider.list_labelled_snapshots(cancel)).await
    }

    async fn delete_snapshot(&self, id: &str) -> ProviderResult<()> {
        let id = id.to_string();
        self.call(move |provider, cancel| provider.delete_snapshot(&id, cancel)).await
    }

    async fn resolve(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        let key = key.to_string();
        self.call(move |provider, cancel| provider.resolve(&key, cancel)).await
    }

    async fn resolve_snapshot(&self, key: &str) -> ProviderResult<Option<Snapshot>> {
        let key = key.to_string();
        self.call(move |provider, cancel| provider.resolve_snapshot(&key, cancel)).await
    }

    async fn set_labels(&self, id: &str, labels: &HashMap<String, String>) -> ProviderResult<()> {
        let id = id.to_string();
        let labels = labels.clone();
        self.call(move |provider, cancel| provider.set_labels(&id, &labels, cancel)).await
    }

    async fn get_ssh_keys(&self) -> ProviderResult<Vec<String>> {
        self.call(|provider, cancel| provider.get_ssh_keys(cancel)).await
    }

    async fn hourly_price(&self, region: &str, size: &str) -> ProviderResult<Price> {
        let region = region.to_string();
        let size = size.to_string();
        self.call(move |provider, cancel| provider.hourly_price(&region, &size, cancel)).await
    }

    fn supports_snapshots(&self) -> bool {
        self.provider.supports_snapshots()
    }
}
