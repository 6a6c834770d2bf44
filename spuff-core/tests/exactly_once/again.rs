//! The same key again: after a timeout, at once, by another client, after an outcome that nobody
//! knows; and looks that are hindered in between. However it goes, the cloud holds one machine, and
//! all who were given one were given that.

use std::sync::Arc;

use spuff_core::fleet::{FleetOptions, Rollback, create_instances};
use spuff_core::provider::{OnCancel, ProviderError, ProviderInstance, ProviderResult};
use spuff_core::simulator::{Fault, FaultRule, Route};
use spuff_core::{observe, settled};

use super::*;

/// Slow enough that lists lag by some pauses between looks.
fn laggy() -> Cloud {
    Options::default().with_clock(Clock::Fast(20.0)).start().unwrap()
}

fn keyed(name: &str) -> InstanceRequest {
    request(name, "web-1").with_idempotency_key("order-7")
}

/// Waits until a create has left.
async fn has_left(cloud: &Cloud, name: &str) {
    while cloud.route_count(name, Route::CreateInstance) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

type Made = Vec<ProviderResult<ProviderInstance>>;

/// How a key is used more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    AfterATimeout,
    AtOnce,
    AtOnceByAnother,
    ByAnotherAfterwards,
    AfterAnUnknownOutcome,
    ByAnotherAfterAnUnknownOutcome,
    AfterOneThatMadeNothing,
    JoiningOneThatIsDropped,
    JoiningAndLeaving,
}

const ALL: [Again; 9] = [
    Again::AfterATimeout,
    Again::AtOnce,
    Again::AtOnceByAnother,
    Again::ByAnotherAfterwards,
    Again::AfterAnUnknownOutcome,
    Again::ByAnotherAfterAnUnknownOutcome,
    Again::AfterOneThatMadeNothing,
    Again::JoiningOneThatIsDropped,
    Again::JoiningAndLeaving,
];

/// Leaves a create whose outcome nobody knows, and the cloud as it was before.
async fn unknown_outcome(cloud: &Cloud, name: &str, fault: Fault) {
    cloud.inject(fault.once(name, Route::CreateInstance));
    // What is looked at before anything is sent gets its answer.
    let before = if name == "digitalocean" { 4 } else { 1 };
    let down = Fault::ServerError { status: 503, committed: false }.everywhere().at(name);
    for (route, spared) in
        [(Route::CreateInstance, 0), (Route::ListInstances, before), (Route::GetInstance, 0)]
    {
        cloud.inject(down.clone().on(route).skip(spared));
    }
    let short = ProviderTimeouts { instance_ready: Duration::from_millis(50), ..timeouts() };
    let hasty = ProviderRegistry::with_defaults()
        .connect(name, cloud.config(name).with_timeouts(short))
        .unwrap();
    let error = hasty.create_instance(&keyed(name)).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::UnknownOutcome { key, .. } if key == "order-7"),
        "{name}: {error}"
    );
    cloud.clear_faults();
}

