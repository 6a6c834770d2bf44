//! Machines that were there before: whatever fails, they may be in use, and are left.

use spuff_core::fleet::{FleetOptions, Rollback, create_instances};
use spuff_core::provider::{ErrorKind, OnCancel, ProviderError};
use spuff_core::{FleetError, OnFailure, create_and_wait, settled, with_instance, with_instances};

use super::*;
use fake_provider::{FakeProvider, Fate};

fn keyed(mut requests: Vec<InstanceRequest>) -> Vec<InstanceRequest> {
    requests.iter_mut().for_each(|request| request.idempotency_key = Some(request.name.clone()));
    requests
}

/// A fleet of two serves; the same command, with one more for which there is no room, leaves them
/// alone.
#[tokio::test]
async fn a_roll_back_leaves_what_an_earlier_run_has_made() {
    for name in PROVIDERS {
        for wait_ready in [false, true] {
            let cloud =
                Options::default().with_clock(Clock::Fast(SPEED)).with_quota(2).start().unwrap();
            let options =
                FleetOptions::default().with_on_failure(Rollback::DestroyAll).with_wait_ready(true);
            let first =
                create_instances(&provider(&cloud, name), &keyed(unlike(name, 2)), options).await;
            let serving = given(&first);
            assert_eq!(serving.len(), 2, "{name}: {first:?}");
            tokio::time::sleep(Duration::from_secs(10).div_f64(SPEED)).await;

            let again = keyed(unlike(name, 3))
                .into_iter()
                .map(|request| request.with_on_cancel(OnCancel::Destroy));
            let options = options.with_wait_ready(wait_ready);
            let second =
                create_instances(&provider(&cloud, name), &again.collect::<Vec<_>>(), options)
                    .await;
            settled().await;
            assert_eq!(alive(&cloud), serving, "{name}: {second:?}");
            assert_eq!(second[2].as_ref().unwrap_err().kind(), ErrorKind::QuotaExceeded, "{name}");
            for left in second[..2].iter().map(|left| left.as_ref().unwrap_err()) {
                let told = matches!(
                    left,
                    ProviderError::AfterCreate { instance_id, exists: true, .. }
                        if serving.contains(instance_id)
                );
                // One whose turn came after the refusal was not asked for.
                assert!(
                    told || matches!(left, ProviderError::Cancelled { instance_id: None, .. }),
                    "{name}: {left}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_fleet_that_is_rolled_back_what_was_made_is_destroyed_and_what_was_found_is_left() {
    let refused = Fate::Refused(|| ProviderError::quota("machines", "enough"));
    let (fake, provider) = FakeProvider::new([
        ("m-3", refused),
        ("m-1", Fate::WaitFails(|| ProviderError::capacity("sold out"))),
    ]);
    let before =
        create_instances(&provider, &keyed(requests("fake", 2)), FleetOptions::default()).await;
    assert!(before.iter().flatten().all(|made| !made.adopted) && before.len() == 2, "{before:?}");
    for (on_failure, left) in [(Rollback::DestroyAll, 2), (Rollback::DestroyFailed, 3)] {
        let options = FleetOptions::default().with_on_failure(on_failure).with_wait_ready(true);
        let made = create_instances(&provider, &keyed(requests("fake", 4)), options).await;
        settled().await;
        assert_eq!(fake.alive()[..2], ["m-0", "m-1"], "{on_failure:?}");
        assert_eq!(fake.alive().len(), left, "{on_failure:?}");
        let failed = made[1].as_ref().unwrap_err();
        assert!(
            matches!(failed, ProviderError::AfterCreate { exists: true, .. }),
            "{on_failure:?}: {failed}"
        );
        if on_failure == Rollback::DestroyFailed {
            let adopted: Vec<_> =
                made.iter().flatten().map(|made| (made.name.as_str(), made.adopted)).collect();
            assert_eq!(adopted, [("m-0", true), ("m-2", false)], "also when it is ready");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_found_outlives_the_work_and_what_was_made_does_not() {
    let (fake, provider) = FakeProvider::new([]);
    let requests = keyed(requests("fake", 3));
    let found = create_and_wait(&provider, &requests[0], OnFailure::Destroy).await.unwrap();
    assert!(!found.adopted);
    let adopted = with_instance(&provider, &requests[0], |machine| async move {
        Ok::<_, ProviderError>(machine.adopted)
    })
    .await;
    assert_eq!((adopted.unwrap(), fake.alive()), (true, vec!["m-0".to_string()]));
    let used = with_instances(&provider, &requests, 16, |machines| async move {
        Ok::<_, FleetError>(machines.iter().map(|machine| machine.adopted).collect::<Vec<_>>())
    });
    assert_eq!(used.await.unwrap(), [true, false, false]);
    assert_eq!(fake.alive(), ["m-0"]);

    // Left half-way, too.
    let waits = with_instances(&provider, &requests, 16, |_| {
        std::future::pending::<Result<(), FleetError>>()
    });
    assert!(tokio::time::timeout(Duration::from_secs(100), waits).await.is_err());
    settled().await;
    assert_eq!(fake.alive(), ["m-0"]);
}
