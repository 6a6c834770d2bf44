//! Images: pulls those that the engine lacks, and makes snapshots.

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use bollard::Docker;
use bollard::models::{
    ContainerConfig, ContainerInspectResponse, CreateImageInfo, IdResponse, ImageInspect,
    ImageSummary,
};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, CreateImageOptionsBuilder, ListImagesOptionsBuilder,
    RemoveImageOptions, RemoveImageOptionsBuilder,
};
use chrono::DateTime;
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::ask::Ask;
use super::{DockerProvider, NAME, convert, of_removal};
use crate::create::{self, Cancel, Create, CreateCall, CreateKey, Dedup, Lookup};
use crate::http::{Deadline, Failure, ReadLag};
use crate::progress;
use crate::provider::config::ImageSpec;
use crate::provider::error::{ErrorContext, ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::shared::validate;
use crate::provider::{Snapshot, labels};
use crate::wait::{Observation, Wait};

/// The image name of all snapshots; their ids are its tags.
const REPOSITORY: &str = "spuff-snapshot";
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

/// Returns the engine's reference to an image.
pub(super) fn reference(image: &ImageSpec) -> ProviderResult<String> {
    let reference = match image {
        ImageSpec::Ubuntu(version) => format!("ubuntu:{version}"),
        ImageSpec::Debian(version) => format!("debian:{version}"),
        ImageSpec::Snapshot(id) => return check_id("image", id).map(|()| tag(id)),
        ImageSpec::Custom(reference) => reference.clone(),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:/@".contains(c);
    if reference.is_empty() || reference.len() > 512 || !reference.chars().all(allowed) {
        let message = format!(
            "{reference:?} is not an image; use a reference that `docker pull` takes, such as \
             alpine:3.22 or host:5000/name@sha256:…"
        );
        return Err(ProviderError::invalid_config("image", message));
    }
    // Without a tag the engine would pull all of them. A colon before the last slash is a port's.
    let name = reference.rsplit('/').next().unwrap_or(&reference);
    Ok(if name.contains([':', '@']) { reference } else { format!("{reference}:latest") })
}

fn tag(id: &str) -> String {
    format!("{REPOSITORY}:{id}")
}

fn check_id(field: &str, id: &str) -> ProviderResult<()> {
    let ends = id.starts_with(|c: char| c.is_ascii_alphanumeric());
    if ends && id.len() <= 128 && id.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
    {
        return Ok(());
    }
    let message = format!(
        "{id:?} is not the id of a snapshot of docker, which is the tag of an image {REPOSITORY}; \
         it may belong to another provider"
    );
    Err(ProviderError::invalid_config(field, message))
}

impl DockerProvider {
    /// Checks that a network exists.
    pub(super) async fn check_network(&self, region: &str) -> ProviderResult<()> {
        let network = if region.is_empty() { convert::DEFAULT_NETWORK } else { region };
        // Podman's default network has another name, but answers to this one.
        if network == convert::DEFAULT_NETWORK {
            return Ok(());
        }
        let ask = Ask::of(Operation::FindNetwork).about("network", network);
        let name = network.to_string();
        let inspected = self
            .engine
            .call(ask, |docker| async move { docker.inspect_network(&name, None).await })
            .await;
        match inspected.map_err(ProviderError::from) {
            // The engine also finds a network by the beginning of its id.
            Ok(found) if found.name.as_deref().is_none_or(|name| name == network) => Ok(()),
            Ok(_) | Err(ProviderError::NotFound { .. }) => {
                let listed =
                    self.engine.call(Ask::of(Operation::FindNetwork), |docker| async move {
                        docker.list_networks(None).await
                    });
                let mut names: Vec<_> =
                    listed.await?.into_iter().filter_map(|network| network.name).collect();
                names.retain(|name| !matches!(name.as_str(), "host" | "none"));
                names.sort();
                let message = format!(
                    "the engine has no network {network:?}, but {}; `docker network create \
                     {network}` makes it",
                    names.join(", ")
                );
                Err(ProviderError::invalid_config("region", message))
            }
            Err(error) => Err(error),
        }
    }

    /// Pulls an image if the engine lacks it.
    pub(super) async fn provide_image(&self, image: &str, cancel: &Cancel) -> ProviderResult<()> {
        let ask = Ask::of(Operation::InspectImage).about("image", image);
        let name = image.to_string();
        let inspected =
            self.engine.call(ask, |docker| async move { docker.inspect_image(&name).await }).await;
        match validate::absent_is_none(inspected.map_err(ProviderError::from))? {
            Some(_) => Ok(()),
            None => match image.strip_prefix(REPOSITORY).and_then(|rest| rest.strip_prefix(':')) {
                Some(id) => Err(ProviderError::not_found("snapshot", id)),
                None => self.pull(image, cancel).await,
            },
        }
    }

    async fn pull(&self, image: &str, cancel: &Cancel) -> ProviderResult<()> {
        let limit = self.engine.timeouts().action_complete;
        let deadline = Deadline::after(limit);
        let credentials = self.engine.credentials(image).await?;
        let is_known = credentials.is_some();
        let told = &mut Pull::new(image, deadline);
        let pull = |docker: Docker| {
            let options = CreateImageOptionsBuilder::new().from_image(image).build();
            async move {
                let mut steps =
                    std::pin::pin!(docker.create_image(Some(options), None, credentials));
                while let Some(step) = steps.try_next().await? {
                    // Nothing is made yet, and the caller has left.
                    if cancel.is_set() {
                        return Ok(false);
                    }
                    told.step(&step);
                }
                Ok(true)
            }
        };
        let ask = Ask::of(Operation::PullImage).about("image", image).within(limit);
        match self.engine.call(ask, pull).await.map_err(ProviderError::from) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Cancel::error()),
            Err(error) => Err(cannot_pull(image, is_known, error)),
        }
    }

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

fn cannot_pull(image: &str, is_known: bool, error: ProviderError) -> ProviderError {
    let (message, status) = match &error {
        ProviderError::NotFound { .. } => (String::new(), 404),
        ProviderError::Api { message, status, retryable: false, .. } => {
            (format!(": {message}"), *status)
        }
        ProviderError::InvalidConfig { message, .. }
        | ProviderError::Authentication { message, .. } => (format!(": {message}"), 400),
        _ => return error,
    };
    if status == 429 || message.contains("toomanyrequests") {
        return ProviderError::RateLimit { retry_after: None };
    }
    if [
        "no basic auth credentials",
        "authentication required",
        "unauthorized",
        "incorrect username or password",
    ]
    .iter()
    .any(|words| message.contains(words))
    {
        let who = if is_known {
            "rejects the credentials of `docker login`"
        } else {
            "requires credentials"
        };
        let message = format!(
            "the engine does not have {image}, and its registry {who}{message}; check its name, \
             run `docker login`, or pull, load or build it yourself first"
        );
        return ProviderError::auth(NAME, message);
    }
    let unknown = [
        "not found",
        "manifest unknown",
        "no matching manifest",
        "denied",
        "does not exist",
        "invalid reference",
    ];
    if status < 500 || unknown.iter().any(|word| message.contains(word)) {
        let message = format!(
            "the engine does not have {image} and cannot pull it{message}; check its name, or \
             pull, load or build it yourself first"
        );
        return ProviderError::invalid_config("image", message);
    }
    let message =
        format!("the engine does not have {image}, and its registry cannot be reached{message}");
    ProviderError::unavailable(message).with_context(ErrorContext::new(NAME).with_status(status))
}

/// Progress of a pull.
pub(super) struct Pull<'a> {
    image: &'a str,
    deadline: Deadline,
    layers: HashMap<String, (i64, i64)>,
    told: Option<i64>,
}

