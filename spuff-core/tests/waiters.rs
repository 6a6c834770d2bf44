//! What a pending `wait_ready` costs in memory.
#![cfg(feature = "hetzner")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test that panics has failed")]

#[path = "support/alloc.rs"]
mod alloc;
#[path = "support/steady.rs"]
mod steady;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use spuff_core::provider::{HetznerProvider, Provider, ProviderTimeouts};

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

const WAITERS: usize = 10_000;
/// Each waits in a task of its own, which is counted too.
const LIMIT: i64 = 4 * 1024;

#[tokio::test]
async fn ten_thousand_waiters_are_small() {
    let server = steady::Steady::start(&format!(r#"{{"server": {}}}"#, steady::Steady::hetzner_server(42, "initializing")));
    let patient = Duration::from_secs(3600);
    let timeouts = ProviderTimeouts { instance_ready: patient, poll_interval: patient, ..ProviderTimeouts::default() };
    let provider = Arc::new(HetznerProvider::with_config("token", &server.url, timeouts).unwrap());
    provider.get_instance("42").await.unwrap();

    let before = alloc::live();
    let mut waiting = Vec::with_capacity(WAITERS);
    for batch in 1..=WAITERS / 50 {
        for _ in 0..50 {
            let provider = Arc::clone(&provider);
            waiting.push(tokio::spawn(async move { provider.wait_ready("42").await }));
        }
        while server.answered.load(SeqCst) < 1 + batch * 50 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    // The last replies are read, and what read them is given back.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let each = (alloc::live() - before) / WAITERS as i64;
    println!("{WAITERS} pending wait_ready: {each} bytes each");
    assert!(waiting.iter().all(|task| !task.is_finished()), "every waiter is still waiting");
    assert!(each < LIMIT, "{each} bytes each");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}
