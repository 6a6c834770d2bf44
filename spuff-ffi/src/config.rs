//! `spuff_config`: how to reach a provider.

use std::ffi::{CStr, CString, c_char};
use std::sync::OnceLock;
use std::time::Duration;

use spuff_core::provider::{ProviderConfig, ProviderTimeouts};
use zeroize::Zeroizing;

use crate::boundary::{
    Failure, Outcome, c_secret, c_text, getter, guard, handle_mut, into_raw, optional, release,
    text,
};
use crate::error::{Code, Error};

/// How to reach a provider; what is left out is the provider's default. Owned by the caller that
/// made it, freed with spuff_config_free; connecting copies it. One thread at a time may change it.
#[derive(Default)]
pub struct Config {
    pub(crate) inner: ProviderConfig,
    texts: OnceLock<Texts>,
}

struct Texts {
    token: Option<Zeroizing<Vec<u8>>>,
    endpoint: Option<CString>,
    region: Option<CString>,
    ca_file: Option<CString>,
    options: Vec<(CString, CString)>,
}

impl From<ProviderConfig> for Config {
    fn from(inner: ProviderConfig) -> Self {
        Self { inner, texts: OnceLock::new() }
    }
}

impl Config {
    fn texts(&self) -> &Texts {
        self.texts.get_or_init(|| {
            let ProviderConfig { endpoint, region, ca_file, options, .. } = &self.inner;
            Texts {
                token: self.inner.token.is_some().then(|| c_secret(self.inner.expose_token())),
                endpoint: endpoint.as_deref().map(c_text),
                region: region.as_deref().map(c_text),
                ca_file: ca_file.as_ref().map(|path| c_text(path.to_string_lossy())),
                options: options
                    .iter()
                    .map(|(name, value)| (c_text(name.as_str()), c_text(value.as_str())))
                    .collect(),
            }
        })
    }
}

fn change(
    config: *mut Config,
    value: *const c_char,
    name: &str,
    change: impl FnOnce(ProviderConfig, String) -> ProviderConfig,
) -> Outcome<()> {
    let config = handle_mut(config, "config")?;
    let value = text(value, name)?.to_string();
    *config = change(std::mem::take(&mut config.inner), value).into();
    Ok(())
}

fn field<T: AsRef<CStr> + ?Sized>(
    config: *const Config,
    field: impl FnOnce(&Texts) -> Option<&T>,
) -> *const c_char {
    getter(std::ptr::null(), || Some(field(optional(config)?.texts())?.as_ref().as_ptr()))
}

/// Makes a configuration with nothing in it. Never NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_config_new() -> *mut Config {
    getter(std::ptr::null_mut(), || Some(into_raw(Config::default())))
}

/// Frees a configuration and sets *config to NULL. NULL, or a pointer to NULL, is fine: twice is
/// harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_config_free(config: *mut *mut Config) {
    release(config);
}

/// Sets the token. For AWS `ACCESS_KEY_ID:SECRET[:SESSION_TOKEN]`, or empty for the standard
/// credential chain.
///
/// Errors, here and in the other setters: SPUFF_INVALID_CONFIG for NULL and for text that is not
/// UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_config_set_token(
    config: *mut Config,
    token: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || change(config, token, "token", ProviderConfig::with_token))
}

/// Sets the base URL of the API: https, or http on a loopback address. For `docker` it is the
/// engine's address, such as unix:///var/run/docker.sock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_config_set_endpoint(
    config: *mut Config,
    endpoint: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || change(config, endpoint, "endpoint", ProviderConfig::with_endpoint))
}

/// Sets the region that is used for requests that name none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_config_set_region(
    config: *mut Config,
    region: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || change(config, region, "region", ProviderConfig::with_region))
}

/// Sets the path of a PEM file with certificate authorities to trust in addition to those of the
/// platform.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_config_set_ca_file(
    config: *mut Config,
    path: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || change(config, path, "path", |config, path| config.with_ca_file(path)))
}

/// Sets an option that only this provider knows; spuff_registry_describe lists them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_config_set_option(
    config: *mut Config,
    name: *const c_char,
    value: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let name = text(name, "name")?;
        change(config, value, "value", |config, value| config.with_option(name, value))
    })
}

/// Sets one of the timeouts, in milliseconds: `instance_ready` (300000), `action_complete`
/// (600000), `poll_interval` (5000), `http_request` (30000), `ssh_connect` (300000) or `cloud_init`
/// (600000).
///
/// Errors: SPUFF_INVALID_CONFIG for NULL, and for a name that is none of these.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_config_set_timeout_ms(
    config: *mut Config,
    name: *const c_char,
    value: u64,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let config = handle_mut(config, "config")?;
        let name = text(name, "name")?;
        let names =
            "instance_ready, action_complete, poll_interval, http_request, ssh_connect, cloud_init";
        let unknown =
            || Failure::argument("name", &format!("{name:?} is not a timeout; use one of {names}"));
        *timeout(&mut config.inner.timeouts, name).ok_or_else(unknown)? =
            Duration::from_millis(value);
        Ok(())
    })
}

fn timeout<'a>(timeouts: &'a mut ProviderTimeouts, name: &str) -> Option<&'a mut Duration> {
    Some(match name {
        "instance_ready" => &mut timeouts.instance_ready,
        "action_complete" => &mut timeouts.action_complete,
        "poll_interval" => &mut timeouts.poll_interval,
        "http_request" => &mut timeouts.http_request,
        "ssh_connect" => &mut timeouts.ssh_connect,
        "cloud_init" => &mut timeouts.cloud_init,
        _ => return None,
    })
}

/// One of the timeouts by its name, in milliseconds; -1 for a name that is none, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_config_timeout_ms(
    config: *const Config,
    name: *const c_char,
) -> i64 {
    getter(-1, || {
        let name = text(name, "name").ok()?;
        let mut timeouts = optional(config)?.inner.timeouts;
        i64::try_from(timeout(&mut timeouts, name)?.as_millis()).ok()
    })
}

/// The token, in the clear, for a provider written in C. NULL if none was set. Lives until the
/// configuration is changed or freed, as what the other getters give.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_config_token(config: *const Config) -> *const c_char {
    field(config, |texts| CStr::from_bytes_with_nul(texts.token.as_deref()?).ok())
}

/// The base URL of the API. NULL if none was set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_config_endpoint(config: *const Config) -> *const c_char {
    field(config, |texts| texts.endpoint.as_ref())
}

/// The default region. NULL if none was set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_config_region(config: *const Config) -> *const c_char {
    field(config, |texts| texts.region.as_ref())
}

/// The path of the file with certificate authorities. NULL if none was set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_config_ca_file(config: *const Config) -> *const c_char {
    field(config, |texts| texts.ca_file.as_ref())
}

/// An option by its name. NULL if it was not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_config_option(
    config: *const Config,
    name: *const c_char,
) -> *const c_char {
    field(config, |texts| {
        let name = text(name, "name").ok()?;
        texts
            .options
            .iter()
            .find(|(known, _)| known.to_bytes() == name.as_bytes())
            .map(|(_, value)| value)
    })
}

/// How many options are set. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_config_option_count(config: *const Config) -> usize {
    getter(0, || Some(optional(config)?.inner.options.len()))
}

/// The name of one of these, in their order, for spuff_config_option. NULL past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_config_option_name(
    config: *const Config,
    index: usize,
) -> *const c_char {
    field(config, |texts| texts.options.get(index).map(|(name, _)| name))
}
