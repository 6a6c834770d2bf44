//! Fleets within the clouds' real limits: no request is refused, and waiting costs pages, not
//! machines. In tokio's paused time: how often is polled does not depend on how fast the computer
//! is.
//!
//! `SPUFF_FLEET=10000` makes one fleet of that size at each cloud, and prints what it took.
#![cfg(all(
    feature = "simulation",
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

use std::sync::Arc;
use std::time::Duration;

use spuff_core::fleet::{FleetOptions, create_instances, destroy_instances};
use spuff_core::provider::{InstanceRequest, Provider, ProviderRegistry, ProviderTimeouts};
use spuff_core::simulation::direct;
use spuff_core::simulator::{Clock, Cloud, Options, PROVIDERS, Route, Timings};

const BOOT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// What a fleet has cost.
struct Cost {
    /// Requests that neither create, name nor destroy.
    polls: usize,
    all: usize,
    refused: usize,
    took: Duration,
    /// What it would cost to ask for each machine each time.
    one_by_one: f64,
}

fn place(name: &str) -> (&'static str, &'static str) {
    match name {
        "digitalocean" => ("nyc3", "s-1vcpu-1gb"),
        "hetzner" => ("fsn1", "cx22"),
        _ => ("us-east-1", "t3.micro"),
    }
}

/// Creates, waits for, and destroys so many machines.
async fn fleet(name: &'static str, count: usize) -> Cost {
    let mut timings = Timings::usual(name);
    timings.boot = BOOT;
    let options = Options::default()
        .with_clock(Clock::Manual)
        .with_rate_limits(true)
        .with_timings(name, timings);
    let cloud = options.with_kept_requests(usize::MAX).with_seed(count as u64).start().unwrap();
    let _direct = direct(&cloud);
    let timeouts = ProviderTimeouts {
        poll_interval: POLL_INTERVAL,
        instance_ready: Duration::from_secs(1200),
        ..ProviderTimeouts::default()
    };
    let provider: Arc<dyn Provider> = ProviderRegistry::with_defaults()
        .connect(name, cloud.config(name).with_timeouts(timeouts))
        .unwrap()
        .into();
    let (region, size) = place(name);
    let requests: Vec<_> =
        (0..count).map(|n| InstanceRequest::new(format!("m-{n}"), region, size)).collect();

    let began = cloud.now();
    let made =
        create_instances(&provider, &requests, FleetOptions::default().with_wait_ready(true)).await;
    let ids: Vec<_> = made.into_iter().map(|made| made.unwrap().id).collect();
    let polls = polls(&cloud, name);
    let gone = destroy_instances(&provider, &ids, 16).await;
    assert!(gone.iter().all(Result::is_ok), "{:?}", gone.into_iter().find(Result::is_err));
    let took = (cloud.now() - began).to_std().unwrap();
    cloud.assert_no_leaks();
    let all = cloud.requests();
    let refused = all.iter().filter(|request| matches!(request.status, Some(429 | 503))).count();
    let one_by_one = count as f64 * BOOT.as_secs_f64() / POLL_INTERVAL.as_secs_f64();
    Cost { polls, all: all.len(), refused, took, one_by_one }
}

fn polls(cloud: &Cloud, name: &str) -> usize {
    let requests = cloud.requests();
    let makes = |route| matches!(route, Route::CreateInstance | Route::UpdateInstance);
    requests.iter().filter(|request| request.provider == name && !makes(request.route)).count()
}

fn tell(name: &str, count: usize, cost: &Cost) {
    let Cost { polls, all, refused, took, one_by_one } = cost;
    println!(
        "{name:<12} {count:>6} machines: {polls:>5} polls ({one_by_one:>6} one by one), {all:>6} \
         requests, {refused} refused, \
         {:>6.0} s",
        took.as_secs_f64()
    );
}

async fn within_limits(count: usize, most: usize) {
    for name in PROVIDERS {
        let cost = fleet(name, count).await;
        tell(name, count, &cost);
        assert_eq!(cost.refused, 0, "{name}: too many requests");
        assert!(cost.polls <= most, "{name}: {} polls for {count} machines", cost.polls);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_machines_take_few_polls_and_no_refusal() {
    within_limits(100, 60).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_machines_take_few_polls_and_no_refusal() {
    within_limits(1000, 300).await;
}

/// For the table: of a size that takes too long for every day.
#[tokio::test(start_paused = true)]
async fn a_fleet_of_any_size() {
    let count = std::env::var("SPUFF_FLEET").map_or(10, |count| count.parse().expect("a number"));
    for name in PROVIDERS {
        let cost = fleet(name, count).await;
        tell(name, count, &cost);
        assert_eq!(cost.refused, 0, "{name}: too many requests");
    }
}
