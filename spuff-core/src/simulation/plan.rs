//! The events of a run, drawn from its seed before it begins, so that it can be replayed and
//! shortened.
//!
//! A step holds no ids that only a run knows: it picks by a number, modulo the number of
//! candidates.

use std::time::Duration;

use fastrand::Rng;

use super::limits::Limits;
use super::verb::{Focus, Verb};
use crate::simulator::{Fault, FaultRule, PROVIDERS, Route, name_of};

/// A complete run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed of all randomness in the run.
    pub seed: u64,
    /// The accounts in use, by their simulator names.
    pub(super) clouds: Vec<&'static str>,
    /// How many programs run at once.
    pub(super) programs: usize,
    /// How many idempotency keys they share.
    pub(super) keys: u32,
    pub(super) limits: Limits,
    /// How many accounts each cloud has.
    pub(super) accounts: usize,
    /// The maximum length of a page of a list.
    pub(super) page: usize,
    /// Whether the programs are configured with the EC2 regions in use.
    pub(super) says_regions: bool,
    pub(super) focus: Focus,
    pub(super) steps: Vec<Step>,
}

/// The enabled regions of EC2: the programs' default, their second one, and an unused one.
pub(super) const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "us-west-2"];

/// An event.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A program begins an operation.
    Begin(Begin),
    /// A cloud begins to fail as the rule says.
    Fault(FaultRule),
    /// The clouds stop failing.
    Clear,
    /// The network of a program fails.
    Network(usize, Outage, u32),
    /// A program is killed, and restarted with its records.
    Kill(usize),
    /// A program waits for its background tasks.
    Settle(usize),
    /// Time passes.
    Pass(Duration),
    /// The programs' computer shifts its clock by this many seconds.
    Clock(i64),
}

/// An operation to begin.
#[derive(Debug, Clone)]
pub(super) struct Begin {
    pub(super) program: usize,
    pub(super) cloud: usize,
    pub(super) verb: Verb,
    /// Selects the target among the candidates.
    pub(super) pick: u32,
    pub(super) leave: Leave,
}

/// When the caller drops its future.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leave {
    /// Never.
    Never,
    /// After this many polls.
    AfterPolls(u32),
    /// After this time.
    After(Duration),
}

/// A network failure of a program's next requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outage {
    /// They cannot be sent.
    Refused,
    /// They are sent, and never arrive.
    Swallowed,
    /// Number headers in their replies hold an absurdly large value.
    Numbers,
    /// They arrive after this delay, which is shorter than their result may take to become visible.
    Late(Duration),
}

impl Outage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Refused => "network refused",
            Self::Swallowed => "network swallowed",
            Self::Numbers => "header numbers",
            Self::Late(_) => "network late",
        }
    }
}

/// The kind of events in a part of a run.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Calm,
    Lossy,
    Down,
    Throttled,
    Revoked,
    Lagging,
    Full,
    Failing,
    Offline,
}

const MOODS: [Mood; 9] = [
    Mood::Calm,
    Mood::Lossy,
    Mood::Down,
    Mood::Throttled,
    Mood::Revoked,
    Mood::Lagging,
    Mood::Full,
    Mood::Failing,
    Mood::Offline,
];

impl Plan {
    /// Draws a run of `steps` steps from a seed: at `cloud`, or if `None`, at one that the seed
    /// chooses, or at all.
    pub fn of_seed(seed: u64, cloud: Option<&'static str>, steps: usize) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x5bd1_e995);
        let clouds = match cloud {
            Some(cloud) => vec![cloud],
            None if rng.u8(..8) == 0 => PROVIDERS.to_vec(),
            None => vec![PROVIDERS[rng.usize(..PROVIDERS.len())]],
        };
        let one_of = |rng: &mut Rng, seconds: &[u64]| {
            Duration::from_secs(seconds[rng.usize(..seconds.len())])
        };
        let limits = Limits {
            http_request: one_of(&mut rng, &[2, 5, 10, 30]),
            instance_ready: one_of(&mut rng, &[40, 60, 120, 300]),
            action_complete: one_of(&mut rng, &[60, 120, 600]),
            rates: rng.u8(..6) == 0,
            quota: if rng.u8(..4) == 0 { rng.usize(2..8) } else { usize::MAX },
        };
        // Only a single program can keep to the rate limit of an account.
        let programs = if limits.rates { 1 } else { rng.usize(1..=3) };
        let accounts = if rng.u8(..5) == 0 { 2 } else { 1 };
        let clouds = (0..accounts)
            .flat_map(|account| clouds.iter().map(move |cloud| name_of(cloud, account)))
            .collect();
        // With one instance per page, a list can exceed an operation's time when requests may take
        // 2 s.
        let smallest = if limits.http_request < Duration::from_secs(5) { 5 } else { 1 };
        let page =
            if rng.u8(..3) == 0 { [1, 3, 5][rng.usize(..3)].max(smallest) } else { usize::MAX };
        let focus = Focus::ALL[rng.usize(..Focus::ALL.len())];
        let keys = rng.u32(1..=3);
        let says_regions = rng.bool();
        let mut plan = Self {
            seed,
            clouds,
            programs,
            keys,
            limits,
            accounts,
            page,
            says_regions,
            focus,
            steps: Vec::new(),
        };
        while plan.steps.len() < steps {
            let mood = MOODS[rng.usize(..MOODS.len())];
            let length = rng.usize(5..40);
            if rng.bool() {
                plan.steps.push(Step::Clear);
            }
            for _ in 0..length {
                let step = plan.step(mood, &mut rng);
                plan.steps.push(step);
            }
        }
        plan.steps.truncate(steps);
        plan
    }

