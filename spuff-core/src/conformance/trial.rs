//! One running check: its provider, its unique names, and a list of the resources it made.
//!
//! Every operation runs through `call`, so that one that hangs ends only its own check. Every
//! resource is noted as soon as it is made, so that it is destroyed however the check ends.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Instant, sleep, timeout};

use super::rule::{self, Tried};
use super::subject::Subject;
use crate::provider::{
    InstanceRequest, Provider, ProviderError, ProviderInstance, ProviderResult, ProviderTimeouts,
    Snapshot,
};
use crate::random;

/// Marks the instances of a run whose request may have no unique name.
const RUN_LABEL: &str = "spuff-conformance";

/// State shared by the checks of a run.
#[derive(Default)]
pub(super) struct Run {
    /// The prefix of every name of this run.
    id: String,
    names: AtomicUsize,
    machines: Ids,
    snapshots: Ids,
    /// Instances and snapshots that existed before the run. They must never be destroyed, whatever
    /// an operation returns.
    strangers: Ids,
}

impl Run {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            id: format!("spuff-check-{:010x}", random::number() >> 24),
            ..Self::default()
        })
    }

    fn made(&self, instance: &ProviderInstance) -> bool {
        instance.name.starts_with(&self.id)
            || instance.labels.get(RUN_LABEL).is_some_and(|run| *run == self.id)
            || self.machines.has(&instance.id)
    }

    fn made_snapshot(&self, snapshot: &Snapshot) -> bool {
        snapshot.name.starts_with(&self.id) || self.snapshots.has(&snapshot.id)
    }
}

/// A list of ids.
#[derive(Default)]
pub(super) struct Ids(Mutex<Vec<String>>);

impl Ids {
    pub(super) fn all(&self) -> Vec<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, id: &str) {
        self.strike(id);
        self.lock().push(id.to_string());
    }

    fn strike(&self, id: &str) {
        self.lock().retain(|known| known != id);
    }

    fn has(&self, id: &str) -> bool {
        self.lock().iter().any(|known| known == id)
    }
}

/// The resources that a check has made and not yet destroyed.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) machines: Ids,
    pub(super) snapshots: Ids,
}

/// One running check.
#[derive(Clone)]
pub(super) struct Trial {
    pub(super) subject: Subject,
    pub(super) provider: Arc<dyn Provider>,
    run: Arc<Run>,
    pub(super) ledger: Arc<Ledger>,
}

impl Trial {
    pub(super) fn new(subject: &Subject, run: &Arc<Run>) -> Tried<Self> {
        let made = subject.make(subject.timeouts);
        let provider = made.map_err(|error| rule::IS_MADE.broken(error.to_string()))?;
        Ok(Self { subject: subject.clone(), provider, run: run.clone(), ledger: Arc::default() })
    }

    /// Notes what exists before the run. If the provider cannot list it, the checks will fail.
    pub(super) async fn note_strangers(&self) -> Tried {
        self.list().await?.iter().for_each(|instance| self.run.strangers.add(&instance.id));
        if self.provider.supports_snapshots() {
            self.snapshots()
                .await?
                .iter()
                .for_each(|snapshot| self.run.strangers.add(&snapshot.id));
        }
        Ok(())
    }

    /// Ends the check if the id belongs to a resource that existed before.
    fn is_new(&self, id: &str) -> Tried {
        rule::IDS.holds(!self.run.strangers.has(id), || {
            format!("the resource just made has the id {id}, which existed before")
        })
    }

    /// Returns the same trial, with a provider that has other timeouts.
    pub(super) fn with_timeouts(&self, timeouts: ProviderTimeouts) -> Tried<Self> {
        let provider =
            self.subject.make(timeouts).map_err(|error| rule::IS_MADE.broken(error.to_string()))?;
        Ok(Self { provider, ..self.clone() })
    }

    /// Returns the provider at an address where another server answers, if there is one.
    pub(super) fn stranger(&self) -> Tried<Option<Arc<dyn Provider>>> {
        let ProviderTimeouts { http_request, .. } = self.subject.timeouts;
        // If no state can be read, an operation may poll until its deadline; this much is enough.
        let timeouts = ProviderTimeouts {
            instance_ready: http_request,
            action_complete: http_request,
            ..self.subject.timeouts
        };
        let made = self.subject.make_stranger(timeouts).transpose();
        made.map_err(|error| rule::IS_MADE.broken(error.to_string()))
    }

