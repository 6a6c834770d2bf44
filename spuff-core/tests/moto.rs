//! The AWS room against moto, an EC2 that others wrote: the whole life of a machine and its
//! snapshot.
//!
//! The server is started here, by the Python that `SPUFF_TEST_PYTHON` names; `tests/run` installs
//! it.
#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use spuff_core::provider::{
    AwsFactory, ImageSpec, InstanceRequest, InstanceStatus, Provider, ProviderConfig,
    ProviderError, ProviderFactory,
};

/// A server of its own for each test. It ends with the test program, whatever becomes of that.
struct Moto {
    child: Child,
    stdout: BufReader<ChildStdout>,
    url: String,
}

impl Moto {
    fn start(options: &[&str]) -> Self {
        let python = std::env::var("SPUFF_TEST_PYTHON")
            .expect("SPUFF_TEST_PYTHON is not set: run tests/run, which installs moto");
        let launcher = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/moto/server.py");
        let mut command = Command::new(python);
        command
            .arg(launcher)
            .arg("--until-eof")
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().expect("moto cannot be started");
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut moto = Self { child, stdout, url: String::new() };
        moto.url = moto.line();
        moto
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "moto has ended; start tests/moto/server.py by hand to see why");
        line.trim().to_string()
    }

    fn provider(&self, token: &str) -> Box<dyn Provider> {
        let config = ProviderConfig::new(token)
            .with_endpoint(&self.url)
            .with_region("eu-central-1")
            .with_timeouts(support::timeouts());
        // It shows at once what is new.
        let config = config.with_option("settling", "1");
        AwsFactory.create_with(&config).unwrap()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

async fn whole_life(provider: &dyn Provider) {
    let request = InstanceRequest::new("web-1", "", "t3.micro")
        .with_label("env", "prod & more")
        .with_user_data("#!/bin/sh\ntrue\n");
    let made = provider.create_instance(&request).await.unwrap();
    assert_eq!(
        (made.status.clone(), made.name.as_str(), made.region.as_str()),
        (InstanceStatus::New, "web-1", "eu-central-1")
    );
    let ready = provider.wait_ready(&made.id).await.unwrap();
    assert!(ready.is_ready() && ready.ip.is_ipv4(), "{ready:?}");
    assert_eq!(
        (ready.name.as_str(), ready.size.as_str(), ready.labels["env"].as_str()),
        ("web-1", "t3.micro", "prod & more")
    );
    assert_eq!(
        (&ready.labels, ready.labels.len()),
        (&made.labels, 3),
        "with managed-by and the key"
    );
    assert_eq!(provider.get_instance(&made.id).await.unwrap(), Some(ready.clone()));
    assert_eq!(provider.list_instances().await.unwrap(), [ready]);

    let snapshot = provider.create_snapshot(&made.id, "before the upgrade").await.unwrap();
    assert_eq!(
        (snapshot.name.as_str(), snapshot.created_at.is_some()),
        ("before the upgrade", true)
    );
    assert_eq!(provider.list_snapshots().await.unwrap(), std::slice::from_ref(&snapshot));
    let again = InstanceRequest::new("web-2", "", "t3.micro")
        .with_image(ImageSpec::Snapshot(snapshot.id.clone()));
    let restored = provider.create_instance(&again).await.unwrap();
    provider.wait_ready(&restored.id).await.unwrap();
    assert_eq!(provider.list_instances().await.unwrap().len(), 2);

    for id in [&made.id, &restored.id, &made.id] {
        provider.destroy_instance(id).await.unwrap();
        assert_eq!(provider.get_instance(id).await.unwrap(), None);
    }
    for _ in 0..2 {
        provider.delete_snapshot(&snapshot.id).await.unwrap();
    }
    assert_eq!(provider.list_instances().await.unwrap(), []);
    assert_eq!(provider.list_snapshots().await.unwrap(), []);
}

#[tokio::test]
async fn a_machine_lives_and_ends() {
    let moto = Moto::start(&[]);
    let provider = moto.provider("testing:testing");
    whole_life(provider.as_ref()).await;

    let arm = InstanceRequest::new("arm-1", "", "t4g.micro")
        .with_image(ImageSpec::Debian("12".to_string()));
    let arm = provider.create_instance(&arm).await.unwrap();
    let west = provider
        .create_instance(&InstanceRequest::new("west-1", "us-east-1", "t3.micro"))
        .await
        .unwrap();
    assert_eq!(west.region, "us-east-1");
    let names = |instances: Vec<spuff_core::provider::ProviderInstance>| {
        instances.into_iter().map(|instance| instance.name).collect::<Vec<_>>()
    };
    assert_eq!(names(provider.list_instances().await.unwrap()), ["arm-1", "west-1"]);
    assert_eq!(names(moto.provider("testing:testing").list_instances().await.unwrap()), ["arm-1"]);
    for id in [&arm.id, &west.id] {
        provider.destroy_instance(id).await.unwrap();
    }
    assert_eq!(provider.list_instances().await.unwrap(), []);
}

#[tokio::test]
async fn images_are_found_without_parameters() {
    let moto = Moto::start(&["--no-ssm"]);
    let provider = moto.provider("testing:testing");
    whole_life(provider.as_ref()).await;
    for (image, size) in [("ubuntu:22.04", "t4g.micro"), ("debian:12", "t3.micro")] {
        let request = InstanceRequest::new("old-1", "", size).with_image(image.parse().unwrap());
        provider.create_instance(&request).await.unwrap();
    }
}

#[tokio::test]
async fn unknown_things_are_told_apart() {
    let moto = Moto::start(&[]);
    let provider = moto.provider("testing:testing");
    let good = || InstanceRequest::new("web-1", "", "t3.micro");
    let absent = "0123456789abcdef0";
    for (expected, request) in [
        ("size", InstanceRequest::new("web-1", "", "t99.huge")),
        ("image", good().with_image(ImageSpec::Custom(format!("ami-{absent}")))),
        ("image", good().with_image(ImageSpec::Ubuntu("99.04".to_string()))),
        ("ssh_keys", good().with_ssh_key("nobody")),
    ] {
        let error = provider.create_instance(&request).await.unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == expected),
            "{expected}: {error}"
        );
    }
    let instance = format!("i-{absent}");
    assert_eq!(provider.get_instance(&instance).await.unwrap(), None);
    provider.destroy_instance(&instance).await.unwrap();
    provider.delete_snapshot(&format!("ami-{absent}")).await.unwrap();
    assert!(matches!(provider.wait_ready(&instance).await, Err(ProviderError::NotFound { .. })));
    assert!(matches!(
        provider.create_snapshot(&instance, "some name").await,
        Err(ProviderError::NotFound { .. })
    ));
    assert_eq!(provider.get_ssh_keys().await.unwrap(), Vec::<String>::new());
    assert_eq!(provider.list_instances().await.unwrap(), []);
}

#[tokio::test]
async fn signatures_are_right() {
    let mut moto = Moto::start(&["--auth"]);
    let token = moto.line();
    whole_life(moto.provider(&token).as_ref()).await;

    let wrong = moto.provider(&format!("{token}x"));
    let error =
        wrong.create_instance(&InstanceRequest::new("web-1", "", "t3.micro")).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Authentication { provider, .. } if provider == "aws"),
        "{error}"
    );
    assert!(matches!(wrong.list_instances().await, Err(ProviderError::Authentication { .. })));
    assert!(!error.to_string().contains(&token), "{error}");
}
