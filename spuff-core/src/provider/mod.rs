//! The contract: the [`Provider`] trait and its data types.
//!
//! The built-in provider modules and third-party providers implement it.

pub mod config;
pub mod error;
pub mod labels;
pub mod operation;
pub mod price;
pub mod registry;
mod similar;

mod builtins;
mod shared;

#[cfg(feature = "aws")]
pub(crate) mod aws;
#[cfg(feature = "digitalocean")]
pub(crate) mod digitalocean;
#[cfg(feature = "docker")]
pub(crate) mod docker;
#[cfg(feature = "hetzner")]
pub(crate) mod hetzner;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

#[cfg(feature = "aws")]
pub use aws::{AwsFactory, AwsProvider};
pub use config::{
    ImageSpec, InstanceRequest, OnCancel, ProviderConfig, ProviderTimeouts, ProviderType,
};
#[cfg(feature = "digitalocean")]
pub use digitalocean::{DigitalOceanFactory, DigitalOceanProvider};
#[cfg(feature = "docker")]
pub use docker::{DockerFactory, DockerProvider};
pub use error::{
    Attempt, AttemptOutcome, ErrorContext, ErrorKind, ErrorParts, NetworkError, ProviderError,
    ProviderResult,
};
#[cfg(feature = "hetzner")]
pub use hetzner::{HetznerFactory, HetznerProvider};
pub use operation::Operation;
pub use price::{Price, PriceSource};
pub use registry::{
    Capabilities, OptionDescription, ProviderDescription, ProviderFactory, ProviderRegistry,
};

/// A cloud that can run instances.
///
/// Every operation is a future that may be dropped at any time, which cancels it. Cancelling a read
/// has no side effect; cancelling a destroy or delete does not revoke a request that was already
/// sent.
///
/// The operations of the other languages are generated from this trait, with their documentation:
/// `# Implementations` is for those who implement a provider, and `# Waits` marks an operation that
/// reports progress.
///
/// # Errors
/// All operations fail with a [`ProviderError`]; [`ProviderError::kind`] classifies it. An
/// operation that a provider does not implement fails with [`ProviderError::NotSupported`].
///
/// # Examples
/// ```no_run
/// use spuff_core::provider::{InstanceRequest, ProviderConfig, ProviderRegistry};
///
/// # async fn example() -> Result<(), spuff_core::provider::ProviderError> {
/// let provider = ProviderRegistry::with_defaults().from_env("hetzner")?;
/// let machine = provider.create_instance(&InstanceRequest::new("web-1", "fsn1", "cx22")).await?;
/// let machine = provider.wait_ready(&machine.id).await?;
/// println!("{} is at {}", machine.name, machine.ip);
/// provider.destroy_instance(&machine.id).await
/// # }
/// ```
#[async_trait]
pub trait Provider: Send + Sync {
    /// The provider's name, for logs and messages.
    fn name(&self) -> &str;

    /// Creates an instance and returns once the cloud has accepted it: it may still be booting.
    ///
    /// If the same [`idempotency_key`](InstanceRequest::idempotency_key) has already made an
    /// instance, returns that one, with [`adopted`](ProviderInstance::adopted) set.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] before any request is sent; [`ProviderError::Capacity`] and
    /// [`ProviderError::QuotaExceeded`] when there is no room. If the reply is lost, spuff searches
    /// for the instance and sends the create again only when certain that it made nothing. Returns
    /// [`ProviderError::UnknownOutcome`] if that is still unknown after `instance_ready`, with a
    /// key for [`resolve`](Self::resolve).
    ///
    /// # Cancellation
    /// A cancelled create continues in the background until the instance is known, and destroys it
    /// unless [`InstanceRequest::on_cancel`] says otherwise. [`settled`](crate::settled) waits for
    /// that. An abandoned request that certainly was not carried out, such as one answered with
    /// HTTP 429, is not sent again: nothing is made.
    ///
    /// # Implementations
    /// The instance carries the request's labels and `managed-by=spuff`. Set
    /// [`adopted`](ProviderInstance::adopted) on one that was found under its key: roll back, and
    /// the cleanup of abandoned creates, destroy only instances that are not adopted.
    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance>;

    /// Returns how many instances like this one a [`create_batch`](Self::create_batch) may create.
    /// 1 by default.
    fn max_batch_size(&self, _request: &InstanceRequest) -> usize {
        1
    }

