//! Looks that fail: they say nothing of the machines, and destroy none.

use spuff_core::fleet::{
    FleetOptions, Rollback, create_instances, destroy_instances, wait_ready_many,
};
use spuff_core::provider::{ErrorContext, ErrorKind, ProviderError};
use spuff_core::simulator::{Fault, Route};
use spuff_core::{FleetError, OnFailure, create_and_wait, settled, with_instance, with_instances};
use tokio::time::Instant;

use super::*;
use fake_provider::{FakeProvider, Fate};

/// More than the least at which the machines of an account are looked at by lists.
const COUNT: usize = 12;

#[tokio::test]
async fn one_bad_reply_to_one_look_destroys_no_machine() {
    for name in PROVIDERS {
        // EC2 is asked for many by their ids.
        let route = if name == "aws" { Route::GetInstance } else { Route::ListInstances };
        for fault in [Fault::Html { status: 200 }, Fault::Unauthorized, Fault::Html { status: 403 }]
        {
            for on_failure in [Rollback::DestroyFailed, Rollback::DestroyAll] {
                let cloud = cloud();
                let rule = cloud.inject(fault.once(name, route));
                let options =
                    FleetOptions::default().with_on_failure(on_failure).with_wait_ready(true);
                let made =
                    create_instances(&provider(&cloud, name), &unlike(name, COUNT), options).await;
                settled().await;
                let what = format!("{name}, {fault:?}, {on_failure:?}");
                assert_eq!((cloud.hits(rule), alive(&cloud).len()), (1, COUNT), "{what}: {made:?}");
                assert!(made.iter().all(Result::is_ok), "{what}: {made:?}");
            }
        }
    }
}

#[tokio::test]
async fn credentials_that_are_refused_for_good_end_all_waits_after_a_few_looks() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let made = given(
            &create_instances(&provider, &unlike(name, COUNT), FleetOptions::default()).await,
        );
        let routes = [Route::GetInstance, Route::ListInstances];
        let rules =
            routes.map(|route| cloud.inject(Fault::Unauthorized.everywhere().at(name).on(route)));
        let ended = wait_ready_many(&provider, &made).await;
        for ended in ended {
            assert_eq!(ended.unwrap_err().kind(), ErrorKind::Authentication, "{name}");
        }
        let looks: u64 = rules.map(|rule| cloud.hits(rule)).into_iter().sum();
        assert!((3..=12).contains(&looks), "{name}: {looks} looks");
    }
}

type Failure = fn() -> ProviderError;

fn context() -> ErrorContext {
    ErrorContext::new("fake").with_code("boot").with_instance_id("id-m-1")
}

/// What the machine itself has failed by.
const OF_THE_MACHINE: [Failure; 6] = [
    || ProviderError::timeout("wait_ready of instance id-m-1 (new)", Duration::from_secs(300)),
    || ProviderError::not_found("instance", "id-m-1"),
    || ProviderError::capacity("nothing was free in the end"),
    || ProviderError::quota("volumes", "enough"),
    || ProviderError::conflict("it is archived", false),
    || ProviderError::api(200, "the create action ended in an error").with_context(context()),
];

/// What looking at it has failed by.
const OF_THE_LOOK: [Failure; 10] = [
    || ProviderError::auth("fake", "the token has been revoked"),
    || ProviderError::auth("fake", "the token has been revoked").with_context(context()),
    || ProviderError::timeout("find_credentials", Duration::from_secs(30)),
    || ProviderError::not_found("endpoint", "/v1/servers"),
    || ProviderError::api(200, "the reply is not JSON"),
    || {
        ProviderError::api(403, "a page of a proxy")
            .with_context(ErrorContext::new("fake").with_status(403))
    },
    || ProviderError::unavailable("maintenance").with_context(context()),
    || ProviderError::RateLimit { retry_after: None },
    || ProviderError::Other { message: "something else".to_string() },
    || ProviderError::NotSupported { feature: "wait_ready".to_string() },
];

