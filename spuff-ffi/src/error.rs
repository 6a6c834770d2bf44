//! `spuff_error`: why a function failed, with all details.

use std::ffi::{CString, c_char};
use std::sync::OnceLock;
use std::time::Duration;

use spuff_core::provider::{ErrorKind, ErrorParts};

use crate::attempts::Attempts;
use crate::boundary::{
    Failure, Out, Outcome, c_text, getter, guard, handle_mut, into_raw, kind_from_code, optional,
    release, text,
};

/// What a function returns: 0, or the kind of the error. The numbers are the same in every
/// language, and never change.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Done.
    Ok = 0,
    /// The credentials are invalid or lack permission.
    Authentication = 1,
    /// The rate limit was reached; the call was not carried out.
    RateLimit = 2,
    /// The addressed resource does not exist.
    NotFound = 3,
    /// The account's quota for this resource is used up.
    QuotaExceeded = 4,
    /// A value is invalid; also an argument that is NULL or not UTF-8.
    InvalidConfig = 5,
    /// The provider, or this build, does not support this operation or option.
    NotSupported = 6,
    /// The deadline expired.
    Timeout = 7,
    /// The API could not be reached, or its reply was cut off.
    Network = 8,
    /// A reply that fits no other kind.
    Api = 9,
    /// The provider is known by name, but this build does not contain it.
    NotImplemented = 10,
    /// No provider of that name is registered.
    UnknownProvider = 11,
    /// Any other error.
    Other = 12,
    /// The state of the resource forbids it, or its name is taken.
    Conflict = 13,
    /// Out of stock at this time and place.
    Capacity = 14,
    /// The cloud has an internal failure.
    Unavailable = 15,
    /// The call may or may not have been carried out: resolve its key before a retry.
    UnknownOutcome = 16,
    /// The caller cancelled the call.
    Cancelled = 17,
    /// A bug in spuff: a caught panic.
    Internal = 18,
}

impl From<ErrorKind> for Code {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Authentication => Self::Authentication,
            ErrorKind::RateLimit => Self::RateLimit,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::QuotaExceeded => Self::QuotaExceeded,
            ErrorKind::InvalidConfig => Self::InvalidConfig,
            ErrorKind::NotSupported => Self::NotSupported,
            ErrorKind::Timeout => Self::Timeout,
            ErrorKind::Network => Self::Network,
            ErrorKind::Api => Self::Api,
            ErrorKind::NotImplemented => Self::NotImplemented,
            ErrorKind::UnknownProvider => Self::UnknownProvider,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Capacity => Self::Capacity,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::UnknownOutcome => Self::UnknownOutcome,
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::Internal => Self::Internal,
            // Other, and a kind that is newer than this list.
            _ => Self::Other,
        }
    }
}

/// Why a function failed. Owned by the caller that got it, freed with spuff_error_free; what its
/// getters give lives as long as it does, and no setter is called. Any thread may read it; one at a
/// time may change it.
pub struct Error {
    parts: ErrorParts,
    texts: OnceLock<Texts>,
    cleanup: Option<Box<Error>>,
    attempts: Option<Box<Attempts>>,
}

/// The texts of an error as C reads them.
struct Texts {
    text: CString,
    message: CString,
    advice: CString,
    fields: [Option<CString>; FIELDS],
    candidates: Vec<CString>,
    supported: Vec<CString>,
}

const FIELDS: usize = 11;

/// The place of a field among the texts.
#[derive(Clone, Copy)]
enum Field {
    Provider,
    CloudCode,
    RequestId,
    ResourceType,
    ResourceId,
    Invalid,
    Feature,
    Operation,
    Key,
    Name,
    InstanceId,
}

impl Error {
    pub(crate) fn new(mut parts: ErrorParts) -> Self {
        if parts.text.is_empty() {
            let error = spuff_core::ProviderError::from(parts.clone());
            parts.text = error.to_string();
        }
        let cleanup = parts.cleanup.clone().map(|parts| Box::new(Self::new(*parts)));
        let attempts =
            (!parts.attempts.is_empty()).then(|| Box::new(parts.attempts.clone().into()));
        Self { parts, texts: OnceLock::new(), cleanup, attempts }
    }

