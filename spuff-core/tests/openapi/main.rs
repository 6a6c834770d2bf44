//! The DigitalOcean and Hetzner rooms against what the two clouds have published about their APIs:
//! each request that is sent must be valid by the description, and each reply that the description
//! shows must be understood.
#![cfg(any(feature = "digitalocean", feature = "hetzner"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]
#![cfg_attr(
    not(all(feature = "digitalocean", feature = "hetzner")),
    allow(dead_code, reason = "the test of each room uses its part")
)]

#[path = "../support/mod.rs"]
mod support;

mod catches;
mod cloud;
#[cfg(feature = "digitalocean")]
mod digitalocean;
mod document;
mod example;
#[cfg(feature = "hetzner")]
mod hetzner;
mod schema;
#[cfg(all(feature = "digitalocean", feature = "simulator"))]
mod simulated_digitalocean;
