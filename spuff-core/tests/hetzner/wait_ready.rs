//! `wait_ready`: a server that runs and has an address may still be in the making.

use serde_json::{Value, json};
use spuff_core::provider::{HetznerProvider, Provider, ProviderError};
use wiremock::matchers::query_param;
use wiremock::{Mock, MockServer};

use super::{
    action, created, good, hasty_provider, locked, on, page, provider, refusal, reply, sent,
    server_body,
};

fn server_is(body: Value) -> Mock {
    on("GET", "/servers/42").respond_with(reply(200, json!({"server": body})))
}

/// Once each, in this order.
async fn server_goes(server: &MockServer, bodies: impl IntoIterator<Item = Value>) {
    for body in bodies {
        server_is(body).up_to_n_times(1).expect(1).mount(server).await;
    }
}

fn actions_are(states: [&str; 2]) -> Mock {
    let actions = [action(1, "create_server", states[0]), action(2, "start_server", states[1])];
    on("GET", "/actions")
        .and(query_param("id", "1"))
        .and(query_param("id", "2"))
        .respond_with(page("actions", &actions, None))
}

/// A provider that has just made server 42, with a create action 1 and a start action 2.
async fn maker(server: &MockServer, provider: HetznerProvider) -> HetznerProvider {
    let actions = [action(1, "create_server", "running"), action(2, "start_server", "running")];
    on("POST", "/servers")
        .respond_with(created(server_body(42, "initializing"), &actions))
        .expect(1)
        .mount(server)
        .await;
    provider.create_instance(&good()).await.unwrap();
    provider
}

#[tokio::test]
async fn a_server_made_here_is_ready_when_its_actions_are_done() {
    let server = MockServer::start().await;
    let provider = maker(&server, provider(&server)).await;
    let states =
        ["initializing", "running", "running", "running"].map(|state| server_body(42, state));
    server_goes(&server, states).await;
    for states in [
        ["running", "running"],
        ["running", "running"],
        ["success", "running"],
        ["success", "success"],
    ] {
        actions_are(states).up_to_n_times(1).expect(1).mount(&server).await;
    }
    let machine = provider.wait_ready("42").await.unwrap();
    assert_eq!(machine.ip.to_string(), "203.0.113.9");
}

#[tokio::test]
async fn done_actions_do_not_make_a_server_ready_that_does_not_run() {
    let server = MockServer::start().await;
    let provider = maker(&server, provider(&server)).await;
    let mut no_address = server_body(42, "running");
    no_address["public_net"] = json!({"ipv4": null, "ipv6": null});
    server_goes(&server, [server_body(42, "starting"), no_address, server_body(42, "running")])
        .await;
    actions_are(["success", "success"]).expect(3).mount(&server).await;
    assert!(provider.wait_ready("42").await.unwrap().is_ready());
}

#[tokio::test]
async fn a_failed_action_ends_the_wait_with_the_clouds_reason() {
    for (code, message, kind) in [
        ("action_failed", "the host caught fire", "api"),
        ("resource_unavailable", "sold out in fsn1", "capacity"),
    ] {
        let server = MockServer::start().await;
        let provider = maker(&server, provider(&server)).await;
        server_is(server_body(42, "off")).expect(1).mount(&server).await;
        let mut failed = action(2, "start_server", "error");
        failed["error"] = json!({"code": code, "message": message});
        let actions = [action(1, "create_server", "running"), failed];
        on("GET", "/actions")
            .respond_with(page("actions", &actions, None))
            .expect(1)
            .mount(&server)
            .await;
        let error = provider.wait_ready("42").await.unwrap_err();
        assert_eq!(error.kind().name(), kind);
        assert_eq!(error.context().unwrap().instance_id.as_deref(), Some("42"));
        for part in ["start_server", code, message] {
            assert!(error.to_string().contains(part), "{part:?} is not in {error}");
        }
    }
}

#[tokio::test]
async fn a_server_that_was_taken_away_has_the_reason_in_its_action() {
    let server = MockServer::start().await;
    let provider = maker(&server, provider(&server)).await;
    let gone = refusal(404, "not_found", "server with ID '42' not found");
    on("GET", "/servers/42").respond_with(gone).expect(1).mount(&server).await;
    actions_are(["error", "error"]).expect(1).mount(&server).await;
    let error = provider.wait_ready("42").await.unwrap_err();
    assert!(error.to_string().contains("create_server failed"), "{error}");
}

#[tokio::test]
async fn actions_that_are_not_shown_any_more_leave_it_to_the_lock() {
    for shown in [
        page("actions", &[action(1, "create_server", "success")], None),
        refusal(404, "not_found", "no such action"),
    ] {
        let server = MockServer::start().await;
        let provider = maker(&server, provider(&server)).await;
        server_goes(&server, [locked(server_body(42, "running")), server_body(42, "running")])
            .await;
        on("GET", "/actions").respond_with(shown).expect(2).mount(&server).await;
        provider.wait_ready("42").await.unwrap();
    }
}

