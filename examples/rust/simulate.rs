//! Runs random programs against simulated clouds, with faults, and reports each result that differs
//! from what is true.
//!
//! `cargo run -p spuff-examples --release --features simulation --example simulate -- --seeds 1000`

#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use std::error::Error;
use std::time::{Duration, Instant};

use clap::{Parser, value_parser};
use spuff_core::simulation::{Coverage, Plan, Report, play, shrink};
use spuff_core::simulator::{PROVIDERS, simulated};

/// Runs random programs against simulated clouds, each from a seed, and reports each result of the
/// library that differs from what is true.
#[derive(Parser)]
struct Arguments {
    /// The first seed; by default a random one.
    #[arg(long, value_parser = value_parser!(u64).range(..1 << 62))]
    first: Option<u64>,
    /// Number of runs.
    #[arg(long, default_value_t = 1000, value_parser = value_parser!(u64).range(1..))]
    seeds: u64,
    /// Stop after this many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// The cloud: digitalocean, hetzner or aws; by default the seed chooses one, or all.
    #[arg(long, value_parser = PROVIDERS)]
    cloud: Option<String>,
    /// Number of steps in a run.
    #[arg(long, default_value_t = 150)]
    steps: usize,
    /// Plays only the first seed's run, and prints each step of it.
    #[arg(long)]
    log: bool,
    /// Prints which operations met which faults, and the outcomes.
    #[arg(long)]
    table: bool,
    /// Stop after this many runs with a finding.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u64).range(1..))]
    findings: u64,
    /// Highest number of runs to shorten a finding in; 0 does not shorten it.
    #[arg(long, default_value_t = 300)]
    shrink: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let cloud = arguments.cloud.as_deref().map(simulated).transpose()?;
    let first = arguments.first.unwrap_or_else(|| fastrand::u64(..1 << 40));
    if arguments.log {
        let report = play(&Plan::of_seed(first, cloud, arguments.steps), true);
        report.log.iter().for_each(|line| println!("{line}"));
        report.findings.iter().for_each(|finding| println!("FOUND {finding}"));
        return verdict(report.findings.len());
    }
    let (began, mut steps, mut played, mut found, mut coverage) =
        (Instant::now(), 0, 0, 0, Coverage::default());
    for seed in (first..).take(usize::try_from(arguments.seeds)?) {
        let plan = Plan::of_seed(seed, cloud, arguments.steps);
        let report = play(&plan, false);
        steps += report.steps;
        played += 1;
        coverage.merge(&report.coverage);
        if !report.findings.is_empty() {
            found += 1;
            print_findings(seed, &plan, &report, arguments.shrink);
        }
        let is_over = arguments
            .seconds
            .is_some_and(|seconds| began.elapsed() >= Duration::from_secs(seconds));
        if is_over || found >= arguments.findings {
            break;
        }
    }
    if arguments.table {
        print!("{coverage}\nmet less than a hundred times, of what can meet:\n");
        let rare = coverage.rarer_than(100);
        rare.iter()
            .for_each(|(verb, fault, count)| println!("  {:24}{fault:24}{count:>4}", verb.name()));
    }
    let seconds = began.elapsed().as_secs_f64();
    let clouds = cloud.map_or_else(|| PROVIDERS.join(", "), str::to_string);
    println!(
        "{clouds}: seeds {first} to {}: {steps} steps in {seconds:.1} s, {:.0} a second",
        first + played - 1,
        steps as f64 / seconds
    );
    verdict(found as usize)
}

/// Prints the findings of a run, and a shorter run that has findings too.
fn print_findings(seed: u64, plan: &Plan, report: &Report, most: usize) {
    println!("seed {seed}: {} findings", report.findings.len());
    report.findings.iter().for_each(|finding| println!("  {finding}"));
    if most > 0 {
        let (short, runs) = shrink(plan, most, |plan| !play(plan, false).findings.is_empty());
        let report = play(&short, true);
        println!("shortened in {runs} runs to {} steps:", short.len());
        report.log.iter().for_each(|line| println!("  {line}"));
        report.findings.iter().for_each(|finding| println!("  FOUND {finding}"));
    }
}

fn verdict(found: usize) -> Result<(), Box<dyn Error>> {
    if found == 0 { Ok(()) } else { Err(format!("{found} found").into()) }
}
