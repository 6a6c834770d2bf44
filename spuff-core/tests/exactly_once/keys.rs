//! Keys: the same one is the same machine, from any process; and on the happy path they cost
//! nothing.

use spuff_core::provider::{ErrorKind, OnCancel, ProviderError, ProviderInstance, ProviderResult};
use spuff_core::simulator::{Fault, Request, Route, Timings};
use spuff_core::{OnFailure, create_and_wait, settled};

use super::*;

#[tokio::test]
async fn the_happy_path_is_one_request() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        provider.create_instance(&request(name, "first")).await.unwrap();
        // Images and sizes have been looked up.
        let before = cloud.request_count(name);
        provider.create_instance(&request(name, "second")).await.unwrap();
        assert_eq!(cloud.request_count(name) - before, 1, "{name}");
    }
}

#[tokio::test]
async fn the_same_key_is_the_same_machine_and_with_another_request_a_conflict() {
    for name in PROVIDERS {
        let cloud = cloud();
        let keyed =
            request(name, "web-1").with_label("env", "prod").with_idempotency_key("order-7");
        let first = provider(&cloud, name).create_instance(&keyed).await.unwrap();
        lists_have_caught_up().await;
        // Another client, as it would be in another process; a lease is not part of what is asked
        // for.
        let again = keyed.clone().with_ttl(Duration::from_secs(60));
        let adopted = provider(&cloud, name).create_instance(&again).await.unwrap();
        assert_eq!(
            (adopted.id, adopted.adopted, first.adopted),
            (first.id.clone(), true, false),
            "{name}"
        );

        for other in
            [keyed.clone().with_user_data("#!/bin/sh"), keyed.clone().with_label("env", "test"), {
                let mut renamed = keyed.clone();
                renamed.name = "web-2".to_string();
                renamed
            }]
        {
            let error = provider(&cloud, name).create_instance(&other).await.unwrap_err();
            assert!(
                matches!(error, ProviderError::Conflict { retryable: false, .. }),
                "{name}: {error}"
            );
        }
        let resolved = provider(&cloud, name).resolve("order-7").await.unwrap().unwrap();
        assert_eq!((resolved.id, alive(&cloud)), (first.id.clone(), vec![first.id]), "{name}");
        assert!(provider(&cloud, name).resolve("order-8").await.unwrap().is_none(), "{name}");
    }
}

#[tokio::test]
async fn what_a_create_has_made_or_found_is_told_apart() {
    for name in PROVIDERS {
        let cloud = Options::default()
            .with_clock(Clock::Manual)
            .with_all_timings(Timings::instant())
            .start()
            .unwrap();
        let here = provider(&cloud, name);
        let keyed = |machine: &str| request(name, machine).with_idempotency_key(machine);
        assert!(
            !here.create_instance(&request(name, "web-1")).await.unwrap().adopted,
            "{name}: without a key"
        );
        // Its own lost reply does not make it another's.
        cloud.inject(Fault::ReplyLost.once(name, Route::CreateInstance));
        let made = here.create_instance(&keyed("web-2")).await.unwrap();
        let again = here.create_instance(&keyed("web-2")).await.unwrap();
        cloud.advance(Duration::from_secs(60));
        let later = provider(&cloud, name).create_instance(&keyed("web-2")).await.unwrap();
        assert_eq!((&again.id, &later.id), (&made.id, &made.id), "{name}");
        assert_eq!((made.adopted, again.adopted, later.adopted), (false, true, true), "{name}");
        let read = here.get_instance(&made.id).await.unwrap().unwrap();
        assert!(
            !read.adopted && here.list_instances().await.unwrap().iter().all(|read| !read.adopted),
            "{name}"
        );
    }
}

