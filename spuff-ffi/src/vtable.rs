//! Providers written in C: a table of functions becomes an entry of a registry.

pub mod verbs;

use std::ffi::c_char;
use std::ptr::null_mut;
use std::sync::Arc;

use spuff_core::blocking::{defer_blocking, from_sync};
use spuff_core::provider::{
    Capabilities, OptionDescription, Provider, ProviderConfig, ProviderDescription,
    ProviderFactory, ProviderResult, ProviderTimeouts, ProviderType,
};

use crate::boundary::{Failure, Outcome, UserData, guard, handle, optional_text, read_grown, text};
use crate::c_provider::{Foreign, answered};
use crate::config::Config;
use crate::error::{Code, Error};
use crate::registry::Registry;

pub use verbs::ProviderVtable;

impl ProviderVtable {
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
