//! Requests for credentials, and why they fail.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use reqsign_core::{Context, ErrorKind};

use super::super::{NAME, errors};
use crate::clock;
use crate::http::{ErrorClass, Reply, sent_with, tidy};
use crate::provider::error::{ErrorContext, NetworkError, ProviderError};

/// Why there are no credentials. Shared by all callers that wait for the same ones.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    kind: Kind,
    message: String,
    /// What a service said when it refused.
    context: Box<ErrorContext>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// No source, an unusable one, or a denial: a retry does not help.
    Final,
    RateLimit(Option<Duration>),
    Unavailable,
    Network,
}

pub(super) type Found<T> = Result<T, Problem>;

impl Problem {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), context: Box::default() }
    }

    pub(super) fn last(message: impl Into<String>) -> Self {
        Self::new(Kind::Final, message)
    }

    pub(super) fn of_profile(profile: &str, what: &str) -> Self {
        Self::last(format!("the AWS profile {profile:?} {what}"))
    }

    /// This problem, if a retry may help: its cause may be a service that is down.
    pub(super) fn that_may_pass(self) -> Self {
        Self { kind: Kind::Unavailable, ..self }
    }

    /// A final problem in other words, because of this one.
    pub(super) fn reworded(self, problem: Self) -> Self {
        Self { context: self.context, ..problem }
    }

    pub(super) fn is_final(&self) -> bool {
        self.kind == Kind::Final
    }

    pub(super) fn is_rate_limit(&self) -> bool {
        matches!(self.kind, Kind::RateLimit(_))
    }

    /// Whether a service refused the token that the request came with.
    pub(super) fn is_refused_token(&self) -> bool {
        self.context.status == Some(StatusCode::UNAUTHORIZED.as_u16())
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

/// With all that the service has said, for a log.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.message, self.context)
    }
}

impl From<Problem> for ProviderError {
    fn from(Problem { kind, message, context }: Problem) -> Self {
        let message = format!("cannot sign the request: {message}");
        let error = match kind {
            Kind::Final => Self::auth(NAME, message),
            Kind::RateLimit(retry_after) => Self::RateLimit { retry_after },
            Kind::Unavailable => Self::unavailable(message),
            Kind::Network => Self::Network(NetworkError::new("no AWS credentials", message)),
        };
        error.with_context(*context)
    }
}

impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        Self::last(error.to_string())
    }
}

/// Sends a request for credentials; `what` names it in errors. A denial or an invalid request is
/// final; other failures are temporary.
pub(super) async fn ask(ctx: &Context, what: &str, request: Request<Bytes>) -> Found<Reply> {
    let secrets = sent_with(request.headers());
    let reply = ctx.http_send(request).await.map_err(|error| match error.kind() {
        ErrorKind::ConfigInvalid | ErrorKind::RequestInvalid => {
            Problem::last(format!("{what}: {error}"))
        }
        _ => Problem::new(Kind::Network, format!("{what}: {error}")),
    })?;
    let (head, body) = reply.into_parts();
    let reply = Reply { status: head.status.as_u16(), headers: head.headers, body };
    if reply.is_success() { Ok(reply) } else { Err(problem(what, &reply, &secrets)) }
}

/// The problem of an unreadable reply: the service is partly available.
pub(super) fn unreadable(what: &str) -> Problem {
    let message = format!("{what}: the reply has no credentials of the expected form");
    Problem::new(Kind::Unavailable, message)
}

fn problem(what: &str, reply: &Reply, secrets: &[HeaderValue]) -> Problem {
    let refusal = errors::refusal(reply);
    let clean = |text: &str| tidy(text, secrets);
    let said = clean(refusal.message.unwrap_or_default().lines().next().unwrap_or_default());
    let said = if said.is_empty() { "the request was refused".to_string() } else { said };
    let context = ErrorContext {
        provider: Some(NAME.to_string()),
        status: Some(reply.status),
        code: refusal.code.filter(|code| !code.is_empty()).map(|code| clean(&code)),
        request_id: refusal.request_id.map(|id| clean(&id)),
        ..ErrorContext::default()
    };
    let passing = context.code.as_deref() == Some("IDPCommunicationError");
    let kind = match (refusal.fault, StatusCode::from_u16(reply.status)) {
        (Some(ErrorClass::RateLimit), _) | (_, Ok(StatusCode::TOO_MANY_REQUESTS)) => {
            Kind::RateLimit(crate::http::retry_after(&reply.headers, clock::now()))
        }
        (Some(ErrorClass::Unavailable), _) | (_, Ok(StatusCode::REQUEST_TIMEOUT)) => {
            Kind::Unavailable
        }
        (_, Ok(status)) if status.is_server_error() || passing => Kind::Unavailable,
        _ => Kind::Final,
    };
    Problem { kind, message: format!("{what}: {said}"), context: Box::new(context) }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn a_log_has_all_that_a_service_has_said() {
        let body = "<ErrorResponse><Error><Code>Throttling</Code></Error>\
                    <RequestId>4d9d</RequestId></ErrorResponse>";
        let reply = Reply { status: 503, headers: HeaderMap::new(), body: body.into() };
        assert_eq!(
            problem("STS AssumeRole", &reply, &[]).to_string(),
            "STS AssumeRole: the request was refused (aws, HTTP 503, Throttling, request 4d9d)"
        );
    }
}
