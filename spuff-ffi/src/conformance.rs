//! `spuff_report`: whether a provider satisfies the contract.

use std::ffi::{CString, c_char};

use spuff_core::blocking::block_on;
use spuff_core::conformance::{Report as CoreReport, Subject as CoreSubject, check_until};
use spuff_core::provider::ProviderError;

use crate::boundary::{
    Failure, Out, View, c_text, getter, guard, handle, optional, optional_text, release, text, view,
};
use crate::cancel::{self, Cancel};
use crate::config::Config;
use crate::error::{Code, Error};
use crate::registry::Registry;
use crate::request::Request;

/// The report of the conformance suite. Owned by the caller that got it, freed with
/// spuff_report_free; its texts live as long as it does. Any thread may read it.
pub struct Report {
    inner: CoreReport,
    text: CString,
    json: CString,
}

/// What the conformance suite runs on. What it points to must live until the suite is done.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Subject {
    /// The size of this struct: set it to sizeof(spuff_subject).
    pub size: usize,
    /// The name of a provider of the registry.
    pub name: *const c_char,
    /// How it is reached; NULL is its defaults.
    pub config: *const Config,
    /// The request of every instance: a region, size and image that the provider takes, empty where
    /// it has none. The name is replaced.
    pub request: *const Request,
    /// An id as the provider writes them, of nothing that exists.
    pub absent_id: *const c_char,
    /// That of a snapshot; NULL is the same.
    pub absent_snapshot_id: *const c_char,
    /// Whether a request may leave the size out.
    pub default_size: bool,
    /// Whether creates under one idempotency key make one instance.
    pub idempotent: bool,
}

// SAFETY: as the trait asks; of a bool, C sets no other bytes than 0 and 1.
unsafe impl View for Subject {
    const NAME: &'static str = "spuff_subject";
    const LEAST: usize =
        (std::mem::offset_of!(Self, idempotent) + 1).next_multiple_of(align_of::<Self>());
    const DEFAULT: Self = Self {
        size: size_of::<Self>(),
        name: std::ptr::null(),
        config: std::ptr::null(),
        request: std::ptr::null(),
        absent_id: std::ptr::null(),
        absent_snapshot_id: std::ptr::null(),
        default_size: false,
        idempotent: false,
    };
}

/// Runs the conformance suite on a provider of a registry: 37 checks, which make about 30 instances
/// and destroy them. Blocks until it is done; cancelling the token fails the rest, and destroys
/// what was made. The caller owns *out.
///
/// Errors: SPUFF_UNKNOWN_PROVIDER; SPUFF_INVALID_CONFIG, with the field of the subject. *out
/// reports the provider's violations.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_conformance_check(
    registry: *const Registry,
    subject: *const Subject,
    cancel: *const Cancel,
    out: *mut *mut Report,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let registry = handle(registry, "registry")?.lock().clone();
        let given = view(subject, "subject")?
            .ok_or_else(|| Failure::argument("subject", "must not be NULL"))?;
        let config = optional(given.config).map(|config| config.inner.clone()).unwrap_or_default();
        let request = handle(given.request, "request")?.inner.clone();
        let absent_id = text(given.absent_id, "absent_id")?;
        let mut subject = CoreSubject::registered(
            &registry,
            text(given.name, "name")?,
            config,
            request,
            absent_id,
        )?;
        if let Some(id) = optional_text(given.absent_snapshot_id, "absent_snapshot_id")? {
            subject = subject.with_absent_snapshot_id(id);
        }
        if given.default_size {
            subject = subject.with_default_size();
        }
        if given.idempotent {
            subject = subject.with_idempotency();
        }
        let cancel = cancel::token(cancel);
        let inner = block_on(async { Ok(check_until(&subject, cancel.cancelled()).await) })?;
        let json = serde_json::to_string(&inner)
            .map_err(|error| ProviderError::Other { message: error.to_string() })?;
        out.put(Report { text: c_text(inner.to_string()), json: c_text(json), inner });
        Ok(())
    })
}

/// Frees a report and sets *report to NULL. NULL, or a pointer to NULL, is fine: twice is harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_report_free(report: *mut *mut Report) {
    release(report);
}

/// Whether no check has failed and nothing was left behind. false for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_report_is_passed(report: *const Report) -> bool {
    getter(false, || Some(optional(report)?.inner.is_passed()))
}

/// The report as a table, for a person. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_report_text(report: *const Report) -> *const c_char {
    getter(std::ptr::null(), || Some(optional(report)?.text.as_ptr()))
}

/// The report as JSON, for a program. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_report_json(report: *const Report) -> *const c_char {
    getter(std::ptr::null(), || Some(optional(report)?.json.as_ptr()))
}
