//! Outcomes in the order given, and what is told on the way.

use spuff_core::fleet::{FleetOptions, create_instances, destroy_instances, wait_ready_many};
use spuff_core::simulator::Timings;
use spuff_core::{Phase, Progress, observe};

use super::*;

const COUNT: usize = 12;

/// What was told of one machine.
fn told_of(seen: &[Progress], index: usize) -> Vec<&Progress> {
    seen.iter().filter(|progress| progress.index == Some(index)).collect()
}

fn phases(told: &[&Progress]) -> Vec<Phase> {
    let mut phases: Vec<_> = told.iter().map(|progress| progress.phase).collect();
    phases.dedup();
    phases
}

/// What holds of every report: of whom it is, and that time does not go back.
fn check(seen: &[Progress], names: &[String]) {
    assert!(
        seen.iter()
            .all(|progress| progress.index.is_some_and(|index| progress.name == names[index])),
        "{seen:?}"
    );
    for index in 0..names.len() {
        let told = told_of(seen, index);
        assert!(told.is_sorted_by_key(|progress| progress.elapsed), "{told:?}");
        let mut ids: Vec<_> = told.iter().map(|progress| &progress.id).collect();
        ids.dedup();
        assert!(ids.len() == 1 && !ids[0].is_empty(), "{told:?}");
        for progress in told {
            let has_machine = matches!(progress.phase, Phase::Accepted | Phase::Ready);
            assert_eq!(
                progress.instance.as_ref().map(|machine| &machine.id),
                has_machine.then_some(&progress.id)
            );
        }
    }
}

#[tokio::test]
async fn each_machine_is_told_of_in_order_and_the_outcomes_are_in_that_of_the_requests() {
    for name in PROVIDERS {
        // However slow this computer is, a boot is seen before it is over: it is over as soon as it
        // was seen.
        let hour = Duration::from_secs(3600);
        let mut slow = Timings::usual(name);
        slow.boot = hour;
        let cloud = Options::default()
            .with_clock(Clock::Fast(SPEED))
            .with_timings(name, slow)
            .start()
            .unwrap();
        let provider = provider(&cloud, name);
        let requests = requests(name, COUNT);
        let names: Vec<_> = requests.iter().map(|request| request.name.clone()).collect();

        let mut seen = Vec::new();
        let options = FleetOptions::default().with_concurrency(5).with_wait_ready(true);
        let see = |progress: Progress| {
            if progress.phase == Phase::Booting {
                cloud.advance(2 * hour);
            }
            seen.push(progress);
        };
        let made = observe(create_instances(&provider, &requests, options), see).await;
        let made: Vec<_> = made.into_iter().map(Result::unwrap).collect();
        assert_eq!(
            made.iter().map(|machine| machine.name.clone()).collect::<Vec<_>>(),
            names,
            "{name}"
        );
        assert!(made.iter().all(ProviderInstance::is_ready), "{name}: {made:?}");
        check(&seen, &names);
        for (index, machine) in made.iter().enumerate() {
            let told = told_of(&seen, index);
            // One that is ready at its first look was not seen to boot.
            let phases = phases(&told);
            let in_order = phases == [Phase::Accepted, Phase::Booting, Phase::Ready]
                || phases == [Phase::Accepted, Phase::Ready];
            assert!(in_order, "{name}: {told:?}");
            assert_eq!(told.last().unwrap().instance.as_ref(), Some(machine), "{name}");
        }

        assert!(seen.iter().any(|progress| progress.phase == Phase::Booting), "{name}: {seen:?}");

        // The order of the ids is the caller's.
        let ids: Vec<_> = made.iter().rev().map(|machine| machine.id.clone()).collect();
        let mut seen = Vec::new();
        let ready = observe(wait_ready_many(&provider, &ids), |progress| seen.push(progress)).await;
        assert_eq!(
            ready.into_iter().map(|machine| machine.unwrap().id).collect::<Vec<_>>(),
            ids,
            "{name}"
        );
        check(&seen, &vec![String::new(); COUNT]);
        assert!(
            (0..COUNT).all(|index| phases(&told_of(&seen, index)).last() == Some(&Phase::Ready)),
            "{name}: {seen:?}"
        );

        let mut seen = Vec::new();
        let gone =
            observe(destroy_instances(&provider, &ids, 5), |progress| seen.push(progress)).await;
        assert!(gone.len() == COUNT && gone.iter().all(Result::is_ok), "{name}: {gone:?}");
        check(&seen, &vec![String::new(); COUNT]);
        assert!(
            (0..COUNT)
                .all(|index| phases(&told_of(&seen, index)).last() == Some(&Phase::Destroyed)),
            "{name}: {seen:?}"
        );
        cloud.assert_no_leaks();
        let again = destroy_instances(&provider, &ids, 5).await;
        assert!(
            again.iter().all(Result::is_ok),
            "{name}: what is gone is as good as destroyed: {again:?}"
        );
    }
}

#[tokio::test]
async fn without_a_wait_each_need_only_be_accepted() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let mut seen = Vec::new();
        let requests = requests(name, COUNT);
        let made = create_instances(&provider, &requests, FleetOptions::default());
        let made = observe(made, |progress| seen.push(progress)).await;
        assert_eq!(given(&made), alive(&cloud), "{name}");
        assert_eq!(seen.len(), COUNT, "{name}: {seen:?}");
        assert!(seen.iter().all(|progress| progress.phase == Phase::Accepted), "{name}: {seen:?}");
    }
}

#[tokio::test]
async fn one_that_is_not_there_fails_alone() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let absent = if name == "aws" { "i-0123456789abcdef0" } else { "4711" };
        let made = create_instances(&provider, &requests(name, 2), FleetOptions::default()).await;
        let [first, last] = given(&made).try_into().unwrap();
        let mut seen = Vec::new();
        let ids = [first.as_str(), absent, &last];
        let [one, none, other] =
            observe(wait_ready_many(&provider, &ids), |progress| seen.push(progress))
                .await
                .try_into()
                .unwrap();
        assert_eq!((one.unwrap().id, other.unwrap().id), (first, last), "{name}");
        assert_eq!(none.unwrap_err().instance_id(), Some(absent), "{name}");
        let told = told_of(&seen, 1);
        assert!(
            told.last()
                .is_some_and(|progress| progress.phase == Phase::Failed && progress.id == absent),
            "{name}: {told:?}"
        );
    }
}
