//! DigitalOcean, API v2: the reference provider module. Wire types are in `wire`, conversions and
//! error codes in `convert`, rate limits in `limits`, SSH keys in `lookup`.
//!
//! Facts from the published OpenAPI document and its guides: lists lag creates by seconds, the API
//! never returns a snapshot's id, tags carry no values, and status 422 has many meanings.

mod batch;
mod convert;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod limits;
mod lookup;
mod poll;
mod snapshot_actions;
mod snapshot_key;
mod snapshots;
mod tags;
mod wire;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Display;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::{debug, instrument};

use self::poll::Waiting;
use self::snapshot_key::SnapshotKey;
use self::tags::Worn;
use self::wire::{
    Action, ActionReply, Droplet, DropletReply, Image, List, PER_PAGE, Reference, Size, SshKey,
};
use super::config::{InstanceRequest, OnCancel, ProviderConfig, ProviderTimeouts, ProviderType};
use super::error::ProviderResult;
use super::registry::{Capabilities, OptionDescription, ProviderDescription, ProviderFactory};
use super::shared::defaults::Defaults;
use super::shared::lookup::Lookups;
use super::shared::price_list::Prices;
use super::shared::validate;
use super::{Price, Provider, ProviderInstance, Snapshot, labels};
use crate::clock;
use crate::create::{self, Answer, Cancel, Create, CreateKey, Dedup, Looking, Lookup, Origin};
use crate::http::{Call, Deadline, Endpoint, Errand, HttpClient, Reply, numbered_pages};
use crate::wait::{Observation, RecentCreates, Subject, Wait};

const NAME: &str = "digitalocean";
const ENDPOINT: &str = "https://api.digitalocean.com";
/// `/v2/account/keys` allows ten reads a minute: names are looked up in a copy at most this old.
const KEYS_FRESH: Duration = Duration::from_secs(60);
/// How far this computer's clock may run ahead of the API's. Too large a value costs a wait; too
/// small a value may create a second droplet.
const SKEW: Duration = Duration::from_secs(600);
/// How far the API's timestamps of an action and of its image may be out of order.
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
///
/// Cloning it is cheap and shares its connections.
///
/// Labels are stored as tags, which outlive their droplets. A destroy deletes the create's tag if
/// this provider has seen it and no other droplet carries it. At most once an hour, it also deletes
/// the ends of leases that expired more than a day ago. The tags of
/// [`idempotency_key`](InstanceRequest::idempotency_key)s, owners and custom labels stay in the
/// account.
#[derive(Clone)]
pub struct DigitalOceanProvider {
    http: Arc<HttpClient>,
    /// The hint is the id of the create action, the only source of the reason for a failure.
    recent: RecentCreates<Option<u64>>,
    keys: Arc<Lookups<(), Arc<Vec<SshKey>>>>,
    prices: Arc<Prices>,
    worn: Arc<Worn>,
    defaults: Defaults,
}

impl DigitalOceanProvider {
    /// Creates a provider for `https://api.digitalocean.com`.
    ///
    /// # Errors
    /// [`InvalidConfig`](crate::ProviderError::InvalidConfig) when the token is empty or malformed.
    /// Sends no request.
    pub fn new(token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Self> {
        Self::with_config(token, ENDPOINT, timeouts)
    }

    /// Creates a provider for another base URL, with or without a trailing `/v2`.
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
        let endpoint =
            Endpoint::parse(config.endpoint.as_deref().unwrap_or(ENDPOINT))?.without_suffix("/v2");
        let http =
            HttpClient::with_bearer(NAME, endpoint, convert::refusal, limits::rate_cost, config)?;
        Ok(Self {
            recent: RecentCreates::of(&http),
            http: Arc::new(http),
            keys: Arc::new(Lookups::new(KEYS_FRESH)),
            prices: Arc::default(),
            worn: Arc::default(),
            defaults: Defaults::new(config)?,
        })
    }

