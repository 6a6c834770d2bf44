//! How many machines a second are created, waited for and destroyed, and at what CPU time each: by
//! spuff, and by bare `reqwest` making the same HTTP calls, in turns, in one run.
//!
//! The clouds are simulated, with nothing taking time and no limits, and in another process: this
//! one starts itself again to measure, so that only the client's work is counted. What calls a
//! lifecycle takes is read from the cloud's own log. `throughput hetzner` measures at that cloud
//! alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark for a terminal"
)]
#![allow(missing_docs, reason = "not a library")]

mod bare;
mod wire;

use std::fmt;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bare::Bare;
use futures_util::future::join_all;
use rustix::time::{ClockId, clock_gettime};
use spuff_core::provider::{
    InstanceRequest, Provider, ProviderConfig, ProviderInstance, ProviderRegistry,
};
use spuff_core::simulator::{Options, PROVIDERS, Timings};
use tokio::runtime::{Builder, Runtime};

/// Where the one that measures finds the switches of the clouds; also the sign that it is the one.
const SIMULATOR: &str = "SPUFF_SIMULATOR";
const ROUNDS: usize = 15;
/// In each round of each side.
const LIFECYCLES: usize = 160;

/// What a round, or all of a side, has taken.
#[derive(Debug, Clone, Copy)]
struct Spent {
    elapsed: Duration,
    cpu: Duration,
}

impl Spent {
    fn each(self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / LIFECYCLES as f64
    }

    fn a_second(self) -> f64 {
        LIFECYCLES as f64 / self.elapsed.as_secs_f64()
    }
}

/// The CPU time of this process.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

fn timed(runtime: &Runtime, work: impl Future<Output = ()>) -> Spent {
    let cpu_before = cpu();
    let began = Instant::now();
    runtime.block_on(work);
    Spent { elapsed: began.elapsed(), cpu: cpu() - cpu_before }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A request for the next machine; no two have a name in common.
fn request(name: &str) -> InstanceRequest {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let (region, size) = match name {
        "digitalocean" => ("nyc3", "s-1vcpu-1gb"),
        "hetzner" => ("fsn1", "cx22"),
        _ => ("us-east-1", "t3.micro"),
    };
    InstanceRequest::new(format!("web-{:08}", NEXT.fetch_add(1, Relaxed)), region, size)
}

/// A machine's whole life by spuff.
async fn lifecycle(provider: &dyn Provider) -> ProviderInstance {
    let made = provider.create_instance(&request(provider.name())).await.unwrap();
    let ready = provider.wait_ready(&made.id).await.unwrap();
    provider.destroy_instance(&made.id).await.unwrap();
    ready
}

/// So many lives, so many of them at a time.
async fn lives<F: Future<Output = ProviderInstance>>(at_once: usize, live: impl Fn() -> F) {
    let lives = (0..at_once).map(|_| async {
        for _ in 0..LIFECYCLES / at_once {
            assert!(live().await.is_ready());
        }
    });
    join_all(lives).await;
}

struct Line<'a>(&'a str, &'a [Spent]);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = median(self.1.iter().map(|spent| spent.each()).collect());
        let a_second = median(self.1.iter().map(|spent| spent.a_second()).collect());
        write!(f, "{}: {a_second:.0} lifecycles/s, {each:.0} us CPU each", self.0)
    }
}

fn measure(name: &str) {
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let ours = runtime();
    let theirs = runtime();
    let config =
        ProviderRegistry::with_defaults().config_from_env(name, ProviderConfig::default()).unwrap();
    let provider: Arc<dyn Provider> =
        ProviderRegistry::with_defaults().connect(name, config.clone()).unwrap().into();
    let bare = ours.block_on(async {
        // The first one looks up what does not change, such as the image.
        lifecycle(&*provider).await;
        let log = bare::Log::read().await;
        let machine = lifecycle(&*provider).await;
        Bare::new(name, &config, &log.since().await, &machine)
    });
    println!("{name}: {}", bare.calls());

    for (words, at_once) in [("sequential", 1), ("16 at once", 16)] {
        let mut spuff = Vec::new();
        let mut reqwest = Vec::new();
        for round in 0..=ROUNDS {
            let spent = timed(&ours, lives(at_once, || lifecycle(&*provider)));
            let other = timed(&theirs, lives(at_once, || bare.lifecycle()));
            // The first round warms connections and caches.
            if round > 0 {
                spuff.push(spent);
                reqwest.push(other);
            }
        }
        let ratio = |part: fn(Spent) -> f64| {
            median(spuff.iter().zip(&reqwest).map(|(a, b)| part(*a) / part(*b)).collect())
        };
        let cpu = ratio(Spent::each);
        let rate = ratio(Spent::a_second);
        println!("  {}", Line(&format!("spuff {words}"), &spuff));
        println!("  {}", Line(&format!("bare reqwest {words}"), &reqwest));
        println!("  CPU time x{cpu:.2}, rate x{rate:.2}");
    }
}

fn main() -> ExitCode {
    let chosen: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if std::env::var_os(SIMULATOR).is_none() {
        let cloud = Options::default().with_all_timings(Timings::instant()).start().unwrap();
        let control = (SIMULATOR, format!("http://{}/simulator", cloud.address()));
        let mut again = Command::new(std::env::current_exe().unwrap());
        let status = again
            .args(chosen)
            .envs(cloud.environment())
            .env(control.0, control.1)
            .status()
            .unwrap();
        cloud.assert_no_leaks();
        return if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    rustls::crypto::ring::default_provider().install_default().unwrap();
    for name in
        PROVIDERS.iter().filter(|name| chosen.is_empty() || chosen.iter().any(|word| word == *name))
    {
        measure(name);
    }
    ExitCode::SUCCESS
}
