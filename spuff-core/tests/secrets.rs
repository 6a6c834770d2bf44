//! A canary in place of each secret, through every way a call can end: it must stand in no error, no `Debug`, and no line
//! of the log, whatever a server sends back.
#![cfg(all(feature = "aws", feature = "digitalocean", feature = "hetzner"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

mod support;

use std::fmt::{Debug, Write as _};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use spuff_core::ProviderRegistry;
use spuff_core::provider::{ProviderConfig, ProviderResult, ProviderTimeouts, ProviderType};
use support::clouds::{CANARY, CLOUDS, Cloud};
use support::raw::{Answer, Server};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// All that a caller could print of a result.
fn show<T: Debug>(shown: &mut String, result: ProviderResult<T>) {
    match result {
        Ok(value) => writeln!(shown, "{value:?}").unwrap(),
        Err(error) => {
            writeln!(shown, "{error} {error:?} {error:#?}").unwrap();
            let mut cause = std::error::Error::source(&error);
            while let Some(inner) = cause {
                writeln!(shown, "{inner} {inner:?}").unwrap();
                cause = inner.source();
            }
        }
    }
}

/// Replies that a careless or hostile server could give, each with the secrets of the request in it.
fn answers(cloud: Cloud, asked: &str) -> Vec<Answer> {
    let json =
        |status, body: String| Answer::reply(status, &[("content-type", "application/json"), ("x-request-id", CANARY)], &body);
    let echo = asked.replace(['"', '\\', '\r', '\n'], " ");
    let mut answers =
        vec![Answer::Close, cloud.truncated_instance(), cloud.throttled(Some("3600")), cloud.instance(), cloud.created()];
    for status in [200, 302, 400, 401, 403, 404, 409, 412, 422, 423, 500, 503] {
        answers.push(Answer::reply(
            status,
            &[("content-type", "text/plain"), ("location", &format!("https://{CANARY}/"))],
            &echo,
        ));
        answers.push(json(status, format!(r#"{{"id": "{CANARY}", "message": "{echo}", "request_id": "{CANARY}"}}"#)));
        answers.push(json(
            status,
            format!(r#"{{"error": {{"code": "{CANARY}", "message": "{echo}"}}, "root_password": "{CANARY}"}}"#),
        ));
        let xml = "<Response><Errors><Error><Code>SignatureDoesNotMatch</Code><Message>The string should have been\n";
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
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).init();

    let mut shown = String::new();
    let registry = ProviderRegistry::with_defaults();
    let hasty = ProviderTimeouts {
        http_request: Duration::from_millis(100),
        instance_ready: Duration::from_millis(200),
        action_complete: Duration::from_millis(200),
        ..support::timeouts()
    };
    for cloud in CLOUDS {
        let count = answers(cloud, "").len();
        for number in 0..count {
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
        }
    }
    // Tokens that cannot be used.
    for bad in [format!("{CANARY} {CANARY}"), format!("{CANARY}\u{e9}"), format!("{CANARY}\n{CANARY}")] {
        for provider_type in ProviderType::KNOWN {
            let config = ProviderConfig::new(bad.clone());
            show(&mut shown, registry.connect(provider_type.as_str(), config).map(|provider| provider.name().to_string()));
        }
    }

    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("TRACE") && logged.contains("sending again"), "the log was not recorded at TRACE");
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
