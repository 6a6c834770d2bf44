//! The process's one runtime, and which thread drives it; [the facade](super) describes the rules.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::per_process::PerProcess;
use crate::progress::{Observed, Progress, Step};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::signals::{self, Quiet};

/// How long there must be no call before the fallback driver drives: longer than the gap between
/// two calls of a loop.
const GRACE: Duration = Duration::from_millis(2);

/// The one runtime, and the threads that drive it.
struct Engine {
    runtime: Runtime,
    state: Mutex<State>,
    changed: Condvar,
    /// Tells the fallback driver to release the runtime.
    let_go: Notify,
}

#[derive(Default)]
struct State {
    /// Threads that drive the runtime, or are ready to.
    drivers: usize,
    /// Threads of other runtimes, which may wait but not drive.
    foreign_threads: usize,
    /// The number of calls so far.
    calls: u64,
    fallback: FallbackDriver,
}

/// What a calling thread does for the runtime.
#[derive(Clone, Copy)]
enum Role {
    Driver,
    ForeignThread,
}

#[derive(Default, PartialEq, Eq, Clone, Copy)]
enum FallbackDriver {
    /// Another thread drives.
    #[default]
    Asleep,
    /// No thread drives; the fallback driver checks whether that lasts.
    Watching,
    Driving,
}

