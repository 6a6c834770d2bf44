//! `spuff_outcomes`: the outcomes of an operation on many instances.

use spuff_core::placement::Placed as CorePlaced;

use crate::boundary::{Failure, Outcome, getter, optional, release};
use crate::error::Error;
use crate::instance::Instance;
use crate::placed::Placed;
use crate::verb::Each;

/// The outcomes of an operation on many instances, in the order of its arguments. Owned by the
/// caller that got it, freed with spuff_outcomes_free, with the instances and errors in it. Any
/// thread may read it.
pub struct Outcomes(Vec<Result<Made, Box<Error>>>);

/// What there is of one of them.
enum Made {
    Nothing,
    Machine(Instance),
    Placed(Placed),
}

impl Made {
    fn instance(&self) -> Option<&Instance> {
        match self {
            Self::Nothing => None,
            Self::Machine(instance) => Some(instance),
            Self::Placed(placed) => Some(&placed.instance),
        }
    }

    fn placed(&self) -> Option<&Placed> {
        if let Self::Placed(placed) = self { Some(placed) } else { None }
    }
}

impl From<Each> for Outcomes {
    fn from(each: Each) -> Self {
        let made = |made: Option<_>| {
            made.map_or(Made::Nothing, |machine| Made::Machine(Instance::from(machine)))
        };
        Self(each.into_iter().map(|one| one.map(made).map_err(boxed)).collect())
    }
}

impl From<Vec<Outcome<CorePlaced>>> for Outcomes {
    fn from(each: Vec<Outcome<CorePlaced>>) -> Self {
        Self(
            each.into_iter()
                .map(|one| one.map(|placed| Made::Placed(placed.into())).map_err(boxed))
                .collect(),
        )
    }
}

fn boxed(failure: Failure) -> Box<Error> {
    Box::new(failure.into())
}

fn of<T>(
    outcomes: *const Outcomes,
    index: usize,
    field: impl FnOnce(&Result<Made, Box<Error>>) -> Option<&T>,
) -> *const T {
    getter(std::ptr::null(), || field(optional(outcomes)?.0.get(index)?).map(std::ptr::from_ref))
}

/// Frees the outcomes and sets *outcomes to NULL; the instances themselves keep running. NULL, or a
/// pointer to NULL, is fine: twice is harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_outcomes_free(outcomes: *mut *mut Outcomes) {
    release(outcomes);
}

/// The number of outcomes: one for each argument. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_outcomes_count(outcomes: *const Outcomes) -> usize {
    getter(0, || Some(optional(outcomes)?.0.len()))
}

/// The instance of one of them, which the outcomes own. NULL where there is an error, of
/// spuff_provider_destroy_instances, and past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_outcomes_instance(
    outcomes: *const Outcomes,
    index: usize,
) -> *const Instance {
    of(outcomes, index, |one| one.as_ref().ok()?.instance())
}

/// Of spuff_place_instances, where that instance is made, and what was tried before; the outcomes
/// own it. NULL where there is an error, of other operations, and past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_outcomes_placed(
    outcomes: *const Outcomes,
    index: usize,
) -> *const Placed {
    of(outcomes, index, |one| one.as_ref().ok()?.placed())
}

/// Why one of them has failed, which the outcomes own. NULL where it has not, and past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_outcomes_error(
    outcomes: *const Outcomes,
    index: usize,
) -> *const Error {
    of(outcomes, index, |one| one.as_ref().err().map(AsRef::as_ref))
}