impl<'a> Pull<'a> {
    pub(super) fn new(image: &'a str, deadline: Deadline) -> Self {
        Self { image, deadline, layers: HashMap::new(), told: None }
    }

    /// Reports the percentage when it changes.
    pub(super) fn step(&mut self, step: &CreateImageInfo) {
        if let (Some(layer), Some(detail)) = (&step.id, &step.progress_detail)
            && let (Some(current), Some(total)) = (detail.current, detail.total)
            && step.status.as_deref() == Some("Downloading")
        {
            self.layers.insert(layer.clone(), (current, total));
        }
        let (current, total) = self.layers.values().fold((0_i64, 0_i64), |sum, layer| {
            (sum.0.saturating_add(layer.0), sum.1.saturating_add(layer.1))
        });
        let percent = if total > 0 { current.saturating_mul(100) / total } else { 0 };
        if self.told != Some(percent) {
            self.told = Some(percent);
            let state = format!("pulling {}: {percent} %", self.image);
            progress::report(Operation::CreateInstance, "", &state, self.deadline.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        for (image, expected) in [
            ("ubuntu:24.04", "ubuntu:24.04"),
            ("debian:12", "debian:12"),
            ("alpine", "alpine:latest"),
            ("host:5000/team/app", "host:5000/team/app:latest"),
            ("host:5000/app:1", "host:5000/app:1"),
            ("app@sha256:0f", "app@sha256:0f"),
            ("snapshot:0f0f", "spuff-snapshot:0f0f"),
        ] {
            assert_eq!(reference(&image.parse().unwrap()).unwrap(), expected);
        }
        for image in ["", "a b", "app?x=1", "snapshot:a/b", "snapshot:", "snapshot:-x", "é"] {
            let error = reference(&image.parse().unwrap()).unwrap_err();
            assert!(
                matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "image"),
                "{image}: {error}"
            );
        }
    }

    #[test]
    fn whom_a_registry_does_not_know_is_not_told_to_wait() {
        for message in [
            "Head \"https://host/v2/app/manifests/1\": no basic auth credentials",
            "unauthorized: authentication required",
            "unauthorized: incorrect username or password",
        ] {
            for (is_known, words) in [
                (false, "requires credentials"),
                (true, "rejects the credentials of `docker login`"),
            ] {
                let error = cannot_pull("host/app:1", is_known, ProviderError::api(500, message));
                assert!(
                    matches!(error, ProviderError::Authentication { .. }) && !error.is_retryable(),
                    "{error:?}"
                );
                assert!(
                    error.to_string().contains(words) && error.to_string().contains("docker login"),
                    "{error}"
                );
            }
        }
        let error =
            cannot_pull("host/app:1", false, ProviderError::api(500, "dial tcp: no such host"));
        assert!(matches!(error, ProviderError::Unavailable { .. }), "{error:?}");
    }

    #[test]
    fn snapshots_are_known_by_label_and_tag() {
        let image = |tags: &[&str], asked: &str| ImageSummary {
            repo_tags: tags.iter().map(ToString::to_string).collect(),
            labels: HashMap::from([(convert::SNAPSHOT_KEY.to_string(), asked.to_string())]),
            created: 7,
            ..ImageSummary::default()
        };
        let labels =
            HashMap::from([(labels::MANAGED_BY.to_string(), labels::MANAGED_BY_VALUE.to_string())]);
        let asked = &Asked { name: "base \"1\" $x".to_string(), labels }.write().unwrap();
        for tags in [
            ["spuff-snapshot:0f"],
            ["localhost/spuff-snapshot:0f"],
            ["docker.io/library/spuff-snapshot:0f"],
        ] {
            let (snapshot, labels) = snapshot(image(&tags, asked)).unwrap();
            assert_eq!(
                (snapshot.id.as_str(), snapshot.name.as_str(), labels.len()),
                ("0f", "base \"1\" $x", 1)
            );
            assert_eq!(snapshot.created_at.unwrap().timestamp(), 7);
        }
        assert!(snapshot(image(&["other:1"], asked)).is_none());
        assert!(snapshot(image(&["spuff-snapshot:0f"], "")).is_none());
    }
}
