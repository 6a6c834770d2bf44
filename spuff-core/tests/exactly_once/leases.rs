//! Leases: whose machines there are, until when, and their end.

use std::collections::HashMap;

use chrono::{TimeDelta, Utc};
use spuff_core::lease::{self, Reap, Reapable};
use spuff_core::provider::{ProviderConfig, ProviderError};
use spuff_core::simulator::{Fault, Route};

use super::*;

fn leasing(cloud: &Cloud, name: &str, owner: &str) -> Arc<dyn Provider> {
    let config: ProviderConfig = cloud.config(name).with_timeouts(timeouts());
    let config = config.with_option("owner", owner).with_option("ttl", "3600");
    ProviderRegistry::with_defaults().connect(name, config).unwrap().into()
}

/// Of the request of `labels_are_those_of_earlier_versions`, at each provider.
const DIGESTS: [&str; 3] = ["ed18545f53f9f2c2", "327bd4ccd5820cf4", "a107c846d8dd16ef"];

fn ids(reaped: &[lease::Reaped]) -> Vec<(Reapable, String)> {
    reaped.iter().map(|item| (item.kind, item.id.clone())).collect()
}

#[tokio::test]
async fn what_is_past_its_lease_is_ended_and_nothing_else() {
    for name in PROVIDERS {
        let cloud = cloud();
        let ci = leasing(&cloud, name, "ci-7");
        let dev = leasing(&cloud, name, "dev.Ada");
        let leased = ci.create_instance(&request(name, "leased")).await.unwrap();
        let longer = ci
            .create_instance(&request(name, "longer").with_ttl(Duration::from_secs(7200)))
            .await
            .unwrap();
        let others = dev.create_instance(&request(name, "others")).await.unwrap();
        let unleased =
            provider(&cloud, name).create_instance(&request(name, "unleased")).await.unwrap();
        ci.wait_ready(&leased.id).await.unwrap();
        let snapshot = ci.create_snapshot(&leased.id, "nightly").await.unwrap();
        lists_have_caught_up().await;

        let owned: Vec<_> = lease::list_owned(&*dev, "dev.Ada")
            .await
            .unwrap()
            .into_iter()
            .map(|machine| machine.id)
            .collect();
        assert_eq!(owned, std::slice::from_ref(&others.id), "{name}");
        assert!(
            lease::reap(&ci, &Reap::expired()).await.unwrap().is_empty(),
            "{name}: no lease is over"
        );

        let in_an_hour = Utc::now() + TimeDelta::seconds(3700);
        let due = Reap::expired().and_owned_by("ci-7").at(in_an_hour);
        let dry = lease::reap(&ci, &due.clone().dry_run()).await.unwrap();
        let expected = [(Reapable::Instance, leased.id.clone()), (Reapable::Snapshot, snapshot.id)];
        assert_eq!(ids(&dry), expected, "{name}");
        assert!(
            dry.iter().all(|item| matches!(item.outcome, Ok(false))) && alive(&cloud).len() == 4,
            "{name}"
        );

        let reaped = lease::reap(&ci, &due).await.unwrap();
        assert_eq!(ids(&reaped), expected, "{name}");
        assert!(reaped.iter().all(|item| matches!(item.outcome, Ok(true))), "{name}: {reaped:?}");
        assert!(!alive(&cloud).contains(&leased.id) && cloud.snapshots().is_empty(), "{name}");

        let until = lease::renew(&*dev, &others.id, Duration::from_secs(9000)).await.unwrap();
        lists_have_caught_up().await;
        let renewed = dev.get_instance(&others.id).await.unwrap().unwrap();
        assert_eq!(lease::expires_at(&renewed.labels), Some(until), "{name}");
        assert_eq!(renewed.labels["spuff-owner"], "dev.Ada", "{name}: other labels stay");

        let reaped =
            lease::reap(&ci, &Reap::expired().at(in_an_hour + TimeDelta::hours(1))).await.unwrap();
        assert_eq!(
            ids(&reaped),
            [(Reapable::Instance, longer.id)],
            "{name}: renewed, or without a lease"
        );
        let mut left = vec![others.id, unleased.id];
        left.sort();
        assert_eq!(alive(&cloud), left, "{name}");
        let tomorrow = Utc::now() + TimeDelta::days(1);
        let all = Reap::older_than(Duration::from_secs(3600)).at(tomorrow);
        assert_eq!(lease::reap(&ci, &all).await.unwrap().len(), 2, "{name}");
        cloud.assert_no_leaks();
    }
}

