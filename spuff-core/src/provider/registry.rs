//! The registry of providers, and the factories that make them.
//!
//! Registries are values without shared mutable state. A registry knows factories, not clouds: the
//! built-in ones come from `builtins`, all others from [`ProviderRegistry::register`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Provider;
use super::config::{ProviderConfig, ProviderTimeouts};
use super::error::{ProviderError, ProviderResult};

pub use super::config::ProviderType;

/// Makes providers of one type.
///
/// # Examples
/// ```
/// use spuff_core::provider::{
///     Provider, ProviderError, ProviderFactory, ProviderRegistry, ProviderResult,
///     ProviderTimeouts, ProviderType,
/// };
///
/// struct Acme;
///
/// impl ProviderFactory for Acme {
///     fn provider_type(&self) -> ProviderType {
///         ProviderType::Custom("acme")
///     }
///
///     fn create(&self, token: &str, _: ProviderTimeouts) -> ProviderResult<Box<dyn Provider>> {
///         let message = format!("a token of {} bytes is not one of ours", token.len());
///         Err(ProviderError::auth("acme", message))
///     }
/// }
///
/// let mut registry = ProviderRegistry::new();
/// registry.register(Acme);
/// assert!(registry.create_by_name("acme", "token", ProviderTimeouts::default()).is_err());
/// ```
pub trait ProviderFactory: Send + Sync {
    /// The provider type, under which the factory is registered.
    fn provider_type(&self) -> ProviderType;

    /// Makes a provider from a token.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when the token is malformed. Sends no request.
    fn create(&self, token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Box<dyn Provider>>;

    /// Makes a provider from a whole configuration. The default implementation calls
    /// [`create`](Self::create), and refuses fields that it cannot pass on.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    fn create_with(&self, config: &ProviderConfig) -> ProviderResult<Box<dyn Provider>> {
        let extra = [
            ("endpoint", config.endpoint.is_some()),
            ("region", config.region.is_some()),
            ("ca_file", config.ca_file.is_some()),
            ("options", !config.options.is_empty()),
        ];
        if let Some((field, _)) = extra.into_iter().find(|(_, given)| *given) {
            let name = self.provider_type();
            return Err(ProviderError::invalid_config(
                field,
                format!("provider {name} takes a token and timeouts only; leave it out"),
            ));
        }
        self.create(config.expose_token(), config.timeouts)
    }

    /// Describes the provider's options and capabilities. By default: a token, from the provider's
    /// environment variable.
    fn describe(&self) -> ProviderDescription {
        ProviderDescription::new(self.provider_type())
    }

    /// Whether [`create`](Self::create) works. `true` by default.
    fn is_implemented(&self) -> bool {
        true
    }
}

/// A shared factory, or one known only at run time, is a factory too.
impl<F: ProviderFactory + ?Sized> ProviderFactory for Arc<F> {
    fn provider_type(&self) -> ProviderType {
        (**self).provider_type()
    }

    fn create(&self, token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Box<dyn Provider>> {
        (**self).create(token, timeouts)
    }

    fn create_with(&self, config: &ProviderConfig) -> ProviderResult<Box<dyn Provider>> {
        (**self).create_with(config)
    }

    fn describe(&self) -> ProviderDescription {
        (**self).describe()
    }

    fn is_implemented(&self) -> bool {
        (**self).is_implemented()
    }
}

/// The options and capabilities of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderDescription {
    /// The type.
    pub provider_type: ProviderType,
    /// A one-line summary.
    pub summary: String,
    /// The options of its configuration.
    pub options: Vec<OptionDescription>,
    /// The capabilities.
    pub capabilities: Capabilities,
}

impl ProviderDescription {
    /// A provider with default capabilities and a token, read from its environment variable if it
    /// has one.
    pub fn new(provider_type: ProviderType) -> Self {
        let token = OptionDescription::new("token", "API token")
            .required()
            .secret()
            .env(&[provider_type.token_env_var()]);
        Self {
            provider_type,
            summary: provider_type.to_string(),
            options: vec![token],
            capabilities: Capabilities::default(),
        }
    }

    /// Returns the option of that name.
    pub fn option(&self, name: &str) -> Option<&OptionDescription> {
        self.options.iter().find(|option| option.name == name)
    }
}

