//! A cache that coalesces concurrent lookups: one caller looks up, the others share its result or
//! failure.
//!
//! The provider modules supply the lookups.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::changes::Changes;
use crate::provider::error::{ErrorParts, ProviderError, ProviderResult};

/// The longest wait for another caller's lookup, so that a future that is not polled blocks no
/// other caller.
const PATIENCE: Duration = Duration::from_secs(120);

/// Cached values, each valid for `fresh`.
#[derive(Debug)]
pub(crate) struct Lookups<K, V> {
    fresh: Duration,
    known: Mutex<HashMap<K, Known<V>>>,
}

#[derive(Debug)]
enum Known<V> {
    Found(Instant, V),
    /// A lookup is under way.
    Sought(Arc<Look<V>>),
}

type Outcome<V> = Result<V, ErrorParts>;

/// A lookup, shared by all who wait for it.
#[derive(Debug)]
struct Look<V> {
    state: Mutex<State<V>>,
    changes: Changes,
}

#[derive(Debug, Clone)]
enum State<V> {
    UnderWay,
    Ended(Box<Outcome<V>>),
    /// The caller that was looking up dropped its future.
    Left,
}

impl<V: Clone> Look<V> {
    fn state(&self) -> State<V> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn end(&self, state: State<V>) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.changes.tell();
    }

    /// Waits for the outcome; returns `None` if the caller that was looking up has left.
    async fn ended(&self) -> Option<Outcome<V>> {
        let mut changes = self.changes.seen();
        loop {
            match self.state() {
                State::Ended(outcome) => return Some(*outcome),
                State::Left => return None,
                State::UnderWay => changes.changed().await,
            };
        }
    }
}

/// A guard of the caller that looks up; if dropped before the end, it marks the lookup as left.
struct Looking<V: Clone>(Arc<Look<V>>);

impl<V: Clone> Drop for Looking<V> {
    fn drop(&mut self) {
        if matches!(self.0.state(), State::UnderWay) {
            self.0.end(State::Left);
        }
    }
}

/// The next step of a caller.
enum Turn<V: Clone> {
    Take(V),
    Wait(Arc<Look<V>>),
    Look(Looking<V>),
}

impl<K: Eq + Hash + Clone, V: Clone> Lookups<K, V> {
    /// A cache whose values stay valid for `fresh`.
    pub(crate) fn new(fresh: Duration) -> Self {
        Self { fresh, known: Mutex::default() }
    }

    /// Returns the cached value, or the result of `look`. All current waiters share a failure; it
    /// is not cached.
    ///
    /// # Errors
    /// Those of the lookup.
    pub(crate) async fn or_look(
        &self,
        key: K,
        look: impl Future<Output = ProviderResult<V>>,
    ) -> ProviderResult<V> {
        let mut given_up = None;
        let sought = loop {
            match self.turn(&key, given_up.as_ref()) {
                Turn::Take(known) => return Ok(known),
                Turn::Look(sought) => break sought,
                Turn::Wait(sought) => {
                    if let Ok(Some(outcome)) = tokio::time::timeout(PATIENCE, sought.ended()).await
                    {
                        return outcome.map_err(ProviderError::from);
                    }
                    // The other caller has left, or makes no progress.
                    given_up = Some(sought);
                }
            }
        };
        let found = look.await;
        let mut known = self.locked();
        // Another lookup may have begun since; waiters need its entry.
        let is_last =
            matches!(known.get(&key), Some(Known::Sought(last)) if Arc::ptr_eq(&sought.0, last));
        match &found {
            Ok(value) => drop(known.insert(key, Known::Found(Instant::now(), value.clone()))),
            Err(_) if is_last => drop(known.remove(&key)),
            Err(_) => {}
        }
        drop(known);
        sought
            .0
            .end(State::Ended(Box::new(found.as_ref().map(V::clone).map_err(ErrorParts::from))));
        found
    }