/// What an earlier version has made is read, renewed and reaped, because its labels are today's.
#[tokio::test]
async fn labels_are_those_of_earlier_versions() {
    for (name, digest) in PROVIDERS.into_iter().zip(DIGESTS) {
        let cloud = cloud();
        let request = request(name, "web-1").with_idempotency_key("order-7").with_owner("ci-7");
        let request = request.with_ttl(Duration::from_secs(3600));
        let made = provider(&cloud, name).create_instance(&request).await.unwrap();
        // At DigitalOcean, a label is a tag.
        let kept = cloud.instances().remove(0).labels.into_iter();
        let mut labels: HashMap<_, _> = kept
            .map(|(key, value)| match key.split_once(':') {
                Some((key, value)) => (key.to_string(), value.to_string()),
                None => (key, value),
            })
            .collect();
        let end: i64 = labels.remove("spuff-expires").unwrap().parse().unwrap();
        let lease = end - Utc::now().timestamp();
        assert!((3500..=3700).contains(&lease), "{name}: {lease} s");
        labels.retain(|label, _| label.starts_with("spuff-") || label == "managed-by");
        // The rest is of this call.
        labels.get_mut("spuff-digest").unwrap().truncate(16);
        let expected = [
            ("managed-by", "spuff"),
            ("spuff-digest", digest),
            ("spuff-key", "df8cf80227ec3237922df0ecd88385c5"),
            ("spuff-owner", "ci-7"),
        ];
        let expected = expected.map(|(label, value)| (label.to_string(), value.to_string()));
        assert_eq!(labels, expected.into_iter().collect(), "{name}");
        assert_eq!(lease::expires_at(&made.labels).map(|end| end.timestamp()), Some(end));
    }
}

#[tokio::test]
async fn one_that_cannot_be_ended_does_not_keep_the_others_alive() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = leasing(&cloud, name, "ci-7");
        for machine in ["a", "b", "c"] {
            let made = provider.create_instance(&request(name, machine)).await.unwrap();
            provider.wait_ready(&made.id).await.unwrap();
        }
        lists_have_caught_up().await;
        cloud.inject(Fault::Unauthorized.once(name, Route::DestroyInstance));
        let reaped = lease::reap(&provider, &Reap::owned_by("ci-7")).await.unwrap();
        let failed: Vec<_> = reaped.iter().filter(|item| item.outcome.is_err()).collect();
        assert_eq!((reaped.len(), failed.len()), (3, 1), "{name}: {reaped:?}");
        assert_eq!(alive(&cloud), [failed[0].id.clone()], "{name}");
    }
}

#[tokio::test]
async fn what_is_not_managed_is_never_reaped() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let machine = provider.create_instance(&request(name, "web-1")).await.unwrap();
        provider.wait_ready(&machine.id).await.unwrap();
        let other = HashMap::from([("managed-by".to_string(), "somebody-else".to_string())]);
        provider.set_labels(&machine.id, &other).await.unwrap();
        lists_have_caught_up().await;
        let all = Reap::older_than(Duration::ZERO).at(Utc::now() + TimeDelta::days(1));
        assert!(lease::reap(&provider, &all).await.unwrap().is_empty(), "{name}");
        assert_eq!(alive(&cloud).len(), 1, "{name}");
    }
}

#[tokio::test]
async fn what_does_not_exist_has_no_labels() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let id = if name == "aws" { "i-0123456789abcdef0" } else { "999999999" };
        let labels = HashMap::from([("env".to_string(), "test".to_string())]);
        for error in [
            provider.set_labels(id, &labels).await.unwrap_err(),
            lease::renew(&*provider, id, Duration::from_secs(60)).await.unwrap_err(),
        ] {
            let expected = matches!(
                &error,
                ProviderError::NotFound { resource_type, id: absent }
                    if resource_type == "instance" && absent == id
            );
            assert!(expected, "{name}: {error}");
        }
    }
}

#[tokio::test]
async fn owners_and_leases_that_cannot_be_are_refused() {
    let cloud = cloud();
    for (option, value) in [("owner", "a b"), ("ttl", "soon"), ("ttl", "0")] {
        let config = cloud.config("hetzner").with_option(option, value);
        let error = ProviderRegistry::with_defaults().connect("hetzner", config).err().unwrap();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == option),
            "{error}"
        );
    }
    let provider = provider(&cloud, "hetzner");
    let error = lease::renew(&*provider, "42", Duration::ZERO).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "ttl"),
        "{error}"
    );
    assert!(lease::reap(&provider, &Reap::owned_by("")).await.is_err());
    assert_eq!(cloud.request_count("hetzner"), 0);
}

