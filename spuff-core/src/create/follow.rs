//! Follows a long-running operation to its end, beyond the time that its caller waits.
//!
//! Used if the create request cannot carry the create key. A resource that is lost before it is
//! tagged costs money unnoticed.

use std::future::Future;
use std::time::Duration;

use tokio::sync::oneshot;

use super::background::{catch_panic, spawn};
use super::under_way::{About, Attached, Job, Site, State};
use super::warn_of;
use crate::http::Deadline;
use crate::progress;
use crate::provider::config::ProviderTimeouts;
use crate::provider::error::{ErrorContext, ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::wait::Pauses;

/// How long to follow: longer than a snapshot of the largest disk takes.
const FOLLOWED: Duration = Duration::from_secs(6 * 3600);
/// Factor on the pauses after a failure, or once no caller waits.
const SELDOM: u32 = 6;
/// Consecutive permanent failures after which the caller gets the error.
const TRIES: u32 = 3;

/// The definite end of an operation.
pub(crate) enum End<T> {
    Made(T),
    /// The API reports that it failed and made nothing.
    Failed(ProviderError),
}

/// Repeats `attempt`, which resumes from the last state, until the operation under `key` has ended.
/// Each attempt receives its timeouts; `action_complete` limits one attempt.
///
/// # Errors
/// That of [`End::Failed`]; [`ProviderError::UnknownOutcome`] if the operation has not ended by the
/// deadline, or cannot be followed now. It is then followed in the background.
pub(crate) async fn follow<T, W, F>(
    operation: Operation,
    key: String,
    deadline: Deadline,
    timeouts: &ProviderTimeouts,
    attempt: W,
) -> ProviderResult<T>
where
    T: Send + 'static,
    W: Fn(ProviderTimeouts) -> F + Send + Sync + 'static,
    F: Future<Output = ProviderResult<End<T>>> + Send,
{
    let usual = *timeouts;
    let about = About::new(operation, "", &key);
    let unknown = move |failed: &ProviderError| {
        let context = failed.context().cloned().unwrap_or_default();
        let message = format!(
            "it was started and may still be in progress; its state could not be read: \
             {}",
            failed.without_context()
        );
        ProviderError::unknown_outcome(operation, &key, message).with_context(context)
    };
    let (tell, told) = oneshot::channel();
    let listener = progress::listener();
    let site = Site::current();
    let begun = Job::begin(&site.here, State::Attached);
    begun.job().is_about(about);
    let caller = Attached::to(&begun);
    let work = async move {
        let followed = Deadline::after(FOLLOWED);
        let seldom =
            usual.poll_interval.max(ProviderTimeouts::MIN_POLL_INTERVAL).saturating_mul(SELDOM);
        let mut caller = Some((tell, listener));
        let mut refusals = 0;
        let mut pauses = Pauses::new(seldom);
        loop {
            let outcome = match &caller {
                Some((_, listener)) => {
                    let limit = deadline.remaining();
                    let work = attempt(ProviderTimeouts { action_complete: limit, ..usual });
                    let work = progress::inherit(listener.clone(), catch_panic(work));
                    let late = || Err(ProviderError::timeout(operation, deadline.elapsed()));
                    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| late())
                }
                None => {
                    let work = attempt(ProviderTimeouts { poll_interval: seldom, ..usual });
                    progress::muted(catch_panic(work)).await
                }
            };
            let failed = match outcome {
                Ok(End::Made(made)) => return drop(caller.map(|(tell, _)| tell.send(Ok(made)))),
                Ok(End::Failed(error)) => {
                    return drop(caller.map(|(tell, _)| tell.send(Err(error))));
                }
                Err(failed) => failed,
            };
            refusals = if failed.is_transient() { 0 } else { refusals + 1 };
            let is_told = deadline.remaining().is_zero() || refusals >= TRIES;
            if let Some((tell, _)) = caller.take_if(|_| is_told) {
                drop(tell.send(Err(unknown(&failed))));
            }
            if followed.remaining().is_zero() {
                return warn_of(&unknown(&failed));
            }
            let until = if caller.is_some() { deadline } else { followed };
            tokio::time::sleep(pauses.next(until)).await;
        }
    };
    spawn(&site, begun, work);
    caller.wait(told).await.unwrap_or_else(|_| {
        Err(ProviderError::Other { message: format!("the runtime shut down during {operation}") })
    })
}

