//! Hetzner Cloud, API v1. Verbs only; wire types are in `api`, look-ups in `catalog`, conversions in `map` and `refusal`.
//!
//! Facts from the published API description and the official clients: a server is named by its number, its name is unique
//! in the project, work goes on in actions after a call has been answered, and an image name needs an architecture.

mod api;
mod catalog;
mod map;
mod refusal;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use tracing::instrument;

use self::api::{
    ACTIONS_PER_CALL, Action, CreateImageReply, CreateServerReply, Image, ImageReply, List, PER_PAGE, Server, ServerReply, SshKey,
};
use self::catalog::Catalog;
use self::map::Progress;
use super::config::{InstanceRequest, ProviderConfig, ProviderTimeouts, ProviderType};
use super::error::{ProviderError, ProviderResult};
use super::registry::{Capabilities, OptionDescription, ProviderDescription, ProviderFactory};
use super::{Provider, ProviderInstance, Snapshot, check};
use crate::create::{self, send_once};
use crate::http::{Call, Deadline, Endpoint, HttpClient, numbered_pages};
use crate::wait::{Look, Recent, Wait};

const NAME: &str = "hetzner";
const ENDPOINT: &str = "https://api.hetzner.cloud/v1";

/// Hetzner Cloud servers.
///
/// # Examples
/// ```
/// use spuff_core::provider::{HetznerProvider, Provider, ProviderTimeouts};
///
/// let provider = HetznerProvider::new("an-example-token", ProviderTimeouts::default()).unwrap();
/// assert_eq!(provider.name(), "hetzner");
/// ```
pub struct HetznerProvider {
    http: HttpClient,
    /// With the ids of the create's actions, which alone know when a server is ready and why it failed.
    recent: Recent<Vec<u64>>,
    catalog: Catalog,
    region: String,
}

impl HetznerProvider {
    /// A provider at `https://api.hetzner.cloud/v1`.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when the token is empty or cannot be one. Nothing is sent.
    pub fn new(token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Self> {
        Self::with_config(token, ENDPOINT, timeouts)
    }

    /// A provider at another base URL, which holds the version: `/servers` and the like are put right behind it.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when `base_url` is no `https` URL (or `http` on loopback).
    pub fn with_config(token: &str, base_url: &str, timeouts: ProviderTimeouts) -> ProviderResult<Self> {
        Self::connect(&ProviderConfig::new(token).with_endpoint(base_url).with_timeouts(timeouts))
    }

    fn connect(config: &ProviderConfig) -> ProviderResult<Self> {
        check::no_options(config)?;
        let endpoint = Endpoint::parse(config.endpoint.as_deref().unwrap_or(ENDPOINT))?;
        Ok(Self {
            http: HttpClient::with_bearer(NAME, endpoint, refusal::refusal, config)?,
            recent: Recent::new(),
            catalog: Catalog::default(),
            region: config.region.clone().unwrap_or_default(),
        })
    }

    async fn list<T: DeserializeOwned>(&self, call: Call<'_>, id: impl Fn(&T) -> u64) -> ProviderResult<Vec<T>> {
        numbered_pages::<List<T>, u64>(&self.http, call.query("per_page", PER_PAGE), id).await
    }

    /// Actions by id; those that the cloud does not show any more are left out.
    async fn actions(&self, operation: &'static str, ids: &[u64]) -> ProviderResult<Vec<Action>> {
        let mut actions = Vec::with_capacity(ids.len());
        for some in ids.chunks(ACTIONS_PER_CALL) {
            let call = some.iter().fold(Call::get(operation, "/actions"), |call, id| call.query("id", id.to_string()));
            let page = check::absent_is_none(self.http.json::<List<Action>>(&call).await)?;
            actions.extend(page.into_iter().flat_map(|page| page.items));
        }
        Ok(actions)
    }

    /// A look at a server, corrected by the actions of its create where this process has made it, and by its lock where
    /// it has not: a server has its address and may be `running` before it is finished.
    async fn look(&self, read: ProviderResult<Server>, id: &str) -> ProviderResult<Look<ProviderInstance>> {
        let locked = read.as_ref().is_ok_and(|server| server.locked);
        let look = Look::of_instance(read.map(map::instance), NAME)?;
        let ids = self.recent.note(id).unwrap_or_default();
        let actions = match self.actions("wait_ready", &ids).await {
            Ok(actions) => actions,
            Err(error) => return Look::past(error),
        };
        match (map::progress(&ids, &actions), look) {
            (Progress::Failed(action), _) => Err(refusal::failed(id, action, "")),
            (Progress::Running(action), Look::Done(_)) => Ok(Look::Pending(format!("active, {} goes on", action.command))),
            (Progress::Unknown, Look::Done(_)) if locked => Ok(Look::Pending("active, still locked".to_string())),
            (_, look) => Ok(look),
        }
    }

    /// Takes away what a failed snapshot has left; says so when that fails too.
    async fn remove_failed(&self, id: &str) -> String {
        let call = Call::delete("create_snapshot", format!("/images/{id}")).about("snapshot", id);
        match check::absent_is_none(self.http.send(&call).await.map_err(ProviderError::from)) {
            Ok(_) => String::new(),
            Err(error) => format!("; snapshot {id} is left over and may be paid for, as it could not be deleted: {error}"),
        }
    }
}

#[async_trait]
impl Provider for HetznerProvider {
    fn name(&self) -> &str {
        NAME
    }

