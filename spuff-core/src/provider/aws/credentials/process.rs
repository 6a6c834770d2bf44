//! `credential_process`: a program that prints credentials. Its output is never repeated, as it may
//! hold the secret.

use std::time::Duration;

use reqsign_aws_v4::Credential;
use reqsign_core::Context;
use serde::Deserialize;

use super::problem::{Found, Problem};
use super::when;
use crate::provider::aws::profile::command_words;
use crate::signals::of_the_program;

/// The program may prompt the user.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    /// A float, because 1.0 is valid too.
    version: f64,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

pub(super) async fn credential(ctx: &Context, profile: &str, command: &str) -> Found<Credential> {
    let failed =
        |what: &str| Problem::of_profile(profile, &format!("has a credential_process that {what}"));
    let words = command_words(command).ok_or_else(|| failed("has a quote that is not closed"))?;
    let Some((program, arguments)) = words.split_first() else { return Err(failed("is empty")) };
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let output =
        tokio::time::timeout(PATIENCE, of_the_program(ctx.command_execute(program, &arguments)))
            .await;
    let output = output.map_err(|_| failed("did not finish in time").that_may_pass())?;
    let output = output.map_err(|_| failed("cannot be started"))?;
    if !output.success() {
        // The program may have called a service that is down, so a retry is allowed.
        return Err(failed(&format!("ended with status {}", output.status)).that_may_pass());
    }
    printed(&output.stdout).ok_or_else(|| failed("did not print credentials of version 1"))
}

pub(super) fn printed(output: &[u8]) -> Option<Credential> {
    let printed: Output =
        serde_json::from_slice(output).ok().filter(|printed: &Output| printed.version == 1.0)?;
    let expires_in = match printed.expiration {
        Some(time) => Some(when::parse(&time)?),
        None => None,
    };
    Some(Credential {
        access_key_id: printed.access_key_id,
        secret_access_key: printed.secret_access_key,
        session_token: printed.session_token,
        expires_in,
    })
}
