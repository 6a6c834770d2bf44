//! A wait that is looped over: each turn is something that was seen.
//!
//! Stands on the call. The wait goes on between two turns; it ends when nobody holds it any more.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use spuff_core::provider::{Provider, ProviderInstance, ProviderResult};

use crate::blocked::{self, Signals};
use crate::call::{Call, Next, Subject, Work};
use crate::outcome::Outcome;
use crate::{error, logs, progress};

/// A wait for a machine, to be looped over.
#[pyclass(frozen, name = "Watch", module = "spuff._spuff")]
pub(crate) struct Watch {
    subject: Subject,
    state: Mutex<State>,
}

enum State {
    Waits(Work<ProviderInstance>),
    Done(PyResult<Py<PyAny>>),
}

impl Watch {
    pub(crate) fn begin<W>(
        py: Python<'_>,
        call: Call,
        verb: impl FnOnce(Arc<dyn Provider>) -> W + Send + 'static,
    ) -> PyResult<Py<PyAny>>
    where
        W: Future<Output = ProviderResult<ProviderInstance>> + Send + 'static,
    {
        logs::follow(py)?;
        let work = py.detach(|| call.work(verb).spawned());
        let work = work.map_err(|error| error::plain(py, &error))?;
        let state = Mutex::new(State::Waits(work));
        Self { subject: call.subject, state }.into_py_any(py)
    }

    /// What is seen next, until there is an outcome.
    fn advance(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let mut state = self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let State::Waits(work) = &mut *state else { return Ok(None) };
        let outcome = match blocked::next(py, work, &mut Signals::default(), &self.subject) {
            Ok(Next::Progress(seen)) => return Ok(Some(progress::Progress(seen).into_py_any(py)?)),
            Ok(Next::Done(Ok(instance))) => instance.into_python(py),
            Ok(Next::Done(Err(failed))) => {
                Err(error::exception(py, &failed, &self.subject.provider, self.subject.instance_id.as_deref()))
            }
            Err(interruption) => Err(interruption),
        };
        *state = State::Done(outcome);
        Ok(None)
    }

    fn outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match &*self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner) {
            State::Done(Ok(instance)) => Ok(instance.clone_ref(py)),
            State::Done(Err(error)) => Err(error.clone_ref(py)),
            State::Waits(_) => Err(PyRuntimeError::new_err("another thread loops over this watch")),
        }
    }
}

#[pymethods]
impl Watch {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match self.advance(py)? {
            Some(seen) => Ok(Some(seen)),
            None => self.outcome(py).map(|_| None),
        }
    }

    /// The machine, as soon as it is ready.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        while self.advance(py)?.is_some() {}
        self.outcome(py)
    }
}
