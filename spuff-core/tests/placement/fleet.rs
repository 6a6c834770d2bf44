//! Many machines, each placed on its own, which know together what is full.

use spuff_core::fleet::{FleetOptions, Rollback};
use spuff_core::placement::{Placed, place_instances};
use spuff_core::provider::{AttemptOutcome, ErrorKind, ProviderResult};
use spuff_core::simulator::{Fault, PROVIDERS};

use super::*;

const MANY: usize = 100;
const AT_ONCE: usize = 8;

fn requests(count: usize) -> Vec<InstanceRequest> {
    (0..count).map(|number| request(&format!("web-{number}"))).collect()
}

fn options() -> FleetOptions {
    FleetOptions::default().with_concurrency(AT_ONCE)
}

fn at(outcomes: &[ProviderResult<Placed>], candidate: usize) -> usize {
    outcomes
        .iter()
        .filter(|placed| placed.as_ref().is_ok_and(|placed| placed.candidate == candidate))
        .count()
}

#[tokio::test]
async fn what_is_sold_out_is_not_asked_for_by_each() {
    for first in PROVIDERS {
        let second = if first == "hetzner" { "digitalocean" } else { "hetzner" };
        let cloud = cloud();
        cloud.inject(Fault::CapacityOut.everywhere().at(first).on(Route::CreateInstance));
        let requests = requests(MANY);
        let outcomes =
            place_instances(&placement(&cloud, &[first, second]), &requests, options()).await;
        assert_eq!(
            (at(&outcomes, 1), alive(&cloud, second), alive(&cloud, first)),
            (MANY, MANY, 0),
            "{first}"
        );

        let placed: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
        for (placed, request) in placed.iter().zip(&requests) {
            assert_eq!((&placed.instance.name, placed.attempts.len()), (&request.name, 2));
            assert_eq!(
                placed.attempts[0].kind,
                Some(ErrorKind::Capacity),
                "also of one that was not asked"
            );
        }
        let asked = placed
            .iter()
            .filter(|placed| placed.attempts[0].outcome == AttemptOutcome::Full)
            .count();
        let spared = placed
            .iter()
            .filter(|placed| placed.attempts[0].outcome == AttemptOutcome::KnownFull)
            .count();
        assert_eq!((asked + spared, creates(&cloud, first)), (MANY, asked as u64), "{first}");
        assert!((1..=AT_ONCE).contains(&asked), "{first}: {asked} were refused");
    }
}

#[tokio::test]
async fn a_quota_is_filled_before_the_next_place_is() {
    let cloud = Options::default().with_clock(Clock::Fast(SPEED)).with_quota(30).start().unwrap();
    let placement = patient_placement(&cloud, &["hetzner", "digitalocean", "aws"]);
    let outcomes =
        place_instances(&placement, &requests(80), options().with_wait_ready(true)).await;
    assert_eq!([0, 1, 2].map(|candidate| at(&outcomes, candidate)), [30, 30, 20]);
    assert_eq!(PROVIDERS.map(|name| alive(&cloud, name)).into_iter().sum::<usize>(), 80);
    for placed in outcomes.into_iter().map(Result::unwrap) {
        let name = ["hetzner", "digitalocean", "aws"][placed.candidate];
        assert!(placed.instance.is_ready(), "{name}: each was waited for at its own cloud");
        assert!(placed.attempts.iter().all(|attempt| attempt.candidate <= placed.candidate));
    }
}

#[tokio::test]
async fn a_fleet_that_is_too_large_is_kept_or_rolled_back_at_every_cloud() {
    for (on_failure, left) in
        [(Rollback::Keep, 20), (Rollback::DestroyFailed, 20), (Rollback::DestroyAll, 0)]
    {
        let cloud =
            Options::default().with_clock(Clock::Fast(SPEED)).with_quota(10).start().unwrap();
        let placement = patient_placement(&cloud, &["hetzner", "digitalocean"]);
        let outcomes =
            place_instances(&placement, &requests(25), options().with_on_failure(on_failure)).await;
        let there: usize = PROVIDERS.map(|name| alive(&cloud, name)).into_iter().sum();
        let made = outcomes.iter().filter(|placed| placed.is_ok()).count();
        assert_eq!((there, made), (left, left), "{on_failure:?}");
        if on_failure != Rollback::DestroyAll {
            for error in outcomes.iter().filter_map(|placed| placed.as_ref().err()) {
                assert_eq!(
                    (error.kind(), not_placed(error).1.len()),
                    (ErrorKind::QuotaExceeded, 2),
                    "{error}"
                );
            }
            continue;
        }
        let rolled_back = outcomes
            .iter()
            .filter_map(|placed| placed.as_ref().err())
            .filter(|error| error.instance_id().is_some());
        for error in rolled_back {
            let (source, attempts) = not_placed(error);
            assert!(
                matches!(source, ProviderError::AfterCreate { exists: false, .. }),
                "{source:?}"
            );
            assert_eq!(attempts.last().map(|attempt| attempt.outcome), Some(AttemptOutcome::Made));
        }
    }
}

