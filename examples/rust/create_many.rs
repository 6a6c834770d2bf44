//! Creates many instances at once, with an owner and a lease, and prints each id as soon as it is
//! known.
//!
//! ```sh
//! HETZNER_TOKEN=… cargo run -p spuff-examples --example create_many -- \
//!     --provider hetzner --region fsn1 --size cx22 --owner ci-7
//! ```
//! It leaves them running. `reap` destroys them, even if this program was killed half-way.

#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use spuff_core::provider::{InstanceRequest, OnCancel, Provider, ProviderError, ProviderRegistry};
use tokio::task::JoinSet;

/// Creates instances with an owner and a lease.
#[derive(Parser)]
struct Options {
    /// digitalocean, hetzner, aws or docker
    #[arg(long)]
    provider: String,
    #[arg(long)]
    region: String,
    #[arg(long)]
    size: String,
    /// Their owner
    #[arg(long)]
    owner: String,
    /// Length of the lease in seconds; after it `reap` may destroy them
    #[arg(long, default_value_t = 3600)]
    ttl: u64,
    /// Number of instances
    #[arg(long, default_value_t = 3)]
    count: usize,
    /// Prefix of the instances' names
    #[arg(long, default_value = "many")]
    name: String,
    /// Prefix of the instances' idempotency keys; a second run with it creates no more instances
    #[arg(long)]
    key: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ProviderError> {
    let options = Options::parse();
    let provider: Arc<dyn Provider> =
        ProviderRegistry::with_defaults().from_env(&options.provider)?.into();
    let mut creates = JoinSet::new();
    for number in 0..options.count {
        let mut request = InstanceRequest::new(
            format!("{}-{number}", options.name),
            &options.region,
            &options.size,
        )
        .with_owner(&options.owner)
        .with_ttl(Duration::from_secs(options.ttl))
        .with_on_cancel(OnCancel::Keep);
        request.idempotency_key = options.key.as_ref().map(|key| format!("{key}-{number}"));
        let provider = provider.clone();
        creates.spawn(async move { provider.create_instance(&request).await });
    }
    let mut outcome = Ok(());
    while let Some(created) = creates.join_next().await {
        match created.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())) {
            Ok(instance) => println!("{} {}", instance.id, instance.name),
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    outcome
}