    /// Returns the number of steps.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether it has no steps.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    fn step(&self, mood: Mood, rng: &mut Rng) -> Step {
        match rng.u8(..100) {
            0..=56 => Step::Begin(self.begin(rng)),
            57..=78 => mood.step(self.programs, rng),
            79..=92 => Step::Pass(some_time(rng)),
            93..=94 if !self.limits.rates => Step::Kill(rng.usize(..self.programs)),
            95..=96 => Step::Settle(rng.usize(..self.programs)),
            97 => Step::Clear,
            98 => Step::Clock(rng.i64(-1500..1500)),
            _ => Step::Pass(Duration::from_millis(rng.u64(1..300))),
        }
    }

    fn begin(&self, rng: &mut Rng) -> Begin {
        let leave = match rng.u8(..10) {
            0 => Leave::AfterPolls(rng.u32(1..40)),
            1 => Leave::After(some_time(rng)),
            _ => Leave::Never,
        };
        Begin {
            program: rng.usize(..self.programs),
            cloud: rng.usize(..self.clouds.len()),
            verb: Verb::draw(self.focus, rng),
            pick: rng.u32(..),
            leave,
        }
    }
}

/// Draws a time from 1 ms to 2 min, uniform in its logarithm.
fn some_time(rng: &mut Rng) -> Duration {
    Duration::from_secs_f64(0.001 * 120_000_f64.powf(rng.f64()))
}

impl Mood {
    fn step(self, programs: usize, rng: &mut Rng) -> Step {
        let millis = |rng: &mut Rng| rng.u64(1..40_000);
        let fault = match self {
            Self::Calm => return Step::Pass(some_time(rng)),
            Self::Offline => {
                let outage = match rng.u8(..4) {
                    0 => Outage::Refused,
                    1 => Outage::Swallowed,
                    2 => Outage::Numbers,
                    _ => Outage::Late(Duration::from_millis(rng.u64(1..8000))),
                };
                return Step::Network(rng.usize(..programs), outage, rng.u32(1..6));
            }
            Self::Lossy => match rng.u8(..6) {
                0 | 1 => Fault::ReplyLost,
                2 => Fault::ConnectionClosed,
                3 => Fault::Truncated,
                4 => Fault::Slow { millis: millis(rng) },
                _ => Fault::SlowDrip { millis: rng.u64(1..60) },
            },
            Self::Down => match rng.u8(..4) {
                0 => Fault::ServerError { status: rng.u16(500..505), committed: true },
                1 => Fault::ServerError { status: rng.u16(500..505), committed: false },
                2 => Fault::Html { status: [200, 403, 502, 503][rng.usize(..4)] },
                _ => Fault::Oversized { bytes: [1 << 10, 64 << 20][rng.usize(..2)] },
            },
            Self::Throttled => Fault::RateLimited {
                retry_after: [None, Some(1), Some(20), Some(4000)][rng.usize(..4)],
                headers: rng.bool(),
            },
            Self::Revoked => Fault::Unauthorized,
            Self::Lagging => match rng.u8(..3) {
                0 | 1 => Fault::NotYetVisible { reads: rng.u32(1..5) },
                _ => Fault::ShiftingPages,
            },
            Self::Full => match rng.u8(..2) {
                0 => Fault::CapacityOut,
                _ => Fault::QuotaReached,
            },
            Self::Failing => match rng.u8(..4) {
                0 => Fault::StuckCreating,
                1 => Fault::Locked,
                2 => Fault::ActionFails,
                _ => Fault::Vanishes { after: rng.u64(1..90) },
            },
        };
        let mut rule = fault.everywhere();
        rule.route = self.route(rng);
        rule.skip = if rng.u8(..3) == 0 { rng.u64(..4) } else { 0 };
        rule.times = Some(rng.u64(1..6));
        rule.chance = if rng.u8(..3) == 0 { 0.5 } else { 1.0 };
        Step::Fault(rule)
    }

