//! Creates, polls and destroys cloud instances through one [`Provider`] trait: DigitalOcean,
//! Hetzner Cloud, AWS EC2, containers of a local Docker or Podman engine, and third-party
//! providers.
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
//! # Layers
//! Dependencies point one way: a request enters at the top, passes through one provider module and
//! the shared HTTP pipeline, and returns as plain data. `tests/floors.rs` lists the order of the
//! modules and fails if a file imports from a layer above.
//!
//! | layer | module | holds |
//! | --- | --- | --- |
//! | trial | `simulation` | programs run against simulated clouds from a seed, and judged |
//! | top | `blocking`, `conformance`, `simulator` | the operations without `async`; the contract test suite; simulated clouds on the loopback interface, with faults |
//! | above the providers | [`placement`], [`with_instance`], [`with_instances`], [`create_and_wait`], the list of built-in providers | instances at one of several providers; instances scoped to their work |
//! | providers | [`fleet`], `provider::{digitalocean, hetzner, aws, docker}` | many instances at once; one module per cloud or engine, independent of each other |
//! | shared by providers | `provider::shared`, `guard`, [`lease`] | defaults, validation, lookups and price lists; instances destroyed when the future that created them is dropped; owners and leases |
//! | exactly once | `create` | creates that make exactly one instance |
//! | waiting | `wait` | the one wait loop |
//! | pipeline | `http` | pace, authorize, send, classify, retry |
//! | below the pipeline | `progress`, `random`, `logging` | progress reports of an operation; random numbers; logs for other languages |
//! | contract | [`provider`] | operations, data types, errors, registry |
//! | system | `clock`, `changes`, `per_process`, `signals` | calendar time; waiters woken in order; forks; signals |
//!
//! [`docs::design`] describes how the layers work together.
//!
//! # Pages
//! - For users: [providers](docs::providers), [exactly one instance](docs::exactly_once),
//!   [placement and fleets](docs::placement), [errors](docs::errors),
//!   [retries](docs::retries), [simulator](docs::simulator),
//!   [footprint](docs::footprint).
//! - For contributors: [design](docs::design), [decisions](docs::decisions),
//!   [glossary](docs::glossary).
//!
//! # Features
//! `digitalocean`, `hetzner`, `aws` and `docker` (all on by default) are the providers; `blocking`
//! is the facade without `async`. `simulator` (simulated clouds) and `conformance` (the contract
//! test suite for providers) are for tests; `simulation` is for the tests of this crate. `logging`
//! passes the crate's logs to programs in other languages; Rust programs use
//! [tracing](https://docs.rs/tracing).
//!
//! # Cancellation
//! A future may be dropped at any time. Dropping a read has no side effect. A dropped create
//! continues in the background until its outcome is known, and then destroys the instance unless it
//! is to be kept ([`OnCancel`](provider::OnCancel)); a dropped snapshot is completed and labelled.
//! Before it ends its runtime, a program waits for the background tasks with [`settled`].
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
// The doctests of the examples already compile these snippets.
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
