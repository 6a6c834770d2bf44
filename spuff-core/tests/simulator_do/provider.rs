//! This crate's provider, through the whole life of a machine. The cloud's time goes fast here, so
//! that it can wait.

use std::time::Duration;

use spuff_core::provider::{ErrorKind, ImageSpec, InstanceRequest, InstanceStatus, Provider};
use spuff_core::simulator::{Clock, Cloud, Fault, Options, Route};
use spuff_core::{ProviderError, ProviderRegistry};

use super::support;

const NAME: &str = "digitalocean";

fn fast() -> Options {
    Options::default().with_clock(Clock::Fast(300.0))
}

fn provider(cloud: &Cloud) -> Box<dyn Provider> {
    let config = cloud.config(NAME).with_timeouts(support::timeouts());
    ProviderRegistry::with_defaults().connect(NAME, config).unwrap()
}

fn request() -> InstanceRequest {
    InstanceRequest::new("web-1", "nyc3", "s-1vcpu-1gb")
}

#[tokio::test]
async fn the_whole_life() {
    let cloud = fast().start().unwrap();
    let provider = provider(&cloud);
    let keys = provider.get_ssh_keys().await.unwrap();
    assert_eq!(keys.len(), 2);

    let request = request()
        .with_label("env", "prod:eu")
        .with_user_data("#cloud-config\n")
        .with_ssh_key(&keys[0])
        .with_ssh_key("ci");
    let made = provider.create_instance(&request).await.unwrap();
    assert!(
        made.status == InstanceStatus::New && made.ip.is_unspecified() && made.is_managed(),
        "{made:?}"
    );
    let machine = provider.wait_ready(&made.id).await.unwrap();
    assert_eq!((machine.status.clone(), machine.name.as_str()), (InstanceStatus::Active, "web-1"));
    assert!(!machine.ip.is_unspecified());
    assert_eq!(
        (machine.addresses.len(), machine.addresses[0].public),
        (3, false),
        "the private address stands first"
    );
    assert_eq!(
        (machine.region.as_str(), machine.size.as_str(), machine.labels["env"].as_str()),
        ("nyc3", "s-1vcpu-1gb", "prod:eu")
    );
    assert_eq!(provider.get_instance(&made.id).await.unwrap(), Some(machine.clone()));
    assert_eq!(provider.list_instances().await.unwrap(), [machine]);

    let snapshot = provider.create_snapshot(&made.id, "nightly").await.unwrap();
    assert_eq!(cloud.snapshots()[0].labels.keys().collect::<Vec<_>>(), ["managed-by:spuff"]);
    // The tag's filter lags behind the tag.
    let listed =
        until(async || provider.list_snapshots().await.unwrap(), |listed| !listed.is_empty()).await;
    assert_eq!(listed, std::slice::from_ref(&snapshot));

    let restored = request.clone().with_image(ImageSpec::Snapshot(snapshot.id.clone()));
    let restored = provider.create_instance(&restored).await.unwrap();
    assert_ne!(restored.id, made.id, "a name may be taken twice here");
    provider.wait_ready(&restored.id).await.unwrap();
    provider.delete_snapshot(&snapshot.id).await.unwrap();
    provider.delete_snapshot(&snapshot.id).await.unwrap();

    assert_eq!(cloud.leaks().len(), 2);
    for id in [&made.id, &restored.id, &made.id] {
        provider.destroy_instance(id).await.unwrap();
    }
    cloud.assert_no_leaks();
    let gone =
        until(async || provider.get_instance(&made.id).await.unwrap(), Option::is_none).await;
    assert_eq!(gone, None);
    assert!(cloud.bill().total("USD") >= 20_000, "{}", cloud.bill());
}