#[tokio::test]
async fn a_limit_on_requests_is_waited_for_where_it_is() {
    let cloud = cloud();
    let limit = Fault::RateLimited { retry_after: Some(0), headers: false };
    // More often than a single call is sent again.
    cloud.inject(limit.everywhere().at("hetzner").on(Route::CreateInstance).times(40));
    let outcomes = place_instances(
        &patient_placement(&cloud, &["hetzner", "digitalocean"]),
        &requests(2),
        options(),
    )
    .await;
    assert_eq!((at(&outcomes, 0), cloud.request_count("digitalocean")), (2, 0), "{outcomes:?}");
    let placed = outcomes.into_iter().map(Result::unwrap);
    assert!(placed.into_iter().all(|placed| placed.attempts.len() == 1), "waiting is no attempt");
}

/// One create is lost and cannot be found until later: it is looked for at its own cloud, and
/// nowhere made again.
#[tokio::test]
async fn an_unsettled_create_of_many_is_settled_at_its_cloud() {
    let cloud = cloud();
    cloud.inject(Fault::QuotaReached.everywhere().at("digitalocean").on(Route::CreateInstance));
    cloud.inject(Fault::ReplyLost.once("hetzner", Route::CreateInstance));
    // As long as the create is tried, and not when its key is resolved.
    cloud.inject(
        Fault::ServerError { status: 503, committed: false }
            .everywhere()
            .at("hetzner")
            .on(Route::ListInstances)
            .times(1),
    );
    let placement = placement(&cloud, &["digitalocean", "hetzner"]);
    let outcomes = place_instances(&placement, &requests(3), options()).await;
    assert_eq!(
        (at(&outcomes, 1), alive(&cloud, "hetzner"), alive(&cloud, "digitalocean")),
        (3, 3, 0),
        "{outcomes:?}"
    );

    let cloud = super::cloud();
    cloud.inject(Fault::ReplyLost.everywhere().at("hetzner").on(Route::CreateInstance));
    cloud.inject(
        Fault::ServerError { status: 503, committed: false }
            .everywhere()
            .at("hetzner")
            .on(Route::ListInstances),
    );
    cloud.inject(Fault::QuotaReached.everywhere().at("digitalocean").on(Route::CreateInstance));
    let placement = super::placement(&cloud, &["digitalocean", "hetzner", "aws"]);
    let outcomes = place_instances(&placement, &requests(2), options()).await;
    assert_eq!((alive(&cloud, "hetzner"), cloud.request_count("aws")), (2, 0));
    cloud.clear_faults();
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        let ProviderError::UnknownOutcome { key, .. } = not_placed(&error).0 else {
            panic!("{error:?}")
        };
        assert!(provider(&cloud, "hetzner").resolve(key).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn each_outcome_says_what_was_wrong_with_the_list() {
    let cloud = cloud();
    let outcomes = place_instances(&Placement::new(Vec::new()), &requests(2), options()).await;
    let is = |outcome: &ProviderResult<Placed>, name: &str| {
        matches!(
            outcome,
            Err(ProviderError::InvalidConfig { field, .. }) if field == name
        )
    };
    assert!(
        outcomes.len() == 2 && outcomes.iter().all(|outcome| is(outcome, "candidates")),
        "{outcomes:?}"
    );
    let one = placement(&cloud, &["hetzner"]);
    let outcomes = place_instances(&one, &requests(2), options().with_concurrency(0)).await;
    assert!(
        outcomes.len() == 2 && outcomes.iter().all(|outcome| is(outcome, "concurrency")),
        "{outcomes:?}"
    );
    let keyed = [request("web-0").with_idempotency_key("k"), request("web-1")];
    let outcomes =
        place_instances(&placement(&cloud, &["hetzner", "aws"]), &keyed, options()).await;
    assert!(is(&outcomes[0], "idempotency_key") && outcomes[1].is_ok(), "{outcomes:?}");
}
