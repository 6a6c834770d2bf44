//! `create_instance`: what is sent, once, and what is looked up before.

use std::collections::HashMap;

use serde_json::{Value, json};
use spuff_core::provider::{
    ImageSpec, InstanceRequest, InstanceStatus, Provider, ProviderConfig, ProviderError,
    ProviderRegistry,
};
use wiremock::matchers::{header, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer};

use super::{
    action, body_json_but_for_the_key, created, field, good, hasty_provider, on, page, provider,
    refusal, reply, sent, server_body,
};

fn server_type(name: &str, architecture: &str) -> Mock {
    let body = json!({
        "id": 104, "name": name, "architecture": architecture, "cores": 2, "deprecated": null
    });
    on("GET", "/server_types").and(query_param("name", name)).respond_with(page(
        "server_types",
        &[body],
        None,
    ))
}

fn image(id: u64, name: &str, architecture: &str) -> Value {
    json!({
        "id": id, "name": name, "architecture": architecture, "type": "system",
        "status": "available", "description": name
    })
}

fn system_images(name: &str, architecture: &str, found: &[Value]) -> Mock {
    on("GET", "/images")
        .and(query_param("name", name))
        .and(query_param("architecture", architecture))
        .and(query_param("type", "system"))
        .and(query_param_is_missing("include_deprecated"))
        .respond_with(page("images", found, None))
}

/// The bodies of the creates, in order.
async fn creates(server: &MockServer) -> Vec<Value> {
    let requests = sent(server).await;
    requests
        .iter()
        .filter(|request| request.method.as_str() == "POST")
        .map(|request| request.body_json().unwrap())
        .collect()
}

#[tokio::test]
async fn the_reply_to_another_create_is_not_taken_for_ones_own() {
    let server = MockServer::start().await;
    let mut other = server_body(41, "initializing");
    other["labels"]["spuff-key"] = json!("00000000000000000000000000000000");
    on("POST", "/servers").respond_with(created(other, &[])).expect(1..).mount(&server).await;
    on("GET", "/servers")
        .respond_with(reply(200, json!({"servers": [], "meta": null})))
        .mount(&server)
        .await;
    let error = hasty_provider(&server).create_instance(&good()).await.unwrap_err();
    assert!(error.instance_id().is_none(), "{error:?}");
    assert!(matches!(error, ProviderError::UnknownOutcome { .. }), "{error:?}");
}

#[tokio::test]
async fn all_that_was_asked_for_is_sent() {
    let server = MockServer::start().await;
    server_type("cx22", "x86").expect(1).mount(&server).await;
    system_images("debian-12", "x86", &[image(114_690_389, "debian-12", "x86")])
        .expect(1)
        .mount(&server)
        .await;
    let body = json!({
        "name": "web-1", "server_type": "cx22", "location": "fsn1", "image": 114_690_389,
        "ssh_keys": [2323, "my-key"], "user_data": "#cloud-config\n",
        "labels": {"env": "prod", "managed-by": "spuff"},
        "public_net": {"enable_ipv4": true, "enable_ipv6": true}, "start_after_create": true
    });
    on("POST", "/servers")
        .and(header("authorization", "Bearer test-token"))
        .and(header("content-type", "application/json"))
        .and(body_json_but_for_the_key(body))
        .respond_with(created(
            server_body(42, "initializing"),
            &[action(1, "create_server", "running")],
        ))
        .expect(1)
        .mount(&server)
        .await;

    let request = good()
        .with_image(ImageSpec::Debian("12".to_string()))
        .with_label("env", "prod")
        .with_user_data("#cloud-config\n")
        .with_ssh_key("2323")
        .with_ssh_key("my-key");
    let machine = provider(&server).create_instance(&request).await.unwrap();

    assert_eq!((machine.id.as_str(), machine.status.clone()), ("42", InstanceStatus::New));
    assert_eq!(machine.ip.to_string(), "203.0.113.9");
    assert_eq!(machine.created_at.to_rfc3339(), "2026-01-30T23:55:00+00:00");
    assert_eq!(
        (machine.name.as_str(), machine.region.as_str(), machine.size.as_str()),
        ("web-42", "fsn1", "cx22")
    );
    let labels = [("managed-by", "spuff"), ("env", "prod")]
        .map(|(key, value)| (key.to_string(), value.to_string()));
    assert_eq!(machine.labels, HashMap::from(labels));
}

