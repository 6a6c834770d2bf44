//! A cloud whose regions know nothing of each other: what is made in another one than the
//! provider's own is not lost.

use spuff_core::fleet::{FleetOptions, Rollback, create_instances};
use spuff_core::lease::{Reap, reap};
use spuff_core::provider::{ErrorKind, ErrorParts, ProviderError};
use spuff_core::settled;
use spuff_core::simulator::{Fault, FaultRule, Route};

use super::*;

const AWAY: &str = "eu-west-1";

fn away(machine: &str) -> InstanceRequest {
    InstanceRequest { region: AWAY.to_string(), ..request("aws", machine) }
}

fn down(route: Route) -> FaultRule {
    Fault::ServerError { status: 503, committed: false }.everywhere().at("aws").on(route)
}

fn hasty(cloud: &Cloud) -> Arc<dyn Provider> {
    let short = ProviderTimeouts { instance_ready: Duration::from_millis(600), ..timeouts() };
    let config = cloud.config("aws").with_timeouts(short);
    ProviderRegistry::with_defaults().connect("aws", config).unwrap().into()
}

/// With the option that says which regions are used.
fn used_in(cloud: &Cloud, regions: &str) -> Arc<dyn Provider> {
    let config = cloud.config("aws").with_timeouts(timeouts()).with_option("regions", regions);
    ProviderRegistry::with_defaults().connect("aws", config).unwrap().into()
}

#[tokio::test]
async fn an_unknown_outcome_in_another_region_is_resolved_by_the_same_provider_and_a_new_one() {
    for key in [None, Some("order-7")] {
        let cloud = cloud();
        cloud.inject(Fault::ReplyLost.once("aws", Route::CreateInstance));
        cloud.inject(down(Route::CreateInstance));
        let same = hasty(&cloud);
        let request = InstanceRequest { idempotency_key: key.map(str::to_string), ..away("web-1") };
        let error = same.create_instance(&request).await.unwrap_err();
        let ProviderError::UnknownOutcome { key, .. } = &error else { panic!("{error}") };
        assert_eq!(alive(&cloud).len(), 1);
        cloud.clear_faults();
        lists_have_caught_up().await;
        let listed: Vec<_> =
            same.list_instances().await.unwrap().into_iter().map(|found| found.id).collect();
        assert_eq!(listed, alive(&cloud), "something may be there, so that lists read it");
        for provider in [same, provider(&cloud, "aws")] {
            let made = provider.resolve(key).await.unwrap().unwrap();
            assert_eq!((vec![made.id.clone()], made.region.as_str()), (alive(&cloud), AWAY));
            assert_eq!(provider.get_instance(&made.id).await.unwrap().unwrap().region, AWAY);
        }
    }
}

#[tokio::test]
async fn it_is_certain_that_nothing_was_made_when_every_region_says_so() {
    let cloud = cloud();
    let provider = provider(&cloud, "aws");
    assert_eq!(provider.resolve("order-7").await.unwrap(), None);
    assert_eq!(provider.resolve(&format!("{}@{AWAY}", "0".repeat(32))).await.unwrap(), None);
    let id = "i-0123456789abcdef0";
    assert_eq!(provider.get_instance(id).await.unwrap(), None);
    provider.destroy_instance(id).await.unwrap();
    provider.delete_snapshot("ami-0123456789abcdef0").await.unwrap();
}

#[tokio::test]
async fn a_fleet_in_another_region_leaves_nothing_that_it_does_not_tell_of() {
    for count in [1, 7] {
        let cloud = cloud();
        cloud.inject(Fault::ReplyLost.once("aws", Route::CreateInstance));
        cloud.inject(down(Route::CreateInstance));
        let requests: Vec<_> = (0..count).map(|n| away(&format!("m-{n}"))).collect();
        let outcomes = create_instances(&hasty(&cloud), &requests, FleetOptions::default()).await;
        settled().await;
        cloud.clear_faults();
        let mut told = Vec::new();
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            assert!(!error.is_retryable(), "they were made");
            let parts = ErrorParts::from(&error);
            // On a busy computer a look may come too late: the caller has the key then.
            if parts.instance_exists != Some(false) {
                let found = provider(&cloud, "aws").resolve(&parts.key.unwrap()).await.unwrap();
                told.push(found.unwrap().id);
            }
        }
        let mut left = alive(&cloud);
        told.sort();
        left.sort();
        assert_eq!(left, told);
    }
}

