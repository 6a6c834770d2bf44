//! One call of an operation: from a thread that blocks, or from asyncio.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use spuff_core::blocking::{self, CancelToken, caught};
use spuff_core::provider::{Provider, ProviderResult};
use spuff_core::{Group, Observed, Progress, Step, Unclaimed, unclaimed};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::error::Raised;
use crate::outcome::{AnyOutcome, Outcome};
use crate::seconds::Seconds;
use crate::task::Running;
use crate::watch::Watch;
use crate::{asyncio, error, logs, sync};

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CallMode {
    /// A thread, which blocks.
    Blocking,
    /// A coroutine.
    Asyncio,
}

/// What an operation works with. It is asked for in the process that runs the operation: a child of
/// `fork` has providers of its own.
pub(crate) trait Source: Send + Sync + 'static {
    type Given: Send;

    fn given(&self) -> ProviderResult<Self::Given>;

    /// The calls among which one with this is.
    fn group(&self) -> Group;
}

/// A provider, and its calls, blocking or for asyncio.
#[derive(Clone)]
pub(crate) struct Connected {
    pub(crate) provider: blocking::Provider,
    pub(crate) group: Group,
}

impl Connected {
    pub(crate) fn new(provider: blocking::Provider) -> Self {
        Self { provider, group: Group::new() }
    }

    pub(crate) fn name(&self) -> &str {
        self.provider.name()
    }
}

impl Source for Connected {
    type Given = Arc<dyn Provider>;

    fn given(&self) -> ProviderResult<Self::Given> {
        self.provider.shared()
    }

    fn group(&self) -> Group {
        self.group.clone()
    }
}

/// An operation that is about to run.
pub(crate) struct Call<S = Connected> {
    pub(crate) mode: CallMode,
    pub(crate) source: Arc<S>,
    pub(crate) subject: Subject,
    pub(crate) timeout: Option<Duration>,
    pub(crate) on_progress: Option<Py<PyAny>>,
}

/// What a call is about, for errors and interruptions.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) provider: Option<String>,
    pub(crate) operation: &'static str,
    pub(crate) instance_id: Option<String>,
    /// What providers written in Python have raised meanwhile.
    pub(crate) raised: Arc<Raised>,
}

impl Subject {
    /// Of no provider and no instance yet.
    pub(crate) fn new(operation: &'static str) -> Self {
        Self { provider: None, operation, instance_id: None, raised: Arc::default() }
    }
}

/// The outcome of an operation, not yet taken.
pub(crate) type Given = Unclaimed<ProviderResult<AnyOutcome>>;

type Verb = Pin<Box<dyn Future<Output = Given> + Send>>;

/// An operation that runs.
pub(crate) enum Work {
    /// Tells nothing on its way.
    Silent(Verb),
    /// Goes on when what it has told was taken.
    Telling(Observed<Verb>),
    /// Goes on by itself.
    Spawned(Arc<Running>, UnboundedReceiver<Option<Progress>>),
}

impl Work {
    /// Work that tells nothing on its way.
    pub(crate) fn silent<T: Outcome>(
        work: impl Future<Output = ProviderResult<T>> + Send + 'static,
    ) -> Self {
        Self::Silent(verb(work))
    }

    /// Lets it run as a task of its own.
    pub(crate) fn spawned(self) -> ProviderResult<(Self, Arc<Running>)> {
        let (tell, seen) = unbounded_channel();
        // If no listener is left, the operation is about to be dropped.
        let running = Arc::new(Running::spawn(self, move |seen| drop(tell.send(seen)))?);
        Ok((Self::Spawned(running.clone(), seen), running))
    }

    /// What was seen comes before the outcome. Dropping this in the middle loses nothing.
    pub(crate) async fn next(&mut self) -> Step<Given> {
        match self {
            Self::Silent(verb) => Step::Done(verb.await),
            Self::Telling(observed) => observed.next().await,
            Self::Spawned(running, seen) => match seen.recv().await.flatten() {
                Some(seen) => Step::Progress(seen),
                None => Step::Done(running.take()),
            },
        }
    }
}

