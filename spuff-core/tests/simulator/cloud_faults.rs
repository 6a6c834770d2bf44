//! Faults of the clouds themselves, as spuff's own verbs see them.

use spuff_core::provider::{ErrorKind, InstanceStatus};
use spuff_core::simulator::{Clock, Fault, FaultRule, Options, Route};

use super::*;

const SPEED: f64 = 60.0;

fn cloud() -> Cloud {
    Options::default().with_clock(Clock::Fast(SPEED)).start().unwrap()
}

fn once(cloud: &Cloud, name: &str, route: Route, fault: Fault) -> spuff_core::simulator::FaultId {
    cloud.inject(fault.once(name, route))
}

#[tokio::test]
async fn no_room_and_no_more() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name, timeouts());
        for (fault, kind) in [
            (Fault::CapacityOut, ErrorKind::Capacity),
            (Fault::QuotaReached, ErrorKind::QuotaExceeded),
        ] {
            once(&cloud, name, Route::CreateInstance, fault);
            let error = provider.create_instance(&request(name, "web-1")).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{name}: {error}");
        }
        assert!(cloud.instances().is_empty(), "{name}");
        let limited =
            Options::default().with_clock(Clock::Fast(SPEED)).with_quota(1).start().unwrap();
        let provider = super::provider(&limited, name, timeouts());
        let first = provider.create_instance(&request(name, "web-1")).await.unwrap();
        let error = provider.create_instance(&request(name, "web-2")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{name}: {error}");
        provider.destroy_instance(&first.id).await.unwrap();
        limited.assert_no_leaks();
    }
}

#[tokio::test]
async fn what_is_not_visible_yet_comes_to_light() {
    for name in PROVIDERS {
        let cloud = cloud();
        once(&cloud, name, Route::CreateInstance, Fault::NotYetVisible { reads: 2 });
        let provider = provider(&cloud, name, timeouts());
        let made = provider.create_instance(&request(name, "web-1")).await.unwrap();
        // The read that comes after the cloud's own lag is the first that counts.
        tokio::time::sleep(Duration::from_secs(6).div_f64(SPEED)).await;
        assert!(provider.get_instance(&made.id).await.unwrap().is_some(), "{name}");
        assert_eq!(
            cloud.route_count(name, Route::GetInstance),
            3,
            "{name}: two reads do not show it"
        );
    }
}

