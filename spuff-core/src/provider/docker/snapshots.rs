//! Snapshots: images that are committed from an instance, and known by their labels.

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use bollard::Docker;
use bollard::models::{
    ContainerConfig, ContainerInspectResponse, IdResponse, ImageInspect, ImageSummary,
};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions,
    RemoveImageOptionsBuilder,
};
use chrono::DateTime;
use serde::{Deserialize, Serialize};

use super::ask::Ask;
use super::images::{REPOSITORY, check_id, tag};
use super::{DockerProvider, convert, of_removal};
use crate::create::{self, Cancel, Create, CreateCall, CreateKey, Dedup, Lookup};
use crate::http::{Deadline, Failure, ReadLag};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::shared::validate;
use crate::provider::{Snapshot, labels};
use crate::wait::{Observation, Wait};

/// Prefixes that Podman adds to a name without a host.
const PREFIXES: [&str; 2] = ["docker.io/library/", "localhost/"];

/// The requested name and labels of a snapshot.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    name: String,
    labels: HashMap<String, String>,
}

impl Asked {
    /// Encodes it as a label of letters, digits, `-` and `_`, which needs no escaping.
    fn write(&self) -> ProviderResult<String> {
        let json = serde_json::to_vec(self)
            .map_err(|error| ProviderError::invalid_config("name", error.to_string()))?;
        Ok(URL_SAFE_NO_PAD.encode(json))
    }

    fn read(label: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(label).ok()?).ok()
    }
}

impl DockerProvider {
    /// Makes a snapshot of an instance.
    pub(super) async fn snapshot(
        &self,
        instance_id: &str,
        name: &str,
        cancel: &Cancel,
    ) -> ProviderResult<Snapshot> {
        let deadline = Deadline::after(self.engine.timeouts().action_complete);
        let (create_key, labels) = self.defaults.snapshot("")?;
        let labels: HashMap<_, _> =
            labels.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
        let call = Commit { room: self, instance_id, name, create_key: &create_key, labels };
        let create =
            Create { call, create_key: &create_key, dedup: Dedup::LookupFirst, deadline, cancel };
        let look = || async {
            Ok(match self.snapshot_made_under(&create_key.key_hash).await? {
                Some(_) => Lookup::Found(()),
                // An engine continues after the connection drops, and keeps the instance paused
                // until it is done.
                None if self.stands_still(instance_id).await? => Lookup::Ambiguous(Vec::new()),
                None => Lookup::Nothing,
            })
        };
        create.run(|_| Ok(()), look).await?;
        // Returns the same as any later lookup.
        let look =
            || async { Ok(Lookup::found(self.snapshot_made_under(&create_key.key_hash).await?)) };
        let limit = self.engine.timeouts().action_complete;
        let made = create::resolve(
            self.read_lag(),
            Operation::CreateSnapshot,
            &create_key.key,
            limit,
            look,
        )
        .await?;
        made.ok_or_else(|| ProviderError::not_found("snapshot", &create_key.key_hash))
    }

    async fn stands_still(&self, instance_id: &str) -> ProviderResult<bool> {
        let container =
            validate::absent_is_none(self.inspect(Operation::CreateSnapshot, instance_id).await)?;
        Ok(container.and_then(|container| container.state?.paused).unwrap_or_default())
    }

    pub(super) async fn snapshot_made_under(
        &self,
        key_hash: &str,
    ) -> ProviderResult<Option<Snapshot>> {
        let made = self
            .images(Operation::CreateSnapshot, &format!("{}={key_hash}", labels::CREATE_KEY))
            .await?;
        Ok(made.into_iter().map(|(snapshot, _)| snapshot).find(|snapshot| snapshot.id == key_hash))
    }

    /// Returns all snapshots that spuff manages.
    pub(super) async fn snapshots(
        &self,
        operation: Operation,
    ) -> ProviderResult<Vec<(Snapshot, HashMap<String, String>)>> {
        let mut all = self
            .images(operation, &format!("{}={}", labels::MANAGED_BY, labels::MANAGED_BY_VALUE))
            .await?;
        all.retain(|(_, labels)| {
            labels.get(labels::MANAGED_BY).is_some_and(|value| value == labels::MANAGED_BY_VALUE)
        });
        Ok(all)
    }

    async fn images(
        &self,
        operation: Operation,
        label: &str,
    ) -> ProviderResult<Vec<(Snapshot, HashMap<String, String>)>> {
        let filters = HashMap::from([("label", vec![label.to_string()])]);
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        let list = |docker: Docker| async move { docker.list_images(Some(options)).await };
        Ok(self
            .engine
            .call(Ask::of(operation), list)
            .await?
            .into_iter()
            .filter_map(snapshot)
            .collect())
    }

