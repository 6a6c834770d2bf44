//! Values of a provider's options: the core takes text, Python has more to say it with.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDelta, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple};

use crate::guard;

/// What an option is to be; nothing for `None`, as if it had not been given.
///
/// Text, numbers and paths are taken as their text, `True` and `False` as `true` and `false`, a
/// `timedelta` as its seconds. A list or tuple has a line for each item, a mapping `NAME=VALUE`
/// lines.
pub(crate) fn read(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    if value.is_none() {
        return Ok(None);
    }
    if let Some(text) = plain(value)? {
        return Ok(Some(text));
    }
    let lines: Vec<String> = if value.is_instance_of::<PyList>()
        || value.is_instance_of::<PyTuple>()
    {
        value.try_iter()?.map(|item| line(name, &item?)).collect::<PyResult<_>>()?
    } else if let Ok(mapping) = value.cast::<PyMapping>() {
        let items = mapping.items()?;
        let pair = |item: Bound<'_, PyAny>| {
            let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
            let key =
                key.extract::<String>().map_err(|_| wrong(&format!("a name in {name}"), &key))?;
            Ok(format!("{key}={}", line(&format!("{name}[{key:?}]"), &value)?))
        };
        items.iter().map(pair).collect::<PyResult<_>>()?
    } else {
        return Err(wrong(name, value));
    };
    Ok(Some(lines.join("\n")))
}

/// An item of many, which is one line.
fn line(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = plain(value)?.ok_or_else(|| wrong(&format!("an item of {name}"), value))?;
    if text.contains('\n') {
        let message = format!(
            "an item of {name} has more than one line, and each line would be an item of its own"
        );
        return Err(pyo3::exceptions::PyValueError::new_err(message));
    }
    Ok(text)
}

/// The text of a value that is one.
fn plain(value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let py = value.py();
    if let Ok(truth) = value.cast::<PyBool>() {
        return Ok(Some(truth.is_true().to_string()));
    }
    if value.is_instance_of::<PyString>() {
        return value.extract().map(Some);
    }
    if value.is_instance_of::<PyDelta>() {
        return seconds(&value.call_method0("total_seconds")?).map(Some);
    }
    if value.is_instance_of::<PyInt>() {
        // An enum of numbers shows itself by its name.
        return Ok(Some(value.call_method0("__int__")?.str()?.to_string()));
    }
    if value.is_instance_of::<PyFloat>() {
        return seconds(value).map(Some);
    }
    static PATH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if value.is_instance(guard::imported(py, &PATH, "os", "PathLike")?)? {
        let path = value.call_method0("__fspath__")?;
        return path.extract().map(Some).map_err(|_| wrong("a path", &path));
    }
    Ok(None)
}

/// A number as it is written: without a fraction where it has none.
fn seconds(number: &Bound<'_, PyAny>) -> PyResult<String> {
    let is_whole = number.call_method0("is_integer")?.is_truthy()?;
    Ok(if is_whole { number.call_method0("__int__")?.str()? } else { number.str()? }.to_string())
}

fn wrong(name: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let class = value.get_type();
    let class = class.name().map(|name| name.to_string()).unwrap_or_default();
    let known = "text, a number, a bool, a path, a timedelta, or a list, tuple or mapping of these";
    PyTypeError::new_err(format!("{name} must be {known}, not {class}"))
}
