//! Calls from asyncio: an operation as a coroutine.
//!
//! The coroutine itself is in `python/spuff/_asyncio.py`: it begins when it is awaited, and an
//! operation that is cancelled is dropped.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use spuff_core::provider::ProviderResult;
use spuff_core::{Group, Progress};

use crate::call::{Call, Connected, Source, Subject, Work};
use crate::guard::{self, Arguments};
use crate::outcome::Outcome;
use crate::sync::{self, settling};
use crate::{error, progress, task};

type Begin = Box<dyn FnOnce() -> Work + Send>;

/// An operation that runs when its coroutine is awaited.
#[pyclass(frozen, name = "Pending", module = "spuff._spuff")]
pub(crate) struct Pending {
    subject: Subject,
    begin: Mutex<Option<Begin>>,
}

/// An operation that runs.
#[pyclass(frozen, name = "Running", module = "spuff._spuff")]
pub(crate) struct Running {
    subject: Subject,
    running: task::Running,
}

impl Pending {
    fn new(subject: Subject, begin: impl FnOnce() -> Work + Send + 'static) -> Self {
        Self { subject, begin: Mutex::new(Some(Box::new(begin))) }
    }
}

#[pymethods]
impl Pending {
    /// The error of one that was closed.
    fn cancelled(&self, py: Python<'_>) -> Py<PyAny> {
        sync::closed(py, &self.subject).into_value(py).into_any()
    }

    /// Runs the operation, reports the outcome to a future of the event loop, and progress to
    /// `on_progress`.
    #[pyo3(signature = (event_loop, future, on_progress=None))]
    fn begin(
        &self,
        py: Python<'_>,
        event_loop: Py<PyAny>,
        future: Py<PyAny>,
        on_progress: Option<Py<PyAny>>,
    ) -> PyResult<Running> {
        if sync::is_over(py)? {
            return Err(sync::over(&self.subject));
        }
        let begin = self.begin.lock().unwrap_or_else(PoisonError::into_inner).take();
        let begin = begin.ok_or_else(|| PyRuntimeError::new_err("an operation runs once"))?;
        let waiter = Waiter { event_loop, future, on_progress };
        let running = py.detach(|| task::Running::spawn(begin(), move |seen| waiter.tell(seen)));
        let running = running.map_err(|error| error::plain(py, &error))?;
        Ok(Running { subject: self.subject.clone(), running })
    }
}

#[pymethods]
impl Running {
    /// The outcome, once. Until it is taken, to end the operation is to end what it has made.
    fn take(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.running.take().into_python(py, &self.subject)
    }

    /// Drops the operation. One whose outcome was taken does not notice.
    fn abort(&self) {
        self.running.end();
    }
}

/// The future that waits for an operation, its event loop, and who is told what the operation sees.
struct Waiter {
    event_loop: Py<PyAny>,
    future: Py<PyAny>,
    on_progress: Option<Py<PyAny>>,
}

/// Wakes the waiter of a future, unless it was cancelled meanwhile.
#[pyfunction]
fn settle(future: &Bound<'_, PyAny>) -> PyResult<()> {
    if future.call_method0("done")?.is_truthy()? {
        return Ok(());
    }
    future.call_method1("set_result", (future.py().None(),)).map(drop)
}

impl Waiter {
    /// Tells what was seen, or that there is an outcome.
    fn tell(&self, seen: Option<Progress>) {
        static SETTLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        from_runtime(|py| match (seen, &self.on_progress) {
            (Some(seen), Some(on_progress)) => {
                self.soon(py, (on_progress, progress::Progress(seen)))
            }
            (Some(_), None) => Ok(()),
            (None, _) => {
                let settle =
                    SETTLE.get_or_try_init(py, || wrap_pyfunction!(settle, py)?.into_py_any(py))?;
                self.soon(py, (settle, &self.future))
            }
        });
    }

    /// Calls something on the event loop's own thread.
    fn soon<'py>(&self, py: Python<'py>, call: impl Arguments<'py>) -> PyResult<()> {
        guard::call(&self.event_loop.bind(py).getattr("call_soon_threadsafe")?, call).map(drop)
    }
}

/// Does something in Python from a thread of the runtime. If the interpreter is ending, or the
/// event loop is closed, no listener is left.
fn from_runtime(work: impl FnOnce(Python<'_>) -> PyResult<()>) {
    Python::try_attach(|py| work(py).is_ok());
}

/// The coroutine of an operation.
pub(crate) fn coroutine<S, T, W>(
    py: Python<'_>,
    call: Call<S>,
    verb: impl FnOnce(S::Given) -> W + Send + 'static,
) -> PyResult<Py<PyAny>>
where
    S: Source,
    T: Outcome,
    W: Future<Output = ProviderResult<T>> + Send + 'static,
{
    let on_progress = call.on_progress.as_ref().map(|told| told.clone_ref(py));
    let subject = call.subject.clone();
    let pending = Pending::new(subject, move || call.work(call.on_progress.is_some(), verb));
    static COROUTINE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    guard::call(guard::imported(py, &COROUTINE, "spuff._asyncio", "verb")?, (pending, on_progress))
        .map(Bound::unbind)
}

/// A call, to be iterated by `async for`.
pub(crate) fn watch<S, T, W>(
    py: Python<'_>,
    call: Call<S>,
    verb: impl FnOnce(S::Given) -> W + Send + 'static,
) -> PyResult<Py<PyAny>>
where
    S: Source,
    T: Outcome,
    W: Future<Output = ProviderResult<T>> + Send + 'static,
{
    let pending = Pending::new(call.subject.clone(), move || call.work(true, verb));
    guard::call(&guard::import(py, "spuff._asyncio", "Watch")?, (pending,)).map(Bound::unbind)
}

/// As [`sync::settled`](crate::sync::settled), for asyncio.
#[pyfunction]
pub(crate) fn settled_async(py: Python<'_>) -> PyResult<Py<PyAny>> {
    settles(py, Subject::new("settled"), None)
}

/// The same, for the calls of a provider.
pub(crate) fn settled_of(py: Python<'_>, provider: &Connected) -> PyResult<Py<PyAny>> {
    let subject =
        Subject { provider: Some(provider.name().to_string()), ..Subject::new("settled") };
    settles(py, subject, Some(provider.group.clone()))
}

fn settles(py: Python<'_>, subject: Subject, group: Option<Group>) -> PyResult<Py<PyAny>> {
    let pending = Pending::new(subject, move || settling(group));
    guard::call(&guard::import(py, "spuff._asyncio", "verb")?, (pending,)).map(Bound::unbind)
}