#[tokio::test]
async fn what_was_not_asked_for_is_left_out() {
    let server = MockServer::start().await;
    let body = json!({
        "name": "web-1", "server_type": "cx22", "image": 67_794_396, "ssh_keys": [],
        "labels": {"managed-by": "spuff"}, "public_net": {"enable_ipv4": true, "enable_ipv6": true},
        "start_after_create": true
    });
    let least = json!({
        "server": {"id": 42, "status": "initializing", "public_net": {"ipv4": null, "ipv6": null}}
    });
    on("POST", "/servers")
        .and(body_json_but_for_the_key(body))
        .respond_with(reply(201, least))
        .expect(1)
        .mount(&server)
        .await;
    let request = InstanceRequest { region: String::new(), ..good() };
    let machine = provider(&server).create_instance(&request).await.unwrap();
    assert!(machine.ip.is_unspecified() && machine.addresses.is_empty());
    assert_eq!(sent(&server).await.len(), 1, "an image by number needs no look-up");
}

#[tokio::test]
async fn the_region_of_the_configuration_is_used_where_the_request_names_none() {
    let server = MockServer::start().await;
    on("POST", "/servers")
        .respond_with(created(server_body(42, "initializing"), &[]))
        .expect(2)
        .mount(&server)
        .await;
    let config = ProviderConfig::new("test-token")
        .with_endpoint(format!("{}/v1", server.uri()))
        .with_region("nbg1");
    let provider = ProviderRegistry::with_defaults().connect("hcloud", config).unwrap();
    provider.create_instance(&InstanceRequest { region: String::new(), ..good() }).await.unwrap();
    provider.create_instance(&good()).await.unwrap();
    let locations: Vec<_> =
        creates(&server).await.into_iter().map(|body| body["location"].clone()).collect();
    assert_eq!(locations, ["nbg1", "fsn1"]);
}

#[tokio::test]
async fn an_image_name_becomes_the_image_of_the_sizes_architecture() {
    let server = MockServer::start().await;
    server_type("cx22", "x86").expect(1).mount(&server).await;
    server_type("cax11", "arm").expect(1).mount(&server).await;
    // A reply that ignores the filter must not mislead either.
    let both = [image(1, "ubuntu-24.04", "x86"), image(2, "ubuntu-24.04", "arm")];
    system_images("ubuntu-24.04", "x86", &both).expect(1).mount(&server).await;
    system_images("ubuntu-24.04", "arm", &both).expect(1).mount(&server).await;
    on("POST", "/servers")
        .respond_with(created(server_body(42, "initializing"), &[]))
        .expect(4)
        .mount(&server)
        .await;
    let provider = provider(&server);
    for size in ["cx22", "cax11", "cx22", "cax11"] {
        provider.create_instance(&InstanceRequest::new("web-1", "fsn1", size)).await.unwrap();
    }
    let images: Vec<_> =
        creates(&server).await.into_iter().map(|body| body["image"].clone()).collect();
    assert_eq!(images, [1, 2, 1, 2]);
}

#[tokio::test]
async fn creates_at_the_same_time_look_up_once() {
    let server = MockServer::start().await;
    server_type("cx22", "x86").expect(1).mount(&server).await;
    system_images("ubuntu-24.04", "x86", &[image(1, "ubuntu-24.04", "x86")])
        .expect(1)
        .mount(&server)
        .await;
    on("POST", "/servers")
        .respond_with(created(server_body(42, "initializing"), &[]))
        .expect(3)
        .mount(&server)
        .await;
    let provider = provider(&server);
    let request = InstanceRequest::new("web-1", "fsn1", "cx22");
    let create = || provider.create_instance(&request);
    tokio::try_join!(create(), create(), create()).unwrap();
}

#[tokio::test]
async fn a_custom_name_is_looked_up_among_all_images() {
    let server = MockServer::start().await;
    server_type("cax11", "arm").expect(1).mount(&server).await;
    on("GET", "/images")
        .and(query_param("name", "docker-ce"))
        .and(query_param("architecture", "arm"))
        .and(query_param_is_missing("type"))
        .respond_with(page("images", &[image(40_093_247, "docker-ce", "arm")], None))
        .expect(1)
        .mount(&server)
        .await;
    on("POST", "/servers")
        .respond_with(created(server_body(42, "initializing"), &[]))
        .expect(2)
        .mount(&server)
        .await;
    let provider = provider(&server);
    let request = InstanceRequest::new("web-1", "fsn1", "cax11");
    provider
        .create_instance(&request.clone().with_image(ImageSpec::Custom("docker-ce".to_string())))
        .await
        .unwrap();
    provider
        .create_instance(&request.with_image(ImageSpec::Snapshot("4711".to_string())))
        .await
        .unwrap();
    let images: Vec<_> =
        creates(&server).await.into_iter().map(|body| body["image"].clone()).collect();
    assert_eq!(images, [40_093_247, 4711]);
}

