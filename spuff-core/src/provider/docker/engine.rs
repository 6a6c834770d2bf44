//! Calls the engine: finds it, limits the time of a call, and maps failures.

use std::env;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::models::SystemVersion;
use bollard::{API_DEFAULT_VERSION, Docker};
use rustls::crypto::CryptoProvider;
use tokio::sync::OnceCell;

use super::ask::Ask;
use super::cli_config::CliConfig;
use super::errors;
use crate::http::{Failure, is_loopback, without};
use crate::provider::config::{ProviderConfig, ProviderTimeouts};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::registry::OptionDescription;
use crate::signals::{as_the_program, of_the_program};

/// The client's own limit on a call; the limits of this module are shorter.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How many times, and at what interval, a read is retried.
pub(super) const AGAIN: usize = 40;
pub(super) const MOMENT: Duration = Duration::from_millis(100);

pub(super) struct Engine {
    /// Its address; found at the first call if not configured.
    place: Option<Place>,
    /// The docker command's settings.
    cli: CliConfig,
    timeouts: ProviderTimeouts,
    /// Values that no message may contain.
    secrets: Vec<String>,
    /// Opens a connection for each call, so that any runtime may use it; keeps them for `ssh://`.
    docker: OnceCell<(Docker, Place)>,
    reach: OnceCell<Reach>,
}

/// How this computer reaches the instances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Reach {
    /// By their own addresses.
    Direct,
    /// Only by their published ports, at this address if it is known.
    Published(Option<IpAddr>),
}

/// An address of an engine.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    address: String,
    /// The folder of the TLS certificates.
    certificates: Option<PathBuf>,
}

