//! Durations as Python has them: seconds as a number, or a `timedelta`.
//!
//! Stands on nothing.

use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDelta;

/// A duration that Python gives: `90`, `1.5` or `timedelta(minutes=2)`.
#[derive(Clone, Copy)]
pub(crate) struct Seconds(pub(crate) Duration);

impl<'py> FromPyObject<'_, 'py> for Seconds {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let seconds: f64 = if given.is_instance_of::<PyDelta>() {
            given.call_method0("total_seconds")?.extract()?
        } else {
            let number = given.extract();
            number.map_err(|_| PyTypeError::new_err("give seconds as a number, or a datetime.timedelta"))?
        };
        let duration = Duration::try_from_secs_f64(seconds);
        duration.map(Self).map_err(|_| PyValueError::new_err(format!("{seconds} s is no length of time; give 0 or more")))
    }
}
