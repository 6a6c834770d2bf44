//! Requests for credentials, and why they fail.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use reqsign_core::{Context, ErrorKind};

use super::super::{NAME, errors};
use crate::clock;
use crate::http::{ErrorClass, Reply, sent_with, tidy};
use crate::provider::error::{NetworkError, ProviderError};

/// Shared by all callers that wait for the same credentials.
#[derive(Debug, Clone)]
pub(super) enum Problem {
    /// No source, an unusable one, or a denial: a retry does not help.
    Final(String),
    RateLimit(String, Option<Duration>),
    Unavailable(String),
    Network(String),
}

pub(super) type Found<T> = Result<T, Problem>;

impl Problem {
    pub(super) fn last(message: impl Into<String>) -> Self {
        Self::Final(message.into())
    }

    pub(super) fn of_profile(profile: &str, what: &str) -> Self {
        Self::Final(format!("the AWS profile {profile:?} {what}"))
    }

    pub(super) fn message(&self) -> &str {
        match self {
            Self::Final(message)
            | Self::RateLimit(message, _)
            | Self::Unavailable(message)
            | Self::Network(message) => message,
        }
    }
}

impl From<Problem> for ProviderError {
    fn from(problem: Problem) -> Self {
        let message = format!("cannot sign the request: {}", problem.message());
        match problem {
            Problem::Final(_) => Self::auth(NAME, message),
            Problem::RateLimit(_, retry_after) => Self::RateLimit { retry_after },
            Problem::Unavailable(_) => Self::unavailable(message),
            Problem::Network(_) => Self::Network(NetworkError::new("no AWS credentials", message)),
        }
    }
}

impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        Self::Final(error.to_string())
    }
}

/// Sends a request for credentials; `what` names it in errors. A denial or an invalid request is
/// final; other failures are temporary.
pub(super) async fn ask(ctx: &Context, what: &str, request: Request<Bytes>) -> Found<Reply> {
    let secrets = sent_with(request.headers());
    let reply = ctx.http_send(request).await.map_err(|error| match error.kind() {
        ErrorKind::ConfigInvalid | ErrorKind::RequestInvalid => {
            Problem::Final(format!("{what}: {error}"))
        }
        _ => Problem::Network(format!("{what}: {error}")),
    })?;
    let (head, body) = reply.into_parts();
    let reply = Reply { status: head.status.as_u16(), headers: head.headers, body };
    if reply.is_success() { Ok(reply) } else { Err(problem(what, &reply, &secrets)) }
}

/// The problem of an unreadable reply: the service is partly available.
pub(super) fn unreadable(what: &str) -> Problem {
    Problem::Unavailable(format!("{what}: the reply has no credentials of the expected form"))
}

fn problem(what: &str, reply: &Reply, secrets: &[HeaderValue]) -> Problem {
    let refusal = errors::refusal(reply);
    let clean = |text: &str| tidy(text, secrets);
    let code = refusal
        .code
        .filter(|code| !code.is_empty())
        .map(|code| format!(" {}", clean(&code)))
        .unwrap_or_default();
    let said = clean(refusal.message.unwrap_or_default().lines().next().unwrap_or_default());
    let said = if said.is_empty() { said } else { format!(" ({said})") };
    let message = format!("{what}: HTTP {}{code}{said}", reply.status);
    let passing = matches!(code.trim(), "IDPCommunicationError");
    match (refusal.fault, StatusCode::from_u16(reply.status)) {
        (Some(ErrorClass::RateLimit), _) | (_, Ok(StatusCode::TOO_MANY_REQUESTS)) => {
            Problem::RateLimit(message, crate::http::retry_after(&reply.headers, clock::now()))
        }
        (Some(ErrorClass::Unavailable), _) | (_, Ok(StatusCode::REQUEST_TIMEOUT)) => {
            Problem::Unavailable(message)
        }
        (_, Ok(status)) if status.is_server_error() || passing => Problem::Unavailable(message),
        _ => Problem::Final(message),
    }
}
