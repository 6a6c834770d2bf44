//! A provider made from a table: each operation calls its function.

use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::ptr::null_mut;
use std::sync::Arc;

use spuff_core::blocking::{CancelToken, SyncProvider, defer_blocking};
use spuff_core::provider::{
    ErrorKind, ErrorParts, InstanceRequest, Operation, Price as CorePrice, ProviderError,
    ProviderInstance, ProviderResult, Snapshot as CoreSnapshot,
};

use crate::boundary::{UserData, c_pairs, c_text, from_raw, kind_from_code};
use crate::cancel::Cancel;
use crate::error::{Code, Error};
use crate::instance::{Instance, Instances};
use crate::price::Price;
use crate::request::Request;
use crate::snapshot::{Snapshot, Snapshots};
use crate::strings::Strings;
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

impl Beside<Snapshot> {
    /// The error of a create, which tells of the snapshot.
    fn of_create(self) -> ProviderError {
        match self.made {
            Some(made) => noting(
                self.error,
                &format!("snapshot {} was made, and may cost money", made.inner.id),
            ),
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
macro_rules! function {
    ($this:ident.$verb:ident) => {
        $this
            .table
            .0
            .$verb
            .ok_or_else(|| ProviderError::NotSupported { feature: stringify!($verb).to_string() })?
    };
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

// SAFETY of all calls below: they are the caller's functions, called as the header says, with what
// lives as long as the call.
impl SyncProvider for Foreign {
    fn name(&self) -> &str {
        self.name
    }

    fn create_instance(
        &self,
        request: &InstanceRequest,
        cancel: &CancelToken,
    ) -> ProviderResult<ProviderInstance> {
        let create = function!(self.create_instance);
        let request = Request::from(request.clone());
        // SAFETY: see above.
        let call = |state, cancel, out, error| unsafe {
            create(state, &raw const request, cancel, out, error)
        };
        let made = self.must_make::<Instance>("create_instance", cancel, call);
        made.map(|made| made.inner).map_err(Beside::<Instance>::of_create)
    }

    fn destroy_instance(&self, id: &str, cancel: &CancelToken) -> ProviderResult<()> {
        let destroy = function!(self.destroy_instance);
        let id = argument(id, "id")?;
        // SAFETY: see above.
        self.done("destroy_instance", cancel, |state, cancel, error| unsafe {
            destroy(state, id.as_ptr(), cancel, error)
        })
    }

    fn get_instance(
        &self,
        id: &str,
        cancel: &CancelToken,
    ) -> ProviderResult<Option<ProviderInstance>> {
        let get = function!(self.get_instance);
        let id = argument(id, "id")?;
        // SAFETY: see above.
        let call =
            |state, cancel, out, error| unsafe { get(state, id.as_ptr(), cancel, out, error) };
        Ok(self.made::<Instance>("get_instance", cancel, call)?.map(|found| found.inner))
    }

    fn list_instances(&self, cancel: &CancelToken) -> ProviderResult<Vec<ProviderInstance>> {
        let list = function!(self.list_instances);
        // SAFETY: see above.
        let call = |state, cancel, found, error| unsafe { list(state, cancel, found, error) };
        let found: Instances = self.filled("list_instances", cancel, call)?;
        Ok(found.0.into_iter().map(|instance| instance.inner).collect())
    }

    fn wait_ready(&self, id: &str, cancel: &CancelToken) -> ProviderResult<ProviderInstance> {
        let wait = function!(self.wait_ready);
        let id = argument(id, "id")?;
        // SAFETY: see above.
        let call =
            |state, cancel, out, error| unsafe { wait(state, id.as_ptr(), cancel, out, error) };
        Ok(self.must_make::<Instance>("wait_ready", cancel, call)?.inner)
    }

    fn create_snapshot(
        &self,
        instance_id: &str,
        name: &str,
        cancel: &CancelToken,
    ) -> ProviderResult<CoreSnapshot> {
        let create = function!(self.create_snapshot);
        let id = argument(instance_id, "instance_id")?;
        let name = argument(name, "name")?;
        // SAFETY: see above.
        let call = |state, cancel, out, error| unsafe {
            create(state, id.as_ptr(), name.as_ptr(), cancel, out, error)
        };
        let made = self.must_make::<Snapshot>("create_snapshot", cancel, call);
        made.map(|made| made.inner).map_err(Beside::<Snapshot>::of_create)
    }

    fn list_labelled_snapshots(
        &self,
        cancel: &CancelToken,
    ) -> ProviderResult<Vec<(CoreSnapshot, HashMap<String, String>)>> {
        let list = function!(self.list_snapshots);
        // SAFETY: see above.
        let call = |state, cancel, found, error| unsafe { list(state, cancel, found, error) };
        let found: Snapshots = self.filled("list_snapshots", cancel, call)?;
        Ok(found.0.into_iter().map(|snapshot| (snapshot.inner, snapshot.labels)).collect())
    }

    fn delete_snapshot(&self, id: &str, cancel: &CancelToken) -> ProviderResult<()> {
        let delete = function!(self.delete_snapshot);
        let id = argument(id, "id")?;
        // SAFETY: see above.
        self.done("delete_snapshot", cancel, |state, cancel, error| unsafe {
            delete(state, id.as_ptr(), cancel, error)
        })
    }

    fn resolve(&self, key: &str, cancel: &CancelToken) -> ProviderResult<Option<ProviderInstance>> {
        let resolve = function!(self.resolve);
        let key = argument(key, "key")?;
        // SAFETY: see above.
        let call =
            |state, cancel, out, error| unsafe { resolve(state, key.as_ptr(), cancel, out, error) };
        Ok(self.made::<Instance>("resolve", cancel, call)?.map(|found| found.inner))
    }

    fn resolve_snapshot(
        &self,
        key: &str,
        cancel: &CancelToken,
    ) -> ProviderResult<Option<CoreSnapshot>> {
        let resolve = function!(self.resolve_snapshot);
        let key = argument(key, "key")?;
        // SAFETY: see above.
        let call =
            |state, cancel, out, error| unsafe { resolve(state, key.as_ptr(), cancel, out, error) };
        Ok(self.made::<Snapshot>("resolve_snapshot", cancel, call)?.map(|found| found.inner))
    }

    fn set_labels(
        &self,
        id: &str,
        labels: &HashMap<String, String>,
        cancel: &CancelToken,
    ) -> ProviderResult<()> {
        let set = function!(self.set_labels);
        let id = argument(id, "id")?;
        let labels = c_pairs(labels);
        let keys: Vec<_> = labels.iter().map(|(key, _)| key.as_ptr()).collect();
        let values: Vec<_> = labels.iter().map(|(_, value)| value.as_ptr()).collect();
        self.done("set_labels", cancel, |state, cancel, error| {
            // SAFETY: see above.
            unsafe {
                set(state, id.as_ptr(), keys.as_ptr(), values.as_ptr(), labels.len(), cancel, error)
            }
        })
    }

    fn get_ssh_keys(&self, cancel: &CancelToken) -> ProviderResult<Vec<String>> {
        let Some(get) = self.table.0.get_ssh_keys else { return Ok(Vec::new()) };
        // SAFETY: see above.
        let keys: Strings =
            self.filled("get_ssh_keys", cancel, |state, cancel, keys, error| unsafe {
                get(state, cancel, keys, error)
            })?;
        Ok(keys.into_plain())
    }

    fn hourly_price(
        &self,
        region: &str,
        size: &str,
        cancel: &CancelToken,
    ) -> ProviderResult<CorePrice> {
        let ask = function!(self.hourly_price);
        let region = argument(region, "region")?;
        let size = argument(size, "size")?;
        // SAFETY: see above.
        let call = |state, cancel, out, error| unsafe {
            ask(state, region.as_ptr(), size.as_ptr(), cancel, out, error)
        };
        Ok(self.must_make::<Price>("hourly_price", cancel, call)?.into_inner())
    }

    fn supports_snapshots(&self) -> bool {
        self.table.0.create_snapshot.is_some()
    }
}

/// A text for a function of C. A NUL inside it cannot be told.
fn argument(value: &str, name: &str) -> ProviderResult<CString> {
    if value.contains('\0') {
        return Err(ProviderError::invalid_config(name, "must not contain NUL"));
    }
    Ok(c_text(value))
}
