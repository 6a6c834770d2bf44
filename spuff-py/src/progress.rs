//! What a call that waits sees on its way.
//!
//! Stands on the core's `Progress`.

use pyo3::prelude::*;
use spuff_core::Progress as Seen;

use crate::show::Shown;

/// Something that a call has seen while it waits.
#[pyclass(frozen, eq, name = "Progress", module = "spuff")]
#[derive(PartialEq)]
pub(crate) struct Progress(pub(crate) Seen);

#[pymethods]
impl Progress {
    /// The verb.
    #[getter]
    fn operation(&self) -> &str {
        &self.0.operation
    }

    /// What it is about: the id of a machine, snapshot or action.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// What was seen, in words: `accepted`, `new`, `gone` …
    #[getter]
    fn state(&self) -> &str {
        &self.0.state
    }

    /// Seconds since the verb began.
    #[getter]
    fn elapsed(&self) -> f64 {
        self.0.elapsed.as_secs_f64()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let Seen { operation, id, state, .. } = &self.0;
        let shown = Shown::new(py, "Progress").text("operation", operation)?.text("id", id)?.text("state", state)?;
        Ok(shown.plain("elapsed", format!("{:.1}", self.elapsed())).end())
    }

    fn __str__(&self) -> String {
        format!("{} {}: {} ({:.1} s)", self.0.operation, self.0.id, self.0.state, self.elapsed())
    }
}
