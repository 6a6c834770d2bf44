//! EC2's and SSM's error codes, classified in one table by what the caller should do.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::wire;
use crate::clock;
use crate::http::wire::nullable;
use crate::http::{ApiError, ErrorClass, Reply};

/// The pause that EC2 requires between two snapshots of one volume.
const SNAPSHOT_PAUSE: Duration = Duration::from_secs(15);

/// AWS refuses a signature whose time differs by more.
const CLOCK_LIMIT: TimeDelta = TimeDelta::minutes(5);

/// The code for a size that is unavailable, everywhere or in a zone.
pub(super) const UNSUPPORTED: &str = "Unsupported";

/// Classifies an unsuccessful reply by its code: the HTTP status is not specific.
pub(super) fn refusal(reply: &Reply) -> ApiError {
    let Problem { code, message, request_id } = Problem::read(reply);
    let (fault, field) = match of_code(code.trim()) {
        _ if of_zone(code.trim(), &message) => (Some(ErrorClass::Capacity), None),
        known => known,
    };
    // The rest of such a message repeats the request with its session token.
    let about_signature =
        fault == Some(ErrorClass::Authentication) || message.contains("Canonical String");
    let message = if about_signature {
        message.trim().lines().next().unwrap_or_default()
    } else {
        message.trim()
    };
    let wrong_clock =
        reply.date().filter(|_| about_signature).and_then(|date| wrong_clock(date, clock::utc()));
    let hint = wrong_clock.or_else(|| used_before(code.trim()).map(str::to_string));
    ApiError {
        is_own: !code.is_empty(),
        fault,
        message: Some(format!("{message}{}", hint.unwrap_or_default())),
        retry_after: (code == "SnapshotCreationPerVolumeRateExceeded").then_some(SNAPSHOT_PAUSE),
        code: Some(code),
        request_id: Some(request_id).filter(|id| !id.is_empty()),
        field: field.map(str::to_string),
    }
}

/// Returns a hint for a client token that was used before. EC2 also returns
/// `IdempotentParameterMismatch` for an instance that has ended.
fn used_before(code: &str) -> Option<&'static str> {
    let is_so = matches!(code, "IdempotentParameterMismatch" | "IdempotentInstanceTerminated");
    is_so.then_some(
        " (the idempotency key was used before, with other parameters or for an instance that is \
         destroyed: use another key)",
    )
}

/// Returns a hint for a refused signature if this computer's clock is the cause.
fn wrong_clock(theirs: DateTime<Utc>, ours: DateTime<Utc>) -> Option<String> {
    let behind = theirs - ours;
    let side = if behind > TimeDelta::zero() { "behind" } else { "ahead of" };
    let minutes = behind.abs().num_minutes();
    (behind.abs() > CLOCK_LIMIT)
        .then(|| format!(" (this computer's clock is {minutes} minutes {side} AWS's: correct it)"))
}

/// Whether a zone lacks what was requested. If EC2 chose the zone, another may have it.
fn of_zone(code: &str, message: &str) -> bool {
    code == UNSUPPORTED && message.contains("in your requested Availability Zone")
}

