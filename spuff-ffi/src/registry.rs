//! `spuff_registry`: the registered providers, and how one is made.

use std::ffi::{CString, c_char};
use std::sync::{Mutex, MutexGuard, PoisonError};

use spuff_core::blocking::ProviderRegistry;
use spuff_core::provider::{
    OptionDescription, ProviderDescription, ProviderTimeouts, ProviderType,
};

use crate::boundary::{
    Out, Outcome, c_text, getter, guard, handle, handle_mut, into_raw, optional, release, text,
};
use crate::config::Config;
use crate::error::{Code, Error};
use crate::provider::Provider;
use crate::strings::Strings;

/// The providers that can be used, by name. Owned by the caller that made it, freed with
/// spuff_registry_free; providers outlive it. Any thread may use it at any time.
#[derive(Default)]
pub struct Registry(Mutex<ProviderRegistry>);

impl Registry {
    pub(crate) fn lock(&self) -> MutexGuard<'_, ProviderRegistry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a registry without providers. Never NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_registry_new() -> *mut Registry {
    getter(std::ptr::null_mut(), || Some(into_raw(Registry::default())))
}

/// Makes a registry with every provider of this build: `digitalocean`, `hetzner`, `aws` and
/// `docker`, unless they were left out. Never NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_registry_with_defaults() -> *mut Registry {
    getter(std::ptr::null_mut(), || {
        Some(into_raw(Registry(Mutex::new(ProviderRegistry::with_defaults()))))
    })
}

/// Frees a registry and sets *registry to NULL. NULL, or a pointer to NULL, is fine: twice is
/// harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_registry_free(registry: *mut *mut Registry) {
    release(registry);
}

/// Makes a provider from its name or alias and a configuration, which may be NULL. Nothing is sent,
/// and the environment is not read. The caller owns *out.
///
/// Errors: SPUFF_UNKNOWN_PROVIDER with the names that would work; SPUFF_NOT_IMPLEMENTED;
/// SPUFF_INVALID_CONFIG, with the field.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_registry_connect(
    registry: *const Registry,
    name: *const c_char,
    config: *const Config,
    out: *mut *mut Provider,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let config = optional(config).map(|config| config.inner.clone()).unwrap_or_default();
        let registry = handle(registry, "registry")?.lock().clone();
        out.put(registry.connect(text(name, "name")?, config)?.into());
        Ok(())
    })
}

/// Makes a provider from its name or alias, a token and the default timeouts. The caller owns *out.
///
/// Errors: as spuff_registry_connect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_registry_create_by_name(
    registry: *const Registry,
    name: *const c_char,
    token: *const c_char,
    out: *mut *mut Provider,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let name = text(name, "name")?;
        let token = text(token, "token")?;
        let registry = handle(registry, "registry")?.lock().clone();
        out.put(registry.create_by_name(name, token, ProviderTimeouts::default())?.into());
        Ok(())
    })
}

/// Makes a provider from the environment: each option from the first of its variables that is set.
/// The caller owns *out.
///
/// Errors: as spuff_registry_connect; SPUFF_INVALID_CONFIG names the variables when one is missing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_registry_from_env(
    registry: *const Registry,
    name: *const c_char,
    out: *mut *mut Provider,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let registry = handle(registry, "registry")?.lock().clone();
        out.put(registry.from_env(text(name, "name")?)?.into());
        Ok(())
    })
}

/// Fills what a configuration leaves out from the environment variables that the provider
/// describes.
///
/// Errors: as spuff_registry_from_env; then the configuration is as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_registry_config_from_env(
    registry: *const Registry,
    name: *const c_char,
    config: *mut Config,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let config = handle_mut(config, "config")?;
        let registry = handle(registry, "registry")?.lock().clone();
        *config = registry.config_from_env(text(name, "name")?, config.inner.clone())?.into();
        Ok(())
    })
}

fn names(
    registry: *const Registry,
    out: *mut *mut Strings,
    of: impl FnOnce(&ProviderRegistry) -> Vec<ProviderType>,
) -> Outcome<()> {
    let out = Out::new(out, "out")?;
    let types = of(&handle(registry, "registry")?.lock());
    out.put(Strings::new(types.iter().map(|name| name.as_str())));
    Ok(())
}

/// The names of the providers that are registered, in their order. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_registry_registered_providers(
    registry: *const Registry,
    out: *mut *mut Strings,
    error: *mut *mut Error,
) -> Code {
    guard(error, || names(registry, out, |registry| registry.registered_providers()))
}

