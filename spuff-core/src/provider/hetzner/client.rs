//! The client: the connection, and what the operations read.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::convert::Progress;
use super::lookup::Catalog;
use super::wire::{ACTIONS_PER_CALL, Action, List, PER_PAGE, Server};
use super::{ENDPOINT, NAME, convert, errors, limits};
use crate::http::{Call, Endpoint, HttpClient, numbered_pages};
use crate::provider::ProviderInstance;
use crate::provider::config::{ProviderConfig, ProviderTimeouts};
use crate::provider::error::ProviderResult;
use crate::provider::operation::Operation;
use crate::provider::shared::defaults::Defaults;
use crate::provider::shared::price_list::Prices;
use crate::provider::shared::validate;
use crate::wait::{Observation, RecentCreates};

/// Hetzner Cloud servers.
///
/// # Examples
/// ```
/// use spuff_core::provider::{HetznerProvider, Provider, ProviderTimeouts};
///
/// let provider = HetznerProvider::new("an-example-token", ProviderTimeouts::default()).unwrap();
/// assert_eq!(provider.name(), "hetzner");
/// ```
///
/// Cloning it is cheap and shares its connections.
#[derive(Clone)]
pub struct HetznerProvider {
    pub(super) http: Arc<HttpClient>,
    /// The hint is the ids of the create's actions, the only source of readiness and of the reason
    /// for a failure.
    pub(super) recent: RecentCreates<Vec<u64>>,
    /// Recently made snapshots.
    pub(super) taken: RecentCreates<()>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) prices: Arc<Prices>,
    pub(super) defaults: Defaults,
}

impl HetznerProvider {
    /// Creates a provider for `https://api.hetzner.cloud/v1`.
    ///
    /// # Errors
    /// [`InvalidConfig`](crate::provider::ProviderError::InvalidConfig) when the token is empty or
    /// malformed. Sends no request.
    pub fn new(token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Self> {
        Self::with_config(token, ENDPOINT, timeouts)
    }

    /// Creates a provider for another base URL, which includes the version: paths such as
    /// `/servers` are appended to it.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when `base_url` is no `https` URL (or `http` on loopback).
    pub fn with_config(
        token: &str,
        base_url: &str,
        timeouts: ProviderTimeouts,
    ) -> ProviderResult<Self> {
        Self::connect(&ProviderConfig::new(token).with_endpoint(base_url).with_timeouts(timeouts))
    }

    pub(super) fn connect(config: &ProviderConfig) -> ProviderResult<Self> {
        validate::known_options(config, &[&Defaults::CLOUD])?;
        let endpoint = Endpoint::parse(config.endpoint.as_deref().unwrap_or(ENDPOINT))?;
        let http =
            HttpClient::with_bearer(NAME, endpoint, errors::refusal, limits::rate_cost, config)?;
        Ok(Self {
            recent: RecentCreates::of(&http),
            taken: RecentCreates::of(&http),
            http: Arc::new(http),
            catalog: Arc::default(),
            prices: Arc::default(),
            defaults: Defaults::new(config)?,
        })
    }

    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
        id: impl Fn(&T) -> u64,
    ) -> ProviderResult<Vec<T>> {
        numbered_pages::<List<T>, u64>(&self.http, call.query("per_page", PER_PAGE.to_string()), id)
            .await
    }

    /// Returns actions by id. Omits those that the API no longer shows.
    pub(super) async fn actions(
        &self,
        operation: Operation,
        ids: &[u64],
    ) -> ProviderResult<Vec<Action>> {
        let mut actions = Vec::with_capacity(ids.len());
        for some in ids.chunks(ACTIONS_PER_CALL) {
            let call = some.iter().fold(Call::get(operation, "/actions"), |call, id| {
                call.query("id", id.to_string())
            });
            let page = validate::absent_is_none(self.http.json::<List<Action>>(&call).await)?;
            actions.extend(page.into_iter().flat_map(|page| page.items));
        }
        Ok(actions)
    }

    /// Returns an observation of a server, corrected by its create actions if this process made it,
    /// otherwise by its lock: a server has its address and may be `running` before it is ready.
    pub(super) async fn look(
        &self,
        read: ProviderResult<Server>,
        id: &str,
        ids: &[u64],
    ) -> ProviderResult<Observation<ProviderInstance>> {
        let locked = read.as_ref().is_ok_and(|server| server.locked);
        let look = Observation::of_instance(read.map(convert::instance), NAME)?;
        let actions = match self.actions(Operation::WaitReady, ids).await {
            Ok(actions) => actions,
            Err(error) => return Observation::unread(error),
        };
        match (convert::progress(ids, &actions), look) {
            (Progress::Failed(action), _) => {
                Err(self.http.discreet(errors::failed(id, action, "")))
            }
            (Progress::Running(action), Observation::Done(_)) => {
                Ok(Observation::Pending(format!("active, {} in progress", action.command)))
            }
            (Progress::Unknown, Observation::Done(_)) if locked => {
                Ok(Observation::Pending("active, still locked".to_string()))
            }
            (_, look) => Ok(look),
        }
    }
}
