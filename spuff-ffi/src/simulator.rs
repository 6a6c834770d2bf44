//! `spuff_cloud`: simulated clouds.

use std::ffi::{CString, c_char};
use std::time::Duration;

use spuff_core::provider::ProviderError;
use spuff_core::simulator::{
    Clock, Cloud as CoreCloud, FaultId, FaultRule, Kind, Options, Resource, simulated,
};

use crate::boundary::{
    Failure, Out, Outcome, View, c_text, getter, guard, handle, optional, optional_text, put_value,
    release, text, view,
};
use crate::config::Config;
use crate::error::{Code, Error};
use crate::strings::Strings;

/// How simulated clouds are started. All zero is: in real time, on a free port, without limits,
/// with any token.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CloudOptions {
    /// The size of this struct: set it to sizeof(spuff_cloud_options).
    pub size: usize,
    /// How many times faster than real time the clouds run; 0 is real time.
    pub speed: f64,
    /// The clouds' time stands still until spuff_cloud_advance_ms moves it.
    pub manual_clock: bool,
    /// Answers more requests than the real cloud would as it does.
    pub rate_limits: bool,
    /// The port on the loopback interface; 0 is a free one.
    pub port: u16,
    /// The random seed.
    pub seed: u64,
    /// How many instances each cloud's account may have; 0 is no limit.
    pub quota: u64,
    /// The only accepted token; NULL accepts any.
    pub token: *const c_char,
}

// SAFETY: as the trait asks; of a bool, C sets no other bytes than 0 and 1.
unsafe impl View for CloudOptions {
    const NAME: &'static str = "spuff_cloud_options";
    const LEAST: usize = std::mem::offset_of!(Self, token) + size_of::<*const c_char>();
    const DEFAULT: Self = Self {
        size: size_of::<Self>(),
        speed: 0.0,
        manual_clock: false,
        rate_limits: false,
        port: 0,
        seed: 0,
        quota: 0,
        token: std::ptr::null(),
    };
}

impl CloudOptions {
    fn read(options: *const Self) -> Outcome<Options> {
        let Some(given) = view(options, "options")? else { return Ok(Options::default()) };
        let mut options = Options::default()
            .with_port(given.port)
            .with_seed(given.seed)
            .with_rate_limits(given.rate_limits);
        if given.manual_clock {
            options = options.with_clock(Clock::Manual);
        } else if given.speed != 0.0 {
            if !(given.speed > 0.0 && given.speed <= 1e6) {
                return Err(Failure::argument("speed", "must be more than 0 and at most 1000000"));
            }
            options = options.with_clock(Clock::Fast(given.speed));
        }
        if given.quota > 0 {
            options = options.with_quota(usize::try_from(given.quota).unwrap_or(usize::MAX));
        }
        let token = optional_text(given.token, "token")?;
        Ok(token.map_or(options.clone(), |token| options.with_token(token)))
    }
}

/// DigitalOcean, Hetzner Cloud and EC2 on the loopback interface of this process, for tests and
/// trials. Owned by the caller that started it, freed with spuff_cloud_free, which ends it. Any
/// thread may use it at any time.
pub struct Cloud {
    inner: CoreCloud,
    address: CString,
}

/// Starts the clouds. `options` may be NULL. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for options that cannot be; SPUFF_OTHER when the port is taken, or
/// no socket can be had.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cloud_start(
    options: *const CloudOptions,
    out: *mut *mut Cloud,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let started = CloudOptions::read(options)?.start();
        let failed = |error| ProviderError::Other {
            message: format!("the simulated clouds cannot start: {error}"),
        };
        let inner = started.map_err(failed)?;
        let address = c_text(inner.address().to_string());
        out.put(Cloud { inner, address });
        Ok(())
    })
}

/// Ends the clouds and sets *cloud to NULL. NULL, or a pointer to NULL, is fine: twice is harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cloud_free(cloud: *mut *mut Cloud) {
    release(cloud);
}

/// Where it listens, such as `127.0.0.1:41234`. Lives as long as the cloud. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cloud_address(cloud: *const Cloud) -> *const c_char {
    getter(std::ptr::null(), || Some(optional(cloud)?.address.as_ptr()))
}

/// The configuration that connects a provider, `digitalocean`, `hetzner` or `aws`, to it. The
/// caller owns *out.
///
/// Errors: SPUFF_UNKNOWN_PROVIDER for another name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cloud_config(
    cloud: *const Cloud,
    provider: *const c_char,
    out: *mut *mut Config,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let name = simulated(text(provider, "provider")?)?;
        out.put(handle(cloud, "cloud")?.inner.config(name).into());
        Ok(())
    })
}

/// The environment variables, as `NAME=value`, that point the clouds' own tools and
/// spuff_registry_from_env at it. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cloud_environment(
    cloud: *const Cloud,
    out: *mut *mut Strings,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let variables = handle(cloud, "cloud")?.inner.environment();
        out.put(Strings::new(variables.into_iter().map(|(name, value)| format!("{name}={value}"))));
        Ok(())
    })
}

/// Injects a fault: a rule in JSON, such as
/// `{"fault":"reply_lost","route":"create_instance","times":1}`. *id, which may be NULL, is for
/// spuff_cloud_hits.
///
/// Errors: SPUFF_INVALID_CONFIG for an invalid rule.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cloud_inject(
    cloud: *const Cloud,
    rule: *const c_char,
    id: *mut u64,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let cloud = handle(cloud, "cloud")?;
        let rule: Result<FaultRule, _> = serde_json::from_str(text(rule, "rule")?);
        let fault = cloud
            .inner
            .inject(rule.map_err(|error| Failure::argument("rule", &error.to_string()))?);
        if id.is_null() { Ok(()) } else { put_value(id, fault.number(), "id") }
    })
}

