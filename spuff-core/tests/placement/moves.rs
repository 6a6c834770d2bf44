//! What is left for the next candidate, and what ends a placement.

use std::time::Duration;

use async_trait::async_trait;
use spuff_core::placement::place_instance;
use spuff_core::provider::{
    AttemptOutcome, ErrorContext, ErrorKind, ErrorParts, NetworkError, ProviderInstance,
    ProviderResult, Snapshot,
};
use spuff_core::simulator::{Fault, PROVIDERS};

use super::*;

/// A cloud, and another one that is tried after it.
fn pairs() -> impl Iterator<Item = (&'static str, &'static str)> {
    PROVIDERS.into_iter().zip(PROVIDERS.into_iter().cycle().skip(1))
}

fn in_words(name: &str) -> String {
    let (region, size) = place(name);
    format!("{name} {region} {size}")
}

#[tokio::test]
async fn no_room_is_left_for_the_next_and_told() {
    for (first, second) in pairs() {
        for (fault, kind) in [
            (Fault::CapacityOut, ErrorKind::Capacity),
            (Fault::QuotaReached, ErrorKind::QuotaExceeded),
        ] {
            let cloud = cloud();
            cloud.inject(fault.everywhere().at(first).on(Route::CreateInstance));
            let mut moves = Vec::new();
            let placement = placement(&cloud, &[first, second]);
            let request = request("web-1");
            let placed =
                spuff_core::observe(place_instance(&placement, &request), |seen| moves.push(seen))
                    .await
                    .unwrap();

            let machine = &placed.instance;
            assert_eq!(
                (machine.region.as_str(), machine.size.as_str()),
                place(second),
                "{first}, {fault:?}"
            );
            assert_eq!((machine.name.as_str(), placed.candidate), ("web-1", 1));
            let expected =
                [format!("{}: full", in_words(first)), format!("{}: made", in_words(second))];
            assert_eq!(log(&placed.attempts), expected);
            let [left, made] = placed.attempts.as_slice() else { panic!("{:?}", placed.attempts) };
            assert_eq!(
                (left.candidate, left.kind, made.candidate, made.kind),
                (0, Some(kind), 1, None)
            );
            assert!(!left.message.is_empty() && made.message.is_empty(), "{left}");
            assert_eq!(
                (creates(&cloud, first), creates(&cloud, second)),
                (1, 1),
                "{first}, {fault:?}"
            );
            assert_eq!((alive(&cloud, first), alive(&cloud, second)), (0, 1));

            let of_placing: Vec<_> =
                moves.iter().filter(|seen| seen.operation == "place_instance").collect();
            let [moved, accepted] = of_placing.as_slice() else { panic!("{moves:?}") };
            assert_eq!(
                (moved.state.as_str(), moved.phase.as_str()),
                (left.to_string().as_str(), "pending")
            );
            assert_eq!(
                (accepted.instance.as_ref(), accepted.phase.as_str()),
                (Some(machine), "accepted")
            );
        }
    }
}

#[tokio::test]
async fn where_nobody_has_room_stock_tells_more_than_a_quota() {
    let out = Fault::CapacityOut;
    let quota = Fault::QuotaReached;
    for (faults, kind, origin) in [
        ([out, out, out], ErrorKind::Capacity, Some("aws")),
        ([out, quota, quota], ErrorKind::Capacity, Some("hetzner")),
        ([quota, out, quota], ErrorKind::Capacity, Some("digitalocean")),
        ([quota, quota, out], ErrorKind::Capacity, Some("aws")),
        ([quota, quota, quota], ErrorKind::QuotaExceeded, Some("aws")),
    ] {
        let cloud = cloud();
        let names = ["hetzner", "digitalocean", "aws"];
        for (name, fault) in names.into_iter().zip(faults) {
            cloud.inject(fault.everywhere().at(name).on(Route::CreateInstance));
        }
        let error =
            place_instance(&placement(&cloud, &names), &request("web-1")).await.unwrap_err();
        let (source, attempts) = not_placed(&error);
        assert_eq!((error.kind(), source.kind()), (kind, kind), "{faults:?}");
        assert_eq!(
            error.context().and_then(|context| context.provider.as_deref()),
            origin,
            "{faults:?}"
        );
        assert_eq!(
            ErrorParts::from(&error).provider.as_deref(),
            origin,
            "{faults:?}: the attempts tell"
        );
        assert_eq!(log(attempts), names.map(|name| format!("{}: full", in_words(name))));
        let text = error.to_string();
        assert!(
            names.iter().all(|name| text.contains(&format!("{}: full", in_words(name)))),
            "{text}"
        );
        assert!(text.starts_with(&source.to_string()) && !error.is_retryable(), "{text}");
        names
            .iter()
            .for_each(|name| assert_eq!((creates(&cloud, name), alive(&cloud, name)), (1, 0)));
    }
}

