//! Serves the three clouds on the loopback interface, for programs in any language.
//!
//! ```sh
//! cargo run -p spuff-examples --example simulator -- --port 8000 --speed 60
//! ```
//! It prints the environment variables that point the clouds' own tools at it, and runs until
//! Ctrl-C or a signal ends it. With `--until-eof` it also ends when its standard input does, for a
//! parent process that holds the other end. With a command after `--` it instead runs that command
//! with these variables, and ends with it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::io::Read;
use std::process::{Command, ExitCode};

use clap::Parser;
use spuff_core::simulator::{Clock, Cloud, Options, Timings};

/// Serves simulated clouds on the loopback interface: DigitalOcean, Hetzner Cloud and EC2.
#[derive(Parser)]
struct Arguments {
    /// Port; by default a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How many times as fast as real time the clouds' time passes
    #[arg(long, default_value_t = 1.0, conflicts_with = "manual")]
    speed: f64,
    /// Stop the clouds' time; POST /simulator/clock moves it
    #[arg(long)]
    manual: bool,
    /// Seed of the random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Throttle as the real clouds do
    #[arg(long)]
    rate_limits: bool,
    /// Let nothing at the clouds take time: no boot, no lag
    #[arg(long)]
    instant: bool,
    /// End when standard input does
    #[arg(long, conflicts_with = "command")]
    until_eof: bool,
    /// A command to run with the variables set; the simulator ends with it
    #[arg(last = true)]
    command: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let clock = if arguments.manual { Clock::Manual } else { Clock::Fast(arguments.speed) };
    let mut options = Options::default()
        .with_port(arguments.port)
        .with_clock(clock)
        .with_seed(arguments.seed)
        .with_rate_limits(arguments.rate_limits);
    if arguments.instant {
        options = options.with_all_timings(Timings::instant());
    }
    match options.start().and_then(|cloud| run(&cloud, &arguments)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cloud: &Cloud, arguments: &Arguments) -> std::io::Result<ExitCode> {
    let control = ("SPUFF_SIMULATOR", format!("http://{}/simulator", cloud.address()));
    let environment: Vec<_> = cloud.environment().into_iter().chain([control]).collect();
    let Some((program, words)) = arguments.command.split_first() else {
        for (name, value) in &environment {
            println!("export {name}={value}");
        }
        if !arguments.until_eof {
            loop {
                std::thread::park();
            }
        }
        std::io::stdin().read_to_end(&mut Vec::new())?;
        return Ok(ExitCode::SUCCESS);
    };
    let status = Command::new(program).args(words).envs(environment).status()?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
