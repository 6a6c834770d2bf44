//! Fault rules: which fault hits which requests, how often, and the hit counts.
//!
//! The server carries out the faults of connections and replies; the cloud's room carries out the
//! rest.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::route::Route;

/// A fault to inject. Durations of `Slow` and `SlowDrip` are in real time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// The request is carried out; the connection is closed without a byte of reply.
    ReplyLost,
    /// The connection is closed before the request is carried out.
    ConnectionClosed,
    /// The request is carried out; the reply is sent after `millis`.
    Slow {
        /// Milliseconds of real time.
        millis: u64,
    },
    /// The cloud's own error body with a status of 500 to 599.
    ServerError {
        /// The HTTP status.
        status: u16,
        /// Whether the request is carried out nevertheless.
        committed: bool,
    },
    /// The cloud's throttling error; the request is not carried out.
    RateLimited {
        /// Value of the `Retry-After` header in seconds; `None` omits it.
        retry_after: Option<u64>,
        /// Whether the rate limit headers are sent.
        headers: bool,
    },
    /// The token is rejected. With [`FaultRule::skip`] it expires after that many requests.
    Unauthorized,
    /// The request is carried out; the connection is closed in the middle of the reply's body.
    Truncated,
    /// The request is carried out; the reply is an HTML page.
    Html {
        /// The HTTP status.
        status: u16,
    },
    /// The request is carried out; the reply's body has this size.
    Oversized {
        /// Bytes of the body.
        bytes: u64,
    },
    /// The request is carried out; the reply's body is sent byte by byte.
    SlowDrip {
        /// Milliseconds of real time between two bytes.
        millis: u64,
    },
    /// On a create: this many reads do not show the new resource, though they otherwise would.
    NotYetVisible {
        /// Number of reads by id and of lists.
        reads: u32,
    },
    /// On a create: the instance or snapshot is never ready.
    StuckCreating,
    /// On a create: the region has no capacity for that size.
    CapacityOut,
    /// On a create: the account's quota is used up.
    QuotaReached,
    /// On a destroy, delete or action: the resource is locked.
    Locked,
    /// On an operation that takes time: it is accepted, and fails at its end.
    ActionFails,
    /// On a create: the instance disappears after this time, in the cloud's time.
    Vanishes {
        /// Seconds.
        after: u64,
    },
    /// On a list: the items shift between pages, so that the last item of a page is repeated on the
    /// next one.
    ShiftingPages,
}

impl Fault {
    /// This fault, on every request to every cloud, until it is
    /// [cleared](super::Cloud::clear_faults).
    pub fn everywhere(self) -> FaultRule {
        FaultRule { fault: self, provider: None, route: None, skip: 0, times: None, chance: 1.0 }
    }

    /// This fault, once, on one kind of request to one cloud.
    pub fn once(self, provider: impl Into<String>, route: Route) -> FaultRule {
        self.everywhere().at(provider).on(route).times(1)
    }
}

/// A fault and the requests that it hits. If several rules match a request, the first one that hits
/// it wins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultRule {
    /// The fault.
    pub fault: Fault,
    /// The cloud; all of them by default.
    #[serde(default)]
    pub provider: Option<String>,
    /// The kind of request; all of them by default.
    #[serde(default)]
    pub route: Option<Route>,
    /// Number of matching requests to skip first; 0 by default.
    #[serde(default)]
    pub skip: u64,
    /// Maximum number of hits; no limit by default.
    #[serde(default)]
    pub times: Option<u64>,
    /// Probability that a matching request is hit; 1 by default.
    #[serde(default = "certain")]
    pub chance: f64,
}

fn certain() -> f64 {
    1.0
}

impl FaultRule {
    /// Limits the rule to this cloud.
    #[must_use]
    pub fn at(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// Limits the rule to this kind of request.
    #[must_use]
    pub fn on(mut self, route: Route) -> Self {
        self.route = Some(route);
        self
    }

    /// Skips the first matching requests.
    #[must_use]
    pub fn skip(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// Sets the maximum number of hits.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Sets the probability of a hit, from 0 to 1.
    #[must_use]
    pub fn chance(mut self, chance: f64) -> Self {
        self.chance = chance;
        self
    }

    fn matches(&self, provider: &str, route: Route) -> bool {
        self.provider.as_deref().is_none_or(|name| name == provider)
            && self.route.is_none_or(|wanted| wanted == route)
    }
}

impl From<Fault> for FaultRule {
    fn from(fault: Fault) -> Self {
        fault.everywhere()
    }
}

/// Identifies a rule that was added to a cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FaultId(pub(super) usize);

impl FaultId {
    /// The number of the rule, as in `/simulator/faults`.
    pub fn number(self) -> u64 {
        self.0 as u64
    }

    /// The id of the rule with this number.
    pub fn from_number(number: u64) -> Self {
        Self(usize::try_from(number).unwrap_or(usize::MAX))
    }
}

/// A rule and its hit count.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultCount {
    /// The rule's id.
    pub id: FaultId,
    /// The rule.
    pub rule: FaultRule,
    /// Number of requests that the rule has hit.
    pub hits: u64,
    #[serde(skip)]
    seen: u64,
    #[serde(skip)]
    cleared: bool,
}

/// The rules of a cloud.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<FaultCount>);

impl Faults {
    pub(super) fn add(&mut self, rule: FaultRule) -> FaultId {
        let id = FaultId(self.0.len());
        self.0.push(FaultCount { id, rule, hits: 0, seen: 0, cleared: false });
        id
    }

