//! How errors are made.

use std::time::Duration;

use super::parts::provider_of;
use super::{Attempt, ErrorContext, ProviderError, ProviderResult};

impl ProviderError {
    /// Returns an [`Authentication`](Self::Authentication) error.
    pub fn auth(provider: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Authentication {
            provider: provider.into(),
            message: message.into(),
            context: Box::default(),
        }
    }

    /// Returns a [`NotFound`](Self::NotFound) error.
    pub fn not_found(resource_type: impl Into<String>, id: impl Into<String>) -> Self {
        Self::NotFound { resource_type: resource_type.into(), id: id.into() }
    }

    /// Returns an [`Api`](Self::Api) error that is not retryable.
    pub fn api(status: u16, message: impl Into<String>) -> Self {
        let context = ErrorContext { status: Some(status), ..ErrorContext::default() };
        Self::Api { status, message: message.into(), retryable: false, context: Box::new(context) }
    }

    /// Returns a retryable [`Api`](Self::Api) error, for a reply that is not the API's own: the
    /// page of a proxy or load balancer, or an unreadable reply. It proves nothing, not even that a
    /// resource is gone.
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

    /// Returns a [`Timeout`](Self::Timeout) error.
    pub fn timeout(operation: impl Into<String>, elapsed: Duration) -> Self {
        Self::Timeout { operation: operation.into(), elapsed }
    }

    /// Returns a [`QuotaExceeded`](Self::QuotaExceeded) error.
    pub fn quota(resource: impl Into<String>, message: impl Into<String>) -> Self {
        Self::QuotaExceeded {
            resource: resource.into(),
            message: message.into(),
            context: Box::default(),
        }
    }

    /// Returns an [`InvalidConfig`](Self::InvalidConfig) error.
    pub fn invalid_config(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidConfig { field: field.into(), message: message.into() }
    }

    /// Returns a [`Conflict`](Self::Conflict) error; `retryable` if it resolves itself.
    pub fn conflict(message: impl Into<String>, retryable: bool) -> Self {
        Self::Conflict { message: message.into(), retryable, context: Box::default() }
    }

    /// Returns a [`Capacity`](Self::Capacity) error.
    pub fn capacity(message: impl Into<String>) -> Self {
        Self::Capacity { message: message.into(), context: Box::default() }
    }

    /// Returns an [`Unavailable`](Self::Unavailable) error.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable { message: message.into(), retry_after: None, context: Box::default() }
    }

    /// Returns an [`UnknownOutcome`](Self::UnknownOutcome) error.
    pub fn unknown_outcome(
        operation: impl Into<String>,
        key: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let operation = operation.into();
        let key = key.into();
        let message = message.into();
        Self::UnknownOutcome {
            operation,
            key,
            message,
            candidates: Vec::new(),
            context: Box::default(),
        }
    }

    /// Sets the ids of what may have been made, in an [`UnknownOutcome`](Self::UnknownOutcome).
    #[must_use]
    pub fn with_candidates(mut self, ids: &[String]) -> Self {
        if let Self::UnknownOutcome { candidates, .. } = &mut self {
            *candidates = ids.to_vec();
        }
        self
    }

    /// Wraps this error in [`AfterCreate`](Self::AfterCreate). `destroyed` is the result of the
    /// attempt to destroy the instance, if there was one.
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

    /// Wraps this error of an abandoned call in [`AfterCreate`](Self::AfterCreate).
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

    /// Wraps this error in [`NotPlaced`](Self::NotPlaced), with the outcome of each candidate. An
    /// error whose context lacks the provider has that of its candidate.
    #[must_use]
    pub fn not_placed(mut self, attempts: Vec<Attempt>) -> Self {
        let provider = provider_of(self.kind(), &attempts);
        if let Some(context) = self.context_mut()
            && context.provider.is_none()
        {
            context.provider = provider;
        }
        Self::NotPlaced { source: Box::new(self), attempts }
    }

    /// Returns an [`Internal`](Self::Internal) error, from the payload of a caught panic.
    pub fn from_panic(panic: &(dyn std::any::Any + Send)) -> Self {
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Self::Internal { message: said.unwrap_or("panic with a non-string payload").to_string() }
    }
}
