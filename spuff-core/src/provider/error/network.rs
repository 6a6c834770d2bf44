//! Failures below HTTP, and the conversion of `reqwest` errors.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use super::ProviderError;

/// A failure below HTTP: name resolution, connection, TLS, or a truncated reply.
#[derive(Debug)]
pub struct NetworkError {
    pub(super) message: String,
    pub(super) source: Option<Box<dyn StdError + Send + Sync>>,
    pub(super) may_have_been_sent: bool,
    /// Whether nothing listens at a port of this computer, for longer than a server takes to start.
    pub(super) is_deserted: bool,
}

impl NetworkError {
    /// A network error of a call that is safe to repeat, with its cause.
    pub fn new(
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            message: message.into(),
            source: Some(source.into()),
            may_have_been_sent: false,
            is_deserted: false,
        }
    }

    /// Marks that nothing has listened for a while at this port of this computer, so that spuff
    /// stops retrying.
    pub(crate) fn deserted(self) -> Self {
        Self { is_deserted: true, ..self }
    }

    /// Whether the connection was refused.
    pub(crate) fn is_refused(&self) -> bool {
        let mut cause = self.source.as_deref().map(|source| source as &(dyn StdError + 'static));
        while let Some(error) = cause {
            if error
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
            {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = self.source.as_deref().map(|source| source as &dyn StdError);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for NetworkError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// For third-party providers that use `reqwest` directly. The URL is left out: it may hold a
/// secret.
///
/// Only failures to build the request or to connect prove that it was not carried out. Other
/// failures are not [retryable](ProviderError::is_retryable), because the request may be a create.
impl From<reqwest::Error> for ProviderError {
    fn from(error: reqwest::Error) -> Self {
        let may_have_been_sent = !(error.is_connect() || error.is_builder());
        let network = NetworkError::new("request failed", error.without_url());
        Self::Network(NetworkError { may_have_been_sent, ..network })
    }
}
