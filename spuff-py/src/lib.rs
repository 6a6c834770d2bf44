//! The Python package of spuff: translation, and nothing else.
//!
//! | layer | module | contents |
//! | --- | --- | --- |
//! | classes | `provider`, `placement`, `registry`, `scope`, `watch`, `simulator`, `suite` | what Python sees: operations, registries, simulated clouds |
//! | calls | `call`, `sync`, `asyncio`, `task` | one future, run for a thread that blocks or for asyncio |
//! | callbacks | `python_provider`, `guard` | providers written in Python, as the core sees them; calls into Python code |
//! | values | `nouns`, `instance`, `request`, `image`, `status`, `timeouts`, `config`, `option`, `progress`, `reap`, `price`, `placed` | the types |
//! | base | `error`, `outcome`, `fleet`, `json`, `logs`, `seconds`, `show` | errors, lists, outcomes of many, JSON, the log, durations, `repr` |
//!
//! The modules `verbs`, and all in `nouns`, are generated from the contract, by
//! `cargo run -p spuff-surface`.
//!
//! The names and their documentation, for Python, are in `python/spuff`.

mod asyncio;
mod call;
mod config;
mod error;
mod fleet;
mod guard;
mod image;
mod instance;
mod json;
mod logs;
mod nouns;
mod option;
mod outcome;
mod placed;
mod placement;
mod price;
mod progress;
mod provider;
mod python_provider;
mod reap;
mod registry;
mod request;
mod scope;
mod seconds;
mod show;
#[cfg(feature = "simulator")]
mod simulator;
mod status;
mod suite;
mod sync;
mod task;
mod timeouts;
mod watch;

use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

/// Refuses a second interpreter in the process: it would share this one's objects. The first is
/// known by its `sys`.
fn only_one_interpreter(py: Python<'_>) -> PyResult<()> {
    static FIRST: AtomicUsize = AtomicUsize::new(0);
    let here = py.import("sys")?.as_ptr() as usize;
    match FIRST.compare_exchange(0, here, Ordering::AcqRel, Ordering::Acquire) {
        Err(first) if first != here => Err(PyImportError::new_err(
            "spuff can be used in only one interpreter of a process, and another one uses it",
        )),
        _ => Ok(()),
    }
}

/// What is compiled of spuff.
#[pymodule(gil_used = false)]
mod _spuff {
    use super::*;

    #[pymodule_export]
    use super::{
        asyncio::{Pending, Running, settled_async},
        config::ProviderConfig,
        error::{describe_error, is_instance_failure},
        image::ImageSpec,
        instance::{Address, Instance},
        placed::{Attempt, Placed},
        placement::{
            Candidate, place_instance, place_instance_async, place_instances, place_instances_async,
        },
        price::Price,
        progress::Progress,
        provider::{AsyncProvider, Provider, Verbs},
        python_provider::is_cancelled,
        reap::Reaped,
        registry::{OptionDescription, ProviderDescription, ProviderRegistry},
        request::InstanceRequest,
        scope::{AsyncScope, BlockingScope},
        status::InstanceStatus,
        suite::{check_provider, checks},
        sync::settled,
        timeouts::ProviderTimeouts,
        watch::Watch,
    };

    #[cfg(feature = "simulator")]
    #[pymodule_export]
    use super::simulator::Cloud;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        only_one_interpreter(module.py())?;
        nouns::add(module)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("ERROR_KINDS", error::kinds())
    }
}
