//! Creates several droplets with one call. The reply lists all of them, and one tag finds them.

use std::collections::HashMap;

use super::create::may_be_new;
use super::wire::{Droplet, List};
use super::{DigitalOceanProvider, convert};
use crate::clock;
use crate::create::{Batch, Cancel, Create, CreateKey, Dedup, Lookup};
use crate::http::{Call, Deadline, NumberedPage, Reply};
use crate::provider::config::InstanceRequest;
use crate::provider::error::ProviderResult;
use crate::provider::operation::Operation;
use crate::provider::{ProviderInstance, labels};

/// The maximum number of names in a call.
const NAMES: usize = 10;

impl DigitalOceanProvider {
    /// GPU droplets cannot be found by tag, so they are created one by one.
    pub(super) fn batch_size(request: &InstanceRequest) -> usize {
        if request.size.starts_with("gpu-") { 1 } else { NAMES }
    }

    pub(super) async fn make_batch(
        &self,
        requests: &[InstanceRequest],
        create_key: &CreateKey,
        cancel: &Cancel,
    ) -> ProviderResult<Batch> {
        let Some(first) = requests.first() else { return Ok(Batch::new()) };
        let names: Vec<_> = requests.iter().map(|request| request.name.as_str()).collect();
        let body = convert::create_droplets(first, &names, self.ssh_keys(&first.ssh_keys).await?)?;
        let call = Call::once(Operation::CreateInstance, "/v2/droplets").json(&body)?;
        let deadline = Deadline::after(self.http.timeouts().instance_ready);
        let create = Create {
            call: (&*self.http, call),
            create_key,
            dedup: Dedup::LookupFirst,
            deadline,
            cancel,
        };
        let read = |reply: &Reply| {
            let made = reply
                .json::<List<Droplet>>()?
                .into_items()
                .into_iter()
                .map(convert::instance)
                .collect();
            in_order(made, &names).map_err(|_| reply.unreadable("does not include all droplets"))
        };
        let sent = clock::utc();
        let look = || async {
            let tag = convert::tag(labels::CREATE_KEY, &create_key.key_hash);
            let made: Vec<_> = self
                .droplets(Operation::CreateInstance, ("tag_name", &tag))
                .await?
                .into_iter()
                .map(convert::instance)
                .collect();
            if made.is_empty() {
                let named =
                    self.named(first).await?.into_iter().filter(|made| may_be_new(made, sent));
                let untagged: Vec<_> = named.map(|made| made.id).collect();
                return Ok(if untagged.is_empty() {
                    Lookup::Nothing
                } else {
                    Lookup::Ambiguous(untagged)
                });
            }
            Ok(in_order(made, &names).map_or_else(Lookup::Ambiguous, Lookup::Found))
        };
        let made = create.run(read, look).await?;
        for made in &made {
            self.recent.add(&made.id, None);
            self.worn.note(&made.id, &first.labels);
        }
        Ok(made.into_iter().map(Ok).collect())
    }
}

/// Returns the droplets in the order of `names`, or the ids of the existing ones if any is missing.
fn in_order(
    made: Vec<ProviderInstance>,
    names: &[&str],
) -> Result<Vec<ProviderInstance>, Vec<String>> {
    let ids = made.iter().map(|made| made.id.clone()).collect();
    let mut by_name: HashMap<_, _> =
        made.into_iter().map(|made| (made.name.to_ascii_lowercase(), made)).collect();
    let found = names.iter().map(|name| by_name.remove(&name.to_ascii_lowercase()));
    found.collect::<Option<Vec<_>>>().ok_or(ids)
}
