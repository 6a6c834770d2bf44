//! Programs that are killed in the middle of their creates, and others that clean up after them.

use std::process::{Command, Output, Stdio};

use super::*;

/// At each cloud: a hundred in all.
const ROUNDS: u64 = 34;
const MACHINES: &str = "50";

/// An example, wired to a cloud; `cargo test` has built it beside this program.
fn example(cloud: &Cloud, program: &str, name: &str) -> Command {
    let path = std::env::current_exe().unwrap();
    let path = path.parent().unwrap().with_file_name("examples").join(program);
    assert!(path.exists(), "{} is not built; run `cargo test` without choosing a target", path.display());
    let mut command = Command::new(path);
    command.envs(cloud.environment()).args(["--provider", name]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn create_many(cloud: &Cloud, name: &str, more: &[&str]) -> Command {
    let (region, size) = place(name);
    let mut command = example(cloud, "create_many", name);
    command.args(["--region", region, "--size", size, "--owner", "crash"]).args(more);
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A program is killed at a random point; another one finds all that it has made, and ends it. Tells whether it had made
/// some.
fn round(name: &str, seed: u64) -> bool {
    let cloud = Options::default().with_clock(Clock::Fast(SPEED)).with_seed(seed).start().unwrap();
    let mut child = create_many(&cloud, name, &["--count", MACHINES]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(fastrand::Rng::with_seed(seed).u64(10..150)));
    child.kill().unwrap();
    child.wait().unwrap();
    // What was on its way arrives, and the clouds' lists catch up.
    std::thread::sleep(Duration::from_secs(10).div_f64(SPEED));
    let left = alive(&cloud);

    let output = example(&cloud, "reap", name).args(["--owner", "crash"]).output().unwrap();
    let told = text(&output);
    assert!(output.status.success(), "{name}, round {seed}: {told}");
    for id in &left {
        assert!(told.contains(id), "{name}, round {seed}: {id} is not among\n{told}");
    }
    cloud.assert_no_leaks();
    !left.is_empty()
}

#[test]
fn a_killed_program_leaves_nothing_that_cannot_be_found() {
    let made_some: usize = std::thread::scope(|scope| {
        let rounds = PROVIDERS.map(|name| scope.spawn(move || (0..ROUNDS).filter(|seed| round(name, *seed)).count()));
        rounds.into_iter().map(|rounds| rounds.join().unwrap()).sum()
    });
    println!("{made_some} of {} programs were killed after they had made something", 3 * ROUNDS);
    assert!(made_some > 25);
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
            let (one, two) = (run().spawn().unwrap(), run().spawn().unwrap());
            (one.wait_with_output().unwrap(), two.wait_with_output().unwrap())
        };
        let (mut first, mut second) = (ids(&one), ids(&two));
        first.sort();
        second.sort();
        assert_eq!((&first, &second), (&alive(&cloud), &first), "{name}: {}{}", text(&one), text(&two));
        assert_eq!(first.len(), 4, "{name}");
    }
}
