//! Hetzner Cloud, API v1. Wire types are in `wire`, look-ups in `lookup`, conversions in `convert`,
//! error codes in `errors`, rate limits in `limits`.
//!
//! Facts from the published API description and the official clients: a server is identified by its
//! number, its name is unique in the project, actions continue after a call has been answered, and
//! an image name needs an architecture.

mod convert;
mod errors;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod limits;
mod lookup;
mod poll;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::instrument;

use self::convert::Progress;
use self::lookup::{Catalog, Reader};
use self::poll::{OfActions, OfImages, Waiting};
use self::wire::{
    ACTIONS_PER_CALL, Action, ActionReply, CreateImageReply, CreateServerReply, Image, Labelled,
    LabelsReply, List, PER_PAGE, PricingReply, Server, ServerReply, SetLabels, SshKey,
};
use super::config::{InstanceRequest, ProviderConfig, ProviderTimeouts, ProviderType};
use super::error::{ProviderError, ProviderResult};
use super::registry::{Capabilities, OptionDescription, ProviderDescription, ProviderFactory};
use super::shared::defaults::Defaults;
use super::shared::price_list::Prices;
use super::shared::validate;
use super::{Price, Provider, ProviderInstance, Snapshot, labels};
use crate::create::{self, Cancel, Create, CreateKey, Dedup, Lookup};
use crate::http::{Call, Class, Deadline, Endpoint, Failure, HttpClient, Reply, numbered_pages};
use crate::wait::{Observation, RecentCreates, Wait};

const NAME: &str = "hetzner";
const ENDPOINT: &str = "https://api.hetzner.cloud/v1";

/// The maximum number of label writes while other clients write labels too.
const LABEL_WRITES: usize = 5;
/// How long labels that were read count as current.
const LABELS_FRESH: Duration = Duration::from_secs(1);

/// Serializes the label writes of an account, by the server's number.
#[derive(Default)]
struct Writing([tokio::sync::Mutex<()>; 32]);

impl Writing {
    async fn turn(&self, server: u64) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let some = usize::try_from(server % self.0.len() as u64).ok()?;
        Some(self.0.get(some)?.lock().await)
    }
}

/// Hetzner Cloud servers.
///
/// # Examples
/// ```
/// use spuff_core::provider::{HetznerProvider, Provider, ProviderTimeouts};
///
/// let provider = HetznerProvider::new("an-example-token", ProviderTimeouts::default()).unwrap();
/// assert_eq!(provider.name(), "hetzner");
/// ```
///
/// Cloning it is cheap and shares its connections.
#[derive(Clone)]
pub struct HetznerProvider {
    http: Arc<HttpClient>,
    /// The hint is the ids of the create's actions, the only source of readiness and of the reason
    /// for a failure.
    recent: RecentCreates<Vec<u64>>,
    /// Recently made snapshots.
    taken: RecentCreates<()>,
    catalog: Arc<Catalog>,
    prices: Arc<Prices>,
    defaults: Defaults,
}

impl HetznerProvider {
    /// Creates a provider for `https://api.hetzner.cloud/v1`.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when the token is empty or malformed. Sends no request.
    pub fn new(token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Self> {
        Self::with_config(token, ENDPOINT, timeouts)
    }

    /// Creates a provider for another base URL, which includes the version: paths such as
    /// `/servers` are appended to it.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when `base_url` is no `https` URL (or `http` on loopback).
    pub fn with_config(
        token: &str,
        base_url: &str,
        timeouts: ProviderTimeouts,
    ) -> ProviderResult<Self> {
        Self::connect(&ProviderConfig::new(token).with_endpoint(base_url).with_timeouts(timeouts))
    }

    fn connect(config: &ProviderConfig) -> ProviderResult<Self> {
        validate::known_options(config, &[&Defaults::CLOUD])?;
        let endpoint = Endpoint::parse(config.endpoint.as_deref().unwrap_or(ENDPOINT))?;
        let http =
            HttpClient::with_bearer(NAME, endpoint, errors::refusal, limits::rate_cost, config)?;
        Ok(Self {
            recent: RecentCreates::of(&http),
            taken: RecentCreates::of(&http),
            http: Arc::new(http),
            catalog: Arc::default(),
            prices: Arc::default(),
            defaults: Defaults::new(config)?,
        })
    }

    async fn list<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
        id: impl Fn(&T) -> u64,
    ) -> ProviderResult<Vec<T>> {
        numbered_pages::<List<T>, u64>(&self.http, call.query("per_page", PER_PAGE.to_string()), id)
            .await
    }

