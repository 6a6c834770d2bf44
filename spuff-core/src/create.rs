//! Exactly-once creates. An ambiguous create is resolved before any retry; an abandoned one is
//! still completed or rolled back.
//!
//! Every provider module creates instances and snapshots through [`Create`], inside
//! [`run_to_completion`].

mod background;
mod batch;
mod ending;
mod follow;
mod key;
mod keyed;
mod keys;
mod looking;
mod resolve;
mod rollback;
mod room;
mod under_way;

use std::future::Future;

use tokio::time::Instant;
use tracing::debug;

pub(crate) use background::{Cancel, background, catch_panic, run_to_completion};
pub(crate) use batch::{Batch, instances, named_batch};
pub(crate) use ending::Ending;
pub(crate) use follow::{End, follow, still_open};
pub(crate) use key::{CreateKey, hash_of_key, part_of_key, place_of_key};
pub(crate) use key::{check_owner, expiry, label_of_one};
pub(crate) use keyed::{keyed, resolve_keyed, wait_for_end};
pub(crate) use keys::Keys;
pub(crate) use looking::{Answer, Looking};
use resolve::{Looked, poll_until_visible};
pub(crate) use resolve::{Lookup, resolve};
use rollback::{PERSISTENCE, warn_of};
pub(crate) use rollback::{destroy_with_retry, instance, on_abandoned};
pub(crate) use room::{Room, is_leaving};
pub(crate) use under_way::{About, Here, Site};
pub use under_way::{Group, UnderWay, settled, under_way};

use crate::http::{Call, Deadline, Failure, HttpClient, ReadLag, Reply};
use crate::progress;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::wait::Pauses;

/// How duplicate creates are prevented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dedup {
    /// By the cloud: sending the same request again creates nothing new. The API answers with the
    /// existing resource or refuses the request.
    ByCloud,
    /// Only by polling before each send, until the read lag has passed.
    LookupFirst,
}

/// How a create obtained its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The reply to the first request that may have made it contained it.
    Answered,
    /// A request sent by this call had an unknown outcome; a later request or poll returned the
    /// result.
    Recovered,
    /// It existed before; no request of this call can have made it.
    Found,
}

impl Origin {
    fn unless(self, unclear: &Option<ProviderError>) -> Self {
        if unclear.is_some() { Self::Recovered } else { self }
    }
}

/// The request that creates something, however it is sent.
pub(crate) trait CreateCall: Send + Sync {
    type Reply: Send;

    /// The name of the operation.
    fn operation(&self) -> Operation;

    fn read_lag(&self) -> ReadLag;

    /// Sends the request, and sends it again if it was certainly not carried out. Does not send it
    /// again after the caller has left.
    fn send(&self, cancel: &Cancel) -> impl Future<Output = Result<Self::Reply, Failure>> + Send;
}

/// A request through the HTTP pipeline.
impl CreateCall for (&HttpClient, Call<'_>) {
    type Reply = Reply;

    fn operation(&self) -> Operation {
        self.1.operation
    }

    fn read_lag(&self) -> ReadLag {
        self.0.read_lag()
    }

    async fn send(&self, cancel: &Cancel) -> Result<Reply, Failure> {
        self.0.send_checked(&self.1, || std::future::ready(cancel.check())).await
    }
}

/// One create operation.
pub(crate) struct Create<'a, M> {
    pub(crate) call: M,
    pub(crate) create_key: &'a CreateKey,
    pub(crate) dedup: Dedup,
    pub(crate) deadline: Deadline,
    pub(crate) cancel: &'a Cancel,
}