#[tokio::test]
async fn a_machine_that_stays_in_creating_is_waited_for_to_the_end() {
    for name in PROVIDERS {
        let cloud = cloud();
        once(&cloud, name, Route::CreateInstance, Fault::StuckCreating);
        let short = ProviderTimeouts { instance_ready: Duration::from_secs(2), ..timeouts() };
        let provider = provider(&cloud, name, short);
        let made = provider.create_instance(&request(name, "web-1")).await.unwrap();
        let error = provider.wait_ready(&made.id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{name}: {error}");
        assert_eq!(
            provider.get_instance(&made.id).await.unwrap().unwrap().status,
            InstanceStatus::New,
            "{name}"
        );
        provider.destroy_instance(&made.id).await.unwrap();
        cloud.assert_no_leaks();
    }
}

#[tokio::test]
async fn a_create_that_fails_later_ends_the_wait_with_the_clouds_reason() {
    for name in PROVIDERS {
        let cloud = cloud();
        once(&cloud, name, Route::CreateInstance, Fault::ActionFails);
        let provider = provider(&cloud, name, timeouts());
        let made = provider.create_instance(&request(name, "web-1")).await.unwrap();
        let error = provider.wait_ready(&made.id).await.unwrap_err();
        assert!(!matches!(error.kind(), ErrorKind::Timeout), "{name}: {error}");
        // Where it stays, it is paid for.
        provider.destroy_instance(&made.id).await.unwrap();
        cloud.assert_no_leaks();
    }
}

#[tokio::test]
async fn a_machine_that_vanishes_is_not_waited_for() {
    for name in PROVIDERS {
        let cloud = cloud();
        once(&cloud, name, Route::CreateInstance, Fault::Vanishes { after: 8 });
        let provider = provider(&cloud, name, timeouts());
        let made = provider.create_instance(&request(name, "web-1")).await.unwrap();
        let waited = provider.wait_ready(&made.id).await;
        let error = match waited {
            // It was ready for a moment.
            Ok(_) => {
                tokio::time::sleep(Duration::from_secs(8).div_f64(SPEED)).await;
                provider.wait_ready(&made.id).await.unwrap_err()
            }
            Err(error) => error,
        };
        assert!(!matches!(error.kind(), ErrorKind::Timeout), "{name}: {error}");
        assert!(provider.get_instance(&made.id).await.unwrap().is_none(), "{name}");
        cloud.assert_no_leaks();
    }
}

#[tokio::test]
async fn a_busy_machine_is_destroyed_later() {
    for name in ["digitalocean", "hetzner"] {
        let cloud = cloud();
        let provider = provider(&cloud, name, timeouts());
        let made = provider.create_instance(&request(name, "web-1")).await.unwrap();
        provider.wait_ready(&made.id).await.unwrap();
        let locked = cloud
            .inject(FaultRule::from(Fault::Locked).at(name).on(Route::DestroyInstance).times(3));
        provider.destroy_instance(&made.id).await.unwrap();
        assert_eq!(cloud.hits(locked), 3, "{name}");
        cloud.assert_no_leaks();
    }
}

/// EC2 has no lock: it refuses for good, when the machine is protected.
#[tokio::test]
async fn a_machine_that_may_not_be_ended_is_told() {
    let cloud = cloud();
    let provider = provider(&cloud, "aws", timeouts());
    let made = provider.create_instance(&request("aws", "web-1")).await.unwrap();
    provider.wait_ready(&made.id).await.unwrap();
    once(&cloud, "aws", Route::DestroyInstance, Fault::Locked);
    let error = provider.destroy_instance(&made.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(cloud.leaks().len(), 1);
    provider.destroy_instance(&made.id).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_that_fails_leaves_nothing() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name, timeouts());
        let made = provider.create_instance(&request(name, "web-1")).await.unwrap();
        provider.wait_ready(&made.id).await.unwrap();
        once(&cloud, name, Route::CreateSnapshot, Fault::ActionFails);
        let error = provider.create_snapshot(&made.id, "nightly").await.unwrap_err();
        assert!(!matches!(error.kind(), ErrorKind::Timeout), "{name}: {error}");
        let snapshot = provider.create_snapshot(&made.id, "nightly-2").await.unwrap();
        provider.delete_snapshot(&snapshot.id).await.unwrap();
        for failed in cloud.snapshots() {
            provider.delete_snapshot(&failed.id).await.unwrap();
        }
        provider.destroy_instance(&made.id).await.unwrap();
        cloud.assert_no_leaks();
    }
}

#[tokio::test]
async fn pages_that_shift_show_each_machine_once() {
    for (name, machines) in [("digitalocean", 230), ("hetzner", 60), ("aws", 1010)] {
        let cloud = cloud();
        let provider = provider(&cloud, name, timeouts());
        for number in 0..machines {
            provider.create_instance(&request(name, &format!("m-{number}"))).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(10).div_f64(SPEED)).await;
        let shifting =
            cloud.inject(FaultRule::from(Fault::ShiftingPages).at(name).on(Route::ListInstances));
        let listed = provider.list_instances().await.unwrap();
        let mut ids: Vec<_> = listed.iter().map(|machine| &machine.id).collect();
        ids.sort();
        ids.dedup();
        assert!(cloud.hits(shifting) >= 2, "{name}");
        assert_eq!((listed.len(), ids.len()), (machines, machines), "{name}");
    }
}

/// The clouds' reads lag behind their creates.
#[tokio::test]
async fn what_was_just_made_is_read_by_every_provider_of_its_account() {
    for name in PROVIDERS {
        let cloud = Options::default().with_clock(Clock::Fast(20.0)).start().unwrap();
        let (maker, other) =
            (provider(&cloud, name, timeouts()), provider(&cloud, name, timeouts()));
        let made = maker.create_instance(&request(name, "web-1")).await.unwrap();
        for reader in [&maker, &other] {
            let read = reader.get_instance(&made.id).await.unwrap();
            assert_eq!(read.map(|read| read.id), Some(made.id.clone()), "{name}");
        }
        maker.destroy_instance(&made.id).await.unwrap();
    }
}
