//! Many seeded creates with faults on everything, and callers that leave at random.
//!
//! `SPUFF_CHAOS_SEED=77` runs that batch alone, at each cloud.

use std::collections::{BTreeMap, BTreeSet};

use spuff_core::lease;
use spuff_core::provider::{ProviderError, labels};
use spuff_core::settled;
use spuff_core::simulator::{Fault, Route};
use tokio::task::JoinSet;

use super::*;

const CREATES: usize = 2000;
const AT_ONCE: usize = 16;
/// How many looks some of the new machines are hidden for.
const HIDDEN_READS: u32 = 3;
const OWNER: &str = "chaos";

/// What may go wrong with any request, and how often.
const FAULTS: [(Fault, f64); 9] = [
    (Fault::ReplyLost, 0.06),
    (Fault::ConnectionClosed, 0.03),
    (Fault::Slow { millis: 700 }, 0.01),
    (Fault::ServerError { status: 503, committed: true }, 0.04),
    (Fault::ServerError { status: 500, committed: false }, 0.03),
    (Fault::Truncated, 0.03),
    (Fault::Html { status: 502 }, 0.02),
    (Fault::RateLimited { retry_after: Some(0), headers: true }, 0.03),
    (Fault::Slow { millis: 60 }, 0.05),
];

/// One batch: so many creates at once at one cloud of their own.
async fn batch(name: &'static str, seed: u64) -> Result<(), String> {
    let cloud = Options::default().with_clock(Clock::Fast(SPEED)).with_seed(seed).start().unwrap();
    for (fault, chance) in FAULTS {
        cloud.inject(fault.everywhere().at(name).chance(chance));
    }
    cloud.inject(
        Fault::NotYetVisible { reads: HIDDEN_READS }
            .everywhere()
            .at(name)
            .on(Route::CreateInstance)
            .chance(0.1),
    );
    let short = ProviderTimeouts { http_request: Duration::from_millis(500), ..timeouts() };
    // Real seconds: a busy computer may carry a request for longer than it would be on its way.
    let config = cloud.config(name).with_timeouts(short).with_option("settling", "1.5");
    let provider: Arc<dyn Provider> =
        ProviderRegistry::with_defaults().connect(name, config).unwrap().into();

    let mut rng = fastrand::Rng::with_seed(seed);
    let mut creates = JoinSet::new();
    for number in 0..AT_ONCE {
        let patience = (rng.f64() < 0.25).then(|| Duration::from_millis(rng.u64(0..400)));
        let (provider, request) =
            (provider.clone(), request(name, &format!("m-{number}")).with_owner(OWNER));
        creates.spawn(async move {
            let create = provider.create_instance(&request);
            let created = match patience {
                Some(patience) => tokio::time::timeout(patience, create).await.ok(),
                None => Some(create.await),
            };
            (request.name.clone(), created)
        });
    }
    let mut known = BTreeSet::new();
    let mut open = Vec::new();
    let mut refused = Vec::new();
    while let Some(created) = creates.join_next().await {
        let (name, created) = created.unwrap();
        match created {
            Some(Ok(machine)) => assert!(known.insert(machine.id), "an id twice"),
            Some(Err(ProviderError::UnknownOutcome { key, .. })) => open.push(key),
            // Such as a rate limit that lasted: it is certain that nothing was made.
            Some(Err(_)) => refused.push(name),
            None => {}
        }
    }
    settled().await;
    cloud.clear_faults();
    let calm = super::provider(&cloud, name);
    for key in open {
        let resolved = calm
            .resolve(&key)
            .await
            .map_err(|error| format!("{key} cannot be resolved: {error}"))?;
        known.extend(resolved.map(|machine| machine.id));
    }
    lists_have_caught_up().await;
    let mut listed = BTreeSet::new();
    for _ in 0..=HIDDEN_READS {
        let owned = lease::list_owned(&*calm, OWNER).await.map_err(|error| error.to_string())?;
        listed.extend(owned.into_iter().map(|machine| machine.id));
    }

    let machines: Vec<_> =
        cloud.instances().into_iter().filter(|machine| !machine.ending).collect();
    let unknown: Vec<_> = machines
        .iter()
        .filter(|machine| !known.contains(&machine.id) && !listed.contains(&machine.id))
        .collect();
    let mut of_key = BTreeMap::new();
    for machine in &machines {
        let key = machine
            .labels
            .get(labels::CREATE_KEY)
            .or_else(|| machine.labels.keys().find(|key| key.starts_with(labels::CREATE_KEY)));
        *of_key.entry(key.cloned().unwrap_or_default()).or_insert(0) += 1;
    }
    let twice: Vec<_> = of_key.iter().filter(|(_, count)| **count > 1).collect();
    let missing: Vec<_> =
        known.iter().filter(|id| machines.iter().all(|machine| machine.id != **id)).collect();
    let denied: Vec<_> =
        machines.iter().filter(|machine| refused.contains(&machine.name)).collect();
    if unknown.is_empty() && twice.is_empty() && missing.is_empty() && denied.is_empty() {
        return Ok(());
    }
    Err(format!(
        "unknown to all: {unknown:?}; made twice: {twice:?}; told to the caller but not there: \
         {missing:?}; \
         said not to have been made: {denied:?}"
    ))
}

#[test]
fn nothing_is_made_twice_or_lost() {
    let chosen =
        std::env::var("SPUFF_CHAOS_SEED").ok().map(|seed| seed.parse::<u64>().expect("a number"));
    let batches = (CREATES / AT_ONCE) as u64;
    std::thread::scope(|scope| {
        for (name, share) in
            PROVIDERS.into_iter().flat_map(|name| (0..SHARES).map(move |share| (name, share)))
        {
            scope.spawn(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                for seed in
                    chosen.map_or(0..batches, |seed| seed..seed + 1).skip(share).step_by(SHARES)
                {
                    if let Err(what) = runtime.block_on(batch(name, seed)) {
                        panic!("{name}, replay with SPUFF_CHAOS_SEED={seed}: {what}");
                    }
                }
            });
        }
    });
    println!("{} creates at each cloud", batches * AT_ONCE as u64);
}
