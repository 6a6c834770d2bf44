//! Programs at simulated clouds, whole: each run from a seed, in a process of its own, as what a
//! library holds for its whole process would make one run of another.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that panics has failed, and prints what it found"
)]

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use spuff_core::simulation::{Plan, play, shrink};
use spuff_core::simulator::{PROVIDERS, simulated};

/// How long a run is.
const STEPS: usize = 150;
/// What a process that plays is told: the cloud or `all`, the first seed, how many, and whether to
/// print what happens.
const PLAY: &str = "SPUFF_TEST_PLAY";

/// Runs of which each finds a fault when it is put back.
const FOUND: [(&str, u64); 13] = [
    // Another region that is not asked, by a verb and by a key.
    ("aws", 2),
    ("aws", 111),
    // A key of the caller's that is a pattern to a filter.
    ("aws", 6),
    // Two accounts of one program, taken for one.
    ("aws", 9),
    ("hetzner", 24),
    // A key whose creates under way this process does not know.
    ("digitalocean", 1),
    // A snapshot that is followed only as long as its caller waits.
    ("digitalocean", 8),
    // What has no age, taken for old.
    ("hetzner", 8),
    // What was adopted, rolled back.
    ("hetzner", 3),
    // One empty look, believed.
    ("hetzner", 43),
    // A look that fails, taken for the end of a wait.
    ("hetzner", 283),
    // A destroy that nobody waits for, given up when the token is refused.
    ("hetzner", 61),
    // An action that two calls may have begun, taken for the one's that looked first.
    ("digitalocean", 502_267),
];

/// Plays in a process of its own what the environment says; alone, one run.
#[test]
fn plays() {
    let told = std::env::var(PLAY).unwrap_or_else(|_| "hetzner 1 1 quiet".to_string());
    let words: Vec<&str> = told.split(' ').collect();
    let cloud = (words[0] != "all").then(|| simulated(words[0]).unwrap());
    let (first, count, prints): (u64, u64, bool) =
        (words[1].parse().unwrap(), words[2].parse().unwrap(), words[3] == "log");
    let mut steps = 0;
    for seed in first..first + count {
        let plan = Plan::of_seed(seed, cloud, STEPS);
        let report = play(&plan, prints);
        report.log.iter().for_each(|line| println!("{line}"));
        steps += report.steps;
        if !report.findings.is_empty() {
            let (short, _) = shrink(&plan, 200, |plan| !play(plan, false).findings.is_empty());
            let short = play(&short, true);
            panic!(
                "seed {seed} of {}: {:#?}\nshortened:\n{}\n{:#?}",
                words[0],
                report.findings,
                short.log.join("\n"),
                short.findings
            );
        }
    }
    assert!(steps > count * 50, "{steps} steps in {count} runs");
}

fn played(cloud: &str, first: u64, count: u64, form: &str) -> Output {
    let here = std::env::current_exe().unwrap();
    Command::new(here)
        .args(["plays", "--exact", "--nocapture", "--test-threads=1"])
        .env(PLAY, format!("{cloud} {first} {count} {form}"))
        .output()
        .unwrap()
}

#[track_caller]
fn finds_nothing(cloud: &str, first: u64, count: u64) {
    let Output { status, stdout, stderr } = played(cloud, first, count, "quiet");
    assert!(
        status.success(),
        "{}{}",
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr)
    );
}

#[test]
fn two_processes_with_one_seed_write_the_same_log() {
    for (seed, cloud) in
        PROVIDERS.into_iter().chain(["all"]).enumerate().map(|(at, cloud)| (at as u64 + 71, cloud))
    {
        let lines = || {
            let told = String::from_utf8(played(cloud, seed, 1, "log").stdout).unwrap();
            // What the test harness says of its own time is not of the run.
            told.lines()
                .filter(|line| !line.starts_with("test result"))
                .map(str::to_string)
                .collect::<Vec<_>>()
        };
        let one = lines();
        let other = lines();
        assert!(one.len() > 300, "{} lines", one.len());
        let differs = one.iter().zip(&other).find(|(one, other)| one != other);
        assert_eq!((differs, one.len()), (None, other.len()), "{cloud}, seed {seed}");
    }
}

#[test]
fn what_was_found_and_mended_is_not_found_again() {
    for (cloud, seed) in FOUND {
        finds_nothing(cloud, seed, 1);
    }
}

/// Seeds that come from the sources: one commit has one verdict, and the next one other runs.
#[test]
fn programs_at_digitalocean() {
    finds_nothing("digitalocean", seed_of_sources(), 110);
}

#[test]
fn programs_at_hetzner() {
    finds_nothing("hetzner", seed_of_sources(), 140);
}

#[test]
fn programs_at_aws() {
    finds_nothing("aws", seed_of_sources(), 50);
}

#[test]
fn programs_at_all_clouds() {
    finds_nothing("all", seed_of_sources(), 40);
}

fn seed_of_sources() -> u64 {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in &files {
        hasher.write(&std::fs::read(file).unwrap());
    }
    assert!(files.len() > 200, "{} files", files.len());
    hasher.finish() >> 24
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

#[test]
fn a_run_is_shortened_to_what_it_takes() {
    let plan = Plan::of_seed(1, None, STEPS);
    let is_wanted = |plan: &Plan| format!("{plan:?}").matches("Destroy,").count() >= 2;
    assert!(is_wanted(&plan));
    let (short, runs) = shrink(&plan, 1000, is_wanted);
    assert_eq!(short.len(), 2, "{short:?}");
    assert!(runs < 100, "{runs}");
}
