//! Instances on the computer itself: containers of Docker, or of Podman through its compatible
//! socket. Calls are in `engine`, conversions in `convert`, errors in `errors`, what an instance
//! runs in `boot`.
//!
//! Facts from the Engine API (1.41 to 1.53) and from engines that were tried: a name is taken once,
//! a container keeps the labels of its create for life, an image's labels come down to its
//! containers, and an engine that is killed loses no container that it has answered for.

mod ask;
mod boot;
mod client;
mod cloud_config;
mod convert;
mod create;
mod engine;
mod errors;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod images;
mod options;
mod start;
mod user_data;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use futures_util::{StreamExt, TryStreamExt, stream};
use tracing::{instrument, warn};

use self::ask::Ask;
use self::convert::Seen;
use self::create::Plan;
use self::engine::{AGAIN, Engine, MOMENT};
use self::options::Options;
use self::start::Begun;
use super::config::{InstanceRequest, ProviderConfig, ProviderTimeouts, ProviderType};
use super::error::{ProviderError, ProviderResult};
use super::registry::{Capabilities, OptionDescription, ProviderDescription, ProviderFactory};
use super::shared::defaults::Defaults;
use super::shared::validate;
use super::{InstanceStatus, Provider, ProviderInstance, Snapshot, labels};
use crate::create::{About, Ending, Lookup, hash_of_key, run_to_completion};
use crate::http::{Deadline, Failure, Sight};
use crate::wait::{Observation, Wait};

const NAME: &str = "docker";

/// How many machines of a list are looked into at a time.
const LOOKS: usize = 8;

/// How long a call that was cut off may still be worked on: an engine answers, or is gone.
const SETTLING: Duration = Duration::from_secs(2);

/// Containers of a Docker engine, or of Podman, as machines.
///
/// A machine is a container that runs until it is destroyed, with an init as its first process; it
/// comes back with its engine (Podman's where `podman-restart.service` is on). One that is renamed
/// is no machine any more.
///
/// Its region is a network of the engine (`bridge` by default), its size is `CPUsxMEMORY` such as
/// `2x4g` (no limits by default), its address that on its network. It is ready when its first
/// process has begun, it has an address, and it is healthy where its image has a health check. One
/// whose `/bin/sh` cannot be executed is never active, and ends a create or a wait with the reason.
///
/// The address is public where it can be reached from here: on Linux, at an engine of this
/// computer's own that is not rootless. At any other, and with Docker Desktop, the machine's `ip`
/// is where its published ports are: the engine's computer, or this one. An engine behind a tunnel
/// to this computer is taken for one that is here.
///
/// Where its published ports are is told by labels, as `spuff-port-8080/tcp` with
/// `0.0.0.0:32768,[::]:32768`.
///
/// `user_data` is run by root at the first start: a script that begins with `#!`, or a part of
/// `#cloud-config`. What it prints is in the container's log.
///
/// What was handed over to a machine is in `/.spuff`, an anonymous volume of its own: user data,
/// and the environment, which what spuff starts there has. What is started by other means gets it
/// from the file: `docker exec ID sh -c '. /.spuff/environment; …'`. It is no part of the
/// container's configuration, which `docker inspect` shows.
///
/// A snapshot is an image `spuff-snapshot` with its id as the tag: the files of the machine without
/// its volumes and mounts, so without its environment and user data, and without what runs.
///
/// Labels are written once: [`set_labels`](Provider::set_labels), and with it a renewal of a lease,
/// is not supported.
///
/// # Examples
/// ```
/// use spuff_core::provider::{DockerProvider, Provider, ProviderTimeouts};
///
/// let provider = DockerProvider::new("unix:///var/run/docker.sock", ProviderTimeouts::default()).unwrap();
/// assert_eq!(provider.name(), "docker");
/// ```
///
/// Cloning it is cheap.
#[derive(Clone)]
pub struct DockerProvider {
    engine: Arc<Engine>,
    options: Arc<Options>,
    defaults: Defaults,
    begun: Arc<Begun>,
}