#[tokio::test]
async fn many_actions_are_asked_for_in_chunks() {
    let server = MockServer::start().await;
    let all = |status: &str| (1..=30).map(|id| action(id, "step", status)).collect::<Vec<_>>();
    on("POST", "/servers")
        .respond_with(created(server_body(42, "initializing"), &all("running")))
        .expect(1)
        .mount(&server)
        .await;
    server_is(server_body(42, "running")).expect(1).mount(&server).await;
    let done = all("success");
    for (some, first) in [(&done[..25], "1"), (&done[25..], "26")] {
        on("GET", "/actions")
            .and(query_param("id", first))
            .respond_with(page("actions", some, None))
            .expect(1)
            .mount(&server)
            .await;
    }
    let provider = provider(&server);
    provider.create_instance(&good()).await.unwrap();
    provider.wait_ready("42").await.unwrap();
    let counts: Vec<_> =
        sent(&server).await.iter().map(|request| request.url.query_pairs().count()).collect();
    assert_eq!(counts, [0, 0, 25, 5]);
}

#[tokio::test]
async fn a_passing_failure_of_a_look_is_passed_over() {
    let server = MockServer::start().await;
    let provider = maker(&server, provider(&server)).await;
    server_is(server_body(42, "running")).expect(2).mount(&server).await;
    let busy = refusal(409, "conflict", "the resource has changed");
    on("GET", "/actions").respond_with(busy).up_to_n_times(1).expect(1).mount(&server).await;
    actions_are(["success", "success"]).expect(1).mount(&server).await;
    provider.wait_ready("42").await.unwrap();
}

#[tokio::test]
async fn a_server_of_another_process_is_ready_when_it_runs_unlocked() {
    let server = MockServer::start().await;
    let states = [
        server_body(42, "initializing"),
        locked(server_body(42, "running")),
        server_body(42, "running"),
    ];
    server_goes(&server, states).await;
    on("GET", "/actions").respond_with(page("actions", &[], None)).expect(0).mount(&server).await;
    provider(&server).wait_ready("42").await.unwrap();
}

#[tokio::test]
async fn ipv6_alone_is_an_address() {
    let server = MockServer::start().await;
    let mut body = server_body(42, "running");
    body["public_net"]["ipv4"] = Value::Null;
    server_is(body).expect(1).mount(&server).await;
    assert_eq!(provider(&server).wait_ready("42").await.unwrap().ip.to_string(), "2001:db8:1::1");
}

#[tokio::test]
async fn a_server_that_is_gone_ends_the_wait() {
    let gone = || {
        on("GET", "/servers/42")
            .respond_with(refusal(404, "not_found", "server with ID '42' not found"))
            .expect(1)
    };
    let is_gone = |error: ProviderError| {
        let about = matches!(
            &error,
            ProviderError::NotFound { resource_type, id }
                if resource_type == "instance" && id == "42"
        );
        assert!(about, "{error}");
    };
    let server = MockServer::start().await;
    gone().mount(&server).await;
    is_gone(provider(&server).wait_ready("42").await.unwrap_err());

    // Seen, then gone, although it was made a moment ago.
    let server = MockServer::start().await;
    let provider = maker(&server, provider(&server)).await;
    server_goes(&server, [server_body(42, "deleting")]).await;
    gone().mount(&server).await;
    actions_are(["success", "success"]).expect(2).mount(&server).await;
    is_gone(provider.wait_ready("42").await.unwrap_err());
}

#[tokio::test]
async fn the_deadline_names_what_was_pending() {
    for (body, states, pending) in [
        (server_body(42, "initializing"), ["running", "running"], "new"),
        (server_body(42, "running"), ["success", "running"], "start_server in progress"),
    ] {
        let server = MockServer::start().await;
        let provider = maker(&server, hasty_provider(&server)).await;
        server_is(body).expect(1..).mount(&server).await;
        actions_are(states).mount(&server).await;
        let error = provider.wait_ready("42").await.unwrap_err();
        assert!(
            matches!(
                &error,
                ProviderError::Timeout { operation, .. } if operation.contains(pending)
            ),
            "{error}"
        );
        assert!(error.to_string().contains("42") && error.is_retryable(), "{error}");
    }
}

#[tokio::test]
async fn a_final_error_of_a_look_ends_the_wait() {
    let server = MockServer::start().await;
    on("GET", "/servers/42")
        .respond_with(refusal(401, "unauthorized", "unable to authenticate"))
        .expect(1)
        .mount(&server)
        .await;
    assert!(matches!(
        provider(&server).wait_ready("42").await,
        Err(ProviderError::Authentication { .. })
    ));
}
