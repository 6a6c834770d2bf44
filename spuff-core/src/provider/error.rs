//! What can go wrong, sorted by what the reader should do about it.
//!
//! Every kind has a number that is never reused, so that C and Python name the same kinds.

mod attempt;
mod context;
mod kind;
mod network;
mod parts;

use std::time::Duration;

use super::similar;

pub use attempt::{Attempt, AttemptOutcome};
pub use context::ErrorContext;
pub use kind::ErrorKind;
pub use network::NetworkError;
pub use parts::ErrorParts;

/// The result of every verb.
pub type ProviderResult<T> = Result<T, ProviderError>;

/// Why a verb failed.
///
/// # Examples
/// ```
/// use spuff_core::provider::ProviderError;
///
/// let error = ProviderError::not_found("instance", "42");
/// assert!(matches!(error, ProviderError::NotFound { .. }));
/// assert!(!error.is_retryable());
/// assert_eq!(error.kind().name(), "not_found");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The cloud does not know the credentials, or they may not do this.
    #[error("{provider}: authentication failed: {message}")]
    Authentication {
        /// The provider that refused.
        provider: String,
        /// The cloud's words.
        message: String,
    },

    /// Too many requests; the call was not carried out.
    #[error("rate limit reached{}", retry_hint(.retry_after))]
    RateLimit {
        /// How long the cloud asks to wait, where it says so.
        retry_after: Option<Duration>,
    },

    /// The thing addressed does not exist.
    #[error("{resource_type} {id:?} does not exist")]
    NotFound {
        /// `instance`, `snapshot`, `image` …
        resource_type: String,
        /// The id that was asked for.
        id: String,
    },

    /// The account may not have more of this.
    #[error("quota exceeded for {resource}: {message}")]
    QuotaExceeded {
        /// What there would be too many of.
        resource: String,
        /// The cloud's words.
        message: String,
    },

    /// A value that was given cannot be used. Where spuff finds it itself, nothing has been sent.
    #[error("invalid {field}: {message}")]
    InvalidConfig {
        /// The field of the request or of the configuration.
        field: String,
        /// What is wrong with it, the limit, and the way out.
        message: String,
    },

    /// This provider cannot do that.
    #[error("{feature} is not supported by this provider")]
    NotSupported {
        /// The verb or option.
        feature: String,
    },

    /// The deadline passed.
    #[error("{operation} did not finish in {:.1} s", .elapsed.as_secs_f64())]
    Timeout {
        /// What was being waited for, and its last known state.
        operation: String,
        /// The time spent.
        elapsed: Duration,
    },

    /// The cloud could not be reached, or its reply broke off.
    #[error("network error: {0}")]
    Network(NetworkError),

    /// An answer that fits no other kind.
    #[error("the cloud answered with an error: {message}{context}")]
    #[non_exhaustive]
    Api {
        /// The HTTP status.
        status: u16,
        /// The cloud's words.
        message: String,
        /// Whether it passes by itself: what came is not the API's own answer, but the page of
        /// something in between.
        retryable: bool,
        /// Where it comes from.
        context: Box<ErrorContext>,
    },

    /// The provider is known by name, but this build does not contain it.
    #[error("provider {name:?} is not part of this build; enable the feature of that name")]
    NotImplemented {
        /// The provider's name.
        name: String,
    },

    /// No provider is registered under that name.
    #[error("unknown provider {name:?}{}; registered are: \
     {}", similar::hint(name, supported), .supported.join(", "))]
    UnknownProvider {
        /// The name that was given.
        name: String,
        /// The names that would work.
        supported: Vec<String>,
    },

    /// Something else.
    #[error("{message}")]
    Other {
        /// What happened.
        message: String,
    },

    /// The state of the resource does not allow it: locked, busy, protected, or the name is taken.
    #[error("conflict: {message}{context}")]
    #[non_exhaustive]
    Conflict {
        /// The cloud's words.
        message: String,
        /// Whether it passes by itself (a lock, a pending event).
        retryable: bool,
        /// Where it comes from.
        context: Box<ErrorContext>,
    },

    /// Out of stock here and now; another size or region may do.
    #[error("no capacity: {message}{context}")]
    #[non_exhaustive]
    Capacity {
        /// The cloud's words.
        message: String,
        /// Where it comes from.
        context: Box<ErrorContext>,
    },

    /// The cloud has a fault of its own (its 5xx); the call changed nothing or is safe to repeat.
    #[error("the cloud is unavailable: {message}{context}")]
    #[non_exhaustive]
    Unavailable {
        /// The cloud's words.
        message: String,
        /// How long the cloud asks to wait, where it says so.
        retry_after: Option<Duration>,
        /// Where it comes from.
        context: Box<ErrorContext>,
    },

    /// The call may or may not have been carried out. It must not be repeated before somebody has
    /// looked.
    #[error("the outcome of {operation} is unknown (key {key}): \
     {message}{}{context}", candidate_list(.candidates))]
    #[non_exhaustive]
    UnknownOutcome {
        /// The verb.
        operation: String,
        /// The key under which the call was made: the caller's `idempotency_key`, or one made for
        /// this call.
        key: String,
        /// What was lost.
        message: String,
        /// Ids of what may have been made, where there are any.
        candidates: Vec<String>,
        /// Where it comes from.
        context: Box<ErrorContext>,
    },

    /// The caller has cancelled the call. A machine that it was making is brought to an end in the
    /// background.
    #[error("{operation} was \
     cancelled{}", instance_id.as_ref().map_or(String::new(), |id| format!("; instance {id} is as \
      it was")))]
    Cancelled {
        /// The verb.
        operation: String,
        /// The machine that the call was about, if it was about one.
        instance_id: Option<String>,
    },

    /// A fault of spuff itself, or of a provider that was added to it: a panic that was caught.
    #[error("internal error: {message}")]
    Internal {
        /// What the panic said.
        message: String,
    },

    /// A failure after a machine was made, by a call that does more than make it.
    /// [`kind`](Self::kind) and the like are those of the failure itself.
    #[error("{source}{}", fate(.instance_id, .source, .cleanup, *.exists, *.ending))]
    #[non_exhaustive]
    AfterCreate {
        /// The machine.
        instance_id: String,
        /// Whether it still exists.
        exists: bool,
        /// What went wrong.
        source: Box<ProviderError>,
        /// Why it could not be destroyed, where that was tried.
        cleanup: Option<Box<ProviderError>>,
        /// Whether it is being destroyed in the background, as nobody waits for it any more.
        ending: bool,
    },

    /// A machine found no place. [`kind`](Self::kind) and the like are those of the failure itself:
    /// of what ended the placement, or, where every candidate was full or too dear,
    /// [`Capacity`](Self::Capacity) before [`QuotaExceeded`](Self::QuotaExceeded) before the price.
    #[error("{source}{}", tried(.attempts))]
    #[non_exhaustive]
    NotPlaced {
        /// What went wrong.
        source: Box<ProviderError>,
        /// What came of each candidate, in order.
        attempts: Vec<Attempt>,
    },
}

