//! Work that runs by itself, and ends when its last owner drops it.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::process;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};

use spuff_core::provider::{ProviderError, ProviderResult};
use spuff_core::{Progress, Step, blocking};
use tokio::task::{AbortHandle, JoinHandle};

use crate::call::{Given, Work};

/// Something that ends when Python ends.
pub(crate) trait Ends: Send + Sync {
    fn end(&self);
}

/// What ends when Python ends, each with its process: a forked child has the others' handles, but
/// not their runtime.
static LIVE: Mutex<Vec<(u32, Weak<dyn Ends>)>> = Mutex::new(Vec::new());

/// Ends it when Python ends, if it is still there.
pub(crate) fn until_exit(ends: &Arc<impl Ends + 'static>) {
    let ends: Weak<dyn Ends> = Arc::<_>::downgrade(ends) as Weak<dyn Ends>;
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    if live.len() == live.capacity() {
        live.retain(|(_, ends)| ends.strong_count() > 0);
    }
    live.push((process::id(), ends));
}

/// An operation that goes on by itself, and whose outcome is here until it is taken.
pub(crate) struct Running(Arc<Place>);

/// Where the outcome of an operation is put.
#[derive(Default)]
struct Place {
    put: Mutex<Put>,
    task: OnceLock<AbortHandle>,
}

#[derive(Default)]
enum Put {
    #[default]
    Awaited,
    There(Given),
    Over,
}

impl Place {
    fn swap(&self, put: Put) -> Put {
        mem::replace(&mut *self.put.lock().unwrap_or_else(PoisonError::into_inner), put)
    }

    fn put(&self, outcome: Given) {
        if let Put::Over = self.swap(Put::There(outcome)) {
            drop(self.swap(Put::Over));
        }
    }
}

impl Ends for Place {
    fn end(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
        drop(self.swap(Put::Over));
    }
}

impl Running {
    /// Lets an operation run until it is dropped, or Python ends, and tells what it sees; nothing,
    /// when the outcome is there.
    pub(crate) fn spawn(
        mut work: Work,
        mut tell: impl FnMut(Option<Progress>) + Send + 'static,
    ) -> ProviderResult<Self> {
        let place = Arc::<Place>::default();
        let put = place.clone();
        let work = async move {
            loop {
                match work.next().await {
                    Step::Progress(seen) => tell(Some(seen)),
                    Step::Done(outcome) => {
                        put.put(outcome);
                        return tell(None);
                    }
                }
            }
        };
        // Set once, here.
        let _ = place.task.set(blocking::spawn(work)?.abort_handle());
        until_exit(&place);
        Ok(Self(place))
    }

    /// The outcome, once.
    pub(crate) fn take(&self) -> Given {
        match self.0.swap(Put::Over) {
            Put::There(outcome) => outcome,
            Put::Awaited | Put::Over => Err(over()).into(),
        }
    }

    /// Drops the operation, or its outcome.
    pub(crate) fn end(&self) {
        self.0.end();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ends what is to end with Python.
pub(crate) fn exit() {
    let live = mem::take(&mut *LIVE.lock().unwrap_or_else(PoisonError::into_inner));
    for (_, ends) in live.into_iter().filter(|(process, _)| *process == process::id()) {
        if let Some(ends) = ends.upgrade() {
            ends.end();
        }
    }
}

fn over() -> ProviderError {
    ProviderError::Other { message: "the runtime has shut down".to_string() }
}

/// A task that is aborted when it is dropped.
pub(crate) struct Task<T>(pub(crate) JoinHandle<ProviderResult<T>>);

impl<T> Future for Task<T> {
    type Output = ProviderResult<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|ended| {
            ended.unwrap_or_else(|ended| match ended.try_into_panic() {
                Ok(panic) => Err(ProviderError::from_panic(&*panic)),
                Err(_) => Err(over()),
            })
        })
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
