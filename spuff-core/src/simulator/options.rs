//! What a simulated cloud is started with.
//!
//! Durations are of the cloud's time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::clock::Clock;

/// How long things take at one cloud. Each is stretched or shortened at random by up to
/// [`jitter`](Self::jitter).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Timings {
    /// From an accepted create to a running machine.
    pub boot: Duration,
    /// A shutdown, start or reboot.
    pub power: Duration,
    /// From an accepted destroy until the machine is gone.
    pub destroy: Duration,
    /// From an accepted snapshot until it can be used.
    pub snapshot: Duration,
    /// How long a new machine, snapshot or tag is missing from lists and filters.
    pub list_lag: Duration,
    /// How long a new machine or snapshot cannot be read by its id.
    pub read_lag: Duration,
    /// The part by which a duration varies: 0.2 is up to 20 % more or less.
    pub jitter: f64,
}

impl Timings {
    /// Nothing takes any time.
    pub fn instant() -> Self {
        let zero = Duration::ZERO;
        Self {
            boot: zero,
            power: zero,
            destroy: zero,
            snapshot: zero,
            list_lag: zero,
            read_lag: zero,
            jitter: 0.0,
        }
    }

    /// What is usual at a cloud; [`instant`](Self::instant) for a name that is not one of
    /// [`PROVIDERS`](super::PROVIDERS).
    pub fn usual(provider: &str) -> Self {
        let seconds = |boot, power, destroy, snapshot, list_lag, read_lag| Self {
            boot: Duration::from_secs(boot),
            power: Duration::from_secs(power),
            destroy: Duration::from_secs(destroy),
            snapshot: Duration::from_secs(snapshot),
            list_lag: Duration::from_secs(list_lag),
            read_lag: Duration::from_secs(read_lag),
            jitter: 0.3,
        };
        match provider {
            "digitalocean" => seconds(35, 10, 3, 60, 3, 1),
            "hetzner" => seconds(12, 5, 4, 40, 0, 0),
            "aws" => seconds(18, 15, 30, 120, 4, 2),
            _ => Self::instant(),
        }
    }
}

/// What a simulated cloud is started with. All have defaults.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use spuff_core::simulator::{Clock, Options, Timings};
///
/// let mut slow = Timings::usual("hetzner");
/// slow.boot = Duration::from_secs(600);
/// let cloud = Options::default().with_clock(Clock::Fast(60.0)).with_seed(7).with_timings("hetzner", slow).start()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    pub(super) clock: Clock,
    pub(super) seed: u64,
    pub(super) port: u16,
    pub(super) rate_limits: bool,
    pub(super) quota: usize,
    pub(super) tokens: Vec<String>,
    pub(super) kept_requests: usize,
    pub(super) timings: BTreeMap<String, Timings>,
    /// What the ids of things come after.
    pub(super) first_id: u64,
    /// The most that a page of a list holds, however many are asked for.
    pub(super) page: usize,
    /// The regions of EC2 that the account has enabled; all that need no opt-in where none are
    /// said.
    pub(super) regions: &'static [&'static str],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Clock::Real,
            seed: 0,
            port: 0,
            rate_limits: false,
            quota: usize::MAX,
            tokens: Vec::new(),
            kept_requests: 10_000,
            timings: BTreeMap::new(),
            first_id: 1_000_000,
            page: usize::MAX,
            regions: &[],
        }
    }
}

impl Options {
    /// How the cloud's time goes; [`Clock::Real`] by default.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// What all chance comes from: durations, and faults that strike by chance. 0 by default.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The port on the loopback interface; a free one by default.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Answers more requests than the real cloud would as it does: with its throttling error. Off
    /// by default; the headers that tell of limits are always sent.
    #[must_use]
    pub fn with_rate_limits(mut self, on: bool) -> Self {
        self.rate_limits = on;
        self
    }

    /// How many machines each cloud's account may have; no limit by default.
    #[must_use]
    pub fn with_quota(mut self, machines: usize) -> Self {
        self.quota = machines;
        self
    }

    /// Takes only this token (for EC2: this access key id), or one of several; by default any that
    /// is not empty.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.tokens.push(token.into());
        self
    }

    /// How many of the last requests are kept to be looked at; 10,000 by default. All are counted.
    #[must_use]
    pub fn with_kept_requests(mut self, count: usize) -> Self {
        self.kept_requests = count;
        self
    }

    /// How long things take at one cloud; [`Timings::usual`] by default.
    #[must_use]
    pub fn with_timings(mut self, provider: impl Into<String>, timings: Timings) -> Self {
        self.timings.insert(provider.into(), timings);
        self
    }

    /// How long things take, at every cloud.
    #[must_use]
    pub fn with_all_timings(mut self, timings: Timings) -> Self {
        self.timings.extend(super::PROVIDERS.map(|provider| (provider.to_string(), timings)));
        self
    }

    /// The account of that number, whose things no other has; with so much on a page; with these
    /// regions of EC2.
    #[cfg(feature = "simulation")]
    pub(crate) fn of_account(
        mut self,
        number: u64,
        page: usize,
        regions: &'static [&'static str],
    ) -> Self {
        self.seed = self.seed.wrapping_add(number);
        self.first_id *= number + 1;
        (self.page, self.regions) = (page, regions);
        self
    }

    pub(super) fn timings_of(&self, provider: &str) -> Timings {
        self.timings.get(provider).copied().unwrap_or_else(|| Timings::usual(provider))
    }
}
