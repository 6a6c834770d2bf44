//! The whole life of an instance: create, wait, list, snapshot, restore from the snapshot, destroy.
//!
//! ```sh
//! cargo run -p spuff-examples --example lifecycle
//! cargo run -p spuff-examples --example lifecycle -- --provider docker
//! HETZNER_TOKEN=… cargo run -p spuff-examples --example lifecycle -- --provider hetzner
//! ```
//! Without a provider it runs against a simulated cloud in its own process. With one it creates
//! real instances, or containers on this computer, and destroys them even after a failure or
//! Ctrl-C.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::future::Future;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use spuff_core::provider::{
    ImageSpec, InstanceRequest, Provider, ProviderConfig, ProviderError, ProviderInstance,
    ProviderRegistry,
};
use spuff_core::simulator::{Clock, Cloud, Options as CloudOptions};

/// Runs the whole life of an instance at a provider, and cleans up.
#[derive(Parser)]
struct Options {
    /// digitalocean, hetzner or aws for a real cloud, docker for an engine on this computer; by
    /// default a simulated cloud
    #[arg(long)]
    provider: Option<String>,
    /// The API's base URL or the engine's address, in place of the provider's own
    #[arg(long, requires = "provider")]
    endpoint: Option<String>,
    /// Region or location; by default a common one, or the provider's default
    #[arg(long)]
    region: Option<String>,
    /// Size or type; by default the smallest common one, or the provider's default
    #[arg(long)]
    size: Option<String>,
    /// ubuntu:24.04, debian:12, snapshot:ID, or the provider's own id
    #[arg(long, default_value = "ubuntu:24.04")]
    image: ImageSpec,
    /// Name of the instance and its snapshot; by default it holds the process id
    #[arg(long)]
    name: Option<String>,
    /// Seconds to wait for an instance to become ready
    #[arg(long, default_value_t = 300)]
    ready_timeout: u64,
    /// Skip the snapshot and the restored instance
    #[arg(long)]
    no_snapshot: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}\n       {}", error.advice());
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), ProviderError> {
    let ready_timeout = Duration::from_secs(options.ready_timeout);
    let registry = ProviderRegistry::with_defaults();
    let (mut config, cloud) = match &options.provider {
        Some(provider) => {
            let mut config = ProviderConfig::default();
            config.endpoint = options.endpoint;
            (registry.config_from_env(provider, config)?, None)
        }
        None => {
            let cloud = simulate()?;
            (cloud.config(SIMULATED), Some(cloud))
        }
    };
    config.timeouts.instance_ready = ready_timeout;
    let region = options.region.or_else(|| config.region.clone());
    let provider = registry.connect(options.provider.as_deref().unwrap_or(SIMULATED), config)?;

    let (usual_region, usual_size) = match provider.name() {
        "digitalocean" => ("nyc3", "s-1vcpu-1gb"),
        "hetzner" => ("fsn1", "cx22"),
        "aws" => ("us-east-1", "t3.micro"),
        _ => ("", ""),
    };
    let region = region.unwrap_or_else(|| usual_region.to_string());
    let size = options.size.unwrap_or_else(|| usual_size.to_string());
    let name = options.name.unwrap_or_else(|| format!("spuff-{:x}", std::process::id()));
    let mut asked = vec![name.clone(), size.clone(), region.clone(), options.image.to_string()];
    asked.retain(|word| !word.is_empty());
    println!("{}: {}", provider.name(), asked.join(", "));
    let request = InstanceRequest::new(name, region, size).with_image(options.image);

    tokio::spawn(watch_for_interrupts());
    let mut life =
        Life { provider, instances: Vec::new(), snapshots: Vec::new(), began: Instant::now() };
    let lived = life.live(&request, !options.no_snapshot).await;
    if lived.is_err() {
        println!("cleaning up");
    }
    let ended = life.end().await;
    println!("done in {:.1} s", life.began.elapsed().as_secs_f64());
    if let Some(cloud) = cloud {
        print!("\na real one would have charged about:\n{}", cloud.bill());
    }
    lived.and(ended)
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
        "nothing to pay; its time passes {SPEED} times as fast. For containers on this computer, \
         with Docker or Podman:"
    );
    println!("  cargo run -p spuff-examples --example lifecycle -- --provider docker");
    println!("For real instances, and real money:");
    println!(
        "  HETZNER_TOKEN=… cargo run -p spuff-examples --example lifecycle -- --provider hetzner\n"
    );
    let started = CloudOptions::default().with_clock(Clock::Fast(SPEED)).start();
    started.map_err(|error| ProviderError::Other {
        message: format!("the simulated cloud cannot start: {error}"),
    })
}