    /// An unreadable reply is never shown: it may hold a root password.
    #[instrument(skip_all, fields(provider = NAME, name = request.name))]
    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        let request = &check::with_region(request, &self.region);
        map::check_request(request)?;
        let key = create::key_of(request)?;
        let image = self.catalog.image(&self.http, request).await?;
        let ssh_keys = self.catalog.ssh_keys(&self.http, request).await?;
        let call = Call::once("create_instance", "/servers").json(&map::create_server(request, image, ssh_keys)?)?;
        let where_to_look = format!("look for a server named {:?}", request.name);
        let created = send_once::<CreateServerReply>(&self.http, &call, &key, &where_to_look, |reply| reply.json()).await;
        if let Err(ProviderError::InvalidConfig { .. } | ProviderError::NotFound { .. }) = created {
            self.catalog.forget().await;
        }
        let created = created?;
        let actions = created.action.into_iter().chain(created.next_actions).map(|action| action.id).collect();
        let instance = map::instance(created.server);
        self.recent.add(&instance.id, actions);
        Ok(instance)
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        let path = format!("/servers/{}", check::numeric_id(NAME, "id", id)?);
        let timeouts = self.http.timeouts();
        let wait = Wait::new("destroy_instance", ("instance", id), timeouts.action_complete, timeouts);
        wait.absent_until(self.recent.settles_at(id)).delete(&self.http, &path).await?;
        self.recent.remove(id);
        Ok(())
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        let path = format!("/servers/{}", check::numeric_id(NAME, "id", id)?);
        let reply = self.http.json::<ServerReply>(&Call::get("get_instance", path).about("instance", id)).await;
        check::absent_is_none(reply.map(|reply| map::instance(reply.server)))
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        let call = Call::get("list_instances", "/servers").query("label_selector", map::MANAGED_SELECTOR);
        let servers = self.list(call, |server: &Server| server.id).await?;
        let mut instances: Vec<_> = servers.into_iter().map(map::instance).collect();
        instances.retain(ProviderInstance::is_managed);
        Ok(instances)
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        let path = &format!("/servers/{}", check::numeric_id(NAME, "id", id)?);
        let timeouts = self.http.timeouts();
        let wait = Wait::new("wait_ready", ("instance", id), timeouts.instance_ready, timeouts);
        let ready = wait.absent_until(self.recent.settles_at(id)).until(|| async move {
            let call = Call::get("wait_ready", path).about("instance", id);
            let read = self.http.json::<ServerReply>(&call).await.map(|reply| reply.server);
            self.look(read, id).await
        });
        ready.await
    }

