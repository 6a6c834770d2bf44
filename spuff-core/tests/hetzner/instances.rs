//! `get_instance`, `list_instances` and `destroy_instance`.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use spuff_core::provider::{InstanceStatus, Provider, ProviderError};
use wiremock::matchers::{body_json, query_param};
use wiremock::{MockServer, ResponseTemplate};

use super::support::on_and_back;
use super::{
    action, created, good, hasty_provider, on, page, provider, refusal, reply, sent, server_body,
};

#[tokio::test]
async fn get_reads_all_addresses() {
    let server = MockServer::start().await;
    on("GET", "/servers/42")
        .respond_with(reply(200, json!({"server": server_body(42, "running")})))
        .expect(1)
        .mount(&server)
        .await;
    let machine = provider(&server).get_instance("42").await.unwrap().unwrap();
    assert_eq!(machine.ip.to_string(), "203.0.113.9");
    let addresses: Vec<_> =
        machine.addresses.iter().map(|address| (address.ip.to_string(), address.public)).collect();
    let expected = [("203.0.113.9", true), ("2001:db8:1::1", true), ("10.0.0.2", false)];
    assert_eq!(addresses, expected.map(|(ip, public)| (ip.to_string(), public)));
    assert_eq!(machine.region, "fsn1");
    assert!(machine.is_ready() && machine.is_managed());
}

#[tokio::test]
async fn every_state_has_its_status() {
    let server = MockServer::start().await;
    let provider = provider(&server);
    for (id, (state, status)) in [
        ("initializing", InstanceStatus::New),
        ("starting", InstanceStatus::New),
        ("running", InstanceStatus::Active),
        ("stopping", InstanceStatus::Off),
        ("off", InstanceStatus::Off),
        ("deleting", InstanceStatus::Unknown("deleting".to_string())),
        ("migrating", InstanceStatus::Unknown("migrating".to_string())),
        ("rebuilding", InstanceStatus::Unknown("rebuilding".to_string())),
        ("unknown", InstanceStatus::Unknown("unknown".to_string())),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({"server": server_body(id as u64, state)});
        on("GET", &format!("/servers/{id}"))
            .respond_with(reply(200, body))
            .expect(1)
            .mount(&server)
            .await;
        assert_eq!(
            provider.get_instance(&id.to_string()).await.unwrap().unwrap().status,
            status,
            "{state}"
        );
    }
}

#[tokio::test]
async fn what_is_absent_is_none_or_done() {
    let server = MockServer::start().await;
    let absent = refusal(404, "not_found", "server with ID '9' not found");
    on("GET", "/servers/9").respond_with(absent.clone()).expect(1).mount(&server).await;
    on("DELETE", "/servers/9").respond_with(absent).expect(2).mount(&server).await;
    let provider = provider(&server);
    assert_eq!(provider.get_instance("9").await.unwrap(), None);
    provider.destroy_instance("9").await.unwrap();
    provider.destroy_instance("9").await.unwrap();
}

#[tokio::test]
async fn list_follows_three_pages_and_holds_only_what_is_ours() {
    let server = MockServer::start().await;
    let mut foreign = server_body(1000, "running");
    foreign["labels"] = json!({"managed-by": "terraform"});
    let bodies =
        |ids: std::ops::Range<u64>| ids.map(|id| server_body(id, "running")).collect::<Vec<_>>();
    // The second page has shifted by one while it was read, and the number of the next page is not
    // what counts.
    let pages = [
        (bodies(0..50), Some(2)),
        ([bodies(49..98), vec![foreign]].concat(), Some(7)),
        (bodies(98..99), None),
    ];
    for (at, (servers, next)) in pages.into_iter().enumerate() {
        on("GET", "/servers")
            .and(query_param("label_selector", "managed-by==spuff"))
            .and(query_param("per_page", "50"))
            .and(query_param("page", (at + 1).to_string()))
            .respond_with(page("servers", &servers, next))
            .expect(on_and_back(next.is_none()))
            .mount(&server)
            .await;
    }
    let machines = provider(&server).list_instances().await.unwrap();
    let ids: Vec<u64> = machines.iter().map(|machine| machine.id.parse().unwrap()).collect();
    assert_eq!(ids, (0..99).collect::<Vec<_>>());
    let raw = sent(&server).await[0].url.query().unwrap().to_string();
    assert!(raw.contains("label_selector=managed-by%3D%3Dspuff"), "{raw}");
}

