//! Starts instances, and detects whether they have come up.
//!
//! An engine reports a container as running once its init runs, even if the init can execute
//! nothing and the engine restarts it forever. The first process of an instance therefore leaves a
//! mark.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{ContainerArchiveInfoOptionsBuilder, LogsOptionsBuilder};
use futures_util::TryStreamExt;

use super::ask::Ask;
use super::convert::Seen;
use super::{DockerProvider, NAME, boot, convert, errors};
use crate::http::Failure;
use crate::provider::error::{ErrorContext, ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::{InstanceStatus, ProviderInstance};
use crate::wait::{Observation, Wait};

/// Interval and number of polls for the first process, which begins within some milliseconds.
const INSTANT: Duration = Duration::from_millis(20);
const INSTANTS: usize = 100;
/// After this many restarts by the engine without a mark, an instance will never come up.
const RESTARTS: i64 = 2;
/// The same if its init has logged nothing.
const SILENT_RESTARTS: i64 = 6;

/// Instances whose first process is known to have begun, which stays true.
#[derive(Debug, Default)]
pub(super) struct Begun(Mutex<HashSet<String>>);

impl Begun {
    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget(&self, id: &str) {
        self.lock().remove(id);
    }
}

fn cannot_run(said: &str) -> String {
    format!(
        "its /bin/sh cannot be executed, although the engine keeps retrying ({said}): use an \
         image of a whole system for the processor of the engine's computer"
    )
}

/// Observations of a start besides its outcome.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// A call was cut off that the engine may have begun.
    pub(super) cut: AtomicBool,
    /// The instance will never come up, so no caller uses it.
    pub(super) hopeless: AtomicBool,
}

impl DockerProvider {
    /// Returns the instance as observed, but `New` if its first process has not begun.
    pub(super) async fn believed(
        &self,
        operation: Operation,
        seen: Seen,
    ) -> ProviderResult<ProviderInstance> {
        let mut instance = seen.instance;
        if seen.is_marked
            && instance.status == InstanceStatus::Active
            && !self.has_begun(operation, &instance.id).await?
        {
            instance.status = InstanceStatus::New;
        }
        Ok(instance)
    }

    /// Whether the first process of an instance is known to have begun at least once.
    pub(super) async fn has_begun(&self, operation: Operation, id: &str) -> ProviderResult<bool> {
        Ok(self.look_for_mark(operation, id).await? == Some(true))
    }