    fn turn(&self, key: &K, given_up: Option<&Arc<Look<V>>>) -> Turn<V> {
        let mut known = self.locked();
        match known.get(key) {
            Some(Known::Found(since, value)) if since.elapsed() < self.fresh => {
                return Turn::Take(value.clone());
            }
            Some(Known::Sought(sought))
                if matches!(sought.state(), State::UnderWay)
                    && given_up.is_none_or(|given_up| !Arc::ptr_eq(given_up, sought)) =>
            {
                return Turn::Wait(sought.clone());
            }
            _ => {}
        }
        let sought =
            Arc::new(Look { state: Mutex::new(State::UnderWay), changes: Changes::default() });
        known.insert(key.clone(), Known::Sought(sought.clone()));
        Turn::Look(Looking(sought))
    }

    /// Caches a value found by other means.
    pub(crate) fn insert(&self, key: K, value: V) {
        self.locked().insert(key, Known::Found(Instant::now(), value));
    }

    /// Removes the cached values that `keep` rejects.
    pub(crate) fn retain(&self, keep: impl Fn(&V) -> bool) {
        self.locked().retain(|_, known| !matches!(known, Known::Found(_, value) if !keep(value)));
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<K, Known<V>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const FRESH: Duration = Duration::from_secs(3600);
    const SECOND: Duration = Duration::from_secs(1);

    async fn slow(value: u32) -> ProviderResult<u32> {
        tokio::time::sleep(SECOND).await;
        Ok(value)
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_found_is_not_looked_for_again() {
        let known = Lookups::new(FRESH);
        let (one, two, other) = tokio::join!(
            known.or_look("a", slow(1)),
            known.or_look("a", slow(2)),
            known.or_look("b", slow(3))
        );
        assert_eq!((one.unwrap(), two.unwrap(), other.unwrap()), (1, 1, 3));
        known.retain(|value| *value != 3);
        assert_eq!(
            (
                known.or_look("a", slow(4)).await.unwrap(),
                known.or_look("b", slow(5)).await.unwrap()
            ),
            (1, 5)
        );
        tokio::time::advance(FRESH).await;
        assert_eq!(known.or_look("a", slow(6)).await.unwrap(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_for_a_look_share_its_failure_and_nobody_later() {
        let (known, looks, began) =
            (&Lookups::<&str, u32>::new(FRESH), &AtomicUsize::new(0), Instant::now());
        let down = || async {
            looks.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(60 * SECOND).await;
            Err(ProviderError::RateLimit { retry_after: Some(7 * SECOND) })
        };
        for ended in
            futures_util::future::join_all((0..20).map(|_| known.or_look("a", down()))).await
        {
            assert_eq!(ended.unwrap_err().retry_after(), Some(7 * SECOND));
        }
        assert_eq!((began.elapsed(), looks.load(Ordering::SeqCst)), (60 * SECOND, 1));
        assert_eq!(known.or_look("a", slow(1)).await.unwrap(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_leaves_or_is_not_driven_on_holds_up_nobody() {
        let known = &Lookups::new(FRESH);
        let mut left = Box::pin(known.or_look("a", slow(1)));
        assert!(futures_util::poll!(&mut left).is_pending());
        let (second, ()) = tokio::join!(known.or_look("a", slow(2)), async {
            tokio::task::yield_now().await;
            drop(left);
        });
        assert_eq!(second.unwrap(), 2);

        let known = &Lookups::new(FRESH);
        let began = Instant::now();
        let mut still = Box::pin(known.or_look("a", slow(1)));
        assert!(futures_util::poll!(&mut still).is_pending());
        let (second, third) =
            tokio::join!(known.or_look("a", slow(2)), known.or_look("a", slow(3)));
        assert!(second.is_ok() && third.is_ok() && began.elapsed() < PATIENCE + 3 * SECOND);
        assert_eq!(still.await.unwrap(), 1, "its own is what it has asked for");
    }
}
