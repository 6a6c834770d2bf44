//! What an unsuccessful reply means. Only the message distinguishes the many meanings of 422.

use std::time::{Duration, SystemTime};

use super::wire::Problem;
use crate::clock;
use crate::http::{ApiError, ErrorClass, Reply, number};

/// The longest wait accepted from `ratelimit-reset`, which is when the oldest request of the last
/// hour expires.
const MAX_RESET: Duration = Duration::from_secs(60);

/// Words in API messages and the contract's names for them. Order matters: a message about an image
/// may also name the region that lacks it.
const FIELDS: [(&str, &str); 9] = [
    ("image", "image"),
    ("snapshot", "image"),
    ("region", "region"),
    ("size", "size"),
    ("key identifiers", "ssh_keys"),
    ("ssh key", "ssh_keys"),
    ("user data", "user_data"),
    ("name", "name"),
    ("tag", "labels"),
];

/// Classifies an unsuccessful reply.
pub(super) fn refusal(reply: &Reply) -> ApiError {
    let problem: Problem = serde_json::from_slice(&reply.body).unwrap_or_default();
    let is_own = problem.is_own();
    let is_absence = problem.is_absence();
    let listed = (!problem.messages.is_empty()).then(|| problem.messages.join("; "));
    let message = problem.message.or(listed).or_else(|| problem.error.clone());
    let words = message.as_deref().unwrap_or_default().to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    let fault = match reply.status {
        422 if says(&["droplet limit"]) => Some(ErrorClass::QuotaExceeded),
        422 if says(&["pending event", "blocking event"]) => {
            Some(ErrorClass::Conflict { retryable: true })
        }
        // An image that a region lacks will not appear later, and other regions may lack it too.
        422 if says(&["not available", "unavailable", "out of capacity"])
            && says(&["size", "region", "capacity"])
            && !says(&["image", "snapshot"]) =>
        {
            Some(ErrorClass::Capacity)
        }
        404 if is_absence => Some(ErrorClass::NotFound),
        412 | 423 => Some(ErrorClass::Conflict { retryable: true }),
        _ => None,
    };
    let field =
        FIELDS.iter().find(|(word, _)| words.contains(word)).map(|(_, field)| (*field).to_string());
    ApiError {
        is_own,
        fault,
        code: Some(problem.id).filter(|id| !id.is_empty()),
        message,
        request_id: problem.request_id.or_else(|| reply.header("x-request-id").map(str::to_string)),
        field,
        // Every reply has this header. Only after a 429 does it say when to retry.
        retry_after: reset(reply, clock::now())
            .filter(|_| reply.status == 429 && reply.header("retry-after").is_none()),
    }
}

fn reset(reply: &Reply, now: SystemTime) -> Option<Duration> {
    Some(number::until(reply.header("ratelimit-reset")?, now)?.min(MAX_RESET))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use bytes::Bytes;
    use http::HeaderMap;

    fn says(status: u16, body: &str) -> ApiError {
        refusal(&Reply { status, headers: HeaderMap::new(), body: Bytes::from(body.to_string()) })
    }

    #[test]
    fn refusals() {
        let problem = |message: &str| {
            format!(
                r#"{{"id": "unprocessable_entity", "message": "{message}", "request_id": "r-1"}}"#
            )
        };
        for (status, message, fault, field) in [
            (
                422,
                "creating this/these droplet(s) will exceed your droplet limit",
                Some(ErrorClass::QuotaExceeded),
                None,
            ),
            (
                422,
                "Droplet already has a pending event.",
                Some(ErrorClass::Conflict { retryable: true }),
                None,
            ),
            (
                422,
                "Size is not available in this region.",
                Some(ErrorClass::Capacity),
                Some("region"),
            ),
            (422, "You specified an invalid image for Droplet creation.", None, Some("image")),
            (422, "You specified an invalid region for Droplet creation.", None, Some("region")),
            (422, "999 are invalid key identifiers for Droplet creation.", None, Some("ssh_keys")),
            (
                422,
                "main, 00:11 are invalid key identifiers for Droplet creation.",
                None,
                Some("ssh_keys"),
            ),
            (
                422,
                "The image you specified is not available in the selected region.",
                None,
                Some("image"),
            ),
            (422, "Snapshot is not available in region nyc3", None, Some("image")),
            (422, "Region is not available", Some(ErrorClass::Capacity), Some("region")),
            (
                404,
                "The resource you were accessing could not be found.",
                Some(ErrorClass::NotFound),
                None,
            ),
            (404, "no Route matched with those values", None, None),
        ] {
            let refusal = says(status, &problem(message));
            assert_eq!((refusal.fault, refusal.field.as_deref()), (fault, field), "{message}");
            assert_eq!(
                (refusal.code.as_deref(), refusal.request_id.as_deref()),
                (Some("unprocessable_entity"), Some("r-1"))
            );
        }
        let other =
            says(400, r#"{"error": "Bad Request", "messages": ["a", "b"], "root_causes": []}"#);
        assert_eq!((other.message.as_deref(), other.is_own), (Some("a; b"), true));
        assert_eq!(says(502, "<html>").message, None);
        let absent =
            r#"{"id": "", "message": "The resource you were accessing could not be found."}"#;
        for (body, is_own, fault) in [
            (r#"{"id": "not_found", "message": "gone"}"#, true, Some(ErrorClass::NotFound)),
            (absent, true, Some(ErrorClass::NotFound)),
            (
                r#"{"error": "Not Found", "messages": [], "root_causes": []}"#,
                true,
                Some(ErrorClass::NotFound),
            ),
            (r#"{"error": "Not Found"}"#, false, None),
            (r#"{"message": "Not Found"}"#, false, None),
            ("404 page not found", false, None),
            ("<html>nginx</html>", false, None),
            ("", false, None),
        ] {
            let refusal = says(404, body);
            assert_eq!((refusal.is_own, refusal.fault), (is_own, fault), "{body}");
        }
    }

    #[test]
    fn resets_are_bounded() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (at, expected) in [
            ("1000007", Some(7)),
            ("1003600", Some(60)),
            ("999999", Some(0)),
            ("18446744073709551615", Some(60)),
            ("soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("ratelimit-reset", at.parse().unwrap());
            let reply = Reply { status: 429, headers, body: Bytes::new() };
            assert_eq!(reset(&reply, now), expected.map(Duration::from_secs), "{at}");
        }
    }

    #[test]
    fn a_time_to_wait_is_that_of_the_rate_unless_it_is_told() {
        let told = |headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| {
                (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
            });
            refusal(&Reply { status: 429, headers: headers.collect(), body: Bytes::new() })
        };
        let reset = ("ratelimit-reset", "18446744073709551615");
        assert_eq!(told(&[reset]).retry_after, Some(MAX_RESET));
        assert_eq!(
            told(&[reset, ("retry-after", "7")]).retry_after,
            None,
            "the pipeline reads that"
        );
        let headers = http::HeaderMap::from_iter([(
            http::HeaderName::from_static(reset.0),
            reset.1.parse().unwrap(),
        )]);
        let failed = refusal(&Reply { status: 503, headers, body: Bytes::new() });
        assert_eq!(failed.retry_after, None, "it was not refused for its rate");
        assert_eq!(told(&[("x-request-id", "r-7")]).request_id.as_deref(), Some("r-7"));
        for status in [412, 423] {
            assert_eq!(
                says(status, "{}").fault,
                Some(ErrorClass::Conflict { retryable: true }),
                "{status}"
            );
        }
    }
}
