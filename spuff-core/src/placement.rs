//! Where a machine is made when the first choice is sold out: an ordered list of providers, regions
//! and sizes.
//!
//! A candidate is left for the next one when it is certain that nothing was made there, and only
//! because there is no room: [`Capacity`](crate::ProviderError::Capacity) and
//! [`QuotaExceeded`](crate::ProviderError::QuotaExceeded). Whatever else goes wrong ends the
//! placement: above all a create of which it is not known what came of it, as a second machine
//! would be made beside the first. A size that a region does not offer at all is
//! [`InvalidConfig`](crate::ProviderError::InvalidConfig), and ends it too: the list is wrong, and
//! one that was passed over in silence would be so for good.

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
use crate::provider::{ImageSpec, InstanceRequest, Price, Provider, ProviderInstance};

/// A place to try.
#[derive(Clone)]
#[non_exhaustive]
pub struct Candidate {
    /// The provider.
    pub provider: Arc<dyn Provider>,
    /// The region or location. Empty: the provider's default.
    pub region: String,
    /// The size or type.
    pub size: String,
    /// What an hour costs there; by default what the provider says, where a ceiling asks for it.
    pub price: Option<Price>,
    /// The image there, where that of the request is another provider's.
    pub image: Option<ImageSpec>,
}

impl Candidate {
    /// A place to try, at the provider's own price.
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

    /// Sets what an hour costs there, for a provider that does not tell, or a price of one's own.
    #[must_use]
    pub fn with_price(mut self, price: Price) -> Self {
        self.price = Some(price);
        self
    }

    /// Sets the image there.
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

/// Where a machine may be made, the best place first, and for how much.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Placement {
    /// The places, in the order in which they are tried.
    pub candidates: Vec<Candidate>,
    /// The most that an hour may cost; no ceiling by default. Every price must be in its currency.
    pub max_price: Option<Price>,
    /// Whether a candidate is tried, under a ceiling, of which nobody knows the price; not by
    /// default.
    pub allow_unknown_price: bool,
}

impl Placement {
    /// These places, whatever they cost.
    pub fn new(candidates: Vec<Candidate>) -> Self {
        Self { candidates, max_price: None, allow_unknown_price: false }
    }

    /// Sets the most that an hour may cost.
    #[must_use]
    pub fn with_max_price(mut self, price: Price) -> Self {
        self.max_price = Some(price);
        self
    }

    /// Sets whether a candidate is tried, under a ceiling, of which nobody knows the price.
    #[must_use]
    pub fn with_allow_unknown_price(mut self, allow: bool) -> Self {
        self.allow_unknown_price = allow;
        self
    }
}

/// A machine that has found its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Placed {
    /// The machine.
    pub instance: ProviderInstance,
    /// The position of its candidate in the list.
    pub candidate: usize,
    /// What came of each candidate up to that one, in order.
    pub attempts: Vec<Attempt>,
}

/// Starts a machine at the first candidate that has room for it. The region and size of the request
/// are those of the candidate.
///
/// Under a ceiling, the prices of all candidates are asked for first: one that costs more, or that
/// nobody knows the price of, is not tried. [`observe`](crate::observe) tells of each candidate
/// that is left for the next one.
///
/// # Errors
/// [`ProviderError::NotPlaced`](crate::ProviderError::NotPlaced), with what came of each candidate.
/// Its kind is that of what ended the placement; where no candidate was left, `Capacity` if any was
/// out of stock, else `QuotaExceeded` if any was at its limit, else `InvalidConfig` of `max_price`.
///
/// `InvalidConfig`, before anything is made: of `candidates`, when there are none; of `max_price`,
/// when a price is in another currency; of `idempotency_key`, when there are several candidates: a
/// key stands for a machine in one place, and could not keep a second process from making another
/// elsewhere.
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
    let search = Search::new("place_instance", placement, 1).await?;
    // A limit on requests is the caller's to wait for, as with a create.
    let abort = AbortFlag::new("place_instance");
    abort.set();
    let made = match search.walk(0, request, &abort).await {
        Ok(made) => {
            let guard = InstanceGuard::new(&search.provider(0), made, request.cancellation());
            progress::report_instance(
                "place_instance",
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

/// Starts many machines, each at the first candidate that has room for it, as
/// [`fleet::create_instances`] does with the same options. The outcomes are in the order of the
/// requests.
///
/// A candidate that was found full is not asked again for another machine of the same call: however
/// many machines there are, no more creates are refused there than are under way at once.
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
    let search = match Search::new("place_instances", placement, requests.len()).await {
        Ok(search) => search,
        Err(error) => return search::each(requests.len(), &error),
    };
    let outcomes = fleet::make(&search, requests, options).await;
    outcomes.into_iter().enumerate().map(|(index, made)| search.placed(index, made)).collect()
}