impl DockerProvider {
    /// A provider at an engine: `unix://` and a path, `ssh://`, `https://`, `tcp://` on this
    /// computer, or empty for that of the context that the docker command uses, or else the first
    /// that answers at the sockets of Docker and Podman. Variables such as `DOCKER_HOST` are read
    /// by [`ProviderRegistry::from_env`](super::ProviderRegistry::from_env) alone.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when the endpoint cannot be one, or the context is not
    /// there. Nothing is sent.
    pub fn new(endpoint: &str, timeouts: ProviderTimeouts) -> ProviderResult<Self> {
        Self::connect(&ProviderConfig::default().with_endpoint(endpoint).with_timeouts(timeouts))
    }

    fn connect(config: &ProviderConfig) -> ProviderResult<Self> {
        if !config.expose_token().trim().is_empty() {
            return Err(ProviderError::invalid_config(
                "token",
                "an engine takes none; leave it out",
            ));
        }
        if config.ca_file.is_some() {
            let message = "an engine behind TLS takes the files in the folder cert_path, or \
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

    /// How long a call of a create may take: as elsewhere it has its own time, whatever the
    /// patience with what follows.
    fn patience(&self) -> Duration {
        self.engine.timeouts().instance_ready.max(self.engine.timeouts().http_request)
    }

    fn sight(&self) -> Sight {
        Sight { poll_interval: self.engine.timeouts().poll_interval, settling: SETTLING }
    }

    /// Machines with a label, as the engine's list has them.
    async fn listed(&self, operation: &'static str, label: &str) -> ProviderResult<Vec<Seen>> {
        let filters = &HashMap::from([("label", vec![label.to_string()])]);
        let list = |docker: Docker| async move {
            let options = ListContainersOptionsBuilder::new().all(true).filters(filters).build();
            docker.list_containers(Some(options)).await
        };
        let listed = self.engine.read(Ask::of(operation), list).await?;
        let reach = self.engine.reach().await?;
        Ok(listed.into_iter().filter_map(|container| convert::listed(container, reach)).collect())
    }

    /// Machines with a label, as they are.
    async fn labelled(
        &self,
        operation: &'static str,
        label: &str,
    ) -> ProviderResult<Vec<ProviderInstance>> {
        let looks = self
            .listed(operation, label)
            .await?
            .into_iter()
            .map(|seen| self.believed(operation, seen));
        stream::iter(looks).buffered(LOOKS).try_collect().await
    }

    async fn find_by_key(&self, key_hash: &str) -> ProviderResult<Option<ProviderInstance>> {
        let made = self
            .labelled("create_instance", &format!("{}={key_hash}", labels::CREATE_KEY))
            .await?
            .into_iter();
        Ok(ProviderInstance::oldest(made.filter(|made| {
            made.labels.get(labels::CREATE_KEY).is_some_and(|value| value == key_hash)
        })))
    }

    /// A container by its id. Docker lists a machine that it is about to make a moment before it
    /// finds it.
    async fn inspect(
        &self,
        operation: &'static str,
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

    /// A machine by its id.
    async fn read(&self, operation: &'static str, id: &str) -> ProviderResult<ProviderInstance> {
        let container = self.inspect(operation, id).await?;
        self.believed(operation, convert::inspected(container, self.engine.reach().await?)).await
    }
}

/// Whether a machine is being destroyed by this process, or is what a removal has left of it: it is
/// not what anybody asks for.
fn is_leaving(machine: &ProviderInstance) -> bool {
    let is_dead = matches!(&machine.status, InstanceStatus::Unknown(state) if state == "dead");
    is_dead || Ending::is_of(NAME, &machine.id)
}

/// For how long a removal at which the engine itself has failed is tried again: what hinders it
/// passes within seconds, or not at all.
const REMOVAL_PASSES: Duration = Duration::from_secs(15);

/// Whether something has been removed. Where that is not known it is removed again.
fn of_removal(removed: Result<(), Failure>, deadline: Deadline) -> ProviderResult<Observation<()>> {
    match removed {
        Err(Failure::Unknown(error)) => Observation::past(error),
        Err(Failure::Rejected(error))
            if errors::is_half_removed(&error) && deadline.elapsed() < REMOVAL_PASSES =>
        {
            Ok(Observation::Pending(error.to_string()))
        }
        removed => Observation::of_delete(removed),
    }
}

#[async_trait]
impl Provider for DockerProvider {
    fn name(&self) -> &str {
        NAME
    }

    /// An image that the engine does not have is pulled first, within `action_complete`;
    /// [`observe`](crate::observe) tells how far it is.
    ///
    /// # Errors
    /// As the contract says; [`ProviderError::InvalidConfig`] also for an image, a network or a
    /// port that cannot be had, and [`ProviderError::NotSupported`] for user data that only a whole
    /// machine could use, with the name of the key.
    #[instrument(skip_all, fields(provider = NAME, name = request.name))]
    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        let (create_key, request) = self.defaults.tagged(request)?;
        convert::check_request(&request)?;
        let on_cancel = request.cancellation();
        let plan = Plan::new(request, &create_key, &self.options)?;
        let work = |room: Self, cancel| async move { room.make(plan, &create_key, &cancel).await };
        crate::create::instance(self, on_cancel, work).await
    }

    /// Its anonymous volumes go with it; what is mounted stays.
    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        convert::check_id("id", id)?;
        let _ending = Ending::begin(NAME, id);
        let inspected = self.inspect("destroy_instance", id).await;
        if matches!(inspected, Err(ProviderError::NotFound { .. })) {
            return Ok(());
        }
        let timeouts = self.engine.timeouts();
        let wait =
            Wait::new("destroy_instance", ("instance", id), timeouts.action_complete, timeouts);
        let deadline = wait.deadline;
        let ended = wait.until(|| async move {
            let ask =
                Ask::of("destroy_instance").about("instance", id).within(timeouts.action_complete);
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            let id = id.to_string();
            let remove =
                |docker: Docker| async move { docker.remove_container(&id, Some(options)).await };
            of_removal(self.engine.call(ask, remove).await, deadline)
        });
        Observation::deleted(ended.await)?;
        self.begun.forget(id);
        // The machine is gone, whatever becomes of its image.
        if let Ok(container) = inspected
            && let Err(error) = self.remove_orphan(&container).await
        {
            warn!(id, %error, "the image of a snapshot that was deleted while it was in use is \
             left: `docker image prune` removes it");
        }
        Ok(())
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        convert::check_id("id", id)?;
        validate::absent_is_none(self.read("get_instance", id).await)
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        let mut instances = self
            .labelled(
                "list_instances",
                &format!("{}={}", labels::MANAGED_BY, labels::MANAGED_BY_VALUE),
            )
            .await?;
        instances.retain(ProviderInstance::is_managed);
        Ok(instances)
    }

    /// An engine that is not there for a while is waited for. Its machines come back with it; one
    /// that goes off while it is waited for, as after an engine that was killed, is started again.
    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        convert::check_id("id", id)?;
        let timeouts = self.engine.timeouts();
        let wait = Wait::new("wait_ready", ("instance", id), timeouts.instance_ready, timeouts);
        let was_on = &AtomicBool::new(false);
        wait.until(|| async move {
            match self.watched("wait_ready", id).await {
                // Podman leaves what it had when it was killed as it is; so does Docker at times.
                Ok(instance) if instance.status == InstanceStatus::Off && was_on.load(Relaxed) => {
                    match self.start_again(id).await.map_err(ProviderError::from) {
                        Ok(()) => Ok(Observation::Pending("started again".to_string())),
                        // It is on its way out, or up.
                        Err(error @ ProviderError::Conflict { .. }) => {
                            Ok(Observation::Pending(error.to_string()))
                        }
                        Err(ProviderError::NotFound { .. }) => Ok(Observation::Absent),
                        Err(error) => Observation::past(errors::of_start(error)),
                    }
                }
                read => {
                    was_on.fetch_or(
                        read.as_ref().is_ok_and(|instance| instance.status != InstanceStatus::Off),
                        Relaxed,
                    );
                    Observation::of_instance(read, NAME)
                }
            }
        })
        .await
    }

