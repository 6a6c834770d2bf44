//! Whose requests they are: the keys that were given, or the first that the standard chain finds; and the signature.
//!
//! The chain is put together here, of reqsign's sources: reqsign's own passes over the roles of a profile, goes on after
//! the failure of a source that was meant, and writes its sources to the log, some with their secrets.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderValue;
use http::request::Parts;
use reqsign_aws_v4::{
    AssumeRoleWithWebIdentityCredentialProvider, Credential, ECSCredentialProvider, IMDSv2CredentialProvider, RequestSigner,
};
use reqsign_command_execute_tokio::TokioCommandExecute;
use reqsign_core::hash::hex_sha256;
use reqsign_core::{Context, Error, OsEnv, ProvideCredential, Result, Signer};
use reqsign_file_read_tokio::TokioFileRead;
use secrecy::{ExposeSecret, SecretString};

use super::fetch::Fetch;
use super::place::Scope;
use super::{NAME, pace, profile, refusal};
use crate::http::{Authorized, Call, Dialect, Draws, Refusal, Reply, clean_token};
use crate::provider::config::ProviderConfig;
use crate::provider::error::{NetworkError, ProviderError, ProviderResult};

const DIGEST: &str = "x-amz-content-sha256";
const FORM: &str = "write it as ACCESS_KEY_ID:SECRET or ACCESS_KEY_ID:SECRET:SESSION_TOKEN, or leave it out for the standard \
                    credential chain";
const WAYS: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile with AWS_PROFILE, sign in with `aws sso \
                    login`, pass the token ACCESS_KEY_ID:SECRET, or run on a machine or container with a role";

/// Requests signed with AWS Signature Version 4; refusals in EC2's words.
pub(super) struct SigV4 {
    /// Its request signer is replaced for each call; the credentials in it are shared, and renewed before they expire.
    signer: Signer<Credential>,
}

impl SigV4 {
    /// By the token, or without one by the standard chain, which asks in `region`.
    pub(super) fn new(config: &ProviderConfig, region: &str) -> ProviderResult<Self> {
        let none = RequestSigner::new("", "");
        if let Some(keys) = Keys::parse(config.expose_token())? {
            return Ok(Self { signer: Signer::new(Context::new(), keys, none) });
        }
        let context = Context::new()
            .with_file_read(TokioFileRead)
            .with_command_execute(TokioCommandExecute)
            .with_http_send(Fetch::new(config))
            .with_env(OsEnv);
        let profile = config.options.get("profile").filter(|name| !name.is_empty()).cloned();
        Ok(Self { signer: Signer::new(context, Chain::new(profile, region), none) })
    }

    async fn sign(&self, head: &mut Parts, body: &[u8]) -> ProviderResult<()> {
        let Some(Scope { service, region }) = head.extensions.get::<Scope>().cloned() else {
            return Err(ProviderError::Other { message: "a request without a scope cannot be signed".to_string() });
        };
        let digest = HeaderValue::try_from(hex_sha256(body));
        head.headers.insert(DIGEST, digest.map_err(|error| ProviderError::auth(NAME, error.to_string()))?);
        let signer = self.signer.clone().with_request_signer(RequestSigner::new(service, &region));
        signer.sign(head, None).await.map_err(|error| {
            // The sources of the error are left out: they may repeat what was read.
            let message = format!("cannot sign the request: {error}");
            if error.is_retryable() {
                ProviderError::Network(NetworkError::new("no AWS credentials", message))
            } else {
                ProviderError::auth(NAME, message)
            }
        })
    }
}

impl Dialect for SigV4 {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn authorize<'a>(&'a self, head: &'a mut Parts, body: &'a [u8]) -> Authorized<'a> {
        Box::pin(self.sign(head, body))
    }

    fn refusal(&self, reply: &Reply) -> Refusal {
        refusal::refusal(reply)
    }

    fn draws<'a>(&self, call: &'a Call<'_>) -> Draws<'a> {
        pace::draws(call)
    }
}

/// Keys that were given as they are.
#[derive(Debug)]
pub(super) struct Keys {
    id: String,
    secret: SecretString,
    session: Option<SecretString>,
    expires: Option<reqsign_core::time::Timestamp>,
}

impl Keys {
    pub(super) fn new(credential: &Credential) -> Self {
        let Credential { access_key_id, secret_access_key, session_token, expires_in } = credential.clone();
        Self { id: access_key_id, secret: secret_access_key.into(), session: session_token.map(Into::into), expires: expires_in }
    }

