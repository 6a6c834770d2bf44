//! The contract: what every provider does, and the nouns it speaks in.
//!
//! The rooms of the clouds, and providers written outside this crate, stand on it.

pub mod config;
pub mod error;
pub mod labels;
pub mod price;
pub mod registry;
mod similar;

mod builtins;
#[cfg(any(feature = "aws", feature = "digitalocean", feature = "docker", feature = "hetzner"))]
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
pub use price::{Price, PriceSource};
pub use registry::{
    Capabilities, OptionDescription, ProviderDescription, ProviderFactory, ProviderRegistry,
};

/// A cloud that machines can be started on.
///
/// Every verb is a future that may be dropped at any time. Dropping a read loses nothing; dropping
/// a destroy or delete after its request has left does not take the request back.
///
/// # Errors
/// All verbs fail with a [`ProviderError`]; [`ProviderError::kind`] says what to do about it.
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

    /// Starts a machine and returns as soon as the cloud has accepted it: it may still be booting.
    ///
    /// Where there is one already that the same
    /// [`idempotency_key`](InstanceRequest::idempotency_key) has made, that one is given back, as
    /// [`adopted`](ProviderInstance::adopted). An implementation that finds one says so by that
    /// field, as what rolls back, or ends a machine whose create was dropped, ends only what was
    /// made.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] before anything was sent; [`ProviderError::Capacity`] and
    /// [`ProviderError::QuotaExceeded`] when there is no room. A create whose reply is lost is
    /// looked for, and sent again only when it is certain that it made nothing;
    /// [`ProviderError::UnknownOutcome`] when that could not be found out until `instance_ready`
    /// had passed. See [`resolve`](Self::resolve).
    ///
    /// # Cancellation
    /// A create whose future is dropped goes on in the background until the machine is known, and
    /// destroys it unless [`InstanceRequest::on_cancel`] says otherwise.
    /// [`settled`](crate::settled) waits for that. A request that was certainly not carried out,
    /// such as one that the cloud put off by a 429, is not sent again then: nothing is made.
    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance>;

    /// How many machines like this one a [`create_batch`](Self::create_batch) may start; 1 by
    /// default.
    fn max_batch_size(&self, _request: &InstanceRequest) -> usize {
        1
    }

    /// Starts machines that differ in nothing but their names by one call, of no more than
    /// [`max_batch_size`](Self::max_batch_size).
    /// [`fleet::create_instances`](crate::fleet::create_instances) is made of it. The outcomes are
    /// in the order of the requests.
    ///
    /// # Errors
    /// Where none was made, and the same holds for all; else each outcome has its own. As
    /// [`create_instance`](Self::create_instance); [`ProviderError::NotSupported`] by default.
    ///
    /// # Cancellation
    /// As [`create_instance`](Self::create_instance).
    async fn create_batch(
        &self,
        _requests: &[InstanceRequest],
    ) -> ProviderResult<Vec<ProviderResult<ProviderInstance>>> {
        Err(ProviderError::NotSupported { feature: "create_batch".to_string() })
    }

    /// Ends a machine. One that is already gone is `Ok`; one that is locked is tried until
    /// `action_complete` has passed.
    ///
    /// # Errors
    /// [`ProviderError::Conflict`] when the machine stays locked or is protected.
    async fn destroy_instance(&self, id: &str) -> ProviderResult<()>;

    /// Reads one machine; `None` when it does not exist (any more).
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when `id` cannot be an id of this cloud.
    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>>;

    /// Every machine that carries `managed-by=spuff`, from all pages.
    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>>;

    /// Waits until the machine is `Active` and has a public address.
    ///
    /// `Active` means that the hypervisor has started it, not that SSH or cloud-init is ready.
    ///
    /// # Errors
    /// Of the machine: [`ProviderError::Timeout`] of `wait_ready`, after `instance_ready`; earlier
    /// when the machine has failed, with the cloud's reason, and [`ProviderError::NotFound`] with
    /// its id when it is gone. A failure is [`ProviderError::Capacity`],
    /// [`ProviderError::QuotaExceeded`], a [`ProviderError::Conflict`] that does not pass, or has
    /// the machine's id in its [`ErrorContext::instance_id`].
    ///
    /// Of the look: whatever else there is, as it came, when it cannot be found out how the machine
    /// is: the credentials are refused, the network is down, the reply is none. An implementation
    /// looks past what may pass, and keeps the two apart: [`ProviderError::is_instance_failure`]
    /// tells them, and a machine is destroyed by [`create_and_wait`](crate::create_and_wait) and
    /// fleets for an error of its own only.
    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance>;

    /// Makes a snapshot and waits until it can be used.
    ///
    /// # Errors
    /// [`ProviderError::Timeout`] after `action_complete`; [`ProviderError::NotSupported`] where
    /// [`supports_snapshots`](Self::supports_snapshots) is `false`.
    async fn create_snapshot(&self, instance_id: &str, name: &str) -> ProviderResult<Snapshot>;

    /// Every snapshot that carries `managed-by=spuff`, from all pages.
    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>>;

    /// Every snapshot that carries `managed-by=spuff`, each with its labels. By default as
    /// [`list_snapshots`](Self::list_snapshots), with that label alone.
    async fn list_labelled_snapshots(
        &self,
    ) -> ProviderResult<Vec<(Snapshot, HashMap<String, String>)>> {
        let managed = || {
            HashMap::from([(labels::MANAGED_BY.to_string(), labels::MANAGED_BY_VALUE.to_string())])
        };
        Ok(self.list_snapshots().await?.into_iter().map(|snapshot| (snapshot, managed())).collect())
    }

    /// Deletes a snapshot with all that it stores. One that is already gone is `Ok`.
    async fn delete_snapshot(&self, id: &str) -> ProviderResult<()>;

    /// The machine that was made under a key: that of an
    /// [`UnknownOutcome`](ProviderError::UnknownOutcome), or an
    /// [`idempotency_key`](InstanceRequest::idempotency_key), from this process or another. `None`
    /// when it is certain that there is none; where lists lag, that takes until they must have
    /// caught up.
    ///
    /// # Errors
    /// [`ProviderError::UnknownOutcome`] when the cloud cannot be asked;
    /// [`ProviderError::NotSupported`] by default.
    async fn resolve(&self, _key: &str) -> ProviderResult<Option<ProviderInstance>> {
        Err(ProviderError::NotSupported { feature: "resolve".to_string() })
    }

    /// The snapshot that was made under the key of an
    /// [`UnknownOutcome`](ProviderError::UnknownOutcome), as [`resolve`](Self::resolve).
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    async fn resolve_snapshot(&self, _key: &str) -> ProviderResult<Option<Snapshot>> {
        Err(ProviderError::NotSupported { feature: "resolve_snapshot".to_string() })
    }

    /// Adds labels to a machine, or replaces their values; other labels stay.
    ///
    /// # Errors
    /// [`ProviderError::NotFound`] when the machine does not exist; [`ProviderError::NotSupported`]
    /// by default.
    async fn set_labels(&self, _id: &str, _labels: &HashMap<String, String>) -> ProviderResult<()> {
        Err(ProviderError::NotSupported { feature: "set_labels".to_string() })
    }

    /// The SSH keys of the account, as values that [`InstanceRequest::ssh_keys`] takes. Empty by
    /// default.
    async fn get_ssh_keys(&self) -> ProviderResult<Vec<String>> {
        Ok(Vec::new())
    }

    /// What an hour of a machine costs by the cloud's own list, without tax: the machine alone,
    /// without a public IPv4 address, traffic or snapshots that are billed apart. Where no region
    /// is named, and the provider has no default, the price is that of the dearest. A list that was
    /// read in the last hour is not read again.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when the list has no such size, or not in that region;
    /// [`ProviderError::NotSupported`] by default, and where the cloud's API has no such list.
    async fn hourly_price(&self, _region: &str, _size: &str) -> ProviderResult<Price> {
        Err(ProviderError::NotSupported { feature: "hourly_price".to_string() })
    }

    /// Whether the snapshot verbs work. `true` by default.
    fn supports_snapshots(&self) -> bool {
        true
    }
}

