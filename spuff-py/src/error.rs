//! Errors, to Python's exceptions and back.
//!
//! Stands on the core's `ErrorParts`; the exceptions themselves are in `python/spuff/errors.py`.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PyBaseException, PyConnectionError, PyNotImplementedError, PyTimeoutError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};
use spuff_core::provider::{ErrorKind, ErrorParts, ProviderError};

use crate::placed::Attempt;

/// How many exceptions of providers are kept until they are raised again.
const KEPT: usize = 32;

/// What providers written in Python have raised, and the error that the core was told in its place.
static RAISED: Mutex<VecDeque<(ErrorParts, Py<PyBaseException>)>> = Mutex::new(VecDeque::new());

fn raised() -> std::sync::MutexGuard<'static, VecDeque<(ErrorParts, Py<PyBaseException>)>> {
    RAISED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Number, name and advice of every kind.
pub(crate) fn kinds() -> Vec<(u32, &'static str, &'static str)> {
    ErrorKind::ALL.iter().map(|kind| (kind.number(), kind.name(), kind.advice())).collect()
}

fn base(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static BASE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    BASE.import(py, "spuff.errors", "SpuffError")
}

/// The exception of an error, of a verb that was asked about a machine, where it is one provider's.
pub(crate) fn exception(py: Python<'_>, error: &ProviderError, provider: Option<&str>, instance_id: Option<&str>) -> PyErr {
    let parts = ErrorParts::from(error);
    of_parts(py, if let Some(provider) = provider { parts.about(provider, instance_id) } else { parts })
}

/// The exception of an error that is of no verb.
pub(crate) fn plain(py: Python<'_>, error: &ProviderError) -> PyErr {
    of_parts(py, ErrorParts::from(error))
}

fn of_parts(py: Python<'_>, parts: ErrorParts) -> PyErr {
    let made = again(py, &parts).map_or_else(|| to_exception(py, &parts), Ok);
    made.map_or_else(|broken| broken, PyErr::from_value)
}

/// What a provider written in Python has raised itself, where this is it, with its traceback: one of ours as it is, any other
/// as the cause of ours.
fn again<'py>(py: Python<'py>, parts: &ErrorParts) -> Option<Bound<'py, PyAny>> {
    let (_, first) = {
        let mut raised = raised();
        let place = raised.iter().rposition(|(told, _)| (told.kind, &told.message) == (parts.kind, &parts.message))?;
        raised.remove(place)?
    };
    let first = first.into_bound(py);
    if parts.instance_exists.is_none() && parts.attempts.is_empty() && first.is_instance(base(py).ok()?).ok()? {
        for (name, value) in [("provider", &parts.provider), ("instance_id", &parts.instance_id)] {
            if first.getattr(name).ok()?.is_none() {
                first.setattr(name, value).ok()?;
            }
        }
        return Some(first.into_any());
    }
    let ours = to_exception(py, parts).ok()?;
    PyErr::from_value(ours.clone()).set_cause(py, Some(PyErr::from_value(first.into_any())));
    Some(ours)
}

/// The exception of these fields.
pub(crate) fn to_exception<'py>(py: Python<'py>, parts: &ErrorParts) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("text", &parts.text)?;
    fields.set_item("retryable", parts.retryable)?;
    fields.set_item("candidates", &parts.candidates)?;
    fields.set_item("supported", &parts.supported)?;
    fields.set_item("attempts", parts.attempts.iter().cloned().map(Attempt).collect::<Vec<_>>())?;
    let ErrorParts { provider, code, request_id, resource_type, resource_id, field, .. } = parts;
    let ErrorParts { feature, operation, key, name, instance_id, .. } = parts;
    for (name, value) in [
        ("provider", provider),
        ("code", code),
        ("request_id", request_id),
        ("resource_type", resource_type),
        ("resource_id", resource_id),
        ("field", field),
        ("feature", feature),
        ("operation", operation),
        ("key", key),
        ("name", name),
        ("instance_id", instance_id),
    ] {
        fields.set_item(name, value)?;
    }
    fields.set_item("status", parts.status)?;
    fields.set_item("retry_after", parts.retry_after.map(|time| time.as_secs_f64()))?;
    fields.set_item("elapsed", parts.elapsed.map(|time| time.as_secs_f64()))?;
    fields.set_item("instance_exists", parts.instance_exists)?;
    fields.set_item("cleanup", parts.cleanup.as_deref().map(|cleanup| to_exception(py, cleanup)).transpose()?)?;
    let class = base(py)?.getattr("of_kind")?.call1((parts.kind.name(),))?;
    class.call((&parts.message,), Some(&fields))
}

