//! Images: names them, and pulls those that the engine lacks.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;

use super::ask::Ask;
use super::{DockerProvider, NAME, convert};
use crate::create::Cancel;
use crate::http::Deadline;
use crate::progress;
use crate::provider::config::ImageSpec;
use crate::provider::error::{ErrorContext, ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::shared::validate;

/// The image name of all snapshots; their ids are its tags.
pub(super) const REPOSITORY: &str = "spuff-snapshot";
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

pub(super) fn tag(id: &str) -> String {
    format!("{REPOSITORY}:{id}")
}

pub(super) fn check_id(field: &str, id: &str) -> ProviderResult<()> {
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
        let context = error.context().cloned().unwrap_or_else(|| ErrorContext::new(NAME));
        return ProviderError::auth(NAME, message).with_context(context);
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
mod tests;
