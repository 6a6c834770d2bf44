//! Starts, watches and ends cloud machines.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed"))]

#[cfg(feature = "blocking")]
pub mod blocking;
mod create;
mod http;
pub mod provider;
mod wait;

pub use provider::{Provider, ProviderError, ProviderRegistry, ProviderResult};