/// The names of the providers that can be made, in their order. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_registry_implemented_providers(
    registry: *const Registry,
    out: *mut *mut Strings,
    error: *mut *mut Error,
) -> Code {
    guard(error, || names(registry, out, |registry| registry.implemented_providers()))
}

/// Whether a provider of that name or alias is registered. false for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_registry_is_registered(
    registry: *const Registry,
    name: *const c_char,
) -> bool {
    getter(false, || {
        let name = text(name, "name").ok()?;
        Some(optional(registry)?.lock().describe(name).is_ok())
    })
}

/// The options and capabilities of a provider. Owned by the caller that got it, freed with
/// spuff_description_free; its texts live as long as it does. Any thread may read it.
pub struct Description {
    inner: ProviderDescription,
    name: CString,
    summary: CString,
    options: Vec<OptionTexts>,
}

struct OptionTexts {
    name: CString,
    doc: CString,
    env: Vec<CString>,
}

impl From<ProviderDescription> for Description {
    fn from(inner: ProviderDescription) -> Self {
        let texts = |option: &OptionDescription| OptionTexts {
            name: c_text(option.name.as_str()),
            doc: c_text(option.doc.as_str()),
            env: option.env.iter().map(|variable| c_text(variable.as_str())).collect(),
        };
        let (name, summary) =
            (c_text(inner.provider_type.as_str()), c_text(inner.summary.as_str()));
        Self { name, summary, options: inner.options.iter().map(texts).collect(), inner }
    }
}

/// Returns the options and capabilities of a registered provider. The caller owns *out.
///
/// Errors: SPUFF_UNKNOWN_PROVIDER with the names that would work.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_registry_describe(
    registry: *const Registry,
    name: *const c_char,
    out: *mut *mut Description,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let description = handle(registry, "registry")?.lock().describe(text(name, "name")?)?;
        out.put(description.into());
        Ok(())
    })
}

/// Frees a description and sets *description to NULL. NULL, or a pointer to NULL, is fine: twice is
/// harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_description_free(description: *mut *mut Description) {
    release(description);
}

fn of(
    description: *const Description,
    field: impl FnOnce(&Description) -> Option<&CString>,
) -> *const c_char {
    getter(std::ptr::null(), || Some(field(optional(description)?)?.as_ptr()))
}

/// The provider's name. NULL for NULL, as all getters here that give text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_description_name(description: *const Description) -> *const c_char {
    of(description, |description| Some(&description.name))
}

/// What it is, in a line.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_description_summary(
    description: *const Description,
) -> *const c_char {
    of(description, |description| Some(&description.summary))
}

/// Whether it makes snapshots. false for NULL, as the next ones.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_description_supports_snapshots(
    description: *const Description,
) -> bool {
    getter(false, || Some(optional(description)?.inner.capabilities.snapshots))
}

/// Whether it reads the account's SSH keys.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_description_supports_ssh_keys(
    description: *const Description,
) -> bool {
    getter(false, || Some(optional(description)?.inner.capabilities.ssh_keys))
}

/// Whether it keeps the values of labels.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_description_supports_labels(
    description: *const Description,
) -> bool {
    getter(false, || Some(optional(description)?.inner.capabilities.labels))
}

/// The most bytes of user data that it takes; 0 if it takes none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_description_max_user_data(description: *const Description) -> usize {
    getter(0, || Some(optional(description)?.inner.capabilities.max_user_data))
}

/// How many options its configuration has. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_description_option_count(description: *const Description) -> usize {
    getter(0, || Some(optional(description)?.options.len()))
}

/// The name of an option: `token`, `endpoint`, `region`, `ca_file`, or one for
/// spuff_config_set_option. NULL past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_description_option_name(
    description: *const Description,
    index: usize,
) -> *const c_char {
    of(description, |description| description.options.get(index).map(|option| &option.name))
}

/// What that option means, with its default. NULL past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_description_option_doc(
    description: *const Description,
    index: usize,
) -> *const c_char {
    of(description, |description| description.options.get(index).map(|option| &option.doc))
}

/// Whether the provider cannot work without that option. false past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_description_option_is_required(
    description: *const Description,
    index: usize,
) -> bool {
    getter(false, || Some(optional(description)?.inner.options.get(index)?.required))
}

/// Whether the value of that option must not be shown. false past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_description_option_is_secret(
    description: *const Description,
    index: usize,
) -> bool {
    getter(false, || Some(optional(description)?.inner.options.get(index)?.secret))
}

/// One of the environment variables that this option is read from, the first that is set. NULL past
/// the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_description_option_env(
    description: *const Description,
    index: usize,
    variable: usize,
) -> *const c_char {
    of(description, |description| description.options.get(index)?.env.get(variable))
}