/// While it is not known what has come of a create, another process makes the same under the key:
/// that one has made it, and what it has made is not ended by a failure here.
#[tokio::test]
async fn what_another_process_has_made_under_the_key_meanwhile_is_not_made_here() {
    let unsent = [Fault::ServerError { status: 503, committed: false }, Fault::ReplyLost];
    for name in PROVIDERS {
        for (round, fault) in (0..24).map(|round| (round, unsent[round % unsent.len()])) {
            let cloud = cloud();
            cloud.inject(fault.once(name, Route::CreateInstance));
            let keyed = request(name, "web-1").with_idempotency_key("order-7");
            let here = provider(&cloud, name);
            let there = apart(&cloud, name);
            let later = async {
                tokio::time::sleep(Duration::from_millis(round as u64)).await;
                there.create_instance(&keyed).await
            };
            let (one, two) = tokio::join!(here.create_instance(&keyed), later);
            let one = one.unwrap();
            let two = two.unwrap();
            let made = [&one, &two].iter().filter(|made| !made.adopted).count();
            assert_eq!(made, alive(&cloud).len(), "{name} {round}: {one:?} {two:?}");
            // Two processes at once are two machines at DigitalOcean, which has nothing that keeps
            // the second one out.
            assert!(one.id == two.id || name == "digitalocean", "{name} {round}: {one:?} {two:?}");
        }
    }
}

/// A look that is always slow is not repeated for ever.
#[tokio::test]
async fn a_key_makes_its_machine_also_where_every_look_is_slow() {
    let cloud = cloud();
    cloud.inject(
        Fault::Slow { millis: 1050 }.everywhere().at("digitalocean").on(Route::ListInstances),
    );
    let keyed = request("digitalocean", "web-1").with_idempotency_key("order-7");
    let made = provider(&cloud, "digitalocean").create_instance(&keyed).await.unwrap();
    assert_eq!((made.adopted, alive(&cloud)), (false, vec![made.id]));
    assert_eq!(
        cloud.route_count("digitalocean", Route::ListInstances),
        10,
        "five looks of two lists each"
    );
}

/// Two processes within the same second are two machines at DigitalOcean: then each knows its own,
/// also after a lost reply, and also where the other one is seen first, or was asked for by another
/// request.
#[tokio::test]
async fn a_create_whose_reply_is_lost_does_not_take_anothers_machine_for_its_own() {
    for is_other in [false, true] {
        let cloud = cloud();
        let here = provider(&cloud, "digitalocean");
        let there = apart(&cloud, "digitalocean");
        let mut keyed = request("digitalocean", "web-1").with_idempotency_key("order-7");
        keyed.ssh_keys = vec![there.get_ssh_keys().await.unwrap().remove(0)];
        // Between its look and its create it has something else to look up.
        cloud.inject(Fault::Slow { millis: 500 }.once("digitalocean", Route::SshKeys));
        cloud.inject(Fault::ReplyLost.once("digitalocean", Route::CreateInstance).skip(1));
        let later = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            there
                .create_instance(&if is_other {
                    keyed.clone().with_label("other", "1")
                } else {
                    keyed.clone()
                })
                .await
        };
        let (one, two) = tokio::join!(here.create_instance(&keyed), later);
        let one = one.unwrap();
        let two = two.unwrap();
        assert_eq!((one.adopted, two.adopted), (false, false), "{one:?} {two:?}");
        let mut known = [one.id, two.id];
        known.sort_unstable();
        assert_eq!(alive(&cloud), known);
    }
}

