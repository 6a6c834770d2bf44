//! Providers written in Python, with plain or `async def` methods.
//!
//! What an `async def` method gives is awaited on an event loop of spuff's own, in another thread,
//! no matter who calls.

mod verbs;

use std::cell::RefCell;
use std::collections::HashMap;

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use spuff_core::blocking::{CancelToken, from_sync};
use spuff_core::provider::{
    Capabilities, Operation, Price as Cost, Provider, ProviderConfig as Config,
    ProviderDescription, ProviderError, ProviderFactory, ProviderInstance, ProviderResult,
    ProviderTimeouts, ProviderType, Snapshot as Taken, labels,
};

use crate::config::ProviderConfig;
use crate::error;
use crate::guard::{self, Arguments};
use crate::instance::Instance;
use crate::nouns::Snapshot;
use crate::price::Price;

/// Makes providers of one class, or by one function, of Python's.
pub(crate) struct Factory {
    factory: Py<PyAny>,
    description: ProviderDescription,
}

impl Factory {
    pub(crate) fn new(
        name: &str,
        factory: Py<PyAny>,
        summary: Option<String>,
        capabilities: Capabilities,
        token_required: bool,
    ) -> Self {
        let mut description = ProviderDescription::new(ProviderType::named(name));
        description.summary = summary.unwrap_or(description.summary);
        description.capabilities = capabilities;
        description.options.iter_mut().for_each(|token| token.required = token_required);
        Self { factory, description }
    }

    /// Shows the collector of garbage what this holds.
    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.factory)
    }

    pub(crate) fn make(&self, config: Config) -> ProviderResult<Box<dyn Provider>> {
        let name = self.description.provider_type.to_string();
        let timeouts = config.timeouts;
        attached(None, |py| {
            let object = guard::call(self.factory.bind(py), (ProviderConfig(config),))?;
            let snapshots = match object.getattr_opt("supports_snapshots")? {
                Some(supports) => guard::call(&supports, ())?.is_truthy()?,
                None => object.hasattr("create_snapshot")?,
            };
            Ok(from_sync(InPython { object: object.unbind(), name, snapshots }, timeouts))
        })
    }
}

impl ProviderFactory for Factory {
    fn provider_type(&self) -> ProviderType {
        self.description.provider_type
    }

