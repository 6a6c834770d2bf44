//! Tracks the instances that this process is destroying, from the request to its end, whatever the
//! API reports meanwhile.
//!
//! A create must not adopt such an instance by its key: it would lose it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::per_process::PerProcess;

/// How many tasks destroy each instance, by program, provider and id.
type Wishes = HashMap<(u64, String, String), usize>;

fn wishes() -> MutexGuard<'static, Wishes> {
    static WISHES: PerProcess<Mutex<Wishes>> = PerProcess::new();
    WISHES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of the current program; 0 outside a simulation.
fn program() -> u64 {
    #[cfg(feature = "simulation")]
    if let Some(program) = super::Group::carried()
        .and_then(|carried| carried.downcast::<crate::per_process::Program>().ok())
    {
        return program.number;
    }
    0
}

/// Marks an instance as being destroyed until this value is dropped.
pub(crate) struct Ending((u64, String, String));

impl Ending {
    pub(crate) fn begin(provider: &str, id: &str) -> Self {
        let machine = (program(), provider.to_string(), id.to_string());
        *wishes().entry(machine.clone()).or_default() += 1;
        Self(machine)
    }

    /// Returns whether this process is destroying the instance.
    pub(crate) fn is_of(provider: &str, id: &str) -> bool {
        wishes().contains_key(&(program(), provider.to_string(), id.to_string()))
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let mut wishes = wishes();
        // A forked child has none of its parent's entries.
        let Some(count) = wishes.get_mut(&self.0) else { return };
        *count -= 1;
        if *count == 0 {
            wishes.remove(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_ending_as_long_as_anybody_destroys_it() {
        let is_ending = || Ending::is_of("test", "7");
        let one = Ending::begin("test", "7");
        let other = Ending::begin("test", "7");
        assert!(is_ending() && !Ending::is_of("test", "8") && !Ending::is_of("other", "7"));
        drop(one);
        assert!(is_ending());
        drop(other);
        assert!(!is_ending());
    }
}
