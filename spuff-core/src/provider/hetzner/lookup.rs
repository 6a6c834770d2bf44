//! Looks up the numbers that the API needs, and caches them: a second create costs no look-up.
//!
//! One image name stands for an image of each architecture; the server type determines which one
//! fits.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::debug;

use super::convert::{self, Wanted};
use super::wire::{Image, List, PER_PAGE, ServerType, SshKey};
use crate::http::{Call, Errand, HttpClient};
use crate::provider::config::InstanceRequest;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::shared::lookup::Lookups;
use crate::provider::shared::validate;

pub(super) struct Catalog {
    /// By server type.
    architectures: Lookups<String, String>,
    /// By requested image and architecture.
    images: Lookups<(Wanted, String), u64>,
    /// By requested digits.
    keys: Lookups<String, Value>,
}

/// Entries do not expire; a refused create clears them.
impl Default for Catalog {
    fn default() -> Self {
        Self {
            architectures: Lookups::new(Duration::MAX),
            images: Lookups::new(Duration::MAX),
            keys: Lookups::new(Duration::MAX),
        }
    }
}

/// Reads a project's catalog for one create.
pub(super) struct Reader<'a> {
    pub(super) http: &'a HttpClient,
    pub(super) errand: &'a Errand,
}

impl Catalog {
    /// Returns the number of a request's image.
    ///
    /// If the endpoint lacks the lists, returns the name unchanged: such an endpoint may serve only
    /// servers, and refuses an image that does not fit.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] names `size` or `image` when the cloud does not have it.
    pub(super) async fn image(
        &self,
        reader: &Reader<'_>,
        request: &InstanceRequest,
    ) -> ProviderResult<Value> {
        let wanted = convert::image(&request.image)?;
        let name = match &wanted {
            Wanted::Id(id) => return Ok(Value::from(*id)),
            Wanted::System(name) | Wanted::Any(name) => name,
        };
        match self.image_id(reader, &request.size, &wanted, name).await {
            Ok(id) => Ok(Value::from(id)),
            Err(ProviderError::NotFound { .. }) => {
                debug!(name, "no catalogue at this endpoint: the image is sent by name");
                Ok(Value::from(name.as_str()))
            }
            Err(error) => Err(error),
        }
    }

    async fn image_id(
        &self,
        reader: &Reader<'_>,
        size: &str,
        wanted: &Wanted,
        name: &str,
    ) -> ProviderResult<u64> {
        let architecture =
            self.architectures.or_look(size.to_string(), reader.architecture(size)).await?;
        let find = async {
            let mut call = Call::get(Operation::CreateInstance, "/images")
                .query("name", name)
                .query("architecture", &architecture);
            if matches!(wanted, Wanted::System(_)) {
                call = call.query("type", "system");
            }
            let images: Vec<Image> = reader.list(call).await?;
            let fits = |image: &&Image| image.name == name && image.architecture == architecture;
            images.iter().find(fits).map(|image| image.id).ok_or_else(|| {
                let message = format!(
                    "no image named {name:?} for {architecture}, which is what {size} is: it does \
                     not exist, or is deprecated \
                     and hidden; use another name, or the id of the image (snapshots go by id only)"
                );
                ProviderError::invalid_config("image", message)
            })
        };
        self.images.or_look((wanted.clone(), architecture.clone()), find).await
    }

    /// Returns the keys of a request. Unambiguous ids and names stay as they are; fingerprints
    /// become ids, as the API does not accept them.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when no key has the fingerprint, or when digits are the id
    /// of one key and the name of another.
    pub(super) async fn ssh_keys(
        &self,
        reader: &Reader<'_>,
        request: &InstanceRequest,
    ) -> ProviderResult<Vec<Value>> {
        let mut keys = Vec::with_capacity(request.ssh_keys.len());
        for key in &request.ssh_keys {
            if !convert::is_fingerprint(key) {
                let asked = convert::ssh_key(key);
                keys.push(match asked.as_u64() {
                    Some(id) => self.keys.or_look(key.clone(), reader.named_key(id, key)).await?,
                    None => asked,
                });
                continue;
            }
            let call = Call::get(Operation::CreateInstance, "/ssh_keys")
                .query("fingerprint", key.to_ascii_lowercase());
            let found: Vec<SshKey> = reader.list(call).await?;
            let key = found
                .iter()
                .find(|found| found.fingerprint.eq_ignore_ascii_case(key))
                .ok_or_else(|| {
                    let message = format!(
                        "no key with the fingerprint {key} in the project; upload \
                 it, or leave it out"
                    );
                    ProviderError::invalid_config("ssh_keys", message)
                })?;
            keys.push(Value::from(key.id));
        }
        Ok(keys)
    }

    /// Forgets everything: a refused create may mean that Hetzner has replaced an image.
    pub(super) fn forget(&self) {
        self.architectures.retain(|_| false);
        self.images.retain(|_| false);
        self.keys.retain(|_| false);
    }
}

impl Reader<'_> {
    async fn architecture(&self, size: &str) -> ProviderResult<String> {
        let types: Vec<ServerType> = self
            .list(Call::get(Operation::CreateInstance, "/server_types").query("name", size))
            .await?;
        let found = types
            .into_iter()
            .find(|server_type| server_type.name == size)
            .map(|server_type| server_type.architecture);
        found.ok_or_else(|| {
            let message = format!(
                "the cloud knows no server type named {size:?}; use a name from \
             its price list, in lower case"
            );
            ProviderError::invalid_config("size", message)
        })
    }

    /// Returns a key by its name or id: digits may be either.
    async fn named_key(&self, id: u64, key: &str) -> ProviderResult<Value> {
        let call = Call::get(Operation::CreateInstance, "/ssh_keys").query("name", key);
        // If the endpoint lacks the list, the digits are taken as an id.
        let named: Vec<SshKey> =
            validate::absent_is_none(self.list(call).await)?.unwrap_or_default();
        let Some(named) = named.into_iter().find(|named| named.name == key && named.id != id)
        else {
            return Ok(Value::from(id));
        };
        let path = format!("/ssh_keys/{id}");
        let of_id =
            Call::get(Operation::CreateInstance, path).about("ssh key", key).within(self.errand);
        match validate::absent_is_none(self.http.send(&of_id).await.map_err(ProviderError::from))? {
            None => Ok(Value::from(named.id)),
            Some(_) => {
                let message = format!(
                    "{key:?} is ambiguous: the key with that id, or key {} of that name; rename it",
                    named.id
                );
                Err(ProviderError::invalid_config("ssh_keys", message))
            }
        }
    }

    /// Reads a list that fits on one page because the query filters it.
    async fn list<T: DeserializeOwned>(&self, call: Call<'_>) -> ProviderResult<Vec<T>> {
        let call = call.optional().within(self.errand).query("per_page", PER_PAGE.to_string());
        let page: List<T> = self.http.json(&call).await?;
        Ok(page.items)
    }
}
