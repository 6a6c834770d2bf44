//! Snapshots: an image, and the EBS snapshots that it boots from.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::poll::{OfImages, Waiting};
use super::query::Query;
use super::region::Place;
use super::region_search::Asking;
use super::wire::{
    self, CreateImage, DeleteSnapshot, DeregisterImage, DescribeImages, DescribeSnapshots, Image,
    ask,
};
use super::{AwsProvider, convert};
use crate::create::{self, Cancel, Create, Dedup, Lookup};
use crate::http::{Class, Deadline, Reply};
use crate::provider::Snapshot;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::shared::validate;
use crate::wait::{Observation, Wait};

impl AwsProvider {
    /// Makes an image and waits for it. A name is unique in a region, so EC2 rejects a second
    /// image.
    pub(super) async fn snapshot(
        &self,
        place: &Place,
        instance_id: &str,
        name: &str,
        cancel: &Cancel,
    ) -> ProviderResult<Snapshot> {
        let (create_key, labels) = self.defaults.snapshot(&place.region)?;
        let mut tags = vec![("Name", name)];
        tags.extend(labels.iter().map(|(key, value)| (*key, value.as_str())));
        let query = Query::new("CreateImage")
            .with("InstanceId", instance_id)
            .with("Name", name)
            .with("NoReboot", "true")
            .tags(&["image", "snapshot"], &tags);
        let deadline = Deadline::after(self.http.timeouts().action_complete);
        let call = place
            .ec2(Operation::CreateSnapshot, Class::Once, &query)
            .about("instance", instance_id);
        let dedup = Dedup::ByCloud;
        let create =
            Create { call: (&*self.http, call), create_key: &create_key, dedup, deadline, cancel };
        let read = |reply: &Reply| {
            let id = wire::read::<CreateImage>(reply)?.image_id;
            if id.is_empty() { Err(reply.unreadable("names no image")) } else { Ok(id) }
        };
        let look = || async {
            // A search by tag may lag; the name belongs to one image.
            match (
                self.image_made_under(place, &create_key.key_hash).await?,
                self.image_named(place, name).await?,
            ) {
                (Some(image), _) => Ok(Lookup::Found(image.image_id)),
                (None, Some(image))
                    if convert::is_made_under(&image.tag_set.item, &create_key.key_hash) =>
                {
                    Ok(Lookup::Found(image.image_id))
                }
                (None, Some(_)) => Ok(Lookup::Taken),
                (None, None) => Ok(Lookup::Nothing),
            }
        };
        let id = &self.noted(place, &create_key, create.run(read, look)).await?;
        self.places.whereabouts.note(id, &place.region);
        let done = self.done(place, id, deadline).await;
        let image = done.map_err(|error| {
            create::still_open(Operation::CreateSnapshot, &create_key.key, id, error)
        })?;
        if convert::has_failed(&image) {
            Err(self.http.discreet(convert::failed_image(&image, instance_id)))
        } else {
            Ok(convert::snapshot(image))
        }
    }

    async fn image_named(&self, place: &Place, name: &str) -> ProviderResult<Option<Image>> {
        let query = Query::new("DescribeImages").with("Owner.1", "self").filter("name", &[name]);
        let reply: DescribeImages =
            ask(&self.http, &place.ec2(Operation::CreateSnapshot, Class::Safe, &query)).await?;
        let mut named = reply.images_set.item.into_iter();
        Ok(named.find(|image| image.name == name && image.image_state != "deregistered"))
    }

    pub(super) async fn image_made_under(
        &self,
        place: &Place,
        key_hash: &str,
    ) -> ProviderResult<Option<Image>> {
        let query =
            Query::new("DescribeImages").with("Owner.1", "self").filter(convert::KEY, &[key_hash]);
        let reply: DescribeImages =
            ask(&self.http, &place.ec2(Operation::CreateSnapshot, Class::Safe, &query)).await?;
        let is_ours = |image: &Image| {
            convert::is_made_under(&image.tag_set.item, key_hash)
                && image.image_state != "deregistered"
        };
        Ok(reply.images_set.item.into_iter().find(is_ours))
    }

    pub(super) async fn image(
        &self,
        asking: Asking<'_>,
        place: &Place,
        id: &str,
    ) -> ProviderResult<Image> {
        let query = Query::new("DescribeImages").with("ImageId.1", id);
        let call = asking.call(place, &query).about("snapshot", id);
        let reply: DescribeImages = ask(&self.http, &call).await?;
        let found = reply
            .images_set
            .item
            .into_iter()
            .find(|image| image.image_id == id && image.image_state != "deregistered");
        found.ok_or_else(|| ProviderError::not_found("snapshot", id))
    }

