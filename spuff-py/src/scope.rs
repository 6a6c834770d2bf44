//! Instances for the time of a `with`: one, or a fleet.
//!
//! When the block is abandoned, as by a second Ctrl-C, the core destroys the instances in the
//! background.

use std::future::Future;
use std::mem;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use spuff_core::provider::{InstanceRequest as Request, Provider, ProviderError, ProviderInstance};
use spuff_core::{FleetError, with_instance, with_instances};
use tokio::sync::oneshot;

use crate::call::{Call, CallMode, Connected, Subject};
use crate::error::Raised;
use crate::outcome::{AnyOutcome, Failure, Outcome};
use crate::seconds::Seconds;
use crate::sync;
use crate::task::{Ends, Task, until_exit};

/// Instances that are made at the beginning of a `with`, and destroyed at its end.
#[pyclass(frozen, name = "Scope", module = "spuff._spuff")]
pub(crate) struct BlockingScope(Scope);

/// Instances that are made at the beginning of an `async with`, and destroyed at its end.
#[pyclass(frozen, name = "AsyncScope", module = "spuff._spuff")]
pub(crate) struct AsyncScope(Scope);

pub(crate) struct Scope {
    provider: Connected,
    what: What,
    timeout: Option<Duration>,
    on_progress: Option<Py<PyAny>>,
    held: Arc<Place>,
}

/// Where what was made is held. It ends with Python, even if the block is never left.
#[derive(Default)]
struct Place(Mutex<Option<Held>>);

impl Place {
    fn swap(&self, held: Option<Held>) -> Option<Held> {
        mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), held)
    }
}

impl Ends for Place {
    fn end(&self) {
        drop(self.swap(None));
    }
}

/// What is made for the block.
pub(crate) enum What {
    One(Box<Request>),
    Fleet { requests: Vec<Request>, concurrency: usize },
}

/// What was made, until its block is over.
struct Held {
    /// The id, of one instance.
    id: Option<String>,
    /// Takes whether the block has ended well.
    end: oneshot::Sender<bool>,
    task: Task<AnyOutcome>,
    process: u32,
    raised: Arc<Raised>,
}

/// Why the core's work is over before its end: by itself, or as the block has raised. Then the core
/// logs what stays behind.
enum Unwell<E> {
    Failed(E),
    Raised,
}

impl<E> From<E> for Unwell<E> {
    fn from(failed: E) -> Self {
        Self::Failed(failed)
    }
}

impl<E: Failure> Failure for Unwell<E> {
    fn raised(self, py: Python<'_>, subject: &Subject) -> PyErr {
        match self {
            Self::Failed(failed) => failed.raised(py, subject),
            Self::Raised => {
                ProviderError::Other { message: "the block of the instance has raised".to_string() }
                    .raised(py, subject)
            }
        }
    }
}

/// The block, as the core sees it.
struct Block<M> {
    made: oneshot::Sender<M>,
    over: oneshot::Receiver<bool>,
}

impl<M> Block<M> {
    async fn hold<E>(self, made: M) -> Result<(), Unwell<E>> {
        // A caller that has left does not take the instances, and the end of the block is known at
        // once.
        drop(self.made.send(made));
        if self.over.await.unwrap_or(false) { Ok(()) } else { Err(Unwell::Raised) }
    }
}

/// A block that begins when this is taken.
struct Begun<M> {
    made: M,
    held: Held,
    place: Arc<Place>,
}

impl<M: Outcome> Outcome for Begun<M> {
    fn into_python(self, py: Python<'_>, subject: &Subject) -> PyResult<Py<PyAny>> {
        drop(self.place.swap(Some(self.held)));
        until_exit(&self.place);
        if sync::is_over(py)? {
            self.place.end();
            return Err(sync::over(subject));
        }
        self.made.into_python(py, subject)
    }
}

impl Scope {
    pub(crate) fn new(
        provider: &Connected,
        what: What,
        timeout: Option<Seconds>,
        on_progress: Option<Py<PyAny>>,
    ) -> Self {
        let timeout = timeout.map(|Seconds(timeout)| timeout);
        Self { provider: provider.clone(), what, timeout, on_progress, held: Arc::default() }
    }

    pub(crate) fn into_python(self, py: Python<'_>, mode: CallMode) -> PyResult<Py<PyAny>> {
        match mode {
            CallMode::Blocking => Ok(Py::new(py, BlockingScope(self))?.into_any()),
            CallMode::Asyncio => Ok(Py::new(py, AsyncScope(self))?.into_any()),
        }
    }

