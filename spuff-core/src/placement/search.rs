//! Tries the candidates in order, and shares what concurrent searches learn about them.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{Candidate, Placed, Placement};
use crate::fleet::{AbortFlag, Maker, retry_while_rate_limited};
use crate::progress::{self, Phase};
use crate::provider::error::{
    Attempt, AttemptOutcome, ErrorKind, ErrorParts, ProviderError, ProviderResult,
};
use crate::provider::operation::Operation;
use crate::provider::{InstanceRequest, Price, Provider, ProviderInstance};

const CEILING: &str = "max_price";

/// A placement of one or many instances.
pub(super) struct Search<'a> {
    operation: Operation,
    began: Instant,
    places: Vec<Place<'a>>,
    /// For each instance, the outcomes of its candidates so far.
    logs: Vec<Mutex<Vec<Attempt>>>,
}

/// A candidate and its known state.
struct Place<'a> {
    candidate: &'a Candidate,
    price: Option<Price>,
    /// Why it is not tried, or no longer.
    shut: OnceLock<(AttemptOutcome, ErrorParts)>,
}

impl<'a> Search<'a> {
    /// # Errors
    /// [`ProviderError::InvalidConfig`] if there is no candidate, or if the ceiling and a price are
    /// in different currencies.
    pub(super) async fn new(
        operation: Operation,
        placement: &'a Placement,
        machines: usize,
    ) -> ProviderResult<Self> {
        if placement.candidates.is_empty() {
            return Err(no_candidates());
        }
        let began = Instant::now();
        // Errors in the caller's own prices are returned before any provider is asked for its
        // prices.
        for candidate in &placement.candidates {
            same_currency(placement, candidate, candidate.price.as_ref())?;
        }
        let places =
            join_all(placement.candidates.iter().map(|candidate| Place::new(placement, candidate)))
                .await;
        for place in &places {
            same_currency(placement, place.candidate, place.price.as_ref())?;
        }
        Ok(Self {
            operation,
            began,
            places,
            logs: (0..machines).map(|_| Mutex::default()).collect(),
        })
    }

    /// Creates an instance at the first candidate that has room.
    pub(super) async fn walk(
        &self,
        index: usize,
        request: &InstanceRequest,
        abort: &AbortFlag,
    ) -> ProviderResult<ProviderInstance> {
        if request.idempotency_key.is_some() && self.places.len() > 1 {
            let message = "it holds at one provider and region, and cannot prevent a second \
             create at another: leave it out, or give a single candidate";
            return Err(ProviderError::invalid_config("idempotency_key", message));
        }
        let mut telling: Option<ProviderError> = None;
        for (position, place) in self.places.iter().enumerate() {
            let began = Instant::now();
            let (outcome, error) = match place.create(request, abort).await {
                Ok(made) => {
                    self.log(index).push(place.attempt(
                        position,
                        AttemptOutcome::Made,
                        None,
                        began,
                    ));
                    return Ok(made);
                }
                Err(left) => left,
            };
            let error = error.at(place.candidate.provider.name());
            let attempt = place.attempt(position, outcome, Some(&error), began);
            self.log(index).push(attempt.clone());
            if outcome == AttemptOutcome::Failed {
                return Err(error);
            }
            progress::ended(self.operation, Phase::Pending, "", &attempt, self.began.elapsed());
            telling = Some(match telling {
                Some(earlier) if weight(&earlier) < weight(&error) => earlier,
                _ => error,
            });
        }
        Err(telling.unwrap_or_else(no_candidates))
    }

    /// Returns an outcome with the log of its instance.
    pub(super) fn placed(
        &self,
        index: usize,
        made: ProviderResult<ProviderInstance>,
    ) -> ProviderResult<Placed> {
        let attempts = std::mem::take(&mut *self.log(index));
        match (made, attempts.last().map(|attempt| attempt.candidate)) {
            (Ok(instance), candidate) => {
                Ok(Placed { instance, candidate: candidate.unwrap_or_default(), attempts })
            }
            (Err(error), None) => Err(error),
            (Err(error), Some(_)) => Err(error.not_placed(attempts)),
        }
    }