/// One option of a provider's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptionDescription {
    /// `token`, `endpoint`, `region`, or a key of [`ProviderConfig::options`].
    pub name: String,
    /// Its meaning and default.
    pub doc: String,
    /// Whether the option must be set.
    pub required: bool,
    /// Whether its value is secret.
    pub secret: bool,
    /// The environment variables that [`ProviderRegistry::from_env`] reads, in order; the first
    /// that is set is used.
    pub env: Vec<String>,
}

impl OptionDescription {
    /// An optional, non-secret option without an environment variable.
    pub fn new(name: impl Into<String>, doc: impl Into<String>) -> Self {
        Self { name: name.into(), doc: doc.into(), required: false, secret: false, env: Vec::new() }
    }

    /// The file of additional certificate authorities, an option of every provider over HTTPS.
    pub(super) fn ca_file() -> Self {
        Self::new(
            "ca_file",
            "PEM file with certificate authorities to trust in addition to the \
         platform's",
        )
        .env(&["SPUFF_CA_FILE"])
    }

    /// Marks the option as required.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Marks the value as secret.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Sets the environment variables; the first that is set and not empty is used. Empty names are
    /// ignored.
    #[must_use]
    pub fn env(mut self, names: &[&str]) -> Self {
        self.env =
            names.iter().filter(|name| !name.is_empty()).map(|name| (*name).to_string()).collect();
        self
    }
}

/// The capabilities of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The snapshot operations work.
    pub snapshots: bool,
    /// [`get_ssh_keys`](Provider::get_ssh_keys) reads the account's keys.
    pub ssh_keys: bool,
    /// Label values are kept.
    pub labels: bool,
    /// The maximum size of `user_data`, in bytes; 0 if it is not supported.
    pub max_user_data: usize,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self { snapshots: true, ssh_keys: false, labels: true, max_user_data: 0 }
    }
}

/// The available providers, by name.
///
/// # Examples
/// ```
/// use spuff_core::provider::{ProviderError, ProviderRegistry, ProviderTimeouts, ProviderType};
///
/// let registry = ProviderRegistry::with_defaults();
/// let hetzner = ProviderType::Hetzner;
/// assert_eq!(registry.is_registered(hetzner), hetzner.is_implemented());
/// let error = registry.create_by_name("nimbus", "token", ProviderTimeouts::default()).err();
/// assert!(matches!(error, Some(ProviderError::UnknownProvider { .. })));
/// ```
#[derive(Clone, Default)]
pub struct ProviderRegistry {
    factories: BTreeMap<&'static str, Arc<dyn ProviderFactory>>,
}

