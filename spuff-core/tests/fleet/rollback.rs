//! One of a hundred fails: what becomes of the others.

use spuff_core::fleet::{FleetOptions, Rollback, create_instances};
use spuff_core::provider::{ErrorKind, ProviderError};
use spuff_core::simulator::{Fault, Route};
use spuff_core::{Phase, Progress, observe};

use super::*;
use fake_provider::{FakeProvider, Fate};

const COUNT: usize = 100;
/// How many creates succeed before the one that fails.
const BEFORE: u64 = 37;
const ROLLBACKS: [Rollback; 3] = [Rollback::Keep, Rollback::DestroyFailed, Rollback::DestroyAll];

/// A fleet at a cloud where one fails.
async fn fleet(name: &str, fault: Fault, on_failure: Rollback) -> (Cloud, Outcomes, Vec<Progress>) {
    let cloud = cloud();
    let rule = cloud.inject(fault.once(name, Route::CreateInstance).skip(BEFORE));
    let patience = if fault == Fault::StuckCreating {
        Duration::from_secs(4)
    } else {
        timeouts().instance_ready
    };
    let provider =
        provider_with(&cloud, name, ProviderTimeouts { instance_ready: patience, ..timeouts() });
    let mut seen = Vec::new();
    let boots = matches!(fault, Fault::ActionFails | Fault::StuckCreating);
    let options = FleetOptions::default().with_on_failure(on_failure).with_wait_ready(boots);
    let requests = unlike(name, COUNT);
    let made =
        observe(create_instances(&provider, &requests, options), |progress| seen.push(progress))
            .await;
    assert_eq!(cloud.hits(rule), 1, "{name}");
    (cloud, made, seen)
}

/// The one that has failed by itself.
fn culprit(outcomes: &Outcomes) -> (usize, &ProviderError) {
    let failed = outcomes
        .iter()
        .enumerate()
        .filter_map(|(index, outcome)| Some((index, outcome.as_ref().err()?)));
    let mut own = failed.filter(|(_, error)| error.kind() != ErrorKind::Cancelled);
    let culprit = own.next().expect("one has failed");
    assert!(own.next().is_none(), "only one has failed by itself: {outcomes:?}");
    culprit
}

fn check(
    name: &str,
    fault: Fault,
    on_failure: Rollback,
    (cloud, made, seen): &(Cloud, Outcomes, Vec<Progress>),
) {
    let what = format!("{name}, {fault:?}, {on_failure:?}");
    let (index, error) = culprit(made);
    let (wanted, boots) = match fault {
        Fault::CapacityOut => (Some(ErrorKind::Capacity), false),
        Fault::QuotaReached => (Some(ErrorKind::QuotaExceeded), false),
        Fault::StuckCreating => (Some(ErrorKind::Timeout), true),
        // Each cloud has its own words for it.
        _ => (None, true),
    };
    assert!(wanted.is_none_or(|wanted| wanted == error.kind()), "{what}: {error}");
    assert_eq!(error.instance_id().is_some(), boots, "{what}: {error}");
    let last = |index| {
        seen.iter().rfind(|progress| progress.index == Some(index)).map(|progress| progress.phase)
    };
    assert_eq!(last(index), Some(Phase::Failed), "{what}");

    let left = alive(cloud);
    match on_failure {
        Rollback::DestroyAll => {
            assert!(left.is_empty(), "{what}: {left:?}");
            assert!(made.iter().all(Result::is_err), "{what}");
            for (index, error) in made
                .iter()
                .enumerate()
                .filter_map(|(index, made)| Some((index, made.as_ref().err()?)))
            {
                assert!(
                    !matches!(error, ProviderError::AfterCreate { exists: true, .. }),
                    "{what}: {error}"
                );
                let was_told = last(index).is_some_and(|phase| phase == Phase::Failed);
                assert!(was_told, "{what}: {index} {error}");
            }
            let sent = cloud.route_count(name, Route::CreateInstance);
            let most = if boots { COUNT as u64 } else { BEFORE + 1 + 16 };
            assert!(sent <= most, "{what}: {sent} creates were sent");
        }
        Rollback::DestroyFailed => {
            assert_eq!((&left, left.len()), (&given(made), COUNT - 1), "{what}: {error}")
        }
        _ => {
            assert_eq!(given(made).len(), COUNT - 1, "{what}");
            let unaccounted =
                |id: &String| !given(made).contains(id) && error.instance_id() != Some(id);
            assert!(!left.iter().any(unaccounted), "{what}: {left:?}");
            assert!(given(made).iter().all(|id| left.contains(id)), "{what}");
            if fault == Fault::StuckCreating {
                assert_eq!(left.len(), COUNT, "{what}: the one that has failed is kept");
                assert!(
                    matches!(error, ProviderError::AfterCreate { exists: true, .. }),
                    "{what}: {error}"
                );
            }
        }
    }
}

