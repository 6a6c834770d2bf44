//! AWS EC2, Query API 2016-11-15. Verbs only; wire types are in `api`, conversions in `map`, error codes in `refusal`,
//! regions in `place`, limits in `pace`, images in `images`, signing and keys in `credentials`.
//!
//! Facts from the EC2 Developer Guide and API reference: a region is a host, errors are told by their code and not by
//! their status, reads lag writes by up to minutes, an ended machine stays visible for an hour, `CreateImage` reboots the
//! machine unless told not to, and deregistering an image leaves its EBS snapshots to be paid for.

mod api;
mod batch;
mod credentials;
mod fetch;
mod images;
mod map;
mod pace;
mod place;
mod profile;
mod query;
mod refusal;
mod snapshots;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use reqsign_core::OsEnv;
use tokio::time::Instant;
use tracing::instrument;

use self::api::{
    DeregisterImage, DescribeImages, DescribeInstances, DescribeKeyPairs, Document, Image, Instance, Listing, RunInstances,
    TerminateInstances, ask,
};
use self::credentials::SigV4;
use self::images::Images;
use self::map::Network;
use self::place::{Place, Places};
use self::query::Query;
use self::watch::Waiting;
use super::config::{InstanceRequest, ProviderConfig, ProviderTimeouts, ProviderType};
use super::defaults::Defaults;
use super::error::{ProviderError, ProviderResult};
use super::registry::{Capabilities, OptionDescription, ProviderDescription, ProviderFactory};
use super::{Price, Provider, ProviderInstance, Snapshot, check};
use crate::create::{self, Cancel, Create, Found, Guard, Mark, Origin};
use crate::http::{Call, Class, Deadline, HttpClient, Next, Page, Reply, all_pages};
use crate::wait::{Look, Recent, Wait};

const NAME: &str = "aws";
/// The largest page that the API gives.
const PAGE: &str = "1000";
const OPTIONS: [&str; 4] = ["profile", "subnet", "security_group", "ssm_endpoint"];

/// AWS EC2 instances.
///
/// Without a token the standard credential chain is asked: the environment, the AWS configuration files (keys, roles, SSO,
/// processes), web identity, and the role of the container or machine.
///
/// A provider works in one region: the configuration's, else that of `AWS_REGION`, `AWS_DEFAULT_REGION` or the profile. A
/// machine may be created in another one by its request; this provider then knows it by its id, and lists that region too.
/// Ids of other regions that it has not made itself are not found: connect once for each region.
///
/// EC2 shows a machine to other clients some seconds after it was made, and one that has ended for an hour. A destroy of an id
/// that it does not know therefore takes half a minute before it is believed that there is nothing to end.
///
/// A snapshot is an AMI. Its EBS snapshots carry `managed-by=spuff` as well; when
/// [`delete_snapshot`](Provider::delete_snapshot) breaks off between the two, calling it again deletes what is left.
///
/// # Examples
/// ```
/// use spuff_core::provider::{AwsProvider, Provider, ProviderTimeouts};
///
/// let provider = AwsProvider::new("AKIAEXAMPLE:example/secret", ProviderTimeouts::default()).unwrap();
/// assert_eq!(provider.name(), "aws");
/// ```
///
/// Cloning it is cheap and shares its connections.
#[derive(Clone)]
pub struct AwsProvider {
    http: Arc<HttpClient>,
    places: Arc<Places>,
    images: Arc<Images>,
    network: Arc<Network>,
    recent: Arc<Recent<()>>,
    defaults: Defaults,
}

