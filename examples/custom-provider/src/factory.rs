//! The factory: it creates the provider, and describes its options.

use spuff_core::provider::config::{ProviderConfig, ProviderTimeouts};
use spuff_core::provider::error::ProviderError;
use spuff_core::provider::registry::{
    OptionDescription, ProviderDescription, ProviderFactory, ProviderType,
};
use spuff_core::provider::{Provider, ProviderResult};

use crate::provider::{API_BASE, NimbusProvider};
use crate::{NAME, check};

pub(crate) const PROJECT: &str = "project";

/// Creates [`NimbusProvider`]s.
#[derive(Debug, Clone, Copy, Default)]
pub struct NimbusFactory;

impl ProviderFactory for NimbusFactory {
    fn provider_type(&self) -> ProviderType {
        ProviderType::Custom(NAME)
    }

    fn create(&self, token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Box<dyn Provider>> {
        self.create_with(&ProviderConfig::new(token).with_timeouts(timeouts))
    }

    /// Uses every field of the configuration, or refuses it: a field that is ignored in silence
    /// shows only in production.
    fn create_with(&self, config: &ProviderConfig) -> ProviderResult<Box<dyn Provider>> {
        if let Some(unknown) = config.options.keys().find(|name| *name != PROJECT) {
            return Err(ProviderError::invalid_config(
                unknown,
                format!("the only option of nimbus is {PROJECT}"),
            ));
        }
        Ok(Box::new(NimbusProvider::connect(config)?))
    }

    fn describe(&self) -> ProviderDescription {
        let mut description = ProviderDescription::new(self.provider_type());
        description.summary = "Nimbus instances, API v1".to_string();
        description.options = vec![
            OptionDescription::new("token", "API token").required().secret().env(&["NIMBUS_TOKEN"]),
            OptionDescription::new("endpoint", format!("Base URL; {API_BASE} by default"))
                .env(&["NIMBUS_ENDPOINT"]),
            OptionDescription::new("region", "Region of requests that name none"),
            OptionDescription::new(PROJECT, "Project of new instances").env(&["NIMBUS_PROJECT"]),
        ];
        description.capabilities.max_user_data = check::MAX_USER_DATA;
        description.capabilities.ssh_keys = false;
        description
    }
}
