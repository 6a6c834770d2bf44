//! A cloud in this process that keeps the contract, and breaks one sentence of it where a [`Fault`]
//! says so.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test program uses its part"
)]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use spuff_core::provider::{
    ImageSpec, InstanceRequest, InstanceStatus, Provider, ProviderError, ProviderInstance,
    ProviderResult, ProviderTimeouts, Snapshot, labels,
};
use tokio::time::{Instant, sleep, timeout};

pub const MAX_USER_DATA: usize = 16 * 1024;
pub const SSH_KEY: &str = "laptop";
/// How long a machine that was just made may be unseen before it is believed to be absent.
const SETTLING: Duration = Duration::from_secs(60);

/// Which sentence of the contract is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    NameChanges,
    GetOfAbsentFails,
    GetOfAbsentHangs,
    GetIsStale,
    GetRenames,
    WaitOfAbsentTimesOut,
    WaitIsEarly,
    ErrorsAreBlank,
    NamelessIsMade,
    NamelessIsMadeAndRefused,
    RefusalNamesNoField,
    RefusalIsWordless,
    UnknownSizeIsRetryable,
    UnknownSizeIsMade,
    UserDataHasNoLimit,
    UserDataLimitIsLower,
    CreateForgetsItsRegion,
    CreateForgetsItsMark,
    LabelsAreLowered,
    ListForgetsLabels,
    ListIsOnePage,
    ListRepeats,
    IdsRepeat,
    DestroyIsNotIdempotent,
    DestroyPanics,
    DestroyDoesNothing,
    DeadlineIsIgnored,
    DeadlineWaitsForAPause,
    TimeoutDestroys,
    DroppedReadsStayBusy,
    RegionIsNeededInOtherWords,
    SshKeysAreOfNoUse,
    IdempotencyKeyIsIgnored,
    FoundIsSaidToBeMade,
    MadeIsSaidToBeFound,
    FailedLookIsAbsence,
    FailedListIsEmpty,
    NewIsOld,
    AgeIsUnknown,
    AgeIsBeyondReason,
    AbsenceIsSaidInOthersWords,
    TimeoutsOverflow,
    SnapshotIsRenamed,
    SnapshotIsListedWithoutName,
    SnapshotOfNothingIsOther,
    SnapshotRestoreIsRefused,
    SnapshotDeleteDoesNothing,
    SnapshotDeleteIsNotIdempotent,
    SnapshotsAreOther,
}

/// The machines and snapshots, which all providers of this cloud share.
pub struct Cloud {
    boot: Duration,
    lag: Duration,
    state: Mutex<State>,
    pub machines_made: AtomicUsize,
    pub snapshots_made: AtomicUsize,
}

#[derive(Default)]
struct State {
    machines: BTreeMap<String, Machine>,
    snapshots: BTreeMap<String, Snapshot>,
    keys: HashMap<String, String>,
}

struct Machine {
    instance: ProviderInstance,
    made: Instant,
    ended: Option<Instant>,
}

impl Cloud {
    /// Machines are ready after `boot`; reads see writes after `lag`.
    pub fn new(boot: Duration, lag: Duration) -> Arc<Self> {
        let (machines_made, snapshots_made) = Default::default();
        Arc::new(Self { boot, lag, state: Mutex::default(), machines_made, snapshots_made })
    }

