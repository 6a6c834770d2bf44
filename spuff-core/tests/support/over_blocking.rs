//! The blocking facade as a provider, so that what is tested of the one is tested of the other.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

use async_trait::async_trait;
use spuff_core::blocking;
use spuff_core::provider::{
    InstanceRequest, Provider, ProviderError, ProviderInstance, ProviderResult, Snapshot,
};
use tokio::sync::oneshot;

/// Each verb is called on a thread of its own, outside every runtime.
pub struct OverBlocking(pub blocking::Provider);

impl OverBlocking {
    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(blocking::Provider) -> ProviderResult<T> + Send + 'static,
    ) -> ProviderResult<T> {
        let (send, receive) = oneshot::channel();
        let provider = self.0.clone();
        // Where the future was dropped, nobody wants the result.
        std::thread::spawn(move || drop(send.send(call(provider))));
        receive.await.unwrap_or_else(|_| {
            Err(ProviderError::Other { message: "the verb panicked".to_string() })
        })
    }
}

#[async_trait]
impl Provider for OverBlocking {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        let request = request.clone();
        self.call(move |provider| provider.create_instance(&request)).await
    }

    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        let id = id.to_string();
        self.call(move |provider| provider.destroy_instance(&id)).await
    }

    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        let id = id.to_string();
        self.call(move |provider| provider.get_instance(&id)).await
    }

    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        self.call(|provider| provider.list_instances()).await
    }

    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        let id = id.to_string();
        self.call(move |provider| provider.wait_ready(&id)).await
    }

    async fn create_snapshot(&self, instance_id: &str, name: &str) -> ProviderResult<Snapshot> {
        let id = instance_id.to_string();
        let name = name.to_string();
        self.call(move |provider| provider.create_snapshot(&id, &name)).await
    }

    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        self.call(|provider| provider.list_snapshots()).await
    }

    async fn delete_snapshot(&self, id: &str) -> ProviderResult<()> {
        let id = id.to_string();
        self.call(move |provider| provider.delete_snapshot(&id)).await
    }

    async fn get_ssh_keys(&self) -> ProviderResult<Vec<String>> {
        self.call(|provider| provider.get_ssh_keys()).await
    }

    fn supports_snapshots(&self) -> bool {
        self.0.supports_snapshots()
    }
}
