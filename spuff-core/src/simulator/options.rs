//! Start options of the simulator.
//!
//! Durations are in the cloud's time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::clock::Clock;

/// Durations of operations at one cloud. Each is varied at random by up to
/// [`jitter`](Self::jitter).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Timings {
    /// From an accepted create to a running instance.
    pub boot: Duration,
    /// Duration of a shutdown, start or reboot.
    pub power: Duration,
    /// From an accepted destroy until the instance is gone.
    pub destroy: Duration,
    /// From an accepted snapshot until it is usable.
    pub snapshot: Duration,
    /// How long lists and filters omit a new instance, snapshot or tag.
    pub list_lag: Duration,
    /// How long a read by id does not find a new instance or snapshot.
    pub read_lag: Duration,
    /// Maximum relative variation of a duration: 0.2 is up to 20 % more or less.
    pub jitter: f64,
}

impl Timings {
    /// All durations zero.
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

    /// The usual durations of a cloud; [`instant`](Self::instant) if the name is not one of
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

/// Start options of the simulator. All have defaults.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use spuff_core::simulator::{Clock, Options, Timings};
///
/// let mut slow = Timings::usual("hetzner");
/// slow.boot = Duration::from_secs(600);
/// let cloud = Options::default()
///     .with_clock(Clock::Fast(60.0))
///     .with_seed(7)
///     .with_timings("hetzner", slow)
///     .start()?;
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
    /// Resource ids start after this one.
    pub(super) first_id: u64,
    /// Maximum items on a page of a list, whatever the client requests.
    pub(super) page: usize,
    /// The EC2 regions that the account has enabled; if empty, all regions that need no opt-in.
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
    /// Sets the clock; [`Clock::Real`] by default.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the seed of all randomness: durations and the chance of faults. 0 by default.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the port on the loopback interface; a free one by default.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Enforces the real cloud's rate limits with its throttling error. Off by default. Even then,
    /// DigitalOcean and Hetzner send their rate limit headers.
    #[must_use]
    pub fn with_rate_limits(mut self, on: bool) -> Self {
        self.rate_limits = on;
        self
    }

    /// Sets the maximum number of instances of each cloud's account; no limit by default.
    #[must_use]
    pub fn with_quota(mut self, machines: usize) -> Self {
        self.quota = machines;
        self
    }

    /// Accepts only this token (for EC2: this access key id); call it again to accept several. By
    /// default any non-empty token is accepted.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.tokens.push(token.into());
        self
    }

    /// Sets how many of the last requests are kept; 10,000 by default. All are counted.
    #[must_use]
    pub fn with_kept_requests(mut self, count: usize) -> Self {
        self.kept_requests = count;
        self
    }

    /// Sets the durations at one cloud; [`Timings::usual`] by default.
    #[must_use]
    pub fn with_timings(mut self, provider: impl Into<String>, timings: Timings) -> Self {
        self.timings.insert(provider.into(), timings);
        self
    }

    /// Sets the durations at every cloud.
    #[must_use]
    pub fn with_all_timings(mut self, timings: Timings) -> Self {
        self.timings.extend(super::PROVIDERS.map(|provider| (provider.to_string(), timings)));
        self
    }

    /// Options of account `number`, whose resource ids no other account has, with this page size
    /// and these enabled EC2 regions.
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
