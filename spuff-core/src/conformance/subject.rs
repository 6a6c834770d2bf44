//! The provider under test: how to make it, the request to send, and its declared features.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::provider::{
    Capabilities, InstanceRequest, Provider, ProviderConfig, ProviderRegistry, ProviderResult,
    ProviderTimeouts,
};

type MadeProvider = ProviderResult<Box<dyn Provider>>;
type Make = dyn Fn(ProviderTimeouts) -> MadeProvider + Send + Sync;

/// A provider under test. Cloning it is cheap.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use spuff_core::conformance::Subject;
/// use spuff_core::provider::{InstanceRequest, ProviderConfig, ProviderRegistry};
///
/// # fn example() -> Result<(), spuff_core::provider::ProviderError> {
/// let registry = ProviderRegistry::with_defaults();
/// let request = InstanceRequest::new("", "fsn1", "cx22");
/// let config = ProviderConfig::new("token");
/// let subject = Subject::registered(&registry, "hetzner", config, request, "999999999")?
///     .with_settling(Duration::from_secs(30));
/// # drop(subject);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Subject {
    make: Arc<Make>,
    stranger: Option<Arc<Make>>,
    pub(super) request: InstanceRequest,
    pub(super) absent_id: String,
    pub(super) absent_snapshot_id: String,
    pub(super) timeouts: ProviderTimeouts,
    pub(super) settling: Duration,
    pub(super) capabilities: Capabilities,
    pub(super) default_size: bool,
    pub(super) idempotent: bool,
    pub(super) at_once: usize,
}

impl Subject {
    /// Tests the providers returned by `make`, which must all manage the same instances.
    ///
    /// The suite creates every instance with `request`, under a name of its own: set a region, size
    /// and image that the provider accepts. An empty region or size declares that the provider has
    /// none. `absent_id` is a well-formed id of no existing resource.
    pub fn new(
        make: impl Fn(ProviderTimeouts) -> MadeProvider + Send + Sync + 'static,
        request: InstanceRequest,
        absent_id: impl Into<String>,
    ) -> Self {
        let absent_id = absent_id.into();
        Self {
            make: Arc::new(make),
            stranger: None,
            request,
            absent_snapshot_id: absent_id.clone(),
            absent_id,
            timeouts: ProviderTimeouts::default(),
            settling: Duration::from_secs(120),
            capabilities: Capabilities::default(),
            default_size: false,
            idempotent: false,
            at_once: 8,
        }
    }

    /// Tests a provider of a registry, with the timeouts of `config` and the capabilities that its
    /// factory describes.
    ///
    /// # Errors
    /// [`ProviderError::UnknownProvider`](crate::ProviderError::UnknownProvider) with the
    /// registered names.
    pub fn registered(
        registry: &ProviderRegistry,
        name: &str,
        config: ProviderConfig,
        request: InstanceRequest,
        absent_id: impl Into<String>,
    ) -> ProviderResult<Self> {
        let capabilities = registry.describe(name)?.capabilities;
        let registry = registry.clone();
        let name = name.to_string();
        let timeouts = config.timeouts;
        let make = move |timeouts| registry.connect(&name, config.clone().with_timeouts(timeouts));
        Ok(Self::new(make, request, absent_id)
            .with_capabilities(capabilities)
            .with_timeouts(timeouts))
    }

    /// Sets an id of no existing snapshot, if its format differs from that of instance ids.
    #[must_use]
    pub fn with_absent_snapshot_id(mut self, id: impl Into<String>) -> Self {
        self.absent_snapshot_id = id.into();
        self
    }

    /// Sets the timeouts of the providers.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: ProviderTimeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets the longest read lag of the cloud. Default: 120 s; a conforming provider never needs
    /// all of it.
    #[must_use]
    pub fn with_settling(mut self, settling: Duration) -> Self {
        self.settling = settling;
        self
    }

    /// Sets the capabilities, as the provider's factory describes them.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Declares that the provider has a default size.
    #[must_use]
    pub fn with_default_size(mut self) -> Self {
        self.default_size = true;
        self
    }

    /// Declares that creates with the same `idempotency_key` make one instance and all return it.
    #[must_use]
    pub fn with_idempotency(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Sets how to make the provider at an address where another server answers instead of the API:
    /// every reply is an error not of the API, such as a load balancer's page with the status 404.
    /// The provider must not take any resource for gone there.
    ///
    /// # Examples
    /// ```
    /// use spuff_core::conformance::Subject;
    /// use spuff_core::provider::{InstanceRequest, ProviderConfig, ProviderRegistry};
    ///
    /// # fn example() -> Result<(), spuff_core::provider::ProviderError> {
    /// let registry = ProviderRegistry::with_defaults();
    /// let config = ProviderConfig::new("token");
    /// let request = InstanceRequest::new("", "fsn1", "cx22");
    /// let stranger = config.clone().with_endpoint("http://127.0.0.1:8404");
    /// let subject = Subject::registered(&registry, "hetzner", config, request, "999999999")?
    ///     .with_stranger(move |timeouts| {
    ///         registry.connect("hetzner", stranger.clone().with_timeouts(timeouts))
    ///     });
    /// # drop(subject);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_stranger(
        mut self,
        make: impl Fn(ProviderTimeouts) -> MadeProvider + Send + Sync + 'static,
    ) -> Self {
        self.stranger = Some(Arc::new(make));
        self
    }

    /// Sets how many instances are created at once. Default: 8; minimum: 2.
    #[must_use]
    pub fn with_machines_at_once(mut self, machines: usize) -> Self {
        self.at_once = machines.max(2);
        self
    }

    pub(super) fn make(&self, timeouts: ProviderTimeouts) -> ProviderResult<Arc<dyn Provider>> {
        (self.make)(timeouts).map(Arc::from)
    }

    pub(super) fn make_stranger(
        &self,
        timeouts: ProviderTimeouts,
    ) -> Option<ProviderResult<Arc<dyn Provider>>> {
        Some((self.stranger.as_ref()?)(timeouts).map(Arc::from))
    }

    /// Longer than every deadline of an operation: only one that hangs takes this long.
    pub(super) fn patience(&self) -> Duration {
        let ProviderTimeouts { instance_ready, action_complete, http_request, .. } = self.timeouts;
        [instance_ready, action_complete, http_request, http_request]
            .into_iter()
            .fold(Duration::ZERO, Duration::saturating_add)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("request", &self.request)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}