    fn create(&self, token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Box<dyn Provider>> {
        self.make(Config::new(token).with_timeouts(timeouts))
    }

    fn create_with(&self, config: &Config) -> ProviderResult<Box<dyn Provider>> {
        self.make(config.clone())
    }

    fn describe(&self) -> ProviderDescription {
        self.description.clone()
    }
}

/// Does something in Python; what that raises is what the core is told.
fn attached<T>(
    operation: Option<Operation>,
    work: impl FnOnce(Python<'_>) -> PyResult<T>,
) -> ProviderResult<T> {
    let ending = || Err(ProviderError::Other { message: "the interpreter is ending".to_string() });
    Python::try_attach(|py| work(py).map_err(|raised| error::told(py, raised, operation)))
        .unwrap_or_else(ending)
}

thread_local! {
    /// Whether the caller of the operation that this thread runs still waits.
    static CANCEL: RefCell<Option<CancelToken>> = const { RefCell::new(None) };
}

/// Whether this thread runs a method of a provider.
pub(crate) fn is_inside() -> bool {
    CANCEL.with_borrow(Option::is_some)
}

/// Whether the caller of the operation that this thread runs has left: for long methods of
/// providers.
#[pyfunction]
pub(crate) fn is_cancelled() -> bool {
    CANCEL.with_borrow(|cancel| cancel.as_ref().is_some_and(CancelToken::is_cancelled))
}

/// A provider written in Python.
struct InPython {
    object: Py<PyAny>,
    name: String,
    snapshots: bool,
}

impl InPython {
    /// Lists the snapshots with their labels. A provider that stores none lists them without.
    fn list_with_labels(
        &self,
        cancel: &CancelToken,
    ) -> ProviderResult<Vec<(Taken, HashMap<String, String>)>> {
        match self.call(
            Operation::ListLabelledSnapshots,
            cancel,
            (),
            each(with_labels(Snapshot::returned)),
        ) {
            Err(ProviderError::NotSupported { feature })
                if feature == Operation::ListLabelledSnapshots.as_str() =>
            {
                let listed =
                    self.call(Operation::ListSnapshots, cancel, (), each(Snapshot::returned))?;
                Ok(listed.into_iter().map(managed).collect())
            }
            listed => listed,
        }
    }

    /// Calls a method. One that makes something is never cancelled: what it makes would be lost.
    fn call<T>(
        &self,
        operation: Operation,
        cancel: &CancelToken,
        arguments: impl for<'py> Arguments<'py>,
        read: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>,
    ) -> ProviderResult<T> {
        let called = attached(Some(operation), |py| {
            let Some(method) = self.object.bind(py).getattr_opt(operation.as_str())? else {
                return Ok(None);
            };
            CANCEL.set(Some(cancel.clone()));
            let answer = guard::call(&method, arguments).and_then(|answer| {
                if !answer.hasattr("__await__")? {
                    return Ok(answer);
                }
                static WAIT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
                guard::call(
                    guard::imported(py, &WAIT, "spuff._asyncio", "wait_for_answer")?,
                    (answer, !operation.creates()),
                )
            });
            CANCEL.set(None);
            read(&answer?).map(Some)
        });
        called?.ok_or_else(|| ProviderError::NotSupported { feature: operation.to_string() })
    }
}

/// A list that is empty where the provider has no such method.
fn none_without<T>(operation: Operation, listed: ProviderResult<Vec<T>>) -> ProviderResult<Vec<T>> {
    match listed {
        Err(ProviderError::NotSupported { feature }) if feature == operation.as_str() => {
            Ok(Vec::new())
        }
        listed => listed,
    }
}

fn nothing(_: &Bound<'_, PyAny>) -> PyResult<()> {
    Ok(())
}

fn an_instance(answer: &Bound<'_, PyAny>) -> PyResult<ProviderInstance> {
    match answer.cast::<Instance>() {
        Ok(instance) => Ok(instance.get().0.clone()),
        Err(_) => Err(PyTypeError::new_err(format!(
            "the method must return a spuff.Instance, not {}",
            answer.repr()?
        ))),
    }
}

fn a_price(answer: &Bound<'_, PyAny>) -> PyResult<Cost> {
    match answer.cast::<Price>() {
        Ok(price) => Ok(price.get().0.clone()),
        Err(_) => Err(PyTypeError::new_err(format!(
            "the method must return a spuff.Price, not {}",
            answer.repr()?
        ))),
    }
}

fn a_text(answer: &Bound<'_, PyAny>) -> PyResult<String> {
    answer.extract()
}

fn perhaps<T>(
    read: impl Fn(&Bound<'_, PyAny>) -> PyResult<T>,
) -> impl FnOnce(&Bound<'_, PyAny>) -> PyResult<Option<T>> {
    move |answer| if answer.is_none() { Ok(None) } else { read(answer).map(Some) }
}

fn each<T>(
    read: impl Fn(&Bound<'_, PyAny>) -> PyResult<T>,
) -> impl FnOnce(&Bound<'_, PyAny>) -> PyResult<Vec<T>> {
    move |answer| guard::list(answer)?.iter().map(|item| read(&item)).collect()
}

fn with_labels<T>(
    read: impl Fn(&Bound<'_, PyAny>) -> PyResult<T>,
) -> impl Fn(&Bound<'_, PyAny>) -> PyResult<(T, HashMap<String, String>)> {
    move |pair| Ok((read(&pair.get_item(0)?)?, pair.get_item(1)?.extract()?))
}

fn managed(snapshot: Taken) -> (Taken, HashMap<String, String>) {
    (
        snapshot,
        HashMap::from([(labels::MANAGED_BY.to_string(), labels::MANAGED_BY_VALUE.to_string())]),
    )
}
