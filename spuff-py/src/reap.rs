//! What became of what was reaped.
//!
//! Stands on the core's `lease`.

use chrono::{DateTime, Utc};
use pyo3::prelude::*;
use spuff_core::lease::{self, Reap, Reapable};
use spuff_core::provider::{ErrorParts, ProviderError, ProviderResult};

use crate::error;
use crate::seconds::Seconds;
use crate::show::Shown;

/// What became of one thing that `reap` found.
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
    pub(crate) fn new(py: Python<'_>, reaped: lease::Reaped) -> PyResult<Self> {
        let text = reaped.to_string();
        let error = reaped.outcome.as_ref().err().map(|error| error::to_exception(py, &ErrorParts::from(error)));
        Ok(Self {
            kind: if reaped.kind == Reapable::Instance { "instance" } else { "snapshot" },
            ended: matches!(reaped.outcome, Ok(true)),
            error: error.transpose()?.map(Bound::unbind),
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
        let shown = Shown::new(py, "Reaped").text("kind", self.kind)?.text("id", &self.id)?.text("name", &self.name)?;
        Ok(shown.value("ended", self.ended)?.end())
    }
}

/// What is to be reaped: all that is said must be true of it, and something must be said.
pub(crate) fn which(
    expired: bool,
    older_than: Option<Seconds>,
    owner: Option<String>,
    dry_run: bool,
    confirm_within: Option<Seconds>,
) -> ProviderResult<Reap> {
    let mut which = match (expired, older_than, owner) {
        (true, age, owner) => with(Reap::expired(), age, owner),
        (false, Some(Seconds(age)), owner) => with(Reap::older_than(age), None, owner),
        (false, None, Some(owner)) => Reap::owned_by(owner),
        (false, None, None) => {
            let message = "say what to end: expired=True, older_than=… or owner=…";
            return Err(ProviderError::invalid_config("reap", message));
        }
    };
    if dry_run {
        which = which.dry_run();
    }
    Ok(confirm_within.map_or(which.clone(), |Seconds(time)| which.confirm_within(time)))
}

fn with(mut which: Reap, age: Option<Seconds>, owner: Option<String>) -> Reap {
    if let Some(Seconds(age)) = age {
        which = which.and_older_than(age);
    }
    match owner {
        Some(owner) => which.and_owned_by(owner),
        None => which,
    }
}
