//! Providers written in C: a table of functions becomes an entry of a registry.

use std::ffi::{c_char, c_void};
use std::ptr::null_mut;
use std::sync::Arc;

use spuff_core::blocking::{defer_blocking, from_sync};
use spuff_core::provider::{
    Capabilities, OptionDescription, Provider, ProviderConfig, ProviderDescription,
    ProviderFactory, ProviderResult, ProviderTimeouts, ProviderType,
};

use crate::boundary::{Failure, Outcome, UserData, guard, handle, optional_text, read_grown, text};
use crate::c_provider::{Foreign, answered};
use crate::cancel::Cancel;
use crate::config::Config;
use crate::error::{Code, Error};
use crate::instance::{Instance, Instances};
use crate::price::Price;
use crate::registry::Registry;
use crate::request::Request;
use crate::snapshot::{Snapshot, Snapshots};
use crate::strings::Strings;

/// A provider written in C: one function for each operation.
///
/// Set `size` to sizeof(spuff_provider_vtable) and unimplemented functions to NULL;
/// `create_instance`, `destroy_instance`, `get_instance` and `list_instances` are required. The
/// table is copied.
///
/// The functions are called on threads of spuff's, several at once, and may block and call spuff;
/// `connect` on the thread that makes the provider. On spuff's threads the program's signals are
/// blocked, and so they are in programs that these start, unless the function sees to it. Their
/// inputs live as long as the call. Each returns SPUFF_OK, or a code with an error from
/// spuff_error_new in *error, which spuff frees; a result that it puts in *out is spuff's from
/// there on, also beside an error: an instance that was made before a failure is then destroyed or
/// kept, as the caller asked, and the error carries its id. A list is given to be filled. `cancel`
/// reports that the caller has left: a long function polls spuff_cancel_is_cancelled, pauses with
/// spuff_cancel_wait, or gets a callback from spuff_cancel_notify. An abandoned create runs to
/// completion, and its instance is destroyed or kept, as the request says. `disconnect`, and then
/// `drop`, are called before the free returns that lets go last, or on a thread of spuff's where
/// its background does.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ProviderVtable {
    /// The size of this struct: functions are only ever added at its end.
    pub size: usize,
    /// What `connect` and `drop` are given; and the other functions as `self`, where there is no
    /// `connect`.
    pub user_data: *mut c_void,
    /// Called once when nothing uses the table any more. May be NULL.
    pub drop: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    /// The most bytes of user data that an instance takes; 0 if it takes none.
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
    /// Creates an instance. One that its idempotency key had made before is set as adopted, by
    /// spuff_instance_set_adopted: no rollback destroys it.
    pub create_instance: Option<
        unsafe extern "C" fn(
            self_: *mut c_void,
            request: *const Request,
            cancel: *const Cancel,
            out: *mut *mut Instance,
            error: *mut *mut Error,
        ) -> i32,
    >,
    /// Destroys an instance; one that is gone is SPUFF_OK.
    pub destroy_instance: Option<
        unsafe extern "C" fn(
            self_: *mut c_void,
            id: *const c_char,
            cancel: *const Cancel,
            error: *mut *mut Error,
        ) -> i32,
    >,
    /// Returns an instance; one that does not exist is SPUFF_OK, with *out left NULL.
    pub get_instance: Option<
        unsafe extern "C" fn(
            self_: *mut c_void,
            id: *const c_char,
            cancel: *const Cancel,
            out: *mut *mut Instance,
            error: *mut *mut Error,
        ) -> i32,
    >,
    /// Fills the list with every instance that carries managed-by=spuff.
    pub list_instances: Option<
        unsafe extern "C" fn(
            self_: *mut c_void,
            cancel: *const Cancel,
            list: *mut Instances,
            error: *mut *mut Error,
        ) -> i32,
    >,
    /// Waits until an instance is ready. NULL: spuff polls `get_instance`. An error of the instance
    /// itself is SPUFF_TIMEOUT, SPUFF_NOT_FOUND, SPUFF_CAPACITY, SPUFF_QUOTA_EXCEEDED, a
    /// SPUFF_CONFLICT that does not pass, or SPUFF_API with its id as `instance_id`: for these
    /// alone the instance may be destroyed. All others mean that it could not be polled.
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
        unsafe extern "C" fn(
            self_: *mut c_void,
            cancel: *const Cancel,
            list: *mut Snapshots,
            error: *mut *mut Error,
        ) -> i32,
    >,
    /// Deletes a snapshot; one that is gone is SPUFF_OK.
    pub delete_snapshot: Option<
        unsafe extern "C" fn(
            self_: *mut c_void,
            id: *const c_char,
            cancel: *const Cancel,
            error: *mut *mut Error,
        ) -> i32,
    >,
    /// Finds the instance that was made under a key.
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
    /// Adds `count` labels to an instance, or replaces their values.
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
        unsafe extern "C" fn(
            self_: *mut c_void,
            cancel: *const Cancel,
            list: *mut Strings,
            error: *mut *mut Error,
        ) -> i32,
    >,
    /// Returns the hourly price of an instance of that size in that region (empty: the default),
    /// with spuff_price_new. NULL: the provider reports no prices.
    pub hourly_price: Option<
        unsafe extern "C" fn(
            self_: *mut c_void,
            region: *const c_char,
            size: *const c_char,
            cancel: *const Cancel,
            out: *mut *mut Price,
            error: *mut *mut Error,
        ) -> i32,
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
        hourly_price: None,
    };

    /// A copy of a caller's table, which may be older or newer than this one. One that cannot be
    /// used is dropped.
    fn read(vtable: *const Self) -> Outcome<Table> {
        if vtable.is_null() {
            return Err(Failure::argument("vtable", "must not be NULL"));
        }
        // SAFETY: every table begins with its size, and no more than that is known to be there.
        let size = unsafe { vtable.cast::<usize>().read() };
        let too_small = || {
            Failure::argument(
                "vtable",
                "size is too small; set it to sizeof(spuff_provider_vtable)",
            )
        };
        if size < std::mem::offset_of!(Self, max_user_data) {
            return Err(too_small());
        }
        // SAFETY: so many bytes are there, and every field may be all zero.
        let known = unsafe { read_grown(vtable, size.min(size_of::<Self>()), Self::EMPTY) };
        let table = Table(known.map_err(|problem| Failure::argument("vtable", &problem))?);
        // SAFETY: as above.
        unsafe { read_grown(vtable, size, Self::EMPTY) }
            .map_err(|problem| Failure::argument("vtable", &problem))?;
        if size < std::mem::offset_of!(Self, wait_ready) {
            return Err(too_small());
        }
        for (name, is_there) in [
            ("create_instance", table.0.create_instance.is_some()),
            ("destroy_instance", table.0.destroy_instance.is_some()),
            ("get_instance", table.0.get_instance.is_some()),
            ("list_instances", table.0.list_instances.is_some()),
        ] {
            if !is_there {
                return Err(Failure::argument(name, "must not be NULL; this function is required"));
            }
        }
        Ok(table)
    }
}

