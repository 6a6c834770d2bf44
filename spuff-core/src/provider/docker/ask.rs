//! One call of the engine: what it is for, what it is about, and how long it may take.

use std::time::Duration;

/// What a call is for, what it is about, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) operation: &'static str,
    pub(super) subject: Option<(&'static str, &'a str)>,
    pub(super) limit: Option<Duration>,
    /// What else may help, where no engine answers.
    pub(super) hint: &'a str,
}

impl<'a> Ask<'a> {
    pub(super) fn of(operation: &'static str) -> Self {
        Self { operation, subject: None, limit: None, hint: "" }
    }

    pub(super) fn about(self, resource_type: &'static str, id: &'a str) -> Self {
        Self { subject: Some((resource_type, id)), ..self }
    }

    /// For longer than an ordinary call takes.
    pub(super) fn within(self, limit: Duration) -> Self {
        Self { limit: Some(limit), ..self }
    }
}
