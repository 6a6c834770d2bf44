//! Creates a hundred instances at once, waits for them with a live display, and destroys them.
//!
//! ```sh
//! cargo run -p spuff-examples --example fleet
//! HETZNER_TOKEN=… cargo run -p spuff-examples --example fleet -- \
//!     --provider hetzner --region fsn1 --size cx22 --count 20
//! ```
//! Without a provider it runs against a simulated cloud in its own process. With one it creates
//! real instances, and destroys them even if some fail or Ctrl-C interrupts it.

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

/// Creates many instances, waits until they are ready, and destroys them.
#[derive(Parser)]
struct Options {
    /// A real provider, such as hetzner, or docker for an engine on this computer; by default a
    /// simulated cloud
    #[arg(long, requires_all = ["region", "size"])]
    provider: Option<String>,
    #[arg(long, default_value = "fsn1")]
    region: String,
    #[arg(long, default_value = "cx22")]
    size: String,
    /// Number of instances
    #[arg(long, default_value_t = 100)]
    count: usize,
    /// Number of creates, or destroys, in flight at once
    #[arg(long, default_value_t = 16)]
    concurrency: usize,
    /// Prefix of the instances' names
    #[arg(long, default_value = "fleet")]
    name: String,
    /// Their owner, by which `reap` destroys them if this program is killed
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

/// Returns whether every create and destroy succeeded.
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
    // A dropped fleet destroys its instances in the background.
    settled().await;
    if let Some(cloud) = cloud {
        cloud.assert_no_leaks();
        println!("{} requests were sent, and no resource is left", cloud.request_count(SIMULATED));
    }
    Ok(well)
}

/// Creates the fleet and destroys it.
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
    let mut screen = Screen::new("creating", options.count);
    let made = observe(create_instances(provider, &requests, fleet), |event| screen.show(&event));
    let made = tokio::select! {
        made = made => made,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("interrupted: destroying what was created");
            return false;
        }
    };
    screen.end();
    let ids: Vec<_> = made.iter().flatten().map(|instance| instance.id.clone()).collect();

    let mut screen = Screen::new("destroying", ids.len());
    let gone = observe(destroy_instances(provider, &ids, options.concurrency), |event| {
        screen.show(&event)
    })
    .await;
    screen.end();
    ids.len() == options.count && gone.iter().all(Result::is_ok)
}

/// A progress bar.
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
            ProgressStyle::with_template("{prefix:10} {wide_bar} {pos}/{len} {elapsed} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { what, bar, accepted: 0, done: 0, failed: 0 }
    }

    fn show(&mut self, event: &Progress) {
        match event.phase {
            Phase::Accepted => self.accepted += 1,
            Phase::Ready | Phase::Destroyed => self.done += 1,
            Phase::Failed => {
                self.failed += 1;
                self.bar.suspend(|| {
                    eprintln!(
                        "{} {} {:.1} s: {}",
                        event.name,
                        event.id,
                        event.elapsed.as_secs_f64(),
                        event.state
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
        println!("{:10} {} done, {} failed in {seconds:.1} s", self.what, self.done, self.failed);
    }
}

/// The provider that is simulated by default, and how many times as fast its time passes.
const SIMULATED: &str = "hetzner";
const SPEED: f64 = 30.0;

fn simulate() -> Result<Cloud, ProviderError> {
    println!(
        "no --provider is given: this is a simulated Hetzner Cloud inside this process, with no \
         computer behind it and"
    );
    println!(
        "nothing to pay; its time passes {SPEED} times as fast. For real instances, and real money:"
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
