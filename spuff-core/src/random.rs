//! All randomness: unguessable keys, jitter, and names of temporary files.
//!
//! Only this module asks the system: a simulation draws from its seed.

#![allow(clippy::disallowed_methods, reason = "the one place that asks")]

use crate::provider::error::{ProviderError, ProviderResult};

/// Fills with unguessable bits.
///
/// # Errors
/// [`ProviderError::Other`] if the system provides none.
pub(crate) fn fill(bits: &mut [u8]) -> ProviderResult<()> {
    #[cfg(feature = "simulation")]
    if seeded::with(|rng| rng.fill(bits)).is_some() {
        return Ok(());
    }
    let random = rustls::crypto::ring::default_provider().secure_random;
    random
        .fill(bits)
        .map_err(|_| ProviderError::Other { message: "the system RNG failed".to_string() })
}

/// A number from 0 up to, but not including, 1. Guessable.
pub(crate) fn part() -> f64 {
    #[cfg(feature = "simulation")]
    if let Some(part) = seeded::with(fastrand::Rng::f64) {
        return part;
    }
    fastrand::f64()
}

/// Any number. Guessable.
pub(crate) fn number() -> u64 {
    #[cfg(feature = "simulation")]
    if let Some(number) = seeded::with(|rng| rng.u64(..)) {
        return number;
    }
    fastrand::u64(..)
}

#[cfg(feature = "simulation")]
pub(crate) mod seeded {
    use std::cell::RefCell;

    use fastrand::Rng;

    thread_local! {
        static RNG: RefCell<Option<Rng>> = const { RefCell::new(None) };
    }

    /// Draws all randomness of this thread from a seed, until dropped.
    pub(crate) struct Seeded(());

    impl Seeded {
        pub(crate) fn begin(seed: u64) -> Self {
            RNG.set(Some(Rng::with_seed(seed)));
            Self(())
        }
    }

    impl Drop for Seeded {
        fn drop(&mut self) {
            RNG.set(None);
        }
    }

    pub(super) fn with<T>(draw: impl FnOnce(&mut Rng) -> T) -> Option<T> {
        RNG.with_borrow_mut(|rng| rng.as_mut().map(draw))
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::random;

        #[test]
        fn a_seed_gives_the_same_each_time() {
            let draw = || {
                let mut bits = [0; 16];
                random::fill(&mut bits).unwrap();
                (bits, random::part().to_bits())
            };
            let of = |seed| {
                let _seeded = Seeded::begin(seed);
                draw()
            };
            assert_eq!(of(7), of(7));
            assert_ne!(of(7), of(8));
            assert_ne!(draw(), draw(), "the system's again");
        }
    }
}
