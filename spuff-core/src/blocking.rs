//! The contract without `async`: the same providers and futures, run on spuff's own runtime.
//!
//! An operation may be called from any thread; inside an async runtime, it blocks that thread.
//!
//! # How it runs
//! There is one single-threaded runtime per process. The thread that calls an operation drives it,
//! so that a reply wakes no other thread on its way to the caller; if several call at once, one
//! drives for all. While there are no calls, a keeper thread drives, so that background tasks
//! continue.
//!
//! spuff's threads block the program's signals, on systems with signal masks. On Linux and Apple's
//! systems, a write by spuff to a connection that its peer has closed raises no SIGPIPE, whatever
//! the program does with that signal.
//!
//! A child of `fork` has its own runtime. A provider from a [`ProviderRegistry`] is created anew
//! there, because its connections belong to the parent. The parent's background tasks stay with the
//! parent.
//!
//! # Examples
//! ```no_run
//! use spuff_core::blocking::ProviderRegistry;
//! use spuff_core::provider::{InstanceRequest, ProviderError};
//!
//! fn main() -> Result<(), ProviderError> {
//!     let provider = ProviderRegistry::with_defaults().from_env("digitalocean")?;
//!     let request = InstanceRequest::new("web-1", "nyc3", "s-1vcpu-1gb");
//!     let machine = provider.create_instance(&request)?;
//!     println!("{}", provider.wait_ready(&machine.id)?.ip);
//!     provider.destroy_instance(&machine.id)
//! }
//! ```

mod cancel;
mod implement;
mod offload;
mod placement;
mod runtime;
mod sync_provider;
mod verbs;

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

pub use cancel::CancelToken;
#[doc(hidden)]
pub use cancel::Cancelling;
pub use implement::from_sync;
#[doc(hidden)]
pub use offload::{defer_blocking, run_blocking};
pub use placement::{place_instance, place_instances};
pub use runtime::{block_on, caught, observe, spawn};
pub use sync_provider::SyncProvider;

use crate::fleet::{self, FleetOptions};
use crate::lease::{self, Reap, Reaped};
use crate::per_process::PerProcess;
use crate::progress::Progress;
use crate::provider::{
    self, InstanceRequest, ProviderConfig, ProviderError, ProviderInstance, ProviderResult,
    ProviderTimeouts,
};
use crate::provider::{ErrorParts, ProviderType};
use crate::scope::{self, OnFailure};

/// A blocking provider. Clones are cheap and share its connections.
///
/// The operations, their errors and their deadlines are those of [`provider::Provider`].
#[derive(Clone)]
pub struct Provider(Arc<Origin>);

type Made = Result<Arc<dyn provider::Provider>, Box<ErrorParts>>;

/// How a provider was created.
struct Origin {
    here: PerProcess<Made>,
    /// Creates it anew in a child of `fork`.
    again: Box<dyn Fn() -> Made + Send + Sync>,
    name: String,
}

impl Provider {
    /// The provider's name, for logs and messages.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether the snapshot operations work.
    pub fn supports_snapshots(&self) -> bool {
        self.shared().is_ok_and(|provider| provider.supports_snapshots())
    }
}

/// Scoped and batch operations, and leases.
impl Provider {
    /// As [`create_and_wait`](crate::create_and_wait).
    ///
    /// # Errors
    /// As the async function.
    pub fn create_and_wait(
        &self,
        request: &InstanceRequest,
        on_failure: OnFailure,
    ) -> ProviderResult<ProviderInstance> {
        self.run(
            |provider| async move { scope::create_and_wait(&provider, request, on_failure).await },
        )
    }

    /// As [`with_instance`](crate::with_instance): `work` may call this provider.
    ///
    /// # Errors
    /// As the async function.
    pub fn with_instance<T, E: From<ProviderError>>(
        &self,
        request: &InstanceRequest,
        work: impl FnOnce(&ProviderInstance) -> Result<T, E>,
    ) -> Result<T, E> {
        let guard =
            self.run(|provider| async move { scope::made_for_work(&provider, request).await })?;
        let id = guard.instance().id.clone();
        let done = catch_unwind(AssertUnwindSafe(|| work(guard.instance())));
        let ended = self.run(|_| async { guard.destroy().await.transpose() }).transpose();
        scope::finish(done, ended, &id)
    }

