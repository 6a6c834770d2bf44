//! Calls of the engine: where it is, how long a call may take, and what a failed one says.

use std::env;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use tokio::sync::OnceCell;

use super::refusal;
use crate::http::{Failure, without};
use crate::provider::config::{ProviderConfig, ProviderTimeouts};
use crate::provider::error::{ProviderError, ProviderResult};

/// The client's own limit on a call; those that are told here are shorter.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How often, and after what time, something is read again.
pub(super) const AGAIN: usize = 20;
pub(super) const MOMENT: Duration = Duration::from_millis(100);

/// What a call is for, what it is about, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) operation: &'static str,
    pub(super) subject: Option<(&'static str, &'a str)>,
    limit: Option<Duration>,
}

impl<'a> Ask<'a> {
    pub(super) fn of(operation: &'static str) -> Self {
        Self { operation, subject: None, limit: None }
    }

    pub(super) fn about(self, resource_type: &'static str, id: &'a str) -> Self {
        Self { subject: Some((resource_type, id)), ..self }
    }

    /// For longer than an ordinary call takes.
    pub(super) fn within(self, limit: Duration) -> Self {
        Self { limit: Some(limit), ..self }
    }
}

/// An engine.
pub(super) struct Engine {
    /// Where it is; found at the first call where nobody has said it.
    endpoint: Option<String>,
    timeouts: ProviderTimeouts,
    /// What no message may repeat.
    secrets: Vec<String>,
    /// Opens a connection for each call, so that any runtime may use it; to `ssh://` it keeps them.
    docker: OnceCell<Docker>,
}

impl Engine {
    pub(super) fn new(config: &ProviderConfig, secrets: Vec<String>) -> ProviderResult<Self> {
        let named = config.endpoint.clone().filter(|endpoint| !endpoint.trim().is_empty());
        let endpoint = named.or_else(|| env::var("DOCKER_HOST").ok().filter(|host| !host.trim().is_empty()));
        let endpoint = endpoint.map(|endpoint| check_endpoint(&endpoint)).transpose()?;
        Ok(Self { endpoint, timeouts: config.timeouts, secrets, docker: OnceCell::new() })
    }

    pub(super) fn timeouts(&self) -> &ProviderTimeouts {
        &self.timeouts
    }

    /// Does something with the engine.
    ///
    /// # Errors
    /// Those of the engine, and a timeout, with what they say about what was done.
    pub(super) async fn call<T, F>(&self, ask: Ask<'_>, work: impl FnOnce(Docker) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        let limit = ask.limit.unwrap_or(self.timeouts.http_request);
        let late = |operation| move |_| ProviderError::timeout(operation, limit);
        let docker = tokio::time::timeout(limit, self.docker()).await.map_err(late("connect")).map_err(Failure::NotSent)??;
        let done = tokio::time::timeout(limit, work(docker)).await.map_err(late(ask.operation)).map_err(Failure::Unknown)?;
        done.map_err(|error| refusal::failure(self.discreet(error), &self.place(), &ask))
    }

    fn discreet(&self, error: Error) -> Error {
        let without = |text: &str| without(text, self.secrets.iter().map(String::as_str));
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                Error::DockerResponseServerError { status_code, message: without(&message) }
            }
            Error::DockerStreamError { error } => Error::DockerStreamError { error: without(&error) },
            error => error,
        }
    }

    /// Reads something; again when the connection breaks off. Podman 4 has states for a moment for which the API has no word:
    /// what cannot be read is read again.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub(super) async fn read<T, F>(&self, ask: Ask<'_>, work: impl Fn(Docker) -> F) -> ProviderResult<T>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        for _ in 0..AGAIN {
            match self.call(ask, &work).await {
                Err(Failure::Unknown(error)) if refusal::may_be_read_again(&error) => tokio::time::sleep(MOMENT).await,
                done => return Ok(done?),
            }
        }
        Ok(self.call(ask, work).await?)
    }

    /// The client, which speaks a version of the API that the engine knows.
    async fn docker(&self) -> Result<Docker, Failure> {
        let connect = || async {
            let docker = Docker::connect_with_host(&self.place())?.with_timeout(LONGEST);
            docker.negotiate_version().await
        };
        let docker = self.docker.get_or_try_init(connect).await;
        // Asking for the version changes nothing.
        docker.cloned().map_err(|error| match refusal::failure(error, &self.place(), &Ask::of("connect")) {
            Failure::Unknown(error) => Failure::NotSent(error),
            failure => failure,
        })
    }

    /// Whether the engine is Podman's.
    pub(super) async fn is_podman(&self) -> ProviderResult<bool> {
        let version = self.read(Ask::of("version"), |docker| async move { docker.version().await }).await?;
        Ok(version.components.unwrap_or_default().iter().any(|component| component.name.contains("Podman")))
    }

    /// Where the engine is.
    pub(super) fn place(&self) -> String {
        self.endpoint.clone().unwrap_or_else(|| {
            let found = sockets().into_iter().find(|socket| socket.exists());
            format!("unix://{}", found.as_deref().unwrap_or(Path::new(DEFAULT_SOCKET)).display())
        })
    }
}

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Where engines listen by default: the system's Docker, a user's own, Docker Desktop, and Podman.
fn sockets() -> Vec<PathBuf> {
    let below = |variable: &str, path: &str| env::var_os(variable).map(|folder| Path::new(&folder).join(path));
    let known = [
        Some(PathBuf::from(DEFAULT_SOCKET)),
        below("XDG_RUNTIME_DIR", "docker.sock"),
        below("HOME", ".docker/run/docker.sock"),
        below("XDG_RUNTIME_DIR", "podman/podman.sock"),
        Some(PathBuf::from("/run/podman/podman.sock")),
    ];
    known.into_iter().flatten().collect()
}

fn check_endpoint(endpoint: &str) -> ProviderResult<String> {
    let endpoint = endpoint.trim();
    let schemes: &[&str] =
        if cfg!(windows) { &["npipe", "tcp", "http", "https", "ssh"] } else { &["unix", "tcp", "http", "https", "ssh"] };
    // A path by itself is a socket.
    if endpoint.starts_with('/') {
        return Ok(format!("unix://{endpoint}"));
    }
    match endpoint.split_once("://") {
        Some((scheme, rest)) if schemes.contains(&scheme) && !rest.is_empty() => Ok(endpoint.to_string()),
        _ => {
            let message =
                format!("{endpoint:?} is no engine: give {}:// and a path or host, as DOCKER_HOST has it", schemes.join("://, "));
            Err(ProviderError::invalid_config("endpoint", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        assert_eq!(check_endpoint(" /run/docker.sock ").unwrap(), "unix:///run/docker.sock");
        for endpoint in ["unix:///run/docker.sock", "tcp://127.0.0.1:2375", "ssh://me@host", "https://host:2376"] {
            assert_eq!(check_endpoint(endpoint).unwrap(), endpoint);
        }
        for endpoint in ["docker", "unix://", "ftp://host", "localhost:2375"] {
            let error = check_endpoint(endpoint).unwrap_err();
            assert!(matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "endpoint"), "{endpoint}: {error}");
        }
    }
}
