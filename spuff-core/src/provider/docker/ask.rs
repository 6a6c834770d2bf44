//! One call of the engine: its operation, subject and time limit.

use crate::provider::operation::Operation;
use std::time::Duration;

/// The operation, subject and time limit of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) operation: Operation,
    pub(super) subject: Option<(&'static str, &'a str)>,
    pub(super) limit: Option<Duration>,
    /// Hint for the error if no engine answers.
    pub(super) hint: &'a str,
}

impl<'a> Ask<'a> {
    pub(super) fn of(operation: Operation) -> Self {
        Self { operation, subject: None, limit: None, hint: "" }
    }

    pub(super) fn about(self, resource_type: &'static str, id: &'a str) -> Self {
        Self { subject: Some((resource_type, id)), ..self }
    }

    /// Allows more time than an ordinary call takes.
    pub(super) fn within(self, limit: Duration) -> Self {
        Self { limit: Some(limit), ..self }
    }
}