impl AwsProvider {
    /// A provider at the hosts of AWS. An empty token stands for the standard credential chain.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when the token is not `ACCESS_KEY_ID:SECRET[:SESSION_TOKEN]`. Nothing is sent.
    pub fn new(token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Self> {
        Self::connect(&ProviderConfig::new(token).with_timeouts(timeouts))
    }

    /// A provider at another base URL, which stands for EC2 and SSM in every region.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when `base_url` is no `https` URL (or `http` on loopback).
    pub fn with_config(token: &str, base_url: &str, timeouts: ProviderTimeouts) -> ProviderResult<Self> {
        Self::connect(&ProviderConfig::new(token).with_endpoint(base_url).with_timeouts(timeouts))
    }

    fn connect(config: &ProviderConfig) -> ProviderResult<Self> {
        check::known_options(config, &[&OPTIONS, &Defaults::CLOUD])?;
        let places = Places::new(config, &OsEnv)?;
        let dialect = SigV4::new(config, places.credentials())?;
        let option = |name: &str| config.options.get(name).filter(|value| !value.is_empty()).cloned();
        let http = HttpClient::new(places.endpoint()?, dialect, config)?;
        Ok(Self {
            recent: Arc::new(Recent::new(http.settling())),
            http: Arc::new(http),
            images: Arc::default(),
            network: Arc::new(Network { subnet: option("subnet"), security_group: option("security_group") }),
            places: Arc::new(places),
            defaults: Defaults::new(config)?,
        })
    }

    async fn list<L: Listing>(
        &self,
        operation: &'static str,
        place: &Place,
        query: Query,
        key: impl Fn(&L::Item) -> String,
    ) -> ProviderResult<Vec<L::Item>> {
        let query = &query.with("MaxResults", PAGE);
        all_pages(operation, key, |next| async move {
            let query = match next {
                Next::Token(token) => query.clone().with("NextToken", token),
                Next::Number(_) => query.clone(),
            };
            let page: L = ask(&self.http, &place.ec2(operation, Class::Safe, &query)).await?;
            let (items, token) = page.into_parts();
            Ok(Page { items, next: Some(token).filter(|token| !token.is_empty()).map(Next::Token) })
        })
        .await
    }

    /// A machine by the filter, which leaves out an id that is not known, where a call by the id is refused.
    async fn seen(&self, operation: &'static str, place: &Place, id: &str) -> ProviderResult<Option<Instance>> {
        let query = Query::new("DescribeInstances").filter("instance-id", &[id]);
        let reply: DescribeInstances = ask(&self.http, &place.ec2(operation, Class::Safe, &query)).await?;
        Ok(reply.into_parts().0.into_iter().find(|instance| instance.instance_id == id))
    }

    async fn make(
        &self,
        place: &Place,
        request: &InstanceRequest,
        mark: &Mark,
        cancel: &Cancel,
    ) -> ProviderResult<ProviderInstance> {
        let image = self.images.find(&self.http, place, request).await?;
        let query = map::run_instances(request, 1, &image, &self.network, &mark.key)?;
        let call = place.ec2("create_instance", Class::Once, &query);
        // The client token: the same bytes are answered with the same machine.
        let guard = Guard::Cloud;
        let deadline = Deadline::after(self.http.timeouts().instance_ready);
        let create = Create { call: (&*self.http, call), mark, guard, deadline, cancel };
        let read = |reply: &Reply| {
            let created = api::read::<RunInstances>(reply)?.instances_set.item.into_iter().next();
            let created = created.filter(|instance| !instance.instance_id.is_empty());
            let created = created.map(|created| (map::instance(created, &place.region), reply.date()));
            created.ok_or_else(|| reply.unreadable("names no instance"))
        };
        let look = || async { Ok(mark.found(self.made_under(place, &mark.key).await?)?.map(|made| (made, None))) };
        let began = Instant::now();
        let created = create.make_or_find(read, look).await;
        if let Err(ProviderError::InvalidConfig { .. }) = created {
            self.images.forget(&image);
        }
        let ((mut instance, now), origin) = created?;
        instance.adopted = match origin {
            Origin::Found => true,
            Origin::Recovered => false,
            // What its lists do not show yet, EC2 gives back as if it were made now.
            Origin::Answered if mark.is_given() => {
                self.recent.note(&instance.id).is_some() || map::was_there(&instance, now, began.elapsed())
            }
            Origin::Answered => false,
        };
        instance.name.clone_from(&request.name);
        instance.labels.extend(check::labels(request)?.into_iter().map(|(key, value)| (key.to_string(), value.to_string())));
        self.recent.add(&instance.id, ());
        self.places.remember(&instance.id, place);
        Ok(instance)
    }

    /// The machine that was made under a key and has not ended.
    async fn made_under(&self, place: &Place, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        let made = match (self.launched(place, key).await?.into_iter().next(), create::part_of_key(key)) {
            (None, Some((batch, index))) => batch::part(self.launched(place, batch).await?, index)?,
            (made, _) => made,
        };
        Ok(made.map(|made| map::instance(made, &place.region)))
    }

    /// A machine by its id, which shows a new one earlier than the filter does.
    async fn read(&self, operation: &'static str, place: &Place, id: &str) -> ProviderResult<Option<Instance>> {
        let query = Query::new("DescribeInstances").with("InstanceId.1", id);
        let call = place.ec2(operation, Class::Safe, &query).about("instance", id);
        let reply = check::absent_is_none(ask::<DescribeInstances>(&self.http, &call).await)?;
        Ok(reply.into_iter().flat_map(|reply| reply.into_parts().0).find(|instance| instance.instance_id == id))
    }

    /// Whether a delete was taken, with the reply read: a proxy's page is not one.
    async fn delete<T: Document>(&self, call: &Call<'_>) -> ProviderResult<Look<()>> {
        let sent = self.http.send(call).await;
        if let Ok(reply) = &sent {
            api::read::<T>(reply)?;
        }
        Look::of_delete(sent.map(drop))
    }
}

impl create::Room for AwsProvider {
    fn http(&self) -> &HttpClient {
        &self.http
    }