    /// Runs a future over this provider on spuff's own runtime, such as an operation with a timeout
    /// of its own. An operation that `work` drops continues in the background; [`settled`] waits
    /// for it.
    ///
    /// # Errors
    /// Those of `work`; and if spuff's own runtime cannot be started.
    ///
    /// # Examples
    /// ```no_run
    /// # use spuff_core::blocking::Provider;
    /// # use spuff_core::provider::{InstanceRequest, ProviderError};
    /// # fn example(provider: &Provider, request: InstanceRequest) -> Result<(), ProviderError> {
    /// use std::time::Duration;
    /// use tokio::time::timeout;
    ///
    /// let machine = provider.run(|provider| async move {
    ///     let create = provider.create_instance(&request);
    ///     let late = |_| Err(ProviderError::timeout("create_instance", Duration::from_secs(20)));
    ///     timeout(Duration::from_secs(20), create).await.unwrap_or_else(late)
    /// });
    /// spuff_core::blocking::settled()?;
    /// # machine.map(drop)
    /// # }
    /// ```
    pub fn run<T, W>(
        &self,
        work: impl FnOnce(Arc<dyn provider::Provider>) -> W,
    ) -> ProviderResult<T>
    where
        W: Future<Output = ProviderResult<T>>,
    {
        block_on(work(self.shared()?))
    }

    /// As [`run`](Self::run), and passes the progress reports to `on_progress` on this thread, as
    /// [`observe`](crate::observe) does. `on_progress` may call this provider.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn observe<T, W>(
        &self,
        work: impl FnOnce(Arc<dyn provider::Provider>) -> W,
        on_progress: impl FnMut(Progress),
    ) -> ProviderResult<T>
    where
        W: Future<Output = ProviderResult<T>>,
    {
        observe(work(self.shared()?), on_progress)
    }

    /// Returns the async provider, for futures that are passed to [`spawn`] or [`block_on`].
    ///
    /// # Errors
    /// If it cannot be created anew in a child of `fork`.
    pub fn shared(&self) -> ProviderResult<Arc<dyn provider::Provider>> {
        self.0.here.get_or_init(&self.0.again).clone().map_err(|parts| ProviderError::from(*parts))
    }

    /// As [`fleet::create_instances`]. Passes progress reports to `on_progress`, on this thread.
    ///
    /// # Errors
    /// If spuff's own runtime cannot be started. Each outcome has its own error.
    pub fn create_instances(
        &self,
        requests: &[InstanceRequest],
        options: FleetOptions,
        on_progress: impl FnMut(Progress),
    ) -> ProviderResult<Vec<ProviderResult<ProviderInstance>>> {
        let work = |provider| async move {
            Ok(fleet::create_instances(&provider, requests, options).await)
        };
        self.observe(work, on_progress)
    }

    /// As [`fleet::wait_ready_many`]. Passes progress reports to `on_progress`, on this thread.
    ///
    /// # Errors
    /// If spuff's own runtime cannot be started. Each outcome has its own error.
    pub fn wait_ready_many<S: AsRef<str>>(
        &self,
        ids: &[S],
        on_progress: impl FnMut(Progress),
    ) -> ProviderResult<Vec<ProviderResult<ProviderInstance>>> {
        self.observe(
            |provider| async move { Ok(fleet::wait_ready_many(&provider, ids).await) },
            on_progress,
        )
    }

    /// As [`fleet::destroy_instances`]. Passes progress reports to `on_progress`, on this thread.
    ///
    /// # Errors
    /// If spuff's own runtime cannot be started. Each outcome has its own error.
    pub fn destroy_instances<S: AsRef<str>>(
        &self,
        ids: &[S],
        concurrency: usize,
        on_progress: impl FnMut(Progress),
    ) -> ProviderResult<Vec<ProviderResult<()>>> {
        self.observe(
            |provider| async move {
                Ok(fleet::destroy_instances(&provider, ids, concurrency).await)
            },
            on_progress,
        )
    }

    /// As [`fleet::watch`]: an iterator over progress reports, which then holds the outcomes.
    ///
    /// # Errors
    /// If the provider cannot be created anew in a child of `fork`.
    pub fn watch<S: Into<String>>(
        &self,
        ids: impl IntoIterator<Item = S>,
    ) -> ProviderResult<Watch> {
        Ok(Watch(fleet::watch(&self.shared()?, ids)))
    }

    /// As [`lease::list_owned`].
    ///
    /// # Errors
    /// As the async function.
    pub fn list_owned(&self, owner: &str) -> ProviderResult<Vec<ProviderInstance>> {
        self.run(|provider| async move { lease::list_owned(&*provider, owner).await })
    }

    /// As [`lease::renew`].
    ///
    /// # Errors
    /// As the async function.
    pub fn renew(&self, id: &str, ttl: Duration) -> ProviderResult<DateTime<Utc>> {
        self.run(|provider| async move { lease::renew(&*provider, id, ttl).await })
    }

    /// As [`lease::reap`].
    ///
    /// # Errors
    /// As the async function.
    pub fn reap(&self, which: &Reap) -> ProviderResult<Vec<Reaped>> {
        self.run(|provider| async move { lease::reap(&provider, which).await })
    }
}

