//! The client: the connection, and what the operations read.

use std::fmt::Display;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tracing::debug;

use super::tags::Worn;
use super::wire::{Action, ActionReply, Droplet, Image, List, PER_PAGE, Reference, SshKey};
use super::{ENDPOINT, NAME, convert, errors, limits, lookup};
use crate::http::{Call, Endpoint, Errand, HttpClient, numbered_pages};
use crate::provider::config::{ProviderConfig, ProviderTimeouts};
use crate::provider::error::ProviderResult;
use crate::provider::operation::Operation;
use crate::provider::shared::defaults::Defaults;
use crate::provider::shared::lookup::Lookups;
use crate::provider::shared::price_list::Prices;
use crate::provider::shared::validate;
use crate::wait::{RecentCreates, Subject};

/// `/v2/account/keys` allows ten reads a minute: names are looked up in a copy at most this old.
const KEYS_FRESH: Duration = Duration::from_secs(60);

/// DigitalOcean droplets.
///
/// # Examples
/// ```
/// use spuff_core::provider::{DigitalOceanProvider, Provider, ProviderTimeouts};
///
/// let timeouts = ProviderTimeouts::default();
/// let provider = DigitalOceanProvider::new("dop_v1_example", timeouts).unwrap();
/// assert_eq!(provider.name(), "digitalocean");
/// ```
///
/// Cloning it is cheap and shares its connections.
///
/// Labels are stored as tags, which outlive their droplets. A destroy deletes the create's tag if
/// this provider has seen it and no other droplet carries it. At most once an hour, it also deletes
/// the ends of leases that expired more than a day ago. The tags of
/// [`idempotency_key`][key]s, owners and custom labels stay in the
/// account.
///
/// [key]: crate::provider::InstanceRequest::idempotency_key
#[derive(Clone)]
pub struct DigitalOceanProvider {
    pub(super) http: Arc<HttpClient>,
    /// The hint is the id of the create action, the only source of the reason for a failure.
    pub(super) recent: RecentCreates<Option<u64>>,
    pub(super) keys: Arc<Lookups<(), Arc<Vec<SshKey>>>>,
    pub(super) prices: Arc<Prices>,
    pub(super) worn: Arc<Worn>,
    pub(super) defaults: Defaults,
}

impl DigitalOceanProvider {
    /// Creates a provider for `https://api.digitalocean.com`.
    ///
    /// # Errors
    /// [`InvalidConfig`](crate::ProviderError::InvalidConfig) when the token is empty or malformed.
    /// Sends no request.
    pub fn new(token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Self> {
        Self::with_config(token, ENDPOINT, timeouts)
    }

    /// Creates a provider for another base URL, with or without a trailing `/v2`.
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
        let endpoint =
            Endpoint::parse(config.endpoint.as_deref().unwrap_or(ENDPOINT))?.without_suffix("/v2");
        let http =
            HttpClient::with_bearer(NAME, endpoint, errors::refusal, limits::rate_cost, config)?;
        Ok(Self {
            recent: RecentCreates::of(&http),
            http: Arc::new(http),
            keys: Arc::new(Lookups::new(KEYS_FRESH)),
            prices: Arc::default(),
            worn: Arc::default(),
            defaults: Defaults::new(config)?,
        })
    }

    pub(super) async fn list<T: DeserializeOwned, K: Hash + Eq>(
        &self,
        call: Call<'_>,
        key: impl Fn(&T) -> K,
    ) -> ProviderResult<Vec<T>> {
        numbered_pages::<List<T>, K>(&self.http, call.query("per_page", PER_PAGE.to_string()), key)
            .await
    }

    pub(super) async fn droplets(
        &self,
        operation: Operation,
        filter: (&'static str, &str),
    ) -> ProviderResult<Vec<Droplet>> {
        self.droplets_within(&self.http.errand(), operation, filter).await
    }

    pub(super) async fn droplets_within(
        &self,
        errand: &Errand,
        operation: Operation,
        filter: (&'static str, &str),
    ) -> ProviderResult<Vec<Droplet>> {
        let call = Call::get(operation, "/v2/droplets").query(filter.0, filter.1).within(errand);
        self.list(call, |droplet: &Droplet| droplet.id).await
    }

    pub(super) async fn managed_images(&self, operation: Operation) -> ProviderResult<Vec<Image>> {
        let call = Call::get(operation, "/v2/images").query("tag_name", convert::MANAGED_TAG);
        self.list(call, |image: &Image| image.id.clone()).await
    }

    pub(super) async fn account_keys(&self) -> ProviderResult<Vec<SshKey>> {
        self.list(Call::get(Operation::GetSshKeys, "/v2/account/keys"), |key: &SshKey| key.id).await
    }

    /// Resolves the keys from the account's list. If the list is refused and every entry may be an
    /// id or a fingerprint, sends the entries unchanged.
    pub(super) async fn ssh_keys(&self, asked: &[String]) -> ProviderResult<Vec<Reference>> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let look = async {
            let call = Call::get(Operation::CreateInstance, "/v2/account/keys").optional();
            self.list(call, |key: &SshKey| key.id).await.map(Arc::new)
        };
        let known = match self.keys.or_look((), look).await {
            Err(error)
                if !error.is_retryable() && !asked.iter().any(|key| lookup::is_name(key)) =>
            {
                debug!(%error, "the SSH keys cannot be read: ids and fingerprints are sent as \
                 given");
                return Ok(asked.iter().map(|key| Reference::parse(key)).collect());
            }
            read => read?,
        };
        lookup::chosen(&known, asked)
    }

    pub(super) async fn action(&self, id: impl Display) -> ProviderResult<Action> {
        let reply: ActionReply =
            self.http.json(&Call::get(Operation::GetAction, format!("/v2/actions/{id}"))).await?;
        Ok(reply.action)
    }

    /// Returns an error if the create action, known for droplets of this process, has failed.
    pub(super) async fn failed_create(&self, droplet: &Subject<Option<u64>>) -> ProviderResult<()> {
        let Some(action) = droplet.hint else { return Ok(()) };
        match self.action(action).await {
            Ok(action) if action.status == "errored" => Err(validate::failed(
                NAME,
                &droplet.id,
                "errored",
                "the create action ended in an error",
            )),
            // A failure of this extra check is not a failure of the droplet.
            _ => Ok(()),
        }
    }
}