/// How an error ends that came after several attempts, which have more words for each.
fn tried(attempts: &[Attempt]) -> String {
    let tried: Vec<_> = attempts
        .iter()
        .map(|attempt| format!("{}: {}", attempt.place(), attempt.outcome))
        .collect();
    if tried.is_empty() { String::new() } else { format!("; {}", tried.join(", ")) }
}

/// How an error ends that came after a machine was made.
fn fate(
    instance_id: &str,
    source: &ProviderError,
    cleanup: &Option<Box<ProviderError>>,
    exists: bool,
    ending: bool,
) -> String {
    match (cleanup, exists) {
        // It was gone before, and nobody has destroyed it.
        (_, false) if matches!(source, ProviderError::NotFound { id, .. } if id == instance_id) => {
            String::new()
        }
        (_, false) => format!("; instance {instance_id} has been destroyed"),
        (_, true) if ending => {
            format!("; instance {instance_id} is being destroyed in the background")
        }
        (None, true) => format!("; instance {instance_id} exists and costs money"),
        (Some(error), true) => format!(
            "; instance {instance_id} exists and costs money, as it could not be destroyed: {error}"
        ),
    }
}

fn retry_hint(retry_after: &Option<Duration>) -> String {
    match retry_after {
        Some(wait) => format!("; try again in {:.1} s", wait.as_secs_f64()),
        None => String::new(),
    }
}

