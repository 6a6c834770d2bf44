//! How a provider polls many resources in few requests.

use std::hash::Hash;
use std::time::Duration;

use async_trait::async_trait;

use super::Observation;
use crate::provider::error::ProviderResult;

/// What is to be looked at.
#[derive(Debug, Clone)]
pub(crate) struct Subject<H> {
    pub(crate) id: String,
    /// What the room knows of it.
    pub(crate) hint: H,
    /// Made a short while ago: lists need not show it yet.
    pub(crate) is_new: bool,
}

/// What looking at several things has shown, in their order.
pub(crate) struct BatchObservation<T> {
    pub(crate) observations: Vec<ProviderResult<Observation<T>>>,
    /// How many requests it took.
    pub(crate) requests: usize,
}

/// How a provider polls many resources in few requests.
#[async_trait]
pub(crate) trait BatchPoll: Clone + Send + Sync + 'static {
    type Thing: Clone + Send + 'static;
    /// What a client knows of a thing: two that know the same are told the same.
    type Hint: Clone + Eq + Hash + Send + Sync + 'static;

    /// Whose credentials it polls with, where the clients of an account may have others: things are
    /// looked at together only for the same ones.
    fn identity(&self) -> usize {
        0
    }

    /// Whether the cloud has accepted these credentials before.
    fn is_accepted(&self) -> bool;

    /// How long the account takes to earn a request: a poll spends no more than is earned
    /// meanwhile.
    fn refill_interval(&self) -> Duration;

    /// Looks at all of these, in as few requests as it takes.
    async fn poll_batch(&self, subjects: &[Subject<Self::Hint>]) -> BatchObservation<Self::Thing>;
}
