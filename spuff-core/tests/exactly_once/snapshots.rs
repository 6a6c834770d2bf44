//! Snapshots by the same rules as machines.

use futures_util::future::join_all;
use spuff_core::provider::ProviderError;
use spuff_core::settled;
use spuff_core::simulator::{Fault, Options, Route, Timings};

use super::*;

/// What a cloud does not show yet is there.
#[tokio::test]
async fn a_snapshot_that_is_not_shown_yet_is_waited_for_and_can_be_deleted() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let machine = provider.create_instance(&request(name, "web-1")).await.unwrap();
        provider.wait_ready(&machine.id).await.unwrap();
        cloud.inject(Fault::NotYetVisible { reads: 3 }.once(name, Route::CreateSnapshot));
        let snapshot = provider.create_snapshot(&machine.id, "golden").await.unwrap();
        provider.delete_snapshot(&snapshot.id).await.unwrap();
        lists_have_caught_up().await;
        assert!(cloud.snapshots().is_empty(), "{name}: {:?}", cloud.snapshots());
    }
}

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

/// At DigitalOcean nothing but its name tells a snapshot that is being made from another of the
/// same machine.
#[tokio::test]
async fn a_snapshot_whose_reply_is_lost_is_not_that_of_another_call() {
    for name in ["digitalocean", "hetzner"] {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let machine = provider.create_instance(&request(name, "web-1")).await.unwrap();
        provider.wait_ready(&machine.id).await.unwrap();
        let other = tokio::spawn({
            let provider = provider.clone();
            let id = machine.id.clone();
            async move { provider.create_snapshot(&id, "nightly").await }
        });
        while cloud.snapshots().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let lost = cloud.inject(Fault::ReplyLost.once(name, Route::CreateSnapshot));
        let own = provider.create_snapshot(&machine.id, "nightly").await.unwrap();
        let other = other.await.unwrap().unwrap();
        assert_ne!(own.id, other.id, "{name}");
        assert_eq!((cloud.hits(lost), cloud.snapshots().len()), (1, 2), "{name}");
    }
}

/// The cloud makes them one after another, in less time than two of its clocks may be apart.
#[tokio::test]
async fn snapshots_of_one_name_at_once_are_each_their_callers() {
    for name in ["digitalocean", "hetzner"] {
        let mut timings = Timings::usual(name);
        timings.snapshot = Duration::from_secs(2);
        let cloud = Options::default()
            .with_clock(Clock::Fast(SPEED))
            .with_timings(name, timings)
            .start()
            .unwrap();
        let provider = provider(&cloud, name);
        let machine = provider.create_instance(&request(name, "web-1")).await.unwrap();
        provider.wait_ready(&machine.id).await.unwrap();
        let three = [(); 3].map(|()| provider.create_snapshot(&machine.id, "nightly"));
        let mut told: Vec<_> =
            join_all(three).await.into_iter().map(|made| made.unwrap().id).collect();
        lists_have_caught_up().await;
        let mut listed: Vec<_> =
            provider.list_snapshots().await.unwrap().into_iter().map(|made| made.id).collect();
        let mut made: Vec<_> = cloud.snapshots().into_iter().map(|made| made.id).collect();
        [&mut told, &mut listed, &mut made].into_iter().for_each(|ids| ids.sort());
        assert_eq!((told, &listed), (made.clone(), &made), "{name}");
        assert_eq!(made.len(), 3, "{name}");
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
                down.everywhere()
                    .at(name)
                    .on(route)
                    .skip(u64::from(name == "digitalocean" && route == Route::ListSnapshots)),
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
        assert_eq!(
            provider(&cloud, name).list_snapshots().await.unwrap().len(),
            1,
            "{name}: it is spuff's"
        );
    }
}

#[tokio::test]
async fn a_snapshot_that_nobody_waits_for_is_not_lost() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let machine = provider.create_instance(&request(name, "web-1")).await.unwrap();
        provider.wait_ready(&machine.id).await.unwrap();
        let dropped = tokio::time::timeout(
            Duration::from_millis(300),
            provider.create_snapshot(&machine.id, "nightly"),
        )
        .await;
        assert!(dropped.is_err(), "{name}");
        settled().await;
        lists_have_caught_up().await;
        assert_eq!(
            (cloud.snapshots().len(), provider.list_snapshots().await.unwrap().len()),
            (1, 1),
            "{name}"
        );
    }
}

/// A provider that waits for a snapshot no longer than that.
fn hasty(cloud: &Cloud, name: &str, patience: Duration) -> Arc<dyn Provider> {
    let config = cloud
        .config(name)
        .with_timeouts(ProviderTimeouts { action_complete: patience, ..timeouts() });
    ProviderRegistry::with_defaults().connect(name, config).unwrap().into()
}

#[tokio::test]
async fn a_snapshot_that_takes_longer_than_its_caller_waits_is_not_lost() {
    for name in PROVIDERS {
        let cloud = cloud();
        let calm = provider(&cloud, name);
        let machine = calm.create_instance(&request(name, "web-1")).await.unwrap();
        calm.wait_ready(&machine.id).await.unwrap();
        let hasty = hasty(&cloud, name, Duration::from_millis(200));
        let error = hasty.create_snapshot(&machine.id, "nightly").await.unwrap_err();
        let made = || cloud.snapshots().into_iter().map(|snapshot| snapshot.id).collect::<Vec<_>>();
        match &error {
            ProviderError::UnknownOutcome { key, .. } if name == "digitalocean" => {
                let resolved = calm.resolve_snapshot(key).await.unwrap().unwrap();
                assert_eq!(made(), [resolved.id], "{name}");
            }
            ProviderError::Timeout { operation, .. } if name != "digitalocean" => {
                assert!(made().iter().all(|id| operation.contains(id)), "{name}: {error}");
            }
            _ => panic!("{name}: {error}"),
        }
        settled().await;
        lists_have_caught_up().await;
        assert_eq!((made().len(), hasty.list_snapshots().await.unwrap().len()), (1, 1), "{name}");
    }
}

