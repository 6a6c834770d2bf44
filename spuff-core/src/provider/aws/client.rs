//! The client: the connection, and what the operations read.

use std::sync::Arc;

use reqsign_core::OsEnv;

use super::convert::Network;
use super::credentials::SigV4;
use super::lookup::Images;
use super::query::Query;
use super::region::{Place, Places};
use super::region_search::Asking;
use super::wire::{DescribeInstances, Instance, Listing, ask};
use super::{OPTIONS, PAGE};
use crate::http::{HttpClient, Page, all_pages};
use crate::provider::config::{ProviderConfig, ProviderTimeouts};
use crate::provider::error::ProviderResult;
use crate::provider::shared::defaults::Defaults;
use crate::provider::shared::validate;
use crate::wait::RecentCreates;

/// AWS EC2 instances.
///
/// Without a token, the provider uses the standard credential chain: the environment, the AWS
/// configuration files (keys, roles, SSO, processes), web identity, and the role of the container
/// or instance.
///
/// A provider works in one region: the configuration's, else that of `AWS_REGION`,
/// `AWS_DEFAULT_REGION` or the profile. A request may name another region for its instance. Regions
/// are independent: an operation on an id asks the region in which the resource was made or seen,
/// otherwise the provider's own, with one request. Before it reports that the resource does not
/// exist, it asks all regions that the account has enabled. [`resolve`][resolve] does the
/// same for a caller's own key. If a region cannot be asked, the operation returns that error; if
/// the option `regions` lists the regions in use, refusals by other regions are ignored. Lists, and
/// with them [`reap`](crate::lease::reap), read the provider's own region, those of that option
/// (`all` for all enabled ones), and those in which this provider has made or seen resources. An
/// [`idempotency_key`][key] identifies an instance in one region.
///
/// EC2 shows an instance to other clients some seconds after its creation, and an ended one for an
/// hour. A destroy of an unknown id therefore waits half a minute by default before it concludes
/// that there is nothing to destroy.
///
/// A snapshot is an AMI. Its EBS snapshots also carry `managed-by=spuff`; if
/// [`delete_snapshot`][delete] stops between the two deletions, a second call
/// deletes the rest.
///
/// # Examples
/// ```
/// use spuff_core::provider::{AwsProvider, Provider, ProviderTimeouts};
///
/// let timeouts = ProviderTimeouts::default();
/// let provider = AwsProvider::new("AKIAEXAMPLE:example/secret", timeouts).unwrap();
/// assert_eq!(provider.name(), "aws");
/// ```
///
/// Cloning it is cheap and shares its connections.
///
/// [delete]: crate::Provider::delete_snapshot
/// [key]: crate::provider::InstanceRequest::idempotency_key
/// [resolve]: crate::Provider::resolve
#[derive(Clone)]
pub struct AwsProvider {
    pub(super) http: Arc<HttpClient>,
    pub(super) places: Arc<Places>,
    pub(super) images: Arc<Images>,
    pub(super) network: Arc<Network>,
    pub(super) recent: RecentCreates<()>,
    /// Whether the credentials come from the standard chain.
    pub(super) is_chained: bool,
    pub(super) defaults: Defaults,
}

impl AwsProvider {
    /// Creates a provider for the hosts of AWS. An empty token selects the standard credential
    /// chain.
    ///
    /// # Errors
    /// [`InvalidConfig`](crate::provider::ProviderError::InvalidConfig) when the token is not
    /// `ACCESS_KEY_ID:SECRET[:SESSION_TOKEN]`. Sends no request.
    pub fn new(token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Self> {
        Self::connect(&ProviderConfig::new(token).with_timeouts(timeouts))
    }

    /// Creates a provider for another base URL, which serves EC2 and SSM in every region.
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

    pub(super) fn connect(config: &ProviderConfig) -> ProviderResult<Self> {
        validate::known_options(config, &[&OPTIONS, &Defaults::CLOUD])?;
        let places = Places::new(config, &OsEnv)?;
        let ca_file = config.ca_file.clone().or_else(|| places.ca_file.clone());
        let config = &ProviderConfig { ca_file, ..config.clone() };
        let dialect = SigV4::new(config, places.credentials())?;
        let is_chained = dialect.is_chained();
        let option =
            |name: &str| config.options.get(name).filter(|value| !value.is_empty()).cloned();
        let http = HttpClient::new(places.endpoint()?, dialect, config)?;
        Ok(Self {
            recent: RecentCreates::of(&http),
            is_chained,
            http: Arc::new(http),
            images: Arc::default(),
            network: Arc::new(Network {
                subnet: option("subnet"),
                security_group: option("security_group"),
            }),
            places: Arc::new(places),
            defaults: Defaults::new(config)?,
        })
    }

    pub(super) async fn list<L: Listing>(
        &self,
        asking: Asking<'_>,
        place: &Place,
        query: Query,
        key: impl Fn(&L::Item) -> String,
    ) -> ProviderResult<Vec<L::Item>> {
        let query = &query.with("MaxResults", PAGE);
        all_pages(asking.operation, key, |token| async move {
            let query = match token {
                Some(token) => query.clone().with("NextToken", token),
                None => query.clone(),
            };
            let page: L = ask(&self.http, &asking.call(place, &query)).await?;
            let (items, token) = page.into_parts();
            Ok(Page { items, next: Some(token).filter(|token| !token.is_empty()) })
        })
        .await
    }

    /// Returns an instance by the filter, which omits an unknown id; a call by id would be refused.
    pub(super) async fn seen(
        &self,
        asking: Asking<'_>,
        place: &Place,
        id: &str,
    ) -> ProviderResult<Option<Instance>> {
        let query = Query::new("DescribeInstances").filter("instance-id", &[id]);
        let reply: DescribeInstances = ask(&self.http, &asking.call(place, &query)).await?;
        Ok(reply.into_parts().0.into_iter().find(|instance| instance.instance_id == id))
    }

    /// Returns an instance by its id. A call by id shows a new instance earlier than the filter
    /// does.
    pub(super) async fn read(
        &self,
        asking: Asking<'_>,
        place: &Place,
        id: &str,
    ) -> ProviderResult<Option<Instance>> {
        let query = Query::new("DescribeInstances").with("InstanceId.1", id);
        let call = asking.call(place, &query).about("instance", id);
        let reply = validate::absent_is_none(ask::<DescribeInstances>(&self.http, &call).await)?;
        Ok(reply
            .into_iter()
            .flat_map(|reply| reply.into_parts().0)
            .find(|instance| instance.instance_id == id))
    }
}