    /// How many machines and snapshots there are.
    pub fn left(&self) -> (usize, usize) {
        let state = self.lock();
        (
            state.machines.values().filter(|machine| machine.ended.is_none()).count(),
            state.snapshots.len(),
        )
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn make(&self, request: &InstanceRequest) -> ProviderInstance {
        let number = self.machines_made.fetch_add(1, SeqCst);
        let mut instance = ProviderInstance {
            id: format!("m-{number:04}"),
            created_at: chrono::Utc::now(),
            name: request.name.clone(),
            region: if request.region.is_empty() { "east" } else { &request.region }.to_string(),
            size: request.size.clone(),
            labels: request.labels.clone(),
            ..ProviderInstance::default()
        };
        instance
            .labels
            .insert(labels::MANAGED_BY.to_string(), labels::MANAGED_BY_VALUE.to_string());
        let machine = Machine { instance: instance.clone(), made: Instant::now(), ended: None };
        self.lock().machines.insert(instance.id.clone(), machine);
        instance
    }

    /// What a read shows, with `stale` also what has ended.
    fn see(&self, machine: &Machine, stale: bool) -> Option<ProviderInstance> {
        let made = machine.made.elapsed() >= self.lag;
        let ended = machine.ended.is_some_and(|ended| ended.elapsed() >= self.lag && !stale);
        let mut instance = machine.instance.clone();
        if machine.made.elapsed() >= self.boot {
            instance.status = InstanceStatus::Active;
            instance.ip = Ipv4Addr::new(192, 0, 2, 1).into();
        }
        (made && !ended).then_some(instance)
    }

    fn read(&self, id: &str, stale: bool) -> Option<ProviderInstance> {
        self.lock().machines.get(id).and_then(|machine| self.see(machine, stale))
    }
}

/// A provider of that cloud.
pub struct Memory {
    cloud: Arc<Cloud>,
    timeouts: ProviderTimeouts,
    fault: Option<Fault>,
    supports_snapshots: bool,
    /// Whether something else answers than the cloud.
    is_lost: bool,
    /// What this provider has made.
    recent: Mutex<HashSet<String>>,
    /// What is being read.
    busy: Mutex<HashSet<String>>,
    names_asked: AtomicUsize,
}

impl Memory {
    pub fn new(cloud: &Arc<Cloud>, timeouts: ProviderTimeouts, fault: Option<Fault>) -> Self {
        Self {
            cloud: cloud.clone(),
            timeouts,
            fault,
            supports_snapshots: true,
            is_lost: false,
            recent: Mutex::default(),
            busy: Mutex::default(),
            names_asked: AtomicUsize::default(),
        }
    }

    pub fn without_snapshots(self) -> Self {
        Self { supports_snapshots: false, ..self }
    }

    /// At an address where something else answers.
    pub fn lost(self) -> Self {
        Self { is_lost: true, ..self }
    }

