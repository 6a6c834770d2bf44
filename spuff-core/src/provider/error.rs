//! The errors, classified by what the caller should do about them.
//!
//! Every kind has a number that is never reused, so that C and Python name the same kinds.

mod attempt;
mod construct;
mod context;
mod kind;
mod network;
mod parts;
mod text;

use std::time::Duration;

use self::text::{candidate_list, fate, retry_hint, tried};
use super::operation::Operation;
use super::similar;

pub use attempt::{Attempt, AttemptOutcome};
pub use context::ErrorContext;
pub use kind::ErrorKind;
pub use network::NetworkError;
pub use parts::ErrorParts;

/// The result of every operation.
pub type ProviderResult<T> = Result<T, ProviderError>;

/// Why an operation failed.
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
    /// The credentials are invalid or lack permission.
    #[error("{provider}: authentication failed: {message}{}", context.beside_provider())]
    #[non_exhaustive]
    Authentication {
        /// The provider that refused.
        provider: String,
        /// The cloud's message.
        message: String,
        /// The error context.
        context: Box<ErrorContext>,
    },

    /// The rate limit was reached; the call was not carried out.
    #[error("rate limit reached{}", retry_hint(.retry_after))]
    RateLimit {
        /// How long the cloud asks to wait, if it does.
        retry_after: Option<Duration>,
    },

    /// The addressed resource does not exist.
    #[error("{resource_type} {id:?} does not exist")]
    NotFound {
        /// `instance`, `snapshot`, `image` …
        resource_type: String,
        /// The requested id.
        id: String,
    },

    /// The account's quota for this resource is used up.
    #[error("quota exceeded for {resource}: {message}{context}")]
    #[non_exhaustive]
    QuotaExceeded {
        /// The resource whose quota is exceeded.
        resource: String,
        /// The cloud's message.
        message: String,
        /// The error context.
        context: Box<ErrorContext>,
    },

    /// A value is invalid. If spuff itself detects it, no request was sent.
    #[error("invalid {field}: {message}")]
    InvalidConfig {
        /// The field of the request or of the configuration.
        field: String,
        /// The fault, the limit, and how to correct it.
        message: String,
    },

    /// The provider does not support this operation or option.
    #[error("{feature} is not supported by this provider")]
    NotSupported {
        /// The operation or option.
        feature: String,
    },

    /// The deadline expired.
    #[error("{operation} did not finish in {:.1} s", .elapsed.as_secs_f64())]
    Timeout {
        /// The operation, and the last known state.
        operation: String,
        /// The time spent.
        elapsed: Duration,
    },

    /// The API could not be reached, or its reply was cut off.
    #[error("network error: {0}")]
    Network(NetworkError),

    /// A reply that fits no other kind.
    #[error("the cloud returned an error: {message}{context}")]
    #[non_exhaustive]
    Api {
        /// The HTTP status.
        status: u16,
        /// The cloud's message.
        message: String,
        /// Whether a retry may succeed: the reply is not the API's own, but from an intermediary.
        retryable: bool,
        /// The error context.
        context: Box<ErrorContext>,
    },

    /// The provider is known by name, but this build does not contain it.
    #[error("provider {name:?} is not part of this build; enable the feature of that name")]
    NotImplemented {
        /// The provider's name.
        name: String,
    },

    /// No provider of that name is registered.
    #[error("unknown provider {name:?}{}; registered are: \
     {}", similar::hint(name, supported), .supported.join(", "))]
    UnknownProvider {
        /// The name that was given.
        name: String,
        /// The registered names.
        supported: Vec<String>,
    },

    /// Any other error.
    #[error("{message}")]
    Other {
        /// What happened.
        message: String,
    },

    /// The state of the resource forbids it: locked, busy, protected, or the name is taken.
    #[error("conflict: {message}{context}")]
    #[non_exhaustive]
    Conflict {
        /// The cloud's message.
        message: String,
        /// Whether it resolves itself (a lock, a pending event).
        retryable: bool,
        /// The error context.
        context: Box<ErrorContext>,
    },

    /// Out of stock at this time and place; another size or region may be available.
    #[error("no capacity: {message}{context}")]
    #[non_exhaustive]
    Capacity {
        /// The cloud's message.
        message: String,
        /// The error context.
        context: Box<ErrorContext>,
    },

    /// The cloud has an internal failure (HTTP 5xx); the call changed nothing or is safe to repeat.
    #[error("the cloud is unavailable: {message}{context}")]
    #[non_exhaustive]
    Unavailable {
        /// The cloud's message.
        message: String,
        /// How long the cloud asks to wait, if it does.
        retry_after: Option<Duration>,
        /// The error context.
        context: Box<ErrorContext>,
    },

    /// The call may or may not have been carried out. It must not be repeated before its key is
    /// resolved.
    #[error("the outcome of {operation} is unknown (key {key}): \
     {message}{}{context}", candidate_list(.candidates))]
    #[non_exhaustive]
    UnknownOutcome {
        /// The operation.
        operation: String,
        /// The key of the call: the caller's `idempotency_key`, or a random create key.
        key: String,
        /// What made the outcome unknown.
        message: String,
        /// Ids of the resources that the call may have made.
        candidates: Vec<String>,
        /// The error context.
        context: Box<ErrorContext>,
    },

    /// The caller cancelled the call. A create in progress is completed or rolled back in the
    /// background.
    #[error("{operation} was \
     cancelled{}", instance_id.as_ref().map_or(String::new(), |id| format!("; instance {id} is \
      unchanged")))]
    Cancelled {
        /// The operation.
        operation: String,
        /// The instance that the call was about, if any.
        instance_id: Option<String>,
    },

    /// A bug in spuff, or in a third-party provider: a caught panic.
    #[error("internal error: {message}")]
    Internal {
        /// The message of the panic.
        message: String,
    },

    /// A call that does more than create an instance failed after it made one. [`kind`](Self::kind)
    /// and similar methods are those of `source`.
    #[error("{source}{}", fate(.instance_id, .source, .cleanup, *.exists, *.ending))]
    #[non_exhaustive]
    AfterCreate {
        /// The instance's id.
        instance_id: String,
        /// Whether it still exists.
        exists: bool,
        /// The failure.
        source: Box<ProviderError>,
        /// Why the instance could not be destroyed, if that was tried.
        cleanup: Option<Box<ProviderError>>,
        /// Whether it is being destroyed in the background, because its caller has left.
        ending: bool,
    },

    /// No candidate of a placement made an instance. [`kind`](Self::kind) and similar methods are
    /// those of `source`: the error that ended the placement, or, if every candidate was full or
    /// too expensive, [`Capacity`](Self::Capacity) before [`QuotaExceeded`](Self::QuotaExceeded)
    /// before the price.
    #[error("{source}{}", tried(.attempts))]
    #[non_exhaustive]
    NotPlaced {
        /// The failure.
        source: Box<ProviderError>,
        /// The outcome of each candidate, in order.
        attempts: Vec<Attempt>,
    },
}

