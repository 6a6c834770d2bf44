//! Creates of which it is not known what came.

use spuff_core::fleet::{FleetOptions, Rollback, create_instances};
use spuff_core::provider::{ErrorKind, OnCancel, ProviderError};
use spuff_core::settled;

use super::*;
use fake_provider::{FakeProvider, Fate};

/// A fleet of three, with this fate for the second: its outcome, and what is left.
async fn second(
    fate: Fate,
    on_failure: Rollback,
    change: impl Fn(&mut InstanceRequest),
) -> (ProviderError, Vec<String>) {
    let (fake, provider) = FakeProvider::new([("m-1", fate)]);
    let mut requests = requests("fake", 3);
    requests.iter_mut().for_each(change);
    let made =
        create_instances(&provider, &requests, FleetOptions::default().with_on_failure(on_failure))
            .await;
    (made.into_iter().nth(1).unwrap().unwrap_err(), fake.alive())
}

fn key(error: &ProviderError) -> Option<&str> {
    if let ProviderError::UnknownOutcome { key, .. } = error { Some(key) } else { None }
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_made_is_found_and_destroyed() {
    for (on_failure, others) in
        [(Rollback::DestroyFailed, vec!["m-0", "m-2"]), (Rollback::DestroyAll, vec![])]
    {
        let (error, left) = second(Fate::Lost { made: true }, on_failure, |_| ()).await;
        let ProviderError::AfterCreate { instance_id, exists, source, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(
            (instance_id.as_str(), *exists, source.kind()),
            ("id-m-1", false, ErrorKind::UnknownOutcome)
        );
        assert_eq!(left, others, "{on_failure:?}");

        let (error, left) = second(Fate::Lost { made: false }, on_failure, |_| ()).await;
        assert_eq!(
            error.kind(),
            ErrorKind::Unavailable,
            "certain now, so that it can be tried again: {error}"
        );
        assert_eq!(left, others, "{on_failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_found_keeps_its_key() {
    let (error, left) = second(Fate::Unfindable, Rollback::DestroyFailed, |_| ()).await;
    assert_eq!(
        (key(&error), left),
        (Some("m-1"), vec!["m-0".to_string(), "m-1".to_string(), "m-2".to_string()])
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_kept_or_has_a_callers_own_key_is_left() {
    let lost = Fate::Lost { made: true };
    let (error, left) = second(lost, Rollback::Keep, |_| ()).await;
    assert_eq!((key(&error), left.len()), (Some("m-1"), 3));
    let (error, left) = second(lost, Rollback::DestroyFailed, |request| {
        request.idempotency_key = Some(request.name.clone())
    })
    .await;
    assert_eq!((key(&error), left.len()), (Some("m-1"), 3));
    let (error, left) =
        second(lost, Rollback::DestroyFailed, |request| request.on_cancel = Some(OnCancel::Keep))
            .await;
    assert_eq!((key(&error), left.len()), (Some("m-1"), 3));
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_is_dropped_while_one_is_looked_for_leaves_none_of_it() {
    let (fake, provider) = FakeProvider::new([("m-1", Fate::Lost { made: true })]);
    let requests = requests("fake", 3);
    let made = create_instances(&provider, &requests, FleetOptions::default());
    // The create ends after a second, and the look for it after another one.
    assert!(tokio::time::timeout(Duration::from_millis(1500), made).await.is_err());
    assert_eq!(fake.alive().len(), 3);
    settled().await;
    assert_eq!(fake.alive().len(), 0);
}