#[tokio::test]
async fn destroy_waits_for_the_lock() {
    let server = MockServer::start().await;
    let busy = refusal(423, "locked", "server is locked");
    on("DELETE", "/servers/42").respond_with(busy).up_to_n_times(2).expect(2).mount(&server).await;
    let deleted = reply(200, json!({"action": action(9, "delete_server", "running")}));
    on("DELETE", "/servers/42").respond_with(deleted).expect(1).mount(&server).await;
    provider(&server).destroy_instance("42").await.unwrap();
}

#[tokio::test]
async fn destroy_needs_no_body_in_the_reply() {
    let server = MockServer::start().await;
    on("DELETE", "/servers/42")
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&server)
        .await;
    provider(&server).destroy_instance("42").await.unwrap();
}

#[tokio::test]
async fn a_page_of_a_proxy_has_deleted_nothing() {
    for page in [
        ResponseTemplate::new(200).set_body_raw("<html>Welcome</html>", "text/html"),
        ResponseTemplate::new(200).set_body_raw("{}", "application/json"),
        ResponseTemplate::new(202),
    ] {
        let server = MockServer::start().await;
        for at in ["/servers/42", "/images/42"] {
            on("DELETE", at)
                .respond_with(page.clone())
                .up_to_n_times(2)
                .expect(2)
                .mount(&server)
                .await;
            on("DELETE", at)
                .respond_with(ResponseTemplate::new(204))
                .expect(1)
                .mount(&server)
                .await;
        }
        provider(&server).destroy_instance("42").await.unwrap();
        provider(&server).delete_snapshot("42").await.unwrap();
    }
}

#[tokio::test]
async fn labels_that_were_not_told_are_not_taken_away() {
    for told in
        [json!({"id": 42, "labels": null}), json!({"id": 42}), json!({"id": 43, "labels": {}})]
    {
        let server = MockServer::start().await;
        on("GET", "/servers/42")
            .respond_with(reply(200, json!({"server": told})))
            .up_to_n_times(1)
            .expect(1)
            .mount(&server)
            .await;
        let labelled = |labels: Value| reply(200, json!({"server": {"id": 42, "labels": labels}}));
        on("GET", "/servers/42")
            .respond_with(labelled(json!({"env": "prod"})))
            .up_to_n_times(1)
            .expect(1)
            .mount(&server)
            .await;
        let all = json!({"env": "prod", "job": "7"});
        let put = on("PUT", "/servers/42").and(body_json(json!({"labels": all})));
        put.respond_with(labelled(all.clone())).expect(1).mount(&server).await;
        on("GET", "/servers/42").respond_with(labelled(all)).mount(&server).await;
        provider(&server)
            .set_labels("42", &HashMap::from([("job".to_string(), "7".to_string())]))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn destroy_of_a_protected_server_ends_at_once() {
    for code in ["protected", "resource_locked"] {
        let server = MockServer::start().await;
        let protected = refusal(423, code, "server deletion is protected");
        on("DELETE", "/servers/42").respond_with(protected).expect(1).mount(&server).await;
        let error = provider(&server).destroy_instance("42").await.unwrap_err();
        assert!(matches!(error, ProviderError::Conflict { retryable: false, .. }), "{error:?}");
        assert!(!error.is_retryable() && error.to_string().contains(code), "{error}");
    }
}

#[tokio::test]
async fn destroy_gives_up_at_the_deadline_and_says_why() {
    let server = MockServer::start().await;
    on("DELETE", "/servers/42")
        .respond_with(refusal(423, "locked", "server is locked"))
        .expect(1..)
        .mount(&server)
        .await;
    let error = hasty_provider(&server).destroy_instance("42").await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Timeout { operation, .. } if operation.contains("server is \
         locked")),
        "{error}"
    );
}

