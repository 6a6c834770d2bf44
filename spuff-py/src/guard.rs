//! Calls of code that is Python's, from below which the interpreter may end.
//!
//! Until 3.13, CPython ends a thread that asks for the interpreter while that is ending, by
//! unwinding it: through the frames of Rust below a method of a provider, or a callback, that would
//! end the process with a signal. Such a thread stays here instead, and ends with the process.

use std::hint::black_box;
use std::mem;
use std::ptr::null_mut;
use std::thread;

use pyo3::PyTypeInfo;
use pyo3::exceptions::PyImportError;
use pyo3::ffi::{PyObject, PyObject_Call};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple};

type Call = unsafe extern "C" fn(*mut PyObject, *mut PyObject, *mut PyObject) -> *mut PyObject;
type UnwindingCall =
    unsafe extern "C-unwind" fn(*mut PyObject, *mut PyObject, *mut PyObject) -> *mut PyObject;

/// CPython's call, as one that may be unwound. The compiler must not see which function that is:
/// pyo3 declares it as one that never is, and of two declarations of a symbol in one module the
/// first holds for both.
fn unwinding_call() -> UnwindingCall {
    let call: Call = PyObject_Call;
    // SAFETY: the same function; to expect that it may be unwound does no harm.
    black_box(unsafe { mem::transmute::<Call, UnwindingCall>(call) })
}

/// Holds a thread that is being unwound.
struct Stay;

impl Drop for Stay {
    fn drop(&mut self) {
        loop {
            thread::park();
        }
    }
}

/// What something is called with.
pub(crate) trait Arguments<'py>:
    IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error: Into<PyErr>>
{
}

impl<'py, A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error: Into<PyErr>>>
    Arguments<'py> for A
{
}

/// Calls something that may run code of Python's.
pub(crate) fn call<'py>(
    callable: &Bound<'py, PyAny>,
    arguments: impl Arguments<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    call_with(callable, arguments, None)
}

/// The same, with keywords.
pub(crate) fn call_with<'py>(
    callable: &Bound<'py, PyAny>,
    arguments: impl Arguments<'py>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = callable.py();
    let arguments = arguments.into_pyobject(py).map_err(Into::into)?;
    let keywords = keywords.map_or(null_mut(), |keywords| keywords.as_ptr());
    let call = unwinding_call();
    let stay = Stay;
    // SAFETY: all are objects that live on, or NULL for no keywords, and this thread is attached,
    // as `py` proves.
    let answer: *mut PyObject = unsafe { call(callable.as_ptr(), arguments.as_ptr(), keywords) };
    mem::forget(stay);
    // SAFETY: a new reference, or NULL with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, answer) }
}

/// Calls a method that may run code of Python's.
pub(crate) fn method<'py>(
    object: &Bound<'py, PyAny>,
    name: &str,
    arguments: impl Arguments<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    call(&object.getattr(name)?, arguments)
}

/// Something of a module, which is imported where it has not been: that runs code of Python's.
pub(crate) fn import<'py>(
    py: Python<'py>,
    module: &str,
    name: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let import = py.import("builtins")?.getattr("__import__")?;
    call(&import, (module, py.None(), py.None(), (name,)))?.getattr(name)
}

/// The same, once.
pub(crate) fn imported<'py>(
    py: Python<'py>,
    place: &'static PyOnceLock<Py<PyAny>>,
    module: &str,
    name: &str,
) -> PyResult<&'py Bound<'py, PyAny>> {
    if place.get(py).is_none() {
        // Another thread may have been faster.
        let _ = place.set(py, import(py, module, name)?.unbind());
    }
    place
        .get(py)
        .map(|found| found.bind(py))
        .ok_or_else(|| PyImportError::new_err(format!("{module}.{name} does not exist")))
}

/// All that an iterable of the user's gives.
pub(crate) fn list<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    let class = PyList::type_object(given.py());
    Ok(call(class.as_any(), (given,))?.cast_into::<PyList>()?)
}
