use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;

use super::*;
use crate::provider::Snapshot;
use crate::provider::error::ErrorKind;
use crate::provider::operation::Operation;

/// A provider whose instances behave by name: `full` cannot be made, `half` fail once they exist,
/// `bad` do not become ready, `dark` cannot be polled.
#[derive(Default)]
struct FakeProvider {
    /// The existing instances, and the number of destroys of each.
    there: Mutex<Vec<String>>,
    destroys: Mutex<HashMap<String, u32>>,
    /// How often each destroy is rate limited.
    put_off: u32,
    at_once: Mutex<(usize, usize)>,
    /// The batch size, and the number of batch calls.
    alike: usize,
    calls: Mutex<usize>,
}

#[async_trait]
impl Provider for FakeProvider {
    fn name(&self) -> &str {
        "fake"
    }

    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.at_once.lock().unwrap().0 -= 1;
        if request.name.starts_with("full") {
            return Err(ProviderError::capacity("full"));
        }
        self.there.lock().unwrap().push(request.name.clone());
        if request.name.starts_with("half") {
            return Err(ProviderError::capacity("half").after_create(&request.name, None));
        }
        Ok(ProviderInstance { id: request.name.clone(), ..ProviderInstance::default() })
    }

    fn max_batch_size(&self, _: &InstanceRequest) -> usize {
        self.alike.max(1)
    }

    async fn create_batch(
        &self,
        requests: &[InstanceRequest],
    ) -> ProviderResult<Vec<ProviderResult<ProviderInstance>>> {
        *self.calls.lock().unwrap() += 1;
        let is_any = |name: &str| requests.iter().any(|request| request.name.starts_with(name));
        if is_any("full") {
            return Err(ProviderError::capacity("full"));
        }
        if is_any("denied") {
            return Err(ProviderError::auth("fake", "no"));
        }
        let made = |request: &InstanceRequest| ProviderInstance {
            id: request.name.clone(),
            ..ProviderInstance::default()
        };
        Ok(requests.iter().map(|request| Ok(made(request))).collect())
    }

    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        let count = {
            let mut destroys = self.destroys.lock().unwrap();
            let count = destroys.entry(id.to_string()).or_default();
            *count += 1;
            *count
        };
        if count <= self.put_off {
            return Err(ProviderError::RateLimit { retry_after: None });
        }
        self.there.lock().unwrap().retain(|there| there != id);
        if id.starts_with("bad") { Err(ProviderError::conflict("locked", false)) } else { Ok(()) }
    }

    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        let is_there = self.there.lock().unwrap().iter().any(|there| there == id);
        Ok(is_there.then(|| ProviderInstance { id: id.to_string(), ..ProviderInstance::default() }))
    }

    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        Ok(Vec::new())
    }

    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        tokio::time::sleep(Duration::from_secs(if id.starts_with("slow") { 60 } else { 5 })).await;
        if id.starts_with("bad") {
            return Err(ProviderError::capacity("it did not come up"));
        }
        if id.starts_with("dark") {
            return Err(ProviderError::auth("fake", "revoked"));
        }
        Ok(ProviderInstance {
            id: id.to_string(),
            name: "ready".to_string(),
            ..ProviderInstance::default()
        })
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

fn fake(fake: FakeProvider) -> (Arc<FakeProvider>, Arc<dyn Provider>) {
    let fake = Arc::new(fake);
    (fake.clone(), fake)
}

fn requests(names: &[&str]) -> Vec<InstanceRequest> {
    names.iter().map(|name| InstanceRequest::new(*name, "here", "small")).collect()
}

/// Creates instances. Returns each outcome as text, and the instances that exist afterwards.
async fn made(names: &[&str], options: FleetOptions) -> (Vec<String>, Vec<String>) {
    let (fake, provider) = fake(FakeProvider::default());
    let outcomes = create_instances(&provider, &requests(names), options).await;
    let word = |outcome: &ProviderResult<ProviderInstance>| match outcome {
        Ok(made) => format!("{} {}", made.id, made.name).trim().to_string(),
        Err(ProviderError::AfterCreate { source, exists, .. }) => {
            format!("{:?} {exists}", source.kind())
        }
        Err(error) => format!("{:?}", error.kind()),
    };
    let mut there = fake.there.lock().unwrap().clone();
    there.sort();
    (outcomes.iter().map(word).collect(), there)
}

