//! Providers written in C: a table of functions becomes an entry of a registry.
//!
//! Stands on the handles that its functions are given and answer with.

use std::collections::HashMap;
use std::ffi::{CString, c_char, c_void};
use std::ptr::null_mut;
use std::sync::Arc;

use spuff_core::blocking::{CancelToken, SyncProvider, from_sync};
use spuff_core::provider::{
    Capabilities, ErrorParts, InstanceRequest, OptionDescription, Provider, ProviderConfig, ProviderDescription, ProviderError,
    ProviderFactory, ProviderInstance, ProviderResult, ProviderTimeouts, ProviderType, Snapshot as CoreSnapshot,
};

use crate::boundary::{Failure, Outcome, UserData, c_pairs, c_text, guard, handle, kind_of, optional_text, take, text};
use crate::cancel::Cancel;
use crate::config::Config;
use crate::error::{Code, Error};
use crate::instance::{Instance, Instances};
use crate::registry::Registry;
use crate::request::Request;
use crate::snapshot::{Snapshot, Snapshots};
use crate::strings::Strings;

/// A provider written in C: one function for each verb.
///
/// Set `size` to sizeof(spuff_provider_vtable) and what there is not to NULL; `create_instance`, `destroy_instance`,
/// `get_instance` and `list_instances` must be there. The table is copied.
///
/// The functions are called on threads of spuff's, several at once, and may block and call spuff. Their inputs live as long as
/// the call. Each answers SPUFF_OK, or a code with an error from spuff_error_new in *error, which spuff frees; a result that it
/// puts in *out is spuff's from there on. A list is given to be filled. `cancel` tells when nobody waits any more: one that takes
/// long looks at spuff_cancel_is_cancelled, or pauses with spuff_cancel_wait. A create that nobody waits for is let finish, and
/// what it made is destroyed, or kept, as the request says.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ProviderVtable {
    /// The size of this struct: functions are only ever added at its end.
    pub size: usize,
    /// What `connect` and `drop` are given; and the other functions as `self`, where there is no `connect`.
    pub user_data: *mut c_void,
    /// Called once when nothing uses the table any more. May be NULL.
    pub drop: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    /// The most bytes of user data that a machine takes; 0 where it takes none.
    pub max_user_data: usize,
    /// The values of labels are not kept.
    pub drops_labels: bool,
    /// Makes a provider from a configuration, in *self. NULL: there is one, `user_data`.
    pub connect: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            config: *const Config,
            self_: *mut *mut c_void,
            error: *mut *mut Error,
        ) -> i32,
    >,
    /// Ends what `connect` has made. May be NULL.
    pub disconnect: Option<unsafe extern "C" fn(self_: *mut c_void)>,
    /// Starts a machine.
    pub create_instance: Option<
        unsafe extern "C" fn(
            self_: *mut c_void,
            request: *const Request,
            cancel: *const Cancel,
            out: *mut *mut Instance,
            error: *mut *mut Error,
        ) -> i32,
    >,
    /// Ends a machine; one that is gone is SPUFF_OK.
    pub destroy_instance:
        Option<unsafe extern "C" fn(self_: *mut c_void, id: *const c_char, cancel: *const Cancel, error: *mut *mut Error) -> i32>,
    /// Reads a machine; one that is not there is SPUFF_OK, and nothing in *out.
    pub get_instance: Option<
        unsafe extern "C" fn(
            self_: *mut c_void,
            id: *const c_char,
            cancel: *const Cancel,
            out: *mut *mut Instance,
            error: *mut *mut Error,
        ) -> i32,
    >,
    /// Fills the list with every machine that carries managed-by=spuff.
    pub list_instances: Option<
        unsafe extern "C" fn(self_: *mut c_void, cancel: *const Cancel, list: *mut Instances, error: *mut *mut Error) -> i32,
    >,
    /// Waits until a machine is ready. NULL: spuff looks at `get_instance` again and again.
    pub wait_ready: Option<
        unsafe extern "C" fn(
            self_: *mut c_void,
            id: *const c_char,
            cancel: *const Cancel,
            out: *mut *mut Instance,
            error: *mut *mut Error,
        ) -> i32,
    >,
    /// Makes a snapshot and waits until it can be used. NULL: there are no snapshots.
    pub create_snapshot: Option<
        unsafe extern "C" fn(
            self_: *mut c_void,
            instance_id: *const c_char,
            name: *const c_char,
            cancel: *const Cancel,
            out: *mut *mut Snapshot,
            error: *mut *mut Error,
        ) -> i32,
    >,
    /// Fills the list with every snapshot that carries managed-by=spuff, with its labels.
    pub list_snapshots: Option<
        unsafe extern "C" fn(self_: *mut c_void, cancel: *const Cancel, list: *mut Snapshots, error: *mut *mut Error) -> i32,
    >,
    /// Deletes a snapshot; one that is gone is SPUFF_OK.
    pub delete_snapshot:
        Option<unsafe extern "C" fn(self_: *mut c_void, id: *const c_char, cancel: *const Cancel, error: *mut *mut Error) -> i32>,
    /// Finds the machine that was made under a key.
    pub resolve: Option<
        unsafe extern "C" fn(
            self_: *mut c_void,
            key: *const c_char,
            cancel: *const Cancel,
            out: *mut *mut Instance,
            error: *mut *mut Error,
        ) -> i32,
    >,
    /// Finds the snapshot that was made under a key.
    pub resolve_snapshot: Option<
        unsafe extern "C" fn(
            self_: *mut c_void,
            key: *const c_char,
            cancel: *const Cancel,
            out: *mut *mut Snapshot,
            error: *mut *mut Error,
        ) -> i32,
    >,
    /// Adds `count` labels to a machine, or replaces their values.
    pub set_labels: Option<
        unsafe extern "C" fn(
            self_: *mut c_void,
            id: *const c_char,
            keys: *const *const c_char,
            values: *const *const c_char,
            count: usize,
            cancel: *const Cancel,
            error: *mut *mut Error,
        ) -> i32,
    >,
    /// Fills the list with the SSH keys of the account. NULL: there are none.
    pub get_ssh_keys: Option<
        unsafe extern "C" fn(self_: *mut c_void, cancel: *const Cancel, list: *mut Strings, error: *mut *mut Error) -> i32,
    >,
}

