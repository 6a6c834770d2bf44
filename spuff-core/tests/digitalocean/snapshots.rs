//! Snapshots and keys: what is made in several steps, and listed over several pages.

use serde_json::{Value, json};
use spuff_core::provider::{DigitalOceanProvider, Provider, ProviderError};
use wiremock::matchers::{body_json, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{provider, refusal, reply};

fn snapshot(id: &str, name: &str, created_at: &str) -> Value {
    json!({
        "id": id.parse::<u64>().unwrap(), "name": name, "created_at": created_at,
        "type": "snapshot", "regions": ["nyc3"], "min_disk_size": 25, "size_gigabytes": 2.3
    })
}

/// The replies of a snapshot of droplet 7, up to where it is tagged.
async fn snapshot_in_progress(server: &MockServer) {
    let of_droplet = |snapshots: Value| {
        Mock::given(method("GET")).and(path("/v2/droplets/7/snapshots")).respond_with(reply(
            200,
            json!({"snapshots": snapshots, "links": {}, "meta": {"total": 2}}),
        ))
    };
    let old = snapshot("100", "nightly", "2026-01-05T09:59:58Z");
    of_droplet(json!([old])).up_to_n_times(1).expect(1).mount(server).await;
    Mock::given(method("POST"))
        .and(path("/v2/droplets/7/actions"))
        .and(body_json(json!({"type": "snapshot", "name": "nightly"})))
        .respond_with(reply(
            201,
            json!({
                "action": {"id": 36, "status": "in-progress", "started_at": "2026-01-05T10:00:00Z"}
            }),
        ))
        .expect(1)
        .mount(server)
        .await;
    let action = |status: &str| {
        let body = json!({
            "action": {"id": 36, "status": status, "resource_id": 7, "region": {"slug": "nyc3"}}
        });
        Mock::given(method("GET"))
            .and(path("/v2/actions/36"))
            .respond_with(reply(200, body))
            .expect(1)
    };
    action("in-progress").up_to_n_times(1).mount(server).await;
    action("completed").mount(server).await;
    // Listed late: first only the old one of the same name.
    of_droplet(json!([old])).up_to_n_times(1).expect(1).mount(server).await;
    of_droplet(json!([old, snapshot("101", "nightly", "2026-01-05T10:00:02Z")]))
        .expect(1)
        .mount(server)
        .await;
}

#[tokio::test]
async fn a_snapshot_is_found_by_its_id_tagged_and_waited_for() {
    let server = MockServer::start().await;
    snapshot_in_progress(&server).await;
    Mock::given(method("POST"))
        .and(path("/v2/tags"))
        .and(body_json(json!({"name": "managed-by:spuff"})))
        .respond_with(refusal(422, "unprocessable_entity", "Tag name already exists"))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/v2/tags/managed-by:spuff/resources"))
        .and(body_json(json!({"resources": [{"resource_id": "101", "resource_type": "image"}]})))
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&server)
        .await;
    let image = |status: &str| {
        let body = json!({
            "image": {
                "id": 101, "name": "nightly", "type": "snapshot", "status": status,
                "created_at": "2026-01-05T10:00:02Z"
            }
        });
        Mock::given(method("GET"))
            .and(path("/v2/images/101"))
            .respond_with(reply(200, body))
            .expect(1)
    };
    image("pending").up_to_n_times(1).mount(&server).await;
    image("available").mount(&server).await;

    let snapshot = provider(&server).create_snapshot("7", "nightly").await.unwrap();
    assert_eq!((snapshot.id.as_str(), snapshot.name.as_str()), ("101", "nightly"));
    assert_eq!(snapshot.created_at.unwrap().to_rfc3339(), "2026-01-05T10:00:02+00:00");
}

#[tokio::test]
async fn a_snapshot_of_a_droplet_that_is_busy_for_a_moment_is_sent_again() {
    let server = MockServer::start().await;
    let busy = refusal(422, "unprocessable_entity", "Droplet already has a pending event.");
    Mock::given(method("POST"))
        .and(path("/v2/droplets/7/actions"))
        .respond_with(busy)
        .up_to_n_times(2)
        .expect(2)
        .mount(&server)
        .await;
    snapshot_in_progress(&server).await;
    let tagged = ResponseTemplate::new(204);
    Mock::given(method("POST"))
        .and(path("/v2/tags"))
        .respond_with(reply(201, json!({"tag": {}})))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/v2/tags/managed-by:spuff/resources"))
        .respond_with(tagged)
        .mount(&server)
        .await;
    let made =
        json!({"image": {"id": 101, "name": "nightly", "type": "snapshot", "status": "available"}});
    Mock::given(method("GET"))
        .and(path("/v2/images/101"))
        .respond_with(reply(200, made))
        .mount(&server)
        .await;
    assert_eq!(provider(&server).create_snapshot("7", "nightly").await.unwrap().id, "101");
}

