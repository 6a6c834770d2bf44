use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::guard::unclaimed;
#[cfg(feature = "blocking")]
use crate::guard::watch_made;
use crate::provider::Snapshot;
use crate::settled;

/// A provider with one instance and scripted results.
struct One {
    create: fn() -> ProviderResult<ProviderInstance>,
    wait: fn() -> ProviderResult<ProviderInstance>,
    destroy: fn() -> ProviderResult<()>,
    get: fn() -> ProviderResult<Option<ProviderInstance>>,
    destroys: Mutex<u32>,
}

fn made() -> ProviderResult<ProviderInstance> {
    Ok(ProviderInstance { id: "7".to_string(), ..ProviderInstance::default() })
}

fn found() -> ProviderResult<ProviderInstance> {
    made().map(|made| made.adopted_if(true))
}

fn ready() -> ProviderResult<ProviderInstance> {
    Ok(ProviderInstance {
        id: "7".to_string(),
        name: "ready".to_string(),
        ..ProviderInstance::default()
    })
}

fn failed() -> ProviderResult<ProviderInstance> {
    Err(ProviderError::capacity("it did not come up"))
}

fn dark() -> ProviderResult<ProviderInstance> {
    Err(ProviderError::auth("one", "revoked"))
}

fn gone() -> ProviderResult<ProviderInstance> {
    Err(ProviderError::not_found("instance", "7"))
}

fn half() -> ProviderResult<ProviderInstance> {
    Err(ProviderError::capacity("no address").after_create("7", None))
}

fn locked() -> ProviderResult<()> {
    Err(ProviderError::invalid_config("id", "locked"))
}

#[async_trait]
impl Provider for One {
    fn name(&self) -> &str {
        "one"
    }

    async fn create_instance(&self, _: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        (self.create)()
    }

    async fn destroy_instance(&self, _: &str) -> ProviderResult<()> {
        *self.destroys.lock().unwrap() += 1;
        (self.destroy)()
    }

    async fn get_instance(&self, _: &str) -> ProviderResult<Option<ProviderInstance>> {
        (self.get)()
    }

    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        Ok(Vec::new())
    }

    async fn wait_ready(&self, _: &str) -> ProviderResult<ProviderInstance> {
        tokio::time::sleep(Duration::from_secs(5)).await;
        (self.wait)()
    }

    async fn create_snapshot(&self, _: &str, _: &str) -> ProviderResult<Snapshot> {
        Err(ProviderError::capacity("full"))
    }

    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        Ok(Vec::new())
    }

    async fn delete_snapshot(&self, _: &str) -> ProviderResult<()> {
        Ok(())
    }
}

type Answer = fn() -> ProviderResult<ProviderInstance>;

fn one(create: Answer, wait: Answer) -> One {
    One { create, wait, destroy: || Ok(()), get: || made().map(Some), destroys: Mutex::default() }
}

fn request() -> InstanceRequest {
    InstanceRequest::new("web-1", "here", "small")
}

/// Returns the outcome of an operation as text, and the number of destroys.
async fn came_of<T, F>(one: One, verb: impl FnOnce(Arc<dyn Provider>) -> F) -> (String, u32)
where
    F: Future<Output = ProviderResult<T>>,
{
    let one = Arc::new(one);
    let group = crate::Group::new();
    let word = match group.run(verb(one.clone())).await {
        Ok(_) => "done".to_string(),
        Err(ProviderError::AfterCreate { source, exists, instance_id, .. }) => {
            format!("{:?} of {instance_id}, exists: {exists}", source.kind())
        }
        Err(error) => format!("{:?}", error.kind()),
    };
    group.settled().await;
    let destroys = *one.destroys.lock().unwrap();
    (word, destroys)
}

async fn created(one: One, request: InstanceRequest, on_failure: OnFailure) -> (String, u32) {
    came_of(one, |provider| async move { create_and_wait(&provider, &request, on_failure).await })
        .await
}

