//! Creates outlive their callers. An abandoned create continues in the background until its result
//! is known, and destroys it if unwanted.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{Instrument, Span};

use super::under_way::{About, Begun, Here, Job, RollCall, Site, State};
use super::warn_of;
use crate::progress;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;

/// Links a create to its caller: whether the caller has left, and which request was sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cancel(Arc<Tie>);

#[derive(Debug, Default)]
struct Tie {
    has_left: AtomicBool,
    sent: Mutex<Option<Sent>>,
}

/// A request that may have made something.
#[derive(Debug)]
struct Sent {
    operation: Operation,
    key: String,
    /// When the request was sent, or failed without a reply; `None` once its result is known.
    open_since: Option<Instant>,
}

impl Cancel {
    pub(crate) fn is_set(&self) -> bool {
        self.0.has_left.load(Ordering::Acquire)
    }

    /// # Errors
    /// [`Cancel::error`] if the caller has left.
    pub(crate) fn check(&self) -> ProviderResult<()> {
        if self.is_set() { Err(Self::error()) } else { Ok(()) }
    }

    /// Simulates a caller that leaves.
    #[cfg(test)]
    pub(super) fn leave(&self) {
        self.0.has_left.store(true, Ordering::Release);
    }

    /// The error of an abandoned create that made nothing.
    pub(crate) fn error() -> ProviderError {
        ProviderError::Other { message: "cancelled; nothing was made".to_string() }
    }

    /// Records that a request under this key is in transit, or has ended without a reply.
    pub(super) fn sent(&self, operation: Operation, key: &str) {
        *self.sent_last() =
            Some(Sent { operation, key: key.to_string(), open_since: Some(Instant::now()) });
    }

    /// Records that the request made something, and that it is known.
    pub(super) fn made(&self) {
        if let Some(sent) = &mut *self.sent_last() {
            sent.open_since = None;
        }
    }

    /// Records that the request certainly made nothing.
    pub(super) fn made_nothing(&self) {
        *self.sent_last() = None;
    }

    /// Returns since when the result of the last request is unknown, if it is.
    pub(super) fn open_since(&self) -> Option<Instant> {
        self.sent_last().as_ref()?.open_since
    }

    /// Converts an internal error during a create to an unknown outcome with the key, if a request
    /// was sent.
    fn told(&self, fault: ProviderError) -> ProviderError {
        match &*self.sent_last() {
            Some(sent) => {
                ProviderError::unknown_outcome(sent.operation, &sent.key, fault.to_string())
            }
            None => fault,
        }
    }

    fn sent_last(&self) -> MutexGuard<'_, Option<Sent>> {
        self.0.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `work` in the background, for the group and job of `site`. `about` names its operation,
/// provider, and id or name.
pub(crate) fn background(
    site: &Site,
    about: About,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let job = Job::begin(&site.here, State::Detached);
    job.job().is_about(about);
    spawn(site, job, work);
}

/// Runs a job in a background task.
pub(super) fn spawn(site: &Site, job: Begun, work: impl Future<Output = ()> + Send + 'static) {
    let here = site.here.inside(job.job());
    let task = async move {
        let _job = job;
        here.scope(work).await;
    };
    site.runtime.spawn(task.instrument(Span::current()));
}

/// Holds the outcome of a create until the caller takes it.
struct Place<T> {
    outcome: Option<ProviderResult<T>>,
    /// Whether an outcome exists, or existed.
    is_done: bool,
    has_left: bool,
}

impl<T> Place<T> {
    fn new() -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { outcome: None, is_done: false, has_left: false }))
    }

    fn of(place: &Mutex<Self>) -> MutexGuard<'_, Self> {
        place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The caller's future. When it ends, for any reason, the worker is notified; an outcome not taken
/// is the worker's to handle.
struct Caller<T> {
    cancel: Cancel,
    place: Arc<Mutex<Place<T>>>,
    job: Arc<Job>,
    process: u32,
    _here: oneshot::Sender<Infallible>,
}

impl<T> Drop for Caller<T> {
    fn drop(&mut self) {
        self.cancel.0.has_left.store(true, Ordering::Release);
        // A child of `fork` has no worker, and the lock may be held forever.
        if self.process != process::id() {
            return;
        }
        let mut place = Place::of(&self.place);
        place.has_left = true;
        if place.outcome.is_some() || !place.is_done {
            self.job.is(State::Detached);
        }
    }
}

/// Runs an operation and converts a panic to an error, so that its task continues.
///
/// # Errors
/// Those of `verb`; [`ProviderError::Internal`] if it panics.
pub(crate) async fn catch_panic<T>(
    verb: impl Future<Output = ProviderResult<T>>,
) -> ProviderResult<T> {
    AssertUnwindSafe(verb)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(ProviderError::from_panic(&*panic)))
}

