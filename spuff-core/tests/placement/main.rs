//! Machines that are made where there is room, on simulated clouds: what is left for the next
//! candidate, what never is, what may cost too much, and what is left behind when a placement is
//! dropped.
#![cfg(all(
    feature = "simulator",
    feature = "blocking",
    feature = "aws",
    feature = "digitalocean",
    feature = "hetzner"
))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

mod cancel;
mod fleet;
mod moves;
mod price;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use spuff_core::placement::{Candidate, Placement};
use spuff_core::provider::{
    Attempt, InstanceRequest, Provider, ProviderError, ProviderRegistry, ProviderTimeouts,
};
use spuff_core::simulator::{Clock, Cloud, Options, Route};

/// How many times as fast as real the clouds' time goes.
const SPEED: f64 = 50.0;

fn cloud() -> Cloud {
    Options::default().with_clock(Clock::Fast(SPEED)).start().unwrap()
}

/// Deadlines for clouds whose time is fast, and that are made to fail until the deadline.
fn timeouts() -> ProviderTimeouts {
    ProviderTimeouts {
        http_request: Duration::from_millis(500),
        poll_interval: Duration::from_millis(40),
        instance_ready: Duration::from_secs(2),
        action_complete: Duration::from_secs(20),
        ..ProviderTimeouts::default()
    }
}

fn provider(cloud: &Cloud, name: &str) -> Arc<dyn Provider> {
    provider_within(cloud, name, timeouts())
}

fn provider_within(cloud: &Cloud, name: &str, timeouts: ProviderTimeouts) -> Arc<dyn Provider> {
    ProviderRegistry::with_defaults()
        .connect(name, cloud.config(name).with_timeouts(timeouts))
        .unwrap()
        .into()
}

fn place(name: &str) -> (&'static str, &'static str) {
    match name {
        "digitalocean" => ("nyc3", "s-1vcpu-1gb"),
        "hetzner" => ("fsn1", "cx22"),
        _ => ("us-east-1", "t3.micro"),
    }
}

fn candidate(cloud: &Cloud, name: &str) -> Candidate {
    let (region, size) = place(name);
    Candidate::new(&provider(cloud, name), region, size)
}

/// These clouds in this order, each at its usual place.
fn placement(cloud: &Cloud, names: &[&str]) -> Placement {
    Placement::new(names.iter().map(|name| candidate(cloud, name)).collect())
}

/// The same, with deadlines that only a hang reaches.
fn patient_placement(cloud: &Cloud, names: &[&str]) -> Placement {
    let timeouts =
        ProviderTimeouts { poll_interval: timeouts().poll_interval, ..support::timeouts() };
    let candidate = |name: &&str| {
        let (region, size) = place(name);
        Candidate::new(&provider_within(cloud, name, timeouts), region, size)
    };
    Placement::new(names.iter().map(candidate).collect())
}

/// The region and size are those of the candidates.
fn request(name: &str) -> InstanceRequest {
    InstanceRequest::new(name, "", "")
}

/// The log, without words and times: `hetzner fsn1 cx22: full`.
fn log(attempts: &[Attempt]) -> Vec<String> {
    attempts.iter().map(|attempt| format!("{}: {}", attempt.place(), attempt.outcome)).collect()
}

/// What went wrong, and the log.
fn not_placed(error: &ProviderError) -> (&ProviderError, &[Attempt]) {
    match error {
        ProviderError::NotPlaced { source, attempts, .. } => (source, attempts),
        other => panic!("without a log: {other:?}"),
    }
}

fn creates(cloud: &Cloud, name: &str) -> u64 {
    cloud.route_count(name, Route::CreateInstance)
}

/// How many machines exist and have not been told to end.
fn alive(cloud: &Cloud, name: &str) -> usize {
    cloud
        .instances()
        .into_iter()
        .filter(|machine| machine.provider == name && !machine.ending)
        .count()
}
