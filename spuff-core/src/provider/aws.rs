//! AWS EC2, Query API 2016-11-15. Wire types are in `wire`, conversions in `convert`, error codes
//! in `errors`, regions in `region`, `region_search` and `region_cache`, rate limits in `limits`,
//! images in `lookup`, signing and keys in `credentials`.
//!
//! Facts from the EC2 Developer Guide and API reference: each region has its own host, errors are
//! identified by code and not by status, reads lag writes by up to minutes, an ended instance stays
//! visible for an hour, `CreateImage` reboots the instance unless told not to, and deregistering an
//! image leaves its EBS snapshots, which cost money.

mod batch;
mod boot_image;
mod client;
mod convert;
mod create;
mod credentials;
mod destroy;
mod errors;
mod fetch;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod limits;
mod lookup;
mod poll;
mod profile;
mod query;
mod region;
mod region_cache;
mod region_search;
mod snapshots;
mod wire;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use tracing::instrument;

use self::poll::Waiting;
use self::query::Query;
use self::region::Place;
use self::region_search::Asking;
use self::wire::{
    CreateTags, DescribeImages, DescribeInstances, DescribeKeyPairs, Image, Instance, ask,
};
use super::config::{InstanceRequest, ProviderConfig, ProviderTimeouts, ProviderType};
use super::error::{ProviderError, ProviderResult};
use super::registry::{Capabilities, OptionDescription, ProviderDescription, ProviderFactory};
use super::shared::defaults::Defaults;
use super::shared::validate;
use super::{Price, Provider, ProviderInstance, Snapshot};
use crate::create::{
    About, Batch, Ending, Keys, Lookup, hash_of_key, keyed, resolve_keyed, run_to_completion,
};
use crate::http::{Class, Deadline};
use crate::provider::operation::Operation;
use crate::wait::{Observation, Wait};

pub use self::client::AwsProvider;

const NAME: &str = "aws";
/// The largest page size of the API.
const PAGE: &str = "1000";
const OPTIONS: [&str; 5] = ["profile", "regions", "subnet", "security_group", "ssm_endpoint"];

#[async_trait]
impl Provider for AwsProvider {
    fn name(&self) -> &str {
        NAME
    }

