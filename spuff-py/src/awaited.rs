//! The face of asyncio: a verb as a coroutine.
//!
//! Stands on the core's blocking runtime, whose threads tell the event loop when a verb is done. The coroutine itself is in
//! `python/spuff/_asyncio.py`: it begins when it is awaited, and a verb that is cancelled is dropped.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::IntoPyObjectExt;
use pyo3::call::PyCallArgs;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use spuff_core::Progress;
use spuff_core::blocking;
use spuff_core::provider::{Provider, ProviderResult};
use tokio::task::AbortHandle;

use crate::blocked::settling;
use crate::call::{Call, Next, Subject, Work};
use crate::outcome::Outcome;
use crate::{error, progress};

type Begin = Box<dyn FnOnce(Python<'_>, Waiter) -> PyResult<AbortHandle> + Send>;

/// A verb that runs when its coroutine is awaited.
#[pyclass(frozen, name = "Pending", module = "spuff._spuff")]
pub(crate) struct Pending(Mutex<Option<Begin>>);

/// A verb that runs.
#[pyclass(frozen, name = "Running", module = "spuff._spuff")]
pub(crate) struct Running(AbortHandle);

#[pymethods]
impl Pending {
    /// Runs the verb, and gives its outcome to a future of the event loop.
    fn begin(&self, py: Python<'_>, event_loop: Py<PyAny>, future: Py<PyAny>) -> PyResult<Running> {
        let begin = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let begin = begin.ok_or_else(|| PyRuntimeError::new_err("a verb runs once"))?;
        begin(py, Waiter { event_loop, future }).map(Running)
    }
}

#[pymethods]
impl Running {
    /// Drops the verb. One that is done does not notice.
    fn abort(&self) {
        self.0.abort();
    }
}

/// The future that waits for a verb, and its event loop.
struct Waiter {
    event_loop: Py<PyAny>,
    future: Py<PyAny>,
}

/// Gives a future its value or exception, unless it was cancelled meanwhile.
#[pyfunction]
fn settle(future: &Bound<'_, PyAny>, outcome: Py<PyAny>, failed: bool) -> PyResult<()> {
    if future.call_method0("done")?.is_truthy()? {
        return Ok(());
    }
    future.call_method1(if failed { "set_exception" } else { "set_result" }, (outcome,)).map(drop)
}

impl Waiter {
    fn give(&self, py: Python<'_>, outcome: PyResult<Py<PyAny>>) -> PyResult<()> {
        let (outcome, failed) = match outcome {
            Ok(value) => (value, false),
            Err(error) => (error.into_value(py).into_any(), true),
        };
        static SETTLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let settle = SETTLE.get_or_try_init(py, || wrap_pyfunction!(settle, py)?.into_py_any(py))?;
        self.soon(py, (settle, &self.future, outcome, failed))
    }

    fn tell(&self, py: Python<'_>, on_progress: &Py<PyAny>, seen: Progress) -> PyResult<()> {
        self.soon(py, (on_progress, progress::Progress(seen)))
    }

    /// Calls something on the event loop's own thread.
    fn soon<'py>(&self, py: Python<'py>, call: impl PyCallArgs<'py>) -> PyResult<()> {
        self.event_loop.bind(py).getattr("call_soon_threadsafe")?.call1(call).map(drop)
    }
}

/// Does something in Python from a thread of the runtime. Where the interpreter is ending, or the event loop is closed, there
/// is nobody left to be told.
fn from_runtime(work: impl FnOnce(Python<'_>) -> PyResult<()>) {
    Python::try_attach(|py| work(py).is_ok());
}

/// The coroutine of a verb.
pub(crate) fn coroutine<T, W>(
    py: Python<'_>,
    call: Call,
    verb: impl FnOnce(Arc<dyn Provider>) -> W + Send + 'static,
) -> PyResult<Py<PyAny>>
where
    T: Outcome,
    W: Future<Output = ProviderResult<T>> + Send + 'static,
{
    of_work(py, call.subject.clone(), call.on_progress.as_ref().map(|told| told.clone_ref(py)), move || call.work(verb))
}

/// The coroutine of some work.
pub(crate) fn of_work<T: Outcome>(
    py: Python<'_>,
    subject: Subject,
    on_progress: Option<Py<PyAny>>,
    begin: impl FnOnce() -> Work<T> + Send + 'static,
) -> PyResult<Py<PyAny>> {
    let begin: Begin = Box::new(move |py, waiter| {
        let work = run(begin(), subject, on_progress, waiter);
        py.detach(|| blocking::spawn(work)).map(|task| task.abort_handle()).map_err(|error| error::plain(py, &error))
    });
    static COROUTINE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    COROUTINE.import(py, "spuff._asyncio", "verb")?.call1((Pending(Mutex::new(Some(begin))),)).map(Bound::unbind)
}

/// Runs a verb, and tells its event loop.
async fn run<T: Outcome>(mut work: Work<T>, subject: Subject, on_progress: Option<Py<PyAny>>, waiter: Waiter) {
    let outcome = loop {
        match work.next().await {
            Next::Done(outcome) => break outcome,
            Next::Progress(seen) => {
                if let Some(on_progress) = &on_progress {
                    from_runtime(|py| waiter.tell(py, on_progress, seen));
                }
            }
        }
    };
    from_runtime(|py| {
        let outcome = match outcome {
            Ok(outcome) => outcome.into_python(py),
            Err(error) => Err(error::exception(py, &error, &subject.provider, subject.instance_id.as_deref())),
        };
        waiter.give(py, outcome)
    });
}

/// As [`blocked::settled`](crate::blocked::settled), for asyncio.
#[pyfunction]
pub(crate) fn settled_async(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let subject = Subject { provider: "spuff".to_string(), operation: "settled", instance_id: None };
    of_work(py, subject, None, settling)
}
