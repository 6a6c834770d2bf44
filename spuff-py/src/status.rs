//! The state of an instance.

use pyo3::prelude::*;
use pyo3::types::PyString;
use spuff_core::provider::InstanceStatus as Status;

use crate::show::Shown;

/// The state of an instance: `InstanceStatus.NEW`, `ACTIVE`, `OFF` or `ARCHIVE`, or a word that is
/// none of them.
///
/// It is made from a cloud's word, `InstanceStatus("running")`, and equals its word:
/// `instance.status == "active"`.
#[pyclass(frozen, name = "InstanceStatus", module = "spuff")]
#[derive(Clone, PartialEq)]
pub(crate) struct InstanceStatus(pub(crate) Status);

impl InstanceStatus {
    /// A status, or a cloud's word for one.
    pub(crate) fn read(given: &Bound<'_, PyAny>) -> PyResult<Status> {
        match given.cast::<Self>() {
            Ok(status) => Ok(status.get().0.clone()),
            Err(_) => Ok(Status::from_word(&given.extract::<String>()?)),
        }
    }
}

#[pymethods]
impl InstanceStatus {
    #[classattr]
    const NEW: Self = Self(Status::New);
    #[classattr]
    const ACTIVE: Self = Self(Status::Active);
    #[classattr]
    const OFF: Self = Self(Status::Off);
    #[classattr]
    const ARCHIVE: Self = Self(Status::Archive);

    #[new]
    fn new(word: &str) -> Self {
        Self(Status::from_word(word))
    }

    /// Whether it is one of the four, and not just a word.
    #[getter]
    fn is_known(&self) -> bool {
        !matches!(self.0, Status::Unknown(_))
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(Shown::new(py, "InstanceStatus").text("", &self.0.to_string())?.end())
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        match other.cast::<Self>() {
            Ok(other) => other.get().0 == self.0,
            Err(_) => other.extract::<String>().is_ok_and(|word| word == self.0.to_string()),
        }
    }

    /// That of its word, which it equals.
    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        PyString::new(py, &self.0.to_string()).hash()
    }

    fn __getnewargs__(&self) -> (String,) {
        (self.0.to_string(),)
    }
}