impl Engine {
    fn get() -> ProviderResult<&'static Self> {
        static ENGINE: PerProcess<Result<Engine, String>> = PerProcess::new();
        static KEEPER: PerProcess<Result<(), String>> = PerProcess::new();
        let failed = |error: &String| ProviderError::Other {
            message: format!("cannot start the blocking runtime: {error}"),
        };
        let engine = ENGINE
            .get_or_init(|| Self::new().map_err(|error| error.to_string()))
            .as_ref()
            .map_err(failed)?;
        let fallback =
            || signals::spawn(thread::Builder::new().name("spuff".to_string()), || engine.keep());
        KEEPER
            .get_or_init(|| fallback().map(drop).map_err(|error| error.to_string()))
            .as_ref()
            .map_err(failed)?;
        Ok(engine)
    }

    fn new() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .on_thread_start(signals::keep_away)
            .build()?;
        Ok(Self {
            runtime,
            state: Mutex::default(),
            changed: Condvar::new(),
            let_go: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fallback driver thread's endless loop.
    fn keep(&self) {
        loop {
            let mut state = self.lock();
            while state.drivers > 0 || state.foreign_threads == 0 {
                if state.drivers > 0 {
                    state.fallback = FallbackDriver::Asleep;
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                state.fallback = FallbackDriver::Watching;
                let calls = state.calls;
                state = self
                    .changed
                    .wait_timeout(state, GRACE)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                if state.drivers == 0 && state.calls == calls {
                    break;
                }
            }
            state.fallback = FallbackDriver::Driving;
            drop(state);
            let _drives = Drives::begin();
            self.runtime.block_on(self.let_go.notified());
        }
    }

    /// Counts this thread until the registration is dropped.
    fn register(&'static self, role: Role) -> Registration {
        let mut state = self.lock();
        *state.count(role) += 1;
        state.calls += 1;
        match (role, state.fallback) {
            (Role::Driver, FallbackDriver::Driving) => self.let_go.notify_one(),
            (Role::ForeignThread, FallbackDriver::Asleep | FallbackDriver::Watching) => {
                self.changed.notify_one()
            }
            _ => {}
        }
        Registration { engine: self, role }
    }
}

impl State {
    fn count(&mut self, role: Role) -> &mut usize {
        match role {
            Role::Driver => &mut self.drivers,
            Role::ForeignThread => &mut self.foreign_threads,
        }
    }
}

/// Stops counting a thread, also when its future panics.
struct Registration {
    engine: &'static Engine,
    role: Role,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut state = self.engine.lock();
        *state.count(self.role) -= 1;
        // A watching fallback driver checks again by itself, unless a foreign thread needs it now.
        if state.drivers == 0
            && (state.fallback == FallbackDriver::Asleep || state.foreign_threads > 0)
        {
            self.engine.changed.notify_one();
        }
    }
}

thread_local! {
    /// Whether this thread is driving the runtime.
    static DRIVES: Cell<bool> = const { Cell::new(false) };
}

pub(super) fn drives() -> bool {
    DRIVES.get()
}

/// Marks this thread as driving, until dropped.
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
/// Those of the future; if the runtime cannot be started; and [`ProviderError::NotSupported`]
/// inside a future that this runtime is running, because the call would wait for itself.
pub fn block_on<T>(future: impl Future<Output = ProviderResult<T>>) -> ProviderResult<T> {
    let engine = Engine::get()?;
    if DRIVES.get() {
        let feature = "a blocking call inside another one on the same thread".to_string();
        return Err(ProviderError::NotSupported { feature });
    }
    let _quiet = Quiet::begin();
    if Handle::try_current().is_err() {
        let _registration = engine.register(Role::Driver);
        let _drives = Drives::begin();
        return engine.runtime.block_on(future);
    }
    // A thread of another runtime must not drive ours: it waits while the fallback driver or
    // another caller drives. The future runs outside of the other runtime's cooperative budget,
    // which would never be renewed here.
    let _registration = engine.register(Role::ForeignThread);
    let _context = engine.runtime.enter();
    pollster::block_on(tokio::task::unconstrained(future))
}

/// Turns a panic of a future into [`ProviderError::Internal`], for callers in languages that no
/// panic may reach.
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

/// Runs a future on the calling thread, and passes its progress reports to `on_progress`, which may
/// block and call spuff.
///
/// # Errors
/// As [`block_on`].
///
/// # Examples
/// ```no_run
/// use spuff_core::blocking::{self, ProviderRegistry};
/// use spuff_core::placement::{Candidate, Placement, place_instance};
/// use spuff_core::provider::{InstanceRequest, ProviderError};
///
/// # fn main() -> Result<(), ProviderError> {
/// let hetzner = ProviderRegistry::with_defaults().from_env("hetzner")?.shared()?;
/// let places = ["fsn1", "nbg1"].map(|region| Candidate::new(&hetzner, region, "cx22"));
/// let placement = Placement::new(places.into());
/// let request = InstanceRequest::new("web-1", "", "");
/// let placing = place_instance(&placement, &request);
/// let placed = blocking::observe(placing, |seen| println!("{}", seen.state))?;
/// # drop(placed);
/// # Ok(())
/// # }
/// ```
pub fn observe<T>(
    work: impl Future<Output = ProviderResult<T>>,
    mut on_progress: impl FnMut(Progress),
) -> ProviderResult<T> {
    let mut observed = Observed::new(work);
    loop {
        match block_on(async { Ok(observed.next().await) })? {
            Step::Progress(seen) => on_progress(seen),
            Step::Done(outcome) => return outcome,
        }
    }
}

/// Spawns a future on spuff's own runtime, and returns at once. Blocking callers or the fallback
/// driver drive it.
///
/// # Errors
/// If the runtime cannot be started.
pub fn spawn<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> ProviderResult<JoinHandle<T>> {
    Ok(Engine::get()?.runtime.spawn(future))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress;
    use crate::provider::operation::Operation;
    use std::sync::mpsc;

    async fn nap() -> ProviderResult<u32> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(7)
    }

    #[test]
    fn many_threads_share_one_runtime() {
        thread::scope(|scope| {
            let calls: Vec<_> = (0..32)
                .map(|_| scope.spawn(|| (0..20).map(|_| block_on(nap()).unwrap()).sum::<u32>()))
                .collect();
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
    async fn a_foreign_thread_is_not_starved_by_its_runtimes_budget() {
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
        let spawned = block_on(async {
            spawned.await.map_err(|_| ProviderError::Internal { message: String::new() })
        })
        .unwrap();
        assert!(matches!(spawned, Err(ProviderError::NotSupported { .. })), "{spawned:?}");
        let elsewhere =
            block_on(async { Ok(tokio::task::spawn_blocking(|| block_on(nap())).await.unwrap()) })
                .unwrap();
        assert_eq!(elsewhere.unwrap(), 7);
    }

    /// Work that a part defers to its task's next turn is not lost between two steps.
    #[test]
    fn many_parts_that_see_something_at_once_are_all_observed_to_their_end() {
        let work = async {
            let (tell, told): (Vec<_>, Vec<_>) =
                (0..300).map(|_| tokio::sync::oneshot::channel::<()>()).unzip();
            tokio::spawn(async move { tell.into_iter().for_each(|tell| tell.send(()).unwrap()) });
            let parts = told.into_iter().map(|told| async {
                told.await.unwrap();
                progress::report(Operation::WaitReady, "7", "active", Duration::ZERO);
            });
            let all = futures_util::future::join_all(parts);
            let late = |_| ProviderError::timeout("all", Duration::from_secs(20));
            tokio::time::timeout(Duration::from_secs(20), all).await.map_err(late)
        };
        let mut seen = 0;
        observe(work, |_| seen += 1).unwrap();
        assert_eq!(seen, 300);
    }

    #[test]
    fn a_panic_takes_the_thread_off_the_books() {
        let panics = || block_on(async { if true { panic!("on purpose") } else { Ok(()) } });
        assert!(thread::spawn(panics).join().is_err());
        assert_eq!(block_on(nap()).unwrap(), 7);
    }
}
