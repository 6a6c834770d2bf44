//! The quick start without `async`.
//!
//! ```sh
//! HETZNER_TOKEN=… cargo run -p spuff-examples --example blocking -- hetzner fsn1 cx22
//! ```

#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use spuff_core::blocking::{Provider, ProviderRegistry};
use spuff_core::provider::{InstanceRequest, ProviderError};

fn main() -> Result<(), ProviderError> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, region, size] = words.as_slice() else {
        return Err(ProviderError::invalid_config(
            "arguments",
            "expected PROVIDER REGION SIZE, for example: hetzner fsn1 cx22",
        ));
    };
    let provider = ProviderRegistry::with_defaults().from_env(name)?;
    let instance = provider.create_instance(&InstanceRequest::new("web-1", region, size))?;

    let used = use_it(&provider, &instance.id);
    provider.destroy_instance(&instance.id)?;
    used
}

fn use_it(provider: &Provider, id: &str) -> Result<(), ProviderError> {
    let instance = provider.wait_ready(id)?;
    println!("{} is {} at {}", instance.name, instance.status, instance.ip);
    Ok(())
}