/// A create that is told to wait is not sent on what was seen before the wait.
#[tokio::test]
async fn what_another_process_has_made_while_a_create_waits_for_its_rate_limit_is_not_made_again() {
    for name in PROVIDERS {
        for is_ending in [false, true] {
            let cloud = cloud();
            cloud.inject(
                Fault::RateLimited { retry_after: Some(2), headers: true }
                    .once(name, Route::CreateInstance),
            );
            let keyed = request(name, "web-1").with_idempotency_key("order-7");
            let here = provider(&cloud, name);
            let there = apart(&cloud, name);
            let later = async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                let made = there.create_instance(&keyed).await?;
                if is_ending {
                    lists_have_caught_up().await;
                    there.destroy_instance(&made.id).await?;
                }
                Ok::<_, ProviderError>(made)
            };
            let (waited, other) = tokio::join!(here.create_instance(&keyed), later);
            let other = other.unwrap();
            assert!(!other.adopted, "{name}");
            match waited {
                Ok(made) => assert_eq!(
                    (made.adopted, made.id != other.id),
                    (!is_ending, is_ending),
                    "{name}: {made:?}"
                ),
                // EC2 keeps a key for what it once stood for.
                Err(error) => assert!(
                    name == "aws" && is_ending && error.kind() == ErrorKind::Conflict,
                    "{name}: {error}"
                ),
            }
            assert_eq!(alive(&cloud).len(), usize::from(!is_ending || name != "aws"), "{name}");
        }
    }
}

/// A look of which a part had to be waited for does not tell how it is now.
#[tokio::test]
async fn what_another_process_has_made_while_a_look_waits_is_not_made_again() {
    let waits =
        [Fault::Slow { millis: 1700 }, Fault::RateLimited { retry_after: Some(2), headers: true }];
    for (fault, skip) in waits.into_iter().flat_map(|fault| [1, 2, 3].map(|skip| (fault, skip))) {
        let cloud = cloud();
        let rule = cloud.inject(fault.once("digitalocean", Route::ListInstances).skip(skip));
        let keyed = request("digitalocean", "web-1").with_idempotency_key("order-7");
        let here = provider(&cloud, "digitalocean");
        let there = apart(&cloud, "digitalocean");
        let later = async {
            while cloud.hits(rule) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
            there.create_instance(&keyed).await
        };
        let (waited, other) = tokio::join!(here.create_instance(&keyed), later);
        let waited = waited.unwrap();
        let other = other.unwrap();
        assert_eq!((waited.id, waited.adopted), (other.id, true), "{fault:?}, {skip}");
        assert_eq!(alive(&cloud).len(), 1, "{fault:?}, {skip}");
    }
}

/// What is on its way out is not what is asked for. EC2 keeps a key for what it once stood for.
#[tokio::test]
async fn a_key_whose_machine_is_ending_is_given_another_one() {
    for name in PROVIDERS {
        for lists_lag in [true, false] {
            let cloud = cloud();
            let keyed = request(name, "web-1").with_idempotency_key("order-7");
            let provider = provider(&cloud, name);
            let first = provider.create_instance(&keyed).await.unwrap();
            if !lists_lag {
                lists_have_caught_up().await;
            }
            provider.destroy_instance(&first.id).await.unwrap();
            match provider.create_instance(&keyed).await {
                Ok(second) => {
                    assert!(
                        second.id != first.id && !second.adopted && name != "aws",
                        "{name}: {second:?}"
                    );
                    assert_eq!(alive(&cloud), [second.id], "{name}");
                }
                Err(error) => {
                    assert!(
                        matches!(error, ProviderError::Conflict { retryable: false, .. })
                            && name == "aws",
                        "{name}: {error}"
                    );
                    assert!(error.to_string().contains("use another key"), "{error}");
                    assert_eq!(alive(&cloud), Vec::<String>::new(), "{name}");
                }
            }
        }
    }
}

