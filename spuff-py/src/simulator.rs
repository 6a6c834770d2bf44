//! Simulated clouds.
//!
//! What is plain data goes to Python as JSON; `python/spuff/simulator.py` gives it names.

use std::process;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyDict;
use serde::Serialize;
use spuff_core::blocking::ProviderRegistry;
use spuff_core::simulator::{self, Clock, FaultId, FaultRule, Options, Route, Timings};

use crate::config::ProviderConfig;
use crate::error;
use crate::provider::Provider;
use crate::seconds::Seconds;
use crate::sync;
use crate::timeouts::ProviderTimeouts;

/// Three simulated clouds on the loopback interface: what `spuff.simulator.Cloud` stands on.
#[pyclass(frozen, subclass, name = "Cloud", module = "spuff._spuff")]
pub(crate) struct Cloud {
    cloud: Mutex<Option<simulator::Cloud>>,
    process: u32,
}

impl Cloud {
    /// The configuration that connects a provider to it.
    fn wired(&self, py: Python<'_>, name: &str) -> PyResult<spuff_core::provider::ProviderConfig> {
        let name = simulator::simulated(name).map_err(|error| error::plain(py, &error))?;
        self.with(py, |cloud| cloud.config(name))
    }

    fn with<T>(&self, py: Python<'_>, ask: impl FnOnce(&simulator::Cloud) -> T) -> PyResult<T> {
        if self.process != process::id() {
            return Err(PyRuntimeError::new_err(
                "this simulated cloud belongs to the process that started it; use it there",
            ));
        }
        match &*self.cloud.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner) {
            Some(cloud) => Ok(ask(cloud)),
            None => Err(PyRuntimeError::new_err("this cloud is closed")),
        }
    }
}

/// A forked child has not the cloud's thread, and must not wait for its end.
impl Drop for Cloud {
    fn drop(&mut self) {
        if self.process != process::id() {
            std::mem::forget(self.cloud.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

fn json(value: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Reads what serde calls by this word: a route.
fn route(word: &str) -> PyResult<Route> {
    serde_json::from_value(word.into()).map_err(|error| chosen("route", word, &error))
}

/// A word that is none of a list; serde knows the list.
fn chosen(what: &str, word: &str, error: &serde_json::Error) -> PyErr {
    let words = error.to_string();
    if !words.starts_with("unknown variant") {
        return PyValueError::new_err(format!("{what}: {words}"));
    }
    let known: Vec<_> = words.split('`').skip(3).step_by(2).collect();
    PyValueError::new_err(format!("{what} {word:?} is not one of {}", known.join(", ")))
}

fn timings(usual: Timings, given: &Bound<'_, PyDict>) -> PyResult<Timings> {
    let mut timings = usual;
    for (name, value) in given.iter() {
        let name: String = name.extract()?;
        let place = match name.as_str() {
            "jitter" => {
                timings.jitter = value.extract()?;
                continue;
            }
            "boot" => &mut timings.boot,
            "power" => &mut timings.power,
            "destroy" => &mut timings.destroy,
            "snapshot" => &mut timings.snapshot,
            "list_lag" => &mut timings.list_lag,
            "read_lag" => &mut timings.read_lag,
            _ => return Err(PyValueError::new_err(format!("no timing is named {name:?}"))),
        };
        *place = value.extract::<Seconds>()?.0;
    }
    Ok(timings)
}

#[pymethods]
impl Cloud {
    #[new]
    #[pyo3(signature = (
        *, speed=1.0, manual=false, seed=0, port=0, rate_limits=false, quota=None,
        tokens=Vec::new(), kept_requests=None, timings=None
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords, to its users")]
    fn new(
        py: Python<'_>,
        speed: f64,
        manual: bool,
        seed: u64,
        port: u16,
        rate_limits: bool,
        quota: Option<usize>,
        tokens: Vec<String>,
        kept_requests: Option<usize>,
        timings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let clock = match (manual, speed) {
            (true, _) => Clock::Manual,
            // What is beyond a millionth or a million is taken as these.
            (false, speed) if speed.is_finite() && speed > 0.0 => Clock::Fast(speed),
            _ => {
                return Err(PyValueError::new_err(
                    "speed must be more than 0; manual=True stops the time",
                ));
            }
        };
        let mut options = Options::default()
            .with_clock(clock)
            .with_seed(seed)
            .with_port(port)
            .with_rate_limits(rate_limits);
        options = tokens.into_iter().fold(options, Options::with_token);
        if let Some(machines) = quota {
            options = options.with_quota(machines);
        }
        if let Some(count) = kept_requests {
            options = options.with_kept_requests(count);
        }
        for (name, given) in timings.into_iter().flat_map(|timings| timings.iter()) {
            let name: String = name.extract()?;
            let given = self::timings(Timings::usual(&name), given.cast::<PyDict>()?)?;
            options = options.with_timings(name, given);
        }
        let cloud =
            py.detach(|| options.start()).map_err(|error| PyOSError::new_err(error.to_string()))?;
        Ok(Self { cloud: Mutex::new(Some(cloud)), process: process::id() })
    }

    /// Ends it, when what is in the background has come to its end, or after a moment.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if self.process != process::id()
            || self.cloud.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).is_none()
        {
            return Ok(());
        }
        let settled = sync::settle_before_close(py);
        let cloud = self.cloud.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(cloud));
        settled
    }

    /// Where it listens: `127.0.0.1:PORT`.
    #[getter]
    fn address(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |cloud| cloud.address().to_string())
    }

    /// A provider connected to it.
    #[pyo3(signature = (name, *, timeouts=None, **options))]
    fn connect(
        &self,
        py: Python<'_>,
        name: &str,
        timeouts: Option<&Bound<'_, ProviderTimeouts>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<Provider>> {
        let mut config = self.wired(py, name)?;
        let given = ProviderConfig::read(None, None, None, timeouts.map(Bound::get), options)?;
        if timeouts.is_some() {
            config.timeouts = given.timeouts;
        }
        config.options.extend(given.options);
        let made = ProviderRegistry::with_defaults().connect(name, config);
        sync::settle_at_exit(py)?;
        Provider::new(py, made.map_err(|error| error::plain(py, &error))?)
    }

    /// The configuration that connects a provider to it.
    fn config(&self, py: Python<'_>, name: &str) -> PyResult<ProviderConfig> {
        self.wired(py, name).map(ProviderConfig)
    }

    /// The environment variables that point the clouds' own tools, and `spuff.connect`, at it.
    fn environment<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let variables = PyDict::new(py);
        for (name, value) in self.with(py, simulator::Cloud::environment)? {
            variables.set_item(name, value)?;
        }
        Ok(variables)
    }

