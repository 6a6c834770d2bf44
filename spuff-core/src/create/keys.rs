//! What this process knows about the create keys of an account: creates in progress, recent
//! results, and since when an outcome is unknown. Lists lag behind creates; until they catch up,
//! only this table prevents a duplicate.
//!
//! This module sends no requests. All clients of an account share the table.

use std::collections::HashMap;
use std::mem;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::background::Cancel;
use super::key::CreateKey;
use crate::changes::{Changes, Seen};
use crate::per_process::PerProcess;
use crate::provider::ProviderInstance;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;

/// Number of keys from which entries that are no longer needed are removed.
const MANY: usize = 256;

/// The keys of an account, by their hashes.
pub(crate) struct Keys(PerProcess<Table>);

impl Default for Keys {
    fn default() -> Self {
        Self(PerProcess::new())
    }
}

#[derive(Default)]
struct Table {
    known: Mutex<HashMap<String, Known>>,
    changed: Changes,
}

/// The state of a key.
enum Known {
    /// A create is in progress, or the destroy of an unwanted instance.
    Busy { digest: Option<String>, stake: Weak<Stake> },
    /// A create made this.
    Made(Box<Made>),
    /// A create ended with an unknown outcome.
    Open { since: Instant },
}

struct Made {
    instance: ProviderInstance,
    digest: Option<String>,
    /// Until when the API may not list it yet.
    visible_by: Instant,
    /// Whether a caller has it, or it must be kept whatever its callers do.
    is_kept: Arc<AtomicBool>,
    stake: Weak<Stake>,
}

/// Shared by all callers that wait for one instance. When the last one drops it and none has taken
/// the instance, the instance is destroyed.
pub(super) struct Stake {
    is_kept: Arc<AtomicBool>,
    end: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    process: u32,
}

impl Stake {
    fn new() -> Self {
        Self { is_kept: Arc::default(), end: Mutex::default(), process: process::id() }
    }

    /// Records that a caller has the instance. Returns whether it is the first, which owns it.
    pub(super) fn keep(&self) -> bool {
        !self.is_kept.swap(true, Ordering::AcqRel)
    }
}

impl Drop for Stake {
    fn drop(&mut self) {
        let end = self.end.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        match end {
            // An instance made by a parent process belongs to the parent.
            Some(end) if self.process != process::id() => mem::forget(end),
            Some(end) if !self.is_kept.load(Ordering::Acquire) => end(),
            _ => {}
        }
    }
}

/// The state that a create finds under its key.
pub(super) enum Entry {
    /// No other create is in progress.
    Turn(Turn),
    /// An earlier create made this.
    Made(ProviderInstance, Option<Arc<Stake>>),
    /// Another create is in progress. If its request is the same, this caller shares its instance.
    Busy(Option<Arc<Stake>>),
}

impl Keys {
    fn table(&self) -> &Table {
        self.0.get_or_init(Table::default)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.table().known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.table().changed.tell();
    }

