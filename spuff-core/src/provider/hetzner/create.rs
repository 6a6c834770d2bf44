//! How a server is made, and found by the key or the name of its create.

use super::lookup::Reader;
use super::wire::{CreateServerReply, Server};
use super::{HetznerProvider, convert};
use crate::create::{Cancel, Create, CreateKey, Dedup, Lookup, Room, hash_of_key, is_leaving};
use crate::http::{Call, Deadline, HttpClient, Reply};
use crate::provider::config::InstanceRequest;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::{ProviderInstance, labels};

impl HetznerProvider {
    pub(super) async fn make(
        &self,
        request: &InstanceRequest,
        create_key: &CreateKey,
        cancel: &Cancel,
    ) -> ProviderResult<ProviderInstance> {
        let reader = Reader { http: &self.http, errand: &self.http.errand() };
        let image = self.catalog.image(&reader, request).await?;
        let ssh_keys = self.catalog.ssh_keys(&reader, request).await?;
        let call = Call::once(Operation::CreateInstance, "/servers")
            .json(&convert::create_server(request, image, ssh_keys)?)?;
        let dedup = <Self as Room>::DEDUP;
        let deadline = Deadline::after(self.http.timeouts().instance_ready);
        let create = Create { call: (&*self.http, call), create_key, dedup, deadline, cancel };
        let read = |reply: &Reply| {
            let created: CreateServerReply = reply.json()?;
            let actions = created
                .action
                .into_iter()
                .chain(created.next_actions)
                .map(|action| action.id)
                .collect();
            let made = convert::instance(created.server);
            create_key.check_answer(reply, &made)?;
            Ok((made, actions))
        };
        let look = || async {
            // The actions of a server found by look-up are unknown.
            match create_key.found(self.labelled(&create_key.key_hash).await?)? {
                Lookup::Nothing => self.named(&request.name, create_key).await,
                found => Ok(found.map(|made| (made, Vec::new()))),
            }
        };
        let created = create.make_or_find(read, look).await;
        if let Err(ProviderError::InvalidConfig { .. } | ProviderError::NotFound { .. }) = created {
            self.catalog.forget();
        }
        let ((instance, actions), origin) = created?;
        self.recent.add(&instance.id, actions);
        let is_own = create_key.has_made(origin, &instance.labels);
        Ok(instance.adopted_if(!is_own))
    }

    /// Returns the server with the name of a create, which a search by label may not find yet.
    async fn named(
        &self,
        name: &str,
        create_key: &CreateKey,
    ) -> ProviderResult<Lookup<(ProviderInstance, Vec<u64>)>> {
        let call = Call::get(Operation::CreateInstance, "/servers").query("name", name);
        let named =
            self.list(call, |server: &Server| server.id).await?.into_iter().map(convert::instance);
        match named.into_iter().find(|made| made.name == name) {
            Some(made) if create_key.matches(&made.labels, &made.id)? => {
                Ok(Lookup::Found((made, Vec::new())))
            }
            Some(other) if is_leaving(self, &other) => Ok(Lookup::Leaving(other.id)),
            Some(_) => Ok(Lookup::Taken),
            None => Ok(Lookup::Nothing),
        }
    }

    async fn labelled(&self, key_hash: &str) -> ProviderResult<Option<ProviderInstance>> {
        let call = Call::get(Operation::CreateInstance, "/servers")
            .query("label_selector", format!("{}=={key_hash}", labels::CREATE_KEY));
        let made =
            self.list(call, |server: &Server| server.id).await?.into_iter().map(convert::instance);
        Ok(ProviderInstance::oldest(made.filter(|made| {
            made.labels.get(labels::CREATE_KEY).is_some_and(|value| value == key_hash)
        })))
    }
}

impl Room for HetznerProvider {
    /// A name is unique in a project.
    const DEDUP: Dedup = Dedup::ByCloud;

    fn http(&self) -> &HttpClient {
        &self.http
    }

    fn is_ending(&self, machine: &ProviderInstance) -> bool {
        self.recent.has_ended(&machine.id) || machine.status.is_ending()
    }

    async fn found_under(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        self.labelled(&hash_of_key(key)).await
    }
}
