//! The parts of a call, whether it blocks or calls back.
//!
//! Each operation is one function, here or in `verbs`; `provider` and `submit` give it its two
//! forms in C.

mod verbs;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use spuff_core::blocking::{self, caught, run_blocking};
use spuff_core::fleet::{self, FleetOptions};
use spuff_core::lease::{self, Reaped};
use spuff_core::placement::{self, Placed, Placement};
use spuff_core::provider::{
    ErrorParts, InstanceRequest, Provider as CoreProvider, ProviderError, ProviderInstance,
    ProviderResult,
};
use spuff_core::{Observed, OnFailure, Step, create_and_wait};

use crate::boundary::{Failure, Outcome, handle};
use crate::cancel::{self, Cancel};
use crate::progress::Observer;
use crate::provider::Provider;
use crate::reap::Reap;

pub(crate) use verbs::*;

type Work<T> = Pin<Box<dyn Future<Output = ProviderResult<T>> + Send>>;

/// An operation with its arguments.
pub(crate) struct Verb<T> {
    operation: &'static str,
    /// The instance that it is about, so that its errors name it.
    id: Option<String>,
    work: Box<dyn FnOnce(Arc<dyn CoreProvider>) -> Work<T> + Send>,
}

impl<T: Send + 'static> Verb<T> {
    fn new<W>(
        operation: &'static str,
        work: impl FnOnce(Arc<dyn CoreProvider>) -> W + Send + 'static,
    ) -> Self
    where
        W: Future<Output = ProviderResult<T>> + Send + 'static,
    {
        Self { operation, id: None, work: Box::new(move |provider| Box::pin(work(provider))) }
    }

    fn about(mut self, id: &str) -> Self {
        self.id = Some(id.to_string());
        self
    }

    /// Blocks until it is done, or cancelled.
    pub(crate) fn block(
        self,
        provider: *const Provider,
        cancel: *const Cancel,
        observer: *const Observer,
    ) -> Outcome<T> {
        self.on(provider)?.block(cancel, observer)
    }

    /// Lets it run; `deliver` is called with its outcome on a thread where it may block.
    pub(crate) fn submit(
        self,
        provider: *const Provider,
        cancel: *const Cancel,
        observer: *const Observer,
        deliver: impl FnOnce(Outcome<T>) + Send + 'static,
    ) -> Outcome<()> {
        self.on(provider)?.submit(cancel, observer, deliver)
    }

    /// The call of it. The provider is shared: the caller's handle may be freed while the call is
    /// in progress.
    fn on(self, provider: *const Provider) -> Outcome<Call<T>> {
        let provider = &handle(provider, "provider")?.inner;
        let about = About { provider: Some(provider.name().to_string()), id: self.id };
        let shared = provider.shared().map_err(|error| about.failure(&error))?;
        Ok(Call { operation: self.operation, about, work: (self.work)(shared) })
    }
}

/// What the errors of a call are about.
struct About {
    /// Of a placement, which is at several, there is none; nor of what is in progress in the
    /// background.
    provider: Option<String>,
    id: Option<String>,
}

impl About {
    /// An error with what this call knows.
    fn failure(&self, error: &ProviderError) -> Failure {
        let parts = ErrorParts::from(error);
        match &self.provider {
            Some(provider) => parts.about(provider, self.id.as_deref()).into(),
            None => parts.into(),
        }
    }
}

/// A call that is about to be made: of an operation at its provider, or of what has none, or its
/// own.
pub(crate) struct Call<T> {
    operation: &'static str,
    about: About,
    work: Work<T>,
}

impl<T: Send + 'static> Call<T> {
    fn of_no_provider(
        operation: &'static str,
        work: impl Future<Output = ProviderResult<T>> + Send + 'static,
    ) -> Self {
        Self { operation, about: About { provider: None, id: None }, work: Box::pin(work) }
    }

    /// Blocks until it is done, or cancelled.
    pub(crate) fn block(self, cancel: *const Cancel, observer: *const Observer) -> Outcome<T> {
        let cancel = cancel::token(cancel);
        let observer = Observer::read(observer)?;
        let Self { operation, about, work } = self;
        let limited = caught(cancel.limit(operation, about.id.as_deref(), work));
        let outcome = match observer {
            Some(observer) => blocking::observe(limited, |seen| observer.tell(seen)),
            None => blocking::block_on(limited),
        };
        outcome.map_err(|error| about.failure(&error))
    }

    /// Lets it run; `deliver` is called with its outcome on a thread where it may block.
    pub(crate) fn submit(
        self,
        cancel: *const Cancel,
        observer: *const Observer,
        deliver: impl FnOnce(Outcome<T>) + Send + 'static,
    ) -> Outcome<()> {
        let cancel = cancel::token(cancel);
        let observer = Observer::read(observer)?;
        let Self { operation, about, work } = self;
        let submitted = async move {
            let limited = cancel.limit(operation, about.id.as_deref(), work);
            let mut observed = Observed::new(caught(limited));
            let outcome = loop {
                match observed.next().await {
                    Step::Progress(seen) => {
                        if let Some(observer) = observer {
                            run_blocking(move || observer.tell(seen)).await;
                        }
                    }
                    Step::Done(outcome) => break outcome,
                }
            };
            let outcome = outcome.map_err(|error| about.failure(&error));
            run_blocking(move || deliver(outcome)).await;
        };
        drop(blocking::spawn(submitted)?);
        Ok(())
    }
}