    /// Returns the EBS snapshots of a deleted image, which only their description identifies.
    pub(super) async fn left_over(
        &self,
        asking: Asking<'_>,
        place: &Place,
        image_id: &str,
    ) -> ProviderResult<Vec<String>> {
        let (name, value) = convert::MANAGED;
        let query = Query::new("DescribeSnapshots")
            .with("Owner.1", "self")
            .filter(name, &[value])
            .matching("description", &[&convert::description_of(image_id)]);
        let reply: DescribeSnapshots = ask(&self.http, &asking.call(place, &query)).await?;
        Ok(reply.snapshot_set.item.into_iter().map(|snapshot| snapshot.snapshot_id).collect())
    }

    /// Waits until a new image is available or has failed. Its first reads may not find it.
    async fn done(&self, place: &Place, id: &str, deadline: Deadline) -> ProviderResult<Image> {
        let wait = Wait::new(
            Operation::CreateSnapshot,
            ("snapshot", id),
            deadline.remaining(),
            self.http.timeouts(),
        );
        let wait = wait.grace_until(Some(Instant::now() + deadline.remaining()));
        let waiting = self.http.shared::<Waiting>();
        wait.together(&OfImages(self.clone()), &waiting.images, place.clone()).await
    }

    /// Deletes an image in `place`, then its EBS snapshots; returns [`ProviderError::NotFound`] if
    /// there is neither.
    pub(super) async fn delete_at(
        &self,
        asking: Asking<'_>,
        place: &Place,
        id: &str,
        deadline: Deadline,
    ) -> ProviderResult<()> {
        // A deleted image no longer reports its EBS snapshots.
        let stored = match validate::absent_is_none(self.image(asking, place, id).await)? {
            Some(image) => {
                let query = &Query::new("DeregisterImage").with("ImageId", id);
                let wait = Wait::new(
                    Operation::DeleteSnapshot,
                    ("snapshot", id),
                    deadline.remaining(),
                    self.http.timeouts(),
                );
                let ended = wait.until(|| async move {
                    let call = place
                        .ec2(Operation::DeleteSnapshot, Class::Idempotent, query)
                        .about("snapshot", id);
                    self.delete::<DeregisterImage>(&call).await
                });
                Observation::deleted(ended.await)?;
                convert::stored(&image)
            }
            None => match self.left_over(asking, place, id).await? {
                none if none.is_empty() => return Err(ProviderError::not_found("snapshot", id)),
                stored => stored,
            },
        };
        let left = self.delete_stored(place, id, stored, deadline).await;
        if left.is_empty() {
            return Ok(());
        }
        let message = format!(
            "snapshot {id} is deregistered, but these EBS snapshots of it still cost money: {}",
            left.join("; ")
        );
        Err(ProviderError::Other { message })
    }

    /// Deletes EBS snapshots, which may be in use for a while after their image was deregistered.
    /// One failure does not stop the rest; returns those that are left, each with the reason.
    pub(super) async fn delete_stored(
        &self,
        place: &Place,
        image_id: &str,
        ids: Vec<String>,
        deadline: Deadline,
    ) -> Vec<String> {
        let left = &Mutex::new(ids);
        let refused = &Mutex::new(Vec::new());
        let wait = Wait::new(
            Operation::DeleteSnapshot,
            ("snapshot", image_id),
            deadline.remaining(),
            self.http.timeouts(),
        );
        let ended = wait.until(|| async move {
            let mut busy = Vec::new();
            let ids = std::mem::take(&mut *locked(left));
            for id in ids {
                let query = Query::new("DeleteSnapshot").with("SnapshotId", &id);
                let call = place
                    .ec2(Operation::DeleteSnapshot, Class::Idempotent, &query)
                    .about("EBS snapshot", &id);
                match self.delete::<DeleteSnapshot>(&call).await {
                    Ok(Observation::Pending(state)) => {
                        busy.push(format!("{id}: {state}"));
                        locked(left).push(id);
                    }
                    Ok(_) => {}
                    Err(error) => locked(refused).push(format!("{id}: {error}")),
                }
            }
            Ok(if busy.is_empty() {
                Observation::Done(())
            } else {
                Observation::Pending(busy.join("; "))
            })
        });
        let ended = ended.await.err().map(|error| error.to_string());
        let refused = std::mem::take(&mut *locked(refused));
        refused.into_iter().chain(ended).collect()
    }
}

fn locked(ids: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    ids.lock().unwrap_or_else(PoisonError::into_inner)
}