    pub(crate) fn into_parts(self) -> ErrorParts {
        self.parts
    }

    fn texts(&self) -> &Texts {
        self.texts.get_or_init(|| {
            let parts = &self.parts;
            let fields = [
                &parts.provider,
                &parts.code,
                &parts.request_id,
                &parts.resource_type,
                &parts.resource_id,
                &parts.field,
                &parts.feature,
                &parts.operation,
                &parts.key,
                &parts.name,
                &parts.instance_id,
            ];
            Texts {
                text: c_text(parts.text.as_str()),
                message: c_text(parts.message.as_str()),
                advice: c_text(spuff_core::ProviderError::from(parts.clone()).advice()),
                fields: fields.map(|field| field.as_deref().map(c_text)),
                candidates: parts.candidates.iter().map(|text| c_text(text.as_str())).collect(),
                supported: parts.supported.iter().map(|text| c_text(text.as_str())).collect(),
            }
        })
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::new(*failure.0)
    }
}

fn field(error: *const Error, field: Field) -> *const c_char {
    getter(std::ptr::null(), || {
        Some(optional(error)?.texts().fields[field as usize].as_ref()?.as_ptr())
    })
}

pub(crate) fn millis(duration: Option<Duration>) -> Option<i64> {
    duration.map(|duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

/// Frees an error and sets *error to NULL. NULL, or a pointer to NULL, is fine: twice is harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_free(error: *mut *mut Error) {
    release(error);
}

/// Makes a copy of an error, such as of one that outcomes own. The caller owns it. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_clone(error: *const Error) -> *mut Error {
    getter(std::ptr::null_mut(), || Some(into_raw(Error::new(optional(error)?.parts.clone()))))
}

/// What the caller should do, in one sentence: more specific than spuff_code_advice if more is
/// known. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_advice(error: *const Error) -> *const c_char {
    getter(std::ptr::null(), || Some(optional(error)?.texts().advice.as_ptr()))
}

/// The kind. SPUFF_OK for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_code(error: *const Error) -> Code {
    getter(Code::Ok, || Some(Code::from(optional(error)?.parts.kind)))
}

/// The whole error message, for a person. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_text(error: *const Error) -> *const c_char {
    getter(std::ptr::null(), || Some(optional(error)?.texts().text.as_ptr()))
}

/// The failure, without the content of other fields; the cloud's message, if there is one. NULL for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_message(error: *const Error) -> *const c_char {
    getter(std::ptr::null(), || Some(optional(error)?.texts().message.as_ptr()))
}

/// The provider's name. NULL if it is unknown.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_provider(error: *const Error) -> *const c_char {
    field(error, Field::Provider)
}

/// The HTTP status; 0 if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_status(error: *const Error) -> u16 {
    getter(0, || optional(error)?.parts.status)
}

/// The cloud's own code, such as `uniqueness_error`. NULL if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_cloud_code(error: *const Error) -> *const c_char {
    field(error, Field::CloudCode)
}

/// The cloud's id of the request: what its support asks for. NULL if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_request_id(error: *const Error) -> *const c_char {
    field(error, Field::RequestId)
}

/// Whether the same call may succeed later, and repeating it is safe. false for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_is_retryable(error: *const Error) -> bool {
    getter(false, || Some(optional(error)?.parts.retryable))
}

/// How many milliseconds the cloud asks to wait before a retry; -1 if it does not say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_retry_after_ms(error: *const Error) -> i64 {
    getter(-1, || millis(optional(error)?.parts.retry_after))
}

/// What does not exist, or would be too many: `instance`, `snapshot`, `image` … NULL for other
/// errors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_resource_type(error: *const Error) -> *const c_char {
    field(error, Field::ResourceType)
}

/// The id that does not exist. NULL for other errors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_resource_id(error: *const Error) -> *const c_char {
    field(error, Field::ResourceId)
}

/// The argument, or the field of a request or configuration, that cannot be used. NULL for other
/// errors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_field(error: *const Error) -> *const c_char {
    field(error, Field::Invalid)
}

/// What is not supported. NULL for other errors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_feature(error: *const Error) -> *const c_char {
    field(error, Field::Feature)
}

