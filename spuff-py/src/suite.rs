//! Whether a provider satisfies the contract: the core's suite, for providers written in Python.

use std::sync::Arc;

use pyo3::prelude::*;
use spuff_core::conformance::{self, Report, Subject};
use spuff_core::provider::{Capabilities, ProviderConfig as Config};

use crate::call::{self, Work};
use crate::config::ProviderConfig;
use crate::outcome::Outcome;
use crate::python_provider::Factory;
use crate::request::InstanceRequest;
use crate::seconds::Seconds;
use crate::sync;

/// A report as JSON, and as a table.
struct Found(Report);

impl Outcome for Found {
    fn into_python(self, py: Python<'_>, _: &call::Subject) -> PyResult<Py<PyAny>> {
        let json = serde_json::to_string(&self.0)
            .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))?;
        Ok((json, self.0.to_string()).into_pyobject(py)?.into_any().unbind())
    }
}

/// Runs the suite, or one check of it.
#[pyfunction]
#[pyo3(signature = (
    factory, name, request, absent_id, *, absent_snapshot_id=None, config=None, settling=None,
    snapshots=true, ssh_keys=false, labels=true, max_user_data=0, default_size=false,
    idempotent=false, at_once=8, check=None
))]
#[allow(clippy::too_many_arguments, reason = "keywords, to its users")]
pub(crate) fn check_provider(
    py: Python<'_>,
    factory: Py<PyAny>,
    name: &str,
    request: &Bound<'_, InstanceRequest>,
    absent_id: &str,
    absent_snapshot_id: Option<&str>,
    config: Option<&Bound<'_, ProviderConfig>>,
    settling: Option<Seconds>,
    snapshots: bool,
    ssh_keys: bool,
    labels: bool,
    max_user_data: usize,
    default_size: bool,
    idempotent: bool,
    at_once: usize,
    check: Option<String>,
) -> PyResult<Py<PyAny>> {
    let mut capabilities = Capabilities::default();
    (capabilities.snapshots, capabilities.ssh_keys) = (snapshots, ssh_keys);
    (capabilities.labels, capabilities.max_user_data) = (labels, max_user_data);
    let config = config.map_or_else(Config::default, |config| config.get().0.clone());
    let timeouts = config.timeouts;
    let factory = Arc::new(Factory::new(name, factory, None, capabilities, false));
    let make = move |timeouts| factory.make(config.clone().with_timeouts(timeouts));
    let mut subject = Subject::new(make, request.get().0.clone(), absent_id)
        .with_capabilities(capabilities)
        .with_timeouts(timeouts)
        .with_machines_at_once(at_once);
    if let Some(id) = absent_snapshot_id {
        subject = subject.with_absent_snapshot_id(id);
    }
    if let Some(Seconds(settling)) = settling {
        subject = subject.with_settling(settling);
    }
    if default_size {
        subject = subject.with_default_size();
    }
    if idempotent {
        subject = subject.with_idempotency();
    }
    let suite = async move {
        match check {
            Some(check) => conformance::check_one(&subject, &check).await.map(Found),
            None => Ok(Found(conformance::check(&subject).await)),
        }
    };
    let about =
        call::Subject { provider: Some(name.to_string()), ..call::Subject::new("check_provider") };
    sync::run(py, &about, None, || Work::silent(suite))
}

/// The names of the checks.
#[pyfunction]
pub(crate) fn checks() -> Vec<&'static str> {
    conformance::checks().iter().map(|check| check.name).collect()
}