#[test]
fn options_are_what_was_said() {
    let all = FleetOptions::default()
        .with_concurrency(3)
        .with_on_failure(Rollback::DestroyAll)
        .with_wait_ready(true);
    assert_eq!(
        all,
        FleetOptions { concurrency: 3, on_failure: Rollback::DestroyAll, wait_ready: true }
    );
    let other = FleetOptions::default()
        .with_wait_ready(true)
        .with_on_failure(Rollback::Keep)
        .with_concurrency(1);
    assert_eq!(
        other,
        FleetOptions { concurrency: 1, on_failure: Rollback::Keep, wait_ready: true }
    );
    let default =
        FleetOptions { concurrency: 16, on_failure: Rollback::DestroyFailed, wait_ready: false };
    assert_eq!(FleetOptions::default(), default);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_is_made_as_its_options_say() {
    let options = FleetOptions::default();
    assert_eq!(
        made(&["a", "full"], options).await,
        (vec!["a".into(), "Capacity".into()], vec!["a".to_string()])
    );
    let ready = options.with_wait_ready(true);
    let names = ["a", "dark", "full"];
    let kept = (
        vec!["a ready".into(), "Authentication true".into(), "Capacity".into()],
        vec!["a".into(), "dark".into()],
    );
    for on_failure in [Rollback::Keep, Rollback::DestroyFailed] {
        assert_eq!(made(&names, ready.with_on_failure(on_failure)).await, kept, "{on_failure:?}");
    }
    let (outcomes, there) = made(&["a", "bad"], ready.with_on_failure(Rollback::Keep)).await;
    assert_eq!(
        (outcomes[1].as_str(), there),
        ("Capacity true", vec!["a".to_string(), "bad".to_string()])
    );
    let (outcomes, there) = made(&["a", "bad"], ready).await;
    assert_eq!((outcomes[0].as_str(), there), ("a ready", vec!["a".to_string()]));
    let (outcomes, there) =
        made(&["a", "full", "slow"], ready.with_on_failure(Rollback::DestroyAll)).await;
    assert_eq!(outcomes, ["Cancelled false", "Capacity", "Cancelled false"]);
    assert!(there.is_empty(), "{there:?}");
    for (on_failure, outcome, left) in [
        (Rollback::Keep, "Capacity true", 1),
        (Rollback::DestroyFailed, "Capacity false", 0),
        (Rollback::DestroyAll, "Capacity false", 0),
    ] {
        let (outcomes, there) = made(&["half"], options.with_on_failure(on_failure)).await;
        assert_eq!((outcomes[0].as_str(), there.len()), (outcome, left), "{on_failure:?}");
    }
    let none = made(&["a"], options.with_concurrency(0)).await;
    assert_eq!(none, (vec!["InvalidConfig".to_string()], Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn no_more_are_made_at_once_than_was_said_and_none_after_the_end_of_all() {
    let (fake, provider) = fake(FakeProvider::default());
    let names = ["a", "full", "b", "c", "d", "e"];
    let options = FleetOptions::default().with_concurrency(2).with_on_failure(Rollback::DestroyAll);
    let outcomes = create_instances(&provider, &requests(&names), options).await;
    let kinds: Vec<_> =
        outcomes.iter().map(|outcome| outcome.as_ref().unwrap_err().kind()).collect();
    assert_eq!(
        kinds,
        names.map(|name| if name == "full" { ErrorKind::Capacity } else { ErrorKind::Cancelled })
    );
    assert_eq!(fake.at_once.lock().unwrap().1, 2);
    assert!(fake.destroys.lock().unwrap().keys().all(|id| "a b".contains(id.as_str())));
}

#[tokio::test(start_paused = true)]
async fn each_that_is_waited_for_has_its_own_outcome_in_its_place() {
    let (_, provider) = fake(FakeProvider::default());
    let outcomes = wait_ready_many(&provider, &["a", "bad", "b"]).await;
    let ids: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().ok().map(|ready| ready.id.as_str()))
        .collect();
    assert_eq!(ids, [Some("a"), None, Some("b")]);

    let mut watch = watch(&provider, ["a", "bad"]);
    let mut seen = Vec::new();
    while let Some(progress) = watch.next().await {
        seen.push((progress.id, progress.phase));
    }
    seen.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert_eq!(seen, [("a".to_string(), Phase::Ready), ("bad".to_string(), Phase::Failed)]);
    assert_eq!(watch.next().await.map(|progress| progress.id), None, "it has ended");
    assert_eq!(watch.into_outcomes().len(), 2);
    let stream =
        super::watch(&provider, ["a"]).map(|progress| progress.id).collect::<Vec<_>>().await;
    assert_eq!(stream, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_put_off_is_destroyed_later() {
    let (fake, provider) = fake(FakeProvider { put_off: 3, ..FakeProvider::default() });
    let began = Instant::now();
    let gone = destroy_instances(&provider, &["a", "bad", "b"], 2).await;
    assert!(matches!(&gone[..], [Ok(()), Err(ProviderError::Conflict { .. }), Ok(())]), "{gone:?}");
    assert_eq!(
        began.elapsed(),
        Duration::from_secs(6),
        "three pauses of a second, and two at once"
    );
    assert!(fake.destroys.lock().unwrap().values().all(|count| *count == 4));
    let none = destroy_instances(&provider, &["a"], 0).await;
    assert!(matches!(&none[..], [Err(ProviderError::InvalidConfig { .. })]), "{none:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_put_off_for_ever_is_told_after_two_hours() {
    let (fake, provider) = fake(FakeProvider { put_off: u32::MAX, ..FakeProvider::default() });
    let began = Instant::now();
    let gone = destroy_instances(&provider, &["a"], 1).await;
    assert!(matches!(&gone[..], [Err(ProviderError::RateLimit { .. })]), "{gone:?}");
    assert_eq!(began.elapsed(), Duration::from_secs(7200));
    assert_eq!(fake.destroys.lock().unwrap()["a"], 7201);
}

#[tokio::test(start_paused = true)]
async fn what_one_call_cannot_make_for_some_is_made_one_by_one() {
    for (names, kinds, there) in [
        (["a", "b", "c"], [None, None, None], vec!["c"]),
        (["a", "full", "c"], [None, Some(ErrorKind::Capacity), None], vec!["a", "c"]),
        (
            ["a", "denied", "c"],
            [Some(ErrorKind::Authentication), Some(ErrorKind::Authentication), None],
            vec!["c"],
        ),
    ] {
        let (fake, provider) = fake(FakeProvider { alike: 2, ..FakeProvider::default() });
        let outcomes =
            create_instances(&provider, &requests(&names), FleetOptions::default()).await;
        let ids = outcomes.iter().map(|outcome| outcome.as_ref().map(|made| made.id.as_str()));
        let expected = names.iter().zip(kinds).map(|(name, kind)| kind.map_or(Ok(*name), Err));
        assert_eq!(
            ids.map(|id| id.map_err(ProviderError::kind)).collect::<Vec<_>>(),
            expected.collect::<Vec<_>>()
        );
        // A single remaining instance is created by a separate call.
        let mut made = fake.there.lock().unwrap().clone();
        made.sort();
        assert_eq!(
            (*fake.calls.lock().unwrap(), made),
            (1, there.into_iter().map(str::to_string).collect()),
            "{names:?}"
        );
    }
}

/// Instances that one call cannot create together.
struct OneByOne(Arc<dyn Provider>);

impl Maker for OneByOne {
    const OPERATION: Operation = Operation::CreateInstances;

    async fn create(
        &self,
        _: usize,
        request: &InstanceRequest,
        _: &AbortFlag,
    ) -> ProviderResult<ProviderInstance> {
        self.0.create_instance(request).await
    }

    fn provider(&self, _: usize) -> Arc<dyn Provider> {
        self.0.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn each_is_a_batch_of_its_own_where_nothing_else_is_said() {
    let maker = OneByOne(fake(FakeProvider::default()).1);
    let requests = requests(&["a", "b", "c"]);
    assert_eq!(Maker::batches(&maker, &requests), [0..1, 1..2, 2..3]);
    let made = make(&maker, &requests, FleetOptions::default()).await;
    assert_eq!(made.len(), 3);
}
