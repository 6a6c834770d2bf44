//! The snapshot verbs: the image is known at once, but not finished.

use serde_json::{Value, json};
use spuff_core::provider::{Provider, ProviderError};
use wiremock::matchers::query_param;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{
    action, body_json_but_for_the_key, hasty_provider, on, page, provider, refusal, reply,
};

fn image(id: u64, status: &str) -> Value {
    json!({
        "id": id, "type": "snapshot", "status": status, "name": null, "description": "before the \
         upgrade",
        "created": "2026-01-30T23:50:00+00:00", "created_from": {"id": 42, "name": "web-42"},
        "bound_to": null, "labels": {"managed-by": "spuff"}, "architecture": "x86", "disk_size": 40,
        "image_size": null, "deleted": null
    })
}

/// The call that starts snapshot 4711 of server 42, once.
async fn snapshot_started(server: &MockServer) {
    let body = json!({"type": "snapshot", "description": "before the \
     upgrade", "labels": {"managed-by": "spuff"}});
    let started =
        json!({"action": action(13, "create_image", "running"), "image": image(4711, "creating")});
    on("POST", "/servers/42/actions/create_image")
        .and(body_json_but_for_the_key(body))
        .respond_with(reply(201, started))
        .expect(1)
        .mount(server)
        .await;
}

fn action_is(status: &str) -> Mock {
    let mut action = action(13, "create_image", status);
    if status == "error" {
        action["error"] = json!({"code": "action_failed", "message": "the disk cannot be read"});
    }
    on("GET", "/actions").and(query_param("id", "13")).respond_with(page(
        "actions",
        &[action],
        None,
    ))
}

fn image_is(status: &str) -> Mock {
    on("GET", "/images/4711").respond_with(reply(200, json!({"image": image(4711, status)})))
}

#[tokio::test]
async fn a_snapshot_is_waited_for_by_its_action_and_its_image() {
    let server = MockServer::start().await;
    snapshot_started(&server).await;
    action_is("running").up_to_n_times(2).expect(2).mount(&server).await;
    action_is("success").expect(1).mount(&server).await;
    image_is("creating").up_to_n_times(1).expect(1).mount(&server).await;
    image_is("available").expect(1).mount(&server).await;
    let snapshot = provider(&server).create_snapshot("42", "before the upgrade").await.unwrap();
    assert_eq!((snapshot.id.as_str(), snapshot.name.as_str()), ("4711", "before the upgrade"));
    assert_eq!(snapshot.created_at.unwrap().to_rfc3339(), "2026-01-30T23:50:00+00:00");
}

#[tokio::test]
async fn an_action_that_is_not_shown_any_more_leaves_it_to_the_image() {
    let server = MockServer::start().await;
    snapshot_started(&server).await;
    on("GET", "/actions").respond_with(page("actions", &[], None)).expect(1).mount(&server).await;
    image_is("available").expect(1).mount(&server).await;
    provider(&server).create_snapshot("42", "before the upgrade").await.unwrap();
}

