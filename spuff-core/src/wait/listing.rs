//! Polls many resources by one list or each on its own, whichever takes fewer requests.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;

use super::batch_poll::{BatchObservation, Subject};
use super::shared_poll::{again, for_all};
use super::{Observation, ProviderResult};

/// A list that contains, among others, the subjects.
pub(crate) struct Listing<'a> {
    /// How many pages it had last time.
    pub(crate) pages: &'a AtomicUsize,
    pub(crate) per_page: usize,
    /// How many requests it takes to poll one resource on its own.
    pub(crate) alone: usize,
    /// Whether new resources appear in it late.
    pub(crate) lags: bool,
}

/// The observations of a list, by id.
pub(crate) type Listed<T> = Vec<(String, ProviderResult<Observation<T>>)>;

impl Listing<'_> {
    /// Polls all subjects. One that the list does not contain is polled on its own, unless it is
    /// too new for a list that lags.
    pub(crate) async fn look<T, H, F>(
        &self,
        subjects: &[Subject<H>],
        list: impl Future<Output = ProviderResult<Listed<T>>> + Send,
        alone: impl Fn(usize) -> F + Sync,
    ) -> BatchObservation<T>
    where
        T: Clone,
        F: Future<Output = ProviderResult<Observation<T>>> + Send,
    {
        if subjects.len() == 1 || subjects.len() * self.alone <= self.pages.load(Ordering::Relaxed)
        {
            let looks = join_all((0..subjects.len()).map(alone)).await;
            return BatchObservation { observations: looks, requests: subjects.len() * self.alone };
        }
        let listed = match list.await {
            Ok(listed) => listed,
            Err(error) => {
                return BatchObservation {
                    observations: for_all(error, subjects.len()),
                    requests: 1,
                };
            }
        };
        let pages = listed.len().div_ceil(self.per_page).max(1);
        self.pages.store(pages, Ordering::Relaxed);
        let listed: HashMap<String, _> = listed.into_iter().collect();
        // Two waiters may have different hints for one id.
        let found: Vec<_> =
            subjects.iter().map(|subject| listed.get(&subject.id).map(again)).collect();
        let is_missing = |at: &usize| found[*at].is_none() && !(self.lags && subjects[*at].is_new);
        let missing: Vec<_> = (0..subjects.len()).filter(is_missing).collect();
        let requests = pages + missing.len() * self.alone;
        let looked = join_all(missing.iter().map(|at| alone(*at))).await;
        let mut looked: HashMap<usize, _> = missing.into_iter().zip(looked).collect();
        let look = |(at, found): (usize, Option<_>)| {
            found.or_else(|| looked.remove(&at)).unwrap_or(Ok(Observation::Absent))
        };
        BatchObservation {
            observations: found.into_iter().enumerate().map(look).collect(),
            requests,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::provider::error::ProviderError;

    /// Returns what each poll observed, the number of requests, and the positions polled on their
    /// own. The list contains `0` to `9`, in pages of five.
    async fn looked(
        ids: &[(&str, bool)],
        pages: usize,
        lags: bool,
    ) -> (Vec<&'static str>, usize, Vec<usize>) {
        let pages = AtomicUsize::new(pages);
        let listing = Listing { pages: &pages, per_page: 5, alone: 2, lags };
        let subject = |(id, is_new): &(&str, bool)| Subject {
            id: (*id).to_string(),
            hint: (),
            is_new: *is_new,
        };
        let subjects: Vec<_> = ids.iter().map(subject).collect();
        let listed = async {
            Ok((0..10)
                .map(|at| (at.to_string(), Ok(Observation::Pending("listed".to_string()))))
                .collect())
        };
        let alone = Mutex::new(Vec::new());
        let look = |at: usize| {
            alone.lock().unwrap().push(at);
            std::future::ready(Ok(Observation::Done(at)))
        };
        let seen = listing.look(&subjects, listed, look).await;
        let words = seen.observations.into_iter().map(|look| match look {
            Ok(Observation::Pending(_)) => "listed",
            Ok(Observation::Done(_)) => "alone",
            Ok(Observation::Absent) => "absent",
            other => panic!("{other:?}"),
        });
        (words.collect(), seen.requests, alone.into_inner().unwrap())
    }

    #[tokio::test]
    async fn few_are_looked_at_alone_and_many_by_the_list() {
        assert_eq!(looked(&[("1", false)], 1, false).await, (vec!["alone"], 2, vec![0]));
        assert_eq!(
            looked(&[("1", false), ("2", false)], 4, false).await,
            (vec!["alone"; 2], 4, vec![0, 1])
        );
        assert_eq!(
            looked(&[("1", false), ("2", false)], 3, false).await,
            (vec!["listed"; 2], 2, vec![])
        );
        let three = [("1", false), ("2", false), ("99", false)];
        assert_eq!(
            looked(&three, 5, false).await,
            (vec!["listed", "listed", "alone"], 4, vec![2]),
            "one that is not in the list"
        );
    }

    #[tokio::test]
    async fn what_is_too_new_for_the_list_is_not_looked_for_elsewhere() {
        let some = [("1", false), ("98", true), ("99", false)];
        assert_eq!(looked(&some, 1, true).await, (vec!["listed", "absent", "alone"], 4, vec![2]));
        assert_eq!(
            looked(&some, 1, false).await,
            (vec!["listed", "alone", "alone"], 6, vec![1, 2]),
            "a list that does not lag"
        );
    }

    #[tokio::test]
    async fn a_list_that_fails_fails_for_all() {
        let pages = AtomicUsize::new(1);
        let listing = Listing { pages: &pages, per_page: 5, alone: 1, lags: false };
        let subjects =
            ["1", "2", "3"].map(|id| Subject { id: id.to_string(), hint: (), is_new: false });
        let failed = async { Err(ProviderError::unavailable("502")) };
        let seen = listing
            .look::<u32, _, _>(&subjects, failed, |_| async { panic!("it is not looked at alone") })
            .await;
        assert!(
            seen.observations.iter().all(|look| matches!(look, Ok(Observation::Unclear(_)))),
            "{:?}",
            seen.observations
        );
        assert_eq!((seen.observations.len(), seen.requests, pages.into_inner()), (3, 1, 1));
        assert!(for_all::<u32>(ProviderError::unavailable("502"), 0).is_empty());
    }
}