fn candidate_list(candidates: &[String]) -> String {
    if candidates.is_empty() {
        String::new()
    } else {
        format!("; it may be {}", candidates.join(" or "))
    }
}

impl ProviderError {
    /// The credentials were refused.
    pub fn auth(provider: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Authentication { provider: provider.into(), message: message.into() }
    }

    /// The thing addressed does not exist.
    pub fn not_found(resource_type: impl Into<String>, id: impl Into<String>) -> Self {
        Self::NotFound { resource_type: resource_type.into(), id: id.into() }
    }

    /// An answer that fits no other kind.
    pub fn api(status: u16, message: impl Into<String>) -> Self {
        let context = ErrorContext { status: Some(status), ..ErrorContext::default() };
        Self::Api { status, message: message.into(), retryable: false, context: Box::new(context) }
    }

    /// An answer that is not the API's own: the page of a proxy or load balancer, or one that
    /// cannot be read. Nothing follows from it, also not that a thing is gone; the call may succeed
    /// later.
    ///
    /// # Examples
    /// ```
    /// use spuff_core::provider::ProviderError;
    ///
    /// let error = ProviderError::not_the_api(404, "a page of 146 bytes, text/html");
    /// assert!(error.is_retryable() && !matches!(error, ProviderError::NotFound { .. }));
    /// ```
    pub fn not_the_api(status: u16, message: impl Into<String>) -> Self {
        let mut error = Self::api(status, message);
        if let Self::Api { retryable, .. } = &mut error {
            *retryable = true;
        }
        error
    }

    /// The deadline passed.
    pub fn timeout(operation: impl Into<String>, elapsed: Duration) -> Self {
        Self::Timeout { operation: operation.into(), elapsed }
    }

    /// The account may not have more of `resource`.
    pub fn quota(resource: impl Into<String>, message: impl Into<String>) -> Self {
        Self::QuotaExceeded { resource: resource.into(), message: message.into() }
    }

    /// A value cannot be used.
    pub fn invalid_config(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidConfig { field: field.into(), message: message.into() }
    }

    /// The state of the resource does not allow it; `retryable` when that passes by itself.
    pub fn conflict(message: impl Into<String>, retryable: bool) -> Self {
        Self::Conflict { message: message.into(), retryable, context: Box::default() }
    }

    /// Out of stock here and now.
    pub fn capacity(message: impl Into<String>) -> Self {
        Self::Capacity { message: message.into(), context: Box::default() }
    }

