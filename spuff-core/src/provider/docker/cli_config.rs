//! The docker command's files in `~/.docker`: the engine it uses, and its registry credentials.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, io};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::NAME;
use crate::provider::config::ProviderConfig;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::signals::as_the_program;

/// Docker Hub, as images and `config.json` call it.
const HUB: &str = "docker.io";
const HUB_KEY: &str = "https://index.docker.io/v1/";
/// The user name that marks a token.
const TOKEN_USER: &str = "<token>";

/// The folder of the docker command, and the configured context.
#[derive(Debug, Clone)]
pub(super) struct CliConfig {
    folder: Option<PathBuf>,
    context: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Config {
    auths: HashMap<String, Auth>,
    cred_helpers: HashMap<String, String>,
    creds_store: String,
    current_context: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

/// The reply of a credential helper.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Told {
    username: String,
    secret: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Meta {
    name: String,
    endpoints: HashMap<String, MetaEndpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetaEndpoint {
    #[serde(default)]
    host: String,
}

/// An engine that the docker command knows by a name.
#[derive(Debug, PartialEq)]
pub(super) struct Context {
    pub(super) host: String,
    /// The folder of its certificates, if it has any.
    pub(super) certificates: Option<PathBuf>,
}

impl CliConfig {
    pub(super) const FOLDER: &'static str = "docker_config";
    pub(super) const CONTEXT: &'static str = "context";

    pub(super) fn new(config: &ProviderConfig) -> Self {
        let given = |name: &str| {
            config.options.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
        };
        let home = || {
            Some(Path::new(&env::var_os("HOME").filter(|home| !home.is_empty())?).join(".docker"))
        };
        Self {
            folder: given(Self::FOLDER).map(PathBuf::from).or_else(home),
            context: given(Self::CONTEXT).map(str::to_string),
        }
    }

    /// Returns the default folder of certificates.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    fn config(&self) -> ProviderResult<Config> {
        let Some(path) = self.folder.as_ref().map(|folder| folder.join("config.json")) else {
            return Ok(Config::default());
        };
        Ok(read(&path)?.unwrap_or_default())
    }

    /// Returns the engine of the docker command's context; `None` if it is the default one.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when it has no such context, or its files cannot be read.
    pub(super) fn context(&self) -> ProviderResult<Option<Context>> {
        let name = match &self.context {
            Some(name) => name.clone(),
            None => self.config()?.current_context,
        };
        if matches!(name.as_str(), "" | "default") {
            return Ok(None);
        }
        let mut others = Vec::new();
        for (meta, id) in self.contexts()? {
            if meta.name != name {
                others.push(meta.name);
                continue;
            }
            let host = meta
                .endpoints
                .get("docker")
                .map(|endpoint| endpoint.host.clone())
                .filter(|host| !host.is_empty());
            let host = host.ok_or_else(|| {
                invalid(Self::CONTEXT, format!("{name:?} names no Docker endpoint"))
            })?;
            let certificates = self
                .folder
                .as_ref()
                .map(|folder| folder.join("contexts/tls").join(id).join("docker"));
            return Ok(Some(Context {
                host,
                certificates: certificates.filter(|folder| folder.join("ca.pem").exists()),
            }));
        }
        others.sort();
        let there_are =
            if others.is_empty() { "only the default one".to_string() } else { others.join(", ") };
        let message = format!(
            "the docker command is set to the context {name:?}, which does not exist; it has \
             {there_are}: see `docker context ls`, or name the engine by the endpoint or \
             DOCKER_HOST"
        );
        Err(invalid(Self::CONTEXT, message))
    }

    /// Returns the names of all contexts, for a message.
    pub(super) fn context_names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.contexts().unwrap_or_default().into_iter().map(|(meta, _)| meta.name).collect();
        names.sort();
        names
    }

    fn contexts(&self) -> ProviderResult<Vec<(Meta, String)>> {
        let Some(folder) = self.folder.as_ref().map(|folder| folder.join("contexts/meta")) else {
            return Ok(Vec::new());
        };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(invalid(Self::FOLDER, format!("{}: {error}", folder.display())));
            }
        };
        let mut contexts = Vec::new();
        for entry in entries {
            let entry = entry
                .map_err(|error| invalid(Self::FOLDER, format!("{}: {error}", folder.display())))?;
            if let Some(meta) = read(&entry.path().join("meta.json"))? {
                contexts.push((meta, entry.file_name().to_string_lossy().into_owned()));
            }
        }
        Ok(contexts)
    }

    /// Returns the docker command's credentials for the registry of an image: from the helper of
    /// that registry or of all, or else from `config.json`.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when `config.json` cannot be read,
    /// [`ProviderError::Authentication`] when a helper fails.
    pub(super) async fn credentials(
        &self,
        image: &str,
    ) -> ProviderResult<Option<DockerCredentials>> {
        let config = self.clone();
        let host = registry(image).to_string();
        let read = move || config.read_credentials(&host);
        match tokio::task::spawn_blocking(read).await {
            Ok(read) => read,
            Err(error) => Err(ProviderError::auth(
                NAME,
                format!("the credentials of `docker login` cannot be read: {error}"),
            )),
        }
    }

    fn read_credentials(&self, host: &str) -> ProviderResult<Option<DockerCredentials>> {
        let config = self.config()?;
        match config.helper(host) {
            Some(helper) => ask(helper, key(host)),
            None => config.kept(host),
        }
    }
}

/// Returns the name of a registry in Docker's files.
fn key(host: &str) -> &str {
    if host == HUB { HUB_KEY } else { host }
}