    /// Returns all labels of a server: a write replaces the whole set.
    async fn labels_of(&self, id: &str) -> ProviderResult<HashMap<String, String>> {
        let number = validate::numeric_id(NAME, "id", id)?;
        let errand = &self.http.errand();
        let call = Call::get("set_labels", format!("/servers/{number}"))
            .about("instance", id)
            .within(errand);
        let read = |reply: &Reply| {
            let Labelled { id, labels } = reply.json::<LabelsReply>()?.server;
            if id == number { Ok(labels) } else { Err(reply.unreadable("is about another server")) }
        };
        let found = self
            .recent
            .read(("set_labels", id), (&self.http, errand), || self.http.read(&call, read))
            .await?;
        found.ok_or_else(|| ProviderError::not_found("instance", id))
    }

    /// Returns actions by id. Omits those that the API no longer shows.
    async fn actions(&self, operation: &'static str, ids: &[u64]) -> ProviderResult<Vec<Action>> {
        let mut actions = Vec::with_capacity(ids.len());
        for some in ids.chunks(ACTIONS_PER_CALL) {
            let call = some.iter().fold(Call::get(operation, "/actions"), |call, id| {
                call.query("id", id.to_string())
            });
            let page = validate::absent_is_none(self.http.json::<List<Action>>(&call).await)?;
            actions.extend(page.into_iter().flat_map(|page| page.items));
        }
        Ok(actions)
    }

    /// Returns an observation of a server, corrected by its create actions if this process made it,
    /// otherwise by its lock: a server has its address and may be `running` before it is ready.
    async fn look(
        &self,
        read: ProviderResult<Server>,
        id: &str,
        ids: &[u64],
    ) -> ProviderResult<Observation<ProviderInstance>> {
        let locked = read.as_ref().is_ok_and(|server| server.locked);
        let look = Observation::of_instance(read.map(convert::instance), NAME)?;
        let actions = match self.actions("wait_ready", ids).await {
            Ok(actions) => actions,
            Err(error) => return Observation::unread(error),
        };
        match (convert::progress(ids, &actions), look) {
            (Progress::Failed(action), _) => {
                Err(self.http.discreet(errors::failed(id, action, "")))
            }
            (Progress::Running(action), Observation::Done(_)) => {
                Ok(Observation::Pending(format!("active, {} goes on", action.command)))
            }
            (Progress::Unknown, Observation::Done(_)) if locked => {
                Ok(Observation::Pending("active, still locked".to_string()))
            }
            (_, look) => Ok(look),
        }
    }

    async fn make(
        &self,
        request: &InstanceRequest,
        create_key: &CreateKey,
        cancel: &Cancel,
    ) -> ProviderResult<ProviderInstance> {
        let reader = Reader { http: &self.http, errand: &self.http.errand() };
        let image = self.catalog.image(&reader, request).await?;
        let ssh_keys = self.catalog.ssh_keys(&reader, request).await?;
        let call = Call::once("create_instance", "/servers")
            .json(&convert::create_server(request, image, ssh_keys)?)?;
        let dedup = <Self as create::Room>::DEDUP;
        let deadline = Deadline::after(self.http.timeouts().instance_ready);
        let create = Create { call: (&*self.http, call), create_key, dedup, deadline, cancel };
        let read = |reply: &Reply| {
            let created: CreateServerReply = reply.json()?;
            let actions = created
                .action
                .into_iter()
                .chain(created.next_actions)
                .map(|action| action.id)
                .collect();
            let made = convert::instance(created.server);
            create_key.check_answer(reply, &made)?;
            Ok((made, actions))
        };
        let look = || async {
            // The actions of a server found by look-up are unknown.
            match create_key.found(self.labelled(&create_key.key_hash).await?)? {
                Lookup::Nothing => self.named(&request.name, create_key).await,
                found => Ok(found.map(|made| (made, Vec::new()))),
            }
        };
        let created = create.make_or_find(read, look).await;
        if let Err(ProviderError::InvalidConfig { .. } | ProviderError::NotFound { .. }) = created {
            self.catalog.forget();
        }
        let ((instance, actions), origin) = created?;
        self.recent.add(&instance.id, actions);
        let is_own = create_key.has_made(origin, &instance.labels);
        Ok(instance.adopted_if(!is_own))
    }

