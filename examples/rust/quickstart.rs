//! Starts a machine, waits until it is ready, and ends it.
//!
//! ```sh
//! HETZNER_TOKEN=… cargo run -p spuff-examples --example quickstart -- hetzner fsn1 cx22
//! ```

#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use spuff_core::provider::{InstanceRequest, Provider, ProviderError, ProviderRegistry};

#[tokio::main]
async fn main() -> Result<(), ProviderError> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, region, size] = words.as_slice() else {
        return Err(ProviderError::invalid_config(
            "arguments",
            "say PROVIDER REGION SIZE, such as: hetzner fsn1 cx22",
        ));
    };
    let provider = ProviderRegistry::with_defaults().from_env(name)?;
    let request = InstanceRequest::new("web-1", region, size).with_label("env", "test");
    let machine = provider.create_instance(&request).await?;

    // From here on there is a machine that costs money: it is ended whatever happens.
    let used = use_it(&*provider, &machine.id).await;
    provider.destroy_instance(&machine.id).await?;
    used
}

async fn use_it(provider: &dyn Provider, id: &str) -> Result<(), ProviderError> {
    let machine = provider.wait_ready(id).await?;
    println!("{} is {} at {}", machine.name, machine.status, machine.ip);
    Ok(())
}
