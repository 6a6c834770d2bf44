//! The blocking facade over a real provider: from a plain thread, from many, and inside the
//! runtimes of others.
#![cfg(all(feature = "blocking", feature = "hetzner"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

#[path = "support/steady.rs"]
mod steady;
mod support;

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use spuff_core::blocking::{Provider, ProviderRegistry};
use spuff_core::provider::{
    InstanceRequest, ProviderConfig, ProviderError, ProviderTimeouts, ProviderType,
};
use steady::Steady;

fn connect(url: &str, timeouts: ProviderTimeouts) -> Provider {
    let config = ProviderConfig::new("token").with_endpoint(url).with_timeouts(timeouts);
    ProviderRegistry::with_defaults().connect("hetzner", config).unwrap()
}

fn cloud(status: &str) -> Steady {
    Steady::start(&format!(r#"{{"server": {}}}"#, Steady::hetzner_server(42, status)))
}

#[test]
fn one_provider_serves_thirty_two_threads() {
    let server = cloud("running");
    let provider = connect(&server.url, support::timeouts());
    std::thread::scope(|scope| {
        for _ in 0..32 {
            let provider = provider.clone();
            scope.spawn(move || {
                for _ in 0..50 {
                    assert_eq!(provider.get_instance("42").unwrap().unwrap().name, "web-42");
                }
            });
        }
    });
    assert_eq!(server.answered.load(SeqCst), 32 * 50);
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_large_runtime(url: &str) -> Provider {
    let provider = connect(url, support::timeouts());
    for _ in 0..20 {
        assert!(provider.get_instance("42").unwrap().is_some());
    }
    // From tasks too, with every worker of this runtime blocked at once.
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let provider = provider.clone();
            tokio::spawn(async move { provider.wait_ready("42").unwrap().id })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), "42");
    }
    provider
}

#[tokio::main(flavor = "current_thread")]
async fn in_a_small_runtime(provider: &Provider) {
    for _ in 0..20 {
        assert!(provider.get_instance("42").unwrap().is_some());
    }
}

#[test]
fn works_inside_other_runtimes_and_outlives_them() {
    let server = cloud("running");
    let provider = in_a_large_runtime(&server.url);
    in_a_small_runtime(&provider);
    // The connections are not those of a runtime that has ended.
    assert!(provider.get_instance("42").unwrap().is_some());
}

#[test]
fn deadlines_and_errors_are_those_of_the_verbs() {
    let server = cloud("initializing");
    let short =
        ProviderTimeouts { instance_ready: Duration::from_millis(200), ..support::timeouts() };
    let provider = connect(&server.url, short);
    let began = Instant::now();
    assert!(matches!(provider.wait_ready("42"), Err(ProviderError::Timeout { .. })));
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert!(matches!(provider.get_instance("i-0abc"), Err(ProviderError::InvalidConfig { .. })));
    let error =
        provider.create_instance(&InstanceRequest::new("web_1", "fsn1", "cx22")).unwrap_err();
    assert!(matches!(error, ProviderError::InvalidConfig { field, .. } if field == "name"));
    assert_eq!((provider.name(), provider.supports_snapshots()), ("hetzner", true));
    assert_eq!(format!("{provider:?}"), r#"Provider("hetzner")"#);
}

#[test]
fn the_registry_is_that_of_the_contract() {
    let registry = ProviderRegistry::with_defaults();
    assert!(registry.is_registered(ProviderType::Hetzner));
    assert!(registry.create_by_name("hcloud", "token", ProviderTimeouts::default()).is_ok());
    assert!(registry.create(ProviderType::Hetzner, "token", ProviderTimeouts::default()).is_ok());
    assert!(matches!(
        registry.connect("nimbus", ProviderConfig::new("t")),
        Err(ProviderError::UnknownProvider { .. })
    ));
    assert!(ProviderRegistry::new().registered_providers().is_empty());
}