async fn make(again: Again, cloud: &Cloud, name: &'static str) -> Made {
    // The account is forgotten with its last client.
    let one = provider(cloud, name);
    let two = provider(cloud, name);
    let request = keyed(name);
    match again {
        Again::AfterATimeout => {
            cloud.inject(Fault::Slow { millis: 300 }.once(name, Route::CreateInstance));
            tokio::select! {
                made = one.create_instance(&request) => panic!("it was not left: {made:?}"),
                () = has_left(cloud, name) => {}
            }
            vec![one.create_instance(&request).await]
        }
        Again::AtOnce => {
            let (first, second) =
                tokio::join!(one.create_instance(&request), one.create_instance(&request));
            vec![first, second]
        }
        Again::AtOnceByAnother => {
            let (first, second) =
                tokio::join!(one.create_instance(&request), two.create_instance(&request));
            vec![first, second]
        }
        Again::ByAnotherAfterwards => {
            vec![one.create_instance(&request).await, two.create_instance(&request).await]
        }
        Again::AfterAnUnknownOutcome => {
            unknown_outcome(cloud, name, Fault::ReplyLost).await;
            vec![one.create_instance(&request).await, one.create_instance(&request).await]
        }
        Again::ByAnotherAfterAnUnknownOutcome => {
            unknown_outcome(cloud, name, Fault::ReplyLost).await;
            let (first, second) =
                tokio::join!(one.create_instance(&request), two.create_instance(&request));
            vec![first, second]
        }
        Again::AfterOneThatMadeNothing => {
            unknown_outcome(cloud, name, Fault::ServerError { status: 503, committed: false })
                .await;
            vec![two.create_instance(&request).await]
        }
        Again::JoiningOneThatIsDropped | Again::JoiningAndLeaving => {
            cloud.inject(Fault::Slow { millis: 300 }.once(name, Route::CreateInstance));
            let request = request.with_on_cancel(OnCancel::Destroy);
            let other = request.clone();
            let first = tokio::spawn(async move { one.create_instance(&request).await });
            has_left(cloud, name).await;
            let second = tokio::spawn(async move { two.create_instance(&other).await });
            tokio::time::sleep(Duration::from_millis(50)).await;
            let (leaves, stays) =
                if again == Again::JoiningAndLeaving { (second, first) } else { (first, second) };
            leaves.abort();
            assert!(leaves.await.is_err(), "{name}: it was not left in the middle");
            vec![stays.await.unwrap()]
        }
    }
}

#[tokio::test]
async fn the_same_key_again_is_the_same_machine_however_it_comes() {
    for name in PROVIDERS {
        for again in ALL {
            let cloud = laggy();
            let made = make(again, &cloud, name).await;
            settled().await;
            let alive = alive(&cloud);
            assert_eq!(alive.len(), 1, "{name} {again:?}: {made:?}");
            for made in made {
                let made = made.unwrap_or_else(|error| panic!("{name} {again:?}: {error}"));
                assert_eq!(made.id, alive[0], "{name} {again:?}");
            }
        }
    }
}