#[tokio::test]
async fn what_else_the_clouds_say_ends_it() {
    let at_all_times = |fault: Fault, name| fault.everywhere().at(name).on(Route::CreateInstance);
    for (first, second) in pairs() {
        for (fault, kinds) in [
            (Fault::Unauthorized, &[ErrorKind::Authentication][..]),
            // Longer than a call waits: with a short pause, the time may be up in the middle of the
            // next try.
            (
                Fault::RateLimited { retry_after: Some(3600), headers: false },
                &[ErrorKind::RateLimit],
            ),
            (
                Fault::ServerError { status: 503, committed: false },
                &[ErrorKind::Unavailable, ErrorKind::UnknownOutcome],
            ),
        ] {
            let cloud = cloud();
            cloud.inject(at_all_times(fault, first));
            let error = place_instance(&placement(&cloud, &[first, second]), &request("web-1"))
                .await
                .unwrap_err();
            let (_, attempts) = not_placed(&error);
            assert!(kinds.contains(&error.kind()), "{first}, {fault:?}: {error:?}");
            assert_eq!(log(attempts), [format!("{}: failed", in_words(first))], "{fault:?}");
            assert_eq!(
                (attempts[0].kind, cloud.request_count(second)),
                (Some(error.kind()), 0),
                "{fault:?}"
            );
        }
    }
}

/// To pass over it would hide for good that the list is wrong.
#[tokio::test]
async fn a_size_that_is_not_offered_there_ends_it() {
    let cloud = cloud();
    let hetzner = provider(&cloud, "hetzner");
    for (region, size, field) in [("ash", "cx22", "region"), ("fsn1", "cx99", "size")] {
        let candidates =
            vec![Candidate::new(&hetzner, region, size), candidate(&cloud, "digitalocean")];
        let error =
            place_instance(&Placement::new(candidates), &request("web-1")).await.unwrap_err();
        let (source, attempts) = not_placed(&error);
        assert!(
            matches!(source, ProviderError::InvalidConfig { field: named, .. } if named == field),
            "{size}: {source:?}"
        );
        assert_eq!(log(attempts), [format!("hetzner {region} {size}: failed")]);
    }
    assert_eq!(cloud.request_count("digitalocean"), 0);
}

#[tokio::test]
async fn an_unsettled_create_is_never_followed_by_another() {
    for (first, second) in pairs() {
        let cloud = cloud();
        cloud.inject(Fault::ReplyLost.everywhere().at(first).on(Route::CreateInstance));
        for looking in [Route::ListInstances, Route::GetInstance] {
            cloud.inject(
                Fault::ServerError { status: 503, committed: false }
                    .everywhere()
                    .at(first)
                    .on(looking),
            );
        }
        let error = place_instance(&placement(&cloud, &[first, second]), &request("web-1"))
            .await
            .unwrap_err();
        let (source, attempts) = not_placed(&error);
        let ProviderError::UnknownOutcome { key, .. } = source else {
            panic!("{first}: {error:?}")
        };
        assert_eq!(error.kind(), ErrorKind::UnknownOutcome);
        assert_eq!(log(attempts), [format!("{}: failed", in_words(first))]);
        assert_eq!((alive(&cloud, first), cloud.request_count(second)), (1, 0), "{first}");
        assert_eq!(
            ErrorParts::from(&error).key.as_ref(),
            Some(key),
            "a binding finds it without looking inside"
        );

        cloud.clear_faults();
        let found =
            provider(&cloud, first).resolve(key).await.unwrap().expect("the machine that was made");
        assert_eq!(found.name, "web-1");
    }
}

