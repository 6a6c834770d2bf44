//! The operations.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;

use async_trait::async_trait;
use reqwest::Method;
use spuff_core::provider::config::{ProviderConfig, ProviderTimeouts};
use spuff_core::provider::error::ProviderError;
use spuff_core::provider::{
    ErrorContext, InstanceRequest, Provider, ProviderInstance, ProviderResult, Snapshot, labels,
};

use crate::NAME;
use crate::api::{
    self, ActionReply, CreateMachine, CreateSnapshot, Machine, MachineReply, SnapshotItem,
    SnapshotStarted,
};
use crate::check::{self, KEY_LABEL};
use crate::client::{Client, Failure, NO_BODY};
use crate::factory::PROJECT;

/// The base URL of Nimbus' API.
pub(crate) const API_BASE: &str = "https://api.nimbus.example/v1";
const MANAGED: (&str, &str) = (labels::MANAGED_BY, labels::MANAGED_BY_VALUE);

/// A provider for Nimbus, a fictitious cloud.
pub struct NimbusProvider {
    client: Client,
    region: String,
    project: Option<String>,
}

impl NimbusProvider {
    /// Creates a provider at `https://api.nimbus.example/v1`.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] if the token is empty or cannot stand in a header. Nothing
    /// is sent.
    pub fn new(token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Self> {
        Self::with_config(token, API_BASE, timeouts)
    }

    /// Creates a provider at another base URL: a mock server, or another installation of the cloud.
    ///
    /// # Errors
    /// As [`new`](Self::new), and if `base_url` is not an `https` URL (or `http` on loopback).
    pub fn with_config(
        token: &str,
        base_url: &str,
        timeouts: ProviderTimeouts,
    ) -> ProviderResult<Self> {
        Self::connect(&ProviderConfig::new(token).with_endpoint(base_url).with_timeouts(timeouts))
    }

    /// Creates a provider from a whole configuration, for the factory.
    pub(crate) fn connect(config: &ProviderConfig) -> ProviderResult<Self> {
        Ok(Self {
            client: Client::new(config)?,
            region: config.region.clone().unwrap_or_default(),
            project: config.options.get(PROJECT).cloned(),
        })
    }

    async fn machine(&self, id: &str) -> ProviderResult<Option<Machine>> {
        let endpoint = format!("/machines/{}", check::word("id", id)?);
        match self
            .client
            .request(Method::GET, &endpoint, ("instance", id), NO_BODY)
            .await
            .map_err(ProviderError::from)
        {
            Ok(MachineReply { machine }) => Ok(Some(machine)),
            Err(ProviderError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the instance that was made under a key.
    async fn find(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        let found: Vec<Machine> = self.client.list("/machines", (KEY_LABEL, key)).await?;
        Ok(found.into_iter().next().map(ProviderInstance::from))
    }

    async fn wait_for_action(
        &self,
        action_id: &str,
        subject: (&'static str, &str),
    ) -> ProviderResult<()> {
        let endpoint = &format!("/actions/{}", check::word("action", action_id)?);
        let limit = self.client.timeouts.action_complete;
        let poll = || async move {
            let reply: ActionReply =
                self.client.request(Method::GET, endpoint, ("action", action_id), NO_BODY).await?;
            match reply.action.state.as_str() {
                "done" => Ok(ControlFlow::Break(())),
                "failed" => Err(failed(subject.1, reply.action.reason)),
                _ => Ok(ControlFlow::Continue(reply.action.state)),
            }
        };
        self.client.until("create_snapshot", subject, limit, poll).await
    }
}

#[async_trait]
impl Provider for NimbusProvider {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        let region = if request.region.is_empty() { &self.region } else { &request.region };
        let key = match &request.idempotency_key {
            Some(key) => check::word("idempotency_key", key)?.to_string(),
            None => random_key(),
        };
        let body = CreateMachine {
            name: check::word("name", &request.name)?,
            place: check::word("region", region)?,
            size: check::word("size", &request.size)?,
            image: api::image(&request.image),
            labels: check::labels(request, &key)?,
            ssh_keys: &request.ssh_keys,
            user_data: check::user_data(request.user_data.as_deref())?,
            project: self.project.as_deref(),
        };

        // An idempotency key stands for one instance, which an earlier call may have made.
        if request.idempotency_key.is_some()
            && let Some(instance) = self.find(&key).await?
        {
            return Ok(ProviderInstance { adopted: true, ..instance });
        }
        let lost = match self
            .client
            .request(Method::POST, "/machines", ("instance", &request.name), Some(&body))
            .await
        {
            Ok(MachineReply { machine }) => return Ok(machine.into()),
            Err(Failure::Refused(error)) => return Err(error),
            Err(Failure::Unknown(error)) => error,
        };
        // The instance may exist. Find it by its key, and never send the create again: an empty
        // list proves nothing, since lists may lag.
        if let Ok(Some(instance)) = self.find(&key).await {
            return Ok(instance);
        }
        let message = format!("{lost}; look for an instance with the label {KEY_LABEL}={key}");
        let context = lost.context().cloned().unwrap_or_default();
        Err(ProviderError::unknown_outcome("create_instance", key, message).with_context(context))
    }

    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        let endpoint = &format!("/machines/{}", check::word("id", id)?);
        let limit = self.client.timeouts.action_complete;
        let destroy = || async move {
            Ok(match self.client.delete(endpoint, ("instance", id)).await {
                Err(error @ ProviderError::Conflict { retryable: true, .. }) => {
                    ControlFlow::Continue(error.to_string())
                }
                ended => ControlFlow::Break(ended),
            })
        };
        self.client.until("destroy_instance", ("instance", id), limit, destroy).await?
    }

    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        Ok(self.machine(id).await?.map(ProviderInstance::from))
    }

    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        let machines: Vec<Machine> = self.client.list("/machines", MANAGED).await?;
        Ok(machines.into_iter().map(ProviderInstance::from).collect())
    }

    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        let limit = self.client.timeouts.instance_ready;
        let poll = || async move {
            let machine =
                self.machine(id).await?.ok_or_else(|| ProviderError::not_found("instance", id))?;
            if matches!(machine.state.as_str(), "failed" | "terminated") {
                return Err(failed(id, machine.reason.or(Some(machine.state))));
            }
            let state = machine.state.clone();
            let instance = ProviderInstance::from(machine);
            Ok(if instance.is_ready() {
                ControlFlow::Break(instance)
            } else {
                ControlFlow::Continue(state)
            })
        };
        self.client.until("wait_ready", ("instance", id), limit, poll).await
    }

