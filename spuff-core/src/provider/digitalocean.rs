//! DigitalOcean, API v2: the reference room. Verbs only; wire types are in `api`, conversions in `map`.
//!
//! Facts from the published OpenAPI document and its guides: lists lag creates by seconds, a snapshot's id is never
//! returned, tags carry no values, and 422 stands for many things.

mod api;
mod map;

use std::collections::HashSet;
use std::hash::Hash;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use http::Method;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::instrument;

use self::api::{
    Action, ActionReply, CreateTag, Droplet, DropletAction, DropletReply, Image, ImageReply, List, PER_PAGE, Reference, SshKey,
    TagResource, TagResources,
};
use super::config::{InstanceRequest, ProviderConfig, ProviderTimeouts, ProviderType};
use super::error::{ProviderError, ProviderResult};
use super::registry::{Capabilities, OptionDescription, ProviderDescription, ProviderFactory};
use super::{Provider, ProviderInstance, Snapshot, check};
use crate::create::{self, send_once};
use crate::http::{Call, Class, Deadline, Endpoint, HttpClient, numbered_pages};
use crate::wait::{Look, Recent, Wait};

const NAME: &str = "digitalocean";
const ENDPOINT: &str = "https://api.digitalocean.com";
/// `/v2/account/keys` may be read ten times a minute: names are looked up in a copy this fresh.
const KEYS_FRESH: Duration = Duration::from_secs(60);
/// By how much the times that the cloud writes on an action and on its image may be out of order.
const CLOCKS_APART: Duration = Duration::from_secs(5);

/// DigitalOcean droplets.
///
/// # Examples
/// ```
/// use spuff_core::provider::{DigitalOceanProvider, Provider, ProviderTimeouts};
///
/// let provider = DigitalOceanProvider::new("dop_v1_example", ProviderTimeouts::default()).unwrap();
/// assert_eq!(provider.name(), "digitalocean");
/// ```
pub struct DigitalOceanProvider {
    http: HttpClient,
    /// With the id of the create action, which alone knows why a droplet failed.
    recent: Recent<Option<u64>>,
    keys: Mutex<Option<(Instant, Vec<SshKey>)>>,
    region: String,
}

