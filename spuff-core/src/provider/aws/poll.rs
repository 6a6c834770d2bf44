//! Polls instances and images together, through the filter on their ids, 200 a call.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;

use super::query::Query;
use super::region::Place;
use super::region_search::Asking;
use super::wire::{DescribeImages, DescribeInstances, Image, Instance, Listing, ask};
use super::{AwsProvider, NAME, convert};
use crate::http::Class;
use crate::provider::ProviderInstance;
use crate::provider::error::ProviderResult;
use crate::provider::operation::Operation;
use crate::wait::{BatchObservation, BatchPoll, Observation, SharedPoller, Subject, for_all};

/// The maximum number of values in a filter.
const VALUES: usize = 200;

/// The pollers of an account.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) instances: Arc<SharedPoller<AwsProvider>>,
    /// Images that are available or have failed.
    pub(super) images: Arc<SharedPoller<OfImages>>,
}

/// Polls images.
#[derive(Clone)]
pub(super) struct OfImages(pub(super) AwsProvider);

#[async_trait]
impl BatchPoll for AwsProvider {
    type Thing = ProviderInstance;
    type Hint = Place;

    fn refill_interval(&self) -> Duration {
        self.http.paced(Duration::from_millis(50))
    }

    /// The credentials that the standard chain finds may have changed since another client polled.
    fn identity(&self) -> usize {
        if self.is_chained { Arc::as_ptr(&self.http).addr() } else { 0 }
    }

    fn is_accepted(&self) -> bool {
        self.http.is_accepted()
    }

    async fn poll_batch(&self, subjects: &[Subject<Place>]) -> BatchObservation<ProviderInstance> {
        by_region(subjects, |some| self.look_at_instances(some)).await
    }
}

#[async_trait]
impl BatchPoll for OfImages {
    type Thing = Image;
    type Hint = Place;

    fn refill_interval(&self) -> Duration {
        self.0.refill_interval()
    }

    fn identity(&self) -> usize {
        self.0.identity()
    }

    fn is_accepted(&self) -> bool {
        self.0.is_accepted()
    }

    async fn poll_batch(&self, subjects: &[Subject<Place>]) -> BatchObservation<Image> {
        by_region(subjects, |some| self.0.look_at_images(some)).await
    }
}

/// Polls region by region, as many resources per call as the filter takes.
async fn by_region<'a, T, F>(
    subjects: &'a [Subject<Place>],
    look: impl Fn(Vec<&'a Subject<Place>>) -> F,
) -> BatchObservation<T>
where
    F: Future<Output = BatchObservation<T>> + Send,
{
    let mut regions: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, subject) in subjects.iter().enumerate() {
        regions.entry(&subject.hint.region).or_default().push(at);
    }
    let mut looks: Vec<ProviderResult<Observation<T>>> =
        subjects.iter().map(|_| Ok(Observation::Absent)).collect();
    let mut requests = 0;
    for some in regions.values().flat_map(|all| all.chunks(VALUES)) {
        let seen = look(some.iter().map(|at| &subjects[*at]).collect()).await;
        requests += seen.requests;
        some.iter().zip(seen.observations).for_each(|(at, look)| looks[*at] = look);
    }
    BatchObservation { observations: looks, requests }
}

impl AwsProvider {
    async fn look_at_instances(
        &self,
        subjects: Vec<&Subject<Place>>,
    ) -> BatchObservation<ProviderInstance> {
        let Some(place) = subjects.first().map(|subject| &subject.hint) else {
            return BatchObservation { observations: Vec::new(), requests: 0 };
        };
        let ids: Vec<_> = subjects.iter().map(|subject| subject.id.as_str()).collect();
        let query = Query::new("DescribeInstances").filter("instance-id", &ids);
        let shown = match ask::<DescribeInstances>(
            &self.http,
            &place.ec2(Operation::WaitReady, Class::Safe, &query),
        )
        .await
        {
            Ok(reply) => reply.into_parts().0,
            Err(error) => {
                return BatchObservation {
                    observations: for_all(error, subjects.len()),
                    requests: 1,
                };
            }
        };
        // An instance that has ended here is in no other region.
        for ended in shown.iter().filter(|instance| convert::is_ending(instance)) {
            self.places.whereabouts.note(&ended.instance_id, &place.region);
        }
        let mut shown: HashMap<String, Instance> =
            shown.into_iter().map(|instance| (instance.instance_id.clone(), instance)).collect();
        let found: Vec<_> = subjects.iter().map(|subject| shown.remove(&subject.id)).collect();
        // The filter shows new instances later than a call by id, but a call by id reads only one.
        let by_id = |subject: &Subject<Place>| !subject.is_new || subjects.len() == 1;
        let missing: Vec<_> = subjects
            .iter()
            .zip(&found)
            .filter(|(subject, found)| found.is_none() && by_id(subject))
            .collect();
        let requests = 1 + missing.len();
        let asking = Asking { operation: Operation::WaitReady, errand: &self.http.errand() };
        let read = missing.into_iter().map(|(subject, _)| self.read(asking, place, &subject.id));
        let mut read = join_all(read).await.into_iter();
        let looks = subjects.iter().zip(found).map(|(subject, found)| match found {
            Some(instance) => self.look(instance, place),
            None if by_id(subject) => match read.next() {
                Some(Ok(Some(instance))) => self.look(instance, place),
                Some(Err(error)) => Observation::unread(error),
                Some(Ok(None)) | None => Ok(Observation::Absent),
            },
            None => Ok(Observation::Absent),
        });
        BatchObservation { observations: looks.collect(), requests }
    }

    async fn look_at_images(&self, subjects: Vec<&Subject<Place>>) -> BatchObservation<Image> {
        let Some(place) = subjects.first().map(|subject| &subject.hint) else {
            return BatchObservation { observations: Vec::new(), requests: 0 };
        };
        let ids: Vec<_> = subjects.iter().map(|subject| subject.id.as_str()).collect();
        let query = Query::new("DescribeImages").filter("image-id", &ids);
        let shown = match ask::<DescribeImages>(
            &self.http,
            &place.ec2(Operation::CreateSnapshot, Class::Safe, &query),
        )
        .await
        {
            Ok(reply) => reply
                .images_set
                .item
                .into_iter()
                .filter(|image| image.image_state != "deregistered"),
            Err(error) => {
                return BatchObservation {
                    observations: for_all(error, subjects.len()),
                    requests: 1,
                };
            }
        };
        let mut shown: HashMap<String, Image> =
            shown.map(|image| (image.image_id.clone(), image)).collect();
        let look = |subject: &&Subject<Place>| match shown.remove(&subject.id) {
            None => Ok(Observation::Absent),
            Some(image) if image.image_state == "available" || convert::has_failed(&image) => {
                Ok(Observation::Done(image))
            }
            Some(image) => Ok(Observation::Pending(image.image_state)),
        };
        BatchObservation { observations: subjects.iter().map(look).collect(), requests: 1 }
    }

    fn look(
        &self,
        instance: Instance,
        place: &Place,
    ) -> ProviderResult<Observation<ProviderInstance>> {
        // Also notes an ended instance, so that no other region is searched.
        self.places.whereabouts.note(&instance.instance_id, &place.region);
        if convert::is_ending(&instance) {
            self.places.whereabouts.end(&instance.instance_id);
            return Err(self.http.discreet(convert::failed_launch(&instance)));
        }
        if convert::is_stopped(&instance) {
            return Ok(Observation::Stopped(instance.instance_state.name));
        }
        Observation::of_instance(Ok(convert::instance(instance, &place.region)), NAME)
    }
}
