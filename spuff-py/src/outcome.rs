//! The results of operations as Python values, and their errors.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyList;
use spuff_core::Unclaimed;
use spuff_core::lease::Reaped;
use spuff_core::provider::{Price, ProviderError, ProviderInstance, Snapshot};

use crate::call::Subject;
use crate::guard;
use crate::{error, instance, price, reap};

/// A result of an operation.
pub(crate) trait Outcome: Send + 'static {
    fn into_python(self, py: Python<'_>, subject: &Subject) -> PyResult<Py<PyAny>>;
}

/// An error of an operation.
pub(crate) trait Failure: Send + 'static {
    fn raised(self, py: Python<'_>, subject: &Subject) -> PyErr;
}

impl Failure for ProviderError {
    fn raised(self, py: Python<'_>, subject: &Subject) -> PyErr {
        error::exception(py, &self, subject)
    }
}

impl<T: Outcome, E: Failure> Outcome for Result<T, E> {
    fn into_python(self, py: Python<'_>, subject: &Subject) -> PyResult<Py<PyAny>> {
        match self {
            Ok(value) => value.into_python(py, subject),
            Err(failure) => Err(failure.raised(py, subject)),
        }
    }
}

impl<T: Outcome> Outcome for Unclaimed<T> {
    fn into_python(self, py: Python<'_>, subject: &Subject) -> PyResult<Py<PyAny>> {
        self.claim().into_python(py, subject)
    }
}

type Convert = dyn FnOnce(Python<'_>, &Subject) -> PyResult<Py<PyAny>> + Send;

/// An outcome of any operation.
pub(crate) struct AnyOutcome(Box<Convert>);

impl AnyOutcome {
    pub(crate) fn new(outcome: impl Outcome) -> Self {
        Self(Box::new(move |py, subject| outcome.into_python(py, subject)))
    }
}

impl Outcome for AnyOutcome {
    fn into_python(self, py: Python<'_>, subject: &Subject) -> PyResult<Py<PyAny>> {
        self.0(py, subject)
    }
}

impl Outcome for () {
    fn into_python(self, py: Python<'_>, _: &Subject) -> PyResult<Py<PyAny>> {
        Ok(py.None())
    }
}

impl Outcome for ProviderInstance {
    fn into_python(self, py: Python<'_>, _: &Subject) -> PyResult<Py<PyAny>> {
        instance::Instance(self).into_py_any(py)
    }
}

impl Outcome for Price {
    fn into_python(self, py: Python<'_>, _: &Subject) -> PyResult<Py<PyAny>> {
        price::Price(self).into_py_any(py)
    }
}

impl<T: Outcome> Outcome for Option<T> {
    fn into_python(self, py: Python<'_>, subject: &Subject) -> PyResult<Py<PyAny>> {
        self.map_or_else(|| Ok(py.None()), |value| value.into_python(py, subject))
    }
}

impl Outcome for DateTime<Utc> {
    fn into_python(self, py: Python<'_>, _: &Subject) -> PyResult<Py<PyAny>> {
        self.into_py_any(py)
    }
}

impl Outcome for Vec<String> {
    fn into_python(self, py: Python<'_>, _: &Subject) -> PyResult<Py<PyAny>> {
        self.into_py_any(py)
    }
}

impl Outcome for Vec<ProviderInstance> {
    fn into_python(self, py: Python<'_>, subject: &Subject) -> PyResult<Py<PyAny>> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        table(guard::imported(py, &CLASS, "spuff._tables", "Instances")?, self, subject)
    }
}

impl Outcome for Vec<Snapshot> {
    fn into_python(self, py: Python<'_>, subject: &Subject) -> PyResult<Py<PyAny>> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        table(guard::imported(py, &CLASS, "spuff._tables", "Snapshots")?, self, subject)
    }
}

impl Outcome for Vec<(Snapshot, HashMap<String, String>)> {
    fn into_python(self, py: Python<'_>, subject: &Subject) -> PyResult<Py<PyAny>> {
        let pairs = self
            .into_iter()
            .map(|(snapshot, labels)| Ok((snapshot.into_python(py, subject)?, labels)));
        pairs.collect::<PyResult<Vec<_>>>()?.into_py_any(py)
    }
}

impl Outcome for Vec<Reaped> {
    fn into_python(self, py: Python<'_>, subject: &Subject) -> PyResult<Py<PyAny>> {
        let all = self.into_iter().map(|ended| reap::Reaped::new(py, ended, subject));
        all.collect::<PyResult<Vec<_>>>()?.into_py_any(py)
    }
}

/// A list that shows itself as a table in notebooks.
fn table<T: Outcome>(
    class: &Bound<'_, PyAny>,
    items: Vec<T>,
    subject: &Subject,
) -> PyResult<Py<PyAny>> {
    let py = class.py();
    let items = items
        .into_iter()
        .map(|item| item.into_python(py, subject))
        .collect::<PyResult<Vec<_>>>()?;
    Ok(guard::call(class, (PyList::new(py, items)?,))?.unbind())
}
