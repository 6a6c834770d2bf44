//! Sends calls: [`HttpClient::send`] and [`HttpClient::attempt`] contain the order of the pipeline.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::{Instrument, debug, debug_span, warn};

use super::account::Account;
use super::call::{Call, Failure, Reply};
use super::connection::{Cause, Connection, Sent, TransportError};
use super::endpoint::Endpoint;
use super::errand::{Deadline, Errand};
use super::governor::{Costs, Permit};
use super::number;
use super::retry::{self, Backoff, ReadLag};
use super::secret::{self, Bearer, clean_token};
use super::status::{self, ApiError};
use crate::progress;
use crate::provider::config::{ProviderConfig, ProviderTimeouts};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;

/// The most bytes of a reply that are read: far more than the largest page of any cloud.
const MAX_BODY: usize = 32 * 1024 * 1024;

/// The clouds' lists lag creates by seconds; this is several times the longest lag observed.
const CONSISTENCY_DELAY: Duration = Duration::from_secs(30);
/// The option that replaces it for a simulated cloud whose time runs faster.
pub(crate) const SETTLING_OPTION: &str = "settling";

pub(super) fn read_settling(seconds: &str) -> ProviderResult<Duration> {
    number::seconds(seconds).ok_or_else(|| {
        let message = format!(
            "{seconds:?}: must be seconds, such as {}, after which the cloud's lists show a new \
             resource",
            CONSISTENCY_DELAY.as_secs()
        );
        ProviderError::invalid_config(SETTLING_OPTION, message)
    })
}

/// A future that has added the credentials to the head, or fails.
pub(crate) type Authorized<'a> = Pin<Box<dyn Future<Output = ProviderResult<()>> + Send + 'a>>;

/// How a cloud authorizes requests, and how it words an error.
pub(crate) trait Dialect: Send + Sync {
    fn provider(&self) -> &'static str;

    /// Adds the credentials, as sensitive headers. Called for each attempt.
    fn authorize<'a>(&'a self, head: &'a mut Parts, body: &'a [u8]) -> Authorized<'a>;

    /// Reads an unsuccessful reply.
    fn refusal(&self, reply: &Reply) -> ApiError;

    /// The cost of a call in the account's budgets.
    fn rate_cost<'a>(&self, call: &'a Call<'_>) -> Costs<'a>;

    /// Adds the inputs, besides the configuration, that currently select the credentials: different
    /// inputs make different accounts.
    fn identify(&self, _add: &mut dyn FnMut(&str)) {}
}

/// The dialect of a cloud with bearer tokens; its provider module reads the errors.
struct BearerDialect {
    provider: &'static str,
    bearer: Bearer,
    refusal: fn(&Reply) -> ApiError,
    rate_cost: for<'a> fn(&'a Call<'_>) -> Costs<'a>,
}

impl Dialect for BearerDialect {
    fn provider(&self) -> &'static str {
        self.provider
    }

    fn authorize<'a>(&'a self, head: &'a mut Parts, _: &'a [u8]) -> Authorized<'a> {
        self.bearer.write(&mut head.headers);
        Box::pin(std::future::ready(Ok(())))
    }

    fn refusal(&self, reply: &Reply) -> ApiError {
        (self.refusal)(reply)
    }

    fn rate_cost<'a>(&self, call: &'a Call<'_>) -> Costs<'a> {
        (self.rate_cost)(call)
    }
}

/// A pooled client for one account at one endpoint.
pub(crate) struct HttpClient {
    connection: Connection,
    endpoint: Endpoint,
    dialect: Box<dyn Dialect>,
    timeouts: ProviderTimeouts,
    consistency_delay: Duration,
    account: Arc<Account>,
    /// The secrets that were sent last: later messages of the cloud may repeat them.
    sent: Mutex<Vec<HeaderValue>>,
    /// Whether a call has succeeded.
    is_accepted: AtomicBool,
    /// Whether the refused connection was already logged.
    is_told: AtomicBool,
}

/// A check that never objects.
fn unchecked() -> Ready<ProviderResult<()>> {
    ready(Ok(()))
}

