//! `spuff_strings`: a list of strings.

use std::ffi::{CString, c_char};

use crate::boundary::{c_text, getter, guard, handle_mut, optional, release, text};
use crate::error::{Code, Error};

/// A list of strings. Owned by the caller that got it, freed with spuff_strings_free; its texts
/// live as long as it does. Any thread may read it.
#[derive(Default)]
pub struct Strings {
    texts: Vec<CString>,
    plain: Vec<String>,
}

impl Strings {
    pub(crate) fn new(texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let plain: Vec<String> = texts.into_iter().map(Into::into).collect();
        Self { texts: plain.iter().map(|text| c_text(text.as_str())).collect(), plain }
    }

    pub(crate) fn into_plain(self) -> Vec<String> {
        self.plain
    }
}

/// Frees a list and sets *strings to NULL. NULL, or a pointer to NULL, is fine: twice is harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_strings_free(strings: *mut *mut Strings) {
    release(strings);
}

/// The number of entries. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_strings_count(strings: *const Strings) -> usize {
    getter(0, || Some(optional(strings)?.texts.len()))
}

/// One of them. NULL past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_strings_get(strings: *const Strings, index: usize) -> *const c_char {
    getter(std::ptr::null(), || Some(optional(strings)?.texts.get(index)?.as_ptr()))
}

/// Adds a copy of a text, for a provider written in C that was given a list to fill.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL, and for text that is not UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_strings_push(
    strings: *mut Strings,
    value: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let strings = handle_mut(strings, "strings")?;
        let value = text(value, "value")?;
        strings.texts.push(c_text(value));
        strings.plain.push(value.to_string());
        Ok(())
    })
}
