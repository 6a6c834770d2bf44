//! Notifies all waiters of a change, in the order in which they came.
//!
//! tokio's `watch` wakes its receivers in random order, but a simulation must be reproducible.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// A counter of changes.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    count: AtomicU64,
    told: Notify,
}

/// A waiter that has seen the first `count` changes.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    changes: &'a Changes,
    count: u64,
}

impl Changes {
    /// Announces a change, and returns its number, from 1.
    pub(crate) fn tell(&self) -> u64 {
        let before = self.count.fetch_add(1, Ordering::AcqRel);
        self.told.notify_waiters();
        before + 1
    }

    /// Returns a waiter that has seen all changes so far.
    pub(crate) fn seen(&self) -> Seen<'_> {
        Seen { changes: self, count: self.count() }
    }

    /// The number of changes so far.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }
}

impl Seen<'_> {
    /// Waits for a change, and returns the number of the last one, from 1.
    pub(crate) async fn changed(&mut self) -> u64 {
        loop {
            // Notified from here on, even before its first poll.
            let told = self.changes.told.notified();
            let count = self.changes.count();
            if count != self.count {
                self.count = count;
                return count;
            }
            told.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn all_who_wait_are_told_in_their_order() {
        let changes = Changes::default();
        let order = Mutex::new(Vec::new());
        let wait = |at| {
            let mut seen = changes.seen();
            let order = &order;
            async move {
                seen.changed().await;
                order.lock().unwrap().push(at);
            }
        };
        let waits = join_all((0..20).map(wait));
        tokio::join!(waits, async {
            changes.tell();
        });
        assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_change_before_the_wait_is_not_missed_and_not_told_twice() {
        let changes = Changes::default();
        let mut seen = changes.seen();
        changes.tell();
        changes.tell();
        seen.changed().await;
        assert!(futures_util::poll!(std::pin::pin!(seen.changed())).is_pending());
    }
}
