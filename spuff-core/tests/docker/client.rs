//! What the docker command keeps for itself holds here too: its context, its credentials.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use spuff_core::provider::{ErrorKind, ProviderError};

use super::*;

/// A folder that is gone when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("spuff-d{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    /// A provider that is told of this folder alone.
    fn config(&self) -> ProviderConfig {
        ProviderConfig::default()
            .with_timeouts(timeouts())
            .with_option("docker_config", self.0.display().to_string())
    }

    /// What the docker command prints that has this folder, and no other way to an engine.
    fn docker(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("docker");
        command
            .arg("--config")
            .arg(&self.0)
            .args(arguments)
            .env_remove("DOCKER_HOST")
            .env_remove("DOCKER_CONTEXT");
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "docker {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Runs a test of this program again, in a process of its own with another environment.
fn again(test: &str, environment: &[(&str, &str)]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let told = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{told}");
    told
}

#[tokio::test]
async fn the_engine_is_that_of_the_docker_commands_context() {
    let folder = Folder::new();
    folder.docker(&[
        "context",
        "create",
        "lab",
        "--docker",
        &format!("host={}", config().endpoint.unwrap()),
    ]);
    folder.docker(&["context", "create", "away", "--docker", "host=tcp://192.0.2.7:2376"]);
    folder.docker(&["context", "use", "lab"]);
    let machine = ready(&connect(folder.config()), &request()).await;
    let seen =
        |id: &str| folder.docker(&["ps", "--quiet", "--no-trunc"]).lines().any(|line| line == id);
    assert!(seen(&machine.id), "the docker command looks there too");

    folder.docker(&["context", "use", "default"]);
    let named = connect(folder.config().with_option("context", "lab"));
    assert_eq!(named.get_instance(&machine.id).await.unwrap().unwrap().id, machine.id);
    named.destroy_instance(&machine.id).await.unwrap();

    let connect =
        |config| ProviderRegistry::with_defaults().connect("docker", config).err().unwrap();
    let error = connect(folder.config().with_option("context", "lib"));
    let text = error.to_string();
    assert!(
        matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "context"),
        "{text}"
    );
    assert!(
        ["\"lib\"", "away, lab", "docker context ls"].iter().all(|words| text.contains(words)),
        "{text}"
    );
    let error = connect(folder.config().with_option("context", "away"));
    assert!(
        matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "endpoint"),
        "without TLS: {error}"
    );

    // An endpoint that is given is the one, and a message names what else there is.
    let nothing = super::connect(
        folder.config().with_endpoint("unix:///nothing/here.sock").with_option("context", "lab"),
    );
    let error = nothing.list_instances().await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Network && error.to_string().contains("the context \"lab\""),
        "{error}"
    );
}

/// Neither a socket that nobody listens at ends the search, nor is the environment read that no one
/// has asked to be read.
#[tokio::test]
async fn the_engine_is_the_first_that_answers() {
    const ROLE: &str = "SPUFF_TEST_SEARCH";
    if let Ok(folder) = std::env::var(ROLE) {
        let found = connect(ProviderConfig::default().with_timeouts(timeouts()));
        let made = found.create_instance(&request()).await.unwrap();
        found.destroy_instance(&made.id).await.unwrap();
        let told = ProviderRegistry::with_defaults()
            .from_env("docker")
            .unwrap()
            .list_instances()
            .await
            .unwrap_err();
        assert!(told.to_string().contains("/nothing/here.sock"), "{folder}: {told}");
        return println!("made {}", made.id);
    }
    let folder = Folder::new();
    let path = folder.0.display().to_string();
    drop(UnixListener::bind(folder.0.join("docker.sock")).unwrap());
    std::fs::create_dir(folder.0.join("podman")).unwrap();
    let engine = config().endpoint.unwrap().trim_start_matches("unix://").to_string();
    std::os::unix::fs::symlink(engine, folder.0.join("podman/podman.sock")).unwrap();
    let environment = [
        (ROLE, path.as_str()),
        ("HOME", &path),
        ("XDG_RUNTIME_DIR", &path),
        ("DOCKER_HOST", "unix:///nothing/here.sock"),
        ("DOCKER_CONTEXT", "nowhere"),
        ("DOCKER_TLS_VERIFY", "1"),
    ];
    let told = again("client::the_engine_is_the_first_that_answers", &environment);
    assert!(told.contains("made "), "{told}");
}

