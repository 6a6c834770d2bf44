//! libFuzzer around one target, which the environment names.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use spuff_core::fuzzing::targets;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fn chosen() -> fn(&[u8]) {
    let name = std::env::var("SPUFF_FUZZ_TARGET").unwrap_or_default();
    let target = targets().into_iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("SPUFF_FUZZ_TARGET names no target: {name:?}")).run
}

fuzz_target!(|input: &[u8]| TARGET.get_or_init(chosen)(input));
