//! Signals: the library's threads take none of the program's, and its writes raise none.
//!
//! A library cannot know how the program handles a signal. A thread of the library might take one
//! that the program waits for. SIGPIPE, which is ignored in a Rust program alone, ends a process
//! that writes to a connection that its peer has closed.

#[cfg(all(unix, any(feature = "blocking", feature = "simulator")))]
pub(crate) use masks::{keep_away, spawn};

#[cfg(all(unix, feature = "blocking"))]
pub(crate) use masks::Quiet;

#[cfg(all(not(unix), any(feature = "blocking", feature = "simulator")))]
pub(crate) fn keep_away() {}

#[cfg(all(not(unix), any(feature = "blocking", feature = "simulator")))]
pub(crate) use std::thread::Builder::spawn;

#[cfg(all(not(unix), feature = "blocking"))]
pub(crate) struct Quiet;

#[cfg(all(not(unix), feature = "blocking"))]
impl Quiet {
    pub(crate) fn begin() -> Self {
        Self
    }
}

/// Runs work that may start other programs: they inherit the program's signal mask, not that of a
/// library thread.
pub(crate) async fn of_the_program<T>(work: impl Future<Output = T>) -> T {
    #[cfg(all(unix, any(feature = "blocking", feature = "simulator")))]
    let work = masks::of_the_program(work);
    work.await
}

/// As [`of_the_program`], for synchronous work.
pub(crate) fn as_the_program<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(all(unix, any(feature = "blocking", feature = "simulator")))]
    let _changed = masks::as_the_program();
    work()
}

#[cfg(all(unix, any(feature = "blocking", feature = "simulator")))]
mod masks {
    use std::cell::Cell;
    use std::io;
    use std::sync::OnceLock;
    use std::thread::{Builder, JoinHandle};

    use nix::sys::signal::{SigSet, SigmaskHow, Signal};

    /// The signal mask of the program's threads when this library first started one.
    static PROGRAM: OnceLock<SigSet> = OnceLock::new();

    thread_local! {
        /// This thread's mask before this library changed it.
        static BEFORE: Cell<Option<SigSet>> = const { Cell::new(None) };
    }

    /// All signals except those for a fault of the thread itself, which must not be blocked.
    fn from_outside() -> SigSet {
        let mut signals = SigSet::all();
        for own in [
            Signal::SIGABRT,
            Signal::SIGBUS,
            Signal::SIGFPE,
            Signal::SIGILL,
            Signal::SIGSEGV,
            Signal::SIGSYS,
            Signal::SIGTRAP,
        ] {
            signals.remove(own);
        }
        signals
    }

    /// Changes this thread's mask until dropped.
    pub(super) struct Changed {
        before: Option<SigSet>,
    }

    impl Changed {
        /// Fails only for invalid arguments; then nothing is changed.
        fn to(signals: &SigSet, how: SigmaskHow) -> Self {
            Self { before: signals.thread_swap_mask(how).ok() }
        }
    }

    impl Drop for Changed {
        fn drop(&mut self) {
            if let Some(before) = self.before.take() {
                // As above.
                let _ = before.thread_set_mask();
            }
        }
    }

    /// Blocks the program's signals on this thread, permanently.
    pub(crate) fn keep_away() {
        let mut away = Changed::to(&from_outside(), SigmaskHow::SIG_BLOCK);
        BEFORE.set(away.before.take().map(|before| *PROGRAM.get_or_init(|| before)));
    }

    /// Starts a thread that blocks the program's signals from its first moment on.
    pub(crate) fn spawn<T: Send + 'static>(
        builder: Builder,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        let away = Changed::to(&from_outside(), SigmaskHow::SIG_BLOCK);
        let program = away.before.map(|before| *PROGRAM.get_or_init(|| before));
        builder.spawn(move || {
            BEFORE.set(program);
            work()
        })
    }

    /// See the module's function of this name. Programs are started while the future is polled.
    pub(super) async fn of_the_program<T>(work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|context| {
            let _changed = as_the_program();
            work.as_mut().poll(context)
        })
        .await
    }

    /// Restores the program's mask on this thread until the returned value is dropped.
    pub(super) fn as_the_program() -> Option<Changed> {
        BEFORE.get().map(|before| Changed::to(&before, SigmaskHow::SIG_SETMASK))
    }

    /// While this exists, this thread's write to a closed connection returns an error and raises no
    /// SIGPIPE.
    ///
    /// The signal is sent to the writing thread: blocked there, it stays pending, and is consumed
    /// before the thread's mask is restored.
    #[cfg(feature = "blocking")]
    pub(crate) struct Quiet {
        /// `None` if the thread has blocked it itself: the program then handles it, as before.
        changed: Option<Changed>,
        outer: Option<SigSet>,
    }

    #[cfg(feature = "blocking")]
    impl Quiet {
        pub(crate) fn begin() -> Self {
            let mut changed = Changed::to(&broken_pipe(), SigmaskHow::SIG_BLOCK);
            let outer = BEFORE.get();
            if changed.before.is_some_and(|before| before.contains(Signal::SIGPIPE)) {
                changed.before = None;
                return Self { changed: None, outer };
            }
            BEFORE.set(changed.before);
            Self { changed: Some(changed), outer }
        }
    }

    #[cfg(feature = "blocking")]
    impl Drop for Quiet {
        fn drop(&mut self) {
            if self.changed.is_some() {
                take_what_came();
                BEFORE.set(self.outer);
            }
        }
    }

    #[cfg(feature = "blocking")]
    fn broken_pipe() -> SigSet {
        Signal::SIGPIPE.into()
    }

    /// Consumes this thread's pending SIGPIPE, if any. `nix` has no call that does not wait; with
    /// one more raised, of which only one can be pending, the wait ends at once.
    #[cfg(all(feature = "blocking", any(target_os = "linux", target_os = "android")))]
    fn take_what_came() {
        if nix::sys::signal::raise(Signal::SIGPIPE).is_ok() {
            // Fails only for an invalid set.
            let _ = broken_pipe().wait();
        }
    }

    /// Sockets are told not to send it if the system allows that; an ignored signal does not stay
    /// pending, and the wait for it would never end.
    #[cfg(all(feature = "blocking", not(any(target_os = "linux", target_os = "android"))))]
    fn take_what_came() {}
}
