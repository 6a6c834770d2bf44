//! The contract without `async`: the same providers and futures, run on spuff's own runtime.
//!
//! Stands on the contract; there is no second implementation. A verb may be called from any thread, also inside an async
//! runtime, whose thread it then blocks.
//!
//! # How it runs
//! There is one single-threaded runtime for the process. A thread that calls a verb drives it itself, so that a reply wakes
//! no other thread on its way to the caller; where several call at once, one drives for all. While nobody calls, a keeper
//! thread drives, so that work in the background goes on.
//!
//! A child of `fork` has a runtime of its own. A provider that a [`ProviderRegistry`] has made is made anew there, as its
//! connections are its parent's; what its parent does in the background stays with the parent.
//!
//! # Examples
//! ```no_run
//! use spuff_core::blocking::ProviderRegistry;
//! use spuff_core::provider::{InstanceRequest, ProviderError};
//!
//! fn main() -> Result<(), ProviderError> {
//!     let provider = ProviderRegistry::with_defaults().from_env("digitalocean")?;
//!     let machine = provider.create_instance(&InstanceRequest::new("web-1", "nyc3", "s-1vcpu-1gb"))?;
//!     println!("{}", provider.wait_ready(&machine.id)?.ip);
//!     provider.destroy_instance(&machine.id)
//! }
//! ```

mod cancel;
mod implement;

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub use cancel::CancelToken;
pub use implement::{SyncProvider, from_sync};

use crate::lease::{self, Reap, Reaped};
use crate::process::PerProcess;
use crate::progress::{Observed, Progress, Step};
use crate::provider::{self, InstanceRequest, ProviderConfig, ProviderError, ProviderInstance, ProviderResult, ProviderTimeouts};
use crate::provider::{ErrorParts, ProviderType, Snapshot};
use crate::scope::{self, OnFailure};

/// How long nobody must have called before the keeper takes over: longer than the gap between two calls of a loop.
const GRACE: Duration = Duration::from_millis(2);

/// A provider whose verbs block. Cloning it is cheap and shares its connections.
///
/// The verbs, their errors and their deadlines are those of [`provider::Provider`].
#[derive(Clone)]
pub struct Provider(Arc<Origin>);

type Made = Result<Arc<dyn provider::Provider>, Box<ErrorParts>>;

/// Where a provider comes from.
struct Origin {
    here: PerProcess<Made>,
    /// Makes the one of a child of `fork`.
    again: Box<dyn Fn() -> Made + Send + Sync>,
    name: String,
}

#[allow(missing_docs, reason = "each is described at the verb of provider::Provider with its name")]
impl Provider {
    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        self.run(|provider| async move { provider.create_instance(request).await })
    }

    pub fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        self.run(|provider| async move { provider.destroy_instance(id).await })
    }

    pub fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        self.run(|provider| async move { provider.get_instance(id).await })
    }

    pub fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        self.run(|provider| async move { provider.list_instances().await })
    }

    pub fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        self.run(|provider| async move { provider.wait_ready(id).await })
    }

    pub fn create_snapshot(&self, instance_id: &str, name: &str) -> ProviderResult<Snapshot> {
        self.run(|provider| async move { provider.create_snapshot(instance_id, name).await })
    }

    pub fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        self.run(|provider| async move { provider.list_snapshots().await })
    }

    pub fn delete_snapshot(&self, id: &str) -> ProviderResult<()> {
        self.run(|provider| async move { provider.delete_snapshot(id).await })
    }

    pub fn list_labelled_snapshots(&self) -> ProviderResult<Vec<(Snapshot, HashMap<String, String>)>> {
        self.run(|provider| async move { provider.list_labelled_snapshots().await })
    }

    pub fn resolve(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        self.run(|provider| async move { provider.resolve(key).await })
    }

    pub fn resolve_snapshot(&self, key: &str) -> ProviderResult<Option<Snapshot>> {
        self.run(|provider| async move { provider.resolve_snapshot(key).await })
    }

    pub fn set_labels(&self, id: &str, labels: &HashMap<String, String>) -> ProviderResult<()> {
        self.run(|provider| async move { provider.set_labels(id, labels).await })
    }

    pub fn get_ssh_keys(&self) -> ProviderResult<Vec<String>> {
        self.run(|provider| async move { provider.get_ssh_keys().await })
    }

    pub fn supports_snapshots(&self) -> bool {
        self.shared().is_ok_and(|provider| provider.supports_snapshots())
    }
}

