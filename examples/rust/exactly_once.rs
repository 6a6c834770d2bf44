//! Shows that a create makes exactly one instance if its reply is lost, late or damaged: each fault
//! at each simulated cloud, async and blocking. Prints a table, and fails unless exactly one
//! instance exists in each case and the caller knows its id.
//!
//! ```sh
//! cargo run -p spuff-examples --example exactly_once
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::io;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use spuff_core::blocking;
use spuff_core::provider::{
    InstanceRequest, Provider, ProviderError, ProviderInstance, ProviderRegistry, ProviderTimeouts,
};
use spuff_core::simulator::{Clock, Cloud, Fault, Options, PROVIDERS, Route};

const FAULTS: [(&str, Fault); 15] = [
    ("reply lost", Fault::ReplyLost),
    ("reply late", Fault::Slow { millis: 2500 }),
    ("500, carried out", Fault::ServerError { status: 500, committed: true }),
    ("502, carried out", Fault::ServerError { status: 502, committed: true }),
    ("503, carried out", Fault::ServerError { status: 503, committed: true }),
    ("504, carried out", Fault::ServerError { status: 504, committed: true }),
    ("500, not carried out", Fault::ServerError { status: 500, committed: false }),
    ("502, not carried out", Fault::ServerError { status: 502, committed: false }),
    ("503, not carried out", Fault::ServerError { status: 503, committed: false }),
    ("504, not carried out", Fault::ServerError { status: 504, committed: false }),
    ("truncated body", Fault::Truncated),
    ("HTML body", Fault::Html { status: 200 }),
    ("oversized body", Fault::Oversized { bytes: 40 << 20 }),
    ("closed before commit", Fault::ConnectionClosed),
    ("429 first", Fault::RateLimited { retry_after: Some(0), headers: true }),
];
const FACES: [&str; 2] = ["async", "blocking"];

fn main() -> ExitCode {
    let cells = thread::scope(|scope| {
        let begin = |fault: Fault, provider: &'static str, face: &'static str| {
            scope.spawn(move || {
                cell(fault, provider, face).unwrap_or_else(|error| format!("FAILED: {error}"))
            })
        };
        let rows = FAULTS.map(|(_, fault)| {
            PROVIDERS.map(|provider| FACES.map(|face| begin(fault, provider, face)))
        });
        rows.map(|row| {
            row.map(|pair| {
                pair.map(|cell| cell.join().unwrap_or_else(|_| "FAILED: it panicked".to_string()))
            })
        })
    });

    print!("{:22}", "");
    PROVIDERS.iter().for_each(|provider| print!("{provider:44}"));
    print!("\n{:22}", "the first create");
    PROVIDERS.iter().for_each(|_| FACES.iter().for_each(|face| print!("{face:22}")));
    println!();
    let mut failed = 0;
    for ((what, _), row) in FAULTS.iter().zip(&cells) {
        print!("{what:22}");
        row.iter().flatten().for_each(|cell| print!("{cell:22}"));
        println!();
        failed += row.iter().flatten().filter(|cell| cell.starts_with("FAILED")).count();
    }
    println!("{} cases, {failed} failed", FAULTS.len() * PROVIDERS.len() * FACES.len());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One case: how the caller learned the id, if exactly one instance exists and has that id.
fn cell(fault: Fault, name: &'static str, face: &str) -> io::Result<String> {
    let cloud = Options::default().with_clock(Clock::Fast(50.0)).start()?;
    cloud.inject(fault.once(name, Route::CreateInstance));
    let timeouts = ProviderTimeouts {
        http_request: Duration::from_secs(2),
        poll_interval: Duration::from_millis(40),
        ..ProviderTimeouts::default()
    };
    let config = cloud.config(name).with_timeouts(timeouts);
    let (region, size) = match name {
        "digitalocean" => ("nyc3", "s-1vcpu-1gb"),
        "hetzner" => ("fsn1", "cx22"),
        _ => ("us-east-1", "t3.micro"),
    };
    let request = InstanceRequest::new("web-1", region, size);
    let (created, resolved) = if face == "async" {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let provider =
            ProviderRegistry::with_defaults().connect(name, config).map_err(io::Error::other)?;
        runtime.block_on(create(&*provider, &request))
    } else {
        let provider = blocking::ProviderRegistry::with_defaults()
            .connect(name, config)
            .map_err(io::Error::other)?;
        let created = provider.create_instance(&request);
        let resolved = key_of(&created).map(|key| provider.resolve(key));
        (created, resolved)
    };
    Ok(judge(&cloud, created, resolved))
}

type Created = Result<ProviderInstance, ProviderError>;
type Resolved = Option<Result<Option<ProviderInstance>, ProviderError>>;

async fn create(provider: &dyn Provider, request: &InstanceRequest) -> (Created, Resolved) {
    let created = provider.create_instance(request).await;
    let resolved = match key_of(&created) {
        Some(key) => Some(provider.resolve(key).await),
        None => None,
    };
    (created, resolved)
}

fn key_of(created: &Created) -> Option<&str> {
    match created {
        Err(ProviderError::UnknownOutcome { key, .. }) => Some(key),
        _ => None,
    }
}

fn judge(cloud: &Cloud, created: Created, resolved: Resolved) -> String {
    let instances: Vec<_> = cloud.instances().into_iter().map(|instance| instance.id).collect();
    let (held, how) = match (created, resolved) {
        (Ok(instance), _) => (instance.id, "one, known"),
        (Err(_), Some(Ok(Some(instance)))) => (instance.id, "one, resolved"),
        (Err(error), _) => return format!("FAILED: {error}"),
    };
    if instances == [held.clone()] {
        how.to_string()
    } else {
        format!("FAILED: the caller has {held}, the cloud has {instances:?}")
    }
}