    /// Creates instances that differ only in their names with one call, at most
    /// [`max_batch_size`](Self::max_batch_size).
    /// [`fleet::create_instances`](crate::fleet::create_instances) uses it. The outcomes are in the
    /// order of the requests.
    ///
    /// # Errors
    /// An error of the whole call when none was made for a reason common to all; otherwise each
    /// outcome has its own. As [`create_instance`](Self::create_instance);
    /// [`ProviderError::NotSupported`] by default.
    ///
    /// # Cancellation
    /// As [`create_instance`](Self::create_instance).
    async fn create_batch(
        &self,
        _requests: &[InstanceRequest],
    ) -> ProviderResult<Vec<ProviderResult<ProviderInstance>>> {
        Err(ProviderError::NotSupported { feature: Operation::CreateBatch.to_string() })
    }

    /// Destroys an instance. Succeeds if it no longer exists; retries while it is locked, until
    /// `action_complete` has passed.
    ///
    /// # Errors
    /// [`ProviderError::Conflict`] when the instance stays locked or is protected.
    async fn destroy_instance(&self, id: &str) -> ProviderResult<()>;

    /// Returns the instance, or `None` if it does not exist.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when `id` cannot be an id of this cloud.
    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>>;

    /// Lists every instance that carries `managed-by=spuff`, from all pages.
    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>>;

    /// Waits until the instance is active and has a public address.
    ///
    /// Active means that the hypervisor has started it, not that SSH or cloud-init is ready.
    ///
    /// # Waits
    /// For at most `instance_ready`, and reports progress.
    ///
    /// # Errors
    /// Errors of the instance: [`ProviderError::Timeout`] of `wait_ready` after `instance_ready`;
    /// [`ProviderError::NotFound`] with its id if it no longer exists; and, as soon as the instance
    /// has failed: [`ProviderError::Capacity`],
    /// [`ProviderError::QuotaExceeded`], a [`ProviderError::Conflict`] that is not retryable, or
    /// another error that has the cloud's reason.
    ///
    /// Errors of the poll: any other error, unchanged, when the state of the instance cannot be
    /// read: invalid credentials, no network, an unreadable reply.
    /// [`is_instance_failure`](ProviderError::is_instance_failure) distinguishes the two groups.
    ///
    /// # Implementations
    /// Retry transient errors, and keep errors of the instance apart from errors of the poll:
    /// [`create_and_wait`](crate::create_and_wait) and fleets destroy an instance only for
    /// [`ProviderError::Timeout`], [`ProviderError::NotFound`], [`ProviderError::Capacity`],
    /// [`ProviderError::QuotaExceeded`], a [`ProviderError::Conflict`] that is not retryable, or
    /// another error that has its id as [`instance_id`](ErrorContext::instance_id) and is neither
    /// transient nor [`ProviderError::Authentication`].
    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance>;

    /// Creates a snapshot and waits until it is usable.
    ///
    /// # Waits
    /// For at most `action_complete`, and reports progress.
    ///
    /// # Errors
    /// [`ProviderError::Timeout`] after `action_complete`; [`ProviderError::NotSupported`] if
    /// [`supports_snapshots`](Self::supports_snapshots) is `false`;
    /// [`ProviderError::UnknownOutcome`], with a key for
    /// [`resolve_snapshot`](Self::resolve_snapshot).
    ///
    /// # Cancellation
    /// A cancelled snapshot is finished in the background, and kept.
    ///
    /// # Implementations
    /// The snapshot carries `managed-by=spuff`: without it, no list has it.
    async fn create_snapshot(&self, instance_id: &str, name: &str) -> ProviderResult<Snapshot>;

    /// Lists every snapshot that carries `managed-by=spuff`, from all pages. Does not read labels.
    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>>;

    /// Lists every snapshot that carries `managed-by=spuff`, from all pages, with its labels.
    ///
    /// # Default
    /// Calls [`list_snapshots`](Self::list_snapshots) and returns that label alone.
    async fn list_labelled_snapshots(
        &self,
    ) -> ProviderResult<Vec<(Snapshot, HashMap<String, String>)>> {
        let managed = || {
            HashMap::from([(labels::MANAGED_BY.to_string(), labels::MANAGED_BY_VALUE.to_string())])
        };
        Ok(self.list_snapshots().await?.into_iter().map(|snapshot| (snapshot, managed())).collect())
    }

    /// Deletes a snapshot and all its data. Succeeds if it no longer exists.
    async fn delete_snapshot(&self, id: &str) -> ProviderResult<()>;

    /// Returns the instance made under a key, by this process or another. The key is that of an
    /// [`UnknownOutcome`](ProviderError::UnknownOutcome) or an
    /// [`idempotency_key`](InstanceRequest::idempotency_key). Returns `None` only when it is
    /// certain that there is none; if lists lag, only after the longest lag has passed.
    ///
    /// # Errors
    /// [`ProviderError::UnknownOutcome`] when the API cannot be reached;
    /// [`ProviderError::NotSupported`] if the provider has no such lookup.
    async fn resolve(&self, _key: &str) -> ProviderResult<Option<ProviderInstance>> {
        Err(ProviderError::NotSupported { feature: Operation::Resolve.to_string() })
    }

