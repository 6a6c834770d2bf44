//! Classifies unsuccessful replies and failed actions: by code first, by status second.

use serde_json::Value;

use super::NAME;
use super::wire::Action;
use crate::http::{ApiError, ErrorClass, Reply};
use crate::provider::error::ProviderError;
use crate::provider::shared::validate;

/// Words in API messages and the contract's names for them, in the order of the search.
const FIELDS: [(&str, &str); 8] = [
    ("location", "region"),
    ("server_type", "size"),
    ("ssh_key", "ssh_keys"),
    ("user_data", "user_data"),
    ("label", "labels"),
    ("image", "image"),
    ("name", "name"),
    ("description", "name"),
];

/// Returns the error of a failed action, followed by `aftermath`.
pub(super) fn failed(instance_id: &str, action: &Action, aftermath: &str) -> ProviderError {
    let code = action.error.code.as_str();
    let message = action.error.message.as_str();
    let reason = format!(
        "{} failed: {}{aftermath}",
        action.command,
        if message.is_empty() { "no reason given" } else { message }
    );
    let failed = validate::failed(
        NAME,
        instance_id,
        if code.is_empty() { "action_failed" } else { code },
        &reason,
    );
    match (fault(code), failed.context()) {
        (Some(ErrorClass::Capacity), Some(context)) => {
            ProviderError::capacity(reason).with_context(context.clone())
        }
        _ => failed,
    }
}

/// Classifies an unsuccessful reply. The code distinguishes errors that share a status.
pub(super) fn refusal(reply: &Reply) -> ApiError {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let error = &body["error"];
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_string);
    let code = text(&error["code"]);
    let fields = error["details"]["fields"].as_array().map_or(&[][..], Vec::as_slice);
    let mut message = text(&error["message"]);
    if let Some(message) = &mut message {
        for why in fields
            .iter()
            .filter_map(|field| field["messages"].as_array())
            .flatten()
            .filter_map(text)
        {
            message.push_str(&format!("; {why}"));
        }
    }
    let named = fields
        .first()
        .and_then(|field| field["name"].as_str())
        .or(message.as_deref())
        .and_then(field);
    ApiError {
        is_own: code.is_some(),
        fault: code.as_deref().and_then(fault),
        field: named.or_else(|| field(code.as_deref()?)).map(str::to_string),
        code,
        message,
        request_id: reply.header("x-correlation-id").map(str::to_string),
        // `RateLimit-Reset` is when the whole hourly budget is restored; a single request is
        // possible long before.
        retry_after: None,
    }
}

/// Returns the contract's name for the field that the words mention.
fn field(words: &str) -> Option<&'static str> {
    let words = words.to_lowercase().replace(' ', "_");
    FIELDS.iter().find(|(word, _)| words.contains(word)).map(|(_, field)| *field)
}