    /// Draws the route that fails; `None` for all.
    fn route(self, rng: &mut Rng) -> Option<Route> {
        const ALL: [Route; 14] = [
            Route::CreateInstance,
            Route::CreateInstance,
            Route::DestroyInstance,
            Route::GetInstance,
            Route::ListInstances,
            Route::UpdateInstance,
            Route::CreateSnapshot,
            Route::GetSnapshot,
            Route::ListSnapshots,
            Route::UpdateSnapshot,
            Route::DeleteSnapshot,
            Route::GetAction,
            Route::SshKeys,
            Route::Catalogue,
        ];
        match self {
            Self::Full => Some([Route::CreateInstance, Route::CreateSnapshot][rng.usize(..2)]),
            Self::Lagging | Self::Failing => {
                let some = [
                    Route::CreateInstance,
                    Route::CreateSnapshot,
                    Route::DestroyInstance,
                    Route::DeleteSnapshot,
                ];
                Some(some[rng.usize(..some.len())]).filter(|_| rng.u8(..4) > 0)
            }
            _ if rng.u8(..5) == 0 => None,
            _ => Some(ALL[rng.usize(..ALL.len())]),
        }
    }
}

/// Returns the name of a fault in tables.
pub(super) fn fault_name(fault: Fault) -> &'static str {
    match fault {
        Fault::ReplyLost => "reply lost",
        Fault::ConnectionClosed => "connection closed",
        Fault::Slow { .. } => "slow",
        Fault::ServerError { committed: true, .. } => "server error, committed",
        Fault::ServerError { committed: false, .. } => "server error",
        Fault::RateLimited { .. } => "rate limited",
        Fault::Unauthorized => "unauthorized",
        Fault::Truncated => "truncated",
        Fault::Html { .. } => "html",
        Fault::Oversized { .. } => "oversized",
        Fault::SlowDrip { .. } => "slow drip",
        Fault::NotYetVisible { .. } => "not yet visible",
        Fault::StuckCreating => "stuck creating",
        Fault::CapacityOut => "capacity out",
        Fault::QuotaReached => "quota reached",
        Fault::Locked => "locked",
        Fault::ActionFails => "action fails",
        Fault::Vanishes { .. } => "vanishes",
        Fault::ShiftingPages => "shifting pages",
    }
}

/// A fault of each kind.
pub(super) const FAULTS: [Fault; 19] = [
    Fault::ReplyLost,
    Fault::ConnectionClosed,
    Fault::Slow { millis: 0 },
    Fault::ServerError { status: 500, committed: true },
    Fault::ServerError { status: 500, committed: false },
    Fault::RateLimited { retry_after: None, headers: false },
    Fault::Unauthorized,
    Fault::Truncated,
    Fault::Html { status: 502 },
    Fault::Oversized { bytes: 0 },
    Fault::SlowDrip { millis: 0 },
    Fault::NotYetVisible { reads: 0 },
    Fault::StuckCreating,
    Fault::CapacityOut,
    Fault::QuotaReached,
    Fault::Locked,
    Fault::ActionFails,
    Fault::Vanishes { after: 0 },
    Fault::ShiftingPages,
];

/// An outage of each kind.
pub(super) const OUTAGES: [Outage; 4] =
    [Outage::Refused, Outage::Swallowed, Outage::Numbers, Outage::Late(Duration::ZERO)];

/// Whether a request of this route can meet a fault.
pub(super) fn is_apt(fault: Fault, route: Route) -> bool {
    use Route::{
        CreateInstance, CreateSnapshot, DeleteSnapshot, DestroyInstance, ListInstances,
        ListSnapshots,
    };
    match fault {
        Fault::NotYetVisible { .. } | Fault::StuckCreating => {
            matches!(route, CreateInstance | CreateSnapshot)
        }
        Fault::CapacityOut | Fault::QuotaReached | Fault::Vanishes { .. } => {
            route == CreateInstance
        }
        Fault::ShiftingPages => matches!(route, ListInstances | ListSnapshots),
        Fault::Locked => matches!(route, DestroyInstance | DeleteSnapshot | CreateSnapshot),
        Fault::ActionFails => matches!(route, CreateInstance | CreateSnapshot | DestroyInstance),
        _ => true,
    }
}
