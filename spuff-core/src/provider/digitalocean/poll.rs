//! Polls an account's resources together: droplets and snapshots through the lists of managed ones,
//! 200 a page, or one by one if that takes fewer requests. Actions can only be polled one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::future::join_all;

use super::wire::{Droplet, DropletReply, Image, ImageReply, PER_PAGE};
use super::{DigitalOceanProvider, NAME, convert};
use crate::http::Call;
use crate::provider::ProviderInstance;
use crate::provider::error::ProviderResult;
use crate::provider::operation::Operation;
use crate::wait::{
    BatchObservation, BatchPoll, Listed, Listing, Observation, SharedPoller, Subject,
};

/// The id of a droplet's create action.
type CreateAction = Option<u64>;

/// One in this many polls also checks a create action.
const CLOSER: usize = 3;

/// The pollers of an account.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) droplets: Arc<SharedPoller<DigitalOceanProvider>>,
    /// Snapshot actions.
    pub(super) actions: Arc<SharedPoller<OfActions>>,
    pub(super) images: Arc<SharedPoller<OfImages>>,
    droplet_pages: AtomicUsize,
    image_pages: AtomicUsize,
    turn: AtomicUsize,
}

/// The result of a snapshot action.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ended {
    /// The snapshot was made no later than this time.
    Completed(Option<DateTime<Utc>>),
    InAnError,
}

/// Polls snapshot actions.
#[derive(Clone)]
pub(super) struct OfActions(pub(super) DigitalOceanProvider);

/// Polls snapshots.
#[derive(Clone)]
pub(super) struct OfImages(pub(super) DigitalOceanProvider);

#[async_trait]
impl BatchPoll for DigitalOceanProvider {
    type Thing = ProviderInstance;
    type Hint = CreateAction;

    fn refill_interval(&self) -> Duration {
        self.http.paced(Duration::from_millis(720))
    }

    fn is_accepted(&self) -> bool {
        self.http.is_accepted()
    }

    async fn poll_batch(
        &self,
        subjects: &[Subject<CreateAction>],
    ) -> BatchObservation<ProviderInstance> {
        let waiting = self.http.shared::<Waiting>();
        // Polled alone, a droplet takes two requests: itself and its action. A droplet missing from
        // the list is unmanaged, has a GPU, or is gone.
        let listing =
            Listing { pages: &waiting.droplet_pages, per_page: PER_PAGE, alone: 2, lags: true };
        let list = async {
            let call = Call::get(Operation::WaitReady, "/v2/droplets")
                .query("tag_name", convert::MANAGED_TAG)
                .in_one_pass();
            let droplets = self.list(call, |droplet: &Droplet| droplet.id).await?;
            let droplets = droplets.into_iter().map(convert::instance);
            Ok(droplets
                .map(|droplet| (droplet.id.clone(), Observation::of_instance(Ok(droplet), NAME)))
                .collect::<Listed<_>>())
        };
        let mut seen = listing.look(subjects, list, |at| self.look_alone(&subjects[at])).await;
        if subjects.len() > 1 {
            seen.requests +=
                self.look_closer(&waiting.turn, subjects, &mut seen.observations).await;
        }
        seen
    }
}

#[async_trait]
impl BatchPoll for OfActions {
    type Thing = Ended;
    type Hint = ();

    fn refill_interval(&self) -> Duration {
        self.0.refill_interval()
    }

    fn is_accepted(&self) -> bool {
        self.0.is_accepted()
    }

    async fn poll_batch(&self, subjects: &[Subject<()>]) -> BatchObservation<Ended> {
        let look = |subject: &Subject<()>| {
            let id = subject.id.clone();
            async move {
                match self.0.action(&id).await {
                    Ok(action) if action.status == "completed" => {
                        Ok(Observation::Done(Ended::Completed(action.completed_at)))
                    }
                    Ok(action) if action.status == "errored" => {
                        Ok(Observation::Done(Ended::InAnError))
                    }
                    Ok(action) => Ok(Observation::Pending(action.status)),
                    Err(error) => Observation::unread(error),
                }
            }
        };
        BatchObservation {
            observations: join_all(subjects.iter().map(look)).await,
            requests: subjects.len(),
        }
    }
}

#[async_trait]
impl BatchPoll for OfImages {
    type Thing = Image;
    type Hint = ();

    fn refill_interval(&self) -> Duration {
        self.0.refill_interval()
    }

    fn is_accepted(&self) -> bool {
        self.0.is_accepted()
    }

    async fn poll_batch(&self, subjects: &[Subject<()>]) -> BatchObservation<Image> {
        let room = &self.0;
        let waiting = room.http.shared::<Waiting>();
        let listing =
            Listing { pages: &waiting.image_pages, per_page: PER_PAGE, alone: 1, lags: true };
        let available = |read: ProviderResult<Image>| {
            Observation::of_state(read, |image| &image.status, "available")
        };
        let list = async {
            let images = room.managed_images(Operation::CreateSnapshot).await?;
            Ok(images
                .into_iter()
                .map(|image| (image.id.clone(), available(Ok(image))))
                .collect::<Listed<_>>())
        };
        let alone = |at: usize| async move {
            let id = &subjects[at].id;
            let call = Call::get(Operation::CreateSnapshot, format!("/v2/images/{id}"))
                .about("snapshot", id);
            available(room.http.json::<ImageReply>(&call).await.map(|reply| reply.image))
        };
        listing.look(subjects, list, alone).await
    }
}

impl DigitalOceanProvider {
    async fn look_alone(
        &self,
        subject: &Subject<CreateAction>,
    ) -> ProviderResult<Observation<ProviderInstance>> {
        let call = Call::get(Operation::WaitReady, format!("/v2/droplets/{}", subject.id))
            .about("instance", &subject.id);
        let reply = self
            .http
            .json::<DropletReply>(&call)
            .await
            .map(|reply| convert::instance(reply.droplet));
        let look = Observation::of_instance(reply, NAME)?;
        if !matches!(look, Observation::Done(_)) {
            self.failed_create(subject).await?;
        }
        Ok(look)
    }

    /// Every third time, checks the create action of one pending droplet, in turn: the list does
    /// not report failures. Returns the number of requests.
    async fn look_closer(
        &self,
        turn: &AtomicUsize,
        subjects: &[Subject<CreateAction>],
        looks: &mut [ProviderResult<Observation<ProviderInstance>>],
    ) -> usize {
        let is_pending = |at: &usize| {
            subjects[*at].hint.is_some() && matches!(looks[*at], Ok(Observation::Pending(_)))
        };
        let pending: Vec<_> = (0..subjects.len()).filter(is_pending).collect();
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        if pending.is_empty() || !turn.is_multiple_of(CLOSER) {
            return 0;
        }
        let at = pending[turn / CLOSER % pending.len()];
        if let Err(error) = self.failed_create(&subjects[at]).await {
            looks[at] = Err(error);
        }
        1
    }
}
