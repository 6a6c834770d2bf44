//! Checks of an instance's life cycle: create, read, list, destroy.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::task::JoinSet;

use super::rule::{self, Tried, not_applicable};
use super::trial::Trial;
use crate::clock;
use crate::lease::{self, Reap};
use crate::provider::{
    InstanceRequest, InstanceStatus, ProviderError, ProviderInstance, ProviderTimeouts,
};

/// A request timeout too short for almost any reply.
const HURRIED: Duration = Duration::from_millis(1);
/// The number of polls with [`HURRIED`].
const LOOKS: usize = 3;
/// An age that no instance of a run has, whatever the clock difference.
const OLD: Duration = Duration::from_secs(86_400);

/// Valid on every cloud, but easily corrupted: empty, upper case, all punctuation, maximum length,
/// literals of other formats.
const LABELS: [(&str, &str); 9] = [
    ("env", "prod"),
    ("empty", ""),
    ("case", "MixedCASE"),
    ("tier.one_two-three", "V1.2_3-rc"),
    ("0", "0"),
    ("number", "007"),
    ("word", "true"),
    ("nothing", "null"),
    ("the-longest-value", "a23456789-123456789-123456789-123456789-123456789-123456789-12z"),
];

pub(super) async fn name_is_stable(trial: Trial) -> Tried {
    let name = trial.provider.name().to_string();
    rule::NAME.holds(!name.trim().is_empty(), || "it is empty".to_string())?;
    let other = trial.with_timeouts(trial.subject.timeouts)?;
    for again in [trial.provider.name(), other.provider.name()] {
        rule::NAME.holds(name == again, || format!("it was {name:?}, then {again:?}"))?;
    }
    Ok(())
}

pub(super) async fn capabilities_agree(trial: Trial) -> Tried {
    let (works, described) =
        (trial.provider.supports_snapshots(), trial.subject.capabilities.snapshots);
    rule::DECLARES.holds(works == described, || {
        format!("supports_snapshots() is {works}, the capability is {described}")
    })
}

pub(super) async fn create_answers_with_the_machine(trial: Trial) -> Tried {
    let request = trial.request().with_label("purpose", "conformance");
    let machine = trial.create(&request).await?;
    for (field, asked, got) in [
        ("name", &request.name, &machine.name),
        ("region", &request.region, &machine.region),
        ("size", &request.size, &machine.size),
    ] {
        rule::CREATE.holds(asked == got || asked.is_empty(), || {
            format!("{field} was {asked:?} and came back as {got:?}")
        })?;
    }
    has_labels(&trial, &request, &machine, "create_instance")
}

pub(super) async fn get_finds_what_was_made(trial: Trial) -> Tried {
    let request = trial.request();
    let id = trial.create(&request).await?.id;
    let found = trial.found(&id).await?;
    rule::GET.holds(found.id == id, || format!("asked for {id}, it returned {}", found.id))?;
    rule::GET.holds(found.name == request.name, || {
        format!("{:?} came back as {:?}", request.name, found.name)
    })
}

pub(super) async fn wait_ready_gives_a_reachable_machine(trial: Trial) -> Tried {
    let id = trial.create(&trial.request()).await?.id;
    let ready = trial.wait_ready(&id).await?;
    is_ready(&ready)?;
    rule::READY.holds(ready.id == id, || format!("asked for {id}, it returned {}", ready.id))
}

pub(super) async fn list_holds_the_machine(trial: Trial) -> Tried {
    let request = trial.request().with_label("purpose", "conformance");
    let id = trial.create(&request).await?.id;
    let ready = trial.wait_ready(&id).await?;
    let listed = trial.listed(&id, ProviderInstance::is_ready).await?;
    let seen = || {
        format!(
            "{id} is {} at {}, but is listed as {} at {}",
            ready.status, ready.ip, listed.status, listed.ip
        )
    };
    rule::LIST
        .holds(listed.status == InstanceStatus::Active && !listed.ip.is_unspecified(), seen)?;
    rule::LIST.holds(listed.name == request.name, || {
        format!("{:?} is listed as {:?}", request.name, listed.name)
    })?;
    has_labels(&trial, &request, &listed, "list_instances")
}

pub(super) async fn labels_are_kept(trial: Trial) -> Tried {
    if !trial.subject.capabilities.labels {
        return Err(not_applicable("the provider does not keep labels"));
    }
    let labels: HashMap<_, _> =
        LABELS.iter().map(|(key, value)| ((*key).to_string(), (*value).to_string())).collect();
    let request = LABELS
        .iter()
        .fold(trial.request(), |request, (key, value)| request.with_label(*key, *value));
    let machine = trial.create(&request).await?;
    has_labels(&trial, &request, &machine, "create_instance")?;
    has_labels(&trial, &request, &trial.found(&machine.id).await?, "get_instance")?;
    let all = |listed: &ProviderInstance| {
        labels.iter().all(|(key, value)| listed.labels.get(key) == Some(value))
    };
    has_labels(&trial, &request, &trial.listed(&machine.id, all).await?, "list_instances")
}

