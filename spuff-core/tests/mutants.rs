//! What judges mutants beside the unit tests: programs at simulated clouds, for as long as the
//! environment says, from seeds that are always the same. `tests/mutants/run` runs it.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::time::{Duration, Instant};

use spuff_core::simulation::{Plan, play};
use spuff_core::simulator::simulated;

/// For how many seconds.
const SECONDS: &str = "SPUFF_TEST_SECONDS";
/// How long a run is.
const STEPS: usize = 150;
/// Where the runs of each cloud begin.
const FIRSTS: [(&str, u64); 6] = [
    ("hetzner", 1),
    ("digitalocean", 1),
    ("aws", 1),
    ("hetzner", 200),
    ("digitalocean", 100_000),
    ("aws", 100_000),
];

#[test]
fn nothing_is_found_in_the_time_there_is() {
    let began = Instant::now();
    let time =
        Duration::from_secs(std::env::var(SECONDS).map_or(1, |seconds| seconds.parse().unwrap()));
    for (cloud, seed) in (0..).flat_map(|round| FIRSTS.map(|(cloud, first)| (cloud, first + round)))
    {
        let findings =
            play(&Plan::of_seed(seed, Some(simulated(cloud).unwrap()), STEPS), false).findings;
        assert!(findings.is_empty(), "seed {seed} of {cloud}: {findings:#?}");
        if began.elapsed() >= time {
            break;
        }
    }
}
