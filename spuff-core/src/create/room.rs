//! What a cloud's room tells of the machines that it makes under keys.

use std::future::Future;

use tokio::time::Instant;

use super::{Dedup, Ending};
use crate::http::HttpClient;
use crate::provider::error::ProviderResult;
use crate::provider::{Provider, ProviderInstance};

/// A room whose machines are made under keys.
pub(crate) trait Room: Provider + Clone + 'static {
    /// What keeps a second machine from being made under a key.
    const DEDUP: Dedup;

    fn http(&self) -> &HttpClient;

    /// Whether a machine is on its way out, or was ended by this process: lists may show it for a
    /// while.
    fn is_ending(&self, machine: &ProviderInstance) -> bool;

    /// What was made under a key, also as a part of a batch, as the cloud's lists show it.
    fn found_under(
        &self,
        key: &str,
    ) -> impl Future<Output = ProviderResult<Option<ProviderInstance>>> + Send;

    /// The same, and as of when: what was made later need not be among it.
    fn found_lately(
        &self,
        key: &str,
    ) -> impl Future<Output = ProviderResult<(Option<ProviderInstance>, Instant)>> + Send {
        async move {
            let asked = Instant::now();
            Ok((self.found_under(key).await?, asked))
        }
    }

    /// The same, where it may be that a create under this key would not have made it: before it is
    /// told that there is none.
    fn found_anywhere(
        &self,
        key: &str,
    ) -> impl Future<Output = ProviderResult<Option<ProviderInstance>>> + Send {
        self.found_under(key)
    }
}

/// Whether a machine is on its way out, or is being destroyed by this process: it is not what
/// anybody asks for.
pub(crate) fn is_leaving<R: Room>(room: &R, machine: &ProviderInstance) -> bool {
    Ending::is_of(room.name(), &machine.id) || room.is_ending(machine)
}
