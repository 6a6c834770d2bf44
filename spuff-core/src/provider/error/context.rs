//! The error context.

use std::fmt;

/// The origin of an error: the data that a cloud's support asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorContext {
    /// The provider's name.
    pub provider: Option<String>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// The cloud's error code, such as `uniqueness_error` or `InvalidAMIID.NotFound`.
    pub code: Option<String>,
    /// The cloud's request id.
    pub request_id: Option<String>,
    /// The id of the instance that exists although the call failed.
    pub instance_id: Option<String>,
}

impl ErrorContext {
    /// A context with this provider.
    pub fn new(provider: impl Into<String>) -> Self {
        Self { provider: Some(provider.into()), ..Self::default() }
    }

    /// Sets the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Sets the cloud's error code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Sets the cloud's request id.
    #[must_use]
    pub fn with_request_id(mut self, request_id: impl Into<String>) -> Self {
        self.request_id = Some(request_id.into());
        self
    }

    /// Sets the id of the instance that exists although the call failed.
    #[must_use]
    pub fn with_instance_id(mut self, instance_id: impl Into<String>) -> Self {
        self.instance_id = Some(instance_id.into());
        self
    }
}

/// ` (hetzner, HTTP 422, invalid_input, request 4d9d)`, or nothing if every field is empty.
impl fmt::Display for ErrorContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, self.provider.as_deref())
    }
}

/// An error context for a message that names the provider already.
pub(super) struct BesideProvider<'a>(&'a ErrorContext);

impl fmt::Display for BesideProvider<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, None)
    }
}

impl ErrorContext {
    pub(super) fn beside_provider(&self) -> BesideProvider<'_> {
        BesideProvider(self)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, provider: Option<&str>) -> fmt::Result {
        let known = [
            provider.map(str::to_string),
            self.status.map(|status| format!("HTTP {status}")),
            self.code.clone(),
            self.request_id.as_ref().map(|id| format!("request {id}")),
            self.instance_id.as_ref().map(|id| format!("instance {id}")),
        ];
        let known: Vec<_> = known.into_iter().flatten().collect();
        if known.is_empty() { Ok(()) } else { write!(f, " ({})", known.join(", ")) }
    }
}
