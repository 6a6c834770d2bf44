//! The one list of built-in providers. A new provider module needs only a line here, its name in
//! [`ProviderType`](super::config::ProviderType) and a Cargo feature, besides its own folder.

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
