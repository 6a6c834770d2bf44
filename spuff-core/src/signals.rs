//! The program's signals: none comes to a thread of this library's, and none comes of what the
//! library writes.
//!
//! A library cannot know what the program does with a signal: one that a thread of the library's
//! takes may be one that the program waits for, and SIGPIPE, which is ignored in a Rust program
//! alone, ends a process that writes to a connection that its other end has closed.

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

/// Does what may start other programs: they begin with the signals of this program, and not with
/// those that a thread of this library's keeps away.
#[cfg(any(feature = "aws", feature = "docker"))]
pub(crate) async fn of_the_program<T>(work: impl Future<Output = T>) -> T {
    #[cfg(all(unix, any(feature = "blocking", feature = "simulator")))]
    let work = masks::of_the_program(work);
    work.await
}

/// As [`of_the_program`], for what is done at once.
#[cfg(feature = "docker")]
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

    /// What the program's threads had blocked when this library first started one.
    static PROGRAM: OnceLock<SigSet> = OnceLock::new();

    thread_local! {
        /// What this thread had blocked before this library changed that.
        static BEFORE: Cell<Option<SigSet>> = const { Cell::new(None) };
    }

    /// All signals but those that tell of a fault of the thread itself, which must not be blocked.
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

    /// Changes what this thread has blocked until this is dropped.
    pub(super) struct Changed {
        before: Option<SigSet>,
    }

    impl Changed {
        /// It fails for arguments that cannot be, alone; then nothing is changed.
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

    /// Keeps the program's signals away from this thread, for good.
    pub(crate) fn keep_away() {
        let mut away = Changed::to(&from_outside(), SigmaskHow::SIG_BLOCK);
        BEFORE.set(away.before.take().map(|before| *PROGRAM.get_or_init(|| before)));
    }

    /// Starts a thread from which the program's signals are kept away from its first moment on.
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

    /// See the module's function of this name. What is started is started while the future is
    /// polled.
    #[cfg(any(feature = "aws", feature = "docker"))]
    pub(super) async fn of_the_program<T>(work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|context| {
            let _changed = as_the_program();
            work.as_mut().poll(context)
        })
        .await
    }

    /// This thread has the program's signals until what this gives is dropped.
    #[cfg(any(feature = "aws", feature = "docker"))]
    pub(super) fn as_the_program() -> Option<Changed> {
        BEFORE.get().map(|before| Changed::to(&before, SigmaskHow::SIG_SETMASK))
    }

    /// As long as this is there, what this thread writes to a closed connection is an error for it,
    /// and no SIGPIPE.
    ///
    /// The signal is sent to the thread that writes: blocked there, it waits, and is taken before
    /// the thread's mask is as it was.
    #[cfg(feature = "blocking")]
    pub(crate) struct Quiet {
        /// None where the thread has blocked it itself: what then comes of it is for the program,
        /// as before.
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

    /// Takes the SIGPIPE that waits for this thread, if there is one. There is no call in `nix`
    /// that does not wait: with one more, of which there is only ever one, it does not need to.
    #[cfg(all(feature = "blocking", any(target_os = "linux", target_os = "android")))]
    fn take_what_came() {
        if nix::sys::signal::raise(Signal::SIGPIPE).is_ok() {
            // It fails for a set that cannot be, alone.
            let _ = broken_pipe().wait();
        }
    }

    /// Sockets are told not to send it where there is a way to tell them; where it is ignored it is
    /// not kept, and would be waited for without end.
    #[cfg(all(feature = "blocking", not(any(target_os = "linux", target_os = "android"))))]
    fn take_what_came() {}
}
