//! Snapshots, and images that the engine does not have.

use std::sync::Mutex;

use spuff_core::observe;
use spuff_core::provider::{ErrorKind, ImageSpec, ProviderError};

use super::*;

#[tokio::test]
async fn a_snapshot_is_what_the_machine_was() {
    let provider = connect(config().with_option("owner", "images").with_option("ttl", "3600"));
    let script = "#!/bin/sh\necho one >>/ran\n";
    let machine = ready(
        &provider,
        &request()
            .with_user_data(script)
            .with_label("env", "test")
            .with_ttl(Duration::from_secs(7200)),
    )
    .await;
    soon(&machine.id, "cat /ran").await;
    let snapshot = provider.create_snapshot(&machine.id, "base \"1\"").await.unwrap();
    assert_eq!(snapshot.name, "base \"1\"");
    assert!((chrono::Utc::now() - snapshot.created_at.unwrap()).num_seconds().abs() < 60);
    let listed = provider.list_labelled_snapshots().await.unwrap();
    let (_, labels) = listed.iter().find(|(listed, _)| *listed == snapshot).unwrap();
    assert_eq!(
        (labels["managed-by"].as_str(), labels["spuff-owner"].as_str(), labels.get("env")),
        ("spuff", "images", None)
    );
    provider.destroy_instance(&machine.id).await.unwrap();

    // A machine of it that goes takes nothing along.
    let copy =
        ready(&provider, &request().with_image(ImageSpec::Snapshot(snapshot.id.clone()))).await;
    provider.destroy_instance(&copy.id).await.unwrap();
    assert!(provider.list_snapshots().await.unwrap().contains(&snapshot));

    // The lease and the labels are those of the new machine, and its user data runs, though the
    // files of the other one are there.
    let restored = request()
        .with_image(ImageSpec::Snapshot(snapshot.id.clone()))
        .with_user_data("#!/bin/sh\necho two >>/ran\n");
    let restored = ready(&super::provider(), &restored).await;
    assert_eq!(soon(&restored.id, "grep -q two /ran && cat /ran").await, "one\ntwo");
    let mut labels: Vec<_> = restored.labels.keys().map(String::as_str).collect();
    labels.sort_unstable();
    assert_eq!(labels, ["managed-by", "spuff-key"]);
    // A container that somebody makes of it is not a machine of spuff's.
    let image = format!("spuff-snapshot:{}", snapshot.id);
    let other = docker(&["run", "--detach", &image]);
    assert!(provider.list_instances().await.unwrap().iter().all(|listed| listed.id != other));
    docker(&["rm", "--force", "--volumes", &other]);

    if is_podman() {
        let error = provider.delete_snapshot(&snapshot.id).await.unwrap_err();
        assert!(
            error.kind() == ErrorKind::Conflict && error.to_string().contains("in use"),
            "{error}"
        );
        assert!(provider.wait_ready(&restored.id).await.is_ok(), "it lives on");
        provider.destroy_instance(&restored.id).await.unwrap();
        return provider.delete_snapshot(&snapshot.id).await.unwrap();
    }
    provider.delete_snapshot(&snapshot.id).await.unwrap();
    provider.delete_snapshot(&snapshot.id).await.unwrap();
    assert!(provider.list_snapshots().await.unwrap().iter().all(|listed| listed.id != snapshot.id));
    assert!(provider.wait_ready(&restored.id).await.is_ok(), "it lives on");
    let error = provider
        .create_instance(&request().with_image(ImageSpec::Snapshot(snapshot.id.clone())))
        .await
        .unwrap_err();
    assert!(
        matches!(
            &error,
            ProviderError::NotFound { resource_type, id }
                if resource_type == "snapshot" && *id == snapshot.id
        ),
        "{error}"
    );
    let image = docker(&["inspect", &restored.id, "--format", "{{.Image}}"]);
    provider.destroy_instance(&restored.id).await.unwrap();
    assert!(
        try_docker(&["image", "inspect", &image]).is_err(),
        "what it stored went with the last machine of it"
    );
}

#[tokio::test]
async fn an_image_is_pulled_when_it_is_not_there() {
    let provider = provider();
    let image = format!("{}/spuff-pull:1", std::env::var("SPUFF_TEST_REGISTRY").unwrap());
    drop(try_docker(&["image", "rm", "--force", &image]));
    let told = Mutex::new(Vec::new());
    let wanted = request().with_image(image.parse().unwrap());
    let machine =
        observe(provider.create_instance(&wanted), |seen| told.lock().unwrap().push(seen.state))
            .await
            .unwrap();
    let first = std::mem::take(&mut *told.lock().unwrap());
    assert!(
        first.iter().any(|state| state.starts_with(&format!("pulling {image}: "))),
        "{first:?}"
    );
    let wanted = request().with_image(image.parse().unwrap());
    let other =
        observe(provider.create_instance(&wanted), |seen| told.lock().unwrap().push(seen.state))
            .await
            .unwrap();
    assert_eq!(*told.lock().unwrap(), [""; 0], "it is there");
    for id in [&machine.id, &other.id] {
        provider.destroy_instance(id).await.unwrap();
    }
}

#[tokio::test]
async fn an_image_that_cannot_be_had_is_told_with_a_way_out() {
    let provider = provider();
    let registry = std::env::var("SPUFF_TEST_REGISTRY").unwrap();
    let wanted = request();
    for image in [format!("{registry}/nothing:1"), format!("{registry}/spuff-pull:2")] {
        let error = provider
            .create_instance(&wanted.clone().with_image(image.parse().unwrap()))
            .await
            .unwrap_err();
        assert!(
            matches!(
                &error,
                ProviderError::InvalidConfig { field, message }
                    if field == "image" && message.contains("pull, load or build")
            ),
            "{error}"
        );
    }
    let error = provider
        .create_instance(&wanted.with_image("127.0.0.1:1/app:1".parse().unwrap()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("registry cannot be reached"), "{error}");
}
