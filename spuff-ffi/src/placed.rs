//! `spuff_placed`: a placed instance.

use spuff_core::placement::Placed as CorePlaced;

use crate::attempts::Attempts;
use crate::boundary::{getter, optional, release};
use crate::instance::Instance;

/// A placed instance. Owned by the caller that got it, freed with spuff_placed_free, unless it was
/// got from outcomes, which own it. Any thread may read it.
pub struct Placed {
    pub(crate) instance: Instance,
    candidate: usize,
    attempts: Attempts,
}

impl From<CorePlaced> for Placed {
    fn from(placed: CorePlaced) -> Self {
        Self {
            instance: placed.instance.into(),
            candidate: placed.candidate,
            attempts: placed.attempts.into(),
        }
    }
}

/// Frees what is known of the instance and sets *placed to NULL; the instance itself keeps running.
/// NULL, or a pointer to NULL, is fine: twice is harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_placed_free(placed: *mut *mut Placed) {
    release(placed);
}

/// The instance, which `placed` owns. NULL for NULL, as all getters here that give a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_placed_instance(placed: *const Placed) -> *const Instance {
    getter(std::ptr::null(), || Some(&raw const optional(placed)?.instance))
}

/// The position of its candidate, in the order in which they were added. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_placed_candidate(placed: *const Placed) -> usize {
    getter(0, || Some(optional(placed)?.candidate))
}

/// The outcome of each candidate up to that one, which `placed` owns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_placed_attempts(placed: *const Placed) -> *const Attempts {
    getter(std::ptr::null(), || Some(&raw const optional(placed)?.attempts))
}
