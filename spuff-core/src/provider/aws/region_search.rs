//! Searches regions. An operation on a resource asks the region in which it was made or seen,
//! otherwise the provider's own, with one request. Before it reports that the resource does not
//! exist, it asks all others.

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::AwsProvider;
use super::lookup::FRESH;
use super::query::Query;
use super::region::{Place, REGIONS, Used};
use super::wire::{DescribeRegions, ask};
use crate::create::{CreateKey, hash_of_key};
use crate::http::{Call, Class, Errand};
use crate::provider::error::{ErrorParts, ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::shared::lookup::Lookups;
use crate::provider::shared::validate;

/// The regions that the account has enabled.
struct Enabled(Lookups<(), Vec<String>>);

impl Default for Enabled {
    fn default() -> Self {
        Self(Lookups::new(FRESH))
    }
}

/// An operation, and the errand that limits its requests in all regions.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) operation: Operation,
    pub(super) errand: &'a Errand,
}

impl<'a> Asking<'a> {
    pub(super) fn call(self, place: &'a Place, query: &Query) -> Call<'a> {
        place.ec2(self.operation, Class::Safe, query).within(self.errand)
    }
}

impl AwsProvider {
    /// Returns the places that lists read.
    pub(super) async fn listed(&self, asking: Asking<'_>) -> ProviderResult<Vec<Place>> {
        let mut places = self.places.all()?;
        if self.places.used == Used::AllEnabled {
            self.join_enabled(asking, &mut places).await?;
        }
        Ok(places)
    }

    /// Calls `look` for each of these places. Returns the results in their order.
    ///
    /// # Errors
    /// The first one, with its region: an incomplete list is not returned.
    pub(super) async fn in_each<T, F>(
        &self,
        places: &[Place],
        look: impl Fn(Place) -> F,
    ) -> ProviderResult<Vec<T>>
    where
        F: Future<Output = ProviderResult<Vec<T>>> + Send,
    {
        let looked = join_all(places.iter().map(|place| look(place.clone()))).await;
        let mut all = Vec::new();
        for (place, looked) in places.iter().zip(looked) {
            let only = |error| {
                if places.len() == 1 {
                    error
                } else {
                    with_words(&error, &format!("in {}: ", place.region), "")
                }
            };
            all.extend(looked.map_err(only)?);
        }
        Ok(all)
    }

    /// Runs `act` on an instance in its region; a place without it returns
    /// [`ProviderError::NotFound`]. A search for the region runs within `errand`, or within an
    /// errand of its own if `None`.
    ///
    /// # Errors
    /// Those of `act`; if no region that could be asked has it, and one could not be asked, that
    /// region's error.
    pub(super) async fn with_instance<T, F>(
        &self,
        (operation, errand): (Operation, Option<&Errand>),
        id: &str,
        act: impl Fn(Place) -> F,
    ) -> ProviderResult<T>
    where
        F: Future<Output = ProviderResult<T>> + Send,
    {
        let absent = match self.at_first(id, &act).await? {
            Ok(done) => return Ok(done),
            Err(absent) => absent,
        };
        let own = self.http.errand();
        let asking = Asking { operation, errand: errand.unwrap_or(&own) };
        let look = |place: Place| async move { Ok(self.seen(asking, &place, id).await?.map(drop)) };
        act(self.at_last(asking, id, absent, look).await?).await
    }

    /// As [`with_instance`](Self::with_instance), for a snapshot.
    pub(super) async fn with_snapshot<T, F>(
        &self,
        asking: Asking<'_>,
        id: &str,
        act: impl Fn(Place) -> F,
    ) -> ProviderResult<T>
    where
        F: Future<Output = ProviderResult<T>> + Send,
    {
        let absent = match self.at_first(id, &act).await? {
            Ok(done) => return Ok(done),
            Err(absent) => absent,
        };
        let look = |place: Place| async move {
            let image = validate::absent_is_none(self.image(asking, &place, id).await)?;
            let is_there = image.is_some() || !self.left_over(asking, &place, id).await?.is_empty();
            Ok(is_there.then_some(()))
        };
        act(self.at_last(asking, id, absent, look).await?).await
    }

    /// Runs `act` where the resource was made or seen, otherwise in the provider's own region.
    /// Returns the place and the absence unless the resource is known to have been there.
    async fn at_first<T, F>(
        &self,
        id: &str,
        act: &impl Fn(Place) -> F,
    ) -> ProviderResult<Result<T, (Place, ProviderError)>>
    where
        F: Future<Output = ProviderResult<T>> + Send,
    {
        let place = self.places.of(id)?;
        let done = act(place.clone()).await;
        let is_known_there =
            self.places.whereabouts.of(id).is_some_and(|region| region == place.region);
        match done {
            Err(absent @ ProviderError::NotFound { .. }) if !is_known_there => {
                Ok(Err((place, absent)))
            }
            done => done.map(Ok),
        }
    }

    /// Returns the place of a resource that was absent from another one.
    async fn at_last<F>(
        &self,
        asking: Asking<'_>,
        id: &str,
        (place, absent): (Place, ProviderError),
        look: impl Fn(Place) -> F,
    ) -> ProviderResult<Place>
    where
        F: Future<Output = ProviderResult<Option<()>>> + Send,
    {
        let (place, ()) = self.elsewhere(asking, id, &[place], look).await?.ok_or(absent)?;
        self.places.whereabouts.note(id, &place.region);
        Ok(place)
    }

