//! How values show themselves: as the call that would make them.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// `Name(first, key=value, …)`, with what is empty left out.
pub(crate) struct Shown<'py> {
    py: Python<'py>,
    text: String,
    empty: bool,
}

impl<'py> Shown<'py> {
    pub(crate) fn new(py: Python<'py>, name: &str) -> Self {
        Self { py, text: format!("{name}("), empty: true }
    }

    /// A text, quoted as Python quotes it.
    pub(crate) fn text(self, key: &str, value: &str) -> PyResult<Self> {
        if value.is_empty() {
            return Ok(self);
        }
        let quoted = PyString::new(self.py, value).repr()?.to_string();
        Ok(self.plain(key, quoted))
    }

    pub(crate) fn plain(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        let comma = if self.empty { "" } else { ", " };
        let equals = if key.is_empty() { "" } else { "=" };
        self.text.push_str(&format!("{comma}{key}{equals}{value}"));
        self.empty = false;
        self
    }

    /// Anything that Python can show.
    pub(crate) fn value(self, key: &str, value: impl IntoPyObject<'py>) -> PyResult<Self> {
        let shown = value.into_bound_py_any(self.py)?.repr()?.to_string();
        Ok(self.plain(key, shown))
    }

    pub(crate) fn end(self) -> String {
        self.text + ")"
    }
}