/// What is to be destroyed is not given to whoever comes with its key, however long its end takes.
#[tokio::test]
async fn a_key_whose_machine_is_about_to_be_destroyed_is_given_another_one() {
    for name in PROVIDERS {
        for is_locked in [false, true] {
            let cloud = Options::default().with_clock(Clock::Fast(10.0)).start().unwrap();
            let keyed = request(name, "web-1")
                .with_idempotency_key("order-7")
                .with_on_cancel(OnCancel::Destroy);
            let provider = provider(&cloud, name);
            if is_locked {
                cloud.inject(
                    Fault::Locked.everywhere().at(name).on(Route::DestroyInstance).times(3),
                );
            }
            // It is left in the midst of its boot: after the create, the wait has asked once.
            let waits = async {
                let is_create = |asked: &Request| asked.route == Route::CreateInstance;
                while cloud.requests().iter().skip_while(|asked| !is_create(asked)).count() < 2 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                made = create_and_wait(&provider, &keyed, OnFailure::Destroy) => {
                    panic!("{name}: {made:?}")
                }
                () = waits => {}
            }
            let first = alive(&cloud);
            let again = provider.create_instance(&keyed).await;
            let there = alive(&cloud);
            settled().await;
            check_second(name, &cloud, &first, again, &there);
        }
        // The same by hand.
        let cloud = Options::default().with_clock(Clock::Fast(10.0)).start().unwrap();
        let keyed = request(name, "web-1").with_idempotency_key("order-7");
        let provider = provider(&cloud, name);
        let first = vec![provider.create_instance(&keyed).await.unwrap().id];
        let again = async {
            let again = provider.create_instance(&keyed).await;
            (again, alive(&cloud))
        };
        let (ended, (again, there)) = tokio::join!(provider.destroy_instance(&first[0]), again);
        ended.unwrap();
        check_second(name, &cloud, &first, again, &there);
    }
}

/// What came of a create under the key of a machine that was being destroyed, and what there was
/// when it had come.
fn check_second(
    name: &str,
    cloud: &Cloud,
    first: &[String],
    again: ProviderResult<ProviderInstance>,
    there: &[String],
) {
    assert!(!there.iter().any(|id| first.contains(id)), "{name}: the first is still there");
    match again {
        Ok(second) => {
            assert!(
                !first.contains(&second.id) && !second.adopted,
                "{name}: {first:?}, {second:?}"
            );
            assert_eq!(alive(cloud), [second.id], "{name}");
        }
        Err(error) => assert!(
            matches!(error, ProviderError::Conflict { .. }) && name == "aws",
            "{name}: {error}"
        ),
    }
}

/// A machine that another client has ended at EC2 is there for an hour.
#[tokio::test]
async fn a_machine_that_is_shutting_down_is_nobodys() {
    let cloud = cloud();
    let keyed = request("aws", "web-1").with_idempotency_key("order-7");
    let here = provider(&cloud, "aws");
    let first = here.create_instance(&keyed).await.unwrap();
    apart(&cloud, "aws").destroy_instance(&first.id).await.unwrap();
    let error = here.create_instance(&keyed).await.unwrap_err();
    assert!(matches!(error, ProviderError::Conflict { retryable: false, .. }), "{error}");
}

#[tokio::test]
async fn the_labels_of_a_key_are_not_put_on_another_machine() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let keyed = |key: &str| request(name, key).with_idempotency_key(key);
        let one = provider.create_instance(&keyed("one")).await.unwrap();
        let other = provider.create_instance(&keyed("other")).await.unwrap();
        let error = provider.set_labels(&other.id, &one.labels).await.unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "labels"),
            "{name}: {error}"
        );
        lists_have_caught_up().await;
        for (key, made) in [("one", &one), ("other", &other)] {
            assert_eq!(
                provider.resolve(key).await.unwrap().map(|found| found.id),
                Some(made.id.clone()),
                "{name}"
            );
        }
    }
}

/// A key of one's own that looks like a part of a batch.
#[tokio::test]
async fn a_key_does_not_lead_to_what_a_shorter_one_has_made() {
    let digits = "0123456789abcdef0123456789abcdef";
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        provider
            .create_instance(&request(name, "web-1").with_idempotency_key(digits))
            .await
            .unwrap();
        lists_have_caught_up().await;
        for part in ["web-1", "0"] {
            assert_eq!(
                provider.resolve(&format!("{digits}/{part}")).await.unwrap(),
                None,
                "{name}: {part}"
            );
        }
    }
}

