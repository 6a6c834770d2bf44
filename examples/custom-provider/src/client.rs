//! The HTTP client: it sends one request, classifies API errors, reads all pages of a list, and
//! polls.

use std::future::Future;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use serde::Serialize;
use serde::de::DeserializeOwned;
use spuff_core::provider::{
    ErrorContext, Operation, ProviderConfig, ProviderError, ProviderResult, ProviderTimeouts,
};

use crate::NAME;
use crate::api::{ApiError, Page};
use crate::provider::API_BASE;

/// The longest part of a message to keep, in characters: the body may be a proxy's page.
const MAX_MESSAGE: usize = 300;
/// The body of a request without one.
pub(crate) const NO_BODY: Option<&()> = None;

/// Why a request failed, and what is known about its effect.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request did not leave, or the cloud refused it: nothing was done.
    Refused(ProviderError),
    /// The request left, and no usable reply came back: the cloud may have carried it out.
    Unknown(ProviderError),
}

/// For operations that may be repeated, the difference does not matter.
impl From<Failure> for ProviderError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) | Failure::Unknown(error) => error,
        }
    }
}

/// The type and the id of a resource, for `NotFound` and `Timeout`.
pub(crate) type Subject<'a> = (&'static str, &'a str);

pub(crate) struct Client {
    http: reqwest::Client,
    base_url: String,
    /// Marked as sensitive, so that no log of headers shows it.
    authorization: HeaderValue,
    pub(crate) timeouts: ProviderTimeouts,
}

impl Client {
    pub(crate) fn new(config: &ProviderConfig) -> ProviderResult<Self> {
        let token = config.expose_token().trim();
        if token.is_empty() {
            return Err(ProviderError::invalid_config("token", "the API token is empty"));
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
            ProviderError::invalid_config(
                "token",
                "the API token cannot stand in a header; copy it again",
            )
        })?;
        authorization.set_sensitive(true);