impl ProviderRegistry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a provider under its own name, and returns the factory it replaces, if any.
    pub fn register(
        &mut self,
        factory: impl ProviderFactory + 'static,
    ) -> Option<Arc<dyn ProviderFactory>> {
        self.factories.insert(factory.provider_type().as_str(), Arc::new(factory))
    }

    /// Makes a provider from its type and a token.
    ///
    /// # Errors
    /// [`ProviderError::UnknownProvider`] with the registered names,
    /// [`ProviderError::NotImplemented`] when this build does not contain it,
    /// [`ProviderError::InvalidConfig`] when the token is malformed. Sends no request.
    pub fn create(
        &self,
        provider_type: ProviderType,
        token: &str,
        timeouts: ProviderTimeouts,
    ) -> ProviderResult<Box<dyn Provider>> {
        self.usable(provider_type)?.create(token, timeouts)
    }

    /// Makes a provider from its name or alias and a token.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_by_name(
        &self,
        name: &str,
        token: &str,
        timeouts: ProviderTimeouts,
    ) -> ProviderResult<Box<dyn Provider>> {
        self.create(self.resolve(name)?, token, timeouts)
    }

    /// Makes a provider from its name or alias and a whole configuration. Reads no environment
    /// variable, except those that, by its description, the provider reads itself.
    ///
    /// # Errors
    /// As [`create`](Self::create); [`ProviderError::InvalidConfig`] names the field.
    pub fn connect(&self, name: &str, config: ProviderConfig) -> ProviderResult<Box<dyn Provider>> {
        self.usable(self.resolve(name)?)?.create_with(&config)
    }

    /// Makes a provider from the environment: each option from the first of its variables that is
    /// set.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] names the variables when a required option is not set.
    pub fn from_env(&self, name: &str) -> ProviderResult<Box<dyn Provider>> {
        self.connect(name, self.config_from_env(name, ProviderConfig::default())?)
    }

    /// Fills the options missing in `config` from the environment variables that the provider
    /// describes.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn config_from_env(
        &self,
        name: &str,
        config: ProviderConfig,
    ) -> ProviderResult<ProviderConfig> {
        let description = self.usable(self.resolve(name)?)?.describe();
        fill(config, &description, |variable| std::env::var(variable).ok())
    }

    /// Returns the options and capabilities of a registered provider.
    ///
    /// # Errors
    /// [`ProviderError::UnknownProvider`] with the registered names.
    pub fn describe(&self, name: &str) -> ProviderResult<ProviderDescription> {
        Ok(self.factory(self.resolve(name)?)?.describe())
    }

    /// Lists every registered provider, sorted by name.
    pub fn registered_providers(&self) -> Vec<ProviderType> {
        self.factories.values().map(|factory| factory.provider_type()).collect()
    }

    /// Lists every registered provider that this build can create, sorted by name.
    pub fn implemented_providers(&self) -> Vec<ProviderType> {
        self.factories
            .values()
            .filter(|factory| factory.is_implemented())
            .map(|factory| factory.provider_type())
            .collect()
    }

    /// Whether a provider of that type is registered.
    pub fn is_registered(&self, provider_type: ProviderType) -> bool {
        self.factories.contains_key(provider_type.as_str())
    }

    /// How many registries, this one included, share the factory of that type; for the garbage
    /// collectors of other languages.
    #[doc(hidden)]
    pub fn holders(&self, provider_type: ProviderType) -> usize {
        self.factories.get(provider_type.as_str()).map_or(0, Arc::strong_count)
    }

    /// A registered name takes precedence over an alias of another provider.
    fn resolve(&self, name: &str) -> ProviderResult<ProviderType> {
        let name = name.trim();
        match self.factories.get(name.to_ascii_lowercase().as_str()) {
            Some(factory) => Ok(factory.provider_type()),
            None => name.parse().map_err(|_| self.unknown(name)),
        }
    }

    fn factory(&self, provider_type: ProviderType) -> ProviderResult<&Arc<dyn ProviderFactory>> {
        let name = provider_type.as_str();
        self.factories.get(name).ok_or_else(|| {
            if ProviderType::KNOWN.contains(&provider_type) && !provider_type.is_implemented() {
                ProviderError::NotImplemented { name: name.to_string() }
            } else {
                self.unknown(name)
            }
        })
    }

    fn usable(&self, provider_type: ProviderType) -> ProviderResult<&Arc<dyn ProviderFactory>> {
        let factory = self.factory(provider_type)?;
        if factory.is_implemented() {
            Ok(factory)
        } else {
            Err(ProviderError::NotImplemented { name: provider_type.to_string() })
        }
    }

    fn unknown(&self, name: &str) -> ProviderError {
        let supported = self.factories.keys().map(|known| (*known).to_string()).collect();
        ProviderError::UnknownProvider { name: name.to_string(), supported }
    }
}

impl fmt::Debug for ProviderRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.factories.keys()).finish()
    }
}

fn fill(
    mut config: ProviderConfig,
    description: &ProviderDescription,
    read: impl Fn(&str) -> Option<String>,
) -> ProviderResult<ProviderConfig> {
    for option in &description.options {
        let found = || {
            option
                .env
                .iter()
                .filter_map(|variable| read(variable))
                .find(|value| !value.trim().is_empty())
        };
        let given = match option.name.as_str() {
            "token" => {
                config.token.is_some()
                    || found().map(|value| config.token = Some(value.into())).is_some()
            }
            "endpoint" => or_else(&mut config.endpoint, found),
            "region" => or_else(&mut config.region, found),
            "ca_file" => or_else(&mut config.ca_file, || found().map(Into::into)),
            name => {
                let mut value = config.options.remove(name);
                let given = or_else(&mut value, found);
                config.options.extend(value.map(|value| (name.to_string(), value)));
                given
            }
        };
        if option.required && !given {
            let ways = option.env.join(" or ");
            return Err(ProviderError::invalid_config(
                &option.name,
                format!("not given: pass it, or set {ways}"),
            ));
        }
    }
    Ok(config)
}

/// Fills `place` if it is empty; returns whether it is filled now.
fn or_else<T>(place: &mut Option<T>, found: impl FnOnce() -> Option<T>) -> bool {
    if place.is_none() {
        *place = found();
    }
    place.is_some()
}
