//! Creates an instance at the first candidate that has capacity, within a price ceiling, and prints
//! each attempt.
//!
//! ```sh
//! HETZNER_TOKEN=… DIGITALOCEAN_TOKEN=… cargo run -p spuff-examples --example placement -- \
//!     "hetzner fsn1 cx22 0.007 USD" "hetzner nbg1 cx32 0.013 USD" "digitalocean fra1 s-2vcpu-4gb"
//! ```
//! A candidate may end with its hourly price, for a provider that reports none, or reports it in
//! another currency. Without candidates it runs on simulated clouds, the first of which is sold
//! out.

#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use std::error::Error;
use std::sync::Arc;

use clap::Parser;
use spuff_core::placement::{Candidate, Placement, place_instance};
use spuff_core::provider::{InstanceRequest, Price, Provider, ProviderError, ProviderRegistry};
use spuff_core::simulator::{Clock, Fault, Options, Route};
use spuff_core::{observe, settled};

/// Creates an instance at the first candidate that has capacity, and destroys it.
#[derive(Parser)]
struct Arguments {
    /// PROVIDER REGION SIZE, or PROVIDER REGION SIZE PRICE CURRENCY; in order of preference
    candidates: Vec<String>,
    /// The highest hourly price to accept
    #[arg(long, default_value = "0.04 USD")]
    max_price: Price,
}

fn candidate(
    text: &str,
    connect: impl Fn(&str) -> Result<Arc<dyn Provider>, ProviderError>,
) -> Result<Candidate, ProviderError> {
    let words: Vec<_> = text.split_whitespace().collect();
    let [name, region, size, price @ ..] = words.as_slice() else {
        return Err(ProviderError::invalid_config(
            "candidates",
            format!("{text:?}: expected PROVIDER REGION SIZE"),
        ));
    };
    let provider = connect(name)?;
    let candidate = Candidate::new(&provider, *region, *size);
    Ok(if price.is_empty() { candidate } else { candidate.with_price(price.join(" ").parse()?) })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let cloud = Options::default().with_clock(Clock::Fast(60.0)).start()?;
    let candidates: Result<Vec<_>, _> = if arguments.candidates.is_empty() {
        cloud.inject(Fault::CapacityOut.everywhere().at("hetzner").on(Route::CreateInstance));
        let simulated = [
            "hetzner fsn1 cx22 0.007 USD",
            "aws us-east-1 t3.medium",
            "digitalocean nyc3 s-4vcpu-8gb",
            "digitalocean nyc3 s-2vcpu-4gb",
        ];
        simulated.iter().map(|text| candidate(text, |name| cloud.provider(name))).collect()
    } else {
        let registry = ProviderRegistry::with_defaults();
        arguments
            .candidates
            .iter()
            .map(|text| candidate(text, |name| registry.from_env(name).map(Arc::from)))
            .collect()
    };
    let placement = Placement::new(candidates?).with_max_price(arguments.max_price);

    let request = InstanceRequest::new("web-1", "", "").with_owner("placement");
    let placing =
        observe(place_instance(&placement, &request), |event| println!("{}", event.state));
    let placed = tokio::select! {
        placed = placing => placed?,
        _ = tokio::signal::ctrl_c() => {
            settled().await;
            println!("interrupted");
            return Ok(());
        }
    };
    println!(
        "{} {} is in {}; attempts:",
        placed.instance.name, placed.instance.id, placed.instance.region
    );
    for attempt in &placed.attempts {
        println!("  {:>5} ms  {attempt}", attempt.elapsed.as_millis());
    }
    placement.candidates[placed.candidate].provider.destroy_instance(&placed.instance.id).await?;
    cloud.assert_no_leaks();
    Ok(())
}
