//! `spuff_instance` and `spuff_instances`.

use std::ffi::{CString, c_char};
use std::net::IpAddr;
use std::sync::OnceLock;

use chrono::DateTime;
use spuff_core::provider::{Address, InstanceStatus, ProviderInstance};

use crate::boundary::{
    Failure, Out, Outcome, c_pairs, c_text, getter, guard, handle_mut, into_raw, optional, release,
    take_place, text,
};
use crate::error::{Code, Error};

/// An instance. Owned by the caller that got it, freed with spuff_instance_free, unless it was got
/// from a list, which owns it. What its getters give lives as long as it does, and no setter is
/// called. Any thread may read it.
pub struct Instance {
    pub(crate) inner: ProviderInstance,
    texts: OnceLock<Texts>,
}

struct Texts {
    id: CString,
    name: CString,
    region: CString,
    size: CString,
    ip: CString,
    status: CString,
    labels: Vec<(CString, CString)>,
    addresses: Vec<CString>,
}

impl From<ProviderInstance> for Instance {
    fn from(inner: ProviderInstance) -> Self {
        Self { inner, texts: OnceLock::new() }
    }
}

impl Instance {
    fn texts(&self) -> &Texts {
        self.texts.get_or_init(|| {
            let machine = &self.inner;
            Texts {
                id: c_text(machine.id.as_str()),
                name: c_text(machine.name.as_str()),
                region: c_text(machine.region.as_str()),
                size: c_text(machine.size.as_str()),
                ip: c_text(machine.ip.to_string()),
                status: c_text(machine.status.to_string()),
                labels: c_pairs(&machine.labels),
                addresses: machine
                    .addresses
                    .iter()
                    .map(|address| c_text(address.ip.to_string()))
                    .collect(),
            }
        })
    }
}

/// The state of an instance.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A word of the cloud's that has no place below; spuff_instance_status_word gives it.
    Unknown = 0,
    /// Being created or started.
    New = 1,
    /// Running.
    Active = 2,
    /// Stopped, or stopping. It is still paid for.
    Off = 3,
    /// Archived or terminated.
    Archive = 4,
}

fn field(
    instance: *const Instance,
    field: impl FnOnce(&Texts) -> Option<&CString>,
) -> *const c_char {
    getter(std::ptr::null(), || Some(field(optional(instance)?.texts())?.as_ptr()))
}

/// Frees an instance's handle and sets *instance to NULL; the instance itself keeps running. NULL,
/// or a pointer to NULL, is fine: twice is harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_free(instance: *mut *mut Instance) {
    release(instance);
}

/// Copies an instance's handle, such as one that a list or a callback's progress owns. The caller
/// owns it. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_clone(instance: *const Instance) -> *mut Instance {
    getter(std::ptr::null_mut(), || Some(into_raw(optional(instance)?.inner.clone().into())))
}

/// The provider's id. NULL for NULL, as all getters here that give text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_id(instance: *const Instance) -> *const c_char {
    field(instance, |texts| Some(&texts.id))
}

/// The name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_name(instance: *const Instance) -> *const c_char {
    field(instance, |texts| Some(&texts.name))
}

/// The region or location; empty if it is unknown.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_region(instance: *const Instance) -> *const c_char {
    field(instance, |texts| Some(&texts.region))
}

/// The size or type; empty if it is unknown.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_size(instance: *const Instance) -> *const c_char {
    field(instance, |texts| Some(&texts.size))
}

/// The public address, IPv4 before IPv6; `0.0.0.0` until there is one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_ip(instance: *const Instance) -> *const c_char {
    field(instance, |texts| Some(&texts.ip))
}

/// The state. SPUFF_STATUS_UNKNOWN for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_status(instance: *const Instance) -> Status {
    getter(Status::Unknown, || {
        Some(match optional(instance)?.inner.status {
            InstanceStatus::New => Status::New,
            InstanceStatus::Active => Status::Active,
            InstanceStatus::Off => Status::Off,
            InstanceStatus::Archive => Status::Archive,
            InstanceStatus::Unknown(_) => Status::Unknown,
        })
    })
}

