//! Runs the conformance suite, which every provider of spuff passes, against the fake of Nimbus.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

mod cloud;

use std::time::Duration;

use custom_provider::NimbusFactory;
use spuff_core::conformance::{self, Subject, Verdict};
use spuff_core::provider::{InstanceRequest, ProviderConfig, ProviderRegistry, ProviderTimeouts};

#[tokio::test]
async fn nimbus_keeps_the_contract() {
    let cloud = cloud::start().await;
    let mut registry = ProviderRegistry::new();
    registry.register(NimbusFactory);

    let timeouts = ProviderTimeouts {
        poll_interval: Duration::from_millis(20),
        ..ProviderTimeouts::default()
    };
    let config = ProviderConfig::new("token").with_endpoint(cloud.uri()).with_timeouts(timeouts);
    let request = InstanceRequest::new("", "north", "small");
    let subject = Subject::registered(&registry, "nimbus", config, request, "vm-none")
        .unwrap()
        .with_absent_snapshot_id("s-none")
        .with_idempotency();

    let report = conformance::check(&subject).await;
    report.assert_passed();
    for check in ["ssh_keys_can_be_used", "snapshots_may_be_unsupported"] {
        let verdict = &report.outcome(check).unwrap().verdict;
        assert!(
            matches!(verdict, Verdict::NotApplicable { .. }),
            "Nimbus has snapshots, and no keys: {verdict:?}"
        );
    }
}