    /// Removes the image of a destroyed instance if it is a snapshot that was deleted while in use.
    pub(super) async fn remove_orphan(
        &self,
        container: &ContainerInspectResponse,
    ) -> ProviderResult<()> {
        let Some(image) = container.image.as_deref().filter(|_| convert::is_of_snapshot(container))
        else {
            return Ok(());
        };
        let ask = || Ask::of(Operation::DestroyInstance).about("image", image);
        let inspected = self
            .engine
            .call(ask(), |docker| async move { docker.inspect_image(image).await })
            .await;
        let inspected = validate::absent_is_none(inspected.map_err(ProviderError::from))?;
        let names = |image: ImageInspect| {
            [image.repo_tags, image.repo_digests].into_iter().flatten().flatten().count()
        };
        if inspected.is_none_or(|image| names(image) > 0) {
            return Ok(());
        }
        let timeouts = self.engine.timeouts();
        let wait = Wait::new(
            Operation::DestroyInstance,
            ("image", image),
            timeouts.action_complete,
            timeouts,
        );
        let deadline = wait.deadline;
        let ended = wait.until(|| async move {
            let remove = |docker: Docker| async move {
                docker.remove_image(image, None::<RemoveImageOptions>, None).await
            };
            of_removal(self.engine.call(ask(), remove).await.map(drop), deadline)
        });
        match Observation::deleted(ended.await).map(drop) {
            // Another instance or snapshot is based on it.
            Err(ProviderError::Conflict { .. }) => Ok(()),
            ended => ended,
        }
    }

    pub(super) async fn remove_snapshot(&self, id: &str) -> ProviderResult<()> {
        check_id("id", id)?;
        let timeouts = self.engine.timeouts();
        let image = &tag(id);
        let wait = Wait::new(
            Operation::DeleteSnapshot,
            ("snapshot", id),
            timeouts.action_complete,
            timeouts,
        );
        let remove = |force: bool| async move {
            let ask = Ask::of(Operation::DeleteSnapshot)
                .about("snapshot", id)
                .within(timeouts.action_complete);
            let options = RemoveImageOptionsBuilder::new().force(force).build();
            self.engine
                .call(
                    ask,
                    |docker| async move { docker.remove_image(image, Some(options), None).await },
                )
                .await
                .map(drop)
        };
        let deadline = wait.deadline;
        let ended = wait.until(|| async move {
            match remove(false).await {
                // By force, Docker removes only the name of an image in use; Podman would remove
                // the instances too.
                Err(Failure::Rejected(ProviderError::Conflict { .. }))
                    if !self.engine.is_podman().await? =>
                {
                    of_removal(remove(true).await, deadline)
                }
                removed => of_removal(removed, deadline),
            }
        });
        Observation::deleted(ended.await).map(drop)
    }
}

/// The call that makes a snapshot.
struct Commit<'a> {
    room: &'a DockerProvider,
    instance_id: &'a str,
    name: &'a str,
    create_key: &'a CreateKey,
    labels: HashMap<String, String>,
}

impl CreateCall for Commit<'_> {
    type Reply = IdResponse;

    fn operation(&self) -> Operation {
        Operation::CreateSnapshot
    }

    fn read_lag(&self) -> ReadLag {
        self.room.read_lag()
    }

    async fn send(&self, _: &Cancel) -> Result<IdResponse, Failure> {
        let asked = Asked { name: self.name.to_string(), labels: self.labels.clone() };
        let asked = asked.write().map_err(Failure::NotSent)?;
        let own = [convert::no_machine(), (convert::SNAPSHOT_KEY.to_string(), asked)];
        // Podman takes no labels in the body, and one `LABEL` per line. These values need no
        // quotes.
        let labels = self.labels.clone().into_iter().chain(own);
        let changes: Vec<_> = labels.map(|(key, value)| format!("LABEL {key}={value}")).collect();
        let options = CommitContainerOptionsBuilder::new()
            .container(self.instance_id)
            .repo(REPOSITORY)
            .tag(&self.create_key.key_hash)
            .pause(true)
            .changes(&changes.join("\n"))
            .build();
        let config = ContainerConfig::default();
        let engine = &self.room.engine;
        let ask = Ask::of(self.operation())
            .about("instance", self.instance_id)
            .within(engine.timeouts().action_complete);
        engine
            .call(ask, |docker| async move { docker.commit_container(options, config).await })
            .await
    }
}

/// Reads the snapshot and its labels from an image; `None` if spuff did not make it.
pub(super) fn snapshot(image: ImageSummary) -> Option<(Snapshot, HashMap<String, String>)> {
    let asked = Asked::read(image.labels.get(convert::SNAPSHOT_KEY)?)?;
    let id = image.repo_tags.iter().find_map(|name| {
        let name = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        name.strip_prefix(REPOSITORY)?.strip_prefix(':')
    })?;
    let created_at = DateTime::from_timestamp(image.created, 0);
    Some((Snapshot { id: id.to_string(), name: asked.name, created_at }, asked.labels))
}

#[cfg(test)]
mod tests;
