//! How a request goes through the network of a run.

use std::time::Duration;

use super::plan::Outage;

/// How a request goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) outage: Option<Outage>,
    /// How long it takes there, and its reply back.
    pub(super) there: Duration,
    pub(super) back: Duration,
    /// Whether it arrives though its sender gives up before.
    pub(super) has_left: bool,
}