impl ProviderVtable {
    const EMPTY: Self = Self {
        size: size_of::<Self>(),
        user_data: null_mut(),
        drop: None,
        max_user_data: 0,
        drops_labels: false,
        connect: None,
        disconnect: None,
        create_instance: None,
        destroy_instance: None,
        get_instance: None,
        list_instances: None,
        wait_ready: None,
        create_snapshot: None,
        list_snapshots: None,
        delete_snapshot: None,
        resolve: None,
        resolve_snapshot: None,
        set_labels: None,
        get_ssh_keys: None,
    };

    /// A copy of a caller's table, which may be older or newer than this one.
    fn read(vtable: *const Self) -> Outcome<Self> {
        let given: *const Self = handle(vtable, "vtable")?;
        // SAFETY: every table begins with its size.
        let size = unsafe { (*given).size };
        if size < std::mem::offset_of!(Self, wait_ready) {
            return Err(Failure::argument("vtable", "its size is too small; set it to sizeof(spuff_provider_vtable)"));
        }
        let mut table = Self::EMPTY;
        // SAFETY: so many bytes are there, and every field may be all zero.
        unsafe { std::ptr::copy_nonoverlapping(given.cast::<u8>(), (&raw mut table).cast(), size.min(size_of::<Self>())) };
        for (name, is_there) in [
            ("create_instance", table.create_instance.is_some()),
            ("destroy_instance", table.destroy_instance.is_some()),
            ("get_instance", table.get_instance.is_some()),
            ("list_instances", table.list_instances.is_some()),
        ] {
            if !is_there {
                return Err(Failure::argument(name, "it is NULL; this function must be there"));
            }
        }
        Ok(table)
    }
}

