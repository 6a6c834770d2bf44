//! What the integration tests share.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test program uses its part"
)]

pub mod clouds;
pub mod log;
pub mod raw;

use std::time::Duration;

use spuff_core::provider::ProviderTimeouts;

/// Timeouts for a server on this machine: short pauses, deadlines that only a hang reaches.
pub fn timeouts() -> ProviderTimeouts {
    ProviderTimeouts {
        instance_ready: Duration::from_secs(20),
        action_complete: Duration::from_secs(20),
        poll_interval: Duration::from_millis(20),
        http_request: Duration::from_secs(10),
        ..ProviderTimeouts::default()
    }
}

/// How often a page of a list is read that has several.
pub fn on_and_back(is_last: bool) -> u64 {
    if is_last { 1 } else { 2 }
}
