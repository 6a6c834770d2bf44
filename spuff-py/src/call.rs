//! One call of a verb, on either face: from a thread that blocks, or from asyncio.
//!
//! Stands on the core's blocking runtime, which runs the same future for both.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use spuff_core::blocking::{self, CancelToken, caught};
use spuff_core::provider::{Provider, ProviderError, ProviderResult};
use spuff_core::{Progress, observe};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::outcome::Outcome;
use crate::seconds::Seconds;
use crate::task::Task;
use crate::{awaited, blocked, logs};

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Face {
    /// A thread, which blocks.
    Blocking,
    /// A coroutine.
    Asyncio,
}

/// A verb that is about to run.
pub(crate) struct Call {
    pub(crate) face: Face,
    pub(crate) provider: blocking::Provider,
    pub(crate) subject: Subject,
    pub(crate) timeout: Option<Duration>,
    pub(crate) on_progress: Option<Py<PyAny>>,
}

/// What a call is about, for errors and interruptions.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) provider: String,
    pub(crate) operation: &'static str,
    pub(crate) instance_id: Option<String>,
}

/// The future of a verb, with what it sees on its way.
pub(crate) struct Work<T> {
    future: Pin<Box<dyn Future<Output = ProviderResult<T>> + Send>>,
    seen: UnboundedReceiver<Progress>,
    outcome: Option<ProviderResult<T>>,
}

/// What comes next of a verb.
pub(crate) enum Next<T> {
    /// The last one.
    Done(ProviderResult<T>),
    Progress(Progress),
}

impl<T> Work<T> {
    /// Work that tells nothing on its way.
    pub(crate) fn silent(future: impl Future<Output = ProviderResult<T>> + Send + 'static) -> Self {
        Self::new(future, unbounded_channel().1)
    }

    fn new(future: impl Future<Output = ProviderResult<T>> + Send + 'static, seen: UnboundedReceiver<Progress>) -> Self {
        Self { future: Box::pin(future), seen, outcome: None }
    }

    /// Lets it run as a task of its own.
    pub(crate) fn spawned(self) -> ProviderResult<Self>
    where
        T: Send + 'static,
    {
        Ok(Self::new(Task(blocking::spawn(self.future)?), self.seen))
    }

    /// What was seen comes before the outcome. Dropping this in the middle loses nothing.
    pub(crate) async fn next(&mut self) -> Next<T> {
        if self.outcome.is_none() {
            tokio::select! {
                biased;
                Some(seen) = self.seen.recv() => return Next::Progress(seen),
                outcome = caught(&mut self.future) => self.outcome = Some(outcome),
            }
        }
        match (self.seen.try_recv(), &mut self.outcome) {
            (Ok(seen), _) => Next::Progress(seen),
            (Err(_), outcome) => Next::Done(outcome.take().unwrap_or_else(|| Err(over()))),
        }
    }
}

fn over() -> ProviderError {
    ProviderError::Internal { message: "a verb was asked for more than its outcome".to_string() }
}

impl Call {
    pub(crate) fn new(face: Face, provider: &blocking::Provider, operation: &'static str) -> Self {
        let subject = Subject { provider: provider.name().to_string(), operation, instance_id: None };
        Self { face, provider: provider.clone(), subject, timeout: None, on_progress: None }
    }

    /// It is about a machine.
    pub(crate) fn of(mut self, instance_id: &str) -> Self {
        self.subject.instance_id = Some(instance_id.to_string());
        self
    }

    /// It ends after that long.
    pub(crate) fn within(mut self, timeout: Option<Seconds>) -> Self {
        self.timeout = timeout.map(|Seconds(timeout)| timeout);
        self
    }

    /// It tells what it sees.
    pub(crate) fn telling(mut self, on_progress: Option<Py<PyAny>>) -> Self {
        self.on_progress = on_progress;
        self
    }

    /// Gives the outcome, or a coroutine that does.
    pub(crate) fn run<T, W>(
        self,
        py: Python<'_>,
        verb: impl FnOnce(Arc<dyn Provider>) -> W + Send + 'static,
    ) -> PyResult<Py<PyAny>>
    where
        T: Outcome,
        W: Future<Output = ProviderResult<T>> + Send + 'static,
    {
        logs::follow(py)?;
        match self.face {
            Face::Blocking => blocked::run(py, &self.subject.clone(), self.on_progress.as_ref(), || self.work(verb)),
            Face::Asyncio => awaited::coroutine(py, self, verb),
        }
    }

    /// The verb, until its deadline, telling what it sees where that is asked for.
    pub(crate) fn work<T, W>(&self, verb: impl FnOnce(Arc<dyn Provider>) -> W + Send + 'static) -> Work<T>
    where
        T: Send + 'static,
        W: Future<Output = ProviderResult<T>> + Send + 'static,
    {
        let (provider, timeout, Subject { operation, instance_id, .. }) =
            (self.provider.clone(), self.timeout, self.subject.clone());
        let limited = async move {
            let provider = provider.shared()?;
            match timeout {
                Some(timeout) => {
                    CancelToken::with_deadline(timeout).limit(operation, instance_id.as_deref(), verb(provider)).await
                }
                None => verb(provider).await,
            }
        };
        match self.on_progress {
            Some(_) => {
                let (tell, seen) = unbounded_channel();
                // Where nobody hears it any more, the verb is about to be dropped.
                Work::new(observe(limited, move |progress| drop(tell.send(progress))), seen)
            }
            None => Work::silent(limited),
        }
    }
}
