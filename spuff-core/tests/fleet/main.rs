//! Fleets: what many machines as one call promise, at the simulated clouds and at a cloud in memory
//! whose time stands still.
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

mod cancel;
mod chaos;
mod crash;
mod facade;
mod fake_provider;
mod found;
#[path = "../support/killed.rs"]
mod killed;
mod looks;
mod order;
mod pace;
mod panics;
mod rollback;
mod unknown;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use spuff_core::provider::{
    InstanceRequest, Provider, ProviderInstance, ProviderRegistry, ProviderResult, ProviderTimeouts,
};
use spuff_core::simulator::{Clock, Cloud, Options, PROVIDERS};

use killed::alive;

/// How many times as fast as real the clouds' time goes: their lists lag by a tenth of a second at
/// most.
const SPEED: f64 = 50.0;

type Outcomes = Vec<ProviderResult<ProviderInstance>>;

fn cloud() -> Cloud {
    Options::default().with_clock(Clock::Fast(SPEED)).start().unwrap()
}

/// Deadlines and pauses for clouds whose time is fast. What a list lags is well within six pauses.
fn timeouts() -> ProviderTimeouts {
    ProviderTimeouts {
        http_request: Duration::from_secs(10),
        poll_interval: Duration::from_millis(40),
        instance_ready: Duration::from_secs(60),
        action_complete: Duration::from_secs(60),
        ..ProviderTimeouts::default()
    }
}

fn provider_with(cloud: &Cloud, name: &str, timeouts: ProviderTimeouts) -> Arc<dyn Provider> {
    ProviderRegistry::with_defaults()
        .connect(name, cloud.config(name).with_timeouts(timeouts))
        .unwrap()
        .into()
}

fn provider(cloud: &Cloud, name: &str) -> Arc<dyn Provider> {
    provider_with(cloud, name, timeouts())
}

fn place(name: &str) -> (&'static str, &'static str) {
    match name {
        "digitalocean" => ("nyc3", "s-1vcpu-1gb"),
        "hetzner" => ("fsn1", "cx22"),
        _ => ("us-east-1", "t3.micro"),
    }
}

fn requests(name: &str, count: usize) -> Vec<InstanceRequest> {
    let (region, size) = place(name);
    (0..count).map(|number| InstanceRequest::new(format!("m-{number}"), region, size)).collect()
}

/// Requests that differ, so that each takes a call of its own.
fn unlike(name: &str, count: usize) -> Vec<InstanceRequest> {
    let requests = requests(name, count).into_iter().enumerate();
    requests.map(|(number, request)| request.with_label("number", number.to_string())).collect()
}

/// The ids of the machines that were made and are left, in order.
fn given(outcomes: &Outcomes) -> Vec<String> {
    let mut ids: Vec<_> = outcomes.iter().flatten().map(|machine| machine.id.clone()).collect();
    ids.sort();
    ids
}