/// Watched instances; see [`Provider::watch`]. If spuff's own runtime fails, the iterator ends
/// without outcomes.
#[derive(Debug)]
pub struct Watch(fleet::Watch);

impl Watch {
    /// The outcomes, in the order of the ids; empty before the end of the iterator.
    pub fn into_outcomes(self) -> Vec<ProviderResult<ProviderInstance>> {
        self.0.into_outcomes()
    }
}

impl Iterator for Watch {
    type Item = Progress;

    fn next(&mut self) -> Option<Progress> {
        block_on(async { Ok(self.0.next().await) }).ok().flatten()
    }
}

/// As [`settled`](crate::settled), for the background tasks of blocking calls.
///
/// # Errors
/// If spuff's own runtime cannot be started.
pub fn settled() -> ProviderResult<()> {
    block_on(async {
        crate::settled().await;
        Ok(())
    })
}

/// Wraps a provider that only blocking calls use from now on: its connections belong to the runtime
/// that opened them.
///
/// A child of `fork` uses the same one.
impl From<Arc<dyn provider::Provider>> for Provider {
    fn from(provider: Arc<dyn provider::Provider>) -> Self {
        let same = provider.clone();
        Self::new(provider, move || Ok(same.clone()))
    }
}

impl From<Box<dyn provider::Provider>> for Provider {
    fn from(provider: Box<dyn provider::Provider>) -> Self {
        Arc::<dyn provider::Provider>::from(provider).into()
    }
}

impl Provider {
    fn new(
        provider: Arc<dyn provider::Provider>,
        again: impl Fn() -> Made + Send + Sync + 'static,
    ) -> Self {
        let name = provider.name().to_string();
        Self(Arc::new(Origin {
            here: PerProcess::with(Ok(provider)),
            again: Box::new(again),
            name,
        }))
    }

    /// Creates a provider now, and anew in a child of `fork`.
    fn made(
        make: impl Fn() -> ProviderResult<Box<dyn provider::Provider>> + Send + Sync + 'static,
    ) -> ProviderResult<Self> {
        let provider = make()?;
        Ok(Self::new(provider.into(), move || {
            make().map(Arc::from).map_err(|error| Box::new(ErrorParts::from(&error)))
        }))
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Provider").field(&self.name()).finish()
    }
}

/// A registry that creates blocking providers. It derefs to [`provider::ProviderRegistry`] for
/// everything else.
#[derive(Debug, Clone, Default)]
pub struct ProviderRegistry(provider::ProviderRegistry);

#[allow(
    missing_docs,
    reason = "each is described at the function of provider::ProviderRegistry with its name"
)]
impl ProviderRegistry {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_defaults() -> Self {
        Self(provider::ProviderRegistry::with_defaults())
    }

    pub fn create(
        &self,
        provider_type: ProviderType,
        token: &str,
        timeouts: ProviderTimeouts,
    ) -> ProviderResult<Provider> {
        let registry = self.0.clone();
        let token = SecretString::from(token);
        Provider::made(move || registry.create(provider_type, token.expose_secret(), timeouts))
    }

    pub fn create_by_name(
        &self,
        name: &str,
        token: &str,
        timeouts: ProviderTimeouts,
    ) -> ProviderResult<Provider> {
        let registry = self.0.clone();
        let name = name.to_string();
        let token = SecretString::from(token);
        Provider::made(move || registry.create_by_name(&name, token.expose_secret(), timeouts))
    }

    pub fn connect(&self, name: &str, config: ProviderConfig) -> ProviderResult<Provider> {
        let registry = self.0.clone();
        let name = name.to_string();
        Provider::made(move || registry.connect(&name, config.clone()))
    }

    pub fn from_env(&self, name: &str) -> ProviderResult<Provider> {
        self.connect(name, self.0.config_from_env(name, ProviderConfig::default())?)
    }
}

impl Deref for ProviderRegistry {
    type Target = provider::ProviderRegistry;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for ProviderRegistry {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl From<provider::ProviderRegistry> for ProviderRegistry {
    fn from(registry: provider::ProviderRegistry) -> Self {
        Self(registry)
    }
}
