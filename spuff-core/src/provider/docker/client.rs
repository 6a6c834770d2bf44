//! The client: the connection to the engine, and what the operations read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::ListContainersOptionsBuilder;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::ask::Ask;
use super::convert::{self, Seen};
use super::engine::{AGAIN, Engine, MOMENT};
use super::options::Options;
use super::start::Begun;
use crate::http::ReadLag;
use crate::provider::config::{ProviderConfig, ProviderTimeouts};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::shared::defaults::Defaults;
use crate::provider::{ProviderInstance, labels};

/// How many listed instances are checked at a time.
const LOOKS: usize = 8;

/// How long an engine may still work on a call that was cut off: it replies, or is gone.
const CONSISTENCY_DELAY: Duration = Duration::from_secs(2);

/// Containers of a Docker engine, or of Podman, as instances.
///
/// An instance is a container that runs until it is destroyed, with an init as its first process.
/// It restarts with its engine (with Podman, if `podman-restart.service` is enabled). A renamed
/// container is no longer an instance.
///
/// Its region is a network of the engine (`bridge` by default), its size is `CPUsxMEMORY` such as
/// `2x4g` (no limits by default), and its address is the one on that network. It is ready when its
/// first process has begun, it has an address, and its image's health check, if any, passes. An
/// instance whose `/bin/sh` cannot be executed never becomes active; a create or wait fails with
/// the reason.
///
/// The address is public if this computer can reach it: on Linux, with a local engine that is not
/// rootless. With any other engine, and with Docker Desktop, the instance's `ip` is the address of
/// its published ports: the engine's computer, or this one. An engine behind a tunnel to this
/// computer counts as local.
///
/// Labels list the published ports, such as `spuff-port-8080/tcp` with `0.0.0.0:32768,[::]:32768`.
///
/// Root runs `user_data` at the first start: a script that begins with `#!`, or a subset of
/// `#cloud-config`. Its output goes to the container's log.
///
/// An anonymous volume at `/.spuff` holds the user data and the environment. Processes that spuff
/// starts have the environment; others read it from the file:
/// `docker exec ID sh -c '. /.spuff/environment; …'`. It is not part of the container's
/// configuration, which `docker inspect` shows.
///
/// A snapshot is an image `spuff-snapshot` with its id as the tag: the instance's files without its
/// volumes and mounts, so without its environment and user data, and without running processes.
///
/// Labels cannot change after the create: [`set_labels`](crate::provider::Provider::set_labels),
/// and with it the renewal of a lease, is not supported.
///
/// # Examples
/// ```
/// use spuff_core::provider::{DockerProvider, Provider, ProviderTimeouts};
///
/// let timeouts = ProviderTimeouts::default();
/// let provider = DockerProvider::new("unix:///var/run/docker.sock", timeouts).unwrap();
/// assert_eq!(provider.name(), "docker");
/// ```
///
/// Cloning it is cheap.
#[derive(Clone)]
pub struct DockerProvider {
    pub(super) engine: Arc<Engine>,
    pub(super) options: Arc<Options>,
    pub(super) defaults: Defaults,
    pub(super) begun: Arc<Begun>,
}

impl DockerProvider {
    /// Returns a provider for the engine at `endpoint`: `unix://` and a path, `ssh://`, `https://`,
    /// or `tcp://` on this computer. If empty, uses the docker command's context, or else the first
    /// engine that answers at the sockets of Docker and Podman. Only
    /// [`ProviderRegistry::from_env`](crate::provider::ProviderRegistry::from_env) reads variables
    /// such as
    /// `DOCKER_HOST`.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when the endpoint is invalid, or the context does not
    /// exist. Nothing is sent.
    pub fn new(endpoint: &str, timeouts: ProviderTimeouts) -> ProviderResult<Self> {
        Self::connect(&ProviderConfig::default().with_endpoint(endpoint).with_timeouts(timeouts))
    }

