//! Pages of the documentation.

#[doc = include_str!("docs/providers.md")]
pub mod providers {}

#[doc = include_str!("docs/exactly_once.md")]
pub mod exactly_once {}

#[doc = include_str!("docs/retries.md")]
pub mod retries {}

#[doc = include_str!("docs/placement.md")]
pub mod placement {}

#[doc = include_str!("docs/errors.md")]
pub mod errors {}

#[doc = include_str!("docs/simulator.md")]
pub mod simulator {}

#[doc = include_str!("docs/footprint.md")]
pub mod footprint {}