        let endpoint = config.endpoint.as_deref().unwrap_or(API_BASE);
        let http = spuff_core::http_client(endpoint, config)?;
        let base_url = endpoint.trim().trim_end_matches('/').to_string();
        Ok(Self { http, base_url, authorization, timeouts: config.timeouts })
    }

    /// Sends one request, once, and reads the reply as JSON.
    pub(crate) async fn request<T: DeserializeOwned>(
        &self,
        method: Method,
        endpoint: &str,
        about: Subject<'_>,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let (status, body) = self.send(method, endpoint, about, body).await?;
        serde_json::from_slice(&body).map_err(|error| {
            // The message must not quote the contents: they may hold a secret.
            let message = format!(
                "the reply of {} bytes cannot be read: {:?} error",
                body.len(),
                error.classify()
            );
            Failure::Unknown(
                ProviderError::not_the_api(status, message).with_context(origin(status, None)),
            )
        })
    }

    /// Deletes a resource; succeeds if it does not exist.
    pub(crate) async fn delete(&self, endpoint: &str, about: Subject<'_>) -> ProviderResult<()> {
        match self.send(Method::DELETE, endpoint, about, NO_BODY).await.map_err(ProviderError::from)
        {
            Ok(_) | Err(ProviderError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Returns every item that has a label, from all pages.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        (name, value): (&str, &str),
    ) -> ProviderResult<Vec<T>> {
        let mut items = Vec::new();
        let mut number = 1;
        loop {
            let endpoint = format!("{path}?label={name}%3D{value}&page={number}");
            let page: Page<T> =
                self.request(Method::GET, &endpoint, ("endpoint", path), NO_BODY).await?;
            items.extend(page.items);
            match page.next_page {
                None => return Ok(items),
                Some(next) if next > number => number = next,
                Some(_) => {
                    return Err(ProviderError::Other {
                        message: format!("{NAME}: the pages of {path} go in a circle"),
                    });
                }
            }
        }
    }

    /// Polls until `poll` breaks with a value, fails with an error that is not transient, or
    /// `limit` expires.
    pub(crate) async fn until<T, F>(
        &self,
        operation: &str,
        (resource_type, id): Subject<'_>,
        limit: Duration,
        mut poll: impl FnMut() -> F + Send,
    ) -> ProviderResult<T>
    where
        F: Future<Output = ProviderResult<ControlFlow<T, String>>> + Send,
    {
        let began = Instant::now();
        let interval = self.timeouts.poll_interval.max(ProviderTimeouts::MIN_POLL_INTERVAL);
        let mut state = "no reply yet".to_string();
        // The limit covers everything, so neither a slow reply nor the last pause can exceed it.
        let polling = tokio::time::timeout(limit, async {
            loop {
                let mut pause = interval;
                match poll().await {
                    Ok(ControlFlow::Break(value)) => return Ok(value),
                    Ok(ControlFlow::Continue(current)) => state = current,
                    Err(error) if error.is_retryable() => {
                        pause = pause.max(error.retry_after().unwrap_or_default());
                        state = error.to_string();
                    }
                    Err(error) => return Err(error),
                }
                tokio::time::sleep(pause).await;
            }
        });
        let outcome = polling.await;
        outcome.unwrap_or_else(|_| {
            Err(ProviderError::timeout(
                format!("{operation} of {resource_type} {id} ({state})"),
                began.elapsed(),
            ))
        })
    }

    async fn send(
        &self,
        method: Method,
        endpoint: &str,
        about: Subject<'_>,
        body: Option<&impl Serialize>,
    ) -> Result<(u16, Vec<u8>), Failure> {
        let began = Instant::now();
        // The name says whether a timeout may be retried: never if the request may have created
        // something.
        let operation = match method {
            Method::GET => Operation::GetInstance,
            Method::DELETE => Operation::DestroyInstance,
            Method::PUT | Method::PATCH => Operation::SetLabels,
            _ => Operation::CreateInstance,
        };
        let lost = |error: reqwest::Error| {
            if error.is_builder() || error.is_connect() {
                Failure::Refused(error.into())
            } else if error.is_timeout() {
                Failure::Unknown(ProviderError::timeout(
                    format!("{operation} ({} {})", about.0, about.1),
                    began.elapsed(),
                ))
            } else {
                Failure::Unknown(error.into())
            }
        };
        let mut request = self.http.request(method, format!("{}{endpoint}", self.base_url));
        request = request.header(AUTHORIZATION, self.authorization.clone());
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = response.bytes().await.map_err(lost)?;
        if status.is_success() {
            Ok((status.as_u16(), body.into()))
        } else {
            Err(self.classify(status.as_u16(), &headers, &body, about))
        }
    }

    /// Classifies an error by the API's code, or by the status if it has none. A page that is not
    /// the API's proves nothing: only the cloud knows that an instance is gone, or was not made.
    fn classify(
        &self,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
        (resource_type, id): Subject<'_>,
    ) -> Failure {
        let said: Option<ApiError> = serde_json::from_slice(body).ok();
        let code = said.as_ref().map_or("", |said| said.error.code.as_str());
        let message = match &said {
            Some(said) => self.clean(&said.error.message),
            None => self.clean(&String::from_utf8_lossy(body)),
        };
        let mut context = origin(status, headers.get("x-request-id"));
        context.code = (!code.is_empty()).then(|| code.to_string());
        let is_own = said.is_some() || matches!(status, 408 | 429 | 500..);
        let error = match (status, code) {
            _ if !is_own => {
                let error = ProviderError::not_the_api(
                    status,
                    format!("{message}; check that the endpoint is the API's"),
                );
                return Failure::Unknown(error.with_context(context));
            }
            (_, "locked") => ProviderError::conflict(message, true),
            (_, "sold_out") => ProviderError::capacity(message),
            (_, "limit_reached") => ProviderError::quota(resource_type, message),
            (401 | 403, _) => ProviderError::auth(NAME, message),
            (404 | 410, _) => ProviderError::not_found(resource_type, id),
            // This kind has no field for the context.
            (400 | 422, _) => {
                ProviderError::invalid_config("request", format!("{message}{context}"))
            }
            (409, _) => ProviderError::conflict(message, false),
            (429, _) => ProviderError::RateLimit { retry_after: retry_after(headers) },
            (408 | 500.., _) => ProviderError::unavailable(message),
            _ => ProviderError::api(status, message),
        };
        let error = error.with_context(context);
        if matches!(error, ProviderError::Unavailable { .. }) {
            Failure::Unknown(error)
        } else {
            Failure::Refused(error)
        }
    }

    /// Returns one line of bounded length, with the token redacted if the cloud repeats it.
    fn clean(&self, text: &str) -> String {
        let token = self.authorization.to_str().unwrap_or_default().trim_start_matches("Bearer ");
        let text =
            if token.is_empty() { text.to_string() } else { text.replace(token, "[redacted]") };
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().take(MAX_MESSAGE).collect()
    }
}

/// The context that the cloud's support asks for.
fn origin(status: u16, request_id: Option<&HeaderValue>) -> ErrorContext {
    let context = ErrorContext::new(NAME).with_status(status);
    match request_id.and_then(|id| id.to_str().ok()) {
        Some(id) => context.with_request_id(id),
        None => context,
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
