//! The registered providers, and how one is made.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyDict, PyTuple};
use spuff_core::blocking;
use spuff_core::provider::{
    self, Capabilities, ErrorKind, ProviderFactory, ProviderResult, ProviderType,
};

use crate::config::ProviderConfig;
use crate::error;
use crate::guard;
use crate::provider::Provider;
use crate::python_provider::Factory;
use crate::show::Shown;
use crate::sync;
use crate::timeouts::ProviderTimeouts;

/// The providers that can be used, by name. A registry is a value: what is registered in one is in
/// no other.
#[pyclass(frozen, name = "ProviderRegistry", module = "spuff")]
pub(crate) struct ProviderRegistry {
    kept: Mutex<Kept>,
    /// Whether installed packages are looked through for what is not here.
    discovers: bool,
}

#[derive(Default)]
struct Kept {
    registry: blocking::ProviderRegistry,
    /// Those of them that are written in Python: what they hold may hold this registry.
    written: BTreeMap<&'static str, Arc<Factory>>,
}

/// The options and capabilities of a provider.
#[pyclass(frozen, get_all, name = "ProviderDescription", module = "spuff")]
pub(crate) struct ProviderDescription {
    name: String,
    summary: String,
    options: Vec<Py<OptionDescription>>,
    snapshots: bool,
    ssh_keys: bool,
    labels: bool,
    max_user_data: usize,
}

/// One option of a provider's configuration.
#[pyclass(frozen, get_all, eq, name = "OptionDescription", module = "spuff")]
#[derive(PartialEq)]
pub(crate) struct OptionDescription {
    name: String,
    doc: String,
    required: bool,
    secret: bool,
    env: Vec<String>,
}

#[pymethods]
impl ProviderDescription {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(Shown::new(py, "ProviderDescription")
            .text("name", &self.name)?
            .text("summary", &self.summary)?
            .end())
    }
}

#[pymethods]
impl OptionDescription {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let shown =
            Shown::new(py, "OptionDescription").text("", &self.name)?.text("doc", &self.doc)?;
        Ok(shown.value("required", self.required)?.value("env", &self.env)?.end())
    }
}

impl ProviderRegistry {
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Kept> {
        self.kept.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    /// What `ask` gives; where the name is unknown, once more after a look through the installed
    /// packages.
    fn ask<T>(
        slf: &Bound<'_, Self>,
        name: &str,
        ask: impl Fn(&blocking::ProviderRegistry) -> ProviderResult<T>,
    ) -> PyResult<T> {
        let py = slf.py();
        let this = slf.get();
        let copy = || this.lock(py).registry.clone();
        error::made(py, || {
            let asked = ask(&copy());
            if asked.as_ref().is_err_and(|error| error.kind() == ErrorKind::UnknownProvider)
                && this.discover(slf, Some(name))?
            {
                return Ok(ask(&copy()));
            }
            Ok(asked)
        })
    }

    /// Registers what installed packages offer: of that name, or all.
    fn discover(&self, slf: &Bound<'_, Self>, name: Option<&str>) -> PyResult<bool> {
        if !self.discovers {
            return Ok(false);
        }
        guard::call(&guard::import(slf.py(), "spuff._plugins", "discover")?, (slf, name))?.extract()
    }

    fn made(slf: &Bound<'_, Self>, made: blocking::Provider) -> PyResult<Py<Provider>> {
        sync::settle_at_exit(slf.py())?;
        Provider::new(slf.py(), made)
    }

    fn names(
        slf: &Bound<'_, Self>,
        list: impl Fn(&provider::ProviderRegistry) -> Vec<ProviderType>,
    ) -> PyResult<Vec<String>> {
        slf.get().discover(slf, None)?;
        Ok(list(&slf.get().lock(slf.py()).registry).iter().map(ToString::to_string).collect())
    }
}

#[pymethods]
impl ProviderRegistry {
    /// A registry with no provider.
    #[new]
    fn new() -> Self {
        Self { kept: Mutex::default(), discovers: false }
    }

    /// A registry with every provider of this build, those that were declared with
    /// `@spuff.provider`, and those that installed packages offer under the entry points
    /// `spuff.providers`.
    #[staticmethod]
    fn with_defaults(py: Python<'_>) -> PyResult<Bound<'_, Self>> {
        let kept =
            Kept { registry: blocking::ProviderRegistry::with_defaults(), ..Kept::default() };
        let registry = Bound::new(py, Self { kept: Mutex::new(kept), discovers: true })?;
        // Nothing can have been declared before this module is there.
        if let Some(plugins) =
            py.import("sys")?.getattr("modules")?.cast::<PyDict>()?.get_item("spuff._plugins")?
        {
            guard::method(&plugins, "add_declared", (&registry,))?;
        }
        Ok(registry)
    }

    /// Adds a provider written in Python: `factory(config)` makes it. It takes the place of one of
    /// the same name.
    #[pyo3(signature = (
        name, factory, *, summary=None, snapshots=None, ssh_keys=None, labels=true, max_user_data=0,
        token_required=true
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords, to its users")]
    fn register(
        &self,
        py: Python<'_>,
        name: &str,
        factory: Bound<'_, PyAny>,
        summary: Option<String>,
        snapshots: Option<bool>,
        ssh_keys: Option<bool>,
        labels: bool,
        max_user_data: usize,
        token_required: bool,
    ) -> PyResult<()> {
        let has = |verb: &str| factory.hasattr(verb);
        let mut capabilities = Capabilities::default();
        capabilities.snapshots = snapshots.map_or_else(|| has("create_snapshot"), Ok)?;
        capabilities.ssh_keys = ssh_keys.map_or_else(|| has("get_ssh_keys"), Ok)?;
        (capabilities.labels, capabilities.max_user_data) = (labels, max_user_data);
        let factory =
            Arc::new(Factory::new(name, factory.unbind(), summary, capabilities, token_required));
        // The one whose place is taken is dropped after the lock: that may run code of Python.
        let mut kept = self.lock(py);
        let displaced = (
            kept.registry.register(factory.clone()),
            kept.written.insert(factory.provider_type().as_str(), factory),
        );
        drop(kept);
        drop(displaced);
        Ok(())
    }

    /// A factory is this registry's alone unless a provider that it made, or a call, keeps a copy
    /// of the registry.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(kept) = self.kept.try_lock() else { return Ok(()) };
        let own = kept
            .written
            .values()
            .filter(|factory| kept.registry.holders(factory.provider_type()) == 1);
        own.into_iter().try_for_each(|factory| factory.visit(&visit))
    }

