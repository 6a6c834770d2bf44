//! Placements without `async`.
//!
//! Candidates take the provider that [`Provider::shared`](super::Provider::shared) returns.

use super::runtime::observe;
use crate::fleet::FleetOptions;
use crate::placement::{self, Placed, Placement};
use crate::progress::Progress;
use crate::provider::{InstanceRequest, ProviderResult};

/// As [`placement::place_instance`]. Passes progress reports to `on_progress`, on this thread.
///
/// # Errors
/// As the async function, and if spuff's own runtime cannot be started.
///
/// # Examples
/// ```no_run
/// use spuff_core::blocking::{ProviderRegistry, place_instance};
/// use spuff_core::placement::{Candidate, Placement};
/// use spuff_core::provider::{InstanceRequest, ProviderError};
///
/// fn main() -> Result<(), ProviderError> {
///     let hetzner = ProviderRegistry::with_defaults().from_env("hetzner")?.shared()?;
///     let places = ["fsn1", "nbg1"].map(|region| Candidate::new(&hetzner, region, "cx22"));
///     let request = InstanceRequest::new("web-1", "", "");
///     let placement = Placement::new(places.into());
///     let placed = place_instance(&placement, &request, |seen| println!("{}", seen.state))?;
///     println!("{}", placed.instance.id);
///     Ok(())
/// }
/// ```
pub fn place_instance(
    placement: &Placement,
    request: &InstanceRequest,
    on_progress: impl FnMut(Progress),
) -> ProviderResult<Placed> {
    observe(placement::place_instance(placement, request), on_progress)
}

/// As [`placement::place_instances`]. Passes progress reports to `on_progress`, on this thread.
///
/// # Errors
/// If spuff's own runtime cannot be started. Each outcome has its own error.
pub fn place_instances(
    placement: &Placement,
    requests: &[InstanceRequest],
    options: FleetOptions,
    on_progress: impl FnMut(Progress),
) -> ProviderResult<Vec<ProviderResult<Placed>>> {
    observe(
        async { Ok(placement::place_instances(placement, requests, options).await) },
        on_progress,
    )
}