fn verb<T: Outcome>(work: impl Future<Output = ProviderResult<T>> + Send + 'static) -> Verb {
    Box::pin(unclaimed(caught(async { work.await.map(AnyOutcome::new) })))
}

impl Call {
    pub(crate) fn new(mode: CallMode, provider: &Connected, operation: &'static str) -> Self {
        let mut call = Self::over(mode, provider.clone(), operation);
        call.subject.provider = Some(provider.name().to_string());
        call
    }
}

impl<S: Source> Call<S> {
    /// An operation that is no single provider's.
    pub(crate) fn over(mode: CallMode, source: S, operation: &'static str) -> Self {
        let subject = Subject::new(operation);
        Self { mode, source: Arc::new(source), subject, timeout: None, on_progress: None }
    }

    /// It is about an instance.
    pub(crate) fn about_instance(mut self, instance_id: &str) -> Self {
        self.subject.instance_id = Some(instance_id.to_string());
        self
    }

    /// It ends after that long.
    pub(crate) fn with_timeout(mut self, timeout: Option<Seconds>) -> Self {
        self.timeout = timeout.map(|Seconds(timeout)| timeout);
        self
    }

    /// It tells what it sees.
    pub(crate) fn with_progress(mut self, on_progress: Option<Py<PyAny>>) -> Self {
        self.on_progress = on_progress;
        self
    }

    /// Gives the outcome, or a coroutine that does.
    pub(crate) fn run<T, W>(
        self,
        py: Python<'_>,
        verb: impl FnOnce(S::Given) -> W + Send + 'static,
    ) -> PyResult<Py<PyAny>>
    where
        T: Outcome,
        W: Future<Output = ProviderResult<T>> + Send + 'static,
    {
        logs::follow(py)?;
        match self.mode {
            CallMode::Blocking => {
                let telling = self.on_progress.is_some();
                sync::run(py, &self.subject, self.on_progress.as_ref(), || self.work(telling, verb))
            }
            CallMode::Asyncio => asyncio::coroutine(py, self, verb),
        }
    }

    /// Gives what the operation reports as progress, to be iterated.
    pub(crate) fn watch<T, W>(
        self,
        py: Python<'_>,
        verb: impl FnOnce(S::Given) -> W + Send + 'static,
    ) -> PyResult<Py<PyAny>>
    where
        T: Outcome,
        W: Future<Output = ProviderResult<T>> + Send + 'static,
    {
        logs::follow(py)?;
        if self.mode == CallMode::Asyncio {
            return asyncio::watch(py, self, verb);
        }
        let work = py.detach(|| self.work(true, verb).spawned());
        let (work, running) = work.map_err(|failed| error::plain(py, &failed))?;
        Watch::new(self.subject, work, running).into_py_any(py)
    }

    /// The operation, until its deadline, telling what it sees where that is asked for.
    pub(crate) fn work<T, W>(
        &self,
        telling: bool,
        verb: impl FnOnce(S::Given) -> W + Send + 'static,
    ) -> Work
    where
        T: Outcome,
        W: Future<Output = ProviderResult<T>> + Send + 'static,
    {
        let source = self.source.clone();
        let timeout = self.timeout;
        let Subject { operation, instance_id, raised, .. } = self.subject.clone();
        let group = source.group().carrying(raised);
        let limited = async move {
            let given = source.given()?;
            match timeout {
                Some(timeout) => {
                    CancelToken::with_deadline(timeout)
                        .limit(operation, instance_id.as_deref(), verb(given))
                        .await
                }
                None => verb(given).await,
            }
        };
        let verb = self::verb(async move { group.run(limited).await });
        if telling { Work::Telling(Observed::new(verb)) } else { Work::Silent(verb) }
    }
}
