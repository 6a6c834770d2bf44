//! Work in a child of `fork`.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Whether `work` holds in a child. A child that hangs is given up by the alarm that ends it.
pub(crate) fn in_child(work: impl FnOnce() -> bool) -> bool {
    unsafe extern "C" {
        fn fork() -> i32;
        fn waitpid(process: i32, status: *mut i32, options: i32) -> i32;
        fn alarm(seconds: u32) -> u32;
        fn _exit(code: i32) -> !;
    }
    // SAFETY: plain calls of the C library, by their prototypes. The child ends before it returns
    // to the test program.
    unsafe {
        let child = fork();
        assert!(child >= 0, "fork has failed");
        if child == 0 {
            alarm(60);
            let held = catch_unwind(AssertUnwindSafe(work)).unwrap_or(false);
            _exit(i32::from(!held));
        }
        let mut status = 0;
        assert_eq!(waitpid(child, &raw mut status, 0), child);
        status == 0
    }
}
