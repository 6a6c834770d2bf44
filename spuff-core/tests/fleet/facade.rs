//! The same verbs without async.

use spuff_core::fleet::{FleetOptions, Rollback};
use spuff_core::provider::ErrorKind;
use spuff_core::simulator::{Fault, Route};
use spuff_core::{Phase, blocking};

use super::*;

fn blocking_provider(cloud: &Cloud, name: &str) -> blocking::Provider {
    blocking::ProviderRegistry::with_defaults()
        .connect(name, cloud.config(name).with_timeouts(timeouts()))
        .unwrap()
}

#[test]
fn a_fleet_lives_and_ends() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = blocking_provider(&cloud, name);
        let thread = std::thread::current().id();
        let mut accepted = 0;
        let mut destroyed = 0;
        let made = provider.create_instances(
            &requests(name, 9),
            FleetOptions::default().with_concurrency(3),
            |seen| {
                assert_eq!(std::thread::current().id(), thread);
                accepted += usize::from(seen.phase == Phase::Accepted);
            },
        );
        let ids = given(&made.unwrap());
        assert_eq!((accepted, &ids), (9, &alive(&cloud)), "{name}");

        let mut ready = 0;
        let waited = provider
            .wait_ready_many(&ids[..4], |seen| ready += usize::from(seen.phase == Phase::Ready))
            .unwrap();
        assert_eq!((ready, given(&waited)), (4, ids[..4].to_vec()), "{name}");

        let mut watch = provider.watch(ids.clone()).unwrap();
        assert_eq!(watch.by_ref().filter(|seen| seen.phase == Phase::Ready).count(), 9, "{name}");
        assert_eq!(given(&watch.into_outcomes()), ids, "{name}");

        let gone = provider
            .destroy_instances(&ids, 3, |seen| {
                destroyed += usize::from(seen.phase == Phase::Destroyed)
            })
            .unwrap();
        assert!(gone.iter().all(Result::is_ok) && destroyed == 9, "{name}: {gone:?}");
        cloud.assert_no_leaks();
    }
}

#[test]
fn a_fleet_is_rolled_back() {
    let cloud = cloud();
    cloud.inject(Fault::CapacityOut.once("hetzner", Route::CreateInstance).skip(4));
    let provider = blocking_provider(&cloud, "hetzner");
    let options = FleetOptions::default().with_concurrency(2).with_on_failure(Rollback::DestroyAll);
    let made = provider.create_instances(&requests("hetzner", 9), options, drop).unwrap();
    let kinds: Vec<_> = made.iter().map(|made| made.as_ref().unwrap_err().kind()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == ErrorKind::Capacity).count(), 1, "{kinds:?}");
    cloud.assert_no_leaks();
}

#[test]
fn a_listener_that_panics_leaves_no_machine() {
    let cloud = cloud();
    let provider = blocking_provider(&cloud, "hetzner");
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        provider.create_instances(&requests("hetzner", 9), FleetOptions::default(), |seen| {
            panic!("at {}", seen.id)
        })
    }));
    assert!(made.is_err());
    blocking::settled().unwrap();
    cloud.assert_no_leaks();
}