impl Engine {
    /// Allows plain TCP to other computers.
    pub(super) const PLAIN_TCP: &'static str = "plain_tcp";
    pub(super) const TLS_VERIFY: &'static str = "tls_verify";
    pub(super) const CERT_PATH: &'static str = "cert_path";
    pub(super) const OPTIONS: [&'static str; 5] =
        [Self::PLAIN_TCP, Self::TLS_VERIFY, Self::CERT_PATH, CliConfig::FOLDER, CliConfig::CONTEXT];

    pub(super) fn new(config: &ProviderConfig, secrets: Vec<String>) -> ProviderResult<Self> {
        let cli = CliConfig::new(config);
        let place = match config.endpoint.as_deref().filter(|endpoint| !endpoint.trim().is_empty())
        {
            Some(endpoint) => Some(Place::new(endpoint, None, config, &cli)?),
            None => {
                let context = cli.context()?;
                context
                    .map(|context| Place::new(&context.host, context.certificates, config, &cli))
                    .transpose()?
            }
        };
        Ok(Self {
            place,
            cli,
            timeouts: config.timeouts,
            secrets,
            docker: OnceCell::new(),
            reach: OnceCell::new(),
        })
    }

    pub(super) fn describe() -> [OptionDescription; 5] {
        let plain = "true: allows tcp:// without TLS beyond this computer: others on the network \
         can read it, and gain root on the engine's computer";
        let verify = "Any value: connects to tcp:// with TLS, as always to https://";
        let certificates = "The folder with ca.pem, cert.pem and key.pem for TLS; by default that \
         of the docker command";
        let folder = "The folder of the docker command, with its contexts and credentials; by \
         default ~/.docker";
        let context = "The context of the docker command, if no endpoint is given; by default the \
         current one";
        [
            OptionDescription::new(Self::PLAIN_TCP, plain),
            OptionDescription::new(Self::TLS_VERIFY, verify).env(&["DOCKER_TLS_VERIFY"]),
            OptionDescription::new(Self::CERT_PATH, certificates).env(&["DOCKER_CERT_PATH"]),
            OptionDescription::new(CliConfig::FOLDER, folder).env(&["DOCKER_CONFIG"]),
            OptionDescription::new(CliConfig::CONTEXT, context).env(&["DOCKER_CONTEXT"]),
        ]
    }

    /// Returns the docker command's credentials for the registry of an image.
    pub(super) async fn credentials(
        &self,
        image: &str,
    ) -> ProviderResult<Option<DockerCredentials>> {
        self.cli.credentials(image).await
    }

    pub(super) fn timeouts(&self) -> &ProviderTimeouts {
        &self.timeouts
    }

    /// Calls the engine within the time limit.
    ///
    /// # Errors
    /// Those of the engine, and a timeout; each says whether the call may have taken effect.
    pub(super) async fn call<T, F>(
        &self,
        ask: Ask<'_>,
        work: impl FnOnce(Docker) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        let limit = ask.limit.unwrap_or(self.timeouts.http_request);
        let late = |operation| move |_| ProviderError::timeout(operation, limit);
        let docker = tokio::time::timeout(limit, of_the_program(self.docker()))
            .await
            .map_err(late(Operation::Connect))
            .map_err(Failure::NotSent)??;
        let (docker, place) = docker;
        let done = tokio::time::timeout(limit, of_the_program(work(docker)))
            .await
            .map_err(late(ask.operation))
            .map_err(Failure::Unknown)?;
        done.map_err(|error| errors::failure(self.discreet(error), &place.address, &ask))
    }

    fn discreet(&self, error: Error) -> Error {
        let without = |text: &str| without(text, self.secrets.iter().map(String::as_str));
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                Error::DockerResponseServerError { status_code, message: without(&message) }
            }
            Error::DockerStreamError { error } => {
                Error::DockerStreamError { error: without(&error) }
            }
            error => error,
        }
    }

    /// Reads, and retries if the connection breaks or the reply cannot be parsed: Podman 4 briefly
    /// reports states that the API does not define.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub(super) async fn read<T, F>(
        &self,
        ask: Ask<'_>,
        work: impl Fn(Docker) -> F,
    ) -> ProviderResult<T>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        for _ in 0..AGAIN {
            match self.call(ask, &work).await {
                Err(Failure::Unknown(error)) if errors::may_be_read_again(&error) => {
                    tokio::time::sleep(MOMENT).await
                }
                done => return Ok(done?),
            }
        }
        Ok(self.call(ask, work).await?)
    }

    /// Returns the client, which speaks an API version that the engine knows, and the engine's
    /// address. If none is configured, uses the first engine that answers.
    async fn docker(&self) -> Result<(Docker, Place), Failure> {
        let connect = || async {
            let places = self.place.clone().map_or_else(sockets, |place| vec![place]);
            let mut failed = None;
            for place in &places {
                match place.connect().await {
                    Ok(docker) => return Ok((docker, place.clone())),
                    Err(error) => failed = failed.or(Some((error, place))),
                }
            }
            Err(failed.map(|(error, place)| (error, place.address.clone())))
        };
        let docker = self.docker.get_or_try_init(connect).await.cloned();
        docker.map_err(|failed| {
            let absent = || {
                (
                    Error::SocketNotFoundError(DEFAULT_SOCKET.to_string()),
                    format!("unix://{DEFAULT_SOCKET}"),
                )
            };
            let (error, place) = failed.unwrap_or_else(absent);
            // The version request changes nothing.
            match errors::failure(
                error,
                &place,
                &Ask { hint: &self.elsewhere(&place), ..Ask::of(Operation::Connect) },
            ) {
                Failure::Unknown(error) => Failure::NotSent(error),
                failure => failure,
            }
        })
    }

    /// Lists other engines, for a message.
    fn elsewhere(&self, place: &str) -> String {
        let sockets =
            sockets().into_iter().map(|socket| socket.address).filter(|address| address != place);
        // An unreadable folder adds no names.
        let contexts =
            self.cli.context_names().into_iter().map(|name| format!("the context {name:?}"));
        let found: Vec<_> = sockets.chain(contexts).collect();
        if found.is_empty() {
            String::new()
        } else {
            format!("; there is also {}", found.join(", "))
        }
    }

    /// Returns how this computer reaches the engine's instances.
    pub(super) async fn reach(&self) -> ProviderResult<Reach> {
        let find = || async {
            let late = |_| ProviderError::timeout(Operation::Connect, self.timeouts.http_request);
            let (_, place) =
                tokio::time::timeout(self.timeouts.http_request, of_the_program(self.docker()))
                    .await
                    .map_err(late)??;
            if let Some(host) = place.remote_host() {
                let host = host.to_string();
                let is_ssh = place.address.starts_with("ssh://");
                let resolved = tokio::task::spawn_blocking(move || resolve(&host, is_ssh)).await;
                return Ok(Reach::Published(resolved.ok().flatten()));
            }
            let is_apart = cfg!(not(target_os = "linux"))
                || match place.is_of_a_user() {
                    // Under WSL, Docker Desktop's socket belongs to root.
                    Some(is_of_a_user) if is_of_a_user || !is_guest_of_windows() => is_of_a_user,
                    _ => is_apart(&self.version().await?),
                };
            Ok(if is_apart {
                Reach::Published(Some(Ipv4Addr::LOCALHOST.into()))
            } else {
                Reach::Direct
            })
        };
        self.reach.get_or_try_init(find).await.copied()
    }

    /// Whether the engine is Podman's.
    pub(super) async fn is_podman(&self) -> ProviderResult<bool> {
        Ok(self
            .version()
            .await?
            .components
            .iter()
            .flatten()
            .any(|component| component.name.contains("Podman")))
    }

    async fn version(&self) -> ProviderResult<SystemVersion> {
        self.read(Ask::of(Operation::Connect), |docker| async move { docker.version().await }).await
    }
}

