//! Snapshots by the same rules as machines.

use spuff_core::provider::ProviderError;
use spuff_core::settled;
use spuff_core::simulator::{Fault, Route};

use super::*;

const LOST: [Fault; 4] = [
    Fault::ReplyLost,
    Fault::ServerError { status: 503, committed: true },
    Fault::Truncated,
    Fault::ServerError { status: 503, committed: false },
];

#[tokio::test]
async fn a_snapshot_whose_reply_is_lost_is_made_once_and_known() {
    for name in PROVIDERS {
        for fault in LOST {
            let cloud = cloud();
            let provider = provider(&cloud, name);
            let machine = provider.create_instance(&request(name, "web-1")).await.unwrap();
            provider.wait_ready(&machine.id).await.unwrap();
            let lost = cloud.inject(fault.once(name, Route::CreateSnapshot));
            let snapshot = provider.create_snapshot(&machine.id, "nightly").await.unwrap();
            let made: Vec<_> = cloud.snapshots().into_iter().map(|snapshot| snapshot.id).collect();
            assert_eq!((cloud.hits(lost), made), (1, vec![snapshot.id]), "{name} after {fault:?}");
            lists_have_caught_up().await;
            assert_eq!(provider.list_snapshots().await.unwrap().len(), 1, "{name} after {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_snapshot_that_stays_open_is_resolved_by_its_key() {
    for name in PROVIDERS {
        let cloud = cloud();
        let calm = provider(&cloud, name);
        let machine = calm.create_instance(&request(name, "web-1")).await.unwrap();
        calm.wait_ready(&machine.id).await.unwrap();
        cloud.inject(Fault::ReplyLost.once(name, Route::CreateSnapshot));
        let down = Fault::ServerError { status: 503, committed: false };
        cloud.inject(down.everywhere().at(name).on(Route::CreateSnapshot).skip(1));
        for route in [Route::ListSnapshots, Route::GetSnapshot, Route::GetAction] {
            // What is looked at before the snapshot is begun gets its answer.
            cloud.inject(
                down.everywhere().at(name).on(route).skip(u64::from(name == "digitalocean" && route == Route::ListSnapshots)),
            );
        }
        let short = ProviderTimeouts { action_complete: Duration::from_millis(500), ..timeouts() };
        let config = cloud.config(name).with_timeouts(short);
        let hasty = ProviderRegistry::with_defaults().connect(name, config).unwrap();
        let error = hasty.create_snapshot(&machine.id, "nightly").await.unwrap_err();
        let ProviderError::UnknownOutcome { key, .. } = &error else { panic!("{name}: {error}") };
        cloud.clear_faults();
        let resolved = provider(&cloud, name).resolve_snapshot(key).await.unwrap().unwrap();
        let made: Vec<_> = cloud.snapshots().into_iter().map(|snapshot| snapshot.id).collect();
        assert_eq!(made, [resolved.id], "{name}");
        lists_have_caught_up().await;
        assert_eq!(provider(&cloud, name).list_snapshots().await.unwrap().len(), 1, "{name}: it is spuff's");
    }
}

#[tokio::test]
async fn a_snapshot_that_nobody_waits_for_is_not_lost() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let machine = provider.create_instance(&request(name, "web-1")).await.unwrap();
        provider.wait_ready(&machine.id).await.unwrap();
        let dropped = tokio::time::timeout(Duration::from_millis(300), provider.create_snapshot(&machine.id, "nightly")).await;
        assert!(dropped.is_err(), "{name}");
        settled().await;
        lists_have_caught_up().await;
        assert_eq!((cloud.snapshots().len(), provider.list_snapshots().await.unwrap().len()), (1, 1), "{name}");
    }
}
