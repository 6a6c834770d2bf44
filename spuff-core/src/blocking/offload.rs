//! Threads for functions that may block and call spuff: those of callers in other languages.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::runtime;
use crate::per_process::PerProcess;
use crate::signals;

/// How long a call waits for a pooled thread before it gets one of its own.
const PATIENCE: Duration = Duration::from_millis(100);

/// Calls a function on a thread where it may block and call spuff, and waits until it has returned.
/// The operations of [`SyncProvider`](super::SyncProvider)s, which may block as well, cannot use up
/// these threads. If no thread can be started, waits for one.
///
/// A panic of the function is not returned; the panic handler prints it.
#[doc(hidden)]
pub async fn run_blocking(call: impl FnOnce() + Send + 'static) {
    static THREADS: PerProcess<Option<Runtime>> = PerProcess::new();
    let (done, is_done) = oneshot::channel::<()>();
    let call = Arc::new(Mutex::new(Some((call, done))));
    let waiting = call.clone();
    let turn = move || {
        let taken = call.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((call, _done)) = taken {
            call();
        }
    };
    if let Some(threads) = THREADS.get_or_init(|| {
        Builder::new_current_thread().on_thread_start(signals::keep_away).build().ok()
    }) {
        // This panics if no thread can be started.
        drop(catch_unwind(AssertUnwindSafe(|| threads.spawn_blocking(turn.clone()))));
    }
    let again = async {
        sleep(PATIENCE).await;
        while waiting.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            drop(signals::spawn(thread::Builder::new(), turn.clone()));
            sleep(PATIENCE).await;
        }
        pending().await
    };
    tokio::select! {
        biased;
        _ = is_done => {}
        () = again => {}
    }
}

/// Calls a function that may block and call spuff: at once, or later on another thread if this one
/// drives the runtime.
#[doc(hidden)]
pub fn defer_blocking(call: impl FnOnce() + Send + 'static) {
    if runtime::drives() {
        // The runtime has been started, so this does not fail.
        drop(runtime::spawn(run_blocking(call)));
    } else {
        call();
    }
}
