//! The roles of the container and of the instance that this process runs in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use reqsign_aws_v4::Credential;
use reqsign_core::Context;
use reqsign_core::time::Timestamp;
use serde::Deserialize;

use super::problem::{Found, Problem, ask, unreadable};
use super::{WAYS, when};
use crate::http::Reply;
use crate::provider::aws::profile::Profiles;

const CONTAINER: &str = "http://169.254.170.2";
const MACHINE: &str = "http://169.254.169.254";
const MACHINE_V6: &str = "http://[fd00:ec2::254]";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
const TOKEN: &str = "x-aws-ec2-metadata-token";
/// The lifetime requested for a metadata token. It is used for 10 minutes less.
const TOKEN_SECONDS: u64 = 21_600;
/// The least time that keys of the instance's role count as valid, even if they have expired: the
/// service behind them is then down, and EC2 accepts them meanwhile.
const EXTENDED: Duration = Duration::from_secs(25 * 60);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: String,
}

impl Keys {
    fn read(reply: &Reply) -> Option<Credential> {
        let Self { access_key_id, secret_access_key, token, expiration } =
            serde_json::from_slice(&reply.body).ok()?;
        let expires_in = Some(when::parse(&expiration)?);
        Some(Credential {
            access_key_id,
            secret_access_key,
            session_token: Some(token),
            expires_in,
        })
    }
}

/// Returns the credentials of the container's role, if it has one.
pub(super) async fn container(ctx: &Context) -> Found<Option<Credential>> {
    let set = |name: &str| ctx.env_var(name).filter(|value| !value.is_empty());
    let relative =
        set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("{CONTAINER}{path}"));
    let Some(uri) = relative.or_else(|| set("AWS_CONTAINER_CREDENTIALS_FULL_URI")) else {
        return Ok(None);
    };
    let token = match set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => {
            let read = ctx.file_read(&file).await;
            let read = read.map_err(|_| {
                Problem::last("the file of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE cannot be read")
            })?;
            Some(String::from_utf8_lossy(&read).trim().to_string())
        }
        None => set("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    let mut request = Request::get(uri).header(http::header::ACCEPT, "application/json");
    if let Some(token) = token {
        let unusable =
            |_| Problem::last("the container's authorization token cannot be sent in a header");
        let mut token = HeaderValue::try_from(token).map_err(unusable)?;
        token.set_sensitive(true);
        request = request.header(http::header::AUTHORIZATION, token);
    }
    let request = request
        .body(Bytes::new())
        .map_err(|_| Problem::last("the URI of the container's credentials is not valid"))?;
    let reply = ask(ctx, "container role", request).await?;
    Keys::read(&reply).map(Some).ok_or_else(|| unreadable("container role"))
}

/// The role of the instance, the last source of the chain.
#[derive(Default)]
pub(super) struct Machine {
    token: Mutex<Option<(HeaderValue, Timestamp)>>,
    /// Whether the service has ever answered: later failures are reported as they are.
    answered: AtomicBool,
}

/// Hides the token.
impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Machine")
    }
}

impl Machine {
    pub(super) async fn credential(&self, ctx: &Context, profiles: &Profiles) -> Found<Credential> {
        let disabled = ctx
            .env_var("AWS_EC2_METADATA_DISABLED")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if disabled {
            return Err(Problem::last(format!("no AWS credentials found; {WAYS}")));
        }
        match self.role(ctx, profiles).await {
            Ok(found) => {
                self.answered.store(true, Ordering::Relaxed);
                Ok(found)
            }
            Err(problem) if problem.is_rate_limit() || self.answered.load(Ordering::Relaxed) => {
                Err(problem)
            }
            Err(problem) => {
                let why = problem.message();
                let none = Problem::last(format!("no AWS credentials found ({why}); {WAYS}"));
                Err(problem.reworded(none))
            }
        }
    }

    async fn role(&self, ctx: &Context, profiles: &Profiles) -> Found<Credential> {
        let setting = |variable: &str, key: &str| {
            ctx.env_var(variable)
                .filter(|value| !value.is_empty())
                .or_else(|| profiles.setting(key).map(str::to_string))
        };
        let mode =
            setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode");
        let usual = match mode.map(|mode| mode.to_lowercase()).as_deref() {
            Some("ipv6") => MACHINE_V6,
            Some("ipv4") => MACHINE,
            None if setting("AWS_IMDS_USE_IPV6", "imds_use_ipv6")
                .is_some_and(|on| on.eq_ignore_ascii_case("true")) =>
            {
                MACHINE_V6
            }
            None => MACHINE,
            Some(_) => {
                return Err(Problem::last(
                    "the endpoint mode of the instance metadata must be ipv4 or ipv6",
                ));
            }
        };
        let base = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
        let base = base.as_deref().unwrap_or(usual).trim_end_matches('/');
        let name = self.get(ctx, &format!("{base}{ROLES}"), base).await?;
        let name = String::from_utf8_lossy(&name.body).trim().to_string();
        if name.is_empty() {
            return Err(Problem::last("the instance has no role (IMDS)"));
        }
        let reply = self.get(ctx, &format!("{base}{ROLES}{name}"), base).await?;
        let mut found = Keys::read(&reply).ok_or_else(|| unreadable("instance role (IMDS)"))?;
        let soon = Timestamp::now() + EXTENDED;
        found.expires_in = found.expires_in.map(|expires| expires.max(soon));
        Ok(found)
    }

    /// Sends the request with the cached token. If the token is refused, retries with a new one.
    async fn get(&self, ctx: &Context, uri: &str, base: &str) -> Found<Reply> {
        let first = self.token(ctx, base).await?;
        match self.send(ctx, Method::GET, uri, (TOKEN, first)).await {
            Err(problem) if problem.is_refused_token() => {
                *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
                let another = self.token(ctx, base).await?;
                self.send(ctx, Method::GET, uri, (TOKEN, another)).await
            }
            answer => answer,
        }
    }

    async fn token(&self, ctx: &Context, base: &str) -> Found<HeaderValue> {
        let now = Timestamp::now();
        let kept = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((token, _)) = kept.filter(|(_, until)| *until > now) {
            return Ok(token);
        }
        let seconds = HeaderValue::from(TOKEN_SECONDS);
        let asked = ("x-aws-ec2-metadata-token-ttl-seconds", seconds);
        let reply = self.send(ctx, Method::PUT, &format!("{base}/latest/api/token"), asked).await?;
        let mut token = HeaderValue::from_maybe_shared(reply.body)
            .map_err(|_| unreadable("instance role (IMDS)"))?;
        token.set_sensitive(true);
        let kept = (token.clone(), now + Duration::from_secs(TOKEN_SECONDS - 600));
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        Ok(token)
    }

    async fn send(
        &self,
        ctx: &Context,
        method: Method,
        uri: &str,
        (name, value): (&str, HeaderValue),
    ) -> Found<Reply> {
        let request =
            Request::builder().method(method).uri(uri).header(name, value).body(Bytes::new());
        let request = request
            .map_err(|_| Problem::last("the endpoint of the instance metadata must be a URL"))?;
        ask(ctx, "instance role (IMDS)", request).await
    }
}
