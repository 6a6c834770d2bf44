//! The kinds of errors, with numbers and names shared by all languages.

use serde::{Deserialize, Serialize};

/// The kinds of [`ProviderError`](super::ProviderError), with the numbers that C and Python share.
/// A number is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[repr(u32)]
#[allow(missing_docs, reason = "each is described at the variant of ProviderError with its name")]
pub enum ErrorKind {
    Authentication = 1,
    RateLimit = 2,
    NotFound = 3,
    QuotaExceeded = 4,
    InvalidConfig = 5,
    NotSupported = 6,
    Timeout = 7,
    Network = 8,
    Api = 9,
    NotImplemented = 10,
    UnknownProvider = 11,
    Other = 12,
    Conflict = 13,
    Capacity = 14,
    Unavailable = 15,
    UnknownOutcome = 16,
    Cancelled = 17,
    Internal = 18,
}

impl ErrorKind {
    /// Every kind, in the order of the numbers.
    pub const ALL: [Self; 18] = [
        Self::Authentication,
        Self::RateLimit,
        Self::NotFound,
        Self::QuotaExceeded,
        Self::InvalidConfig,
        Self::NotSupported,
        Self::Timeout,
        Self::Network,
        Self::Api,
        Self::NotImplemented,
        Self::UnknownProvider,
        Self::Other,
        Self::Conflict,
        Self::Capacity,
        Self::Unavailable,
        Self::UnknownOutcome,
        Self::Cancelled,
        Self::Internal,
    ];

    /// The number, from 1; 0 means "no error" in C.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// Returns the kind with that number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The name in `snake_case`, as bindings show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::RateLimit => "rate_limit",
            Self::NotFound => "not_found",
            Self::QuotaExceeded => "quota_exceeded",
            Self::InvalidConfig => "invalid_config",
            Self::NotSupported => "not_supported",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::Api => "api",
            Self::NotImplemented => "not_implemented",
            Self::UnknownProvider => "unknown_provider",
            Self::Other => "other",
            Self::Conflict => "conflict",
            Self::Capacity => "capacity",
            Self::Unavailable => "unavailable",
            Self::UnknownOutcome => "unknown_outcome",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }

    /// What the caller should do, in one sentence.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Authentication => {
                "Check the token, its permissions, and that it belongs to this provider and \
                 project."
            }
            Self::RateLimit => "Wait for `retry_after`, and send fewer requests at once.",
            Self::NotFound => "Check the id, the project and the region; it may have been deleted.",
            Self::QuotaExceeded => {
                "Destroy what is not needed, or ask the cloud for a higher limit."
            }
            Self::InvalidConfig => "Change the named field, or give the named argument.",
            Self::NotSupported => "Use another provider, or do without.",
            Self::Timeout => {
                "Check the resource: the operation may still finish; raise the timeout if it does."
            }
            Self::Network => "Check the connection, proxy and endpoint, then retry.",
            Self::Api => "Read the cloud's message; give its support the request id.",
            Self::NotImplemented => "Build with the feature of that provider.",
            Self::UnknownProvider => "Use one of the registered names, or register the provider.",
            Self::Other => "Read the message.",
            Self::Conflict => "Wait until the resource is free, or use another name.",
            Self::Capacity => "Try another region or size, or later.",
            Self::Unavailable => "Wait and retry.",
            Self::UnknownOutcome => {
                "Resolve the key before creating again: that returns the instance or snapshot, if \
                 there is one."
            }
            Self::Cancelled => {
                "Retry if needed; wait for the background work before the program ends."
            }
            Self::Internal => "Report it, with the message.",
        }
    }
}
