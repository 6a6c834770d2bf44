//! An error as plain fields, for languages without enums, for logs and for serialization.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Attempt, AttemptOutcome, ErrorContext, ErrorKind, NetworkError, ProviderError};

/// A [`ProviderError`] as plain fields. Fields that its kind does not have are empty.
///
/// # Examples
/// ```
/// use spuff_core::provider::{ErrorParts, ProviderError};
///
/// let parts = ErrorParts::from(&ProviderError::not_found("instance", "42"));
/// assert_eq!((parts.kind.name(), parts.resource_id.as_deref()), ("not_found", Some("42")));
/// assert!(matches!(ProviderError::from(parts), ProviderError::NotFound { .. }));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ErrorParts {
    /// The kind.
    pub kind: ErrorKind,
    /// The whole error message. Ignored when an error is made from its parts.
    pub text: String,
    /// The failure, without the content of other fields; the cloud's message, if there is one.
    pub message: String,
    /// The provider.
    pub provider: Option<String>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// The cloud's error code.
    pub code: Option<String>,
    /// The cloud's request id.
    pub request_id: Option<String>,
    /// Whether the same call may succeed later, and repeating it is safe.
    pub retryable: bool,
    /// How long to wait before a retry.
    pub retry_after: Option<Duration>,
    /// `instance`, `snapshot`, `image` …; for a quota, the limited resource.
    pub resource_type: Option<String>,
    /// The id that does not exist.
    pub resource_id: Option<String>,
    /// The invalid field.
    pub field: Option<String>,
    /// The unsupported operation or option.
    pub feature: Option<String>,
    /// The operation that timed out, was cancelled, or has an unknown outcome.
    pub operation: Option<String>,
    /// The time spent, for a timeout.
    pub elapsed: Option<Duration>,
    /// The key to [`resolve`](crate::Provider::resolve).
    pub key: Option<String>,
    /// Ids of the resources that the call may have made.
    pub candidates: Vec<String>,
    /// The name that is unknown or not part of this build.
    pub name: Option<String>,
    /// The registered names.
    pub supported: Vec<String>,
    /// The id of the instance that the error is about. It may exist and cost money.
    pub instance_id: Option<String>,
    /// Whether `instance_id` is only the instance that the call was given: the error says nothing
    /// about its state. [`about`](Self::about) sets it.
    pub instance_is_subject: bool,
    /// For a failure after a create: whether the instance still exists.
    pub instance_exists: Option<bool>,
    /// Whether the instance is being destroyed in the background.
    pub instance_ending: bool,
    /// Why the instance could not be destroyed, if that was tried.
    pub cleanup: Option<Box<ErrorParts>>,
    /// For a failed placement: the outcome of each candidate.
    pub attempts: Vec<Attempt>,
}

impl Default for ErrorParts {
    fn default() -> Self {
        Self::new(ErrorKind::Other, "")
    }
}

impl ErrorParts {
    /// An error with this kind and message; the other fields are empty.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            text: String::new(),
            message: message.into(),
            provider: None,
            status: None,
            code: None,
            request_id: None,
            retryable: false,
            retry_after: None,
            resource_type: None,
            resource_id: None,
            field: None,
            feature: None,
            operation: None,
            elapsed: None,
            key: None,
            candidates: Vec::new(),
            name: None,
            supported: Vec::new(),
            instance_id: None,
            instance_is_subject: false,
            instance_exists: None,
            instance_ending: false,
            cleanup: None,
            attempts: Vec::new(),
        }
    }

    /// Adds the provider, and the instance id of the call, unless the error already has them.
    #[must_use]
    pub fn about(mut self, provider: &str, instance_id: Option<&str>) -> Self {
        self.provider.get_or_insert_with(|| provider.to_string());
        if let (None, Some(id)) = (&self.instance_id, instance_id) {
            (self.instance_id, self.instance_is_subject) = (Some(id.to_string()), true);
        }
        self
    }

    /// Fills the fields of this kind and returns the message.
    fn take_apart(&mut self, error: &ProviderError) -> String {
        let some = |text: &String| Some(text.clone());
        match error {
            ProviderError::Authentication { provider, message, .. } => {
                self.provider = some(provider);
                return message.clone();
            }
            ProviderError::NotFound { resource_type, id } => {
                (self.resource_type, self.resource_id) = (some(resource_type), some(id));
            }
            ProviderError::QuotaExceeded { resource, message, .. } => {
                self.resource_type = some(resource);
                return message.clone();
            }
            ProviderError::InvalidConfig { field, message } => {
                self.field = some(field);
                return message.clone();
            }
            ProviderError::NotSupported { feature } => self.feature = some(feature),
            ProviderError::Timeout { operation, elapsed } => {
                (self.operation, self.elapsed) = (some(operation), Some(*elapsed));
            }
            ProviderError::NotImplemented { name } => self.name = some(name),
            ProviderError::UnknownProvider { name, supported } => {
                (self.name, self.supported) = (some(name), supported.clone());
            }
            ProviderError::Cancelled { operation, .. } => self.operation = some(operation),
            ProviderError::UnknownOutcome { operation, key, message, candidates, .. } => {
                (self.operation, self.key, self.candidates) =
                    (some(operation), some(key), candidates.clone());
                return message.clone();
            }
            ProviderError::Api { message, .. }
            | ProviderError::Conflict { message, .. }
            | ProviderError::Capacity { message, .. }
            | ProviderError::Unavailable { message, .. }
            | ProviderError::Other { message }
            | ProviderError::Internal { message } => return message.clone(),
            ProviderError::Network(error) => return error.to_string(),
            ProviderError::AfterCreate { exists, source, cleanup, ending, .. } => {
                (self.instance_exists, self.instance_ending) = (Some(*exists), *ending);
                self.cleanup = cleanup.as_deref().map(|error| Box::new(Self::from(error)));
                return self.take_apart(source);
            }
            ProviderError::NotPlaced { source, attempts } => {
                let message = self.take_apart(source);
                let provider = || provider_of(self.kind, attempts);
                self.provider = self.provider.take().or_else(provider);
                self.attempts.clone_from(attempts);
                return message;
            }
            ProviderError::RateLimit { .. } => {}
        }
        error.to_string()
    }
}

