//! The suite passes a provider that keeps the contract, and each of its checks fails one that does
//! not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test tells what it found, and may panic"
)]

#[path = "support/memory.rs"]
mod memory;
#[cfg(feature = "blocking")]
#[path = "support/over_blocking.rs"]
mod over_blocking;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use memory::{Cloud, Fault, MAX_USER_DATA, Memory};
use spuff_core::conformance::{self, Report, Subject, Verdict};
use spuff_core::provider::{Capabilities, InstanceRequest, ProviderError};

/// In paused time none of these is ever waited out.
const BOOT: Duration = Duration::from_secs(7);
const NO_LAG: Duration = Duration::ZERO;

fn capabilities() -> Capabilities {
    let mut capabilities = Capabilities::default();
    (capabilities.ssh_keys, capabilities.max_user_data) = (true, MAX_USER_DATA);
    capabilities
}

fn subject(cloud: &Arc<Cloud>, fault: Option<Fault>) -> Subject {
    let lost = cloud.clone();
    let cloud = cloud.clone();
    let make = move |timeouts| Ok(Box::new(Memory::new(&cloud, timeouts, fault)) as _);
    Subject::new(make, InstanceRequest::new("", "east", "small"), "m-absent")
        .with_absent_snapshot_id("s-absent")
        .with_capabilities(capabilities())
        .with_idempotency()
        .with_stranger(
            move |timeouts| Ok(Box::new(Memory::new(&lost, timeouts, fault).lost()) as _),
        )
}

fn without_snapshots(cloud: &Arc<Cloud>, fault: Option<Fault>) -> Subject {
    let cloud = cloud.clone();
    let make =
        move |timeouts| Ok(Box::new(Memory::new(&cloud, timeouts, fault).without_snapshots()) as _);
    let mut capabilities = Capabilities::default();
    (capabilities.snapshots, capabilities.labels) = (false, false);
    Subject::new(make, InstanceRequest::new("", "east", "small"), "m-absent")
        .with_capabilities(capabilities)
}

fn failed(report: &Report) -> Vec<&str> {
    report.failed().map(|outcome| outcome.name).collect()
}