#[tokio::test]
async fn each_machine_of_a_batch_in_another_region_is_found_by_its_own_key() {
    let cloud = cloud();
    cloud.inject(Fault::ReplyLost.once("aws", Route::CreateInstance));
    for route in [Route::CreateInstance, Route::ListInstances, Route::GetInstance] {
        cloud.inject(down(route));
    }
    let requests: Vec<_> = (0..5).map(|n| away(&format!("m-{n}"))).collect();
    let keep = FleetOptions::default().with_on_failure(Rollback::Keep);
    let outcomes = create_instances(&hasty(&cloud), &requests, keep).await;
    cloud.clear_faults();
    let mut found = Vec::new();
    let new = provider(&cloud, "aws");
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownOutcome, "{error}");
        found.push(new.resolve(&ErrorParts::from(&error).key.unwrap()).await.unwrap().unwrap().id);
    }
    let mut made = alive(&cloud);
    found.sort();
    made.sort();
    assert_eq!((found.len(), found), (5, made));
}

/// The program has ended, and another one is given the id.
#[tokio::test]
async fn a_new_provider_works_on_what_is_in_another_region() {
    let cloud = cloud();
    let made = provider(&cloud, "aws").create_instance(&away("web-1")).await.unwrap();
    lists_have_caught_up().await;
    let new = || provider(&cloud, "aws");
    assert_eq!(new().get_instance(&made.id).await.unwrap().unwrap().region, AWAY);
    assert_eq!(new().wait_ready(&made.id).await.unwrap().region, AWAY);
    new().set_labels(&made.id, &[("env".to_string(), "prod".to_string())].into()).await.unwrap();
    let snapshot = new().create_snapshot(&made.id, "nightly").await.unwrap();
    assert_eq!(used_in(&cloud, AWAY).list_snapshots().await.unwrap().len(), 1);
    new().delete_snapshot(&snapshot.id).await.unwrap();
    new().destroy_instance(&made.id).await.unwrap();
    cloud.assert_no_leaks();
}

#[tokio::test]
async fn what_is_in_another_region_is_reaped_where_that_is_said() {
    for regions in ["all", "eu-west-1"] {
        let cloud = cloud();
        let owned = away("web-1").with_owner("ci");
        provider(&cloud, "aws").create_instance(&owned).await.unwrap();
        lists_have_caught_up().await;
        let reaped = reap(&used_in(&cloud, regions), &Reap::owned_by("ci")).await.unwrap();
        assert!(matches!(&reaped[..], [one] if one.outcome.is_ok()), "{reaped:?}");
        cloud.assert_no_leaks();
    }
}

#[tokio::test]
async fn an_end_is_not_told_while_regions_cannot_be_asked() {
    let cloud = cloud();
    let made = provider(&cloud, "aws")
        .create_instance(&away("web-1").with_idempotency_key("order-7"))
        .await
        .unwrap();
    lists_have_caught_up().await;
    cloud.inject(Fault::Unauthorized.everywhere().at("aws").on(Route::Catalogue));
    let new = hasty(&cloud);
    for error in [
        new.destroy_instance(&made.id).await.unwrap_err(),
        new.get_instance(&made.id).await.map(drop).unwrap_err(),
        new.resolve("order-7").await.map(drop).unwrap_err(),
    ] {
        assert!(
            error.to_string().contains("us-east-1") && error.to_string().contains("option regions"),
            "{error}"
        );
    }
    assert_eq!(alive(&cloud), std::slice::from_ref(&made.id));
    used_in(&cloud, AWAY).destroy_instance(&made.id).await.unwrap();
    cloud.assert_no_leaks();
}