    async fn list<T: DeserializeOwned, K: Hash + Eq>(
        &self,
        call: Call<'_>,
        key: impl Fn(&T) -> K,
    ) -> ProviderResult<Vec<T>> {
        numbered_pages::<List<T>, K>(&self.http, call.query("per_page", PER_PAGE.to_string()), key)
            .await
    }

    async fn droplets(
        &self,
        operation: &'static str,
        filter: (&'static str, &str),
    ) -> ProviderResult<Vec<Droplet>> {
        self.droplets_within(&self.http.errand(), operation, filter).await
    }

    async fn droplets_within(
        &self,
        errand: &Errand,
        operation: &'static str,
        filter: (&'static str, &str),
    ) -> ProviderResult<Vec<Droplet>> {
        let call = Call::get(operation, "/v2/droplets").query(filter.0, filter.1).within(errand);
        self.list(call, |droplet: &Droplet| droplet.id).await
    }

    async fn make(
        &self,
        request: &InstanceRequest,
        create_key: &CreateKey,
        cancel: &Cancel,
    ) -> ProviderResult<ProviderInstance> {
        let looked = Instant::now();
        let body = convert::create_droplet(request, self.ssh_keys(&request.ssh_keys).await?)?;
        let call = Looking::new(
            self,
            create_key,
            Call::once("create_instance", "/v2/droplets").json(&body)?,
            looked,
        );
        let deadline = Deadline::after(self.http.timeouts().instance_ready);
        let create =
            Create { call, create_key, dedup: <Self as create::Room>::DEDUP, deadline, cancel };
        let read = |answer: &Answer| {
            let reply = match answer {
                Answer::Reply(reply) => reply,
                Answer::Found(found) => return Ok((found.clone().adopted_if(true), None)),
            };
            let created: DropletReply = reply.json()?;
            let action = created
                .links
                .actions
                .iter()
                .find(|action| action.rel == "create")
                .map(|action| action.id);
            let made = convert::instance(created.droplet);
            create_key.check_answer(reply, &made)?;
            Ok((made, action))
        };
        let sent = clock::utc();
        let look = || async move {
            let named = self.named(request).await?;
            let (mut unsure, mut others) = (Vec::new(), None);
            for made in named {
                match create_key.matches(&made.labels, &made.id) {
                    Ok(true) if create_key.has_made(Origin::Recovered, &made.labels) => {
                        return Ok(Lookup::Found((made, None)));
                    }
                    Ok(true) => others = others.or(Some(Ok((made, None)))),
                    Ok(false) if may_be_new(&made, sent) => unsure.push(made.id),
                    Ok(false) => {}
                    Err(error) => others = others.or(Some(Err(error))),
                }
            }
            Ok(match others {
                _ if !unsure.is_empty() => Lookup::Ambiguous(unsure),
                Some(others) => Lookup::Others(others),
                None => Lookup::Nothing,
            })
        };
        let ((instance, action), origin) = create.make_or_find(read, look).await?;
        self.recent.add(&instance.id, action);
        self.worn.note(&instance.id, &request.labels);
        let is_own = !instance.adopted && create_key.has_made(origin, &instance.labels);
        Ok(instance.adopted_if(!is_own))
    }

    /// Returns the droplets with the request's name. GPU droplets are in a list of their own.
    async fn named(&self, request: &InstanceRequest) -> ProviderResult<Vec<ProviderInstance>> {
        let filter = if request.size.starts_with("gpu-") {
            ("type", "gpus")
        } else {
            ("name", request.name.as_str())
        };
        let named = self.droplets("create_instance", filter).await?.into_iter();
        Ok(named
            .filter(|droplet| droplet.name.eq_ignore_ascii_case(&request.name))
            .map(convert::instance)
            .collect())
    }

    /// Returns the oldest droplet with this key hash and, if given, this name.
    async fn tagged(
        &self,
        errand: &Errand,
        key_hash: &str,
        name: Option<&str>,
    ) -> ProviderResult<Option<ProviderInstance>> {
        let tag = convert::tag(labels::CREATE_KEY, key_hash);
        let tagged = self.droplets_within(errand, "create_instance", ("tag_name", &tag));
        let gpus = self.droplets_within(errand, "create_instance", ("type", "gpus"));
        let (tagged, gpus) = tokio::try_join!(tagged, gpus)?;
        let is_named =
            |made: &ProviderInstance| name.is_none_or(|name| made.name.eq_ignore_ascii_case(name));
        let made = tagged.into_iter().chain(gpus).map(convert::instance).filter(is_named);
        Ok(ProviderInstance::oldest(made.filter(|made| {
            made.labels.get(labels::CREATE_KEY).is_some_and(|value| value == key_hash)
        })))
    }

    async fn managed_images(&self, operation: &'static str) -> ProviderResult<Vec<Image>> {
        let call = Call::get(operation, "/v2/images").query("tag_name", convert::MANAGED_TAG);
        self.list(call, |image: &Image| image.id.clone()).await
    }

    async fn account_keys(&self) -> ProviderResult<Vec<SshKey>> {
        self.list(Call::get("get_ssh_keys", "/v2/account/keys"), |key: &SshKey| key.id).await
    }

    /// Resolves the keys from the account's list. If the list is refused and every entry may be an
    /// id or a fingerprint, sends the entries unchanged.
    async fn ssh_keys(&self, asked: &[String]) -> ProviderResult<Vec<Reference>> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let look = async {
            let call = Call::get("create_instance", "/v2/account/keys").optional();
            self.list(call, |key: &SshKey| key.id).await.map(Arc::new)
        };
        let known = match self.keys.or_look((), look).await {
            Err(error)
                if !error.is_retryable() && !asked.iter().any(|key| lookup::is_name(key)) =>
            {
                debug!(%error, "the keys cannot be read: ids and fingerprints go as they are");
                return Ok(asked.iter().map(|key| Reference::parse(key)).collect());
            }
            read => read?,
        };
        lookup::chosen(&known, asked)
    }

    async fn action(&self, id: impl Display) -> ProviderResult<Action> {
        let reply: ActionReply =
            self.http.json(&Call::get("action", format!("/v2/actions/{id}"))).await?;
        Ok(reply.action)
    }

    /// Returns an error if the create action, known for droplets of this process, has failed.
    async fn failed_create(&self, droplet: &Subject<Option<u64>>) -> ProviderResult<()> {
        let Some(action) = droplet.hint else { return Ok(()) };
        match self.action(action).await {
            Ok(action) if action.status == "errored" => Err(validate::failed(
                NAME,
                &droplet.id,
                "errored",
                "the create action ended in an error",
            )),
            // A failure of this extra check is not a failure of the droplet.
            _ => Ok(()),
        }
    }
}

/// Whether a droplet with the right name may result from this request. Tags may appear after the
/// droplet; until then only its age is known, if it can be read.
fn may_be_new(made: &ProviderInstance, sent: DateTime<Utc>) -> bool {
    !made.labels.contains_key(labels::CREATE_KEY)
        && made.known_created_at().is_none_or(|created| created + SKEW >= sent)
}

impl create::Room for DigitalOceanProvider {
    const DEDUP: Dedup = Dedup::LookupFirst;