/// Whole jobs, and leases.
impl Provider {
    /// As [`create_and_wait`](crate::create_and_wait).
    ///
    /// # Errors
    /// As there.
    pub fn create_and_wait(&self, request: &InstanceRequest, on_failure: OnFailure) -> ProviderResult<ProviderInstance> {
        self.run(|provider| async move { scope::create_and_wait(&provider, request, on_failure).await })
    }

    /// As [`with_instance`](crate::with_instance): `work` may call this provider.
    ///
    /// # Errors
    /// As there.
    pub fn with_instance<T, E: From<ProviderError>>(
        &self,
        request: &InstanceRequest,
        work: impl FnOnce(&ProviderInstance) -> Result<T, E>,
    ) -> Result<T, E> {
        let ready = self.create_and_wait(request, OnFailure::Destroy)?;
        let done = catch_unwind(AssertUnwindSafe(|| work(&ready)));
        scope::finish(done, self.destroy_instance(&ready.id), &ready.id)
    }

    /// Runs a future over this provider on spuff's own runtime: for what is not a verb, such as a verb with a patience of
    /// its own. What `work` drops in the middle goes on in the background; [`settled`] waits for that.
    ///
    /// # Errors
    /// Those of `work`; and when spuff's own runtime cannot be started.
    ///
    /// # Examples
    /// ```no_run
    /// # use spuff_core::provider::{InstanceRequest, ProviderError};
    /// # fn example(provider: &spuff_core::blocking::Provider, request: InstanceRequest) -> Result<(), ProviderError> {
    /// use std::time::Duration;
    /// use tokio::time::timeout;
    ///
    /// let machine = provider.run(|provider| async move {
    ///     let create = provider.create_instance(&request);
    ///     let late = |_| Err(ProviderError::timeout("create_instance", Duration::from_secs(20)));
    ///     timeout(Duration::from_secs(20), create).await.unwrap_or_else(late)
    /// });
    /// spuff_core::blocking::settled()?;
    /// # machine.map(drop)
    /// # }
    /// ```
    pub fn run<T, W>(&self, work: impl FnOnce(Arc<dyn provider::Provider>) -> W) -> ProviderResult<T>
    where
        W: Future<Output = ProviderResult<T>>,
    {
        block_on(work(self.shared()?))
    }

    /// As [`run`](Self::run), and gives what the work sees on its way to `on_progress`, on this thread: as
    /// [`observe`](crate::observe). `on_progress` may call this provider.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn observe<T, W>(
        &self,
        work: impl FnOnce(Arc<dyn provider::Provider>) -> W,
        mut on_progress: impl FnMut(Progress),
    ) -> ProviderResult<T>
    where
        W: Future<Output = ProviderResult<T>>,
    {
        let mut observed = Observed::new(work(self.shared()?));
        loop {
            match block_on(async { Ok(observed.next().await) })? {
                Step::Progress(seen) => on_progress(seen),
                Step::Done(outcome) => return outcome,
            }
        }
    }

    /// The provider as the async contract has it, for futures that are given to [`spawn`] or [`block_on`].
    ///
    /// # Errors
    /// When it cannot be made anew in a child of `fork`.
    pub fn shared(&self) -> ProviderResult<Arc<dyn provider::Provider>> {
        self.0.here.get_or_init(&self.0.again).clone().map_err(|parts| ProviderError::from(*parts))
    }

    /// As [`lease::list_owned`].
    ///
    /// # Errors
    /// As there.
    pub fn list_owned(&self, owner: &str) -> ProviderResult<Vec<ProviderInstance>> {
        self.run(|provider| async move { lease::list_owned(&*provider, owner).await })
    }

    /// As [`lease::renew`].
    ///
    /// # Errors
    /// As there.
    pub fn renew(&self, id: &str, ttl: Duration) -> ProviderResult<DateTime<Utc>> {
        self.run(|provider| async move { lease::renew(&*provider, id, ttl).await })
    }

    /// As [`lease::reap`].
    ///
    /// # Errors
    /// As there.
    pub fn reap(&self, which: &Reap) -> ProviderResult<Vec<Reaped>> {
        self.run(|provider| async move { lease::reap(&provider, which).await })
    }
}