    /// `ACCESS_KEY_ID:SECRET[:SESSION_TOKEN]`; none where nothing was given.
    fn parse(token: &str) -> ProviderResult<Option<Self>> {
        if token.trim().is_empty() {
            return Ok(None);
        }
        let token = clean_token(token)?;
        let mut parts = token.expose_secret().splitn(3, ':');
        let (id, secret, session) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
        if id.is_empty() || secret.is_empty() || session.is_some_and(str::is_empty) {
            return Err(ProviderError::invalid_config("token", FORM));
        }
        Ok(Some(Self { id: id.to_string(), secret: secret.into(), session: session.map(Into::into), expires: None }))
    }

    /// The keys that stand in a profile.
    pub(super) fn of_profile(profile: &HashMap<String, String>) -> Option<Self> {
        let get = |key: &str| profile.get(key).filter(|value| !value.is_empty()).cloned();
        Some(Self {
            id: get("aws_access_key_id")?,
            secret: get("aws_secret_access_key")?.into(),
            session: get("aws_session_token").map(Into::into),
            expires: None,
        })
    }
}

impl ProvideCredential for Keys {
    type Credential = Credential;

    async fn provide_credential(&self, _: &Context) -> Result<Option<Credential>> {
        Ok(Some(Credential {
            access_key_id: self.id.clone(),
            secret_access_key: self.secret.expose_secret().to_string(),
            session_token: self.session.as_ref().map(|token| token.expose_secret().to_string()),
            expires_in: self.expires,
        }))
    }
}

/// The keys in the environment variables.
pub(super) fn from_environment(ctx: &Context) -> Result<Option<Credential>> {
    let get = |name: &str| ctx.env_var(name).filter(|value| !value.trim().is_empty());
    match (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
        (Some(access_key_id), Some(secret_access_key)) => {
            let session_token = get("AWS_SESSION_TOKEN");
            Ok(Some(Credential { access_key_id, secret_access_key, session_token, expires_in: None }))
        }
        (Some(_), None) => Err(Error::credential_invalid("AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not")),
        (None, _) => Ok(None),
    }
}

/// The standard chain: environment, profile, web identity, container, machine. The first source that was set up is the
/// one that is meant: its failure is told, and no other identity steps in.
#[derive(Debug)]
struct Chain {
    /// One that was chosen in the configuration is the only source.
    profile: Option<String>,
    region: String,
    metadata: Metadata,
}

impl Chain {
    fn new(profile: Option<String>, region: &str) -> Self {
        Self { profile, region: region.to_string(), metadata: Metadata::default() }
    }
}

impl ProvideCredential for Chain {
    type Credential = Credential;

    async fn provide_credential(&self, ctx: &Context) -> Result<Option<Credential>> {
        if let Some(profile) = &self.profile {
            return profile::credential(ctx, Some(profile), &self.region).await;
        }
        if let Some(found) = from_environment(ctx)? {
            return Ok(Some(found));
        }
        if let Some(found) = profile::credential(ctx, None, &self.region).await? {
            return Ok(Some(found));
        }
        let web_identity = AssumeRoleWithWebIdentityCredentialProvider::new();
        let web_identity = web_identity.with_region(self.region.clone()).with_regional_sts_endpoint();
        if let Some(found) = web_identity.provide_credential(ctx).await? {
            return Ok(Some(found));
        }
        if let Some(found) = ECSCredentialProvider::new().provide_credential(ctx).await? {
            return Ok(Some(found));
        }
        self.metadata.provide_credential(ctx).await
    }
}

/// The role of the machine that this runs on, if it runs on one.
#[derive(Default)]
struct Metadata {
    source: IMDSv2CredentialProvider,
    /// It has answered: what it does not say now, it will say again.
    answered: AtomicBool,
}

/// The source holds a token, which it shows.
impl std::fmt::Debug for Metadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metadata")
    }
}

impl Metadata {
    async fn provide_credential(&self, ctx: &Context) -> Result<Option<Credential>> {
        let disabled = ctx.env_var("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let found = if disabled { Ok(None) } else { self.source.provide_credential(ctx).await };
        let why = match found {
            Ok(Some(found)) => {
                self.answered.store(true, Ordering::Relaxed);
                return Ok(Some(found));
            }
            Err(error) if self.answered.load(Ordering::Relaxed) => return Err(error),
            Err(error) => format!(" (machine role: {error})"),
            Ok(None) => String::new(),
        };
        Err(Error::credential_invalid(format!("no AWS credentials found{why}; {WAYS}")))
    }
}