#[tokio::test(start_paused = true)]
async fn a_machine_is_destroyed_for_its_own_failure_and_left_for_that_of_a_look() {
    let failures = OF_THE_MACHINE
        .map(|failure| (failure, true))
        .into_iter()
        .chain(OF_THE_LOOK.map(|failure| (failure, false)));
    for (failure, is_its_own) in failures {
        let kind = failure().kind();
        let what = failure().to_string();
        for on_failure in [Rollback::Keep, Rollback::DestroyFailed, Rollback::DestroyAll] {
            let (fake, provider) = FakeProvider::new([("m-1", Fate::WaitFails(failure))]);
            let options = FleetOptions::default().with_on_failure(on_failure).with_wait_ready(true);
            let made = create_instances(&provider, &requests("fake", 3), options).await;
            settled().await;
            let left = match on_failure {
                Rollback::DestroyFailed if is_its_own => vec!["m-0", "m-2"],
                Rollback::DestroyAll if is_its_own => vec![],
                _ => vec!["m-0", "m-1", "m-2"],
            };
            assert_eq!(fake.alive(), left, "{on_failure:?}: {what}");
            let ProviderError::AfterCreate { instance_id, exists, source, .. } =
                made[1].as_ref().unwrap_err()
            else {
                panic!("{made:?}")
            };
            let expected = ("id-m-1", left.contains(&"m-1"), kind);
            assert_eq!(
                (instance_id.as_str(), *exists, source.kind()),
                expected,
                "{on_failure:?}: {what}"
            );
        }
        for on_failure in [OnFailure::Destroy, OnFailure::Keep] {
            let (fake, provider) = FakeProvider::new([("m-1", Fate::WaitFails(failure))]);
            let error =
                create_and_wait(&provider, &requests("fake", 2)[1], on_failure).await.unwrap_err();
            settled().await;
            let stays = on_failure == OnFailure::Keep || !is_its_own;
            assert!(
                matches!(&error, ProviderError::AfterCreate { exists, .. } if *exists == stays),
                "{on_failure:?}: {error}"
            );
            assert_eq!(fake.alive().len(), usize::from(stays), "{on_failure:?}: {what}");
        }
    }
}

/// A scope does not hand its machines to anybody who could still use or end them.
#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_a_scope_that_cannot_look() {
    for failure in OF_THE_LOOK {
        let (fake, provider) = FakeProvider::new([("m-1", Fate::WaitFails(failure))]);
        let used = with_instance(&provider, &requests("fake", 2)[1], |_| async {
            Ok::<_, ProviderError>(())
        })
        .await;
        assert_eq!((used.unwrap_err().kind(), fake.alive().len()), (failure().kind(), 0));
        let used = with_instances(&provider, &requests("fake", 3), 16, |_| async {
            Ok::<_, FleetError>(())
        })
        .await;
        assert_eq!((used.unwrap_err().first, fake.alive().len()), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_has_not_been_destroyed_by_us() {
    let (_, provider) = FakeProvider::new([(
        "m-1",
        Fate::WaitFails(|| ProviderError::not_found("instance", "id-m-1")),
    )]);
    let error =
        create_and_wait(&provider, &requests("fake", 2)[1], OnFailure::Destroy).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::AfterCreate { exists: false, .. })
            && !error.to_string().contains("destroyed"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_destroyed_now_is_destroyed_in_the_background() {
    let one = requests("fake", 2).remove(1);
    let (fake, provider) = FakeProvider::new([("m-1", Fate::HeldOnce)]);
    let error = create_and_wait(&provider, &one, OnFailure::Destroy).await.unwrap_err();
    let ProviderError::AfterCreate { exists: true, source, cleanup: Some(cleanup), .. } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!((source.kind(), cleanup.kind()), (ErrorKind::Timeout, ErrorKind::Unavailable));
    assert_eq!(fake.alive(), ["m-1"]);
    settled().await;
    assert_eq!((fake.alive().len(), fake.destroys()), (0, 2));

    let (fake, provider) = FakeProvider::new([("m-1", Fate::HeldOnce)]);
    let options = FleetOptions::default().with_wait_ready(true);
    let made = create_instances(&provider, &requests("fake", 3), options).await;
    assert!(
        matches!(&made[1], Err(ProviderError::AfterCreate { exists: true, cleanup: Some(_), .. })),
        "{made:?}"
    );
    settled().await;
    assert_eq!((fake.alive(), fake.destroys()), (vec!["m-0".to_string(), "m-2".to_string()], 2));

    // At the end of the work.
    let (fake, provider) = FakeProvider::new([("m-1", Fate::Stays)]);
    let used = with_instances(&provider, &[one], 16, |_| async { Ok::<_, FleetError>(()) })
        .await
        .unwrap_err();
    assert!(
        matches!(used.error(), Some(ProviderError::AfterCreate { exists: true, .. })),
        "{used}"
    );
    settled().await;
    assert!(fake.destroys() > 1, "it is tried again");
}

/// Thirty days are longer than anybody waits.
#[tokio::test(start_paused = true)]
async fn what_is_put_off_for_very_long_is_given_up_when_the_patience_is_over() {
    const LONG: Duration = Duration::from_secs(30 * 86_400);
    const PATIENCE: Duration = Duration::from_secs(2 * 3600 + 60);
    let refused = Fate::Refused(|| ProviderError::RateLimit { retry_after: Some(LONG) });
    let (_, provider) = FakeProvider::new([("m-0", refused), ("m-1", Fate::PutOff(LONG))]);
    let began = Instant::now();
    let made = create_instances(&provider, &requests("fake", 2), FleetOptions::default()).await;
    assert_eq!(made[0].as_ref().unwrap_err().kind(), ErrorKind::RateLimit);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());

    let began = Instant::now();
    let gone = destroy_instances(&provider, &given(&made), 1).await;
    assert_eq!(gone[0].as_ref().unwrap_err().kind(), ErrorKind::RateLimit);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}