impl ProviderError {
    /// The id of the instance that the error is about, if known. It may exist and cost money.
    pub fn instance_id(&self) -> Option<&str> {
        match self {
            Self::AfterCreate { instance_id, .. }
            | Self::Cancelled { instance_id: Some(instance_id), .. } => Some(instance_id),
            Self::NotFound { resource_type, id } if resource_type == "instance" => Some(id),
            Self::NotPlaced { source, .. } => source.instance_id(),
            error => error.context()?.instance_id.as_deref(),
        }
    }

    /// Sets the error context, for the kinds that have one.
    #[must_use]
    pub fn with_context(mut self, origin: ErrorContext) -> Self {
        if let Some(context) = self.context_mut() {
            *context = origin;
        }
        self
    }

    /// The error message without its error context, for an error that takes the context over.
    pub(crate) fn without_context(&self) -> String {
        let text = self.to_string();
        let context = self
            .context()
            .map(|context| [context.to_string(), context.beside_provider().to_string()]);
        let shown = context.into_iter().flatten().filter(|shown| !shown.is_empty());
        match shown.filter_map(|shown| text.strip_suffix(&shown)).next() {
            Some(text) => text.to_string(),
            None => text,
        }
    }

    /// Rewrites the cloud's message and code, for the kinds that explain why an instance failed.
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