#[tokio::test]
async fn a_snapshot_whose_reply_is_lost_is_known_by_its_name_before_an_action_that_may_be_anothers()
{
    let server = MockServer::start().await;
    let listed = |snapshots: Value| {
        let list = Mock::given(method("GET")).and(path("/v2/droplets/7/snapshots"));
        list.respond_with(reply(200, json!({"snapshots": snapshots, "links": {}})))
    };
    listed(json!([])).up_to_n_times(1).expect(1).mount(&server).await;
    listed(json!([snapshot("101", "nightly", "2026-01-05T10:00:02Z")])).mount(&server).await;
    let post = |at: &str| Mock::given(method("POST")).and(path(at));
    let cut = ResponseTemplate::new(201).set_body_string("<html>");
    post("/v2/droplets/7/actions").respond_with(cut).expect(1).mount(&server).await;
    let others = json!({
        "actions": [{
            "id": 99, "type": "snapshot", "status": "in-progress",
            "started_at": "2026-01-05T10:05:00Z"
        }],
        "links": {}
    });
    Mock::given(method("GET"))
        .and(path("/v2/droplets/7/actions"))
        .respond_with(reply(200, others))
        .mount(&server)
        .await;
    post("/v2/tags").respond_with(reply(201, json!({"tag": {}}))).mount(&server).await;
    post("/v2/tags/managed-by:spuff/resources")
        .respond_with(ResponseTemplate::new(204))
        .mount(&server)
        .await;
    let made =
        json!({"image": {"id": 101, "name": "nightly", "type": "snapshot", "status": "available"}});
    Mock::given(method("GET"))
        .and(path("/v2/images/101"))
        .respond_with(reply(200, made))
        .mount(&server)
        .await;
    assert_eq!(provider(&server).create_snapshot("7", "nightly").await.unwrap().id, "101");
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_tagged_is_named_and_known_by_its_key() {
    let server = MockServer::start().await;
    let listed = |snapshots: Value| {
        Mock::given(method("GET"))
            .and(path("/v2/droplets/7/snapshots"))
            .respond_with(reply(200, json!({"snapshots": snapshots, "links": {}})))
    };
    listed(json!([snapshot("100", "nightly", "2026-01-05T09:59:58Z")]))
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
    listed(json!([snapshot("101", "nightly", "2026-01-05T10:00:02Z")])).mount(&server).await;
    let action = |status: &str| {
        json!({
            "action": {"id": 36, "status": status, "started_at": "2026-01-05T10:00:00Z"}
        })
    };
    Mock::given(method("POST"))
        .and(path("/v2/droplets/7/actions"))
        .respond_with(reply(201, action("in-progress")))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path("/v2/actions/36"))
        .respond_with(reply(200, action("completed")))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/v2/tags"))
        .respond_with(refusal(403, "forbidden", "missing scope tag:create"))
        .expect(2..)
        .mount(&server)
        .await;
    let error = provider(&server).create_snapshot("7", "nightly").await.unwrap_err();
    let ProviderError::UnknownOutcome { key, .. } = &error else { panic!("{error}") };
    assert!(key.starts_with("7:") && key.ends_with(".100.36:nightly"), "{key}");
    let text = error.to_string();
    assert!(text.contains("101") && text.contains("tag:create"), "{text}");
}

/// What a look by a key finds: these snapshots of the account, and no action that is under way.
async fn account_with(server: &MockServer, snapshots: Value) {
    let none = json!({"actions": [], "links": {}});
    Mock::given(method("GET"))
        .and(path("/v2/droplets/7/actions"))
        .respond_with(reply(200, none))
        .mount(server)
        .await;
    Mock::given(method("GET"))
        .and(path("/v2/snapshots"))
        .respond_with(reply(200, json!({"snapshots": snapshots, "links": {}})))
        .mount(server)
        .await;
    Mock::given(method("POST"))
        .and(path("/v2/tags"))
        .respond_with(reply(201, json!({"tag": {}})))
        .mount(server)
        .await;
    Mock::given(method("POST"))
        .and(path("/v2/tags/managed-by:spuff/resources"))
        .respond_with(ResponseTemplate::new(204))
        .mount(server)
        .await;
}

