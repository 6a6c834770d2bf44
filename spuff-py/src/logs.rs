//! The core's log, under the logger `spuff` of Python's `logging`.
//!
//! The level is that of the logger: it is read when an operation begins, so that a record below it
//! costs the core one comparison.

use std::sync::Once;
use std::sync::atomic::{AtomicI64, Ordering};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use spuff_core::logging::{self, Level, Record};

use crate::guard;

/// Python's number for a level.
fn number(level: Level) -> i64 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

/// The level that lets through what Python's number does.
fn level(number: i64) -> Option<Level> {
    [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR]
        .into_iter()
        .find(|level| self::number(*level) >= number)
}

fn logger(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let logger = LOGGER.get_or_try_init(py, || {
        guard::call(&guard::import(py, "logging", "getLogger")?, ("spuff",)).map(Bound::unbind)
    });
    logger.map(|logger| logger.bind(py))
}

/// Lets the core log what the logger lets through now.
pub(crate) fn follow(py: Python<'_>) -> PyResult<()> {
    static LISTENING: Once = Once::new();
    static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    static NOW: AtomicI64 = AtomicI64::new(30);
    LISTENING.call_once(|| {
        // No other subscriber of tracing can be here: this library has a copy of its own.
        let _ = logging::listen(Some(Level::WARN), write);
    });
    let modules = MODULES.get_or_try_init(py, || {
        py.import("sys")?
            .getattr("modules")?
            .cast_into::<PyDict>()
            .map(Bound::unbind)
            .map_err(PyErr::from)
    })?;
    // If `logging` was never imported, it would let warnings through.
    if !modules.bind(py).contains("logging")? {
        return Ok(());
    }
    let wanted: i64 = guard::method(logger(py)?, "getEffectiveLevel", ())?.extract()?;
    if NOW.swap(wanted, Ordering::AcqRel) != wanted {
        py.detach(|| logging::set_level(level(wanted)));
    }
    Ok(())
}

/// Gives a line to the logger. If the interpreter is ending, it is dropped.
fn write(record: &Record<'_>) {
    Python::try_attach(|py| {
        let written = logger(py).and_then(|logger| {
            let line = (number(record.level), "%s", record.message);
            guard::method(logger, "log", line).map(drop)
        });
        if let Err(error) = written {
            error.write_unraisable(py, None);
        }
    });
}