    /// Returns the snapshot made under the key of an
    /// [`UnknownOutcome`](ProviderError::UnknownOutcome), as [`resolve`](Self::resolve).
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    async fn resolve_snapshot(&self, _key: &str) -> ProviderResult<Option<Snapshot>> {
        Err(ProviderError::NotSupported { feature: Operation::ResolveSnapshot.to_string() })
    }

    /// Adds labels to an instance, or replaces their values; other labels are kept.
    ///
    /// # Errors
    /// [`ProviderError::NotFound`] when the instance does not exist;
    /// [`ProviderError::NotSupported`] if the provider cannot change labels.
    async fn set_labels(&self, _id: &str, _labels: &HashMap<String, String>) -> ProviderResult<()> {
        Err(ProviderError::NotSupported { feature: Operation::SetLabels.to_string() })
    }

    /// Lists the account's SSH keys, as values that [`InstanceRequest::ssh_keys`] accepts.
    ///
    /// # Default
    /// There are none.
    async fn get_ssh_keys(&self) -> ProviderResult<Vec<String>> {
        Ok(Vec::new())
    }

    /// Returns the hourly list price of an instance, without tax. It excludes separately billed
    /// items: a public IPv4 address, traffic, snapshots. If `region` is empty and the provider has
    /// no default, returns the price of the most expensive region. The list is cached for one hour.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when the list lacks the size, or lacks it in that region;
    /// [`ProviderError::NotSupported`] if the API has no price list.
    async fn hourly_price(&self, _region: &str, _size: &str) -> ProviderResult<Price> {
        Err(ProviderError::NotSupported { feature: Operation::HourlyPrice.to_string() })
    }

    /// Whether the snapshot operations work. `true` by default.
    fn supports_snapshots(&self) -> bool {
        true
    }
}

/// An instance, as of the time it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderInstance {
    /// The provider's id.
    pub id: String,
    /// The public address, IPv4 before IPv6; `0.0.0.0` until one is assigned.
    pub ip: IpAddr,
    /// The state.
    pub status: InstanceStatus,
    /// The creation time; 1970 if unknown. To compare, use
    /// [`known_created_at`](Self::known_created_at) or [`age`](Self::age), which treat 1970 as
    /// unknown.
    pub created_at: DateTime<Utc>,
    /// The name given at creation.
    #[serde(default)]
    pub name: String,
    /// The region or location.
    #[serde(default)]
    pub region: String,
    /// The size or type.
    #[serde(default)]
    pub size: String,
    /// The labels, including `managed-by`.
    #[serde(default)]
    pub labels: HashMap<String, String>,
    /// Every address, public and private.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// Whether `create_instance` found this instance under its
    /// [`idempotency_key`](InstanceRequest::idempotency_key) instead of making it. An adopted
    /// instance may be in use, so the call that found it never rolls it back. `false` on instances
    /// that were only read. If several callers in a process wait for one instance under a key, only
    /// the first to take it gets `false`; if the caller that created it has left, that is another
    /// one.
    #[serde(default)]
    pub adopted: bool,
}

impl ProviderInstance {
    /// An instance with these fields; the others are empty.
    pub fn new(
        id: impl Into<String>,
        ip: IpAddr,
        status: InstanceStatus,
        created_at: DateTime<Utc>,
    ) -> Self {
        Self { id: id.into(), ip, status, created_at, ..Self::default() }
    }

    /// The creation time, or `None` if [`created_at`](Self::created_at) is implausible: before
    /// 2006, or more than 10 minutes in the future.
    ///
    /// # Examples
    /// ```
    /// use spuff_core::provider::ProviderInstance;
    ///
    /// assert_eq!(ProviderInstance::default().known_created_at(), None);
    /// ```
    pub fn known_created_at(&self) -> Option<DateTime<Utc>> {
        self.age(crate::clock::utc()).map(|_| self.created_at)
    }

    /// The age at that time, or `None` if it is unknown, as in
    /// [`known_created_at`](Self::known_created_at).
    pub fn age(&self, now: DateTime<Utc>) -> Option<Duration> {
        age(self.created_at, now)
    }

    /// Returns the oldest instance. Instances of unknown age come last.
    pub(crate) fn oldest(machines: impl IntoIterator<Item = Self>) -> Option<Self> {
        machines.into_iter().min_by_key(|machine| {
            let created = machine.known_created_at();
            (created.is_none(), created, machine.id.clone())
        })
    }

