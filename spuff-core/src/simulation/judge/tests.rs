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
    Served { provider: CLOUD, route, fault: None, status: 200, made, ended, answered: Answered::Closed }
}

/// What is found when these calls make and end machines: each the number of its call, if it has one.
fn found(calls: Vec<Call>, made: &[(Option<usize>, &str, &str)], ended: &[(Option<usize>, &str)]) -> Vec<String> {
    let (mut judge, truth) = (Judge { calls, ..Judge::default() }, truth());
    let by = |call: Option<usize>| call.map(|call| Program { number: PROGRAM, call });
    for (call, id, name) in made {
        judge.served(&served(Route::CreateInstance, vec![machine(id, name)], Vec::new()), by(*call), false, 0, &truth);
    }
    for (call, id) in ended {
        judge.served(&served(Route::DestroyInstance, Vec::new(), vec![machine(id, "")]), by(*call), false, 0, &truth);
    }
    judge.findings
}

#[tokio::test(start_paused = true)]
async fn each_machine_is_made_and_ended_by_whom_it_concerns() {
    let calls = || vec![call(Verb::Create, &["web"], &[]), call(Verb::Destroy, &[], &["7"]), call(Verb::Reap, &[], &[])];
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
        let is_as_expected =
            if finds.is_empty() { found.is_empty() } else { found.iter().any(|finding| finding.contains(finds)) };
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
    assert!(judge.findings[0].contains("said that it made nothing, and then made 7"), "{:?}", judge.findings);

    let mut judge = Judge { calls: vec![call(Verb::Create, &["web"], &[])], ..Judge::default() };
    let other = ProviderInstance { id: "8".to_string(), ..ProviderInstance::default() };
    judge.told(0, &Told::Made(vec![Ok(other)]), &plan(), &truth);
    assert!(judge.findings[0].contains("gives 8, which nobody has made"), "{:?}", judge.findings);

    let mut judge = Judge { calls: vec![call(Verb::Get, &[], &[])], ..Judge::default() };
    tokio::time::sleep(Verb::Get.bound(&plan().limits) + Duration::from_secs(1)).await;
    judge.told(0, &Told::Read("7".to_string(), Ok(None)), &plan(), &truth);
    assert!(judge.findings[0].contains("which is later than"), "{:?}", judge.findings);
}

#[tokio::test(start_paused = true)]
async fn what_was_given_to_one_caller_is_ended_for_no_other() {
    let (mut judge, truth) = (Judge::default(), truth());
    judge.calls = vec![call(Verb::Create, &["web"], &[]), call(Verb::Create, &["web"], &[])];
    let by = Some(Program { number: PROGRAM, call: 0 });
    judge.served(&served(Route::CreateInstance, vec![machine("7", "web")], Vec::new()), by, false, 0, &truth);
    judge.facts[0].given.push((1, true));
    judge.served(&served(Route::DestroyInstance, Vec::new(), vec![machine("7", "web")]), by, false, 0, &truth);
    assert!(judge.findings[0].contains("which #1 (create_instance at hetzner by p1024) was given"), "{:?}", judge.findings);
}