fn not_applicable(report: &Report) -> Vec<&str> {
    let other = |verdict: &Verdict| matches!(verdict, Verdict::NotApplicable { .. });
    report
        .outcomes
        .iter()
        .filter(|outcome| other(&outcome.verdict))
        .map(|outcome| outcome.name)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_keeps_the_contract_passes_every_check() {
    for lag in [NO_LAG, Duration::from_secs(3)] {
        let cloud = Cloud::new(BOOT, lag);
        let report = conformance::check(&subject(&cloud, None)).await;
        println!("{report}");
        report.assert_passed();
        assert_eq!(not_applicable(&report), ["snapshots_may_be_unsupported"]);
        assert_eq!(
            (report.provider.as_str(), report.outcomes.len()),
            ("memory", conformance::checks().len())
        );
        assert_eq!(cloud.left(), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_provider_cannot_do_is_not_asked_of_it() {
    let cloud = Cloud::new(Duration::ZERO, NO_LAG);
    let report = conformance::check(&without_snapshots(&cloud, None)).await;
    report.assert_passed();
    let expected = [
        "others_words_are_no_absence",
        "user_data_beyond_its_limit_is_refused",
        "labels_are_kept",
        "deadline_ends_the_wait",
        "user_data_is_taken_up_to_its_limit",
        "idempotency_key_stands_for_one_machine",
        "what_a_key_finds_is_said_to_be_found",
        "what_a_key_finds_outlives_a_roll_back",
        "snapshot_of_nothing_is_not_found",
        "snapshot_is_made_and_listed",
        "snapshot_restores_to_a_machine",
        "snapshot_delete_ends_it",
        "snapshot_delete_is_idempotent",
    ];
    assert_eq!(not_applicable(&report), expected);
}

/// For each broken sentence: the checks that fail, which are those that stand on it, and no other.
const BROKEN: &[(Fault, &[&str])] = &[
    (Fault::NameChanges, &["name_is_stable"]),
    (Fault::GetOfAbsentFails, &["get_of_absent_is_none", "destroy_ends_the_machine"]),
    (Fault::GetOfAbsentHangs, &["get_of_absent_is_none", "destroy_ends_the_machine"]),
    (Fault::GetIsStale, &["destroy_ends_the_machine"]),
    (Fault::GetRenames, &["get_finds_what_was_made"]),
    (
        Fault::WaitOfAbsentTimesOut,
        &[
            "wait_ready_of_absent_is_not_found",
            "timeouts_beyond_reason_are_borne",
            "wait_ready_of_destroyed_is_not_found",
        ],
    ),
    (
        Fault::WaitIsEarly,
        &[
            "wait_ready_gives_a_reachable_machine",
            "many_live_at_once",
            "deadline_ends_the_wait",
            "snapshot_restores_to_a_machine",
        ],
    ),
    (Fault::ErrorsAreBlank, &["errors_tell_what_is_wrong"]),
    (Fault::NamelessIsMade, &["empty_fields_are_refused"]),
    (Fault::NamelessIsMadeAndRefused, &["empty_fields_are_refused"]),
    (
        Fault::RefusalNamesNoField,
        &["empty_fields_are_refused", "user_data_beyond_its_limit_is_refused"],
    ),
    (
        Fault::RefusalIsWordless,
        &["empty_fields_are_refused", "user_data_beyond_its_limit_is_refused"],
    ),
    (Fault::UnknownSizeIsRetryable, &["unknown_size_is_refused"]),
    (Fault::UnknownSizeIsMade, &["unknown_size_is_refused"]),
    (Fault::UserDataHasNoLimit, &["user_data_beyond_its_limit_is_refused"]),
    (Fault::UserDataLimitIsLower, &["user_data_is_taken_up_to_its_limit"]),
    (Fault::CreateForgetsItsRegion, &["create_answers_with_the_machine"]),
    (Fault::CreateForgetsItsMark, &["create_answers_with_the_machine", "labels_are_kept"]),
    (Fault::LabelsAreLowered, &["labels_are_kept"]),
    (Fault::ListForgetsLabels, &["list_holds_the_machine", "labels_are_kept"]),
    (Fault::ListIsOnePage, &["many_live_at_once"]),
    (
        Fault::ListRepeats,
        &["list_holds_the_machine", "labels_are_kept", "ids_are_distinct", "many_live_at_once"],
    ),
    // Of the machine that was restored nobody has told; it is found at the end.
    (Fault::IdsRepeat, &["ids_are_distinct", "many_live_at_once", "nothing_is_left"]),
    (Fault::DestroyIsNotIdempotent, &["destroy_is_idempotent"]),
    (Fault::DestroyPanics, &["destroy_is_idempotent"]),
    (
        Fault::DestroyDoesNothing,
        &["destroy_ends_the_machine", "wait_ready_of_destroyed_is_not_found", "nothing_is_left"],
    ),
    (Fault::DeadlineIsIgnored, &["deadline_ends_the_wait"]),
    (Fault::DeadlineWaitsForAPause, &["deadline_ends_the_wait"]),
    (Fault::TimeoutDestroys, &["deadline_ends_the_wait"]),
    // What looks at the machine while it is waited for is dropped with the wait.
    (Fault::DroppedReadsStayBusy, &["deadline_ends_the_wait", "dropped_futures_lose_nothing"]),
    (Fault::RegionIsNeededInOtherWords, &["region_may_be_left_to_the_provider"]),
    (Fault::SshKeysAreOfNoUse, &["ssh_keys_can_be_used"]),
    (Fault::IdempotencyKeyIsIgnored, &["idempotency_key_stands_for_one_machine"]),
    (
        Fault::FoundIsSaidToBeMade,
        &["what_a_key_finds_is_said_to_be_found", "what_a_key_finds_outlives_a_roll_back"],
    ),
    (Fault::MadeIsSaidToBeFound, &["what_a_key_finds_is_said_to_be_found"]),
    (Fault::FailedLookIsAbsence, &["a_failed_look_is_no_absence"]),
    (Fault::FailedListIsEmpty, &["a_failed_look_is_no_absence"]),
    (Fault::NewIsOld, &["a_new_machine_is_not_old"]),
    (Fault::AbsenceIsSaidInOthersWords, &["others_words_are_no_absence"]),
    (Fault::TimeoutsOverflow, &["timeouts_beyond_reason_are_borne"]),
    (Fault::SnapshotIsRenamed, &["snapshot_is_made_and_listed"]),
    (Fault::SnapshotIsListedWithoutName, &["snapshot_is_made_and_listed"]),
    (Fault::SnapshotOfNothingIsOther, &["snapshot_of_nothing_is_not_found"]),
    (Fault::SnapshotRestoreIsRefused, &["snapshot_restores_to_a_machine"]),
    (Fault::SnapshotDeleteDoesNothing, &["snapshot_delete_ends_it", "nothing_is_left"]),
    (Fault::SnapshotDeleteIsNotIdempotent, &["snapshot_delete_is_idempotent"]),
];

#[tokio::test(start_paused = true)]
async fn each_broken_sentence_fails_the_checks_that_stand_on_it_and_no_other() {
    for (fault, expected) in BROKEN {
        let cloud = Cloud::new(BOOT, NO_LAG);
        let report = conformance::check(&subject(&cloud, Some(*fault))).await;
        assert_eq!(failed(&report), *expected, "{fault:?}\n{report}");
        assert!(!report.is_passed());
        let cannot_end =
            matches!(fault, Fault::DestroyDoesNothing | Fault::SnapshotDeleteDoesNothing);
        let (machines, snapshots) = cloud.left();
        assert_eq!(machines + snapshots > 0, cannot_end, "{fault:?}\n{report}");
        assert_eq!(
            report.left_behind.len(),
            machines + snapshots,
            "{fault:?}: what is left is named\n{report}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_age_that_is_not_known_or_cannot_be_is_no_fault_and_no_age() {
    for fault in [Fault::AgeIsUnknown, Fault::AgeIsBeyondReason] {
        let cloud = Cloud::new(BOOT, NO_LAG);
        conformance::check(&subject(&cloud, Some(fault))).await.assert_passed();
        assert_eq!(cloud.left(), (0, 0), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_contradicts_its_description_or_its_lack_fails() {
    let cloud = Cloud::new(BOOT, NO_LAG);
    let lying = subject(&cloud, None).with_capabilities({
        let mut capabilities = capabilities();
        capabilities.snapshots = false;
        capabilities
    });
    assert_eq!(failed(&conformance::check(&lying).await), ["capabilities_agree"]);
    let report =
        conformance::check(&without_snapshots(&cloud, Some(Fault::SnapshotsAreOther))).await;
    assert_eq!(failed(&report), ["snapshots_may_be_unsupported"]);
    assert_eq!(cloud.left(), (0, 0));
}

#[test]
fn every_check_is_seen_to_fail() {
    let elsewhere = ["capabilities_agree", "snapshots_may_be_unsupported"];
    let seen: BTreeSet<_> =
        BROKEN.iter().flat_map(|(_, names)| names.iter()).chain(&elsewhere).copied().collect();
    let all: BTreeSet<_> = conformance::checks().iter().map(|check| check.name).collect();
    assert_eq!(seen, all);
    assert_eq!(all.len(), conformance::checks().len(), "names are distinct");
}

#[tokio::test(start_paused = true)]
async fn each_check_runs_alone_and_makes_what_it_says() {
    let mut sum = (0, 0);
    for check in conformance::checks() {
        let cloud = Cloud::new(BOOT, NO_LAG);
        let report = conformance::check_one(&subject(&cloud, None), check.name).await.unwrap();
        report.assert_passed();
        assert_eq!(report.outcomes.len(), 1);
        let made = (cloud.machines_made.load(SeqCst), cloud.snapshots_made.load(SeqCst));
        assert_eq!(made, (check.machines as usize, check.snapshots as usize), "{check:?}");
        sum = (sum.0 + made.0, sum.1 + made.1);
    }
    assert_eq!(sum, (33, 4), "as the documentation says");
    let error = conformance::check_one(&subject(&Cloud::new(BOOT, NO_LAG), None), "speed")
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "check"),
        "{error}"
    );
    assert!(error.to_string().contains("destroy_is_idempotent"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_destroys_what_it_has_made_and_says_so() {
    let cloud = Cloud::new(Duration::from_secs(100), NO_LAG);
    let report = conformance::check_until(
        &subject(&cloud, None),
        tokio::time::sleep(Duration::from_secs(10)),
    )
    .await;
    assert!(cloud.machines_made.load(SeqCst) > 0);
    assert_eq!((cloud.left(), report.left_behind.len()), ((0, 0), 0), "{report}");
    assert!(!report.is_passed());
    let last = report.outcome("nothing_is_left").unwrap();
    assert!(
        matches!(&last.verdict, Verdict::Failed(failure) if failure.seen.contains("stopped")),
        "{last}"
    );
    assert!(matches!(report.outcome("name_is_stable").unwrap().verdict, Verdict::Passed));
}

#[tokio::test(start_paused = true)]
async fn machines_of_others_are_left_alone() {
    let cloud = Cloud::new(BOOT, NO_LAG);
    let others = Memory::new(&cloud, Default::default(), None);
    let machine = spuff_core::Provider::create_instance(
        &others,
        &InstanceRequest::new("web-1", "east", "small"),
    )
    .await
    .unwrap();
    conformance::check(&subject(&cloud, None)).await.assert_passed();
    let report = conformance::check(&subject(&cloud, Some(Fault::NamelessIsMade))).await;
    assert_eq!(failed(&report), ["empty_fields_are_refused"]);
    // Here every create answers with the id of that machine.
    let report = conformance::check(&subject(&cloud, Some(Fault::IdsRepeat))).await;
    let outcome = report.outcome("get_finds_what_was_made").unwrap();
    assert!(outcome.to_string().contains("which existed before"), "{outcome}");
    assert_eq!(cloud.left(), (1, 0), "{report}");
    assert!(spuff_core::Provider::get_instance(&others, &machine.id).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_maker_that_fails_or_panics_is_reported() {
    let request = || InstanceRequest::new("", "east", "small");
    let refusing =
        Subject::new(|_| Err(ProviderError::auth("memory", "no token")), request(), "m-absent");
    let panicking = Subject::new(|_| panic!("no cloud today"), request(), "m-absent");
    for (subject, words) in [(refusing, "no token"), (panicking, "no cloud today")] {
        let report = conformance::check(&subject).await;
        assert_eq!(failed(&report).len(), conformance::checks().len());
        assert!(report.to_string().contains(words), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_reads_well_and_is_plain_data() {
    let cloud = Cloud::new(BOOT, NO_LAG);
    let subject = subject(&cloud, Some(Fault::DestroyIsNotIdempotent));
    let report = conformance::check_one(&subject, "destroy_is_idempotent").await.unwrap();
    let expected = "\
memory: 0 passed, 1 failed, 0 not applicable, in 0.0 s
  FAILED  destroy_is_idempotent
          contract: Destroying an instance that is gone, or never existed, is `Ok`.
          seen:     m-0000 was destroyed before, and it failed: instance \"m-0000\" does not exist
          to do:    Turn the cloud's \"not found\" into `Ok(())`.
";
    assert_eq!(report.to_string(), expected);

    let data = serde_json::to_value(&report).unwrap();
    let outcome = &data["outcomes"][0];
    assert_eq!(
        (&outcome["name"], &outcome["verdict"]),
        (&"destroy_is_idempotent".into(), &"failed".into()),
        "{data}"
    );
    assert!(outcome["remedy"].is_string() && outcome["seconds"].is_number(), "{data}");
    assert_eq!(
        (&data["provider"], data["left_behind"].as_array().map(Vec::len)),
        (&"memory".into(), Some(0))
    );

    let unsupported =
        conformance::check_one(&subject, "snapshots_may_be_unsupported").await.unwrap();
    let data = serde_json::to_value(&unsupported).unwrap();
    assert_eq!(data["outcomes"][0]["reason"], "the provider supports snapshots");
    assert!(std::panic::catch_unwind(|| report.assert_passed()).is_err());
}

#[tokio::test]
async fn a_registered_provider_is_checked_with_what_it_describes() {
    use spuff_core::provider::{
        Provider, ProviderConfig, ProviderDescription, ProviderFactory, ProviderRegistry,
    };
    use spuff_core::provider::{ProviderResult, ProviderTimeouts, ProviderType};

    struct Factory(Arc<Cloud>);

    impl ProviderFactory for Factory {
        fn provider_type(&self) -> ProviderType {
            ProviderType::Custom("memory")
        }
        fn create(&self, _: &str, timeouts: ProviderTimeouts) -> ProviderResult<Box<dyn Provider>> {
            Ok(Box::new(Memory::new(&self.0, timeouts, None)))
        }
        fn describe(&self) -> ProviderDescription {
            let mut description = ProviderDescription::new(self.provider_type());
            description.capabilities = capabilities();
            description
        }
    }

    let mut registry = ProviderRegistry::new();
    registry.register(Factory(Cloud::new(Duration::from_millis(10), NO_LAG)));
    let config = || ProviderConfig::new("t").with_timeouts(quick());
    let request = || InstanceRequest::new("", "east", "small");
    let subject =
        Subject::registered(&registry, "memory", config(), request(), "m-absent").unwrap();
    let report =
        conformance::check_one(&subject, "user_data_is_taken_up_to_its_limit").await.unwrap();
    assert_eq!(report.outcomes[0].verdict, Verdict::Passed, "{report}");
    let error =
        Subject::registered(&registry, "cumulus", config(), request(), "m-absent").unwrap_err();
    assert!(matches!(error, ProviderError::UnknownProvider { .. }), "{error}");
}

/// Short pauses; deadlines that only a hang reaches.
fn quick() -> spuff_core::provider::ProviderTimeouts {
    let long = Duration::from_secs(30);
    let poll_interval = Duration::from_millis(20);
    spuff_core::provider::ProviderTimeouts {
        instance_ready: long,
        action_complete: long,
        poll_interval,
        ..Default::default()
    }
}

#[cfg(feature = "blocking")]
mod through_the_blocking_facade {
    use super::*;
    use over_blocking::OverBlocking;
    use spuff_core::provider::Provider;

    fn over_blocking(cloud: &Arc<Cloud>, fault: Option<Fault>) -> Subject {
        let cloud = cloud.clone();
        let make = move |timeouts| {
            let provider: Box<dyn Provider> = Box::new(Memory::new(&cloud, timeouts, fault));
            Ok(Box::new(OverBlocking(provider.into())) as _)
        };
        Subject::new(make, InstanceRequest::new("", "east", "small"), "m-absent")
            .with_capabilities(capabilities())
            .with_idempotency()
            .with_timeouts(quick())
    }

    /// On threads there is no paused time, so machines boot fast; all that is asserted is what is
    /// seen.
    #[tokio::test]
    async fn the_same_suite_passes() {
        let cloud = Cloud::new(Duration::from_millis(80), NO_LAG);
        let report = conformance::check(&over_blocking(&cloud, None)).await;
        println!("{report}");
        report.assert_passed();
        assert_eq!(cloud.left(), (0, 0));
    }

    #[tokio::test]
    async fn the_same_checks_fail() {
        let cloud = Cloud::new(Duration::from_millis(80), NO_LAG);
        for (fault, check) in [
            (Fault::DestroyIsNotIdempotent, "destroy_is_idempotent"),
            (Fault::WaitIsEarly, "wait_ready_gives_a_reachable_machine"),
            (Fault::SnapshotIsRenamed, "snapshot_is_made_and_listed"),
        ] {
            let report =
                conformance::check_one(&over_blocking(&cloud, Some(fault)), check).await.unwrap();
            assert_eq!(failed(&report), [check], "{report}");
            assert_eq!(cloud.left(), (0, 0));
        }
    }
}
