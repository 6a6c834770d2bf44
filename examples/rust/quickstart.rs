//! Creates an instance, waits until it is ready, and destroys it.
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
            "expected PROVIDER REGION SIZE, for example: hetzner fsn1 cx22",
        ));
    };
    let provider = ProviderRegistry::with_defaults().from_env(name)?;
    let request = InstanceRequest::new("web-1", region, size).with_label("env", "test");
    let instance = provider.create_instance(&request).await?;

    // From here on the instance costs money: destroy it, whatever happens.
    let used = use_it(&*provider, &instance.id).await;
    provider.destroy_instance(&instance.id).await?;
    used
}

async fn use_it(provider: &dyn Provider, id: &str) -> Result<(), ProviderError> {
    let instance = provider.wait_ready(id).await?;
    println!("{} is {} at {}", instance.name, instance.status, instance.ip);
    Ok(())
}
