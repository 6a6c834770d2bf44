//! Errors, to Python's exceptions and back.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PyBaseException, PyConnectionError, PyNotImplementedError, PyTimeoutError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use spuff_core::Group;
use spuff_core::provider::{ErrorKind, ErrorParts, Operation, ProviderError, ProviderResult};

use crate::call::Subject;
use crate::guard;
use crate::placed::Attempt;

/// How many exceptions of one call are kept until they are raised again.
const KEPT: usize = 4096;

/// What providers written in Python have raised in the course of one call, each by the place of the
/// error that the core was told in its stead.
#[derive(Default)]
pub(crate) struct Raised(Mutex<VecDeque<(usize, Py<PyBaseException>)>>);

impl Raised {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(usize, Py<PyBaseException>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, told: &ProviderError, raised: Py<PyBaseException>) {
        let Some(place) = told.place() else { return };
        // What is displaced is dropped after the lock: that runs code of Python. What was at this
        // place before is gone.
        let _displaced = {
            let mut kept = self.lock();
            let before =
                kept.iter().position(|(known, _)| *known == place).and_then(|at| kept.remove(at));
            kept.push_back((place, raised));
            before.or_else(|| if kept.len() > KEPT { kept.pop_front() } else { None })
        };
    }

    fn take(&self, error: &ProviderError) -> Option<Py<PyBaseException>> {
        let place = error.place()?;
        let mut kept = self.lock();
        let at = kept.iter().position(|(known, _)| *known == place)?;
        kept.remove(at).map(|(_, raised)| raised)
    }
}

thread_local! {
    /// Of the factories that this thread runs.
    static OF_FACTORY: RefCell<Option<Arc<Raised>>> = const { RefCell::new(None) };
}

/// Makes something on this thread; what a factory raises meanwhile is what this raises.
pub(crate) fn made<T>(
    py: Python<'_>,
    make: impl FnOnce() -> PyResult<ProviderResult<T>>,
) -> PyResult<T> {
    let raised = Arc::<Raised>::default();
    let before = OF_FACTORY.replace(Some(raised.clone()));
    let made = make();
    OF_FACTORY.set(before);
    made?.map_err(|error| of_error(py, &error, ErrorParts::from(&error), &raised))
}

/// Number, name and advice of every kind.
pub(crate) fn kinds() -> Vec<(u32, &'static str, &'static str)> {
    ErrorKind::ALL.iter().map(|kind| (kind.number(), kind.name(), kind.advice())).collect()
}

fn base(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static BASE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    guard::imported(py, &BASE, "spuff.errors", "SpuffError")
}

/// The exception of an error, of an operation that was asked about an instance, where it is one
/// provider's.
pub(crate) fn exception(py: Python<'_>, error: &ProviderError, subject: &Subject) -> PyErr {
    let parts = ErrorParts::from(error);
    let parts = match &subject.provider {
        Some(provider) => parts.about(provider, subject.instance_id.as_deref()),
        None => parts,
    };
    of_error(py, error, parts, &subject.raised)
}

/// The exception of an error that is of no operation.
pub(crate) fn plain(py: Python<'_>, error: &ProviderError) -> PyErr {
    of_error(py, error, ErrorParts::from(error), &Raised::default())
}

fn of_error(py: Python<'_>, error: &ProviderError, parts: ErrorParts, raised: &Raised) -> PyErr {
    let first = raised.take(error);
    let made = match first {
        Some(first) => again(py, &parts, first.into_bound(py)),
        None => to_exception(py, &parts),
    };
    made.map_or_else(|broken| broken, PyErr::from_value)
}

/// What a provider written in Python has raised itself, with its traceback: one of ours as it is,
/// any other as the cause of ours.
fn again<'py>(
    py: Python<'py>,
    parts: &ErrorParts,
    first: Bound<'py, PyBaseException>,
) -> PyResult<Bound<'py, PyAny>> {
    if parts.instance_exists.is_none()
        && parts.attempts.is_empty()
        && first.is_instance(base(py)?)?
    {
        if first.getattr("provider")?.is_none() {
            first.setattr("provider", &parts.provider)?;
        }
        if first.getattr("instance_id")?.is_none() {
            first.setattr("instance_id", &parts.instance_id)?;
            first.setattr("instance_is_subject", parts.instance_is_subject)?;
        }
        return Ok(first.into_any());
    }
    let ours = to_exception(py, parts)?;
    PyErr::from_value(ours.clone()).set_cause(py, Some(PyErr::from_value(first.into_any())));
    Ok(ours)
}