    /// Returns a unique name that every cloud accepts.
    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.run.id, self.run.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns the subject's request with a new name.
    pub(super) fn request(&self) -> InstanceRequest {
        InstanceRequest { name: self.name(), ..self.subject.request.clone() }
    }

    /// Runs one operation; ends the check if it hangs.
    pub(super) async fn call<T>(
        &self,
        verb: &str,
        call: impl Future<Output = ProviderResult<T>>,
    ) -> Tried<ProviderResult<T>> {
        let patience = self.subject.patience();
        let hangs = |_| {
            rule::RETURNS
                .broken(format!("{verb} had not returned after {:.0} s", patience.as_secs_f64()))
        };
        timeout(patience, call).await.map_err(hangs)
    }

    pub(super) async fn must<T>(
        &self,
        verb: &str,
        call: impl Future<Output = ProviderResult<T>>,
    ) -> Tried<T> {
        self.call(verb, call).await?.map_err(|error| rule::WORKS.broken(told(verb, &error)))
    }

    /// Creates an instance; the provider may refuse.
    pub(super) async fn try_create(
        &self,
        request: &InstanceRequest,
    ) -> Tried<ProviderResult<ProviderInstance>> {
        let created = self.call("create_instance", self.provider.create_instance(request)).await?;
        let id = match &created {
            Ok(instance) => Some(&instance.id),
            Err(error) => error.context().and_then(|context| context.instance_id.as_ref()),
        };
        id.filter(|id| !id.is_empty()).map_or(Ok(()), |id| self.note(id))?;
        Ok(created)
    }

    /// Notes an instance that was made, so that it is destroyed.
    pub(super) fn note(&self, id: &str) -> Tried {
        self.is_new(id)?;
        self.ledger.machines.add(id);
        self.run.machines.add(id);
        Ok(())
    }

    pub(super) async fn create(&self, request: &InstanceRequest) -> Tried<ProviderInstance> {
        let created = self.try_create(request).await?;
        let instance =
            created.map_err(|error| rule::WORKS.broken(told("create_instance", &error)))?;
        rule::CREATE.holds(!instance.id.is_empty(), || "the id is empty".to_string())?;
        Ok(instance)
    }

    pub(super) async fn get(&self, id: &str) -> Tried<Option<ProviderInstance>> {
        self.must("get_instance", self.provider.get_instance(id)).await
    }

    pub(super) async fn list(&self) -> Tried<Vec<ProviderInstance>> {
        self.must("list_instances", self.provider.list_instances()).await
    }

    pub(super) async fn wait_ready(&self, id: &str) -> Tried<ProviderInstance> {
        self.must("wait_ready", self.provider.wait_ready(id)).await
    }

    pub(super) async fn destroy(&self, id: &str) -> Tried {
        self.must("destroy_instance", self.provider.destroy_instance(id)).await?;
        self.ledger.machines.strike(id);
        Ok(())
    }

    /// Creates a snapshot; the provider may refuse.
    pub(super) async fn try_create_snapshot(
        &self,
        instance_id: &str,
        name: &str,
    ) -> Tried<ProviderResult<Snapshot>> {
        let created =
            self.call("create_snapshot", self.provider.create_snapshot(instance_id, name)).await?;
        if let Some(id) =
            created.as_ref().ok().map(|snapshot| &snapshot.id).filter(|id| !id.is_empty())
        {
            self.is_new(id)?;
            self.ledger.snapshots.add(id);
            self.run.snapshots.add(id);
        }
        Ok(created)
    }

    /// Creates a snapshot; returns it with the requested name.
    pub(super) async fn create_snapshot(&self, instance_id: &str) -> Tried<(Snapshot, String)> {
        let name = self.name();
        let created = self.try_create_snapshot(instance_id, &name).await?;
        let snapshot =
            created.map_err(|error| rule::WORKS.broken(told("create_snapshot", &error)))?;
        rule::SNAPSHOT.holds(!snapshot.id.is_empty(), || "the id is empty".to_string())?;
        Ok((snapshot, name))
    }

