//! STS: assumes a role with keys, or with the token of another identity.

use bytes::Bytes;
use http::{HeaderValue, Request};
use reqsign_aws_v4::{Credential, RequestSigner};
use reqsign_core::hash::hex_sha256;
use reqsign_core::{Context, SignRequest};
use serde::Deserialize;

use super::problem::{Found, Problem, ask, unreadable};
use super::{DIGEST, when};
use crate::http::encode;

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
const VERSION: &str = "2011-06-15";

/// An STS endpoint, and the region of its signatures.
pub(super) struct Sts<'a> {
    pub(super) ctx: &'a Context,
    pub(super) endpoint: String,
    pub(super) region: &'a str,
}

impl Sts<'_> {
    /// Signs the request with `keys`, if given.
    pub(super) async fn assume(
        &self,
        action: &'static str,
        parameters: &[(&'static str, String)],
        keys: Option<&Credential>,
    ) -> Found<Credential> {
        let fixed = [("Action", action.to_string()), ("Version", VERSION.to_string())];
        let body = encode(&[&fixed[..], parameters].concat());
        let request = Request::post(format!("{}/", self.endpoint.trim_end_matches('/')));
        let request = request
            .header(http::header::CONTENT_TYPE, FORM)
            .header(DIGEST, hex_sha256(body.as_bytes()))
            .body(());
        let (mut head, ()) =
            request.map_err(|_| Problem::last("the endpoint of STS must be a URL"))?.into_parts();
        if keys.is_some() {
            let signing = RequestSigner::new("sts", self.region)
                .sign_request(self.ctx, &mut head, keys, None)
                .await;
            signing.map_err(|error| Problem::last(format!("{action}: {error}")))?;
        }
        if let Some(token) = head.headers.get_mut("x-amz-security-token") {
            HeaderValue::set_sensitive(token, true);
        }
        let reply =
            ask(self.ctx, &format!("STS {action}"), Request::from_parts(head, Bytes::from(body)))
                .await?;
        let read = quick_xml::de::from_reader::<_, Response>(&reply.body[..]).ok();
        let keys = read.and_then(|read| read.result.credentials.into_credential());
        keys.ok_or_else(|| unreadable(&format!("STS {action}")))
    }
}

#[derive(Deserialize)]
struct Response {
    #[serde(alias = "AssumeRoleResult", alias = "AssumeRoleWithWebIdentityResult")]
    result: Outcome,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome {
    credentials: Keys,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: String,
}

impl Keys {
    fn into_credential(self) -> Option<Credential> {
        Some(Credential {
            access_key_id: self.access_key_id,
            secret_access_key: self.secret_access_key,
            session_token: Some(self.session_token),
            expires_in: Some(when::parse(&self.expiration)?),
        })
    }
}
