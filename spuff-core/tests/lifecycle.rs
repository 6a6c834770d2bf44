//! The lifecycle example leaves nothing behind: not after a failure, and not after Ctrl-C.
#![cfg(all(unix, feature = "aws", feature = "digitalocean", feature = "hetzner"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

mod support;

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::clouds::CLOUDS;
use support::raw::{Asked, Server};

/// The example, pointed at a server: `cargo test --workspace` builds it.
fn start(server: &Server) -> Child {
    let program = std::env::current_exe().unwrap();
    let program = program.parent().unwrap().with_file_name("examples").join("lifecycle");
    assert!(
        program.exists(),
        "{} is not built: `cargo build -p spuff-examples --examples`",
        program.display()
    );
    Command::new(program)
        .args([
            "--provider",
            "hetzner",
            "--endpoint",
            &server.url,
            "--image",
            "snapshot:4711",
            "--name",
            "web-1",
        ])
        .env("HETZNER_TOKEN", "token")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn deleted(server: &Server) -> Vec<String> {
    server
        .asked()
        .into_iter()
        .filter(|asked| asked.method == "DELETE")
        .map(|asked| asked.path)
        .collect()
}

fn texts(output: &Output) -> (String, String) {
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// What the cloud says to a DELETE that it has taken.
const DELETING: &str = r#"{"action": {"id": 2, "command": "delete_server", "status": "success", "progress": 100, "error": null}}"#;

fn is_delete(asked: &Asked) -> bool {
    asked.method == "DELETE"
}

#[test]
fn a_failure_ends_what_was_started() {
    let hetzner = CLOUDS[1];
    let refused = r#"{"error": {"code": "invalid_input", "message": "no snapshot today"}}"#;
    let server = Server::start(move |asked| match asked.path.as_str() {
        _ if is_delete(asked) => hetzner.reply(200, DELETING),
        "/servers/42/actions/create_image" => hetzner.reply(422, refused),
        path if path.starts_with("/servers?") => {
            hetzner.reply(200, r#"{"servers": [], "meta": null}"#)
        }
        path if path.starts_with("/actions?") => {
            hetzner.reply(200, r#"{"actions": [{"id": 1, "status": "success"}]}"#)
        }
        _ => hetzner.instance(),
    });
    let output = start(&server).wait_with_output().unwrap();
    let (said, complained) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{said}{complained}");
    assert!(
        said.contains("cleaning up") && complained.contains("no snapshot today"),
        "{said}{complained}"
    );
    assert_eq!(deleted(&server), ["/servers/42"]);
}

#[test]
fn ctrl_c_ends_what_was_started() {
    let hetzner = CLOUDS[1];
    let server = Server::start(move |asked| match asked.path.as_str() {
        _ if is_delete(asked) => hetzner.reply(200, DELETING),
        path if path.starts_with("/actions?") => {
            hetzner.reply(200, r#"{"actions": [{"id": 1, "status": "running"}]}"#)
        }
        _ => hetzner.instance(),
    });
    let child = start(&server);
    let began = Instant::now();
    while !server.asked().iter().any(|asked| asked.path == "/servers/42") {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "the example never waited for its machine"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success()
    );
    let output = child.wait_with_output().unwrap();
    let (said, complained) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{said}{complained}");
    assert!(complained.contains("interrupted") && said.contains("destroy"), "{said}{complained}");
    assert_eq!(deleted(&server), ["/servers/42"]);
}