pub(super) async fn ids_are_distinct(trial: Trial) -> Tried {
    let (one, two) =
        (trial.create(&trial.request()).await?.id, trial.create(&trial.request()).await?.id);
    rule::IDS.holds(one != two, || format!("two instances were made, and both are {one}"))?;
    for id in [&one, &two] {
        trial.listed(id, |_| true).await?;
    }
    Ok(())
}

/// Creates, awaits and destroys all concurrently.
pub(super) async fn many_live_at_once(trial: Trial) -> Tried {
    let started = together((0..trial.subject.at_once).map(|_| {
        let trial = trial.clone();
        async move {
            let request = trial.request();
            let id = trial.create(&request).await?.id;
            let ready = trial.wait_ready(&id).await?;
            is_ready(&ready)?;
            let seen = || {
                format!(
                    "the wait for {} ({id}) returned {} ({})",
                    request.name, ready.name, ready.id
                )
            };
            rule::IDS.holds((&ready.id, &ready.name) == (&id, &request.name), seen)?;
            Ok(id)
        }
    }));
    let ids = started.await?;
    let distinct: BTreeSet<_> = ids.iter().collect();
    rule::IDS.holds(distinct.len() == ids.len(), || {
        format!("{} instances have {} ids", ids.len(), distinct.len())
    })?;
    for id in &ids {
        trial.listed(id, |_| true).await?;
    }
    together(ids.into_iter().map(|id| {
        let trial = trial.clone();
        async move { trial.destroy(&id).await }
    }))
    .await
    .map(drop)
}

pub(super) async fn destroy_ends_the_machine(trial: Trial) -> Tried {
    let id = trial.create(&trial.request()).await?.id;
    trial.destroy(&id).await?;
    let found = trial.settle(|| trial.get(&id), Option::is_none).await?;
    let listed =
        trial.settle(|| trial.list(), |list| list.iter().all(|instance| instance.id != id)).await?;
    let found =
        found.map(|instance| format!("get_instance still says {id} is {}", instance.status));
    rule::DESTROY.holds(found.is_none(), || found.unwrap_or_default())?;
    rule::DESTROY
        .holds(listed.iter().all(|instance| instance.id != id), || format!("{id} is still listed"))
}

pub(super) async fn destroy_is_idempotent(trial: Trial) -> Tried {
    let id = trial.create(&trial.request()).await?.id;
    trial.destroy(&id).await?;
    for (id, which) in [(&id, "destroyed before"), (&trial.subject.absent_id, "never existed")] {
        let again = trial.call("destroy_instance", trial.provider.destroy_instance(id)).await?;
        again.map_err(|error| {
            rule::DESTROY_AGAIN.broken(format!("{id} was {which}, and it failed: {error}"))
        })?;
    }
    Ok(())
}

pub(super) async fn get_of_absent_is_none(trial: Trial) -> Tried {
    let id = &trial.subject.absent_id;
    match trial.call("get_instance", trial.provider.get_instance(id)).await? {
        Ok(None) => Ok(()),
        Ok(Some(found)) => {
            Err(rule::ABSENT.broken(format!("{id} does not exist, and it returned {}", found.id)))
        }
        Err(error) => {
            Err(rule::ABSENT.broken(format!("{id} does not exist, and it failed: {error}")))
        }
    }
}

/// Returns the instance as `list_instances` shows it, however many times.
async fn shown(trial: &Trial, id: &str) -> Tried<ProviderInstance> {
    let list = trial
        .settle(
            || trial.list(),
            |list: &Vec<_>| list.iter().any(|it: &ProviderInstance| it.id == id),
        )
        .await?;
    list.into_iter()
        .find(|it| it.id == id)
        .ok_or_else(|| rule::LIST.broken(format!("{id} is not listed")))
}

/// Uses a provider whose requests cannot finish in time.
pub(super) async fn a_failed_look_is_no_absence(trial: Trial) -> Tried {
    let id = &trial.create(&trial.request()).await?.id;
    trial.found(id).await?;
    shown(&trial, id).await?;
    let hurried = trial
        .with_timeouts(ProviderTimeouts { http_request: HURRIED, ..trial.subject.timeouts })?;
    for _ in 0..LOOKS {
        let read = hurried.call("get_instance", hurried.provider.get_instance(id)).await?;
        rule::LOOK_FAILS.holds(!matches!(read, Ok(None)), || {
            format!("with {HURRIED:?} for a request it said that {id} does not exist")
        })?;
        let list = hurried.call("list_instances", hurried.provider.list_instances()).await?;
        let lacks = list.is_ok_and(|list| list.iter().all(|listed| listed.id != *id));
        rule::LOOK_FAILS
            .holds(!lacks, || format!("with {HURRIED:?} for a request it listed all but {id}"))?;
    }
    Ok(())
}