    /// The cloud's time.
    #[getter]
    fn now(&self, py: Python<'_>) -> PyResult<chrono::DateTime<chrono::Utc>> {
        self.with(py, simulator::Cloud::now)
    }

    /// Advances the cloud's time.
    fn advance(&self, py: Python<'_>, by: Seconds) -> PyResult<()> {
        self.with(py, |cloud| cloud.advance(by.0))
    }

    fn _inject(&self, py: Python<'_>, rule: &str) -> PyResult<usize> {
        let given: serde_json::Value =
            serde_json::from_str(rule).map_err(|error| PyValueError::new_err(error.to_string()))?;
        if let Some(word) = given.get("route").and_then(serde_json::Value::as_str) {
            route(word)?;
        }
        let fault = &given["fault"];
        let name = fault
            .as_str()
            .or_else(|| fault.as_object()?.keys().next().map(String::as_str))
            .unwrap_or_default()
            .to_string();
        let rule: FaultRule =
            serde_json::from_value(given).map_err(|error| chosen("fault", &name, &error))?;
        let id = self.with(py, |cloud| cloud.inject(rule))?;
        serde_json::from_str(&json(&id)?)
            .map_err(|error| PyRuntimeError::new_err(error.to_string()))
    }

    /// How many requests a fault has affected.
    fn hits(&self, py: Python<'_>, fault: usize) -> PyResult<u64> {
        let id: FaultId = serde_json::from_value(fault.into())
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        self.with(py, |cloud| cloud.hits(id))
    }

    /// Removes all faults.
    fn clear_faults(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, simulator::Cloud::clear_faults)
    }

    /// How many requests a cloud was sent: of one kind, or all.
    #[pyo3(signature = (provider, route=None))]
    fn request_count(&self, py: Python<'_>, provider: &str, route: Option<&str>) -> PyResult<u64> {
        match route {
            Some(word) => {
                let route = self::route(word)?;
                self.with(py, |cloud| cloud.route_count(provider, route))
            }
            None => self.with(py, |cloud| cloud.request_count(provider)),
        }
    }

    fn _requests(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |cloud| json(&cloud.requests()))?
    }

    fn _instances(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |cloud| json(&cloud.instances()))?
    }

    fn _snapshots(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |cloud| json(&cloud.snapshots()))?
    }

    fn _leaks(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |cloud| json(&cloud.leaks()))?
    }

    fn _bill(&self, py: Python<'_>) -> PyResult<(String, String)> {
        let bill = self.with(py, simulator::Cloud::bill)?;
        Ok((json(&bill.lines)?, bill.to_string()))
    }
}
