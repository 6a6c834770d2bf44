//! The results of `reap`.

use chrono::{DateTime, Utc};
use pyo3::prelude::*;
use spuff_core::lease::{self, Reap};
use spuff_core::provider::ProviderResult;

use crate::call::Subject;
use crate::error;
use crate::seconds::Seconds;
use crate::show::Shown;

/// The result for one resource that `reap` found.
#[pyclass(frozen, name = "Reaped", module = "spuff")]
pub(crate) struct Reaped {
    #[pyo3(get)]
    kind: &'static str,
    #[pyo3(get)]
    id: String,
    #[pyo3(get)]
    name: String,
    #[pyo3(get)]
    owner: Option<String>,
    #[pyo3(get)]
    expires_at: Option<DateTime<Utc>>,
    #[pyo3(get)]
    ended: bool,
    #[pyo3(get)]
    error: Option<Py<PyAny>>,
    text: String,
}

impl Reaped {
    pub(crate) fn new(py: Python<'_>, reaped: lease::Reaped, subject: &Subject) -> PyResult<Self> {
        let text = reaped.to_string();
        let subject = Subject { instance_id: None, ..subject.clone() };
        let error = reaped
            .outcome
            .as_ref()
            .err()
            .map(|error| error::exception(py, error, &subject).into_value(py).into_any());
        Ok(Self {
            kind: reaped.kind.as_str(),
            ended: matches!(reaped.outcome, Ok(true)),
            error,
            text,
            id: reaped.id,
            name: reaped.name,
            owner: reaped.owner,
            expires_at: reaped.expires_at,
        })
    }
}

#[pymethods]
impl Reaped {
    fn __str__(&self) -> &str {
        &self.text
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let shown = Shown::new(py, "Reaped")
            .text("kind", self.kind)?
            .text("id", &self.id)?
            .text("name", &self.name)?;
        Ok(shown.value("ended", self.ended)?.end())
    }
}

/// The filter of `reap`: a resource must match every condition, and at least one must be set.
pub(crate) fn which(
    expired: bool,
    older_than: Option<Seconds>,
    owner: Option<String>,
    dry_run: bool,
    confirm_within: Option<Seconds>,
) -> ProviderResult<Reap> {
    let seconds = |time: Option<Seconds>| time.map(|Seconds(time)| time);
    let mut which = Reap::from_choices(expired, seconds(older_than), owner)?;
    if dry_run {
        which = which.dry_run();
    }
    Ok(match seconds(confirm_within) {
        Some(time) => which.confirm_within(time),
        None => which,
    })
}