fn of_droplet_7(id: &str, name: &str, created_at: &str) -> Value {
    let mut snapshot = snapshot(id, name, created_at);
    snapshot["id"] = json!(id);
    snapshot["resource_id"] = json!("7");
    snapshot
}

/// Noon of the fifth of January 2026.
const NOON: &str = "1767614400";

#[tokio::test]
async fn keys_of_earlier_versions_lead_where_they_did() {
    let server = MockServer::start().await;
    let listed = [
        of_droplet_7("100", "nightly", "2026-01-04T12:00:00Z"),
        of_droplet_7("101", "nightly", "2026-01-05T12:00:05Z"),
    ];
    account_with(&server, json!(listed)).await;
    let found =
        provider(&server).resolve_snapshot(&format!("7:{NOON}:nightly")).await.unwrap().unwrap();
    assert_eq!(found.id, "101");
}

#[tokio::test]
async fn a_key_leads_to_what_came_after_the_one_before() {
    let server = MockServer::start().await;
    let listed = [
        of_droplet_7("100", "nightly", "2026-01-05T11:58:00Z"),
        of_droplet_7("101", "nightly", "2026-01-05T12:00:05Z"),
    ];
    account_with(&server, json!(listed)).await;
    let provider = provider(&server);
    let found = provider.resolve_snapshot(&format!("7:{NOON}.100:nightly")).await.unwrap().unwrap();
    assert_eq!(found.id, "101");
    let provider =
        DigitalOceanProvider::with_config("test-token", &server.uri(), super::hasty()).unwrap();
    let error = provider.resolve_snapshot(&format!("7:{NOON}.0:nightly")).await.unwrap_err();
    let ProviderError::UnknownOutcome { candidates, .. } = &error else { panic!("{error}") };
    assert_eq!(candidates, &["100", "101"], "they cannot be told apart");
}

#[tokio::test]
async fn a_key_of_a_clock_that_was_ahead_leads_to_what_came_after_the_one_before() {
    let before = of_droplet_7("100", "nightly", "2026-01-05T10:00:00Z");
    let made = of_droplet_7("101", "nightly", "2026-01-05T10:00:05Z");
    for (listed, key) in [
        (json!([before, made]), format!("7:{NOON}.100:nightly")),
        (json!([made]), format!("7:{NOON}.0:nightly")),
    ] {
        let server = MockServer::start().await;
        account_with(&server, listed).await;
        assert_eq!(
            provider(&server).resolve_snapshot(&key).await.unwrap().map(|found| found.id),
            Some("101".to_string()),
            "{key}"
        );
    }
}

/// The snapshot of an action was deleted, and another one of its name made after the action's end.
#[tokio::test]
async fn a_snapshot_that_is_made_after_the_end_of_an_action_is_another_ones() {
    let server = MockServer::start().await;
    let later = "2026-01-05T10:30:00Z";
    let listed = |snapshots: Value| {
        Mock::given(method("GET"))
            .and(path("/v2/droplets/7/snapshots"))
            .respond_with(reply(200, json!({"snapshots": snapshots, "links": {}})))
    };
    listed(json!([])).up_to_n_times(1).expect(1).mount(&server).await;
    listed(json!([snapshot("102", "nightly", later)])).expect(1..).mount(&server).await;
    account_with(&server, json!([of_droplet_7("102", "nightly", later)])).await;
    let action = |status: &str, completed: Option<&str>| {
        json!({
            "action": {
                "id": 36, "type": "snapshot", "status": status,
                "started_at": "2026-01-05T10:00:00Z", "completed_at": completed
            }
        })
    };
    Mock::given(method("POST"))
        .and(path("/v2/droplets/7/actions"))
        .respond_with(reply(201, action("in-progress", None)))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path("/v2/actions/36"))
        .respond_with(reply(200, action("completed", Some("2026-01-05T10:01:00Z"))))
        .mount(&server)
        .await;
    let provider =
        DigitalOceanProvider::with_config("test-token", &server.uri(), super::hasty()).unwrap();
    let error = provider.create_snapshot("7", "nightly").await.unwrap_err();
    assert!(matches!(error, ProviderError::UnknownOutcome { .. }), "{error}");
    let found = provider.resolve_snapshot(&format!("7:{NOON}.0.36:nightly")).await;
    assert!(
        matches!(
            &found,
            Err(ProviderError::UnknownOutcome { candidates, .. }) if candidates.is_empty()
        ),
        "{found:?}"
    );
    let sent = super::sent(&server).await;
    assert!(
        !sent.iter().any(|sent| sent.url.path().starts_with("/v2/tags")),
        "it is not this call's to tag"
    );
}