    /// Whether the instance is `Active` and has a public address.
    pub fn is_ready(&self) -> bool {
        self.status == InstanceStatus::Active && !self.ip.is_unspecified()
    }

    /// Whether the instance carries `managed-by=spuff`.
    pub fn is_managed(&self) -> bool {
        self.labels.get(labels::MANAGED_BY).is_some_and(|value| value == labels::MANAGED_BY_VALUE)
    }

    /// Sets [`adopted`](Self::adopted).
    pub(crate) fn adopted_if(mut self, adopted: bool) -> Self {
        self.adopted = adopted;
        self
    }
}

impl Default for ProviderInstance {
    fn default() -> Self {
        Self {
            id: String::new(),
            ip: UNASSIGNED,
            status: InstanceStatus::New,
            created_at: DateTime::UNIX_EPOCH,
            name: String::new(),
            region: String::new(),
            size: String::new(),
            labels: HashMap::new(),
            addresses: Vec::new(),
            adopted: false,
        }
    }
}

/// No cloud offered instances before 2006.
const FIRST_CLOUD: DateTime<Utc> = DateTime::from_timestamp_nanos(1_136_073_600_000_000_000);
/// The accepted clock difference between the cloud and this computer.
const SKEW: TimeDelta = TimeDelta::minutes(10);

/// The age at `now`, or `None` if the creation time is implausible.
fn age(created_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<Duration> {
    let age = now.signed_duration_since(created_at);
    (created_at >= FIRST_CLOUD && age >= -SKEW).then(|| age.to_std().unwrap_or_default())
}

const UNASSIGNED: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// An address of an instance. Its family is that of [`ip`](Self::ip).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Whether it is reachable from the internet.
    pub public: bool,
}

impl Address {
    /// A public address.
    pub fn public(ip: impl Into<IpAddr>) -> Self {
        Self { ip: ip.into(), public: true }
    }

    /// A private address.
    pub fn private(ip: impl Into<IpAddr>) -> Self {
        Self { ip: ip.into(), public: false }
    }

    /// Returns the first public address, IPv4 before IPv6, or `0.0.0.0` if there is none.
    pub fn primary(addresses: &[Self]) -> IpAddr {
        let public = || addresses.iter().filter(|address| address.public).map(|address| address.ip);
        public().find(IpAddr::is_ipv4).or_else(|| public().next()).unwrap_or(UNASSIGNED)
    }
}

/// The state of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum InstanceStatus {
    /// Being created or started.
    New,
    /// Running.
    Active,
    /// Stopped, or stopping. It is still billed.
    Off,
    /// Archived or terminated.
    Archive,
    /// Any other state, as the cloud names it.
    Unknown(String),
}

impl InstanceStatus {
    /// Maps a cloud's name of a state. Unknown names are kept.
    ///
    /// # Examples
    /// ```
    /// use spuff_core::provider::InstanceStatus;
    ///
    /// assert_eq!(InstanceStatus::from_word("running"), InstanceStatus::Active);
    /// let unknown = InstanceStatus::Unknown("migrating".to_string());
    /// assert_eq!(InstanceStatus::from_word("migrating"), unknown);
    /// ```
    pub fn from_word(word: &str) -> Self {
        match word {
            "new" | "initializing" | "starting" | "pending" => Self::New,
            "active" | "running" => Self::Active,
            "stopping" | "off" | "stopped" => Self::Off,
            "archive" | "terminated" => Self::Archive,
            other => Self::Unknown(other.to_string()),
        }
    }

    /// Whether the cloud reports that the instance is being destroyed, or is destroyed.
    /// DigitalOcean reports neither.
    pub(crate) fn is_ending(&self) -> bool {
        match self {
            Self::Unknown(word) => matches!(word.as_str(), "deleting" | "shutting-down"),
            status => *status == Self::Archive,
        }
    }
}

impl std::fmt::Display for InstanceStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Active => "active",
            Self::Off => "off",
            Self::Archive => "archive",
            Self::Unknown(word) => word,
        })
    }
}

/// A snapshot of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The provider's id, as [`ImageSpec::Snapshot`] takes it.
    pub id: String,
    /// The name given at creation.
    pub name: String,
    /// The creation time, if the cloud reports it.
    pub created_at: Option<DateTime<Utc>>,
}

impl Snapshot {
    /// A snapshot of unknown age.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), created_at: None }
    }

    /// The age at that time, or `None` if it is unknown, as in [`ProviderInstance::age`].
    pub fn age(&self, now: DateTime<Utc>) -> Option<Duration> {
        age(self.created_at?, now)
    }
}

#[cfg(test)]
mod tests;
