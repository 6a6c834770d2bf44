//! Tracks jobs in progress: their group, their subject, and whether a caller waits for them.
//!
//! A create is tracked from its start. It is in the background once its caller has left.

use std::any::Any;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::future::Future;

use std::pin::pin;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::task_local;

use crate::changes::{Changes, Seen};
use crate::per_process::PerProcess;
use crate::provider::operation::Operation;

task_local! {
    static HERE: Here;
}

/// A group of calls, whose background tasks can be waited for separately from those of other calls.
///
/// # Examples
/// ```
/// use spuff_core::Group;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let group = Group::new();
/// group.run(async { /* verbs of a provider, which may be dropped half-way */ }).await;
/// group.settled().await;
/// # }
/// ```
#[derive(Clone)]
pub struct Group {
    ids: Vec<Arc<()>>,
    carried: Option<Arc<dyn Any + Send + Sync>>,
}

impl Group {
    /// Creates an empty group. Its clones are the same group.
    pub fn new() -> Self {
        Self { ids: vec![Arc::default()], carried: None }
    }

    /// Returns a group that contains the calls of all these groups.
    #[must_use]
    pub fn of_all<'a>(groups: impl IntoIterator<Item = &'a Self>) -> Self {
        Self {
            ids: groups.into_iter().flat_map(|group| group.ids.iter().cloned()).collect(),
            carried: None,
        }
    }

    /// Runs a future as part of the group.
    pub async fn run<F: Future>(&self, work: F) -> F::Output {
        HERE.scope(Here { group: Some(self.clone()), ..Here::current() }, work).await
    }

    /// As [`settled`], for the background tasks of this group.
    pub async fn settled(&self) {
        wait(Some(self)).await;
    }

    /// Returns the same group, for which [`carried`](Self::carried) returns this value.
    #[doc(hidden)]
    #[must_use]
    pub fn carrying(&self, carried: Arc<dyn Any + Send + Sync>) -> Self {
        Self { ids: self.ids.clone(), carried: Some(carried) }
    }

    /// Returns the value that the group of the current call carries, also on the thread of a
    /// [`SyncProvider`](crate::blocking::SyncProvider).
    #[doc(hidden)]
    pub fn carried() -> Option<Arc<dyn Any + Send + Sync>> {
        Here::current().group?.carried
    }

    fn is(&self, other: &Self) -> bool {
        self.ids.iter().any(|id| other.ids.iter().any(|other| Arc::ptr_eq(id, other)))
    }
}

impl Default for Group {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").finish_non_exhaustive()
    }
}

/// Describes a job in progress.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnderWay {
    /// The name of the operation.
    pub operation: String,
    /// The provider's name.
    pub provider: String,
    /// The id of the instance or snapshot, or its intended name; empty if neither is known.
    pub subject: String,
}

/// `destroy_instance of 1000037 at hetzner`.
impl fmt::Display for UnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, provider, subject } = self;
        f.write_str(if operation.is_empty() { "a create" } else { operation })?;
        if !subject.is_empty() {
            write!(f, " of {subject}")?;
        }
        if provider.is_empty() { Ok(()) } else { write!(f, " at {provider}") }
    }
}

/// The operation, the provider, and the id or name.
pub(crate) struct About(UnderWay);

impl About {
    pub(crate) fn new(operation: Operation, provider: &str, subject: &str) -> Self {
        let (operation, provider, subject) =
            (operation.to_string(), provider.to_string(), subject.to_string());
        Self(UnderWay { operation, provider, subject })
    }

    /// Sets the subject of the current job.
    pub(crate) fn here(self) {
        if let Some(job) = Here::current().job {
            job.is_about(self);
        }
    }
}

/// The group and job of the current call.
#[derive(Clone, Default)]
pub(crate) struct Here {
    group: Option<Group>,
    job: Option<Arc<Job>>,
}

impl Here {
    pub(crate) fn current() -> Self {
        HERE.try_with(Clone::clone).unwrap_or_default()
    }

    pub(crate) fn inside(&self, job: &Arc<Job>) -> Self {
        Self { group: self.group.clone(), job: Some(job.clone()) }
    }

    pub(crate) async fn scope<F: Future>(self, work: F) -> F::Output {
        HERE.scope(self, work).await
    }

    /// Runs blocking work, on another thread.
    #[cfg(feature = "blocking")]
    pub(crate) fn sync_scope<T>(self, work: impl FnOnce() -> T) -> T {
        HERE.sync_scope(self, work)
    }
}

/// Where a background task can be started later, also outside a runtime context.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) runtime: Handle,
    pub(crate) here: Here,
}

impl Site {
    pub(crate) fn current() -> Self {
        Self { runtime: Handle::current(), here: Here::current() }
    }
}

/// The state of a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Its caller waits for it.
    Attached,
    /// Its outcome is ready for its caller to take.
    Unclaimed,
    /// No caller waits for it.
    Detached,
}

/// A job in progress.
pub(crate) struct Job {
    number: u64,
    /// The number of the outermost job that contains this one, or its own.
    root: u64,
    group: Option<Group>,
    now: Mutex<Now>,
}