    /// Notifies whenever a key is no longer busy.
    pub(super) fn changes(&self) -> Seen<'_> {
        self.table().changed.seen()
    }

    /// Begins a create, unless another one is in progress or has made the same.
    ///
    /// # Errors
    /// [`ProviderError::Conflict`] if another request used this key.
    pub(super) fn enter(
        self: &Arc<Self>,
        create_key: &CreateKey,
        cancel: &Cancel,
        consistency_delay: Duration,
    ) -> ProviderResult<Entry> {
        let mut known = self.known();
        if known.len() >= MANY {
            known.retain(|_, known| known.is_needed(consistency_delay));
        }
        let open = |known: Option<&Known>| {
            if let Some(Known::Open { since }) = known { Some(*since) } else { None }
        };
        let mut since = open(known.get(&create_key.key_hash))
            .max(create_key.batch().and_then(|batch| open(known.get(&batch))));
        since = since.filter(|since| since.elapsed() < consistency_delay);
        match known.get(&create_key.key_hash) {
            Some(Known::Busy { digest, stake }) => {
                return Ok(Entry::Busy(if create_key.is_of(digest.as_deref()) {
                    stake.upgrade()
                } else {
                    None
                }));
            }
            Some(entry @ Known::Made(made)) if entry.is_needed(consistency_delay) => {
                if !create_key.is_of(made.digest.as_deref()) {
                    return Err(create_key.reused(&made.instance.id));
                }
                return Ok(match made.stake.upgrade() {
                    None if !made.is_kept.load(Ordering::Acquire) => Entry::Busy(None),
                    stake => Entry::Made(made.instance.clone(), stake),
                });
            }
            _ => {}
        }
        let stake = Arc::new(Stake::new());
        let busy = Known::Busy {
            digest: create_key.digest().map(str::to_string),
            stake: Arc::downgrade(&stake),
        };
        known.insert(create_key.key_hash.clone(), busy);
        let turn = Turn {
            keys: self.clone(),
            create_key: create_key.clone(),
            cancel: cancel.clone(),
            stake,
            since,
            is_over: false,
        };
        Ok(Entry::Turn(turn))
    }

    /// Returns whether a create under this key is in progress.
    pub(super) fn is_busy(&self, key_hash: &str) -> bool {
        matches!(self.known().get(key_hash), Some(Known::Busy { .. }))
    }

    /// Returns whether an instance is so new that the API may not list it yet.
    pub(super) fn is_new(&self, create_key: &CreateKey) -> bool {
        matches!(
            self.known().get(&create_key.key_hash),
            Some(Known::Made(made)) if Instant::now() < made.visible_by
        )
    }

    /// Removes an instance that was destroyed.
    pub(crate) fn forget(&self, id: &str) {
        self.known()
            .retain(|_, known| !matches!(known, Known::Made(made) if made.instance.id == id));
    }
}

impl Known {
    fn is_needed(&self, consistency_delay: Duration) -> bool {
        match self {
            Self::Busy { .. } => true,
            Self::Made(made) => Instant::now() < made.visible_by || made.stake.strong_count() > 0,
            Self::Open { since } => since.elapsed() < consistency_delay,
        }
    }
}

/// A create in progress. Dropping it lets the next create under its key begin.
pub(super) struct Turn {
    keys: Arc<Keys>,
    create_key: CreateKey,
    cancel: Cancel,
    stake: Arc<Stake>,
    /// Since when the outcome of an earlier create is unknown.
    pub(super) since: Option<Instant>,
    is_over: bool,
}

impl Turn {
    /// Records that no earlier create made anything.
    pub(super) fn nothing_before(&mut self) {
        self.since = None;
    }

    /// Ends the create with an instance that is kept whatever its callers do.
    pub(super) fn found(self, instance: &ProviderInstance, consistency_delay: Duration) {
        self.stake.keep();
        self.over(instance, consistency_delay);
    }

    /// Ends the create with an instance. Calls `end` once no caller is left that could take it.
    pub(super) fn made(
        self,
        instance: &ProviderInstance,
        consistency_delay: Duration,
        end: impl FnOnce(Option<Turn>) + Send + 'static,
    ) -> Arc<Stake> {
        let (keys, create_key, id, stake) =
            (self.keys.clone(), self.create_key.clone(), instance.id.clone(), self.stake.clone());
        let end = move || end(keys.take_back(&create_key, &id));
        *stake.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(end));
        self.over(instance, consistency_delay);
        stake
    }

    fn over(mut self, instance: &ProviderInstance, consistency_delay: Duration) {
        self.is_over = true;
        let visible_by = Instant::now()
            .checked_add(consistency_delay.saturating_mul(2))
            .unwrap_or_else(Instant::now);
        let made = Made {
            instance: instance.clone(),
            digest: self.create_key.digest().map(str::to_string),
            visible_by,
            is_kept: self.stake.is_kept.clone(),
            stake: Arc::downgrade(&self.stake),
        };
        if self.create_key.is_caller_supplied() {
            self.keys.known().insert(self.create_key.key_hash.clone(), Known::Made(Box::new(made)));
        } else {
            // No other create has this key.
            self.keys.known().remove(&self.create_key.key_hash);
        }
        self.keys.tell();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let open = self.cancel.open_since().max(self.since);
        let mut known = self.keys.known();
        match open {
            Some(since) => known.insert(self.create_key.key_hash.clone(), Known::Open { since }),
            None => known.remove(&self.create_key.key_hash),
        };
        drop(known);
        self.keys.tell();
    }
}

