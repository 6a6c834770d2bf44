//! Creates a fleet: concurrency, waits and rollback.
//!
//! Used by fleets at one provider and by placements over several.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::warn;

use super::abort::{AbortFlag, retry_while_rate_limited};
use super::{FleetOptions, Rollback, batch, no_concurrency};
use crate::create::{self, About, catch_panic};
use crate::guard::InstanceGuard;
use crate::progress::{self, Phase};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::{InstanceRequest, OnCancel, Provider, ProviderInstance};

/// How the instances of a fleet are created, and at which provider each is.
pub(crate) trait Maker: Sync {
    /// The name of the operation that creates them.
    const OPERATION: Operation;

    /// Returns the ranges of requests that one call creates, in order.
    fn batches(&self, requests: &[InstanceRequest]) -> Vec<Range<usize>> {
        (0..requests.len()).map(|index| index..index + 1).collect()
    }

    /// Creates one instance. If rate limited, waits and retries until the fleet aborts.
    fn create(
        &self,
        index: usize,
        request: &InstanceRequest,
        abort: &AbortFlag,
    ) -> impl Future<Output = ProviderResult<ProviderInstance>> + Send;

    /// Creates a batch by one call. Returns `None` if they must be created one by one.
    fn create_batch(
        &self,
        _requests: &[InstanceRequest],
        _abort: &AbortFlag,
    ) -> impl Future<Output = Option<Vec<ProviderResult<ProviderInstance>>>> + Send {
        std::future::ready(None)
    }

    /// Returns the provider at which the instance was made, or last attempted.
    fn provider(&self, index: usize) -> Arc<dyn Provider>;
}

/// Creates all instances at one provider.
pub(super) struct SingleProvider(pub(super) Arc<dyn Provider>);

impl Maker for SingleProvider {
    const OPERATION: Operation = Operation::CreateInstances;

    fn batches(&self, requests: &[InstanceRequest]) -> Vec<Range<usize>> {
        batch::batches(&*self.0, requests)
    }

    async fn create(
        &self,
        _: usize,
        request: &InstanceRequest,
        abort: &AbortFlag,
    ) -> ProviderResult<ProviderInstance> {
        retry_while_rate_limited(|| self.0.create_instance(request), abort).await
    }

    async fn create_batch(
        &self,
        requests: &[InstanceRequest],
        abort: &AbortFlag,
    ) -> Option<Vec<ProviderResult<ProviderInstance>>> {
        batch::create(&*self.0, requests, abort).await
    }

    fn provider(&self, _: usize) -> Arc<dyn Provider> {
        self.0.clone()
    }
}

/// Creates a fleet.
pub(crate) async fn make<M: Maker>(
    maker: &M,
    requests: &[InstanceRequest],
    options: FleetOptions,
) -> Vec<ProviderResult<ProviderInstance>> {
    make_with(maker, requests, options, false).await
}

/// Creates a fleet for some work: all are ready, or all are destroyed, also if one could not be
/// polled.
pub(crate) async fn make_for_work(
    provider: &Arc<dyn Provider>,
    requests: &[InstanceRequest],
    concurrency: usize,
) -> Vec<ProviderResult<ProviderInstance>> {
    let options = FleetOptions::default().with_concurrency(concurrency).with_wait_ready(true);
    make_with(
        &SingleProvider(provider.clone()),
        requests,
        options.with_on_failure(Rollback::DestroyAll),
        true,
    )
    .await
}

async fn make_with<M: Maker>(
    maker: &M,
    requests: &[InstanceRequest],
    options: FleetOptions,
    for_work: bool,
) -> Vec<ProviderResult<ProviderInstance>> {
    if options.concurrency == 0 {
        return requests.iter().map(|_| Err(no_concurrency())).collect();
    }
    let turns = Semaphore::new(options.concurrency.min(Semaphore::MAX_PERMITS));
    let fleet = Fleet {
        maker,
        requests,
        options,
        for_work,
        began: Instant::now(),
        turns,
        abort: AbortFlag::new(M::OPERATION),
    };
    let made = join_all(maker.batches(requests).into_iter().map(|batch| fleet.batch(batch))).await;
    fleet.finish(made.into_iter().flatten().collect()).await
}