impl<M: CreateCall> Create<'_, M> {
    /// Sends the request until exactly one resource is made and known, or certainly none is. `read`
    /// parses a reply; `look` searches for the resource under the key.
    ///
    /// # Errors
    /// The API's error if the request was not carried out; [`ProviderError::UnknownOutcome`] if
    /// that cannot be determined before the deadline.
    pub(crate) async fn run<T, F>(
        self,
        read: impl Fn(&M::Reply) -> ProviderResult<T>,
        look: impl Fn() -> F,
    ) -> ProviderResult<T>
    where
        F: Future<Output = ProviderResult<Lookup<T>>> + Send,
    {
        Ok(self.make_or_find(read, look).await?.0)
    }

    /// As [`run`](Self::run), and returns how the result was obtained.
    pub(crate) async fn make_or_find<T, F>(
        self,
        read: impl Fn(&M::Reply) -> ProviderResult<T>,
        look: impl Fn() -> F,
    ) -> ProviderResult<(T, Origin)>
    where
        F: Future<Output = ProviderResult<Lookup<T>>> + Send,
    {
        let mut made = self.find_out(read, &look).await;
        // The caller has left and cannot resolve the key later.
        if let Err(unknown @ ProviderError::UnknownOutcome { .. }) = &made
            && self.cancel.is_set()
        {
            made = self.look_on(unknown, look).await;
        }
        match &made {
            Ok(_) => self.cancel.made(),
            Err(ProviderError::UnknownOutcome { .. }) => {}
            Err(_) => self.cancel.made_nothing(),
        }
        made
    }

    async fn find_out<T, F>(
        &self,
        read: impl Fn(&M::Reply) -> ProviderResult<T>,
        look: &impl Fn() -> F,
    ) -> ProviderResult<(T, Origin)>
    where
        F: Future<Output = ProviderResult<Lookup<T>>> + Send,
    {
        let mut pauses = Pauses::new(self.call.read_lag().poll_interval);
        let mut unclear: Option<ProviderError> = None;
        let mut unseen_since = None;
        loop {
            if unclear.is_none() {
                self.cancel.check()?;
            }
            let refusal = match self.send(unclear.is_some()).await {
                Ok(reply) => match read(&reply) {
                    Ok(made) => return Ok((made, Origin::Answered.unless(&unclear))),
                    Err(error) => {
                        unclear.get_or_insert(error);
                        None
                    }
                },
                Err(Failure::Unknown(error)) => {
                    unclear.get_or_insert(error);
                    None
                }
                Err(Failure::NotSent(error) | Failure::Rejected(error)) => Some(error),
            };
            let refusal = match (refusal, &unclear) {
                (Some(error), None) if self.is_busy(&error) => {
                    debug!(operation = self.call.operation().as_str(), %error, "retrying");
                    tokio::time::sleep(pauses.next(self.deadline)).await;
                    continue;
                }
                (Some(error), None) if self.is_leaving(&error, look, &mut unseen_since).await => {
                    debug!(operation = self.call.operation().as_str(), %error, "retrying");
                    tokio::time::sleep(pauses.next(self.deadline)).await;
                    continue;
                }
                (Some(error), None) if !self.may_be_ours(&error) => return Err(error),
                (refusal, _) => refusal.filter(|error| !error.is_transient()),
            };
            debug!(
                operation = self.call.operation().as_str(),
                ?unclear,
                ?refusal,
                "checking whether the create was carried out"
            );
            if refusal.is_some() || self.dedup == Dedup::LookupFirst || self.cancel.is_set() {
                match (self.look(look, unclear.as_ref().or(refusal.as_ref())).await?, refusal) {
                    (Looked::Ours(made), _) => return Ok((made, Origin::Found.unless(&unclear))),
                    // The API says that one exists already; finding none contradicts it.
                    (Looked::Nothing, Some(refusal))
                        if self.dedup == Dedup::ByCloud && self.contradicts(&refusal, &unclear) =>
                    {
                        return Err(self.unknown(
                            unclear.as_ref(),
                            &format!("; the retry was refused: {refusal}"),
                            &[],
                        ));
                    }
                    (_, Some(refusal)) => return Err(refusal),
                    (_, None) if self.cancel.is_set() => return Err(Cancel::error()),
                    (_, None) => {}
                }
            }
            if self.deadline.remaining().is_zero() {
                return Err(self.unknown(unclear.as_ref(), "", &[]));
            }
            tokio::time::sleep(pauses.next(self.deadline)).await;
        }
    }

    /// Polls for another [`PERSISTENCE`]: no caller waits for the outcome, and no other call has
    /// the key.
    async fn look_on<T, F>(
        &self,
        cause: &ProviderError,
        look: impl Fn() -> F,
    ) -> ProviderResult<(T, Origin)>
    where
        F: Future<Output = ProviderResult<Lookup<T>>> + Send,
    {
        let operation = self.call.operation().as_str();
        debug!(operation, %cause, "its caller has left; polling on");
        let unknown = |candidates: &[String], why: &str| self.unknown(Some(cause), why, candidates);
        match poll_until_visible(
            Deadline::after(PERSISTENCE),
            self.call.read_lag(),
            false,
            look,
            unknown,
        )
        .await?
        {
            Looked::Ours(made) => Ok((made, Origin::Recovered)),
            Looked::Taken | Looked::Nothing => Err(Cancel::error()),
        }
    }

    /// The first send is limited by its own timeout only, not by the deadline. A retry must meet
    /// the deadline.
    async fn send(&self, again: bool) -> Result<M::Reply, Failure> {
        let operation = self.call.operation();
        self.cancel.sent(operation, &self.create_key.key);
        let sent = if again {
            let sent =
                tokio::time::timeout(self.deadline.remaining(), self.call.send(self.cancel)).await;
            sent.unwrap_or_else(|_| {
                Err(Failure::Unknown(ProviderError::timeout(operation, self.deadline.elapsed())))
            })
        } else {
            self.call.send(self.cancel).await
        };
        // The request may have been carried out at any time until now.
        self.cancel.sent(operation, &self.create_key.key);
        sent
    }

    /// Returns whether the API refused the request for a temporary reason without carrying it out.
    fn is_busy(&self, error: &ProviderError) -> bool {
        matches!(error, ProviderError::Conflict { retryable: true, .. })
            && !self.deadline.remaining().is_zero()
    }

    /// Returns whether the API refused the request because the name still belongs to a resource
    /// that is being destroyed, or to one that no poll shows. Until the read lag has passed, an
    /// unseen one may be leaving, or may have gone before the poll. Under an idempotency key it may
    /// be the requested resource: the request is then sent again only if the cloud prevents
    /// duplicates.
    async fn is_leaving<T, F>(
        &self,
        error: &ProviderError,
        look: impl Fn() -> F,
        unseen_since: &mut Option<Instant>,
    ) -> bool
    where
        F: Future<Output = ProviderResult<Lookup<T>>> + Send,
    {
        if !matches!(error, ProviderError::Conflict { retryable: false, .. })
            || self.deadline.remaining().is_zero()
        {
            return false;
        }
        let state = match look().await {
            Ok(Lookup::Leaving(id)) => {
                *unseen_since = None;
                format!("its name still belongs to {id}, which is being destroyed")
            }
            Ok(Lookup::Nothing)
                if !self.create_key.is_caller_supplied() || self.dedup == Dedup::ByCloud =>
            {
                if unseen_since.get_or_insert_with(Instant::now).elapsed()
                    >= self.call.read_lag().consistency_delay
                {
                    return false;
                }
                "the cloud reports its name as taken, but lists nothing that has it".to_string()
            }
            _ => return false,
        };
        progress::report(
            self.call.operation(),
            &self.create_key.name,
            &state,
            self.deadline.elapsed(),
        );
        true
    }

    /// Returns whether the API refused the request because one exists already. Under an idempotency
    /// key, that may be the requested resource.
    fn may_be_ours(&self, error: &ProviderError) -> bool {
        self.create_key.is_caller_supplied()
            && matches!(error, ProviderError::Conflict { retryable: false, .. })
    }

    /// Returns whether the API refused a retry because one exists already, which an earlier attempt
    /// may have made.
    fn contradicts(&self, refusal: &ProviderError, unclear: &Option<ProviderError>) -> bool {
        unclear.is_some() && matches!(refusal, ProviderError::Conflict { retryable: false, .. })
    }

    /// Polls until the resource appears, or until two empty polls span the read lag.
    async fn look<T, F>(
        &self,
        look: impl Fn() -> F,
        cause: Option<&ProviderError>,
    ) -> ProviderResult<Looked<T>>
    where
        F: Future<Output = ProviderResult<Lookup<T>>> + Send,
    {
        let unknown = |candidates: &[String], why: &str| self.unknown(cause, why, candidates);
        poll_until_visible(self.deadline, self.call.read_lag(), false, look, unknown).await
    }

    fn unknown(
        &self,
        cause: Option<&ProviderError>,
        why: &str,
        candidates: &[String],
    ) -> ProviderError {
        let message =
            format!("{}{why}", cause.map(ProviderError::without_context).unwrap_or_default());
        let context = cause.and_then(ProviderError::context).cloned().unwrap_or_default();
        let unknown =
            ProviderError::unknown_outcome(self.call.operation(), &self.create_key.key, message);
        unknown.with_candidates(candidates).with_context(context)
    }
}

#[cfg(test)]
mod tests;
