//! Our own provider on the simulated cloud.

use std::time::Duration;

use spuff_core::provider::{
    InstanceRequest, InstanceStatus, Provider, ProviderRegistry, ProviderTimeouts,
};
use spuff_core::simulator::{Clock, Cloud, Fault, Options, Route};

use super::support;

/// The cloud's time goes a thousand times as fast: a boot takes as long as one pause of the
/// provider.
fn cloud() -> Cloud {
    fast(Options::default())
}

fn fast(options: Options) -> Cloud {
    options.with_clock(Clock::Fast(1000.0)).start().unwrap()
}

fn provider(cloud: &Cloud) -> Box<dyn Provider> {
    with_timeouts(cloud, support::timeouts())
}

fn with_timeouts(cloud: &Cloud, timeouts: ProviderTimeouts) -> Box<dyn Provider> {
    ProviderRegistry::with_defaults()
        .connect("hetzner", cloud.config("hetzner").with_timeouts(timeouts))
        .unwrap()
}

fn request(name: &str) -> InstanceRequest {
    InstanceRequest::new(name, "fsn1", "cx23")
}

async fn end(cloud: &Cloud, provider: &dyn Provider) {
    for instance in provider.list_instances().await.unwrap() {
        provider.destroy_instance(&instance.id).await.unwrap();
    }
    for snapshot in provider.list_snapshots().await.unwrap() {
        provider.delete_snapshot(&snapshot.id).await.unwrap();
    }
    cloud.assert_no_leaks();
}

#[tokio::test]
async fn a_whole_life() {
    let cloud = cloud();
    let provider = provider(&cloud);
    let key = "a6:72:09:7b:ba:42:5c:89:46:45:67:63:ea:8f:f3:e1";
    let full = request("web-1")
        .with_label("env", "prod")
        .with_ssh_key("laptop")
        .with_ssh_key(key)
        .with_user_data("#cloud-config\n");
    let made = provider.create_instance(&full).await.unwrap();
    assert_eq!(
        (made.name.as_str(), &made.status, made.is_managed()),
        ("web-1", &InstanceStatus::New, true)
    );
    let ready = provider.wait_ready(&made.id).await.unwrap();
    assert_eq!(
        (&ready.status, ready.ip, ready.addresses.len()),
        (&InstanceStatus::Active, made.ip, 2)
    );
    assert_eq!(
        (ready.region.as_str(), ready.size.as_str(), ready.labels["env"].as_str()),
        ("fsn1", "cx23", "prod")
    );
    assert_eq!(provider.get_instance(&made.id).await.unwrap().unwrap(), ready);
    assert_eq!(provider.list_instances().await.unwrap(), [ready]);
    assert_eq!(provider.get_ssh_keys().await.unwrap().len(), 2);

    let snapshot = provider.create_snapshot(&made.id, "before: the change").await.unwrap();
    assert_eq!(snapshot.name, "before: the change");
    assert_eq!(provider.list_snapshots().await.unwrap(), std::slice::from_ref(&snapshot));
    provider.destroy_instance(&made.id).await.unwrap();
    let from_snapshot =
        request("web-2").with_image(format!("snapshot:{}", snapshot.id).parse().unwrap());
    let restored = provider.create_instance(&from_snapshot).await.unwrap();
    assert_eq!(provider.wait_ready(&restored.id).await.unwrap().name, "web-2");
    provider.delete_snapshot(&snapshot.id).await.unwrap();
    provider.delete_snapshot(&snapshot.id).await.unwrap();
    provider.destroy_instance(&restored.id).await.unwrap();
    provider.destroy_instance(&restored.id).await.unwrap();
    assert_eq!(provider.get_instance(&restored.id).await.unwrap(), None);
    cloud.assert_no_leaks();
    assert_eq!(cloud.bill().lines.len(), 3);
}

#[tokio::test]
async fn images_fit_the_processors() {
    let cloud = cloud();
    let provider = provider(&cloud);
    for (number, (size, image)) in [
        ("cax11", "ubuntu:24.04"),
        ("cax11", "debian:13"),
        ("cx23", "ubuntu:22.04"),
        ("ccx13", "debian:12.5"),
        ("cx22", "docker-ce"),
    ]
    .into_iter()
    .enumerate()
    {
        let request = InstanceRequest::new(format!("web-{number}"), "hel1", size)
            .with_image(image.parse().unwrap());
        let made = provider.create_instance(&request).await.unwrap();
        assert_eq!((made.size.as_str(), made.region.as_str()), (size, "hel1"));
        provider.wait_ready(&made.id).await.unwrap();
    }
    end(&cloud, &*provider).await;
}

