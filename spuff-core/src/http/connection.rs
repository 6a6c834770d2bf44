//! Sends a request to a server, over the network or a transport in its place, and reports whether a
//! failed one may have arrived.
//!
//! The client decides on retries.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use reqwest::redirect;

use super::endpoint::Endpoint;
use super::tls;
use crate::provider::config::ProviderConfig;
use crate::provider::error::{NetworkError, ProviderError, ProviderResult};

/// The most bytes that are reserved for a declared length before any data has arrived.
const MAX_RESERVED: usize = 1024 * 1024;
/// Shorter than any cloud keeps an idle connection, so that a create is not sent into one that is
/// being closed.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether the server may have received a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It has not: nothing was sent.
    No,
    /// It may have.
    Unknown,
}

/// A request without a reply.
#[derive(Debug)]
pub(crate) struct TransportError {
    pub(crate) sent: Sent,
    pub(crate) cause: Cause,
}

/// Why there is no reply.
#[derive(Debug)]
pub(crate) enum Cause {
    /// The reply did not arrive in time.
    Late,
    /// The reply is longer than any expected one.
    TooLong {
        /// The status of the reply.
        status: u16,
        /// The most bytes that are read.
        limit: usize,
    },
    /// The connection could not be made, or broke off.
    Network(NetworkError),
}

/// Carries requests in place of the network.
#[cfg(feature = "simulation")]
#[async_trait::async_trait]
pub(crate) trait Transport: Send + Sync {
    /// Sends a request once, and returns the whole reply, within this time.
    async fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Bytes>, TransportError>;
}

/// The connection to a server, shared by many requests.
#[derive(Clone)]
pub(crate) enum Connection {
    /// A pool of connections.
    Network {
        /// The client that holds them.
        client: reqwest::Client,
        /// The most bytes of a reply that are read.
        limit: usize,
    },
    /// A transport in its place.
    #[cfg(feature = "simulation")]
    Carried(std::sync::Arc<dyn Transport>),
}

impl Connection {
    /// Connections to an endpoint, by [`client_for`]. A reply of more than `limit` bytes is not
    /// read.
    ///
    /// # Errors
    /// As [`client_for`].
    pub(crate) fn open(
        endpoint: &Endpoint,
        config: &ProviderConfig,
        limit: usize,
    ) -> ProviderResult<Self> {
        #[cfg(feature = "simulation")]
        if let Some(carrier) = carried::current() {
            return Ok(Self::Carried(carrier));
        }
        Ok(Self::Network { client: client_for(endpoint, config)?, limit })
    }

