//! Aborts a fleet: the flag set when one failed instance ends all, and how long the others are
//! retried until then.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::changes::Changes;
use crate::create::catch_panic;
use crate::provider::error::{ErrorKind, ProviderError, ProviderResult};
use crate::provider::operation::Operation;

/// Maximum time to retry one rate-limited instance: no provider counts over more than an hour.
const LONGEST_LIMIT: Duration = Duration::from_secs(2 * 3600);
/// The pause after a refusal without `Retry-After`.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Set as soon as one instance fails, if that ends all.
pub(crate) struct AbortFlag {
    is_set: AtomicBool,
    changes: Changes,
    operation: Operation,
}

impl AbortFlag {
    pub(crate) fn new(operation: Operation) -> Self {
        Self { is_set: AtomicBool::new(false), changes: Changes::default(), operation }
    }

    pub(crate) fn set(&self) {
        self.is_set.store(true, Ordering::Release);
        self.changes.tell();
    }

    pub(crate) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    /// The error of an instance that had not failed itself.
    pub(crate) fn error(&self) -> ProviderError {
        ProviderError::Cancelled { operation: self.operation.to_string(), instance_id: None }
    }

    pub(super) async fn wait(&self) {
        let mut changes = self.changes.seen();
        while !self.is_set() {
            changes.changed().await;
        }
    }
}

/// Retries an operation while it is rate limited, until the fleet aborts. A rate-limited request
/// was not carried out.
pub(crate) async fn retry_while_rate_limited<T, F>(
    verb: impl Fn() -> F,
    abort: &AbortFlag,
) -> ProviderResult<T>
where
    F: Future<Output = ProviderResult<T>>,
{
    let began = Instant::now();
    loop {
        let outcome = catch_panic(verb()).await;
        let left = LONGEST_LIMIT.saturating_sub(began.elapsed());
        let error = match outcome {
            Err(error) if error.kind() == ErrorKind::RateLimit && !left.is_zero() => error,
            outcome => return outcome,
        };
        let pause = error.retry_after().unwrap_or(DEFAULT_RETRY_AFTER).min(left);
        tokio::select! {
            biased;
            () = abort.wait() => return Err(error),
            () = tokio::time::sleep(pause) => {}
        }
    }
}