/// Looks until it is as it should be.
async fn until<T>(look: impl AsyncFn() -> T, is_so: impl Fn(&T) -> bool) -> T {
    for _ in 0..500 {
        let seen = look().await;
        if is_so(&seen) {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to be so");
}

#[tokio::test]
async fn a_machine_that_is_still_being_made_can_be_destroyed() {
    let cloud = fast().start().unwrap();
    let provider = provider(&cloud);
    let made = provider.create_instance(&request()).await.unwrap();
    provider.destroy_instance(&made.id).await.unwrap();
    assert!(cloud.route_count(NAME, Route::DestroyInstance) > 1, "it was busy at first");
    cloud.assert_no_leaks();
}

#[tokio::test]
async fn what_hides_for_a_while_is_waited_for() {
    let cloud = fast().start().unwrap();
    let provider = provider(&cloud);
    cloud.inject(Fault::NotYetVisible { reads: 4 }.once(NAME, Route::CreateInstance));
    let made = provider.create_instance(&request()).await.unwrap();
    provider.wait_ready(&made.id).await.unwrap();
    let hidden = cloud.inject(Fault::NotYetVisible { reads: 3 }.once(NAME, Route::CreateSnapshot));
    let snapshot = provider.create_snapshot(&made.id, "nightly").await.unwrap();
    assert_eq!(cloud.hits(hidden), 1);
    provider.delete_snapshot(&snapshot.id).await.unwrap();
    provider.destroy_instance(&made.id).await.unwrap();
    cloud.assert_no_leaks();
}

#[tokio::test]
async fn refusals_have_their_kinds() {
    let cloud = fast().with_quota(1).start().unwrap();
    let provider = provider(&cloud);
    for (fault, kind) in [
        (Fault::CapacityOut, ErrorKind::Capacity),
        (Fault::QuotaReached, ErrorKind::QuotaExceeded),
        (Fault::Unauthorized, ErrorKind::Authentication),
    ] {
        cloud.inject(fault.once(NAME, Route::CreateInstance));
        let error = provider.create_instance(&request()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    for (request, field) in [
        (InstanceRequest::new("web-1", "mars1", "s-1vcpu-1gb"), "region"),
        (InstanceRequest::new("web-1", "nyc3", "tiny"), "size"),
        (request().with_image(ImageSpec::Ubuntu("4.10".to_string())), "image"),
        (request().with_ssh_key("42"), "ssh_keys"),
    ] {
        let error = provider.create_instance(&request).await.unwrap_err();
        let right = matches!(&error, ProviderError::InvalidConfig { field: of, .. } if of == field);
        assert!(
            right || field == "ssh_keys" && error.kind() == ErrorKind::InvalidConfig,
            "{field}: {error:?}"
        );
    }
    cloud.assert_no_leaks();

    let made = provider.create_instance(&request()).await.unwrap();
    let error = provider.create_instance(&request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error}");
    provider.destroy_instance(&made.id).await.unwrap();
    let again =
        until(async || provider.create_instance(&request()).await, Result::is_ok).await.unwrap();
    provider.destroy_instance(&again.id).await.unwrap();
    cloud.assert_no_leaks();
}

#[tokio::test]
async fn a_busy_machine_is_destroyed_later() {
    let cloud = fast().start().unwrap();
    let provider = provider(&cloud);
    let made = provider.create_instance(&request()).await.unwrap();
    provider.wait_ready(&made.id).await.unwrap();
    let busy =
        cloud.inject(Fault::Locked.everywhere().at(NAME).on(Route::DestroyInstance).times(3));
    provider.destroy_instance(&made.id).await.unwrap();
    assert_eq!(cloud.hits(busy), 3);
    cloud.assert_no_leaks();
}

#[tokio::test]
async fn failures_are_told_with_their_reason() {
    let cloud = fast().start().unwrap();
    let provider = provider(&cloud);
    cloud.inject(Fault::ActionFails.once(NAME, Route::CreateInstance));
    let made = provider.create_instance(&request()).await.unwrap();
    let error = provider.wait_ready(&made.id).await.unwrap_err();
    assert!(!matches!(error, ProviderError::Timeout { .. }), "{error}");
    cloud.assert_no_leaks();

    let made = provider.create_instance(&request()).await.unwrap();
    provider.wait_ready(&made.id).await.unwrap();
    cloud.inject(Fault::ActionFails.once(NAME, Route::CreateSnapshot));
    let error = provider.create_snapshot(&made.id, "nightly").await.unwrap_err();
    assert!(error.to_string().contains("errored"), "{error}");
    assert!(cloud.snapshots().is_empty(), "a snapshot that fails leaves nothing behind");
    provider.destroy_instance(&made.id).await.unwrap();
    cloud.assert_no_leaks();
}

#[tokio::test]
async fn a_lost_reply_ends_in_one_machine_that_is_known() {
    let cloud = fast().start().unwrap();
    let provider = provider(&cloud);
    cloud.inject(Fault::ReplyLost.once(NAME, Route::CreateInstance));
    let made = provider.create_instance(&request()).await.unwrap();
    let [machine] = &cloud.leaks()[..] else { panic!("{:?}", cloud.leaks()) };
    assert_eq!((&machine.id, cloud.route_count(NAME, Route::CreateInstance)), (&made.id, 1));
    provider.destroy_instance(&machine.id).await.unwrap();
    cloud.assert_no_leaks();
}

#[tokio::test]
async fn more_than_a_page_is_listed_even_while_it_shifts() {
    let cloud = fast().start().unwrap();
    let provider = provider(&cloud);
    let mut ids = Vec::new();
    for _ in 0..205 {
        ids.push(provider.create_instance(&request()).await.unwrap().id);
    }
    cloud.advance(Duration::from_secs(600));
    cloud.inject(Fault::ShiftingPages.everywhere().on(Route::ListInstances));
    let mut listed: Vec<String> =
        provider.list_instances().await.unwrap().into_iter().map(|machine| machine.id).collect();
    listed.sort();
    // The last one is pushed off the second page by the one that comes twice.
    ids.pop();
    ids.sort();
    assert!(ids.iter().all(|id| listed.contains(id)) && listed.len() >= 204, "{}", listed.len());
    cloud.clear_faults();
    assert_eq!(provider.list_instances().await.unwrap().len(), 205);
    for machine in provider.list_instances().await.unwrap() {
        provider.destroy_instance(&machine.id).await.unwrap();
    }
    cloud.assert_no_leaks();
}