    /// The cloud has a fault of its own.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable { message: message.into(), retry_after: None, context: Box::default() }
    }

    /// The call may or may not have been carried out.
    pub fn unknown_outcome(
        operation: impl Into<String>,
        key: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let (operation, key, message) = (operation.into(), key.into(), message.into());
        Self::UnknownOutcome {
            operation,
            key,
            message,
            candidates: Vec::new(),
            context: Box::default(),
        }
    }

    /// This error with the ids of what may have been made, for
    /// [`UnknownOutcome`](Self::UnknownOutcome).
    #[must_use]
    pub fn with_candidates(mut self, ids: &[String]) -> Self {
        if let Self::UnknownOutcome { candidates, .. } = &mut self {
            *candidates = ids.to_vec();
        }
        self
    }

    /// This error, of a machine that was made: with how the attempt to destroy it ended, if there
    /// was one.
    #[must_use]
    pub fn after_create(
        self,
        instance_id: impl Into<String>,
        destroyed: Option<ProviderResult<()>>,
    ) -> Self {
        let exists = !matches!(destroyed, Some(Ok(())));
        let cleanup = destroyed.and_then(Result::err).map(Box::new);
        Self::AfterCreate {
            instance_id: instance_id.into(),
            exists,
            source: Box::new(self),
            cleanup,
            ending: false,
        }
    }

    /// This error, of a call that nobody waits for any more, of the machine that it had made.
    #[cfg(feature = "blocking")]
    pub(crate) fn left_behind(self, instance_id: String, ending: bool) -> Self {
        Self::AfterCreate {
            instance_id,
            exists: true,
            source: Box::new(self),
            cleanup: None,
            ending,
        }
    }

    /// This error, of a machine that has found no place, with what came of each candidate.
    #[must_use]
    pub fn not_placed(self, attempts: Vec<Attempt>) -> Self {
        Self::NotPlaced { source: Box::new(self), attempts }
    }

    /// A fault, from the payload of a panic that was caught.
    pub fn from_panic(panic: &(dyn std::any::Any + Send)) -> Self {
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Self::Internal { message: said.unwrap_or("a panic without words").to_string() }
    }

    /// The machine that the error is about, and that may exist and cost money, where it is known.
    pub fn instance_id(&self) -> Option<&str> {
        match self {
            Self::AfterCreate { instance_id, .. }
            | Self::Cancelled { instance_id: Some(instance_id), .. } => Some(instance_id),
            Self::NotFound { resource_type, id } if resource_type == "instance" => Some(id),
            Self::NotPlaced { source, .. } => source.instance_id(),
            error => error.context()?.instance_id.as_deref(),
        }
    }

    /// This error with its origin written in, for the kinds that have room for it.
    #[must_use]
    pub fn with_context(mut self, origin: ErrorContext) -> Self {
        if let Some(context) = self.context_mut() {
            *context = origin;
        }
        self
    }

    /// This error with other words of the cloud, for the kinds that tell why a machine has failed.
    pub(crate) fn reworded(mut self, words: impl Fn(&str) -> String) -> Self {
        if let Self::Api { message, .. }
        | Self::Capacity { message, .. }
        | Self::Conflict { message, .. } = &mut self
        {
            *message = words(message);
        }
        if let Some(code) = self.context_mut().and_then(|context| context.code.as_mut()) {
            *code = words(code);
        }
        self
    }

    /// This error as one of this provider, where it has room for that and does not say it yet.
    pub(crate) fn at(mut self, provider: &str) -> Self {
        if let Some(context) = self.context_mut() {
            context.provider.get_or_insert_with(|| provider.to_string());
        }
        self
    }

    fn context_mut(&mut self) -> Option<&mut ErrorContext> {
        match self {
            Self::Api { context, .. }
            | Self::Conflict { context, .. }
            | Self::Capacity { context, .. }
            | Self::Unavailable { context, .. }
            | Self::UnknownOutcome { context, .. } => Some(context),
            Self::AfterCreate { source, .. } | Self::NotPlaced { source, .. } => {
                source.context_mut()
            }
            _ => None,
        }
    }

    /// The kind, with its number and name.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Authentication { .. } => ErrorKind::Authentication,
            Self::RateLimit { .. } => ErrorKind::RateLimit,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::QuotaExceeded { .. } => ErrorKind::QuotaExceeded,
            Self::InvalidConfig { .. } => ErrorKind::InvalidConfig,
            Self::NotSupported { .. } => ErrorKind::NotSupported,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::Network(_) => ErrorKind::Network,
            Self::Api { .. } => ErrorKind::Api,
            Self::NotImplemented { .. } => ErrorKind::NotImplemented,
            Self::UnknownProvider { .. } => ErrorKind::UnknownProvider,
            Self::Other { .. } => ErrorKind::Other,
            Self::Conflict { .. } => ErrorKind::Conflict,
            Self::Capacity { .. } => ErrorKind::Capacity,
            Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::UnknownOutcome { .. } => ErrorKind::UnknownOutcome,
            Self::Cancelled { .. } => ErrorKind::Cancelled,
            Self::Internal { .. } => ErrorKind::Internal,
            Self::AfterCreate { source, .. } | Self::NotPlaced { source, .. } => source.kind(),
        }
    }

    /// Whether the same call may succeed later, and repeating it is safe.
    pub fn is_retryable(&self) -> bool {
        if let Self::NotPlaced { source, .. } = self {
            return source.is_retryable();
        }
        // What was to be made when the time was up may be made yet.
        let makes_a_second =
            matches!(self, Self::Timeout { operation, .. } if operation.starts_with("create_"));
        (self.is_transient() || self.is_deserted()) && !makes_a_second
    }

    /// Of an error of [`wait_ready`](crate::Provider::wait_ready): whether it is the machine of
    /// this id itself that has failed, is gone, or did not become ready in time. Any other error is
    /// one of the look, which says nothing of the machine: whoever rolls back destroys a machine
    /// for the first, and leaves it for the second.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use spuff_core::provider::ProviderError;
    ///
    /// assert!(ProviderError::timeout("wait_ready", Duration::from_secs(300)).is_instance_failure("42"));
    /// assert!(!ProviderError::auth("hetzner", "the token has been revoked").is_instance_failure("42"));
    /// ```
    pub fn is_instance_failure(&self, id: &str) -> bool {
        match self {
            // A request that has run out of time says nothing of the machine.
            Self::Timeout { operation, .. } => {
                operation.is_empty() || operation.starts_with("wait_ready")
            }
            Self::NotFound { id: absent, .. } => absent.is_empty() || absent == id,
            // No look is refused for these.
            Self::Capacity { .. }
            | Self::QuotaExceeded { .. }
            | Self::Conflict { retryable: false, .. } => true,
            Self::AfterCreate { source, .. } | Self::NotPlaced { source, .. } => {
                source.is_instance_failure(id)
            }
            error => {
                !error.is_transient()
                    && error
                        .context()
                        .is_some_and(|context| context.instance_id.as_deref() == Some(id))
            }
        }
    }

    /// Whether nothing listens at a port of this computer.
    pub(crate) fn is_deserted(&self) -> bool {
        match self {
            Self::Network(error) => error.is_deserted,
            Self::AfterCreate { source, .. } | Self::NotPlaced { source, .. } => {
                source.is_deserted()
            }
            _ => false,
        }
    }

    /// Whether the request that failed may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::RateLimit { .. } | Self::Timeout { .. } | Self::Unavailable { .. } => true,
            Self::Network(error) => !error.may_have_been_sent && !error.is_deserted,
            Self::Api { retryable, .. } | Self::Conflict { retryable, .. } => *retryable,
            Self::NotPlaced { source, .. } => source.is_transient(),
            _ => false,
        }
    }

    /// How long the cloud asks to wait before a repeat, where it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimit { retry_after } | Self::Unavailable { retry_after, .. } => *retry_after,
            Self::NotPlaced { source, .. } => source.retry_after(),
            _ => None,
        }
    }

    /// Where its words are: that tells this error from another one that says the same, as long as
    /// both are there. `None` for an error that has none.
    #[doc(hidden)]
    pub fn place(&self) -> Option<usize> {
        let words = match self {
            Self::AfterCreate { source, .. } | Self::NotPlaced { source, .. } => {
                return source.place().or(Some(std::ptr::from_ref::<Self>(source).addr()));
            }
            Self::RateLimit { .. } => return None,
            Self::Network(error) => &error.message,
            Self::NotFound { id, .. } => id,
            Self::NotSupported { feature } => feature,
            Self::Timeout { operation, .. } | Self::Cancelled { operation, .. } => operation,
            Self::NotImplemented { name } | Self::UnknownProvider { name, .. } => name,
            Self::Authentication { message, .. }
            | Self::QuotaExceeded { message, .. }
            | Self::InvalidConfig { message, .. }
            | Self::Api { message, .. }
            | Self::Other { message }
            | Self::Conflict { message, .. }
            | Self::Capacity { message, .. }
            | Self::Unavailable { message, .. }
            | Self::UnknownOutcome { message, .. }
            | Self::Internal { message } => message,
        };
        (words.capacity() > 0).then(|| words.as_ptr().addr())
    }

    /// What the reader should do, in one sentence.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::AfterCreate { ending: true, .. } => {
                "Let what goes on in the background settle before the program ends: the machine is \
                 being destroyed."
            }
            error => error.kind().advice(),
        }
    }

    /// Where the error comes from, for the kinds that have room for it; the others say it in their
    /// message.
    pub fn context(&self) -> Option<&ErrorContext> {
        match self {
            Self::Api { context, .. }
            | Self::Conflict { context, .. }
            | Self::Capacity { context, .. }
            | Self::Unavailable { context, .. }
            | Self::UnknownOutcome { context, .. } => Some(context),
            Self::AfterCreate { source, .. } | Self::NotPlaced { source, .. } => source.context(),
            _ => None,
        }
    }
}