/// The state in a word: `new`, `active`, `off`, `archive`, or the cloud's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_status_word(instance: *const Instance) -> *const c_char {
    field(instance, |texts| Some(&texts.status))
}

/// Whether it is active and has a public address. false for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_is_ready(instance: *const Instance) -> bool {
    getter(false, || Some(optional(instance)?.inner.is_ready()))
}

/// Whether a create returned an existing instance that its idempotency key had made before. false
/// if the instance was only read, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_adopted(instance: *const Instance) -> bool {
    getter(false, || Some(optional(instance)?.inner.adopted))
}

/// When it was created, in milliseconds since 1970 (UTC). 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_created_at_ms(instance: *const Instance) -> i64 {
    getter(0, || Some(optional(instance)?.inner.created_at.timestamp_millis()))
}

/// When its lease ends, in milliseconds since 1970 (UTC); -1 if it has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_expires_at_ms(instance: *const Instance) -> i64 {
    getter(-1, || {
        Some(spuff_core::lease::expires_at(&optional(instance)?.inner.labels)?.timestamp_millis())
    })
}

/// How many labels it has. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_label_count(instance: *const Instance) -> usize {
    getter(0, || Some(optional(instance)?.inner.labels.len()))
}

/// The key of a label, in the order of the keys. NULL past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_label_key(
    instance: *const Instance,
    index: usize,
) -> *const c_char {
    field(instance, |texts| texts.labels.get(index).map(|(key, _)| key))
}

/// The value of that label. NULL past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_label_value(
    instance: *const Instance,
    index: usize,
) -> *const c_char {
    field(instance, |texts| texts.labels.get(index).map(|(_, value)| value))
}

/// The value of the label of that key. NULL if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_label(
    instance: *const Instance,
    key: *const c_char,
) -> *const c_char {
    field(instance, |texts| {
        let key = text(key, "key").ok()?;
        texts
            .labels
            .iter()
            .find(|(known, _)| known.to_bytes() == key.as_bytes())
            .map(|(_, value)| value)
    })
}

/// How many addresses it has, public and private. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_address_count(instance: *const Instance) -> usize {
    getter(0, || Some(optional(instance)?.inner.addresses.len()))
}

/// One of these addresses. NULL past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_address(
    instance: *const Instance,
    index: usize,
) -> *const c_char {
    field(instance, |texts| texts.addresses.get(index))
}

/// Whether that address can be reached from the internet. false past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_address_is_public(
    instance: *const Instance,
    index: usize,
) -> bool {
    getter(false, || Some(optional(instance)?.inner.addresses.get(index)?.public))
}

/// Makes an instance's handle, for a provider written in C to return: of that id, in the state
/// `new`, created in 1970, as long as nothing else is set. The caller owns *out, until a provider's
/// function has returned it.
///
/// Errors, here and in the setters: SPUFF_INVALID_CONFIG for NULL, for text that is not UTF-8 and
/// for an empty id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_new(
    id: *const c_char,
    out: *mut *mut Instance,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let id = text(id, "id")?;
        if id.is_empty() {
            return Err(Failure::argument("id", "must not be empty; give the cloud's id"));
        }
        out.put(ProviderInstance { id: id.to_string(), ..ProviderInstance::default() }.into());
        Ok(())
    })
}

fn change(
    instance: *mut Instance,
    change: impl FnOnce(&mut ProviderInstance) -> Outcome<()>,
) -> Outcome<()> {
    let instance = handle_mut(instance, "instance")?;
    change(&mut instance.inner)?;
    instance.texts = OnceLock::new();
    Ok(())
}

/// Sets the name, the region and the size of an instance's handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_describe(
    instance: *mut Instance,
    name: *const c_char,
    region: *const c_char,
    size: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let texts = (text(name, "name")?, text(region, "region")?, text(size, "size")?);
        change(instance, |machine| {
            (machine.name, machine.region, machine.size) =
                (texts.0.to_string(), texts.1.to_string(), texts.2.to_string());
            Ok(())
        })
    })
}

