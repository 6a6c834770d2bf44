//! `spuff_reap` and `spuff_reaped`: destroying what is expired, old, or of an owner.

use std::ffi::{CString, c_char};
use std::time::Duration;

use spuff_core::lease::{Reap as CoreReap, Reaped as CoreReaped};
use spuff_core::provider::ErrorParts;

use crate::boundary::{
    Outcome, c_text, getter, guard, handle_mut, into_raw, optional, release, text,
};
use crate::error::{Code, Error};

/// The filter of spuff_provider_reap: it destroys the managed resources that match every condition.
/// Owned by the caller that made it, freed with spuff_reap_free. One thread at a time may change
/// it.
#[derive(Default)]
pub struct Reap {
    expired: bool,
    older_than: Option<Duration>,
    owner: Option<String>,
    dry_run: bool,
    confirm_within: Option<Duration>,
}

impl Reap {
    /// What the core is asked for.
    pub(crate) fn build(&self) -> Outcome<CoreReap> {
        let mut reap = CoreReap::from_choices(self.expired, self.older_than, self.owner.clone())?;
        if let Some(time) = self.confirm_within {
            reap = reap.confirm_within(time);
        }
        Ok(if self.dry_run { reap.dry_run() } else { reap })
    }
}

/// Makes a filter without conditions. Never NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_reap_new() -> *mut Reap {
    getter(std::ptr::null_mut(), || Some(into_raw(Reap::default())))
}

/// Frees a filter and sets *reap to NULL. NULL, or a pointer to NULL, is fine: twice is harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_reap_free(reap: *mut *mut Reap) {
    release(reap);
}

fn change(reap: *mut Reap, change: impl FnOnce(&mut Reap)) -> Outcome<()> {
    change(handle_mut(reap, "reap")?);
    Ok(())
}

/// Only resources whose lease has expired.
///
/// Errors, here and in the other setters: SPUFF_INVALID_CONFIG for NULL and for text that is not
/// UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_reap_set_expired(reap: *mut Reap, error: *mut *mut Error) -> Code {
    guard(error, || change(reap, |reap| reap.expired = true))
}

/// Only resources that are older than this, leased or not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_reap_set_older_than_seconds(
    reap: *mut Reap,
    seconds: u64,
    error: *mut *mut Error,
) -> Code {
    guard(error, || change(reap, |reap| reap.older_than = Some(Duration::from_secs(seconds))))
}

/// Only resources of an owner.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_reap_set_owner(
    reap: *mut Reap,
    owner: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let owner = text(owner, "owner")?.to_string();
        change(reap, |reap| reap.owner = Some(owner))
    })
}

/// Only reports what would be destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_reap_set_dry_run(
    reap: *mut Reap,
    dry_run: bool,
    error: *mut *mut Error,
) -> Code {
    guard(error, || change(reap, |reap| reap.dry_run = dry_run))
}

/// How long to wait for the confirmation that what was destroyed is gone; five minutes by default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_reap_set_confirm_within_ms(
    reap: *mut Reap,
    limit_ms: u64,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        change(reap, |reap| reap.confirm_within = Some(Duration::from_millis(limit_ms)))
    })
}

/// The results of spuff_provider_reap. Owned by the caller that got it, freed with
/// spuff_reaped_free; its texts and errors live as long as it does. Any thread may read it.
pub struct Reaped(Vec<Item>);

struct Item {
    kind: CString,
    id: CString,
    name: CString,
    owner: Option<CString>,
    expires_at_ms: i64,
    gone: bool,
    error: Option<Error>,
}

impl From<Vec<CoreReaped>> for Reaped {
    fn from(reaped: Vec<CoreReaped>) -> Self {
        let item = |reaped: CoreReaped| Item {
            kind: c_text(reaped.kind.as_str()),
            id: c_text(reaped.id),
            name: c_text(reaped.name),
            owner: reaped.owner.map(c_text),
            expires_at_ms: reaped.expires_at.map_or(-1, |end| end.timestamp_millis()),
            gone: matches!(reaped.outcome, Ok(true)),
            error: reaped.outcome.err().map(|error| Error::new(ErrorParts::from(&error))),
        };
        Self(reaped.into_iter().map(item).collect())
    }
}

fn of<T>(
    reaped: *const Reaped,
    index: usize,
    missing: T,
    field: impl FnOnce(&Item) -> Option<T>,
) -> T {
    getter(missing, || field(optional(reaped)?.0.get(index)?))
}

/// Frees the results and sets *reaped to NULL. NULL, or a pointer to NULL, is fine: twice is
/// harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_reaped_free(reaped: *mut *mut Reaped) {
    release(reaped);
}

/// The number of results. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_reaped_count(reaped: *const Reaped) -> usize {
    getter(0, || Some(optional(reaped)?.0.len()))
}

/// What one of them is: `instance` or `snapshot`. NULL past the end, as the next ones.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_reaped_kind(reaped: *const Reaped, index: usize) -> *const c_char {
    of(reaped, index, std::ptr::null(), |item| Some(item.kind.as_ptr()))
}

/// Its id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_reaped_id(reaped: *const Reaped, index: usize) -> *const c_char {
    of(reaped, index, std::ptr::null(), |item| Some(item.id.as_ptr()))
}

/// Its name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_reaped_name(reaped: *const Reaped, index: usize) -> *const c_char {
    of(reaped, index, std::ptr::null(), |item| Some(item.name.as_ptr()))
}

/// Its owner. NULL also where it has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_reaped_owner(reaped: *const Reaped, index: usize) -> *const c_char {
    of(reaped, index, std::ptr::null(), |item| Some(item.owner.as_ref()?.as_ptr()))
}

/// The end of its lease, in milliseconds since 1970 (UTC); -1 if it has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_reaped_expires_at_ms(reaped: *const Reaped, index: usize) -> i64 {
    of(reaped, index, -1, |item| Some(item.expires_at_ms))
}

/// Whether it was destroyed and confirmed gone. false also in a dry run.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_reaped_is_gone(reaped: *const Reaped, index: usize) -> bool {
    of(reaped, index, false, |item| Some(item.gone))
}

/// Why it may still exist. Owned by the results. NULL where it is gone, and in a dry run.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_reaped_error(reaped: *const Reaped, index: usize) -> *const Error {
    of(reaped, index, std::ptr::null(), |item| item.error.as_ref().map(std::ptr::from_ref))
}