    /// The snapshot is crash-consistent: the server keeps running. Volumes are not part of it.
    #[instrument(skip_all, fields(provider = NAME, id = instance_id, name))]
    async fn create_snapshot(&self, instance_id: &str, name: &str) -> ProviderResult<Snapshot> {
        let server = check::numeric_id(NAME, "instance_id", instance_id)?;
        check::required("name", name)?;
        let timeouts = self.http.timeouts();
        let deadline = Deadline::after(timeouts.action_complete);
        let call = Call::once("create_snapshot", format!("/servers/{server}/actions/create_image"))
            .about("instance", instance_id)
            .json(&map::create_image(name))?;
        let where_to_look = format!("look for a snapshot of server {server} with the description {name:?}");
        let started: CreateImageReply =
            send_once(&self.http, &call, &create::random_key()?, &where_to_look, |reply| reply.json()).await?;

        let (id, action) = (&started.image.id.to_string(), started.action.id);
        let wait = || Wait::new("create_snapshot", ("snapshot", id), deadline.remaining(), timeouts);
        let failed = wait().until(|| async move {
            let actions = match self.actions("create_snapshot", &[action]).await {
                Ok(actions) => actions,
                Err(error) => return Look::past(error),
            };
            Ok(match map::progress(&[action], &actions) {
                Progress::Failed(action) => Look::Done(Some(action.clone())),
                Progress::Running(action) => Look::Pending(format!("{} goes on", action.command)),
                Progress::Success | Progress::Unknown => Look::Done(None),
            })
        });
        if let Some(action) = failed.await? {
            return Err(refusal::failed(instance_id, &action, &self.remove_failed(id).await));
        }

        let path = &format!("/images/{id}");
        let available = wait().until(|| async move {
            let call = Call::get("create_snapshot", path).about("snapshot", id);
            let read = self.http.json::<ImageReply>(&call).await.map(|reply| reply.image);
            Look::of_state(read, |image| &image.status, "available")
        });
        Ok(map::snapshot(available.await?))
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        let call =
            Call::get("list_snapshots", "/images").query("type", "snapshot").query("label_selector", map::MANAGED_SELECTOR);
        let images = self.list(call, |image: &Image| image.id).await?;
        Ok(images.into_iter().filter(map::is_managed_snapshot).map(map::snapshot).collect())
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn delete_snapshot(&self, id: &str) -> ProviderResult<()> {
        let path = format!("/images/{}", check::numeric_id(NAME, "id", id)?);
        let timeouts = self.http.timeouts();
        let wait = Wait::new("delete_snapshot", ("snapshot", id), timeouts.action_complete, timeouts);
        wait.delete(&self.http, &path).await
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn get_ssh_keys(&self) -> ProviderResult<Vec<String>> {
        let keys = self.list(Call::get("get_ssh_keys", "/ssh_keys"), |key: &SshKey| key.id).await?;
        Ok(keys.into_iter().map(|key| key.id.to_string()).collect())
    }
}

/// Makes [`HetznerProvider`]s.
#[derive(Debug, Clone, Copy, Default)]
pub struct HetznerFactory;

impl ProviderFactory for HetznerFactory {
    fn provider_type(&self) -> ProviderType {
        ProviderType::Hetzner
    }

    fn create(&self, token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Box<dyn Provider>> {
        self.create_with(&ProviderConfig::new(token).with_timeouts(timeouts))
    }

    fn create_with(&self, config: &ProviderConfig) -> ProviderResult<Box<dyn Provider>> {
        Ok(Box::new(HetznerProvider::connect(config)?))
    }

    fn describe(&self) -> ProviderDescription {
        let mut description = ProviderDescription::new(self.provider_type());
        description.summary = "Hetzner Cloud servers, API v1".to_string();
        description.options = vec![
            OptionDescription::new("token", "API token of one project, with read and write permission")
                .required()
                .secret()
                .env(&["HETZNER_TOKEN", "HCLOUD_TOKEN"]),
            OptionDescription::new("endpoint", "Base URL with its version; https://api.hetzner.cloud/v1 by default")
                .env(&["HCLOUD_ENDPOINT"]),
            OptionDescription::new("region", "Location where a request names none; the cloud chooses by default"),
            OptionDescription::ca_file(),
        ];
        description.capabilities = Capabilities { ssh_keys: true, max_user_data: map::MAX_USER_DATA, ..Capabilities::default() };
        description
    }
}