/// How many requests a rule has affected. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cloud_hits(cloud: *const Cloud, id: u64) -> u64 {
    getter(0, || Some(optional(cloud)?.inner.hits(FaultId::from_number(id))))
}

/// Removes all faults. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cloud_clear_faults(cloud: *const Cloud) {
    getter((), || {
        optional(cloud)?.inner.clear_faults();
        Some(())
    });
}

/// Advances the clouds' time. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cloud_advance_ms(cloud: *const Cloud, by_ms: u64) {
    getter((), || {
        optional(cloud)?.inner.advance(Duration::from_millis(by_ms));
        Some(())
    });
}

/// How many requests a cloud was sent. 0 for NULL, and for a name that is no cloud here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cloud_request_count(
    cloud: *const Cloud,
    provider: *const c_char,
) -> u64 {
    getter(0, || {
        let name = text(provider, "provider").ok()?;
        Some(optional(cloud)?.inner.request_count(name))
    })
}

/// The clouds' true resources, whatever a client was told. Owned by the caller that got it, freed
/// with spuff_resources_free; its texts live as long as it does. Any thread may read it.
pub struct Resources(Vec<Item>);

struct Item {
    provider: CString,
    kind: &'static std::ffi::CStr,
    id: CString,
    name: CString,
    text: CString,
    ending: bool,
}

impl From<Vec<Resource>> for Resources {
    fn from(resources: Vec<Resource>) -> Self {
        let item = |resource: Resource| Item {
            text: c_text(resource.to_string()),
            kind: match resource.kind {
                Kind::Instance => c"instance",
                Kind::Snapshot => c"snapshot",
                Kind::DiskSnapshot => c"disk_snapshot",
                Kind::Disk => c"disk",
                _ => c"address",
            },
            provider: c_text(resource.provider),
            id: c_text(resource.id),
            name: c_text(resource.name),
            ending: resource.ending,
        };
        Self(resources.into_iter().map(item).collect())
    }
}

fn resources(
    cloud: *const Cloud,
    out: *mut *mut Resources,
    of: impl FnOnce(&CoreCloud) -> Vec<Resource>,
) -> Outcome<()> {
    let out = Out::new(out, "out")?;
    out.put(of(&handle(cloud, "cloud")?.inner).into());
    Ok(())
}

/// The instances that exist, whether or not a client can see them. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cloud_instances(
    cloud: *const Cloud,
    out: *mut *mut Resources,
    error: *mut *mut Error,
) -> Code {
    guard(error, || resources(cloud, out, CoreCloud::instances))
}

/// The snapshots that exist, whether or not a client can see them. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cloud_snapshots(
    cloud: *const Cloud,
    out: *mut *mut Resources,
    error: *mut *mut Error,
) -> Code {
    guard(error, || resources(cloud, out, CoreCloud::snapshots))
}

/// What exists, costs money, and is not being destroyed: nothing after a test that cleans up. The
/// caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cloud_leaks(
    cloud: *const Cloud,
    out: *mut *mut Resources,
    error: *mut *mut Error,
) -> Code {
    guard(error, || resources(cloud, out, CoreCloud::leaks))
}

/// Frees what was found and sets *resources to NULL. NULL, or a pointer to NULL, is fine: twice is
/// harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_resources_free(resources: *mut *mut Resources) {
    release(resources);
}

/// The number of entries. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_resources_count(resources: *const Resources) -> usize {
    getter(0, || Some(optional(resources)?.0.len()))
}

fn of(
    resources: *const Resources,
    index: usize,
    field: impl FnOnce(&Item) -> *const c_char,
) -> *const c_char {
    getter(std::ptr::null(), || Some(field(optional(resources)?.0.get(index)?)))
}

/// The cloud that one of them is at. NULL past the end, as the next ones.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_resources_provider(
    resources: *const Resources,
    index: usize,
) -> *const c_char {
    of(resources, index, |item| item.provider.as_ptr())
}

/// What it is: `instance`, `snapshot`, `disk_snapshot`, `disk` or `address`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_resources_kind(
    resources: *const Resources,
    index: usize,
) -> *const c_char {
    of(resources, index, |item| item.kind.as_ptr())
}

/// Its id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_resources_id(
    resources: *const Resources,
    index: usize,
) -> *const c_char {
    of(resources, index, |item| item.id.as_ptr())
}

/// Its name; empty where it has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_resources_name(
    resources: *const Resources,
    index: usize,
) -> *const c_char {
    of(resources, index, |item| item.name.as_ptr())
}

/// All of it in words, for a message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_resources_text(
    resources: *const Resources,
    index: usize,
) -> *const c_char {
    of(resources, index, |item| item.text.as_ptr())
}

/// Whether its destroy was accepted, so that it will soon be gone. false past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_resources_is_ending(
    resources: *const Resources,
    index: usize,
) -> bool {
    getter(false, || Some(optional(resources)?.0.get(index)?.ending))
}

/// What everything has cost so far, line by line. Prices resemble the real ones and are not offers.
/// The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cloud_bill(
    cloud: *const Cloud,
    out: *mut *mut Strings,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let bill = handle(cloud, "cloud")?.inner.bill().to_string();
        out.put(Strings::new(bill.lines()));
        Ok(())
    })
}
