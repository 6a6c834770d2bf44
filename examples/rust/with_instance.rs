//! Creates an instance for a piece of work, and destroys it afterwards.
//!
//! ```sh
//! HETZNER_TOKEN=… cargo run -p spuff-examples --example with_instance -- hetzner fsn1 cx22
//! ```
//! Ctrl-C drops the work, and the program waits until the instance is destroyed.

#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use std::sync::Arc;
use std::time::Duration;

use spuff_core::provider::{InstanceRequest, Provider, ProviderError, ProviderRegistry};
use spuff_core::{settled, with_instance};

#[tokio::main]
async fn main() -> Result<(), ProviderError> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, region, size] = words.as_slice() else {
        return Err(ProviderError::invalid_config(
            "arguments",
            "expected PROVIDER REGION SIZE, for example: hetzner fsn1 cx22",
        ));
    };
    let provider: Arc<dyn Provider> = ProviderRegistry::with_defaults().from_env(name)?.into();
    let request = InstanceRequest::new("build-1", region, size)
        .with_owner("ci-7")
        .with_ttl(Duration::from_secs(3600));
    let address = with_instance(&provider, &request, |instance| async move {
        println!("{} is ready at {}", instance.name, instance.ip);
        Ok::<_, ProviderError>(instance.ip)
    });
    tokio::select! {
        address = address => println!("{} was used and destroyed", address?),
        _ = tokio::signal::ctrl_c() => println!("interrupted"),
    }
    settled().await;
    Ok(())
}
