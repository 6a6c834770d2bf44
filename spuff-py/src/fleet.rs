//! The arguments and outcomes of operations on many instances.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyString};
use spuff_core::FleetError;
use spuff_core::fleet::{FleetOptions, Rollback, create_instances, wait_ready_many};
use spuff_core::provider::{
    InstanceRequest as Request, Provider, ProviderInstance, ProviderResult,
};

use crate::call::Subject;
use crate::guard;
use crate::outcome::{Failure, Outcome};
use crate::request::InstanceRequest;

/// How many creates, or destroys, run at once.
pub(crate) fn concurrency(given: i64) -> PyResult<usize> {
    let number = usize::try_from(given).ok().filter(|number| *number > 0);
    number.ok_or_else(|| {
        PyValueError::new_err(format!(
            "concurrency must be at least 1, not \
     {given}"
        ))
    })
}

/// How a fleet is made.
pub(crate) fn options(
    concurrency: i64,
    on_failure: &str,
    wait_ready: bool,
) -> PyResult<FleetOptions> {
    let options = FleetOptions::default()
        .with_concurrency(self::concurrency(concurrency)?)
        .with_wait_ready(wait_ready);
    Ok(options.with_on_failure(rollback(on_failure)?))
}

/// What happens to the instances of a fleet when one of them fails.
fn rollback(on_failure: &str) -> PyResult<Rollback> {
    match on_failure {
        "keep" => Ok(Rollback::Keep),
        "destroy_failed" => Ok(Rollback::DestroyFailed),
        "destroy_all" => Ok(Rollback::DestroyAll),
        other => {
            let choices = "\"keep\", \"destroy_failed\" or \"destroy_all\"";
            Err(PyValueError::new_err(format!("on_failure must be {choices}, not {other:?}")))
        }
    }
}

/// Requests, or names, with the fields that they share.
pub(crate) fn requests(
    given: &Bound<'_, PyAny>,
    fields: Option<&Bound<'_, PyDict>>,
) -> PyResult<Vec<Request>> {
    each(given, "requests", "an InstanceRequest or a name", |item| {
        let known = item.is_instance_of::<InstanceRequest>() || item.is_instance_of::<PyString>();
        known.then(|| InstanceRequest::read(Some(item), fields, given.py())).transpose()
    })
}

/// Ids of instances.
pub(crate) fn ids(given: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    each(given, "ids", "the id of an instance, as text", |item| Ok(item.extract().ok()))
}

/// All that an iterable gives; `read` knows what each has to be.
pub(crate) fn each<T>(
    given: &Bound<'_, PyAny>,
    name: &str,
    what: &str,
    read: impl Fn(&Bound<'_, PyAny>) -> PyResult<Option<T>>,
) -> PyResult<Vec<T>> {
    // A text is iterable too: it would be taken apart into letters.
    let items = if given.is_instance_of::<PyString>() { None } else { given.try_iter().ok() };
    let many = || {
        format!(
            "{name} must be a list or another iterable, and each item {what}; for one, give a \
             list of one"
        )
    };
    let items = items.ok_or_else(|| PyTypeError::new_err(many()))?.enumerate();
    let wrong = |place, item: Bound<'_, PyAny>| {
        format!("{name}[{place}] must be {what}, not {}", item.get_type())
    };
    let read = |(place, item): (usize, PyResult<Bound<'_, PyAny>>)| {
        let item = item?;
        read(&item)?.ok_or_else(|| PyTypeError::new_err(wrong(place, item)))
    };
    items.map(read).collect()
}

/// The outcome for each instance: its value, or an exception that is not raised. The ids are those
/// that the operation was asked about.
pub(crate) struct Each<T> {
    pub(crate) ids: Vec<String>,
    pub(crate) outcomes: Vec<ProviderResult<T>>,
}

impl<T: Outcome> Each<T> {
    pub(crate) fn into_list<'py>(
        self,
        py: Python<'py>,
        subject: &Subject,
    ) -> PyResult<Bound<'py, PyList>> {
        let mut ids = self.ids.into_iter();
        let objects = self.outcomes.into_iter().map(|outcome| {
            let subject = Subject { instance_id: ids.next(), ..subject.clone() };
            match outcome {
                Ok(value) => value.into_python(py, &subject),
                Err(error) => Ok(error.raised(py, &subject).into_value(py).into_any()),
            }
        });
        PyList::new(py, objects.collect::<PyResult<Vec<_>>>()?)
    }
}

impl Outcome for Each<()> {
    fn into_python(self, py: Python<'_>, subject: &Subject) -> PyResult<Py<PyAny>> {
        Ok(self.into_list(py, subject)?.into_any().unbind())
    }
}

impl Outcome for Each<ProviderInstance> {
    fn into_python(self, py: Python<'_>, subject: &Subject) -> PyResult<Py<PyAny>> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let class = guard::imported(py, &CLASS, "spuff._tables", "Outcomes")?;
        Ok(guard::call(class, (self.into_list(py, subject)?,))?.unbind())
    }
}

type Work<T> = Pin<Box<dyn Future<Output = ProviderResult<Each<T>>> + Send>>;

/// The creates of a fleet.
pub(crate) fn creates(
    requests: &Bound<'_, PyAny>,
    fields: Option<&Bound<'_, PyDict>>,
    options: FleetOptions,
) -> PyResult<impl FnOnce(Arc<dyn Provider>) -> Work<ProviderInstance> + Send + 'static> {
    let requests = self::requests(requests, fields)?;
    Ok(move |provider: Arc<dyn Provider>| -> Work<ProviderInstance> {
        Box::pin(async move {
            let outcomes = create_instances(&provider, &requests, options).await;
            Ok(Each { ids: Vec::new(), outcomes })
        })
    })
}

/// The waits for many instances.
pub(crate) fn waits(
    ids: Vec<String>,
) -> impl FnOnce(Arc<dyn Provider>) -> Work<ProviderInstance> + Send + 'static {
    |provider| {
        Box::pin(async move {
            let outcomes = wait_ready_many(&provider, &ids).await;
            Ok(Each { ids, outcomes })
        })
    }
}

/// The first error, with all outcomes.
impl Failure for FleetError {
    fn raised(self, py: Python<'_>, subject: &Subject) -> PyErr {
        let first = self.first;
        let raised = || {
            let outcomes = Each { ids: Vec::new(), outcomes: self.outcomes }
                .into_python(py, subject)?
                .into_bound(py);
            let error = outcomes.get_item(first)?;
            error.setattr("outcomes", outcomes)?;
            Ok(PyErr::from_value(error))
        };
        raised().unwrap_or_else(|broken: PyErr| broken)
    }
}
