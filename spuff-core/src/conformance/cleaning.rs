//! Cleanup after each check: destroys what it made, and reports what could not be destroyed.

use std::future::{Future, pending};

use tokio::task::JoinSet;

use super::report::{LeftBehind, Verdict};
use super::rule::{self, Tried};
use super::trial::{Trial, told};
use crate::provider::ProviderError;

/// How often a destroy is tried that fails with a retryable error.
const ATTEMPTS: u32 = 3;

const INSTANCE: &str = "instance";
const TYPES: [&str; 2] = [INSTANCE, "snapshot"];

/// Runs a task to its end, or until `stop`. A panic becomes a verdict; a stopped task has ended
/// when this returns.
pub(super) async fn caught<T: Send + 'static>(
    task: impl Future<Output = Tried<T>> + Send + 'static,
    stop: impl Future<Output = ()>,
) -> Option<Tried<T>> {
    let mut tasks = JoinSet::new();
    tasks.spawn(task);
    let ended = tokio::select! {
        biased;
        ended = tasks.join_next() => ended,
        () = stop => None,
    };
    tasks.shutdown().await;
    Some(ended?.unwrap_or_else(|error| {
        let panicked = error.try_into_panic().ok();
        let text = panicked.as_ref().and_then(|cause| {
            cause
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| cause.downcast_ref::<&str>().copied())
        });
        Err(rule::NO_PANIC
            .broken(format!("it panicked: {}", text.unwrap_or("a non-string payload"))))
    }))
}

impl Trial {
    /// Destroys what this check has made. After a failure also destroys resources of this run that
    /// appear in lists, but that no operation returned.
    pub(super) async fn clean_up(&self, check: &'static str, failed: bool) -> Vec<LeftBehind> {
        let mut left =
            self.end_all([self.ledger.machines.all(), self.ledger.snapshots.all()], check).await;
        if !failed {
            return left;
        }
        let unknown = |seen: [Vec<String>; 2], left: &[LeftBehind]| {
            seen.map(|ids| {
                ids.into_iter()
                    .filter(|id| left.iter().all(|left| left.id != *id))
                    .collect::<Vec<_>>()
            })
        };
        if let Some(seen) = self.seen_of_run(|_| true).await {
            left.extend(self.end_all(unknown(seen, &left), check).await);
        }
        if let Some(seen) = self.seen_of_run(|remains| remains.iter().all(Vec::is_empty)).await {
            for (resource_type, ids) in TYPES.into_iter().zip(unknown(seen, &left)) {
                let reason = || "it was destroyed, but is still listed".to_string();
                left.extend(ids.into_iter().map(|id| LeftBehind {
                    resource_type,
                    id,
                    check,
                    reason: reason(),
                }));
            }
        }
        left
    }

    /// Returns the resources of this run once they are `settled`; `None` if they cannot be listed.
    async fn seen_of_run(
        &self,
        settled: fn(&[Vec<String>; 2]) -> bool,
    ) -> Option<[Vec<String>; 2]> {
        let trial = self.clone();
        let look = async move { trial.settle(|| trial.remains(), settled).await };
        caught(look, pending()).await?.ok()
    }

    async fn end_all(&self, made: [Vec<String>; 2], check: &'static str) -> Vec<LeftBehind> {
        let mut left = Vec::new();
        for (resource_type, ids) in TYPES.into_iter().zip(made) {
            for id in ids {
                let trial = self.clone();
                let its_id = id.clone();
                let ended =
                    caught(async move { trial.end(resource_type, &its_id).await }, pending()).await;
                if let Some(Err(Verdict::Failed(failure))) = ended {
                    left.push(LeftBehind { resource_type, id, check, reason: failure.seen });
                }
            }
        }
        left
    }

    async fn end(&self, resource_type: &'static str, id: &str) -> Tried {
        let mut attempt = 1;
        loop {
            let ended = match resource_type {
                INSTANCE => {
                    self.call("destroy_instance", self.provider.destroy_instance(id)).await?
                }
                _ => self.call("delete_snapshot", self.provider.delete_snapshot(id)).await?,
            };
            match ended {
                Ok(()) | Err(ProviderError::NotFound { .. }) => return Ok(()),
                Err(error) if error.is_retryable() && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(rule::WORKS.broken(told("destroying it", &error))),
            }
            self.pause().await;
        }
    }
}