    /// Makes a provider from its name or alias and a token.
    #[pyo3(signature = (name, token, timeouts=None))]
    fn create_by_name(
        slf: &Bound<'_, Self>,
        name: &str,
        token: &str,
        timeouts: Option<&Bound<'_, ProviderTimeouts>>,
    ) -> PyResult<Py<Provider>> {
        let timeouts = timeouts.map(|timeouts| timeouts.get().0).unwrap_or_default();
        Self::made(
            slf,
            Self::ask(slf, name, |registry| registry.create_by_name(name, token, timeouts))?,
        )
    }

    /// Makes a provider from its name or alias and a whole configuration. The environment is not
    /// read, but for what the description says that the provider reads itself.
    #[pyo3(signature = (name, token=None, endpoint=None, region=None, timeouts=None, **options))]
    fn connect(
        slf: &Bound<'_, Self>,
        name: &str,
        token: Option<String>,
        endpoint: Option<String>,
        region: Option<String>,
        timeouts: Option<&Bound<'_, ProviderTimeouts>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<Provider>> {
        let config =
            ProviderConfig::read(token, endpoint, region, timeouts.map(Bound::get), options)?;
        Self::made(slf, Self::ask(slf, name, |registry| registry.connect(name, config.clone()))?)
    }

    /// As `connect`; what is left out comes from the environment variables that the provider
    /// describes.
    #[pyo3(signature = (name, token=None, endpoint=None, region=None, timeouts=None, **options))]
    fn from_env(
        slf: &Bound<'_, Self>,
        name: &str,
        token: Option<String>,
        endpoint: Option<String>,
        region: Option<String>,
        timeouts: Option<&Bound<'_, ProviderTimeouts>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<Provider>> {
        let config =
            ProviderConfig::read(token, endpoint, region, timeouts.map(Bound::get), options)?;
        let made = |registry: &blocking::ProviderRegistry| {
            registry.connect(name, registry.config_from_env(name, config.clone())?)
        };
        Self::made(slf, Self::ask(slf, name, made)?)
    }

    /// The options and capabilities of a registered provider.
    fn describe(slf: &Bound<'_, Self>, name: &str) -> PyResult<ProviderDescription> {
        let found = Self::ask(slf, name, |registry| registry.describe(name))?;
        let options = found.options.into_iter().map(|option| {
            let provider::OptionDescription { name, doc, required, secret, env, .. } = option;
            Py::new(slf.py(), OptionDescription { name, doc, required, secret, env })
        });
        Ok(ProviderDescription {
            name: found.provider_type.to_string(),
            summary: found.summary,
            options: options.collect::<PyResult<_>>()?,
            snapshots: found.capabilities.snapshots,
            ssh_keys: found.capabilities.ssh_keys,
            labels: found.capabilities.labels,
            max_user_data: found.capabilities.max_user_data,
        })
    }

    /// Every registered provider, in the order of their names.
    fn registered_providers(slf: &Bound<'_, Self>) -> PyResult<Vec<String>> {
        Self::names(slf, provider::ProviderRegistry::registered_providers)
    }

    /// Every registered provider that can be created, in the order of their names.
    fn implemented_providers(slf: &Bound<'_, Self>) -> PyResult<Vec<String>> {
        Self::names(slf, provider::ProviderRegistry::implemented_providers)
    }

    /// Whether a provider of that name or alias is registered.
    fn is_registered(slf: &Bound<'_, Self>, name: &str) -> PyResult<bool> {
        match Self::ask(slf, name, |registry| registry.describe(name).map(drop)) {
            Ok(()) => Ok(true),
            Err(error) => {
                let kind: String = error.value(slf.py()).getattr("kind")?.extract()?;
                if kind == ErrorKind::UnknownProvider.name()
                    || kind == ErrorKind::NotImplemented.name()
                {
                    Ok(false)
                } else {
                    Err(error)
                }
            }
        }
    }

    fn __contains__(slf: &Bound<'_, Self>, name: &str) -> PyResult<bool> {
        Self::is_registered(slf, name)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let names: Vec<_> =
            self.lock(py).registry.registered_providers().iter().map(ToString::to_string).collect();
        Ok(format!("<spuff.ProviderRegistry of {}>", PyTuple::new(py, names)?.repr()?))
    }
}