/// A machine, as it was when the cloud was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderInstance {
    /// The provider's id.
    pub id: String,
    /// The public address, IPv4 before IPv6; unspecified (`0.0.0.0`) until there is one.
    pub ip: IpAddr,
    /// The state.
    pub status: InstanceStatus,
    /// When it was created; 1970 where that is not known. Compare by
    /// [`known_created_at`](Self::known_created_at) or [`age`](Self::age), to which 1970 is no
    /// time.
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
    /// The labels, with `managed-by`.
    #[serde(default)]
    pub labels: HashMap<String, String>,
    /// Every address, public and private.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// Whether `create_instance` has not made this machine, but given back the one that its
    /// [`idempotency_key`](InstanceRequest::idempotency_key) had made before: it may be in use, and
    /// nothing here ends it as the work of the call that has found it. `false` where a machine is
    /// only read. Of several callers in a process that wait for one machine under a key, one is
    /// told `false`: the first that takes it, which is another where the one whose create it was
    /// has left.
    #[serde(default)]
    pub adopted: bool,
}

impl ProviderInstance {
    /// A machine of which only this is known.
    pub fn new(
        id: impl Into<String>,
        ip: IpAddr,
        status: InstanceStatus,
        created_at: DateTime<Utc>,
    ) -> Self {
        Self { id: id.into(), ip, status, created_at, ..Self::default() }
    }

    /// When it was created. `None` where [`created_at`](Self::created_at) cannot be that: before
    /// there were clouds, or in the future by more than clocks differ.
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

    /// How old it is at that time; `None` where that is not known, as of
    /// [`known_created_at`](Self::known_created_at).
    pub fn age(&self, now: DateTime<Utc>) -> Option<Duration> {
        age(self.created_at, now)
    }