    /// Returns the server with the name of a create, which a search by label may not find yet.
    async fn named(
        &self,
        name: &str,
        create_key: &CreateKey,
    ) -> ProviderResult<Lookup<(ProviderInstance, Vec<u64>)>> {
        let call = Call::get("create_instance", "/servers").query("name", name);
        let named =
            self.list(call, |server: &Server| server.id).await?.into_iter().map(convert::instance);
        match named.into_iter().find(|made| made.name == name) {
            Some(made) if create_key.matches(&made.labels, &made.id)? => {
                Ok(Lookup::Found((made, Vec::new())))
            }
            Some(other) if create::is_leaving(self, &other) => Ok(Lookup::Leaving(other.id)),
            Some(_) => Ok(Lookup::Taken),
            None => Ok(Lookup::Nothing),
        }
    }

    async fn labelled(&self, key_hash: &str) -> ProviderResult<Option<ProviderInstance>> {
        let call = Call::get("create_instance", "/servers")
            .query("label_selector", format!("{}=={key_hash}", labels::CREATE_KEY));
        let made =
            self.list(call, |server: &Server| server.id).await?.into_iter().map(convert::instance);
        Ok(ProviderInstance::oldest(made.filter(|made| {
            made.labels.get(labels::CREATE_KEY).is_some_and(|value| value == key_hash)
        })))
    }

    async fn snapshot_made_under(&self, key_hash: &str) -> ProviderResult<Option<Image>> {
        let call = Call::get("create_snapshot", "/images")
            .query("type", "snapshot")
            .query("label_selector", format!("{}=={key_hash}", labels::CREATE_KEY));
        let made = self.list(call, |image: &Image| image.id).await?.into_iter();
        Ok(made.into_iter().find(|image| {
            image.labels.get(labels::CREATE_KEY).is_some_and(|value| value == key_hash)
        }))
    }

    /// Makes a snapshot and waits for it. If the reply was lost and the snapshot found again, its
    /// action is unknown.
    async fn snapshot(
        &self,
        instance_id: &str,
        name: &str,
        cancel: &Cancel,
    ) -> ProviderResult<Snapshot> {
        let timeouts = self.http.timeouts();
        let deadline = Deadline::after(timeouts.action_complete);
        let (create_key, labels) = self.defaults.snapshot("")?;
        let call =
            Call::once("create_snapshot", format!("/servers/{instance_id}/actions/create_image"))
                .about("instance", instance_id)
                .json(&convert::create_image(name, labels))?;
        let create = Create {
            call: (&*self.http, call),
            create_key: &create_key,
            dedup: Dedup::LookupFirst,
            deadline,
            cancel,
        };
        let read = |reply: &Reply| {
            let started: CreateImageReply = reply.json()?;
            Ok((started.image.id, vec![started.action.id]))
        };
        let look = || async {
            let made = self.snapshot_made_under(&create_key.key_hash).await?;
            Ok(Lookup::found(made.map(|image| (image.id, Vec::new()))))
        };
        let (id, actions) = create.run(read, look).await?;

        let (id, waiting) = (&id.to_string(), self.http.shared::<Waiting>());
        self.taken.add(id, ());
        let open = |error| create::still_open("create_snapshot", &create_key.key, id, error);
        for action in actions {
            let wait =
                Wait::new("create_snapshot", ("snapshot", id), deadline.remaining(), timeouts);
            if let Some(action) = wait
                .together(&OfActions(self.clone()), &waiting.actions, action)
                .await
                .map_err(open)?
            {
                let aftermath = self.remove_failed(id).await;
                return Err(self.http.discreet(errors::failed(instance_id, &action, &aftermath)));
            }
        }
        let wait = Wait::new("create_snapshot", ("snapshot", id), deadline.remaining(), timeouts);
        let wait = wait.unseen_for(self.http.settling());
        Ok(convert::snapshot(
            wait.together(&OfImages(self.clone()), &waiting.images, ()).await.map_err(open)?,
        ))
    }

    async fn managed_images(&self, operation: &'static str) -> ProviderResult<Vec<Image>> {
        let call = Call::get(operation, "/images")
            .query("type", "snapshot")
            .query("label_selector", convert::MANAGED_SELECTOR);
        self.list(call, |image: &Image| image.id).await
    }