/// A cloud on which every create fails in one way.
struct Fails(ErrorParts);

#[async_trait]
impl Provider for Fails {
    fn name(&self) -> &'static str {
        "fails"
    }
    async fn create_instance(&self, _: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        Err(self.0.clone().into())
    }
    async fn destroy_instance(&self, _: &str) -> ProviderResult<()> {
        Err(self.0.clone().into())
    }
    async fn get_instance(&self, _: &str) -> ProviderResult<Option<ProviderInstance>> {
        Ok(None)
    }
    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        Ok(Vec::new())
    }
    async fn wait_ready(&self, _: &str) -> ProviderResult<ProviderInstance> {
        Err(self.0.clone().into())
    }
    async fn create_snapshot(&self, _: &str, _: &str) -> ProviderResult<Snapshot> {
        Err(self.0.clone().into())
    }
    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        Ok(Vec::new())
    }
    async fn delete_snapshot(&self, _: &str) -> ProviderResult<()> {
        Err(self.0.clone().into())
    }
}

/// Each error that there is, and whether the next candidate is tried after it.
fn every_error() -> Vec<(ProviderError, bool)> {
    let text = || "text".to_string();
    let of_a_machine = || ErrorContext::new("fails").with_instance_id("42");
    vec![
        (ProviderError::capacity("text"), true),
        (ProviderError::quota("instance", "text"), true),
        (ProviderError::capacity("its start has failed").with_context(of_a_machine()), false),
        (ProviderError::capacity("text").after_create("42", None), false),
        (ProviderError::capacity("text").after_create("42", Some(Ok(()))), false),
        (ProviderError::quota("instance", "text").after_create("42", None), false),
        (ProviderError::unknown_outcome("create_instance", "key-1", "text"), false),
        (ProviderError::timeout("create_instance", Duration::from_secs(1)), false),
        (ProviderError::Cancelled { operation: text(), instance_id: None }, false),
        (
            ProviderError::Cancelled { operation: text(), instance_id: Some("42".to_string()) },
            false,
        ),
        (ProviderError::Network(NetworkError::new("text", "cause")), false),
        (ProviderError::auth("fails", "text"), false),
        (ProviderError::RateLimit { retry_after: None }, false),
        (ProviderError::RateLimit { retry_after: Some(Duration::from_secs(3600)) }, false),
        (ProviderError::not_found("image", "7"), false),
        (ProviderError::invalid_config("size", "text"), false),
        (ProviderError::NotSupported { feature: text() }, false),
        (ProviderError::api(418, "text"), false),
        (ProviderError::NotImplemented { name: text() }, false),
        (ProviderError::UnknownProvider { name: text(), supported: Vec::new() }, false),
        (ProviderError::Other { message: text() }, false),
        (ProviderError::conflict("text", true), false),
        (ProviderError::unavailable("text"), false),
        (ProviderError::Internal { message: text() }, false),
    ]
}

