//! The operations, one body each, and the two classes that offer them: `Provider` blocks,
//! `AsyncProvider` is for asyncio. The operations of the contract are in `verbs`.

mod verbs;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use spuff_core::blocking;
use spuff_core::{OnFailure, create_and_wait, create_instance};
use spuff_core::{fleet as core, lease};

use crate::call::{Call, CallMode, Connected};
use crate::fleet::{self, Each};
use crate::guard;
use crate::request::InstanceRequest;
use crate::scope::{Scope, What};
use crate::seconds::Seconds;
use crate::{error, reap};

/// The operations of a provider. `Provider` and `AsyncProvider` have them.
#[pyclass(frozen, subclass, name = "Verbs", module = "spuff._spuff")]
pub(crate) struct Verbs {
    provider: Connected,
    mode: CallMode,
}

/// A provider whose operations block.
#[pyclass(frozen, extends = Verbs, name = "Provider", module = "spuff")]
pub(crate) struct Provider;

/// A provider whose operations are coroutines.
#[pyclass(frozen, extends = Verbs, name = "AsyncProvider", module = "spuff")]
pub(crate) struct AsyncProvider;

impl Provider {
    pub(crate) fn new(py: Python<'_>, provider: blocking::Provider) -> PyResult<Py<Self>> {
        Self::of(py, Connected::new(provider))
    }

    fn of(py: Python<'_>, provider: Connected) -> PyResult<Py<Self>> {
        let verbs = Verbs { provider, mode: CallMode::Blocking };
        Py::new(py, PyClassInitializer::from(verbs).add_subclass(Self))
    }
}

impl AsyncProvider {
    fn of(py: Python<'_>, provider: Connected) -> PyResult<Py<Self>> {
        let verbs = Verbs { provider, mode: CallMode::Asyncio };
        Py::new(py, PyClassInitializer::from(verbs).add_subclass(Self))
    }
}

impl Verbs {
    /// The provider, blocking or for asyncio.
    pub(crate) fn provider(&self) -> &Connected {
        &self.provider
    }

    fn call(&self, operation: &'static str) -> Call {
        Call::new(self.mode, &self.provider, operation)
    }
}

type PyOutcome = PyResult<Py<PyAny>>;

#[pymethods]
impl Verbs {
    /// The provider's name.
    #[getter]
    fn name(&self) -> &str {
        self.provider.name()
    }

    /// Whether the snapshot operations work.
    fn supports_snapshots(&self, py: Python<'_>) -> bool {
        py.detach(|| self.provider.provider.supports_snapshots())
    }