/// Runs `work` to completion. If the caller leaves before it has the outcome, passes the result to
/// `on_abandoned`.
///
/// # Errors
/// Those of `work`.
pub(crate) async fn run_to_completion<T, W, U>(
    about: About,
    work: impl FnOnce(Cancel) -> W,
    on_abandoned: impl FnOnce(T) -> U + Send + 'static,
) -> ProviderResult<T>
where
    T: Send + 'static,
    W: Future<Output = ProviderResult<T>> + Send + 'static,
    U: Future<Output = ()> + Send,
{
    let cancel = Cancel::default();
    let place = Place::new();
    // A create's future is large; boxing it moves it only once.
    let work = Box::pin(work(cancel.clone()));
    let (done, is_done) = oneshot::channel::<()>();
    let (here, has_left) = oneshot::channel::<Infallible>();
    let site = Here::current();
    let begun = Job::begin(&site, State::Attached);
    begun.job().is_about(about);
    let job = begun.job().clone();
    let inside = site.inside(begun.job());
    let mut calls = RollCall::of(job.clone());
    let caller = Caller {
        cancel: cancel.clone(),
        place: place.clone(),
        job,
        process: process::id(),
        _here: here,
    };
    let listener = progress::listener();
    let worker = place.clone();
    let tie = cancel.clone();
    let task = async move {
        let mut result = catch_panic(progress::inherit(listener, work)).await;
        if let Err(fault @ ProviderError::Internal { .. }) = result {
            result = Err(tie.told(fault));
        }
        {
            let mut place = Place::of(&worker);
            (place.outcome, place.is_done) = (Some(result), true);
            if !place.has_left {
                begun.job().is(State::Unclaimed);
            }
        }
        let _ = done.send(());
        // Ends when the caller is gone, with or without the outcome.
        let _ = has_left.await;
        let left = Place::of(&worker).outcome.take();
        match left {
            Some(Ok(made)) => on_abandoned(made).await,
            Some(Err(error @ ProviderError::UnknownOutcome { .. })) => warn_of(&error),
            Some(Err(_)) | None => {}
        }
    };
    Handle::current().spawn(inside.scope(task).instrument(Span::current()));

    let _ = calls.answered_during(is_done).await;
    progress::flush().await;
    let result = Place::of(&place).outcome.take();
    drop(caller);
    let ended =
        || ProviderError::Other { message: "the runtime shut down during a create".to_string() };
    result.unwrap_or_else(|| Err(cancel.told(ended())))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    fn nothing() -> About {
        About::new(Operation::CreateInstance, "test", "7")
    }

    /// Runs one create of the number 7, which takes 1 s. Returns its result and the sum of the
    /// unwanted numbers.
    async fn run(patience: Duration) -> (Option<u32>, usize) {
        let on_abandoned = Arc::new(AtomicUsize::new(0));
        let count = on_abandoned.clone();
        let work = |_| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(7)
        };
        let waited = tokio::time::timeout(
            patience,
            run_to_completion(nothing(), work, move |made| async move {
                count.fetch_add(made, Ordering::Relaxed);
            }),
        )
        .await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        (
            waited.ok().map(|made| made.map_or(0, |made| made as u32)),
            on_abandoned.load(Ordering::Relaxed),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_is_unwanted() {
        assert_eq!(run(Duration::from_secs(2)).await, (Some(7), 0));
        assert_eq!(run(Duration::from_millis(10)).await, (None, 7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_told_as_such() {
        let work = |_| async { if true { panic!("over 7") } else { Ok(7) } };
        let error = run_to_completion(nothing(), work, |_: u32| async {}).await.unwrap_err();
        assert!(
            matches!(&error, ProviderError::Internal { .. })
                && error.to_string().contains("over 7"),
            "{error}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_after_something_was_sent_tells_the_key() {
        let work = |cancel: Cancel| async move {
            cancel.sent(Operation::CreateInstance, "order-7");
            if true { panic!("over 7") } else { Ok(7) }
        };
        let error = run_to_completion(nothing(), work, |_: u32| async {}).await.unwrap_err();
        assert!(
            matches!(&error, ProviderError::UnknownOutcome { key, .. } if key == "order-7"),
            "{error}"
        );
        assert!(error.to_string().contains("over 7"), "{error}");
    }

    #[test]
    fn a_create_whose_runtime_ends_tells_the_key_of_what_was_sent() {
        for sent in [true, false] {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let work = move |cancel: Cancel| async move {
                if sent {
                    cancel.sent(Operation::CreateInstance, "order-7");
                }
                std::future::pending().await
            };
            let mut create = Box::pin(run_to_completion(nothing(), work, |_: u32| async {}));
            runtime.block_on(async {
                std::future::poll_fn(|context| {
                    let _ = create.as_mut().poll(context);
                    std::task::Poll::Ready(())
                })
                .await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            });
            drop(runtime);
            let another = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let error = another.block_on(create).unwrap_err();
            let key =
                matches!(&error, ProviderError::UnknownOutcome { key, .. } if key == "order-7");
            assert_eq!(
                (key, error.to_string().contains("the runtime shut down")),
                (sent, true),
                "{error}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outcome_that_came_but_was_not_taken_is_unwanted() {
        let on_abandoned = Arc::new(AtomicBool::new(false));
        let flag = on_abandoned.clone();
        let mut create = Box::pin(run_to_completion(
            nothing(),
            |_| async { Ok(1) },
            move |_: u32| async move {
                flag.store(true, Ordering::Relaxed);
            },
        ));
        std::future::poll_fn(|context| {
            let _ = create.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(create);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(on_abandoned.load(Ordering::Relaxed));
    }
}
