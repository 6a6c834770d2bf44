//! Creates and starts a container, and finds it by its create key or name.

use std::sync::atomic::Ordering::Relaxed;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, ContainerCreateResponse};
use bollard::query_parameters::CreateContainerOptionsBuilder;

use super::ask::Ask;
use super::boot::Boot;
use super::options::Options;
use super::start::Course;
use super::{DockerProvider, convert, errors, images, is_leaving};
use crate::create::{self, Cancel, Create, CreateCall, CreateKey, Dedup, Lookup};
use crate::http::{Deadline, Failure, ReadLag};
use crate::provider::config::InstanceRequest;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::shared::validate;
use crate::provider::{InstanceStatus, Provider, ProviderInstance};
use crate::wait::Pauses;

/// A prepared create.
pub(super) struct Plan {
    request: InstanceRequest,
    image: String,
    /// The files to upload, as a tar archive.
    archive: Option<Vec<u8>>,
    body: ContainerCreateBody,
}

impl Plan {
    pub(super) fn new(
        request: InstanceRequest,
        create_key: &CreateKey,
        options: &Options,
    ) -> ProviderResult<Self> {
        let boot = Boot::new(&request, &create_key.key_hash, &options.environment)?;
        let image = images::reference(&request.image)?;
        let body = convert::container(&request, &image, &boot, options)?;
        Ok(Self { archive: boot.archive()?, request, image, body })
    }
}

/// The call that creates a container.
struct CreateContainer<'a> {
    room: &'a DockerProvider,
    name: &'a str,
    body: &'a ContainerCreateBody,
}

impl CreateContainer<'_> {
    /// Whether a container has this name.
    async fn is_there(&self) -> Result<bool, Failure> {
        let found = self.room.inspect(self.operation(), self.name).await;
        Ok(validate::absent_is_none(found).map_err(Failure::Unknown)?.is_some())
    }
}

impl CreateCall for CreateContainer<'_> {
    type Reply = ContainerCreateResponse;

    fn operation(&self) -> Operation {
        Operation::CreateInstance
    }

    fn read_lag(&self) -> ReadLag {
        self.room.read_lag()
    }

    async fn send(&self, _: &Cancel) -> Result<ContainerCreateResponse, Failure> {
        let engine = &self.room.engine;
        let options = CreateContainerOptionsBuilder::new().name(self.name).build();
        let body = self.body.clone();
        let create =
            |docker: Docker| async move { docker.create_container(Some(options), body).await };
        // An engine may take long, and continues after the connection drops.
        let ask = Ask::of(self.operation()).within(self.room.patience());
        match engine.call(ask, create).await {
            // The name is reserved before the container exists: its create key is not known yet.
            Err(Failure::Rejected(error @ ProviderError::Conflict { retryable: false, .. }))
                if !self.is_there().await? =>
            {
                Err(Failure::Unknown(error))
            }
            made => made.map_err(errors::of_create),
        }
    }
}

impl DockerProvider {
    pub(super) async fn make(
        &self,
        plan: Plan,
        create_key: &CreateKey,
        cancel: &Cancel,
    ) -> ProviderResult<ProviderInstance> {
        // Read what is needed before anything is created.
        self.engine.reach().await?;
        let given = if create_key.is_caller_supplied() {
            self.given(create_key, cancel).await?
        } else {
            None
        };
        let (mut id, adopted) = match given {
            Some(made) => {
                // It was started before, whatever its state is now.
                if made.status != InstanceStatus::New
                    && self.has_begun(Operation::CreateInstance, &made.id).await?
                {
                    return Ok(made.adopted_if(true));
                }
                (made.id, true)
            }
            None => {
                self.check_network(&plan.request.region).await?;
                self.provide_image(&plan.image, cancel).await?;
                self.create(&plan, create_key, cancel).await?
            }
        };
        loop {
            let course = Course::default();
            let error = match self.start(&id, plan.archive.clone(), &course).await {
                Ok(started) => return Ok(started.adopted_if(adopted)),
                // The engine is unreachable and the outcome unknown; or another caller may use the
                // instance.
                Err(error)
                    if adopted
                        || (create_key.is_caller_supplied() && !course.hopeless.load(Relaxed))
                        || matches!(
                            error,
                            ProviderError::Timeout { .. } | ProviderError::Network(_)
                        ) =>
                {
                    return Err(error.after_create(id, None));
                }
                Err(error) => error,
            };
            let destroyed = self.destroy_instance(&id).await;
            let remains = course.cut.load(Relaxed) && matches!(error, ProviderError::Api { .. });
            if destroyed.is_err() || !remains {
                return Err(error.after_create(id, Some(destroyed)));
            }
            // A start that a killed engine began can block that container forever: create another
            // one.
            (id, _) = self.create(&plan, create_key, cancel).await?;
        }
    }

    /// Returns the container's id, and whether it is adopted.
    async fn create(
        &self,
        plan: &Plan,
        create_key: &CreateKey,
        cancel: &Cancel,
    ) -> ProviderResult<(String, bool)> {
        let deadline = Deadline::after(self.engine.timeouts().instance_ready);
        let call = CreateContainer { room: self, name: &plan.request.name, body: &plan.body };
        // Names are unique; the engine reserves one a moment before it lists the container.
        let create = Create { call, create_key, dedup: Dedup::ByCloud, deadline, cancel };
        let look = || async {
            let made = match create_key.found(self.find_by_key(&create_key.key_hash).await?)? {
                Lookup::Nothing => self.named(&plan.request.name, create_key).await?,
                Lookup::Found(made) if is_leaving(&made) => Lookup::Leaving(made.id),
                found => found,
            };
            Ok(made.map(|made| (made.id, made.labels)))
        };
        // The reply has no labels: use the requested ones.
        let read =
            |reply: &ContainerCreateResponse| Ok((reply.id.clone(), plan.request.labels.clone()));
        let ((id, labels), origin) = create.make_or_find(read, look).await?;
        Ok((id, !create_key.has_made(origin, &labels)))
    }

    /// Looks up the container that has the name of a create.
    async fn named(
        &self,
        name: &str,
        create_key: &CreateKey,
    ) -> ProviderResult<Lookup<ProviderInstance>> {
        match validate::absent_is_none(self.read(Operation::CreateInstance, name).await)? {
            Some(made) if is_leaving(&made) => Ok(Lookup::Leaving(made.id)),
            Some(made) if create_key.matches(&made.labels, &made.id)? => Ok(Lookup::Found(made)),
            Some(_) => Ok(Lookup::Taken),
            None => Ok(Lookup::Nothing),
        }
    }

    /// Returns the instance made earlier under the caller's idempotency key. Waits until one that
    /// is being destroyed is gone.
    async fn given(
        &self,
        create_key: &CreateKey,
        cancel: &Cancel,
    ) -> ProviderResult<Option<ProviderInstance>> {
        let deadline = Deadline::after(self.engine.timeouts().instance_ready);
        let mut pauses = Pauses::new(self.engine.timeouts().poll_interval);
        loop {
            match create_key.found(self.find_by_key(&create_key.key_hash).await?)? {
                Lookup::Found(made) if is_leaving(&made) => {
                    create::wait_for_end(create_key, &made.id, cancel, deadline, &mut pauses)
                        .await?;
                }
                Lookup::Found(made) => return Ok(Some(made)),
                _ => return Ok(None),
            }
        }
    }
}
