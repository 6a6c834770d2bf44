//! What a call of a verb is made of, whether it blocks or calls back.
//!
//! Stands on the contract. Each verb is one function here; `provider` and `submit` give them their two forms in C.

use std::collections::HashMap;
use std::ffi::{CString, c_char, c_void};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use spuff_core::blocking::{self, caught};
use spuff_core::lease::{self, Reaped};
use spuff_core::provider::{ErrorParts, Provider as CoreProvider, ProviderError, ProviderInstance, ProviderResult};
use spuff_core::provider::{InstanceRequest, Snapshot as CoreSnapshot};
use spuff_core::{Observed, OnFailure, Progress as CoreProgress, Step, create_and_wait};
use tokio::runtime::{Builder, Runtime};

use crate::boundary::{Failure, Outcome, c_text, handle, view};
use crate::cancel::{self, Cancel};
use crate::provider::Provider;
use crate::reap::Reap;

/// What a call that waits has seen on its way. It lives as long as the callback that is given it runs.
#[repr(C)]
pub struct Progress {
    /// The size of this struct: fields are only ever added at its end.
    pub size: usize,
    /// The verb, such as `wait_ready`.
    pub operation: *const c_char,
    /// What it is about: the id of a machine, snapshot or action.
    pub id: *const c_char,
    /// What was seen, in words: `accepted`, `new`, `gone` …
    pub state: *const c_char,
    /// Milliseconds since the verb began.
    pub elapsed_ms: u64,
}

/// Who is told what a call sees on its way.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Observer {
    /// The size of this struct: set it to sizeof(spuff_observer).
    pub size: usize,
    /// Called in order and never at the same time: by a call that blocks on the caller's thread, by one that was submitted on
    /// a thread of spuff's. It may call spuff. NULL: nothing is told.
    pub progress: Option<unsafe extern "C" fn(user_data: *mut c_void, progress: *const Progress)>,
    /// What `progress` is called with. Of a call that was submitted, it is used on threads of spuff's.
    pub user_data: *mut c_void,
}

// SAFETY: the header says that user data is used on other threads.
unsafe impl Send for Observer {}

impl Observer {
    /// A caller's observer, if it is one.
    fn read(observer: *const Self) -> Outcome<Option<Self>> {
        Ok(view(observer, "observer", "spuff_observer")?.copied().filter(|given| given.progress.is_some()))
    }

    fn tell(&self, seen: &CoreProgress) {
        let texts: [CString; 3] = [&seen.operation, &seen.id, &seen.state].map(|text| c_text(text.as_str()));
        let progress = Progress {
            size: size_of::<Progress>(),
            operation: texts[0].as_ptr(),
            id: texts[1].as_ptr(),
            state: texts[2].as_ptr(),
            elapsed_ms: u64::try_from(seen.elapsed.as_millis()).unwrap_or(u64::MAX),
        };
        if let Some(callback) = self.progress {
            // SAFETY: the caller's function, called as the header says.
            unsafe { callback(self.user_data, &raw const progress) };
        }
    }
}

type Work<T> = Pin<Box<dyn Future<Output = ProviderResult<T>> + Send>>;

/// A verb with its arguments.
pub(crate) struct Verb<T> {
    operation: &'static str,
    /// The machine that it is about, so that its errors name it.
    id: Option<String>,
    work: Box<dyn FnOnce(Arc<dyn CoreProvider>) -> Work<T> + Send>,
}

impl<T: Send + 'static> Verb<T> {
    fn new<W>(operation: &'static str, work: impl FnOnce(Arc<dyn CoreProvider>) -> W + Send + 'static) -> Self
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
    pub(crate) fn block(self, provider: *const Provider, cancel: *const Cancel, observer: *const Observer) -> Outcome<T> {
        // A handle of its own: the caller's may be freed while the call is under way.
        let provider = handle(provider, "provider")?.inner.clone();
        let (cancel, observer) = (cancel::token(cancel), Observer::read(observer)?);
        let Self { operation, id, work } = self;
        let limited = |shared| caught(cancel.limit(operation, id.as_deref(), work(shared)));
        let outcome = match observer {
            Some(observer) => provider.observe(limited, |seen| observer.tell(&seen)),
            None => provider.run(limited),
        };
        outcome.map_err(|error| failure(&error, provider.name(), id.as_deref()))
    }

    /// Lets it run; `deliver` is called with its outcome on a thread where it may block.
    pub(crate) fn submit(
        self,
        provider: *const Provider,
        cancel: *const Cancel,
        observer: *const Observer,
        deliver: impl FnOnce(Outcome<T>) + Send + 'static,
    ) -> Outcome<()> {
        let provider = &handle(provider, "provider")?.inner;
        let shared = provider.shared().map_err(|error| failure(&error, provider.name(), None))?;
        let (cancel, observer) = (cancel::token(cancel), Observer::read(observer)?);
        let Self { operation, id, work } = self;
        let submitted = async move {
            let name = shared.name().to_string();
            let limited = cancel.limit(operation, id.as_deref(), work(shared));
            let mut observed = Observed::new(caught(limited));
            let outcome = loop {
                match observed.next().await {
                    Step::Progress(seen) => {
                        if let Some(observer) = observer {
                            elsewhere(move || observer.tell(&seen)).await;
                        }
                    }
                    Step::Done(outcome) => break outcome,
                }
            };
            let outcome = outcome.map_err(|error| failure(&error, &name, id.as_deref()));
            elsewhere(move || deliver(outcome)).await;
        };
        drop(blocking::spawn(submitted)?);
        Ok(())
    }
}

