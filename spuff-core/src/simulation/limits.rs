//! How patient the programs of a run are, and what the clouds allow.

use std::time::Duration;

/// How patient the programs are, and what the clouds allow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) http_request: Duration,
    pub(super) instance_ready: Duration,
    pub(super) action_complete: Duration,
    /// Whether the clouds refuse what is above their rates, and the programs keep to these.
    pub(super) rates: bool,
    pub(super) quota: usize,
}
