//! Caches the region of each resource: by id for one made or seen there, and by key hash for a
//! create in progress.
//!
//! A forgotten entry is searched again, which costs requests but loses nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The maximum number of entries.
const MOST: usize = 10_000;
/// EC2 shows an ended resource for an hour, and a caller may destroy it again.
const SHOWN: Duration = Duration::from_secs(3600);

#[derive(Debug, Default)]
pub(super) struct Whereabouts(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    things: HashMap<String, Thing>,
    /// Regions of evicted entries that had not ended.
    crowded: BTreeSet<String>,
}

#[derive(Debug)]
struct Thing {
    region: String,
    ended: Option<Instant>,
}

impl Whereabouts {
    /// Notes that a resource is, or may come to be, in a region.
    pub(super) fn note(&self, thing: &str, region: &str) {
        let mut known = self.locked();
        if known.things.len() >= MOST && !known.things.contains_key(thing) {
            known.make_room();
        }
        known.things.insert(thing.to_string(), Thing { region: region.to_string(), ended: None });
    }

    /// Forgets an entry.
    pub(super) fn forget(&self, thing: &str) {
        self.locked().things.remove(thing);
    }

    /// Notes that a resource has ended: its region no longer counts as holding it.
    pub(super) fn end(&self, thing: &str) {
        self.locked()
            .things
            .entry(thing.to_string())
            .and_modify(|thing| thing.ended = Some(Instant::now()));
    }

    pub(super) fn of(&self, thing: &str) -> Option<String> {
        self.locked().things.get(thing).map(|thing| thing.region.clone())
    }

    /// Returns the regions that hold resources, or may.
    pub(super) fn regions(&self) -> BTreeSet<String> {
        let known = self.locked();
        let live =
            known.things.values().filter(|thing| thing.ended.is_none()).map(|thing| &thing.region);
        live.chain(&known.crowded).cloned().collect()
    }

    fn locked(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Evicts entries that ended long ago; if not enough, all ended ones, and then half of the
    /// rest.
    fn make_room(&mut self) {
        self.things.retain(|_, thing| thing.ended.is_none_or(|ended| ended.elapsed() < SHOWN));
        if self.things.len() > MOST / 2 {
            self.things.retain(|_, thing| thing.ended.is_none());
        }
        if self.things.len() > MOST / 2 {
            let crowded = &mut self.crowded;
            let mut goes = false;
            self.things.retain(|_, thing| {
                goes = !goes;
                if goes {
                    crowded.insert(std::mem::take(&mut thing.region));
                }
                !goes
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regions(whereabouts: &Whereabouts) -> Vec<String> {
        whereabouts.regions().into_iter().collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_region_counts_as_long_as_something_is_there() {
        let whereabouts = Whereabouts::default();
        whereabouts.note("i-1", "us-west-2");
        whereabouts.note("key_hash", "eu-west-1");
        assert_eq!(regions(&whereabouts), ["eu-west-1", "us-west-2"]);
        whereabouts.forget("key_hash");
        whereabouts.end("i-1");
        whereabouts.end("i-2");
        assert!(regions(&whereabouts).is_empty());
        assert_eq!(whereabouts.of("i-1").as_deref(), Some("us-west-2"), "it may be ended again");
        assert_eq!((whereabouts.of("i-2"), whereabouts.of("key_hash")), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn what_ended_is_forgotten_and_no_more_than_so_much_is_kept() {
        let whereabouts = Whereabouts::default();
        let kept = || whereabouts.locked().things.len();
        for at in 0..MOST {
            whereabouts.note(&format!("i-{at}"), "us-west-2");
            whereabouts.end(&format!("i-{at}"));
        }
        tokio::time::advance(SHOWN).await;
        whereabouts.note("i-x", "eu-west-1");
        assert_eq!((kept(), regions(&whereabouts)), (1, vec!["eu-west-1".to_string()]));
        for at in 0..3 * MOST {
            whereabouts.note(&format!("i-{at}"), ["us-west-1", "us-west-2"][at % 2]);
        }
        assert!(kept() <= MOST);
        assert_eq!(
            regions(&whereabouts),
            ["eu-west-1", "us-west-1", "us-west-2"],
            "those of what had to make room too"
        );
    }
}
