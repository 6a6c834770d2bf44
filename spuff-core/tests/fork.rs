//! A child of `fork` goes on as any other process: with a runtime and connections of its own.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

#[path = "support/child.rs"]
mod child;

use std::time::Duration;

use spuff_core::blocking::{self, ProviderRegistry};
use spuff_core::provider::{InstanceRequest, OnCancel, ProviderResult, ProviderTimeouts};
use spuff_core::simulator::{Clock, Cloud, Options, Route, Timings};

use child::in_child;

fn cloud() -> (Cloud, blocking::Provider) {
    let cloud = Options::default()
        .with_clock(Clock::Fast(200.0))
        .with_timings("hetzner", Timings::usual("hetzner"))
        .start()
        .unwrap();
    let timeouts = ProviderTimeouts {
        poll_interval: Duration::from_millis(40),
        ..ProviderTimeouts::default()
    };
    let provider = ProviderRegistry::with_defaults()
        .connect("hetzner", cloud.config("hetzner").with_timeouts(timeouts))
        .unwrap();
    (cloud, provider)
}

fn whole_life(provider: &blocking::Provider, name: &str) -> ProviderResult<bool> {
    let machine = provider.create_instance(&InstanceRequest::new(name, "fsn1", "cx22"))?;
    let ready = provider.wait_ready(&machine.id)?;
    provider.destroy_instance(&machine.id)?;
    Ok(ready.is_ready())
}

#[test]
fn a_provider_that_was_used_before_works_in_a_child_in_its_child_and_then_in_the_parent() {
    let (cloud, provider) = cloud();
    assert!(whole_life(&provider, "parent").unwrap());
    assert!(in_child(|| {
        let here = whole_life(&provider, "child").unwrap() && provider.supports_snapshots();
        here && in_child(|| whole_life(&provider, "grandchild").unwrap())
    }));
    assert!(whole_life(&provider, "parent").unwrap());
    assert_eq!(cloud.route_count("hetzner", Route::CreateInstance), 4);
    cloud.assert_no_leaks();
}

#[test]
fn a_child_waits_for_nothing_of_what_its_parent_has_under_way() {
    let (cloud, provider) = cloud();
    let request = InstanceRequest::new("dropped", "fsn1", "cx22").with_on_cancel(OnCancel::Destroy);
    provider
        .run(|provider| async move {
            let create = provider.create_instance(&request);
            Ok(tokio::time::timeout(Duration::ZERO, create).await.is_err())
        })
        .unwrap();
    assert!(in_child(|| blocking::settled().is_ok()));
    blocking::settled().unwrap();
    cloud.assert_no_leaks();
}
