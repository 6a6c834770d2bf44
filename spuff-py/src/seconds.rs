//! Durations as Python has them, seconds as a number or a `timedelta`, points in time, and words.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDateTime, PyDelta, PyTzInfo};

use crate::guard;

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
            number.map_err(|_| {
                PyTypeError::new_err("must be seconds as a number, or a datetime.timedelta")
            })?
        };
        let duration = Duration::try_from_secs_f64(seconds);
        duration
            .map(Self)
            .map_err(|_| PyValueError::new_err(format!("{seconds} s: must be at least 0")))
    }
}

/// A word that Python gives for a value.
#[allow(dead_code, reason = "nouns with an enum use it, when there are any")]
pub(crate) struct Parsed<T>(pub(crate) T);

impl<T> FromPyObject<'_, '_> for Parsed<T>
where
    T: FromStr<Err: Display>,
{
    type Error = PyErr;

    fn extract(given: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let word: String = given.extract()?;
        word.parse().map(Self).map_err(|wrong: T::Err| PyValueError::new_err(wrong.to_string()))
    }
}

/// A point in time that Python gives: a `datetime` that knows its time zone, whichever that is.
pub(crate) struct Moment(pub(crate) DateTime<Utc>);

impl<'py> FromPyObject<'_, 'py> for Moment {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if !given.is_instance_of::<PyDateTime>() {
            let class = given.get_type();
            return Err(PyTypeError::new_err(format!(
                "must be a datetime.datetime with a time zone, not {}",
                class.name()?
            )));
        }
        if guard::method(&given, "utcoffset", ())?.is_none() {
            let message = "the datetime must have a time zone; make it with \
             datetime.now(timezone.utc)";
            return Err(PyValueError::new_err(message));
        }
        let utc = PyTzInfo::utc(given.py())?;
        guard::method(&given, "astimezone", (utc,))?.extract().map(Self)
    }
}
