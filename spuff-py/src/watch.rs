//! A verb that is looped over: each turn is something that was seen.
//!
//! Stands on the call. The verb goes on between two turns; until its outcome is taken, by the last turn or `result`, it ends, with
//! what it has made, when it is closed, when nobody holds it any more, or with Python.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyTuple;
use spuff_core::Step;
use spuff_core::provider::ProviderError;

use crate::blocked::{self, Signals};
use crate::call::{Subject, Work};
use crate::outcome::{Failure, Outcome};
use crate::progress;

/// A verb, to be looped over.
#[pyclass(frozen, name = "Watch", module = "spuff._spuff")]
pub(crate) struct Watch {
    subject: Subject,
    state: Mutex<State>,
}

enum State {
    Waits(Work),
    Done(PyResult<Py<PyAny>>),
}

impl Watch {
    /// Of a verb that runs by itself.
    pub(crate) fn new(subject: Subject, work: Work) -> Self {
        Self { subject, state: Mutex::new(State::Waits(work)) }
    }

    /// What is seen next, until there is an outcome.
    fn advance(&self, py: Python<'_>) -> PyResult<Option<progress::Progress>> {
        let mut state = self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let State::Waits(work) = &mut *state else { return Ok(None) };
        let outcome = match blocked::next(py, work, &mut Signals::default(), &self.subject) {
            Ok(Step::Progress(seen)) => return Ok(Some(progress::Progress(seen))),
            Ok(Step::Done(outcome)) => outcome.into_python(py, &self.subject),
            Err(interruption) => Err(interruption),
        };
        *state = State::Done(outcome);
        Ok(None)
    }

    fn outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match &*self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner) {
            State::Done(Ok(outcome)) => Ok(outcome.clone_ref(py)),
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

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<progress::Progress>> {
        match self.advance(py)? {
            Some(seen) => Ok(Some(seen)),
            None => self.outcome(py).map(|_| None),
        }
    }

    /// Ends the verb, and what it has made, if its outcome was not taken yet.
    fn close(&self, py: Python<'_>) {
        let mut state = self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Waits(_)) {
            let Subject { operation, instance_id, .. } = self.subject.clone();
            let cancelled = ProviderError::Cancelled { operation: operation.to_string(), instance_id };
            *state = State::Done(Err(cancelled.raised(py, &self.subject)));
        }
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    /// The outcome of the verb, as soon as there is one.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        while self.advance(py)?.is_some() {}
        self.outcome(py)
    }
}
