//! Which snapshot actions are whose: an action knows no name, and its image does not know the action.
//!
//! All clients of an account in this process share it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The snapshot actions that replies have named to this process, by their ids: these, and the images
/// that they have made, are no other call's.
#[derive(Debug, Default)]
pub(super) struct SnapshotActions(Mutex<HashMap<u64, SnapshotAction>>);

#[derive(Debug)]
struct SnapshotAction {
    since: Instant,
    droplet: u64,
    outcome: Outcome,
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Pending,
    Image(String),
    Failed,
}

/// How long an action is known: longer than any snapshot takes.
const KNOWN: Duration = Duration::from_secs(24 * 3600);

impl SnapshotActions {
    fn known(&self) -> MutexGuard<'_, HashMap<u64, SnapshotAction>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, action: u64, droplet: u64) {
        let mut known = self.known();
        known.retain(|_, action| action.since.elapsed() < KNOWN);
        let pending = || SnapshotAction { since: Instant::now(), droplet, outcome: Outcome::Pending };
        known.entry(action).or_insert_with(pending);
    }

    pub(super) fn fail(&self, action: u64) {
        if let Some(known) = self.known().get_mut(&action) {
            known.outcome = Outcome::Failed;
        }
    }

    /// Notes that an action has made an image, unless it is another's; tells whether it is this one's.
    pub(super) fn take(&self, action: u64, image: &str) -> bool {
        let image = Outcome::Image(image.to_string());
        let mut known = self.known();
        let is_anothers = known.iter().any(|(other, known)| *other != action && known.outcome == image);
        if let Some(own) = known.get_mut(&action).filter(|_| !is_anothers) {
            own.outcome = image;
        }
        !is_anothers
    }

    pub(super) fn has_action(&self, action: u64) -> bool {
        self.known().contains_key(&action)
    }

    pub(super) fn has_image(&self, image: &str) -> bool {
        self.known().values().any(|known| matches!(&known.outcome, Outcome::Image(id) if id == image))
    }

    /// Whether a call of this process waits for what an action of the droplet makes.
    pub(super) fn awaits(&self, droplet: u64) -> bool {
        self.known().values().any(|known| known.droplet == droplet && known.outcome == Outcome::Pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