/// Sets the state of an instance's handle by a word: `new`, `active`, `running`, `off`, `stopped`,
/// `archive` …; one that is not known is kept as it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_set_status(
    instance: *mut Instance,
    word: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let word = text(word, "word")?;
        change(instance, |machine| {
            machine.status = InstanceStatus::from_word(word);
            Ok(())
        })
    })
}

/// Sets when the instance was created, in milliseconds since 1970 (UTC).
///
/// Errors: also SPUFF_INVALID_CONFIG for a time beyond 262,000 years.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_set_created_at_ms(
    instance: *mut Instance,
    unix_ms: i64,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let time = DateTime::from_timestamp_millis(unix_ms);
        let time = time
            .ok_or_else(|| Failure::argument("unix_ms", &format!("{unix_ms} is out of range")))?;
        change(instance, |machine| {
            machine.created_at = time;
            Ok(())
        })
    })
}

/// Sets whether a create returned an existing instance that its idempotency key had made before: a
/// rollback does not destroy it. false by default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_set_adopted(
    instance: *mut Instance,
    adopted: bool,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        change(instance, |machine| {
            machine.adopted = adopted;
            Ok(())
        })
    })
}

/// Adds a label to an instance's handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_add_label(
    instance: *mut Instance,
    key: *const c_char,
    value: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let key = text(key, "key")?;
        let value = text(value, "value")?;
        change(instance, |machine| {
            machine.labels.insert(key.to_string(), value.to_string());
            Ok(())
        })
    })
}

/// Adds an address, IPv4 or IPv6, to an instance's handle. The first public one, IPv4 before IPv6,
/// is the one it is reached at.
///
/// Errors: also SPUFF_INVALID_CONFIG for text that is no address.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instance_add_address(
    instance: *mut Instance,
    ip: *const c_char,
    is_public: bool,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let ip: Result<IpAddr, _> = text(ip, "ip")?.parse();
        let ip = ip.map_err(|_| Failure::argument("ip", "must be an IPv4 or IPv6 address"))?;
        change(instance, |machine| {
            machine.addresses.push(Address { ip, public: is_public });
            machine.ip = Address::primary(&machine.addresses);
            Ok(())
        })
    })
}

/// A list of instances. Owned by the caller that got it, freed with spuff_instances_free, with the
/// instances in it: a pointer to one of them stays good until then, also while more are added. Any
/// thread may read it.
#[derive(Default)]
pub struct Instances(
    // Each stands in a place of its own: a pointer to one stays good while more are added.
    #[allow(clippy::vec_box, reason = "callers hold pointers to them")]
    pub(crate)  Vec<Box<Instance>>,
);

impl From<Vec<ProviderInstance>> for Instances {
    fn from(machines: Vec<ProviderInstance>) -> Self {
        Self(machines.into_iter().map(|machine| Box::new(machine.into())).collect())
    }
}

/// Frees a list and sets *instances to NULL. NULL, or a pointer to NULL, is fine: twice is
/// harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instances_free(instances: *mut *mut Instances) {
    release(instances);
}

/// How many instances there are. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instances_count(instances: *const Instances) -> usize {
    getter(0, || Some(optional(instances)?.0.len()))
}

/// One of them, which the list owns. NULL past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instances_get(
    instances: *const Instances,
    index: usize,
) -> *const Instance {
    getter(std::ptr::null(), || {
        optional(instances)?.0.get(index).map(|one| std::ptr::from_ref(&**one))
    })
}

/// Adds an instance to a list that a provider written in C was given to fill, and sets *instance to
/// NULL: the list owns it.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_instances_push(
    instances: *mut Instances,
    instance: *mut *mut Instance,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let instances = handle_mut(instances, "instances")?;
        let instance = take_place(instance)
            .ok_or_else(|| Failure::argument("instance", "must not be NULL"))?;
        instances.0.push(instance);
        Ok(())
    })
}
