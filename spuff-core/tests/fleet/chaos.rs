//! Seeded fleets with faults on everything, tokens that expire, clouds that are down for a minute,
//! and callers that leave.
//!
//! `SPUFF_CHAOS_SEED=7` runs that fleet alone, at each cloud.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use spuff_core::fleet::{FleetOptions, Rollback, create_instances};
use spuff_core::provider::{ProviderError, labels};
use spuff_core::simulator::{Fault, Resource, Route};
use spuff_core::{lease, settled};

use super::*;

/// The most machines that a call makes at EC2.
const AT_ONCE: usize = 25;
/// At each cloud.
const FLEETS: u64 = 15;
const OWNER: &str = "chaos";

/// What may go wrong with any request, and how often.
const FAULTS: [(Fault, f64); 9] = [
    (Fault::ReplyLost, 0.03),
    (Fault::ConnectionClosed, 0.03),
    (Fault::Slow { millis: 700 }, 0.005),
    (Fault::ServerError { status: 503, committed: true }, 0.03),
    (Fault::ServerError { status: 500, committed: false }, 0.03),
    (Fault::Truncated, 0.02),
    (Fault::Html { status: 502 }, 0.02),
    (Fault::RateLimited { retry_after: Some(0), headers: true }, 0.03),
    (Fault::Slow { millis: 60 }, 0.05),
];
/// What may go wrong with a machine, and how often. That lists and reads lag is a matter of the
/// clouds' time.
const FATES: [(Fault, f64); 3] =
    [(Fault::CapacityOut, 0.01), (Fault::QuotaReached, 0.01), (Fault::ActionFails, 0.01)];

/// What befalls the whole fleet.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Blow {
    /// Nothing but [`FAULTS`] and [`FATES`].
    None,
    /// The token is not taken any more, after so many requests.
    TokenExpires(u64),
    /// The cloud answers 503 for a minute of its time, from so many milliseconds of real time on.
    Down(u64),
}

/// A fleet, as its seed has it.
#[derive(Debug)]
struct Plan {
    count: usize,
    options: FleetOptions,
    blow: Blow,
    /// When the caller leaves.
    patience: Option<Duration>,
}

impl Plan {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let count = rng.usize(16..=100);
        let rollback =
            [Rollback::Keep, Rollback::DestroyFailed, Rollback::DestroyAll][rng.usize(0..3)];
        let blow = match seed % 3 {
            0 => Blow::None,
            1 => Blow::TokenExpires(rng.u64(1..3 * count as u64)),
            _ => Blow::Down(rng.u64(0..600)),
        };
        let options =
            FleetOptions::default().with_concurrency(rng.usize(1..=32)).with_on_failure(rollback);
        let options = options.with_wait_ready(rng.f64() < 0.7);
        Self {
            count,
            options,
            blow,
            patience: (rng.f64() < 0.4).then(|| Duration::from_millis(rng.u64(0..1500))),
        }
    }
}

/// What a caller was told.
#[derive(Default)]
struct Told {
    /// That it exists.
    there: BTreeSet<String>,
    /// That it may exist.
    perhaps: BTreeSet<String>,
    /// That it does not exist, by id and by name.
    gone: BTreeSet<String>,
    never: BTreeSet<String>,
}

impl Told {
    fn new(requests: &[InstanceRequest], outcomes: &Outcomes) -> (Self, Vec<String>) {
        let mut told = Self::default();
        let mut open = Vec::new();
        for (request, outcome) in requests.iter().zip(outcomes) {
            match outcome {
                Ok(machine) => assert!(told.there.insert(machine.id.clone()), "an id twice"),
                Err(ProviderError::AfterCreate { instance_id, exists, .. }) => {
                    let set = if *exists { &mut told.perhaps } else { &mut told.gone };
                    set.insert(instance_id.clone());
                }
                Err(ProviderError::UnknownOutcome { key, .. }) => open.push(key.clone()),
                Err(_) => drop(told.never.insert(request.name.clone())),
            }
        }
        (told, open)
    }

    /// What is not as the caller was told.
    fn untrue(&self, machines: &[Resource]) -> Vec<String> {
        let known = |id| self.there.contains(id) || self.perhaps.contains(id);
        let mut untrue = Vec::new();
        for machine in machines {
            if !known(&machine.id) {
                untrue.push(format!("the caller does not know of {machine}"));
            }
            if self.gone.contains(&machine.id) || self.never.contains(&machine.name) {
                untrue.push(format!("said not to exist: {machine}"));
            }
        }
        let exists = |id: &&String| machines.iter().any(|machine| machine.id == **id);
        untrue.extend(
            self.there
                .iter()
                .filter(|id| !exists(id))
                .map(|id| format!("said to exist, but gone: {id}")),
        );
        untrue
    }
}