    fn begin(&self, py: Python<'_>, mode: CallMode) -> PyResult<Py<PyAny>> {
        match &self.what {
            What::One(request) => {
                let request = request.clone();
                let id = |machine: &ProviderInstance| Some(machine.id.clone());
                self.open(
                    py,
                    Call::new(mode, &self.provider, "create_and_wait"),
                    id,
                    |provider, block| async move {
                        with_instance::<_, Unwell<ProviderError>, _>(
                            &provider,
                            &request,
                            |machine| block.hold(machine),
                        )
                        .await
                    },
                )
            }
            What::Fleet { requests, concurrency } => {
                let requests = requests.clone();
                let concurrency = *concurrency;
                self.open(
                    py,
                    Call::new(mode, &self.provider, "create_instances"),
                    |_| None,
                    move |provider, block| async move {
                        with_instances::<_, Unwell<FleetError>, _>(
                            &provider,
                            &requests,
                            concurrency,
                            |made| block.hold(made),
                        )
                        .await
                    },
                )
            }
        }
    }

    /// Runs the core's work until the block begins, and lets it go on by itself until the block
    /// ends.
    fn open<M, E, W>(
        &self,
        py: Python<'_>,
        call: Call,
        id: impl FnOnce(&M) -> Option<String> + Send + 'static,
        run: impl FnOnce(Arc<dyn Provider>, Block<M>) -> W + Send + 'static,
    ) -> PyResult<Py<PyAny>>
    where
        M: Outcome,
        E: Failure,
        W: Future<Output = Result<(), Unwell<E>>> + Send + 'static,
    {
        let call = call.with_timeout(self.timeout.map(Seconds));
        let call = call.with_progress(self.on_progress.as_ref().map(|told| told.clone_ref(py)));
        let place = self.held.clone();
        let raised = call.subject.raised.clone();
        let group = self.provider.group.carrying(raised.clone());
        call.run(py, |provider| async move {
            let ((tell, mut made), (end, over)) = (oneshot::channel(), oneshot::channel());
            let mut work = Box::pin(run(provider, Block { made: tell, over }));
            tokio::select! {
                biased;
                Ok(made) = &mut made => {
                    let work = async move { Ok(AnyOutcome::new(group.run(work).await)) };
                    let task = Task(tokio::spawn(work));
                    let held = Held { id: id(&made), end, task, process: process::id(), raised };
                    Ok(Ok(Begun { made, held, place }))
                }
                ended = &mut work => Ok(Err(ended.err().unwrap_or(Unwell::Raised))),
            }
        })
    }

    fn finish(
        &self,
        py: Python<'_>,
        mode: CallMode,
        raised: &Bound<'_, PyTuple>,
    ) -> PyResult<Py<PyAny>> {
        let held = self.held.swap(None);
        let well = raised.get_item(0).is_ok_and(|kind| kind.is_none());
        let operation = match self.what {
            What::One(_) => "destroy_instance",
            What::Fleet { .. } => "destroy_instances",
        };
        let mut call = Call::new(mode, &self.provider, operation);
        if let Some(id) = held.as_ref().and_then(|held| held.id.as_deref()) {
            call = call.about_instance(id);
        }
        if let Some(held) = &held {
            call.subject.raised = held.raised.clone();
        }
        call.run(py, move |_| async move {
            match held {
                Some(Held { end, task, process, .. }) if process == process::id() => {
                    // A task that is over takes no word.
                    let _ = end.send(well);
                    let ended = task.await;
                    // What the block has raised goes on; the core has logged what stays behind.
                    if well { ended.map(Some) } else { Ok(None) }
                }
                Some(held) => {
                    // A forked child leaves the instances to its parent.
                    mem::forget(held);
                    Ok(None)
                }
                None => Ok(None),
            }
        })
    }

    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.on_progress.as_ref().map_or(Ok(()), |on_progress| visit.call(on_progress))
    }
}

#[pymethods]
impl BlockingScope {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.traverse(&visit)
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.0.begin(py, CallMode::Blocking)
    }

    #[pyo3(signature = (*raised))]
    fn __exit__(&self, py: Python<'_>, raised: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        self.0.finish(py, CallMode::Blocking, raised)
    }
}

#[pymethods]
impl AsyncScope {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.traverse(&visit)
    }

    fn __aenter__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.0.begin(py, CallMode::Asyncio)
    }

    #[pyo3(signature = (*raised))]
    fn __aexit__(&self, py: Python<'_>, raised: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        self.0.finish(py, CallMode::Asyncio, raised)
    }
}
