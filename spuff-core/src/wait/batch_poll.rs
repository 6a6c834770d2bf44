//! How a provider polls many resources in few requests.

use std::hash::Hash;
use std::time::Duration;

use async_trait::async_trait;

use super::Observation;
use crate::provider::error::ProviderResult;

/// A resource to poll.
#[derive(Debug, Clone)]
pub(crate) struct Subject<H> {
    pub(crate) id: String,
    /// What the provider module knows of it.
    pub(crate) hint: H,
    /// Created recently: lists may not contain it yet.
    pub(crate) is_new: bool,
}

/// The observations of several subjects, in their order.
pub(crate) struct BatchObservation<T> {
    pub(crate) observations: Vec<ProviderResult<Observation<T>>>,
    /// How many requests were sent.
    pub(crate) requests: usize,
}

/// How a provider polls many resources in few requests.
#[async_trait]
pub(crate) trait BatchPoll: Clone + Send + Sync + 'static {
    type Thing: Clone + Send + 'static;
    /// What a client knows of a resource; waiters with equal hints share an observation.
    type Hint: Clone + Eq + Hash + Send + Sync + 'static;

    /// The credentials it polls with, if the clients of an account may differ: only subjects with
    /// the same identity are polled together.
    fn identity(&self) -> usize {
        0
    }

    /// Whether the cloud has accepted these credentials before.
    fn is_accepted(&self) -> bool;

    /// How long the rate limit takes to refill by one request: polls use no more than is refilled
    /// meanwhile.
    fn refill_interval(&self) -> Duration;

    /// Polls all of these, in as few requests as possible.
    async fn poll_batch(&self, subjects: &[Subject<Self::Hint>]) -> BatchObservation<Self::Thing>;
}
