//! DigitalOcean, API v2: the reference room. Wire types are in `wire`, conversions and error codes
//! in `convert`, rate limits in `limits`, SSH keys in `lookup`.
//!
//! Facts from the published OpenAPI document and its guides: lists lag creates by seconds, a
//! snapshot's id is never returned, tags carry no values, and 422 stands for many things.

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
/// `/v2/account/keys` may be read ten times a minute: names are looked up in a copy this fresh.
const KEYS_FRESH: Duration = Duration::from_secs(60);
/// By how much this machine's clock may be ahead of the cloud's. To doubt too much costs a wait,
/// too little a droplet.
const SKEW: Duration = Duration::from_secs(600);
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
///
/// Cloning it is cheap and shares its connections.
///
/// Labels are tags, which outlive the droplets that they were on. A destroy deletes the tag of the
/// create where that was seen here and is carried by no other droplet, and now and then the ends of
/// leases that were over a day ago; the tags of
/// [`idempotency_key`](InstanceRequest::idempotency_key)s, owners and labels of one's own stay in
/// the account.
#[derive(Clone)]
pub struct DigitalOceanProvider {
    http: Arc<HttpClient>,
    /// With the id of the create action, which alone knows why a droplet failed.
    recent: RecentCreates<Option<u64>>,
    keys: Arc<Lookups<(), Arc<Vec<SshKey>>>>,
    prices: Arc<Prices>,
    worn: Arc<Worn>,
    defaults: Defaults,
}

impl DigitalOceanProvider {
    /// A provider at `https://api.digitalocean.com`.
    ///
    /// # Errors
    /// [`InvalidConfig`](crate::ProviderError::InvalidConfig) when the token is empty or cannot be
    /// one. Nothing is sent.
    pub fn new(token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Self> {
        Self::with_config(token, ENDPOINT, timeouts)
    }

    /// A provider at another base URL, with or without `/v2` at its end.
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

    /// Droplets with the name of a request. Those with a GPU are in a list of their own.
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

    /// The oldest droplet with the key hash of a create, and of this name.
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

    /// By the account's keys. Where these cannot be read, what looks like an id or a fingerprint is
    /// left to the cloud.
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

    /// Why a droplet that this process made does not come up, where its create action says so.
    async fn failed_create(&self, droplet: &Subject<Option<u64>>) -> ProviderResult<()> {
        let Some(action) = droplet.hint else { return Ok(()) };
        match self.action(action).await {
            Ok(action) if action.status == "errored" => Err(validate::failed(
                NAME,
                &droplet.id,
                "errored",
                "the create action ended in an error",
            )),
            // A failure to look closer is not one of the droplet.
            _ => Ok(()),
        }
    }
}

/// Whether a droplet of the right name may be one that was asked for then: tags may come to light
/// after the droplet, and until then its age is all that is known, where it can be read.
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
            // What a caller's own key has made is no part of a batch.
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
        // A droplet that is not there may have been made a moment ago, by another client.
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

    /// GPU droplets are left out of a plain list, and cannot be asked for by tag.
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
    /// It can be tagged only when it is done, which may take an hour. Until then it is followed in
    /// the background, also when the caller has left or was told
    /// [`UnknownOutcome`](crate::ProviderError::UnknownOutcome) at its deadline;
    /// [`settled`](crate::settled) waits for it. A process that ends before leaves a snapshot
    /// without tags: neither [`list_snapshots`](Self::list_snapshots) nor
    /// [`reap`](crate::lease::reap) sees it until [`resolve_snapshot`](Self::resolve_snapshot) has
    /// found it by the key of the error and tagged it. Without that key, only the cloud's own list
    /// shows it, by its name.
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

    /// A snapshot cannot carry a key: the key tells of which droplet, when, after which other one,
    /// by which action and under which name it was begun. What is found is tagged as spuff's; of
    /// several that it cannot tell apart, none is.
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

    /// A label is a tag: the new one is put on before the old one is taken off. A process that ends
    /// in between leaves both; of two ends of a lease the later holds, so that a lease is never
    /// shorter than either. Only what was there before is taken off: of two that set a label at the
    /// same time, one's is left.
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