#[tokio::test]
async fn of_all_errors_only_want_of_room_leads_on() {
    let kinds: std::collections::HashSet<_> =
        every_error().iter().map(|(error, _)| error.kind()).collect();
    assert_eq!(kinds.len(), ErrorKind::ALL.len(), "a kind has no line in the table");
    let cloud = cloud();
    for (number, (error, moves)) in every_error().into_iter().enumerate() {
        let parts = ErrorParts::from(&error);
        // Where there is room for it, it says whose error it is.
        let told = ErrorParts::from(&ProviderError::from(parts.clone().about("fails", None)));
        let fails: Arc<dyn Provider> = Arc::new(Fails(parts));
        let candidates = vec![Candidate::new(&fails, "", "small"), candidate(&cloud, "hetzner")];
        let before = creates(&cloud, "hetzner");
        let placed =
            place_instance(&Placement::new(candidates), &request(&format!("web-{number}"))).await;
        assert_eq!(creates(&cloud, "hetzner") - before, u64::from(moves), "{error:?}");
        if moves {
            assert_eq!(placed.unwrap().attempts[0].outcome, AttemptOutcome::Full, "{error:?}");
            let alone = vec![Candidate::new(&fails, "", "small")];
            let full = place_instance(&Placement::new(alone), &request("web-1")).await.unwrap_err();
            assert_eq!(ErrorParts::from(&full).provider.as_deref(), Some("fails"), "{full:?}");
            continue;
        }
        let failed = placed.unwrap_err();
        assert!(ErrorParts::from(&failed).provider.is_some(), "{failed:?}");
        let (source, attempts) = not_placed(&failed);
        assert_eq!(
            (ErrorParts::from(source), log(attempts)),
            (told, vec!["fails small: failed".to_string()])
        );
        let same = failed.is_retryable() == error.is_retryable();
        let instance = failed.instance_id() == error.instance_id();
        assert_eq!(
            (same, instance, failed.retry_after()),
            (true, true, error.retry_after()),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_placed_is_told_before_anything_is_sent() {
    let cloud = cloud();
    let error = place_instance(&Placement::new(Vec::new()), &request("web-1")).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "candidates"),
        "{error:?}"
    );

    let keyed = request("web-1").with_idempotency_key("job-7");
    let error =
        place_instance(&placement(&cloud, &["hetzner", "digitalocean"]), &keyed).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "idempotency_key"),
        "{error:?}"
    );
    assert_eq!(cloud.requests().len(), 0);

    let alone = placement(&cloud, &["hetzner"]);
    let once = place_instance(&alone, &keyed).await.unwrap();
    let again = place_instance(&alone, &keyed).await.unwrap();
    assert_eq!((once.instance.id == again.instance.id, alive(&cloud, "hetzner")), (true, 1));
}

#[tokio::test]
async fn a_candidate_has_its_own_image() {
    let cloud = cloud();
    cloud.inject(Fault::CapacityOut.everywhere().at("hetzner").on(Route::CreateInstance));
    let elsewhere = candidate(&cloud, "digitalocean").with_image("fedora-41-x64".parse().unwrap());
    let placement = Placement::new(vec![candidate(&cloud, "hetzner"), elsewhere]);
    place_instance(&placement, &request("web-1").with_image("debian:12".parse().unwrap()))
        .await
        .unwrap();
    let sent = |name: &str| {
        let asked = cloud
            .requests()
            .into_iter()
            .find(|asked| asked.provider == name && asked.route == Route::CreateInstance);
        serde_json::from_str::<serde_json::Value>(&asked.unwrap().body).unwrap()["image"].clone()
    };
    assert!(sent("hetzner").is_u64(), "debian, by its number");
    assert_eq!(sent("digitalocean"), "fedora-41-x64");
}

#[test]
fn it_blocks_too_and_tells_on_the_way() {
    use spuff_core::blocking::{ProviderRegistry, place_instance, place_instances};

    let cloud = cloud();
    cloud.inject(Fault::CapacityOut.everywhere().at("hetzner").on(Route::CreateInstance));
    let candidates = ["hetzner", "digitalocean"].map(|name| {
        let provider = ProviderRegistry::with_defaults()
            .connect(name, cloud.config(name).with_timeouts(timeouts()))
            .unwrap();
        let (region, size) = place(name);
        Candidate::new(&provider.shared().unwrap(), region, size)
    });
    let placement = Placement::new(candidates.into());
    let mut states = Vec::new();
    let placed =
        place_instance(&placement, &request("web-1"), |seen| states.push(seen.state)).unwrap();
    assert_eq!(
        (placed.candidate, states.len(), &states[0]),
        (1, 2, &placed.attempts[0].to_string())
    );

    let requests = ["web-2", "web-3"].map(request);
    let mut seen = Vec::new();
    let many = place_instances(&placement, &requests, Default::default(), |progress| {
        seen.push(progress.name)
    })
    .unwrap();
    assert_eq!(
        many.iter()
            .filter(|placed| placed.as_ref().is_ok_and(|placed| placed.candidate == 1))
            .count(),
        2
    );
    assert!(requests.iter().all(|request| seen.contains(&request.name)), "{seen:?}");
}