    /// Sets the provider in the error context, if there is a context without one.
    pub(crate) fn at(mut self, provider: &str) -> Self {
        if let Some(context) = self.context_mut() {
            context.provider.get_or_insert_with(|| provider.to_string());
        }
        self
    }

    fn context_mut(&mut self) -> Option<&mut ErrorContext> {
        match self {
            Self::Authentication { context, .. }
            | Self::QuotaExceeded { context, .. }
            | Self::Api { context, .. }
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
        // After a create that timed out, the resource may still be made; and an operation that the
        // provider names by words of its own may be part of a create.
        let may_make_a_second = match self {
            Self::Timeout { operation, .. } => {
                Operation::named_in(operation).is_none_or(Operation::creates)
            }
            _ => false,
        };
        (self.is_transient() || self.is_deserted()) && !may_make_a_second
    }

    /// For an error of [`wait_ready`](crate::Provider::wait_ready): whether the instance of this id
    /// itself failed, is gone, or did not become ready in time. Any other error is one of the poll
    /// and proves nothing about the instance. Roll back destroys the instance in the first case,
    /// and leaves it in the second.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use spuff_core::provider::ProviderError;
    ///
    /// let late = ProviderError::timeout("wait_ready", Duration::from_secs(300));
    /// assert!(late.is_instance_failure("42"));
    /// let refused = ProviderError::auth("hetzner", "the token has been revoked");
    /// assert!(!refused.is_instance_failure("42"));
    /// ```
    pub fn is_instance_failure(&self, id: &str) -> bool {
        match self {
            // A timed-out request proves nothing about the instance.
            Self::Timeout { operation, .. } => {
                operation.is_empty() || Operation::named_in(operation) == Some(Operation::WaitReady)
            }
            Self::NotFound { id: absent, .. } => absent.is_empty() || absent == id,
            // Refused credentials say nothing about the instance that the call was about.
            Self::Authentication { .. } => false,
            // A poll never fails with these.
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

    /// Whether the failed request may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::RateLimit { .. } | Self::Timeout { .. } | Self::Unavailable { .. } => true,
            Self::Network(error) => !error.may_have_been_sent && !error.is_deserted,
            Self::Api { retryable, .. } | Self::Conflict { retryable, .. } => *retryable,
            Self::NotPlaced { source, .. } => source.is_transient(),
            _ => false,
        }
    }

    /// How long the cloud asks to wait before a retry, if it does.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimit { retry_after } | Self::Unavailable { retry_after, .. } => *retry_after,
            Self::NotPlaced { source, .. } => source.retry_after(),
            _ => None,
        }
    }

    /// The address of the error's text. It distinguishes two errors of equal content while both
    /// exist. `None` for an error without text.
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

    /// What the caller should do, in one sentence.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::AfterCreate { ending: true, .. } => {
                "Wait for the background work before the program ends: the instance is being \
                 destroyed."
            }
            error => error.kind().advice(),
        }
    }

    /// The error context, for the kinds that have one. An [`InvalidConfig`](Self::InvalidConfig)
    /// that a cloud reports has it in its message; what a cloud says of a
    /// [`NotFound`](Self::NotFound) or a [`RateLimit`](Self::RateLimit) is logged at `debug`.
    pub fn context(&self) -> Option<&ErrorContext> {
        match self {
            Self::Authentication { context, .. }
            | Self::QuotaExceeded { context, .. }
            | Self::Api { context, .. }
            | Self::Conflict { context, .. }
            | Self::Capacity { context, .. }
            | Self::Unavailable { context, .. }
            | Self::UnknownOutcome { context, .. } => Some(context),
            Self::AfterCreate { source, .. } | Self::NotPlaced { source, .. } => source.context(),
            _ => None,
        }
    }
}
