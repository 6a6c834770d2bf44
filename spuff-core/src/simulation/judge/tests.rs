use std::time::Duration;

use super::super::told::Told;
use super::*;
use crate::provider::ProviderInstance;
use crate::provider::error::ProviderError;
use crate::simulator::{Answered, Options};

const CLOUD: &str = "hetzner";
const PROGRAM: u64 = 1024;

fn truth() -> Inside {
    Inside::start(&Options::default(), 1, usize::MAX, &REGIONS)
}

fn plan() -> Plan {
    Plan::of_seed(1, Some(CLOUD), 0)
}

fn call(verb: Verb, names: &[&str], targets: &[&str]) -> Call {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_string()).collect();
    let call = Call::begun(verb, CLOUD, PROGRAM, "team".to_string());
    Call { names: owned(names), targets: owned(targets), ..call }
}

fn machine(id: &str, name: &str) -> Resource {
    let text = format!(
        r#"{{"provider": "{CLOUD}", "kind": "instance", "id": "{id}", "name": "{name}", "region": "fsn1", "state": "running",
            "ending": false, "created_at": "2030-01-01T00:00:00Z", "labels": {{}}}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn served(route: Route, made: Vec<Resource>, ended: Vec<Resource>) -> Served {
    Served {
        provider: CLOUD,
        route,
        fault: None,
        status: 200,
        made,
        ended,
        answered: Answered::Closed,
    }
}

/// Returns the findings when these calls make and destroy instances, each with the number of its
/// call, if any.
fn found(
    calls: Vec<Call>,
    made: &[(Option<usize>, &str, &str)],
    ended: &[(Option<usize>, &str)],
) -> Vec<String> {
    let mut judge = Judge { calls, ..Judge::default() };
    let truth = truth();
    let by = |call: Option<usize>| call.map(|call| Program { number: PROGRAM, call });
    for (call, id, name) in made {
        judge.served(
            &served(Route::CreateInstance, vec![machine(id, name)], Vec::new()),
            by(*call),
            false,
            0,
            &truth,
        );
    }
    for (call, id) in ended {
        judge.served(
            &served(Route::DestroyInstance, Vec::new(), vec![machine(id, "")]),
            by(*call),
            false,
            0,
            &truth,
        );
    }
    judge.findings
}

#[tokio::test(start_paused = true)]
async fn each_machine_is_made_and_ended_by_whom_it_concerns() {
    let calls = || {
        vec![
            call(Verb::Create, &["web"], &[]),
            call(Verb::Destroy, &[], &["7"]),
            call(Verb::Reap, &[], &[]),
        ]
    };
    let made = [(Some(0), "7", "web")];
    for (finds, made, ended) in [
        ("", &made[..], &[][..]),
        ("", &made, &[(Some(0), "7")]),
        ("", &made, &[(Some(1), "7")]),
        ("made by no call", &[(None, "7", "web")], &[]),
        ("under a name that it was not given", &[(Some(0), "7", "db")], &[]),
        ("ended by no call", &made, &[(None, "7")]),
        ("which no call had made", &[], &[(Some(0), "7")]),
        ("whose lease is not over", &made, &[(Some(2), "7")]),
    ] {
        let found = found(calls(), made, ended);
        let is_as_expected = if finds.is_empty() {
            found.is_empty()
        } else {
            found.iter().any(|finding| finding.contains(finds))
        };
        assert!(is_as_expected, "{finds:?} of {made:?}, {ended:?}: {found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_call_says_is_held_against_it() {
    let truth = truth();
    let refused = || Told::Made(vec![Err(ProviderError::capacity("full"))]);
    let by = Some(Program { number: PROGRAM, call: 0 });
    let create = served(Route::CreateInstance, vec![machine("7", "web")], Vec::new());

    let mut judge = Judge { calls: vec![call(Verb::Create, &["web"], &[])], ..Judge::default() };
    judge.told(0, &refused(), &plan(), &truth);
    assert_eq!(judge.findings, [""; 0]);
    judge.served(&create, by, false, 0, &truth);
    assert!(
        judge.findings[0].contains("said that it made nothing, and then made 7"),
        "{:?}",
        judge.findings
    );

    let mut judge = Judge { calls: vec![call(Verb::Create, &["web"], &[])], ..Judge::default() };
    let other = ProviderInstance { id: "8".to_string(), ..ProviderInstance::default() };
    judge.told(0, &Told::Made(vec![Ok(other)]), &plan(), &truth);
    assert!(judge.findings[0].contains("gives 8, which no call has made"), "{:?}", judge.findings);

    let mut judge = Judge { calls: vec![call(Verb::Get, &[], &[])], ..Judge::default() };
    tokio::time::sleep(Verb::Get.bound(&plan().limits) + Duration::from_secs(1)).await;
    judge.told(0, &Told::Read("7".to_string(), Ok(None)), &plan(), &truth);
    assert!(judge.findings[0].contains("which is later than"), "{:?}", judge.findings);
}

#[tokio::test(start_paused = true)]
async fn what_was_given_to_one_caller_is_ended_for_no_other() {
    let mut judge = Judge::default();
    let truth = truth();
    judge.calls = vec![call(Verb::Create, &["web"], &[]), call(Verb::Create, &["web"], &[])];
    let by = Some(Program { number: PROGRAM, call: 0 });
    judge.served(
        &served(Route::CreateInstance, vec![machine("7", "web")], Vec::new()),
        by,
        false,
        0,
        &truth,
    );
    judge.facts[0].given.push((1, true));
    judge.served(
        &served(Route::DestroyInstance, Vec::new(), vec![machine("7", "web")]),
        by,
        false,
        0,
        &truth,
    );
    assert!(
        judge.findings[0].contains("which #1 (create_instance at hetzner by p1024) was given"),
        "{:?}",
        judge.findings
    );
}

/// Returns the number of findings for a lease that was over when a reap listed, and was renewed
/// long before the reap destroyed the instance. `None` is a renewal that failed.
async fn reaped_after(renewed_until: &[Option<i64>]) -> usize {
    let mut judge = Judge::default();
    let truth = truth();
    let reap =
        Call { leases: BTreeMap::from([("7".to_string(), 50)]), ..call(Verb::Reap, &[], &[]) };
    judge.calls = vec![call(Verb::Create, &["web"], &[]), reap];
    let by = |call| Some(Program { number: PROGRAM, call });
    judge.served(
        &served(Route::CreateInstance, vec![machine("7", "web")], Vec::new()),
        by(0),
        false,
        0,
        &truth,
    );
    for (at, until) in renewed_until.iter().enumerate() {
        // Only the first is old enough that each reap must have read it.
        if at == 1 {
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
        let label = Some((
            "7".to_string(),
            (
                crate::provider::labels::EXPIRES_AT.to_string(),
                until.map_or(String::new(), |until| until.to_string()),
            ),
        ));
        judge.calls.push(Call {
            label,
            has_written: until.is_some(),
            ended: Some(Instant::now()),
            ..call(Verb::Renew, &[], &["7"])
        });
    }
    if renewed_until.len() == 1 {
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    judge.served(
        &served(Route::DestroyInstance, Vec::new(), vec![machine("7", "web")]),
        by(1),
        false,
        100,
        &truth,
    );
    assert!(
        judge.findings.iter().all(|finding| finding.contains("whose lease was renewed until")),
        "{:?}",
        judge.findings
    );
    judge.findings.len()
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_lease_was_renewed_is_not_reaped() {
    assert_eq!(reaped_after(&[Some(500)]).await, 1);
    assert_eq!(reaped_after(&[Some(60)]).await, 0, "it is over again");
    assert_eq!(reaped_after(&[Some(500), None]).await, 0, "the second may have let it end earlier");
    assert_eq!(
        reaped_after(&[Some(500), Some(60)]).await,
        0,
        "a later one has let it end earlier, by a clock that was set back"
    );
    assert_eq!(reaped_after(&[Some(500), Some(600)]).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_of_a_snapshot_leads_to_no_other_of_its_own_program() {
    const CLOUD: &str = "digitalocean";
    let named = |program, made: &[&str], fates: Vec<Fate>| Call {
        cloud: CLOUD,
        program,
        fates,
        ..call(Verb::CreateSnapshot, made, &[])
    };
    let unknown = || vec![Fate::Unknown("7:1.0:nightly".to_string())];
    let fact = |id: &str, call| Fact {
        cloud: CLOUD,
        kind: Kind::Snapshot,
        id: id.to_string(),
        name: "nightly".to_string(),
        is_hidden: false,
        region: String::new(),
        created: 0,
        call,
        at: Instant::now(),
        ended: None,
        ended_by: None,
        given: vec![(call, true)],
    };
    let ours = PROGRAM;
    let theirs = PROGRAM + 1;
    // The program that made the other snapshot, whether something was made under the key, and
    // whether the two may be confused.
    for (maker, has_made, may_be) in
        [(ours, true, false), (ours, false, false), (theirs, true, true), (theirs, false, true)]
    {
        let calls =
            vec![named(ours, &["nightly"], unknown()), named(maker, &["nightly"], Vec::new())];
        let facts =
            [has_made.then(|| fact("1", 0)), Some(fact("2", 1))].into_iter().flatten().collect();
        let judge = Judge { calls, facts, ..Judge::default() };
        assert_eq!(
            judge.may_be_taken_for_anothers(CLOUD, "2", "7:1.0:nightly", ours),
            may_be,
            "{maker} {has_made}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_the_end_of_what_nobody_ends() {
    let truth = truth();
    let by = Some(Program { number: PROGRAM, call: 0 });
    let waited = || crate::create::CreateKey::under("order-1".to_string()).still_ending("7");
    for (enders, finds) in [
        (vec![], true),
        (vec![call(Verb::Destroy, &[], &["7"])], false),
        (vec![call(Verb::Reap, &[], &[])], false),
    ] {
        let mut judge = Judge {
            calls: vec![
                call(Verb::CreateKeyed, &["k0"], &[]),
                call(Verb::CreateKeyed, &["k0"], &[]),
            ],
            ..Judge::default()
        };
        judge.calls.extend(enders);
        judge.served(
            &served(Route::CreateInstance, vec![machine("7", "k0")], Vec::new()),
            by,
            false,
            0,
            &truth,
        );
        let vain = judge.waits_in_vain(1, &waited(), &[machine("7", "k0")]);
        assert_eq!(vain.is_some(), finds);
        assert_eq!(
            judge.waits_in_vain(1, &ProviderError::conflict("busy", true), &[machine("7", "k0")]),
            None
        );
    }
}