#[tokio::test]
async fn unknown_sizes_and_images_are_refused_before_the_create() {
    let server = MockServer::start().await;
    server_type("cx22", "x86").expect(1).mount(&server).await;
    on("GET", "/server_types")
        .and(query_param("name", "cx99"))
        .respond_with(page("server_types", &[], None))
        .expect(1)
        .mount(&server)
        .await;
    system_images("ubuntu-14.04", "x86", &[]).expect(1).mount(&server).await;
    on("POST", "/servers").respond_with(reply(500, json!({}))).expect(0).mount(&server).await;
    let provider = provider(&server);

    let error =
        provider.create_instance(&InstanceRequest::new("web-1", "fsn1", "cx99")).await.unwrap_err();
    assert_eq!(field(&error), "size");
    assert!(error.to_string().contains("cx99"), "{error}");

    let old = InstanceRequest::new("web-1", "fsn1", "cx22")
        .with_image(ImageSpec::Ubuntu("14.04".to_string()));
    let error = provider.create_instance(&old).await.unwrap_err();
    assert_eq!(field(&error), "image");
    for part in ["ubuntu-14.04", "x86", "cx22", "deprecated"] {
        assert!(error.to_string().contains(part), "{part:?} is not in {error}");
    }
}

#[tokio::test]
async fn a_refused_create_looks_up_anew() {
    let server = MockServer::start().await;
    server_type("cx22", "x86").expect(2).mount(&server).await;
    system_images("ubuntu-24.04", "x86", &[image(1, "ubuntu-24.04", "x86")])
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
    system_images("ubuntu-24.04", "x86", &[image(5, "ubuntu-24.04", "x86")])
        .expect(1)
        .mount(&server)
        .await;
    let gone = refusal(422, "invalid_input", "image 1 not found");
    on("POST", "/servers").respond_with(gone).up_to_n_times(1).expect(1).mount(&server).await;
    on("POST", "/servers")
        .respond_with(created(server_body(42, "initializing"), &[]))
        .expect(1)
        .mount(&server)
        .await;
    let provider = provider(&server);
    let request = InstanceRequest::new("web-1", "fsn1", "cx22");
    assert_eq!(field(&provider.create_instance(&request).await.unwrap_err()), "image");
    provider.create_instance(&request).await.unwrap();
    assert_eq!(creates(&server).await[1]["image"], 5);
}

#[tokio::test]
async fn an_endpoint_without_a_catalogue_gets_the_name() {
    let server = MockServer::start().await;
    on("POST", "/servers")
        .respond_with(created(server_body(42, "initializing"), &[]))
        .expect(1)
        .mount(&server)
        .await;
    provider(&server)
        .create_instance(&InstanceRequest::new("web-1", "fsn1", "cx22"))
        .await
        .unwrap();
    assert_eq!(creates(&server).await[0]["image"], "ubuntu-24.04");
}

#[tokio::test]
async fn fingerprints_become_ids() {
    let known = "b7:2f:30:a0:2f:6c:58:6c:21:04:58:61:ba:06:3b:2f";
    let unknown = "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff";
    let server = MockServer::start().await;
    let keys = |fingerprint, found: &[Value]| {
        on("GET", "/ssh_keys")
            .and(query_param("fingerprint", fingerprint))
            .respond_with(page("ssh_keys", found, None))
            .expect(1)
    };
    keys(
        known,
        &[json!({
            "id": 2323, "name": "laptop", "fingerprint": known, "public_key": "ssh-ed25519 A"
        })],
    )
    .mount(&server)
    .await;
    keys(unknown, &[]).mount(&server).await;
    on("POST", "/servers")
        .respond_with(created(server_body(42, "initializing"), &[]))
        .expect(1)
        .mount(&server)
        .await;
    let provider = provider(&server);
    provider
        .create_instance(&good().with_ssh_key(known.to_uppercase()).with_ssh_key("desktop"))
        .await
        .unwrap();
    assert_eq!(creates(&server).await[0]["ssh_keys"], json!([2323, "desktop"]));
    assert_eq!(
        field(&provider.create_instance(&good().with_ssh_key(unknown)).await.unwrap_err()),
        "ssh_keys"
    );
}

