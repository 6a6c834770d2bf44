//! The caller's input: instance requests, images, provider names, timeouts and configuration.
//!
//! Each provider validates values against its own limits.

mod provider_type;

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

pub use provider_type::ProviderType;

/// A request for one instance.
///
/// # Examples
/// ```
/// use spuff_core::provider::{ImageSpec, InstanceRequest};
///
/// let request = InstanceRequest::new("web-1", "fsn1", "cx22")
///     .with_image(ImageSpec::Debian("12".to_string()))
///     .with_label("env", "prod");
/// assert_eq!(request.image.to_string(), "debian:12");
/// ```
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceRequest {
    /// The name; on most clouds also the host name, so letters, digits, `-` and `.` only.
    pub name: String,
    /// The region or location. If empty, the provider's default.
    pub region: String,
    /// The size or type.
    pub size: String,
    /// The image to boot from.
    pub image: ImageSpec,
    /// A cloud-init document or script, as plain text.
    pub user_data: Option<String>,
    /// Labels; `managed-by=spuff` is always added.
    pub labels: HashMap<String, String>,
    /// SSH keys by id, name or fingerprint, as registered at the provider. Empty by default: spuff
    /// never adds all keys of the account.
    ///
    /// If the form of a value is ambiguous, the provider looks it up: a key's name may be all
    /// digits. A value that matches two keys fails with
    /// [`InvalidConfig`](super::ProviderError::InvalidConfig), which names both.
    pub ssh_keys: Vec<String>,
    /// The caller's own key for exactly one instance. The same request under the same key returns
    /// the same instance: after a timeout, concurrently, through another provider of the account,
    /// and from another process. DigitalOcean does not enforce uniqueness (spuff only searches
    /// before it creates), so two processes must not use one key within the same seconds; at
    /// Hetzner, not with two names. While the key's instance is being destroyed, a create under it
    /// waits until the instance is gone.
    pub idempotency_key: Option<String>,
    /// The owner, by which [`list_owned`](crate::lease::list_owned) and
    /// [`reap`](crate::lease::reap) find the instance.
    pub owner: Option<String>,
    /// The lease duration, from the create. Then [`reap`](crate::lease::reap) destroys the
    /// instance; no cloud does by itself, except EC2 if the instance shuts itself down.
    pub ttl: Option<Duration>,
    /// The fate of the instance when the future of its create is dropped. By default it is
    /// destroyed; with an `idempotency_key` it is kept, and a later create under that key returns
    /// it.
    pub on_cancel: Option<OnCancel>,
}

/// The fate of an instance when the future of its create is dropped early. An adopted instance is
/// always kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnCancel {
    /// Destroys the instance in the background, as soon as it is known.
    Destroy,
    /// Leaves the instance running. Its labels identify its owner.
    Keep,
}

impl InstanceRequest {
    /// A request with the default image, no labels and no SSH keys.
    pub fn new(
        name: impl Into<String>,
        region: impl Into<String>,
        size: impl Into<String>,
    ) -> Self {
        Self { name: name.into(), region: region.into(), size: size.into(), ..Self::default() }
    }

    /// Sets the image.
    #[must_use]
    pub fn with_image(mut self, image: ImageSpec) -> Self {
        self.image = image;
        self
    }

