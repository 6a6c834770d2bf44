//! Refusals in Hetzner's format: a status, a code, a message, and sometimes details.

use serde::Serialize;
use serde_json::{Value, json};

use super::super::backend::{Answer, Refusal};

#[derive(Serialize)]
struct Body<'a> {
    error: Problem<'a>,
}

#[derive(Serialize)]
struct Problem<'a> {
    message: &'a str,
    code: &'a str,
    details: Value,
}

fn with_details(status: u16, code: &str, message: &str, details: Value) -> Answer {
    super::reply(status, &Body { error: Problem { message, code, details } })
}

fn plain(status: u16, code: &str, message: &str) -> Answer {
    with_details(status, code, message, Value::Null)
}

/// The refusals that all clouds have.
pub(super) fn general(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::Unauthorized => plain(401, "unauthorized", "unable to authenticate"),
        Refusal::RateLimited { retry_after } => {
            let answer =
                plain(429, "rate_limit_exceeded", "limit of 3600 requests per hour reached");
            match retry_after {
                Some(seconds) => answer.with_header("retry-after", seconds),
                None => answer,
            }
        }
        Refusal::ServerError(502) => plain(502, "bad_gateway", "bad gateway"),
        Refusal::ServerError(503) => plain(503, "unavailable", "service unavailable"),
        Refusal::ServerError(504) => plain(504, "timeout", "timeout"),
        Refusal::ServerError(status) => plain(status, "server_error", "internal server error"),
    }
}

/// The resource `what` does not exist.
pub(super) fn not_found(what: &str) -> Answer {
    plain(404, "not_found", &format!("{what} not found"))
}

pub(super) fn method_not_allowed() -> Answer {
    plain(405, "method_not_allowed", "method not allowed")
}

/// The function was removed from the API.
pub(super) fn removed(announcement: &str) -> Answer {
    let message = "the requested API functionality was removed";
    let details =
        json!({"announcement": format!("https://docs.hetzner.cloud/changelog#{announcement}")});
    with_details(410, "deprecated_api_endpoint", message, details)
}

pub(super) fn json_error() -> Answer {
    with_details(400, "json_error", "syntax error", json!({}))
}

/// Reports the invalid fields, with a message for each.
pub(super) fn invalid_fields(wrong: &[(String, String)]) -> Answer {
    let names: Vec<String> = wrong.iter().map(|(name, _)| format!("'{name}'")).collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    let fields: Vec<Value> =
        wrong.iter().map(|(name, message)| json!({"name": name, "messages": [message]})).collect();
    let message = format!("invalid input in field{plural} {}", names.join(", "));
    with_details(422, "invalid_input", &message, json!({"fields": fields}))
}

pub(super) fn invalid_field(name: &str, message: &str) -> Answer {
    invalid_fields(&[(name.to_string(), message.to_string())])
}

/// Each field is valid, but their combination is not.
pub(super) fn invalid(message: &str) -> Answer {
    plain(422, "invalid_input", message)
}

pub(super) fn invalid_server_type(message: &str) -> Answer {
    plain(422, "invalid_server_type", message)
}

pub(super) fn unsupported(message: &str) -> Answer {
    plain(422, "unsupported_error", message)
}

pub(super) fn not_stopped() -> Answer {
    plain(422, "server_not_stopped", "server must be stopped")
}

pub(super) fn not_unique(message: &str, field: &str) -> Answer {
    with_details(409, "uniqueness_error", message, json!({"fields": [{"name": field}]}))
}

/// Another action is running.
pub(super) fn locked(what: &str) -> Answer {
    plain(423, "locked", &format!("cannot perform operation because {what} is locked"))
}

pub(super) fn protected(what: &str) -> Answer {
    plain(423, "protected", &format!("{what} deletion is protected"))
}

pub(super) fn quota_reached() -> Answer {
    with_details(
        403,
        "resource_limit_exceeded",
        "server limit exceeded",
        json!({"limits": [{"name": "server_limit"}]}),
    )
}

pub(super) fn sold_out() -> Answer {
    plain(412, "resource_unavailable", "error during placement")
}
