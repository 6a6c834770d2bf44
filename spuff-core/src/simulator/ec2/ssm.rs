//! The part of SSM that names images: publishers' public parameters, as JSON.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::account::Account;
use super::super::backend::{Answer, Asked, Refusal};
use super::super::clock::Moment;
use super::super::inspect::Kind;
use super::holdings::Place;
use super::{Ec2, Service, ids, region_of};

/// The header that names the action.
pub(super) const TARGET: &str = "x-amz-target";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct One {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Many {
    names: Vec<String>,
}

pub(super) fn answer(backend: &mut Ec2, asked: &Asked<'_>, now: Moment) -> Answer {
    let region = match region_of(asked, Service::Ssm) {
        Ok(region) => region,
        Err(_) => return refuse(Refusal::Unauthorized, false),
    };
    backend.place(region, now);
    let Some(place) = backend.places.get(region.name) else {
        return problem(500, "InternalServerError", "");
    };
    let parameter = |name: &str| parameter(&backend.account, place, region.name, name);
    match asked.header(TARGET) {
        "AmazonSSM.GetParameter" => match serde_json::from_slice::<One>(asked.body) {
            Ok(One { name }) => match parameter(&name) {
                Some(found) => Answer::json(200, &json!({"Parameter": found})),
                // The real service's message is also empty.
                None => problem(400, "ParameterNotFound", ""),
            },
            Err(error) => malformed(&error),
        },
        "AmazonSSM.GetParameters" => match serde_json::from_slice::<Many>(asked.body) {
            Ok(Many { names }) if (1..=10).contains(&names.len()) => {
                let found: Vec<Value> = names.iter().filter_map(|name| parameter(name)).collect();
                let invalid: Vec<&String> =
                    names.iter().filter(|name| parameter(name).is_none()).collect();
                Answer::json(200, &json!({"Parameters": found, "InvalidParameters": invalid}))
            }
            Ok(_) => {
                problem(400, "ValidationException", "Names must have between 1 and 10 members")
            }
            Err(error) => malformed(&error),
        },
        _ => Answer::json(400, &json!({"__type": "UnknownOperationException"})),
    }
}

fn parameter(account: &Account, place: &Place, region: &str, name: &str) -> Option<Value> {
    let image = account.image(*place.parameters.get(name)?)?;
    Some(json!({
        "ARN": format!("arn:aws:ssm:{region}::parameter{name}"),
        "DataType": "aws:ec2:image",
        "LastModifiedDate": image.created.timestamp(),
        "Name": name,
        "Type": "String",
        "Value": ids::of_kind(Kind::Snapshot, image.id),
        "Version": 42,
    }))
}

fn malformed(error: &serde_json::Error) -> Answer {
    if error.is_data() {
        problem(400, "ValidationException", &error.to_string())
    } else {
        Answer::json(400, &json!({"__type": "SerializationException"}))
    }
}

/// The refusals that all clouds have, in SSM's format.
pub(super) fn refuse(refusal: Refusal, is_unsigned: bool) -> Answer {
    match refusal {
        Refusal::Unauthorized if is_unsigned => {
            problem(400, "MissingAuthenticationTokenException", "Missing Authentication Token")
        }
        Refusal::Unauthorized => problem(
            400,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        Refusal::RateLimited { .. } => problem(400, "ThrottlingException", "Rate exceeded"),
        Refusal::ServerError(503) => {
            problem(503, "ServiceUnavailableException", "Service is unavailable")
        }
        Refusal::ServerError(status) => {
            problem(status, "InternalServerError", "Internal server error")
        }
    }
}

fn problem(status: u16, kind: &str, message: &str) -> Answer {
    Answer::json(status, &json!({"__type": kind, "message": message}))
}
