//! Polls a project's resources together: servers and snapshots through the lists of managed ones,
//! 50 a page, or one by one if that takes fewer requests; actions 25 at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::convert::{self, Progress};
use super::wire::{ACTIONS_PER_CALL, Action, Image, ImageReply, PER_PAGE, Server, ServerReply};
use super::{HetznerProvider, NAME, errors};
use crate::http::Call;
use crate::provider::ProviderInstance;
use crate::provider::error::ProviderResult;
use crate::provider::operation::Operation;
use crate::wait::{
    BatchObservation, BatchPoll, Listed, Listing, Observation, SharedPoller, Subject, for_all,
};

/// The ids of a server's create actions.
type Actions = Vec<u64>;

/// One in this many polls also checks create actions.
const CLOSER: usize = 3;

/// The pollers of a project.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) servers: Arc<SharedPoller<HetznerProvider>>,
    /// Snapshots, each with the id of its action. Reports the action if it has failed.
    pub(super) actions: Arc<SharedPoller<OfActions>>,
    pub(super) images: Arc<SharedPoller<OfImages>>,
    server_pages: AtomicUsize,
    image_pages: AtomicUsize,
    turn: AtomicUsize,
}

/// Polls actions.
#[derive(Clone)]
pub(super) struct OfActions(pub(super) HetznerProvider);

/// Polls snapshots.
#[derive(Clone)]
pub(super) struct OfImages(pub(super) HetznerProvider);

#[async_trait]
impl BatchPoll for HetznerProvider {
    type Thing = ProviderInstance;
    type Hint = Actions;

    fn refill_interval(&self) -> Duration {
        self.http.paced(Duration::from_secs(1))
    }

    fn is_accepted(&self) -> bool {
        self.http.is_accepted()
    }

    async fn poll_batch(
        &self,
        subjects: &[Subject<Actions>],
    ) -> BatchObservation<ProviderInstance> {
        let waiting = self.http.shared::<Waiting>();
        // Polled alone, a server takes two requests: itself and its actions. A server missing from
        // the list is unmanaged or gone.
        let listing =
            Listing { pages: &waiting.server_pages, per_page: PER_PAGE, alone: 2, lags: false };
        let list = async {
            let call = Call::get(Operation::WaitReady, "/servers")
                .query("label_selector", convert::MANAGED_SELECTOR)
                .in_one_pass();
            let listed = self.list(call, |server: &Server| server.id).await?;
            Ok(listed
                .into_iter()
                .map(|server| (server.id.to_string(), listed_look(server)))
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
    type Thing = Option<Action>;
    type Hint = u64;

    fn refill_interval(&self) -> Duration {
        self.0.refill_interval()
    }

    fn is_accepted(&self) -> bool {
        self.0.is_accepted()
    }

    async fn poll_batch(&self, subjects: &[Subject<u64>]) -> BatchObservation<Option<Action>> {
        let ids: Vec<u64> = subjects.iter().map(|subject| subject.hint).collect();
        let requests = ids.len().div_ceil(ACTIONS_PER_CALL);
        let shown = match self.0.actions(Operation::CreateSnapshot, &ids).await {
            Ok(shown) => shown,
            Err(error) => {
                return BatchObservation { observations: for_all(error, subjects.len()), requests };
            }
        };
        let look = |id: u64| match convert::progress(&[id], &shown) {
            Progress::Failed(action) => Observation::Done(Some(action.clone())),
            Progress::Running(action) => {
                Observation::Pending(format!("{} in progress", action.command))
            }
            Progress::Success | Progress::Unknown => Observation::Done(None),
        };
        BatchObservation {
            observations: ids.into_iter().map(|id| Ok(look(id))).collect(),
            requests,
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
            Listing { pages: &waiting.image_pages, per_page: PER_PAGE, alone: 1, lags: false };
        let available = |read: ProviderResult<Image>| {
            Observation::of_state(read, |image| &image.status, "available")
        };
        let list = async {
            let images = room.managed_images(Operation::CreateSnapshot).await?;
            Ok(images
                .into_iter()
                .map(|image| (image.id.to_string(), available(Ok(image))))
                .collect::<Listed<_>>())
        };
        let alone = |at: usize| async move {
            let id = &subjects[at].id;
            let call =
                Call::get(Operation::CreateSnapshot, format!("/images/{id}")).about("snapshot", id);
            available(room.http.json::<ImageReply>(&call).await.map(|reply| reply.image))
        };
        listing.look(subjects, list, alone).await
    }
}

impl HetznerProvider {
    async fn look_alone(
        &self,
        subject: &Subject<Actions>,
    ) -> ProviderResult<Observation<ProviderInstance>> {
        let call = Call::get(Operation::WaitReady, format!("/servers/{}", subject.id))
            .about("instance", &subject.id);
        let read = self.http.json::<ServerReply>(&call).await.map(|reply| reply.server);
        self.look(read, &subject.id, &subject.hint).await
    }

    /// Every third time, checks the create actions of pending servers, in turn, as many as fit in
    /// one request: the list does not report failures. Returns the number of requests.
    async fn look_closer(
        &self,
        turn: &AtomicUsize,
        subjects: &[Subject<Actions>],
        looks: &mut [ProviderResult<Observation<ProviderInstance>>],
    ) -> usize {
        let is_pending = |(at, _): &(usize, &Subject<Actions>)| {
            matches!(looks[*at], Ok(Observation::Pending(_)))
        };
        let mut pending: Vec<_> = subjects
            .iter()
            .enumerate()
            .filter(|(_, subject)| !subject.hint.is_empty())
            .filter(is_pending)
            .collect();
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        if pending.is_empty() || !turn.is_multiple_of(CLOSER) {
            return 0;
        }
        let start = turn / CLOSER * (ACTIONS_PER_CALL / 2) % pending.len();
        pending.rotate_left(start);
        let mut ids = Vec::new();
        pending.retain(|(_, subject)| {
            let fits = ids.len() + subject.hint.len() <= ACTIONS_PER_CALL;
            ids.extend(subject.hint.iter().filter(|_| fits));
            fits
        });
        // A failure of this extra check is not a failure of the servers.
        let Ok(actions) = self.actions(Operation::WaitReady, &ids).await else { return 1 };
        for (at, subject) in pending {
            if let Progress::Failed(action) = convert::progress(&subject.hint, &actions) {
                looks[at] = Err(self.http.discreet(errors::failed(&subject.id, action, "")));
            }
        }
        1
    }
}

/// Returns the observation of a listed server: its lock shows whether its create actions continue.
fn listed_look(server: Server) -> ProviderResult<Observation<ProviderInstance>> {
    let locked = server.locked;
    Ok(match Observation::of_instance(Ok(convert::instance(server)), NAME)? {
        Observation::Done(_) if locked => Observation::Pending("active, still locked".to_string()),
        look => look,
    })
}
