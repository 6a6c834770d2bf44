//! What holds for all three clouds of the simulator: faults, time, truth, and the behaviour suite
//! over each.
#![cfg(all(feature = "simulator", feature = "aws", feature = "digitalocean", feature = "hetzner"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test tells what it found, and may panic"
)]

mod broken;
mod cloud_faults;
mod control;
mod manual;
#[cfg(all(feature = "conformance", feature = "blocking"))]
mod suite;

use std::time::Duration;

use spuff_core::provider::{
    InstanceRequest, Provider, ProviderError, ProviderRegistry, ProviderTimeouts,
};
use spuff_core::simulator::{Cloud, PROVIDERS};

/// Short pauses, and deadlines that only a hang reaches.
fn timeouts() -> ProviderTimeouts {
    ProviderTimeouts {
        instance_ready: Duration::from_secs(60),
        action_complete: Duration::from_secs(60),
        poll_interval: Duration::from_millis(40),
        http_request: Duration::from_secs(10),
        ..ProviderTimeouts::default()
    }
}

fn provider(cloud: &Cloud, name: &str, timeouts: ProviderTimeouts) -> Box<dyn Provider> {
    ProviderRegistry::with_defaults()
        .connect(name, cloud.config(name).with_timeouts(timeouts))
        .unwrap()
}

fn request(name: &str, machine: &str) -> InstanceRequest {
    let (region, size) = match name {
        "digitalocean" => ("nyc3", "s-1vcpu-1gb"),
        "hetzner" => ("fsn1", "cx22"),
        _ => ("us-east-1", "t3.micro"),
    };
    InstanceRequest::new(machine, region, size)
}
