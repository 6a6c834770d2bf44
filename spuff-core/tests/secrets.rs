//! A canary in place of each secret, through every way a call can end: it must stand in no error,
//! no `Debug`, and no line of the log, whatever a server sends back.
#![cfg(all(feature = "aws", feature = "digitalocean", feature = "docker", feature = "hetzner"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

mod support;

use std::fmt::{Debug, Write as _};
use std::sync::OnceLock;
use std::time::Duration;

use spuff_core::ProviderRegistry;
use spuff_core::provider::{
    InstanceRequest, ProviderConfig, ProviderResult, ProviderTimeouts, ProviderType,
};
use support::clouds::{CANARY, CLOUDS, Cloud};
use support::log::Log;
use support::raw::{Answer, Asked, Server};

/// The log of this process, of which there can be one: all that is logged by anything, at every
/// level.
fn log_of_all() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .init();
        log
    });
    log.clone()
}

/// All that a caller could print of a result.
fn show<T: Debug>(shown: &mut String, result: ProviderResult<T>) {
    match result {
        Ok(value) => writeln!(shown, "{value:?}").unwrap(),
        Err(error) => shown.push_str(&support::log::shown(&error)),
    }
}

/// Replies that a careless or hostile server could give, each with the secrets of the request in
/// it.
fn answers(cloud: Cloud, asked: &str) -> Vec<Answer> {
    let json = |status, body: String| {
        Answer::reply(
            status,
            &[("content-type", "application/json"), ("x-request-id", CANARY)],
            &body,
        )
    };
    let echo = asked.replace(['"', '\\', '\r', '\n'], " ");
    let mut answers = vec![
        Answer::Close,
        cloud.truncated_instance(),
        cloud.throttled(Some("3600")),
        cloud.instance(),
        cloud.created(),
    ];
    for status in [200, 302, 400, 401, 403, 404, 409, 412, 422, 423, 500, 503] {
        answers.push(Answer::reply(
            status,
            &[("content-type", "text/plain"), ("location", &format!("https://{CANARY}/"))],
            &echo,
        ));
        answers.push(json(
            status,
            format!(r#"{{"id": "{CANARY}", "message": "{echo}", "request_id": "{CANARY}"}}"#),
        ));
        answers.push(json(
            status,
            format!(r#"{{"error": {{"code": "{CANARY}", "message": "{echo}"}}, "root_password": "{CANARY}"}}"#),
        ));
        let xml = "<Response><Errors><Error><Code>SignatureDoesNotMatch</Code><Message>The string \
         should have been\n";
        answers.push(Answer::reply(
            status,
            &[],
            &format!("{xml}{echo}</Message></Error></Errors><RequestID>r</RequestID></Response>"),
        ));
    }
    answers
}

#[tokio::test]
async fn no_secret_is_ever_shown() {
    let log = log_of_all();
    let mut shown = String::new();
    let registry = ProviderRegistry::with_defaults();
    let hasty = ProviderTimeouts {
        http_request: Duration::from_millis(100),
        instance_ready: Duration::from_millis(200),
        action_complete: Duration::from_millis(200),
        ..support::timeouts()
    };
    let registry = &registry;
    let told = CLOUDS.into_iter().flat_map(|cloud| {
        (0..answers(cloud, "").len()).map(move |number| async move {
            let mut shown = String::new();
            let server = Server::start(move |asked| {
                let all = format!("{} {} {}", asked.path, asked.headers, asked.body);
                match cloud.look_up(asked) {
                    Some(answer) if number % 2 == 0 => answer,
                    _ => answers(cloud, &all).swap_remove(number),
                }
            });
            let config = cloud.config(&server.url, hasty);
            writeln!(shown, "{config:?}").unwrap();
            let provider = registry.connect(cloud.name, config).unwrap();
            let request = cloud.request().with_user_data(format!("#!/bin/sh\necho {CANARY}"));
            writeln!(shown, "{request:?}").unwrap();
            show(&mut shown, provider.create_instance(&request).await);
            show(&mut shown, provider.get_instance(cloud.id).await);
            show(&mut shown, provider.list_instances().await);
            show(&mut shown, provider.wait_ready(cloud.id).await);
            show(&mut shown, provider.destroy_instance(cloud.id).await);
            show(&mut shown, provider.create_snapshot(cloud.id, "nightly").await);
            show(&mut shown, provider.list_snapshots().await);
            show(&mut shown, provider.delete_snapshot(cloud.snapshot).await);
            show(&mut shown, provider.get_ssh_keys().await);
            shown
        })
    });
    // What is not the API's own answer is asked for again: all at once, that takes no longer than
    // one.
    shown.extend(futures_util::future::join_all(told).await);
    // Tokens that cannot be used.
    for bad in
        [format!("{CANARY} {CANARY}"), format!("{CANARY}\u{e9}"), format!("{CANARY}\n{CANARY}")]
    {
        for provider_type in ProviderType::KNOWN {
            let config = ProviderConfig::new(bad.clone());
            show(
                &mut shown,
                registry
                    .connect(provider_type.as_str(), config)
                    .map(|provider| provider.name().to_string()),
            );
        }
    }

    let logged = log.text();
    assert!(
        logged.contains("TRACE") && logged.contains("retrying"),
        "the log was not recorded at TRACE"
    );
    assert!(
        logged.contains("create_instance{provider=\"aws\" name=\"web-1\"}:request{"),
        "no span of the verb and of the request"
    );
    assert!(shown.contains("[redacted]"), "the echo of a secret was not even tried");
    for (what, text) in [("error or Debug", &shown), ("log", &logged)] {
        let leaks: Vec<_> = text.lines().filter(|line| line.contains(CANARY)).take(3).collect();
        assert!(leaks.is_empty(), "a secret stands in an {what}: {leaks:#?}");
    }
}

/// A reply that is a success may repeat a secret as well, where it tells why a machine has failed.
#[tokio::test]
async fn what_a_cloud_says_of_a_failed_machine_holds_no_secret() {
    for cloud in &CLOUDS[1..] {
        let cloud = *cloud;
        let words = format!("{} {CANARY} {}", "x".repeat(480), &CANARY[..12]);
        let failed = if cloud.name == "hetzner" {
            let error = format!(r#"{{"code": "{CANARY}", "message": "{words}"}}"#);
            let action = format!(
                r#"{{"id": 1, "command": "create_server", "status": "error", "error": {error}}}"#
            );
            cloud.reply(200, &format!(r#"{{"actions": [{action}]}}"#))
        } else {
            let reason = format!(
                "<stateReason><code>Server.{CANARY}</code><message>{words}</message></stateReason>"
            );
            let id = format!("<instanceId>{}</instanceId>", cloud.id);
            let item = format!(
                "<item>{id}<instanceState><name>terminated</name></instanceState>{reason}</item>"
            );
            let set = format!(
                "<reservationSet><item><instancesSet>{item}</instancesSet></item></reservationSet>"
            );
            cloud.reply(
                200,
                &format!("<DescribeInstancesResponse>{set}</DescribeInstancesResponse>"),
            )
        };
        let Answer::Bytes(failed) = failed else { unreachable!() };
        let server = Server::start(move |asked| match cloud.look_up(asked) {
            Some(answer) => answer,
            None if cloud.is_create(asked) => cloud.created(),
            None if asked.path.starts_with("/servers/") => cloud.instance(),
            None => Answer::Bytes(failed.clone()),
        });
        let provider = cloud.connect(&server.url, support::timeouts());
        let made = provider.create_instance(&cloud.request()).await.unwrap();
        let error = provider.wait_ready(&made.id).await.unwrap_err();
        let shown = support::log::shown(&error);
        assert!(
            shown.contains("[redacted]") && !shown.contains(&CANARY[..8]),
            "{}: {shown}",
            cloud.name
        );
    }
}

/// What a machine of Docker's may have for secrets.
#[derive(Clone, Copy)]
struct Canaries {
    user_data: &'static str,
    environment: &'static str,
}

const CONTAINER: &str = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";

/// An engine that makes every machine.
fn engine(asked: &Asked) -> Answer {
    let json =
        |status, body: &str| Answer::reply(status, &[("content-type", "application/json")], body);
    let stat = "eyJuYW1lIjoic2giLCJzaXplIjoxLCJtb2RlIjo1MTEsIm10aW1lIjoiMjAyNi0wMS0wNVQxMDowMDowMFoiLCJsaW5rVGFyZ2V0IjoiIn0=";
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", path) if path.ends_with("/version") => {
            json(200, r#"{"ApiVersion": "1.41", "Version": "20.10.24"}"#)
        }
        ("GET", path) if path.contains("/containers/json") || path.contains("/images/json") => {
            json(200, "[]")
        }
        ("GET", path) if path.contains("/containers/") => {
            json(200, &format!(r#"{{"Id": "{CONTAINER}"}}"#))
        }
        ("POST", path) if path.contains("/containers/create") => {
            json(201, &format!(r#"{{"Id": "{CONTAINER}", "Warnings": []}}"#))
        }
        ("HEAD", _) => Answer::reply(200, &[("x-docker-container-path-stat", stat)], ""),
        ("POST" | "DELETE", _) => json(204, ""),
        _ => json(200, "{}"),
    }
}

/// Goes through every verb of a machine with secrets at an engine; what a caller could print of
/// that.
async fn at_engine(
    canaries: Canaries,
    answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> String {
    let hasty = ProviderTimeouts {
        http_request: Duration::from_secs(2),
        instance_ready: Duration::from_millis(300),
        action_complete: Duration::from_millis(300),
        ..support::timeouts()
    };
    let server = Server::start(answer);
    let config = ProviderConfig::default()
        .with_endpoint(&server.url)
        .with_timeouts(hasty)
        .with_option("environment", format!("PASSWORD={}", canaries.environment));
    let provider = ProviderRegistry::with_defaults().connect("docker", config).unwrap();
    let request = InstanceRequest::new("web-1", "", "")
        .with_user_data(format!("#!/bin/sh\necho {}", canaries.user_data));
    let mut shown = format!("{request:?}\n");
    show(&mut shown, provider.create_instance(&request).await);
    show(&mut shown, provider.get_instance(CONTAINER).await);
    show(&mut shown, provider.list_instances().await);
    show(&mut shown, provider.wait_ready(CONTAINER).await);
    show(&mut shown, provider.create_snapshot(CONTAINER, "nightly").await);
    show(&mut shown, provider.destroy_instance(CONTAINER).await);
    shown
}

/// Many engines at once.
async fn at_engines(
    canaries: Canaries,
    count: usize,
    answer: impl Fn(usize, &Asked) -> Answer + Copy + Send + Sync + 'static,
) -> String {
    let engines: Vec<_> = (0..count)
        .map(|number| tokio::spawn(at_engine(canaries, move |asked| answer(number, asked))))
        .collect();
    let mut shown = String::new();
    for engine in engines {
        shown.push_str(&engine.await.unwrap());
    }
    shown
}

/// Lines with one of these words, a few of each.
fn leaks<'a>(
    what: &str,
    words: &[&str],
    text: impl Iterator<Item = &'a str> + Clone,
) -> Vec<String> {
    let of =
        |word: &&str| text.clone().filter(|line| line.contains(*word)).take(2).collect::<Vec<_>>();
    words
        .iter()
        .flat_map(of)
        .map(|line| format!("{what}: {}", line.chars().take(600).collect::<String>()))
        .collect()
}

/// What a machine of Docker's is given stands nowhere; its user data also not in what the library
/// for the engine's API logs.
#[tokio::test]
async fn no_secret_of_a_container_is_ever_shown() {
    const CANARIES: Canaries =
        Canaries { user_data: "userdatazeisig", environment: "umgebungszeisig" };
    const STATUSES: [u16; 9] = [200, 400, 401, 403, 404, 409, 500, 503, 504];
    let log = log_of_all();
    let refused = |number: usize, asked: &Asked| {
        // The first engine does all; the others refuse a step.
        let steps = ["/containers/create?", "/archive", "/start"];
        let step = steps[number % steps.len()];
        let status = STATUSES[number / steps.len()];
        match asked.path.contains(step) && asked.method != "HEAD" && status != 200 {
            true => Answer::reply(
                status,
                &[("content-type", "application/json")],
                r#"{"message": "not today"}"#,
            ),
            false => engine(asked),
        }
    };
    let shown = at_engines(CANARIES, 3 * STATUSES.len(), refused).await;
    let logged = log.text();
    assert!(
        logged.contains("create_instance{provider=\"docker\" name=\"web-1\"}"),
        "no span of the verb"
    );
    assert!(logged.contains("/start"), "not even the library's own records have come here");
    let words = [CANARIES.user_data, CANARIES.environment];
    let mut found = leaks("shown", &words, shown.lines());
    found.extend(leaks("logged", &words[..1], logged.lines()));
    found.extend(leaks(
        "logged",
        &words,
        logged.lines().filter(|line| !line.contains(" bollard::")),
    ));
    let given = ProviderConfig::default()
        .with_option("environment", format!("PASSWORD={}", CANARIES.environment));
    found.extend(leaks(
        "shown of a configuration",
        &words,
        format!("{given:?} {given:#?}").lines(),
    ));
    for bad in [format!("={}", CANARIES.environment), CANARIES.environment.to_string()] {
        let error = ProviderRegistry::with_defaults()
            .connect("docker", given.clone().with_option("environment", bad))
            .err();
        let error = error.unwrap();
        found.extend(leaks(
            "shown of what cannot be",
            &words,
            format!("{error} {error:?}").lines(),
        ));
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// An engine that puts all it was told into its errors.
#[tokio::test]
async fn what_an_engine_echoes_is_not_shown() {
    const CANARIES: Canaries =
        Canaries { user_data: "userdatastieglitz", environment: "umgebungsstieglitz" };
    const STATUSES: [u16; 8] = [400, 401, 403, 404, 409, 500, 503, 504];
    let log = log_of_all();
    let echo = |number: usize, asked: &Asked| {
        let status = STATUSES[number / 2];
        let is_json = number.is_multiple_of(2);
        if asked.method != "POST" && asked.method != "PUT" {
            return engine(asked);
        }
        let told =
            format!("{} {}", asked.path, asked.body).replace(['"', '\\', '\r', '\n', '\0'], " ");
        let body = if is_json { format!(r#"{{"message": "{told}"}}"#) } else { told };
        Answer::reply(status, &[("content-type", "application/json")], &body)
    };
    let shown = at_engines(CANARIES, 2 * STATUSES.len(), echo).await;
    let logged = log.text();
    let words = [CANARIES.user_data, CANARIES.environment];
    let mut found = leaks("shown", &words, shown.lines());
    // What the library for the engine's API logs of replies is its own.
    found.extend(leaks(
        "logged",
        &words,
        logged.lines().filter(|line| line.contains(" spuff_core::")),
    ));
    assert!(found.is_empty(), "{found:#?}");
}
