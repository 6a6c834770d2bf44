//! The one table from HTTP status to error kind. A room refines it by its cloud's own codes, and only refines.

use std::time::{Duration, SystemTime};

use http::HeaderValue;

use super::call::{Call, Failure, Reply};
use super::{retry, secret};
use crate::provider::error::{ErrorContext, ProviderError};

/// The longest part of a cloud's message that is kept.
const MAX_MESSAGE: usize = 500;

/// What kind of refusal a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Authentication,
    RateLimit,
    NotFound,
    QuotaExceeded,
    InvalidConfig,
    Conflict { retryable: bool },
    Capacity,
    Unavailable,
    Api,
}

impl Fault {
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            400 | 422 => Self::InvalidConfig,
            401 | 403 => Self::Authentication,
            404 => Self::NotFound,
            409 => Self::Conflict { retryable: false },
            423 => Self::Conflict { retryable: true },
            429 => Self::RateLimit,
            408 | 500..=599 => Self::Unavailable,
            _ => Self::Api,
        }
    }
}

/// What a cloud said in an unsuccessful reply.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    /// The kind, where the cloud's code says more than the status.
    pub(crate) fault: Option<Fault>,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) request_id: Option<String>,
    /// The field of the request that the cloud complains about, in the contract's names.
    pub(crate) field: Option<String>,
    /// In place of the `Retry-After` header.
    pub(crate) retry_after: Option<Duration>,
}

/// Turns an unsuccessful reply into a failure that tells where it comes from and no secret.
pub(super) fn classify(provider: &str, call: &Call<'_>, reply: &Reply, refusal: Refusal, secrets: &[HeaderValue]) -> Failure {
    let fault = refusal.fault.unwrap_or_else(|| Fault::of_status(reply.status));
    let clean = |text: &str| secret::scrub(&shorten(text), secrets);
    let message =
        refusal.message.as_deref().filter(|text| !text.trim().is_empty()).map_or_else(|| without_message(reply), str::to_string);
    let message = clean(&message);
    let retry_after = refusal.retry_after.or_else(|| retry::retry_after(&reply.headers, SystemTime::now()));
    let context = ErrorContext {
        provider: Some(provider.to_string()),
        status: Some(reply.status),
        code: refusal.code.as_deref().filter(|code| !code.is_empty()).map(clean),
        request_id: refusal.request_id.as_deref().map(clean),
        ..ErrorContext::default()
    };
    let error = match fault {
        Fault::Authentication => ProviderError::auth(provider, format!("{message}{context}")),
        Fault::RateLimit => ProviderError::RateLimit { retry_after },
        Fault::NotFound => match (call.subject, &refusal.field) {
            (Some((resource_type, id)), _) => ProviderError::not_found(resource_type, id),
            // A call about nothing yet, a create, that names something which is not there.
            (None, Some(field)) => ProviderError::invalid_config(field, format!("{message}{context}")),
            (None, None) => ProviderError::not_found("endpoint", call.path.as_ref()),
        },
        Fault::QuotaExceeded => {
            ProviderError::quota(call.operation.strip_prefix("create_").unwrap_or("request"), format!("{message}{context}"))
        }
        Fault::InvalidConfig => {
            ProviderError::invalid_config(refusal.field.as_deref().unwrap_or("request"), format!("{message}{context}"))
        }
        Fault::Conflict { retryable } => ProviderError::conflict(message, retryable),
        Fault::Capacity => ProviderError::capacity(message),
        Fault::Unavailable => ProviderError::Unavailable { message, retry_after, context: Box::default() },
        Fault::Api => ProviderError::api(reply.status, message),
    };
    let error = error.with_context(context);
    // A 5xx, or a gateway's impatience, may come after the work was done; with any other status it was not begun.
    let unknown = fault == Fault::Unavailable && Fault::of_status(reply.status) == Fault::Unavailable;
    if unknown { Failure::Unknown(error) } else { Failure::Rejected(error) }
}

/// What to say of a reply that is not in the cloud's own form: a proxy's page, or nothing at all.
fn without_message(reply: &Reply) -> String {
    let text = String::from_utf8_lossy(&reply.body[..reply.body.len().min(4 * MAX_MESSAGE)]);
    let text = text.trim();
    if (300..400).contains(&reply.status) {
        return "a redirect, which is never followed: the token belongs to one host; check the endpoint".to_string();
    }
    if text.is_empty() {
        return "an empty reply".to_string();
    }
    if text.starts_with('<') {
        return format!("a page of {} bytes that is not the API's", reply.body.len());
    }
    text.to_string()
}

/// One line of bounded length.
fn shorten(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > MAX_MESSAGE {
        let cut = (0..=MAX_MESSAGE).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        line.truncate(cut);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_kinds() {
        for (status, fault) in [
            (302, Fault::Api),
            (400, Fault::InvalidConfig),
            (401, Fault::Authentication),
            (403, Fault::Authentication),
            (404, Fault::NotFound),
            (405, Fault::Api),
            (408, Fault::Unavailable),
            (409, Fault::Conflict { retryable: false }),
            (410, Fault::Api),
            (422, Fault::InvalidConfig),
            (423, Fault::Conflict { retryable: true }),
            (429, Fault::RateLimit),
            (500, Fault::Unavailable),
            (504, Fault::Unavailable),
        ] {
            assert_eq!(Fault::of_status(status), fault, "{status}");
        }
    }

    #[test]
    fn messages_are_one_bounded_line() {
        assert_eq!(shorten("\n  The  instance\n is gone "), "The instance is gone");
        let long = shorten(&"é".repeat(2000));
        assert!(long.len() <= MAX_MESSAGE + '…'.len_utf8() && long.ends_with('…'));
    }
}
