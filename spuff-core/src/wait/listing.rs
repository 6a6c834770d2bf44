//! Looking at many things by a list of all of them, or at each alone, whichever takes fewer requests.
//!
//! Stands on the watcher's nouns.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;

use super::turns::Subject;
use super::watch::{Seen, again, for_all};
use super::{Look, ProviderResult};

/// A list that shows, among others, what is waited for.
pub(crate) struct Listing<'a> {
    /// How many pages it had last.
    pub(crate) pages: &'a AtomicUsize,
    pub(crate) per_page: usize,
    /// How many requests it takes to look at one thing alone.
    pub(crate) alone: usize,
    /// Whether it shows late what is new.
    pub(crate) lags: bool,
}

/// What a list shows, by id.
pub(crate) type Listed<T> = Vec<(String, ProviderResult<Look<T>>)>;

impl Listing<'_> {
    /// Looks at all of these. What the list does not show is looked at alone, unless it is too new for the list.
    pub(crate) async fn look<T, H, F>(
        &self,
        subjects: &[Subject<H>],
        list: impl Future<Output = ProviderResult<Listed<T>>> + Send,
        alone: impl Fn(usize) -> F + Sync,
    ) -> Seen<T>
    where
        T: Clone,
        F: Future<Output = ProviderResult<Look<T>>> + Send,
    {
        if subjects.len() == 1 || subjects.len() * self.alone <= self.pages.load(Ordering::Relaxed) {
            let looks = join_all((0..subjects.len()).map(alone)).await;
            return Seen { looks, requests: subjects.len() * self.alone };
        }
        let listed = match list.await {
            Ok(listed) => listed,
            Err(error) => return Seen { looks: for_all(error, subjects.len()), requests: 1 },
        };
        let pages = listed.len().div_ceil(self.per_page).max(1);
        self.pages.store(pages, Ordering::Relaxed);
        let listed: HashMap<String, _> = listed.into_iter().collect();
        // Two clients may know different things of one.
        let found: Vec<_> = subjects.iter().map(|subject| listed.get(&subject.id).map(again)).collect();
        let is_missing = |at: &usize| found[*at].is_none() && !(self.lags && subjects[*at].is_new);
        let missing: Vec<_> = (0..subjects.len()).filter(is_missing).collect();
        let requests = pages + missing.len() * self.alone;
        let looked = join_all(missing.iter().map(|at| alone(*at))).await;
        let mut looked: HashMap<usize, _> = missing.into_iter().zip(looked).collect();
        let look = |(at, found): (usize, Option<_>)| found.or_else(|| looked.remove(&at)).unwrap_or(Ok(Look::Absent));
        Seen { looks: found.into_iter().enumerate().map(look).collect(), requests }
    }
}