/// The fields of one of our exceptions.
pub(crate) fn from_exception(error: &Bound<'_, PyAny>) -> PyResult<ErrorParts> {
    let py = error.py();
    let name: String = error.getattr("kind")?.extract()?;
    let kind = ErrorKind::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(ErrorKind::Other);
    let mut parts = ErrorParts::new(kind, error.getattr("message")?.extract::<String>()?);
    let text = |name: &str| error.getattr(name).and_then(|value| value.extract::<Option<String>>());
    let time = |name: &str| -> PyResult<Option<Duration>> {
        let seconds: Option<f64> = error.getattr(name)?.extract()?;
        Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    };
    (parts.provider, parts.code, parts.request_id) = (text("provider")?, text("code")?, text("request_id")?);
    (parts.resource_type, parts.resource_id) = (text("resource_type")?, text("resource_id")?);
    (parts.field, parts.feature, parts.operation) = (text("field")?, text("feature")?, text("operation")?);
    (parts.key, parts.name, parts.instance_id) = (text("key")?, text("name")?, text("instance_id")?);
    (parts.retry_after, parts.elapsed) = (time("retry_after")?, time("elapsed")?);
    parts.status = error.getattr("status")?.extract()?;
    parts.retryable = error.getattr("retryable")?.extract()?;
    parts.candidates = error.getattr("candidates")?.extract()?;
    parts.supported = error.getattr("supported")?.extract()?;
    parts.instance_exists = error.getattr("instance_exists")?.extract()?;
    for attempt in error.getattr("attempts")?.try_iter()? {
        parts.attempts.push(attempt?.cast::<Attempt>()?.get().0.clone());
    }
    let cleanup = error.getattr("cleanup")?;
    if cleanup.is_instance(base(py)?)? {
        parts.cleanup = Some(Box::new(from_exception(&cleanup)?));
    }
    Ok(parts)
}

/// What the core is told of an exception that a provider, or its factory, has raised; the exception is kept until the verb's
/// caller has it.
pub(crate) fn told(py: Python<'_>, error: PyErr) -> ProviderError {
    let value = error.value(py);
    let known = base(py).and_then(|base| value.is_instance(base)).unwrap_or(false);
    let parts = if known { from_exception(value).ok() } else { None };
    let told = match parts {
        Some(parts) => ProviderError::from(parts),
        None => {
            let name = value.get_type().name().map(|name| name.to_string()).unwrap_or_default();
            let message = format!("{name}: {value}");
            let kind = if error.is_instance_of::<PyNotImplementedError>(py) {
                ErrorKind::NotSupported
            } else if error.is_instance_of::<PyTimeoutError>(py) {
                ErrorKind::Timeout
            } else if error.is_instance_of::<PyConnectionError>(py) {
                ErrorKind::Network
            } else {
                ErrorKind::Other
            };
            let mut parts = ErrorParts::new(kind, message.clone());
            parts.operation = Some(message);
            ProviderError::from(parts)
        }
    };
    let kept = (ErrorParts::from(&told), error.into_value(py));
    // The one that is displaced is dropped after the lock: that runs code of Python.
    let _displaced = {
        let mut raised = raised();
        raised.push_back(kept);
        if raised.len() > KEPT { raised.pop_front() } else { None }
    };
    told
}

/// The words of an exception that was made in Python, and whether its call may be repeated.
#[pyfunction]
pub(crate) fn describe_error(error: &Bound<'_, PyAny>) -> PyResult<(String, bool)> {
    let parts = ErrorParts::from(&ProviderError::from(from_exception(error)?));
    Ok((parts.text, parts.retryable))
}
