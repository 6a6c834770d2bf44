//! Maps failed calls of the engine to errors that say whether it acted, and what the user can do.

use std::error::Error as _;
use std::io;

use bollard::errors::Error;
use tracing::debug;

use super::NAME;
use super::ask::Ask;
use crate::create::Ending;
use crate::http::{Failure, tidy};
use crate::provider::error::{ErrorContext, NetworkError, ProviderError};

/// Maps a failed call of the engine at `place`.
pub(super) fn failure(error: Error, place: &str, ask: &Ask<'_>) -> Failure {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            refused(status_code, message.trim(), ask)
        }
        Error::DockerStreamError { error } => refused(500, error.trim(), ask),
        Error::SocketNotFoundError(_) => Failure::NotSent(no_socket(place, ask.hint)),
        Error::UnsupportedURISchemeError { .. }
        | Error::InvalidURIError { .. }
        | Error::InvalidURIPartsError { .. }
        | Error::URLParseError { .. } => {
            Failure::NotSent(ProviderError::invalid_config("endpoint", format!("{place}: {error}")))
        }
        Error::RequestTimeoutError => {
            Failure::Unknown(ProviderError::timeout(ask.operation, std::time::Duration::ZERO))
        }
        Error::HyperLegacyError { ref err } if err.is_connect() => {
            Failure::NotSent(unreachable(error, place, ask.hint))
        }
        Error::CertPathError { .. }
        | Error::CertParseError { .. }
        | Error::CertMultipleKeys { .. }
        | Error::NoHomePathError => Failure::NotSent(ProviderError::invalid_config(
            "endpoint",
            format!("{place}: {error}; see cert_path or DOCKER_CERT_PATH"),
        )),
        Error::JsonDataError { .. } | Error::JsonSerdeError { .. } => {
            let message = format!("the engine's reply cannot be read: {error}");
            Failure::Unknown(
                ProviderError::not_the_api(200, message).with_context(ErrorContext::new(NAME)),
            )
        }
        error => {
            let broken =
                NetworkError::new(format!("the engine at {place} closed the connection"), error);
            Failure::Unknown(ProviderError::Network(broken))
        }
    }
}

/// Whether a read may be retried: there was no reply, or one that the client cannot parse.
pub(super) fn may_be_read_again(error: &ProviderError) -> bool {
    matches!(error, ProviderError::Network(_) | ProviderError::Api { retryable: true, .. })
}

/// Whether an engine failed during a removal: it conflicts with itself, such as Podman with a start
/// or a stop, or the instance's files are still in use. Another request completes the removal.
pub(super) fn is_half_removed(error: &ProviderError) -> bool {
    matches!(error, ProviderError::Api { status: 500, retryable: false, .. })
}

/// Maps a refusal. A 500 comes from the engine itself, not from a proxy: the call has failed.
fn refused(status: u16, message: &str, ask: &Ask<'_>) -> Failure {
    let context = ErrorContext::new(NAME).with_status(status);
    // Cleaned for display.
    let said = tidy(message, &[]);
    debug!(
        operation = ask.operation.as_str(),
        provider = NAME,
        status,
        message = said,
        "the engine refused the request"
    );
    let full = ["no space left on device", "disk quota exceeded", "not enough space"]
        .iter()
        .any(|words| message.contains(words));
    let error = match (status, ask.subject) {
        _ if full => ProviderError::quota(
            "disk",
            format!("{said}; free some space, for example with `docker system prune`"),
        ),
        // Podman replies 500 if the resource disappears during the request.
        (404, Some((resource_type, id))) if says_absent(resource_type, message) => {
            ProviderError::not_found(resource_type, id)
        }
        (500, Some((resource_type, id)))
            if !message.is_empty() && says_absent(resource_type, message) =>
        {
            ProviderError::not_found(resource_type, id)
        }
        _ if is_strange(status, message) => {
            let words = if message.is_empty() {
                "an empty reply"
            } else {
                "a page that is not the engine's"
            };
            let error = ProviderError::not_the_api(
                status,
                format!("{words}; check that the endpoint is the engine's"),
            );
            return Failure::Unknown(error.with_context(context));
        }
        (400, _) => ProviderError::invalid_config("request", format!("{said}{context}")),
        (401 | 403, _) => ProviderError::auth(NAME, said),
        // Podman replies 500 in this case.
        (409, _) | (500, None) if message.contains("already in use") => {
            let passes = holder(message).is_some_and(|id| Ending::is_of(NAME, id));
            ProviderError::conflict(said, passes)
        }
        (409, _) => ProviderError::conflict(said, message.contains("already in progress")),
        (502..=504, _) => {
            return Failure::Unknown(ProviderError::unavailable(said).with_context(context));
        }
        _ => ProviderError::api(status, said),
    };
    Failure::Rejected(error.with_context(context))
}

