//! What a failed call of the engine says: about the engine's state, and to whoever must do something.

use std::error::Error as _;
use std::io;

use bollard::errors::Error;

use super::NAME;
use super::engine::Ask;
use crate::http::Failure;
use crate::provider::error::{ErrorContext, NetworkError, ProviderError};

/// Sorts a failed call of the engine at that place.
pub(super) fn failure(error: Error, place: &str, ask: &Ask<'_>) -> Failure {
    match error {
        Error::DockerResponseServerError { status_code, message } => refused(status_code, message.trim(), ask),
        Error::DockerStreamError { error } => refused(500, error.trim(), ask),
        Error::SocketNotFoundError(_) => Failure::NotSent(no_socket(place)),
        Error::UnsupportedURISchemeError { .. }
        | Error::InvalidURIError { .. }
        | Error::InvalidURIPartsError { .. }
        | Error::URLParseError { .. } => Failure::NotSent(ProviderError::invalid_config("endpoint", format!("{place}: {error}"))),
        Error::RequestTimeoutError => Failure::Unknown(ProviderError::timeout(ask.operation, std::time::Duration::ZERO)),
        Error::HyperLegacyError { ref err } if err.is_connect() => Failure::NotSent(unreachable(error, place)),
        Error::CertPathError { .. } | Error::CertParseError { .. } | Error::CertMultipleKeys { .. } | Error::NoHomePathError => {
            Failure::NotSent(ProviderError::invalid_config("endpoint", format!("{place}: {error}; see DOCKER_CERT_PATH")))
        }
        Error::JsonDataError { .. } | Error::JsonSerdeError { .. } => {
            let message = format!("the engine's reply cannot be read: {error}");
            Failure::Unknown(ProviderError::api(200, message).with_context(ErrorContext::new(NAME)))
        }
        error => {
            let broken = NetworkError::new(format!("the engine at {place} broke off"), error);
            Failure::Unknown(ProviderError::Network(broken))
        }
    }
}

/// Whether there was no reply, or one in words that the client does not know.
pub(super) fn may_be_read_again(error: &ProviderError) -> bool {
    matches!(error, ProviderError::Network(_) | ProviderError::Api { status: 200, .. })
}

/// What the engine has refused. An engine's 500 is its own word, not that of something between: the call has failed.
fn refused(status: u16, message: &str, ask: &Ask<'_>) -> Failure {
    let context = ErrorContext::new(NAME).with_status(status);
    let full = ["no space left on device", "disk quota exceeded", "not enough space"].iter().any(|words| message.contains(words));
    let error = match (status, ask.subject) {
        _ if full => ProviderError::quota("disk", format!("{message}{context}; make room, such as by `docker system prune`")),
        // A network, or what else it needs, may be what is not there.
        (404, Some(("instance", _))) if !message.is_empty() && !message.to_ascii_lowercase().contains("no such container") => {
            ProviderError::api(status, message)
        }
        (404, Some((resource_type, id))) => ProviderError::not_found(resource_type, id),
        (400, _) => ProviderError::invalid_config("request", format!("{message}{context}")),
        (401 | 403, _) => ProviderError::auth(NAME, format!("{message}{context}")),
        // Podman has no other status for it.
        (409, _) | (500, None) if message.contains("already in use") => ProviderError::conflict(message, false),
        (409, _) => ProviderError::conflict(message, message.contains("already in progress")),
        (502..=504, _) => return Failure::Unknown(ProviderError::unavailable(message).with_context(context)),
        _ => ProviderError::api(status, message),
    };
    Failure::Rejected(error.with_context(context))
}

/// What a message of the engine is about, by words in it.
const FIELDS: [(&str, &str); 8] = [
    ("cpus", "size"),
    ("memory limit", "size"),
    ("no such image", "image"),
    ("volume", "mounts"),
    ("bind source", "mounts"),
    ("mount", "mounts"),
    ("port ", "ports"),
    ("network", "region"),
];

/// A container that cannot be made, in the words of the request.
pub(super) fn of_create(failure: Failure) -> Failure {
    match failure {
        Failure::Rejected(ProviderError::InvalidConfig { message, .. } | ProviderError::Api { status: 404, message, .. }) => {
            let said = message.to_ascii_lowercase();
            let field = FIELDS.iter().find(|(word, _)| said.contains(word)).map_or("request", |(_, field)| field);
            Failure::Rejected(ProviderError::invalid_config(field, message))
        }
        failure => failure,
    }
}

/// A container that cannot be started, in the words of the request.
pub(super) fn of_start(error: ProviderError) -> ProviderError {
    let (ProviderError::Api { message, .. }
    | ProviderError::InvalidConfig { message, .. }
    | ProviderError::Conflict { message, .. }) = &error
    else {
        return error;
    };
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["port is already allocated", "address already in use"]) {
        ProviderError::invalid_config("ports", format!("{message}; choose another port of this computer, or none, to have any"))
    } else {
        error
    }
}

/// There is no socket, or none that may be seen.
fn no_socket(place: &str) -> ProviderError {
    match std::fs::metadata(place.trim_start_matches("unix://")) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => forbidden(place),
        _ => absent(place, "there is no socket"),
    }
}

/// No connection came about.
fn unreachable(error: Error, place: &str) -> ProviderError {
    if place.starts_with("ssh://") {
        let message = format!(
            "no engine answers at {place}: see that `ssh` takes you there without a question, and that `docker version` works there"
        );
        return ProviderError::Network(NetworkError::new(message, error));
    }
    let mut cause = error.source();
    let kind = loop {
        match cause {
            Some(error) => match error.downcast_ref::<io::Error>() {
                Some(error) => break Some(error.kind()),
                None => cause = error.source(),
            },
            None => break None,
        }
    };
    match kind {
        Some(io::ErrorKind::PermissionDenied) => forbidden(place),
        Some(io::ErrorKind::NotFound) => absent(place, "there is no socket"),
        Some(io::ErrorKind::ConnectionRefused) => absent(place, "nobody listens"),
        _ => absent(place, error),
    }
}

fn forbidden(place: &str) -> ProviderError {
    let message = format!(
        "no permission to use {place}: join the group that owns the socket (`sudo usermod -aG docker $USER`, then log in again), or \
         use an engine of your own (rootless Docker or Podman)"
    );
    ProviderError::auth(NAME, message)
}

fn absent(place: &str, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ProviderError {
    let message = format!(
        "no engine answers at {place}: start Docker, or Podman's service (`systemctl start docker`, `podman system service`), or \
         name another engine by the endpoint or DOCKER_HOST"
    );
    ProviderError::Network(NetworkError::new(message, why))
}