/// As [`settled`](crate::settled), for what blocking calls have begun.
///
/// # Errors
/// When spuff's own runtime cannot be started.
pub fn settled() -> ProviderResult<()> {
    block_on(async {
        crate::settled().await;
        Ok(())
    })
}

/// A provider to be used from here on by blocking calls only: its connections belong to the runtime that opened them.
///
/// A child of `fork` uses the same one.
impl From<Box<dyn provider::Provider>> for Provider {
    fn from(provider: Box<dyn provider::Provider>) -> Self {
        let provider: Arc<dyn provider::Provider> = provider.into();
        let same = provider.clone();
        Self::new(provider, move || Ok(same.clone()))
    }
}

impl Provider {
    fn new(provider: Arc<dyn provider::Provider>, again: impl Fn() -> Made + Send + Sync + 'static) -> Self {
        let name = provider.name().to_string();
        Self(Arc::new(Origin { here: PerProcess::with(Ok(provider)), again: Box::new(again), name }))
    }

    /// A provider that is made now, and anew in a child of `fork`.
    fn made(make: impl Fn() -> ProviderResult<Box<dyn provider::Provider>> + Send + Sync + 'static) -> ProviderResult<Self> {
        let provider = make()?;
        Ok(Self::new(provider.into(), move || make().map(Arc::from).map_err(|error| Box::new(ErrorParts::from(&error)))))
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Provider").field(&self.name()).finish()
    }
}

/// A registry that makes blocking providers. All else is that of [`provider::ProviderRegistry`], which it derefs to.
#[derive(Debug, Clone, Default)]
pub struct ProviderRegistry(provider::ProviderRegistry);

#[allow(missing_docs, reason = "each is described at the function of provider::ProviderRegistry with its name")]
impl ProviderRegistry {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_defaults() -> Self {
        Self(provider::ProviderRegistry::with_defaults())
    }