impl DigitalOceanProvider {
    /// A provider at `https://api.digitalocean.com`.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when the token is empty or cannot be one. Nothing is sent.
    pub fn new(token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Self> {
        Self::with_config(token, ENDPOINT, timeouts)
    }

    /// A provider at another base URL, with or without `/v2` at its end.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when `base_url` is no `https` URL (or `http` on loopback).
    pub fn with_config(token: &str, base_url: &str, timeouts: ProviderTimeouts) -> ProviderResult<Self> {
        Self::connect(&ProviderConfig::new(token).with_endpoint(base_url).with_timeouts(timeouts))
    }

    fn connect(config: &ProviderConfig) -> ProviderResult<Self> {
        check::no_options(config)?;
        let endpoint = Endpoint::parse(config.endpoint.as_deref().unwrap_or(ENDPOINT))?.without_suffix("/v2");
        Ok(Self {
            http: HttpClient::with_bearer(NAME, endpoint, map::refusal, config)?,
            recent: Recent::new(),
            keys: Mutex::new(None),
            region: config.region.clone().unwrap_or_default(),
        })
    }

    async fn list<T: DeserializeOwned, K: Hash + Eq>(&self, call: Call<'_>, key: impl Fn(&T) -> K) -> ProviderResult<Vec<T>> {
        numbered_pages::<List<T>, K>(&self.http, call.query("per_page", PER_PAGE), key).await
    }

    async fn droplets(&self, filter: (&'static str, &'static str)) -> ProviderResult<Vec<Droplet>> {
        let call = Call::get("list_instances", "/v2/droplets").query(filter.0, filter.1);
        self.list(call, |droplet: &Droplet| droplet.id).await
    }

    async fn account_keys(&self) -> ProviderResult<Vec<SshKey>> {
        let keys = self.list(Call::get("get_ssh_keys", "/v2/account/keys"), |key: &SshKey| key.id).await?;
        *self.keys.lock().await = Some((Instant::now(), keys.clone()));
        Ok(keys)
    }

    /// Ids and fingerprints as they are; names by the account's keys.
    async fn ssh_keys(&self, keys: &[String]) -> ProviderResult<Vec<Reference>> {
        let by_name = |key: &str| matches!(Reference::parse(key), Reference::Text(text) if !text.contains(':'));
        if !keys.iter().any(|key| by_name(key)) {
            return Ok(keys.iter().map(|key| Reference::parse(key)).collect());
        }
        let fresh = self.keys.lock().await.clone().filter(|(read, _)| read.elapsed() < KEYS_FRESH);
        let known = match fresh {
            Some((_, known)) => known,
            None => self.account_keys().await?,
        };
        let find = |name: &String| known.iter().find(|key| key.name == *name).map(|key| Reference::Id(key.id));
        keys.iter()
            .map(|key| {
                if !by_name(key) {
                    return Ok(Reference::parse(key));
                }
                let names = || known.iter().map(|key| key.name.as_str()).collect::<Vec<_>>().join(", ");
                find(key).ok_or_else(|| {
                    ProviderError::invalid_config("ssh_keys", format!("no key named {key:?} in the account; it has: {}", names()))
                })
            })
            .collect()
    }

    async fn action(&self, id: u64) -> ProviderResult<Action> {
        let reply: ActionReply = self.http.json(&Call::get("action", format!("/v2/actions/{id}"))).await?;
        Ok(reply.action)
    }

    /// Why a droplet that this process made does not come up, where its create action says so.
    async fn failed_create(&self, id: &str) -> ProviderResult<()> {
        let Some(Some(action)) = self.recent.note(id) else { return Ok(()) };
        match self.action(action).await {
            Ok(action) if action.status == "errored" => {
                Err(check::failed(NAME, id, "errored", "the create action ended in an error"))
            }
            Err(error) if !error.is_retryable() && !matches!(error, ProviderError::NotFound { .. }) => Err(error),
            _ => Ok(()),
        }
    }

    async fn snapshots_of(&self, droplet: u64, id: &str) -> ProviderResult<Vec<Image>> {
        let call = Call::get("create_snapshot", format!("/v2/droplets/{droplet}/snapshots")).about("instance", id);
        self.list(call, |image: &Image| image.id.clone()).await
    }

    /// Puts the managed tag on a snapshot, which cannot be done in the call that makes it.
    async fn tag(&self, image: &str) -> ProviderResult<()> {
        let tag = Call::new("create_snapshot", Class::Idempotent, Method::POST, "/v2/tags")
            .json(&CreateTag { name: map::MANAGED_TAG })?;
        match self.http.send(&tag).await.map_err(ProviderError::from) {
            // A tag that is there already is refused as invalid.
            Ok(_) | Err(ProviderError::InvalidConfig { .. } | ProviderError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
        let resources = TagResources { resources: [TagResource { resource_id: image, resource_type: "image" }] };
        let path = format!("/v2/tags/{}/resources", map::MANAGED_TAG);
        self.http.send(&Call::new("create_snapshot", Class::Idempotent, Method::POST, path).json(&resources)?).await?;
        Ok(())
    }

    /// The image that a finished snapshot action has made: the one that was not there before. Its listing may lag.
    async fn new_snapshot(
        &self,
        (droplet, id): (u64, &str),
        name: &str,
        before: &HashSet<String>,
        started: Option<DateTime<Utc>>,
        deadline: Deadline,
    ) -> ProviderResult<Image> {
        let timeouts = self.http.timeouts();
        let wait = Wait::new("create_snapshot", ("instance", id), deadline.remaining(), timeouts);
        wait.until(|| async move {
            let listed = match self.snapshots_of(droplet, id).await {
                Ok(listed) => listed,
                Err(error) => return Look::past(error),
            };
            let fresh = |image: &Image| !before.contains(&image.id) && image.name == name;
            let mut new: Vec<_> = listed.into_iter().filter(fresh).collect();
            // A droplet makes one snapshot at a time, so the first since the action began is its own.
            let since = started.map(|started| started - CLOCKS_APART);
            new.retain(|image| image.created_at.zip(since).is_none_or(|(created, since)| created >= since));
            new.sort_by_key(|image| image.created_at);
            Ok(new.into_iter().next().map_or_else(|| Look::Pending("the snapshot is not listed yet".to_string()), Look::Done))
        })
        .await
    }
}

#[async_trait]
impl Provider for DigitalOceanProvider {
    fn name(&self) -> &str {
        NAME
    }

    #[instrument(skip_all, fields(provider = NAME, name = request.name))]
    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        let request = &check::with_region(request, &self.region);
        map::check_request(request)?;
        let key = create::key_of(request)?;
        let body = map::create_droplet(request, self.ssh_keys(&request.ssh_keys).await?)?;
        let call = Call::once("create_instance", "/v2/droplets").json(&body)?;
        let where_to_look = format!("look for a droplet named {:?}", request.name);
        let created: DropletReply = send_once(&self.http, &call, &key, &where_to_look, |reply| reply.json()).await?;
        let action = created.links.actions.iter().find(|action| action.rel == "create").map(|action| action.id);
        let instance = map::instance(created.droplet);
        self.recent.add(&instance.id, action);
        Ok(instance)
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        let path = format!("/v2/droplets/{}", check::numeric_id(NAME, "id", id)?);
        let timeouts = self.http.timeouts();
        let wait = Wait::new("destroy_instance", ("instance", id), timeouts.action_complete, timeouts);
        wait.absent_until(self.recent.settles_at(id)).delete(&self.http, &path).await?;
        self.recent.remove(id);
        Ok(())
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        let path = format!("/v2/droplets/{}", check::numeric_id(NAME, "id", id)?);
        let reply = self.http.json::<DropletReply>(&Call::get("get_instance", path).about("instance", id)).await;
        check::absent_is_none(reply.map(|reply| map::instance(reply.droplet)))
    }

    /// GPU droplets are left out of a plain list, and cannot be asked for by tag.
    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        let (tagged, gpus) = tokio::try_join!(self.droplets(("tag_name", map::MANAGED_TAG)), self.droplets(("type", "gpus")))?;
        let mut seen = HashSet::new();
        let mut instances: Vec<_> =
            tagged.into_iter().chain(gpus).filter(|droplet| seen.insert(droplet.id)).map(map::instance).collect();
        instances.retain(ProviderInstance::is_managed);
        Ok(instances)
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        let path = &format!("/v2/droplets/{}", check::numeric_id(NAME, "id", id)?);
        let timeouts = self.http.timeouts();
        let wait = Wait::new("wait_ready", ("instance", id), timeouts.instance_ready, timeouts);
        let ready = wait.absent_until(self.recent.settles_at(id)).until(|| async move {
            let call = Call::get("wait_ready", path).about("instance", id);
            let reply = self.http.json::<DropletReply>(&call).await.map(|reply| map::instance(reply.droplet));
            let look = Look::of_instance(reply, NAME)?;
            if !matches!(look, Look::Done(_)) {
                self.failed_create(id).await?;
            }
            Ok(look)
        });
        ready.await
    }

    /// The snapshot is crash-consistent: the droplet keeps running.
    #[instrument(skip_all, fields(provider = NAME, id = instance_id, name))]
    async fn create_snapshot(&self, instance_id: &str, name: &str) -> ProviderResult<Snapshot> {
        let droplet = check::numeric_id(NAME, "instance_id", instance_id)?;
        check::required("name", name)?;
        let timeouts = self.http.timeouts();
        let deadline = Deadline::after(timeouts.action_complete);
        let before: HashSet<_> = self.snapshots_of(droplet, instance_id).await?.into_iter().map(|image| image.id).collect();

        let body = DropletAction { kind: "snapshot", name };
        let call = Call::once("create_snapshot", format!("/v2/droplets/{droplet}/actions"))
            .about("instance", instance_id)
            .json(&body)?;
        let where_to_look = format!("look for a snapshot named {name:?} of droplet {droplet}");
        let started: ActionReply =
            send_once(&self.http, &call, &create::random_key()?, &where_to_look, |reply| reply.json()).await?;
        let (action, started) = (started.action.id, started.action.started_at);

        let action_id = action.to_string();
        let wait = Wait::new("create_snapshot", ("action", &action_id), deadline.remaining(), timeouts);
        let done = wait.until(|| async move {
            match self.action(action).await {
                Ok(action) if action.status == "completed" => Ok(Look::Done(())),
                Ok(action) if action.status == "errored" => {
                    Err(check::failed(NAME, instance_id, "errored", "the snapshot action ended in an error"))
                }
                Ok(action) => Ok(Look::Pending(action.status)),
                Err(error) => Look::past(error),
            }
        });
        done.await?;

        let image = self.new_snapshot((droplet, instance_id), name, &before, started, deadline).await?;
        let (id, path) = (&image.id, &format!("/v2/images/{}", image.id));
        self.tag(id).await.map_err(|error| ProviderError::Other {
            message: format!("snapshot {id} exists and is paid for, but could not be tagged {}: {error}", map::MANAGED_TAG),
        })?;
        let wait = Wait::new("create_snapshot", ("snapshot", id), deadline.remaining(), timeouts);
        let wait = wait.absent_until(Some(Instant::now() + deadline.remaining()));
        let available = wait.until(|| async move {
            let call = Call::get("create_snapshot", path).about("snapshot", id);
            let read = self.http.json::<ImageReply>(&call).await.map(|reply| reply.image);
            Look::of_state(read, |image| &image.status, "available")
        });
        Ok(map::snapshot(available.await?))
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        let call = Call::get("list_snapshots", "/v2/images").query("tag_name", map::MANAGED_TAG);
        let images = self.list(call, |image: &Image| image.id.clone()).await?;
        Ok(images.into_iter().filter(map::is_managed_snapshot).map(map::snapshot).collect())
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn delete_snapshot(&self, id: &str) -> ProviderResult<()> {
        let path = format!("/v2/snapshots/{}", check::numeric_id(NAME, "id", id)?);
        let timeouts = self.http.timeouts();
        let wait = Wait::new("delete_snapshot", ("snapshot", id), timeouts.action_complete, timeouts);
        wait.delete(&self.http, &path).await
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn get_ssh_keys(&self) -> ProviderResult<Vec<String>> {
        Ok(self.account_keys().await?.into_iter().map(|key| key.id.to_string()).collect())
    }
}

/// Makes [`DigitalOceanProvider`]s.
#[derive(Debug, Clone, Copy, Default)]
pub struct DigitalOceanFactory;

impl ProviderFactory for DigitalOceanFactory {
    fn provider_type(&self) -> ProviderType {
        ProviderType::DigitalOcean
    }

    fn create(&self, token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Box<dyn Provider>> {
        self.create_with(&ProviderConfig::new(token).with_timeouts(timeouts))
    }

    fn create_with(&self, config: &ProviderConfig) -> ProviderResult<Box<dyn Provider>> {
        Ok(Box::new(DigitalOceanProvider::connect(config)?))
    }

    fn describe(&self) -> ProviderDescription {
        let mut description = ProviderDescription::new(self.provider_type());
        description.summary = "DigitalOcean droplets, API v2".to_string();
        description.options = vec![
            OptionDescription::new("token", "API token with the scopes droplet, image, snapshot, ssh_key, tag and actions")
                .required()
                .secret()
                .env(&["DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"]),
            OptionDescription::new("endpoint", "Base URL; https://api.digitalocean.com by default")
                .env(&["DIGITALOCEAN_API_URL"]),
            OptionDescription::new("region", "Region slug where a request names none; the cloud chooses by default"),
            OptionDescription::ca_file(),
        ];
        description.capabilities = Capabilities { ssh_keys: true, max_user_data: map::MAX_USER_DATA, ..Capabilities::default() };
        description
    }
}