    /// Clears every rule; the hit counts remain.
    pub(super) fn clear(&mut self) {
        self.0.iter_mut().for_each(|count| count.cleared = true);
    }

    pub(super) fn counts(&self) -> Vec<FaultCount> {
        self.0.clone()
    }

    pub(super) fn hits(&self, id: FaultId) -> u64 {
        self.0.get(id.0).map_or(0, |count| count.hits)
    }

    /// Returns the fault that hits a request, and counts the hit.
    pub(super) fn strike(
        &mut self,
        provider: &str,
        route: Route,
        rng: &mut fastrand::Rng,
    ) -> Option<Fault> {
        self.0
            .iter_mut()
            .filter(|count| !count.cleared && count.rule.matches(provider, route))
            .find_map(|count| {
                if count.rule.times.is_some_and(|times| count.hits >= times) {
                    return None;
                }
                count.seen += 1;
                let strikes = count.seen > count.rule.skip
                    && (count.rule.chance >= 1.0 || rng.f64() < count.rule.chance);
                strikes.then(|| {
                    count.hits += 1;
                    count.rule.fault
                })
            })
    }
}

/// A request's fault, as passed to the cloud's room.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effects {
    pub(super) fault: Option<Fault>,
    /// Maximum items on a page of a list.
    pub(super) page: usize,
}

impl Effects {
    /// No fault.
    pub(super) const NONE: Self = Self { fault: None, page: usize::MAX };

    pub(super) fn is(self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    pub(super) fn hidden_reads(self) -> u32 {
        if let Some(Fault::NotYetVisible { reads }) = self.fault { reads } else { 0 }
    }

    pub(super) fn vanishes_after(self) -> Option<Duration> {
        if let Some(Fault::Vanishes { after }) = self.fault {
            Some(Duration::from_secs(after))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(rule: FaultRule, provider: &str, route: Route, requests: usize) -> Vec<bool> {
        let mut faults = Faults::default();
        let mut rng = fastrand::Rng::with_seed(1);
        faults.add(rule);
        (0..requests).map(|_| faults.strike(provider, route, &mut rng).is_some()).collect()
    }

    #[test]
    fn a_rule_strikes_where_and_as_often_as_it_says() {
        let once = Fault::ReplyLost.once("hetzner", Route::CreateInstance);
        assert_eq!(
            strikes(once.clone(), "hetzner", Route::CreateInstance, 3),
            [true, false, false]
        );
        assert_eq!(strikes(once.clone(), "aws", Route::CreateInstance, 1), [false]);
        assert_eq!(strikes(once.clone(), "hetzner", Route::GetInstance, 1), [false]);
        assert_eq!(
            strikes(once.skip(1), "hetzner", Route::CreateInstance, 3),
            [false, true, false]
        );
        let some = strikes(Fault::Truncated.everywhere().chance(0.5), "aws", Route::Other, 1000);
        let hits = some.iter().filter(|hit| **hit).count();
        assert!((400..600).contains(&hits), "{hits}");
        assert_eq!(
            some,
            strikes(Fault::Truncated.everywhere().chance(0.5), "aws", Route::Other, 1000),
            "seeded"
        );
    }

    #[test]
    fn the_first_rule_that_strikes_is_the_one() {
        let mut faults = Faults::default();
        let mut rng = fastrand::Rng::with_seed(1);
        let first = faults.add(Fault::ReplyLost.everywhere().times(1));
        let second = faults.add(Fault::Truncated.everywhere());
        let struck: Vec<_> = (0..3).map(|_| faults.strike("aws", Route::Other, &mut rng)).collect();
        assert_eq!(
            struck,
            [Some(Fault::ReplyLost), Some(Fault::Truncated), Some(Fault::Truncated)]
        );
        assert_eq!((faults.hits(first), faults.hits(second)), (1, 2));
        faults.clear();
        assert_eq!(faults.strike("aws", Route::Other, &mut rng), None);
        assert_eq!(faults.hits(second), 2);
    }

    #[test]
    fn rules_are_plain_data() {
        let rule: FaultRule = serde_json::from_str(
            r#"{"fault": {"server_error": {"status": 503, "committed": true}}, "provider": "aws"}"#,
        )
        .unwrap();
        assert_eq!(
            rule,
            Fault::ServerError { status: 503, committed: true }.everywhere().at("aws")
        );
        let text =
            serde_json::to_string(&Fault::ReplyLost.once("aws", Route::CreateInstance)).unwrap();
        assert!(
            text.contains(r#""fault":"reply_lost""#)
                && text.contains(r#""route":"create_instance""#),
            "{text}"
        );
    }
}