    /// Sets the cloud-init document or script.
    #[must_use]
    pub fn with_user_data(mut self, user_data: impl Into<String>) -> Self {
        self.user_data = Some(user_data.into());
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Replaces the labels.
    #[must_use]
    pub fn with_labels(mut self, labels: HashMap<String, String>) -> Self {
        self.labels = labels;
        self
    }

    /// Adds an SSH key, by id, name or fingerprint.
    #[must_use]
    pub fn with_ssh_key(mut self, key: impl Into<String>) -> Self {
        self.ssh_keys.push(key.into());
        self
    }

    /// Sets the idempotency key.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Sets the owner: 1 to 63 letters, digits, `-`, `_` and `.`.
    #[must_use]
    pub fn with_owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Sets the lease duration, in whole seconds.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets the fate of the instance when the future of its create is dropped.
    #[must_use]
    pub fn with_on_cancel(mut self, on_cancel: OnCancel) -> Self {
        self.on_cancel = Some(on_cancel);
        self
    }

    /// Returns [`on_cancel`](Self::on_cancel), or its default.
    pub fn cancellation(&self) -> OnCancel {
        let default =
            if self.idempotency_key.is_some() { OnCancel::Keep } else { OnCancel::Destroy };
        self.on_cancel.unwrap_or(default)
    }

    /// Whether it differs from `other` at most in the name.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        let Self {
            name: _,
            region,
            size,
            image,
            user_data,
            labels,
            ssh_keys,
            idempotency_key,
            owner,
            ttl,
            on_cancel,
        } = self;
        (region, size, image, user_data)
            == (&other.region, &other.size, &other.image, &other.user_data)
            && (labels, ssh_keys, idempotency_key)
                == (&other.labels, &other.ssh_keys, &other.idempotency_key)
            && (owner, ttl, on_cancel) == (&other.owner, &other.ttl, &other.on_cancel)
    }
}

/// Shows only the length of `user_data`: it often holds secrets.
impl fmt::Debug for InstanceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user_data = self.user_data.as_ref().map(|text| format!("{} bytes", text.len()));
        f.debug_struct("InstanceRequest")
            .field("name", &self.name)
            .field("region", &self.region)
            .field("size", &self.size)
            .field("image", &self.image)
            .field("user_data", &user_data)
            .field("labels", &self.labels)
            .field("ssh_keys", &self.ssh_keys)
            .field("idempotency_key", &self.idempotency_key)
            .field("owner", &self.owner)
            .field("ttl", &self.ttl)
            .field("on_cancel", &self.on_cancel)
            .finish()
    }
}

/// The image that an instance boots from.
///
/// # Examples
/// ```
/// use spuff_core::provider::ImageSpec;
///
/// assert_eq!("ubuntu:24.04".parse(), Ok(ImageSpec::Ubuntu("24.04".to_string())));
/// assert_eq!("ami-0abc".parse(), Ok(ImageSpec::Custom("ami-0abc".to_string())));
/// assert_eq!(ImageSpec::default().to_string(), "ubuntu:24.04");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ImageSpec {
    /// An Ubuntu release, such as `24.04`.
    Ubuntu(String),
    /// A Debian release, such as `12`.
    Debian(String),
    /// The provider's own id or slug.
    Custom(String),
    /// The id of a snapshot.
    Snapshot(String),
}

impl Default for ImageSpec {
    fn default() -> Self {
        Self::Ubuntu("24.04".to_string())
    }
}

impl FromStr for ImageSpec {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.split_once(':') {
            Some(("ubuntu", version)) => Self::Ubuntu(version.to_string()),
            Some(("debian", version)) => Self::Debian(version.to_string()),
            Some(("snapshot", id)) => Self::Snapshot(id.to_string()),
            _ => Self::Custom(text.to_string()),
        })
    }
}

impl fmt::Display for ImageSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ubuntu(version) => write!(f, "ubuntu:{version}"),
            Self::Debian(version) => write!(f, "debian:{version}"),
            Self::Custom(id) => f.write_str(id),
            Self::Snapshot(id) => write!(f, "snapshot:{id}"),
        }
    }
}

/// Timeouts and the poll interval. All are elapsed times, on a clock that stops while the computer
/// sleeps. A wait interrupted by sleep continues with its remaining time, and polls again before it
/// can time out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderTimeouts {
    /// For an instance to become ready. Default: 300 s.
    pub instance_ready: Duration,
    /// For an action of the cloud, such as a snapshot, or the destroy of a locked instance.
    /// Default: 600 s.
    pub action_complete: Duration,
    /// The longest pause between two polls. Default: 5 s.
    pub poll_interval: Duration,
    /// For one HTTP request. Default: 30 s. Operations that await no state, such as reads, give up
    /// after twice this in total; waits for the account's rate limit are not counted.
    pub http_request: Duration,
    /// For callers that connect by SSH. spuff itself does not use it. Default: 300 s.
    pub ssh_connect: Duration,
    /// For callers that wait for cloud-init. spuff itself does not use it. Default: 600 s.
    pub cloud_init: Duration,
}