impl Place {
    fn new(
        endpoint: &str,
        certificates: Option<PathBuf>,
        config: &ProviderConfig,
        cli: &CliConfig,
    ) -> ProviderResult<Self> {
        let address = check_endpoint(endpoint)?;
        let option = |name: &str| config.options.get(name).map_or("", |value| value.trim());
        let plain = match option(Engine::PLAIN_TCP) {
            "" | "false" => false,
            "true" => true,
            other => {
                return Err(ProviderError::invalid_config(
                    Engine::PLAIN_TCP,
                    format!("{other:?}: must be true or false"),
                ));
            }
        };
        let Some((_, host)) = address
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "tcp" | "http" | "https"))
        else {
            return Ok(Self { address, certificates: None });
        };
        if address.starts_with("https://")
            || certificates.is_some()
            || !option(Engine::TLS_VERIFY).is_empty()
        {
            let given =
                Some(option(Engine::CERT_PATH)).filter(|path| !path.is_empty()).map(PathBuf::from);
            let folder = certificates
                .or(given)
                .or_else(|| cli.folder().map(Path::to_path_buf))
                .ok_or_else(|| {
                    ProviderError::invalid_config(
                        Engine::CERT_PATH,
                        "TLS needs ca.pem, cert.pem and key.pem: name their folder",
                    )
                })?;
            return Ok(Self { address, certificates: Some(folder) });
        }
        if !plain && !is_loopback(host_of(host)) {
            let message = format!(
                "{address}: without TLS, others on the network can read user data, environment \
                 and credentials, and gain root on the engine's computer; use ssh://, or TLS \
                 (https://, or DOCKER_TLS_VERIFY with DOCKER_CERT_PATH), or set the option {} to \
                 true",
                Engine::PLAIN_TCP
            );
            return Err(ProviderError::invalid_config("endpoint", message));
        }
        Ok(Self { address, certificates: None })
    }

    /// Whether its socket belongs to a user other than root, as with rootless engines and Docker
    /// Desktop; `None` if it has no readable socket.
    fn is_of_a_user(&self) -> Option<bool> {
        #[cfg(unix)]
        if let Some(path) = self.address.strip_prefix("unix://") {
            use std::os::unix::fs::MetadataExt;
            return Some(std::fs::metadata(path).ok()?.uid() != 0);
        }
        None
    }

    /// Returns the engine's host if it is not this computer.
    fn remote_host(&self) -> Option<&str> {
        let (scheme, rest) = self.address.split_once("://")?;
        let host = host_of(rest);
        (matches!(scheme, "tcp" | "http" | "https" | "ssh") && !is_loopback(host)).then_some(host)
    }

    async fn connect(&self) -> Result<Docker, Error> {
        let docker = match &self.certificates {
            Some(folder) => {
                choose_crypto();
                let [key, cert, ca] =
                    ["key.pem", "cert.pem", "ca.pem"].map(|name| folder.join(name));
                Docker::connect_with_ssl(
                    &self.address,
                    &key,
                    &cert,
                    &ca,
                    LONGEST.as_secs(),
                    API_DEFAULT_VERSION,
                )?
            }
            // `connect_with_host` would read TLS settings from the environment.
            None if self.address.starts_with("tcp://") || self.address.starts_with("http://") => {
                Docker::connect_with_http(&self.address, LONGEST.as_secs(), API_DEFAULT_VERSION)?
            }
            None => Docker::connect_with_host(&self.address)?,
        };
        docker.with_timeout(LONGEST).negotiate_version().await
    }
}

