//! Places an instance by an ordered list of providers, regions and sizes, in case the first choice
//! is sold out.
//!
//! The next candidate is tried only if certainly nothing was made and the only reason is a lack of
//! room: [`Capacity`](crate::ProviderError::Capacity) and
//! [`QuotaExceeded`](crate::ProviderError::QuotaExceeded). Any other error ends the placement. This
//! applies above all to a create with an unknown outcome, since trying on could make a second
//! instance. A size that a region does not offer is
//! [`InvalidConfig`](crate::ProviderError::InvalidConfig) and ends the placement too: a wrong entry
//! that is skipped silently would never be noticed.

mod search;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::search::Search;
use crate::fleet::{self, AbortFlag, FleetOptions, Maker};
use crate::guard::InstanceGuard;
use crate::progress::{self, Phase};
use crate::provider::error::{Attempt, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::{ImageSpec, InstanceRequest, Price, Provider, ProviderInstance};

/// A provider, region and size to try.
#[derive(Clone)]
#[non_exhaustive]
pub struct Candidate {
    /// The provider.
    pub provider: Arc<dyn Provider>,
    /// The region or location. If empty, the provider's default.
    pub region: String,
    /// The size or type.
    pub size: String,
    /// The hourly price. By default the provider's price, which is requested only under a ceiling.
    pub price: Option<Price>,
    /// The image at this provider, if it differs from that of the request.
    pub image: Option<ImageSpec>,
}

impl Candidate {
    /// Creates a candidate at the provider's own price.
    pub fn new(
        provider: &Arc<dyn Provider>,
        region: impl Into<String>,
        size: impl Into<String>,
    ) -> Self {
        Self {
            provider: provider.clone(),
            region: region.into(),
            size: size.into(),
            price: None,
            image: None,
        }
    }

    /// Sets the hourly price, for a provider that reports none or to override its price.
    #[must_use]
    pub fn with_price(mut self, price: Price) -> Self {
        self.price = Some(price);
        self
    }

    /// Sets the image.
    #[must_use]
    pub fn with_image(mut self, image: ImageSpec) -> Self {
        self.image = Some(image);
        self
    }
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate")
            .field("provider", &self.provider.name())
            .field("region", &self.region)
            .field("size", &self.size)
            .field("price", &self.price)
            .field("image", &self.image)
            .finish()
    }
}

/// The candidates for an instance, in order of preference, and the price ceiling.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Placement {
    /// The candidates, in the order in which they are tried.
    pub candidates: Vec<Candidate>,
    /// The maximum hourly price; no ceiling by default. Every price must be in its currency.
    pub max_price: Option<Price>,
    /// Whether to try candidates of unknown price under a ceiling; off by default.
    pub allow_unknown_price: bool,
}

impl Placement {
    /// Creates a placement without a price ceiling.
    pub fn new(candidates: Vec<Candidate>) -> Self {
        Self { candidates, max_price: None, allow_unknown_price: false }
    }

    /// Sets the maximum hourly price.
    #[must_use]
    pub fn with_max_price(mut self, price: Price) -> Self {
        self.max_price = Some(price);
        self
    }

    /// Sets whether to try candidates of unknown price under a ceiling.
    #[must_use]
    pub fn with_allow_unknown_price(mut self, allow: bool) -> Self {
        self.allow_unknown_price = allow;
        self
    }
}

/// An instance that was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Placed {
    /// The instance.
    pub instance: ProviderInstance,
    /// The position of its candidate in the list.
    pub candidate: usize,
    /// The outcome of each candidate up to that one, in order.
    pub attempts: Vec<Attempt>,
}

/// Creates an instance at the first candidate that has room for it. The candidate sets the region
/// and size of the request.
///
/// Under a ceiling, the prices of all candidates are requested first. A candidate is not tried if
/// it costs more, or if its price is unknown and that is not allowed. [`observe`](crate::observe)
/// reports each candidate that is passed over for the next one.
///
/// # Errors
/// [`ProviderError::NotPlaced`](crate::ProviderError::NotPlaced), with the outcome of each
/// candidate. Its kind is that of the error that ended the placement. If no candidate was left, it
/// is `Capacity` if any was out of stock, else `QuotaExceeded` if any was at its limit, else
/// `InvalidConfig` of `max_price`.
///
/// `InvalidConfig`, before anything is made: of `candidates` if there are none; of `max_price` if a
/// price is in another currency; of `idempotency_key` if there are several candidates. A key
/// identifies an instance in one place, and could not prevent a second process from creating
/// another elsewhere.
///
/// # Cancellation
/// As [`Provider::create_instance`].
///
/// # Examples
/// ```no_run
/// use std::sync::Arc;
/// use spuff_core::placement::{Candidate, Placement, place_instance};
/// use spuff_core::provider::{InstanceRequest, Price, Provider, ProviderError, ProviderRegistry};
///
/// # async fn example() -> Result<(), ProviderError> {
/// let hetzner: Arc<dyn Provider> = ProviderRegistry::with_defaults().from_env("hetzner")?.into();
/// let places = ["fsn1", "nbg1", "hel1"].map(|region| Candidate::new(&hetzner, region, "cx22"));
/// let placement = Placement::new(places.into()).with_max_price("0.01 EUR".parse()?);
/// let placed = place_instance(&placement, &InstanceRequest::new("web-1", "", "")).await?;
/// println!("{} is in {}", placed.instance.id, placed.instance.region);
/// # Ok(())
/// # }
/// ```
pub async fn place_instance(
    placement: &Placement,
    request: &InstanceRequest,
) -> ProviderResult<Placed> {
    let began = Instant::now();
    let search = Search::new(Operation::PlaceInstance, placement, 1).await?;
    // The caller handles rate limits, as with a create.
    let abort = AbortFlag::new(Operation::PlaceInstance);
    abort.set();
    let made = match search.walk(0, request, &abort).await {
        Ok(made) => {
            let guard = InstanceGuard::new(&search.provider(0), made, request.cancellation());
            progress::report_instance(
                Operation::PlaceInstance,
                Phase::Accepted,
                guard.instance(),
                began.elapsed(),
            );
            progress::flush().await;
            Ok(guard.release())
        }
        Err(error) => Err(error),
    };
    search.placed(0, made)
}

/// Creates many instances, each at the first candidate that has room for it, as
/// [`fleet::create_instances`] does with the same options. The outcomes are in the order of the
/// requests.
///
/// A candidate that was full is not tried again for another instance of the same call. So the
/// refused creates at one candidate never exceed the creates in progress at once.
///
/// # Errors
/// Each outcome has its own: those of [`place_instance`], and of [`fleet::create_instances`] within
/// them.
///
/// # Cancellation
/// As [`fleet::create_instances`].
pub async fn place_instances(
    placement: &Placement,
    requests: &[InstanceRequest],
    options: FleetOptions,
) -> Vec<ProviderResult<Placed>> {
    let search = match Search::new(Operation::PlaceInstances, placement, requests.len()).await {
        Ok(search) => search,
        Err(error) => return search::each(requests.len(), &error),
    };
    let outcomes = fleet::make(&search, requests, options).await;
    outcomes.into_iter().enumerate().map(|(index, made)| search.placed(index, made)).collect()
}