    /// Sends a request once, and reads the whole reply, within this time.
    ///
    /// # Errors
    /// [`TransportError`], which says whether the request may have reached the server.
    pub(crate) async fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Bytes>, TransportError> {
        match self {
            Self::Network { client, limit } => {
                over_the_network(client, *limit, request, within).await
            }
            #[cfg(feature = "simulation")]
            Self::Carried(carrier) => carrier.send(request, within).await,
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

async fn over_the_network(
    client: &reqwest::Client,
    limit: usize,
    request: Request<Bytes>,
    within: Duration,
) -> Result<Response<Bytes>, TransportError> {
    let mut request =
        reqwest::Request::try_from(request.map(reqwest::Body::from)).map_err(failed)?;
    *request.timeout_mut() = Some(within);
    let mut response = client.execute(request).await.map_err(failed)?;
    let expected = response
        .content_length()
        .map_or(0, |length| usize::try_from(length).unwrap_or(MAX_RESERVED).min(MAX_RESERVED));
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > limit {
            let cause = Cause::TooLong { status: response.status().as_u16(), limit };
            return Err(TransportError { sent: Sent::Unknown, cause });
        }
        append(&mut body, chunk, expected);
    }
    let mut whole = Response::new(body.freeze());
    *whole.status_mut() = response.status();
    *whole.headers_mut() = std::mem::take(response.headers_mut());
    Ok(whole)
}

/// Takes over a reply in one chunk; copies others once, into a buffer of the expected size.
fn append(body: &mut BytesMut, chunk: Bytes, expected: usize) {
    if body.is_empty() && chunk.len() >= expected {
        *body = chunk.into();
        return;
    }
    body.reserve(expected.saturating_sub(body.len()).max(chunk.len()));
    body.extend_from_slice(&chunk);
}

fn failed(error: reqwest::Error) -> TransportError {
    if error.is_connect() || error.is_builder() {
        let host =
            error.url().and_then(reqwest::Url::host_str).unwrap_or("the endpoint").to_string();
        let network = NetworkError::new(format!("cannot connect to {host}"), error.without_url());
        return TransportError { sent: Sent::No, cause: Cause::Network(network) };
    }
    let cause = if error.is_timeout() {
        Cause::Late
    } else {
        Cause::Network(NetworkError::new("the reply did not arrive", error.without_url()))
    };
    TransportError { sent: Sent::Unknown, cause }
}

/// Returns an HTTP client for a provider written elsewhere, with the rules of the built-in ones:
/// TLS by rustls with the platform's authorities and `ca_file`; no redirects; no retries; proxies
/// from the environment, except for loopback addresses; and `http_request` as the limit of each
/// request.
///
/// A program with its own `reqwest` in the same build needs this client, or a cryptography provider
/// for rustls: this crate selects reqwest's feature `rustls-no-provider`.
///
/// # Errors
/// [`ProviderError::InvalidConfig`] if `endpoint` is not an `https` URL (or `http` on a loopback
/// address), or if `ca_file` cannot be read.
///
/// # Examples
/// ```
/// use spuff_core::provider::ProviderConfig;
///
/// let config = ProviderConfig::new("token");
/// assert!(spuff_core::http_client("http://127.0.0.1:8080", &config).is_ok());
/// assert!(spuff_core::http_client("http://api.example.com", &config).is_err());
/// ```
pub fn http_client(endpoint: &str, config: &ProviderConfig) -> ProviderResult<reqwest::Client> {
    client_for(&Endpoint::parse(endpoint)?, config)
}

/// A client with the rules for every request: no redirects, and no proxy for loopback addresses.
fn client_for(endpoint: &Endpoint, config: &ProviderConfig) -> ProviderResult<reqwest::Client> {
    // Without this header, a reply may come in any coding, and none is decoded here.
    let identity =
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
    let mut builder = reqwest::Client::builder()
        .default_headers(identity)
        .user_agent(concat!("spuff/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .pool_idle_timeout(IDLE_CONNECTION)
        .timeout(config.timeouts.http_request)
        .connect_timeout(CONNECT_TIMEOUT.min(config.timeouts.http_request))
        .tls_backend_preconfigured(tls::config(endpoint, config.ca_file.as_deref())?);
    if endpoint.is_loopback() {
        builder = builder.no_proxy();
    } else {
        builder = builder.https_only(true);
    }
    builder.build().map_err(|error| {
        ProviderError::Network(NetworkError::new("cannot set up the HTTP client", error))
    })
}

/// The transport that carries this thread's requests in place of the network.
#[cfg(feature = "simulation")]
pub(crate) mod carried {
    use std::cell::RefCell;
    use std::sync::Arc;

    use super::Transport;

    thread_local! {
        static CARRIER: RefCell<Option<Arc<dyn Transport>>> = const { RefCell::new(None) };
    }

    /// Clients that are created on this thread use `carrier`, until this is dropped.
    pub(crate) struct Carried(());

    impl Carried {
        pub(crate) fn begin(carrier: Arc<dyn Transport>) -> Self {
            CARRIER.set(Some(carrier));
            Self(())
        }
    }

    impl Drop for Carried {
        fn drop(&mut self) {
            CARRIER.set(None);
        }
    }

    pub(super) fn current() -> Option<Arc<dyn Transport>> {
        CARRIER.with_borrow(Clone::clone)
    }
}
