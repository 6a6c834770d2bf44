//! The behaviour suite against each cloud, async and blocking.

#[path = "../support/over_blocking.rs"]
mod over_blocking;

use over_blocking::OverBlocking;
use spuff_core::conformance::{self, Subject};
use spuff_core::provider::ProviderResult;
use spuff_core::simulator::{Clock, Fault, Options};

use super::*;

const SPEED: f64 = 60.0;

fn subject(cloud: &Cloud, name: &'static str, blocking: bool) -> Subject {
    let (absent, absent_snapshot) = match name {
        "aws" => ("i-00000000000000009", "ami-00000000000000009"),
        _ => ("9", "9"),
    };
    let config = cloud.config(name);
    let make = move |timeouts| {
        let provider = ProviderRegistry::with_defaults()
            .connect(name, config.clone().with_timeouts(timeouts))?;
        Ok(if blocking {
            Box::new(OverBlocking(provider.into())) as Box<dyn Provider>
        } else {
            provider
        })
    };
    let capabilities = ProviderRegistry::with_defaults().describe(name).unwrap().capabilities;
    Subject::new(make, request(name, ""), absent)
        .with_absent_snapshot_id(absent_snapshot)
        .with_capabilities(capabilities)
        .with_timeouts(timeouts())
        .with_idempotency()
        .with_stranger(stranger(name))
}

/// The provider at a load balancer that knows no such page.
fn stranger(name: &'static str) -> impl Fn(ProviderTimeouts) -> ProviderResult<Box<dyn Provider>> {
    let cloud = Options::default().start().unwrap();
    cloud.inject(Fault::Html { status: 404 });
    move |timeouts| {
        let http_request = Duration::from_millis(100);
        let timeouts = ProviderTimeouts {
            http_request,
            instance_ready: http_request,
            action_complete: http_request,
            ..timeouts
        };
        ProviderRegistry::with_defaults().connect(name, cloud.config(name).with_timeouts(timeouts))
    }
}

async fn passes(name: &'static str, blocking: bool) {
    let cloud = Options::default().with_clock(Clock::Fast(SPEED)).start().unwrap();
    let report = conformance::check(&subject(&cloud, name, blocking)).await;
    println!("{report}");
    report.assert_passed();
    cloud.assert_no_leaks();
    let all = report.outcomes.len();
    let applied = report
        .outcomes
        .iter()
        .filter(|outcome| outcome.verdict == conformance::Verdict::Passed)
        .count();
    assert!(applied + 1 >= all, "only {applied} of {all} checks apply to {name}");
}

#[tokio::test]
async fn digitalocean() {
    passes("digitalocean", false).await;
}

#[tokio::test]
async fn digitalocean_blocking() {
    passes("digitalocean", true).await;
}

#[tokio::test]
async fn hetzner() {
    passes("hetzner", false).await;
}

#[tokio::test]
async fn hetzner_blocking() {
    passes("hetzner", true).await;
}

#[tokio::test]
async fn aws() {
    passes("aws", false).await;
}

#[tokio::test]
async fn aws_blocking() {
    passes("aws", true).await;
}
