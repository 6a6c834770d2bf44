//! Assigns snapshot actions to calls: an action has no name, and its image does not name the
//! action.
//!
//! All clients of an account in this process share this state.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::create::{Cancel, CreateCall};
use crate::http::{Call, Failure, HttpClient, ReadLag, Reply};
use crate::provider::operation::Operation;

/// The snapshot actions that replies have named to this process, by id; these and their images
/// belong to no other call. Also the calls that may have begun an action that no reply has named.
#[derive(Debug, Default)]
pub(super) struct SnapshotActions {
    known: Mutex<HashMap<u64, SnapshotAction>>,
    open: Mutex<HashMap<u64, OpenCall>>,
    calls: AtomicU64,
}

#[derive(Debug)]
struct SnapshotAction {
    since: Instant,
    droplet: u64,
    outcome: Outcome,
}

/// A call that is in flight or has an unknown outcome.
#[derive(Debug)]
struct OpenCall {
    since: Instant,
    droplet: u64,
    is_unclear: bool,
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Pending,
    Image(String),
    Failed,
}

/// How long an action is remembered: longer than any snapshot takes.
const KNOWN: Duration = Duration::from_secs(24 * 3600);
/// How long a call with an unknown outcome may still begin an action.
const OPEN: Duration = Duration::from_secs(600);

impl SnapshotActions {
    fn known(&self) -> MutexGuard<'_, HashMap<u64, SnapshotAction>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, OpenCall>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a new number for a call.
    pub(super) fn number(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    fn begin(&self, call: u64, droplet: u64) {
        let mut open = self.open();
        open.retain(|_, call| call.since.elapsed() < OPEN);
        let new = || OpenCall { since: Instant::now(), droplet, is_unclear: false };
        open.entry(call).or_insert_with(new).since = Instant::now();
    }

    /// Notes that a request of the call was not carried out; an earlier one may have been.
    fn refused(&self, call: u64) {
        let mut open = self.open();
        if open.get(&call).is_some_and(|call| !call.is_unclear) {
            open.remove(&call);
        }
    }

    fn unclear(&self, call: u64) {
        if let Some(call) = self.open().get_mut(&call) {
            call.is_unclear = true;
        }
    }

    /// Notes that the outcome of the call is known.
    pub(super) fn close(&self, call: u64) {
        self.open().remove(&call);
    }

    /// Whether an action of the droplet that no reply has named may belong to another call.
    pub(super) fn may_be_of_another(&self, call: u64, droplet: u64) -> bool {
        let open = self.open();
        let others =
            open.iter().filter(|(number, open)| **number != call && open.droplet == droplet);
        others.into_iter().any(|(_, open)| open.since.elapsed() < OPEN)
    }

    pub(super) fn add(&self, action: u64, droplet: u64) {
        let mut known = self.known();
        known.retain(|_, action| action.since.elapsed() < KNOWN);
        let pending =
            || SnapshotAction { since: Instant::now(), droplet, outcome: Outcome::Pending };
        known.entry(action).or_insert_with(pending);
    }

    pub(super) fn fail(&self, action: u64) {
        if let Some(known) = self.known().get_mut(&action) {
            known.outcome = Outcome::Failed;
        }
    }

    /// Notes that an action has made an image, unless another action has it. Returns whether the
    /// image belongs to this action.
    pub(super) fn take(&self, action: u64, image: &str) -> bool {
        let image = Outcome::Image(image.to_string());
        let mut known = self.known();
        let is_anothers =
            known.iter().any(|(other, known)| *other != action && known.outcome == image);
        if let Some(own) = known.get_mut(&action).filter(|_| !is_anothers) {
            own.outcome = image;
        }
        !is_anothers
    }

    pub(super) fn has_action(&self, action: u64) -> bool {
        self.known().contains_key(&action)
    }

    pub(super) fn has_image(&self, image: &str) -> bool {
        self.known()
            .values()
            .any(|known| matches!(&known.outcome, Outcome::Image(id) if id == image))
    }

    /// Whether a call of this process waits for the result of an action of the droplet.
    pub(super) fn awaits(&self, droplet: u64) -> bool {
        self.known()
            .values()
            .any(|known| known.droplet == droplet && known.outcome == Outcome::Pending)
    }
}

/// The call that begins a snapshot's action.
pub(super) struct SnapshotCall<'a> {
    pub(super) request: (&'a HttpClient, Call<'a>),
    pub(super) actions: &'a SnapshotActions,
    pub(super) number: u64,
    pub(super) droplet: u64,
}

impl CreateCall for SnapshotCall<'_> {
    type Reply = Reply;

    fn operation(&self) -> Operation {
        self.request.operation()
    }

    fn read_lag(&self) -> ReadLag {
        self.request.read_lag()
    }

    async fn send(&self, cancel: &Cancel) -> Result<Reply, Failure> {
        self.actions.begin(self.number, self.droplet);
        let sent = self.request.send(cancel).await;
        match &sent {
            // The reply may still be unreadable.
            Ok(_) | Err(Failure::Unknown(_)) => self.actions.unclear(self.number),
            Err(Failure::NotSent(_) | Failure::Rejected(_)) => self.actions.refused(self.number),
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_action_may_be_of_each_call_that_is_open() {
        let actions = SnapshotActions::default();
        let one = actions.number();
        let other = actions.number();
        let may_be_others =
            || (actions.may_be_of_another(one, 7), actions.may_be_of_another(other, 7));
        actions.begin(one, 7);
        assert_eq!(may_be_others(), (false, true), "it is on its way");
        assert!(!actions.may_be_of_another(other, 8), "another droplet's");
        actions.refused(one);
        assert_eq!(may_be_others(), (false, false), "it has begun nothing");
        for call in [one, other] {
            actions.begin(call, 7);
            actions.unclear(call);
        }
        actions.begin(one, 7);
        actions.refused(one);
        assert_eq!(may_be_others(), (true, true), "the request before may have begun one");
        actions.close(one);
        assert_eq!(may_be_others(), (true, false));
        tokio::time::advance(OPEN).await;
        assert_eq!(may_be_others(), (false, false), "nothing is on its way for so long");
    }

    #[tokio::test(start_paused = true)]
    async fn an_image_belongs_to_one_action_and_is_awaited_until_it_is_known() {
        let actions = SnapshotActions::default();
        assert!(!actions.has_action(1) && !actions.awaits(7));
        actions.add(1, 7);
        actions.add(2, 7);
        assert!(actions.has_action(1) && actions.awaits(7) && !actions.awaits(8));
        assert!(actions.take(1, "100") && actions.take(1, "100") && !actions.take(2, "100"));
        assert!(actions.has_image("100") && !actions.has_image("101"));
        assert!(actions.awaits(7), "the second action has no image yet");
        actions.fail(2);
        assert!(!actions.awaits(7), "a failed action makes none");
        tokio::time::advance(KNOWN).await;
        actions.add(3, 8);
        assert!(!actions.has_action(1) && !actions.has_image("100") && actions.awaits(8));
    }
}
