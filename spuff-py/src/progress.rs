//! The progress of a call that waits.

use pyo3::prelude::*;
use spuff_core::{Phase, Progress as Seen};

use crate::instance::Instance;
use crate::show::Shown;

/// One progress of a call that waits.
#[pyclass(frozen, eq, name = "Progress", module = "spuff")]
#[derive(PartialEq)]
pub(crate) struct Progress(pub(crate) Seen);

#[pymethods]
impl Progress {
    /// The operation.
    #[getter]
    fn operation(&self) -> &str {
        &self.0.operation
    }

    /// The id of the instance, snapshot or action concerned; empty while there is none.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// The state, in words: `accepted`, `new`, `gone` …
    #[getter]
    fn state(&self) -> &str {
        &self.0.state
    }

    /// Seconds since the operation began.
    #[getter]
    fn elapsed(&self) -> f64 {
        self.0.elapsed.as_secs_f64()
    }

    /// The phase: `pending`, `accepted`, `booting`, `ready`, `destroyed` or `failed`.
    #[getter]
    fn phase(&self) -> &'static str {
        self.0.phase.as_str()
    }

    /// Of an operation on many instances, the position of this one in what the operation was given.
    #[getter]
    fn index(&self) -> Option<usize> {
        self.0.index
    }

    /// Of an operation on many instances, the name of this one, where the operation was given
    /// names.
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    /// The instance, where this tells that it was accepted or is ready.
    #[getter]
    fn instance(&self) -> Option<Instance> {
        self.0.instance.clone().map(Instance)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let Seen { operation, id, state, phase, index, name, .. } = &self.0;
        let mut shown = Shown::new(py, "Progress")
            .text("operation", operation)?
            .text("id", id)?
            .text("state", state)?;
        if *phase != Phase::Pending {
            shown = shown.text("phase", phase.as_str())?;
        }
        if let Some(index) = index {
            shown = shown.plain("index", index);
        }
        Ok(shown.text("name", name)?.plain("elapsed", format!("{:.1}", self.elapsed())).end())
    }

    fn __str__(&self) -> String {
        let Seen { operation, id, state, name, .. } = &self.0;
        let words = [operation, name, id].map(String::as_str);
        let about: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
        format!("{}: {state} ({:.1} s)", about.join(" "), self.elapsed())
    }
}
