//! The types of the pipeline: request, reply, and what a failure implies about the cloud's state.

use std::borrow::Cow;

use bytes::Bytes;
#[cfg(feature = "aws")]
use chrono::{DateTime, Utc};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::errand::Errand;
use super::told;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;

/// What sending a call twice would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// It only reads.
    Safe,
    /// Sending it twice has the same effect as once.
    Idempotent,
    /// Sending it twice would create, or charge for, a second resource.
    Once,
}

/// One request, with all that is needed to send it and to decide on a retry.
#[derive(Debug, Clone)]
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    pub(crate) class: Class,
    pub(crate) method: Method,
    /// Below the endpoint's base, with a leading `/`.
    pub(crate) path: Cow<'a, str>,
    pub(crate) query: Vec<(&'static str, Cow<'a, str>)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The type and id for a not-found error.
    pub(crate) subject: Option<(&'static str, &'a str)>,
    /// The errand that it belongs to, if an operation takes several calls.
    pub(crate) errand: Option<&'a Errand>,
    /// Whether the endpoint may lack this path, so that any 404 means that it does.
    pub(crate) optional: bool,
    /// Whether a list may be read in one pass; see [`in_one_pass`](Self::in_one_pass).
    pub(crate) one_pass: bool,
    /// Another base than the client's, for clouds with an endpoint per region or service.
    pub(crate) base: Option<&'a str>,
    /// Data for the dialect only, such as the scope of a signature.
    pub(crate) notes: Extensions,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        operation: Operation,
        class: Class,
        method: Method,
        path: impl Into<Cow<'a, str>>,
    ) -> Self {
        Self {
            operation,
            class,
            method,
            path: path.into(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            subject: None,
            errand: None,
            optional: false,
            one_pass: false,
            base: None,
            notes: Extensions::new(),
        }
    }

    pub(crate) fn get(operation: Operation, path: impl Into<Cow<'a, str>>) -> Self {
        Self::new(operation, Class::Safe, Method::GET, path)
    }

    pub(crate) fn delete(operation: Operation, path: impl Into<Cow<'a, str>>) -> Self {
        Self::new(operation, Class::Idempotent, Method::DELETE, path)
    }

    /// A POST that must not be sent twice.
    pub(crate) fn once(operation: Operation, path: impl Into<Cow<'a, str>>) -> Self {
        Self::new(operation, Class::Once, Method::POST, path)
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl Into<Cow<'a, str>>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    pub(crate) fn json(self, body: &impl Serialize) -> ProviderResult<Self> {
        let body = serde_json::to_vec(body)
            .map_err(|error| ProviderError::invalid_config("request", error.to_string()))?;
        Ok(self.body("application/json", body))
    }

    pub(crate) fn about(mut self, resource_type: &'static str, id: &'a str) -> Self {
        self.subject = Some((resource_type, id));
        self
    }

    /// Makes the call a part of an errand.
    pub(crate) fn within(mut self, errand: &'a Errand) -> Self {
        self.errand = Some(errand);
        self
    }

    /// Marks a lookup as optional: a server that stands in for the cloud may lack it.
    pub(crate) fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Reads a list to its last page once, for a caller that asks by id for what is missing: an
    /// item that moves between pages during the read may be missed.
    pub(crate) fn in_one_pass(mut self) -> Self {
        self.one_pass = true;
        self
    }

    pub(crate) fn base(mut self, base: &'a str) -> Self {
        self.base = Some(base);
        self
    }

    pub(crate) fn note(mut self, note: impl Clone + Send + Sync + 'static) -> Self {
        self.notes.insert(note);
        self
    }
}

/// The content types and codings that are shown by name.
const CONTENT_TYPES: [&str; 7] = [
    "application/json",
    "application/octet-stream",
    "application/problem+json",
    "application/xml",
    "text/html",
    "text/plain",
    "text/xml",
];
const CODINGS: [&str; 5] = ["br", "compress", "deflate", "gzip", "zstd"];

/// A whole reply.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The cloud's time of the reply, if stated.
    #[cfg(feature = "aws")]
    pub(crate) fn date(&self) -> Option<DateTime<Utc>> {
        DateTime::parse_from_rfc2822(self.header("date")?).ok().map(|date| date.to_utc())
    }

    /// Reads the body as JSON. The error states where reading failed, never the content.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let line = error.line();
            let column = error.column();
            let what = match error.classify() {
                serde_json::error::Category::Data => &objection(&self.body, &error),
                serde_json::error::Category::Eof => "ends too early",
                _ => "is not JSON",
            };
            self.unreadable(&format!("{what} at line {line}, column {column}"))
        })
    }

    /// Accepts only an empty 204 reply as a confirmation.
    pub(crate) fn no_content(&self) -> ProviderResult<()> {
        let is_empty = self.status == 204 && self.body.is_empty();
        if is_empty { Ok(()) } else { Err(self.unreadable("is not the expected empty 204")) }
    }

    /// The error for a success whose body cannot be used: the reply is not the API's.
    pub(crate) fn unreadable(&self, what: &str) -> ProviderError {
        let status = self.status;
        let form = self.form();
        ProviderError::not_the_api(
            status,
            format!("the reply ({form}) {what}; check that the endpoint is the API's"),
        )
    }

    /// The length and content type of the body, in known words only: a header may contain anything.
    pub(super) fn form(&self) -> String {
        let kind = self
            .header("content-type")
            .map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        let kind = kind.map_or("no content type", |kind| {
            CONTENT_TYPES
                .iter()
                .find(|known| **known == kind)
                .copied()
                .unwrap_or("an unknown content type")
        });
        let coding =
            self.header("content-encoding").map(|coding| coding.trim().to_ascii_lowercase());
        let coding =
            coding.filter(|coding| !matches!(coding.as_str(), "" | "identity")).map(|coding| {
                CODINGS
                    .iter()
                    .find(|known| **known == coding)
                    .copied()
                    .unwrap_or("an unknown coding")
            });
        let coding = coding
            .map(|coding| format!(", in {coding}, which was not requested"))
            .unwrap_or_default();
        format!("{} bytes, {kind}{coding}", self.body.len())
    }
}

/// Describes why complete JSON was not accepted, with the field.
fn objection(body: &[u8], error: &serde_json::Error) -> String {
    let (field, object) = told::field(body, error.line(), error.column());
    match told::wanted(&error.to_string()) {
        Some((verb, wanted)) if object.is_empty() => format!("{verb} `{wanted}`"),
        Some((verb, wanted)) => format!("{verb} `{wanted}` in `{object}`"),
        None if field.is_empty() => "does not have the expected form".to_string(),
        None => format!("does not have the expected form in `{field}`"),
    }
}

/// A failed call, by what it implies about the cloud's state.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request never reached the cloud.
    NotSent(ProviderError),
    /// The cloud rejected the request and did nothing.
    Rejected(ProviderError),
    /// The outcome is unknown: it may or may not have been done.
    Unknown(ProviderError),
}

impl Failure {
    pub(crate) fn error(&self) -> &ProviderError {
        match self {
            Self::NotSent(error) | Self::Rejected(error) | Self::Unknown(error) => error,
        }
    }
}

/// For calls that may be repeated, the distinction does not matter to the caller.
impl From<Failure> for ProviderError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent(error) | Failure::Rejected(error) | Failure::Unknown(error) => error,
        }
    }
}
