//! The part of STS that clients also call: the caller's identity.

use super::super::backend::{Asked, Refusal};
use super::catalogue::ACCOUNT;
use super::params::Params;
use super::problem::{Outcome, Problem};
use super::xml::{STS, Xml};

const REPLY: &str = "GetCallerIdentityResponse";

pub(super) fn answer(asked: &Asked<'_>, request_id: &str) -> Outcome<Vec<u8>> {
    let params = Params::of(asked);
    let action = params.get("Action").unwrap_or_default();
    if action != "GetCallerIdentity" {
        let version = params.get("Version").unwrap_or_default();
        let message = format!("Could not find operation {action} for version {version}");
        return Err(Problem::new("InvalidAction", message));
    }
    let mut xml = Xml::root(REPLY, STS);
    xml.within("GetCallerIdentityResult", |xml| {
        xml.text("Arn", &format!("arn:aws:iam::{ACCOUNT}:user/simulated"));
        xml.text("UserId", "AIDASIMULATED00000000");
        xml.text("Account", ACCOUNT);
    });
    xml.within("ResponseMetadata", |xml| xml.text("RequestId", request_id));
    Ok(xml.finish(REPLY))
}

/// The refusals that all clouds have, in STS's format.
pub(super) fn refuse(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Unauthorized => {
            let message = "The security token included in the request is invalid.";
            Problem::new("InvalidClientTokenId", message).with_status(403)
        }
        Refusal::RateLimited { .. } => Problem::new("Throttling", "Rate exceeded"),
        Refusal::ServerError(503) => {
            Problem::new("ServiceUnavailable", "Service is unavailable").with_status(503)
        }
        Refusal::ServerError(status) => {
            Problem::new("InternalFailure", "An internal error has occurred").with_status(status)
        }
    }
}
