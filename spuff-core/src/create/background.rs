//! Creates outlive their callers: one that is dropped half-way goes on in the background until what it made is known, and
//! gone if nobody wants it.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tracing::{Instrument, Span};

use super::warn_of;
use crate::process::PerProcess;
use crate::progress;
use crate::provider::error::{ProviderError, ProviderResult};

/// Whether a create's caller has left.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// The end of a create that made nothing, as nobody waits for it.
    pub(crate) fn error() -> ProviderError {
        ProviderError::Other { message: "cancelled; nothing was made".to_string() }
    }
}

/// How many creates are under way in this process.
static RUNNING: PerProcess<watch::Sender<usize>> = PerProcess::new();

fn running() -> &'static watch::Sender<usize> {
    RUNNING.get_or_init(|| watch::Sender::new(0))
}

struct Running(&'static watch::Sender<usize>);

impl Running {
    fn begin() -> Self {
        let count = running();
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Does something in the background that [`settled`] waits for.
pub(crate) fn background(runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) {
    let running = Running::begin();
    let task = async move {
        let _running = running;
        work.await;
    };
    runtime.spawn(task.instrument(Span::current()));
}

/// Waits until nothing is under way in the background any more: no create, and no destroy of a machine whose create, or
/// work, was dropped. A program that ends its runtime before may leave machines behind; their labels tell whose they are.
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
    // The sender is never dropped.
    let _ = running().subscribe().wait_for(|count| *count == 0).await;
}

/// Sets the flag when the caller's future ends, whichever way.
struct Caller(Cancel);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Release);
    }
}

/// A verb whose panic is its own error, so that what else its task does goes on.
///
/// # Errors
/// Those of `verb`; [`ProviderError::Internal`] when it panics.
pub(crate) async fn contained<T>(verb: impl Future<Output = ProviderResult<T>>) -> ProviderResult<T> {
    AssertUnwindSafe(verb).catch_unwind().await.unwrap_or_else(|panic| Err(ProviderError::from_panic(&*panic)))
}

/// Runs `work` to its end. When the caller leaves before it has the outcome, what was made is given to `unwanted`.
///
/// # Errors
/// Those of `work`.
pub(crate) async fn see_through<T, W, U>(
    work: impl FnOnce(Cancel) -> W,
    unwanted: impl FnOnce(T) -> U + Send + 'static,
) -> ProviderResult<T>
where
    T: Send + 'static,
    W: Future<Output = ProviderResult<T>> + Send + 'static,
    U: Future<Output = ()> + Send,
{
    let caller = Caller(Cancel::default());
    // A create is large: boxed, it is moved once.
    let work = Box::pin(work(caller.0.clone()));
    let outcome = Arc::new(Mutex::new(None));
    let (done, is_done) = oneshot::channel::<()>();
    let (here, has_left) = oneshot::channel::<Infallible>();
    let place = outcome.clone();
    let listener = progress::listener();
    let task = async move {
        let result = contained(progress::inherit(listener, work)).await;
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        let _ = done.send(());
        // Ends when the caller is gone, with the outcome or without it.
        let _ = has_left.await;
        let left = place.lock().unwrap_or_else(PoisonError::into_inner).take();
        match left {
            Some(Ok(made)) => unwanted(made).await,
            Some(Err(error @ ProviderError::UnknownOutcome { .. })) => warn_of(&error),
            Some(Err(_)) | None => {}
        }
    };
    background(&Handle::current(), task);

    let _ = is_done.await;
    progress::heard().await;
    let result = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
    drop((here, caller));
    result.unwrap_or_else(|| Err(ProviderError::Other { message: "the runtime ended in the middle of a create".to_string() }))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    /// One create of the number 7, which takes a second; how often it was unwanted.
    async fn run(patience: Duration) -> (Option<u32>, usize) {
        let unwanted = Arc::new(AtomicUsize::new(0));
        let count = unwanted.clone();
        let work = |_| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(7)
        };
        let waited = tokio::time::timeout(
            patience,
            see_through(work, move |made| async move {
                count.fetch_add(made, Ordering::Relaxed);
            }),
        )
        .await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        (waited.ok().map(|made| made.map_or(0, |made| made as u32)), unwanted.load(Ordering::Relaxed))
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_is_unwanted() {
        assert_eq!(run(Duration::from_secs(2)).await, (Some(7), 0));
        assert_eq!(run(Duration::from_millis(10)).await, (None, 7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_told_as_such() {
        let work = |_| async { if true { panic!("over 7") } else { Ok(7) } };
        let error = see_through(work, |_: u32| async {}).await.unwrap_err();
        assert!(matches!(&error, ProviderError::Internal { .. }) && error.to_string().contains("over 7"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_outcome_that_came_but_was_not_taken_is_unwanted() {
        let unwanted = Arc::new(AtomicBool::new(false));
        let flag = unwanted.clone();
        let mut create = Box::pin(see_through(
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
        assert!(unwanted.load(Ordering::Relaxed));
    }
}
