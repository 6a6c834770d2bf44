//! Fuzz targets for the sources of credentials.

use http::Response;
use reqsign_core::time::Timestamp;
use reqsign_core::{HttpSend, Result, StaticEnv};

use super::metadata::{Machine, container};
use super::problem::{Found, Problem};
use super::sso::SignIn;
use super::sts::Sts;
use super::*;
use crate::fuzzing::checks::{at_once, check_error, check_refusal, text};
use crate::http::fuzzing::reply;
use crate::provider::aws::profile::Profiles;
use crate::provider::aws::profile::fuzzing::read as read_profiles;

const SECRET: &str = "secret-of-the-request";
const CANARY: &str = "canary-word";

/// Answers each request with the same reply.
#[derive(Debug)]
struct Always(Reply);

impl HttpSend for Always {
    async fn http_send(&self, _: http::Request<bytes::Bytes>) -> Result<Response<bytes::Bytes>> {
        let Reply { status, headers, body } = self.0.clone();
        let mut response = Response::new(body);
        *response.headers_mut() = headers;
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
        Ok(response)
    }
}

fn sign_in_of(portal: &str) -> SignIn<'_> {
    let oidc = portal.to_string();
    let portal = portal.to_string();
    let start_url = "https://corp.example.com/start";
    SignIn {
        profile: "dev",
        account: "123456789012",
        role: "role",
        start_url,
        region: "eu-central-1",
        session: Some("corp"),
        portal,
        oidc,
    }
}

/// Replies of STS, of the SSO portal, and of the metadata services of containers and instances; and
/// the output of a credential process.
pub(in crate::provider::aws) fn answers(input: &[u8]) {
    let reply = reply(input);
    let body = reply.body.clone();
    let envs = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", SECRET),
    ];
    let envs = envs.map(|(name, value)| (name.to_string(), value.to_string())).into();
    let ctx =
        Context::new().with_http_send(Always(reply)).with_env(StaticEnv { home_dir: None, envs });
    at_once(async {
        let sts = Sts {
            ctx: &ctx,
            endpoint: "https://sts.eu-central-1.amazonaws.com".to_string(),
            region: "eu-central-1",
        };
        check(sts.assume("AssumeRole", &[], None).await.map(Some), false);
        check(
            sign_in_of("https://portal.example.com")
                .keys_of_role(&ctx, SECRET.to_string())
                .await
                .map(Some),
            true,
        );
        check(container(&ctx).await, true);
        check(Machine::default().credential(&ctx, &Profiles::default()).await.map(Some), false);
    });
    let _ = process::printed(&body);
}

/// The files of a profile, preceded by environment variables, one a line. Each service answers with
/// keys or with an error.
pub(in crate::provider::aws) fn chain(input: &[u8]) {
    let text = text(input);
    let (variables, files) = text.split_once("\n\n").unwrap_or(("", &text));
    let Some(profiles) = read_profiles(files) else { return };
    let envs = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| name.starts_with("AWS_"));
    let envs = envs.map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let keys = "<Credentials><AccessKeyId>a</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
        <SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>";
    let answer = format!(
        "200\n\n<AssumeRoleResponse><AssumeRoleResult>{keys}</AssumeRoleResult>\
         </AssumeRoleResponse>"
    );
    let ctx = Context::new()
        .with_http_send(Always(reply(answer.as_bytes())))
        .with_env(StaticEnv { home_dir: None, envs });
    // Whether the canary is the secret and appears nowhere else.
    let is_secret = text.matches(CANARY).count() == 1
        && text.contains("\naws_secret_access_key = canary-word\n");
    for profile in [None, Some(profiles.name().to_string())] {
        let chain = Chain::new(profile, "eu-central-1");
        let Some(Err(problem)) = at_once(chain.credential_by(&ctx, &profiles)) else { continue };
        assert!(!(is_secret && problem.message().contains(CANARY)), "{problem:?}");
    }
}

fn check(found: Found<Option<Credential>>, has_secret: bool) {
    let Err(problem) = found else { return };
    let error = ProviderError::from(problem);
    let shown = error.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    assert!(!has_secret || !shown.contains(&SECRET[..8]), "{shown:?}");
    check_error(&error);
}

/// The cache of a sign-in, or the reply to be stored in it.
pub(in crate::provider::aws) fn sign_in(input: &[u8]) {
    let sign_in = sign_in_of("https://portal.example.com");
    let told = |problem: &Problem| assert!(!problem.message().contains(CANARY), "{problem:?}");
    if let Ok((_, _, expires)) = sign_in.cached(input).inspect_err(told) {
        let _ = expires > Timestamp::now();
    }
    let before = serde_json::json!({"clientId": "id", "clientSecret": "secret"});
    let Ok((token, kept)) = sign_in.renewal(input, &before).inspect_err(told) else { return };
    // The cache returns what was stored in it.
    let again = sign_in.cached(kept.to_string().as_bytes());
    assert!(matches!(&again, Ok((_, found, _)) if *found == token), "{again:?}");
}

pub(in crate::provider::aws) fn expirations(input: &[u8]) {
    let text = text(input);
    // A time before 1970 is expired; it need not survive the round trip.
    if let Some(time) = when::parse(&text).filter(|time| time.as_second() >= 0) {
        assert_eq!(
            when::parse(&time.format_rfc3339_zulu()).map(|again| again.as_second()),
            Some(time.as_second()),
            "{text}"
        );
    }
    if let Some(keys) = check_refusal(Keys::parse(&text)).flatten() {
        let Credential { access_key_id, secret_access_key, .. } = keys.credential();
        assert!(!access_key_id.is_empty() && !secret_access_key.is_empty());
    }
}