/// A limit of nothing is one try: what it ends is not left as it was.
#[tokio::test]
async fn a_destroy_that_may_take_no_time_is_sent_once() {
    for name in PROVIDERS {
        let cloud = cloud();
        let calm = provider(&cloud, name);
        let made = calm.create_instance(&request(name, "web-1")).await.unwrap();
        calm.wait_ready(&made.id).await.unwrap();
        let none = ProviderTimeouts { action_complete: Duration::ZERO, ..timeouts() };
        let hasty = ProviderRegistry::with_defaults()
            .connect(name, cloud.config(name).with_timeouts(none))
            .unwrap();
        let ended = hasty.destroy_instance(&made.id).await;
        assert!(
            ended.is_ok() || matches!(ended, Err(ProviderError::Timeout { .. })),
            "{name}: {ended:?}"
        );
        assert_eq!(alive(&cloud), Vec::<String>::new(), "{name}");
    }
}

#[tokio::test]
async fn a_key_used_twice_at_once_is_one_machine() {
    for name in PROVIDERS {
        let cloud = cloud();
        let keyed = request(name, "web-1").with_idempotency_key("order-7");
        let one = provider(&cloud, name);
        let two = provider(&cloud, name);
        let (one, two) = tokio::join!(one.create_instance(&keyed), two.create_instance(&keyed));
        let one = one.unwrap().id;
        let two = two.unwrap().id;
        assert_eq!((one.clone(), alive(&cloud)), (two, vec![one]), "{name}");
    }
}

/// What stays open is settled later, by the key alone.
#[tokio::test]
async fn an_unknown_outcome_is_resolved_by_its_key() {
    for name in PROVIDERS {
        let cloud = cloud();
        // Nothing that is asked after the create gets an answer.
        let lost = cloud.inject(Fault::ReplyLost.once(name, Route::CreateInstance));
        for route in [Route::CreateInstance, Route::ListInstances, Route::GetInstance] {
            cloud.inject(
                Fault::ServerError { status: 503, committed: false }
                    .everywhere()
                    .at(name)
                    .on(route),
            );
        }
        let short = ProviderTimeouts { instance_ready: Duration::from_millis(400), ..timeouts() };
        let config = cloud.config(name).with_timeouts(short);
        let hasty = ProviderRegistry::with_defaults().connect(name, config).unwrap();
        let error = hasty.create_instance(&request(name, "web-1")).await.unwrap_err();
        let ProviderError::UnknownOutcome { key, .. } = &error else { panic!("{name}: {error}") };
        assert_eq!((cloud.hits(lost), alive(&cloud).len()), (1, 1), "{name}");
        cloud.clear_faults();
        let resolved = provider(&cloud, name).resolve(key).await.unwrap().unwrap();
        assert_eq!(alive(&cloud), [resolved.id], "{name}");
    }
}

/// Clouds read some letters of a filter as a pattern.
#[tokio::test]
async fn a_key_stands_for_itself_alone() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let keyed = |key: &str, machine: &str| request(name, machine).with_idempotency_key(key);
        provider.create_instance(&keyed("order-1", "web-1")).await.unwrap();
        let strange = provider.create_instance(&keyed("ci\\job\\7", "web-2")).await.unwrap();
        lists_have_caught_up().await;
        for other in ["order-?", "*", "order-*"] {
            assert_eq!(provider.resolve(other).await.unwrap(), None, "{name}: {other}");
        }
        assert_eq!(
            provider.resolve("ci\\job\\7").await.unwrap().map(|made| made.id),
            Some(strange.id.clone()),
            "{name}"
        );
        let again = keyed("ci\\job\\7", "web-2").with_ttl(Duration::from_secs(60));
        assert_eq!(provider.create_instance(&again).await.unwrap().id, strange.id, "{name}");
        assert_eq!(alive(&cloud).len(), 2, "{name}");
    }
}
