//! Machines for the time of a `with`.
//!
//! Stands on the core's `with_instance`, whose work is to wait for the end of the block. When the block is left without its end,
//! as by a second Ctrl-C, the core ends the machine in the background.

use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use spuff_core::provider::{InstanceRequest as Request, ProviderError};
use spuff_core::{blocking, with_instance};
use tokio::sync::oneshot;

use crate::call::{Call, Face};
use crate::seconds::Seconds;
use crate::task::Task;

/// A machine that is made at the beginning of a `with`, and destroyed at its end.
#[pyclass(frozen, name = "InstanceScope", module = "spuff._spuff")]
pub(crate) struct InstanceScope(Scope);

/// A machine that is made at the beginning of an `async with`, and destroyed at its end.
#[pyclass(frozen, name = "AsyncInstanceScope", module = "spuff._spuff")]
pub(crate) struct AsyncInstanceScope(Scope);

pub(crate) struct Scope {
    pub(crate) provider: blocking::Provider,
    pub(crate) request: Request,
    pub(crate) timeout: Option<Duration>,
    pub(crate) on_progress: Option<Py<PyAny>>,
    held: Arc<Mutex<Option<Held>>>,
}

/// A machine, until its block is over.
struct Held {
    id: String,
    /// Takes whether the block has ended well.
    end: oneshot::Sender<bool>,
    task: Task<()>,
    process: u32,
}

impl Scope {
    pub(crate) fn new(
        provider: &blocking::Provider,
        request: Request,
        timeout: Option<Seconds>,
        on_progress: Option<Py<PyAny>>,
    ) -> Self {
        let timeout = timeout.map(|Seconds(timeout)| timeout);
        Self { provider: provider.clone(), request, timeout, on_progress, held: Arc::default() }
    }

    pub(crate) fn into_python(self, py: Python<'_>, face: Face) -> PyResult<Py<PyAny>> {
        match face {
            Face::Blocking => Ok(Py::new(py, InstanceScope(self))?.into_any()),
            Face::Asyncio => Ok(Py::new(py, AsyncInstanceScope(self))?.into_any()),
        }
    }

    fn begin(&self, py: Python<'_>, face: Face) -> PyResult<Py<PyAny>> {
        let call = Call::new(face, &self.provider, "create_and_wait").within(self.timeout.map(Seconds));
        let call = call.telling(self.on_progress.as_ref().map(|told| told.clone_ref(py)));
        let (request, place) = (self.request.clone(), self.held.clone());
        call.run(py, |provider| async move {
            let ((tell, mut ready), (end, over)) = (oneshot::channel(), oneshot::channel());
            let mut work = Box::pin(async move {
                with_instance(&provider, &request, |machine| async move {
                    // Whoever has left does not take the machine, and the end of the block is known at once.
                    drop(tell.send(machine));
                    if over.await.unwrap_or(false) { Ok(()) } else { Err(unwell()) }
                })
                .await
            });
            tokio::select! {
                biased;
                Ok(machine) = &mut ready => {
                    let held = Held { id: machine.id.clone(), end, task: Task(tokio::spawn(work)), process: process::id() };
                    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
                    Ok(machine)
                }
                ended = &mut work => Err(ended.err().unwrap_or_else(unwell)),
            }
        })
    }

    fn finish(&self, py: Python<'_>, face: Face, raised: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        let well = raised.get_item(0).is_ok_and(|kind| kind.is_none());
        let mut call = Call::new(face, &self.provider, "destroy_instance");
        if let Some(held) = &held {
            call = call.of(&held.id);
        }
        call.run(py, move |_| async move {
            match held {
                Some(Held { end, task, process, .. }) if process == process::id() => {
                    // A task that is over takes no word.
                    let _ = end.send(well);
                    let ended = task.await;
                    // What the block has raised goes on; the core has logged what stays behind.
                    if well { ended } else { Ok(()) }
                }
                Some(held) => {
                    // A forked child leaves the machine to its parent.
                    std::mem::forget(held);
                    Ok(())
                }
                None => Ok(()),
            }
        })
    }
}

/// The outcome of a block that has raised: the core logs it when the machine cannot be destroyed.
fn unwell() -> ProviderError {
    ProviderError::Other { message: "the block of the machine has raised".to_string() }
}

#[pymethods]
impl InstanceScope {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.on_progress.as_ref().map_or(Ok(()), |on_progress| visit.call(on_progress))
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.0.begin(py, Face::Blocking)
    }

    #[pyo3(signature = (*raised))]
    fn __exit__(&self, py: Python<'_>, raised: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        self.0.finish(py, Face::Blocking, raised)
    }
}

#[pymethods]
impl AsyncInstanceScope {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.on_progress.as_ref().map_or(Ok(()), |on_progress| visit.call(on_progress))
    }

    fn __aenter__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.0.begin(py, Face::Asyncio)
    }

    #[pyo3(signature = (*raised))]
    fn __aexit__(&self, py: Python<'_>, raised: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        self.0.finish(py, Face::Asyncio, raised)
    }
}