    pub fn create(&self, provider_type: ProviderType, token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Provider> {
        let (registry, token) = (self.0.clone(), SecretString::from(token));
        Provider::made(move || registry.create(provider_type, token.expose_secret(), timeouts))
    }

    pub fn create_by_name(&self, name: &str, token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Provider> {
        let (registry, name, token) = (self.0.clone(), name.to_string(), SecretString::from(token));
        Provider::made(move || registry.create_by_name(&name, token.expose_secret(), timeouts))
    }

    pub fn connect(&self, name: &str, config: ProviderConfig) -> ProviderResult<Provider> {
        let (registry, name) = (self.0.clone(), name.to_string());
        Provider::made(move || registry.connect(&name, config.clone()))
    }

    pub fn from_env(&self, name: &str) -> ProviderResult<Provider> {
        self.connect(name, self.0.config_from_env(name, ProviderConfig::default())?)
    }
}

impl Deref for ProviderRegistry {
    type Target = provider::ProviderRegistry;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for ProviderRegistry {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl From<provider::ProviderRegistry> for ProviderRegistry {
    fn from(registry: provider::ProviderRegistry) -> Self {
        Self(registry)
    }
}

/// The one runtime, and who drives it.
struct Engine {
    runtime: Runtime,
    state: Mutex<State>,
    changed: Condvar,
    /// Tells the keeper to let go of the runtime.
    let_go: Notify,
}

#[derive(Default)]
struct State {
    /// Threads that drive the runtime, or stand ready to.
    drivers: usize,
    /// Threads of other runtimes, which may wait but not drive.
    guests: usize,
    /// How many calls there have been.
    calls: u64,
    keeper: Keeper,
}

/// What a calling thread does for the runtime.
#[derive(Clone, Copy)]
enum Role {
    Driver,
    Guest,
}

#[derive(Default, PartialEq, Eq, Clone, Copy)]
enum Keeper {
    /// Somebody else drives.
    #[default]
    Asleep,
    /// Nobody drives; it looks whether that lasts.
    Watching,
    Driving,
}

impl Engine {
    fn get() -> ProviderResult<&'static Self> {
        static ENGINE: PerProcess<Result<Engine, String>> = PerProcess::new();
        static KEEPER: PerProcess<Result<(), String>> = PerProcess::new();
        let failed = |error: &String| ProviderError::Other { message: format!("cannot start the blocking runtime: {error}") };
        let engine = ENGINE.get_or_init(|| Self::new().map_err(|error| error.to_string())).as_ref().map_err(failed)?;
        let keeper = || thread::Builder::new().name("spuff".to_string()).spawn(|| engine.keep());
        KEEPER.get_or_init(|| keeper().map(drop).map_err(|error| error.to_string())).as_ref().map_err(failed)?;
        Ok(engine)
    }

    fn new() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, state: Mutex::default(), changed: Condvar::new(), let_go: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the keeper thread does for ever.
    fn keep(&self) {
        loop {
            let mut state = self.lock();
            while state.drivers > 0 || state.guests == 0 {
                if state.drivers > 0 {
                    state.keeper = Keeper::Asleep;
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                state.keeper = Keeper::Watching;
                let calls = state.calls;
                state = self.changed.wait_timeout(state, GRACE).unwrap_or_else(PoisonError::into_inner).0;
                if state.drivers == 0 && state.calls == calls {
                    break;
                }
            }
            state.keeper = Keeper::Driving;
            drop(state);
            let _drives = Drives::begin();
            self.runtime.block_on(self.let_go.notified());
        }
    }

    /// Puts this thread on the books until the visit is dropped.
    fn visit(&'static self, role: Role) -> Visit {
        let mut state = self.lock();
        *state.count(role) += 1;
        state.calls += 1;
        match (role, state.keeper) {
            (Role::Driver, Keeper::Driving) => self.let_go.notify_one(),
            (Role::Guest, Keeper::Asleep | Keeper::Watching) => self.changed.notify_one(),
            _ => {}
        }
        Visit { engine: self, role }
    }
}

impl State {
    fn count(&mut self, role: Role) -> &mut usize {
        match role {
            Role::Driver => &mut self.drivers,
            Role::Guest => &mut self.guests,
        }
    }
}

/// Takes a thread off the books, also when its future panics.
struct Visit {
    engine: &'static Engine,
    role: Role,
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut state = self.engine.lock();
        *state.count(self.role) -= 1;
        // A keeper that watches looks again by itself, unless a guest needs it now.
        if state.drivers == 0 && (state.keeper == Keeper::Asleep || state.guests > 0) {
            self.engine.changed.notify_one();
        }
    }
}

thread_local! {
    /// Whether this thread is driving the runtime.
    static DRIVES: Cell<bool> = const { Cell::new(false) };
}

/// Notes that this thread drives, until it is dropped.
struct Drives;

impl Drives {
    fn begin() -> Self {
        DRIVES.set(true);
        Self
    }
}

impl Drop for Drives {
    fn drop(&mut self) {
        DRIVES.set(false);
    }
}

/// Runs a future on spuff's own runtime, and blocks until it is done.
///
/// # Errors
/// Those of the future; when the runtime cannot be started; and [`ProviderError::NotSupported`] inside a future that this
/// runtime is running: it would wait for itself.
pub fn block_on<T>(future: impl Future<Output = ProviderResult<T>>) -> ProviderResult<T> {
    let engine = Engine::get()?;
    if DRIVES.get() {
        let feature = "a blocking call in the middle of another one on the same thread".to_string();
        return Err(ProviderError::NotSupported { feature });
    }
    if Handle::try_current().is_err() {
        let _visit = engine.visit(Role::Driver);
        let _drives = Drives::begin();
        return engine.runtime.block_on(future);
    }
    // A thread of another runtime must not drive ours: it waits, and the keeper or another caller drives. The future is
    // outside the other runtime's scheduling, whose budget would never be renewed here.
    let _visit = engine.visit(Role::Guest);
    let _context = engine.runtime.enter();
    pollster::block_on(tokio::task::unconstrained(future))
}

/// A future whose panic is its error, [`ProviderError::Internal`]: for callers in languages that no panic may reach.
///
/// # Errors
/// Those of the future.
pub async fn caught<T>(work: impl Future<Output = ProviderResult<T>>) -> ProviderResult<T> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll,
        Err(panic) => Poll::Ready(Err(ProviderError::from_panic(&*panic))),
    })
    .await
}