    /// Creates an instance and returns it as soon as the cloud has accepted it: it may still be
    /// booting.
    ///
    /// Takes an `InstanceRequest`, or the name and the other fields of one.
    #[pyo3(signature = (request=None, region_=None, size_=None, /, *, timeout=None, **fields))]
    fn create_instance(
        &self,
        py: Python<'_>,
        request: Option<&Bound<'_, PyAny>>,
        region_: Option<&str>,
        size_: Option<&str>,
        timeout: Option<Seconds>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyOutcome {
        let request = InstanceRequest::placed(request, [region_, size_], fields, py)?;
        let call = self.call("create_instance").with_timeout(timeout);
        call.run(py, |provider| async move { create_instance(&provider, &request).await })
    }

    /// Creates an instance and waits until it is ready. One that does not become ready is
    /// destroyed, or with `on_failure="keep"` left as it is. One that existed before, or could not
    /// be polled, is left.
    #[pyo3(signature = (
        request=None, region_=None, size_=None, /, *, on_failure="destroy", timeout=None,
        on_progress=None, **fields
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords, to its users")]
    fn create_and_wait(
        &self,
        py: Python<'_>,
        request: Option<&Bound<'_, PyAny>>,
        region_: Option<&str>,
        size_: Option<&str>,
        on_failure: &str,
        timeout: Option<Seconds>,
        on_progress: Option<Py<PyAny>>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyOutcome {
        let request = InstanceRequest::placed(request, [region_, size_], fields, py)?;
        let on_failure = match on_failure {
            "destroy" => OnFailure::Destroy,
            "keep" => OnFailure::Keep,
            other => {
                return Err(PyValueError::new_err(format!(
                    "on_failure must be \"destroy\" or \"keep\", not {other:?}"
                )));
            }
        };
        let call = self.call("create_and_wait").with_timeout(timeout).with_progress(on_progress);
        call.run(py, move |provider| async move {
            create_and_wait(&provider, &request, on_failure).await
        })
    }

    /// The instances of an owner, also stopped ones.
    #[pyo3(signature = (owner, *, timeout=None))]
    fn list_owned(&self, py: Python<'_>, owner: String, timeout: Option<Seconds>) -> PyOutcome {
        let call = self.call("list_owned").with_timeout(timeout);
        call.run(py, |provider| async move { lease::list_owned(&*provider, &owner).await })
    }

    /// Sets the lease of an instance to end that long from now. Returns the end.
    #[pyo3(signature = (id, ttl, *, timeout=None))]
    fn renew(
        &self,
        py: Python<'_>,
        id: String,
        ttl: Seconds,
        timeout: Option<Seconds>,
    ) -> PyOutcome {
        let call = self.call("renew").about_instance(&id).with_timeout(timeout);
        call.run(py, move |provider| async move { lease::renew(&*provider, &id, ttl.0).await })
    }

    /// Destroys the managed instances and snapshots that match every filter. One failure does not
    /// stop the rest.
    #[pyo3(signature = (
        *, expired=false, older_than=None, owner=None, dry_run=false, confirm_within=None,
        timeout=None, on_progress=None
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords, to its users")]
    fn reap(
        &self,
        py: Python<'_>,
        expired: bool,
        older_than: Option<Seconds>,
        owner: Option<String>,
        dry_run: bool,
        confirm_within: Option<Seconds>,
        timeout: Option<Seconds>,
        on_progress: Option<Py<PyAny>>,
    ) -> PyOutcome {
        let which = reap::which(expired, older_than, owner, dry_run, confirm_within);
        let which =
            which.map_err(|error| error::exception(py, &error, &self.call("reap").subject))?;
        let call = self.call("reap").with_timeout(timeout).with_progress(on_progress);
        call.run(py, |provider| async move { lease::reap(&provider, &which).await })
    }

    /// A context manager over an instance: it is made and waited for at the beginning, and
    /// destroyed at the end, whatever happens.
    #[pyo3(signature = (
        request=None, region_=None, size_=None, /, *, timeout=None, on_progress=None, **fields
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords, to its users")]
    fn instance(
        &self,
        py: Python<'_>,
        request: Option<&Bound<'_, PyAny>>,
        region_: Option<&str>,
        size_: Option<&str>,
        timeout: Option<Seconds>,
        on_progress: Option<Py<PyAny>>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyOutcome {
        let request = InstanceRequest::placed(request, [region_, size_], fields, py)?;
        Scope::new(&self.provider, What::One(Box::new(request)), timeout, on_progress)
            .into_python(py, self.mode)
    }

    /// A context manager over many instances: all are made and waited for at the beginning, and
    /// destroyed at the end, whatever happens. When one fails, all are destroyed and it raises.
    #[pyo3(signature = (requests, *, concurrency=16, timeout=None, on_progress=None, **fields))]
    fn fleet(
        &self,
        py: Python<'_>,
        requests: &Bound<'_, PyAny>,
        concurrency: i64,
        timeout: Option<Seconds>,
        on_progress: Option<Py<PyAny>>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyOutcome {
        let (requests, concurrency) =
            (fleet::requests(requests, fields)?, fleet::concurrency(concurrency)?);
        Scope::new(&self.provider, What::Fleet { requests, concurrency }, timeout, on_progress)
            .into_python(py, self.mode)
    }

    /// Creates many instances, and waits for them where that is asked for. Gives an `Instance` or
    /// an exception for each.
    #[pyo3(signature = (
        requests, *, concurrency=16, on_failure="destroy_failed", wait_ready=false, timeout=None,
        on_progress=None, **fields
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords, to its users")]
    fn create_instances(
        &self,
        py: Python<'_>,
        requests: &Bound<'_, PyAny>,
        concurrency: i64,
        on_failure: &str,
        wait_ready: bool,
        timeout: Option<Seconds>,
        on_progress: Option<Py<PyAny>>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyOutcome {
        let work =
            fleet::creates(requests, fields, fleet::options(concurrency, on_failure, wait_ready)?)?;
        self.call("create_instances").with_timeout(timeout).with_progress(on_progress).run(py, work)
    }

    /// What `create_instances` reports as progress, to be iterated. `result()` gives the outcomes
    /// afterwards.
    #[pyo3(signature = (
        requests, *, concurrency=16, on_failure="destroy_failed", wait_ready=false, timeout=None,
        **fields
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords, to its users")]
    fn watch_create_instances(
        &self,
        py: Python<'_>,
        requests: &Bound<'_, PyAny>,
        concurrency: i64,
        on_failure: &str,
        wait_ready: bool,
        timeout: Option<Seconds>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyOutcome {
        let work =
            fleet::creates(requests, fields, fleet::options(concurrency, on_failure, wait_ready)?)?;
        self.call("create_instances").with_timeout(timeout).watch(py, work)
    }

    /// Waits until many instances are ready. Gives an `Instance` or an exception for each.
    #[pyo3(signature = (ids, *, timeout=None, on_progress=None))]
    fn wait_ready_many(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        timeout: Option<Seconds>,
        on_progress: Option<Py<PyAny>>,
    ) -> PyOutcome {
        let ids = fleet::ids(ids)?;
        self.call("wait_ready_many")
            .with_timeout(timeout)
            .with_progress(on_progress)
            .run(py, fleet::waits(ids))
    }

    /// Destroys many instances; those that are already gone are no error. Gives `None` or an
    /// exception for each.
    #[pyo3(signature = (ids, *, concurrency=16, timeout=None, on_progress=None))]
    fn destroy_instances(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        concurrency: i64,
        timeout: Option<Seconds>,
        on_progress: Option<Py<PyAny>>,
    ) -> PyOutcome {
        let ids = fleet::ids(ids)?;
        let concurrency = fleet::concurrency(concurrency)?;
        let call = self.call("destroy_instances").with_timeout(timeout).with_progress(on_progress);
        call.run(py, move |provider| async move {
            let outcomes = core::destroy_instances(&provider, &ids, concurrency).await;
            Ok(Each { ids, outcomes })
        })
    }

    /// What the wait for an instance, or for many, reports as progress, to be iterated. `result()`
    /// gives the instance, or the outcomes, afterwards.
    #[pyo3(signature = (ids, *, timeout=None))]
    fn watch(&self, py: Python<'_>, ids: &Bound<'_, PyAny>, timeout: Option<Seconds>) -> PyOutcome {
        if let Ok(id) = ids.extract::<String>() {
            let call = self.call("wait_ready").about_instance(&id).with_timeout(timeout);
            return call.watch(py, |provider| async move { provider.wait_ready(&id).await });
        }
        let ids = fleet::ids(ids)?;
        self.call("wait_ready_many").with_timeout(timeout).watch(py, fleet::waits(ids))
    }

    fn __repr__(&self) -> String {
        let class = if self.mode == CallMode::Blocking { "Provider" } else { "AsyncProvider" };
        format!("<spuff.{class} {}>", self.provider.name())
    }
}

#[pymethods]
impl Provider {
    /// The same provider for asyncio.
    #[getter]
    fn aio(slf: &Bound<'_, Self>) -> PyResult<Py<AsyncProvider>> {
        AsyncProvider::of(slf.py(), slf.as_super().get().provider.clone())
    }

    /// Iterates over the instances.
    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.call_method0("list_instances")?.call_method0("__iter__")
    }

    fn __enter__<'py>(slf: Bound<'py, Self>) -> Bound<'py, Self> {
        slf
    }

    /// Waits for the background work of this provider's calls.
    #[pyo3(signature = (*_raised))]
    fn __exit__(slf: &Bound<'_, Self>, _raised: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<()> {
        crate::sync::settled_of(slf.py(), &slf.as_super().get().provider)
    }
}

#[pymethods]
impl AsyncProvider {
    /// The same provider for threads that may block.
    #[getter]
    fn blocking(slf: &Bound<'_, Self>) -> PyResult<Py<Provider>> {
        Provider::of(slf.py(), slf.as_super().get().provider.clone())
    }

    /// Iterates over the instances.
    fn __aiter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        guard::call(
            &guard::import(slf.py(), "spuff._asyncio", "each")?,
            (slf.call_method0("list_instances")?,),
        )
    }

    fn __aenter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        guard::call(&guard::import(slf.py(), "spuff._asyncio", "itself")?, (slf,))
    }

    /// Waits for the background work of this provider's calls.
    #[pyo3(signature = (*_raised))]
    fn __aexit__(
        slf: &Bound<'_, Self>,
        _raised: &Bound<'_, pyo3::types::PyTuple>,
    ) -> PyResult<Py<PyAny>> {
        crate::asyncio::settled_of(slf.py(), &slf.as_super().get().provider)
    }
}
