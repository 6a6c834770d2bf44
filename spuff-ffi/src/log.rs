//! The log: its lines go to a callback.

use std::ffi::{c_char, c_void};

use spuff_core::logging::{self, Level};
use spuff_core::provider::ProviderError;

use crate::boundary::{Failure, Outcome, UserData, c_text, guard};
use crate::error::{Code, Error};

/// How important a line of the log is.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Nothing is logged.
    Off = 0,
    /// Something was lost, or costs money.
    Error = 1,
    /// Something did not go as it should.
    Warn = 2,
    /// What the operations do.
    Info = 3,
    /// How they do it.
    Debug = 4,
    /// Everything.
    Trace = 5,
}

/// Called with a line: its level, the module that logs, and the message with its fields, all of
/// which live as long as the call. It is called on any thread, in the middle of what is logged: it
/// must be quick, and must not call spuff's operations.
pub type LogCallback = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        level: LogLevel,
        target: *const c_char,
        message: *const c_char,
    ),
>;

fn level(number: i32) -> Outcome<Option<Level>> {
    Ok(Some(match number {
        0 => return Ok(None),
        1 => Level::ERROR,
        2 => Level::WARN,
        3 => Level::INFO,
        4 => Level::DEBUG,
        5 => Level::TRACE,
        _ => {
            return Err(Failure::argument("level", &format!("{number} is not a spuff_log_level")));
        }
    }))
}

fn number(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        Level::TRACE => LogLevel::Trace,
    }
}

/// Gives the log from now on, of `level` (one of spuff_log_level) and what is more important, to
/// `callback` in place of the one before; NULL ends it. While nothing listens, the log costs
/// nothing. Any thread may call it. `user_data` is used by any thread, and must live until the
/// listening has been ended, or given to another: this returns when no call of the callback before
/// is in progress any more, so that its user data may be freed then. Called from inside a callback
/// it does not wait; then that callback's user data must live on until it has returned, and those
/// of others as well.
///
/// Errors: SPUFF_INVALID_CONFIG for a number that is no level; SPUFF_CONFLICT in a Rust program
/// that listens to the same log by itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_log_listen(
    level: i32,
    callback: LogCallback,
    user_data: *mut c_void,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let level = self::level(level)?;
        let user_data = UserData(user_data);
        let Some(callback) = callback else {
            logging::end().wait();
            return Ok(());
        };
        let listener = move |record: &logging::Record<'_>| {
            let target = c_text(record.target);
            let message = c_text(record.message);
            let user_data = user_data;
            // SAFETY: the caller's function, called as the header says.
            unsafe {
                callback(user_data.0, number(record.level), target.as_ptr(), message.as_ptr())
            };
        };
        logging::listen(level, listener)
            .map_err(|taken| ProviderError::conflict(taken.to_string(), false))?
            .wait();
        Ok(())
    })
}