/// A name that there is once only is free when its machine is gone, and not as soon as that was
/// told to end.
#[tokio::test]
async fn the_same_names_again_wait_for_those_that_are_being_destroyed() {
    for name in PROVIDERS {
        for (key, is_seen) in [(None, false), (None, true), (Some("order-8"), true)] {
            let cloud = laggy();
            let provider = provider(&cloud, name);
            let asked = |key: Option<&str>| InstanceRequest {
                idempotency_key: key.map(str::to_string),
                ..request(name, "web-1")
            };
            let first = provider.create_instance(&asked(None)).await.unwrap();
            if is_seen {
                provider.wait_ready(&first.id).await.unwrap();
            }
            provider.destroy_instance(&first.id).await.unwrap();
            let mut seen = Vec::new();
            let request = asked(key);
            let second =
                observe(provider.create_instance(&request), |progress| seen.push(progress.state))
                    .await;
            assert_eq!(alive(&cloud), [second.unwrap().id], "{name} {key:?}");
            let is_told = seen.iter().any(|state| state.starts_with("its name still belongs to "));
            assert_eq!(is_told, name == "hetzner", "{name} {key:?}: {seen:?}");
            // One that stays has its name.
            if name == "hetzner" {
                let refused = provider.create_instance(&asked(None)).await;
                assert!(
                    matches!(refused, Err(ProviderError::Conflict { retryable: false, .. })),
                    "{refused:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn one_that_all_have_left_is_destroyed() {
    for name in PROVIDERS {
        let cloud = laggy();
        cloud.inject(Fault::Slow { millis: 300 }.once(name, Route::CreateInstance));
        let request = keyed(name).with_on_cancel(OnCancel::Destroy);
        let one = provider(&cloud, name);
        let two = provider(&cloud, name);
        let leaving = async {
            has_left(&cloud, name).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        tokio::select! {
            made = one.create_instance(&request) => panic!("{name}: {made:?}"),
            made = two.create_instance(&request) => panic!("{name}: {made:?}"),
            () = leaving => {}
        }
        settled().await;
        assert_eq!(alive(&cloud), Vec::<String>::new(), "{name}");
    }
}

#[tokio::test]
async fn another_request_under_a_key_in_use_is_a_conflict() {
    for name in PROVIDERS {
        let cloud = laggy();
        let provider = provider(&cloud, name);
        let ours = keyed(name);
        let other = keyed(name).with_user_data("#!/bin/sh");
        let (made, refused) =
            tokio::join!(provider.create_instance(&ours), provider.create_instance(&other));
        assert_eq!(alive(&cloud), [made.unwrap().id], "{name}");
        assert!(
            matches!(refused, Err(ProviderError::Conflict { retryable: false, .. })),
            "{name}: {refused:?}"
        );
    }
}

/// A create that the cloud refuses makes nothing, and the next one need not wait.
#[tokio::test]
async fn a_key_whose_create_was_refused_is_free_at_once() {
    for name in PROVIDERS {
        let cloud = laggy();
        let full = cloud.inject(Fault::CapacityOut.once(name, Route::CreateInstance));
        let provider = provider(&cloud, name);
        let request = keyed(name);
        let (one, two) =
            tokio::join!(provider.create_instance(&request), provider.create_instance(&request));
        let made: Vec<_> =
            [one, two].into_iter().filter_map(Result::ok).map(|made| made.id).collect();
        assert_eq!((cloud.hits(full), made), (1, alive(&cloud)), "{name}");
    }
}

/// What hinders a look tells nothing of what was made: it is looked again.
#[tokio::test]
async fn a_look_that_is_hindered_is_taken_again() {
    let hindered = [
        Fault::Unauthorized,
        Fault::Html { status: 403 },
        Fault::Html { status: 200 },
        Fault::Truncated,
    ];
    let often = |fault: Fault, name: &str, route: Route| {
        FaultRule::times(fault.everywhere().at(name).on(route), 4)
    };
    for name in PROVIDERS {
        for fault in hindered {
            let cloud = laggy();
            cloud.inject(Fault::ReplyLost.once(name, Route::CreateInstance));
            cloud.inject(often(fault, name, Route::ListInstances));
            cloud.inject(often(fault, name, Route::GetInstance));
            let provider = provider(&cloud, name);
            let made = provider.create_instance(&request(name, "web-1")).await;
            let made = made.unwrap_or_else(|error| panic!("{name} {fault:?}: {error}"));
            assert_eq!(alive(&cloud), [made.id], "{name} {fault:?}");
        }
    }
}

/// The key that an unknown outcome tells leads to what was made, also that of one machine of
/// several.
#[tokio::test]
async fn the_key_of_an_unknown_outcome_can_be_used_to_create() {
    for name in PROVIDERS {
        for count in [1, 3] {
            let cloud = laggy();
            let calm = provider(&cloud, name);
            cloud.inject(Fault::ReplyLost.everywhere().at(name).on(Route::CreateInstance));
            for route in [Route::ListInstances, Route::GetInstance] {
                cloud.inject(
                    Fault::ServerError { status: 503, committed: false }
                        .everywhere()
                        .at(name)
                        .on(route),
                );
            }
            let short =
                ProviderTimeouts { instance_ready: Duration::from_millis(50), ..timeouts() };
            let hasty: Arc<dyn Provider> = ProviderRegistry::with_defaults()
                .connect(name, cloud.config(name).with_timeouts(short))
                .unwrap()
                .into();
            let requests: Vec<_> =
                (0..count).map(|number| request(name, &format!("m-{number}"))).collect();
            let options = FleetOptions::default().with_on_failure(Rollback::Keep);
            let outcomes = create_instances(&hasty, &requests, options).await;
            let before = alive(&cloud);
            cloud.clear_faults();
            for (request, outcome) in requests.iter().zip(outcomes) {
                let ProviderError::UnknownOutcome { key, .. } = outcome.unwrap_err() else {
                    panic!("{name}")
                };
                let again = calm.create_instance(&request.clone().with_idempotency_key(key)).await;
                assert!(before.contains(&again.unwrap().id), "{name}, {count}");
            }
            assert_eq!((alive(&cloud), before.len()), (before.clone(), count), "{name}");
        }
    }
}