/// Adds a provider written in C to a registry, under its own name, in place of one that had it. `summary` says what it is, in a
/// line; NULL is the name. `vtable` is copied; its `drop` is called when neither a registry nor a provider uses it any more, and
/// also when this fails.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL, for an empty name, and for a table whose size or functions are not enough.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_registry_register(
    registry: *const Registry,
    name: *const c_char,
    summary: *const c_char,
    vtable: *const ProviderVtable,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let table = Arc::new(Table(ProviderVtable::read(vtable)?));
        let registry = handle(registry, "registry")?;
        let name = text(name, "name")?;
        if name.trim().is_empty() {
            return Err(Failure::argument("name", "it is empty; give the provider's name"));
        }
        let summary = optional_text(summary, "summary")?.unwrap_or(name).to_string();
        registry.lock().register(Factory { name: ProviderType::named(name), summary, table });
        Ok(())
    })
}

/// A table that is told when nothing uses it any more.
struct Table(ProviderVtable);

// SAFETY: the header says that the functions are called on any thread, several at once.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl Drop for Table {
    fn drop(&mut self) {
        if let Some(drop) = self.0.drop {
            // SAFETY: the caller's function, called once.
            unsafe { drop(self.0.user_data) };
        }
    }
}

struct Factory {
    name: ProviderType,
    summary: String,
    table: Arc<Table>,
}

impl ProviderFactory for Factory {
    fn provider_type(&self) -> ProviderType {
        self.name
    }

    fn create(&self, token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Box<dyn Provider>> {
        self.create_with(&ProviderConfig::new(token).with_timeouts(timeouts))
    }

    fn create_with(&self, config: &ProviderConfig) -> ProviderResult<Box<dyn Provider>> {
        let mut state = self.table.0.user_data;
        if let Some(connect) = self.table.0.connect {
            state = null_mut();
            let config = Config::from(config.clone());
            let mut error = null_mut();
            // SAFETY: the caller's function, called as the header says.
            let code = unsafe { connect(self.table.0.user_data, &raw const config, &raw mut state, &raw mut error) };
            self.answered(code, error)?;
        }
        let foreign = Foreign { name: self.name.as_str(), table: self.table.clone(), state: UserData(state) };
        Ok(from_sync(foreign, config.timeouts))
    }

    fn describe(&self) -> ProviderDescription {
        let mut description = ProviderDescription::new(self.name);
        description.summary.clone_from(&self.summary);
        let variable = |suffix: &str| self.name.token_env_var().replace("_TOKEN", suffix);
        description.options = vec![
            OptionDescription::new("token", "API token").secret().env(&[self.name.token_env_var()]),
            OptionDescription::new("endpoint", "Base URL of the API").env(&[&variable("_ENDPOINT")]),
            OptionDescription::new("region", "Region of requests that name none").env(&[&variable("_REGION")]),
        ];
        let table = &self.table.0;
        let mut capabilities = Capabilities::default();
        capabilities.snapshots = table.create_snapshot.is_some();
        capabilities.ssh_keys = table.get_ssh_keys.is_some();
        capabilities.labels = !table.drops_labels;
        capabilities.max_user_data = table.max_user_data;
        description.capabilities = capabilities;
        description
    }
}

impl Factory {
    fn answered(&self, code: i32, error: *mut Error) -> ProviderResult<()> {
        answered(self.name.as_str(), "connect", code, error)
    }
}

/// What a caller's function has answered.
fn answered(provider: &str, verb: &str, code: i32, mut error: *mut Error) -> ProviderResult<()> {
    let told = take(&raw mut error).map(Error::into_parts);
    if code == Code::Ok as i32 {
        return Ok(());
    }
    let silent = || {
        let mut parts = ErrorParts::new(kind_of(code), format!("{verb} of {provider} answered with {code} and no error"));
        // What its kind shows in place of a message.
        (parts.operation, parts.feature, parts.name) = (Some(verb.into()), Some(verb.into()), Some(provider.into()));
        (parts.field, parts.resource_type, parts.key) = (Some(verb.into()), Some("thing".into()), Some(String::new()));
        parts
    };
    Err(told.unwrap_or_else(silent).into())
}

/// A provider whose verbs are functions of a table.
struct Foreign {
    name: &'static str,
    table: Arc<Table>,
    state: UserData,
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if let (Some(disconnect), true) = (self.table.0.disconnect, self.table.0.connect.is_some()) {
            // SAFETY: the caller's function, called once for what `connect` has made.
            unsafe { disconnect(self.state.0) };
        }
    }
}

