//! A provider made from a table: each operation calls its function.

mod verbs;

use std::ffi::{CString, c_void};
use std::ptr::null_mut;
use std::sync::Arc;

use spuff_core::blocking::{CancelToken, defer_blocking};
use spuff_core::provider::{ErrorKind, ErrorParts, Operation, ProviderError, ProviderResult};

use crate::boundary::{UserData, c_text, from_raw, kind_from_code};
use crate::cancel::Cancel;
use crate::error::{Code, Error};
use crate::instance::Instance;
use crate::vtable::Table;

/// What a caller's function returned.
pub(crate) fn answered(
    provider: &str,
    verb: &str,
    code: i32,
    mut error: *mut Error,
) -> ProviderResult<()> {
    let told = from_raw(&raw mut error).map(Error::into_parts);
    if code == Code::Ok as i32 {
        return Ok(());
    }
    let silent = || {
        let mut parts = ErrorParts::new(
            kind_from_code(code),
            format!("{verb} of {provider} returned {code} without an error"),
        );
        // What its kind shows in place of a message.
        (parts.operation, parts.feature, parts.name) =
            (Some(verb.into()), Some(verb.into()), Some(provider.into()));
        (parts.field, parts.resource_type, parts.key) =
            (Some(verb.into()), Some("thing".into()), Some(String::new()));
        parts
    };
    let mut parts = told.unwrap_or_else(silent);
    if let (ErrorKind::Timeout, Some(operation)) = (parts.kind, Operation::named_in(verb)) {
        parts.operation = Some(operation.of_words(parts.operation.as_deref().unwrap_or_default()));
    }
    Err(parts.about(provider, None).into())
}

/// An error, and what was put in the place of a result all the same.
struct Beside<T> {
    error: ProviderError,
    made: Option<T>,
}

/// What was only read is not needed.
impl<T> From<Beside<T>> for ProviderError {
    fn from(beside: Beside<T>) -> Self {
        beside.error
    }
}

impl Beside<Instance> {
    /// The error of a create, which tells of the instance.
    fn of_create(self) -> ProviderError {
        match (self.error, self.made) {
            (error @ ProviderError::AfterCreate { .. }, _) | (error, None) => error,
            (error, Some(made)) if made.inner.adopted => {
                noting(error, &format!("instance {} existed before", made.inner.id))
            }
            (error, Some(made)) => error.after_create(made.inner.id, None),
        }
    }
}

impl<T> Beside<T> {
    /// The error of a create, which tells of what was made all the same: `what` it is, and its id.
    fn noting(self, what: &str, id: impl FnOnce(&T) -> &str) -> ProviderError {
        match self.made {
            Some(made) => {
                noting(self.error, &format!("{what} {} was made, and may cost money", id(&made)))
            }
            None => self.error,
        }
    }
}

/// An error with some words more, where its kind has room for them.
fn noting(error: ProviderError, note: &str) -> ProviderError {
    let mut parts = ErrorParts::from(&error);
    parts.message = format!("{}; {note}", parts.message);
    parts.operation = parts.operation.map(|operation| format!("{operation} ({note})"));
    let noted = ProviderError::from(parts);
    if noted.to_string().contains(note) {
        noted
    } else {
        ProviderError::Other { message: format!("{error}; {note}") }
    }
}

/// A provider whose operations are functions of a table.
pub(crate) struct Foreign {
    pub(crate) name: &'static str,
    pub(crate) table: Arc<Table>,
    pub(crate) state: UserData,
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if let (Some(disconnect), true) = (self.table.0.disconnect, self.table.0.connect.is_some())
        {
            let state = self.state;
            let table = self.table.clone();
            defer_blocking(move || {
                let state = state;
                // SAFETY: the caller's function, called once for what `connect` has made.
                unsafe { disconnect(state.0) };
                // Not before: the table may be told that nothing uses it.
                drop(table);
            });
        }
    }
}

/// A function of the table, or the error that there is none.
fn there<F>(function: Option<F>, verb: &str) -> ProviderResult<F> {
    function.ok_or_else(|| ProviderError::NotSupported { feature: verb.to_string() })
}

impl Foreign {
    /// Calls a function that may put a handle in a place.
    fn made<T>(
        &self,
        verb: &str,
        cancel: &CancelToken,
        call: impl FnOnce(*mut c_void, *const Cancel, *mut *mut T, *mut *mut Error) -> i32,
    ) -> Result<Option<T>, Beside<T>> {
        let mut out = null_mut();
        let mut error = null_mut();
        let cancel = Cancel(cancel.clone());
        let code = call(self.state.0, &raw const cancel, &raw mut out, &raw mut error);
        let made = from_raw(&raw mut out);
        match answered(self.name, verb, code, error) {
            Ok(()) => Ok(made),
            Err(error) => Err(Beside { error, made }),
        }
    }

    /// Calls a function that must put a handle in a place.
    fn must_make<T>(
        &self,
        verb: &str,
        cancel: &CancelToken,
        call: impl FnOnce(*mut c_void, *const Cancel, *mut *mut T, *mut *mut Error) -> i32,
    ) -> Result<T, Beside<T>> {
        let nothing = || ProviderError::Other {
            message: format!("{verb} of {} succeeded, but left *out NULL", self.name),
        };
        self.made(verb, cancel, call)?.ok_or_else(|| Beside { error: nothing(), made: None })
    }

    /// Calls a function that makes nothing.
    fn done(
        &self,
        verb: &str,
        cancel: &CancelToken,
        call: impl FnOnce(*mut c_void, *const Cancel, *mut *mut Error) -> i32,
    ) -> ProviderResult<()> {
        self.made::<()>(verb, cancel, |state, cancel, _, error| call(state, cancel, error))?;
        Ok(())
    }

    /// Calls a function that fills a list.
    fn filled<T: Default>(
        &self,
        verb: &str,
        cancel: &CancelToken,
        call: impl FnOnce(*mut c_void, *const Cancel, *mut T, *mut *mut Error) -> i32,
    ) -> ProviderResult<T> {
        let mut list = T::default();
        self.done(verb, cancel, |state, cancel, error| call(state, cancel, &raw mut list, error))?;
        Ok(list)
    }
}

/// A text for a function of C. A NUL inside it cannot be told.
fn argument(value: &str, name: &str) -> ProviderResult<CString> {
    if value.contains('\0') {
        return Err(ProviderError::invalid_config(name, "must not contain NUL"));
    }
    Ok(c_text(value))
}
