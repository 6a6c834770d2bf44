//! Refusals in DigitalOcean's format.

use std::borrow::Cow;

use serde_json::{Value, json};

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: u16,
    id: &'static str,
    message: Cow<'static, str>,
}

impl Problem {
    fn new(status: u16, id: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, id, message: message.into() }
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "not_found", "The resource you were accessing could not be found.")
    }

    /// The request cannot be parsed.
    pub(super) fn malformed(why: impl AsRef<str>) -> Self {
        Self::new(
            400,
            "bad_request",
            format!("your request is malformed, please check your syntax: {}", why.as_ref()),
        )
    }

    /// The request is well-formed but invalid.
    pub(super) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "bad_request", message)
    }

    /// The request cannot be carried out.
    pub(super) fn refused(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(422, "unprocessable_entity", message)
    }

    pub(super) fn forbidden() -> Self {
        Self::new(403, "forbidden", "You do not have access for the attempted action.")
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, "unauthorized", "Unable to authenticate you.")
    }

    pub(super) fn too_many_requests() -> Self {
        Self::new(429, "too_many_requests", "API rate limit exceeded.")
    }

    pub(super) fn server_error(status: u16) -> Self {
        Self::new(status, "server_error", "Unexpected server-side error")
    }

    /// A pending action has to end first.
    pub(super) fn busy(what: &str) -> Self {
        Self::refused(format!("{what} already has a pending event."))
    }

    pub(super) fn no_size_here() -> Self {
        Self::refused("Size is not available in this region.")
    }

    pub(super) fn droplet_limit() -> Self {
        Self::refused("creating this/these droplet(s) will exceed your droplet limit")
    }

    /// `listed`: in the format of the tag service, which it uses for invalid requests.
    pub(super) fn body(&self, request_id: &str, listed: bool) -> Value {
        if listed && self.status == 400 {
            return json!({"error": self.id, "messages": [self.message], "root_causes": []});
        }
        json!({"id": self.id, "message": self.message, "request_id": request_id})
    }
}