/// Returns the class of a code and the field that it concerns; none for an unknown code.
fn of_code(code: &str) -> (Option<ErrorClass>, Option<&'static str>) {
    let (fault, field) = match code {
        "AuthFailure"
        | "UnauthorizedOperation"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "RequestExpired"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "OptInRequired"
        | "Blocked"
        | "PendingVerification"
        | "AccountDisabled"
        | "AccessDenied"
        | "AccessDeniedException"
        | "InvalidSignatureException"
        | "UnrecognizedClientException" => (ErrorClass::Authentication, None),

        "RequestLimitExceeded"
        | "EC2ThrottledException"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "SnapshotCreationPerVolumeRateExceeded" => (ErrorClass::RateLimit, None),

        "InvalidInstanceID.NotFound" | "InvalidSnapshot.NotFound" => (ErrorClass::NotFound, None),
        "InvalidAMIID.NotFound" | "InvalidAMIID.Unavailable" | "ParameterNotFound" => {
            (ErrorClass::NotFound, Some("image"))
        }

        "FilterLimitExceeded" => (ErrorClass::InvalidConfig, None),
        "ResourceCountExceeded" | "InsufficientFreeAddressesInSubnet" => {
            (ErrorClass::QuotaExceeded, None)
        }

        "IncorrectInstanceState"
        | "IncorrectState"
        | "InvalidAMIName.Duplicate"
        | "IdempotentParameterMismatch"
        | "IdempotentInstanceTerminated"
        | "OperationNotPermitted" => (ErrorClass::Conflict { retryable: false }, None),
        "InvalidSnapshot.InUse"
        | "DependencyViolation"
        | "ConcurrentTagAccess"
        | "ConcurrentCreateImageNoRebootLimitExceeded" => {
            (ErrorClass::Conflict { retryable: true }, None)
        }

        "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "ServerInternal"
        | "ServiceUnavailable"
        | "Unavailable"
        | "RequestTimeout" => (ErrorClass::Unavailable, None),

        "UnfulfillableCapacity" => (ErrorClass::Capacity, None),

        "InvalidInstanceType" | UNSUPPORTED => (ErrorClass::InvalidConfig, Some("size")),
        "InvalidInstanceID.Malformed" => (ErrorClass::InvalidConfig, Some("id")),
        "InvalidAMIID.Malformed" | "InvalidBlockDeviceMapping" => {
            (ErrorClass::InvalidConfig, Some("image"))
        }
        "InvalidAMIName.Malformed" => (ErrorClass::InvalidConfig, Some("name")),
        "InvalidUserData.Malformed" => (ErrorClass::InvalidConfig, Some("user_data")),
        "TagPolicyViolation" => (ErrorClass::InvalidConfig, Some("labels")),
        "VPCIdNotSpecified" | "DefaultVpcDoesNotExist" | "MissingInput" => {
            (ErrorClass::InvalidConfig, Some("subnet"))
        }
        _ => return of_form(code),
    };
    (Some(fault), field)
}

/// Classifies a code by its parts.
fn of_form(code: &str) -> (Option<ErrorClass>, Option<&'static str>) {
    let begins = |parts: &[&str]| parts.iter().any(|part| code.starts_with(part));
    let (fault, field) = if code.starts_with("Insufficient") && code.ends_with("Capacity") {
        (ErrorClass::Capacity, None)
    } else if code.ends_with("LimitExceeded") {
        (ErrorClass::QuotaExceeded, None)
    } else if begins(&["InvalidKeyPair", "InvalidKey."]) {
        (ErrorClass::InvalidConfig, Some("ssh_keys"))
    } else if begins(&["InvalidSubnet"]) {
        (ErrorClass::InvalidConfig, Some("subnet"))
    } else if begins(&["InvalidGroup", "InvalidSecurityGroup", "InvalidSecurity"]) {
        (ErrorClass::InvalidConfig, Some("security_group"))
    } else if begins(&["Invalid", "Missing", "Unknown", "Unsupported", "Validation"])
        || code.ends_with(".Malformed")
    {
        (ErrorClass::InvalidConfig, None)
    } else {
        return (None, None);
    };
    (Some(fault), field)
}

/// The content of an unsuccessful reply: EC2's XML, or SSM's JSON.
#[derive(Debug, Default)]
struct Problem {
    code: String,
    message: String,
    request_id: String,
}

