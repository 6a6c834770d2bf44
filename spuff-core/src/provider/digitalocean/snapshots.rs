//! Creates snapshots: an action that never reports the snapshot's id, then tags. A snapshot cannot
//! be found until it has its tags, so it is followed for longer than the caller waits.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use super::poll::{Ended, OfActions, OfImages, Waiting};
use super::snapshot_actions::{SnapshotActions, SnapshotCall};
use super::snapshot_key::{Before, SnapshotKey};
use super::wire::{Action, ActionReply, DropletAction, Image};
use super::{CLOCKS_APART, DigitalOceanProvider, NAME, SKEW, convert};
use crate::clock;
use crate::create::{Cancel, Create, CreateKey, Dedup, End, Lookup, follow};
use crate::http::{Call, Deadline, Reply};
use crate::provider::Snapshot;
use crate::provider::config::ProviderTimeouts;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::shared::validate;
use crate::wait::{Observation, Wait};

/// A snapshot that is being made.
struct Started {
    /// `None` if the snapshot was complete when the lookup found it.
    action: Option<u64>,
    at: Option<DateTime<Utc>>,
}

/// The data that leads to the image of a snapshot in progress.
#[derive(Clone)]
struct Begun {
    droplet: u64,
    name: String,
    /// The droplet's snapshots before this one.
    before: HashSet<String>,
    action: Option<u64>,
    at: Option<DateTime<Utc>>,
}

/// Whether an image was made by `time`, the end of its action. A later image belongs to another
/// action; the first one may have been deleted by then.
fn is_made_by(image: &Image, time: Option<DateTime<Utc>>) -> bool {
    let apart = TimeDelta::from_std(CLOCKS_APART).unwrap_or_default();
    image.created_at.zip(time).is_none_or(|(created, time)| created - time <= apart)
}

impl DigitalOceanProvider {
    fn snapshot_actions(&self) -> Arc<SnapshotActions> {
        self.http.shared()
    }

    async fn snapshots_of(&self, droplet: u64) -> ProviderResult<Vec<Image>> {
        let id = &droplet.to_string();
        let call =
            Call::get(Operation::CreateSnapshot, format!("/v2/droplets/{droplet}/snapshots"))
                .about("instance", id);
        self.list(call, |image: &Image| image.id.clone()).await
    }

    /// Returns the snapshots of a droplet, which may be gone, from the account's list.
    async fn snapshots_left_by(&self, droplet: u64) -> ProviderResult<Vec<Image>> {
        let call =
            Call::get(Operation::CreateSnapshot, "/v2/snapshots").query("resource_type", "droplet");
        let mut left = self.list(call, |image: &Image| image.id.clone()).await?;
        left.retain(|image| image.resource_id == droplet.to_string());
        Ok(left)
    }

    /// Adds the managed tag and the lease tags to a snapshot.
    pub(super) async fn claim(&self, id: &str) -> ProviderResult<()> {
        let tags: Vec<_> =
            self.defaults.lease()?.iter().map(|(key, value)| convert::tag(key, value)).collect();
        let errand = self.http.errand();
        self.tag((Operation::CreateSnapshot, &errand), (id, "image"), &tags).await.map_err(
            |error| {
                if error.is_transient() {
                    return error;
                }
                let message = format!(
                    "snapshot {id} exists and costs money, but could not be tagged {}: {error}",
                    tags.join(", ")
                );
                ProviderError::Other { message }
            },
        )
    }

