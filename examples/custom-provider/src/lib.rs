#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")
)]

mod api;
mod check;
mod client;
mod factory;
mod provider;

pub use factory::NimbusFactory;
pub use provider::NimbusProvider;

/// The name under which the provider is registered.
pub const NAME: &str = "nimbus";
