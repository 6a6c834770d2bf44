//! How a droplet is made, and found by the key or the name of its create.

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::wire::DropletReply;
use super::{DigitalOceanProvider, SKEW, convert};
use crate::clock;
use crate::create::{
    Answer, Cancel, Create, CreateKey, Dedup, Looking, Lookup, Origin, Room, hash_of_key,
    part_of_key,
};
use crate::http::{Call, Deadline, Errand, HttpClient};
use crate::provider::config::InstanceRequest;
use crate::provider::error::ProviderResult;
use crate::provider::operation::Operation;
use crate::provider::{ProviderInstance, labels};

impl DigitalOceanProvider {
    pub(super) async fn make(
        &self,
        request: &InstanceRequest,
        create_key: &CreateKey,
        cancel: &Cancel,
    ) -> ProviderResult<ProviderInstance> {
        let looked = Instant::now();
        let body = convert::create_droplet(request, self.ssh_keys(&request.ssh_keys).await?)?;
        let call = Looking::new(
            self,
            create_key,
            Call::once(Operation::CreateInstance, "/v2/droplets").json(&body)?,
            looked,
        );
        let deadline = Deadline::after(self.http.timeouts().instance_ready);
        let create = Create { call, create_key, dedup: <Self as Room>::DEDUP, deadline, cancel };
        let read = |answer: &Answer| {
            let reply = match answer {
                Answer::Reply(reply) => reply,
                Answer::Found(found) => return Ok((found.clone().adopted_if(true), None)),
            };
            let created: DropletReply = reply.json()?;
            let action = created
                .links
                .actions
                .iter()
                .find(|action| action.rel == "create")
                .map(|action| action.id);
            let made = convert::instance(created.droplet);
            create_key.check_answer(reply, &made)?;
            Ok((made, action))
        };
        let sent = clock::utc();
        let look = || async move {
            let named = self.named(request).await?;
            let mut unsure = Vec::new();
            let mut others = None;
            for made in named {
                match create_key.matches(&made.labels, &made.id) {
                    Ok(true) if create_key.has_made(Origin::Recovered, &made.labels) => {
                        return Ok(Lookup::Found((made, None)));
                    }
                    Ok(true) => others = others.or(Some(Ok((made, None)))),
                    Ok(false) if may_be_new(&made, sent) => unsure.push(made.id),
                    Ok(false) => {}
                    Err(error) => others = others.or(Some(Err(error))),
                }
            }
            Ok(match others {
                _ if !unsure.is_empty() => Lookup::Ambiguous(unsure),
                Some(others) => Lookup::Others(others),
                None => Lookup::Nothing,
            })
        };
        let ((instance, action), origin) = create.make_or_find(read, look).await?;
        self.recent.add(&instance.id, action);
        self.worn.note(&instance.id, &request.labels);
        let is_own = !instance.adopted && create_key.has_made(origin, &instance.labels);
        Ok(instance.adopted_if(!is_own))
    }

    /// Returns the droplets with the request's name. GPU droplets are in a list of their own.
    pub(super) async fn named(
        &self,
        request: &InstanceRequest,
    ) -> ProviderResult<Vec<ProviderInstance>> {
        let filter = if request.size.starts_with("gpu-") {
            ("type", "gpus")
        } else {
            ("name", request.name.as_str())
        };
        let named = self.droplets(Operation::CreateInstance, filter).await?.into_iter();
        Ok(named
            .filter(|droplet| droplet.name.eq_ignore_ascii_case(&request.name))
            .map(convert::instance)
            .collect())
    }

    /// Returns the oldest droplet with this key hash and, if given, this name.
    async fn tagged(
        &self,
        errand: &Errand,
        key_hash: &str,
        name: Option<&str>,
    ) -> ProviderResult<Option<ProviderInstance>> {
        let tag = convert::tag(labels::CREATE_KEY, key_hash);
        let tagged = self.droplets_within(errand, Operation::CreateInstance, ("tag_name", &tag));
        let gpus = self.droplets_within(errand, Operation::CreateInstance, ("type", "gpus"));
        let (tagged, gpus) = tokio::try_join!(tagged, gpus)?;
        let is_named =
            |made: &ProviderInstance| name.is_none_or(|name| made.name.eq_ignore_ascii_case(name));
        let made = tagged.into_iter().chain(gpus).map(convert::instance).filter(is_named);
        Ok(ProviderInstance::oldest(made.filter(|made| {
            made.labels.get(labels::CREATE_KEY).is_some_and(|value| value == key_hash)
        })))
    }
}

/// Whether a droplet with the right name may result from this request. Tags may appear after the
/// droplet; until then only its age is known, if it can be read.
pub(super) fn may_be_new(made: &ProviderInstance, sent: DateTime<Utc>) -> bool {
    !made.labels.contains_key(labels::CREATE_KEY)
        && made.known_created_at().is_none_or(|created| created + SKEW >= sent)
}

impl Room for DigitalOceanProvider {
    const DEDUP: Dedup = Dedup::LookupFirst;

    fn http(&self) -> &HttpClient {
        &self.http
    }

    fn is_ending(&self, machine: &ProviderInstance) -> bool {
        self.recent.has_ended(&machine.id)
    }

    async fn found_under(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        Ok(self.found_lately(key).await?.0)
    }

    async fn found_lately(&self, key: &str) -> ProviderResult<(Option<ProviderInstance>, Instant)> {
        let errand = self.http.errand();
        let mut made = self.tagged(&errand, &hash_of_key(key), None).await?;
        if let (None, Some((batch, name))) = (&made, part_of_key(key)) {
            made = self.tagged(&errand, &hash_of_key(batch), Some(name)).await?;
            // An instance made under a caller's own key is not part of a batch.
            made = made.filter(|made| !made.labels.contains_key(labels::REQUEST_DIGEST));
        }
        Ok((made, errand.as_of()))
    }
}
