//! Provider whose instances are containers of Docker, or of Podman through its compatible socket.
//! `engine` makes the calls, `convert` maps types, `errors` maps errors, and `boot` holds an
//! instance's first process.
//!
//! Facts from the Engine API (1.41 to 1.53) and from tests with engines: a name is unique, a
//! container's labels never change, containers inherit their image's labels, and a killed engine
//! loses no container that it has confirmed.

mod ask;
mod boot;
mod cli_config;
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
mod snapshots;
mod start;
mod user_data;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use bollard::query_parameters::RemoveContainerOptionsBuilder;
use tracing::{instrument, warn};

use self::ask::Ask;
use self::create::Plan;
use self::engine::Engine;
use self::options::Options;
use super::config::{InstanceRequest, ProviderConfig, ProviderTimeouts, ProviderType};
use super::error::{ProviderError, ProviderResult};
use super::registry::{Capabilities, OptionDescription, ProviderDescription, ProviderFactory};
use super::shared::defaults::Defaults;
use super::shared::validate;
use super::{InstanceStatus, Provider, ProviderInstance, Snapshot, labels};
use crate::create::{About, Ending, Lookup, hash_of_key, run_to_completion};
use crate::http::{Deadline, Failure};
use crate::provider::operation::Operation;
use crate::wait::{Observation, Wait};

pub use self::client::DockerProvider;

const NAME: &str = "docker";

/// Whether this process is destroying the instance, or a removal has left it `dead`.
fn is_leaving(machine: &ProviderInstance) -> bool {
    let is_dead = matches!(&machine.status, InstanceStatus::Unknown(state) if state == "dead");
    is_dead || Ending::is_of(NAME, &machine.id)
}

/// How long a removal that failed in the engine is retried: an obstacle passes within seconds, or
/// never.
const REMOVAL_PASSES: Duration = Duration::from_secs(15);

/// Maps the outcome of a removal. An unknown outcome is retried.
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

    /// First pulls an image that the engine lacks, within `action_complete`;
    /// [`observe`](crate::observe) reports the progress.
    ///
    /// # Errors
    /// As the contract says; also [`ProviderError::InvalidConfig`] for an image, a network or a
    /// port that is not available, and [`ProviderError::NotSupported`], with the name of the key,
    /// for user data that a container cannot use.
    #[instrument(skip_all, fields(provider = NAME, name = request.name))]
    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        let (create_key, request) = self.defaults.tagged(request)?;
        convert::check_request(&request)?;
        let on_cancel = request.cancellation();
        let plan = Plan::new(request, &create_key, &self.options)?;
        let work = |room: Self, cancel| async move { room.make(plan, &create_key, &cancel).await };
        crate::create::instance(self, on_cancel, work).await
    }

    /// Removes its anonymous volumes too; mounts stay.
    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        convert::check_id("id", id)?;
        let _ending = Ending::begin(NAME, id);
        let inspected = self.inspect(Operation::DestroyInstance, id).await;
        if matches!(inspected, Err(ProviderError::NotFound { .. })) {
            return Ok(());
        }
        let timeouts = self.engine.timeouts();
        let wait = Wait::new(
            Operation::DestroyInstance,
            ("instance", id),
            timeouts.action_complete,
            timeouts,
        );
        let deadline = wait.deadline;
        let ended = wait.until(|| async move {
            let ask = Ask::of(Operation::DestroyInstance)
                .about("instance", id)
                .within(timeouts.action_complete);
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            let id = id.to_string();
            let remove =
                |docker: Docker| async move { docker.remove_container(&id, Some(options)).await };
            of_removal(self.engine.call(ask, remove).await, deadline)
        });
        Observation::deleted(ended.await)?;
        self.begun.forget(id);
        // The instance is gone, even if removing its image fails.
        if let Ok(container) = inspected
            && let Err(error) = self.remove_orphan(&container).await
        {
            warn!(id, %error, "the image of a snapshot that was deleted while in use remains: \
             `docker image prune` removes it");
        }
        Ok(())
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        convert::check_id("id", id)?;
        validate::absent_is_none(self.read(Operation::GetInstance, id).await)
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        let mut instances = self
            .labelled(
                Operation::ListInstances,
                &format!("{}={}", labels::MANAGED_BY, labels::MANAGED_BY_VALUE),
            )
            .await?;
        instances.retain(ProviderInstance::is_managed);
        Ok(instances)
    }

    /// Waits for an engine that is down; its instances return with it. An instance that stops
    /// during the wait, as after the engine was killed, is started again.
    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        convert::check_id("id", id)?;
        let timeouts = self.engine.timeouts();
        let wait =
            Wait::new(Operation::WaitReady, ("instance", id), timeouts.instance_ready, timeouts);
        let was_on = &AtomicBool::new(false);
        wait.until(|| async move {
            match self.watched(Operation::WaitReady, id).await {
                // After being killed, Podman does not restart its instances; at times, nor does
                // Docker.
                Ok(instance) if instance.status == InstanceStatus::Off && was_on.load(Relaxed) => {
                    match self.start_again(id).await.map_err(ProviderError::from) {
                        Ok(()) => Ok(Observation::Pending("started again".to_string())),
                        // It is being removed or started.
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

    /// Pauses the instance meanwhile.
    #[instrument(skip_all, fields(provider = NAME, id = instance_id, name))]
    async fn create_snapshot(&self, instance_id: &str, name: &str) -> ProviderResult<Snapshot> {
        convert::check_id("instance_id", instance_id)?;
        validate::required("name", name)?;
        let room = self.clone();
        let instance_id = instance_id.to_string();
        let name = name.to_string();
        let about = About::new(Operation::CreateSnapshot, NAME, &name);
        let work = |cancel| async move { room.snapshot(&instance_id, &name, &cancel).await };
        // Its labels record the owner, so an abandoned snapshot is not lost.
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
        self.snapshots(Operation::ListSnapshots).await
    }

    /// An instance made from it keeps its files until it is destroyed. Podman refuses to delete a
    /// snapshot that an instance uses, with a [`Conflict`](ProviderError::Conflict).
    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn delete_snapshot(&self, id: &str) -> ProviderResult<()> {
        self.remove_snapshot(id).await
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn resolve(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        let key_hash = hash_of_key(key);
        let look = || async { Ok(Lookup::found(self.find_by_key(&key_hash).await?)) };
        crate::create::resolve(
            self.read_lag(),
            Operation::CreateInstance,
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
            self.read_lag(),
            Operation::CreateSnapshot,
            key,
            self.engine.timeouts().action_complete,
            look,
        )
        .await
    }
}

/// Creates [`DockerProvider`]s.
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
            "Containers of Docker or Podman as instances, on this computer".to_string();
        let endpoint = "The engine: unix://PATH, ssh://USER@HOST, https://HOST:PORT, or \
         tcp://HOST:PORT; by default that of the docker \
                        command's context, or else the first that answers at a socket of Docker or \
         Podman";
        description.options = vec![
            OptionDescription::new("endpoint", endpoint).env(&["DOCKER_HOST"]),
            OptionDescription::new(
                "region",
                "Network of requests that name none; by default bridge",
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
