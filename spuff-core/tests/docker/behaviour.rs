//! What every provider promises, kept at a real engine.

use spuff_core::conformance::{self, Subject, Verdict};

use super::*;

fn subject() -> Subject {
    let absent = "0".repeat(64);
    let request = InstanceRequest::new("", "bridge", "0.5x64m");
    Subject::registered(&ProviderRegistry::with_defaults(), "docker", config(), request, absent)
        .unwrap()
        .with_absent_snapshot_id("absent")
        .with_settling(Duration::from_secs(5))
        .with_default_size()
        .with_idempotency()
}

#[tokio::test]
async fn the_suite_is_passed() {
    let report = conformance::check(&subject()).await;
    println!("{report}");
    report.assert_passed();
    let other = |verdict: &Verdict| matches!(verdict, Verdict::NotApplicable { .. });
    let left_out: Vec<_> = report
        .outcomes
        .iter()
        .filter(|outcome| other(&outcome.verdict))
        .map(|outcome| outcome.name)
        .collect();
    // A container runs as soon as it is started.
    let expected = [
        "others_words_are_no_absence",
        "deadline_ends_the_wait",
        "ssh_keys_can_be_used",
        "snapshots_may_be_unsupported",
    ];
    assert_eq!(left_out, expected);
}
