//! How a snapshot comes to be: an action that never tells its id, and tags afterwards.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::api::{Action, ActionReply, DropletAction, Image};
use super::watch::{OfActions, OfImages, Waiting};
use super::{CLOCKS_APART, DigitalOceanProvider, map};
use crate::create::{Cancel, Create, Found, Guard, Mark};
use crate::http::{Call, Deadline, Reply};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::{Snapshot, check};
use crate::wait::{Look, Wait};

/// A snapshot that is being made.
struct Started {
    /// `None` for one that has ended while its reply was looked for.
    action: Option<u64>,
    at: Option<DateTime<Utc>>,
}

impl DigitalOceanProvider {
    async fn snapshots_of(&self, droplet: u64, id: &str) -> ProviderResult<Vec<Image>> {
        let call = Call::get("create_snapshot", format!("/v2/droplets/{droplet}/snapshots")).about("instance", id);
        self.list(call, |image: &Image| image.id.clone()).await
    }

    /// Puts the managed tag, and those of the lease, on a snapshot.
    pub(super) async fn claim(&self, id: &str) -> ProviderResult<()> {
        let tags: Vec<_> = self.defaults.lease()?.iter().map(|(key, value)| map::tag(key, value)).collect();
        self.tag("create_snapshot", (id, "image"), &tags).await.map_err(|error| ProviderError::Other {
            message: format!("snapshot {id} exists and is paid for, but could not be tagged {}: {error}", tags.join(", ")),
        })
    }

    /// Makes a snapshot, waits for it, and tags it.
    pub(super) async fn snapshot(&self, droplet: u64, name: &str, cancel: &Cancel) -> ProviderResult<Snapshot> {
        let instance_id = &droplet.to_string();
        let timeouts = self.http.timeouts();
        let deadline = Deadline::after(timeouts.action_complete);
        let mark = Mark::under(map::snapshot_key(droplet, Utc::now(), name));
        let before: HashSet<_> = self.snapshots_of(droplet, instance_id).await?.into_iter().map(|image| image.id).collect();

        let body = DropletAction { kind: "snapshot", name };
        let call = Call::once("create_snapshot", format!("/v2/droplets/{droplet}/actions"))
            .about("instance", instance_id)
            .json(&body)?;
        let create = Create { call: (&*self.http, call), mark: &mark, guard: Guard::Looking, deadline, cancel };
        let read = |reply: &Reply| {
            let started: ActionReply = reply.json()?;
            Ok(Started { action: Some(started.action.id), at: started.action.started_at })
        };
        let look = || self.started_snapshot(droplet, name, &before);
        let started = create.run(read, look).await?;

        let waiting = self.http.shared::<Waiting>();
        if let Some(action) = started.action.map(|action| action.to_string()) {
            let wait = Wait::new("create_snapshot", ("action", &action), deadline.remaining(), timeouts);
            wait.together(&OfActions(self.clone()), &waiting.actions, instance_id.clone()).await?;
        }

        let image = self.new_snapshot((droplet, instance_id), name, &before, started.at, deadline).await?;
        let id = &image.id;
        self.claim(id).await?;
        let wait = Wait::new("create_snapshot", ("snapshot", id), deadline.remaining(), timeouts);
        let wait = wait.absent_until(Some(Instant::now() + deadline.remaining()));
        Ok(map::snapshot(wait.together(&OfImages(self.clone()), &waiting.images, ()).await?))
    }

    /// Whether a snapshot whose reply was lost has begun: the action knows no name, and the snapshot no tag yet, but a
    /// droplet makes one snapshot at a time.
    async fn started_snapshot(&self, droplet: u64, name: &str, before: &HashSet<String>) -> ProviderResult<Found<Started>> {
        let id = &droplet.to_string();
        let call = Call::get("create_snapshot", format!("/v2/droplets/{droplet}/actions")).about("instance", id);
        let actions: Vec<Action> = self.list(call, |action: &Action| action.id).await?;
        if let Some(action) = actions.iter().find(|action| action.is_running_snapshot()) {
            return Ok(Found::Ours(Started { action: Some(action.id), at: action.started_at }));
        }
        let listed = self.snapshots_of(droplet, id).await?;
        let made = listed.into_iter().find(|image| !before.contains(&image.id) && image.name == name);
        Ok(Found::ours(made.map(|image| Started { action: None, at: image.created_at })))
    }

    /// The newest snapshot of that name that was begun since then, also of a droplet that is gone. One that is still being
    /// made is not listed.
    pub(super) async fn begun_snapshot(&self, droplet: &str, since: DateTime<Utc>, name: &str) -> ProviderResult<Found<Image>> {
        let call = Call::get("create_snapshot", format!("/v2/droplets/{droplet}/actions")).about("instance", droplet);
        let actions = check::absent_is_none(self.list(call, |action: &Action| action.id).await)?.unwrap_or_default();
        if let Some(running) = actions.iter().find(|action| action.is_running_snapshot()) {
            return Ok(Found::Unsure(vec![format!("what action {} makes", running.id)]));
        }
        let call = Call::get("create_snapshot", "/v2/snapshots").query("resource_type", "droplet");
        let mut made = self.list(call, |image: &Image| image.id.clone()).await?;
        made.retain(|image| image.resource_id == droplet && image.name == name);
        made.retain(|image| image.created_at.is_some_and(|created| created >= since));
        Ok(Found::ours(made.into_iter().max_by_key(|image| image.created_at)))
    }

    /// The image that a finished snapshot action has made: the one that was not there before. Its listing may lag.
    async fn new_snapshot(
        &self,
        (droplet, id): (u64, &str),
        name: &str,
        before: &HashSet<String>,
        started: Option<DateTime<Utc>>,
        deadline: Deadline,
    ) -> ProviderResult<Image> {
        let timeouts = self.http.timeouts();
        let wait = Wait::new("create_snapshot", ("instance", id), deadline.remaining(), timeouts);
        wait.until(|| async move {
            let listed = match self.snapshots_of(droplet, id).await {
                Ok(listed) => listed,
                Err(error) => return Look::past(error),
            };
            let fresh = |image: &Image| !before.contains(&image.id) && image.name == name;
            let mut new: Vec<_> = listed.into_iter().filter(fresh).collect();
            // A droplet makes one snapshot at a time, so the first since the action began is its own.
            let since = started.map(|started| started - CLOCKS_APART);
            new.retain(|image| image.created_at.zip(since).is_none_or(|(created, since)| created >= since));
            new.sort_by_key(|image| image.created_at);
            Ok(new.into_iter().next().map_or_else(|| Look::Pending("the snapshot is not listed yet".to_string()), Look::Done))
        })
        .await
    }
}
