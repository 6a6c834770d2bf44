//! A hundred machines at once: started, waited for with a live display, and ended.
//!
//! ```sh
//! cargo run -p spuff-examples --example fleet
//! HETZNER_TOKEN=… cargo run -p spuff-examples --example fleet -- \
//!     --provider hetzner --region fsn1 --size cx22 --count 20
//! ```
//! Without a provider it runs against a simulated cloud in its own process. With one it starts real
//! machines there, and ends them: also when some fail, and after Ctrl-C.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use spuff_core::fleet::{FleetOptions, Rollback, create_instances, destroy_instances};
use spuff_core::provider::{
    InstanceRequest, Provider, ProviderConfig, ProviderError, ProviderRegistry,
};
use spuff_core::simulator::{Clock, Cloud, Options as CloudOptions};
use spuff_core::{Phase, Progress, observe, settled};

/// Starts many machines, waits until they are ready, and ends them.
#[derive(Parser)]
struct Options {
    /// A real one, such as hetzner, or docker for an engine on this computer; a simulated cloud by
    /// default
    #[arg(long, requires_all = ["region", "size"])]
    provider: Option<String>,
    #[arg(long, default_value = "fsn1")]
    region: String,
    #[arg(long, default_value = "cx22")]
    size: String,
    /// How many
    #[arg(long, default_value_t = 100)]
    count: usize,
    /// How many creates, or destroys, are under way at once
    #[arg(long, default_value_t = 16)]
    concurrency: usize,
    /// What the machines' names begin with
    #[arg(long, default_value = "fleet")]
    name: String,
    /// Whose they are: `reap` ends what is left when this program is killed
    #[arg(long, default_value = "example-fleet")]
    owner: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}\n       {}", error.advice());
            ExitCode::FAILURE
        }
    }
}

/// Tells whether all went well.
async fn run(options: Options) -> Result<bool, ProviderError> {
    let registry = ProviderRegistry::with_defaults();
    let (config, cloud) = match &options.provider {
        Some(provider) => (registry.config_from_env(provider, ProviderConfig::default())?, None),
        None => {
            let cloud = simulate()?;
            (cloud.config(SIMULATED), Some(cloud))
        }
    };
    let provider =
        registry.connect(options.provider.as_deref().unwrap_or(SIMULATED), config)?.into();

    let well = live(&provider, &options).await;
    // Of a fleet that was dropped in the middle, the machines end in the background.
    settled().await;
    if let Some(cloud) = cloud {
        cloud.assert_no_leaks();
        println!("{} requests were sent, and nothing is left", cloud.request_count(SIMULATED));
    }
    Ok(well)
}

/// The life of the fleet.
async fn live(provider: &Arc<dyn Provider>, options: &Options) -> bool {
    let requests: Vec<_> = (0..options.count)
        .map(|number| {
            InstanceRequest::new(
                format!("{}-{number}", options.name),
                &options.region,
                &options.size,
            )
        })
        .map(|request| request.with_owner(&options.owner).with_ttl(Duration::from_secs(3600)))
        .collect();
    let fleet = FleetOptions::default()
        .with_concurrency(options.concurrency)
        .with_on_failure(Rollback::DestroyFailed)
        .with_wait_ready(true);
    let mut screen = Screen::new("starting", options.count);
    let made = observe(create_instances(provider, &requests, fleet), |seen| screen.show(&seen));
    let made = tokio::select! {
        made = made => made,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("interrupted: what was started is being ended");
            return false;
        }
    };
    screen.end();
    let ids: Vec<_> = made.iter().flatten().map(|machine| machine.id.clone()).collect();

    let mut screen = Screen::new("ending", ids.len());
    let gone =
        observe(destroy_instances(provider, &ids, options.concurrency), |seen| screen.show(&seen))
            .await;
    screen.end();
    ids.len() == options.count && gone.iter().all(Result::is_ok)
}

/// What is shown while it goes on.
struct Screen {
    what: &'static str,
    bar: ProgressBar,
    accepted: usize,
    done: usize,
    failed: usize,
}

impl Screen {
    fn new(what: &'static str, count: usize) -> Self {
        let bar = ProgressBar::new(count as u64).with_prefix(what);
        let style =
            ProgressStyle::with_template("{prefix:9} {wide_bar} {pos}/{len} {elapsed} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { what, bar, accepted: 0, done: 0, failed: 0 }
    }

    fn show(&mut self, seen: &Progress) {
        match seen.phase {
            Phase::Accepted => self.accepted += 1,
            Phase::Ready | Phase::Destroyed => self.done += 1,
            Phase::Failed => {
                self.failed += 1;
                self.bar.suspend(|| {
                    eprintln!(
                        "{} {} {:.1} s: {}",
                        seen.name,
                        seen.id,
                        seen.elapsed.as_secs_f64(),
                        seen.state
                    )
                });
            }
            _ => {}
        }
        self.bar.set_position((self.done + self.failed) as u64);
        self.bar.set_message(format!(
            "{} booting, {} failed",
            self.accepted.saturating_sub(self.done + self.failed),
            self.failed
        ));
    }

    fn end(self) {
        let seconds = self.bar.elapsed().as_secs_f64();
        self.bar.finish_and_clear();
        println!("{:9} {} done, {} failed in {seconds:.1} s", self.what, self.done, self.failed);
    }
}

/// The cloud that there is without an account, and how many times as fast its time goes.
const SIMULATED: &str = "hetzner";
const SPEED: f64 = 30.0;

fn simulate() -> Result<Cloud, ProviderError> {
    println!(
        "no --provider is given: this is a simulated Hetzner Cloud inside this process, with no \
         machine behind it and"
    );
    println!(
        "nothing to pay; its time goes {SPEED} times as fast. For real machines, and real money:"
    );
    println!(
        "  HETZNER_TOKEN=… cargo run -p spuff-examples --example fleet -- --provider hetzner \
         --region fsn1 --size cx22 --count 3\n"
    );
    let started = CloudOptions::default().with_clock(Clock::Fast(SPEED)).start();
    started.map_err(|error| ProviderError::Other {
        message: format!("the simulated cloud cannot start: {error}"),
    })
}