    /// `user_data` above 16 KiB is sent compressed, which cloud-init reads. The instance requires
    /// IMDSv2.
    #[instrument(skip_all, fields(provider = NAME, name = request.name))]
    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        let place = self.places.at(self.defaults.region(&request.region))?;
        let (create_key, request) = self.defaults.tagged_in(&place.region, request)?;
        self.check_key(&create_key, &place)?;
        lookup::check(&request.image)?;
        convert::check_request(&request)?;
        let on_cancel = request.cancellation();
        let making = create_key.clone();
        let noted = place.clone();
        let work = |room: Self, cancel| async move {
            let made = room.make(&place, &request, &making, &cancel).await;
            made.map_err(|error| validate::with_given(error, &request))
        };
        // Notes the region before the first look-up too: instances of an earlier version had the
        // key as client token, so EC2 would not reject a second instance.
        self.noted(&noted, &create_key, keyed(self, &create_key, on_cancel, work)).await
    }

    fn max_batch_size(&self, _: &InstanceRequest) -> usize {
        batch::AT_ONCE
    }

    #[instrument(skip_all, fields(provider = NAME, machines = requests.len()))]
    async fn create_batch(&self, requests: &[InstanceRequest]) -> ProviderResult<Batch> {
        let first = requests.first().cloned().unwrap_or_default();
        let place = self.places.at(self.defaults.region(&first.region))?;
        let (create_key, requests) = self.defaults.tagged_batch(&place.region, requests)?;
        lookup::check(&first.image)?;
        requests.iter().try_for_each(convert::check_request)?;
        let parts = (0..requests.len()).map(|index| index.to_string()).collect();
        let making = create_key.clone();
        let work = |room: Self, cancel| async move {
            room.make_batch(&place, &requests, &making, &cancel).await
        };
        crate::create::instances(self, &create_key, parts, first.cancellation(), work).await
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        let _ending = Ending::begin(NAME, id);
        convert::check_id("id", id, "i-")?;
        let deadline = Deadline::after(self.http.timeouts().action_complete);
        let act = |place: Place| async move { self.destroy_at(&place, id, deadline).await };
        Observation::deleted(
            self.with_instance((Operation::DestroyInstance, None), id, act).await,
        )?;
        self.places.whereabouts.end(id);
        self.recent.end(id);
        self.http.shared::<Keys>().forget(id);
        Ok(())
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        convert::check_id("id", id, "i-")?;
        let asking = Asking { operation: Operation::GetInstance, errand: &self.http.errand() };
        let act = |place: Place| async move {
            let absent = || ProviderError::not_found("instance", id);
            let read = || async { self.read(asking, &place, id).await?.ok_or_else(absent) };
            let found = self
                .recent
                .read((Operation::GetInstance, id), (&self.http, asking.errand), read)
                .await?
                .ok_or_else(absent)?;
            Ok((found, place))
        };
        let found = validate::absent_is_none(
            self.with_instance((asking.operation, Some(asking.errand)), id, act).await,
        )?;
        let (alive, ended) = found
            .into_iter()
            .partition::<Vec<_>, _>(|(found, _)| found.instance_state.name != "terminated");
        ended.iter().for_each(|_| self.places.whereabouts.end(id));
        Ok(alive.into_iter().next().map(|(found, place)| convert::instance(found, &place.region)))
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        let (name, value) = convert::MANAGED;
        let states = ["pending", "running", "stopping", "stopped"];
        let query = Query::new("DescribeInstances")
            .filter(name, &[value])
            .filter("instance-state-name", &states);
        let asking = Asking { operation: Operation::ListInstances, errand: &self.http.errand() };
        let places = self.listed(asking).await?;
        let look = |place: Place| {
            let query = query.clone();
            async move {
                let key = |instance: &Instance| instance.instance_id.clone();
                let found = self.list::<DescribeInstances>(asking, &place, query, key).await?;
                let alive = found.into_iter().filter(|instance| !convert::is_ending(instance));
                let ours = alive
                    .map(|instance| convert::instance(instance, &place.region))
                    .filter(ProviderInstance::is_managed);
                Ok(ours
                    .inspect(|instance| self.places.whereabouts.note(&instance.id, &place.region))
                    .collect())
            }
        };
        self.in_each(&places, look).await
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        convert::check_id("id", id, "i-")?;
        let timeouts = self.http.timeouts();
        let (deadline, waiting) =
            (Deadline::after(timeouts.instance_ready), &self.http.shared::<Waiting>());
        let within = |place: Place, unseen: Duration| async move {
            let wait =
                Wait::new(Operation::WaitReady, ("instance", id), deadline.remaining(), timeouts)
                    .unseen_for(unseen);
            wait.grace_until(self.recent.visible_by(id))
                .together(self, &waiting.instances, place)
                .await
        };
        let asked = self.places.of(id)?.region;
        match self
            .with_instance((Operation::WaitReady, None), id, |place| within(place, Duration::ZERO))
            .await
        {
            // No region has it, but another client may have just created it.
            Err(ProviderError::NotFound { .. })
                if self.places.whereabouts.of(id).is_none_or(|region| region != asked) =>
            {
                within(self.places.of(id)?, self.recent.unseen(id)).await
            }
            waited => waited,
        }
    }

    /// The snapshot is an AMI, and crash-consistent: the instance keeps running.
    #[instrument(skip_all, fields(provider = NAME, id = instance_id, name))]
    async fn create_snapshot(&self, instance_id: &str, name: &str) -> ProviderResult<Snapshot> {
        convert::check_id("instance_id", instance_id, "i-")?;
        convert::check_image_name(name)?;
        let room = self.clone();
        let instance_id = instance_id.to_string();
        let name = name.to_string();
        let about = About::new(Operation::CreateSnapshot, NAME, &name);
        let work = |cancel| async move {
            let room = &room;
            let id = &*instance_id;
            let name = &*name;
            let cancel = &cancel;
            let act = |place: Place| async move { room.snapshot(&place, id, name, cancel).await };
            room.with_instance((Operation::CreateSnapshot, None), id, act).await
        };
        // Its tags identify the snapshot, so an abandoned create is not lost.
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
        let (name, value) = convert::MANAGED;
        let query = Query::new("DescribeImages").with("Owner.1", "self").filter(name, &[value]);
        let asking = Asking { operation: Operation::ListSnapshots, errand: &self.http.errand() };
        let places = self.listed(asking).await?;
        let look = |place: Place| {
            let query = query.clone();
            async move {
                let key = |image: &Image| image.image_id.clone();
                let found = self.list::<DescribeImages>(asking, &place, query, key).await?;
                let ours = found
                    .into_iter()
                    .filter(convert::is_managed_snapshot)
                    .map(convert::labelled_snapshot);
                Ok(ours
                    .inspect(|(snapshot, _)| {
                        self.places.whereabouts.note(&snapshot.id, &place.region)
                    })
                    .collect())
            }
        };
        self.in_each(&places, look).await
    }

    /// Deletes the AMI, then its EBS snapshots.
    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn delete_snapshot(&self, id: &str) -> ProviderResult<()> {
        convert::check_id("id", id, "ami-")?;
        let deadline = Deadline::after(self.http.timeouts().action_complete);
        let asking = Asking { operation: Operation::DeleteSnapshot, errand: &self.http.errand() };
        let act = |place: Place| async move { self.delete_at(asking, &place, id, deadline).await };
        Observation::deleted(self.with_snapshot(asking, id, act).await)?;
        self.places.whereabouts.end(id);
        Ok(())
    }

    /// Searches the region that the key carries, otherwise all regions.
    #[instrument(skip_all, fields(provider = NAME))]
    async fn resolve(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        self.places.sought(key)?;
        let found = resolve_keyed(self, key).await?;
        self.places.whereabouts.forget(&hash_of_key(key));
        Ok(found)
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn resolve_snapshot(&self, key: &str) -> ProviderResult<Option<Snapshot>> {
        let known = &self.places.sought(key)?;
        let limit = self.http.timeouts().action_complete;
        let key_hash = &hash_of_key(key);
        let look = || async move {
            let made = |place: Place| async move { self.image_made_under(&place, key_hash).await };
            Ok(Lookup::found(
                self.made_anywhere(Operation::CreateSnapshot, key, known, made).await?,
            ))
        };
        let found = crate::create::resolve(
            self.http.read_lag(),
            Operation::CreateSnapshot,
            key,
            limit,
            look,
        )
        .await?;
        self.places.whereabouts.forget(key_hash);
        Ok(self.taken_up(key, found, |image| &image.image_id).map(convert::snapshot))
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn set_labels(&self, id: &str, labels: &HashMap<String, String>) -> ProviderResult<()> {
        convert::check_id("id", id, "i-")?;
        validate::changed_labels(labels)?;
        let tags: Vec<_> =
            labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        convert::check_tags(&tags)?;
        let query = &convert::create_tags(id, &tags);
        let timeouts = self.http.timeouts();
        let deadline = Deadline::after(timeouts.action_complete);
        let act = |place: Place| async move {
            let call =
                &place.ec2(Operation::SetLabels, Class::Idempotent, query).about("instance", id);
            let wait =
                Wait::new(Operation::SetLabels, ("instance", id), deadline.remaining(), timeouts);
            let send = || async move {
                Observation::of_answer(wire::ask::<CreateTags>(&self.http, call).await)
            };
            wait.grace_until(self.recent.visible_by(id)).until(send).await.map(drop)
        };
        self.with_instance((Operation::SetLabels, None), id, act).await
    }

    /// Returns the names of the key pairs of the provider's own region.
    #[instrument(skip_all, fields(provider = NAME))]
    async fn get_ssh_keys(&self) -> ProviderResult<Vec<String>> {
        let place = self.places.at("")?;
        let query = Query::new("DescribeKeyPairs");
        let reply: DescribeKeyPairs =
            ask(&self.http, &place.ec2(Operation::GetSshKeys, Class::Safe, &query)).await?;
        Ok(reply.key_set.item.into_iter().map(|pair| pair.key_name).collect())
    }

    /// EC2 does not report prices. They belong to another service, which answers in a few regions
    /// only, needs a permission of its own, and depends on operating system, tenancy and contract.
    async fn hourly_price(&self, _region: &str, _size: &str) -> ProviderResult<Price> {
        let feature = "hourly_price (EC2's prices are in another service, AWS Price List: give the \
         price yourself)";
        Err(ProviderError::NotSupported { feature: feature.to_string() })
    }
}

/// Creates [`AwsProvider`]s.
#[derive(Debug, Clone, Copy, Default)]
pub struct AwsFactory;

impl ProviderFactory for AwsFactory {
    fn provider_type(&self) -> ProviderType {
        ProviderType::Aws
    }

    fn create(&self, token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Box<dyn Provider>> {
        self.create_with(&ProviderConfig::new(token).with_timeouts(timeouts))
    }

    fn create_with(&self, config: &ProviderConfig) -> ProviderResult<Box<dyn Provider>> {
        Ok(Box::new(AwsProvider::connect(config)?))
    }

    fn describe(&self) -> ProviderDescription {
        let mut description = ProviderDescription::new(self.provider_type());
        description.summary = "AWS EC2 instances, Query API 2016-11-15".to_string();
        description.options =
            vec![
            OptionDescription::new(
                "token",
                "ACCESS_KEY_ID:SECRET or ACCESS_KEY_ID:SECRET:SESSION_TOKEN; by default the \
                 standard credential chain, which \
                 reads AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_PROFILE \
                 itself. The identity \
                 needs ec2:Describe*, RunInstances, CreateTags, TerminateInstances, CreateImage, \
                 DeregisterImage, \
                 DeleteSnapshot and ssm:GetParameter",
            )
            .secret(),
            OptionDescription::new(
                "endpoint",
                "Base URL; by default what AWS_ENDPOINT_URL_EC2, AWS_ENDPOINT_URL or the profile \
                 says, unless \
                 AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is true, else \
                 https://ec2.REGION.amazonaws.com",
            ),
            OptionDescription::new("region", "Region of requests that name none; by default that \
             of the profile")
                .env(&["AWS_REGION", "AWS_DEFAULT_REGION"]),
            OptionDescription::new(
                region::REGIONS,
                "The regions that the account uses, separated by commas, or all for every enabled \
                 region: lists, and so reap, read them all. By default they read the provider's \
                 own region, and those in which it has made or seen a resource. Lookups by id or \
                 key read every enabled region; if some cannot be read, a list here says that \
                 they need not be",
            )
            .env(&["SPUFF_AWS_REGIONS"]),
            OptionDescription::ca_file().env(&["SPUFF_CA_FILE", "AWS_CA_BUNDLE"]),
            OptionDescription::new("profile", "The profile of the AWS configuration files that \
             gives the credentials; no other source is then read"),
            OptionDescription::new(
                "ssm_endpoint",
                "Base URL of SSM; by default that of endpoint where it is given, else what \
                 AWS_ENDPOINT_URL_SSM, AWS_ENDPOINT_URL or \
                 the profile says, else https://ssm.REGION.amazonaws.com",
            ),
            OptionDescription::new(
                "subnet",
                "Subnet of new instances, which get a public address in it; by default that of \
                 the default VPC",
            ),
            OptionDescription::new("security_group", "Security group of new instances; by default \
             the VPC's default group"),
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