#[tokio::test]
async fn a_lease_that_is_set_by_two_at_once_is_one_of_theirs() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let id = &provider
            .create_instance(&request(name, "web-1").with_ttl(Duration::from_secs(60)))
            .await
            .unwrap()
            .id;
        provider.wait_ready(id).await.unwrap();
        let ttls = [3000, 4000, 5000, 6000].map(Duration::from_secs);
        let ends =
            futures_util::future::join_all(ttls.map(|ttl| lease::renew(&*provider, id, ttl))).await;
        let ends: Vec<_> = ends.into_iter().map(Result::unwrap).collect();
        lists_have_caught_up().await;
        let read = provider.get_instance(id).await.unwrap().unwrap();
        let end = lease::expires_at(&read.labels);
        assert!(end.is_some_and(|end| ends.contains(&end)), "{name}: {end:?} of {ends:?}");
    }
}

/// The cloud may not show yet what was made a moment ago.
#[tokio::test]
async fn what_is_new_can_be_renewed_at_once() {
    for name in PROVIDERS {
        let cloud = cloud();
        cloud.inject(Fault::NotYetVisible { reads: 2 }.once(name, Route::CreateInstance));
        let provider = provider(&cloud, name);
        let leased = request(name, "web-1").with_owner("ci").with_ttl(Duration::from_secs(60));
        let made = provider.create_instance(&leased).await.unwrap();
        let until = lease::renew(&*provider, &made.id, Duration::from_secs(9000)).await.unwrap();
        provider.wait_ready(&made.id).await.unwrap();
        let seen = provider.get_instance(&made.id).await.unwrap().unwrap();
        assert_eq!(lease::expires_at(&seen.labels), Some(until), "{name}");
    }
}

/// DigitalOcean's labels are tags, of which there may be several with one key.
#[tokio::test]
async fn a_renewal_that_ends_half_way_has_renewed() {
    let cloud = cloud();
    let name = "digitalocean";
    let provider = provider(&cloud, name);
    let id = &provider
        .create_instance(&request(name, "web-1").with_ttl(Duration::from_secs(60)))
        .await
        .unwrap()
        .id;
    provider.wait_ready(id).await.unwrap();
    for ttl in [9000, 7000].map(Duration::from_secs) {
        // It is put on; the old one is not taken off.
        let down = Fault::ServerError { status: 503, committed: false };
        cloud.inject(down.everywhere().at(name).on(Route::UpdateInstance).skip(1));
        let _ = lease::renew(&*provider, id, ttl).await;
        cloud.clear_faults();
        lists_have_caught_up().await;
        let end =
            lease::expires_at(&provider.get_instance(id).await.unwrap().unwrap().labels).unwrap();
        assert!(end > Utc::now() + TimeDelta::seconds(8000), "the later of two holds: {end}");
    }
    let end = lease::renew(&*provider, id, Duration::from_secs(120)).await.unwrap();
    lists_have_caught_up().await;
    let read = provider.get_instance(id).await.unwrap().unwrap();
    assert_eq!(lease::expires_at(&read.labels), Some(end), "a shorter lease holds once it is set");
}

