//! The provider for Docker at a real engine: `tests/docker/with` starts one, and runs these tests
//! with it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test tells what it found, and may panic"
)]

mod behaviour;
mod client;
mod crash;
mod engine;
mod errors;
mod first_start;
mod images;
mod leases;
#[allow(unreachable_pub, reason = "other test programs share it")]
#[path = "../support/log.rs"]
mod log;
mod lost;
mod machines;
mod options;
mod proxy;
mod secrets;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use spuff_core::provider::{
    InstanceRequest, Provider, ProviderConfig, ProviderInstance, ProviderRegistry, ProviderTimeouts,
};
use spuff_core::{OnFailure, create_and_wait};

/// Deadlines for an engine on this computer, which is slow when much goes on.
fn timeouts() -> ProviderTimeouts {
    ProviderTimeouts {
        poll_interval: Duration::from_millis(400),
        instance_ready: Duration::from_secs(60),
        action_complete: Duration::from_secs(120),
        ..ProviderTimeouts::default()
    }
}

/// The engine of these tests.
fn config() -> ProviderConfig {
    let endpoint =
        std::env::var("SPUFF_TEST_ENGINE_DIR").map(|_| std::env::var("DOCKER_HOST").unwrap());
    let endpoint = endpoint.expect("an engine of these tests' own; run them by tests/docker/with");
    ProviderConfig::default().with_endpoint(endpoint).with_timeouts(timeouts())
}

/// Whether the engine is Podman's.
fn is_podman() -> bool {
    std::env::var("SPUFF_TEST_ENGINE_KIND").unwrap() == "podman"
}

fn connect(config: ProviderConfig) -> Arc<dyn Provider> {
    ProviderRegistry::with_defaults().connect("docker", config).unwrap().into()
}

fn provider() -> Arc<dyn Provider> {
    connect(config())
}

/// A request under a name of its own: all tests share the engine.
fn request() -> InstanceRequest {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    InstanceRequest::new(
        format!("t{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)),
        "",
        "",
    )
}

/// A machine that is ready.
async fn ready(provider: &Arc<dyn Provider>, request: &InstanceRequest) -> ProviderInstance {
    create_and_wait(provider, request, OnFailure::Destroy).await.unwrap()
}

/// What a command prints that runs inside a machine.
fn inside(id: &str, command: &str) -> String {
    docker(&["exec", id, "/bin/sh", "-c", command])
}

/// What a command prints that runs inside a machine, as soon as it succeeds.
async fn soon(id: &str, command: &str) -> String {
    for _ in 0..300 {
        if let Ok(output) = try_docker(&["exec", id, "/bin/sh", "-c", command]) {
            return output;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{command} does not succeed in {id}; its log:\n{}", docker(&["logs", id]));
}

/// What the engine's own client prints.
fn docker(arguments: &[&str]) -> String {
    try_docker(arguments).unwrap()
}

fn try_docker(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("docker").args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("docker {arguments:?}: {}", text(&output.stderr)))
    }
}