/// Converts the error of a wait for a resource that was made and tagged as spuff's. A failed wait
/// says nothing about the resource. Timeouts and missing resources keep their error.
pub(crate) fn still_open(
    operation: Operation,
    key: &str,
    id: &str,
    failed: ProviderError,
) -> ProviderError {
    if matches!(failed, ProviderError::Timeout { .. } | ProviderError::NotFound { .. }) {
        return failed;
    }
    let context: ErrorContext = failed.context().cloned().unwrap_or_default();
    let message = format!(
        "{id} was started and may still be in progress; the wait for it failed: {}",
        failed.without_context()
    );
    ProviderError::unknown_outcome(operation, key, message)
        .with_candidates(&[id.to_string()])
        .with_context(context)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use tokio::time::Instant;

    use super::*;

    fn timeouts() -> ProviderTimeouts {
        ProviderTimeouts {
            action_complete: Duration::from_secs(600),
            ..ProviderTimeouts::default()
        }
    }

    /// Follows an operation that takes `after` and fails as `fails` says. Returns how long the
    /// caller waited, its outcome, and the number of attempts by one hour later.
    async fn follow_for(
        after: Duration,
        fails: impl Fn(u32) -> Option<ProviderError>,
    ) -> (Duration, ProviderResult<u32>, u32) {
        let began = Instant::now();
        let tries = Arc::new(AtomicU32::new(0));
        let fails =
            (0..1000).map(|at| fails(at).map(|error| error.to_string())).collect::<Vec<_>>();
        let counted = tries.clone();
        let attempt = move |timeouts: ProviderTimeouts| {
            let fails = fails[counted.fetch_add(1, Relaxed) as usize].clone();
            async move {
                if let Some(message) = fails {
                    return Err(ProviderError::Other { message });
                }
                let limit = tokio::time::timeout(
                    timeouts.action_complete,
                    tokio::time::sleep_until(began + after),
                )
                .await;
                limit.map_err(|_| ProviderError::timeout("x", timeouts.action_complete))?;
                Ok(End::Made(7))
            }
        };
        let timeouts = timeouts();
        let deadline = Deadline::after(timeouts.action_complete);
        let told =
            follow(Operation::CreateSnapshot, "key".to_string(), deadline, &timeouts, attempt)
                .await;
        let waited = began.elapsed();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        (waited, told, tries.load(Relaxed))
    }

    fn refused() -> Option<ProviderError> {
        Some(ProviderError::auth("test", "no"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_in_between_is_followed_past() {
        let (waited, told, _) =
            follow_for(Duration::from_secs(60), |at| refused().filter(|_| at < 2)).await;
        assert!(told.unwrap() == 7 && waited < Duration::from_secs(65), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_longer_than_the_caller_waits_is_followed_to_its_end() {
        let (waited, told, tries) = follow_for(Duration::from_secs(3000), |_| None).await;
        assert!(matches!(told, Err(ProviderError::UnknownOutcome { key, .. }) if key == "key"));
        assert_eq!(waited, Duration::from_secs(600));
        assert_eq!(tries, 5, "each for as long as one caller waits");
    }

    /// Returns the limit of each attempt in seconds, for an operation that takes this long. The
    /// first attempt fails after 200 s.
    async fn tries_of(takes: Duration) -> Vec<u64> {
        let began = Instant::now();
        let tries = Arc::new(std::sync::Mutex::new(Vec::new()));
        let told = tries.clone();
        let attempt = move |timeouts: ProviderTimeouts| {
            let is_first = {
                let mut tries = told.lock().unwrap();
                tries.push(timeouts.action_complete.as_secs());
                tries.len() == 1
            };
            async move {
                if is_first {
                    tokio::time::sleep(Duration::from_secs(200)).await;
                    return Err(ProviderError::unavailable("502"));
                }
                tokio::time::sleep(timeouts.action_complete).await;
                if began.elapsed() < takes {
                    Err(ProviderError::timeout("x", takes))
                } else {
                    Ok(End::Made(7))
                }
            }
        };
        let timeouts = timeouts();
        let _ = follow(
            Operation::CreateSnapshot,
            "key".to_string(),
            Deadline::after(timeouts.action_complete),
            &timeouts,
            attempt,
        )
        .await;
        tokio::time::sleep(FOLLOWED * 2).await;
        tries.lock().unwrap().clone()
    }

    #[tokio::test(start_paused = true)]
    async fn each_try_has_what_is_left_to_the_caller_and_later_the_usual_time_for_six_hours() {
        let tries = tries_of(Duration::from_secs(5 * 3600)).await;
        let spent: u64 = tries[2..].iter().sum();
        assert!(
            tries[0] == 600
                && (300..400).contains(&tries[1])
                && tries[2..].iter().all(|limit| *limit == 600),
            "{tries:?}"
        );
        assert!((16_000..18_600).contains(&spent), "made after five hours: {tries:?}");
        let tries = tries_of(FOLLOWED * 2).await;
        assert!(
            (19_000..22_200).contains(&tries[2..].iter().sum::<u64>()),
            "given up after six hours: {tries:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_that_is_repeated_is_told_before_the_deadline() {
        let (waited, told, tries) =
            follow_for(Duration::from_secs(1), |at| refused().filter(|_| at < 20)).await;
        let error = told.unwrap_err();
        assert!(
            matches!(&error, ProviderError::UnknownOutcome { .. })
                && error.to_string().contains("no"),
            "{error}"
        );
        assert!(waited < Duration::from_secs(60), "{waited:?}");
        assert_eq!(tries, 21, "it goes on to the end");
    }
}