    async fn create_snapshot(&self, instance_id: &str, name: &str) -> ProviderResult<Snapshot> {
        let endpoint = format!("/machines/{}/snapshots", check::word("instance_id", instance_id)?);
        let body =
            CreateSnapshot { name: check::word("name", name)?, labels: BTreeMap::from([MANAGED]) };
        let about = ("instance", instance_id);
        let SnapshotStarted { snapshot, action } =
            match self.client.request(Method::POST, &endpoint, about, Some(&body)).await {
                Ok(started) => started,
                Err(Failure::Refused(error)) => return Err(error),
                Err(Failure::Unknown(lost)) => {
                    let message = format!("{lost}; look for a snapshot of this name");
                    let context = lost.context().cloned().unwrap_or_default();
                    return Err(ProviderError::unknown_outcome("create_snapshot", name, message)
                        .with_context(context));
                }
            };
        let snapshot = Snapshot::from(snapshot);
        self.wait_for_action(&action.id, ("snapshot", &snapshot.id)).await?;
        Ok(snapshot)
    }

    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        let items: Vec<SnapshotItem> = self.client.list("/snapshots", MANAGED).await?;
        Ok(items.into_iter().map(Snapshot::from).collect())
    }

    async fn delete_snapshot(&self, id: &str) -> ProviderResult<()> {
        self.client
            .delete(&format!("/snapshots/{}", check::word("id", id)?), ("snapshot", id))
            .await
    }

    fn supports_snapshots(&self) -> bool {
        true
    }
}

/// The error for a resource that can no longer become ready: it holds the cloud's reason and the
/// id, since the resource still exists.
fn failed(id: &str, reason: Option<String>) -> ProviderError {
    let context = ErrorContext::new(NAME).with_instance_id(id);
    let reason = reason.unwrap_or_else(|| "the API gives no reason".to_string());
    ProviderError::conflict(format!("it has failed: {reason}"), false).with_context(context)
}

/// Returns 128 random bits, which make the key unique. They are not a secret.
fn random_key() -> String {
    let half = || RandomState::new().hash_one(NAME);
    format!("{:016x}{:016x}", half(), half())
}