#[tokio::test]
async fn what_a_failed_snapshot_leaves_is_deleted() {
    for deleted in
        [ResponseTemplate::new(204), refusal(404, "not_found", "image with ID '4711' not found")]
    {
        let server = MockServer::start().await;
        snapshot_started(&server).await;
        action_is("error").expect(1).mount(&server).await;
        on("DELETE", "/images/4711").respond_with(deleted).expect(1).mount(&server).await;
        let error =
            provider(&server).create_snapshot("42", "before the upgrade").await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("the disk cannot be read")
                && text.contains("instance 42")
                && !text.contains("4711"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn what_a_failed_snapshot_leaves_and_cannot_be_deleted_is_named() {
    let server = MockServer::start().await;
    snapshot_started(&server).await;
    action_is("error").expect(1).mount(&server).await;
    on("DELETE", "/images/4711")
        .respond_with(refusal(423, "protected", "image is protected"))
        .expect(1)
        .mount(&server)
        .await;
    let text = provider(&server)
        .create_snapshot("42", "before the upgrade")
        .await
        .unwrap_err()
        .to_string();
    for part in ["the disk cannot be read", "snapshot 4711", "image is protected"] {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[tokio::test]
async fn the_deadline_names_the_snapshot_that_goes_on() {
    for done in [false, true] {
        let server = MockServer::start().await;
        snapshot_started(&server).await;
        action_is(if done { "success" } else { "running" }).expect(1..).mount(&server).await;
        image_is("creating").mount(&server).await;
        let error =
            hasty_provider(&server).create_snapshot("42", "before the upgrade").await.unwrap_err();
        assert!(
            matches!(
                &error,
                ProviderError::Timeout { operation, .. } if operation.contains("snapshot 4711")
            ),
            "{error}"
        );
        assert!(
            error.to_string().contains(if done { "creating" } else { "create_image in progress" }),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_snapshot_that_vanishes_ends_the_wait() {
    let server = MockServer::start().await;
    snapshot_started(&server).await;
    action_is("success").expect(1).mount(&server).await;
    let gone = refusal(404, "not_found", "image with ID '4711' not found");
    // For as long as it may not be shown yet, its absence is not believed.
    on("GET", "/images/4711").respond_with(gone).expect(2..).mount(&server).await;
    let error = provider(&server).create_snapshot("42", "before the upgrade").await.unwrap_err();
    assert!(
        matches!(
            &error,
            ProviderError::NotFound { resource_type, .. } if resource_type == "snapshot"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_snapshot_that_is_refused_is_not_sent_again() {
    for (status, code, kind, retryable) in [
        (404, "not_found", "not_found", false),
        (423, "protected", "conflict", false),
        (403, "resource_limit_exceeded", "quota_exceeded", false),
        (503, "unavailable", "unknown_outcome", false),
    ] {
        let server = MockServer::start().await;
        on("POST", "/servers/42/actions/create_image")
            .respond_with(refusal(status, code, "no"))
            .expect(1)
            .mount(&server)
            .await;
        let error =
            provider(&server).create_snapshot("42", "before the upgrade").await.unwrap_err();
        assert_eq!((error.kind().name(), error.is_retryable()), (kind, retryable), "{error}");
    }
}

#[tokio::test]
async fn a_snapshot_of_a_server_that_is_locked_for_a_moment_is_sent_again() {
    let server = MockServer::start().await;
    let locked = || refusal(423, "locked", "server is locked");
    on("POST", "/servers/42/actions/create_image")
        .respond_with(locked())
        .up_to_n_times(2)
        .expect(2)
        .mount(&server)
        .await;
    snapshot_started(&server).await;
    action_is("success").expect(1).mount(&server).await;
    let made = reply(200, json!({"image": image(4711, "available")}));
    on("GET", "/images/4711").respond_with(made).expect(1).mount(&server).await;
    assert_eq!(
        provider(&server).create_snapshot("42", "before the upgrade").await.unwrap().id,
        "4711"
    );

    let server = MockServer::start().await;
    on("POST", "/servers/42/actions/create_image")
        .respond_with(locked())
        .expect(2..)
        .mount(&server)
        .await;
    let error =
        hasty_provider(&server).create_snapshot("42", "before the upgrade").await.unwrap_err();
    assert!(matches!(error, ProviderError::Conflict { retryable: true, .. }), "{error:?}");
}

#[tokio::test]
async fn snapshots_are_listed_over_three_pages_by_label() {
    let server = MockServer::start().await;
    let with = |id: u64, field: &str, value: Value| {
        let mut image = image(id, "available");
        image[field] = value;
        image
    };
    let pages = [
        (
            vec![image(1, "available"), with(2, "labels", json!({"managed-by": "terraform"}))],
            Some(2),
        ),
        (vec![image(3, "creating"), with(4, "type", json!("backup"))], Some(3)),
        (
            vec![
                with(5, "deleted", json!("2026-02-01T00:00:00+00:00")),
                with(6, "labels", Value::Null),
                image(7, "available"),
            ],
            None,
        ),
    ];
    for (at, (images, next)) in pages.into_iter().enumerate() {
        on("GET", "/images")
            .and(query_param("type", "snapshot"))
            .and(query_param("label_selector", "managed-by==spuff"))
            .and(query_param("per_page", "50"))
            .and(query_param("page", (at + 1).to_string()))
            .respond_with(page("images", &images, next))
            .expect(super::support::on_and_back(next.is_none()))
            .mount(&server)
            .await;
    }
    let snapshots = provider(&server).list_snapshots().await.unwrap();
    let ids: Vec<_> = snapshots.iter().map(|snapshot| snapshot.id.as_str()).collect();
    assert_eq!(ids, ["1", "3", "7"]);
    assert!(snapshots.iter().all(|snapshot| snapshot.name == "before the upgrade"));
}

#[tokio::test]
async fn delete_snapshot_waits_for_the_lock_and_bears_an_absence() {
    let server = MockServer::start().await;
    let locked = refusal(423, "locked", "image is locked");
    on("DELETE", "/images/4711")
        .respond_with(locked)
        .up_to_n_times(2)
        .expect(2)
        .mount(&server)
        .await;
    on("DELETE", "/images/4711")
        .respond_with(ResponseTemplate::new(204))
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
    on("DELETE", "/images/4711")
        .respond_with(refusal(404, "not_found", "gone"))
        .expect(1)
        .mount(&server)
        .await;
    let provider = provider(&server);
    provider.delete_snapshot("4711").await.unwrap();
    provider.delete_snapshot("4711").await.unwrap();
}

#[tokio::test]
async fn delete_snapshot_ends_at_once_when_it_is_protected() {
    let server = MockServer::start().await;
    on("DELETE", "/images/4711")
        .respond_with(refusal(423, "protected", "image is protected"))
        .expect(1)
        .mount(&server)
        .await;
    let error = provider(&server).delete_snapshot("4711").await.unwrap_err();
    assert!(matches!(error, ProviderError::Conflict { retryable: false, .. }), "{error:?}");
}