/// Adds a provider written in C to a registry, under its own name, in place of one that had it.
/// `summary` says what it is, in a line; NULL is the name. `vtable` is copied; its `drop` is called
/// when neither a registry nor a provider uses it any more, and also when this fails, unless the
/// table's size is too small to have one.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL, for an empty name, and for a table whose size or
/// functions are not enough.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_registry_register(
    registry: *const Registry,
    name: *const c_char,
    summary: *const c_char,
    vtable: *const ProviderVtable,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let table = Arc::new(ProviderVtable::read(vtable)?);
        let registry = handle(registry, "registry")?;
        let name = text(name, "name")?;
        if name.trim().is_empty() {
            return Err(Failure::argument("name", "must not be empty; give the provider's name"));
        }
        let summary = optional_text(summary, "summary")?.unwrap_or(name).to_string();
        let displaced =
            registry.lock().register(Factory { name: ProviderType::named(name), summary, table });
        // Its table's `drop` may ask the registry: the lock is free again.
        drop(displaced);
        Ok(())
    })
}

/// A table that is told when nothing uses it any more.
pub(crate) struct Table(pub(crate) ProviderVtable);

// SAFETY: the header says that the functions are called on any thread, several at once.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl Drop for Table {
    fn drop(&mut self) {
        if let Some(drop) = self.0.drop {
            let user_data = UserData(self.0.user_data);
            defer_blocking(move || {
                let user_data = user_data;
                // SAFETY: the caller's function, called once.
                unsafe { drop(user_data.0) };
            });
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
            let code = unsafe {
                connect(self.table.0.user_data, &raw const config, &raw mut state, &raw mut error)
            };
            answered(self.name.as_str(), "connect", code, error)?;
        }
        let foreign =
            Foreign { name: self.name.as_str(), table: self.table.clone(), state: UserData(state) };
        Ok(from_sync(foreign, config.timeouts))
    }

    fn describe(&self) -> ProviderDescription {
        let mut description = ProviderDescription::new(self.name);
        description.summary.clone_from(&self.summary);
        let variable = |suffix: &str| self.name.token_env_var().replace("_TOKEN", suffix);
        description.options = vec![
            OptionDescription::new("token", "API token").secret().env(&[self.name.token_env_var()]),
            OptionDescription::new("endpoint", "Base URL of the API")
                .env(&[&variable("_ENDPOINT")]),
            OptionDescription::new("region", "Region of requests that name none")
                .env(&[&variable("_REGION")]),
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