    fn http(&self) -> &HttpClient {
        &self.http
    }

    fn is_ending(&self, machine: &ProviderInstance) -> bool {
        self.recent.has_ended(&machine.id)
    }

    async fn found_under(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        Ok(self.found_lately(key).await?.0)
    }

    async fn found_lately(&self, key: &str) -> ProviderResult<(Option<ProviderInstance>, Instant)> {
        let errand = self.http.errand();
        let mut made = self.tagged(&errand, &create::hash_of_key(key), None).await?;
        if let (None, Some((batch, name))) = (&made, create::part_of_key(key)) {
            made = self.tagged(&errand, &create::hash_of_key(batch), Some(name)).await?;
            // An instance made under a caller's own key is not part of a batch.
            made = made.filter(|made| !made.labels.contains_key(labels::REQUEST_DIGEST));
        }
        Ok((made, errand.as_of()))
    }
}

#[async_trait]
impl Provider for DigitalOceanProvider {
    fn name(&self) -> &str {
        NAME
    }

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

    fn max_batch_size(&self, request: &InstanceRequest) -> usize {
        Self::batch_size(request)
    }

    #[instrument(skip_all, fields(provider = NAME, machines = requests.len()))]
    async fn create_batch(&self, requests: &[InstanceRequest]) -> ProviderResult<create::Batch> {
        let (create_key, requests) = self.defaults.tagged_batch("", requests)?;
        requests.iter().try_for_each(convert::check_request)?;
        let on_cancel = requests.first().map_or(OnCancel::Destroy, InstanceRequest::cancellation);
        let parts = requests.iter().map(|request| request.name.clone()).collect();
        let making = create_key.clone();
        let work =
            |room: Self, cancel| async move { room.make_batch(&requests, &making, &cancel).await };
        create::instances(self, &create_key, parts, on_cancel, work).await
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        let _ending = create::Ending::begin(NAME, id);
        let path = format!("/v2/droplets/{}", validate::numeric_id(NAME, "id", id)?);
        let timeouts = self.http.timeouts();
        let wait =
            Wait::new("destroy_instance", ("instance", id), timeouts.action_complete, timeouts);
        // Another client may have just created a droplet that is not visible yet.
        let settled = self.recent.endable_until(id, timeouts.action_complete);
        let was_there =
            wait.absent_until(Some(settled)).delete(&self.http, &path, Reply::no_content).await?;
        self.recent.end(id);
        self.http.shared::<create::Keys>().forget(id);
        self.tidy_after(id, was_there).await;
        Ok(())
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        let path = format!("/v2/droplets/{}", validate::numeric_id(NAME, "id", id)?);
        let errand = &self.http.errand();
        let call = &Call::get("get_instance", path).about("instance", id).within(errand);
        let read = || async move {
            Ok(convert::instance(self.http.json::<DropletReply>(call).await?.droplet))
        };
        self.recent.read(("get_instance", id), (&self.http, errand), read).await
    }

