//! Fuzz targets of Docker: the replies to each operation, cloud-configs, options, requests, and the
//! docker command's files.

use std::net::Ipv4Addr;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{
    ContainerInspectResponse, ContainerSummary, CreateImageInfo, ImageSummary, SystemVersion,
};

use super::ask::Ask;
use super::boot::Boot;
use super::cli_config::{self, Config, Meta, registry};
use super::engine::{Reach, check_endpoint, host_of, is_apart};
use super::images::{Pull, reference};
use super::options::Options;
use super::snapshots::snapshot;
use super::{convert, errors, user_data};
use crate::fuzzing::checks::{
    Target, at_once, check_error, check_instance, check_refusal, check_snapshot, marked, request,
    text, words,
};
use crate::http::fuzzing::reply;
use crate::http::{Deadline, Failure};
use crate::provider::config::ProviderConfig;
use crate::provider::error::ProviderError;
use crate::provider::operation::Operation;

pub(crate) const TARGETS: &[Target] = &[
    Target::new("docker_config", config),
    Target::new("docker_containers", containers),
    Target::new("docker_endpoint", endpoint),
    Target::new("docker_images", images),
    Target::new("docker_options", options),
    Target::new("docker_pull", pull),
    Target::new("docker_refusal", refusals),
    Target::new("docker_request", requests),
    Target::new("docker_user_data", scripts),
];

/// Replies to `get_instance`, `list_instances`, `wait_ready` and `resolve`.
fn containers(input: &[u8]) {
    for reach in
        [Reach::Direct, Reach::Published(None), Reach::Published(Some(Ipv4Addr::LOCALHOST.into()))]
    {
        if let Ok(container) = serde_json::from_slice::<ContainerInspectResponse>(input) {
            let _ = (
                convert::runs(&container),
                convert::has_begun(&container),
                convert::is_of_snapshot(&container),
            );
            let is_marked = convert::is_marked(&container);
            let seen = convert::inspected(container, reach);
            assert_eq!(seen.is_marked, is_marked);
            check_instance(&seen.instance);
        }
        for container in serde_json::from_slice::<Vec<ContainerSummary>>(input).unwrap_or_default()
        {
            if let Some(seen) = convert::listed(container, reach) {
                check_instance(&seen.instance);
            }
        }
    }
}

/// Replies to `list_snapshots` and `resolve_snapshot`.
fn images(input: &[u8]) {
    for image in serde_json::from_slice::<Vec<ImageSummary>>(input).unwrap_or_default() {
        if let Some((snapshot, _)) = snapshot(image) {
            check_snapshot(&snapshot);
        }
    }
}

/// The engine's progress during a pull, a line for each step.
fn pull(input: &[u8]) {
    at_once(async {
        let mut pull = Pull::new("alpine:3.22", Deadline::after(Duration::from_secs(1)));
        for line in input.split(|byte| *byte == b'\n') {
            if let Ok(step) = serde_json::from_slice::<CreateImageInfo>(line) {
                pull.step(&step);
            }
        }
    });
}

/// Error replies of the engine to any call.
fn refusals(input: &[u8]) {
    let reply = reply(input);
    let message = text(&reply.body).into_owned();
    for subject in ["instance", "snapshot", "image", "network", "file"] {
        let ask = Ask::of(Operation::CreateInstance).about(subject, "42");
        let error = Error::DockerResponseServerError {
            status_code: reply.status,
            message: message.clone(),
        };
        let failure =
            errors::of_create(errors::failure(error, "unix:///var/run/docker.sock", &ask));
        check(errors::of_start(ProviderError::from(failure)));
        let stream = Error::DockerStreamError { error: message.clone() };
        check(Failure::into(errors::failure(
            stream,
            "unix:///var/run/docker.sock",
            &Ask::of(Operation::PullImage),
        )));
    }
}

fn check(error: ProviderError) {
    let _ = (errors::may_be_read_again(&error), errors::is_half_removed(&error));
    let shown = error.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    check_error(&error);
}

/// Scripts and cloud-configs.
fn scripts(input: &[u8]) {
    let text = text(input);
    let Some(Some(script)) = check_refusal(user_data::script(&text)) else { return };
    assert!(script.starts_with("#!"));
    // Compressed or aliased content may become long.
    if !text.contains(['*', '!']) && !text.contains("gz") {
        assert!(
            script.len() <= 64 * 1024 + 64 * text.len(),
            "{} bytes of {}",
            script.len(),
            text.len()
        );
    }
}

/// An option's name, and its value.
fn options(input: &[u8]) {
    let text = text(input);
    let (name, value) = text.split_once('\n').unwrap_or((&text, ""));
    let name = ["mounts", "ports", "environment"]
        .into_iter()
        .find(|known| *known == name)
        .unwrap_or("unknown");
    let read = Options::new(&ProviderConfig::default().with_option(name, value));
    if let Err(error) = &read {
        assert!(name != "environment" || !error.to_string().contains("canary-word"), "{error}");
    }
    if let Some(options) = check_refusal(read) {
        let _ = (options.exposed(), options.environment.len());
    }
}

fn requests(input: &[u8]) {
    let request = request(input);
    if let Some(Some((processors, memory))) = check_refusal(convert::limits(&request.size)) {
        assert!(processors > 0 && memory >= 6 << 20, "{processors} and {memory}");
    }
    let image = check_refusal(reference(&request.image));
    let _ = check_refusal(convert::check_id("id", &request.name));
    let Some(request) = marked(&request) else { return };
    if check_refusal(convert::check_request(&request)).is_none() {
        return;
    }
    let (Some(boot), Some(image)) = (check_refusal(Boot::new(&request, "key_hash", &[])), image)
    else {
        return;
    };
    let _ = check_refusal(boot.archive());
    let container = check_refusal(convert::container(&request, &image, &boot, &Options::default()));
    // The instance's own label holds its request.
    let labels = container.and_then(|container| container.labels).unwrap_or_default();
    let names = Some(vec![format!("/{}", request.name)]);
    let listed = convert::listed(
        ContainerSummary { labels: Some(labels), names, ..ContainerSummary::default() },
        Reach::Direct,
    );
    let seen = listed.map(|seen| (seen.instance.name, seen.instance.size, seen.instance.labels));
    let is_same = matches!(
        &seen,
        Some((name, size, labels))
            if *name == request.name
                && *size == request.size
                && request.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
    );
    assert!(is_same, "{request:?} is seen as {seen:?}");
}

/// The docker command's files, and the replies of its helpers.
fn config(input: &[u8]) {
    let told =
        |error: &ProviderError| assert!(!error.to_string().contains("canary-word"), "{error}");
    if let Ok(config) = serde_json::from_slice::<Config>(input) {
        for image in ["alpine", "registry.example.com/a/b:1", "localhost:5000/a"] {
            let host = registry(image);
            let _ = (config.helper(host).map(str::len), config.kept(host).inspect_err(told));
        }
    }
    let _ = serde_json::from_slice::<Meta>(input).is_ok();
    let _ = cli_config::answered("registry.example.com", input).is_ok();
    if let Ok(version) = serde_json::from_slice::<SystemVersion>(input) {
        let _ = is_apart(&version);
    }
}

fn endpoint(input: &[u8]) {
    let text = text(input);
    let [endpoint, image] = words(&text);
    let host = registry(image);
    assert!(host == "docker.io" || image.starts_with(host), "{host}");
    if let Some(read) = check_refusal(check_endpoint(endpoint)) {
        assert_eq!(check_endpoint(&read).ok().as_ref(), Some(&read));
        let _ = read.split_once("://").map(|(_, rest)| host_of(rest).len());
    }
}