/// A function of the table, or the error that there is none.
macro_rules! function {
    ($this:ident.$verb:ident) => {
        $this.table.0.$verb.ok_or_else(|| ProviderError::NotSupported { feature: stringify!($verb).to_string() })?
    };
}

impl Foreign {
    /// Calls a function that may put a handle in a place.
    fn made<T>(
        &self,
        verb: &str,
        cancel: &CancelToken,
        call: impl FnOnce(*mut c_void, *const Cancel, *mut *mut T, *mut *mut Error) -> i32,
    ) -> ProviderResult<Option<T>> {
        let (mut out, mut error, cancel) = (null_mut(), null_mut(), Cancel(cancel.clone()));
        let code = call(self.state.0, &raw const cancel, &raw mut out, &raw mut error);
        let made = take(&raw mut out);
        answered(self.name, verb, code, error)?;
        Ok(made)
    }

    /// Calls a function that must put a handle in a place.
    fn must_make<T>(
        &self,
        verb: &str,
        cancel: &CancelToken,
        call: impl FnOnce(*mut c_void, *const Cancel, *mut *mut T, *mut *mut Error) -> i32,
    ) -> ProviderResult<T> {
        let nothing = || ProviderError::Other { message: format!("{verb} of {} answered with nothing in *out", self.name) };
        self.made(verb, cancel, call)?.ok_or_else(nothing)
    }

