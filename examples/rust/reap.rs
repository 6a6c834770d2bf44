//! Destroys instances and snapshots whose lease has expired. Run it regularly, from cron or a CI
//! job.
//!
//! ```sh
//! */10 * * * * HETZNER_TOKEN=… reap --provider hetzner --expired
//! ```

#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use spuff_core::lease::{self, Reap};
use spuff_core::provider::{Provider, ProviderConfig, ProviderError, ProviderRegistry};

/// Destroys the managed resources that match all given filters.
#[derive(Parser)]
#[command(group = clap::ArgGroup::new("what")
    .required(true)
    .multiple(true)
    .args(["expired", "older_than", "owner"]))]
struct Options {
    /// digitalocean, hetzner, aws or docker
    #[arg(long)]
    provider: String,
    /// Resources whose lease has expired
    #[arg(long)]
    expired: bool,
    /// Resources created more than this many seconds ago
    #[arg(long)]
    older_than: Option<u64>,
    /// Resources of this owner
    #[arg(long)]
    owner: Option<String>,
    /// An option of the provider; it overrides the environment
    #[arg(long, value_name = "NAME=VALUE", value_parser = option)]
    option: Vec<(String, String)>,
    /// Only report what would be destroyed
    #[arg(long)]
    dry_run: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, ProviderError> {
    let options = Options::parse();
    let registry = ProviderRegistry::with_defaults();
    let given = options
        .option
        .iter()
        .cloned()
        .fold(ProviderConfig::default(), |given, (name, value)| given.with_option(name, value));
    let config = registry.config_from_env(&options.provider, given)?;
    let provider: Arc<dyn Provider> = registry.connect(&options.provider, config)?.into();
    let reaped = lease::reap(&provider, &which(options)?).await?;
    for item in &reaped {
        println!("{item}");
    }
    let failed = reaped.iter().filter(|item| item.outcome.is_err()).count();
    println!("{} found, {failed} could not be destroyed", reaped.len());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn option(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_string(), value.to_string()))
}

fn which(options: Options) -> Result<Reap, ProviderError> {
    let which = Reap::from_choices(
        options.expired,
        options.older_than.map(Duration::from_secs),
        options.owner,
    )?;
    Ok(if options.dry_run { which.dry_run() } else { which })
}