    /// Deletes the image of a failed snapshot. Returns a note if that fails too.
    async fn remove_failed(&self, id: &str) -> String {
        let call = Call::delete("create_snapshot", format!("/images/{id}")).about("snapshot", id);
        match validate::absent_is_none(
            self.http.told(&call, Reply::no_content).await.map_err(ProviderError::from),
        ) {
            Ok(_) => String::new(),
            Err(error) => format!(
                "; snapshot {id} is left over and may be paid for, as it could not be deleted: \
                 {error}"
            ),
        }
    }
}

/// Checks that the end of a server has begun: the reply holds its action or is empty.
fn has_begun(reply: &Reply) -> ProviderResult<()> {
    reply.no_content().or_else(|_| reply.json::<ActionReply>().map(|begun| drop(begun.action)))
}

impl create::Room for HetznerProvider {
    /// A name is unique in a project.
    const DEDUP: Dedup = Dedup::ByCloud;

    fn http(&self) -> &HttpClient {
        &self.http
    }

    fn is_ending(&self, machine: &ProviderInstance) -> bool {
        self.recent.has_ended(&machine.id) || machine.status.is_ending()
    }

    async fn found_under(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        self.labelled(&create::hash_of_key(key)).await
    }
}

#[async_trait]
impl Provider for HetznerProvider {
    fn name(&self) -> &str {
        NAME
    }

