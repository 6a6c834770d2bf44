//! The programs' timeouts, and the clouds' limits.

use std::time::Duration;

/// The programs' timeouts, and the clouds' limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) http_request: Duration,
    pub(super) instance_ready: Duration,
    pub(super) action_complete: Duration,
    /// Whether the clouds enforce rate limits, and the programs keep to them.
    pub(super) rates: bool,
    pub(super) quota: usize,
}
