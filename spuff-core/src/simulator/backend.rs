//! The trait of a simulated cloud: a room parses a request, changes the world, and answers in its
//! cloud's format.
//!
//! The engine calls rooms only through this trait.

use std::borrow::Cow;

use http::{HeaderMap, Method};

use super::account::{Account, Image, Machine};
use super::clock::Moment;
use super::fault::Effects;
use super::inspect::Resource;
use super::route::Route;

/// The parts of a request that a room reads.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

impl<'a> Asked<'a> {
    /// The parts of the path below `root`, such as `["servers", "42"]`.
    pub(super) fn parts(&self, root: &str) -> Vec<&'a str> {
        let path = self.path.strip_prefix(root).unwrap_or_default();
        path.split('/').filter(|part| !part.is_empty()).collect()
    }

    /// The first value of a query parameter, decoded.
    pub(super) fn param(&self, name: &str) -> Option<Cow<'a, str>> {
        self.params(name).next()
    }

    /// All values of a query parameter, decoded.
    pub(super) fn params(&self, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
        form_urlencoded::parse(self.query.as_bytes())
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// A header's value; empty if absent.
    pub(super) fn header(&self, name: &str) -> &'a str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The token of `Authorization: Bearer`; empty if absent.
    pub(super) fn bearer(&self) -> &'a str {
        self.header("authorization").strip_prefix("Bearer ").unwrap_or_default().trim()
    }
}

/// A reply. Its body has the room's content type.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub(super) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, body.to_string())
    }

    pub(super) fn with_header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// A refusal that all clouds have, each in its own format.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal {
    /// The token is missing or rejected.
    Unauthorized,
    /// Too many requests, with this `Retry-After` in seconds.
    RateLimited { retry_after: Option<u64> },
    /// A server error with this HTTP status.
    ServerError(u16),
}

/// A simulated cloud.
pub(super) trait Backend: Send {
    /// The resources of the cloud's account.
    fn account(&self) -> &Account;

    fn account_mut(&mut self) -> &mut Account;

    /// The content type of every reply with a body.
    fn content_type(&self, asked: &Asked<'_>) -> &'static str;

    /// The kind of a request.
    fn route(&self, asked: &Asked<'_>) -> Route;

    /// The request's token (for EC2: its access key id); empty if absent.
    fn token<'a>(&self, asked: &Asked<'a>) -> &'a str;

    /// Counts a request against the account's rate limit, or returns how long it must wait. Called
    /// only if rate limits are enabled.
    fn pace(
        &mut self,
        asked: &Asked<'_>,
        route: Route,
        now: Moment,
    ) -> Result<(), chrono::TimeDelta>;

    /// Headers of every reply: the request id and, if the cloud sends it, the rate limit's state.
    fn common_headers(&mut self, asked: &Asked<'_>, now: Moment) -> Vec<(&'static str, String)>;

    /// Builds a refusal in the cloud's format.
    fn refuse(&mut self, asked: &Asked<'_>, refusal: Refusal) -> Answer;

    /// Carries out a request.
    fn answer(&mut self, asked: &Asked<'_>, now: Moment, effects: Effects) -> Answer;

    /// An instance's state, as the cloud names it.
    fn instance_state(&self, machine: &Machine, now: Moment) -> &'static str;

    /// A snapshot's state, as the cloud names it.
    fn snapshot_state(&self, image: &Image, now: Moment) -> &'static str;

    /// Billable resources that instances and snapshots have left behind.
    fn left_over(&self, _now: Moment) -> Vec<Resource> {
        Vec::new()
    }
}

/// Returns a page of a list; `page` counts from 1. `shift` moves the window back by one, as if a
/// new item had been inserted in front while the client read the previous pages.
pub(super) fn page_of<T>(all: Vec<T>, page: usize, per_page: usize, shift: bool) -> Vec<T> {
    let start = page.saturating_sub(1).saturating_mul(per_page);
    let start = if shift && page > 1 { start.saturating_sub(1) } else { start };
    all.into_iter().skip(start).take(per_page).collect()
}

/// A token bucket of requests that refills with the cloud's time.
#[derive(Debug)]
pub(super) struct Bucket {
    capacity: f64,
    per_second: f64,
    level: f64,
    at: Moment,
}

impl Bucket {
    pub(super) fn new(capacity: f64, per_second: f64, now: Moment) -> Self {
        Self { capacity, per_second, level: capacity, at: now }
    }

    /// Returns the remaining requests.
    pub(super) fn level(&mut self, now: Moment) -> f64 {
        let passed = (now - self.at).as_seconds_f64().max(0.0);
        self.level = passed.mul_add(self.per_second, self.level).min(self.capacity);
        self.at = now;
        self.level
    }

    /// Takes one request, or returns how long until one is available.
    pub(super) fn take(&mut self, now: Moment) -> Result<(), chrono::TimeDelta> {
        self.take_many(1.0, now)
    }

    /// Takes `count` requests at once, or returns how long until they are available. `count` is
    /// capped at the bucket's capacity.
    pub(super) fn take_many(&mut self, count: f64, now: Moment) -> Result<(), chrono::TimeDelta> {
        let count = count.min(self.capacity);
        if self.level(now) >= count {
            self.level -= count;
            return Ok(());
        }
        let missing = (count - self.level) / self.per_second;
        Err(super::clock::times(std::time::Duration::from_secs(1), missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_shifts_repeats_the_last_of_the_page_before() {
        let all = || (1..=7).collect::<Vec<_>>();
        assert_eq!(page_of(all(), 1, 3, true), [1, 2, 3]);
        assert_eq!(page_of(all(), 2, 3, false), [4, 5, 6]);
        assert_eq!(page_of(all(), 2, 3, true), [3, 4, 5]);
        assert_eq!(page_of(all(), 4, 3, false), Vec::<i32>::new());
        assert_eq!(page_of(all(), usize::MAX, 3, false), Vec::<i32>::new());
    }

    #[test]
    fn a_bucket_empties_and_fills_with_time() {
        let now = chrono::Utc::now();
        let mut bucket = Bucket::new(2.0, 0.5, now);
        assert!(bucket.take(now).is_ok() && bucket.take(now).is_ok());
        assert_eq!(bucket.take(now).unwrap_err().num_milliseconds(), 2000);
        assert!(bucket.take(now + chrono::TimeDelta::seconds(2)).is_ok());
        assert!((bucket.level(now + chrono::TimeDelta::hours(1)) - 2.0).abs() < 1e-9);
    }
}