    /// Calls a function that makes nothing.
    fn done(
        &self,
        verb: &str,
        cancel: &CancelToken,
        call: impl FnOnce(*mut c_void, *const Cancel, *mut *mut Error) -> i32,
    ) -> ProviderResult<()> {
        self.made::<()>(verb, cancel, |state, cancel, _, error| call(state, cancel, error)).map(drop)
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

// SAFETY of all calls below: they are the caller's functions, called as the header says, with what lives as long as the call.
impl SyncProvider for Foreign {
    fn name(&self) -> &str {
        self.name
    }

    fn create_instance(&self, request: &InstanceRequest, cancel: &CancelToken) -> ProviderResult<ProviderInstance> {
        let (create, request) = (function!(self.create_instance), Request::from(request.clone()));
        // SAFETY: see above.
        let call = |state, cancel, out, error| unsafe { create(state, &raw const request, cancel, out, error) };
        self.must_make::<Instance>("create_instance", cancel, call).map(|made| made.inner)
    }

    fn destroy_instance(&self, id: &str, cancel: &CancelToken) -> ProviderResult<()> {
        let (destroy, id) = (function!(self.destroy_instance), argument(id, "id")?);
        // SAFETY: see above.
        self.done("destroy_instance", cancel, |state, cancel, error| unsafe { destroy(state, id.as_ptr(), cancel, error) })
    }

    fn get_instance(&self, id: &str, cancel: &CancelToken) -> ProviderResult<Option<ProviderInstance>> {
        let (get, id) = (function!(self.get_instance), argument(id, "id")?);
        // SAFETY: see above.
        let call = |state, cancel, out, error| unsafe { get(state, id.as_ptr(), cancel, out, error) };
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
        let (wait, id) = (function!(self.wait_ready), argument(id, "id")?);
        // SAFETY: see above.
        let call = |state, cancel, out, error| unsafe { wait(state, id.as_ptr(), cancel, out, error) };
        self.must_make::<Instance>("wait_ready", cancel, call).map(|ready| ready.inner)
    }

    fn create_snapshot(&self, instance_id: &str, name: &str, cancel: &CancelToken) -> ProviderResult<CoreSnapshot> {
        let create = function!(self.create_snapshot);
        let (id, name) = (argument(instance_id, "instance_id")?, argument(name, "name")?);
        // SAFETY: see above.
        let call = |state, cancel, out, error| unsafe { create(state, id.as_ptr(), name.as_ptr(), cancel, out, error) };
        self.must_make::<Snapshot>("create_snapshot", cancel, call).map(|made| made.inner)
    }

    fn list_labelled_snapshots(&self, cancel: &CancelToken) -> ProviderResult<Vec<(CoreSnapshot, HashMap<String, String>)>> {
        let list = function!(self.list_snapshots);
        // SAFETY: see above.
        let call = |state, cancel, found, error| unsafe { list(state, cancel, found, error) };
        let found: Snapshots = self.filled("list_snapshots", cancel, call)?;
        Ok(found.0.into_iter().map(|snapshot| (snapshot.inner, snapshot.labels)).collect())
    }

    fn delete_snapshot(&self, id: &str, cancel: &CancelToken) -> ProviderResult<()> {
        let (delete, id) = (function!(self.delete_snapshot), argument(id, "id")?);
        // SAFETY: see above.
        self.done("delete_snapshot", cancel, |state, cancel, error| unsafe { delete(state, id.as_ptr(), cancel, error) })
    }

    fn resolve(&self, key: &str, cancel: &CancelToken) -> ProviderResult<Option<ProviderInstance>> {
        let (resolve, key) = (function!(self.resolve), argument(key, "key")?);
        // SAFETY: see above.
        let call = |state, cancel, out, error| unsafe { resolve(state, key.as_ptr(), cancel, out, error) };
        Ok(self.made::<Instance>("resolve", cancel, call)?.map(|found| found.inner))
    }

    fn resolve_snapshot(&self, key: &str, cancel: &CancelToken) -> ProviderResult<Option<CoreSnapshot>> {
        let (resolve, key) = (function!(self.resolve_snapshot), argument(key, "key")?);
        // SAFETY: see above.
        let call = |state, cancel, out, error| unsafe { resolve(state, key.as_ptr(), cancel, out, error) };
        Ok(self.made::<Snapshot>("resolve_snapshot", cancel, call)?.map(|found| found.inner))
    }

    fn set_labels(&self, id: &str, labels: &HashMap<String, String>, cancel: &CancelToken) -> ProviderResult<()> {
        let (set, id, labels) = (function!(self.set_labels), argument(id, "id")?, c_pairs(labels));
        let keys: Vec<_> = labels.iter().map(|(key, _)| key.as_ptr()).collect();
        let values: Vec<_> = labels.iter().map(|(_, value)| value.as_ptr()).collect();
        self.done("set_labels", cancel, |state, cancel, error| {
            // SAFETY: see above.
            unsafe { set(state, id.as_ptr(), keys.as_ptr(), values.as_ptr(), labels.len(), cancel, error) }
        })
    }

    fn get_ssh_keys(&self, cancel: &CancelToken) -> ProviderResult<Vec<String>> {
        let Some(get) = self.table.0.get_ssh_keys else { return Ok(Vec::new()) };
        // SAFETY: see above.
        let keys: Strings =
            self.filled("get_ssh_keys", cancel, |state, cancel, keys, error| unsafe { get(state, cancel, keys, error) })?;
        Ok(keys.into_plain())
    }

    fn supports_snapshots(&self) -> bool {
        self.table.0.create_snapshot.is_some()
    }
}

/// A text for a function of C. A NUL inside it cannot be told.
fn argument(value: &str, name: &str) -> ProviderResult<CString> {
    if value.contains('\0') {
        return Err(ProviderError::invalid_config(name, "it has a NUL in it; give text without"));
    }
    Ok(c_text(value))
}
