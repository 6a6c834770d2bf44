//! How to reach a provider: what a factory written in Python is given.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use spuff_core::provider::ProviderConfig as Config;

use crate::option;
use crate::show::Shown;
use crate::timeouts::ProviderTimeouts;

/// How to reach a provider. It cannot be pickled, as it holds the token; `repr` does not show that
/// either.
#[pyclass(frozen, name = "ProviderConfig", module = "spuff")]
pub(crate) struct ProviderConfig(pub(crate) Config);

impl ProviderConfig {
    /// The configuration that the keywords of a connect describe.
    pub(crate) fn read(
        token: Option<String>,
        endpoint: Option<String>,
        region: Option<String>,
        timeouts: Option<&ProviderTimeouts>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Config> {
        let mut config = Config::default();
        config.token = token.map(Into::into);
        (config.endpoint, config.region) = (endpoint, region);
        config.timeouts = timeouts.map(|timeouts| timeouts.0).unwrap_or_default();
        for (name, value) in options.into_iter().flat_map(|options| options.iter()) {
            let name = name.extract::<String>()?;
            let Some(text) = option::read(&name, &value)? else { continue };
            match name.as_str() {
                "ca_file" => config.ca_file = Some(text.into()),
                _ => config = config.with_option(name, text),
            }
        }
        Ok(config)
    }
}

#[pymethods]
impl ProviderConfig {
    #[new]
    #[pyo3(signature = (token=None, endpoint=None, region=None, timeouts=None, **options))]
    fn new(
        token: Option<String>,
        endpoint: Option<String>,
        region: Option<String>,
        timeouts: Option<&Bound<'_, ProviderTimeouts>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        Self::read(token, endpoint, region, timeouts.map(Bound::get), options).map(Self)
    }

    /// The token in the clear; empty where none was given.
    #[getter]
    fn token(&self) -> &str {
        self.0.expose_token()
    }

    /// The base URL of the API, where one was given.
    #[getter]
    fn endpoint(&self) -> Option<&str> {
        self.0.endpoint.as_deref()
    }

    /// The region that is used for requests that name none.
    #[getter]
    fn region(&self) -> Option<&str> {
        self.0.region.as_deref()
    }

    /// How long to wait.
    #[getter]
    fn timeouts(&self) -> ProviderTimeouts {
        ProviderTimeouts(self.0.timeouts)
    }

    /// A file of certificate authorities to trust in addition to those of the platform.
    #[getter]
    fn ca_file(&self) -> Option<String> {
        self.0.ca_file.as_ref().map(|path| path.to_string_lossy().into_owned())
    }

    /// Options that only this provider knows.
    #[getter]
    fn options(&self) -> BTreeMap<String, String> {
        self.0.options.clone()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut shown = Shown::new(py, "ProviderConfig");
        if self.0.token.is_some() {
            shown = shown.plain("token", "<secret>");
        }
        shown = shown.text("endpoint", self.0.endpoint.as_deref().unwrap_or_default())?;
        shown = shown.text("region", self.0.region.as_deref().unwrap_or_default())?;
        // An option may be a secret too: only its name is shown.
        Ok(self.0.options.keys().fold(shown, |shown, name| shown.plain(name, "…")).end())
    }
}
