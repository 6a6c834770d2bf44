//! DigitalOcean, API v2: the reference provider module. Wire types are in `wire`, conversions in
//! `convert`, error codes in `errors`, rate limits in `limits`, SSH keys in `lookup`.
//!
//! Facts from the published OpenAPI document and its guides: lists lag creates by seconds, the API
//! never returns a snapshot's id, tags carry no values, and status 422 has many meanings.

mod batch;
mod client;
mod convert;
mod create;
mod errors;
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
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tracing::instrument;

use self::poll::Waiting;
use self::snapshot_key::SnapshotKey;
use self::wire::{DropletReply, Size};
use super::config::{InstanceRequest, OnCancel, ProviderConfig, ProviderTimeouts, ProviderType};
use super::error::ProviderResult;
use super::registry::{Capabilities, OptionDescription, ProviderDescription, ProviderFactory};
use super::shared::defaults::Defaults;
use super::shared::validate;
use super::{Price, Provider, ProviderInstance, Snapshot};
use crate::create::{About, Batch, Ending, Keys, keyed, resolve_keyed, run_to_completion};
use crate::http::{Call, Reply};
use crate::provider::operation::Operation;
use crate::wait::{Observation, Wait};

pub use self::client::DigitalOceanProvider;

const NAME: &str = "digitalocean";
const ENDPOINT: &str = "https://api.digitalocean.com";
/// How far this computer's clock may run ahead of the API's. Too large a value costs a wait; too
/// small a value may create a second droplet.
const SKEW: Duration = Duration::from_secs(600);
/// How far the API's timestamps of an action and of its image may be out of order.
const CLOCKS_APART: Duration = Duration::from_secs(5);

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
        keyed(self, &create_key, on_cancel, work).await
    }

    fn max_batch_size(&self, request: &InstanceRequest) -> usize {
        Self::batch_size(request)
    }

    #[instrument(skip_all, fields(provider = NAME, machines = requests.len()))]
    async fn create_batch(&self, requests: &[InstanceRequest]) -> ProviderResult<Batch> {
        let (create_key, requests) = self.defaults.tagged_batch("", requests)?;
        requests.iter().try_for_each(convert::check_request)?;
        let on_cancel = requests.first().map_or(OnCancel::Destroy, InstanceRequest::cancellation);
        let parts = requests.iter().map(|request| request.name.clone()).collect();
        let making = create_key.clone();
        let work =
            |room: Self, cancel| async move { room.make_batch(&requests, &making, &cancel).await };
        crate::create::instances(self, &create_key, parts, on_cancel, work).await
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        let _ending = Ending::begin(NAME, id);
        let path = format!("/v2/droplets/{}", validate::numeric_id(NAME, "id", id)?);
        let timeouts = self.http.timeouts();
        let wait = Wait::new(
            Operation::DestroyInstance,
            ("instance", id),
            timeouts.action_complete,
            timeouts,
        );
        // Another client may have just created a droplet that is not visible yet.
        let settled = self.recent.endable_until(id, timeouts.action_complete);
        let was_there =
            wait.grace_until(Some(settled)).delete(&self.http, &path, Reply::no_content).await?;
        self.recent.end(id);
        self.http.shared::<Keys>().forget(id);
        self.tidy_after(id, was_there).await;
        Ok(())
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        let path = format!("/v2/droplets/{}", validate::numeric_id(NAME, "id", id)?);
        let errand = &self.http.errand();
        let call = &Call::get(Operation::GetInstance, path).about("instance", id).within(errand);
        let read = || async move {
            Ok(convert::instance(self.http.json::<DropletReply>(call).await?.droplet))
        };
        self.recent.read((Operation::GetInstance, id), (&self.http, errand), read).await
    }

    /// A plain list omits GPU droplets, and the API cannot filter them by tag.
    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        let errand = self.http.errand();
        let (tagged, gpus) = tokio::try_join!(
            self.droplets_within(
                &errand,
                Operation::ListInstances,
                ("tag_name", convert::MANAGED_TAG)
            ),
            self.droplets_within(&errand, Operation::ListInstances, ("type", "gpus"))
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
        let wait =
            Wait::new(Operation::WaitReady, ("instance", id), timeouts.instance_ready, timeouts);
        let waiting = self.http.shared::<Waiting>();
        let action = self.recent.note(id).flatten();
        let wait = wait.grace_until(self.recent.visible_by(id)).unseen_for(self.recent.unseen(id));
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
        let room = self.clone();
        let name = name.to_string();
        let about = About::new(Operation::CreateSnapshot, NAME, &name);
        let work = |cancel| async move { room.snapshot(droplet, &name, &cancel).await };
        run_to_completion(about, work, |_| async {}).await
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
        let images = self.managed_images(Operation::ListSnapshots).await?;
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
        let wait = Wait::new(
            Operation::DeleteSnapshot,
            ("snapshot", id),
            timeouts.action_complete,
            timeouts,
        );
        wait.delete(&self.http, &path, Reply::no_content).await.map(drop)
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn resolve(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        resolve_keyed(self, key).await
    }

    /// The API cannot store a key on a snapshot. The key instead encodes the droplet, the start
    /// time, the preceding snapshot, the action and the name. Tags the snapshot as spuff's. If it
    /// cannot tell several candidates apart, it tags none.
    #[instrument(skip_all, fields(provider = NAME))]
    async fn resolve_snapshot(&self, key: &str) -> ProviderResult<Option<Snapshot>> {
        let begun = &SnapshotKey::read(key)?;
        let look = || self.begun_snapshot(begun);
        let Some(found) = crate::create::resolve(
            self.http.read_lag(),
            Operation::CreateSnapshot,
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
        let wait =
            Wait::new(Operation::SetLabels, ("instance", id), timeouts.action_complete, timeouts);
        let call = &Call::get(Operation::SetLabels, path).about("instance", id);
        let read =
            || async move { Observation::of_answer(self.http.json::<DropletReply>(call).await) };
        let before = wait.grace_until(self.recent.visible_by(id)).until(read).await?.droplet.tags;
        let errand = self.http.errand();
        self.tag((Operation::SetLabels, &errand), (id, "droplet"), &tags).await?;
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
                .list(Call::get(Operation::HourlyPrice, "/v2/sizes"), |size: &Size| {
                    size.slug.clone()
                })
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
                "Region slug of requests that name none; by default the cloud chooses",
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