/// Returns the id of the container that has the name of a create, which stands behind that name. A
/// container that this process is destroying may hold its name for longer than the engine shows it.
fn holder(message: &str) -> Option<&str> {
    let is_id = |word: &&str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    message.split(|c: char| !c.is_ascii_alphanumeric()).rfind(is_id)
}

/// Whether the engine says that this resource is absent: a 404 may also mean a network or another
/// dependency.
fn says_absent(resource_type: &str, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    match resource_type {
        "instance" => message.contains("no such container"),
        // The second is Podman's.
        "image" | "snapshot" => {
            message.contains("no such image") || message.contains("image not known")
        }
        "network" => message.contains("network") && message.contains("not found"),
        // A HEAD asks for it, whose reply has no message.
        "file" => {
            message.is_empty()
                || message.contains("no such file")
                || message.contains("could not find the file")
        }
        _ => false,
    }
}

/// Whether a refusal comes from a proxy: the engine always gives a reason.
fn is_strange(status: u16, message: &str) -> bool {
    (400..500).contains(&status)
        && status != 429
        && (message.is_empty() || message.starts_with('<') || message == GO_ABSENT)
}

/// Default reply of Go servers to an unknown path.
const GO_ABSENT: &str = "404 page not found";

/// Request fields, by words in the engine's message.
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

/// Maps a failed create of a container to a field of the request.
pub(super) fn of_create(failure: Failure) -> Failure {
    match failure {
        Failure::Rejected(
            ProviderError::InvalidConfig { message, .. }
            | ProviderError::Api { status: 404, message, .. },
        ) => {
            let said = message.to_ascii_lowercase();
            let field = FIELDS
                .iter()
                .find(|(word, _)| said.contains(word))
                .map_or("request", |(_, field)| field);
            Failure::Rejected(ProviderError::invalid_config(field, message))
        }
        failure => failure,
    }
}

/// Maps a failed start of a container to a field of the request.
pub(super) fn of_start(error: ProviderError) -> ProviderError {
    let (ProviderError::Api { message, .. }
    | ProviderError::InvalidConfig { message, .. }
    | ProviderError::Conflict { message, .. }) = &error
    else {
        return error;
    };
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["port is already allocated", "address already in use"]) {
        ProviderError::invalid_config(
            "ports",
            format!("{message}; choose another port of this computer, or none, to have any"),
        )
    } else {
        error
    }
}

/// The socket does not exist, or may not be seen.
fn no_socket(place: &str, hint: &str) -> ProviderError {
    match std::fs::metadata(place.trim_start_matches("unix://")) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => forbidden(place, hint),
        _ => absent(place, hint, "there is no socket"),
    }
}

