//! Starts, watches and ends cloud machines: one [`Provider`] contract over DigitalOcean, Hetzner
//! Cloud and AWS EC2, over containers of Docker or Podman on this computer, and over providers
//! written elsewhere.
//!
//! ```no_run
//! use spuff_core::provider::{InstanceRequest, ProviderRegistry};
//!
//! # async fn example() -> Result<(), spuff_core::provider::ProviderError> {
//! let provider = ProviderRegistry::with_defaults().from_env("hetzner")?;
//! let machine = provider.create_instance(&InstanceRequest::new("web-1", "fsn1", "cx22")).await?;
//! println!("{}", provider.wait_ready(&machine.id).await?.ip);
//! provider.destroy_instance(&machine.id).await
//! # }
//! ```
//!
//! # Floor plan
//! Data falls one way: a request enters at the top, goes through one provider's room and the one
//! HTTP pipeline, and comes back as plain nouns. `tests/floors.rs` has the order of the modules,
//! and fails if a file imports from above.
//!
//! | floor | module | holds |
//! | --- | --- | --- |
//! | trial | `simulation` | programs at simulated clouds, played from a seed, and judged |
//! | on top | `blocking`, `conformance`, `simulator` | the verbs without `async`; whether a provider keeps the contract; the clouds on the loopback interface, with faults |
//! | where there is room | [`placement`], [`with_instance`], [`with_instances`], [`create_and_wait`], the list of built-in providers | instances at one of several providers; instances that end with their work |
//! | rooms | [`fleet`], `provider::{digitalocean, hetzner, aws, docker}` | many at once; one cloud each, or the engine: none sees another |
//! | of the rooms | `provider::shared`, `guard`, [`lease`] | defaults, validation, look-ups and price lists; instances that are destroyed when the future that made them is dropped; owners and leases |
//! | exactly once | `create` | creates that make one instance |
//! | waiting | `wait` | the one wait loop |
//! | pipeline | `http` | pace, authorize, send, classify, retry |
//! | of the contract | `progress`, `random`, `logging` | what a verb reports on its way; chance; logs for other languages |
//! | contract | [`provider`] | verbs, nouns, errors, registry |
//! | of the system | `clock`, `changes`, `per_process`, `signals` | the calendar; waiters, woken in their order; forks; signals |
//!
//! # Features
//! `digitalocean`, `hetzner`, `aws` and `docker` (all on by default) are the providers; `blocking`
//! is the facade without `async`. `simulator` are the clouds in a box and `conformance` is the
//! behaviour suite for providers, both for tests; `simulation` is for the tests of this crate.
//! `logging` gives what the crate logs to a program that is not written in Rust; others take it
//! from [tracing](https://docs.rs/tracing).
//!
//! # Cancellation
//! A future may be dropped at any time. Nothing that only reads is lost. A create goes on in the
//! background until what it made is known, and destroys it unless it is to be kept
//! ([`OnCancel`](provider::OnCancel)); a snapshot is finished and labelled. A program that is about
//! to end its runtime waits for that with [`settled`].
//!
//! # Runtime
//! Futures run on [tokio](https://docs.rs/tokio), with its time and I/O drivers enabled. A
//! provider's connections belong to the runtime that opened them.
#![forbid(unsafe_code)]
#![warn(clippy::disallowed_methods)]
#![cfg_attr(
    not(all(feature = "aws", feature = "digitalocean", feature = "docker", feature = "hetzner")),
    allow(
        dead_code,
        unused_imports,
        unused_macros,
        reason = "each room uses its part of the shared floors"
    )
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::disallowed_methods,
        reason = "a test that panics has failed"
    )
)]

#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(feature = "conformance")]
pub mod conformance;
// Their snippets are compiled as the examples that they are from.
#[cfg(all(doc, not(doctest)))]
pub mod docs;
pub mod fleet;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod lease;
#[cfg(feature = "logging")]
pub mod logging;
pub mod placement;
pub mod provider;
#[cfg(feature = "simulation")]
pub mod simulation;
#[cfg(feature = "simulator")]
pub mod simulator;

mod changes;
mod clock;
mod create;
mod guard;
mod http;
mod per_process;
mod progress;
mod random;
mod scope;
mod signals;
mod wait;

pub use create::{Group, UnderWay, settled, under_way};
#[doc(hidden)]
pub use guard::{Unclaimed, unclaimed};
pub use http::http_client;
pub use progress::{Observed, Phase, Progress, Step, observe};
pub use provider::{Provider, ProviderError, ProviderRegistry, ProviderResult};
#[doc(hidden)]
pub use scope::create_instance;
pub use scope::{FleetError, OnFailure, create_and_wait, with_instance, with_instances};