/// How long a refused connection to a loopback port is retried: a server there may be starting.
const STARTING: Duration = Duration::from_secs(5);

impl HttpClient {
    pub(crate) fn new(
        endpoint: Endpoint,
        dialect: impl Dialect + 'static,
        config: &ProviderConfig,
    ) -> ProviderResult<Self> {
        let connection = Connection::open(&endpoint, config, MAX_BODY)?;
        let consistency_delay = config
            .options
            .get(SETTLING_OPTION)
            .map_or(Ok(CONSISTENCY_DELAY), |seconds| read_settling(seconds))?;
        let account = Account::of(dialect.provider(), endpoint.as_str(), config, |add| {
            dialect.identify(add)
        })?;
        Ok(Self {
            connection,
            endpoint,
            dialect: Box::new(dialect),
            timeouts: config.timeouts,
            consistency_delay,
            account,
            sent: Mutex::default(),
            is_accepted: AtomicBool::new(false),
            is_told: AtomicBool::new(false),
        })
    }

    /// A client for a cloud that accepts the configuration's token as a bearer token.
    pub(crate) fn with_bearer(
        provider: &'static str,
        endpoint: Endpoint,
        refusal: fn(&Reply) -> ApiError,
        rate_cost: for<'a> fn(&'a Call<'_>) -> Costs<'a>,
        config: &ProviderConfig,
    ) -> ProviderResult<Self> {
        let bearer = Bearer::new(&clean_token(config.expose_token())?)?;
        Self::new(endpoint, BearerDialect { provider, bearer, refusal, rate_cost }, config)
    }

    pub(crate) fn timeouts(&self) -> &ProviderTimeouts {
        &self.timeouts
    }

    /// How long a list may lag a create.
    pub(crate) fn consistency_delay(&self) -> Duration {
        self.consistency_delay
    }

    /// How a create polls for a resource that it may have created.
    pub(crate) fn read_lag(&self) -> ReadLag {
        ReadLag {
            poll_interval: self.timeouts.poll_interval,
            consistency_delay: self.consistency_delay,
        }
    }

