//! Creates instances, and finds them by key.

use super::region::Place;
use super::wire::{self, Instance, RunInstances};
use super::{AwsProvider, batch, convert};
use crate::create::{self, Cancel, Create, CreateKey, Dedup};
use crate::http::{Class, Deadline, HttpClient, Reply};
use crate::provider::ProviderInstance;
use crate::provider::config::InstanceRequest;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::shared::validate;

impl AwsProvider {
    pub(super) async fn make(
        &self,
        place: &Place,
        request: &InstanceRequest,
        create_key: &CreateKey,
        cancel: &Cancel,
    ) -> ProviderResult<ProviderInstance> {
        let image = self.images.find(&self.http, place, request).await?;
        let query =
            convert::run_instances(request, 1, &image, &self.network, &create_key.key_hash)?;
        let call = place.ec2(Operation::CreateInstance, Class::Once, &query);
        let dedup = <Self as create::Room>::DEDUP;
        let deadline = Deadline::after(self.http.timeouts().instance_ready);
        let create = Create { call: (&*self.http, call), create_key, dedup, deadline, cancel };
        let read = |reply: &Reply| {
            let created = wire::read::<RunInstances>(reply)?.instances_set.item.into_iter().next();
            let is_own = |made: &Instance| {
                made.client_token.is_empty() || made.client_token == create_key.key_hash
            };
            let created = created.filter(|made| {
                convert::check_id("id", &made.instance_id, "i-").is_ok() && is_own(made)
            });
            let created = created.map(|created| convert::instance(created, &place.region));
            created.ok_or_else(|| reply.unreadable("names no instance"))
        };
        let look = || async { create_key.found(self.find_by_key(place, &create_key.key).await?) };
        let created = self.noted(place, create_key, create.make_or_find(read, look)).await;
        if let Err(ProviderError::InvalidConfig { .. }) = created {
            self.images.forget(&image);
        }
        let (mut instance, origin) = created?;
        instance.adopted = !create_key.has_made(origin, &instance.labels);
        instance.name.clone_from(&request.name);
        if !instance.adopted {
            instance.labels.extend(
                validate::labels(request)?
                    .into_iter()
                    .map(|(key, value)| (key.to_string(), value.to_string())),
            );
        }
        self.recent.add(&instance.id, ());
        self.places.whereabouts.note(&instance.id, &place.region);
        Ok(instance)
    }

    /// Returns the instance that was made under a key and has not ended.
    async fn find_by_key(
        &self,
        place: &Place,
        key: &str,
    ) -> ProviderResult<Option<ProviderInstance>> {
        let made = match (
            self.launched(place, &create::hash_of_key(key)).await?.into_iter().next(),
            create::part_of_key(key),
        ) {
            (None, Some((batch, index))) => {
                let mut launched = self.launched(place, &create::hash_of_key(batch)).await?;
                // An instance made under a caller's own key is not part of a batch.
                launched.retain(|made| !convert::has_digest(&made.tag_set.item));
                batch::part(launched, index)?
            }
            (made, _) => made,
        };
        Ok(made.map(|made| convert::instance(made, &place.region)))
    }
}

impl create::Room for AwsProvider {
    /// The client token: EC2 answers the same bytes with the same instance. Another call's bytes
    /// have that call's label, so EC2 refuses them.
    const DEDUP: Dedup = Dedup::ByCloud;

    fn http(&self) -> &HttpClient {
        &self.http
    }

    fn is_ending(&self, machine: &ProviderInstance) -> bool {
        self.recent.has_ended(&machine.id) || machine.status.is_ending()
    }

    async fn found_under(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        for place in self.places.sought(key)? {
            if let Some(made) = self.find_by_key(&place, key).await? {
                self.places.whereabouts.note(&made.id, &place.region);
                return Ok(Some(made));
            }
        }
        Ok(None)
    }

    async fn found_anywhere(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        let known = self.places.sought(key)?;
        let look = |place: Place| async move { self.find_by_key(&place, key).await };
        let found = self.made_anywhere(Operation::CreateInstance, key, &known, look).await?;
        Ok(self.taken_up(key, found, |made| &made.id))
    }
}
