//! `spuff_cancel`: ends calls that block, by hand from any thread or at a deadline.

use std::time::Duration;

use spuff_core::blocking::{CancelToken, block_on};

use crate::boundary::{getter, give, optional, release};

/// Ends the calls that it was given to. Owned by whoever made it, freed with spuff_cancel_free, also while calls that have it
/// are under way. Any thread may use it at any time.
pub struct Cancel(pub(crate) CancelToken);

/// The token of a call, where there is one.
pub(crate) fn token(cancel: *const Cancel) -> CancelToken {
    optional(cancel).map_or_else(CancelToken::new, |cancel| cancel.0.clone())
}

/// Makes a token that is cancelled by hand only. Never NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cancel_new() -> *mut Cancel {
    getter(std::ptr::null_mut(), || Some(give(Cancel(CancelToken::new()))))
}

/// Makes a token that also ends calls `limit_ms` milliseconds from now, with SPUFF_TIMEOUT. Never NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cancel_with_deadline_ms(limit_ms: u64) -> *mut Cancel {
    getter(std::ptr::null_mut(), || Some(give(Cancel(CancelToken::with_deadline(Duration::from_millis(limit_ms))))))
}

/// Frees a token and sets *cancel to NULL. Calls that have it go on. NULL, or a pointer to NULL, is fine: twice is harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_cancel_free(cancel: *mut *mut Cancel) {
    release(cancel);
}

/// Cancels, for good: the calls that have the token return at once, with SPUFF_CANCELLED. Does not block. NULL does nothing.
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

/// Waits until it is cancelled or its deadline has passed, `limit_ms` milliseconds at most; tells whether it is. For providers
/// written in C, which pause with it. With NULL it waits all that time.
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