fn fault(code: &str) -> Option<ErrorClass> {
    Some(match code {
        "unauthorized" | "forbidden" | "token_readonly" => ErrorClass::Authentication,
        "rate_limit_exceeded" => ErrorClass::RateLimit,
        "not_found" => ErrorClass::NotFound,
        "resource_limit_exceeded" => ErrorClass::QuotaExceeded,
        "invalid_input" | "invalid_server_type" | "json_error" | "unsupported_error" => {
            ErrorClass::InvalidConfig
        }
        // These conflicts are temporary.
        "conflict" | "locked" => ErrorClass::Conflict { retryable: true },
        "uniqueness_error" | "protected" | "resource_locked" | "server_not_stopped"
        | "must_be_unassigned" => ErrorClass::Conflict { retryable: false },
        "resource_unavailable" | "placement_error" => ErrorClass::Capacity,
        "maintenance" | "unavailable" | "service_error" | "robot_unavailable" | "server_error"
        | "bad_gateway" | "timeout" | "unknown_error" => ErrorClass::Unavailable,
        "method_not_allowed" | "deprecated_api_endpoint" => ErrorClass::Api,
        _ if code.starts_with("primary_ip_") => ErrorClass::InvalidConfig,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderMap;
    use serde_json::json;

    #[test]
    fn failed_actions_keep_the_clouds_reason() {
        for (error, kind, part) in [
            (json!({"code": "action_failed", "message": "disk full"}), "api", "disk full"),
            (
                json!({"code": "resource_unavailable", "message": "sold out"}),
                "capacity",
                "sold out",
            ),
            (json!({"code": "placement_error", "message": "no host"}), "capacity", "no host"),
            (json!(null), "api", "no reason given"),
        ] {
            let action =
                json!({"id": 1, "command": "start_server", "status": "error", "error": error});
            let failed = failed("42", &serde_json::from_value(action).unwrap(), "; and more");
            assert_eq!(failed.kind().name(), kind);
            let context = failed.context().unwrap();
            assert_eq!(
                (context.provider.as_deref(), context.instance_id.as_deref()),
                (Some("hetzner"), Some("42"))
            );
            let text = failed.to_string();
            assert!(
                text.contains(part) && text.contains("start_server") && text.contains("; and more"),
                "{text}"
            );
        }
    }

    fn says(status: u16, body: &str) -> ApiError {
        let mut headers = HeaderMap::new();
        headers.insert("x-correlation-id", "4d9d".parse().unwrap());
        headers.insert("ratelimit-reset", "4102444800".parse().unwrap());
        refusal(&Reply { status, headers, body: Bytes::from(body.to_string()) })
    }

    #[test]
    fn codes_come_before_statuses() {
        let conflict = |retryable| Some(ErrorClass::Conflict { retryable });
        for (status, code, fault) in [
            (400, "json_error", Some(ErrorClass::InvalidConfig)),
            (401, "unauthorized", Some(ErrorClass::Authentication)),
            (401, "token_readonly", Some(ErrorClass::Authentication)),
            (403, "token_readonly", Some(ErrorClass::Authentication)),
            (403, "forbidden", Some(ErrorClass::Authentication)),
            (403, "resource_limit_exceeded", Some(ErrorClass::QuotaExceeded)),
            (403, "maintenance", Some(ErrorClass::Unavailable)),
            (503, "unavailable", Some(ErrorClass::Unavailable)),
            (404, "not_found", Some(ErrorClass::NotFound)),
            (405, "method_not_allowed", Some(ErrorClass::Api)),
            (410, "deprecated_api_endpoint", Some(ErrorClass::Api)),
            (409, "uniqueness_error", conflict(false)),
            (409, "conflict", conflict(true)),
            (412, "resource_unavailable", Some(ErrorClass::Capacity)),
            (422, "invalid_input", Some(ErrorClass::InvalidConfig)),
            (422, "invalid_server_type", Some(ErrorClass::InvalidConfig)),
            (422, "unsupported_error", Some(ErrorClass::InvalidConfig)),
            (422, "primary_ip_assigned", Some(ErrorClass::InvalidConfig)),
            (422, "placement_error", Some(ErrorClass::Capacity)),
            (422, "service_error", Some(ErrorClass::Unavailable)),
            (422, "robot_unavailable", Some(ErrorClass::Unavailable)),
            (422, "server_not_stopped", conflict(false)),
            (422, "must_be_unassigned", conflict(false)),
            (423, "locked", conflict(true)),
            (423, "protected", conflict(false)),
            (423, "resource_locked", conflict(false)),
            (429, "rate_limit_exceeded", Some(ErrorClass::RateLimit)),
            (500, "server_error", Some(ErrorClass::Unavailable)),
            (500, "unknown_error", Some(ErrorClass::Unavailable)),
            (502, "bad_gateway", Some(ErrorClass::Unavailable)),
            (504, "timeout", Some(ErrorClass::Unavailable)),
            (418, "brand_new_code", None),
        ] {
            let refusal = says(
                status,
                &json!({"error": {"code": code, "message": "m", "details": null}}).to_string(),
            );
            assert_eq!(refusal.fault, fault, "{code}");
            assert_eq!(
                (refusal.code.as_deref(), refusal.message.as_deref()),
                (Some(code), Some("m"))
            );
            assert_eq!(
                (refusal.request_id.as_deref(), refusal.retry_after),
                (Some("4d9d"), None),
                "{code}"
            );
        }
    }

    #[test]
    fn fields_have_the_contracts_names() {
        let fields =
            |name: &str| json!({"fields": [{"name": name, "messages": ["is not good", "at all"]}]});
        for (code, message, details, field) in [
            (
                "invalid_input",
                "invalid input in field 'server_type'",
                fields("server_type"),
                Some("size"),
            ),
            ("invalid_input", "invalid input", fields("location"), Some("region")),
            ("invalid_input", "invalid input", fields("ssh_keys"), Some("ssh_keys")),
            ("invalid_input", "invalid input", fields("user_data"), Some("user_data")),
            ("invalid_input", "invalid input", fields("labels.env"), Some("labels")),
            ("invalid_input", "invalid input", fields("image"), Some("image")),
            ("invalid_input", "invalid input", fields("name"), Some("name")),
            ("invalid_input", "invalid input", fields("description"), Some("name")),
            ("invalid_input", "invalid input", fields("public_net.enable_ipv4"), None),
            ("invalid_input", "unsupported location for server type", json!({}), Some("region")),
            ("invalid_input", "image has incompatible architecture", json!(null), Some("image")),
            ("not_found", "SSH key not found", json!([]), Some("ssh_keys")),
            ("invalid_server_type", "not possible", json!("text"), Some("size")),
            ("json_error", "bad", json!({"fields": {"name": 1}}), None),
        ] {
            let refusal = says(
                422,
                &json!({"error": {"code": code, "message": message, "details": details}})
                    .to_string(),
            );
            assert_eq!(refusal.field.as_deref(), field, "{message} {details}");
            let told = details.pointer("/fields/0").is_some();
            assert_eq!(
                refusal.message.is_some_and(|message| message.ends_with("; is not good; at all")),
                told,
                "{details}"
            );
        }
    }

    #[test]
    fn what_is_not_the_apis_says_nothing() {
        for body in [
            "",
            "<html>",
            "upstream connect error",
            "[]",
            "null",
            r#"{"error": "text"}"#,
            r#"{"error": {"code": 7}}"#,
        ] {
            let refusal = says(502, body);
            let said = (refusal.fault, refusal.code, refusal.message, refusal.field);
            assert_eq!(said, (None, None, None, None), "{body}");
            assert_eq!(refusal.request_id.as_deref(), Some("4d9d"));
        }
    }
}
