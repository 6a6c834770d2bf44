//! The one table from HTTP status to error kind. A provider module only refines it, by its cloud's
//! own codes.

use std::time::Duration;

use http::HeaderValue;

use tracing::debug;

use super::call::{Call, Class, Failure, Reply};
use super::{retry, secret};
use crate::clock;
use crate::provider::error::{ErrorContext, ProviderError};

/// The kind of error that a reply reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorClass {
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

impl ErrorClass {
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            400 | 422 => Self::InvalidConfig,
            401 | 403 => Self::Authentication,
            409 => Self::Conflict { retryable: false },
            423 => Self::Conflict { retryable: true },
            429 => Self::RateLimit,
            408 | 500..=599 => Self::Unavailable,
            // Also 404: only the cloud's own code says that a resource does not exist.
            _ => Self::Api,
        }
    }
}

/// The contents of an unsuccessful reply.
#[derive(Debug, Default)]
pub(crate) struct ApiError {
    /// Whether the reply is in the cloud's own form, and not an intermediary's page.
    pub(crate) is_own: bool,
    /// The kind, if the cloud's code says more than the status.
    pub(crate) fault: Option<ErrorClass>,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) request_id: Option<String>,
    /// The request's field that the cloud rejects, by the contract's name.
    pub(crate) field: Option<String>,
    /// Replaces the `Retry-After` header.
    pub(crate) retry_after: Option<Duration>,
}

/// Turns an unsuccessful reply into a failure with its error context and without secrets.
pub(super) fn classify(
    provider: &str,
    call: &Call<'_>,
    reply: &Reply,
    refusal: ApiError,
    secrets: &[HeaderValue],
) -> Failure {
    let of_status = ErrorClass::of_status(reply.status);
    let fault = refusal.fault.unwrap_or(of_status);
    let clean = |text: &str| secret::tidy(text, secrets);
    let message = refusal
        .message
        .as_deref()
        .filter(|text| !text.trim().is_empty())
        .map_or_else(|| without_message(reply), str::to_string);
    let message = clean(&message);
    let retry_after =
        refusal.retry_after.or_else(|| retry::retry_after(&reply.headers, clock::now()));
    let context = ErrorContext {
        provider: Some(provider.to_string()),
        status: Some(reply.status),
        code: refusal.code.as_deref().filter(|code| !code.is_empty()).map(clean),
        request_id: refusal.request_id.as_deref().map(clean),
        ..ErrorContext::default()
    };
    // Some kinds of error have no room for this.
    debug!(
        operation = call.operation.as_str(),
        provider,
        status = reply.status,
        code = context.code,
        request_id = context.request_id,
        reason = message,
        "the API refused the request"
    );
    // Only a reply in the cloud's own form proves that nothing was done. A request to wait is
    // obeyed from any sender, except a 429 for a call that must not be sent twice.
    let asks_to_wait = of_status == ErrorClass::Unavailable
        || of_status == ErrorClass::RateLimit && call.class != Class::Once;
    if !refusal.is_own && !asks_to_wait {
        if call.optional && reply.status == 404 {
            return Failure::Rejected(ProviderError::not_found("endpoint", call.path.as_ref()));
        }
        let error = ProviderError::not_the_api(
            reply.status,
            format!("{message}; check that the endpoint is the API's"),
        );
        return Failure::Unknown(error.with_context(context));
    }
    let error = match fault {
        ErrorClass::Authentication => ProviderError::auth(provider, message),
        ErrorClass::RateLimit => ProviderError::RateLimit { retry_after },
        ErrorClass::NotFound => match (call.subject, &refusal.field) {
            (Some((resource_type, id)), _) => ProviderError::not_found(resource_type, id),
            // A create, which has no subject yet, names a missing resource.
            (None, Some(field)) => {
                ProviderError::invalid_config(field, format!("{message}{context}"))
            }
            (None, None) => ProviderError::not_found("endpoint", call.path.as_ref()),
        },
        ErrorClass::QuotaExceeded => {
            ProviderError::quota(call.operation.created().unwrap_or("request"), message)
        }
        ErrorClass::InvalidConfig => ProviderError::invalid_config(
            refusal.field.as_deref().unwrap_or("request"),
            format!("{message}{context}"),
        ),
        ErrorClass::Conflict { retryable } => ProviderError::conflict(message, retryable),
        ErrorClass::Capacity => ProviderError::capacity(message),
        ErrorClass::Unavailable => {
            ProviderError::Unavailable { message, retry_after, context: Box::default() }
        }
        ErrorClass::Api => ProviderError::api(reply.status, message),
    };
    let error = error.with_context(context);
    // A 5xx or 408 may come after the work was done; any other status means that it was not begun.
    let unknown = fault == ErrorClass::Unavailable && of_status == ErrorClass::Unavailable;
    if unknown { Failure::Unknown(error) } else { Failure::Rejected(error) }
}

