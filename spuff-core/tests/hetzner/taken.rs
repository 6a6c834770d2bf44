//! Names that are taken, and creates whose outcome is unknown.

use std::time::Duration;

use serde_json::{Value, json};
use spuff_core::provider::{
    HetznerFactory, Provider, ProviderConfig, ProviderError, ProviderFactory,
};
use wiremock::MockServer;

use super::{
    created, good, hasty_provider, on, provider, refusal, reply, sent, server_body, support,
};

#[tokio::test]
async fn a_taken_name_is_a_final_conflict() {
    let server = MockServer::start().await;
    let taken = refusal(409, "uniqueness_error", "server name is already used");
    on("POST", "/servers").respond_with(taken).expect(1).mount(&server).await;
    let error = provider(&server).create_instance(&good()).await.unwrap_err();
    assert!(matches!(error, ProviderError::Conflict { retryable: false, .. }), "{error:?}");
    assert!(
        error.to_string().contains("already used")
            && error.to_string().contains("uniqueness_error"),
        "{error}"
    );
}

#[tokio::test]
async fn an_unreadable_reply_is_an_unknown_outcome_and_keeps_the_password_to_itself() {
    let server = MockServer::start().await;
    let body =
        json!({"server": {"name": "web-1"}, "action": null, "root_password": "canary-root-pw"});
    on("POST", "/servers").respond_with(reply(201, body)).expect(1..).mount(&server).await;
    on("GET", "/servers")
        .respond_with(reply(200, json!({"servers": []})))
        .expect(1..)
        .mount(&server)
        .await;
    let error = hasty_provider(&server)
        .create_instance(&good().with_idempotency_key("order-7"))
        .await
        .unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(
        matches!(&error, ProviderError::UnknownOutcome { key, .. } if key == "order-7"),
        "{text}"
    );
    assert!(!text.contains("canary-root-pw"), "{text}");
}

#[tokio::test]
async fn a_name_that_is_taken_after_an_unreadable_reply_is_looked_at() {
    let server_of = |nonce: &str| {
        json!({
            "servers": [{
                "id": 42, "name": "web-1", "status": "running",
                "created": "2026-01-05T10:00:00+00:00",
                "labels": {"managed-by": "spuff", "spuff-key": nonce}
            }]
        })
    };
    let server = MockServer::start().await;
    on("POST", "/servers")
        .respond_with(refusal(504, "timeout", "late"))
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
    let taken = || refusal(409, "uniqueness_error", "server name is already used");
    on("POST", "/servers").respond_with(taken()).expect(1).mount(&server).await;
    // What is found is ours if it has the nonce that was asked for.
    on("GET", "/servers")
        .respond_with(move |request: &wiremock::Request| {
            let selector = request
                .url
                .query_pairs()
                .find(|(name, _)| name == "label_selector")
                .unwrap()
                .1
                .into_owned();
            reply(200, server_of(selector.strip_prefix("spuff-key==").unwrap()))
        })
        .expect(1)
        .mount(&server)
        .await;
    assert_eq!(provider(&server).create_instance(&good()).await.unwrap().id, "42");

    let server = MockServer::start().await;
    on("POST", "/servers")
        .respond_with(refusal(504, "timeout", "late"))
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
    on("POST", "/servers").respond_with(taken()).expect(1).mount(&server).await;
    // By its label, and by its name.
    on("GET", "/servers")
        .respond_with(reply(200, server_of("another")))
        .expect(2)
        .mount(&server)
        .await;
    let error = provider(&server).create_instance(&good()).await.unwrap_err();
    assert!(matches!(error, ProviderError::Conflict { retryable: false, .. }), "{error:?}");
}

/// A provider whose lists need not be believed for a moment.
fn settling(server: &MockServer) -> Box<dyn Provider> {
    let config = ProviderConfig::new("test-token")
        .with_endpoint(format!("{}/v1", server.uri()))
        .with_timeouts(support::timeouts())
        .with_option("settling", "0.2");
    HetznerFactory.create_with(&config).unwrap()
}

/// A create whose reply is lost, and which is refused when it is sent again, as there is a server
/// of that name.
async fn lost_then_taken(server: &MockServer) {
    on("POST", "/servers")
        .respond_with(refusal(504, "timeout", "late"))
        .up_to_n_times(1)
        .expect(1)
        .mount(server)
        .await;
    let taken = refusal(409, "uniqueness_error", "server name is already used");
    on("POST", "/servers").respond_with(taken).expect(1).mount(server).await;
}

#[tokio::test]
async fn a_server_that_the_cloud_says_is_there_is_looked_for_until_it_shows() {
    for shown_by in ["label_selector", "name"] {
        let server = MockServer::start().await;
        lost_then_taken(&server).await;
        let looks = std::sync::atomic::AtomicUsize::new(0);
        let posted = std::sync::Arc::new(std::sync::Mutex::new(Value::Null));
        let labels = posted.clone();
        let shown = move |request: &wiremock::Request| {
            let by = request.url.query_pairs().any(|(name, _)| name == shown_by);
            // The first looks show nothing.
            if !by || looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2 {
                return reply(200, json!({"servers": []}));
            }
            let mut found = server_body(42, "running");
            (found["name"], found["labels"]) = (json!("web-1"), labels.lock().unwrap().clone());
            reply(200, json!({"servers": [found]}))
        };
        on("GET", "/servers").respond_with(shown).expect(3..).mount(&server).await;
        let provider = settling(&server);
        let request = good();
        let watch = async {
            loop {
                if let Some(create) =
                    sent(&server).await.iter().find(|sent| sent.method.as_str() == "POST")
                {
                    *posted.lock().unwrap() =
                        create.body_json::<Value>().unwrap()["labels"].clone();
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let made = tokio::select! {
            made = provider.create_instance(&request) => made.unwrap(),
            () = watch => unreachable!(),
        };
        assert_eq!(made.id, "42", "by {shown_by}");
    }
}

#[tokio::test]
async fn a_name_that_is_taken_by_nobody_who_can_be_seen_leaves_the_outcome_unknown() {
    let server = MockServer::start().await;
    lost_then_taken(&server).await;
    on("GET", "/servers")
        .respond_with(reply(200, json!({"servers": []})))
        .expect(2..)
        .mount(&server)
        .await;
    let error = settling(&server)
        .create_instance(&good().with_idempotency_key("order-7"))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ProviderError::UnknownOutcome { key, .. } if key == "order-7"),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("late") && error.to_string().contains("already used"),
        "{error}"
    );
}

#[tokio::test]
async fn a_conflict_that_passes_is_sent_again_and_told_at_the_deadline() {
    let server = MockServer::start().await;
    let busy = || refusal(409, "conflict", "the resource has changed, please retry");
    on("POST", "/servers").respond_with(busy()).up_to_n_times(2).expect(2).mount(&server).await;
    on("POST", "/servers")
        .respond_with(created(server_body(42, "initializing"), &[]))
        .expect(1)
        .mount(&server)
        .await;
    assert_eq!(provider(&server).create_instance(&good()).await.unwrap().id, "42");

    let server = MockServer::start().await;
    on("POST", "/servers").respond_with(busy()).expect(2..).mount(&server).await;
    let error = hasty_provider(&server).create_instance(&good()).await.unwrap_err();
    assert!(matches!(error, ProviderError::Conflict { retryable: true, .. }), "{error:?}");
}