fn told(word: &str, destroys: u32) -> (String, u32) {
    (word.to_string(), destroys)
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_fails_is_destroyed_where_that_was_said() {
    for (create, wait, expected, kept) in [
        (made as Answer, ready as Answer, told("done", 0), "done"),
        (made, failed, told("Capacity of 7, exists: false", 1), "Capacity of 7, exists: true"),
        (
            made,
            dark,
            told("Authentication of 7, exists: true", 0),
            "Authentication of 7, exists: true",
        ),
        (found, failed, told("Capacity of 7, exists: true", 0), "Capacity of 7, exists: true"),
        (half, ready, told("Capacity of 7, exists: false", 1), "Capacity of 7, exists: true"),
        (failed, ready, told("Capacity", 0), "Capacity"),
    ] {
        assert_eq!(created(one(create, wait), request(), OnFailure::Destroy).await, expected);
        assert_eq!(created(one(create, wait), request(), OnFailure::Keep).await, told(kept, 0));
    }
    let keyed = request().with_idempotency_key("order-7");
    let half = created(one(half, ready), keyed, OnFailure::Destroy).await;
    assert_eq!(half, told("Capacity of 7, exists: true", 0), "it may be in use elsewhere");
    let tried = One { destroy: locked, ..one(made, failed) };
    assert_eq!(
        created(tried, request(), OnFailure::Destroy).await,
        told("Capacity of 7, exists: true", 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_is_left_and_is_gone_is_told_as_such() {
    for (get, wait, exists) in [
        ((|| Ok(None)) as fn() -> _, failed as Answer, false),
        (|| made().map(Some), failed, true),
        (|| Err(ProviderError::unavailable("502")), failed, true),
        (|| Err(ProviderError::unavailable("502")), gone, false),
        (|| Ok(None), dark, true),
    ] {
        let (word, _) = created(One { get, ..one(made, wait) }, request(), OnFailure::Keep).await;
        assert!(word.ends_with(&format!("of 7, exists: {exists}")), "{word}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_ends_with_its_work() {
    async fn worked(
        one: One,
        request: InstanceRequest,
        work: fn() -> ProviderResult<()>,
    ) -> (String, u32) {
        came_of(one, |provider| async move {
            with_instance(&provider, &request, |machine| async move {
                assert_eq!((machine.id.as_str(), machine.name.as_str()), ("7", "ready"));
                work()
            })
            .await
        })
        .await
    }
    let fails = || Err(ProviderError::conflict("the work", false));
    assert_eq!(worked(one(made, ready), request(), || Ok(())).await, told("done", 1));
    assert_eq!(worked(one(made, ready), request(), fails).await, told("Conflict", 1));
    assert_eq!(worked(one(found, ready), request(), || Ok(())).await, told("done", 0));
    assert_eq!(
        worked(one(made, dark), request(), || Ok(())).await,
        told("Authentication of 7, exists: false", 1)
    );
    let kept = request().with_on_cancel(OnCancel::Keep);
    let tried = || One { destroy: locked, ..one(made, ready) };
    assert_eq!(
        worked(tried(), kept.clone(), || Ok(())).await,
        told("InvalidConfig of 7, exists: true", 2)
    );
    assert_eq!(worked(tried(), kept, fails).await, told("Conflict", 2));
}

#[tokio::test(start_paused = true)]
async fn a_verb_that_is_dropped_ends_what_it_has_made() {
    for (create, on_failure, on_cancel, expected) in [
        (made as Answer, OnFailure::Destroy, None, 1),
        (made, OnFailure::Destroy, Some(OnCancel::Keep), 0),
        (made, OnFailure::Keep, None, 0),
        (found, OnFailure::Destroy, None, 0),
    ] {
        let (word, destroys) = came_of(one(create, ready), |provider| async move {
            let request = InstanceRequest { on_cancel, ..request() };
            let verb = create_and_wait(&provider, &request, on_failure);
            match tokio::time::timeout(Duration::from_secs(1), verb).await {
                Ok(made) => made.map(drop),
                Err(_) => Err(ProviderError::timeout("left", Duration::from_secs(1))),
            }
        })
        .await;
        assert_eq!(
            (word.as_str(), destroys),
            ("Timeout", expected),
            "{on_failure:?} {on_cancel:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_is_not_taken_is_ended() {
    for (takes, on_cancel, expected) in
        [(true, OnCancel::Destroy, 0), (false, OnCancel::Destroy, 1), (false, OnCancel::Keep, 0)]
    {
        let one = Arc::new(one(made, ready));
        let provider: Arc<dyn Provider> = one.clone();
        let request = request().with_on_cancel(on_cancel);
        let outcome = unclaimed(create_instance(&provider, &request)).await;
        if takes {
            assert_eq!(outcome.claim().unwrap().id, "7");
        } else {
            drop(outcome);
        }
        settled().await;
        assert_eq!(*one.destroys.lock().unwrap(), expected, "{takes} {on_cancel:?}");
    }
}

#[cfg(feature = "blocking")]
#[tokio::test(start_paused = true)]
async fn a_verb_that_is_left_in_the_middle_has_told_what_it_has_made() {
    for (on_failure, is_ended) in [(OnFailure::Destroy, true), (OnFailure::Keep, false)] {
        let provider: Arc<dyn Provider> = Arc::new(one(made, ready));
        let request = request();
        let (verb, made) = watch_made(create_and_wait(&provider, &request, on_failure));
        assert_eq!(made(), None);
        assert!(tokio::time::timeout(Duration::from_secs(1), verb).await.is_err());
        assert_eq!(made(), Some(("7".to_string(), is_ended)));
    }
}
