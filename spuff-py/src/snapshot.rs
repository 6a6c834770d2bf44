//! A snapshot of an instance.

use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};
use pyo3::prelude::*;

use crate::seconds::Moment;
use crate::show::Shown;

/// A snapshot of an instance. It can be given as the `image` of a request.
#[pyclass(frozen, eq, name = "Snapshot", module = "spuff")]
#[derive(PartialEq)]
pub(crate) struct Snapshot(pub(crate) spuff_core::provider::Snapshot);

#[pymethods]
impl Snapshot {
    #[new]
    #[pyo3(signature = (id, name="".to_string(), created_at=None))]
    fn new(id: String, name: String, created_at: Option<Moment>) -> Self {
        let created_at = created_at.map(|Moment(time)| time);
        Self(spuff_core::provider::Snapshot { id, name, created_at })
    }

    /// The provider's id.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// The name given at creation.
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    /// When it was created, where the cloud says so.
    #[getter]
    fn created_at(&self) -> Option<DateTime<Utc>> {
        self.0.created_at
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(Shown::new(py, "Snapshot").text("", &self.0.id)?.text("name", &self.0.name)?.end())
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.id.hash(&mut hasher);
        hasher.finish()
    }

    fn __getnewargs__(&self) -> (&str, &str, Option<DateTime<Utc>>) {
        (&self.0.id, &self.0.name, self.0.created_at)
    }
}