/// The exception of these fields.
pub(crate) fn to_exception<'py>(
    py: Python<'py>,
    parts: &ErrorParts,
) -> PyResult<Bound<'py, PyAny>> {
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
    fields.set_item("instance_is_subject", parts.instance_is_subject)?;
    fields.set_item("status", parts.status)?;
    fields.set_item("retry_after", parts.retry_after.map(|time| time.as_secs_f64()))?;
    fields.set_item("elapsed", parts.elapsed.map(|time| time.as_secs_f64()))?;
    fields.set_item("instance_exists", parts.instance_exists)?;
    fields.set_item(
        "cleanup",
        parts.cleanup.as_deref().map(|cleanup| to_exception(py, cleanup)).transpose()?,
    )?;
    let class = guard::method(base(py)?, "of_kind", (parts.kind.name(),))?;
    guard::call_with(&class, (&parts.message,), Some(&fields))
}

/// The fields of one of our exceptions.
pub(crate) fn from_exception(error: &Bound<'_, PyAny>) -> PyResult<ErrorParts> {
    let py = error.py();
    let name: String = error.getattr("kind")?.extract()?;
    let kind =
        ErrorKind::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(ErrorKind::Other);
    let mut parts = ErrorParts::new(kind, error.getattr("message")?.extract::<String>()?);
    let text = |name: &str| error.getattr(name).and_then(|value| value.extract::<Option<String>>());
    let time = |name: &str| -> PyResult<Option<Duration>> {
        let seconds: Option<f64> = error.getattr(name)?.extract()?;
        Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    };
    (parts.provider, parts.code, parts.request_id) =
        (text("provider")?, text("code")?, text("request_id")?);
    (parts.resource_type, parts.resource_id) = (text("resource_type")?, text("resource_id")?);
    (parts.field, parts.feature, parts.operation) =
        (text("field")?, text("feature")?, text("operation")?);
    (parts.key, parts.name, parts.instance_id) =
        (text("key")?, text("name")?, text("instance_id")?);
    (parts.retry_after, parts.elapsed) = (time("retry_after")?, time("elapsed")?);
    parts.instance_is_subject = error.getattr("instance_is_subject")?.extract()?;
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

/// Where an exception was raised, in brackets: in a log, its traceback is not to be had.
fn origin(error: &PyErr, py: Python<'_>) -> String {
    let last = || -> PyResult<Option<String>> {
        let Some(mut at) = error.traceback(py).map(Bound::into_any) else { return Ok(None) };
        loop {
            let next = at.getattr("tb_next")?;
            if next.is_none() {
                break;
            }
            at = next;
        }
        let code = at.getattr("tb_frame")?.getattr("f_code")?;
        let line = at.getattr("tb_lineno")?;
        let file: String = code.getattr("co_filename")?.extract()?;
        let file = file.rsplit(['/', '\\']).next().unwrap_or_default().to_string();
        Ok(Some(format!(" ({file}, line {line}, in {})", code.getattr("co_name")?)))
    };
    last().ok().flatten().unwrap_or_default()
}

/// Names the operation in a timeout that the provider has worded.
fn timed(mut parts: ErrorParts, operation: Option<Operation>) -> ErrorParts {
    if let (ErrorKind::Timeout, Some(operation)) = (parts.kind, operation) {
        parts.operation = Some(operation.of_words(parts.operation.as_deref().unwrap_or_default()));
    }
    parts
}

/// What the core is told of an exception that a provider, or its factory, has raised; the exception
/// is kept until the operation's caller has it.
pub(crate) fn told(py: Python<'_>, error: PyErr, operation: Option<Operation>) -> ProviderError {
    let value = error.value(py);
    let known = base(py).and_then(|base| value.is_instance(base)).unwrap_or(false);
    let parts = if known { from_exception(value).ok() } else { None };
    let told = match parts {
        Some(parts) => ProviderError::from(timed(parts, operation)),
        None => {
            let name = value.get_type().name().map(|name| name.to_string()).unwrap_or_default();
            let message = format!("{name}: {value}{}", origin(&error, py));
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
            ProviderError::from(timed(parts, operation))
        }
    };
    // One without words has a place of its own in a shell.
    let told = if told.place().is_some() { told } else { told.not_placed(Vec::new()) };
    let of_call = Group::carried().and_then(|carried| carried.downcast::<Raised>().ok());
    if let Some(raised) = of_call.or_else(|| OF_FACTORY.with_borrow(Clone::clone)) {
        raised.keep(&told, error.into_value(py));
    }
    told
}

/// Whether the instance of this id itself failed.
#[pyfunction]
pub(crate) fn is_instance_failure(error: &Bound<'_, PyAny>, instance_id: &str) -> PyResult<bool> {
    Ok(ProviderError::from(from_exception(error)?).is_instance_failure(instance_id))
}

/// The words of an exception that was made in Python, and whether its call may be repeated.
#[pyfunction]
pub(crate) fn describe_error(error: &Bound<'_, PyAny>) -> PyResult<(String, bool)> {
    let parts = ErrorParts::from(&ProviderError::from(from_exception(error)?));
    Ok((parts.text, parts.retryable))
}
