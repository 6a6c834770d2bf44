//! No machine twice, none lost: creates under faults, cancellations and crashes, on simulated
//! clouds that know the truth.
#![cfg(all(
    feature = "simulator",
    feature = "blocking",
    feature = "aws",
    feature = "digitalocean",
    feature = "hetzner"
))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test tells what it found, and may panic"
)]

mod again;
mod batch;
mod cancel;
mod chaos;
mod crash;
mod keys;
#[path = "../support/killed.rs"]
mod killed;
mod leases;
mod regions;
mod scope;
mod snapshots;

use std::sync::Arc;
use std::time::Duration;

use spuff_core::provider::{InstanceRequest, Provider, ProviderRegistry, ProviderTimeouts};
use spuff_core::simulator::{Clock, Cloud, Options, PROVIDERS};

use killed::alive;

/// How many times as fast as real the clouds' time goes: their lists lag by a tenth of a second at
/// most.
const SPEED: f64 = 50.0;

/// In how many threads each cloud's rounds are played: they wait more than they work.
const SHARES: usize = 3;

fn cloud() -> Cloud {
    Options::default().with_clock(Clock::Fast(SPEED)).start().unwrap()
}

/// Deadlines and pauses for clouds whose time is fast. What a list lags is well within six pauses.
fn timeouts() -> ProviderTimeouts {
    ProviderTimeouts {
        http_request: Duration::from_secs(2),
        poll_interval: Duration::from_millis(40),
        instance_ready: Duration::from_secs(60),
        action_complete: Duration::from_secs(60),
        ..ProviderTimeouts::default()
    }
}

fn provider(cloud: &Cloud, name: &str) -> Arc<dyn Provider> {
    ProviderRegistry::with_defaults()
        .connect(name, cloud.config(name).with_timeouts(timeouts()))
        .unwrap()
        .into()
}

/// A client that knows nothing of what the others here know, as one of another process: its token
/// is another one.
fn apart(cloud: &Cloud, name: &str) -> Arc<dyn Provider> {
    let token = if name == "aws" { "elsewhere:secret" } else { "elsewhere" };
    let config = cloud.config(name).with_token(token).with_timeouts(timeouts());
    ProviderRegistry::with_defaults().connect(name, config).unwrap().into()
}

fn place(name: &str) -> (&'static str, &'static str) {
    match name {
        "digitalocean" => ("nyc3", "s-1vcpu-1gb"),
        "hetzner" => ("fsn1", "cx22"),
        _ => ("us-east-1", "t3.micro"),
    }
}

fn request(name: &str, machine: &str) -> InstanceRequest {
    let (region, size) = place(name);
    InstanceRequest::new(machine, region, size)
}

/// Until the clouds' lists show all there is.
async fn lists_have_caught_up() {
    tokio::time::sleep(Duration::from_secs(10).div_f64(SPEED)).await;
}