#[tokio::test]
async fn destroy_does_not_believe_an_absence_right_after_the_create() {
    let server = MockServer::start().await;
    on("POST", "/servers")
        .respond_with(created(server_body(42, "initializing"), &[]))
        .expect(1)
        .mount(&server)
        .await;
    let absent = refusal(404, "not_found", "server with ID '42' not found");
    on("DELETE", "/servers/42")
        .respond_with(absent.clone())
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
    let deleted = reply(200, json!({"action": action(9, "delete_server", "running")}));
    on("DELETE", "/servers/42")
        .respond_with(deleted)
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
    on("DELETE", "/servers/42").respond_with(absent).expect(1).mount(&server).await;
    let provider = provider(&server);
    provider.create_instance(&good()).await.unwrap();
    provider.destroy_instance("42").await.unwrap();
    // Once the end has been seen, an absence is an absence.
    provider.destroy_instance("42").await.unwrap();
}

#[tokio::test]
async fn keys_are_ids_from_all_pages() {
    let server = MockServer::start().await;
    for (number, next) in [("1", Some(2)), ("2", Some(3)), ("3", None)] {
        let key =
            json!({"id": number.parse::<u64>().unwrap(), "name": "k", "fingerprint": "aa:bb"});
        on("GET", "/ssh_keys")
            .and(query_param("per_page", "50"))
            .and(query_param("page", number))
            .respond_with(page("ssh_keys", &[key], next))
            .expect(on_and_back(next.is_none()))
            .mount(&server)
            .await;
    }
    assert_eq!(provider(&server).get_ssh_keys().await.unwrap(), ["1", "2", "3"]);
}

fn labelled(labels: &Value) -> ResponseTemplate {
    let mut server = server_body(42, "running");
    server["labels"] = labels.clone();
    reply(200, json!({ "server": server }))
}

#[tokio::test]
async fn labels_that_another_client_has_overwritten_are_written_again() {
    let server = MockServer::start().await;
    // Another client had read the labels before ours were there, and wrote them after.
    let before = json!({"env": "prod"});
    let lost = json!({"env": "prod", "theirs": "1"});
    let (ours, both) =
        (json!({"env": "prod", "ours": "2"}), json!({"env": "prod", "theirs": "1", "ours": "2"}));
    for shown in [before, lost, both.clone()] {
        on("GET", "/servers/42")
            .respond_with(labelled(&shown))
            .up_to_n_times(1)
            .expect(1)
            .mount(&server)
            .await;
    }
    for written in [ours, both] {
        let body = body_json(json!({ "labels": written }));
        on("PUT", "/servers/42")
            .and(body)
            .respond_with(labelled(&json!({})))
            .up_to_n_times(1)
            .expect(1)
            .mount(&server)
            .await;
    }
    provider(&server)
        .set_labels("42", &HashMap::from([("ours".to_string(), "2".to_string())]))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_write_of_labels_is_not_repeated_after_another_one() {
    let server = MockServer::start().await;
    let theirs = json!({"theirs": "1"});
    let both = json!({"theirs": "1", "ours": "2"});
    // Another client writes while ours is not answered.
    for shown in [json!({}), theirs.clone(), theirs, both.clone()] {
        on("GET", "/servers/42")
            .respond_with(labelled(&shown))
            .up_to_n_times(1)
            .expect(1)
            .mount(&server)
            .await;
    }
    let ours = on("PUT", "/servers/42").and(body_json(json!({"labels": {"ours": "2"}})));
    let late = refusal(503, "unavailable", "try again").set_delay(Duration::from_millis(1_100));
    ours.respond_with(late).expect(1).mount(&server).await;
    let written = on("PUT", "/servers/42").and(body_json(json!({ "labels": both })));
    written.respond_with(labelled(&both)).expect(1).mount(&server).await;
    provider(&server)
        .set_labels("42", &HashMap::from([("ours".to_string(), "2".to_string())]))
        .await
        .unwrap();
}

#[tokio::test]
async fn labels_that_never_stay_are_a_conflict_that_may_pass() {
    let server = MockServer::start().await;
    on("GET", "/servers/42").respond_with(labelled(&json!({}))).mount(&server).await;
    on("PUT", "/servers/42").respond_with(labelled(&json!({}))).expect(5).mount(&server).await;
    let error = provider(&server)
        .set_labels("42", &HashMap::from([("a".to_string(), "1".to_string())]))
        .await
        .unwrap_err();
    assert!(matches!(error, ProviderError::Conflict { retryable: true, .. }), "{error:?}");
}