/// The operation that did not finish, or whose outcome is unknown. NULL for other errors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_operation(error: *const Error) -> *const c_char {
    field(error, Field::Operation)
}

/// How many milliseconds were spent on an operation that did not finish; -1 for other errors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_elapsed_ms(error: *const Error) -> i64 {
    getter(-1, || millis(optional(error)?.parts.elapsed))
}

/// The key to give to spuff_provider_resolve, of an outcome that is unknown. NULL for other errors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_key(error: *const Error) -> *const c_char {
    field(error, Field::Key)
}

/// How many ids there are of what may have been made, of an outcome that is unknown.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_candidate_count(error: *const Error) -> usize {
    getter(0, || Some(optional(error)?.parts.candidates.len()))
}

/// One of these ids. NULL past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_candidate(error: *const Error, index: usize) -> *const c_char {
    getter(std::ptr::null(), || Some(optional(error)?.texts().candidates.get(index)?.as_ptr()))
}

/// The name of a provider that is unknown, or not part of this build. NULL for other errors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_name(error: *const Error) -> *const c_char {
    field(error, Field::Name)
}

/// How many names there are that would work, of a name that is unknown.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_supported_count(error: *const Error) -> usize {
    getter(0, || Some(optional(error)?.parts.supported.len()))
}

/// One of these names. NULL past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_supported(error: *const Error, index: usize) -> *const c_char {
    getter(std::ptr::null(), || Some(optional(error)?.texts().supported.get(index)?.as_ptr()))
}

/// The id of the instance that the error is about. It may exist and cost money. NULL if none is
/// known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_instance_id(error: *const Error) -> *const c_char {
    field(error, Field::InstanceId)
}

/// Whether that id is only the instance that the call was given: the error says nothing about the
/// state of that instance. false for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_instance_is_subject(error: *const Error) -> bool {
    getter(false, || Some(optional(error)?.parts.instance_is_subject))
}

/// For an error of spuff_provider_wait_ready: whether the instance of this id itself failed, is
/// gone, or did not become ready in time. Any other error is one of the poll and proves nothing
/// about the instance. false for NULL, and for text that is not UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_is_instance_failure(
    error: *const Error,
    instance_id: *const c_char,
) -> bool {
    getter(false, || {
        let id = text(instance_id, "instance_id").ok()?;
        let parts = optional(error)?.parts.clone();
        Some(spuff_core::ProviderError::from(parts).is_instance_failure(id))
    })
}

/// For a failure after an instance was made, whether it still exists: 1 if so, 0 if it was
/// destroyed; -1 for other errors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_instance_exists(error: *const Error) -> i32 {
    getter(-1, || optional(error)?.parts.instance_exists.map(i32::from))
}

/// Why that instance could not be destroyed, where that was tried. Owned by `error`. NULL if there
/// is nothing to report.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_cleanup(error: *const Error) -> *const Error {
    getter(std::ptr::null(), || Some(&raw const **optional(error)?.cleanup.as_ref()?))
}

/// For a failed placement, the outcome of each candidate. Owned by `error`. NULL for other errors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_attempts(error: *const Error) -> *const Attempts {
    getter(std::ptr::null(), || Some(&raw const **optional(error)?.attempts.as_ref()?))
}

/// The name of a code, such as `not_found`. Static; `unknown` for a number that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_code_name(code: i32) -> *const c_char {
    getter(c"unknown".as_ptr(), || about(code).map(|about| about.0.as_ptr()))
}

/// What the caller should do, in one sentence. Static; empty for a number that is none, and for
/// SPUFF_OK.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_code_advice(code: i32) -> *const c_char {
    getter(c"".as_ptr(), || about(code).map(|about| about.1.as_ptr()))
}

/// The name and the advice of each code, made once.
fn about(code: i32) -> Option<&'static (CString, CString)> {
    static ABOUT: OnceLock<Vec<(CString, CString)>> = OnceLock::new();
    let about = ABOUT.get_or_init(|| {
        let kinds = ErrorKind::ALL.iter().map(|kind| (c_text(kind.name()), c_text(kind.advice())));
        std::iter::once((c_text("ok"), c_text(""))).chain(kinds).collect()
    });
    about.get(usize::try_from(code).ok()?)
}

