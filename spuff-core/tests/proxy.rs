//! Proxies come from the environment, and are not told about this machine's own addresses.
#![cfg(feature = "hetzner")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

mod support;

use std::process::Command;
use std::time::Duration;

use spuff_core::provider::{HetznerProvider, Provider, ProviderError, ProviderTimeouts};
use support::raw::{Answer, Server};

const TEST: &str = "requests_go_through_the_proxy_of_the_environment";

const ABSENT: &str =
    r#"{"error": {"code": "not_found", "message": "server with ID '42' not found"}}"#;

/// Set for the child, whose environment holds the proxy: a process must not change its own.
const CHILD: &str = "SPUFF_TEST_DIRECT_URL";

#[tokio::test]
async fn requests_go_through_the_proxy_of_the_environment() {
    if let Ok(direct) = std::env::var(CHILD) {
        return child(&direct).await;
    }
    let proxy = Server::start(|_| Answer::Close);
    let direct =
        Server::start(|_| Answer::reply(404, &[("content-type", "application/json")], ABSENT));
    let mut command = Command::new(std::env::current_exe().unwrap());
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    {
        command.env(name, &proxy.url);
    }
    command
        .args(["--exact", TEST])
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .env(CHILD, &direct.url);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));

    let asked = proxy.asked();
    assert!(!asked.is_empty(), "the proxy was not asked");
    for request in asked {
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("CONNECT", "api.hetzner.cloud:443")
        );
        assert!(!request.headers.contains("secret-token"), "the proxy was shown the token");
    }
    assert_eq!(direct.asked().len(), 1, "a loopback address was not asked directly");
}

async fn child(direct: &str) {
    let timeouts =
        ProviderTimeouts { http_request: Duration::from_secs(3), ..ProviderTimeouts::default() };
    let provider = HetznerProvider::new("secret-token", timeouts).unwrap();
    let error = provider.get_instance("42").await.unwrap_err();
    assert!(matches!(error, ProviderError::Network(_)), "{error:?}");
    let provider = HetznerProvider::with_config("secret-token", direct, timeouts).unwrap();
    assert_eq!(provider.get_instance("42").await.unwrap(), None);
}