    /// Errors never include an unreadable reply, which may hold a root password.
    #[instrument(skip_all, fields(provider = NAME, name = request.name))]
    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        let (create_key, request) = self.defaults.tagged(request)?;
        convert::check_request(&request)?;
        let on_cancel = request.cancellation();
        let making = create_key.clone();
        let work = |room: Self, cancel| async move {
            let made = room.make(&request, &making, &cancel).await;
            made.map_err(|error| validate::with_given(error, &request))
        };
        create::keyed(self, &create_key, on_cancel, work).await
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        let _ending = create::Ending::begin(NAME, id);
        let path = format!("/servers/{}", validate::numeric_id(NAME, "id", id)?);
        let timeouts = self.http.timeouts();
        let wait =
            Wait::new("destroy_instance", ("instance", id), timeouts.action_complete, timeouts);
        wait.absent_until(self.recent.settles_at(id)).delete(&self.http, &path, has_begun).await?;
        self.recent.end(id);
        self.http.shared::<create::Keys>().forget(id);
        Ok(())
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        let path = format!("/servers/{}", validate::numeric_id(NAME, "id", id)?);
        let errand = &self.http.errand();
        let call = &Call::get("get_instance", path).about("instance", id).within(errand);
        let read = || async move {
            Ok(convert::instance(self.http.json::<ServerReply>(call).await?.server))
        };
        self.recent.read(("get_instance", id), (&self.http, errand), read).await
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        let call = Call::get("list_instances", "/servers")
            .query("label_selector", convert::MANAGED_SELECTOR);
        let servers = self.list(call, |server: &Server| server.id).await?;
        let mut instances: Vec<_> = servers.into_iter().map(convert::instance).collect();
        instances.retain(ProviderInstance::is_managed);
        Ok(instances)
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        validate::numeric_id(NAME, "id", id)?;
        let timeouts = self.http.timeouts();
        let wait = Wait::new("wait_ready", ("instance", id), timeouts.instance_ready, timeouts);
        let waiting = self.http.shared::<Waiting>();
        let actions = self.recent.note(id).unwrap_or_default();
        wait.absent_until(self.recent.settles_at(id))
            .together(self, &waiting.servers, actions)
            .await
    }

    /// The snapshot is crash-consistent: the server keeps running. Volumes are not part of it.
    #[instrument(skip_all, fields(provider = NAME, id = instance_id, name))]
    async fn create_snapshot(&self, instance_id: &str, name: &str) -> ProviderResult<Snapshot> {
        validate::numeric_id(NAME, "instance_id", instance_id)?;
        validate::required("name", name)?;
        let (room, instance_id, name) = (self.clone(), instance_id.to_string(), name.to_string());
        let about = create::About::new("create_snapshot", NAME, &name);
        let work = |cancel| async move { room.snapshot(&instance_id, &name, &cancel).await };
        // Its labels identify the snapshot, so an abandoned create is not lost.
        create::run_to_completion(about, work, |_| async {}).await
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
        let images = self.managed_images("list_snapshots").await?;
        Ok(images
            .into_iter()
            .filter(convert::is_managed_snapshot)
            .map(convert::labelled_snapshot)
            .collect())
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn delete_snapshot(&self, id: &str) -> ProviderResult<()> {
        let path = format!("/images/{}", validate::numeric_id(NAME, "id", id)?);
        let timeouts = self.http.timeouts();
        let wait =
            Wait::new("delete_snapshot", ("snapshot", id), timeouts.action_complete, timeouts);
        wait.absent_until(self.taken.settles_at(id))
            .delete(&self.http, &path, Reply::no_content)
            .await?;
        self.taken.end(id);
        Ok(())
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn resolve(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        create::resolve_keyed(self, key).await
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn resolve_snapshot(&self, key: &str) -> ProviderResult<Option<Snapshot>> {
        let key_hash = create::hash_of_key(key);
        let look = || async {
            Ok(Lookup::found(self.snapshot_made_under(&key_hash).await?.map(convert::snapshot)))
        };
        create::resolve(
            self.http.sight(),
            "create_snapshot",
            key,
            self.http.timeouts().action_complete,
            look,
        )
        .await
    }

    /// The API replaces all labels at once. They are read before the write, to keep the others, and
    /// again afterwards. If another client has overwritten them with older ones, they are written
    /// again.
    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn set_labels(&self, id: &str, labels: &HashMap<String, String>) -> ProviderResult<()> {
        let number = validate::numeric_id(NAME, "id", id)?;
        validate::changed_labels(labels)?;
        labels.iter().try_for_each(|(key, value)| convert::check_label(key, value))?;
        let path = &format!("/servers/{number}");
        let (writing, patience) =
            (self.http.shared::<Writing>(), self.http.timeouts().http_request);
        // After `http_request`, proceeds beside a writer that is stuck.
        let _turn = tokio::time::timeout(patience, writing.turn(number)).await;
        for written in 0..=LABEL_WRITES {
            let (found, read_at) = (self.labels_of(id).await?, Instant::now());
            if labels.iter().all(|(key, value)| found.get(key) == Some(value)) {
                return Ok(());
            }
            if written < LABEL_WRITES {
                let mut all = found.clone();
                all.extend(labels.clone());
                let call = Call::new("set_labels", Class::Idempotent, Method::PUT, path)
                    .about("instance", id);
                // Other clients may have written before a retry or during a wait for the rate
                // limit.
                let is_as_read = || async {
                    if read_at.elapsed() < LABELS_FRESH || self.labels_of(id).await? == found {
                        Ok(())
                    } else {
                        Err(ProviderError::conflict(
                            format!("others have labelled server {id}"),
                            true,
                        ))
                    }
                };
                match self
                    .http
                    .send_checked(&call.json(&SetLabels { labels: &all })?, is_as_read)
                    .await
                {
                    Ok(_) | Err(Failure::NotSent(ProviderError::Conflict { .. })) => {}
                    Err(failure) => return Err(failure.into()),
                }
            }
        }
        let message = format!(
            "other clients changed the labels of server {id} during each of {LABEL_WRITES} writes; \
             try again later"
        );
        Err(ProviderError::conflict(message, true))
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn get_ssh_keys(&self) -> ProviderResult<Vec<String>> {
        let keys = self.list(Call::get("get_ssh_keys", "/ssh_keys"), |key: &SshKey| key.id).await?;
        Ok(keys.into_iter().map(|key| key.id.to_string()).collect())
    }

    #[instrument(skip_all, fields(provider = NAME, region, size))]
    async fn hourly_price(&self, region: &str, size: &str) -> ProviderResult<Price> {
        validate::required("size", size)?;
        let read = || async {
            let reply: PricingReply =
                self.http.json(&Call::get("hourly_price", "/pricing")).await?;
            Ok(convert::prices(reply.pricing))
        };
        self.prices.find(self.defaults.region(region), size, read).await
    }
}

/// Creates [`HetznerProvider`]s.
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
            OptionDescription::new(
                "token",
                "API token of one project, with read and write permission",
            )
            .required()
            .secret()
            .env(&["HETZNER_TOKEN", "HCLOUD_TOKEN"]),
            OptionDescription::new(
                "endpoint",
                "Base URL with its version; https://api.hetzner.cloud/v1 by default",
            )
            .env(&["HCLOUD_ENDPOINT"]),
            OptionDescription::new(
                "region",
                "Location where a request names none; the cloud chooses by default",
            ),
            OptionDescription::ca_file(),
        ];
        description.options.extend(Defaults::describe());
        description.capabilities = Capabilities {
            ssh_keys: true,
            max_user_data: convert::MAX_USER_DATA,
            ..Capabilities::default()
        };
        description
    }
}
