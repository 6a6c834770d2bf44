//! The result of a placement: the instance, and each candidate that was tried.
//!
//! Pickles hold what the core writes.

use pyo3::prelude::*;
use spuff_core::placement;
use spuff_core::provider::{Attempt as Tried, ErrorKind};

use crate::instance::Instance;
use crate::json::{Pickled, read, written};
use crate::price::Price;
use crate::show::Shown;

/// The outcome of one candidate of a placement.
#[pyclass(frozen, eq, name = "Attempt", module = "spuff")]
#[derive(PartialEq)]
pub(crate) struct Attempt(pub(crate) Tried);

#[pymethods]
impl Attempt {
    /// The position of the candidate in the list.
    #[getter]
    fn candidate(&self) -> usize {
        self.0.candidate
    }

    /// The provider's name.
    #[getter]
    fn provider(&self) -> &str {
        &self.0.provider
    }

    /// The region or location.
    #[getter]
    fn region(&self) -> &str {
        &self.0.region
    }

    /// The size or type.
    #[getter]
    fn size(&self) -> &str {
        &self.0.size
    }

    /// The hourly price there, if it was requested and is known.
    #[getter]
    fn price(&self) -> Option<Price> {
        self.0.price.clone().map(Price)
    }

    /// The outcome: `made`, `full`, `known_full`, `too_dear`, `price_unknown` or `failed`.
    #[getter]
    fn outcome(&self) -> &'static str {
        self.0.outcome.as_str()
    }

    /// The kind of error, where it was one.
    #[getter]
    fn kind(&self) -> Option<&'static str> {
        self.0.kind.map(ErrorKind::name)
    }

    /// The outcome in words.
    #[getter]
    fn message(&self) -> &str {
        &self.0.message
    }

    /// How many seconds it took.
    #[getter]
    fn elapsed(&self) -> f64 {
        self.0.elapsed.as_secs_f64()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let Tried { candidate, provider, region, size, price, outcome, kind, .. } = &self.0;
        let shown =
            Shown::new(py, "Attempt").plain("candidate", candidate).text("provider", provider)?;
        let mut shown = shown.text("region", region)?.text("size", size)?;
        if let Some(price) = price {
            shown = shown.text("price", &price.to_string())?;
        }
        Ok(shown
            .text("outcome", outcome.as_str())?
            .text("kind", kind.map_or("", ErrorKind::name))?
            .end())
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        pyo3::types::PyString::new(py, &self.0.to_string()).hash()
    }

    #[staticmethod]
    fn _unpickled(text: &str) -> PyResult<Self> {
        read(text).map(Self)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py>> {
        Ok((py.get_type::<Self>().getattr("_unpickled")?, (written(&self.0)?,)))
    }
}

/// A placed instance.
#[pyclass(frozen, eq, name = "Placed", module = "spuff")]
#[derive(PartialEq)]
pub(crate) struct Placed(pub(crate) placement::Placed);

#[pymethods]
impl Placed {
    /// The instance.
    #[getter]
    fn instance(&self) -> Instance {
        Instance(self.0.instance.clone())
    }

    /// The position of its candidate in the list.
    #[getter]
    fn candidate(&self) -> usize {
        self.0.candidate
    }

    /// The outcome of each candidate up to that one, in order.
    #[getter]
    fn attempts(&self) -> Vec<Attempt> {
        self.0.attempts.iter().cloned().map(Attempt).collect()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let shown = Shown::new(py, "Placed")
            .value("instance", self.instance())?
            .plain("candidate", self.0.candidate);
        Ok(shown.value("attempts", self.attempts())?.end())
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        pyo3::types::PyString::new(py, &self.0.instance.id).hash()
    }

    #[staticmethod]
    fn _unpickled(text: &str) -> PyResult<Self> {
        read(text).map(Self)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py>> {
        Ok((py.get_type::<Self>().getattr("_unpickled")?, (written(&self.0)?,)))
    }
}
