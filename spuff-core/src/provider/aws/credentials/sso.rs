//! IAM Identity Center: exchanges the token of a sign-in for the keys of a role, and renews the
//! token as long as the sign-in lasts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request};
use reqsign_aws_v4::Credential;
use reqsign_core::Context;
use reqsign_core::hash::hex_sha1;
use reqsign_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::{Found, Problem, ask, unreadable};
use super::when;
use crate::http::encode;
use crate::http::number::LONGEST;
use crate::random;

/// A token with less time left is renewed.
const EARLY: Duration = Duration::from_secs(15 * 60);

/// A profile's sign-in settings, and the endpoints of the services.
pub(super) struct SignIn<'a> {
    pub(super) profile: &'a str,
    pub(super) account: &'a str,
    pub(super) role: &'a str,
    pub(super) start_url: &'a str,
    pub(super) region: &'a str,
    /// The name of the `sso-session`, whose tokens can be renewed.
    pub(super) session: Option<&'a str>,
    pub(super) portal: String,
    pub(super) oidc: String,
}

impl SignIn<'_> {
    pub(super) async fn credential(&self, ctx: &Context) -> Found<Credential> {
        let token = self.token(ctx).await?;
        self.keys_of_role(ctx, token).await
    }

    pub(super) async fn keys_of_role(&self, ctx: &Context, token: String) -> Found<Credential> {
        let query = encode(&[
            ("role_name", self.role.to_string()),
            ("account_id", self.account.to_string()),
        ]);
        let mut token = HeaderValue::try_from(token)
            .map_err(|_| self.ended("holds a token that cannot be sent"))?;
        token.set_sensitive(true);
        let request = Request::get(format!(
            "{}/federation/credentials?{query}",
            self.portal.trim_end_matches('/')
        ));
        let request = request.header("x-amz-sso_bearer_token", token).body(Bytes::new());
        let request = request.map_err(|_| {
            Problem::of_profile(self.profile, "leads to an SSO portal that is not a URL")
        })?;
        let reply = ask(ctx, "SSO GetRoleCredentials", request).await.map_err(|problem| {
            if problem.is_final() && problem.is_refused_token() {
                let ended = self.ended(&format!("is refused ({})", problem.message()));
                problem.reworded(ended)
            } else {
                problem
            }
        })?;
        let read = serde_json::from_slice::<Response>(&reply.body).ok();
        read.and_then(|read| read.role_credentials.into_credential())
            .ok_or_else(|| unreadable("SSO GetRoleCredentials"))
    }

    fn ended(&self, what: &str) -> Problem {
        Problem::of_profile(
            self.profile,
            &format!("has an SSO sign-in that {what}; sign in with `aws sso login`"),
        )
    }

    /// Returns the token of the sign-in: the cached one, or a renewed one.
    async fn token(&self, ctx: &Context) -> Found<String> {
        let home = ctx
            .home_dir()
            .ok_or_else(|| self.ended("cannot be found: there is no home directory"))?;
        let name = hex_sha1(self.session.unwrap_or(self.start_url).as_bytes());
        let path = home.join(".aws/sso/cache").join(format!("{name}.json"));
        let bytes = std::fs::read(&path).map_err(|_| self.ended("is not in the cache"))?;
        let (cached, token, expires) = self.cached(&bytes)?;
        let now = Timestamp::now();
        if self.session.is_none() || expires > now + EARLY {
            return if expires > now { Ok(token) } else { Err(self.ended("has expired")) };
        }
        match self.renewed(ctx, &cached, &path).await {
            Some(Ok(token)) => Ok(token),
            _ if expires > now => Ok(token),
            Some(Err(problem)) if !problem.is_final() => Err(problem),
            _ => Err(self.ended("has expired")),
        }
    }

    /// Returns the content of the cache, its token, and the token's expiry.
    pub(super) fn cached(&self, bytes: &[u8]) -> Found<(Value, String, Timestamp)> {
        let cached: Value =
            serde_json::from_slice(bytes).map_err(|_| self.ended("cannot be read"))?;
        let text = |key: &str| cached.get(key).and_then(Value::as_str);
        let (Some(token), Some(expires)) =
            (text("accessToken"), text("expiresAt").and_then(when::parse))
        else {
            return Err(self.ended("has no token with an expiry in the cache"));
        };
        let token = token.to_string();
        Ok((cached, token, expires))
    }

    /// Returns `None` if the sign-in cannot be renewed.
    async fn renewed(&self, ctx: &Context, cached: &Value, path: &Path) -> Option<Found<String>> {
        let text = |key: &str| cached.get(key).and_then(Value::as_str);
        let (id, secret, refresh) =
            (text("clientId")?, text("clientSecret")?, text("refreshToken")?);
        let registered = text("registrationExpiresAt")?;
        when::parse(registered).filter(|until| *until > Timestamp::now())?;
        let body = json!({
            "grantType": "refresh_token", "clientId": id, "clientSecret": secret,
            "refreshToken": refresh
        });
        let request = Request::post(format!("{}/token", self.oidc.trim_end_matches('/')));
        let request = request
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(body.to_string()))
            .ok()?;
        Some(
            async { self.keep(ask(ctx, "SSO CreateToken", request).await?.body, cached, path) }
                .await,
        )
    }

    /// Writes the new token to the cache, where AWS's tools find it: the old refresh token may be
    /// used up.
    fn keep(&self, answer: Bytes, cached: &Value, path: &Path) -> Found<String> {
        let (token, kept) = self.renewal(&answer, cached)?;
        if let Err(error) = write(path, &kept.to_string()) {
            tracing::warn!(%error, "the renewed SSO token could not be written to the cache");
        }
        Ok(token)
    }

    /// Returns the new token, and the content for the cache.
    pub(super) fn renewal(&self, answer: &[u8], cached: &Value) -> Found<(String, Value)> {
        let answer: Token =
            serde_json::from_slice(answer).map_err(|_| unreadable("SSO CreateToken"))?;
        let expires = Timestamp::now() + Duration::from_secs(answer.expires_in).min(LONGEST);
        let mut kept = json!({
            "startUrl": self.start_url,
            "region": self.region,
            "accessToken": answer.access_token,
            "expiresAt": expires.format_rfc3339_zulu(),
            "clientId": cached.get("clientId"),
            "clientSecret": cached.get("clientSecret"),
            "registrationExpiresAt": cached.get("registrationExpiresAt"),
        });
        if let Some(refresh) = answer.refresh_token {
            kept["refreshToken"] = refresh.into();
        }
        Ok((answer.access_token, kept))
    }
}

/// Writes the whole file or nothing, readable by its owner only.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;

    let mut beside = PathBuf::from(path);
    beside.set_extension(format!("{:016x}.tmp", random::number()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options
        .open(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    let written = written.and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    access_token: String,
    expires_in: u64,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    role_credentials: Keys,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: i64,
}

impl Keys {
    fn into_credential(self) -> Option<Credential> {
        Some(Credential {
            access_key_id: self.access_key_id,
            secret_access_key: self.secret_access_key,
            session_token: Some(self.session_token),
            expires_in: Some(Timestamp::from_millisecond(self.expiration).ok()?),
        })
    }
}