#[tokio::test]
async fn a_key_whose_numbers_are_beyond_reason_is_refused() {
    let server = MockServer::start().await;
    for key in ["1:-8334601228800:x", "1:8210266876799:x", "1:9223372036854775807:x", "1:0.-1:x"] {
        let error = provider(&server).resolve_snapshot(key).await.unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "key"),
            "{key}: {error}"
        );
    }
    assert!(super::sent(&server).await.is_empty());
}

#[tokio::test]
async fn a_snapshot_action_that_errors_ends_the_wait() {
    let server = MockServer::start().await;
    let none = json!({"snapshots": [], "links": {}});
    Mock::given(method("GET"))
        .and(path("/v2/droplets/7/snapshots"))
        .respond_with(reply(200, none))
        .expect(1)
        .mount(&server)
        .await;
    let started = json!({"action": {"id": 36, "status": "in-progress"}});
    Mock::given(method("POST"))
        .and(path("/v2/droplets/7/actions"))
        .respond_with(reply(201, started))
        .expect(1)
        .mount(&server)
        .await;
    let errored = json!({"action": {"id": 36, "status": "errored"}});
    Mock::given(method("GET"))
        .and(path("/v2/actions/36"))
        .respond_with(reply(200, errored))
        .expect(1)
        .mount(&server)
        .await;
    let error = provider(&server).create_snapshot("7", "nightly").await.unwrap_err();
    assert!(
        matches!(error, ProviderError::Api { .. }) && error.to_string().contains("instance 7"),
        "{error}"
    );
}

#[tokio::test]
async fn snapshots_are_listed_over_three_pages_by_tag() {
    let server = MockServer::start().await;
    let image = |id: u64, kind: &str, status: &str, tags: Value| {
        json!({
            "id": id, "name": "s", "type": kind, "status": status, "tags": tags,
            "created_at": "2026-01-05T10:00:00Z"
        })
    };
    let ours = || json!(["managed-by:spuff"]);
    let pages = [
        json!({
            "images": [
                image(1, "snapshot", "available", ours()),
                image(2, "custom", "available", ours())
            ],
            "links": {"pages": {"next": "x"}}
        }),
        json!({
            "images": [
                image(3, "snapshot", "deleted", ours()),
                image(4, "snapshot", "available", json!([]))
            ],
            "links": {"pages": {"next": "x"}}
        }),
        json!({
            "images": [
                image(5, "snapshot", "pending", ours()),
                image(6, "snapshot", "available", Value::Null)
            ],
            "links": {}
        }),
    ];
    for (number, page) in pages.into_iter().enumerate() {
        Mock::given(method("GET"))
            .and(path("/v2/images"))
            .and(query_param("tag_name", "managed-by:spuff"))
            .and(query_param("page", (number + 1).to_string()))
            .respond_with(reply(200, page))
            .expect(super::support::on_and_back(number == 2))
            .mount(&server)
            .await;
    }
    let ids: Vec<_> = provider(&server)
        .list_snapshots()
        .await
        .unwrap()
        .into_iter()
        .map(|snapshot| snapshot.id)
        .collect();
    assert_eq!(ids, ["1", "5"]);
}

#[tokio::test]
async fn delete_snapshot_and_keys() {
    let server = MockServer::start().await;
    Mock::given(method("DELETE"))
        .and(path("/v2/snapshots/101"))
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&server)
        .await;
    let page = |number: &str, id: u64, links: Value| {
        let is_last = links["pages"]["next"].is_null();
        let body = json!({"ssh_keys": [{"id": id, "name": "k"}], "links": links});
        Mock::given(method("GET"))
            .and(path("/v2/account/keys"))
            .and(query_param("page", number))
            .respond_with(reply(200, body))
            .expect(super::support::on_and_back(is_last))
    };
    page("1", 1, json!({"pages": {"next": "x"}})).mount(&server).await;
    page("2", 2, json!({"pages": {"next": "x"}})).mount(&server).await;
    page("3", 3, json!({"pages": {}})).mount(&server).await;
    let provider = provider(&server);
    provider.delete_snapshot("101").await.unwrap();
    assert_eq!(provider.get_ssh_keys().await.unwrap(), ["1", "2", "3"]);
}