impl Keys {
    /// Blocks the key until the instance made under it is destroyed.
    fn take_back(self: &Arc<Self>, create_key: &CreateKey, id: &str) -> Option<Turn> {
        let mut known = self.known();
        if !matches!(
            known.get(&create_key.key_hash),
            Some(Known::Made(made)) if made.instance.id == id
        ) {
            return None;
        }
        known.insert(create_key.key_hash.clone(), Known::Busy { digest: None, stake: Weak::new() });
        let stake = Arc::new(Stake::new());
        let cancel = Cancel::default();
        Some(Turn {
            keys: self.clone(),
            create_key: create_key.clone(),
            cancel,
            stake,
            since: None,
            is_over: false,
        })
    }
}

/// The error if another create under the same key does not end in time.
pub(super) fn still_busy(operation: Operation, create_key: &CreateKey) -> ProviderError {
    ProviderError::unknown_outcome(
        operation,
        &create_key.key,
        "another create under this key is still in progress",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::InstanceRequest;

    const CONSISTENCY_DELAY: Duration = Duration::from_secs(30);

    fn given(key: &str, size: &str) -> CreateKey {
        CreateKey::of(&InstanceRequest::new("web-1", "here", size).with_idempotency_key(key))
            .unwrap()
            .0
    }

    fn random() -> CreateKey {
        CreateKey::random("").unwrap()
    }

    fn enter(keys: &Arc<Keys>, create_key: &CreateKey) -> Entry {
        keys.enter(create_key, &Cancel::default(), CONSISTENCY_DELAY).unwrap()
    }

    fn turn(keys: &Arc<Keys>, create_key: &CreateKey) -> Turn {
        turn_of(keys, create_key, &Cancel::default())
    }

    #[track_caller]
    fn turn_of(keys: &Arc<Keys>, create_key: &CreateKey, cancel: &Cancel) -> Turn {
        match keys.enter(create_key, cancel, CONSISTENCY_DELAY).unwrap() {
            Entry::Turn(turn) => turn,
            Entry::Made(made, _) => panic!("{} was made", made.id),
            Entry::Busy(_) => panic!("another create is at it"),
        }
    }

    fn machine() -> ProviderInstance {
        ProviderInstance { id: "7".to_string(), ..ProviderInstance::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn one_create_at_a_time_is_at_a_key() {
        let keys = Arc::new(Keys::default());
        let create_key = given("order-7", "small");
        let other = given("order-7", "large");
        let first = turn(&keys, &create_key);
        assert!(keys.is_busy(&create_key.key_hash) && !keys.is_busy("another"));
        assert!(
            matches!(enter(&keys, &create_key), Entry::Busy(Some(_))),
            "it may have what that one makes"
        );
        assert!(matches!(enter(&keys, &other), Entry::Busy(None)), "it asks for something else");
        let _second = turn(&keys, &given("order-8", "small"));
        let mut changes = keys.changes();
        drop(first);
        assert!(
            tokio::time::timeout(CONSISTENCY_DELAY, changes.changed()).await.is_ok(),
            "who waits is told"
        );
        assert!(
            !keys.is_busy(&create_key.key_hash) && turn(&keys, &create_key).since.is_none(),
            "nothing was sent"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_made_a_moment_ago_is_given_to_who_asks_for_the_same() {
        let keys = Arc::new(Keys::default());
        let create_key = given("order-7", "small");
        let other = given("order-7", "large");
        let mut changes = keys.changes();
        turn(&keys, &create_key).found(&machine(), CONSISTENCY_DELAY);
        assert!(
            tokio::time::timeout(CONSISTENCY_DELAY, changes.changed()).await.is_ok(),
            "who waits is told"
        );
        assert!(matches!(enter(&keys, &create_key), Entry::Made(made, None) if made.id == "7"));
        let error =
            keys.enter(&other, &Cancel::default(), CONSISTENCY_DELAY).map(drop).unwrap_err();
        assert!(matches!(error, ProviderError::Conflict { retryable: false, .. }), "{error}");
        assert!(keys.is_new(&create_key) && !keys.is_new(&given("order-8", "small")));
        tokio::time::advance(CONSISTENCY_DELAY * 2 - Duration::from_secs(1)).await;
        assert!(keys.is_new(&create_key) && matches!(enter(&keys, &create_key), Entry::Made(..)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!keys.is_new(&create_key));
        let again = turn(&keys, &create_key);
        assert!(again.since.is_none(), "the cloud shows it now");
        again.found(&machine(), CONSISTENCY_DELAY);
        keys.forget("8");
        assert!(keys.is_new(&create_key));
        keys.forget("7");
        assert!(!keys.is_new(&create_key), "it has ended");
        let random = random();
        turn(&keys, &random).found(&machine(), CONSISTENCY_DELAY);
        assert!(!keys.is_new(&random), "nobody else has this key");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_known_of_a_create_stays_open_until_it_must_have_come_to_light() {
        let keys = Arc::new(Keys::default());
        let create_key = given("order-7", "small");
        let cancel = Cancel::default();
        let first = turn_of(&keys, &create_key, &cancel);
        cancel.sent(Operation::CreateInstance, "order-7");
        let sent = Instant::now();
        tokio::time::advance(Duration::from_secs(10)).await;
        drop(first);
        assert!(!keys.is_busy(&create_key.key_hash));
        let mut second = turn(&keys, &create_key);
        assert_eq!(second.since, Some(sent));
        drop(second);
        second = turn(&keys, &create_key);
        assert_eq!(second.since, Some(sent), "the second has found nothing out");
        second.nothing_before();
        drop(second);
        assert_eq!(turn(&keys, &create_key).since, None);

        let batch = random();
        let part = CreateKey::under(format!("{}/web-1", batch.key));
        let making = turn_of(&keys, &batch, &cancel);
        cancel.sent(Operation::CreateInstance, &batch.key);
        let sent = Instant::now();
        drop(making);
        assert_eq!(turn(&keys, &part).since, Some(sent), "a part of a batch that is open");
        tokio::time::advance(CONSISTENCY_DELAY).await;
        assert_eq!(turn(&keys, &part).since, None, "it has come to light");
    }

    #[tokio::test(start_paused = true)]
    async fn what_none_of_its_callers_takes_is_ended_and_meanwhile_nobody_creates_it_again() {
        let keys = Arc::new(Keys::default());
        let create_key = given("order-7", "small");
        let held = Arc::new(Mutex::new(None));
        let made = || {
            let held = held.clone();
            turn(&keys, &create_key)
                .made(&machine(), CONSISTENCY_DELAY, move |turn| *held.lock().unwrap() = Some(turn))
        };
        let stake = made();
        let Entry::Made(_, Some(other)) = enter(&keys, &create_key) else {
            panic!("it waits for the same")
        };
        drop(stake);
        assert!(held.lock().unwrap().is_none(), "another one waits for it");
        drop(other);
        assert!(matches!(held.lock().unwrap().as_ref(), Some(Some(_))), "nobody does");
        assert!(matches!(enter(&keys, &create_key), Entry::Busy(None)), "it is being ended");
        held.lock().unwrap().take();

        let stake = made();
        assert!(stake.keep() && !stake.keep(), "the first that takes it");
        drop(stake);
        assert!(
            held.lock().unwrap().is_none()
                && matches!(enter(&keys, &create_key), Entry::Made(_, None))
        );
        keys.forget("7");

        let stake = made();
        keys.forget("7");
        drop(stake);
        assert!(
            matches!(held.lock().unwrap().take(), Some(None)),
            "the key is not this machine's any more"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_need_not_be_known_are_forgotten_where_there_are_many() {
        let keys = Arc::new(Keys::default());
        for at in 0..MANY {
            turn(&keys, &given(&format!("order-{at}"), "small"))
                .found(&machine(), CONSISTENCY_DELAY);
        }
        tokio::time::advance(CONSISTENCY_DELAY).await;
        let busy = turn(&keys, &given("busy", "small"));
        assert_eq!(keys.known().len(), MANY + 1, "all may be asked for");
        tokio::time::advance(CONSISTENCY_DELAY).await;
        let _another = turn(&keys, &given("another", "small"));
        assert_eq!(keys.known().len(), 2);
        drop(busy);
    }
}