#[tokio::test]
async fn bad_input_sends_nothing() {
    let server = MockServer::start().await;
    let provider = provider(&server);
    // With an image that would be looked up.
    let good = || InstanceRequest::new("web-1", "fsn1", "cx22");
    for (expected, request) in [
        ("name", InstanceRequest::new("web_1", "fsn1", "cx22")),
        ("name", InstanceRequest::new("x".repeat(64), "fsn1", "cx22")),
        ("region", InstanceRequest::new("web-1", "Falkenstein, DE", "cx22")),
        ("size", InstanceRequest::new("web-1", "fsn1", " ")),
        ("user_data", good().with_user_data("é".repeat(16 * 1024 + 1))),
        ("labels[\"until\"]", good().with_label("until", "2026-01-30T23:55:00Z")),
        ("labels[\"hetzner.cloud/x\"]", good().with_label("hetzner.cloud/x", "y")),
        ("labels", good().with_label("managed-by", "somebody-else")),
        ("image", good().with_image(ImageSpec::Snapshot("my-snapshot".to_string()))),
        ("image", good().with_image(ImageSpec::Ubuntu(String::new()))),
        ("ssh_keys", good().with_ssh_key("")),
        ("idempotency_key", good().with_idempotency_key("")),
    ] {
        let error = provider.create_instance(&request).await.unwrap_err();
        assert_eq!(field(&error), expected, "{error}");
    }
    for id in ["i-0123456789abcdef0", "", "../ssh_keys", "12x", "-1"] {
        let errors = [
            provider.get_instance(id).await.unwrap_err(),
            provider.destroy_instance(id).await.unwrap_err(),
            provider.wait_ready(id).await.unwrap_err(),
            provider.create_snapshot(id, "s").await.unwrap_err(),
            provider.delete_snapshot(id).await.unwrap_err(),
        ];
        assert!(
            errors.iter().all(|error| matches!(error, ProviderError::InvalidConfig { .. })),
            "{id}: {errors:?}"
        );
    }
    assert_eq!(field(&provider.create_snapshot("42", " ").await.unwrap_err()), "name");
    assert!(sent(&server).await.is_empty());
}

#[tokio::test]
async fn a_key_that_is_named_by_digits_is_not_taken_for_an_id() {
    let absent = refusal(404, "not_found", "SSH key not found");
    let there = reply(200, json!({"ssh_key": {"id": 2024, "name": "old", "fingerprint": "aa:bb"}}));
    for (of_id, expected) in [(absent, Some(json!([7]))), (there, None)] {
        let server = MockServer::start().await;
        let named = json!({"id": 7, "name": "2024", "fingerprint": "b7:2f"});
        on("GET", "/ssh_keys")
            .and(query_param("name", "2024"))
            .respond_with(page("ssh_keys", &[named], None))
            .mount(&server)
            .await;
        on("GET", "/ssh_keys/2024").respond_with(of_id).expect(1).mount(&server).await;
        on("POST", "/servers")
            .respond_with(created(server_body(42, "initializing"), &[]))
            .mount(&server)
            .await;
        let made = provider(&server).create_instance(&good().with_ssh_key("2024")).await;
        match expected {
            Some(keys) => {
                made.unwrap();
                assert_eq!(creates(&server).await[0]["ssh_keys"], keys);
            }
            None => {
                let error = made.unwrap_err();
                assert_eq!(field(&error), "ssh_keys");
                assert!(
                    error.to_string().contains("\"2024\"") && error.to_string().contains("key 7"),
                    "{error}"
                );
            }
        }
    }
}

#[tokio::test]
async fn an_id_of_a_key_is_looked_up_once() {
    let server = MockServer::start().await;
    on("GET", "/ssh_keys")
        .and(query_param("name", "2323"))
        .respond_with(page("ssh_keys", &[], None))
        .expect(1)
        .mount(&server)
        .await;
    on("POST", "/servers")
        .respond_with(created(server_body(42, "initializing"), &[]))
        .expect(2)
        .mount(&server)
        .await;
    let provider = provider(&server);
    for _ in 0..2 {
        provider.create_instance(&good().with_ssh_key("2323")).await.unwrap();
    }
    assert_eq!(creates(&server).await[1]["ssh_keys"], json!([2323]));
}
