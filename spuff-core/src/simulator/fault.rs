//! Faults: what goes wrong, where, how often; and how often it has.
//!
//! The server carries out the faults of the connection and the reply; a cloud's room those of the
//! cloud itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::route::Route;

/// What goes wrong. Durations of `Slow` and `SlowDrip` are real: they are waited out by the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// The request is carried out, and the connection closed without a byte of reply.
    ReplyLost,
    /// The connection is closed before the request is carried out.
    ConnectionClosed,
    /// The request is carried out; the reply comes after `millis`.
    Slow {
        /// Milliseconds of real time.
        millis: u64,
    },
    /// The cloud's own error body with a status of 500 to 599, with the request carried out or not.
    ServerError {
        /// The HTTP status.
        status: u16,
        /// Whether the request was carried out all the same.
        committed: bool,
    },
    /// The cloud's throttling error; nothing is carried out.
    RateLimited {
        /// Seconds of a `Retry-After`, if it is sent.
        retry_after: Option<u64>,
        /// Whether the headers that tell of the limit are sent.
        headers: bool,
    },
    /// The token is not taken (any more): with [`FaultRule::skip`] it expires after so many
    /// requests.
    Unauthorized,
    /// The request is carried out; the connection is closed in the middle of the reply's body.
    Truncated,
    /// The request is carried out; the reply is a page of HTML.
    Html {
        /// The HTTP status.
        status: u16,
    },
    /// The request is carried out; the reply is so long.
    Oversized {
        /// Bytes of the body.
        bytes: u64,
    },
    /// The request is carried out; the reply comes byte by byte.
    SlowDrip {
        /// Milliseconds of real time between two bytes.
        millis: u64,
    },
    /// On a create: what is made cannot be seen by so many reads that would show it.
    NotYetVisible {
        /// How many reads and lists.
        reads: u32,
    },
    /// On a create: the machine or snapshot never gets beyond being created.
    StuckCreating,
    /// On a create: nothing is free of that size here and now.
    CapacityOut,
    /// On a create: the account may have no more.
    QuotaReached,
    /// On a destroy, delete or action: the thing is busy.
    Locked,
    /// On anything that takes time: it begins, and fails at its end.
    ActionFails,
    /// On a create: the machine is gone after so long, of the cloud's time.
    Vanishes {
        /// Seconds.
        after: u64,
    },
    /// On a list: things shift while the pages are read, so that the last thing of a page is found
    /// on the next one too.
    ShiftingPages,
}

impl Fault {
    /// This fault, on every request of every cloud, until it is
    /// [cleared](super::Cloud::clear_faults).
    pub fn everywhere(self) -> FaultRule {
        FaultRule { fault: self, provider: None, route: None, skip: 0, times: None, chance: 1.0 }
    }

    /// This fault, on one kind of request, once.
    pub fn once(self, provider: impl Into<String>, route: Route) -> FaultRule {
        self.everywhere().at(provider).on(route).times(1)
    }
}

/// A fault, and which requests it strikes. A request that several rules match is struck by the
/// first of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultRule {
    /// What goes wrong.
    pub fault: Fault,
    /// At which cloud; at all of them by default.
    #[serde(default)]
    pub provider: Option<String>,
    /// On which requests; on all of them by default.
    #[serde(default)]
    pub route: Option<Route>,
    /// How many of these requests are spared first.
    #[serde(default)]
    pub skip: u64,
    /// How many are struck at most; no limit by default.
    #[serde(default)]
    pub times: Option<u64>,
    /// The chance that such a request is struck; 1 by default.
    #[serde(default = "certain")]
    pub chance: f64,
}

fn certain() -> f64 {
    1.0
}

impl FaultRule {
    /// At this cloud only.
    #[must_use]
    pub fn at(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// On this kind of request only.
    #[must_use]
    pub fn on(mut self, route: Route) -> Self {
        self.route = Some(route);
        self
    }

    /// Spares the first of these requests.
    #[must_use]
    pub fn skip(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// Strikes so often at most.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Strikes with this chance, from 0 to 1.
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

/// Names a rule that was given to a cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FaultId(pub(super) usize);

impl FaultId {
    /// The number of the rule, as `/simulator/faults` has it.
    pub fn number(self) -> u64 {
        self.0 as u64
    }

    /// The rule of that number.
    pub fn from_number(number: u64) -> Self {
        Self(usize::try_from(number).unwrap_or(usize::MAX))
    }
}

/// A rule, and how often it has struck.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultCount {
    /// Its name.
    pub id: FaultId,
    /// The rule.
    pub rule: FaultRule,
    /// How many requests it has struck.
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

    /// Ends every rule; what they have struck stays counted.
    pub(super) fn clear(&mut self) {
        self.0.iter_mut().for_each(|count| count.cleared = true);
    }

    pub(super) fn counts(&self) -> Vec<FaultCount> {
        self.0.clone()
    }

    pub(super) fn hits(&self, id: FaultId) -> u64 {
        self.0.get(id.0).map_or(0, |count| count.hits)
    }

    /// The fault that strikes a request.
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

/// A fault as the cloud's own rooms see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effects {
    pub(super) fault: Option<Fault>,
    /// The most that a page of a list holds.
    pub(super) page: usize,
}

impl Effects {
    /// Nothing goes wrong.
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
        let (mut faults, mut rng) = (Faults::default(), fastrand::Rng::with_seed(1));
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
        let (mut faults, mut rng) = (Faults::default(), fastrand::Rng::with_seed(1));
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
