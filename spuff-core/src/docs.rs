//! Pages of the documentation.
//!
//! Files on disk link to each other by file name. The definitions before a page come first, so here
//! its links lead to the modules.

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

/// [decisions]: crate::docs::decisions
/// [glossary]: crate::docs::glossary
/// [retries]: crate::docs::retries
/// [exactly_once]: crate::docs::exactly_once
///
#[doc = include_str!("docs/design.md")]
pub mod design {}

/// [design]: crate::docs::design
/// [footprint]: crate::docs::footprint
///
#[doc = include_str!("docs/decisions.md")]
pub mod decisions {}

#[doc = include_str!("docs/glossary.md")]
pub mod glossary {}