    /// Whether the first process of an instance has begun; `None` if it cannot be seen now.
    async fn look_for_mark(&self, operation: Operation, id: &str) -> ProviderResult<Option<bool>> {
        if self.begun.lock().contains(id) {
            return Ok(Some(true));
        }
        let stat = |docker: Docker| async move {
            let options = ContainerArchiveInfoOptionsBuilder::new().path(boot::MARK).build();
            docker.get_container_archive_info(id, Some(options)).await
        };
        match self.engine.read(Ask::of(operation).about("file", boot::MARK), stat).await {
            Ok(_) => {
                self.begun.lock().insert(id.to_string());
                Ok(Some(true))
            }
            Err(ProviderError::NotFound { .. }) => Ok(Some(false)),
            // The engine is about to start or remove it.
            Err(ProviderError::Conflict { .. } | ProviderError::Api { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns an instance by its id, for a caller that waits for it.
    ///
    /// # Errors
    /// A [`ProviderError::Conflict`] when it will never be up.
    pub(super) async fn watched(
        &self,
        operation: Operation,
        id: &str,
    ) -> ProviderResult<ProviderInstance> {
        let container = self.inspect(operation, id).await?;
        if let Some(why) = self.never_up(operation, id, &container).await? {
            let context = ErrorContext::new(NAME).with_instance_id(id);
            return Err(ProviderError::conflict(why, false).with_context(context));
        }
        self.believed(operation, convert::inspected(container, self.engine.reach().await?)).await
    }

    /// Returns why an instance will never come up; `None` if it may.
    async fn never_up(
        &self,
        operation: Operation,
        id: &str,
        container: &ContainerInspectResponse,
    ) -> ProviderResult<Option<String>> {
        if !convert::is_marked(container)
            || container.restart_count.is_none_or(|count| count < RESTARTS)
        {
            return Ok(None);
        }
        if self.look_for_mark(operation, id).await? != Some(false) {
            return Ok(None);
        }
        if container.state.as_ref().and_then(|state| state.oom_killed).unwrap_or_default() {
            let why = "it is killed before its /bin/sh starts, because it has too little memory: \
             use a larger size";
            return Ok(Some(why.to_string()));
        }
        // The engine may log the output a moment after the process exits.
        let Some(said) = self.last_words(operation, id).await? else {
            let is_silent = container.restart_count.is_some_and(|count| count >= SILENT_RESTARTS);
            return Ok(is_silent.then(|| cannot_run("its init has logged nothing")));
        };
        Ok(Some(cannot_run(&said)))
    }

    /// Returns the last line that the init has logged: nothing else has run.
    async fn last_words(&self, operation: Operation, id: &str) -> ProviderResult<Option<String>> {
        let logs = |docker: Docker| async move {
            let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail("5").build();
            docker.logs(id, Some(options)).try_collect::<Vec<_>>().await
        };
        match self.engine.read(Ask::of(operation).about("instance", id), logs).await {
            Ok(lines) => {
                let text: String = lines.iter().map(ToString::to_string).collect();
                let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
                Ok(last.map(|line| line.chars().take(300).collect()))
            }
            // The log driver keeps no log.
            Err(error @ (ProviderError::Api { .. } | ProviderError::InvalidConfig { .. })) => {
                Ok(Some(error.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    /// Checks that an instance has a `/bin/sh` before it is started.
    async fn check_shell(&self, id: &str) -> Result<(), Failure> {
        let name = id.to_string();
        let options = ContainerArchiveInfoOptionsBuilder::new().path("/bin/sh").build();
        let stat = |docker: Docker| async move {
            docker.get_container_archive_info(&name, Some(options)).await
        };
        match self
            .engine
            .call(Ask::of(Operation::InspectImage).about("file", "/bin/sh"), stat)
            .await
        {
            Ok(_) => Ok(()),
            Err(Failure::Rejected(ProviderError::NotFound { .. })) => {
                self.read(Operation::CreateInstance, id).await.map_err(Failure::Rejected)?;
                let message =
                    "it has no /bin/sh, which an instance needs; use an image of a whole system";
                Err(Failure::Rejected(ProviderError::invalid_config("image", message)))
            }
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn start_again(&self, id: &str) -> Result<(), Failure> {
        let ask = Ask::of(Operation::StartInstance).about("instance", id);
        let id = id.to_string();
        self.engine.call(ask, |docker| async move { docker.start_container(&id, None).await }).await
    }

    /// Uploads the boot files to a container that has never run, and starts it. If the engine goes
    /// away, waits for it and marks the start as cut. Retries once if the engine fails for no known
    /// reason.
    pub(super) async fn start(
        &self,
        id: &str,
        archive: Option<Vec<u8>>,
        course: &Course,
    ) -> ProviderResult<ProviderInstance> {
        let wait = Wait::new(
            Operation::CreateInstance,
            ("instance", id),
            self.patience(),
            self.engine.timeouts(),
        );
        let ask = || Ask::of(Operation::UploadBootFiles).about("instance", id);
        let archive = &archive;
        let refused = &AtomicBool::new(false);
        wait.until(|| async move {
            let begun = match self.inspect(Operation::CreateInstance, id).await {
                // A start that was cut off may have succeeded.
                Ok(container) if convert::runs(&container) => {
                    return self.until_begun(id, course).await;
                }
                Ok(container) => convert::has_begun(&container),
                Err(error) => return Observation::unread(error),
            };
            let began = async {
                if !begun {
                    self.check_shell(id).await?;
                    if let Some(archive) = archive {
                        self.engine
                            .call(ask(), |docker| {
                                boot::upload(docker, id.to_string(), archive.clone())
                            })
                            .await?;
                    }
                }
                self.start_again(id).await
            };
            match began.await {
                Ok(()) => self.until_begun(id, course).await,
                // The next poll shows whether it runs.
                Err(Failure::Unknown(error)) | Err(Failure::NotSent(error)) => {
                    course.cut.store(true, Relaxed);
                    Ok(Observation::Unclear(error.to_string()))
                }
                Err(Failure::Rejected(error)) => {
                    // Another caller with the same key may have started it.
                    let read = self.read(Operation::CreateInstance, id).await;
                    if let Some(running) =
                        read.ok().filter(|instance| instance.status == InstanceStatus::Active)
                    {
                        return Ok(Observation::Done(running));
                    }
                    match errors::of_start(error) {
                        // Podman's storage conflicts with itself when many start at once.
                        error @ ProviderError::Api { .. } if !refused.swap(true, Relaxed) => {
                            Ok(Observation::Unclear(error.to_string()))
                        }
                        error => Err(error),
                    }
                }
            }
        })
        .await
    }

    /// Waits briefly until the first process of a started instance has begun.
    async fn until_begun(
        &self,
        id: &str,
        course: &Course,
    ) -> ProviderResult<Observation<ProviderInstance>> {
        // The engine may restart at any of these calls.
        self.has_it_begun(id, course).await.or_else(Observation::unread)
    }

    async fn has_it_begun(
        &self,
        id: &str,
        course: &Course,
    ) -> ProviderResult<Observation<ProviderInstance>> {
        const CREATE: Operation = Operation::CreateInstance;
        for _ in 0..INSTANTS {
            let container = self.inspect(CREATE, id).await?;
            if !convert::is_marked(&container) || self.has_begun(CREATE, id).await? {
                let reach = self.engine.reach().await?;
                return self
                    .believed(CREATE, convert::inspected(container, reach))
                    .await
                    .map(Observation::Done);
            }
            if let Some(why) = self.never_up(CREATE, id, &container).await? {
                course.hopeless.store(true, Relaxed);
                return Err(ProviderError::invalid_config("image", why));
            }
            tokio::time::sleep(INSTANT).await;
        }
        Ok(Observation::Pending("its first process has not started".to_string()))
    }
}