    /// Makes a snapshot and follows it until it is tagged and usable.
    pub(super) async fn snapshot(
        &self,
        droplet: u64,
        name: &str,
        cancel: &Cancel,
    ) -> ProviderResult<Snapshot> {
        let instance_id = &droplet.to_string();
        let timeouts = self.http.timeouts();
        let deadline = Deadline::after(timeouts.action_complete);
        let begun = clock::utc();
        let listed = self.snapshots_of(droplet).await?;
        let newest =
            listed.iter().max_by_key(|image| (image.created_at, image.id.parse::<u64>().ok()));
        let before = newest
            .map_or(Some(Before::Nothing), |image| image.id.parse().ok().map(Before::Snapshot));
        let before = before.unwrap_or(Before::NotTold);
        let key = SnapshotKey { droplet, begun, before, action: None, name: name.to_string() };
        let create_key = CreateKey::under(key.to_string());
        let before: HashSet<_> = listed.into_iter().map(|image| image.id).collect();

        let body = DropletAction { kind: "snapshot", name };
        let call = Call::once(Operation::CreateSnapshot, format!("/v2/droplets/{droplet}/actions"))
            .about("instance", instance_id)
            .json(&body)?;
        let actions = self.snapshot_actions();
        let number = actions.number();
        let call =
            SnapshotCall { request: (&*self.http, call), actions: &actions, number, droplet };
        let create =
            Create { call, create_key: &create_key, dedup: Dedup::LookupFirst, deadline, cancel };
        let read = |reply: &Reply| {
            let started: ActionReply = reply.json()?;
            Ok(Started { action: Some(started.action.id), at: started.action.started_at })
        };
        let look = || self.started_snapshot(droplet, name, &before, number);
        let started = create.run(read, look).await;
        if let Ok(Started { action: Some(action), .. }) = &started {
            actions.add(*action, droplet);
        }
        if !matches!(started, Err(ProviderError::UnknownOutcome { .. })) {
            actions.close(number);
        }
        let Started { action, at } = started?;

        let key = SnapshotKey { action, ..key };
        let (room, begun) =
            (self.clone(), Begun { droplet, name: name.to_string(), before, action, at });
        let attempt = move |timeouts: ProviderTimeouts| {
            let room = room.clone();
            let begun = begun.clone();
            async move { room.finish(&begun, &timeouts).await }
        };
        follow(Operation::CreateSnapshot, key.to_string(), deadline, timeouts, attempt).await
    }

    /// Waits for a snapshot's action, finds the image that it made, and tags the image.
    async fn finish(
        &self,
        begun: &Begun,
        timeouts: &ProviderTimeouts,
    ) -> ProviderResult<End<Snapshot>> {
        let (deadline, waiting) =
            (Deadline::after(timeouts.action_complete), self.http.shared::<Waiting>());
        let mut completed = None;
        if let Some(action) = begun.action {
            let id = action.to_string();
            let wait = Wait::new(
                Operation::CreateSnapshot,
                ("action", &id),
                deadline.remaining(),
                timeouts,
            );
            match wait.together(&OfActions(self.clone()), &waiting.actions, ()).await? {
                Ended::Completed(at) => completed = at,
                Ended::InAnError => {
                    self.snapshot_actions().fail(action);
                    let reason = "the snapshot action ended in an error";
                    return Ok(End::Failed(validate::failed(
                        NAME,
                        &begun.droplet.to_string(),
                        "errored",
                        reason,
                    )));
                }
            }
        }
        let id = &self.new_snapshot(begun, completed, deadline, timeouts).await?.id;
        self.claim(id).await?;
        let wait =
            Wait::new(Operation::CreateSnapshot, ("snapshot", id), deadline.remaining(), timeouts);
        let wait = wait.grace_until(Some(Instant::now() + deadline.remaining()));
        match wait.together(&OfImages(self.clone()), &waiting.images, ()).await {
            Ok(image) => Ok(End::Made(convert::snapshot(image))),
            Err(gone @ ProviderError::NotFound { .. }) => Ok(End::Failed(gone)),
            Err(error) => Err(error),
        }
    }

    /// Looks for a snapshot whose reply was lost. The action has no name and the snapshot no tag
    /// yet, but a droplet makes one snapshot at a time. A finished snapshot with this name takes
    /// precedence over an action, which may be another process's, unless another call of this
    /// process waits for its own snapshot. An action is ambiguous while another call of this
    /// process may have begun it.
    async fn started_snapshot(
        &self,
        droplet: u64,
        name: &str,
        before: &HashSet<String>,
        call: u64,
    ) -> ProviderResult<Lookup<Started>> {
        let known = self.snapshot_actions();
        let actions = self.actions_of(droplet).await?;
        let is_open =
            |action: &&Action| action.is_running_snapshot() && !known.has_action(action.id);
        let running = actions
            .iter()
            .find(is_open)
            .map(|action| Started { action: Some(action.id), at: action.started_at });
        let listed = self.snapshots_of(droplet).await?;
        let is_new = |image: &Image| !before.contains(&image.id) && !known.has_image(&image.id);
        let made = listed.into_iter().find(|image| is_new(image) && image.name == name);
        Ok(match (made, running, known.awaits(droplet)) {
            (Some(made), None, true) => Lookup::Ambiguous(vec![made.id]),
            (Some(made), _, false) => Lookup::Found(Started { action: None, at: made.created_at }),
            (_, Some(Started { action: Some(action), .. }), _)
                if known.may_be_of_another(call, droplet) =>
            {
                Lookup::Ambiguous(vec![format!("the snapshot of action {action}")])
            }
            (_, running, _) => Lookup::found(running),
        })
    }