impl Default for ProviderTimeouts {
    fn default() -> Self {
        Self {
            instance_ready: Duration::from_secs(300),
            action_complete: Duration::from_secs(600),
            poll_interval: Duration::from_secs(5),
            http_request: Duration::from_secs(30),
            ssh_connect: Duration::from_secs(300),
            cloud_init: Duration::from_secs(600),
        }
    }
}

impl ProviderTimeouts {
    /// The shortest pause between two polls: a `poll_interval` of zero must not busy-loop.
    pub const MIN_POLL_INTERVAL: Duration = Duration::from_millis(20);

    /// How many polls at `poll_interval` fit into `instance_ready`; at least one.
    pub fn instance_ready_attempts(&self) -> u32 {
        self.attempts(self.instance_ready)
    }

    /// How many polls at `poll_interval` fit into `action_complete`; at least one.
    pub fn action_complete_attempts(&self) -> u32 {
        self.attempts(self.action_complete)
    }

    fn attempts(&self, limit: Duration) -> u32 {
        let interval = self.poll_interval.max(Self::MIN_POLL_INTERVAL);
        let attempts = limit.as_nanos().div_ceil(interval.as_nanos());
        u32::try_from(attempts).unwrap_or(u32::MAX).max(1)
    }
}

/// Serializes a type as its text, for readable configuration files.
macro_rules! serde_as_text {
    ($type:ty, $show:expr, $parse:expr) => {
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&$show(self))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(|text| $parse(&text))
            }
        }
    };
}

serde_as_text!(ImageSpec, ImageSpec::to_string, |text: &str| match text.parse() {
    Ok(image) => image,
    Err(never) => match never {},
});
serde_as_text!(ProviderType, |name: &ProviderType| name.as_str(), ProviderType::named);

/// How to reach a provider. Omitted fields take the provider's defaults.
///
/// # Examples
/// ```
/// use spuff_core::provider::ProviderConfig;
///
/// let config = ProviderConfig::new("secret-token").with_endpoint("http://127.0.0.1:8080/v1");
/// assert!(!format!("{config:?}").contains("secret-token"));
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ProviderConfig {
    /// The token. The built-in providers strip surrounding white space and quotes.
    pub token: Option<SecretString>,
    /// The base URL of the API: `https`, or `http` on a loopback address. For Docker or Podman, the
    /// engine's address.
    pub endpoint: Option<String>,
    /// The region for requests that name none.
    pub region: Option<String>,
    /// The timeouts.
    pub timeouts: ProviderTimeouts,
    /// A PEM file of certificate authorities to trust in addition to the platform's.
    pub ca_file: Option<PathBuf>,
    /// Provider-specific options; see [`ProviderDescription`](super::ProviderDescription).
    pub options: BTreeMap<String, String>,
}

/// Shows only the names of `options`: the values may be secrets.
impl fmt::Debug for ProviderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token, endpoint, region, timeouts, ca_file, options } = self;
        let options: Vec<_> = options.keys().collect();
        let mut shown = f.debug_struct("ProviderConfig");
        shown.field("token", token).field("endpoint", endpoint).field("region", region);
        shown
            .field("timeouts", timeouts)
            .field("ca_file", ca_file)
            .field("options", &options)
            .finish()
    }
}

impl ProviderConfig {
    /// A configuration with a token and defaults.
    pub fn new(token: impl Into<String>) -> Self {
        Self::default().with_token(token)
    }

    /// Returns the token in plain text, for a provider's factory; empty if there is none.
    pub fn expose_token(&self) -> &str {
        self.token.as_ref().map_or("", |token| token.expose_secret())
    }

    /// Sets the token.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(SecretString::from(token.into()));
        self
    }

    /// Sets the base URL.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Sets the default region.
    #[must_use]
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Sets the timeouts.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: ProviderTimeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets the file of additional certificate authorities.
    #[must_use]
    pub fn with_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Sets a provider-specific option.
    #[must_use]
    pub fn with_option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(name.into(), value.into());
        self
    }
}