    async fn found_under(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        for place in self.places.all()? {
            if let Some(made) = self.made_under(&place, key).await? {
                self.places.remember(&made.id, &place);
                return Ok(Some(made));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl Provider for AwsProvider {
    fn name(&self) -> &str {
        NAME
    }

    /// `user_data` above 16 KiB is sent compressed, which cloud-init reads. IMDSv2 is required on the machine.
    #[instrument(skip_all, fields(provider = NAME, name = request.name))]
    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        let (mark, request) = self.defaults.marked(request)?;
        let place = self.places.at(&request.region)?;
        images::check(&request.image)?;
        map::check_request(&request)?;
        let on_cancel = request.cancellation();
        let making = mark.clone();
        let work = |room: Self, cancel| async move { room.make(&place, &request, &making, &cancel).await };
        create::keyed(self, &mark, on_cancel, work).await
    }

    fn alike_at_once(&self, _: &InstanceRequest) -> usize {
        batch::AT_ONCE
    }

    #[instrument(skip_all, fields(provider = NAME, machines = requests.len()))]
    async fn create_alike(&self, requests: &[InstanceRequest]) -> ProviderResult<create::Batch> {
        let (mark, requests) = self.defaults.marked_alike(requests)?;
        let first = requests.first().cloned().unwrap_or_default();
        let place = self.places.at(&first.region)?;
        images::check(&first.image)?;
        requests.iter().try_for_each(map::check_request)?;
        let parts = (0..requests.len()).map(|index| index.to_string()).collect();
        let making = mark.clone();
        let work = |room: Self, cancel| async move { room.make_alike(&place, &requests, &making, &cancel).await };
        create::instances(self, &mark, parts, first.cancellation(), work).await
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        map::check_id("id", id, "i-")?;
        let place = &self.places.of(id)?;
        let query = &Query::new("TerminateInstances").with("InstanceId.1", id);
        let timeouts = self.http.timeouts();
        let wait = Wait::new("destroy_instance", ("instance", id), timeouts.action_complete, timeouts);
        // Ended machines are known for an hour. One that is not may have been made a moment ago, by another client.
        let settling = self.http.settling().min(timeouts.action_complete / 2);
        let settled = self.recent.settles_at(id).unwrap_or_else(|| Instant::now() + settling);
        let ended = wait.absent_until(Some(settled)).until(|| async move {
            let call = place.ec2("destroy_instance", Class::Idempotent, query).about("instance", id);
            let look = self.delete::<TerminateInstances>(&call).await?;
            if !matches!(look, Look::Absent) {
                return Ok(look);
            }
            // Just after a launch, not found does not mean that nothing will start and cost money.
            match self.seen("destroy_instance", place, id).await {
                Ok(Some(instance)) if map::is_ending(&instance) => Ok(Look::Done(())),
                Ok(Some(instance)) => Ok(Look::Pending(format!("{}, but not found", instance.instance_state.name))),
                Ok(None) => Ok(Look::Absent),
                Err(error) => Look::past(error),
            }
        });
        Look::deleted(ended.await)?;
        self.recent.remove(id);
        self.http.shared::<create::Keys>().forget(id);
        Ok(())
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        map::check_id("id", id, "i-")?;
        let place = self.places.of(id)?;
        let found = self.read("get_instance", &place, id).await?;
        Ok(found.filter(|instance| instance.instance_state.name != "terminated").map(|found| map::instance(found, &place.region)))
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        let (name, value) = map::MANAGED;
        let states = ["pending", "running", "stopping", "stopped"];
        let query = Query::new("DescribeInstances").filter(name, &[value]).filter("instance-state-name", &states);
        let mut instances = Vec::new();
        for place in self.places.all()? {
            let key = |instance: &Instance| instance.instance_id.clone();
            let found = self.list::<DescribeInstances>("list_instances", &place, query.clone(), key).await?;
            let alive = found.into_iter().filter(|instance| !map::is_ending(instance));
            instances.extend(alive.map(|instance| map::instance(instance, &place.region)).filter(ProviderInstance::is_managed));
        }
        Ok(instances)
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        map::check_id("id", id, "i-")?;
        let place = self.places.of(id)?;
        let timeouts = self.http.timeouts();
        let wait = Wait::new("wait_ready", ("instance", id), timeouts.instance_ready, timeouts);
        let waiting = self.http.shared::<Waiting>();
        wait.absent_until(self.recent.settles_at(id)).together(self, &waiting.instances, place).await
    }

    /// The snapshot is an AMI, and crash-consistent: the machine keeps running.
    #[instrument(skip_all, fields(provider = NAME, id = instance_id, name))]
    async fn create_snapshot(&self, instance_id: &str, name: &str) -> ProviderResult<Snapshot> {
        map::check_id("instance_id", instance_id, "i-")?;
        map::check_image_name(name)?;
        let place = self.places.of(instance_id)?;
        let (room, instance_id, name) = (self.clone(), instance_id.to_string(), name.to_string());
        let work = |cancel| async move { room.snapshot(&place, &instance_id, &name, &cancel).await };
        // Its tags tell whose it is, so that one whose caller has left is not lost.
        create::see_through(work, |_| async {}).await
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        Ok(self.list_labelled_snapshots().await?.into_iter().map(|(snapshot, _)| snapshot).collect())
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_labelled_snapshots(&self) -> ProviderResult<Vec<(Snapshot, HashMap<String, String>)>> {
        let (name, value) = map::MANAGED;
        let query = Query::new("DescribeImages").with("Owner.1", "self").filter(name, &[value]);
        let mut snapshots = Vec::new();
        for place in self.places.all()? {
            let key = |image: &Image| image.image_id.clone();
            let found = self.list::<DescribeImages>("list_snapshots", &place, query.clone(), key).await?;
            snapshots.extend(found.into_iter().filter(map::is_managed_snapshot).map(map::labelled_snapshot));
        }
        Ok(snapshots)
    }

    /// Deletes the AMI, then the EBS snapshots that it stood on.
    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn delete_snapshot(&self, id: &str) -> ProviderResult<()> {
        map::check_id("id", id, "ami-")?;
        let place = &self.places.of(id)?;
        let deadline = Deadline::after(self.http.timeouts().action_complete);
        // After the image is gone, it no longer tells what it stood on.
        let stored = match check::absent_is_none(self.image("delete_snapshot", place, id).await)? {
            Some(image) => {
                let query = Query::new("DeregisterImage").with("ImageId", id);
                self.delete::<DeregisterImage>(&place.ec2("delete_snapshot", Class::Idempotent, &query).about("snapshot", id))
                    .await?;
                map::stored(&image)
            }
            None => self.left_over(place, id).await?,
        };
        let left = self.delete_stored(place, id, stored, deadline).await;
        if left.is_empty() {
            return Ok(());
        }
        let message =
            format!("snapshot {id} is deregistered, but these EBS snapshots of it are still paid for: {}", left.join("; "));
        Err(ProviderError::Other { message })
    }

    /// The names of the key pairs of the provider's own region.
    #[instrument(skip_all, fields(provider = NAME))]
    async fn resolve(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        create::resolve_keyed(self, key).await
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn resolve_snapshot(&self, key: &str) -> ProviderResult<Option<Snapshot>> {
        let (places, nonce) = (&self.places.all()?, &create::nonce_of(key));
        let look = || async move {
            for place in places {
                if let Some(made) = self.image_made_under(place, nonce).await? {
                    return Ok(Found::Ours(map::snapshot(made)));
                }
            }
            Ok(Found::Nothing)
        };
        create::resolve(self.http.sight(), "create_snapshot", key, self.http.timeouts().action_complete, look).await
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn set_labels(&self, id: &str, labels: &HashMap<String, String>) -> ProviderResult<()> {
        map::check_id("id", id, "i-")?;
        let tags: Vec<_> = labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        map::check_tags(&tags)?;
        let place = self.places.of(id)?;
        let query = map::create_tags(id, &tags);
        let call = &place.ec2("set_labels", Class::Idempotent, &query).about("instance", id);
        let timeouts = self.http.timeouts();
        let wait = Wait::new("set_labels", ("instance", id), timeouts.action_complete, timeouts);
        let send = || async move { Look::of_change(self.http.send(call).await.map_err(ProviderError::from)) };
        wait.absent_until(self.recent.settles_at(id)).until(send).await.map(drop)
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn get_ssh_keys(&self) -> ProviderResult<Vec<String>> {
        let (place, query) = (self.places.at("")?, Query::new("DescribeKeyPairs"));
        let reply: DescribeKeyPairs = ask(&self.http, &place.ec2("get_ssh_keys", Class::Safe, &query)).await?;
        Ok(reply.key_set.item.into_iter().map(|pair| pair.key_name).collect())
    }

    /// EC2 does not tell: its prices are another service's, which answers in a few regions only, wants a permission of its
    /// own, and goes by operating system, tenancy and contract.
    async fn hourly_price(&self, _region: &str, _size: &str) -> ProviderResult<Price> {
        let feature = "hourly_price (EC2's prices are in another service, AWS Price List: give the price yourself)";
        Err(ProviderError::NotSupported { feature: feature.to_string() })
    }
}

/// Makes [`AwsProvider`]s.
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
        description.options = vec![
            OptionDescription::new(
                "token",
                "ACCESS_KEY_ID:SECRET or ACCESS_KEY_ID:SECRET:SESSION_TOKEN; by default the standard credential chain, which \
                 reads AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_PROFILE itself. The identity \
                 needs ec2:Describe*, RunInstances, CreateTags, TerminateInstances, CreateImage, DeregisterImage, \
                 DeleteSnapshot and ssm:GetParameter",
            )
            .secret(),
            OptionDescription::new("endpoint", "Base URL; https://ec2.REGION.amazonaws.com by default")
                .env(&["AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL"]),
            OptionDescription::new("region", "Region where a request names none; the profile's by default")
                .env(&["AWS_REGION", "AWS_DEFAULT_REGION"]),
            OptionDescription::ca_file().env(&["SPUFF_CA_FILE", "AWS_CA_BUNDLE"]),
            OptionDescription::new("profile", "The profile of the AWS configuration files that alone gives the credentials"),
            OptionDescription::new(
                "ssm_endpoint",
                "Base URL of SSM; by default that of endpoint, or https://ssm.REGION.amazonaws.com",
            )
            .env(&["AWS_ENDPOINT_URL_SSM"]),
            OptionDescription::new(
                "subnet",
                "Subnet of new machines, which get a public address in it; the default VPC's by default",
            ),
            OptionDescription::new("security_group", "Security group of new machines; the VPC's default group by default"),
        ];
        description.options.extend(Defaults::describe());
        description.capabilities = Capabilities { ssh_keys: true, max_user_data: map::MAX_USER_DATA, ..Capabilities::default() };
        description
    }
}
