//! Looks up what the API wants by number, and remembers it: a second create costs no look-up.
//!
//! One image name stands for an image of each architecture, and only the server type tells which of them fits.

use std::collections::{HashMap, HashSet};

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;
use tracing::debug;

use super::api::{Image, List, PER_PAGE, ServerType, SshKey};
use super::map::{self, Wanted};
use crate::http::{Call, HttpClient};
use crate::provider::check;
use crate::provider::config::InstanceRequest;
use crate::provider::error::{ProviderError, ProviderResult};

#[derive(Default)]
pub(super) struct Catalog(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// By server type.
    architectures: HashMap<String, String>,
    /// By what was asked for and architecture.
    images: HashMap<(Wanted, String), u64>,
    /// Of keys, which no other key has as its name.
    ids: HashSet<u64>,
}

impl Catalog {
    /// The image of a request, by number.
    ///
    /// An endpoint that does not have the lists gets the name as it is: it may lead to servers only, and refuses an image
    /// that does not fit.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] names `size` or `image` when the cloud has no such thing.
    pub(super) async fn image(&self, http: &HttpClient, request: &InstanceRequest) -> ProviderResult<Value> {
        let wanted = map::image(&request.image)?;
        let name = match &wanted {
            Wanted::Id(id) => return Ok(Value::from(*id)),
            Wanted::System(name) | Wanted::Any(name) => name,
        };
        match self.image_id(http, &request.size, &wanted, name).await {
            Ok(id) => Ok(Value::from(id)),
            Err(ProviderError::NotFound { .. }) => {
                debug!(name, "no catalogue at this endpoint: the image goes by its name");
                Ok(Value::from(name.as_str()))
            }
            Err(error) => Err(error),
        }
    }

    /// The lock is kept while looking up: many creates at once ask once.
    async fn image_id(&self, http: &HttpClient, size: &str, wanted: &Wanted, name: &str) -> ProviderResult<u64> {
        let mut known = self.0.lock().await;
        let architecture = match known.architectures.get(size) {
            Some(architecture) => architecture.clone(),
            None => {
                let architecture = architecture(http, size).await?;
                known.architectures.insert(size.to_string(), architecture.clone());
                architecture
            }
        };
        let key = (wanted.clone(), architecture);
        if let Some(id) = known.images.get(&key) {
            return Ok(*id);
        }
        let mut call = Call::get("create_instance", "/images").query("name", name).query("architecture", key.1.as_str());
        if matches!(wanted, Wanted::System(_)) {
            call = call.query("type", "system");
        }
        let images: Vec<Image> = list(http, call).await?;
        let fits = |image: &&Image| image.name == name && image.architecture == key.1;
        let id = images.iter().find(fits).map(|image| image.id).ok_or_else(|| {
            let architecture = &key.1;
            let message = format!(
                "no image named {name:?} for {architecture}, which is what {size} is: it does not exist, or is deprecated and \
                 hidden; use another name, or the id of the image (snapshots go by id only)"
            );
            ProviderError::invalid_config("image", message)
        })?;
        known.images.insert(key, id);
        Ok(id)
    }

    /// The keys of a request: ids and names as they are, where it is certain which of them they are. The API takes no fingerprints, so these become ids.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when the project has no key with a fingerprint.
    pub(super) async fn ssh_keys(&self, http: &HttpClient, request: &InstanceRequest) -> ProviderResult<Vec<Value>> {
        let mut keys = Vec::with_capacity(request.ssh_keys.len());
        for key in &request.ssh_keys {
            if !map::is_fingerprint(key) {
                keys.push(self.named_key(http, key).await?);
                continue;
            }
            let call = Call::get("create_instance", "/ssh_keys").query("fingerprint", key.to_ascii_lowercase());
            let found: Vec<SshKey> = list(http, call).await?;
            let key = found.iter().find(|found| found.fingerprint.eq_ignore_ascii_case(key)).ok_or_else(|| {
                let message = format!("no key with the fingerprint {key} in the project; upload it, or leave it out");
                ProviderError::invalid_config("ssh_keys", message)
            })?;
            keys.push(Value::from(key.id));
        }
        Ok(keys)
    }

    /// A key by its name or id. Digits may be either: there may be a key of that name.
    async fn named_key(&self, http: &HttpClient, key: &str) -> ProviderResult<Value> {
        let asked = map::ssh_key(key);
        let Some(id) = asked.as_u64() else { return Ok(asked) };
        if self.0.lock().await.ids.contains(&id) {
            return Ok(asked);
        }
        let call = Call::get("create_instance", "/ssh_keys").query("name", key);
        // An endpoint without the list takes it as it is.
        let named: Vec<SshKey> = check::absent_is_none(list(http, call).await)?.unwrap_or_default();
        let Some(named) = named.into_iter().find(|named| named.name == key && named.id != id) else {
            self.0.lock().await.ids.insert(id);
            return Ok(asked);
        };
        let path = format!("/ssh_keys/{id}");
        let of_id = Call::get("create_instance", path).about("ssh key", key);
        match check::absent_is_none(http.send(&of_id).await.map_err(ProviderError::from))? {
            None => Ok(Value::from(named.id)),
            Some(_) => {
                let message = format!("{key:?} may mean the key with that id and key {} of that name; rename it", named.id);
                Err(ProviderError::invalid_config("ssh_keys", message))
            }
        }
    }

    /// Forgets everything: a refused create may mean that the cloud has replaced an image.
    pub(super) async fn forget(&self) {
        *self.0.lock().await = Known::default();
    }
}

async fn architecture(http: &HttpClient, size: &str) -> ProviderResult<String> {
    let types: Vec<ServerType> = list(http, Call::get("create_instance", "/server_types").query("name", size)).await?;
    let found = types.into_iter().find(|server_type| server_type.name == size).map(|server_type| server_type.architecture);
    found.ok_or_else(|| {
        let message = format!("the cloud knows no server type named {size:?}; use a name from its price list, in lower case");
        ProviderError::invalid_config("size", message)
    })
}

/// A list that is known to fit on one page, because it is asked for by a name.
async fn list<T: DeserializeOwned>(http: &HttpClient, call: Call<'_>) -> ProviderResult<Vec<T>> {
    let page: List<T> = http.json(&call.query("per_page", PER_PAGE.to_string())).await?;
    Ok(page.items)
}
