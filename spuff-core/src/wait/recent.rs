//! What this process recently created and destroyed, to bridge the clouds' read lag.
//!
//! All clients of an account share it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Observation, Wait};
use crate::http::{Errand, HttpClient, number};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;

/// How long a created id is remembered: longer than any boot.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// The ids that this process recently created or destroyed in an account.
#[derive(Debug, Clone)]
pub(crate) struct RecentCreates<T> {
    made: Arc<Made<T>>,
    consistency_delay: Duration,
}

/// By id: when it was noted, and the note of its create call; `None` if it has ended.
#[derive(Debug)]
struct Made<T>(Mutex<HashMap<String, (Instant, Option<T>)>>);

impl<T> Default for Made<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone + Send + 'static> RecentCreates<T> {
    /// Returns the one shared by all clients of the account. After `consistency_delay`, a new
    /// resource is usually readable by id; twice that is certain.
    pub(crate) fn of(http: &HttpClient) -> Self {
        Self { made: http.shared(), consistency_delay: http.consistency_delay() }
    }

    /// Notes that `id` was just created, with data that only the create's reply contains.
    pub(crate) fn add(&self, id: &str, note: T) {
        self.note_now(id, Some(note));
    }

    /// Notes that the end of `id` was observed.
    pub(crate) fn end(&self, id: &str) {
        self.note_now(id, None);
    }

    fn note_now(&self, id: &str, note: Option<T>) {
        let mut made = self.locked();
        if made.len() == made.capacity() {
            made.retain(|_, (since, _)| since.elapsed() < REMEMBERED);
            // The next pass over all entries comes after this many more.
            let kept = made.len();
            made.reserve(kept + 1);
        }
        made.insert(id.to_string(), (Instant::now(), note));
    }

    /// The time before which an absence of `id` is ignored; `None` if it was not created here, or
    /// has ended.
    pub(crate) fn visible_by(&self, id: &str) -> Option<Instant> {
        let (since, _) = self.known(id).filter(|(_, note)| note.is_some())?;
        Some(number::later(since, self.consistency_delay.saturating_mul(2)))
    }

    /// How long the absence of a resource that was never seen is ignored: another client may have
    /// just created it. Zero if its end was observed.
    pub(crate) fn unseen(&self, id: &str) -> Duration {
        if self.has_ended(id) { Duration::ZERO } else { self.consistency_delay }
    }

    /// The time before which a delete ignores an absence, limited to half of `limit` for unknown
    /// ids.
    pub(crate) fn endable_until(&self, id: &str, limit: Duration) -> Instant {
        self.visible_by(id)
            .unwrap_or_else(|| number::later(Instant::now(), self.unseen(id).min(limit / 2)))
    }

    /// Returns what `read` returns, or `None` if it is absent. An absence is read again if `id` was
    /// just created here.
    ///
    /// # Errors
    /// Those of `read`; [`ProviderError::Timeout`] if a just created `id` does not appear before
    /// the errand's deadline.
    pub(crate) async fn read<V, F>(
        &self,
        (operation, id): (Operation, &str),
        (http, errand): (&HttpClient, &Errand),
        read: impl Fn() -> F,
    ) -> ProviderResult<Option<V>>
    where
        F: Future<Output = ProviderResult<V>> + Send,
    {
        let mut answer = read().await;
        if let (Err(ProviderError::NotFound { .. }), Some(time)) = (&answer, self.visible_by(id)) {
            let left = errand.deadline().remaining();
            let wait = Wait::new(operation, ("instance", id), left, http.timeouts());
            let look = || {
                let looked = read();
                async move {
                    match looked.await {
                        // Another task has destroyed it meanwhile.
                        Err(error @ ProviderError::NotFound { .. }) if self.has_ended(id) => {
                            Err(error)
                        }
                        looked => Observation::of_answer(looked),
                    }
                }
            };
            answer = wait.grace_until(Some(time)).until(look).await;
        }
        match answer {
            Err(ProviderError::NotFound { .. }) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Whether the end of `id` was observed here.
    pub(crate) fn has_ended(&self, id: &str) -> bool {
        self.known(id).is_some_and(|(_, note)| note.is_none())
    }

    /// The note of the create call.
    pub(crate) fn note(&self, id: &str) -> Option<T> {
        self.known(id).and_then(|(_, note)| note)
    }

    fn known(&self, id: &str) -> Option<(Instant, Option<T>)> {
        self.locked().get(id).filter(|(since, _)| since.elapsed() < REMEMBERED).cloned()
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, (Instant, Option<T>)>> {
        self.made.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSISTENCY_DELAY: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn what_was_made_settles_and_is_forgotten() {
        let recent =
            RecentCreates { made: Arc::default(), consistency_delay: CONSISTENCY_DELAY / 2 };
        recent.add("a", 1);
        assert!(recent.visible_by("a").is_some_and(|until| until > Instant::now()));
        assert!(recent.visible_by("b").is_none());
        tokio::time::advance(CONSISTENCY_DELAY).await;
        assert!(recent.visible_by("a").is_some_and(|until| until <= Instant::now()));
        assert_eq!(recent.note("a"), Some(1));
        tokio::time::advance(REMEMBERED).await;
        recent.add("b", 2);
        assert_eq!((recent.note("a"), recent.note("b")), (None, Some(2)));
        recent.end("b");
        assert_eq!(
            (recent.note("b"), recent.visible_by("b"), recent.has_ended("b")),
            (None, None, true)
        );
        assert!(!recent.has_ended("a"), "it is not known");
        for at in 0..1000 {
            recent.add(&at.to_string(), at);
        }
        tokio::time::advance(REMEMBERED).await;
        for at in 1000..2500 {
            recent.add(&at.to_string(), at);
        }
        assert!(
            recent.locked().len() <= 2000,
            "what is forgotten is not kept: {}",
            recent.locked().len()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_absence_is_borne_for_as_long_as_the_thing_may_not_show_yet() {
        let recent = RecentCreates { made: Arc::default(), consistency_delay: CONSISTENCY_DELAY };
        let now = Instant::now();
        recent.add("made", 1);
        recent.add("ended", 2);
        recent.end("ended");
        assert_eq!(
            (recent.visible_by("made"), recent.visible_by("ended")),
            (Some(now + CONSISTENCY_DELAY * 2), None)
        );
        assert_eq!(
            (recent.unseen("other"), recent.unseen("made"), recent.unseen("ended")),
            (CONSISTENCY_DELAY, CONSISTENCY_DELAY, Duration::ZERO)
        );
        let until = |id: &str, limit| recent.endable_until(id, Duration::from_secs(limit)) - now;
        assert_eq!(
            (until("made", 10), until("other", 300), until("other", 60)),
            (CONSISTENCY_DELAY * 2, CONSISTENCY_DELAY, CONSISTENCY_DELAY / 2)
        );
        assert_eq!(until("ended", 300), Duration::ZERO);
        tokio::time::advance(REMEMBERED - Duration::from_secs(1)).await;
        assert!(recent.note("made") == Some(1) && recent.has_ended("ended"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(recent.note("made").is_none() && !recent.has_ended("ended"), "they are forgotten");
    }
}
