//! A provider that panics over one machine: the others are not lost.

use spuff_core::fleet::{
    FleetOptions, Rollback, create_instances, destroy_instances, wait_ready_many,
};
use spuff_core::placement::{Candidate, Placement, place_instance};
use spuff_core::provider::{ErrorKind, ProviderError};
use spuff_core::{OnFailure, create_and_wait, observe, settled};

use super::*;
use fake_provider::{FakeProvider, Fate};

async fn fleet(fate: Fate, on_failure: Rollback) -> (Arc<fake_provider::FakeProvider>, Outcomes) {
    let (fake, provider) = FakeProvider::new([("m-1", fate)]);
    let options = FleetOptions::default()
        .with_concurrency(2)
        .with_on_failure(on_failure)
        .with_wait_ready(true);
    let made = create_instances(&provider, &requests("fake", 4), options).await;
    settled().await;
    assert_eq!(made[1].as_ref().unwrap_err().kind(), ErrorKind::Internal, "{made:?}");
    (fake, made)
}

/// All is made, and told of, in one go: what is done before the listener has heard it is not done
/// with.
#[tokio::test(start_paused = true)]
async fn of_a_listener() {
    async fn panics<T: Send + 'static>(
        fake: &FakeProvider,
        work: impl Future<Output = T> + Send + 'static,
    ) {
        let observed =
            tokio::spawn(async move { drop(observe(work, |_| panic!("at what was seen")).await) });
        assert!(observed.await.unwrap_err().is_panic());
        settled().await;
        assert_eq!(fake.alive(), [""; 0]);
    }
    let (fake, provider) = FakeProvider::new([]);
    let one = provider.clone();
    let two = provider.clone();
    let three = provider;
    panics(&fake, async move {
        create_instances(&one, &requests("fake", 4), FleetOptions::default()).await
    })
    .await;
    panics(&fake, async move {
        create_and_wait(&two, &requests("fake", 1)[0], OnFailure::Destroy).await
    })
    .await;
    let placement = Placement::new(vec![Candidate::new(&three, "", "small")]);
    panics(&fake, async move { place_instance(&placement, &requests("fake", 1)[0]).await }).await;
}

#[tokio::test(start_paused = true)]
async fn over_a_create() {
    for on_failure in [Rollback::Keep, Rollback::DestroyFailed] {
        let (fake, made) = fleet(Fate::PanicsOverCreate, on_failure).await;
        assert_eq!(given(&made), ["id-m-0", "id-m-2", "id-m-3"]);
        assert_eq!(fake.alive(), ["m-0", "m-2", "m-3"]);
        assert!(made[1].as_ref().unwrap_err().to_string().contains("over m-1"), "{made:?}");
    }
    let (fake, made) = fleet(Fate::PanicsOverCreate, Rollback::DestroyAll).await;
    assert_eq!((given(&made).len(), fake.alive().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn over_a_wait() {
    // A look that panics says nothing of the machine.
    for on_failure in [Rollback::Keep, Rollback::DestroyFailed, Rollback::DestroyAll] {
        let (fake, made) = fleet(Fate::PanicsOverWait, on_failure).await;
        assert_eq!(fake.alive(), ["m-0", "m-1", "m-2", "m-3"], "{on_failure:?}");
        let error = made[1].as_ref().unwrap_err();
        assert!(
            matches!(
                error,
                ProviderError::AfterCreate { instance_id, exists: true, .. }
                    if instance_id == "id-m-1"
            ),
            "{error}"
        );
        assert_eq!(given(&made), ["id-m-0", "id-m-2", "id-m-3"], "{on_failure:?}");
    }
    let (_, provider) = FakeProvider::new([("m-1", Fate::PanicsOverWait)]);
    let made = create_instances(&provider, &requests("fake", 3), FleetOptions::default()).await;
    let ready = wait_ready_many(&provider, &given(&made)).await;
    assert_eq!(given(&ready), ["id-m-0", "id-m-2"]);
}

#[tokio::test(start_paused = true)]
async fn over_a_destroy() {
    let (fake, provider) = FakeProvider::new([("m-1", Fate::PanicsOverDestroy)]);
    let made = create_instances(&provider, &requests("fake", 3), FleetOptions::default()).await;
    let gone = destroy_instances(&provider, &given(&made), 1).await;
    assert_eq!(gone.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(fake.alive(), ["m-1"]);

    let refused = Fate::Refused(|| ProviderError::capacity("sold out"));
    let (fake, provider) = FakeProvider::new([("m-1", Fate::PanicsOverDestroy), ("m-3", refused)]);
    let options = FleetOptions::default().with_concurrency(1).with_on_failure(Rollback::DestroyAll);
    let made = create_instances(&provider, &requests("fake", 4), options).await;
    assert_eq!(fake.alive(), ["m-1"], "the others are rolled back all the same");
    assert!(matches!(&made[1], Err(ProviderError::AfterCreate { exists: true, .. })), "{made:?}");
}
