//! Programs that are killed in the middle of their creates, and others that clean up after them.

use std::process::{Command, Output};

use super::killed::{example, kill_and_reap, text};
use super::*;

/// At each cloud: a hundred in all.
const ROUNDS: u64 = 34;
const MACHINES: &str = "50";

fn create_many(cloud: &Cloud, name: &str, more: &[&str]) -> Command {
    let (region, size) = place(name);
    let mut command = example(cloud, "create_many", name);
    command.args(["--region", region, "--size", size]).args(more);
    command
}

/// A program is killed at a random point; another one finds all that it has made, and ends it.
/// Tells whether it had made some.
fn round(name: &str, seed: u64) -> bool {
    let cloud = Options::default().with_clock(Clock::Fast(SPEED)).with_seed(seed).start().unwrap();
    // Most of them when they have begun, whatever else goes on here.
    let once_begun = !seed.is_multiple_of(4);
    let after = Duration::from_millis(fastrand::Rng::with_seed(seed).u64(0..120));
    kill_and_reap(
        &cloud,
        &mut create_many(&cloud, name, &["--count", MACHINES]),
        name,
        once_begun,
        after,
        SPEED,
    ) > 0
}

#[test]
fn a_killed_program_leaves_nothing_that_cannot_be_found() {
    let made_some: usize = std::thread::scope(|scope| {
        let shares =
            PROVIDERS.into_iter().flat_map(|name| (0..SHARES).map(move |share| (name, share)));
        let play = |(name, share)| {
            move || {
                (0..ROUNDS).skip(share).step_by(SHARES).filter(|seed| round(name, *seed)).count()
            }
        };
        let rounds: Vec<_> = shares.map(|share| scope.spawn(play(share))).collect();
        rounds.into_iter().map(|rounds| rounds.join().unwrap()).sum()
    });
    println!("{made_some} of {} programs were killed after they had made something", 3 * ROUNDS);
    assert!(made_some > 50);
}

/// The ids that a program has printed.
fn ids(output: &Output) -> Vec<String> {
    let lines = String::from_utf8_lossy(&output.stdout);
    lines.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_string).collect()
}

#[test]
fn two_programs_with_the_same_keys_make_each_machine_once() {
    for name in PROVIDERS {
        let cloud = cloud();
        let run = || create_many(&cloud, name, &["--count", "4", "--key", "order"]);
        let (one, two) = if name == "digitalocean" {
            // One after the other; at once, nothing there keeps a second machine out.
            let one = run().output().unwrap();
            std::thread::sleep(Duration::from_secs(10).div_f64(SPEED));
            (one, run().output().unwrap())
        } else {
            let one = run().spawn().unwrap();
            let two = run().spawn().unwrap();
            (one.wait_with_output().unwrap(), two.wait_with_output().unwrap())
        };
        let mut first = ids(&one);
        let mut second = ids(&two);
        first.sort();
        second.sort();
        assert_eq!(
            (&first, &second),
            (&alive(&cloud), &first),
            "{name}: {}{}",
            text(&one),
            text(&two)
        );
        assert_eq!(first.len(), 4, "{name}");
    }
}
