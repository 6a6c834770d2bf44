//! The hourly price of an instance.

use std::hash::{DefaultHasher, Hash, Hasher};

use pyo3::IntoPyObjectExt;
use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyInt, PyString};
use spuff_core::provider::{Price as Cost, PriceSource};

use crate::error;
use crate::guard;
use crate::show::Shown;

/// The hourly price of an instance, without tax, exactly: `Price("0.0056", "EUR")`. Operations also
/// take the text `"0.0056 EUR"`.
#[pyclass(frozen, name = "Price", module = "spuff")]
pub(crate) struct Price(pub(crate) Cost);

impl Price {
    /// A price, or its text.
    pub(crate) fn read(given: &Bound<'_, PyAny>) -> PyResult<Cost> {
        if let Ok(price) = given.cast::<Self>() {
            return Ok(price.get().0.clone());
        }
        match given.extract::<String>() {
            Ok(text) => text.parse().map_err(|wrong| error::plain(given.py(), &wrong)),
            Err(_) => Err(PyTypeError::new_err(
                "a price must be a Price, or a string such as \"0.0056 \
                 EUR\"",
            )),
        }
    }

    fn amount_in_words(&self) -> String {
        let text = self.0.to_string();
        text.split_once(' ').map(|(amount, _)| amount.to_string()).unwrap_or(text)
    }
}

fn decimal(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static DECIMAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    guard::imported(py, &DECIMAL, "decimal", "Decimal")
}

fn said_by(source: &str) -> PyResult<PriceSource> {
    match source {
        "given" => Ok(PriceSource::Given),
        "catalogue" => Ok(PriceSource::Catalogue),
        other => Err(PyValueError::new_err(format!(
            "source must be \"given\" or \"catalogue\", not {other:?}"
        ))),
    }
}

type Pickled<'py, 'a> = (Bound<'py, PyAny>, (u64, &'a str, &'static str));

#[pymethods]
impl Price {
    #[new]
    #[pyo3(signature = (amount, currency, source="given"))]
    fn new(amount: &Bound<'_, PyAny>, currency: &str, source: &str) -> PyResult<Self> {
        let py = amount.py();
        let known = [
            py.get_type::<PyString>().into_any(),
            py.get_type::<PyInt>().into_any(),
            decimal(py)?.clone(),
        ];
        if !known.iter().any(|class| amount.is_instance(class).unwrap_or(false)) {
            let message = "an amount must be a Decimal, an int, or a string such as \"0.0056\": a \
             float would not be exact";
            return Err(PyTypeError::new_err(message));
        }
        let read: Result<Cost, _> = format!("{amount} {currency}").parse();
        let mut price = read.map_err(|wrong| error::plain(py, &wrong))?;
        price.source = said_by(source)?;
        Ok(Self(price))
    }

    /// A price in millionths of the currency's unit.
    #[staticmethod]
    #[pyo3(signature = (micros, currency, source="given"))]
    fn from_micros(micros: u64, currency: &str, source: &str) -> PyResult<Self> {
        let mut price = Cost::new(micros, currency);
        price.source = said_by(source)?;
        Ok(Self(price))
    }

    /// The amount.
    #[getter]
    fn amount<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        guard::call(decimal(py)?, (self.amount_in_words(),))
    }

    /// The amount in millionths of the currency's unit.
    #[getter]
    fn micros(&self) -> u64 {
        self.0.micros
    }

    /// The currency, as ISO 4217 names it.
    #[getter]
    fn currency(&self) -> &str {
        &self.0.currency
    }

    /// Who says so: `given` by the caller, or the cloud's `catalogue`.
    #[getter]
    fn source(&self) -> &'static str {
        match self.0.source {
            PriceSource::Catalogue => "catalogue",
            _ => "given",
        }
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    /// Prices of one currency have an order; there is none between currencies.
    fn __richcmp__(&self, other: &Bound<'_, PyAny>, how: CompareOp) -> PyResult<Py<PyAny>> {
        let py = other.py();
        let Ok(other) = other.cast::<Self>() else { return Ok(py.NotImplemented()) };
        let ours = &self.0;
        let theirs = &other.get().0;
        let answer = match how {
            CompareOp::Eq => ours == theirs,
            CompareOp::Ne => ours != theirs,
            how if ours.currency == theirs.currency => how.matches(ours.micros.cmp(&theirs.micros)),
            _ => {
                let message =
                    format!("cannot compare {ours} and {theirs}: they are in different currencies");
                return Err(PyTypeError::new_err(message));
            }
        };
        answer.into_py_any(py)
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let shown = Shown::new(py, "Price")
            .text("", &self.amount_in_words())?
            .text("", &self.0.currency)?;
        let source = if self.0.source == PriceSource::Given { "" } else { self.source() };
        Ok(shown.text("source", source)?.end())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py, '_>> {
        Ok((
            py.get_type::<Self>().getattr("from_micros")?,
            (self.0.micros, &self.0.currency, self.source()),
        ))
    }
}
