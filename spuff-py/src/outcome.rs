//! What verbs give, as Python's values.
//!
//! Stands on the values beside it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyType};
use spuff_core::lease::Reaped;
use spuff_core::provider::{ProviderInstance, Snapshot};

use crate::{instance, reap, snapshot};

/// Something that a verb gives.
pub(crate) trait Outcome: Send + 'static {
    fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>>;
}

impl Outcome for () {
    fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(py.None())
    }
}

impl Outcome for ProviderInstance {
    fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        instance::Instance(self).into_py_any(py)
    }
}

impl Outcome for Snapshot {
    fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        snapshot::Snapshot(self).into_py_any(py)
    }
}

impl<T: Outcome> Outcome for Option<T> {
    fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.map_or_else(|| Ok(py.None()), |value| value.into_python(py))
    }
}

impl Outcome for DateTime<Utc> {
    fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.into_py_any(py)
    }
}

impl Outcome for Vec<String> {
    fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.into_py_any(py)
    }
}

impl Outcome for Vec<ProviderInstance> {
    fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        table(CLASS.import(py, "spuff._tables", "Instances")?, self)
    }
}

impl Outcome for Vec<Snapshot> {
    fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        table(CLASS.import(py, "spuff._tables", "Snapshots")?, self)
    }
}

impl Outcome for Vec<(Snapshot, HashMap<String, String>)> {
    fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let pairs = self.into_iter().map(|(snapshot, labels)| Ok((snapshot.into_python(py)?, labels)));
        pairs.collect::<PyResult<Vec<_>>>()?.into_py_any(py)
    }
}

impl Outcome for Vec<Reaped> {
    fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let all = self.into_iter().map(|ended| reap::Reaped::new(py, ended));
        all.collect::<PyResult<Vec<_>>>()?.into_py_any(py)
    }
}

/// A list that shows itself as a table in notebooks.
fn table<T: Outcome>(class: &Bound<'_, PyType>, items: Vec<T>) -> PyResult<Py<PyAny>> {
    let py = class.py();
    let items = items.into_iter().map(|item| item.into_python(py)).collect::<PyResult<Vec<_>>>()?;
    Ok(class.call1((PyList::new(py, items)?,))?.unbind())
}
