//! What this library is: its version and what is built into it.

use std::ffi::c_char;

use spuff_core::provider::ProviderType;

use crate::boundary::{getter, text};

/// The version of the library, such as `0.1.0`. Static.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_version() -> *const c_char {
    getter(std::ptr::null(), || Some(concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()))
}

/// Whether a part is built into this library: `digitalocean`, `hetzner`, `aws`, `docker`,
/// `simulator` or `conformance`. false for another name, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_has_feature(name: *const c_char) -> bool {
    getter(false, || {
        let name = text(name, "name").ok()?;
        let is_of = |known: &ProviderType| known.as_str() == name;
        match ProviderType::KNOWN.iter().find(|known| is_of(known)) {
            Some(known) => Some(known.is_implemented()),
            None if name == "simulator" => Some(cfg!(feature = "simulator")),
            None if name == "conformance" => Some(cfg!(feature = "conformance")),
            None => None,
        }
    })
}