/// All of these at one cloud.
async fn at(name: &str) {
    for fault in [Fault::CapacityOut, Fault::QuotaReached, Fault::ActionFails, Fault::StuckCreating]
    {
        for on_failure in ROLLBACKS {
            check(name, fault, on_failure, &fleet(name, fault, on_failure).await);
        }
    }
}

#[tokio::test]
async fn one_of_a_hundred_fails_at_digitalocean() {
    at("digitalocean").await;
}

#[tokio::test]
async fn one_of_a_hundred_fails_at_hetzner() {
    at("hetzner").await;
}

#[tokio::test]
async fn one_of_a_hundred_fails_at_ec2() {
    at("aws").await;
}

#[tokio::test(start_paused = true)]
async fn when_all_are_rolled_back_no_more_begin_while_the_failed_one_is_cleaned_up() {
    // The failure is known at the 31st second, and the machine's end at the 32nd.
    let (fake, provider) = FakeProvider::new([("m-0", Fate::NeverReady)]);
    let options = FleetOptions::default()
        .with_concurrency(1)
        .with_on_failure(Rollback::DestroyAll)
        .with_wait_ready(true);
    let mut seen = Vec::new();
    let requests = requests("fake", 60);
    let made =
        observe(create_instances(&provider, &requests, options), |progress| seen.push(progress))
            .await;
    assert!(
        (0..60).all(|index| seen.iter().rfind(|told| told.index == Some(index)).unwrap().phase
            == Phase::Failed)
    );
    assert_eq!((culprit(&made).0, fake.alive().len()), (0, 0));
    assert_eq!(fake.creates(), 31, "one a second, until the first was not ready");
    let started = made
        .iter()
        .filter(|made| matches!(made, Err(ProviderError::AfterCreate { exists: false, .. })))
        .count();
    assert_eq!(started, 31);
    let nothing_made = |made: &ProviderResult<_>| {
        matches!(made, Err(ProviderError::Cancelled { instance_id: None, .. }))
    };
    assert_eq!(made.iter().filter(|made| nothing_made(made)).count(), 60 - 31);
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_destroyed_is_told_of_with_its_id() {
    let refused = Fate::Refused(|| ProviderError::capacity("sold out"));
    let (fake, provider) = FakeProvider::new([("m-1", Fate::Stays), ("m-5", refused)]);
    let options = FleetOptions::default().with_concurrency(1).with_on_failure(Rollback::DestroyAll);
    let made = create_instances(&provider, &requests("fake", 8), options).await;
    let ProviderError::AfterCreate { instance_id, exists, source, cleanup, .. } =
        made[1].as_ref().unwrap_err()
    else {
        panic!("{made:?}")
    };
    assert_eq!(
        (instance_id.as_str(), *exists, source.kind()),
        ("id-m-1", true, ErrorKind::Cancelled)
    );
    assert_eq!(cleanup.as_ref().map(|error| error.kind()), Some(ErrorKind::Authentication));
    assert_eq!(fake.alive(), ["m-1"]);
}
