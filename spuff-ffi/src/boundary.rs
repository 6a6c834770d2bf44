//! The boundary between C and Rust: it checks arguments, returns failures as codes, and lets no
//! panic cross.
//!
//! Every exported function runs its body in [`guard`], [`getter`] or [`release`].

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_void};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use spuff_core::provider::{ErrorKind, ErrorParts, ProviderError};
use zeroize::Zeroizing;

use crate::error::{Code, Error};

/// Why an exported function fails.
pub(crate) struct Failure(pub(crate) Box<ErrorParts>);

pub(crate) type Outcome<T> = Result<T, Failure>;

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        ErrorParts::from(&error).into()
    }
}

impl From<ErrorParts> for Failure {
    fn from(parts: ErrorParts) -> Self {
        Self(Box::new(parts))
    }
}

impl Failure {
    /// An argument that cannot be used: nothing has been done.
    pub(crate) fn argument(name: &str, message: &str) -> Self {
        ProviderError::invalid_config(name, message).into()
    }
}

/// Runs what an exported function does. A failure is told by the code, and in `error` if there is
/// one.
pub(crate) fn guard(error: *mut *mut Error, body: impl FnOnce() -> Outcome<()>) -> Code {
    put(error, ptr::null_mut());
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return Code::Ok,
        Ok(Err(failure)) => failure,
        Err(panic) => ProviderError::from_panic(&*panic).into(),
    };
    let code = Code::from(failure.0.kind);
    if !error.is_null() {
        put(error, into_raw(failure.into()));
    }
    code
}

/// Runs what a function does that only tells something: `missing` where there is nothing to tell.
pub(crate) fn getter<T>(missing: T, body: impl FnOnce() -> Option<T>) -> T {
    catch_unwind(AssertUnwindSafe(body)).ok().flatten().unwrap_or(missing)
}

/// Frees what a handle points to, and forgets it.
pub(crate) fn release<T>(handle: *mut *mut T) {
    if handle.is_null() {
        return;
    }
    // SAFETY: the caller's pointer to a handle of this library, or to NULL.
    let owned = unsafe { handle.replace(ptr::null_mut()) };
    if !owned.is_null() {
        // SAFETY: every handle was made by `into_raw`, and `replace` has taken the caller's.
        let owned = unsafe { Box::from_raw(owned) };
        // A drop that panics is a bug of ours, which cannot be reported here.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(owned)));
    }
}

/// A handle that the caller owns from here on.
pub(crate) fn into_raw<T>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

/// Takes a handle from a caller that owns it.
pub(crate) fn from_raw<T>(handle: *mut *mut T) -> Option<T> {
    take_place(handle).map(|owned| *owned)
}

/// As [`from_raw`]; it stays in its place.
pub(crate) fn take_place<T>(handle: *mut *mut T) -> Option<Box<T>> {
    // SAFETY: the caller's pointer to a handle that was made by `into_raw`, or to NULL.
    let owned =
        unsafe { handle.as_mut() }.map(|handle| std::mem::replace(handle, ptr::null_mut()))?;
    // SAFETY: as above.
    (!owned.is_null()).then(|| unsafe { Box::from_raw(owned) })
}

/// A handle that may be left out.
pub(crate) fn optional<'a, T>(handle: *const T) -> Option<&'a T> {
    // SAFETY: a handle of this library, or NULL; the caller keeps it alive during the call.
    unsafe { handle.as_ref() }
}

/// A handle that must be there.
pub(crate) fn handle<'a, T>(handle: *const T, name: &str) -> Outcome<&'a T> {
    optional(handle).ok_or_else(|| null(name))
}

/// A handle that is to be changed.
pub(crate) fn handle_mut<'a, T>(handle: *mut T, name: &str) -> Outcome<&'a mut T> {
    // SAFETY: a handle of this library that no other thread uses now, or NULL.
    unsafe { handle.as_mut() }.ok_or_else(|| null(name))
}

/// A struct of the caller's that begins with its size, and that grows at its end: a caller may have
/// an older or a newer header.
///
/// # Safety
/// It is `repr(C)`, begins with its size as a `usize`, and every field may be made of any bytes
/// that a caller has put there. A new field stands behind all that the last release had, also
/// behind its padding, which no caller sets.
pub(crate) unsafe trait View: Copy {
    /// As C calls it.
    const NAME: &'static str;
    /// How long it was in the first release.
    const LEAST: usize;
    /// What holds of what a caller does not have.
    const DEFAULT: Self;
}

