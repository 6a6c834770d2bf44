//! The list of built-in providers.
//!
//! What a new provider needs beside its own folder is listed in `CONTRIBUTING.md`.

use std::sync::Arc;

use super::registry::{ProviderFactory, ProviderRegistry};

impl ProviderRegistry {
    /// A registry with every provider of this build.
    pub fn with_defaults() -> Self {
        let mut registry = Self::new();
        for factory in factories() {
            registry.register(factory);
        }
        registry
    }
}

fn factories() -> Vec<Arc<dyn ProviderFactory>> {
    vec![
        #[cfg(feature = "digitalocean")]
        Arc::new(super::digitalocean::DigitalOceanFactory),
        #[cfg(feature = "hetzner")]
        Arc::new(super::hetzner::HetznerFactory),
        #[cfg(feature = "aws")]
        Arc::new(super::aws::AwsFactory),
        #[cfg(feature = "docker")]
        Arc::new(super::docker::DockerFactory),
    ]
}