/// A registry that takes one user, and has nothing. Who has asked for what is there is recorded.
fn registry() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let recorded = seen.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let recorded = recorded.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(client);
                loop {
                    let mut user = String::new();
                    let mut line = String::new();
                    while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
                        match line.trim().split_once(": ") {
                            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                                user = value.to_string()
                            }
                            _ => {}
                        }
                        line.clear();
                    }
                    if line.is_empty() {
                        return;
                    }
                    // `user:secret`
                    let is_known = user == "Basic dXNlcjpzZWNyZXQ=";
                    if !user.is_empty() {
                        recorded.lock().unwrap().push(user);
                    }
                    let (status, code) = if is_known {
                        ("404 Not Found", "MANIFEST_UNKNOWN")
                    } else {
                        ("401 Unauthorized", "UNAUTHORIZED")
                    };
                    let body = format!(
                        r#"{{"errors":[{{"code":"{code}","message":"{}"}}]}}"#,
                        code.to_lowercase().replace('_', " ")
                    );
                    let head = "Www-Authenticate: Basic \
                     realm=\"here\"\r\nDocker-Distribution-Api-Version: \
                     registry/2.0\r\nContent-Type: application/json";
                    let reply = format!(
                        "HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    if reader.get_mut().write_all(reply.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, seen)
}

async fn refused(config: ProviderConfig, image: &str) -> ProviderError {
    connect(config)
        .create_instance(&request().with_image(image.parse().unwrap()))
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_registry_is_told_who_the_docker_command_is() {
    const ROLE: &str = "SPUFF_TEST_IMAGE";
    let engine = config().endpoint.unwrap();
    if let Ok(image) = std::env::var(ROLE) {
        let config = ProviderConfig::default().with_timeouts(timeouts()).with_endpoint(engine);
        let folder = std::env::var("DOCKER_CONFIG").unwrap();
        return println!(
            "{}",
            refused(config.with_option("docker_config", folder), &image).await.kind().name()
        );
    }
    // Podman speaks to a registry without TLS only where its own configuration says so.
    if is_podman() {
        let folder = Folder::new();
        let image = format!("{}/spuff-pull:2", std::env::var("SPUFF_TEST_REGISTRY").unwrap());
        write(
            &folder.0.join("config.json"),
            r#"{"auths": {"http://other.example.com/v1/": {"auth": "dXNlcjpzZWNyZXQ="}}}"#,
        );
        let error = refused(folder.config().with_endpoint(engine), &image).await;
        return assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "image"),
            "{error}"
        );
    }
    let (address, seen) = registry();
    let image = format!("{address}/app:1");
    let asked = || std::mem::take(&mut *seen.lock().unwrap());
    let folder = Folder::new();
    let config = folder.config().with_endpoint(&engine);

    // Nobody is known, or for another registry.
    for kept in ["{}", r#"{"auths": {"other.example.com": {"auth": "dXNlcjpzZWNyZXQ="}}}"#] {
        write(&folder.0.join("config.json"), kept);
        let error = refused(config.clone(), &image).await;
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Authentication, false),
            "{error}"
        );
        assert!(error.to_string().contains("docker login") && asked().is_empty(), "{error}");
    }
    write(
        &folder.0.join("config.json"),
        &format!(r#"{{"auths": {{"http://{address}/v1/": {{"auth": "dXNlcjpzZWNyZXQ="}}}}}}"#),
    );
    let error = refused(config.clone(), &image).await;
    assert!(
        matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "image"),
        "it has no such image: {error}"
    );
    assert!(asked().iter().any(|user| user == "Basic dXNlcjpzZWNyZXQ="));
    write(
        &folder.0.join("config.json"),
        &format!(r#"{{"auths": {{"{address}": {{"auth": "dXNlcjp3cm9uZw=="}}}}}}"#),
    );
    let error = refused(config.clone(), &image).await;
    assert!(
        error.kind() == ErrorKind::Authentication && !error.to_string().contains("wrong"),
        "{error}"
    );
    assert!(!asked().is_empty());

    // A helper of this registry, and one of all.
    let helper = folder.0.join("docker-credential-spuff");
    write(
        &helper,
        "#!/bin/sh\n[ \"$1\" = get ] && read -r key\n[ -n \"$key\" ] && echo \
         '{\"ServerURL\":\"\",\"Username\":\"user\",\"Secret\":\"secret\"}'\n",
    );
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.0.display(), std::env::var("PATH").unwrap());
    let environment =
        [(ROLE, image.as_str()), ("PATH", &path), ("DOCKER_CONFIG", folder.0.to_str().unwrap())];
    for kept in [
        format!(r#"{{"credHelpers": {{"{address}": "spuff"}}}}"#),
        r#"{"credsStore": "spuff"}"#.to_string(),
    ] {
        write(&folder.0.join("config.json"), &kept);
        let told = again("client::a_registry_is_told_who_the_docker_command_is", &environment);
        assert!(
            told.contains("invalid_config")
                && asked().iter().any(|user| user == "Basic dXNlcjpzZWNyZXQ="),
            "{kept}: {told}"
        );
    }
    write(&folder.0.join("config.json"), r#"{"credsStore": "nowhere"}"#);
    let error = refused(config, &image).await;
    assert!(
        error.kind() == ErrorKind::Authentication
            && error.to_string().contains("docker-credential-nowhere"),
        "{error}"
    );
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
