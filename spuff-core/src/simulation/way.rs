//! How a request travels through the network of a run.

use std::time::Duration;

use super::plan::Outage;

/// How a request travels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) outage: Option<Outage>,
    /// Latency of the request, and of its reply.
    pub(super) there: Duration,
    pub(super) back: Duration,
    /// Whether it arrives even if its sender gives up before.
    pub(super) has_left: bool,
}