    pub(super) fn connect(config: &ProviderConfig) -> ProviderResult<Self> {
        if !config.expose_token().trim().is_empty() {
            return Err(ProviderError::invalid_config(
                "token",
                "an engine takes no token; leave it out",
            ));
        }
        if config.ca_file.is_some() {
            let message = "an engine behind TLS takes the files in the folder cert_path or \
             DOCKER_CERT_PATH; leave it out";
            return Err(ProviderError::invalid_config("ca_file", message));
        }
        let options = Options::new(config)?;
        Ok(Self {
            engine: Arc::new(Engine::new(config, options.secrets())?),
            options: Arc::new(options),
            defaults: Defaults::new(config)?,
            begun: Arc::default(),
        })
    }

    /// Limit of one call of a create: at least `http_request`, even if `instance_ready` is shorter.
    pub(super) fn patience(&self) -> Duration {
        self.engine.timeouts().instance_ready.max(self.engine.timeouts().http_request)
    }

    pub(super) fn read_lag(&self) -> ReadLag {
        ReadLag {
            poll_interval: self.engine.timeouts().poll_interval,
            consistency_delay: CONSISTENCY_DELAY,
        }
    }

    /// Returns the instances with a label, as the engine lists them.
    pub(super) async fn listed(
        &self,
        operation: Operation,
        label: &str,
    ) -> ProviderResult<Vec<Seen>> {
        let filters = &HashMap::from([("label", vec![label.to_string()])]);
        let list = |docker: Docker| async move {
            let options = ListContainersOptionsBuilder::new().all(true).filters(filters).build();
            docker.list_containers(Some(options)).await
        };
        let listed = self.engine.read(Ask::of(operation), list).await?;
        let reach = self.engine.reach().await?;
        Ok(listed.into_iter().filter_map(|container| convert::listed(container, reach)).collect())
    }

    /// Returns the instances with a label, with the status that their first process shows.
    pub(super) async fn labelled(
        &self,
        operation: Operation,
        label: &str,
    ) -> ProviderResult<Vec<ProviderInstance>> {
        let looks = self
            .listed(operation, label)
            .await?
            .into_iter()
            .map(|seen| self.believed(operation, seen));
        stream::iter(looks).buffered(LOOKS).try_collect().await
    }

    pub(super) async fn find_by_key(
        &self,
        key_hash: &str,
    ) -> ProviderResult<Option<ProviderInstance>> {
        let made = self
            .labelled(Operation::CreateInstance, &format!("{}={key_hash}", labels::CREATE_KEY))
            .await?
            .into_iter();
        Ok(ProviderInstance::oldest(made.filter(|made| {
            made.labels.get(labels::CREATE_KEY).is_some_and(|value| value == key_hash)
        })))
    }

    /// Returns a container by its id. Docker lists a new instance a moment before it finds it by
    /// id.
    pub(super) async fn inspect(
        &self,
        operation: Operation,
        id: &str,
    ) -> ProviderResult<ContainerInspectResponse> {
        let ask = Ask::of(operation).about("instance", id);
        let inspect = || {
            self.engine.read(ask, |docker| async move { docker.inspect_container(id, None).await })
        };
        for _ in 0..AGAIN {
            let absent = match inspect().await {
                Err(error @ ProviderError::NotFound { .. }) => error,
                read => return read,
            };
            if self
                .listed(operation, convert::MACHINE_KEY)
                .await?
                .iter()
                .all(|listed| listed.instance.id != id)
            {
                return Err(absent);
            }
            tokio::time::sleep(MOMENT).await;
        }
        inspect().await
    }

    /// Returns an instance by its id.
    pub(super) async fn read(
        &self,
        operation: Operation,
        id: &str,
    ) -> ProviderResult<ProviderInstance> {
        let container = self.inspect(operation, id).await?;
        self.believed(operation, convert::inspected(container, self.engine.reach().await?)).await
    }
}