struct Now {
    state: State,
    answered: u64,
    about: UnderWay,
}

/// Keeps a job registered until it is dropped.
pub(crate) struct Begun(Arc<Job>);

/// The jobs of this process.
struct Jobs {
    live: Mutex<(u64, BTreeMap<u64, Arc<Job>>)>,
    changed: Changes,
    /// The roll calls, by number.
    calls: Changes,
}

fn jobs() -> &'static Jobs {
    static JOBS: PerProcess<Jobs> = PerProcess::new();
    JOBS.get_or_init(|| Jobs {
        live: Mutex::default(),
        changed: Changes::default(),
        calls: Changes::default(),
    })
}

impl Jobs {
    fn live(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Arc<Job>>)> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<Arc<Job>> {
        self.live().1.values().cloned().collect()
    }
}

impl Job {
    pub(crate) fn begin(here: &Here, state: State) -> Begun {
        let jobs = jobs();
        let mut live = jobs.live();
        live.0 += 1;
        let number = live.0;
        let root = here.job.as_ref().map_or(number, |job| job.root);
        let now = Now { state, answered: jobs.calls.count(), about: UnderWay::default() };
        let job = Arc::new(Self { number, root, group: here.group.clone(), now: Mutex::new(now) });
        live.1.insert(number, job.clone());
        Begun(job)
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is(&self, state: State) {
        self.now().state = state;
        jobs().changed.tell();
    }

    pub(crate) fn is_about(&self, About(about): About) {
        self.now().about = about;
    }

    /// Returns whether no caller waits for the job, or may wait: a caller that has not answered the
    /// roll call may have left.
    fn is_left(&self, call: u64) -> bool {
        let now = self.now();
        now.state == State::Detached || (now.state == State::Attached && now.answered < call)
    }
}

impl Begun {
    pub(crate) fn job(&self) -> &Arc<Job> {
        &self.0
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let jobs = jobs();
        jobs.live().1.remove(&self.0.number);
        jobs.changed.tell();
    }
}

/// The caller's part in roll calls: a waiting task answers; an aborted task is dropped once it is
/// woken.
pub(crate) struct RollCall {
    job: Arc<Job>,
    calls: Seen<'static>,
}

impl RollCall {
    pub(crate) fn of(job: Arc<Job>) -> Self {
        Self { job, calls: jobs().calls.seen() }
    }

    /// Waits for `work`, and answers roll calls meanwhile.
    pub(crate) async fn answered_during<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                outcome = &mut work => return outcome,
                call = self.calls.changed() => {
                    self.job.now().answered = call;
                    jobs().changed.tell();
                }
            }
        }
    }
}

/// A caller that waits for its job; dropping this value means that it has left.
pub(crate) struct Attached {
    calls: RollCall,
    process: u32,
}

impl Attached {
    pub(crate) fn to(begun: &Begun) -> Self {
        Self { calls: RollCall::of(begun.job().clone()), process: process::id() }
    }

    pub(crate) async fn wait<F: Future>(mut self, work: F) -> F::Output {
        self.calls.answered_during(work).await
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // A child of `fork` has no worker.
        if self.process == process::id() {
            self.calls.job.is(State::Detached);
        }
    }
}

/// Waits for the current background tasks: abandoned creates, destroys of instances whose create or
/// work was dropped, and the tasks these start. Tasks that start in the background after the call
/// are not waited for. If a program ends its runtime earlier, instances may remain; their labels
/// name their owner.
///
/// The cloud has then accepted each destroy; lists may still show the instance as being deleted for
/// a while.
///
/// A create whose future is held but not polled counts until it ends, because it may have been
/// forgotten. A create whose caller waits does not count.
///
/// # Examples
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // … after creates that may have been dropped, by a timeout or Ctrl-C:
/// spuff_core::settled().await;
/// # }
/// ```
pub async fn settled() {
    wait(None).await;
}

/// Returns the jobs in progress, so that a program can show what [`settled`] waits for. Includes
/// creates whose callers still wait.
pub fn under_way() -> Vec<UnderWay> {
    let told = |job: &Arc<Job>| {
        let now = job.now();
        (now.state != State::Unclaimed).then(|| now.about.clone())
    };
    jobs().all().iter().filter_map(told).collect()
}

async fn wait(group: Option<&Group>) {
    let jobs = jobs();
    let mut changed = jobs.changed.seen();
    let is_meant = |job: &Arc<Job>| {
        group.is_none_or(|group| job.group.as_ref().is_some_and(|of| of.is(group)))
    };
    let mut roots: HashSet<u64> =
        jobs.all().iter().filter(|job| is_meant(job)).map(|job| job.root).collect();
    let call = jobs.calls.tell();
    loop {
        let left = jobs.all().into_iter().filter(|job| job.is_left(call)).map(|job| job.root);
        let left: HashSet<u64> = left.filter(|root| roots.contains(root)).collect();
        roots = left;
        if roots.is_empty() {
            return;
        }
        changed.changed().await;
    }
}

#[cfg(test)]
mod tests;
