//! Plays random sequences of operations: programs use this library with simulated clouds, in one
//! thread and in simulated time, with every kind of fault. A judge compares the results with the
//! true state.
//!
//! A run is drawn from a seed and can be replayed from it.
//! `cargo run -p spuff-examples --release --features simulation --example simulate` plays many.
//!
//! This module is in the top layer, as the simulator is.
//!
//! # Examples
//! ```
//! use spuff_core::simulation::{Plan, play};
//!
//! let report = play(&Plan::of_seed(7, Some("hetzner"), 50), false);
//! assert!(report.steps > 0);
//! assert_eq!(report.findings, [""; 0]);
//! ```

mod coverage;
mod direct;
mod judge;
mod limits;
mod log;
mod plan;
mod program;
mod reply;
mod run;
mod shrink;
mod told;
mod verb;
mod way;

pub use coverage::Coverage;
pub use direct::{Direct, direct};
pub use plan::Plan;
pub use run::{Report, play};
pub use shrink::shrink;
pub use verb::Verb;
