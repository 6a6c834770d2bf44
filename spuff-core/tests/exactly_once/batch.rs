//! Several machines by one call: each is made once and known by itself, whatever becomes of the
//! reply.

use std::collections::BTreeSet;

use spuff_core::fleet::{FleetOptions, Rollback, create_instances};
use spuff_core::provider::{ErrorKind, ErrorParts};
use spuff_core::settled;
use spuff_core::simulator::{Fault, Route};

use super::*;

const BATCHES: [(&str, usize); 2] = [("digitalocean", 10), ("aws", 25)];

fn requests(name: &str, count: usize) -> Vec<InstanceRequest> {
    (0..count).map(|n| request(name, &format!("m-{n}")).with_owner("batch")).collect()
}

#[tokio::test]
async fn a_fleet_takes_few_creates() {
    for (name, at_once) in BATCHES {
        let cloud = cloud();
        let made = create_instances(
            &provider(&cloud, name),
            &requests(name, at_once * 2 + 1),
            FleetOptions::default(),
        )
        .await;
        for (n, made) in made.iter().enumerate() {
            let made = made.as_ref().unwrap();
            assert_eq!(made.name, format!("m-{n}"));
            let truth =
                cloud.instances().into_iter().find(|machine| machine.id == made.id).unwrap();
            assert_eq!(truth.name, made.name);
        }
        assert_eq!(cloud.route_count(name, Route::CreateInstance), 3, "{name}");
    }
}

#[tokio::test]
async fn whatever_becomes_of_the_reply_each_is_made_once() {
    let faults = [
        Fault::ReplyLost,
        Fault::ConnectionClosed,
        Fault::ServerError { status: 503, committed: true },
        Fault::ServerError { status: 500, committed: false },
        Fault::Truncated,
        Fault::Html { status: 502 },
        Fault::Slow { millis: 2500 },
        Fault::RateLimited { retry_after: Some(0), headers: true },
    ];
    for (name, at_once) in BATCHES {
        for fault in faults {
            let cloud = cloud();
            cloud.inject(fault.once(name, Route::CreateInstance));
            let made = create_instances(
                &provider(&cloud, name),
                &requests(name, at_once),
                FleetOptions::default(),
            )
            .await;
            let made: BTreeSet<_> = made
                .into_iter()
                .map(|made| made.unwrap_or_else(|error| panic!("{name} {fault:?}: {error}")).id)
                .collect();
            assert_eq!(made.len(), at_once, "{name} {fault:?}");
            assert_eq!(made, alive(&cloud).into_iter().collect(), "{name} {fault:?}");
        }
    }
}

/// Nothing can be asked any more after the create: each of the machines has a key that leads to it
/// alone.
#[tokio::test]
async fn an_unknown_outcome_has_a_key_for_each() {
    for (name, at_once) in BATCHES {
        let cloud = cloud();
        let lost = cloud.inject(Fault::ReplyLost.once(name, Route::CreateInstance));
        for route in [Route::ListInstances, Route::GetInstance, Route::CreateInstance] {
            cloud.inject(
                Fault::ServerError { status: 503, committed: false }
                    .everywhere()
                    .at(name)
                    .on(route),
            );
        }
        let short = ProviderTimeouts {
            instance_ready: Duration::from_secs(3),
            http_request: Duration::from_secs(1),
            ..timeouts()
        };
        let config = cloud.config(name).with_timeouts(short);
        let hindered: Arc<dyn Provider> =
            ProviderRegistry::with_defaults().connect(name, config).unwrap().into();
        let keep = FleetOptions::default().with_on_failure(Rollback::Keep);
        let outcomes = create_instances(&hindered, &requests(name, at_once), keep).await;
        cloud.clear_faults();
        assert_eq!(cloud.hits(lost), 1);
        let mut found = BTreeSet::new();
        for (n, outcome) in outcomes.into_iter().enumerate() {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnknownOutcome, "{name}: {error}");
            let key = ErrorParts::from(&error).key.unwrap();
            let made = provider(&cloud, name).resolve(&key).await.unwrap().unwrap();
            if name == "digitalocean" {
                assert_eq!(made.name, format!("m-{n}"));
            }
            assert!(found.insert(made.id), "{name}: {key} leads to a machine of its own");
        }
        assert_eq!(found, alive(&cloud).into_iter().collect(), "{name}");
    }
}

#[tokio::test]
async fn a_refusal_of_some_does_not_hold_up_the_others() {
    for (name, at_once) in BATCHES {
        let cloud = Options::default()
            .with_clock(Clock::Fast(SPEED))
            .with_quota(at_once - 3)
            .start()
            .unwrap();
        let outcomes = create_instances(
            &provider(&cloud, name),
            &requests(name, at_once),
            FleetOptions::default(),
        )
        .await;
        let refused = outcomes.iter().filter(|outcome| {
            outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::QuotaExceeded)
        });
        assert_eq!(refused.count(), 3, "{name}");
        assert_eq!(alive(&cloud).len(), at_once - 3, "{name}");
    }
}

#[tokio::test]
async fn a_batch_that_nobody_waits_for_is_destroyed() {
    for (name, at_once) in BATCHES {
        let cloud = cloud();
        cloud.inject(Fault::Slow { millis: 300 }.once(name, Route::CreateInstance));
        let provider = provider(&cloud, name);
        let requests = requests(name, at_once);
        let fleet = create_instances(&provider, &requests, FleetOptions::default());
        assert!(tokio::time::timeout(Duration::from_millis(150), fleet).await.is_err());
        settled().await;
        assert_eq!(cloud.route_count(name, Route::CreateInstance), 1);
        cloud.assert_no_leaks();
    }
}

/// On EC2 the names come after the machines.
#[tokio::test]
async fn one_that_cannot_be_named_is_destroyed_as_one_that_has_failed() {
    let cloud = cloud();
    cloud.inject(Fault::Unauthorized.once("aws", Route::UpdateInstance));
    let outcomes =
        create_instances(&provider(&cloud, "aws"), &requests("aws", 5), FleetOptions::default())
            .await;
    let failed: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert!(
        matches!(
            failed[..],
            [error]
                if error.instance_id().is_some()
                    && !ErrorParts::from(error).instance_exists.unwrap_or(true)
        ),
        "{failed:?}"
    );
    assert_eq!(alive(&cloud).len(), 4);
}