#[tokio::test]
async fn a_snapshot_that_nobody_resolves_is_tagged_at_its_end() {
    let cloud = cloud();
    let name = "digitalocean";
    let calm = provider(&cloud, name);
    let machine = calm.create_instance(&request(name, "web-1")).await.unwrap();
    calm.wait_ready(&machine.id).await.unwrap();
    let hasty = hasty(&cloud, name, Duration::from_millis(200));
    let error = hasty.create_snapshot(&machine.id, "nightly").await.unwrap_err();
    assert!(matches!(error, ProviderError::UnknownOutcome { .. }), "{error}");
    assert!(hasty.list_snapshots().await.unwrap().is_empty(), "it is still being made");
    settled().await;
    lists_have_caught_up().await;
    let listed: Vec<_> =
        hasty.list_snapshots().await.unwrap().into_iter().map(|snapshot| snapshot.id).collect();
    assert_eq!(
        listed,
        cloud.snapshots().into_iter().map(|snapshot| snapshot.id).collect::<Vec<_>>()
    );
}

/// A snapshot of which one look is answered like that.
async fn snapshot_with_one_look_struck(name: &str, fault: Fault) {
    let cloud = cloud();
    let provider = provider(&cloud, name);
    let machine = provider.create_instance(&request(name, "web-1")).await.unwrap();
    provider.wait_ready(&machine.id).await.unwrap();
    let route = if name == "aws" { Route::GetSnapshot } else { Route::GetAction };
    let struck = cloud.inject(fault.once(name, route));
    let id = match provider.create_snapshot(&machine.id, "nightly").await {
        Ok(snapshot) => snapshot.id,
        Err(ProviderError::UnknownOutcome { key, .. }) if name != "digitalocean" => {
            provider.resolve_snapshot(&key).await.unwrap().unwrap().id
        }
        Err(error) => panic!("{name} after {fault:?}: {error}"),
    };
    let made: Vec<_> = cloud.snapshots().into_iter().map(|snapshot| snapshot.id).collect();
    assert_eq!((cloud.hits(struck), made), (1, vec![id]), "{name} after {fault:?}");
    lists_have_caught_up().await;
    assert_eq!(provider.list_snapshots().await.unwrap().len(), 1, "{name} after {fault:?}");
}

#[tokio::test]
async fn one_bad_answer_to_a_look_does_not_lose_a_snapshot() {
    let faults = [Fault::Unauthorized, Fault::Html { status: 200 }, Fault::Html { status: 403 }];
    let all = PROVIDERS
        .into_iter()
        .flat_map(|name| faults.map(|fault| snapshot_with_one_look_struck(name, fault)));
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn a_key_does_not_lead_to_an_older_snapshot_of_that_name() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let machine = provider.create_instance(&request(name, "web-1")).await.unwrap();
        provider.wait_ready(&machine.id).await.unwrap();
        provider.create_snapshot(&machine.id, "nightly").await.unwrap();
        lists_have_caught_up().await;
        let down = Fault::ServerError { status: 503, committed: false };
        let hasty = hasty(&cloud, name, Duration::from_millis(500));
        cloud.inject(down.everywhere().at(name).on(Route::CreateSnapshot));
        let error = hasty.create_snapshot(&machine.id, "nightly").await.unwrap_err();
        cloud.clear_faults();
        match &error {
            ProviderError::UnknownOutcome { key, .. } => {
                assert!(provider.resolve_snapshot(key).await.unwrap().is_none(), "{name}");
            }
            // An image's name is taken once: the cloud may be certain.
            other => assert!(
                name == "aws" || matches!(other, ProviderError::Unavailable { .. }),
                "{name}: {other}"
            ),
        }
        assert_eq!(cloud.snapshots().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_key_leads_to_its_own_snapshot_when_others_of_that_name_come_after() {
    let cloud = cloud();
    let name = "digitalocean";
    let provider = provider(&cloud, name);
    let machine = provider.create_instance(&request(name, "web-1")).await.unwrap();
    provider.wait_ready(&machine.id).await.unwrap();
    provider.create_snapshot(&machine.id, "nightly").await.unwrap();
    let error = hasty(&cloud, name, Duration::from_millis(200))
        .create_snapshot(&machine.id, "nightly")
        .await
        .unwrap_err();
    let ProviderError::UnknownOutcome { key, .. } = &error else { panic!("{error}") };
    settled().await;
    lists_have_caught_up().await;
    let own = cloud
        .snapshots()
        .into_iter()
        .map(|snapshot| snapshot.id)
        .max_by_key(|id| id.parse::<u64>().unwrap());
    provider.create_snapshot(&machine.id, "nightly").await.unwrap();
    lists_have_caught_up().await;
    assert_eq!(provider.resolve_snapshot(key).await.unwrap().map(|snapshot| snapshot.id), own);
    assert_eq!(cloud.snapshots().len(), 3);
}