/// A copy of a struct of the caller's that may be left out: what an older one does not have is as
/// by default.
pub(crate) fn view<T: View>(view: *const T, name: &str) -> Outcome<Option<T>> {
    if view.is_null() {
        return Ok(None);
    }
    // SAFETY: every such struct begins with its size, and no more than that is known to be there.
    let size = unsafe { view.cast::<usize>().read() };
    if size < T::LEAST {
        return Err(Failure::argument(
            name,
            &format!("size is too small; set it to sizeof({})", T::NAME),
        ));
    }
    // SAFETY: the caller says that so much is there, and keeps it alive during the call.
    Ok(Some(
        unsafe { read_grown(view, size, T::DEFAULT) }
            .map_err(|problem| Failure::argument(name, &problem))?,
    ))
}

/// No struct of any version is as long as this: a larger size was never set.
const MOST: usize = 4096;

/// What there is of a struct of that size, over what holds without it. What comes after it must be
/// zero: else the caller wants something that this library has never heard of.
///
/// # Safety
/// `size` bytes are there, of a type that may be made of them.
pub(crate) unsafe fn read_grown<T: Copy>(
    given: *const T,
    size: usize,
    without: T,
) -> Result<T, String> {
    if size > MOST {
        return Err(format!(
            "size is {size}, larger than in any version; set it to sizeof of the struct"
        ));
    }
    let mut read = without;
    // Half a pointer would be none.
    let known = size.min(size_of::<T>()) / size_of::<usize>() * size_of::<usize>();
    // SAFETY: so many bytes are there, and have room.
    unsafe { ptr::copy_nonoverlapping(given.cast::<u8>(), (&raw mut read).cast(), known) };
    for at in size_of::<T>()..size {
        // SAFETY: as above.
        if unsafe { given.cast::<u8>().add(at).read() } != 0 {
            let version = env!("CARGO_PKG_VERSION");
            let problem = "a field is set that is newer than this library, version";
            return Err(format!("{problem} {version}; set it to zero, or use a newer library"));
        }
    }
    Ok(read)
}

/// A text that must be there.
pub(crate) fn text<'a>(value: *const c_char, name: &str) -> Outcome<&'a str> {
    optional_text(value, name)?.ok_or_else(|| null(name))
}

/// A text that may be left out.
pub(crate) fn optional_text<'a>(value: *const c_char, name: &str) -> Outcome<Option<&'a str>> {
    if value.is_null() {
        return Ok(None);
    }
    // SAFETY: NUL-terminated, as the header asks for.
    let bytes = unsafe { CStr::from_ptr(value) };
    let invalid = |_| Failure::argument(name, "must be UTF-8");
    bytes.to_str().map(Some).map_err(invalid)
}

/// What a text that must be there says.
#[allow(dead_code, reason = "nouns with an address or an enum use it, when there are any")]
pub(crate) fn parsed<T>(value: *const c_char, name: &str) -> Outcome<T>
where
    T: FromStr<Err: Display>,
{
    text(value, name)?.parse().map_err(|error: T::Err| Failure::argument(name, &error.to_string()))
}

/// A time, from milliseconds since 1970 (UTC).
pub(crate) fn moment(unix_ms: i64, name: &str) -> Outcome<DateTime<Utc>> {
    DateTime::from_timestamp_millis(unix_ms)
        .ok_or_else(|| Failure::argument(name, &format!("{unix_ms} is out of range")))
}

/// Names and values of labels, side by side.
pub(crate) fn pairs<'a>(
    keys: *const *const c_char,
    values: *const *const c_char,
    count: usize,
) -> Outcome<impl Iterator<Item = Outcome<(&'a str, &'a str)>>> {
    let keys = array(keys, count, "keys")?;
    let values = array(values, count, "values")?;
    Ok(keys
        .iter()
        .zip(values)
        .map(|(key, value)| Ok((text(*key, "keys")?, text(*value, "values")?))))
}

/// As [`pairs`], copied.
pub(crate) fn owned_pairs(
    keys: *const *const c_char,
    values: *const *const c_char,
    count: usize,
) -> Outcome<HashMap<String, String>> {
    let pair =
        |pair: Outcome<(&str, &str)>| pair.map(|(key, value)| (key.to_string(), value.to_string()));
    pairs(keys, values, count)?.map(pair).collect()
}

/// An array of `count` pointers, none of which may be NULL.
pub(crate) fn array<'a, T>(
    array: *const *const T,
    count: usize,
    name: &str,
) -> Outcome<&'a [*const T]> {
    if count == 0 {
        return Ok(&[]);
    }
    if array.is_null() {
        return Err(null(name));
    }
    if count > isize::MAX as usize / size_of::<*const T>() {
        return Err(Failure::argument(
            "count",
            &format!("{count}: count is out of range; give the number of {name}"),
        ));
    }
    // SAFETY: `count` pointers stand there, as the header asks for.
    let all = unsafe { std::slice::from_raw_parts(array, count) };
    match all.iter().position(|one| one.is_null()) {
        Some(at) => Err(Failure::argument(name, &format!("the pointer at {at} must not be NULL"))),
        None => Ok(all),
    }
}