    /// A plain list omits GPU droplets, and the API cannot filter them by tag.
    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        let errand = self.http.errand();
        let (tagged, gpus) = tokio::try_join!(
            self.droplets_within(&errand, "list_instances", ("tag_name", convert::MANAGED_TAG)),
            self.droplets_within(&errand, "list_instances", ("type", "gpus"))
        )?;
        let mut seen = HashSet::new();
        let mut instances: Vec<_> = tagged
            .into_iter()
            .chain(gpus)
            .filter(|droplet| seen.insert(droplet.id))
            .map(convert::instance)
            .collect();
        instances.retain(ProviderInstance::is_managed);
        self.worn.note_all(&instances);
        Ok(instances)
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        validate::numeric_id(NAME, "id", id)?;
        let timeouts = self.http.timeouts();
        let wait = Wait::new("wait_ready", ("instance", id), timeouts.instance_ready, timeouts);
        let waiting = self.http.shared::<Waiting>();
        let action = self.recent.note(id).flatten();
        let wait = wait.absent_until(self.recent.settles_at(id)).unseen_for(self.recent.unseen(id));
        wait.together(self, &waiting.droplets, action).await
    }

    /// The snapshot is crash-consistent: the droplet keeps running.
    ///
    /// The API accepts tags only once the snapshot is complete, which may take an hour. Until then
    /// a background task follows it, even if the caller has dropped the future or received
    /// [`UnknownOutcome`](crate::ProviderError::UnknownOutcome) at its deadline;
    /// [`settled`](crate::settled) waits for that task. If the process ends earlier, the snapshot
    /// stays untagged: [`list_snapshots`](Self::list_snapshots) and [`reap`](crate::lease::reap) do
    /// not see it until [`resolve_snapshot`](Self::resolve_snapshot) finds it by the error's key
    /// and tags it. Without that key, only the API's own list shows it, by its name.
    #[instrument(skip_all, fields(provider = NAME, id = instance_id, name))]
    async fn create_snapshot(&self, instance_id: &str, name: &str) -> ProviderResult<Snapshot> {
        let droplet = validate::numeric_id(NAME, "instance_id", instance_id)?;
        validate::required("name", name)?;
        let (room, name) = (self.clone(), name.to_string());
        let about = create::About::new("create_snapshot", NAME, &name);
        let work = |cancel| async move { room.snapshot(droplet, &name, &cancel).await };
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
        let path = format!("/v2/snapshots/{}", validate::numeric_id(NAME, "id", id)?);
        let timeouts = self.http.timeouts();
        let wait =
            Wait::new("delete_snapshot", ("snapshot", id), timeouts.action_complete, timeouts);
        wait.delete(&self.http, &path, Reply::no_content).await.map(drop)
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn resolve(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        create::resolve_keyed(self, key).await
    }

    /// The API cannot store a key on a snapshot. The key instead encodes the droplet, the start
    /// time, the preceding snapshot, the action and the name. Tags the snapshot as spuff's. If it
    /// cannot tell several candidates apart, it tags none.
    #[instrument(skip_all, fields(provider = NAME))]
    async fn resolve_snapshot(&self, key: &str) -> ProviderResult<Option<Snapshot>> {
        let begun = &SnapshotKey::read(key)?;
        let look = || self.begun_snapshot(begun);
        let Some(found) = create::resolve(
            self.http.sight(),
            "create_snapshot",
            key,
            self.http.timeouts().action_complete,
            look,
        )
        .await?
        else {
            return Ok(None);
        };
        self.claim(&found.id).await?;
        Ok(Some(convert::snapshot(found)))
    }

    /// A label is a tag: the new tag is added before the old one is removed. If the process ends in
    /// between, both remain; of two ends of a lease the later holds, so a lease is never shortened.
    /// Removes only tags read before the write, so of two concurrent writers at least one's label
    /// remains.
    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn set_labels(&self, id: &str, labels: &HashMap<String, String>) -> ProviderResult<()> {
        let path = format!("/v2/droplets/{}", validate::numeric_id(NAME, "id", id)?);
        validate::changed_labels(labels)?;
        let labels_in_order: BTreeMap<_, _> =
            labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let tags = convert::tags(&labels_in_order)?;
        let timeouts = self.http.timeouts();
        let wait = Wait::new("set_labels", ("instance", id), timeouts.action_complete, timeouts);
        let call = &Call::get("set_labels", path).about("instance", id);
        let read =
            || async move { Observation::of_answer(self.http.json::<DropletReply>(call).await) };
        let before = wait.absent_until(self.recent.settles_at(id)).until(read).await?.droplet.tags;
        let errand = self.http.errand();
        self.tag(("set_labels", &errand), (id, "droplet"), &tags).await?;
        let is_old = |tag: &&String| {
            convert::label(tag)
                .is_some_and(|(key, value)| labels.get(&key).is_some_and(|new| *new != value))
        };
        self.worn.note(id, labels);
        self.untag(&errand, id, before.iter().filter(is_old)).await
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn get_ssh_keys(&self) -> ProviderResult<Vec<String>> {
        let keys = self.account_keys().await?;
        let ids = keys.iter().map(|key| key.id.to_string()).collect();
        self.keys.insert((), Arc::new(keys));
        Ok(ids)
    }

    #[instrument(skip_all, fields(provider = NAME, region, size))]
    async fn hourly_price(&self, region: &str, size: &str) -> ProviderResult<Price> {
        validate::required("size", size)?;
        let read = || async {
            let sizes = self
                .list(Call::get("hourly_price", "/v2/sizes"), |size: &Size| size.slug.clone())
                .await?;
            Ok(convert::prices(sizes))
        };
        self.prices.find(region, size, read).await
    }
}

/// Creates [`DigitalOceanProvider`]s.
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
            OptionDescription::new(
                "token",
                "API token with the scopes droplet, image, snapshot, ssh_key, tag and actions",
            )
            .required()
            .secret()
            .env(&["DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"]),
            OptionDescription::new("endpoint", "Base URL; https://api.digitalocean.com by default")
                .env(&["DIGITALOCEAN_API_URL"]),
            OptionDescription::new(
                "region",
                "Region slug where a request names none; the cloud chooses by default",
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