    /// The machine stands still meanwhile.
    #[instrument(skip_all, fields(provider = NAME, id = instance_id, name))]
    async fn create_snapshot(&self, instance_id: &str, name: &str) -> ProviderResult<Snapshot> {
        convert::check_id("instance_id", instance_id)?;
        validate::required("name", name)?;
        let (room, instance_id, name) = (self.clone(), instance_id.to_string(), name.to_string());
        let about = About::new("create_snapshot", NAME, &name);
        let work = |cancel| async move { room.snapshot(&instance_id, &name, &cancel).await };
        // Its labels tell whose it is, so that one whose caller has left is not lost.
        run_to_completion(about, work, |_| async {}).await
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        Ok(self
            .list_labelled_snapshots()
            .await?
            .into_iter()
            .map(|(snapshot, _)| snapshot)
            .collect())
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_labelled_snapshots(
        &self,
    ) -> ProviderResult<Vec<(Snapshot, HashMap<String, String>)>> {
        self.snapshots("list_snapshots").await
    }

    /// A machine that was made from it keeps its files, which go when it is destroyed. Podman
    /// refuses to delete a snapshot of which there is a machine, with a
    /// [`Conflict`](ProviderError::Conflict).
    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn delete_snapshot(&self, id: &str) -> ProviderResult<()> {
        self.remove_snapshot(id).await
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn resolve(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        let key_hash = hash_of_key(key);
        let look = || async { Ok(Lookup::found(self.find_by_key(&key_hash).await?)) };
        crate::create::resolve(
            self.sight(),
            "create_instance",
            key,
            self.engine.timeouts().instance_ready,
            look,
        )
        .await
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn resolve_snapshot(&self, key: &str) -> ProviderResult<Option<Snapshot>> {
        let key_hash = hash_of_key(key);
        let look = || async { Ok(Lookup::found(self.snapshot_made_under(&key_hash).await?)) };
        crate::create::resolve(
            self.sight(),
            "create_snapshot",
            key,
            self.engine.timeouts().action_complete,
            look,
        )
        .await
    }
}

/// Makes [`DockerProvider`]s.
#[derive(Debug, Clone, Copy, Default)]
pub struct DockerFactory;

impl ProviderFactory for DockerFactory {
    fn provider_type(&self) -> ProviderType {
        ProviderType::Docker
    }

    fn create(&self, token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Box<dyn Provider>> {
        self.create_with(&ProviderConfig::new(token).with_timeouts(timeouts))
    }

    fn create_with(&self, config: &ProviderConfig) -> ProviderResult<Box<dyn Provider>> {
        Ok(Box::new(DockerProvider::connect(config)?))
    }

    fn describe(&self) -> ProviderDescription {
        let mut description = ProviderDescription::new(self.provider_type());
        description.summary =
            "Containers of Docker or Podman as machines, on this computer".to_string();
        let endpoint = "The engine: unix://PATH, ssh://USER@HOST, https://HOST:PORT, or \
         tcp://HOST:PORT; by default that of the docker \
                        command's context, or else the first that answers at a socket of Docker or \
         Podman";
        description.options = vec![
            OptionDescription::new("endpoint", endpoint).env(&["DOCKER_HOST"]),
            OptionDescription::new(
                "region",
                "Network where a request names none; bridge by default",
            ),
        ];
        description.options.extend(Options::describe());
        description.options.extend(Engine::describe());
        description.options.extend(Defaults::describe_lease());
        description.capabilities = Capabilities {
            ssh_keys: false,
            max_user_data: convert::MAX_USER_DATA,
            ..Capabilities::default()
        };
        description
    }
}
