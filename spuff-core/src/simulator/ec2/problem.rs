//! Refusals in EC2's format: XML with a code, which identifies the error.
//!
//! The statuses are those observed in practice: 400 for nearly everything, 500 for lack of
//! capacity.

use std::borrow::Cow;

use super::super::backend::{Answer, Refusal};
use super::xml::Xml;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: u16,
    pub(super) code: Cow<'static, str>,
    pub(super) message: String,
}

/// The result of an action.
pub(super) type Outcome<T> = Result<T, Problem>;

impl Problem {
    pub(super) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into() }
    }

    pub(super) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// A required parameter is missing.
    pub(super) fn missing(parameter: &str) -> Self {
        Self::new("MissingParameter", format!("The request must contain the parameter {parameter}"))
    }

    /// A value is invalid.
    pub(super) fn value(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    pub(super) fn combination(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterCombination", message)
    }

    /// The credentials are invalid.
    pub(super) fn auth() -> Self {
        Self::new("AuthFailure", "AWS was not able to validate the provided access credentials")
            .with_status(401)
    }

    /// The request is not signed.
    pub(super) fn unsigned() -> Self {
        Self::missing("AWSAccessKeyId")
    }

    /// The refusals that all clouds have, in EC2's format.
    pub(super) fn of(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unauthorized => Self::auth(),
            Refusal::RateLimited { .. } => {
                Self::new("RequestLimitExceeded", "Request limit exceeded.").with_status(503)
            }
            Refusal::ServerError(status @ 503) => {
                Self::new("Unavailable", "The server is overloaded and can't handle the request.")
                    .with_status(status)
            }
            Refusal::ServerError(status) => {
                Self::new("InternalError", "An internal error has occurred").with_status(status)
            }
        }
    }

    /// Builds the reply in EC2's format.
    pub(super) fn into_answer(self, request_id: &str) -> Answer {
        let mut xml = Xml::root("Response", "");
        xml.within("Errors", |xml| xml.within("Error", |xml| self.write(xml)));
        xml.text("RequestID", request_id);
        Answer::new(self.status, xml.finish("Response"))
    }

    /// Builds the reply in the format of STS.
    pub(super) fn into_sts_answer(self, request_id: &str) -> Answer {
        let mut xml = Xml::root("ErrorResponse", super::xml::STS);
        xml.within("Error", |xml| {
            xml.text("Type", if self.status < 500 { "Sender" } else { "Receiver" });
            self.write(xml);
        });
        xml.text("RequestId", request_id);
        Answer::new(self.status, xml.finish("ErrorResponse"))
    }

    fn write(&self, xml: &mut Xml) {
        xml.text("Code", &self.code);
        xml.text("Message", &self.message);
    }
}