    pub(super) async fn snapshots(&self) -> Tried<Vec<Snapshot>> {
        self.must("list_snapshots", self.provider.list_snapshots()).await
    }

    pub(super) async fn delete_snapshot(&self, id: &str) -> Tried {
        self.must("delete_snapshot", self.provider.delete_snapshot(id)).await?;
        self.ledger.snapshots.strike(id);
        Ok(())
    }

    /// Sleeps for the poll interval.
    pub(super) async fn pause(&self) {
        sleep(self.subject.timeouts.poll_interval.max(ProviderTimeouts::MIN_POLL_INTERVAL)).await;
    }

    /// Polls until the observation is `settled` or the read lag has passed; returns the last
    /// observation.
    pub(super) async fn settle<T, F>(
        &self,
        mut look: impl FnMut() -> F,
        settled: impl Fn(&T) -> bool,
    ) -> Tried<T>
    where
        F: Future<Output = Tried<T>>,
    {
        let began = Instant::now();
        loop {
            let seen = look().await?;
            if settled(&seen) || began.elapsed() >= self.subject.settling {
                return Ok(seen);
            }
            self.pause().await;
        }
    }

    /// Returns the instance once `get_instance` shows it; ends the check if it does not in time.
    pub(super) async fn found(&self, id: &str) -> Tried<ProviderInstance> {
        let found = self.settle(|| self.get(id), Option::is_some).await?;
        found.ok_or_else(|| {
            rule::GET.broken(format!("it says that {id} does not exist, but it was just made"))
        })
    }

    /// Returns the instance as `list_instances` shows it, once that is `settled` or the read lag
    /// has passed.
    pub(super) async fn listed(
        &self,
        id: &str,
        settled: impl Fn(&ProviderInstance) -> bool,
    ) -> Tried<ProviderInstance> {
        let is_it = |instance: &&ProviderInstance| instance.id == id;
        let list = self
            .settle(|| self.list(), |list: &Vec<_>| list.iter().any(|it| is_it(&it) && settled(it)))
            .await?;
        let times = list.iter().filter(is_it).count();
        rule::LIST.holds(times == 1, || {
            format!("{id} is listed {times} times among {} instances", list.len())
        })?;
        list.into_iter()
            .find(|instance| instance.id == id)
            .ok_or_else(|| rule::LIST.broken(format!("{id} is not listed")))
    }

    /// Adds the label of the run, for a request that may have no unique name.
    pub(super) fn marked(&self, request: InstanceRequest) -> InstanceRequest {
        let known = self.subject.capabilities.labels;
        if known { request.with_label(RUN_LABEL, &self.run.id) } else { request }
    }

    /// Sends a create that must be refused; returns its error.
    pub(super) async fn refused(
        &self,
        request: InstanceRequest,
        why: &str,
    ) -> Tried<ProviderError> {
        let error = match self.try_create(&self.marked(request)).await? {
            Ok(instance) => {
                return Err(
                    rule::REFUSED.broken(format!("{why}: instance {} was made", instance.id))
                );
            }
            Err(error) => error,
        };
        let surplus = self
            .list()
            .await?
            .into_iter()
            .find(|it| self.run.made(it) && !self.run.machines.has(&it.id));
        match surplus {
            Some(it) => Err(rule::MADE_NOTHING
                .broken(format!("{why}: it failed ({error}), but instance {} was made", it.id))),
            None => Ok(error),
        }
    }

    /// Returns the ids of the run's instances and snapshots that are still listed.
    pub(super) async fn remains(&self) -> Tried<[Vec<String>; 2]> {
        let machines =
            self.list().await?.into_iter().filter(|it| self.run.made(it)).map(|it| it.id).collect();
        if !self.provider.supports_snapshots() {
            return Ok([machines, Vec::new()]);
        }
        let snapshots = self
            .snapshots()
            .await?
            .into_iter()
            .filter(|it| self.run.made_snapshot(it))
            .map(|it| it.id);
        Ok([machines, snapshots.collect()])
    }
}

/// Formats an operation's error, with advice.
pub(super) fn told(verb: &str, error: &ProviderError) -> String {
    format!("{verb} failed: {error} ({}: {})", error.kind().name(), error.advice())
}
