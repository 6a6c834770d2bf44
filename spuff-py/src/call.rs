//! One call of a verb, on either face: from a thread that blocks, or from asyncio.
//!
//! Stands on the core's blocking runtime, which runs the same future for both.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use spuff_core::blocking::{self, CancelToken};
use spuff_core::provider::{Provider, ProviderResult};
use spuff_core::{Progress, observe};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::outcome::Outcome;
use crate::seconds::Seconds;
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
    pub(crate) future: Pin<Box<dyn Future<Output = ProviderResult<T>> + Send>>,
    pub(crate) seen: UnboundedReceiver<Progress>,
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
        let (tell, seen) = unbounded_channel();
        let future: Pin<Box<dyn Future<Output = _> + Send>> = match self.on_progress {
            Some(_) => Box::pin(observe(limited, move |progress| drop(tell.send(progress)))),
            None => Box::pin(limited),
        };
        Work { future, seen }
    }
}
