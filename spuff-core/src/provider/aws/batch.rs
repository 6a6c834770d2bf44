//! Launches several instances with one call: the client token stands for all of them, and the
//! launch index for each. That call sets the labels, including the owner; one more call for each
//! instance sets its name.

use futures_util::future::join_all;

use super::query::Query;
use super::region::Place;
use super::wire::{
    self, CreateTags, DescribeInstances, Instance, Listing, RunInstances, ask, read,
};
use super::{AwsProvider, convert};
use crate::create::{Batch, Cancel, Create, CreateKey, Dedup, Lookup};
use crate::http::{Class, Deadline, Reply};
use crate::progress;
use crate::provider::ProviderInstance;
use crate::provider::config::InstanceRequest;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::shared::validate;
use crate::wait::{Observation, Wait};

/// The maximum number of instances in a call. If capacity does not suffice for all, EC2 starts
/// none.
pub(super) const AT_ONCE: usize = 25;

impl AwsProvider {
    pub(super) async fn make_batch(
        &self,
        place: &Place,
        requests: &[InstanceRequest],
        create_key: &CreateKey,
        cancel: &Cancel,
    ) -> ProviderResult<Batch> {
        let Some(first) = requests.first() else { return Ok(Batch::new()) };
        let image = self.images.find(&self.http, place, first).await?;
        let query = convert::run_instances(
            first,
            requests.len(),
            &image,
            &self.network,
            &create_key.key_hash,
        )?;
        let call = place.ec2(Operation::CreateInstance, Class::Once, &query);
        let dedup = Dedup::ByCloud;
        let deadline = Deadline::after(self.http.timeouts().instance_ready);
        let create = Create { call: (&*self.http, call), create_key, dedup, deadline, cancel };
        let read = |reply: &Reply| {
            let made = in_order(read::<RunInstances>(reply)?.instances_set.item, requests.len());
            made.ok_or_else(|| reply.unreadable("does not name all instances"))
        };
        let look = || async {
            let made = self.launched(place, &create_key.key_hash).await?;
            let ids = made.iter().map(|instance| instance.instance_id.clone()).collect::<Vec<_>>();
            let found = in_order(made, requests.len()).map(Lookup::Found);
            Ok(found.unwrap_or(if ids.is_empty() {
                Lookup::Nothing
            } else {
                Lookup::Ambiguous(ids)
            }))
        };
        let made = match self.noted(place, create_key, create.run(read, look)).await {
            Ok(made) => made,
            Err(error) => {
                if let ProviderError::InvalidConfig { .. } = error {
                    self.images.forget(&image);
                }
                return Err(error);
            }
        };
        for instance in &made {
            self.recent.add(&instance.instance_id, ());
            self.places.whereabouts.note(&instance.instance_id, &place.region);
        }
        let named =
            made.into_iter().zip(requests).map(|(made, request)| self.named(place, made, request));
        Ok(join_all(named).await)
    }

    /// Sets an instance's name, which the launch could not.
    async fn named(
        &self,
        place: &Place,
        made: Instance,
        request: &InstanceRequest,
    ) -> ProviderResult<ProviderInstance> {
        let id = made.instance_id.clone();
        let query = convert::create_tags(&id, &[(convert::NAME_TAG, &request.name)]);
        let timeouts = self.http.timeouts();
        let wait = Wait::new(
            Operation::CreateInstance,
            ("instance", &id),
            timeouts.instance_ready,
            timeouts,
        );
        // EC2 may not find a just launched instance yet.
        let tagged = wait.grace_until(self.recent.visible_by(&id)).until(|| async {
            let call = place
                .ec2(Operation::CreateInstance, Class::Idempotent, &query)
                .about("instance", &id);
            match wire::ask::<CreateTags>(&self.http, &call).await {
                Ok(_) => Ok(Observation::Done(())),
                Err(ProviderError::NotFound { .. }) => Ok(Observation::Absent),
                Err(error) => Observation::past(error),
            }
        });
        if let Err(error) = progress::muted(tagged).await {
            return Err(error.after_create(id, None));
        }
        let mut instance = convert::instance(made, &place.region);
        instance.name.clone_from(&request.name);
        instance.labels.extend(
            validate::labels(request)?
                .into_iter()
                .map(|(key, value)| (key.to_string(), value.to_string())),
        );
        Ok(instance)
    }

    /// Returns the instances that were launched under a key hash and have not ended, by label.
    /// Instances of earlier versions carry it as well, although their client token was the key
    /// itself.
    pub(super) async fn launched(
        &self,
        place: &Place,
        key_hash: &str,
    ) -> ProviderResult<Vec<Instance>> {
        let query = Query::new("DescribeInstances").filter(convert::KEY, &[key_hash]);
        let reply: DescribeInstances =
            ask(&self.http, &place.ec2(Operation::CreateInstance, Class::Safe, &query)).await?;
        let mut made = reply.into_parts().0;
        made.retain(|instance| {
            convert::is_made_under(&instance.tag_set.item, key_hash)
                && !convert::is_ending(instance)
        });
        Ok(made)
    }
}

/// Returns the instance with that launch index. Fails if only an unnumbered one may be it.
pub(super) fn part(made: Vec<Instance>, index: &str) -> ProviderResult<Option<Instance>> {
    let numbered = |instance: &Instance| instance.ami_launch_index.map(|number| number.to_string());
    let unclear = made
        .iter()
        .find(|instance| numbered(instance).is_none())
        .map(|instance| instance.instance_id.clone());
    match (made.into_iter().find(|instance| numbered(instance).as_deref() == Some(index)), unclear)
    {
        (None, Some(id)) => {
            let message = format!(
                "{id} was made by the same call, and the reply has no amiLaunchIndex that \
                 identifies it"
            );
            Err(ProviderError::api(200, message))
        }
        (found, _) => Ok(found),
    }
}

/// Returns all instances of a launch by index, or `None` if any is missing.
fn in_order(mut made: Vec<Instance>, count: usize) -> Option<Vec<Instance>> {
    made.retain(|instance| !instance.instance_id.is_empty());
    made.sort_by_key(|instance| instance.ami_launch_index);
    (made.len() == count).then_some(made)
}
