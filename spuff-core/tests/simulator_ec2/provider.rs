//! This crate's provider, through the whole life.

use std::sync::Arc;

use spuff_core::provider::{
    ImageSpec, InstanceRequest, InstanceStatus, Provider, ProviderError, ProviderRegistry,
};
use spuff_core::simulator::{Fault, Route};

use super::*;

/// A cloud that is so fast that nothing need wait, with everything that takes time.
fn fast() -> Options {
    Options::default().with_clock(Clock::Fast(300.0))
}

fn provider(cloud: &Cloud) -> Box<dyn Provider> {
    let config = cloud.config("aws").with_timeouts(support::timeouts());
    ProviderRegistry::with_defaults().connect("aws", config).unwrap()
}

fn request(name: &str) -> InstanceRequest {
    InstanceRequest::new(name, "", SIZE).with_label("env", "test")
}

#[tokio::test]
async fn the_whole_life() {
    let cloud = fast().start().unwrap();
    let aws = provider(&cloud);
    assert_eq!(aws.get_ssh_keys().await.unwrap(), ["ci", "laptop"]);
    let keyed = InstanceRequest {
        ssh_keys: vec!["laptop".to_string()],
        user_data: Some("#cloud-config".into()),
        ..request("web-1")
    };
    let made = aws.create_instance(&keyed).await.unwrap();
    assert_eq!((made.status.clone(), made.ip.is_unspecified()), (InstanceStatus::New, true));
    let ready = aws.wait_ready(&made.id).await.unwrap();
    assert_eq!(
        (ready.status.clone(), ready.name.as_str(), ready.size.as_str()),
        (InstanceStatus::Active, "web-1", SIZE)
    );
    assert!(!ready.ip.is_unspecified());
    assert_eq!((ready.labels["env"].as_str(), ready.is_managed()), ("test", true));
    assert_eq!(aws.get_instance(&made.id).await.unwrap().unwrap().id, made.id);
    assert_eq!(aws.list_instances().await.unwrap().len(), 1);
    assert_eq!(
        (cloud.instances()[0].name.as_str(), cloud.instances()[0].labels["managed-by"].as_str()),
        ("web-1", "spuff")
    );

    let snapshot = aws.create_snapshot(&made.id, "snap-1").await.unwrap();
    assert_eq!(aws.list_snapshots().await.unwrap(), std::slice::from_ref(&snapshot));
    let restored = aws
        .create_instance(&request("web-2").with_image(ImageSpec::Snapshot(snapshot.id.clone())))
        .await
        .unwrap();
    aws.wait_ready(&restored.id).await.unwrap();
    let taken = aws.create_snapshot(&made.id, "snap-1").await.unwrap_err();
    assert!(matches!(taken, ProviderError::Conflict { .. }), "{taken:?}");

    for id in [&made.id, &restored.id] {
        aws.destroy_instance(id).await.unwrap();
        aws.destroy_instance(id).await.unwrap();
    }
    assert!(aws.list_instances().await.unwrap().is_empty());
    aws.delete_snapshot(&snapshot.id).await.unwrap();
    aws.delete_snapshot(&snapshot.id).await.unwrap();
    assert!(aws.list_snapshots().await.unwrap().is_empty());
    cloud.assert_no_leaks();
    assert!(cloud.bill().total("USD") > 0);
}

#[tokio::test]
async fn another_region_and_processor_and_image() {
    let cloud = fast().start().unwrap();
    let aws = provider(&cloud);
    for (image, size) in [
        ("debian:12", "t4g.small"),
        ("ubuntu:22.04", "m6i.large"),
        ("ubuntu:20.04", "t3.nano"),
        ("debian:13", "c7g.large"),
    ] {
        let request =
            InstanceRequest::new("web", "eu-central-1", size).with_image(image.parse().unwrap());
        let made = aws.create_instance(&request).await.unwrap();
        assert_eq!(cloud.instances().last().unwrap().region, "eu-central-1");
        aws.wait_ready(&made.id).await.unwrap();
        aws.destroy_instance(&made.id).await.unwrap();
    }
    for (image, size, field) in [
        ("ubuntu:19.04", SIZE, "image"),
        ("ubuntu:24.04", "t9.nano", "size"),
        ("ami-0123456789abcdef0", SIZE, "image"),
    ] {
        let error = aws
            .create_instance(
                &InstanceRequest::new("web", "", size).with_image(image.parse().unwrap()),
            )
            .await
            .unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field: of, .. } if of == field),
            "{error:?}"
        );
    }
    cloud.assert_no_leaks();
}

/// Faults after which a client cannot know what was carried out, and some after which it can.
const DISTURBANCES: [Fault; 8] = [
    Fault::ReplyLost,
    Fault::Truncated,
    Fault::Html { status: 200 },
    Fault::Html { status: 502 },
    Fault::ServerError { status: 500, committed: true },
    Fault::ServerError { status: 503, committed: false },
    Fault::ConnectionClosed,
    Fault::RateLimited { retry_after: None, headers: true },
];