/// The connection failed.
fn unreachable(error: Error, place: &str, hint: &str) -> ProviderError {
    if place.starts_with("ssh://") {
        let message = format!(
            "no engine answers at {place}: check that `ssh` connects there without a prompt, and \
             that `docker version` works there"
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
        Some(io::ErrorKind::PermissionDenied) => forbidden(place, hint),
        Some(io::ErrorKind::NotFound) => absent(place, hint, "there is no socket"),
        Some(io::ErrorKind::ConnectionRefused) => absent(place, hint, "nothing listens"),
        _ => absent(place, hint, error),
    }
}

fn forbidden(place: &str, hint: &str) -> ProviderError {
    let message = format!(
        "no permission to use {place}: join the group that owns the socket (`sudo usermod -aG \
         docker $USER`, then log in again), or \
         use an engine of your own (rootless Docker or Podman){hint}"
    );
    ProviderError::auth(NAME, message)
}

fn absent(
    place: &str,
    hint: &str,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> ProviderError {
    let message = format!(
        "no engine answers at {place}: start Docker, or Podman's service (`systemctl start \
         docker`, `podman system service`), or \
         name another engine by the endpoint or DOCKER_HOST{hint}"
    );
    ProviderError::Network(NetworkError::new(message, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::operation::Operation;

    fn told(resource_type: &'static str, status: u16, message: &str) -> Failure {
        let error =
            Error::DockerResponseServerError { status_code: status, message: message.to_string() };
        failure(
            error,
            "unix:///run/docker.sock",
            &Ask::of(Operation::GetInstance).about(resource_type, "it"),
        )
    }

    #[test]
    fn the_status_is_shown_once() {
        for (status, message, expected) in [
            (403, "no", "docker: authentication failed: no (HTTP 403)"),
            (
                500,
                "no space left on device",
                "quota exceeded for disk: no space left on device; free some space, for example \
                 with `docker system prune` (docker, HTTP 500)",
            ),
            (400, "no", "invalid request: no (docker, HTTP 400)"),
            (500, "no", "the cloud returned an error: no (docker, HTTP 500)"),
        ] {
            let Failure::Rejected(error) = told("instance", status, message) else { panic!() };
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn only_the_engines_own_words_say_that_what_was_asked_for_is_not_there() {
        for (resource_type, message) in [
            ("instance", "No such container: it"),
            ("instance", "no container with name or ID \"it\" found: no such container"),
            ("image", "No such image: it:latest"),
            ("snapshot", "failed to find image it: it: image not known"),
            ("network", "network it not found"),
            ("network", "unable to find network with name or ID it: network not found"),
            ("file", ""),
        ] {
            let failure = told(resource_type, 404, message);
            assert!(
                matches!(failure, Failure::Rejected(ProviderError::NotFound { .. })),
                "{message}: {failure:?}"
            );
        }
        // The instance disappeared while the engine read it.
        let failure =
            told("instance", 500, "container it does not exist in database: no such container");
        assert!(
            matches!(failure, Failure::Rejected(ProviderError::NotFound { .. })),
            "{failure:?}"
        );
        let failure = told("file", 500, "");
        assert!(matches!(failure, Failure::Rejected(ProviderError::Api { .. })), "{failure:?}");
        // Another resource is absent.
        for (resource_type, message) in [
            ("instance", "network it not found"),
            ("instance", "No such image: it:latest"),
            ("snapshot", "No such container: it"),
            (
                "image",
                "pull access denied for it, repository does not exist or may require 'docker \
                 login'",
            ),
        ] {
            let failure = told(resource_type, 404, message);
            assert!(
                matches!(failure, Failure::Rejected(ProviderError::Api { retryable: false, .. })),
                "{message}: {failure:?}"
            );
        }
        for (status, message) in [
            (404, ""),
            (404, "404 page not found\n"),
            (404, "<html>nginx</html>"),
            (403, "<html>no</html>"),
        ] {
            for resource_type in ["instance", "snapshot", "image", "network"] {
                let failure = told(resource_type, status, message);
                assert!(
                    matches!(failure, Failure::Unknown(_)) && failure.error().is_transient(),
                    "{message}: {failure:?}"
                );
            }
        }
    }

    #[test]
    fn a_removal_at_which_the_engine_has_failed_is_tried_again() {
        for (status, message, expected) in [
            (
                500,
                "cannot remove container it as it could not be stopped: container state improper: \
                 stopped",
                true,
            ),
            (
                500,
                "container it: driver \"overlay2\" failed to remove root filesystem: unlinkat \
                 merged: directory not empty",
                true,
            ),
            (
                500,
                "container it: driver \"overlay2\" failed to remove root filesystem: device or \
                 resource busy",
                true,
            ),
            (400, "bad parameter", false),
            (403, "not allowed", false),
        ] {
            let Failure::Rejected(error) = told("instance", status, message) else {
                panic!("{message}")
            };
            assert_eq!(is_half_removed(&error), expected, "{message}");
        }
    }

    #[test]
    fn a_name_that_a_container_being_destroyed_here_holds_becomes_free() {
        let id = "1caf8399018955b2962582707f586df5eca8cea5299bd4876d1ad54a76908119";
        let name = id.replace('1', "0");
        let message = format!(
            "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You \
             have to remove (or rename) that container to be able to reuse that name."
        );
        let passes = || match told("name", 409, &message) {
            Failure::Rejected(ProviderError::Conflict { retryable, .. }) => retryable,
            other => panic!("{other:?}"),
        };
        assert!(!passes(), "somebody else's");
        let another = Ending::begin(NAME, &name);
        assert!(!passes(), "the name is no id");
        drop(another);
        let ending = Ending::begin(NAME, id);
        assert!(passes());
        drop(ending);
        assert!(!passes());
    }
}
