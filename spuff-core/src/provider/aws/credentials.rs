//! Credentials and signing: the given keys, or the first that the standard chain finds.
//!
//! The sources of the chain are spuff's own: reqsign's hide why they failed, and log some secrets.

mod chain;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod kept;
mod metadata;
mod problem;
mod process;
mod sso;
mod sts;
#[cfg(test)]
mod tests;
mod when;

use http::HeaderValue;
use http::request::Parts;
use reqsign_aws_v4::{Credential, RequestSigner};
use reqsign_command_execute_tokio::TokioCommandExecute;
use reqsign_core::hash::hex_sha256;
use reqsign_core::{Context, OsEnv, SignRequest};
use reqsign_file_read_tokio::TokioFileRead;
use secrecy::{ExposeSecret, SecretString};

use self::chain::Chain;
use self::kept::Kept;
use super::fetch::Fetch;
use super::region::Scope;
use super::{NAME, errors, limits};
use crate::http::{ApiError, Authorized, Call, Costs, Dialect, Reply, clean_token};
use crate::provider::config::ProviderConfig;
use crate::provider::error::{ProviderError, ProviderResult};

const DIGEST: &str = "x-amz-content-sha256";
const FORM: &str = "write it as ACCESS_KEY_ID:SECRET or ACCESS_KEY_ID:SECRET:SESSION_TOKEN, or \
 leave it out for the standard \
                    credential chain";
const WAYS: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile with \
 AWS_PROFILE, sign in with `aws sso login`, pass the token ACCESS_KEY_ID:SECRET, or run on an \
 instance or container with a role";

/// The variables that select the credentials of the chain.
const CHOICE: [&str; 16] = [
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
];

/// Signs requests with AWS Signature Version 4, and classifies refusals by EC2's codes.
pub(super) struct SigV4 {
    context: Context,
    source: Source,
}

/// The source of the credentials.
enum Source {
    Given(Keys),
    Found(Box<Chain>, Kept),
}

impl SigV4 {
    /// Uses the token, or without one the standard chain, which asks STS in `region`.
    pub(super) fn new(config: &ProviderConfig, region: &str) -> ProviderResult<Self> {
        if let Some(keys) = Keys::parse(config.expose_token())? {
            return Ok(Self { context: Context::new(), source: Source::Given(keys) });
        }
        let context = Context::new()
            .with_file_read(TokioFileRead)
            .with_command_execute(TokioCommandExecute)
            .with_http_send(Fetch::new(config))
            .with_env(OsEnv);
        let profile = config.options.get("profile").filter(|name| !name.is_empty()).cloned();
        Ok(Self::of_chain(context, Chain::new(profile, region)))
    }

    fn of_chain(context: Context, chain: Chain) -> Self {
        Self { context, source: Source::Found(Box::new(chain), Kept::default()) }
    }

    /// Whether the credentials come from the standard chain.
    pub(super) fn is_chained(&self) -> bool {
        matches!(self.source, Source::Found(..))
    }

    async fn credential(&self) -> ProviderResult<Credential> {
        match &self.source {
            Source::Given(keys) => Ok(keys.credential()),
            Source::Found(chain, kept) => {
                Ok(kept.get(async || chain.credential(&self.context).await).await?)
            }
        }
    }

    async fn sign(&self, head: &mut Parts, body: &[u8]) -> ProviderResult<()> {
        let Some(Scope { service, region }) = head.extensions.get::<Scope>().cloned() else {
            return Err(ProviderError::Other {
                message: "a request without a scope cannot be signed".to_string(),
            });
        };
        let credential = self.credential().await?;
        // Omits the sources of the error: they may repeat what was read.
        let failed =
            |error: String| ProviderError::auth(NAME, format!("cannot sign the request: {error}"));
        let digest =
            HeaderValue::try_from(hex_sha256(body)).map_err(|error| failed(error.to_string()))?;
        let mut signed = head.clone();
        signed.headers.insert(DIGEST, digest);
        let signing = RequestSigner::new(service, &region);
        let outcome =
            signing.sign_request(&self.context, &mut signed, Some(&credential), None).await;
        outcome.map_err(|error| failed(error.to_string()))?;
        *head = signed;
        Ok(())
    }
}

impl Dialect for SigV4 {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn authorize<'a>(&'a self, head: &'a mut Parts, body: &'a [u8]) -> Authorized<'a> {
        Box::pin(self.sign(head, body))
    }

    fn refusal(&self, reply: &Reply) -> ApiError {
        errors::refusal(reply)
    }

    fn rate_cost<'a>(&self, call: &'a Call<'_>) -> Costs<'a> {
        limits::rate_cost(call)
    }

    fn identify(&self, add: &mut dyn FnMut(&str)) {
        if self.is_chained() {
            for name in CHOICE {
                add(&self.context.env_var(name).unwrap_or_default());
            }
            add(&self
                .context
                .home_dir()
                .map(|home| home.to_string_lossy().into_owned())
                .unwrap_or_default());
        }
    }
}

/// Keys given in the token.
#[derive(Debug)]
struct Keys {
    id: String,
    secret: SecretString,
    session: Option<SecretString>,
}

impl Keys {
    /// Parses `ACCESS_KEY_ID:SECRET[:SESSION_TOKEN]`; `None` for an empty token.
    fn parse(token: &str) -> ProviderResult<Option<Self>> {
        if token.trim().is_empty() {
            return Ok(None);
        }
        let token = clean_token(token)?;
        let mut parts = token.expose_secret().splitn(3, ':');
        let (id, secret, session) =
            (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
        if id.is_empty() || secret.is_empty() || session.is_some_and(str::is_empty) {
            return Err(ProviderError::invalid_config("token", FORM));
        }
        Ok(Some(Self {
            id: id.to_string(),
            secret: secret.into(),
            session: session.map(Into::into),
        }))
    }

    fn credential(&self) -> Credential {
        Credential {
            access_key_id: self.id.clone(),
            secret_access_key: self.secret.expose_secret().to_string(),
            session_token: self.session.as_ref().map(|token| token.expose_secret().to_string()),
            expires_in: None,
        }
    }
}