#[tokio::test]
async fn no_disturbance_makes_two() {
    for fault in DISTURBANCES {
        let cloud = fast().start().unwrap();
        let aws = provider(&cloud);
        let request = request("web").with_idempotency_key("order-7");
        cloud.inject(fault.once("aws", Route::CreateInstance));
        let made = match aws.create_instance(&request).await {
            Err(ProviderError::UnknownOutcome { key, .. }) => {
                assert_eq!(key, "order-7");
                aws.create_instance(&request).await.unwrap()
            }
            made => made.unwrap(),
        };
        assert_eq!(cloud.instances().len(), 1, "{fault:?}");
        assert_eq!(cloud.instances()[0].id, made.id);
        for route in [Route::GetInstance, Route::DestroyInstance, Route::ListInstances] {
            cloud.inject(fault.once("aws", route));
        }
        // A page of a proxy with a good status is an error that ends a call; the next one is not
        // disturbed.
        if aws.wait_ready(&made.id).await.is_err() {
            aws.wait_ready(&made.id).await.unwrap();
        }
        if aws.destroy_instance(&made.id).await.is_err() {
            aws.destroy_instance(&made.id).await.unwrap();
        }
        assert_eq!(aws.list_instances().await.map(|list| list.len()).unwrap_or_default(), 0);
        cloud.assert_no_leaks();
    }
}

#[tokio::test]
async fn no_disturbance_leaves_a_copy_of_a_disk() {
    for fault in DISTURBANCES {
        let cloud = fast().start().unwrap();
        let aws = provider(&cloud);
        let made = aws.create_instance(&request("web")).await.unwrap();
        aws.wait_ready(&made.id).await.unwrap();
        let snapshot = aws.create_snapshot(&made.id, "snapshot").await.unwrap();
        cloud.inject(fault.once("aws", Route::DeleteSnapshot));
        if aws.delete_snapshot(&snapshot.id).await.is_err() {
            aws.delete_snapshot(&snapshot.id).await.unwrap();
        }
        aws.destroy_instance(&made.id).await.unwrap();
        cloud.assert_no_leaks();
    }
}

#[tokio::test]
async fn refusals_have_their_kinds() {
    let cloud = fast().start().unwrap();
    let aws = provider(&cloud);
    cloud.inject(Fault::CapacityOut.once("aws", Route::CreateInstance));
    let error = aws.create_instance(&request("web")).await.unwrap_err();
    assert!(matches!(error, ProviderError::Capacity { .. }), "{error:?}");
    cloud.inject(Fault::QuotaReached.once("aws", Route::CreateInstance));
    let error = aws.create_instance(&request("web")).await.unwrap_err();
    assert!(matches!(error, ProviderError::QuotaExceeded { .. }), "{error:?}");
    cloud.inject(Fault::Unauthorized.once("aws", Route::ListInstances));
    let error = aws.list_instances().await.unwrap_err();
    assert!(matches!(error, ProviderError::Authentication { .. }), "{error:?}");
    assert!(cloud.instances().is_empty());

    cloud.inject(Fault::ActionFails.once("aws", Route::CreateInstance));
    let made = aws.create_instance(&request("web")).await.unwrap();
    let error = aws.wait_ready(&made.id).await.unwrap_err();
    assert!(error.to_string().contains("Server.InternalError"), "{error:?}");
    cloud.inject(Fault::Locked.once("aws", Route::DestroyInstance));
    let made = aws.create_instance(&request("web")).await.unwrap();
    aws.wait_ready(&made.id).await.unwrap();
    let error = aws.destroy_instance(&made.id).await.unwrap_err();
    assert!(matches!(error, ProviderError::Conflict { .. }), "{error:?}");
    aws.destroy_instance(&made.id).await.unwrap();
    cloud.assert_no_leaks();
}

#[tokio::test]
async fn what_cannot_be_seen_yet_is_ended_all_the_same() {
    let cloud = fast().start().unwrap();
    let aws = provider(&cloud);
    cloud.inject(Fault::NotYetVisible { reads: 3 }.everywhere().on(Route::CreateInstance));
    let made = aws.create_instance(&request("web")).await.unwrap();
    aws.destroy_instance(&made.id).await.unwrap();
    cloud.assert_no_leaks();
    let made = aws.create_instance(&request("web")).await.unwrap();
    aws.wait_ready(&made.id).await.unwrap();
    aws.destroy_instance(&made.id).await.unwrap();
    cloud.assert_no_leaks();
}

#[tokio::test]
async fn a_quota_of_the_account() {
    let cloud = fast().with_quota(2).start().unwrap();
    let aws = provider(&cloud);
    let mut ids = Vec::new();
    for name in ["a", "b"] {
        ids.push(aws.create_instance(&request(name)).await.unwrap().id);
    }
    let error = aws.create_instance(&request("c")).await.unwrap_err();
    assert!(matches!(error, ProviderError::QuotaExceeded { .. }), "{error:?}");
    for id in ids {
        aws.destroy_instance(&id).await.unwrap();
    }
    cloud.assert_no_leaks();
}

#[tokio::test]
async fn many_at_once() {
    let cloud = Options::default().with_clock(Clock::Fast(1000.0)).start().unwrap();
    let aws: Arc<dyn Provider> = Arc::from(provider(&cloud));
    let mut set = tokio::task::JoinSet::new();
    for number in 0..40 {
        let aws = aws.clone();
        set.spawn(async move {
            let made = aws.create_instance(&request(&format!("web-{number}"))).await.unwrap();
            aws.wait_ready(&made.id).await.unwrap();
            made.id
        });
    }
    let ids = set.join_all().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(aws.list_instances().await.unwrap().len(), 40);
    for id in ids {
        aws.destroy_instance(&id).await.unwrap();
    }
    cloud.assert_no_leaks();
}