fn is_guest_of_windows() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .is_ok_and(|release| release.to_ascii_lowercase().contains("microsoft"))
}

/// Whether the engine's networks are isolated from this computer (rootless, or Docker Desktop).
pub(super) fn is_apart(version: &SystemVersion) -> bool {
    let is_rootless = version
        .components
        .iter()
        .flatten()
        .any(|component| component.name.eq_ignore_ascii_case("rootlesskit"));
    is_rootless
        || version
            .platform
            .as_ref()
            .is_some_and(|platform| platform.name.contains("Docker Desktop"))
}

/// Returns the host of `USER@HOST:PORT/PATH`.
pub(super) fn host_of(rest: &str) -> &str {
    let authority = rest.split('/').next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match authority.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        Some((address, _)) => address,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    }
}

/// Resolves a host. Only `ssh` may know its name; a host behind another one has no address here.
fn resolve(host: &str, is_ssh: bool) -> Option<IpAddr> {
    let look = |host: &str| {
        let found: Vec<_> = (host, 0).to_socket_addrs().ok()?.map(|address| address.ip()).collect();
        found.iter().find(|ip| ip.is_ipv4()).or(found.first()).copied()
    };
    let named = || {
        let mut command = Command::new("ssh");
        command.args(["-G", "--", host]).stdin(Stdio::null());
        let output = as_the_program(|| command.output()).ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        look(text.lines().find_map(|line| line.strip_prefix("hostname "))?.trim())
    };
    if is_ssh { named().or_else(|| look(host)) } else { look(host) }
}

/// Sets the process's crypto provider if there is none: the client panics if a program links two
/// and chooses none.
fn choose_crypto() {
    if CryptoProvider::get_default().is_none() {
        // Another thread's choice is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
}

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Returns the existing default sockets: the system's Docker, a user's own, Docker Desktop, Colima,
/// Rancher Desktop, and Podman.
fn sockets() -> Vec<Place> {
    let below = |variable: &str, path: &str| {
        env::var_os(variable).map(|folder| Path::new(&folder).join(path))
    };
    let known = [
        Some(PathBuf::from(DEFAULT_SOCKET)),
        below("XDG_RUNTIME_DIR", "docker.sock"),
        below("HOME", ".docker/run/docker.sock"),
        below("HOME", ".docker/desktop/docker.sock"),
        below("HOME", ".colima/default/docker.sock"),
        below("HOME", ".rd/docker.sock"),
        below("XDG_RUNTIME_DIR", "podman/podman.sock"),
        Some(PathBuf::from("/run/podman/podman.sock")),
    ];
    let there = known.into_iter().flatten().filter(|socket| socket.exists());
    there
        .map(|socket| Place { address: format!("unix://{}", socket.display()), certificates: None })
        .collect()
}

pub(super) fn check_endpoint(endpoint: &str) -> ProviderResult<String> {
    let endpoint = endpoint.trim();
    let schemes: &[&str] = if cfg!(windows) {
        &["npipe", "tcp", "http", "https", "ssh"]
    } else {
        &["unix", "tcp", "http", "https", "ssh"]
    };
    // A bare path is a socket.
    if endpoint.starts_with('/') {
        return Ok(format!("unix://{endpoint}"));
    }
    match endpoint.split_once("://") {
        Some((scheme, rest)) if schemes.contains(&scheme) && !rest.is_empty() => {
            Ok(endpoint.to_string())
        }
        _ => {
            let message = format!(
                "{endpoint:?} is not an engine: use {}:// and a path or host, as in DOCKER_HOST",
                schemes.join("://, ")
            );
            Err(ProviderError::invalid_config("endpoint", message))
        }
    }
}

#[cfg(test)]
mod tests;
