//! Defaults for fields that a request omits: region, owner and lease.
//!
//! The options are the same for every cloud.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::create::{self, CreateKey};
use crate::http::{PACE_OPTION, SETTLING_OPTION};
use crate::provider::config::{InstanceRequest, ProviderConfig};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::labels;
use crate::provider::registry::OptionDescription;

/// The defaults for requests, and the labels of snapshots.
#[derive(Debug, Clone, Default)]
pub(crate) struct Defaults {
    region: String,
    owner: Option<String>,
    ttl: Option<Duration>,
}

impl Defaults {
    /// The lease options, of every provider.
    pub(crate) const LEASE: [&str; 2] = ["owner", "ttl"];
    /// The options of every cloud provider.
    pub(crate) const CLOUD: [&str; 2] = [SETTLING_OPTION, PACE_OPTION];

    pub(crate) fn new(config: &ProviderConfig) -> ProviderResult<Self> {
        let option = |name: &str| config.options.get(name).filter(|value| !value.is_empty());
        let seconds = |text: &String| {
            text.trim().parse().ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
        };
        let ttl = option("ttl").map(|text| {
            let invalid = || {
                ProviderError::invalid_config(
                    "ttl",
                    format!("{text:?}: must be whole seconds, such as 3600"),
                )
            };
            seconds(text).ok_or_else(invalid)
        });
        let owner = option("owner").map(|owner| create::check_owner(owner).map(str::to_string));
        Ok(Self {
            region: config.region.clone().unwrap_or_default(),
            owner: owner.transpose()?,
            ttl: ttl.transpose()?,
        })
    }

    /// Returns `named`, or the default region if it is empty.
    pub(crate) fn region<'a>(&'a self, named: &'a str) -> &'a str {
        if named.is_empty() { &self.region } else { named }
    }

    pub(crate) fn describe_lease() -> [OptionDescription; 2] {
        [
            OptionDescription::new("owner", "Owner of instances that name none, and of snapshots")
                .env(&["SPUFF_OWNER"]),
            OptionDescription::new(
                "ttl",
                "Lease in seconds of instances that name none, and of snapshots; none by default",
            )
            .env(&["SPUFF_TTL"]),
        ]
    }

    pub(crate) fn describe() -> [OptionDescription; 4] {
        let consistency_delay = "Seconds after which the cloud's lists show a new resource; 30 by \
         default, less for simulated clouds only";
        let pace = "Factor by which requests may exceed the cloud's rate limits; 1 by default, \
         more for simulated clouds only";
        let [owner, ttl] = Self::describe_lease();
        [
            OptionDescription::new(SETTLING_OPTION, consistency_delay).env(&["SPUFF_SETTLING"]),
            OptionDescription::new(PACE_OPTION, pace).env(&["SPUFF_PACE"]),
            owner,
            ttl,
        ]
    }

    /// Returns the create key, and the request with defaults and the labels that carry the key.
    pub(crate) fn tagged(
        &self,
        request: &InstanceRequest,
    ) -> ProviderResult<(CreateKey, InstanceRequest)> {
        CreateKey::of(&self.filled(request))
    }

    /// As [`tagged`](Self::tagged), but a random key carries the place to search.
    pub(crate) fn tagged_in(
        &self,
        place: &str,
        request: &InstanceRequest,
    ) -> ProviderResult<(CreateKey, InstanceRequest)> {
        CreateKey::of_place(&self.filled(request), place)
    }

    fn filled(&self, request: &InstanceRequest) -> InstanceRequest {
        let mut request = request.clone();
        if request.region.is_empty() {
            request.region.clone_from(&self.region);
        }
        request.owner = request.owner.or_else(|| self.owner.clone());
        request.ttl = request.ttl.or(self.ttl);
        request
    }

    /// As [`tagged_in`](Self::tagged_in), for a batch: requests that differ only in their names,
    /// under one key.
    pub(crate) fn tagged_batch(
        &self,
        place: &str,
        requests: &[InstanceRequest],
    ) -> ProviderResult<(CreateKey, Vec<InstanceRequest>)> {
        let first = requests.first().cloned().unwrap_or_default();
        let (create_key, tagged) = self.tagged_in(place, &first)?;
        Ok((create_key, create::named_batch(&tagged, requests)))
    }

    /// Returns a random create key that carries `place`, and the labels of the snapshot.
    pub(crate) fn snapshot(
        &self,
        place: &str,
    ) -> ProviderResult<(CreateKey, BTreeMap<&'static str, String>)> {
        let create_key = CreateKey::random(place)?;
        let mut labels = self.lease()?;
        labels.insert(labels::CREATE_KEY, create_key.key_hash.clone());
        Ok((create_key, labels))
    }

    /// Returns the labels that mark a snapshot as managed, with its owner and the end of its lease.
    pub(crate) fn lease(&self) -> ProviderResult<BTreeMap<&'static str, String>> {
        let mut labels =
            BTreeMap::from([(labels::MANAGED_BY, labels::MANAGED_BY_VALUE.to_string())]);
        labels.extend(self.owner.clone().map(|owner| (labels::OWNER, owner)));
        if let Some(ttl) = self.ttl {
            labels.insert(labels::EXPIRES_AT, create::expiry(ttl)?);
        }
        Ok(labels)
    }
}
