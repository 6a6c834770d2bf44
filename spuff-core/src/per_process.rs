//! Values that belong to one process: a forked child creates its own.
//!
//! A child of `fork` has its parent's memory, but none of its threads: state that they hold or
//! drive is dead there, and may stay locked forever.

use std::mem;
use std::process;
use std::sync::OnceLock;

/// In a simulation, which runs many programs in one process: the program that runs here, and which
/// of its calls.
#[cfg(feature = "simulation")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) number: u64,
    pub(crate) call: usize,
}

/// A value that each process creates when it first needs it.
///
/// A child never touches its parent's value, nor a lock that the parent may have held: it uses a
/// further place, which only children use.
pub(crate) struct PerProcess<T> {
    process: OnceLock<u32>,
    value: OnceLock<T>,
    child: OnceLock<Box<Self>>,
}

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self { process: OnceLock::new(), value: OnceLock::new(), child: OnceLock::new() }
    }

    /// A value that this process has created.
    #[cfg(any(feature = "blocking", test))]
    pub(crate) fn with(value: T) -> Self {
        Self { process: process::id().into(), value: value.into(), child: OnceLock::new() }
    }

    /// The value of this process.
    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        let here = process::id();
        let mut place = self;
        while *place.process.get_or_init(|| here) != here {
            place = place.child.get_or_init(|| Box::new(Self::new()));
        }
        place.value.get_or_init(make)
    }
}

/// A child does not drop its parent's value: the drop may wait for threads that do not exist.
impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        if self.process.get().is_some_and(|process| *process != process::id()) {
            mem::forget(self.value.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A place as a child finds it, filled by another process.
    fn inherited() -> PerProcess<String> {
        let process = (process::id() + 1).into();
        PerProcess { process, value: "the parent's".to_string().into(), child: OnceLock::new() }
    }

    #[test]
    fn a_process_makes_one_value_and_a_child_its_own() {
        let here = PerProcess::new();
        assert_eq!(here.get_or_init(|| 1), &1);
        assert_eq!(here.get_or_init(|| 2), &1);
        assert_eq!(PerProcess::with(7).get_or_init(|| 8), &7);

        let child = inherited();
        assert_eq!(child.get_or_init(|| "its own".to_string()), "its own");
        assert_eq!(child.get_or_init(|| "another".to_string()), "its own");
        assert_eq!(child.value.get().map(String::as_str), Some("the parent's"));
    }

    #[test]
    fn what_the_parent_made_is_not_dropped_in_the_child() {
        struct Counts<'a>(&'a std::cell::Cell<u32>);
        impl Drop for Counts<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }
        let drops = std::cell::Cell::new(0);
        drop(PerProcess::with(Counts(&drops)));
        assert_eq!(drops.get(), 1);
        drop(PerProcess {
            process: (process::id() + 1).into(),
            value: Counts(&drops).into(),
            child: OnceLock::new(),
        });
        assert_eq!(drops.get(), 1);
    }
}