/// Whatever creation time the cloud reports, a new instance must not be reaped for its age.
pub(super) async fn a_new_machine_is_not_old(trial: Trial) -> Tried {
    let id = &trial.create(&trial.request()).await?.id;
    let found = trial.found(id).await?;
    let listed = shown(&trial, id).await?;
    for (verb, seen) in [("get_instance", &found), ("list_instances", &listed)] {
        let young = seen.age(clock::utc()).is_none_or(|age| age < OLD);
        rule::AGE.holds(young, || {
            format!("{verb} says that {id}, just made, was created at {}", seen.created_at)
        })?;
    }
    let dry = Reap::older_than(OLD).dry_run();
    let reaped = trial.call("reap", lease::reap(&trial.provider, &dry)).await?;
    let reaped =
        reaped.map_err(|error| rule::AGE.broken(format!("reap by age failed: {error}")))?;
    rule::AGE.holds(reaped.iter().all(|reaped| reaped.id != *id), || {
        format!("reap would destroy {id}, just made, for its age")
    })
}

/// Uses an address at which a load balancer's page, of any status, answers instead of the API.
pub(super) async fn others_words_are_no_absence(trial: Trial) -> Tried {
    let Some(stranger) = trial.stranger()? else {
        return Err(not_applicable(
            "no provider was given at an address where something else answers",
        ));
    };
    let id = &trial.subject.absent_id;
    let snapshot = &trial.subject.absent_snapshot_id;
    let fails = |what: &str, failed: bool| {
        rule::LOOK_FAILS.holds(failed, || format!("where something else answers, {what}"))
    };
    let read = trial.call("get_instance", stranger.get_instance(id)).await?;
    fails("get_instance says that there is nothing, or something", read.is_err())?;
    fails(
        "list_instances gives a list",
        trial.call("list_instances", stranger.list_instances()).await?.is_err(),
    )?;
    let ended = trial.call("destroy_instance", stranger.destroy_instance(id)).await?;
    fails("destroy_instance is Ok", ended.is_err())?;
    if stranger.supports_snapshots() {
        let deleted = trial.call("delete_snapshot", stranger.delete_snapshot(snapshot)).await?;
        fails("delete_snapshot is Ok", deleted.is_err())?;
        fails(
            "list_snapshots gives a list",
            trial.call("list_snapshots", stranger.list_snapshots()).await?.is_err(),
        )?;
    }
    let waited = trial.call("wait_ready", stranger.wait_ready(id)).await?;
    let believed = matches!(waited, Ok(_) | Err(ProviderError::NotFound { .. }));
    fails("wait_ready says that there is nothing, or something", !believed)
}

pub(super) async fn nothing_is_left(trial: Trial) -> Tried {
    let [machines, snapshots] =
        trial.settle(|| trial.remains(), |left| left.iter().all(Vec::is_empty)).await?;
    let seen =
        || format!("instances {machines:?} and snapshots {snapshots:?} of this run are listed");
    rule::NOTHING_LEFT.holds(machines.is_empty() && snapshots.is_empty(), seen)
}

/// Runs all concurrently; the first failure stops the others.
async fn together<T: Send + 'static>(
    tasks: impl Iterator<Item = impl Future<Output = Tried<T>> + Send + 'static>,
) -> Tried<Vec<T>> {
    let mut running: JoinSet<_> = tasks.collect();
    let mut done = Vec::new();
    while let Some(ended) = running.join_next().await {
        match ended.unwrap_or_else(|error| Err(rule::NO_PANIC.broken(error.to_string()))) {
            Ok(value) => done.push(value),
            Err(failed) => {
                running.shutdown().await;
                return Err(failed);
            }
        }
    }
    Ok(done)
}

pub(super) fn is_ready(instance: &ProviderInstance) -> Tried {
    rule::READY.holds(instance.is_ready(), || {
        format!("{} was returned while {} at {}", instance.id, instance.status, instance.ip)
    })
}

fn has_labels(
    trial: &Trial,
    request: &InstanceRequest,
    instance: &ProviderInstance,
    verb: &str,
) -> Tried {
    if !trial.subject.capabilities.labels {
        return Ok(());
    }
    rule::MANAGED.holds(instance.is_managed(), || {
        format!("{verb} shows {} with {:?}", instance.id, instance.labels)
    })?;
    match request.labels.iter().find(|(key, value)| instance.labels.get(*key) != Some(*value)) {
        None => Ok(()),
        Some((key, value)) => {
            let shown = instance
                .labels
                .get(key)
                .map_or("no such label".to_string(), |value| format!("{value:?}"));
            Err(rule::LABELS.broken(format!("{key}={value:?} was asked for; {verb} shows {shown}")))
        }
    }
}