/// The provider that a failed placement has this error of.
pub(super) fn provider_of(kind: ErrorKind, attempts: &[Attempt]) -> Option<String> {
    // If an attempt made the instance, it is the last one.
    let of_this =
        |attempt: &&Attempt| attempt.outcome == AttemptOutcome::Made || attempt.kind == Some(kind);
    attempts.iter().rev().find(of_this).map(|attempt| attempt.provider.clone())
}

impl From<&ProviderError> for ErrorParts {
    fn from(error: &ProviderError) -> Self {
        let mut parts = Self::new(error.kind(), "");
        if let Some(context) = error.context().cloned() {
            (parts.provider, parts.status, parts.code) =
                (context.provider, context.status, context.code);
            parts.request_id = context.request_id;
        }
        parts.instance_id = error.instance_id().map(str::to_string);
        parts.message = parts.take_apart(error);
        (parts.text, parts.retryable, parts.retry_after) =
            (error.to_string(), error.is_retryable(), error.retry_after());
        parts
    }
}

/// Rebuilds the error. Fields that its kind does not have are ignored, and so is the id of an
/// instance that is only the subject of a call: in the error's context it would say that the
/// instance itself failed.
impl From<ErrorParts> for ProviderError {
    fn from(parts: ErrorParts) -> Self {
        let message = parts.message;
        let operation = parts.operation.unwrap_or_default();
        let name = parts.name.unwrap_or_default();
        let provider = parts.provider.clone();
        let resource_type = parts.resource_type.unwrap_or_default();
        let context = ErrorContext {
            provider: parts.provider,
            status: parts.status,
            code: parts.code,
            request_id: parts.request_id,
            instance_id: parts
                .instance_id
                .clone()
                .filter(|_| parts.instance_exists.is_none() && !parts.instance_is_subject),
        };
        let error = match parts.kind {
            ErrorKind::Authentication => Self::auth(provider.unwrap_or_default(), message),
            ErrorKind::RateLimit => Self::RateLimit { retry_after: parts.retry_after },
            ErrorKind::NotFound => {
                Self::not_found(resource_type, parts.resource_id.unwrap_or_default())
            }
            ErrorKind::QuotaExceeded => Self::quota(resource_type, message),
            ErrorKind::InvalidConfig => {
                Self::invalid_config(parts.field.unwrap_or_default(), message)
            }
            ErrorKind::NotSupported => {
                Self::NotSupported { feature: parts.feature.unwrap_or(message) }
            }
            ErrorKind::Timeout => Self::timeout(operation, parts.elapsed.unwrap_or_default()),
            ErrorKind::Network => Self::Network(NetworkError {
                message,
                source: None,
                may_have_been_sent: !parts.retryable,
                is_deserted: false,
            }),
            ErrorKind::Api if parts.retryable => {
                Self::not_the_api(parts.status.unwrap_or_default(), message)
            }
            ErrorKind::Api => Self::api(parts.status.unwrap_or_default(), message),
            ErrorKind::NotImplemented => Self::NotImplemented { name },
            ErrorKind::UnknownProvider => {
                Self::UnknownProvider { name, supported: parts.supported }
            }
            ErrorKind::Other => Self::Other { message },
            ErrorKind::Conflict => Self::conflict(message, parts.retryable),
            ErrorKind::Capacity => Self::capacity(message),
            ErrorKind::Unavailable => Self::Unavailable {
                message,
                retry_after: parts.retry_after,
                context: Box::default(),
            },
            ErrorKind::UnknownOutcome => {
                Self::unknown_outcome(operation, parts.key.unwrap_or_default(), message)
                    .with_candidates(&parts.candidates)
            }
            ErrorKind::Cancelled => {
                Self::Cancelled { operation, instance_id: context.instance_id.clone() }
            }
            ErrorKind::Internal => Self::Internal { message },
        };
        let error = error.with_context(context);
        let error = match (parts.instance_exists, parts.instance_id) {
            (Some(exists), Some(instance_id)) => {
                let cleanup = parts.cleanup.map(|parts| Box::new(Self::from(*parts)));
                Self::AfterCreate {
                    instance_id,
                    exists,
                    source: Box::new(error),
                    cleanup,
                    ending: parts.instance_ending,
                }
            }
            _ => error,
        };
        if parts.attempts.is_empty() { error } else { error.not_placed(parts.attempts) }
    }
}