/// The resources that this run has created.
struct Life {
    provider: Box<dyn Provider>,
    instances: Vec<String>,
    snapshots: Vec<String>,
    began: Instant,
}

impl Life {
    async fn live(
        &mut self,
        request: &InstanceRequest,
        with_snapshot: bool,
    ) -> Result<(), ProviderError> {
        let instance = self.start(request).await?;
        let managed = interruptible("list", self.provider.list_instances()).await?;
        println!("            {} managed by spuff", managed.len());
        if !managed.iter().any(|listed| listed.id == instance.id) {
            println!("            {} is not listed yet: the cloud's lists lag", instance.id);
        }
        if !(with_snapshot && self.provider.supports_snapshots()) {
            return Ok(());
        }

        // Not interruptible: a create that is dropped half-way leaves a snapshot of unknown id.
        let snapshot =
            step("snapshot", self.provider.create_snapshot(&instance.id, &request.name)).await?;
        println!("            {}", snapshot.id);
        self.snapshots.push(snapshot.id.clone());
        stop_if_interrupted()?;

        let mut restored = request.clone().with_image(ImageSpec::Snapshot(snapshot.id));
        restored.name.push_str("-restored");
        self.start(&restored).await.map(drop)
    }

    async fn start(
        &mut self,
        request: &InstanceRequest,
    ) -> Result<ProviderInstance, ProviderError> {
        let instance = step("create", self.provider.create_instance(request)).await?;
        println!("            {}", instance.id);
        self.instances.push(instance.id.clone());
        let instance = interruptible("wait", self.provider.wait_ready(&instance.id)).await?;
        println!("            {} is {} at {}", instance.id, instance.status, instance.ip);
        Ok(instance)
    }

    /// Destroys all instances and deletes all snapshots. One failure does not stop the rest.
    async fn end(&mut self) -> Result<(), ProviderError> {
        let mut ended = Ok(());
        for id in self.instances.drain(..).rev() {
            let result = step("destroy", self.provider.destroy_instance(&id)).await;
            ended = ended.and(result.inspect_err(|error| {
                eprintln!("instance {id} still exists, and may cost money: {error}")
            }));
        }
        for id in self.snapshots.drain(..) {
            let result = step("delete", self.provider.delete_snapshot(&id)).await;
            ended = ended.and(result.inspect_err(|error| {
                eprintln!("snapshot {id} still exists, and may cost money: {error}")
            }));
        }
        ended
    }
}

/// Runs an operation with a spinner, and prints how long it took.
async fn step<T>(
    what: &str,
    operation: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let began = Instant::now();
    let spinner = ProgressBar::new_spinner().with_message(what.to_string());
    spinner.set_style(
        ProgressStyle::with_template("{spinner} {msg:10} {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    spinner.enable_steady_tick(Duration::from_millis(100));
    let result = operation.await;
    spinner.finish_and_clear();
    let verdict = if result.is_ok() { "ok" } else { "failed" };
    println!("{what:10}{:8.2} s  {verdict}", began.elapsed().as_secs_f64());
    result
}

/// A step that only reads, so that Ctrl-C can stop it at any time.
async fn interruptible<T>(
    what: &str,
    operation: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let interrupted = async {
        while !INTERRUPTED.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        result = step(what, operation) => result,
        () = interrupted => Err(interruption()),
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

async fn watch_for_interrupts() {
    while tokio::signal::ctrl_c().await.is_ok() {
        if !INTERRUPTED.swap(true, Ordering::Relaxed) {
            eprintln!(
                "interrupted: destroying what was created; press Ctrl-C again only to leave it \
                 running"
            );
            continue;
        }
        eprintln!(
            "stopped; instances with the label managed-by=spuff may still run, and cost money"
        );
        std::process::exit(130);
    }
}

fn stop_if_interrupted() -> Result<(), ProviderError> {
    if INTERRUPTED.load(Ordering::Relaxed) { Err(interruption()) } else { Ok(()) }
}

fn interruption() -> ProviderError {
    ProviderError::Other { message: "interrupted".to_string() }
}