impl Config {
    /// Returns the credential helper of a registry.
    pub(super) fn helper(&self, host: &str) -> Option<&str> {
        let helper = self.cred_helpers.get(host).or_else(|| self.cred_helpers.get(key(host)));
        Some(helper.map_or(self.creds_store.as_str(), String::as_str))
            .filter(|helper| !helper.is_empty())
    }

    /// Returns the credentials that `config.json` holds for a registry.
    pub(super) fn kept(&self, host: &str) -> ProviderResult<Option<DockerCredentials>> {
        let kept =
            self.auths.iter().find(|(name, _)| same_registry(name, host)).map(|(_, auth)| auth);
        kept.map(|auth| of_auth(key(host), auth)).transpose().map(Option::flatten)
    }
}

fn invalid(option: &str, message: String) -> ProviderError {
    ProviderError::invalid_config(option, message)
}

/// Reads a JSON file; `None` if it does not exist.
fn read<T: DeserializeOwned>(path: &Path) -> ProviderResult<Option<T>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(error) => {
            return Err(invalid(CliConfig::FOLDER, format!("{}: {error}", path.display())));
        }
    };
    // The file may hold secrets, which the parser's error may repeat.
    let place = |error: serde_json::Error| {
        format!("{}: not in Docker's format, at line {}", path.display(), error.line())
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| invalid(CliConfig::FOLDER, place(error)))
}

/// Returns the registry of an image.
pub(super) fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => {
            if host == "index.docker.io" { HUB } else { host }
        }
        _ => HUB,
    }
}

/// Whether a key of `auths`, which may be a URL, means the registry `host`.
fn same_registry(key: &str, host: &str) -> bool {
    let bare = key.trim_start_matches("https://").trim_start_matches("http://");
    let bare = bare.split('/').next().unwrap_or_default();
    bare == host || (host == HUB && matches!(bare, "index.docker.io" | "registry-1.docker.io"))
}

fn of_auth(key: &str, auth: &Auth) -> ProviderResult<Option<DockerCredentials>> {
    let mut username = auth.username.clone();
    let mut password = auth.password.clone();
    if !auth.auth.is_empty() {
        let pair =
            BASE64_STANDARD.decode(&auth.auth).ok().and_then(|pair| String::from_utf8(pair).ok());
        let pair = pair.as_deref().and_then(|pair| pair.trim_end_matches('\0').split_once(':'));
        let (name, secret) = pair.ok_or_else(|| {
            invalid(
                CliConfig::FOLDER,
                format!("config.json: the entry for {key} must be USER:PASSWORD in base64"),
            )
        })?;
        (username, password) = (name.to_string(), secret.to_string());
    }
    Ok(credentials(key, username, password, auth.identitytoken.clone()))
}

fn credentials(
    key: &str,
    username: String,
    password: String,
    token: String,
) -> Option<DockerCredentials> {
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    (!token.is_empty() || !username.is_empty()).then(|| DockerCredentials {
        username: text(username),
        password: text(password),
        identitytoken: text(token),
        serveraddress: Some(key.to_string()),
        ..DockerCredentials::default()
    })
}

/// Asks a helper for the credentials of a registry.
fn ask(helper: &str, key: &str) -> ProviderResult<Option<DockerCredentials>> {
    let program = format!("docker-credential-{helper}");
    let failed = |why: String| {
        ProviderError::auth(NAME, format!("{program}, which config.json names for {key}: {why}"))
    };
    let mut command = Command::new(&program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child =
        as_the_program(|| command.spawn()).map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(key.as_bytes()) {
            // A helper may reply without reading its input.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(failed(error.to_string()));
            }
            _ => {}
        }
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout).trim().to_string();
        return if said.contains("credentials not found") {
            Ok(None)
        } else {
            Err(failed(format!("{said} ({})", output.status)))
        };
    }
    answered(key, &output.stdout)
        .map_err(|_| failed("its reply is not that of a credential helper".to_string()))
}

/// Reads the credentials in a helper's reply.
pub(super) fn answered(key: &str, answer: &[u8]) -> serde_json::Result<Option<DockerCredentials>> {
    let told: Told = serde_json::from_slice(answer)?;
    Ok(if told.username == TOKEN_USER {
        credentials(key, String::new(), String::new(), told.secret)
    } else {
        credentials(key, told.username, told.secret, String::new())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_of_images() {
        for (image, expected) in [
            ("alpine:3", HUB),
            ("team/app:1", HUB),
            ("docker.io/team/app", HUB),
            ("index.docker.io/team/app", HUB),
            ("ghcr.io/team/app:1", "ghcr.io"),
            ("localhost/app", "localhost"),
            ("host:5000/app@sha256:0f", "host:5000"),
        ] {
            assert_eq!(registry(image), expected, "{image}");
        }
        for (key, host, same) in [
            (HUB_KEY, HUB, true),
            ("https://ghcr.io/v2/", "ghcr.io", true),
            ("ghcr.io", "ghcr.io", true),
            ("ghcr.io.example.com", "ghcr.io", false),
            ("host", "host:5000", false),
        ] {
            assert_eq!(same_registry(key, host), same, "{key} {host}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_without_what_it_holds() {
        let auth = Auth { auth: "secret".to_string(), ..Auth::default() };
        let error = of_auth("host", &auth).unwrap_err().to_string();
        assert!(
            error.contains("USER:PASSWORD")
                && !error.contains("secret")
                && !format!("{auth:?}").contains("secret"),
            "{error}"
        );
    }
}