    fn log(&self, index: usize) -> MutexGuard<'_, Vec<Attempt>> {
        self.logs[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Maker for Search<'_> {
    const OPERATION: Operation = Operation::PlaceInstances;

    async fn create(
        &self,
        index: usize,
        request: &InstanceRequest,
        abort: &AbortFlag,
    ) -> ProviderResult<ProviderInstance> {
        self.walk(index, request, abort).await
    }

    fn provider(&self, index: usize) -> Arc<dyn Provider> {
        let last = self.log(index).last().map_or(0, |attempt| attempt.candidate);
        self.places[last].candidate.provider.clone()
    }
}

impl<'a> Place<'a> {
    /// Requests the price, if there is a ceiling and the candidate has none.
    async fn new(placement: &Placement, candidate: &'a Candidate) -> Self {
        let price = match (&candidate.price, &placement.max_price) {
            (Some(price), _) => Ok(Some(price.clone())),
            (None, None) => Ok(None),
            (None, Some(_)) => {
                candidate.provider.hourly_price(&candidate.region, &candidate.size).await.map(Some)
            }
        };
        let (price, shut) = match (price, &placement.max_price) {
            (Ok(Some(price)), Some(most)) if price.micros > most.micros => {
                let message = format!("{price} an hour is more than the ceiling, {most}");
                (Some(price), Some((AttemptOutcome::TooDear, message)))
            }
            (Ok(price), _) => (price, None),
            (Err(ProviderError::NotSupported { .. }), _) if placement.allow_unknown_price => {
                (None, None)
            }
            (Err(error @ ProviderError::NotSupported { .. }), _) => {
                let message = format!(
                    "{error}; give the candidate a price, or let the placement allow unknown prices"
                );
                (None, Some((AttemptOutcome::PriceUnknown, message)))
            }
            // Continuing would skip a candidate for a reason that is not its own.
            (Err(error), _) => {
                let shut = OnceLock::from((AttemptOutcome::Failed, ErrorParts::from(&error)));
                return Self { candidate, price: None, shut };
            }
        };
        let parts = |message| ErrorParts::from(&ProviderError::invalid_config(CEILING, message));
        let shut = shut.map_or_else(OnceLock::new, |(outcome, message)| {
            OnceLock::from((outcome, parts(message)))
        });
        Self { candidate, price, shut }
    }

    /// # Errors
    /// The outcome of the attempt, and the error.
    async fn create(
        &self,
        request: &InstanceRequest,
        abort: &AbortFlag,
    ) -> Result<ProviderInstance, (AttemptOutcome, ProviderError)> {
        if let Some((outcome, error)) = self.shut.get() {
            return Err((*outcome, error.clone().into()));
        }
        let mut request = request.clone();
        request.region.clone_from(&self.candidate.region);
        request.size.clone_from(&self.candidate.size);
        if let Some(image) = &self.candidate.image {
            request.image = image.clone();
        }
        let created =
            retry_while_rate_limited(|| self.candidate.provider.create_instance(&request), abort)
                .await;
        created.map_err(|error| {
            if !is_full(&error) {
                return (AttemptOutcome::Failed, error);
            }
            // An error means that a concurrent create has recorded the same.
            let _ = self.shut.set((AttemptOutcome::KnownFull, ErrorParts::from(&error)));
            (AttemptOutcome::Full, error)
        })
    }

    fn attempt(
        &self,
        candidate: usize,
        outcome: AttemptOutcome,
        error: Option<&ProviderError>,
        began: Instant,
    ) -> Attempt {
        let by_price = matches!(outcome, AttemptOutcome::TooDear | AttemptOutcome::PriceUnknown);
        Attempt {
            candidate,
            provider: self.candidate.provider.name().to_string(),
            region: self.candidate.region.clone(),
            size: self.candidate.size.clone(),
            price: self.price.clone(),
            outcome,
            kind: error.filter(|_| !by_price).map(ProviderError::kind),
            message: error.map(in_words).unwrap_or_default(),
            elapsed: began.elapsed(),
        }
    }
}

/// Formats an error for the log of a candidate. Omits the field name of a ceiling error.
fn in_words(error: &ProviderError) -> String {
    match error {
        ProviderError::InvalidConfig { field, message } if field == CEILING => message.clone(),
        other => other.to_string(),
    }
}

/// Returns whether there is no room and nothing was made. An error after a create, which carries
/// the instance id, may be of the same kind.
fn is_full(error: &ProviderError) -> bool {
    matches!(error.kind(), ErrorKind::Capacity | ErrorKind::QuotaExceeded)
        && error.instance_id().is_none()
}

/// Ranks errors, most useful first: stock returns by itself, a quota must be raised, a price stays.
fn weight(error: &ProviderError) -> u8 {
    match error.kind() {
        ErrorKind::Capacity => 0,
        ErrorKind::QuotaExceeded => 1,
        _ => 2,
    }
}

fn no_candidates() -> ProviderError {
    ProviderError::invalid_config("candidates", "must not be empty; give at least one candidate")
}

fn same_currency(
    placement: &Placement,
    candidate: &Candidate,
    price: Option<&Price>,
) -> ProviderResult<()> {
    let (Some(most), Some(price)) = (&placement.max_price, price) else { return Ok(()) };
    if most.currency.eq_ignore_ascii_case(&price.currency) {
        return Ok(());
    }
    let place = [candidate.provider.name(), &candidate.region, &candidate.size].join(" ");
    let message = format!(
        "{most}, but {place} costs {price} an hour: spuff does not convert currencies; give that \
         candidate a price in {}, or a ceiling in {}",
        most.currency, price.currency
    );
    Err(ProviderError::invalid_config(CEILING, message))
}

/// Returns the same error for each instance.
pub(super) fn each<T>(machines: usize, error: &ProviderError) -> Vec<ProviderResult<T>> {
    let parts = ErrorParts::from(error);
    (0..machines).map(|_| Err(parts.clone().into())).collect()
}