/// An error with what this call knows.
fn failure(error: &ProviderError, provider: &str, id: Option<&str>) -> Failure {
    ErrorParts::from(error).about(provider, id).into()
}

/// Calls a caller's function where it may block and call spuff: on threads that the verbs of providers in C, which may block as
/// well, cannot use up. What it does is its own: a panic can only be ours, and is printed by the panic handler.
async fn elsewhere(call: impl FnOnce() + Send + 'static) {
    static THREADS: OnceLock<Option<Runtime>> = OnceLock::new();
    let _ = match THREADS.get_or_init(|| Builder::new_current_thread().build().ok()) {
        Some(threads) => threads.spawn_blocking(call).await,
        None => tokio::task::spawn_blocking(call).await,
    };
}

pub(crate) fn create_instance(request: InstanceRequest) -> Verb<ProviderInstance> {
    Verb::new("create_instance", move |provider| async move { provider.create_instance(&request).await })
}

pub(crate) fn create_and_wait_for(request: InstanceRequest, on_failure: OnFailure) -> Verb<ProviderInstance> {
    Verb::new("create_and_wait", move |provider| async move { create_and_wait(&provider, &request, on_failure).await })
}

/// Verbs of one id, which their errors name where it is that of a machine.
macro_rules! of_an_id {
    ($($verb:ident -> $made:ty, $about:expr;)*) => {$(
        pub(crate) fn $verb(id: &str) -> Verb<$made> {
            let own = id.to_string();
            let verb = Verb::new(stringify!($verb), move |provider| async move { provider.$verb(&own).await });
            if $about { verb.about(id) } else { verb }
        }
    )*};
}

of_an_id! {
    destroy_instance -> (), true;
    get_instance -> Option<ProviderInstance>, true;
    wait_ready -> ProviderInstance, true;
    delete_snapshot -> (), false;
    resolve -> Option<ProviderInstance>, false;
    resolve_snapshot -> Option<CoreSnapshot>, false;
}

/// Verbs without arguments.
macro_rules! of_nothing {
    ($($verb:ident -> $made:ty;)*) => {$(
        pub(crate) fn $verb() -> Verb<$made> {
            Verb::new(stringify!($verb), |provider| async move { provider.$verb().await })
        }
    )*};
}

of_nothing! {
    list_instances -> Vec<ProviderInstance>;
    list_snapshots -> Vec<CoreSnapshot>;
    list_labelled_snapshots -> Vec<(CoreSnapshot, HashMap<String, String>)>;
    get_ssh_keys -> Vec<String>;
}

pub(crate) fn create_snapshot(instance_id: &str, name: &str) -> Verb<CoreSnapshot> {
    let (id, name) = (instance_id.to_string(), name.to_string());
    Verb::new("create_snapshot", move |provider| async move { provider.create_snapshot(&id, &name).await }).about(instance_id)
}

pub(crate) fn set_labels(id: &str, labels: HashMap<String, String>) -> Verb<()> {
    let own = id.to_string();
    Verb::new("set_labels", move |provider| async move { provider.set_labels(&own, &labels).await }).about(id)
}

pub(crate) fn list_owned(owner: &str) -> Verb<Vec<ProviderInstance>> {
    let owner = owner.to_string();
    Verb::new("list_owned", move |provider| async move { lease::list_owned(&*provider, &owner).await })
}

pub(crate) fn renew(id: &str, ttl: Duration) -> Verb<DateTime<Utc>> {
    let own = id.to_string();
    Verb::new("renew", move |provider| async move { lease::renew(&*provider, &own, ttl).await }).about(id)
}

pub(crate) fn reap(which: &Reap) -> Outcome<Verb<Vec<Reaped>>> {
    let which = which.build()?;
    Ok(Verb::new("reap", move |provider| async move { lease::reap(&provider, &which).await }))
}
