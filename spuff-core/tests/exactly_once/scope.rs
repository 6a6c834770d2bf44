//! Machines that end with the work they are for.

use std::panic::AssertUnwindSafe;

use spuff_core::fleet::{FleetOptions, Rollback, create_instances};
use spuff_core::provider::{ErrorKind, OnCancel, ProviderError, ProviderInstance};
use spuff_core::simulator::{Fault, Route};
use spuff_core::{FleetError, OnFailure, create_and_wait, settled, with_instance, with_instances};

use super::*;

#[tokio::test]
async fn a_machine_ends_with_its_work_whatever_happens() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        // A name is taken until its machine is gone.
        let request = |number: u8| request(name, &format!("web-{number}"));
        let used = with_instance(&provider, &request(1), |machine| async move {
            Ok::<_, ProviderError>(machine.is_ready())
        })
        .await;
        assert!(used.unwrap(), "{name}");
        let failed: Result<(), ProviderError> = with_instance(&provider, &request(2), |_| async {
            Err(ProviderError::auth("test", "on purpose"))
        })
        .await;
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Authentication, "{name}");

        let task = tokio::spawn({
            let provider = provider.clone();
            let request = request(3);
            async move {
                with_instance(&provider, &request, |_| async {
                    if true { panic!("on purpose") } else { Ok::<_, ProviderError>(()) }
                })
                .await
            }
        });
        assert!(task.await.unwrap_err().is_panic(), "{name}");

        let last = request(4);
        let dropped = tokio::time::timeout(
            Duration::from_secs(3),
            with_instance(&provider, &last, |_| async {
                std::future::pending::<Result<(), ProviderError>>().await
            }),
        );
        assert!(dropped.await.is_err());
        settled().await;
        cloud.assert_no_leaks();
        assert_eq!(cloud.route_count(name, Route::CreateInstance), 4, "{name}");
    }
}

#[tokio::test]
async fn a_fleet_ends_with_its_work_whatever_happens() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        // Not alike, so that each takes a call of its own.
        let unlike = |number: u8, machine: u8| {
            request(name, &format!("web-{number}-{machine}"))
                .with_label("machine", machine.to_string())
        };
        let requests = |number| (0..3).map(|machine| unlike(number, machine)).collect::<Vec<_>>();
        let count = |machines: Vec<ProviderInstance>| async move {
            Ok::<_, FleetError>(machines.iter().filter(|machine| machine.is_ready()).count())
        };
        assert_eq!(with_instances(&provider, &requests(1), 2, count).await.unwrap(), 3, "{name}");

        cloud.inject(Fault::QuotaReached.once(name, Route::CreateInstance).skip(1));
        let failed =
            with_instances(&provider, &requests(2), 1, |_| async { Ok::<_, FleetError>(()) })
                .await
                .unwrap_err();
        assert_eq!(failed.outcomes.len(), 3, "{name}");
        assert_eq!(failed.first, 1, "{name}: {failed}");
        assert_eq!(failed.error().unwrap().kind(), ErrorKind::QuotaExceeded, "{name}");
        let left: Vec<_> =
            failed.outcomes.iter().map(|outcome| outcome.as_ref().unwrap_err().kind()).collect();
        assert_eq!(
            left,
            [ErrorKind::Cancelled, ErrorKind::QuotaExceeded, ErrorKind::Cancelled],
            "{name}"
        );
        assert!(
            failed.to_string().starts_with("3 of 3 instances failed, the first at 1: "),
            "{failed}"
        );

        let task = tokio::spawn({
            let provider = provider.clone();
            let requests = requests(3);
            async move {
                with_instances(&provider, &requests, 3, |_| async {
                    if true { panic!("on purpose") } else { Ok::<_, FleetError>(()) }
                })
                .await
            }
        });
        assert!(task.await.unwrap_err().is_panic(), "{name}");
        cloud.assert_no_leaks();

        let last = requests(4);
        let dropped = tokio::time::timeout(
            Duration::from_secs(3),
            with_instances(&provider, &last, 3, |_| async {
                std::future::pending::<Result<(), FleetError>>().await
            }),
        );
        assert!(dropped.await.is_err());
        settled().await;
        cloud.assert_no_leaks();
    }
}

