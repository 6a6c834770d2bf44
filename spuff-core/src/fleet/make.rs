//! A fleet that is being made: turns, waits, and what becomes of the others when one fails.
//!
//! Fleets at one provider, and placements over several, are made by it.

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
use crate::provider::{InstanceRequest, OnCancel, Provider, ProviderInstance};

/// How the machines of a fleet are made, and where each of them is.
pub(crate) trait Maker: Sync {
    /// The verb that makes them.
    const OPERATION: &'static str;

    /// Which of them are made by one call, in their order.
    fn batches(&self, requests: &[InstanceRequest]) -> Vec<Range<usize>> {
        (0..requests.len()).map(|index| index..index + 1).collect()
    }

    /// Makes one. Where the API takes no more requests, it waits until it does, or all is over.
    fn create(
        &self,
        index: usize,
        request: &InstanceRequest,
        abort: &AbortFlag,
    ) -> impl Future<Output = ProviderResult<ProviderInstance>> + Send;

    /// Makes those of one batch by one call. `None` where they are to be made one by one.
    fn create_batch(
        &self,
        _requests: &[InstanceRequest],
        _abort: &AbortFlag,
    ) -> impl Future<Output = Option<Vec<ProviderResult<ProviderInstance>>>> + Send {
        std::future::ready(None)
    }

    /// Where that machine was made, or was to be made last.
    fn provider(&self, index: usize) -> Arc<dyn Provider>;
}

/// All at one provider.
pub(super) struct SingleProvider(pub(super) Arc<dyn Provider>);

impl Maker for SingleProvider {
    const OPERATION: &'static str = "create_instances";

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

/// Makes a fleet.
pub(crate) async fn make<M: Maker>(
    maker: &M,
    requests: &[InstanceRequest],
    options: FleetOptions,
) -> Vec<ProviderResult<ProviderInstance>> {
    make_with(maker, requests, options, false).await
}

/// Makes a fleet for some work, which ends with it: all are ready, or none is left, also where one
/// could only not be looked at.
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

/// A machine of the fleet, destroyed when it is dropped.
type Made = Result<InstanceGuard, FailedCreate>;

/// Why there is none, and the one that has failed, or could not be looked at, where it is left.
struct FailedCreate(ProviderError, Option<InstanceGuard>);

impl From<ProviderError> for FailedCreate {
    fn from(error: ProviderError) -> Self {
        Self(error, None)
    }
}

impl<M: Maker> Fleet<'_, M> {
    /// Those that are made by one call, or one by one, each up to where the options say.
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
        // Where all is over, each is told so.
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
                // One that has begun goes on when the fleet is over: then it is known what there is
                // to roll back.
                let listener = progress::listener_of_part(index, &request.name, self.began);
                progress::inherit(listener, self.maker.create(index, request, &self.abort)).await
            }
        };
        self.part(index, created).await
    }

    /// One of the fleet, from its create on.
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
        let (provider, request) = (self.maker.provider(index), &self.requests[index]);
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

    /// One has failed. Where that ends all, no more begin, also before this one is cleaned up.
    fn failed(&self) {
        if self.options.on_failure == Rollback::DestroyAll {
            self.abort.set();
        }
    }

    /// Destroys what a create that has failed has made, and finds out what came of one with an
    /// unknown outcome. What a caller's own key has made may be in use elsewhere: it is left.
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
        let about = About::new("create_instance", provider.name(), &request.name);
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
                warn!(key, %error, "a create whose caller has left may have made something");
            }
        };
        // It goes on when the fleet is dropped: nobody else would look.
        match create::run_to_completion(about, work, unheard).await {
            Ok(Ok(Some((id, ended)))) => error.after_create(id, ended),
            Ok(Ok(None)) => ProviderError::unavailable(format!(
                "{error}; it is certain now that nothing was made"
            )),
            // The error carries the key, under which it can be looked for again.
            Ok(Err(_)) | Err(_) => error,
        }
    }

    /// The outcomes: of those that are left, or of the roll-back.
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

/// The machine that a failed create has made, if any, and what came of destroying it; or its key,
/// and why that is not known.
type Settled = Result<Option<(String, Option<ProviderResult<()>>)>, (String, ProviderError)>;

/// What leads to a machine that a failed create has made.
enum Found {
    Id(String),
    Key(String),
}
