//! `spuff_cancel`: cancels blocking calls, from any thread or at a deadline.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use spuff_core::blocking::{CancelToken, Cancelling, block_on};

use crate::boundary::{Failure, Out, UserData, getter, guard, into_raw, optional, release};
use crate::error::{Code, Error};

/// Cancels the calls that it was given to. Owned by the caller that made it, freed with
/// spuff_cancel_free, also while calls that have it are in progress: they have a share of their
/// own. Any thread may use it at any time; that none cancels, asks or begins a call with it as it
/// is freed is the owner's to see to.
pub struct Cancel(pub(crate) CancelToken);

/// The token of a call, where there is one.
pub(crate) fn token(cancel: *const Cancel) -> CancelToken {
    optional(cancel).map_or_else(CancelToken::new, |cancel| cancel.0.clone())
}

/// Makes a token that is cancelled by hand only. Never NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cancel_new() -> *mut Cancel {
    getter(std::ptr::null_mut(), || Some(into_raw(Cancel(CancelToken::new()))))
}

/// Makes a token that also ends calls `limit_ms` milliseconds from now, with SPUFF_TIMEOUT. Never
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cancel_with_deadline_ms(limit_ms: u64) -> *mut Cancel {
    getter(std::ptr::null_mut(), || {
        Some(into_raw(Cancel(CancelToken::with_deadline(Duration::from_millis(limit_ms)))))
    })
}

/// Frees a token and sets *cancel to NULL. Calls that have it go on. NULL, or a pointer to NULL, is
/// fine: twice is harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cancel_free(cancel: *mut *mut Cancel) {
    release(cancel);
}

/// Cancels, for good: the calls that have the token return at once, with SPUFF_CANCELLED. Does not
/// block. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cancel_cancel(cancel: *const Cancel) {
    getter((), || {
        optional(cancel)?.0.cancel();
        Some(())
    });
}

/// Whether it was cancelled, or its deadline has passed. false for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cancel_is_cancelled(cancel: *const Cancel) -> bool {
    getter(false, || Some(optional(cancel)?.0.is_cancelled()))
}

/// Waits until it is cancelled or its deadline has passed, `limit_ms` milliseconds at most; tells
/// whether it is. For providers written in C, which pause with it. With NULL it waits all that
/// time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cancel_wait(cancel: *const Cancel, limit_ms: u64) -> bool {
    getter(false, || {
        let token = token(cancel);
        let waited = token.clone();
        let limit = CancelToken::with_deadline(Duration::from_millis(limit_ms));
        let cancelled = async {
            waited.cancelled().await;
            Ok(())
        };
        // That the limit has passed is no failure here.
        let _ = block_on(limit.limit("wait", None, cancelled));
        Some(token.is_cancelled())
    })
}

/// Called once when a token is cancelled or its deadline has passed, on a thread of spuff's, where
/// it may block and call spuff.
pub type CancelCallback = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// A subscription to the end of a token. Owned by the caller that got it, freed with
/// spuff_notice_free, which ends it, also after the token has been freed. Any thread may free it.
pub struct Notice {
    state: Arc<(Mutex<Telling>, Condvar)>,
    _watch: Cancelling,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Telling {
    NotYet,
    Now,
    Over,
}

thread_local! {
    /// The notice whose callback runs on this thread.
    static INSIDE: Cell<*const (Mutex<Telling>, Condvar)> = const { Cell::new(std::ptr::null()) };
}

impl Drop for Notice {
    fn drop(&mut self) {
        let (telling, changed) = &*self.state;
        let mut now = telling.lock().unwrap_or_else(PoisonError::into_inner);
        while *now == Telling::Now && INSIDE.get() != Arc::as_ptr(&self.state) {
            now = changed.wait(now).unwrap_or_else(PoisonError::into_inner);
        }
        *now = Telling::Over;
    }
}

/// Lets `callback` be called when a token is cancelled or its deadline passes: at once, where that
/// was before. For providers written in C that have to wake something of their own. The caller owns
/// *out. With NULL for the token nothing is ever told.
///
/// Errors: SPUFF_INVALID_CONFIG for a callback that is NULL; SPUFF_OTHER where spuff's thread
/// cannot be started.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cancel_notify(
    cancel: *const Cancel,
    callback: CancelCallback,
    user_data: *mut c_void,
    out: *mut *mut Notice,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let user_data = UserData(user_data);
        let callback = callback.ok_or_else(|| Failure::argument("callback", "must not be NULL"))?;
        let state = Arc::new((Mutex::new(Telling::NotYet), Condvar::new()));
        let told = state.clone();
        let watch = token(cancel).when_cancelled(move || {
            let user_data = user_data;
            let (telling, changed) = &*told;
            {
                let mut now = telling.lock().unwrap_or_else(PoisonError::into_inner);
                if *now == Telling::Over {
                    return;
                }
                *now = Telling::Now;
            }
            let outer = INSIDE.replace(Arc::as_ptr(&told));
            // SAFETY: the caller's function, called as the header says.
            unsafe { callback(user_data.0) };
            INSIDE.set(outer);
            *telling.lock().unwrap_or_else(PoisonError::into_inner) = Telling::Over;
            changed.notify_all();
        })?;
        out.put(Notice { state, _watch: watch });
        Ok(())
    })
}

/// Frees a notice and sets *notice to NULL. The callback is not called any more, and `user_data`
/// may be freed: one that runs is waited for, unless this is called from inside it. NULL, or a
/// pointer to NULL, is fine: twice is harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_notice_free(notice: *mut *mut Notice) {
    release(notice);
}