pub(crate) fn settled() -> Call<()> {
    Call::of_no_provider("settled", async {
        spuff_core::settled().await;
        Ok(())
    })
}

pub(crate) fn create_and_wait_for(
    request: InstanceRequest,
    on_failure: OnFailure,
) -> Verb<ProviderInstance> {
    Verb::new("create_and_wait", move |provider| async move {
        create_and_wait(&provider, &request, on_failure).await
    })
}

pub(crate) fn list_owned(owner: &str) -> Verb<Vec<ProviderInstance>> {
    let owner = owner.to_string();
    Verb::new(
        "list_owned",
        move |provider| async move { lease::list_owned(&*provider, &owner).await },
    )
}

pub(crate) fn renew(id: &str, ttl: Duration) -> Verb<DateTime<Utc>> {
    let own = id.to_string();
    Verb::new("renew", move |provider| async move { lease::renew(&*provider, &own, ttl).await })
        .about(id)
}

pub(crate) fn reap(which: &Reap) -> Outcome<Verb<Vec<Reaped>>> {
    let which = which.build()?;
    Ok(Verb::new("reap", move |provider| async move { lease::reap(&provider, &which).await }))
}

/// The outcomes of an operation on many: an instance, nothing, or an error.
pub(crate) type Each = Vec<Outcome<Option<ProviderInstance>>>;

/// The outcomes of an operation on many; `ids` are those of the instances that it was given.
fn each<T>(
    outcomes: Vec<ProviderResult<T>>,
    provider: &dyn CoreProvider,
    ids: &[String],
    made: impl Fn(T) -> Option<ProviderInstance>,
) -> Each {
    let ids = ids.iter().map(|id| Some(id.as_str())).chain(std::iter::repeat(None));
    let of_one = |(outcome, id): (ProviderResult<T>, _)| match outcome {
        Ok(done) => Ok(made(done)),
        Err(error) => Err(ErrorParts::from(&error).about(provider.name(), id).into()),
    };
    outcomes.into_iter().zip(ids).map(of_one).collect()
}

pub(crate) fn create_instances(
    requests: Vec<InstanceRequest>,
    options: FleetOptions,
) -> Verb<Each> {
    Verb::new("create_instances", move |provider| async move {
        Ok(each(
            fleet::create_instances(&provider, &requests, options).await,
            &*provider,
            &[],
            Some,
        ))
    })
}

pub(crate) fn wait_ready_many(ids: Vec<String>) -> Verb<Each> {
    Verb::new("wait_ready_many", move |provider| async move {
        Ok(each(fleet::wait_ready_many(&provider, &ids).await, &*provider, &ids, Some))
    })
}

pub(crate) fn destroy_instances(ids: Vec<String>, concurrency: usize) -> Verb<Each> {
    Verb::new("destroy_instances", move |provider| async move {
        Ok(each(
            fleet::destroy_instances(&provider, &ids, concurrency).await,
            &*provider,
            &ids,
            |()| None,
        ))
    })
}

pub(crate) fn place_instance(placement: Placement, request: InstanceRequest) -> Call<Placed> {
    Call::of_no_provider("place_instance", async move {
        placement::place_instance(&placement, &request).await
    })
}

pub(crate) fn place_instances(
    placement: Placement,
    requests: Vec<InstanceRequest>,
    options: FleetOptions,
) -> Call<Vec<Outcome<Placed>>> {
    Call::of_no_provider("place_instances", async move {
        let outcomes = placement::place_instances(&placement, &requests, options).await;
        Ok(outcomes.into_iter().map(|one| one.map_err(Into::into)).collect())
    })
}