    /// Runs `create`, with its place noted before the first request and as long as the outcome is
    /// open.
    pub(super) async fn noted<T>(
        &self,
        place: &Place,
        create_key: &CreateKey,
        create: impl Future<Output = ProviderResult<T>>,
    ) -> ProviderResult<T> {
        self.places.whereabouts.note(&create_key.key_hash, &place.region);
        let created = create.await.map_err(|error| self.network.refused(error));
        if !matches!(created, Err(ProviderError::UnknownOutcome { .. })) {
            self.places.whereabouts.forget(&create_key.key_hash);
        }
        created
    }

    /// Notes the place where a search under a key has found a resource.
    pub(super) fn taken_up<T>(
        &self,
        key: &str,
        found: Option<(Place, T)>,
        id: impl Fn(&T) -> &str,
    ) -> Option<T> {
        let (place, made) = found?;
        self.places.whereabouts.forget(&hash_of_key(key));
        self.places.whereabouts.note(id(&made), &place.region);
        Some(made)
    }

    /// Refuses a reused key that carries another region.
    pub(super) fn check_key(&self, create_key: &CreateKey, place: &Place) -> ProviderResult<()> {
        match self.places.of_key(&create_key.key) {
            Some(other) if other != *place => {
                let message = format!(
                    "{:?} was used in {}, and is looked up there; use another key in {}",
                    create_key.key, other.region, place.region
                );
                Err(ProviderError::invalid_config("idempotency_key", message))
            }
            _ => Ok(()),
        }
    }

    /// Searches for the resource of a key: in the region that the key carries, otherwise in the
    /// known regions, then in all others.
    pub(super) async fn made_anywhere<T, F>(
        &self,
        operation: Operation,
        key: &str,
        known: &[Place],
        look: impl Fn(Place) -> F,
    ) -> ProviderResult<Option<(Place, T)>>
    where
        F: Future<Output = ProviderResult<Option<T>>> + Send,
    {
        for place in known {
            if let Some(made) = look(place.clone()).await? {
                return Ok(Some((place.clone(), made)));
            }
        }
        if self.places.of_key(key).is_some() {
            return Ok(None);
        }
        let asking = Asking { operation, errand: &self.http.errand() };
        self.elsewhere(asking, &format!("the resource made under the key {key:?}"), known, look)
            .await
    }

    /// Searches every region except those already asked.
    ///
    /// # Errors
    /// If nothing is found and a region could not be asked, that region's error. If the option
    /// `regions` lists regions, refusals by others are ignored.
    async fn elsewhere<T, F>(
        &self,
        asking: Asking<'_>,
        subject: &str,
        asked: &[Place],
        look: impl Fn(Place) -> F,
    ) -> ProviderResult<Option<(Place, T)>>
    where
        F: Future<Output = ProviderResult<Option<T>>> + Send,
    {
        let mut places = self.places.all()?;
        let mut asked = asked.to_vec();
        let said = if let Used::These(said) = &self.places.used { Some(said) } else { None };
        let mut failed = match self.join_enabled(asking, &mut places).await {
            Err(error) if error.is_transient() => return Err(error),
            refused => refused
                .err()
                .filter(|_| said.is_none())
                .map(|error| ("another region".to_string(), error)),
        };
        places.retain(|place| !asked.contains(place));
        let looks = places.into_iter().map(|place| {
            let looked = look(place.clone());
            async move { (place, looked.await) }
        });
        let mut looks: FuturesUnordered<_> = looks.collect();
        while let Some((place, looked)) = looks.next().await {
            match looked {
                Ok(Some(found)) => return Ok(Some((place, found))),
                Ok(None) => asked.push(place),
                Err(error)
                    if error.is_transient()
                        || said.is_none_or(|said| said.contains(&place.region)) =>
                {
                    failed = Some((place.region, error));
                }
                Err(_) => {}
            }
        }
        let Some((region, error)) = failed else { return Ok(None) };
        let asked = asked.iter().map(|place| place.region.as_str()).collect::<Vec<_>>().join(", ");
        let before = format!("{subject} is not in {asked}, and {region} could not be read: ");
        let way_out = format!(
            "; give the identity permission, or set the option {REGIONS} to the regions that the \
             account uses"
        );
        Err(with_words(&error, &before, &way_out))
    }

    /// Adds the regions that the account has enabled.
    async fn join_enabled(
        &self,
        asking: Asking<'_>,
        places: &mut Vec<Place>,
    ) -> ProviderResult<()> {
        let Some(home) = places.first().cloned() else { return Ok(()) };
        let find = async {
            let query = Query::new("DescribeRegions");
            let reply: DescribeRegions = ask(&self.http, &asking.call(&home, &query)).await?;
            Ok(reply
                .region_info
                .item
                .into_iter()
                .map(|region| region.region_name)
                .collect::<Vec<_>>())
        };
        for region in self.http.shared::<Enabled>().0.or_look((), find).await? {
            // Skips a region with an invalid name: requests are not signed for it, so nothing can
            // have been made there from here.
            let Ok(place) = self.places.at(&region) else { continue };
            if !places.contains(&place) {
                places.push(place);
            }
        }
        Ok(())
    }
}

/// Returns the same error, with text before and after its message.
fn with_words(error: &ProviderError, before: &str, after: &str) -> ProviderError {
    let mut parts = ErrorParts::from(error);
    parts.message = format!("{before}{}{after}", parts.message);
    parts.into()
}
