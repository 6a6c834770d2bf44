//! The interface of a provider that creates instances under keys.

use std::future::Future;

use tokio::time::Instant;

use super::{Dedup, Ending};
use crate::http::HttpClient;
use crate::provider::error::ProviderResult;
use crate::provider::{Provider, ProviderInstance};

/// A provider whose instances are created under keys.
pub(crate) trait Room: Provider + Clone + 'static {
    /// How a second instance under a key is prevented.
    const DEDUP: Dedup;

    fn http(&self) -> &HttpClient;

    /// Returns whether the instance is being destroyed, or was destroyed by this process. Lists may
    /// still show it for a while.
    fn is_ending(&self, machine: &ProviderInstance) -> bool;

    /// Returns the listed instance made under a key, including a part of a batch.
    fn found_under(
        &self,
        key: &str,
    ) -> impl Future<Output = ProviderResult<Option<ProviderInstance>>> + Send;

    /// As [`found_under`](Self::found_under), with the time of the observation. Anything made later
    /// may be missing.
    fn found_lately(
        &self,
        key: &str,
    ) -> impl Future<Output = ProviderResult<(Option<ProviderInstance>, Instant)>> + Send {
        async move {
            let asked = Instant::now();
            Ok((self.found_under(key).await?, asked))
        }
    }

    /// As [`found_under`](Self::found_under), but also searches places where a create under this
    /// key would not have made it, before returning `None`.
    fn found_anywhere(
        &self,
        key: &str,
    ) -> impl Future<Output = ProviderResult<Option<ProviderInstance>>> + Send {
        self.found_under(key)
    }
}

/// Returns whether the instance is being destroyed, by this process or another. Such an instance
/// does not satisfy a create.
pub(crate) fn is_leaving<R: Room>(room: &R, machine: &ProviderInstance) -> bool {
    Ending::is_of(room.name(), &machine.id) || room.is_ending(machine)
}
