//! What this process has made a short while ago, and what it has ended: the clouds' reads lag
//! behind their writes.
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

/// How long what was made is remembered: longer than any boot.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// What this process has made in an account a short while ago: the clouds' reads lag behind their
/// writes.
#[derive(Debug, Clone)]
pub(crate) struct RecentCreates<T> {
    made: Arc<Made<T>>,
    settling: Duration,
}

/// What was made, by id: when, and what only the create call could tell; nothing of what has ended.
#[derive(Debug)]
struct Made<T>(Mutex<HashMap<String, (Instant, Option<T>)>>);

impl<T> Default for Made<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone + Send + 'static> RecentCreates<T> {
    /// Shared by all clients of the account. Its cloud shows by id what is new after `settling`,
    /// and to be sure, twice that.
    pub(crate) fn of(http: &HttpClient) -> Self {
        Self { made: http.shared(), settling: http.settling() }
    }

    /// Notes that `id` was just made, with what only the create call could tell.
    pub(crate) fn add(&self, id: &str, note: T) {
        self.note_now(id, Some(note));
    }

    /// Notes an id whose end has been seen.
    pub(crate) fn end(&self, id: &str) {
        self.note_now(id, None);
    }

    fn note_now(&self, id: &str, note: Option<T>) {
        let mut made = self.locked();
        if made.len() == made.capacity() {
            made.retain(|_, (since, _)| since.elapsed() < REMEMBERED);
            // So much may come before all are walked through again.
            let kept = made.len();
            made.reserve(kept + 1);
        }
        made.insert(id.to_string(), (Instant::now(), note));
    }

    /// Until when an absence of `id` is not believed; `None` for one that was not made here, or has
    /// ended.
    pub(crate) fn settles_at(&self, id: &str) -> Option<Instant> {
        let (since, _) = self.known(id).filter(|(_, note)| note.is_some())?;
        Some(number::later(since, self.settling.saturating_mul(2)))
    }

    /// How long the absence of a thing is borne with that was never seen: another client may have
    /// made it a moment ago. Not of one whose end has been seen.
    pub(crate) fn unseen(&self, id: &str) -> Duration {
        if self.has_ended(id) { Duration::ZERO } else { self.settling }
    }

    /// Until when it is not believed that there is nothing to end, where there is so much time.
    pub(crate) fn endable_until(&self, id: &str, limit: Duration) -> Instant {
        self.settles_at(id)
            .unwrap_or_else(|| number::later(Instant::now(), self.unseen(id).min(limit / 2)))
    }

    /// What `read` reads; `None` where it is absent, which is not believed of what was made here a
    /// moment ago.
    ///
    /// # Errors
    /// Those of `read`; [`ProviderError::Timeout`] where that one does not come to light in the
    /// time of the errand.
    pub(crate) async fn read<V, F>(
        &self,
        (operation, id): (&'static str, &str),
        (http, errand): (&HttpClient, &Errand),
        read: impl Fn() -> F,
    ) -> ProviderResult<Option<V>>
    where
        F: Future<Output = ProviderResult<V>> + Send,
    {
        let mut answer = read().await;
        if let (Err(ProviderError::NotFound { .. }), Some(time)) = (&answer, self.settles_at(id)) {
            let left = errand.deadline().remaining();
            let wait = Wait::new(operation, ("instance", id), left, http.timeouts());
            let look = || {
                let looked = read();
                async move {
                    match looked.await {
                        // Somebody has ended it meanwhile.
                        Err(error @ ProviderError::NotFound { .. }) if self.has_ended(id) => {
                            Err(error)
                        }
                        looked => Observation::of_answer(looked),
                    }
                }
            };
            answer = wait.absent_until(Some(time)).until(look).await;
        }
        match answer {
            Err(ProviderError::NotFound { .. }) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Whether the end of `id` has been seen here.
    pub(crate) fn has_ended(&self, id: &str) -> bool {
        self.known(id).is_some_and(|(_, note)| note.is_none())
    }

    /// What the create call told.
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

    const SETTLING: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn what_was_made_settles_and_is_forgotten() {
        let recent = RecentCreates { made: Arc::default(), settling: SETTLING / 2 };
        recent.add("a", 1);
        assert!(recent.settles_at("a").is_some_and(|until| until > Instant::now()));
        assert!(recent.settles_at("b").is_none());
        tokio::time::advance(SETTLING).await;
        assert!(recent.settles_at("a").is_some_and(|until| until <= Instant::now()));
        assert_eq!(recent.note("a"), Some(1));
        tokio::time::advance(REMEMBERED).await;
        recent.add("b", 2);
        assert_eq!((recent.note("a"), recent.note("b")), (None, Some(2)));
        recent.end("b");
        assert_eq!(
            (recent.note("b"), recent.settles_at("b"), recent.has_ended("b")),
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
        let recent = RecentCreates { made: Arc::default(), settling: SETTLING };
        let now = Instant::now();
        recent.add("made", 1);
        recent.add("ended", 2);
        recent.end("ended");
        assert_eq!(
            (recent.settles_at("made"), recent.settles_at("ended")),
            (Some(now + SETTLING * 2), None)
        );
        assert_eq!(
            (recent.unseen("other"), recent.unseen("made"), recent.unseen("ended")),
            (SETTLING, SETTLING, Duration::ZERO)
        );
        let until = |id: &str, limit| recent.endable_until(id, Duration::from_secs(limit)) - now;
        assert_eq!(
            (until("made", 10), until("other", 300), until("other", 60)),
            (SETTLING * 2, SETTLING, SETTLING / 2)
        );
        assert_eq!(until("ended", 300), Duration::ZERO);
        tokio::time::advance(REMEMBERED - Duration::from_secs(1)).await;
        assert!(recent.note("made") == Some(1) && recent.has_ended("ended"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(recent.note("made").is_none() && !recent.has_ended("ended"), "they are forgotten");
    }
}
