//! How a snapshot is made, found by its key, and waited for.

use super::poll::{OfActions, OfImages, Waiting};
use super::wire::{CreateImageReply, Image};
use super::{HetznerProvider, convert, errors};
use crate::create::{Cancel, Create, Dedup, Lookup, still_open};
use crate::http::{Call, Deadline, Reply};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::shared::validate;
use crate::provider::{Snapshot, labels};
use crate::wait::Wait;

impl HetznerProvider {
    pub(super) async fn snapshot_made_under(
        &self,
        key_hash: &str,
    ) -> ProviderResult<Option<Image>> {
        let call = Call::get(Operation::CreateSnapshot, "/images")
            .query("type", "snapshot")
            .query("label_selector", format!("{}=={key_hash}", labels::CREATE_KEY));
        let made = self.list(call, |image: &Image| image.id).await?.into_iter();
        Ok(made.into_iter().find(|image| {
            image.labels.get(labels::CREATE_KEY).is_some_and(|value| value == key_hash)
        }))
    }

    /// Makes a snapshot and waits for it. If the reply was lost and the snapshot found again, its
    /// action is unknown.
    pub(super) async fn snapshot(
        &self,
        instance_id: &str,
        name: &str,
        cancel: &Cancel,
    ) -> ProviderResult<Snapshot> {
        let timeouts = self.http.timeouts();
        let deadline = Deadline::after(timeouts.action_complete);
        let (create_key, labels) = self.defaults.snapshot("")?;
        let call = Call::once(
            Operation::CreateSnapshot,
            format!("/servers/{instance_id}/actions/create_image"),
        )
        .about("instance", instance_id)
        .json(&convert::create_image(name, labels))?;
        let create = Create {
            call: (&*self.http, call),
            create_key: &create_key,
            dedup: Dedup::LookupFirst,
            deadline,
            cancel,
        };
        let read = |reply: &Reply| {
            let started: CreateImageReply = reply.json()?;
            Ok((started.image.id, vec![started.action.id]))
        };
        let look = || async {
            let made = self.snapshot_made_under(&create_key.key_hash).await?;
            Ok(Lookup::found(made.map(|image| (image.id, Vec::new()))))
        };
        let (id, actions) = create.run(read, look).await?;

        let id = &id.to_string();
        let waiting = self.http.shared::<Waiting>();
        self.taken.add(id, ());
        let open = |error| still_open(Operation::CreateSnapshot, &create_key.key, id, error);
        for action in actions {
            let wait = Wait::new(
                Operation::CreateSnapshot,
                ("snapshot", id),
                deadline.remaining(),
                timeouts,
            );
            if let Some(action) = wait
                .together(&OfActions(self.clone()), &waiting.actions, action)
                .await
                .map_err(open)?
            {
                let aftermath = self.remove_failed(id).await;
                return Err(self.http.discreet(errors::failed(instance_id, &action, &aftermath)));
            }
        }
        let wait =
            Wait::new(Operation::CreateSnapshot, ("snapshot", id), deadline.remaining(), timeouts);
        let wait = wait.unseen_for(self.http.consistency_delay());
        Ok(convert::snapshot(
            wait.together(&OfImages(self.clone()), &waiting.images, ()).await.map_err(open)?,
        ))
    }

    pub(super) async fn managed_images(&self, operation: Operation) -> ProviderResult<Vec<Image>> {
        let call = Call::get(operation, "/images")
            .query("type", "snapshot")
            .query("label_selector", convert::MANAGED_SELECTOR);
        self.list(call, |image: &Image| image.id).await
    }

    /// Deletes the image of a failed snapshot. Returns a note if that fails too.
    async fn remove_failed(&self, id: &str) -> String {
        let call =
            Call::delete(Operation::CreateSnapshot, format!("/images/{id}")).about("snapshot", id);
        match validate::absent_is_none(
            self.http.told(&call, Reply::no_content).await.map_err(ProviderError::from),
        ) {
            Ok(_) => String::new(),
            Err(error) => {
                format!("; snapshot {id} could not be deleted, and may cost money: {error}")
            }
        }
    }
}
