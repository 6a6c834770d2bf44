//! Leases: what has one is ended after it, and nothing else.

use spuff_core::lease::{self, Reap};
use spuff_core::provider::ErrorKind;

use super::*;

#[tokio::test]
async fn what_is_past_its_lease_is_ended_and_nothing_else() {
    let owner = format!("reaper-{}", std::process::id());
    let provider = connect(config().with_option("owner", &owner));
    let leased =
        provider.create_instance(&request().with_ttl(Duration::from_secs(1))).await.unwrap();
    let longer =
        provider.create_instance(&request().with_ttl(Duration::from_secs(3600))).await.unwrap();
    let kept = provider.create_instance(&request()).await.unwrap();
    let short = connect(config().with_option("owner", &owner).with_option("ttl", "1"));
    let snapshot = short.create_snapshot(&kept.id, "leased").await.unwrap();
    assert_eq!(lease::list_owned(&*provider, &owner).await.unwrap().len(), 3);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let ended = lease::reap(&provider, &Reap::expired().and_owned_by(&owner)).await.unwrap();
    let mut ids: Vec<_> = ended.iter().map(|ended| ended.id.as_str()).collect();
    ids.sort_unstable();
    let mut expected = [leased.id.as_str(), snapshot.id.as_str()];
    expected.sort_unstable();
    assert_eq!(ids, expected, "{ended:?}");
    let left = lease::list_owned(&*provider, &owner).await.unwrap();
    assert!(left.len() == 2 && left.iter().all(|left| left.id == longer.id || left.id == kept.id));
    // Labels are written once.
    let error = lease::renew(&*provider, &longer.id, Duration::from_secs(60)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSupported);
    for id in [&longer.id, &kept.id] {
        provider.destroy_instance(id).await.unwrap();
    }
}