    /// Ends a verb that got an answer which is not the cloud's.
    fn reached(&self) -> ProviderResult<()> {
        let is_lost = self.is_lost && !self.has(Fault::AbsenceIsSaidInOthersWords);
        if is_lost {
            Err(ProviderError::unavailable("a page that is not the API's"))
        } else {
            Ok(())
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn not_found(&self, resource_type: &str, id: &str) -> ProviderError {
        ProviderError::not_found(
            resource_type,
            if self.has(Fault::ErrorsAreBlank) { "" } else { id },
        )
    }

    fn invalid(&self, field: &str, message: &str) -> ProviderError {
        let field = if self.has(Fault::RefusalNamesNoField) { "request" } else { field };
        ProviderError::invalid_config(
            field,
            if self.has(Fault::RefusalIsWordless) { "" } else { message },
        )
    }

    /// A little work in the course of a read of `what`.
    async fn work(&self, what: &str) -> ProviderResult<()> {
        self.reached()?;
        let free = self.busy.lock().unwrap().insert(what.to_string());
        if self.has(Fault::DroppedReadsStayBusy) && !free {
            return Err(ProviderError::conflict("it is being read", false));
        }
        sleep(Duration::from_millis(2)).await;
        self.busy.lock().unwrap().remove(what);
        if self.timeouts.http_request < Duration::from_millis(2) {
            return Err(ProviderError::timeout(what, self.timeouts.http_request));
        }
        Ok(())
    }

    /// A machine as it is read, with the time that the cloud tells.
    fn told(&self, instance: ProviderInstance) -> ProviderInstance {
        let created_at = match self.fault {
            Some(Fault::NewIsOld) => instance.created_at - chrono::TimeDelta::days(3650),
            Some(Fault::AgeIsUnknown) => chrono::DateTime::UNIX_EPOCH,
            Some(Fault::AgeIsBeyondReason) if instance.id.ends_with(['0', '2', '4', '6', '8']) => {
                chrono::DateTime::<chrono::Utc>::MIN_UTC
            }
            Some(Fault::AgeIsBeyondReason) => chrono::DateTime::<chrono::Utc>::MAX_UTC,
            _ => instance.created_at,
        };
        ProviderInstance { created_at, ..instance }
    }

    fn check(&self, request: &InstanceRequest) -> ProviderResult<()> {
        if request.name.is_empty() && !self.has(Fault::NamelessIsMade) {
            if self.has(Fault::NamelessIsMadeAndRefused) {
                self.cloud.make(request);
            }
            return Err(self.invalid("name", "must not be empty"));
        }
        if request.size.is_empty() {
            return Err(self.invalid("size", "must not be empty"));
        }
        if request.size != "small" && !self.has(Fault::UnknownSizeIsMade) {
            return Err(match self.has(Fault::UnknownSizeIsRetryable) {
                true => ProviderError::unavailable("no such size"),
                false => self.invalid("size", "there is only small"),
            });
        }
        if request.region.is_empty() && self.has(Fault::RegionIsNeededInOtherWords) {
            return Err(ProviderError::Other { message: "where?".to_string() });
        }
        let limit =
            if self.has(Fault::UserDataLimitIsLower) { MAX_USER_DATA - 1 } else { MAX_USER_DATA };
        if request.user_data.as_ref().is_some_and(|text| text.len() > limit)
            && !self.has(Fault::UserDataHasNoLimit)
        {
            return Err(self.invalid("user_data", "too long"));
        }
        if request.ssh_keys.iter().any(|key| key != SSH_KEY || self.has(Fault::SshKeysAreOfNoUse)) {
            return Err(self.invalid("ssh_keys", "no such key"));
        }
        match &request.image {
            ImageSpec::Snapshot(id)
                if !self.cloud.lock().snapshots.contains_key(id)
                    || self.has(Fault::SnapshotRestoreIsRefused) =>
            {
                Err(self.not_found("snapshot", id))
            }
            _ => Ok(()),
        }
    }

    async fn until_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        let began = Instant::now();
        loop {
            self.work(id).await?;
            let recent = self.recent.lock().unwrap().contains(id) && began.elapsed() < SETTLING;
            match self.cloud.read(id, false) {
                Some(instance) if instance.is_ready() || self.has(Fault::WaitIsEarly) => {
                    return Ok(instance);
                }
                None if !recent && !self.has(Fault::WaitOfAbsentTimesOut) => {
                    return Err(self.not_found("instance", id));
                }
                _ => sleep(self.timeouts.poll_interval).await,
            }
        }
    }
}

#[async_trait]
impl Provider for Memory {
    fn name(&self) -> &str {
        let asked = self.names_asked.fetch_add(1, SeqCst);
        if self.has(Fault::NameChanges) && asked % 2 == 1 { "yromem" } else { "memory" }
    }

    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        self.check(request)?;
        let key =
            request.idempotency_key.as_ref().filter(|_| !self.has(Fault::IdempotencyKeyIsIgnored));
        let known = key.and_then(|key| self.cloud.lock().keys.get(key).cloned());
        if let Some(instance) = known.and_then(|id| self.cloud.read(&id, true)) {
            return Ok(ProviderInstance {
                adopted: !self.has(Fault::FoundIsSaidToBeMade),
                ..instance
            });
        }
        let first = self
            .cloud
            .lock()
            .machines
            .values()
            .find(|it| it.ended.is_none())
            .map(|it| it.instance.id.clone());
        let mut instance = match self.has(Fault::LabelsAreLowered) {
            true => {
                let lowered = request
                    .labels
                    .iter()
                    .map(|(key, value)| (key.clone(), value.to_lowercase()))
                    .collect();
                self.cloud.make(&request.clone().with_labels(lowered))
            }
            false => self.cloud.make(request),
        };
        if let Some(key) = key {
            self.cloud.lock().keys.insert(key.clone(), instance.id.clone());
        }
        self.recent.lock().unwrap().insert(instance.id.clone());
        match (self.fault, first) {
            (Some(Fault::MadeIsSaidToBeFound), _) => instance.adopted = key.is_some(),
            (Some(Fault::CreateForgetsItsRegion), _) => instance.region.clear(),
            (Some(Fault::CreateForgetsItsMark), _) => {
                drop(instance.labels.remove(labels::MANAGED_BY))
            }
            (Some(Fault::IdsRepeat), Some(first)) => instance.id = first,
            _ => {}
        }
        Ok(instance)
    }

    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        self.reached()?;
        self.recent.lock().unwrap().remove(id);
        let mut state = self.cloud.lock();
        match state.machines.get_mut(id).filter(|machine| machine.ended.is_none()) {
            Some(_) if self.has(Fault::DestroyDoesNothing) => Ok(()),
            Some(machine) => {
                machine.ended = Some(Instant::now());
                Ok(())
            }
            None if self.has(Fault::DestroyIsNotIdempotent) => Err(self.not_found("instance", id)),
            None => {
                drop(state);
                assert!(!self.has(Fault::DestroyPanics), "no machine {id}");
                Ok(())
            }
        }
    }

    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        match self.work(id).await {
            Err(ProviderError::Timeout { .. }) if self.has(Fault::FailedLookIsAbsence) => {
                return Ok(None);
            }
            worked => worked?,
        }
        let found =
            self.cloud.read(id, self.has(Fault::GetIsStale)).map(|instance| self.told(instance));
        match (found, self.fault) {
            (None, Some(Fault::GetOfAbsentFails)) => Err(self.not_found("instance", id)),
            (None, Some(Fault::GetOfAbsentHangs)) => pending().await,
            (Some(instance), Some(Fault::GetRenames)) => {
                Ok(Some(ProviderInstance { name: id.to_string(), ..instance }))
            }
            (found, _) => Ok(found),
        }
    }

    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        match self.work("list").await {
            Err(ProviderError::Timeout { .. }) if self.has(Fault::FailedListIsEmpty) => {
                return Ok(Vec::new());
            }
            worked => worked?,
        }
        let mut list: Vec<_> = self
            .cloud
            .lock()
            .machines
            .values()
            .filter_map(|it| self.cloud.see(it, false))
            .collect();
        list = list.into_iter().map(|instance| self.told(instance)).collect();
        match self.fault {
            Some(Fault::ListForgetsLabels) => {
                list.iter_mut().for_each(|instance| instance.labels.clear())
            }
            Some(Fault::ListIsOnePage) => list.truncate(5),
            Some(Fault::ListRepeats) => list.extend_from_within(..),
            _ => {}
        }
        Ok(list)
    }

    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        let began = Instant::now();
        if self.has(Fault::TimeoutsOverflow) {
            let _ = began + self.timeouts.instance_ready;
        }
        let limit = match self.fault {
            Some(Fault::DeadlineIsIgnored) => Duration::from_secs(3600),
            Some(Fault::DeadlineWaitsForAPause) => {
                self.timeouts.instance_ready.max(self.timeouts.poll_interval)
            }
            _ => self.timeouts.instance_ready,
        };
        // A wait that does not look at its deadline in between looks often, or sleeps long.
        let looking = match self.has(Fault::DeadlineIsIgnored) {
            true => {
                let timeouts =
                    ProviderTimeouts { poll_interval: Duration::from_millis(20), ..self.timeouts };
                let often = Self {
                    is_lost: self.is_lost,
                    recent: Mutex::new(self.recent.lock().unwrap().clone()),
                    ..Self::new(&self.cloud, timeouts, None)
                };
                timeout(limit, async move { often.until_ready(id).await }).await
            }
            false => timeout(limit, self.until_ready(id)).await,
        };
        looking.unwrap_or_else(|_| {
            if self.has(Fault::TimeoutDestroys)
                && let Some(machine) = self.cloud.lock().machines.get_mut(id)
            {
                machine.ended = Some(Instant::now());
            }
            Err(ProviderError::timeout(format!("wait_ready of {id}"), began.elapsed()))
        })
    }

    async fn create_snapshot(&self, instance_id: &str, name: &str) -> ProviderResult<Snapshot> {
        if !self.supports_snapshots {
            return Err(match self.has(Fault::SnapshotsAreOther) {
                true => ProviderError::Other { message: "no".to_string() },
                false => ProviderError::NotSupported { feature: "create_snapshot".to_string() },
            });
        }
        if self.cloud.read(instance_id, false).is_none() {
            return Err(match self.has(Fault::SnapshotOfNothingIsOther) {
                true => ProviderError::Other { message: "of what?".to_string() },
                false => self.not_found("instance", instance_id),
            });
        }
        let number = self.cloud.snapshots_made.fetch_add(1, SeqCst);
        let mut snapshot =
            Snapshot { id: format!("s-{number}"), name: name.to_string(), created_at: None };
        self.cloud.lock().snapshots.insert(snapshot.id.clone(), snapshot.clone());
        if self.has(Fault::SnapshotIsRenamed) {
            snapshot.name = snapshot.id.clone();
        }
        Ok(snapshot)
    }

    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        self.reached()?;
        let mut list: Vec<_> = self.cloud.lock().snapshots.values().cloned().collect();
        if self.has(Fault::SnapshotIsListedWithoutName) {
            list.iter_mut().for_each(|snapshot| snapshot.name.clear());
        }
        Ok(list)
    }

    async fn delete_snapshot(&self, id: &str) -> ProviderResult<()> {
        self.reached()?;
        if self.has(Fault::SnapshotDeleteDoesNothing) {
            return Ok(());
        }
        match self.cloud.lock().snapshots.remove(id) {
            None if self.has(Fault::SnapshotDeleteIsNotIdempotent) => {
                Err(self.not_found("snapshot", id))
            }
            _ => Ok(()),
        }
    }

    async fn get_ssh_keys(&self) -> ProviderResult<Vec<String>> {
        Ok(vec![SSH_KEY.to_string()])
    }

    fn supports_snapshots(&self) -> bool {
        self.supports_snapshots
    }
}
