//! A judge that plays sequences nobody thought of: programs that use this library at simulated
//! clouds, in one thread, in a time that nobody waits for, with every fault there is; and compares
//! what they are told with what is true.
//!
//! A run is drawn from a seed and can be played again from it.
//! `cargo run -p spuff-core --release --example simulate` plays many.
//!
//! Stands above everything, as the simulator does.
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
