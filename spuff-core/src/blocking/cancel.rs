//! Cancels blocking calls: by hand from another thread, or at a deadline.

use std::future::{Future, pending};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::offload::run_blocking;
use super::runtime::spawn;
use crate::guard::watch_made;
use crate::provider::error::{ProviderError, ProviderResult};

/// Cancels the calls that it was passed to. Clones are the same token.
///
/// # Examples
/// ```no_run
/// use spuff_core::blocking::{CancelToken, ProviderRegistry};
///
/// # fn main() -> Result<(), spuff_core::provider::ProviderError> {
/// let provider = ProviderRegistry::with_defaults().from_env("hetzner")?;
/// let cancel = CancelToken::new();
/// let by_hand = cancel.clone();
/// std::thread::spawn(move || by_hand.cancel());
/// let ready = provider.run(|provider| async move {
///     cancel.limit("wait_ready", Some("42"), provider.wait_ready("42")).await
/// });
/// # ready.map(drop)
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct CancelToken {
    by_hand: CancellationToken,
    began: Option<Instant>,
    limit: Option<Duration>,
}

impl CancelToken {
    /// A token that is cancelled by hand only.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token that also cancels when `limit` from now has passed.
    pub fn with_deadline(limit: Duration) -> Self {
        Self { began: Some(Instant::now()), limit: Some(limit), ..Self::default() }
    }

    /// Cancels, permanently.
    pub fn cancel(&self) {
        self.by_hand.cancel();
    }

    /// Whether it was cancelled, or its deadline has passed.
    pub fn is_cancelled(&self) -> bool {
        self.by_hand.is_cancelled() || self.remaining().is_some_and(|left| left.is_zero())
    }

    /// The time until its deadline, if it has one.
    pub fn remaining(&self) -> Option<Duration> {
        Some(self.limit?.saturating_sub(self.began?.elapsed()))
    }

    /// Returns when it is cancelled, or at its deadline.
    pub async fn cancelled(&self) {
        let deadline = async {
            match self.remaining() {
                Some(left) => tokio::time::sleep(left).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = self.by_hand.cancelled() => {}
            () = deadline => {}
        }
    }

    /// Calls a function once on cancellation or at the deadline, on a thread where it may block and
    /// call spuff. Dropping the returned value before then prevents the call.
    ///
    /// # Errors
    /// If spuff's own runtime cannot be started.
    #[doc(hidden)]
    pub fn when_cancelled(
        &self,
        call: impl FnOnce() + Send + 'static,
    ) -> ProviderResult<Cancelling> {
        let token = self.clone();
        let over = CancellationToken::new();
        let watched = over.clone();
        let watch = async move {
            tokio::select! {
                () = token.cancelled() => run_blocking(call).await,
                () = watched.cancelled() => {}
            }
        };
        drop(spawn(watch)?);
        Ok(Cancelling { _over: over.drop_guard() })
    }

    /// Runs an operation until this token cancels it. A cancelled operation continues in the
    /// background, as when its future is dropped. A cancellation by hand wins even if the operation
    /// has just finished.
    ///
    /// # Errors
    /// Those of the operation; [`ProviderError::Cancelled`], or [`ProviderError::Timeout`] at the
    /// deadline, with `operation` and `instance_id`; within [`ProviderError::AfterCreate`] if the
    /// operation had created an instance by then.
    pub async fn limit<T>(
        &self,
        operation: &str,
        instance_id: Option<&str>,
        work: impl Future<Output = ProviderResult<T>>,
    ) -> ProviderResult<T> {
        if self.is_cancelled() {
            return Err(self.error(operation, instance_id));
        }
        let (work, made) = watch_made(work);
        let left = || {
            let error = self.error(operation, instance_id);
            match made() {
                Some((id, ending)) => error.left_behind(id, ending),
                None => error,
            }
        };
        tokio::select! {
            biased;
            () = self.by_hand.cancelled() => Err(left()),
            outcome = work => outcome,
            () = self.cancelled() => Err(left()),
        }
    }

    fn error(&self, operation: &str, instance_id: Option<&str>) -> ProviderError {
        match (self.by_hand.is_cancelled(), self.limit) {
            (false, Some(limit)) => {
                let of = instance_id.map_or(String::new(), |id| format!(" of instance {id}"));
                ProviderError::timeout(format!("{operation}{of} (the caller's deadline)"), limit)
            }
            _ => {
                let (operation, instance_id) =
                    (operation.to_string(), instance_id.map(str::to_string));
                ProviderError::Cancelled { operation, instance_id }
            }
        }
    }

    /// Cancels when it is dropped, unless disarmed.
    pub(super) fn guard(&self) -> DropGuard {
        self.by_hand.clone().drop_guard()
    }
}

/// The watch over a token, which ends when this is dropped.
#[doc(hidden)]
#[derive(Debug)]
pub struct Cancelling {
    _over: DropGuard,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_ends_by_hand_or_at_the_deadline_and_names_the_machine() {
        let hang = || std::future::pending::<ProviderResult<()>>();
        let by_hand = CancelToken::new();
        let cancel = by_hand.clone();
        std::thread::spawn(move || cancel.cancel());
        let error = by_hand.limit("wait_ready", Some("7"), hang()).await.unwrap_err();
        assert!(
            matches!(&error, ProviderError::Cancelled { instance_id: Some(id), .. } if id == "7"),
            "{error}"
        );
        assert!(
            by_hand.limit("wait_ready", None, async { Ok(()) }).await.is_err(),
            "nothing begins after it"
        );
        let by_hand = CancelToken::new();
        let cancel = by_hand.clone();
        let (finish, finished) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            cancel.cancel();
            finish.send(7)
        });
        let done_all_the_same = async { Ok(finished.await) };
        assert!(
            by_hand.limit("create_instance", None, done_all_the_same).await.is_err(),
            "nobody wants it any more"
        );

        let deadline = CancelToken::with_deadline(Duration::from_millis(20));
        assert!(
            !deadline.is_cancelled()
                && deadline.limit("get_instance", None, async { Ok(()) }).await.is_ok()
        );
        let error = deadline.limit("wait_ready", Some("7"), hang()).await.unwrap_err();
        assert!(
            matches!(error, ProviderError::Timeout { .. })
                && error.to_string().contains("of instance 7"),
            "{error}"
        );
        assert!(deadline.is_cancelled() && deadline.remaining() == Some(Duration::ZERO));
    }
}