fn null(name: &str) -> Failure {
    Failure::argument(name, "must not be NULL")
}

/// Where a result is put.
pub(crate) struct Out<T>(*mut *mut T);

impl<T> Out<T> {
    /// Where the caller wants the result; NULL stands there until there is one.
    pub(crate) fn new(place: *mut *mut T, name: &str) -> Outcome<Self> {
        if place.is_null() {
            return Err(null(name));
        }
        put(place, ptr::null_mut());
        Ok(Self(place))
    }

    pub(crate) fn put(self, value: T) {
        put(self.0, into_raw(value));
    }

    /// Puts nothing where there is none.
    pub(crate) fn set_some(self, value: Option<T>) {
        if let Some(value) = value {
            self.put(value);
        }
    }
}

fn put<T>(place: *mut *mut T, value: *mut T) {
    // SAFETY: the caller's pointer to room for a handle, or NULL.
    if let Some(place) = unsafe { place.as_mut() } {
        *place = value;
    }
}

/// Puts a plain value where the caller wants it.
pub(crate) fn put_value<T>(place: *mut T, value: T, name: &str) -> Outcome<()> {
    if place.is_null() {
        return Err(null(name));
    }
    // SAFETY: the caller's pointer to room for the value.
    unsafe { place.write(value) };
    Ok(())
}

/// A text as C has it. A NUL inside it would end it early.
pub(crate) fn c_text(text: impl Into<String>) -> CString {
    let text = text.into();
    CString::new(text).unwrap_or_else(|error| {
        let text = String::from_utf8_lossy(&error.into_vec()).replace('\0', "\u{fffd}");
        CString::new(text).unwrap_or_default()
    })
}

/// A secret as C has it, with a NUL at its end: in one place, which is wiped when it is dropped.
pub(crate) fn c_secret(text: &str) -> Zeroizing<Vec<u8>> {
    // Room for the NUL as well: a text that grows would leave a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() + 1));
    bytes.extend(text.bytes().filter(|byte| *byte != 0));
    bytes.push(0);
    bytes
}

/// Labels as C has them, in the order of their keys.
pub(crate) fn c_pairs(labels: &HashMap<String, String>) -> Vec<(CString, CString)> {
    let pair = |(key, value): (&String, &String)| (c_text(key.as_str()), c_text(value.as_str()));
    let mut pairs: Vec<_> = labels.iter().map(pair).collect();
    pairs.sort();
    pairs
}

/// What a callback is called with, as it came. The caller has promised that any thread may use it.
#[derive(Clone, Copy)]
pub(crate) struct UserData(pub(crate) *mut c_void);

// SAFETY: the header asks that user data may be used from any thread.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl From<&Failure> for Code {
    fn from(failure: &Failure) -> Self {
        Self::from(failure.0.kind)
    }
}

/// The kind that an error of a caller's provider says it is.
pub(crate) fn kind_from_code(code: i32) -> ErrorKind {
    u32::try_from(code).ok().and_then(ErrorKind::from_number).unwrap_or(ErrorKind::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it is now: it has grown by `later` since the first release.
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Grown {
        size: usize,
        first: usize,
        later: usize,
    }

    // SAFETY: plain numbers.
    unsafe impl View for Grown {
        const NAME: &'static str = "spuff_grown";
        const LEAST: usize = std::mem::offset_of!(Self, later);
        const DEFAULT: Self = Self { size: 0, first: 1, later: 7 };
    }

    /// What is read of a caller's words, the first of which is the size.
    fn read(words: &[usize]) -> Result<(usize, usize), String> {
        let read = view::<Grown>(words.as_ptr().cast(), "grown");
        read.map(|grown| grown.map(|grown| (grown.first, grown.later)).unwrap())
            .map_err(|failure| failure.0.message.clone())
    }

    #[test]
    fn a_struct_of_an_older_header_is_taken_and_one_of_a_newer_where_it_asks_for_nothing_new() {
        let word = size_of::<usize>();
        assert_eq!(read(&[2 * word, 5]), Ok((5, 7)), "the older one");
        assert_eq!(read(&[3 * word, 5, 6]), Ok((5, 6)));
        assert_eq!(read(&[5 * word, 5, 6, 0, 0]), Ok((5, 6)), "the newer one, with nothing new");
        let newer = read(&[5 * word, 5, 6, 0, 1]).unwrap_err();
        assert!(newer.contains("newer than this library"), "{newer}");
        let older = read(&[word, 5]).unwrap_err();
        assert!(older.contains("sizeof(spuff_grown)"), "{older}");
        let unset = read(&[usize::MAX, 5, 6]).unwrap_err();
        assert!(unset.contains("larger than in any version"), "nothing beyond is read: {unset}");
        assert!(view::<Grown>(ptr::null(), "grown").is_ok_and(|none| none.is_none()));
    }
}
