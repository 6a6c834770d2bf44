//! Creates whose caller leaves.

use spuff_core::fleet::{FleetOptions, create_instances};
use spuff_core::provider::{OnCancel, ProviderError};
use spuff_core::simulator::{Fault, Route};
use spuff_core::{OnFailure, create_and_wait, settled};

use super::*;

/// Drops a create after its request has left, and before its reply; tells how many machines there
/// are when everything has settled.
async fn dropped(name: &'static str, on_cancel: Option<OnCancel>, lost: bool) -> (Cloud, usize) {
    let cloud = cloud();
    cloud.inject(Fault::Slow { millis: 300 }.once(name, Route::CreateInstance));
    if lost {
        cloud.inject(Fault::ReplyLost.once(name, Route::CreateInstance));
    }
    let mut request = request(name, "web-1");
    request.on_cancel = on_cancel;
    let provider = provider(&cloud, name);
    let has_left = async {
        while cloud.route_count(name, Route::CreateInstance) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        created = provider.create_instance(&request) => panic!("{name}: it was not dropped in the \
         middle: {created:?}"),
        () = has_left => {}
    }
    settled().await;
    let count = alive(&cloud).len();
    (cloud, count)
}

#[tokio::test]
async fn a_machine_that_nobody_waits_for_is_destroyed_or_kept() {
    for name in PROVIDERS {
        for lost in [false, true] {
            let (cloud, count) = dropped(name, None, lost).await;
            assert_eq!(
                (cloud.route_count(name, Route::CreateInstance) >= 1, count),
                (true, 0),
                "{name}, lost: {lost}"
            );
            let (cloud, count) = dropped(name, Some(OnCancel::Keep), false).await;
            assert_eq!(count, 1, "{name}: it was to be kept");
            assert_eq!(provider(&cloud, name).list_instances().await.unwrap().len(), 1);
        }
    }
}

/// What was told to wait was not carried out: when nobody waits for it any more it is not sent
/// again.
#[tokio::test]
async fn a_create_that_is_dropped_while_it_waits_for_its_rate_limit_makes_nothing() {
    let throttled = Fault::RateLimited { retry_after: Some(1), headers: true };
    for name in PROVIDERS {
        for key in [None, Some("order-7")] {
            let cloud = cloud();
            cloud.inject(throttled.everywhere().at(name).on(Route::CreateInstance).times(4));
            let provider = provider(&cloud, name);
            let mut request = request(name, "web-1");
            request.idempotency_key = key.map(str::to_string);
            let dropped = tokio::time::timeout(
                Duration::from_millis(600),
                provider.create_instance(&request),
            )
            .await;
            assert!(dropped.is_err(), "{name}");
            let requests = [1, 2].map(|number| {
                let key = request.idempotency_key.as_ref().map(|key| format!("{key}-{number}"));
                InstanceRequest {
                    name: format!("fleet-{number}"),
                    idempotency_key: key,
                    ..request.clone()
                }
            });
            let fleet = create_instances(&provider, &requests, FleetOptions::default());
            assert!(
                tokio::time::timeout(Duration::from_millis(600), fleet).await.is_err(),
                "{name}"
            );
            let sent = cloud.route_count(name, Route::CreateInstance);
            settled().await;
            assert_eq!(
                (cloud.route_count(name, Route::CreateInstance), alive(&cloud).len()),
                (sent, 0),
                "{name}, {key:?}"
            );
        }
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let machine =
            create_and_wait(&provider, &request(name, "web-1"), OnFailure::Keep).await.unwrap();
        cloud.inject(throttled.once(name, Route::CreateSnapshot));
        let dropped = tokio::time::timeout(
            Duration::from_millis(600),
            provider.create_snapshot(&machine.id, "before"),
        );
        assert!(dropped.await.is_err(), "{name}");
        settled().await;
        assert_eq!(
            (cloud.route_count(name, Route::CreateSnapshot), cloud.snapshots()),
            (1, Vec::new()),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_create_that_is_dropped_before_it_is_sent_makes_nothing() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let request = request(name, "web-1");
        let mut create = provider.create_instance(&request);
        std::future::poll_fn(|context| {
            let _ = create.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
        drop(create);
        settled().await;
        assert_eq!(
            (cloud.route_count(name, Route::CreateInstance), alive(&cloud).len()),
            (0, 0),
            "{name}"
        );
    }
}

/// A blocking verb cannot be dropped by its caller; a thread that unwinds drops it.
#[test]
fn a_blocking_program_waits_for_what_goes_on_in_the_background() {
    for name in PROVIDERS {
        let cloud = cloud();
        cloud.inject(Fault::Slow { millis: 700 }.once(name, Route::CreateInstance));
        let config = cloud.config(name).with_timeouts(timeouts());
        let provider =
            spuff_core::blocking::ProviderRegistry::with_defaults().connect(name, config).unwrap();
        let arrived = async {
            while cloud.route_count(name, Route::CreateInstance) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let dropped: Result<(), ProviderError> = provider.run(|provider| async move {
            let request = request(name, "web-1");
            tokio::select! {
                created = provider.create_instance(&request) => panic!("{name}: {created:?}"),
                () = arrived => Ok(()),
            }
        });
        dropped.unwrap();
        spuff_core::blocking::settled().unwrap();
        assert_eq!(
            (cloud.route_count(name, Route::CreateInstance), alive(&cloud).len()),
            (1, 0),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_destroy_that_nobody_waits_for_is_not_given_up_when_it_is_refused_for_a_moment() {
    for name in PROVIDERS {
        let cloud = cloud();
        cloud.inject(Fault::Slow { millis: 300 }.once(name, Route::CreateInstance));
        let refused = cloud
            .inject(Fault::Unauthorized.everywhere().at(name).on(Route::DestroyInstance).times(2));
        let provider = provider(&cloud, name);
        let request = request(name, "web-1");
        let asked = async {
            while cloud.route_count(name, Route::CreateInstance) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            created = provider.create_instance(&request) => {
                panic!("{name}: it was not dropped in the middle: {created:?}")
            }
            () = asked => {}
        }
        settled().await;
        assert_eq!((cloud.hits(refused), alive(&cloud).len()), (2, 0), "{name}");
    }
}

/// As in a `select!` with Ctrl-C, where the create is pinned beside it.
#[tokio::test]
async fn a_future_that_is_held_does_not_hold_up_what_goes_on_in_the_background() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let request = request(name, "web-1");
        let mut create = provider.create_instance(&request);
        std::future::poll_fn(|context| {
            let _ = create.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
        tokio::time::timeout(Duration::from_secs(300), settled())
            .await
            .expect("it ends with the create");
        assert_eq!(alive(&cloud).len(), 1, "{name}");
        drop(create);
        settled().await;
        assert_eq!(alive(&cloud).len(), 0, "{name}");
    }
}
