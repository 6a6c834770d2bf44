//! The provider for Docker at a real engine, by the blocking facade: `tests/docker/with` starts the
//! engine.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use spuff_core::blocking::{CancelToken, Provider, ProviderRegistry};
use spuff_core::provider::{
    ImageSpec, InstanceRequest, ProviderConfig, ProviderError, ProviderTimeouts,
};

/// The engine of these tests.
fn config() -> ProviderConfig {
    std::env::var("SPUFF_TEST_ENGINE_DIR")
        .expect("an engine of these tests' own; run them by tests/docker/with");
    let timeouts = ProviderTimeouts {
        poll_interval: Duration::from_millis(100),
        instance_ready: Duration::from_secs(60),
        ..ProviderTimeouts::default()
    };
    let config = ProviderRegistry::with_defaults()
        .config_from_env("docker", ProviderConfig::default().with_timeouts(timeouts));
    let config = config.unwrap();
    assert_eq!(config.endpoint, std::env::var("DOCKER_HOST").ok());
    assert!(config.token.is_none(), "an engine has no token");
    config
}

fn connect(config: ProviderConfig) -> Provider {
    ProviderRegistry::with_defaults().connect("local", config).unwrap()
}

/// What the engine's own client prints; nothing when it fails.
fn docker(arguments: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(arguments).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_string())
}

/// What a machine's user data writes, once it has.
fn greeting(id: &str) -> Option<String> {
    (0..200).find_map(|_| {
        let written = docker(&["exec", id, "cat", "/root/greeting"]);
        if written.is_none() {
            thread::sleep(Duration::from_millis(50));
        }
        written
    })
}

#[test]
fn the_whole_life_of_a_machine() {
    let provider = connect(
        config()
            .with_option("environment", "GREETING=hello\nSENDER=Rust, by test")
            .with_option("ports", "7"),
    );
    assert!(provider.name() == "docker" && provider.supports_snapshots());
    let script = "#!/bin/sh\necho \"$GREETING from $SENDER on $(hostname)\" >/root/.new && mv \
     /root/.new /root/greeting\n";
    let request =
        InstanceRequest::new("rust-life", "", "0.5x64m").with_label("test", "Rust, by label");
    let expected = Some("hello from Rust, by test on rust-life".to_string());

    let made = provider.create_instance(&request.clone().with_user_data(script)).unwrap();
    let ready = provider.wait_ready(&made.id).unwrap();
    assert!(
        ready.is_ready() && ready.is_managed() && ready.labels["test"] == "Rust, by label",
        "{ready:?}"
    );
    assert_eq!(
        (ready.name.as_str(), ready.region.as_str(), ready.size.as_str()),
        ("rust-life", "bridge", "0.5x64m")
    );
    assert_eq!(greeting(&made.id), expected);
    assert!(docker(&["port", &made.id, "7/tcp"]).is_some_and(|port| port.contains(':')));
    let is_listed =
        |id: &str| provider.list_instances().unwrap().iter().any(|machine| machine.id == id);
    assert!(is_listed(&made.id));

    let snapshot = provider.create_snapshot(&made.id, "before").unwrap();
    let found =
        || provider.list_snapshots().unwrap().into_iter().find(|listed| listed.id == snapshot.id);
    assert_eq!(found().map(|found| found.name), Some("before".to_string()));
    let mut copy = request.with_image(ImageSpec::Snapshot(snapshot.id.clone()));
    copy.name = "rust-copy".to_string();
    let restored = provider.create_instance(&copy).unwrap();
    assert!(provider.wait_ready(&restored.id).unwrap().is_ready());
    assert_eq!(
        docker(&["exec", &restored.id, "cat", "/root/greeting"]),
        expected,
        "the files come along"
    );

    for _ in 0..2 {
        provider.destroy_instance(&restored.id).unwrap();
        provider.delete_snapshot(&snapshot.id).unwrap();
        provider.destroy_instance(&made.id).unwrap();
    }
    assert!(found().is_none() && provider.get_instance(&made.id).unwrap().is_none());
    for id in [&made.id, &restored.id] {
        assert!(!is_listed(id) && docker(&["inspect", id]).is_none(), "{id}");
    }
}

#[test]
fn a_wait_that_is_cancelled_ends_at_once() {
    let provider = connect(config());
    // A machine of this image does not become ready for ten minutes.
    let image = ImageSpec::Custom("spuff-starting:1".to_string());
    let made = provider
        .create_instance(&InstanceRequest::new("rust-late", "", "").with_image(image))
        .unwrap();
    let token = CancelToken::new();
    let began = Instant::now();
    let id = made.id.clone();
    let by_hand = token.clone();
    let canceller = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        by_hand.cancel();
    });
    let ended = provider.run(|provider| async move {
        token.limit("wait_ready", Some(&id), provider.wait_ready(&id)).await
    });
    canceller.join().unwrap();
    let error = ended.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Cancelled { instance_id: Some(id), .. } if *id == made.id),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    provider.destroy_instance(&made.id).unwrap();
}

#[test]
fn errors_say_what_to_do() {
    let nowhere = InstanceRequest::new("rust-nowhere", "no-such-network", "");
    let error = connect(config()).create_instance(&nowhere).unwrap_err();
    assert!(
        matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "region"),
        "{error}"
    );
    assert!(error.to_string().contains("no-such-network"), "{error}");

    let error =
        connect(config().with_endpoint("unix:///nonexistent.sock")).list_instances().unwrap_err();
    assert!(matches!(&error, ProviderError::Network(_)), "{error}");
    let text = error.to_string();
    assert!(
        ["/nonexistent.sock", "start Docker", "DOCKER_HOST"]
            .iter()
            .all(|words| text.contains(words)),
        "{text}"
    );

    let error = ProviderRegistry::with_defaults()
        .connect("docker", config().with_token("token"))
        .err()
        .unwrap();
    assert!(
        matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "token"),
        "{error}"
    );
}
