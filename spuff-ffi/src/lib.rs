//! The C ABI of spuff: nothing but translation between C and `spuff-core`.
//!
//! What each function does is written at the function, from where it goes into the header
//! `include/spuff.h`; this page is for those who change it.
//!
//! # Layers
//! | layer | modules | contents |
//! | --- | --- | --- |
//! | calls | `provider`, `submit`, `fleet`, `placement_verbs` | the operations in two forms: one blocks, one calls back |
//! | operations | `verb` | each operation once, with cancellation, progress, and errors that name the instance |
//! | C providers | `vtable`, `c_provider` | a table of C functions as an entry of a registry |
//! | handles | `registry`, `config`, `request`, `instance`, `nouns`, `strings`, `reap`, `outcomes`, `price`, `placement`, `placed`, `attempts`, `progress`, `cancel`, `error` | one type each |
//! | support | `log`, `version`, `simulator`, `conformance` | |
//! | boundary | `boundary`, `json` | argument checks, codes, and caught panics; values as JSON |
//!
//! The modules `verbs`, and all in `nouns`, are generated from the trait `Provider` and the plain
//! structs that it names, by `cargo run -p spuff-surface`.
//!
//! # Rules
//! Every exported function runs its body in `guard`, `getter` or `release` of `boundary`; the tests
//! look for that. A handle has one owner, said in one sentence at its type. Free functions take the
//! address of the handle and set it to NULL.
#![allow(
    clippy::missing_safety_doc,
    reason = "the header says what each function asks for, in words for C"
)]
#![allow(clippy::not_unsafe_ptr_arg_deref, reason = "pointers are looked at in boundary only")]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")
)]

pub mod attempts;
mod boundary;
mod c_provider;
pub mod cancel;
pub mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod error;
pub mod fleet;
pub mod instance;
mod json;
pub mod log;
pub mod nouns;
pub mod outcomes;
pub mod placed;
pub mod placement;
pub mod placement_verbs;
pub mod price;
pub mod progress;
pub mod provider;
pub mod reap;
pub mod registry;
pub mod request;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod strings;
pub mod submit;
pub mod verb;
pub mod version;
pub mod vtable;
