//! The names of providers.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use crate::provider::error::{ProviderError, ProviderResult};

/// The name of a provider, as a small `Copy` value.
///
/// # Examples
/// ```
/// use spuff_core::provider::ProviderType;
///
/// assert_eq!("hcloud".parse::<ProviderType>().unwrap(), ProviderType::Hetzner);
/// assert_eq!(ProviderType::Custom("acme").token_env_var(), "ACME_TOKEN");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ProviderType {
    /// DigitalOcean.
    DigitalOcean,
    /// Hetzner Cloud.
    Hetzner,
    /// AWS EC2.
    Aws,
    /// A Docker or Podman engine, on this computer.
    Docker,
    /// A provider unknown to this crate. For names known only at run time, see
    /// [`ProviderType::named`].
    Custom(&'static str),
}

/// What is known of a provider of this crate, whether this build contains it or not.
struct BuiltIn {
    name: &'static str,
    alias: &'static str,
    /// Empty if there is none.
    token_env_var: &'static str,
    is_in_this_build: bool,
}

impl ProviderType {
    /// The providers known to this crate.
    pub const KNOWN: [Self; 4] = [Self::DigitalOcean, Self::Hetzner, Self::Aws, Self::Docker];

    /// The one table of the names that belong to a provider.
    fn built_in(self) -> Option<BuiltIn> {
        Some(match self {
            Self::DigitalOcean => BuiltIn {
                name: "digitalocean",
                alias: "do",
                token_env_var: "DIGITALOCEAN_TOKEN",
                is_in_this_build: cfg!(feature = "digitalocean"),
            },
            Self::Hetzner => BuiltIn {
                name: "hetzner",
                alias: "hcloud",
                token_env_var: "HETZNER_TOKEN",
                is_in_this_build: cfg!(feature = "hetzner"),
            },
            Self::Aws => BuiltIn {
                name: "aws",
                alias: "ec2",
                token_env_var: "AWS_ACCESS_KEY_ID",
                is_in_this_build: cfg!(feature = "aws"),
            },
            Self::Docker => BuiltIn {
                name: "docker",
                alias: "local",
                token_env_var: "",
                is_in_this_build: cfg!(feature = "docker"),
            },
            Self::Custom(_) => return None,
        })
    }

    /// Returns the provider of that name or alias; an unknown name becomes
    /// [`ProviderType::Custom`].
    ///
    /// Each new name is leaked: it lives as long as the process.
    pub fn named(name: &str) -> Self {
        name.parse().unwrap_or_else(|_| Self::Custom(intern(&name.trim().to_ascii_lowercase())))
    }

    /// The name, as used in configurations.
    pub fn as_str(&self) -> &'static str {
        match (self, self.built_in()) {
            (Self::Custom(name), _) => name,
            (_, known) => known.map_or("", |known| known.name),
        }
    }

    /// The environment variable that holds the token; empty if there is none.
    pub fn token_env_var(&self) -> &'static str {
        match self.built_in() {
            Some(known) => known.token_env_var,
            None => {
                let letters = self
                    .as_str()
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
                intern(&format!("{}_TOKEN", letters.collect::<String>()))
            }
        }
    }

    /// Whether this build contains the provider. For custom providers, ask the registry.
    pub fn is_implemented(&self) -> bool {
        self.built_in().is_some_and(|known| known.is_in_this_build)
    }
}

/// Returns one `'static` copy per distinct name, because [`ProviderType`] is `Copy`.
fn intern(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let kept: &'static str = Box::leak(name.into());
    names.insert(kept);
    kept
}

impl fmt::Display for ProviderType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Parses a name or alias: `digitalocean` or `do`, `hetzner` or `hcloud`, `aws` or `ec2`, `docker`
/// or `local`, in any case.
impl FromStr for ProviderType {
    type Err = ProviderError;

    fn from_str(name: &str) -> ProviderResult<Self> {
        let wanted = name.trim().to_ascii_lowercase();
        let is_wanted =
            |known: BuiltIn| known.name == wanted.as_str() || known.alias == wanted.as_str();
        let mut known = Self::KNOWN.into_iter();
        known.find(|known| known.built_in().is_some_and(is_wanted)).ok_or_else(|| {
            ProviderError::UnknownProvider {
                name: name.to_string(),
                supported: Self::KNOWN.iter().map(|known| known.as_str().to_string()).collect(),
            }
        })
    }
}