#[test]
fn a_machine_ends_with_its_work_without_async() {
    for name in PROVIDERS {
        let cloud = cloud();
        let config = cloud.config(name).with_timeouts(timeouts());
        let provider =
            spuff_core::blocking::ProviderRegistry::with_defaults().connect(name, config).unwrap();
        let found = provider
            .with_instance(&request(name, "web-1"), |machine| provider.get_instance(&machine.id))
            .unwrap();
        assert!(found.is_some_and(|machine| machine.is_ready()), "{name}");
        let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| {
            provider.with_instance(&request(name, "web-2"), |_| {
                if true { panic!("on purpose") } else { Ok::<_, ProviderError>(()) }
            })
        }));
        assert!(panicked.is_err(), "{name}");
        cloud.assert_no_leaks();
    }
}

#[tokio::test]
async fn an_error_after_the_create_has_the_machines_id() {
    for name in PROVIDERS {
        for on_failure in [OnFailure::Destroy, OnFailure::Keep] {
            let cloud = cloud();
            cloud.inject(Fault::StuckCreating.once(name, Route::CreateInstance));
            let short = ProviderTimeouts { instance_ready: Duration::from_secs(1), ..timeouts() };
            let config = cloud.config(name).with_timeouts(short);
            let provider: Arc<dyn Provider> =
                ProviderRegistry::with_defaults().connect(name, config).unwrap().into();
            let error =
                create_and_wait(&provider, &request(name, "web-1"), on_failure).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{name}: {error}");
            let ProviderError::AfterCreate { instance_id, exists, .. } = &error else {
                panic!("{error:?}")
            };
            assert_eq!(
                (error.instance_id(), *exists),
                (Some(instance_id.as_str()), on_failure == OnFailure::Keep),
                "{name}"
            );
            let left = alive(&cloud);
            assert_eq!(
                left,
                if *exists { vec![instance_id.clone()] } else { Vec::new() },
                "{name}: {error}"
            );
        }
    }
}

fn keyed(name: &str) -> InstanceRequest {
    request(name, "web-1").with_idempotency_key("order-7").with_on_cancel(OnCancel::Destroy)
}

/// A cloud with a machine that was made under the key.
async fn in_use(name: &str, stuck: bool) -> (Cloud, String) {
    let cloud = cloud();
    if stuck {
        cloud.inject(Fault::StuckCreating.once(name, Route::CreateInstance));
    }
    let made = provider(&cloud, name).create_instance(&keyed(name)).await.unwrap();
    lists_have_caught_up().await;
    (cloud, made.id)
}

#[tokio::test]
async fn a_machine_that_was_found_by_its_key_outlives_every_failure() {
    for name in PROVIDERS {
        // It is not ready in time.
        let (cloud, id) = in_use(name, true).await;
        let short = ProviderTimeouts { instance_ready: Duration::from_secs(1), ..timeouts() };
        let config = cloud.config(name).with_timeouts(short);
        let hasty: Arc<dyn Provider> =
            ProviderRegistry::with_defaults().connect(name, config).unwrap().into();
        let error = create_and_wait(&hasty, &keyed(name), OnFailure::Destroy).await.unwrap_err();
        settled().await;
        assert!(
            matches!(&error, ProviderError::AfterCreate { exists: true, .. }),
            "{name}: {error}"
        );
        assert_eq!((error.kind(), alive(&cloud)), (ErrorKind::Timeout, vec![id]), "{name}");

        // Nobody can look at it, once it is found.
        let (cloud, id) = in_use(name, false).await;
        let looks = if name == "digitalocean" { 2 } else { 1 };
        cloud
            .inject(Fault::Unauthorized.everywhere().at(name).on(Route::ListInstances).skip(looks));
        cloud.inject(Fault::Unauthorized.everywhere().at(name).on(Route::GetInstance));
        let error = create_and_wait(&provider(&cloud, name), &keyed(name), OnFailure::Destroy)
            .await
            .unwrap_err();
        settled().await;
        assert!(
            matches!(&error, ProviderError::AfterCreate { exists: true, .. }),
            "{name}: {error}"
        );
        assert_eq!(
            (error.kind(), alive(&cloud)),
            (ErrorKind::Authentication, vec![id]),
            "{name}: {error}"
        );
    }
}