    /// The oldest of some machines. One whose age is not known is not older than another.
    #[cfg(any(feature = "aws", feature = "digitalocean", feature = "docker", feature = "hetzner"))]
    pub(crate) fn oldest(machines: impl IntoIterator<Item = Self>) -> Option<Self> {
        machines.into_iter().min_by_key(|machine| {
            let created = machine.known_created_at();
            (created.is_none(), created, machine.id.clone())
        })
    }

    /// Whether the machine is `Active` and has a public address.
    pub fn is_ready(&self) -> bool {
        self.status == InstanceStatus::Active && !self.ip.is_unspecified()
    }

    /// Whether the machine carries `managed-by=spuff`.
    pub fn is_managed(&self) -> bool {
        self.labels.get(labels::MANAGED_BY).is_some_and(|value| value == labels::MANAGED_BY_VALUE)
    }

    /// This machine, as a create gives it back: [`adopted`](Self::adopted), or made by it.
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

/// No cloud had machines before 2006.
const FIRST_CLOUD: DateTime<Utc> = DateTime::from_timestamp_nanos(1_136_073_600_000_000_000);
/// By how much the clocks of a cloud and of this machine may differ.
const SKEW: TimeDelta = TimeDelta::minutes(10);

/// The age of what was created then; none where it cannot have been.
fn age(created_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<Duration> {
    let age = now.signed_duration_since(created_at);
    (created_at >= FIRST_CLOUD && age >= -SKEW).then(|| age.to_std().unwrap_or_default())
}

const UNASSIGNED: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// An address of a machine. The family is that of [`ip`](Self::ip).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Whether it can be reached from the internet.
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

    /// The address a machine is reached at: the first public one, IPv4 before IPv6, or `0.0.0.0`.
    pub fn primary(addresses: &[Self]) -> IpAddr {
        let public = || addresses.iter().filter(|address| address.public).map(|address| address.ip);
        public().find(IpAddr::is_ipv4).or_else(|| public().next()).unwrap_or(UNASSIGNED)
    }
}

/// The state of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum InstanceStatus {
    /// Being created or started.
    New,
    /// Running.
    Active,
    /// Stopped, or stopping. It is still paid for.
    Off,
    /// Archived or terminated.
    Archive,
    /// A word that has no place above.
    Unknown(String),
}

impl InstanceStatus {
    /// Sorts a cloud's word for a state. Unknown words are kept.
    ///
    /// # Examples
    /// ```
    /// use spuff_core::provider::InstanceStatus;
    ///
    /// assert_eq!(InstanceStatus::from_word("running"), InstanceStatus::Active);
    /// assert_eq!(InstanceStatus::from_word("migrating"), InstanceStatus::Unknown("migrating".to_string()));
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

    /// Whether the cloud says that the machine is being destroyed, or has been. DigitalOcean says
    /// neither.
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

/// A snapshot of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The provider's id: what [`ImageSpec::Snapshot`] takes.
    pub id: String,
    /// The name given at creation.
    pub name: String,
    /// When it was created, where the cloud says so.
    pub created_at: Option<DateTime<Utc>>,
}

impl Snapshot {
    /// How old it is at that time; `None` where that is not known, as of [`ProviderInstance::age`].
    pub fn age(&self, now: DateTime<Utc>) -> Option<Duration> {
        age(self.created_at?, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_cannot_be_that_of_a_create_is_no_age() {
        let now = Utc::now();
        let at = |created_at| ProviderInstance { created_at, ..ProviderInstance::default() };
        let day = TimeDelta::days(1);
        for (created_at, expected) in [
            (now - day, Some(Duration::from_secs(86_400))),
            (FIRST_CLOUD, (now - FIRST_CLOUD).to_std().ok()),
            (now + TimeDelta::minutes(9), Some(Duration::ZERO)),
            (now + day, None),
            (DateTime::UNIX_EPOCH, None),
            (FIRST_CLOUD - day, None),
            (DateTime::<Utc>::MIN_UTC, None),
            (DateTime::<Utc>::MAX_UTC, None),
        ] {
            assert_eq!(at(created_at).age(now), expected, "{created_at}");
            assert_eq!(
                at(created_at).known_created_at(),
                expected.map(|_| created_at),
                "{created_at}"
            );
            let snapshot =
                |created_at| Snapshot { id: String::new(), name: String::new(), created_at };
            assert_eq!(
                (snapshot(Some(created_at)).age(now), snapshot(None).age(now)),
                (expected, None),
                "{created_at}"
            );
        }
    }

    #[test]
    #[cfg(any(feature = "aws", feature = "digitalocean", feature = "docker", feature = "hetzner"))]
    fn a_machine_without_an_age_is_not_the_oldest() {
        let now = Utc::now();
        let machine = |id: &str, created_at| ProviderInstance {
            id: id.to_string(),
            created_at,
            ..ProviderInstance::default()
        };
        let unknown = machine("a", DateTime::UNIX_EPOCH);
        let (new, old) = (machine("b", now), machine("c", now - TimeDelta::hours(1)));
        assert_eq!(ProviderInstance::oldest([unknown.clone(), new, old.clone()]), Some(old));
        assert_eq!(ProviderInstance::oldest([unknown.clone()]), Some(unknown));
    }
}