/// The message for a reply without one in the cloud's form: a proxy's page, or an empty reply.
fn without_message(reply: &Reply) -> String {
    let text = String::from_utf8_lossy(&reply.body);
    let text = text.trim();
    if (300..400).contains(&reply.status) {
        return "a redirect, which spuff never follows, because the token is for one host"
            .to_string();
    }
    if text.is_empty() {
        return "an empty reply".to_string();
    }
    let is_text = text
        .chars()
        .all(|c| c != char::REPLACEMENT_CHARACTER && (c.is_whitespace() || !c.is_control()));
    if text.starts_with('<') || !is_text {
        return format!("a page that is not the API's ({})", reply.form());
    }
    text.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::operation::Operation;

    #[test]
    fn statuses_have_kinds() {
        for (status, fault) in [
            (302, ErrorClass::Api),
            (400, ErrorClass::InvalidConfig),
            (401, ErrorClass::Authentication),
            (403, ErrorClass::Authentication),
            (404, ErrorClass::Api),
            (405, ErrorClass::Api),
            (408, ErrorClass::Unavailable),
            (409, ErrorClass::Conflict { retryable: false }),
            (410, ErrorClass::Api),
            (422, ErrorClass::InvalidConfig),
            (423, ErrorClass::Conflict { retryable: true }),
            (429, ErrorClass::RateLimit),
            (500, ErrorClass::Unavailable),
            (504, ErrorClass::Unavailable),
        ] {
            assert_eq!(ErrorClass::of_status(status), fault, "{status}");
        }
    }

    fn told(call: &Call<'_>, status: u16, refusal: ApiError, body: &'static str) -> Failure {
        let body = bytes::Bytes::from_static(body.as_bytes());
        classify(
            "test",
            call,
            &Reply { status, headers: http::HeaderMap::new(), body },
            refusal,
            &[],
        )
    }

    #[test]
    fn only_the_clouds_own_words_say_what_is_not_there_or_was_not_done() {
        let call = || Call::get(Operation::GetInstance, "/servers/42").about("instance", "42");
        for (status, body) in [
            (302, ""),
            (400, "<html>Bad Request</html>"),
            (401, ""),
            (403, "<html>Forbidden</html>"),
            (404, ""),
            (404, "404 page not found\n"),
            (404, "<html>nginx</html>"),
            (404, r#"{"message": "no Route matched with those values"}"#),
            (409, "conflict"),
            (418, "a teapot"),
        ] {
            let failure = told(&call(), status, ApiError::default(), body);
            assert!(
                matches!(failure, Failure::Unknown(_)) && failure.error().is_transient(),
                "{status}: {failure:?}"
            );
            assert!(
                matches!(
                    failure.error(),
                    ProviderError::Api { status: told, .. } if *told == status
                ),
                "{failure:?}"
            );
            assert!(failure.error().to_string().contains("check that the endpoint"), "{failure:?}");
        }
        let own =
            || ApiError { is_own: true, fault: Some(ErrorClass::NotFound), ..ApiError::default() };
        let failure = told(&call(), 404, own(), "");
        assert!(
            matches!(failure, Failure::Rejected(ProviderError::NotFound { .. })),
            "{failure:?}"
        );
        let failure = told(&call(), 404, ApiError { fault: None, ..own() }, "");
        assert!(
            matches!(
                failure,
                Failure::Rejected(ProviderError::Api { status: 404, retryable: false, .. })
            ),
            "{failure:?}"
        );
        // A server that stands in for the cloud may lack some paths.
        let failure = told(&call().optional(), 404, ApiError::default(), "");
        assert!(
            matches!(failure, Failure::Rejected(ProviderError::NotFound { .. })),
            "{failure:?}"
        );
    }

    #[test]
    fn whoever_asks_to_wait_is_heard() {
        let call = Call::get(Operation::GetInstance, "/servers/42");
        let failure = told(&call, 429, ApiError::default(), "<html>slow down</html>");
        assert!(
            matches!(failure, Failure::Rejected(ProviderError::RateLimit { .. })),
            "{failure:?}"
        );
        let failure = told(&call, 502, ApiError::default(), "<html>Bad Gateway</html>");
        assert!(
            matches!(failure, Failure::Unknown(ProviderError::Unavailable { .. })),
            "{failure:?}"
        );
    }
}