impl Problem {
    /// An unreadable reply has no code or message.
    fn read(reply: &Reply) -> Self {
        let problem = match wire::root(&reply.body).as_deref() {
            Some("Response" | "ErrorResponse") => {
                quick_xml::de::from_reader(&reply.body[..]).map(XmlProblem::into_problem).ok()
            }
            _ => serde_json::from_slice(&reply.body).map(JsonProblem::into_problem).ok(),
        };
        let mut problem = problem.unwrap_or_default();
        if problem.request_id.is_empty() {
            let header =
                reply.header("x-amzn-requestid").or_else(|| reply.header("x-amz-request-id"));
            problem.request_id = header.unwrap_or_default().to_string();
        }
        problem
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct XmlProblem {
    errors: XmlErrors,
    error: XmlError,
    #[serde(alias = "RequestID")]
    request_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct XmlErrors {
    error: Vec<XmlError>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct XmlError {
    code: String,
    message: String,
}

impl XmlProblem {
    fn into_problem(self) -> Problem {
        let XmlError { code, message } = self.errors.error.into_iter().next().unwrap_or(self.error);
        Problem { code, message, request_id: self.request_id }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JsonProblem {
    #[serde(rename = "__type", deserialize_with = "nullable")]
    kind: String,
    #[serde(alias = "Message", deserialize_with = "nullable")]
    message: String,
}

impl JsonProblem {
    /// Drops the namespace that may precede the type.
    fn into_problem(self) -> Problem {
        let code = self.kind.rsplit('#').next().unwrap_or_default().to_string();
        Problem { code, message: self.message, request_id: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn reply(body: &str) -> Reply {
        Reply { status: 400, headers: HeaderMap::new(), body: Bytes::from(body.to_string()) }
    }

    #[test]
    fn codes_have_kinds() {
        use ErrorClass::{
            Authentication, Capacity, Conflict, InvalidConfig, NotFound, QuotaExceeded, RateLimit,
            Unavailable,
        };
        let busy = Conflict { retryable: true };
        let refused = Conflict { retryable: false };
        let table = [
            ("AuthFailure", Authentication, None),
            ("UnauthorizedOperation", Authentication, None),
            ("InvalidClientTokenId", Authentication, None),
            ("SignatureDoesNotMatch", Authentication, None),
            ("RequestExpired", Authentication, None),
            ("OptInRequired", Authentication, None),
            ("RequestLimitExceeded", RateLimit, None),
            ("Throttling", RateLimit, None),
            ("SnapshotCreationPerVolumeRateExceeded", RateLimit, None),
            ("InvalidInstanceID.NotFound", NotFound, None),
            ("InvalidAMIID.NotFound", NotFound, Some("image")),
            ("InvalidAMIID.Unavailable", NotFound, Some("image")),
            ("InvalidSnapshot.NotFound", NotFound, None),
            ("VcpuLimitExceeded", QuotaExceeded, None),
            ("InstanceLimitExceeded", QuotaExceeded, None),
            ("PendingSnapshotLimitExceeded", QuotaExceeded, None),
            ("TagLimitExceeded", QuotaExceeded, None),
            ("InsufficientFreeAddressesInSubnet", QuotaExceeded, None),
            ("FilterLimitExceeded", InvalidConfig, None),
            ("InvalidParameterValue", InvalidConfig, None),
            ("InvalidParameterCombination", InvalidConfig, None),
            ("MissingParameter", InvalidConfig, None),
            ("UnknownParameter", InvalidConfig, None),
            ("ValidationError", InvalidConfig, None),
            ("InvalidInstanceType", InvalidConfig, Some("size")),
            ("Unsupported", InvalidConfig, Some("size")),
            ("UnsupportedOperation", InvalidConfig, None),
            ("InvalidInstanceID.Malformed", InvalidConfig, Some("id")),
            ("InvalidAMIID.Malformed", InvalidConfig, Some("image")),
            ("InvalidKeyPair.NotFound", InvalidConfig, Some("ssh_keys")),
            ("InvalidGroup.NotFound", InvalidConfig, Some("security_group")),
            ("InvalidSubnetID.NotFound", InvalidConfig, Some("subnet")),
            ("VPCIdNotSpecified", InvalidConfig, Some("subnet")),
            ("TagPolicyViolation", InvalidConfig, Some("labels")),
            ("InvalidUserData.Malformed", InvalidConfig, Some("user_data")),
            ("IncorrectInstanceState", refused, None),
            ("InvalidAMIName.Duplicate", refused, None),
            ("IdempotentParameterMismatch", refused, None),
            ("IdempotentInstanceTerminated", refused, None),
            ("OperationNotPermitted", refused, None),
            ("InvalidSnapshot.InUse", busy, None),
            ("ConcurrentCreateImageNoRebootLimitExceeded", busy, None),
            ("InsufficientInstanceCapacity", Capacity, None),
            ("InsufficientAddressCapacity", Capacity, None),
            ("UnfulfillableCapacity", Capacity, None),
            ("InternalError", Unavailable, None),
            ("Unavailable", Unavailable, None),
        ];
        for (code, fault, field) in table {
            assert_eq!(of_code(code), (Some(fault), field), "{code}");
        }
        for code in ["", "SomethingNew"] {
            assert_eq!(of_code(code), (None, None), "{code}");
        }
    }

    #[test]
    fn what_a_zone_does_not_have_others_may() {
        for (message, fault, field) in [
            (
                "Your requested instance type (t3.micro) is not supported in your requested \
                 Availability Zone (us-east-1e). Please \
                 retry your request by not specifying an Availability Zone or choosing us-east-1a, \
                 us-east-1b.",
                ErrorClass::Capacity,
                None,
            ),
            (
                "The requested configuration is currently not supported.",
                ErrorClass::InvalidConfig,
                Some("size"),
            ),
        ] {
            let error = format!("<Code>Unsupported</Code><Message>{message}</Message>");
            let refusal = refusal(&reply(&format!(
                "<Response><Errors><Error>{error}</Error></Errors></Response>"
            )));
            assert_eq!(
                (refusal.fault, refusal.field.as_deref()),
                (Some(fault), field),
                "{message}"
            );
        }
    }

    #[test]
    fn a_clock_that_is_wrong_is_named_where_a_signature_is_refused() {
        let told = |code: &str, minutes: i64| {
            let mut reply = reply(&format!(
                "<Response><Errors><Error><Code>{code}</Code><Message>m</Message></Error>\
                 </Errors></Response>"
            ));
            let date =
                (Utc::now() + TimeDelta::minutes(minutes) + TimeDelta::seconds(20)).to_rfc2822();
            reply.headers.insert("date", date.parse().unwrap());
            refusal(&reply).message.unwrap()
        };
        assert_eq!(
            told("RequestExpired", 17),
            "m (this computer's clock is 17 minutes behind AWS's: correct it)"
        );
        assert_eq!(
            told("AuthFailure", -31),
            "m (this computer's clock is 30 minutes ahead of AWS's: correct it)"
        );
        assert_eq!(told("RequestExpired", 2), "m", "keys of a session that has ended");
        assert_eq!(told("InstanceLimitExceeded", 17), "m", "no signature");
    }

    #[test]
    fn problems_are_read_in_each_form() {
        let table = [
            (
                "<?xml version='1.0'?><Response><Errors><Error><Code>A</Code>\
                 <Message>\n  m</Message></Error></Errors><RequestID>r</RequestID></Response>",
                ("A", "\n  m", "r"),
            ),
            (
                "<ErrorResponse \
                 xmlns='x'><Error><Type>Sender</Type><Code>A</Code><Message>m</Message></Error>\
                 <RequestId>r</RequestId></ErrorResponse>",
                ("A", "m", "r"),
            ),
            (r#"{"__type": "com.amazonaws.ssm#A", "Message": "m"}"#, ("A", "m", "")),
            (r#"{"__type": "A", "message": "m"}"#, ("A", "m", "")),
            ("<html><Error><Code>A</Code></Error></html>", ("", "", "")),
            ("", ("", "", "")),
        ];
        for (body, expected) in table {
            let problem = Problem::read(&reply(body));
            assert_eq!(
                (problem.code.trim(), problem.message.trim(), problem.request_id.as_str()),
                { (expected.0, expected.1.trim(), expected.2) }
            );
        }
    }
}
