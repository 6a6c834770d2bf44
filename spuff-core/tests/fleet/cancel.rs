//! Fleets whose caller leaves half-way.

use spuff_core::fleet::{FleetOptions, Rollback, create_instances, destroy_instances};
use spuff_core::provider::OnCancel;
use spuff_core::simulator::{Fault, Route};
use spuff_core::{OnFailure, create_and_wait, create_instance, settled, unclaimed};
use tokio::time::timeout;

use super::*;
use fake_provider::{FakeProvider, Fate};

const COUNT: usize = 40;

/// Drops a fleet when so many of its creates have reached the cloud.
async fn dropped(name: &str, after: u64, change: impl Fn(&mut InstanceRequest)) -> Cloud {
    let cloud = cloud();
    cloud.inject(Fault::Slow { millis: 30 }.everywhere().at(name).on(Route::CreateInstance));
    let provider = provider(&cloud, name);
    let mut requests = unlike(name, COUNT);
    requests.iter_mut().for_each(change);
    let options = FleetOptions::default().with_concurrency(8).with_wait_ready(true);
    let reached = async {
        while cloud.route_count(name, Route::CreateInstance) < after {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        made = create_instances(&provider, &requests, options) => panic!("{name}: it was not \
         dropped in the middle: {made:?}"),
        () = reached => {}
    }
    let sent = cloud.route_count(name, Route::CreateInstance);
    settled().await;
    // Those that had begun may be sent yet, unless nobody was to have them.
    let more = cloud.route_count(name, Route::CreateInstance) - sent;
    assert!(more < 8, "{name}: {more} more were made after the fleet was dropped");
    cloud
}

#[tokio::test]
async fn nothing_is_left_of_a_fleet_that_was_dropped() {
    for name in PROVIDERS {
        for after in [1, 12, COUNT as u64] {
            let cloud = dropped(name, after, |_| ()).await;
            cloud.assert_no_leaks();
        }
    }
}

#[tokio::test]
async fn what_is_to_be_kept_is_left_and_can_be_found() {
    for name in PROVIDERS {
        let cloud = dropped(name, 12, |request| {
            request.on_cancel = Some(OnCancel::Keep);
            request.owner = Some("keeper".to_string());
        })
        .await;
        let left = alive(&cloud);
        assert!(left.len() >= 12, "{name}: {left:?}");
        tokio::time::sleep(Duration::from_secs(10).div_f64(SPEED)).await;
        let owned =
            spuff_core::lease::list_owned(&*provider(&cloud, name), "keeper").await.unwrap();
        let mut owned: Vec<_> = owned.into_iter().map(|machine| machine.id).collect();
        owned.sort();
        assert_eq!(owned, left, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn at_any_time_and_under_any_rollback() {
    for on_failure in [Rollback::Keep, Rollback::DestroyFailed, Rollback::DestroyAll] {
        for tenths in 0..60 {
            let fates = [
                ("m-2", Fate::NeverReady),
                ("m-5", Fate::Lost { made: true }),
                ("m-7", Fate::WaitsForEver),
            ];
            let (fake, provider) = FakeProvider::new(fates);
            let options = FleetOptions::default()
                .with_concurrency(2)
                .with_on_failure(on_failure)
                .with_wait_ready(true);
            let requests = requests("fake", 10);
            let made = timeout(
                Duration::from_millis(700 * tenths),
                create_instances(&provider, &requests, options),
            )
            .await;
            settled().await;
            let left = fake.alive();
            match made {
                Ok(made) => assert_eq!(
                    (on_failure, left.len(), given(&made).len()),
                    (Rollback::DestroyAll, 0, 0)
                ),
                // One that stays unknown is left where failed ones are kept: its error was lost
                // with the fleet.
                Err(_) if on_failure == Rollback::Keep => {
                    assert!(left.iter().all(|name| name == "m-5"), "{left:?}")
                }
                Err(_) => assert!(left.is_empty(), "{on_failure:?} after {tenths}: {left:?}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_batch_that_was_refused_is_made_one_by_one() {
    for tenths in 0..80 {
        let (fake, provider) = FakeProvider::for_one_by_one();
        let (requests, options) =
            (requests("fake", 10), FleetOptions::default().with_concurrency(2));
        let made = timeout(
            Duration::from_millis(100 * tenths),
            create_instances(&provider, &requests, options),
        )
        .await;
        settled().await;
        let expected = if made.is_ok() { 10 } else { 0 };
        assert_eq!(
            (made.is_ok(), fake.alive().len()),
            (tenths >= 60, expected),
            "after {tenths} tenths of a second"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn when_destroys_are_dropped_no_more_begin() {
    let (fake, provider) = FakeProvider::new([]);
    let made = create_instances(&provider, &requests("fake", 10), FleetOptions::default()).await;
    let ids = given(&made);
    assert!(
        timeout(Duration::from_millis(2500), destroy_instances(&provider, &ids, 2)).await.is_err()
    );
    settled().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(fake.alive().len(), 10 - 2 * 2);
}

/// All is done, and the caller leaves without the outcome.
#[tokio::test(start_paused = true)]
async fn what_nobody_takes_is_as_if_it_was_dropped() {
    let (fake, provider) = FakeProvider::new([("m-1", Fate::PanicsOverWait)]);
    let keeps = FleetOptions::default().with_on_failure(Rollback::Keep).with_wait_ready(true);
    let mut requests = requests("fake", 4);
    requests[3].on_cancel = Some(OnCancel::Keep);
    drop(unclaimed(create_instances(&provider, &requests, keeps)).await);
    settled().await;
    assert_eq!(fake.alive(), ["m-3"]);
    drop(unclaimed(create_instance(&provider, &requests[0])).await);
    drop(unclaimed(create_and_wait(&provider, &requests[0], OnFailure::Destroy)).await);
    settled().await;
    assert_eq!(fake.alive(), ["m-3"]);
    let made = unclaimed(create_instances(&provider, &requests[..3], keeps)).await.claim();
    settled().await;
    assert_eq!((given(&made).len(), fake.alive().len()), (2, 4));
}