    /// The value that all clients of this account share in this process.
    pub(crate) fn shared<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        self.account.shared()
    }

    /// Whether the cloud has accepted the credentials before.
    pub(crate) fn is_accepted(&self) -> bool {
        self.is_accepted.load(Ordering::Relaxed)
    }

    /// Removes secrets from an error that quotes a successful reply.
    pub(crate) fn discreet(&self, error: ProviderError) -> ProviderError {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        error.reworded(|words| secret::tidy(words, &sent))
    }

    /// Scales a duration of the real cloud's limits to this one's clock.
    pub(crate) fn paced(&self, time: Duration) -> Duration {
        self.account.governor.paced(time)
    }

    /// The time limit of an operation that does not wait for a resource, for all its calls.
    pub(crate) fn errand(&self) -> Errand {
        Errand::of(self.patience())
    }

    fn patience(&self) -> Duration {
        self.timeouts.http_request.saturating_mul(2)
    }

    /// Sends a call, and sends it again while that is safe, promising, and within the errand's
    /// deadline.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        self.send_and_read(call, Ok, unchecked).await
    }

    /// As [`send`](Self::send), but runs `check` before each attempt; its error ends the call.
    pub(crate) async fn send_checked<C>(
        &self,
        call: &Call<'_>,
        check: impl Fn() -> C,
    ) -> Result<Reply, Failure>
    where
        C: Future<Output = ProviderResult<()>>,
    {
        self.send_and_read(call, Ok, check).await
    }

    /// Sends a call that may be repeated and whose reply only confirms completion. A reply that
    /// does not confirm it is retried.
    pub(crate) async fn told(
        &self,
        call: &Call<'_>,
        is_said: impl Fn(&Reply) -> ProviderResult<()>,
    ) -> Result<(), Failure> {
        self.send_and_read(call, |reply| is_said(&reply), unchecked).await
    }

    /// Sends a call that may be repeated, and reads its reply as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: &Call<'_>) -> ProviderResult<T> {
        self.read(call, Reply::json).await
    }

    /// Sends a call that may be repeated, and reads its reply. An unreadable reply is retried as
    /// well: it came from an intermediary, or was cut off.
    pub(crate) async fn read<T>(
        &self,
        call: &Call<'_>,
        read: impl Fn(&Reply) -> ProviderResult<T>,
    ) -> ProviderResult<T> {
        Ok(self.send_and_read(call, |reply| read(&reply), unchecked).await?)
    }

    async fn send_and_read<T, C>(
        &self,
        call: &Call<'_>,
        read: impl Fn(Reply) -> ProviderResult<T>,
        check: impl Fn() -> C,
    ) -> Result<T, Failure>
    where
        C: Future<Output = ProviderResult<()>>,
    {
        let own = self.errand();
        let errand = call.errand.unwrap_or(&own);
        let mut backoff = Backoff::new();
        let mut before = None;
        let mut refused_since = None;
        loop {
            let asked = Instant::now();
            let permit = self.turn(call, self.patience()).await.map_err(Failure::NotSent)?;
            check().await.map_err(Failure::NotSent)?;
            errand.waited(asked.elapsed());
            let deadline = errand.deadline();
            if deadline.remaining().is_zero() {
                let late =
                    || Failure::NotSent(ProviderError::timeout(call.operation, deadline.elapsed()));
                return Err(before.unwrap_or_else(late));
            }
            let is_cut = deadline.remaining() < self.timeouts.http_request;
            let sent = Instant::now();
            let failure = match self.attempt(call, permit, deadline).await {
                Ok(reply) => match read(reply) {
                    Ok(value) => {
                        errand.answered(sent);
                        return Ok(value);
                    }
                    Err(error) => Failure::Unknown(error),
                },
                Err(failure) => self.refused(failure, &mut refused_since),
            };
            let Some(pause) = backoff.pause(call.class, &failure, deadline) else {
                return Err(retry::telling(call.class, before, failure, is_cut));
            };
            let operation = call.operation.as_str();
            debug!(operation, error = %failure.error(), ?pause, "retrying");
            tokio::time::sleep(pause).await;
            before = Some(failure);
        }
    }

    /// Logs the first refused connection. A loopback port that keeps refusing is given up.
    fn refused(&self, failure: Failure, since: &mut Option<Instant>) -> Failure {
        let is_refused =
            matches!(failure.error(), ProviderError::Network(error) if error.is_refused());
        if !is_refused {
            *since = None;
            return failure;
        }
        let since = *since.get_or_insert_with(Instant::now);
        let is_here = self.endpoint.is_loopback();
        if !self.is_told.swap(true, Ordering::AcqRel) {
            let (endpoint, limit) =
                (&self.endpoint, if is_here { STARTING } else { self.patience() });
            warn!(%endpoint, ?limit, "nothing listens at the endpoint: the connection was \
             refused; retrying");
        }
        match failure {
            Failure::NotSent(ProviderError::Network(error))
                if is_here && since.elapsed() >= STARTING =>
            {
                Failure::NotSent(ProviderError::Network(error.deserted()))
            }
            failure => failure,
        }
    }

    /// Sends an optional call once, and only if `left` more such calls could be sent at once after
    /// it.
    pub(crate) async fn spare(&self, call: &Call<'_>, left: u32) -> Option<Reply> {
        let governor = &self.account.governor;
        let rate_cost = self.dialect.rate_cost(call);
        if !governor.has_left(rate_cost, left) {
            return None;
        }
        let permit = governor.admit(rate_cost, call.class, Duration::ZERO, |_| {}).await.ok()?;
        self.attempt(call, permit, Deadline::after(self.timeouts.http_request)).await.ok()
    }

    /// Waits until the account's rate limit permits one more request.
    async fn turn(&self, call: &Call<'_>, patience: Duration) -> ProviderResult<Permit> {
        let id = call.subject.map_or("", |(_, id)| id);
        let tell = |due: Duration| {
            debug!(operation = call.operation.as_str(), ?due, "waiting for the API's rate limit");
            let state = format!("waiting {} s for the API's rate limit", due.as_secs());
            progress::report(call.operation, id, &state, Duration::ZERO);
        };
        let turn = self
            .account
            .governor
            .admit(self.dialect.rate_cost(call), call.class, patience, tell)
            .await;
        turn.map_err(|due| ProviderError::RateLimit { retry_after: Some(due) })
    }

    async fn attempt(
        &self,
        call: &Call<'_>,
        permit: Permit,
        deadline: Deadline,
    ) -> Result<Reply, Failure> {
        let mut head = self.head(call).map_err(Failure::NotSent)?;
        let authorized = tokio::time::timeout(
            deadline.remaining(),
            self.dialect.authorize(&mut head, &call.body),
        )
        .await;
        let late = |_| Err(ProviderError::timeout(Operation::FindCredentials, deadline.elapsed()));
        authorized.unwrap_or_else(late).map_err(Failure::NotSent)?;
        let secrets = secret::sent_with(&head.headers);
        let span = debug_span!(
            "request",
            provider = self.dialect.provider(),
            method = %call.method,
            path = %call.path,
        );
        let reply = self.exchange(call, head, deadline).instrument(span).await?;
        permit.told(&reply.headers);
        self.is_told.store(false, Ordering::Release);
        if reply.is_success() {
            *self.sent.lock().unwrap_or_else(PoisonError::into_inner) = secrets;
            self.is_accepted.store(true, Ordering::Relaxed);
            return Ok(reply);
        }
        let refusal = self.dialect.refusal(&reply);
        let failure = status::classify(self.dialect.provider(), call, &reply, refusal, &secrets);
        if let ProviderError::RateLimit { retry_after } = failure.error() {
            permit.refused(*retry_after);
        }
        Err(failure)
    }

    fn head(&self, call: &Call<'_>) -> ProviderResult<Parts> {
        let mut uri = String::from(call.base.unwrap_or(self.endpoint.as_str()));
        uri.push_str(&call.path);
        if !call.query.is_empty() {
            uri.push('?');
            uri.push_str(&encode(&call.query));
        }
        let mut request = http::Request::builder().method(call.method.clone()).uri(uri);
        if let Some(headers) = request.headers_mut() {
            headers.extend(call.headers.clone());
        }
        if let Some(notes) = request.extensions_mut() {
            notes.extend(call.notes.clone());
        }
        let request = request
            .body(())
            .map_err(|error| ProviderError::invalid_config("request", error.to_string()))?;
        Ok(request.into_parts().0)
    }

    async fn exchange(
        &self,
        call: &Call<'_>,
        head: Parts,
        deadline: Deadline,
    ) -> Result<Reply, Failure> {
        let began = Instant::now();
        let request = http::Request::from_parts(head, call.body.clone());
        let within = deadline.remaining().min(self.timeouts.http_request);
        let TransportError { sent, cause } = match self.connection.send(request, within).await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                debug!(
                    status = head.status.as_u16(),
                    bytes = body.len(),
                    elapsed = ?began.elapsed(),
                    "reply"
                );
                return Ok(Reply { status: head.status.as_u16(), headers: head.headers, body });
            }
            Err(error) => error,
        };
        debug!(elapsed = ?began.elapsed(), "no reply");
        let error = match cause {
            Cause::Late => ProviderError::timeout(call.operation, deadline.elapsed()),
            Cause::Network(error) => ProviderError::Network(error),
            Cause::TooLong { status, limit } => {
                let limit = limit / (1024 * 1024);
                ProviderError::api(
                    status,
                    format!(
                        "the reply is longer than {limit} MiB; check that the endpoint is the API's"
                    ),
                )
            }
        };
        Err(match sent {
            Sent::No => Failure::NotSent(error),
            Sent::Unknown => Failure::Unknown(error),
        })
    }
}

/// `name=value` pairs, percent-encoded with `%20` for a space, as every cloud here reads them.
pub(crate) fn encode<N: AsRef<str>, V: AsRef<str>>(pairs: &[(N, V)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.extend(percent(name.as_ref()));
        text.push('=');
        text.extend(percent(value.as_ref()));
    }
    text
}

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn percent(value: &str) -> PercentEncode<'_> {
    utf8_percent_encode(value, RESERVED)
}