#[tokio::test]
async fn refusals_have_their_kinds() {
    let cloud = fast(Options::default().with_quota(3));
    let provider = provider(&cloud);
    provider.create_instance(&request("web-1")).await.unwrap();
    let other_size = |size: &str| InstanceRequest::new("web-2", "fsn1", size);
    for (request, kind, part) in [
        (request("web-1"), "conflict", "already used"),
        (other_size("cx99"), "invalid_config", "cx99"),
        (other_size("cx11"), "invalid_config", "deprecated"),
        (InstanceRequest::new("web-2", "ash", "cx23"), "invalid_config", "unsupported location"),
        (InstanceRequest::new("web-2", "mars", "cx23"), "invalid_config", "location"),
        (
            request("web-2").with_image("ubuntu:1.0".parse().unwrap()),
            "invalid_config",
            "ubuntu-1.0",
        ),
        (request("web-2").with_image("snapshot:1".parse().unwrap()), "invalid_config", "image"),
        (request("web-2").with_ssh_key("nobody"), "invalid_config", "SSH key"),
    ] {
        let error = provider.create_instance(&request).await.unwrap_err();
        assert_eq!(error.kind().name(), kind, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    provider.create_instance(&request("web-2")).await.unwrap();
    provider.create_instance(&request("web-3")).await.unwrap();
    let full = provider.create_instance(&request("web-4")).await.unwrap_err();
    assert_eq!(full.kind().name(), "quota_exceeded", "{full}");
    for (fault, kind) in [
        (Fault::CapacityOut, "capacity"),
        (Fault::QuotaReached, "quota_exceeded"),
        (Fault::Unauthorized, "authentication"),
    ] {
        end(&cloud, &*provider).await;
        while !cloud.instances().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cloud.inject(fault.once("hetzner", Route::CreateInstance));
        let error = provider.create_instance(&request("web-5")).await.unwrap_err();
        assert_eq!(error.kind().name(), kind, "{error}");
        assert!(cloud.instances().is_empty(), "{kind}");
    }
    end(&cloud, &*provider).await;
}

#[tokio::test]
async fn it_outlasts_what_passes() {
    let cloud = cloud();
    let provider = provider(&cloud);
    let throttled = Fault::RateLimited { retry_after: None, headers: true };
    let down = Fault::ServerError { status: 502, committed: false };
    for (fault, route) in [
        (throttled, Route::CreateInstance),
        (Fault::NotYetVisible { reads: 2 }, Route::CreateInstance),
        (down, Route::GetInstance),
        (Fault::ReplyLost, Route::GetInstance),
        (Fault::Truncated, Route::GetAction),
        (Fault::Locked, Route::DestroyInstance),
        (Fault::ReplyLost, Route::DestroyInstance),
        (Fault::Html { status: 502 }, Route::ListInstances),
    ] {
        let rule = cloud.inject(fault.once("hetzner", route));
        let made = provider.create_instance(&request("web-1")).await.unwrap();
        provider.wait_ready(&made.id).await.unwrap();
        assert_eq!(provider.list_instances().await.unwrap().len(), 1, "{fault:?}");
        // The one that has made a machine does not believe in its absence yet.
        self::provider(&cloud).destroy_instance(&made.id).await.unwrap();
        assert_eq!(cloud.hits(rule), 1, "{fault:?} has not struck");
        cloud.assert_no_leaks();
        while !cloud.instances().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn it_waits_for_a_server_that_is_locked() {
    let cloud = Options::default().with_clock(Clock::Manual).start().unwrap();
    let provider = provider(&cloud);
    let made = provider.create_instance(&request("web-1")).await.unwrap();
    let destroyed = provider.destroy_instance(&made.id);
    let later = async {
        while cloud.route_count("hetzner", Route::DestroyInstance) < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cloud.advance(Duration::from_secs(60));
    };
    let (destroyed, ()) = tokio::join!(destroyed, later);
    destroyed.unwrap();
    cloud.assert_no_leaks();
}

#[tokio::test]
async fn it_tells_what_does_not_pass() {
    let cloud = cloud();
    let provider = provider(&cloud);
    cloud.inject(Fault::ActionFails.once("hetzner", Route::CreateInstance));
    let made = provider.create_instance(&request("failing")).await.unwrap();
    let error = provider.wait_ready(&made.id).await.unwrap_err();
    assert!(error.to_string().contains("create_server failed"), "{error}");

    cloud.inject(Fault::Vanishes { after: 86_400 }.once("hetzner", Route::CreateInstance));
    let made = provider.create_instance(&request("vanishing")).await.unwrap();
    provider.wait_ready(&made.id).await.unwrap();
    cloud.advance(Duration::from_secs(86_400));
    assert_eq!(provider.get_instance(&made.id).await.unwrap(), None);
    assert_eq!(
        self::provider(&cloud).wait_ready(&made.id).await.unwrap_err().kind().name(),
        "not_found"
    );

    let made = provider.create_instance(&request("source")).await.unwrap();
    provider.wait_ready(&made.id).await.unwrap();
    cloud.inject(Fault::ActionFails.once("hetzner", Route::CreateSnapshot));
    let error = provider.create_snapshot(&made.id, "failing").await.unwrap_err();
    assert!(error.to_string().contains("create_image failed"), "{error}");
    assert!(cloud.snapshots().is_empty(), "what has failed is taken away");

    let hasty =
        ProviderTimeouts { instance_ready: Duration::from_millis(200), ..support::timeouts() };
    let hasty = with_timeouts(&cloud, hasty);
    cloud.inject(Fault::StuckCreating.once("hetzner", Route::CreateInstance));
    let made = hasty.create_instance(&request("stuck")).await.unwrap();
    assert_eq!(hasty.wait_ready(&made.id).await.unwrap_err().kind().name(), "timeout");
    end(&cloud, &*provider).await;
}

#[tokio::test]
async fn it_lists_over_pages_that_shift() {
    let cloud = cloud();
    let provider = provider(&cloud);
    for number in 0..120 {
        provider.create_instance(&request(&format!("web-{number}"))).await.unwrap();
    }
    cloud.inject(Fault::ShiftingPages.everywhere().at("hetzner"));
    let mut names: Vec<_> = provider
        .list_instances()
        .await
        .unwrap()
        .into_iter()
        .map(|instance| instance.name)
        .collect();
    assert_eq!(names.len(), 120);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 120);
    // Four readings of three pages, on and back: each shows less than the cloud counts.
    assert_eq!(cloud.route_count("hetzner", Route::ListInstances), 20);
    cloud.clear_faults();
    end(&cloud, &*provider).await;
}
