//! A call that is iterated: each item is a progress.
//!
//! The operation goes on between two turns; until its outcome is taken, by the last turn or
//! `result`, it ends, with what it has made, when it is closed, when its last owner drops it, or
//! with Python.
//!
//! No lock is held while it waits, or while code of Python's runs: a handler of a signal may close
//! it, and another thread.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use spuff_core::Step;

use crate::call::{Subject, Work};
use crate::outcome::Outcome;
use crate::progress;
use crate::sync::{self, Signals};
use crate::task::Running;

/// A call, to be iterated.
#[pyclass(frozen, name = "Watch", module = "spuff._spuff")]
pub(crate) struct Watch {
    subject: Subject,
    running: Arc<Running>,
    state: Mutex<State>,
}

enum State {
    Waits(Work),
    /// A turn is in progress, which has the work.
    Turns,
    /// It was closed in the middle of a turn.
    Closed,
    Done(PyResult<Py<PyAny>>),
}

impl Watch {
    /// Of an operation that runs by itself.
    pub(crate) fn new(subject: Subject, work: Work, running: Arc<Running>) -> Self {
        Self { subject, running, state: Mutex::new(State::Waits(work)) }
    }

    /// Never held for longer than it takes to look, or to put something in its place.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn swap(&self, state: State) -> State {
        mem::replace(&mut *self.state(), state)
    }

    /// What is seen next, until there is an outcome.
    fn advance(&self, py: Python<'_>) -> PyResult<Option<progress::Progress>> {
        let taken = {
            let mut state = self.state();
            match mem::replace(&mut *state, State::Turns) {
                State::Waits(work) => Ok(work),
                State::Turns => Err(PyRuntimeError::new_err(
                    "this watch is already being iterated, here or by another thread",
                )),
                done => {
                    *state = done;
                    return Ok(None);
                }
            }
        };
        let mut work = taken?;
        let next = sync::next(py, &mut work, &mut Signals::default(), &self.subject);
        let outcome = match next {
            Ok(Step::Progress(seen)) => {
                let mut state = self.state();
                if let State::Turns = *state {
                    *state = State::Waits(work);
                    return Ok(Some(progress::Progress(seen)));
                }
                drop(state);
                Err(sync::closed(py, &self.subject))
            }
            Ok(Step::Done(outcome)) => match self.swap(State::Turns) {
                State::Closed => Err(sync::closed(py, &self.subject)),
                _ => outcome.into_python(py, &self.subject),
            },
            Err(interruption) => Err(interruption),
        };
        drop(self.swap(State::Done(outcome)));
        Ok(None)
    }

    fn outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match &*self.state() {
            State::Done(Ok(outcome)) => Ok(outcome.clone_ref(py)),
            State::Done(Err(error)) => Err(error.clone_ref(py)),
            _ => Err(PyRuntimeError::new_err("this watch is being iterated by another thread")),
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

    /// Ends the operation, and what it has made, if its outcome was not taken yet. Any thread may,
    /// and a handler of a signal: a turn that is in progress ends with a `CancelledError`.
    fn close(&self, py: Python<'_>) {
        let cancelled = sync::closed(py, &self.subject);
        let before = {
            let mut state = self.state();
            match &*state {
                State::Waits(_) => mem::replace(&mut *state, State::Done(Err(cancelled))),
                State::Turns => mem::replace(&mut *state, State::Closed),
                State::Closed | State::Done(_) => return,
            }
        };
        self.running.end();
        drop(before);
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    /// The outcome of the operation, as soon as there is one.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        while self.advance(py)?.is_some() {}
        self.outcome(py)
    }
}