struct Fleet<'a, M> {
    maker: &'a M,
    requests: &'a [InstanceRequest],
    options: FleetOptions,
    for_work: bool,
    began: Instant,
    turns: Semaphore,
    abort: AbortFlag,
}

/// An instance of the fleet, as a guard that destroys it on drop.
type Made = Result<InstanceGuard, FailedCreate>;

/// The error, and the instance that failed or could not be polled, if it is kept.
struct FailedCreate(ProviderError, Option<InstanceGuard>);

impl From<ProviderError> for FailedCreate {
    fn from(error: ProviderError) -> Self {
        Self(error, None)
    }
}

impl<M: Maker> Fleet<'_, M> {
    /// Creates a batch by one call or one by one, and tracks each instance as the options say.
    async fn batch(&self, batch: Range<usize>) -> Vec<Made> {
        if batch.len() > 1
            && let Some(created) = self.together(batch.clone()).await
        {
            return join_all(batch.zip(created).map(|(index, created)| self.part(index, created)))
                .await;
        }
        join_all(batch.map(|index| self.alone(index))).await
    }

    async fn together(&self, batch: Range<usize>) -> Option<Vec<ProviderResult<ProviderInstance>>> {
        let _turn = self.turns.acquire().await;
        // After an abort, each one gets its own error.
        if self.abort.is_set() {
            None
        } else {
            self.maker.create_batch(&self.requests[batch], &self.abort).await
        }
    }

    async fn alone(&self, index: usize) -> Made {
        let request = &self.requests[index];
        let created = {
            let _turn = self.turns.acquire().await;
            if self.abort.is_set() {
                Err(self.abort.error())
            } else {
                // A create in progress continues after an abort, so that its result is known and
                // can be rolled back.
                let listener = progress::listener_of_part(index, &request.name, self.began);
                progress::inherit(listener, self.maker.create(index, request, &self.abort)).await
            }
        };
        self.part(index, created).await
    }

    /// Tracks one instance from its create on.
    async fn part(&self, index: usize, created: ProviderResult<ProviderInstance>) -> Made {
        let listener = progress::listener_of_part(index, &self.requests[index].name, self.began);
        let work = async {
            let made = self.track(index, created).await;
            if let Err(FailedCreate(error, _)) = &made {
                let id = error.instance_id().unwrap_or_default();
                progress::ended(M::OPERATION, Phase::Failed, id, error, self.began.elapsed());
            }
            made
        };
        progress::inherit(listener, work).await
    }

    async fn track(&self, index: usize, created: ProviderResult<ProviderInstance>) -> Made {
        let provider = self.maker.provider(index);
        let request = &self.requests[index];
        let made = match created {
            Ok(instance) => InstanceGuard::new(&provider, instance, request.cancellation()),
            Err(error) => {
                self.failed();
                return Err(self.settle(provider, request, error).await.into());
            }
        };
        progress::report_instance(
            M::OPERATION,
            Phase::Accepted,
            made.instance(),
            self.began.elapsed(),
        );
        if self.options.wait_ready { self.wait(&*provider, made).await } else { Ok(made) }
    }

    async fn wait(&self, provider: &dyn Provider, mut made: InstanceGuard) -> Made {
        let id = made.instance().id.clone();
        let ready = tokio::select! {
            biased;
            // It is rolled back with the others.
            () = self.abort.wait() => return Ok(made),
            ready = catch_panic(provider.wait_ready(&id)) => ready,
        };
        match ready {
            Ok(ready) => {
                made.update(ready);
                progress::report_instance(
                    M::OPERATION,
                    Phase::Ready,
                    made.instance(),
                    self.began.elapsed(),
                );
                Ok(made)
            }
            Err(error)
                if self.options.on_failure != Rollback::Keep
                    && (self.for_work || error.is_instance_failure(&id)) =>
            {
                self.failed();
                Err(made.destroy_after(error).await.into())
            }
            Err(error) => Err(FailedCreate(made.annotate(error).await, Some(made))),
        }
    }

    /// Records a failure. If that ends all, no more creates begin, even before this one is cleaned
    /// up.
    fn failed(&self) {
        if self.options.on_failure == Rollback::DestroyAll {
            self.abort.set();
        }
    }

    /// Destroys what a failed create made, and resolves an unknown outcome. Keeps what an
    /// idempotency key made: it may be in use elsewhere.
    async fn settle(
        &self,
        provider: Arc<dyn Provider>,
        request: &InstanceRequest,
        error: ProviderError,
    ) -> ProviderError {
        let left = request.idempotency_key.is_some() || request.cancellation() != OnCancel::Destroy;
        if self.options.on_failure == Rollback::Keep || left {
            return error;
        }
        let (error, found) = match error {
            ProviderError::AfterCreate { instance_id, exists: true, source, .. } => {
                (*source, Found::Id(instance_id))
            }
            ProviderError::UnknownOutcome { ref key, .. } => {
                let key = key.clone();
                (error, Found::Key(key))
            }
            error => return error,
        };
        let about = About::new(Operation::CreateInstance, provider.name(), &request.name);
        let work = |_| async move {
            let found = match found {
                Found::Id(id) => Ok(Some(ProviderInstance { id, ..ProviderInstance::default() })),
                Found::Key(key) => {
                    catch_panic(provider.resolve(&key)).await.map_err(|error| (key, error))
                }
            };
            Ok(match found {
                Ok(Some(made)) => {
                    let id = made.id.clone();
                    Ok(Some((
                        id,
                        InstanceGuard::new(&provider, made, OnCancel::Destroy).destroy().await,
                    )))
                }
                Ok(None) => Ok(None),
                Err(lost) => Err(lost),
            })
        };
        let unheard = move |settled: Settled| async move {
            if let Err((key, error)) = settled {
                warn!(key, %error, "an abandoned create may have made something that costs money");
            }
        };
        // It continues if the fleet is dropped, because no other task would resolve it.
        match create::run_to_completion(about, work, unheard).await {
            Ok(Ok(Some((id, ended)))) => error.after_create(id, ended),
            Ok(Ok(None)) => ProviderError::unavailable(format!("{error}; nothing was made")),
            // The error carries the key, by which it can be resolved later.
            Ok(Err(_)) | Err(_) => error,
        }
    }

    /// Returns the outcomes of a complete fleet, or of the rollback.
    async fn finish(&self, made: Vec<Made>) -> Vec<ProviderResult<ProviderInstance>> {
        if !self.abort.is_set() {
            progress::flush().await;
            let left = |made: Made| {
                made.map(InstanceGuard::release).map_err(|FailedCreate(error, kept)| {
                    kept.map(InstanceGuard::release);
                    error
                })
            };
            return made.into_iter().map(left).collect();
        }
        let ends =
            made.into_iter().zip(self.requests).enumerate().map(|(index, (made, request))| {
                let listener = progress::listener_of_part(index, &request.name, self.began);
                progress::inherit(listener, async {
                    let (error, made) = match made {
                        Ok(made) => (self.abort.error(), made),
                        Err(FailedCreate(
                            ProviderError::AfterCreate { source, .. },
                            Some(made),
                        )) => (*source, made),
                        Err(FailedCreate(error, _)) => return Err(error),
                    };
                    let id = made.instance().id.clone();
                    let _turn = self.turns.acquire().await;
                    let error = made.destroy_after(error).await;
                    progress::ended(M::OPERATION, Phase::Failed, &id, &error, self.began.elapsed());
                    Err(error)
                })
            });
        join_all(ends).await
    }
}

/// The instance that a failed create made, if any, and the result of its destroy; or the key and
/// the error, if it could not be resolved.
type Settled = Result<Option<(String, Option<ProviderResult<()>>)>, (String, ProviderError)>;

/// Identifies an instance that a failed create made.
enum Found {
    Id(String),
    Key(String),
}