#[tokio::test]
async fn a_create_that_is_dropped_leaves_the_machine_that_it_has_found() {
    for name in PROVIDERS {
        let (cloud, id) = in_use(name, false).await;
        let looks = cloud
            .inject(Fault::Slow { millis: 300 }.everywhere().at(name).on(Route::ListInstances));
        let other = provider(&cloud, name);
        let keyed = keyed(name);
        let dropped =
            tokio::time::timeout(Duration::from_millis(100), other.create_instance(&keyed)).await;
        assert!(dropped.is_err(), "{name}");
        settled().await;
        assert!(cloud.hits(looks) > 0, "{name}");
        assert_eq!(
            (alive(&cloud), cloud.route_count(name, Route::CreateInstance)),
            (vec![id], 1),
            "{name}"
        );
    }
}

/// Of several that wait for one machine, the caller whose create has made it may leave: then it is
/// the next one's.
#[tokio::test]
async fn a_machine_whose_maker_has_left_is_its_next_callers_to_end() {
    for name in PROVIDERS {
        for kept in [None, Some(OnCancel::Keep)] {
            let cloud = cloud();
            cloud.inject(Fault::Slow { millis: 700 }.once(name, Route::CreateInstance));
            let provider = provider(&cloud, name);
            let keyed = InstanceRequest { on_cancel: Some(OnCancel::Destroy), ..keyed(name) };
            let first = InstanceRequest { on_cancel: kept.or(keyed.on_cancel), ..keyed.clone() };
            let leaving =
                tokio::time::timeout(Duration::from_millis(400), provider.create_instance(&first));
            let joining = async {
                tokio::time::sleep(Duration::from_millis(150)).await;
                with_instance(&provider, &keyed, |machine| async move {
                    Ok::<_, ProviderError>(machine.adopted)
                })
                .await
            };
            let (left, adopted) = tokio::join!(leaving, joining);
            assert!(left.is_err(), "{name}");
            settled().await;
            // What its maker wants to be kept is nobody else's to end.
            assert_eq!(
                (adopted.unwrap(), alive(&cloud).len()),
                (kept.is_some(), usize::from(kept.is_some())),
                "{name}"
            );
        }
    }
}

/// What was found here is gone while it is waited for.
#[tokio::test]
async fn an_error_about_a_machine_that_is_gone_does_not_say_that_it_exists() {
    for (name, is_fleet) in PROVIDERS.into_iter().flat_map(|name| [(name, false), (name, true)]) {
        let cloud = Options::default().with_clock(Clock::Fast(5.0)).start().unwrap();
        cloud.inject(Fault::Vanishes { after: 10 }.once(name, Route::CreateInstance));
        let made = apart(&cloud, name).create_instance(&keyed(name)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1200)).await;
        let here = provider(&cloud, name);
        let request = keyed(name);
        let error = if is_fleet {
            let options =
                FleetOptions::default().with_wait_ready(true).with_on_failure(Rollback::Keep);
            create_instances(&here, &[request], options).await.remove(0).unwrap_err()
        } else {
            create_and_wait(&here, &request, OnFailure::Destroy).await.unwrap_err()
        };
        assert_eq!(error.instance_id(), Some(&*made.id), "{name}: {error}");
        assert!(
            matches!(error, ProviderError::AfterCreate { exists: false, .. }),
            "{name}: {error:?}"
        );
        assert!(!error.to_string().contains("costs money"), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_machine_that_nobody_can_look_at_is_left() {
    for name in PROVIDERS {
        let cloud = cloud();
        for route in [Route::ListInstances, Route::GetInstance] {
            cloud.inject(Fault::Unauthorized.everywhere().at(name).on(route));
        }
        let error =
            create_and_wait(&provider(&cloud, name), &request(name, "web-1"), OnFailure::Destroy)
                .await
                .unwrap_err();
        settled().await;
        let ProviderError::AfterCreate { instance_id, exists: true, .. } = &error else {
            panic!("{name}: {error:?}")
        };
        assert_eq!(
            (error.kind(), alive(&cloud)),
            (ErrorKind::Authentication, vec![instance_id.clone()]),
            "{name}"
        );
    }
}
