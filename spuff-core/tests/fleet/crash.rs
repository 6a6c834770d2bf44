//! A program that is killed in the middle of its fleet, and another one that cleans up after it.

#[cfg(unix)]
use std::process::Command;

use super::killed::{example, kill_and_reap, text};
use super::*;

/// At each cloud.
const ROUNDS: u64 = 6;

/// Tells how many machines were left by the killed program.
fn round(name: &str, seed: u64) -> usize {
    let cloud = Options::default().with_clock(Clock::Fast(SPEED)).with_seed(seed).start().unwrap();
    let (region, size) = place(name);
    let mut program = example(&cloud, "fleet", name);
    program.args(["--region", region, "--size", size, "--count", "60"]);
    let after = Duration::from_millis(fastrand::Rng::with_seed(seed).u64(0..300));
    kill_and_reap(&cloud, &mut program, name, true, after, SPEED)
}

#[test]
fn a_killed_fleet_leaves_nothing_that_cannot_be_found() {
    let left: usize = std::thread::scope(|scope| {
        let rounds = PROVIDERS.map(|name| {
            scope.spawn(move || (0..ROUNDS).map(|seed| round(name, seed)).sum::<usize>())
        });
        rounds.into_iter().map(|rounds| rounds.join().unwrap()).sum()
    });
    println!("{left} machines were left by {} fleets, and found", 3 * ROUNDS);
    assert!(left > 100);
}

/// The example by itself: all that it starts, it ends.
#[test]
fn a_fleet_that_is_not_killed_leaves_nothing() {
    for name in PROVIDERS {
        let cloud = cloud();
        let (region, size) = place(name);
        let output = example(&cloud, "fleet", name)
            .args(["--region", region, "--size", size, "--count", "5"])
            .output()
            .unwrap();
        let told = text(&output);
        assert!(output.status.success() && told.contains("5 done, 0 failed"), "{name}: {told}");
        cloud.assert_no_leaks();
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_fleet_ends_what_it_has_started() {
    for name in PROVIDERS {
        let cloud = cloud();
        let (region, size) = place(name);
        let mut program = example(&cloud, "fleet", name);
        let child =
            program.args(["--region", region, "--size", size, "--count", "60"]).spawn().unwrap();
        while alive(&cloud).len() < 5 {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(
            Command::new("kill")
                .args(["-INT", &child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        let output = child.wait_with_output().unwrap();
        let told = text(&output);
        assert!(output.status.code() == Some(1) && told.contains("interrupted"), "{name}: {told}");
        cloud.assert_no_leaks();
    }
}
