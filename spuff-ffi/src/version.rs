//! What this library is: its version and what is built into it.

use std::ffi::c_char;

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
        let built_in = [
            ("digitalocean", cfg!(feature = "digitalocean")),
            ("hetzner", cfg!(feature = "hetzner")),
            ("aws", cfg!(feature = "aws")),
            ("docker", cfg!(feature = "docker")),
            ("simulator", cfg!(feature = "simulator")),
            ("conformance", cfg!(feature = "conformance")),
        ];
        let name = text(name, "name").ok()?;
        built_in.iter().find(|(known, _)| *known == name).map(|(_, is_there)| *is_there)
    })
}