/// Makes an error, for a provider written in C to return. `code` is one of spuff_code but SPUFF_OK;
/// `message` says what went wrong. The caller owns *out, until a provider's function has returned
/// it.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL, for text that is not UTF-8 and for a number that is no
/// code.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_new(
    code: i32,
    message: *const c_char,
    out: *mut *mut Error,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let message = text(message, "message")?;
        if u32::try_from(code).ok().and_then(ErrorKind::from_number).is_none() {
            return Err(Failure::argument(
                "code",
                &format!("{code} is not the code of an error; use 1 to 18"),
            ));
        }
        out.put(Error::new(ErrorParts::new(kind_from_code(code), message)));
        Ok(())
    })
}

fn change(error: *mut Error, change: impl FnOnce(&mut ErrorParts) -> Outcome<()>) -> Outcome<()> {
    let error = handle_mut(error, "error")?;
    change(&mut error.parts)?;
    error.parts.text = String::new();
    let parts = error.parts.clone();
    *error = Error::new(parts);
    Ok(())
}

/// Sets a text field of an error of the caller's: `provider`, `cloud_code`, `request_id`,
/// `resource_type`, `resource_id`, `field`, `feature`, `operation`, `key`, `name` or `instance_id`,
/// as the getters of these names give it; `candidate` and `supported` add one to those there are.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL, for text that is not UTF-8 and for a name that is none of
/// these.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_set_text(
    error: *mut Error,
    name: *const c_char,
    value: *const c_char,
) -> Code {
    guard(std::ptr::null_mut(), || {
        let name = text(name, "name")?;
        let value = text(value, "value")?.to_string();
        change(error, |parts| {
            let place = match name {
                "provider" => &mut parts.provider,
                "cloud_code" => &mut parts.code,
                "request_id" => &mut parts.request_id,
                "resource_type" => &mut parts.resource_type,
                "resource_id" => &mut parts.resource_id,
                "field" => &mut parts.field,
                "feature" => &mut parts.feature,
                "operation" => &mut parts.operation,
                "key" => &mut parts.key,
                "name" => &mut parts.name,
                "instance_id" => {
                    parts.instance_is_subject = false;
                    &mut parts.instance_id
                }
                "candidate" => {
                    parts.candidates.push(value);
                    return Ok(());
                }
                "supported" => {
                    parts.supported.push(value);
                    return Ok(());
                }
                _ => {
                    return Err(Failure::argument(
                        "name",
                        "an error has no text field of that name",
                    ));
                }
            };
            *place = Some(value);
            Ok(())
        })
    })
}

fn truth(name: &str, value: u64) -> Outcome<bool> {
    match value {
        0 | 1 => Ok(value == 1),
        _ => Err(Failure::argument(name, &format!("{value}: must be 0 or 1"))),
    }
}

/// Sets a number field of an error of the caller's: `status` (HTTP), `retryable` or
/// `instance_is_subject` (0 or 1), `retry_after_ms` or `elapsed_ms`.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL, for a name that is none of these and for a number out of
/// its range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_error_set_number(
    error: *mut Error,
    name: *const c_char,
    value: u64,
) -> Code {
    guard(std::ptr::null_mut(), || {
        let name = text(name, "name")?;
        change(error, |parts| {
            let duration = Duration::from_millis(value);
            match name {
                "status" => {
                    let status =
                        u16::try_from(value).ok().filter(|status| (100..1000).contains(status));
                    let invalid = || {
                        Failure::argument(
                            "status",
                            &format!(
                                "{value} is not an HTTP status; \
                         use 100 to 999"
                            ),
                        )
                    };
                    parts.status = Some(status.ok_or_else(invalid)?);
                }
                "retryable" => parts.retryable = truth(name, value)?,
                "instance_is_subject" => parts.instance_is_subject = truth(name, value)?,
                "retry_after_ms" => parts.retry_after = Some(duration),
                "elapsed_ms" => parts.elapsed = Some(duration),
                _ => {
                    return Err(Failure::argument(
                        "name",
                        "an error has no number field of that \
                 name",
                    ));
                }
            }
            Ok(())
        })
    })
}