    async fn actions_of(&self, droplet: u64) -> ProviderResult<Vec<Action>> {
        let id = &droplet.to_string();
        let call = Call::get(Operation::CreateSnapshot, format!("/v2/droplets/{droplet}/actions"))
            .about("instance", id);
        self.list(call, |action: &Action| action.id).await
    }

    /// Returns the snapshot that a key leads to, even if the droplet is gone. The list omits a
    /// snapshot in progress.
    pub(super) async fn begun_snapshot(&self, key: &SnapshotKey) -> ProviderResult<Lookup<Image>> {
        let action = match key.action {
            Some(id) => validate::absent_is_none(self.action(id).await)?,
            None => {
                let actions = validate::absent_is_none(self.actions_of(key.droplet).await)?
                    .unwrap_or_default();
                actions.into_iter().find(|action| {
                    action.is_running_snapshot() && !self.snapshot_actions().has_action(action.id)
                })
            }
        };
        match action.as_ref().map(|action| (action.status.as_str(), action.id)) {
            Some(("errored", _)) => return Ok(Lookup::Nothing),
            None | Some(("completed", _)) => {}
            Some((_, id)) => {
                return Ok(Lookup::Ambiguous(vec![format!("the snapshot of action {id}")]));
            }
        }
        let mut made = self.snapshots_left_by(key.droplet).await?;
        // Uses the API's clock if there was an earlier snapshot: this computer's clock may have
        // been set since.
        let mut since = Some(key.begun - SKEW).filter(|_| key.before != Before::Nothing);
        if let Before::Snapshot(before) = key.before {
            let before = before.to_string();
            let newest =
                made.iter().find(|image| image.id == before).and_then(|image| image.created_at);
            since = newest.or(since);
            made.retain(|image| image.id != before);
        }
        let completed = action.as_ref().and_then(|action| action.completed_at);
        made.retain(|image| is_made_by(image, completed));
        let started =
            action.and_then(|action| action.started_at).map(|started| started - CLOCKS_APART);
        made.retain(|image| image.name == key.name);
        made.retain(|image| key.action.is_some() || !self.snapshot_actions().has_image(&image.id));
        made.retain(|image| {
            started
                .or(since)
                .is_none_or(|since| image.created_at.is_some_and(|created| created >= since))
        });
        made.sort_by_key(|image| image.created_at);
        Ok(match (started, key.before) {
            (Some(_), _) => Lookup::found(made.into_iter().next()),
            (None, Before::NotTold) => Lookup::found(made.pop()),
            (None, _) if made.len() > 1 => {
                Lookup::Ambiguous(made.into_iter().map(|image| image.id).collect())
            }
            (None, _) => Lookup::found(made.pop()),
        })
    }

    /// Returns the image that a finished snapshot action has made: the one that did not exist
    /// before. The list may lag.
    async fn new_snapshot(
        &self,
        begun: &Begun,
        completed: Option<DateTime<Utc>>,
        deadline: Deadline,
        timeouts: &ProviderTimeouts,
    ) -> ProviderResult<Image> {
        let id = &begun.droplet.to_string();
        let wait =
            Wait::new(Operation::CreateSnapshot, ("instance", id), deadline.remaining(), timeouts);
        wait.until(|| async move {
            let listed = match self.snapshots_of(begun.droplet).await {
                // A snapshot outlives its droplet.
                Err(ProviderError::NotFound { .. }) => self.snapshots_left_by(begun.droplet).await,
                listed => listed,
            };
            let listed = match listed {
                Ok(listed) => listed,
                Err(error) => return Observation::unread(error),
            };
            let fresh = |image: &Image| {
                !begun.before.contains(&image.id)
                    && image.name == begun.name
                    && is_made_by(image, completed)
            };
            let mut new: Vec<_> = listed.into_iter().filter(fresh).collect();
            // A droplet makes one snapshot at a time, so the first since the action began is its
            // own. Clock differences also allow one from just before.
            let since = begun.at.map(|started| started - CLOCKS_APART);
            new.retain(|image| {
                image.created_at.zip(since).is_none_or(|(created, since)| created >= since)
            });
            new.sort_by_key(|image| {
                (
                    image.created_at < begun.at,
                    image.created_at.zip(begun.at).map(|(made, at)| (made - at).abs()),
                )
            });
            // Without an action, it is uncertain which call made an image.
            let is_own = |image: &Image| match begun.action {
                Some(action) => self.snapshot_actions().take(action, &image.id),
                None => !self.snapshot_actions().has_image(&image.id),
            };
            Ok(new.into_iter().find(is_own).map_or_else(
                || Observation::Pending("the snapshot is not listed yet".to_string()),
                Observation::Done,
            ))
        })
        .await
    }
}
