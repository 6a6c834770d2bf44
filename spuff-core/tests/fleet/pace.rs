//! How many at once, how long a throttled machine is put off, and fleets of none.

use spuff_core::fleet::{
    FleetOptions, Rollback, create_instances, destroy_instances, wait_ready_many,
};
use spuff_core::observe;
use spuff_core::provider::{ErrorKind, ProviderError};
use spuff_core::simulator::{Fault, Route};

use super::*;
use fake_provider::{FakeProvider, Fate};

#[tokio::test(start_paused = true)]
async fn no_more_are_under_way_than_the_options_say_and_no_fewer() {
    for concurrency in [1, 7, 40, usize::MAX] {
        let (fake, provider) = FakeProvider::new([]);
        let options = FleetOptions::default().with_concurrency(concurrency).with_wait_ready(true);
        let made = create_instances(&provider, &requests("fake", 40), options).await;
        assert_eq!((made.iter().flatten().count(), fake.most()), (40, concurrency.min(40)));
        let gone = destroy_instances(&provider, &given(&made), concurrency).await;
        assert_eq!((gone.iter().flatten().count(), fake.most()), (40, concurrency.min(40)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_roll_back_keeps_to_the_concurrency_too() {
    let (fake, provider) =
        FakeProvider::new([("m-30", Fate::Refused(|| ProviderError::quota("machines", "enough")))]);
    let options = FleetOptions::default().with_concurrency(4).with_on_failure(Rollback::DestroyAll);
    let made = create_instances(&provider, &requests("fake", 40), options).await;
    assert_eq!((made.iter().flatten().count(), fake.most(), fake.alive().len()), (0, 4, 0));
}

#[tokio::test(start_paused = true)]
async fn a_concurrency_of_none_is_refused_before_anything_is_sent() {
    let (fake, provider) = FakeProvider::new([]);
    let made = create_instances(
        &provider,
        &requests("fake", 3),
        FleetOptions::default().with_concurrency(0),
    )
    .await;
    let gone = destroy_instances(&provider, &["1", "2", "3"], 0).await;
    let errors: Vec<_> = made
        .into_iter()
        .filter_map(Result::err)
        .chain(gone.into_iter().filter_map(Result::err))
        .collect();
    assert_eq!(errors.len(), 6);
    for error in errors {
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "concurrency"),
            "{error}"
        );
    }
    assert_eq!(fake.creates(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_of_none_is_done_at_once() {
    let (fake, provider) = FakeProvider::new([]);
    let mut told = 0;
    let made =
        observe(create_instances(&provider, &[], FleetOptions::default()), |_| told += 1).await;
    let ready = observe(wait_ready_many::<String>(&provider, &[]), |_| told += 1).await;
    let gone = observe(destroy_instances::<String>(&provider, &[], 1), |_| told += 1).await;
    assert_eq!((made.len(), ready.len(), gone.len(), told, fake.creates()), (0, 0, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_create_is_put_off_as_long_as_the_cloud_says_but_not_for_ever() {
    let (fake, provider) = FakeProvider::new([("m-0", Fate::Throttled(5))]);
    let made = create_instances(&provider, &requests("fake", 1), FleetOptions::default()).await;
    assert_eq!((given(&made), fake.creates()), (vec!["id-m-0".to_string()], 6));

    // Ten minutes and a second each time: the thirteenth is the first that ends after two hours.
    let (fake, provider) = FakeProvider::new([("m-0", Fate::Throttled(u32::MAX))]);
    let made = create_instances(&provider, &requests("fake", 1), FleetOptions::default()).await;
    assert_eq!(made[0].as_ref().unwrap_err().kind(), ErrorKind::RateLimit);
    assert_eq!((fake.creates(), fake.alive().len()), (13, 0));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_create_does_not_hold_a_roll_back_up() {
    let fates = [
        ("m-0", Fate::Throttled(u32::MAX)),
        ("m-1", Fate::Refused(|| ProviderError::capacity("sold out"))),
    ];
    let (fake, provider) = FakeProvider::new(fates);
    let options = FleetOptions::default().with_on_failure(Rollback::DestroyAll);
    let made = create_instances(&provider, &requests("fake", 3), options).await;
    let kinds: Vec<_> = made.into_iter().map(|made| made.unwrap_err().kind()).collect();
    assert_eq!(kinds, [ErrorKind::RateLimit, ErrorKind::Capacity, ErrorKind::Cancelled]);
    assert_eq!((fake.creates(), fake.alive().len()), (3, 0), "tried no second time");
}

#[tokio::test]
async fn refusals_for_too_many_requests_are_waited_out() {
    for name in PROVIDERS {
        let cloud = cloud();
        // A call may take twice that long: one alone does not wait for a second.
        let provider = provider_with(
            &cloud,
            name,
            ProviderTimeouts { http_request: Duration::from_millis(500), ..timeouts() },
        );
        let throttled = |route| {
            Fault::RateLimited { retry_after: Some(1), headers: true }
                .everywhere()
                .at(name)
                .on(route)
        };
        cloud.inject(throttled(Route::CreateInstance).times(1));
        let alone = provider.create_instance(&requests(name, 1)[0]).await;
        assert_eq!(alone.unwrap_err().kind(), ErrorKind::RateLimit, "{name}");

        let fault = cloud.inject(throttled(Route::CreateInstance).times(3));
        let made = create_instances(&provider, &requests(name, 5), FleetOptions::default()).await;
        assert_eq!((given(&made), cloud.hits(fault)), (alive(&cloud), 3), "{name}: {made:?}");
        assert_eq!(alive(&cloud).len(), 5, "{name}");

        let fault = cloud.inject(throttled(Route::DestroyInstance).times(3));
        let gone = destroy_instances(&provider, &given(&made), 16).await;
        assert!(gone.iter().all(Result::is_ok) && cloud.hits(fault) == 3, "{name}: {gone:?}");
        cloud.assert_no_leaks();
    }
}