/// The tags of the account.
async fn tags(cloud: &Cloud) -> Vec<String> {
    let root = format!("http://{}", cloud.address());
    let http = spuff_core::http_client(&root, &cloud.config("digitalocean")).unwrap();
    let listed = http
        .get(format!("{root}/v2/tags?per_page=200"))
        .bearer_auth("test")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    listed["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap().to_string())
        .collect()
}

#[tokio::test]
async fn tags_that_nobody_can_want_are_deleted_and_no_others() {
    let cloud = cloud();
    let name = "digitalocean";
    let provider = provider(&cloud, name);
    let wanted = |machine: &str| {
        request(name, machine).with_ttl(Duration::from_secs(3600)).with_label("env", "test")
    };
    let keyed = provider
        .create_instance(&wanted("keyed").with_idempotency_key("order-7"))
        .await
        .unwrap()
        .id;
    let mut ids = vec![keyed];
    for machine in ["a", "b"] {
        ids.push(provider.create_instance(&wanted(machine)).await.unwrap().id);
    }
    let alike: Vec<_> = ["c", "d", "e"].map(wanted).to_vec();
    let batch = provider
        .create_batch(&alike)
        .await
        .unwrap()
        .into_iter()
        .map(|made| made.unwrap().id)
        .collect::<Vec<_>>();
    ids.extend(batch.clone());
    for id in &ids {
        provider.wait_ready(id).await.unwrap();
    }
    // The end of a lease that was over long ago, on something and on nothing.
    for (id, end) in [(&ids[1], "1700000000"), (&ids[2], "1700000060")] {
        provider
            .set_labels(id, &HashMap::from([("spuff-expires".to_string(), end.to_string())]))
            .await
            .unwrap();
    }
    lease::renew(&*provider, &ids[1], Duration::from_secs(7200)).await.unwrap();
    lists_have_caught_up().await;
    let nonces = |tags: &[String]| tags.iter().filter(|tag| tag.starts_with("spuff-key:")).count();
    assert_eq!(nonces(&tags(&cloud).await), 4, "of the key, of two creates, and of the batch");

    provider.destroy_instance(&batch[0]).await.unwrap();
    lists_have_caught_up().await;
    let left = tags(&cloud).await;
    assert_eq!(nonces(&left), 4, "others carry it");
    assert!(
        !left.contains(&"spuff-expires:1700000000".to_string()),
        "nothing carries it: {left:?}"
    );
    assert!(
        left.contains(&"spuff-expires:1700000060".to_string()),
        "a droplet carries it: {left:?}"
    );

    for id in &ids {
        provider.destroy_instance(id).await.unwrap();
    }
    lists_have_caught_up().await;
    let left = tags(&cloud).await;
    assert_eq!(nonces(&left), 1, "a caller's own key may come again: {left:?}");
    assert!(
        left.contains(&"env:test".to_string()) && left.contains(&"managed-by:spuff".to_string()),
        "{left:?}"
    );
    cloud.assert_no_leaks();
}

/// The tag of its call goes first, while lists still show the droplet: who sees it then may take
/// its key for a random one, and destroys it once more.
#[tokio::test]
async fn a_droplet_that_is_destroyed_twice_leaves_its_callers_key() {
    for second in [provider, apart] {
        let (cloud, name) =
            (Options::default().with_clock(Clock::Manual).start().unwrap(), "digitalocean");
        let first = provider(&cloud, name);
        let second = second(&cloud, name);
        let keyed = request(name, "web-1").with_idempotency_key("order-7");
        let made = first.create_instance(&keyed).await.unwrap();
        cloud.advance(Duration::from_secs(120));
        first.destroy_instance(&made.id).await.unwrap();
        let listed = second.list_instances().await.unwrap();
        let labels: Vec<_> = listed.iter().flat_map(|machine| machine.labels.keys()).collect();
        assert!(
            labels.contains(&&"spuff-key".to_string())
                && !labels.contains(&&"spuff-digest".to_string()),
            "{labels:?}"
        );
        let goes_on = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            cloud.advance(Duration::from_secs(60));
        };
        let (destroyed, ()) = tokio::join!(second.destroy_instance(&made.id), goes_on);
        destroyed.unwrap();
        let left = tags(&cloud).await;
        assert!(left.iter().any(|tag| tag.starts_with("spuff-key:")), "{left:?}");
    }
}

#[tokio::test]
async fn labels_that_are_set_at_once_are_all_there_in_the_end() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let machine = provider.create_instance(&request(name, "busy")).await.unwrap();
        provider.wait_ready(&machine.id).await.unwrap();
        let keys: Vec<_> = (0..12).map(|number| format!("key-{number}")).collect();
        let set = keys.iter().map(|key| {
            let provider = provider.clone();
            let id = machine.id.clone();
            async move {
                provider.set_labels(&id, &HashMap::from([(key.clone(), "1".to_string())])).await
            }
        });
        futures_util::future::join_all(set)
            .await
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
            .unwrap();
        lists_have_caught_up().await;
        let kept = provider.get_instance(&machine.id).await.unwrap().unwrap();
        let lost: Vec<_> = keys.iter().filter(|key| !kept.labels.contains_key(*key)).collect();
        assert!(lost.is_empty(), "{name}: {lost:?} of {:?}", kept.labels);
    }
}