/// One fleet at a cloud of its own. Tells how many machines were left to be known.
async fn fleet(name: &'static str, seed: u64) -> Result<usize, String> {
    let plan = Plan::new(seed);
    let cloud = Options::default().with_clock(Clock::Fast(SPEED)).with_seed(seed).start().unwrap();
    if let Blow::TokenExpires(after) = plan.blow {
        cloud.inject(Fault::Unauthorized.everywhere().at(name).skip(after));
    }
    for (fault, chance) in FAULTS {
        cloud.inject(fault.everywhere().at(name).chance(chance));
    }
    // One that is not waited for may fail after its caller was told that it is there.
    let happens = |fate: &Fault| *fate != Fault::ActionFails || plan.options.wait_ready;
    for (fate, chance) in FATES.into_iter().filter(|(fate, _)| happens(fate)) {
        cloud.inject(fate.everywhere().at(name).on(Route::CreateInstance).chance(chance));
    }
    let short = ProviderTimeouts {
        http_request: Duration::from_millis(500),
        instance_ready: Duration::from_secs(15),
        action_complete: Duration::from_secs(15),
        ..timeouts()
    };
    let provider = provider_with(&cloud, name, short);
    let mut requests = requests(name, plan.count);
    requests.iter_mut().for_each(|request| request.owner = Some(OWNER.to_string()));

    let down = async {
        if let Blow::Down(from) = plan.blow {
            tokio::time::sleep(Duration::from_millis(from)).await;
            // Of several rules the first one strikes.
            cloud.clear_faults();
            cloud
                .inject(Fault::ServerError { status: 503, committed: false }.everywhere().at(name));
            tokio::time::sleep(Duration::from_secs(60).div_f64(SPEED)).await;
            cloud.clear_faults();
        }
    };
    let made = async {
        let made = create_instances(&provider, &requests, plan.options);
        match plan.patience {
            Some(patience) => tokio::time::timeout(patience, made).await.ok(),
            None => Some(made.await),
        }
    };
    let ((), outcomes) = tokio::join!(down, made);
    if matches!(plan.blow, Blow::TokenExpires(_)) {
        // It is renewed in the end: what nobody waits for is tried to be destroyed for longer than
        // a test lasts.
        cloud.clear_faults();
    }
    settled().await;
    cloud.clear_faults();
    let calm = super::provider(&cloud, name);
    lists_have_caught_up().await;

    let told = match &outcomes {
        Some(outcomes) => {
            let (mut told, open) = Told::new(&requests, outcomes);
            for (key, resolved) in
                open.iter().zip(join_all(open.iter().map(|key| calm.resolve(key))).await)
            {
                let found =
                    resolved.map_err(|error| format!("{key} cannot be resolved: {error}"))?;
                told.perhaps.extend(found.map(|machine| machine.id));
            }
            Some(told)
        }
        None => None,
    };
    let owned = lease::list_owned(&*calm, OWNER).await.map_err(|error| error.to_string())?;
    let listed: BTreeSet<_> = owned.into_iter().map(|machine| machine.id).collect();

    let machines: Vec<_> =
        cloud.instances().into_iter().filter(|machine| !machine.ending).collect();
    let mut wrong = told.map_or_else(Vec::new, |told| told.untrue(&machines));
    wrong.extend(
        machines
            .iter()
            .filter(|machine| !listed.contains(&machine.id))
            .map(|it| format!("nobody's: {it}")),
    );
    // Those of one call have a key in common. Each has its name, but on EC2, where a token may
    // expire before it is given one.
    let mut of_key = BTreeMap::new();
    for machine in &machines {
        let key = machine
            .labels
            .get(labels::CREATE_KEY)
            .or_else(|| machine.labels.keys().find(|key| key.starts_with(labels::CREATE_KEY)));
        *of_key.entry((key.cloned().unwrap_or_default(), machine.name.clone())).or_insert(0) += 1;
    }
    let most = |name: &str| if name.is_empty() { AT_ONCE } else { 1 };
    let twice = of_key.into_iter().filter(|((_, name), count)| *count > most(name));
    wrong.extend(twice.map(|((key, name), _)| format!("made twice: {name} of {key}")));
    if outcomes.is_none() && plan.options.on_failure != Rollback::Keep {
        // With nobody there, all have been ended.
        wrong.extend(machines.iter().map(|machine| format!("left behind: {machine}")));
    }
    if wrong.is_empty() {
        Ok(machines.len())
    } else {
        Err(format!("{plan:?}\n{}", wrong.join("\n")))
    }
}

/// Until the clouds' lists show all there is.
async fn lists_have_caught_up() {
    tokio::time::sleep(Duration::from_secs(10).div_f64(SPEED)).await;
}

#[test]
fn whatever_befalls_a_fleet_every_machine_is_known_and_none_is_made_twice() {
    let chosen =
        std::env::var("SPUFF_CHAOS_SEED").ok().map(|seed| seed.parse::<u64>().expect("a number"));
    std::thread::scope(|scope| {
        for name in PROVIDERS {
            scope.spawn(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let mut left = 0;
                let mut fleets = 0;
                for seed in chosen.map_or(0..FLEETS, |seed| seed..seed + 1) {
                    match runtime.block_on(fleet(name, seed)) {
                        Ok(machines) => left += machines,
                        Err(what) => panic!("{name}, replay with SPUFF_CHAOS_SEED={seed}: {what}"),
                    }
                    fleets += 1;
                }
                println!("{name}: {fleets} fleets, {left} machines were left, and known");
            });
        }
    });
}