/// Lets a future run on spuff's own runtime, and returns at once. Callers that block drive it, or the keeper.
///
/// # Errors
/// When the runtime cannot be started.
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> ProviderResult<JoinHandle<T>> {
    Ok(Engine::get()?.runtime.spawn(future))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    async fn nap() -> ProviderResult<u32> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(7)
    }

    #[test]
    fn many_threads_share_one_runtime() {
        thread::scope(|scope| {
            let calls: Vec<_> = (0..32).map(|_| scope.spawn(|| (0..20).map(|_| block_on(nap()).unwrap()).sum::<u32>())).collect();
            for call in calls {
                assert_eq!(call.join().unwrap(), 140);
            }
        });
    }

    #[tokio::test]
    async fn works_on_the_only_thread_of_another_runtime() {
        for _ in 0..20 {
            assert_eq!(block_on(nap()).unwrap(), 7);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_guest_is_not_starved_by_its_runtimes_budget() {
        let reads = async {
            let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
            (0..1000).for_each(|number| send.send(number).unwrap());
            for _ in 0..1000 {
                receive.recv().await;
            }
            nap().await
        };
        assert_eq!(block_on(reads).unwrap(), 7);
    }

    #[test]
    fn background_work_goes_on_while_nobody_calls() {
        let (send, receive) = mpsc::channel();
        let start = async {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(30)).await;
                send.send(()).unwrap();
            });
            Ok(())
        };
        block_on(start).unwrap();
        receive.recv_timeout(Duration::from_secs(20)).unwrap();
    }

    #[test]
    fn a_call_inside_a_call_of_the_same_thread_is_refused_but_not_between_its_steps() {
        let inside = block_on(async { Ok(block_on(nap())) }).unwrap();
        assert!(matches!(inside, Err(ProviderError::NotSupported { .. })), "{inside:?}");
        let spawned = spawn(async { block_on(nap()) }).unwrap();
        let spawned = block_on(async { spawned.await.map_err(|_| ProviderError::Internal { message: String::new() }) }).unwrap();
        assert!(matches!(spawned, Err(ProviderError::NotSupported { .. })), "{spawned:?}");
        let elsewhere = block_on(async { Ok(tokio::task::spawn_blocking(|| block_on(nap())).await.unwrap()) }).unwrap();
        assert_eq!(elsewhere.unwrap(), 7);
    }

    #[test]
    fn a_panic_takes_the_thread_off_the_books() {
        let panics = || block_on(async { if true { panic!("on purpose") } else { Ok(()) } });
        assert!(thread::spawn(panics).join().is_err());
        assert_eq!(block_on(nap()).unwrap(), 7);
    }
}
