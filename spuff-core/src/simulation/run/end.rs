//! The end of a run: faults stop, operations finish, and the rest is checked.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::judge::{Fate, existing};
use super::super::plan::{Outage, Step};
use super::super::program::Running;
use super::super::verb::Verb;
use super::{Run, SNAPSHOT};
use crate::lease;
use crate::provider::{ProviderError, ProviderInstance};
use crate::simulator::{Kind, account_of};

/// Time limit of background tasks once faults have stopped.
const BACKGROUND: Duration = Duration::from_secs(8 * 3600);

impl Run {
    /// Stops all faults, waits for operations to finish, and checks what is left.
    pub(super) async fn end(self: &Arc<Self>) {
        self.log.line(|| "all goes right from now on".to_string());
        self.clouds.clear_faults();
        self.state().alive.values_mut().for_each(VecDeque::clear);
        let began = Instant::now();
        let longest =
            Verb::CreateMany.bound(&self.plan.limits) + Verb::Reap.bound(&self.plan.limits);
        while self.state().under_way > 0 {
            if began.elapsed() > longest * 4 {
                let mut state = self.state();
                let open =
                    state.judge.calls.iter().enumerate().filter(|(_, call)| call.ended.is_none());
                let open: Vec<_> =
                    open.map(|(at, call)| format!("#{at} {}", call.verb.name())).collect();
                state.judge.findings.push(format!("does not end: {}", open.join(", ")));
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let running = self.state().running.clone();
        for running in &running {
            if tokio::time::timeout(BACKGROUND, running.group.settled()).await.is_err() {
                self.state()
                    .judge
                    .findings
                    .push(format!("what p{} has in the background does not end", running.number));
                return;
            }
        }
        // Destroys and snapshots finish, and lists catch up.
        tokio::time::sleep(SNAPSHOT * 2).await;
        for running in &running {
            self.known(running).await;
        }
        self.keys(&running[0]).await;
        drop(running);
        self.state().running.clear();
        tokio::time::sleep(Duration::from_secs(30)).await;
        let is_killed = self.plan.steps.iter().any(|step| matches!(step, Step::Kill(_)));
        let swallowed = self
            .plan
            .steps
            .iter()
            .any(|step| matches!(step, Step::Network(_, Outage::Swallowed, _)));
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        if tasks > 0 && !is_killed && !swallowed {
            self.state().judge.findings.push(format!("{tasks} tasks are left"));
        }
    }

    /// Checks that the owner's list shows all that is left of a program, and that abandoned creates
    /// were rolled back.
    async fn known(&self, running: &Running) {
        for cloud in &self.plan.clouds {
            let there = self.owned(running, cloud);
            let mut shown = Vec::new();
            let is_shown = |shown: &[ProviderInstance], id: &String| {
                shown.iter().any(|machine| machine.id == *id)
            };
            // Hidden resources appear after some reads; a rate limit passes.
            for _ in 0..6 {
                match lease::list_owned(&*running.providers[cloud], &running.owner).await {
                    Ok(listed) => shown = listed,
                    Err(error) if error.retry_after().is_some() => {
                        tokio::time::sleep(error.retry_after().unwrap_or_default()).await;
                    }
                    Err(error) => {
                        return self
                            .state()
                            .judge
                            .findings
                            .push(format!("{cloud}: cannot be listed in the end: {error}"));
                    }
                }
                if there.iter().all(|id| is_shown(&shown, id)) {
                    break;
                }
            }
            self.snapshots(running, cloud).await;
            let mut state = self.state();
            shown.iter().for_each(|machine| state.judge.labelled(cloud, machine));
            let missing: Vec<_> =
                there.iter().filter(|id| !is_shown(&shown, id)).cloned().collect();
            let dropped = state.judge.facts.iter().filter(|fact| {
                let call = &state.judge.calls[fact.call];
                let is_to_end = fact.kind == Kind::Instance
                    && call.has_left
                    && !call.is_killed
                    && !call.is_deceived
                    && !call.keeps
                    && !fact.is_hidden;
                let lives =
                    fact.cloud == *cloud && fact.ended.is_none() && there.contains(&fact.id);
                is_to_end && lives && fact.given.is_empty() && call.program == running.number
            });
            let dropped: Vec<_> = dropped.map(|fact| fact.id.clone()).collect();
            if !missing.is_empty() {
                state.judge.findings.push(format!(
                    "{cloud}: {missing:?} of {} exist, and its list does not show them",
                    running.owner
                ));
            }
            for id in dropped {
                state
                    .judge
                    .findings
                    .push(format!("{cloud}: {id} lives, though the caller of its create has left"));
            }
        }
    }

    /// Returns the existing instances of a program's owner in regions that its lists read.
    fn owned(&self, running: &Running, cloud: &str) -> Vec<String> {
        let state = self.state();
        let is_owned = |id: &str| {
            let fact = state.judge.fact(cloud, id);
            fact.is_some_and(|fact| {
                let call = &state.judge.calls[fact.call];
                call.owner == running.owner
                    && state.judge.is_in_sight(fact, running.number, &self.plan)
            })
        };
        let machines = existing(&self.clouds, cloud, Kind::Instance).into_iter();
        machines
            .filter(|machine| !machine.ending && is_owned(&machine.id))
            .map(|machine| machine.id)
            .collect()
    }

    /// Checks that the snapshots of all programs that were not killed are listed.
    async fn snapshots(&self, running: &Running, cloud: &'static str) {
        let listed = match running.providers[cloud].list_snapshots().await {
            Ok(listed) => listed,
            Err(error) => {
                return self
                    .state()
                    .judge
                    .findings
                    .push(format!("{cloud}: cannot be listed in the end: {error}"));
            }
        };
        let there = existing(&self.clouds, cloud, Kind::Snapshot);
        // A snapshot that was not known to have begun has a key, which finds it. Such a key has no
        // action after a second dot.
        let names_no_action =
            |key: &str| key.split(':').nth(1).is_some_and(|at| at.matches('.').count() == 1);
        let is_open = |fate: &Fate| matches!(fate, Fate::Unknown(key) if names_no_action(key));
        let mut state = self.state();
        let judge = &state.judge;
        let missing = judge.facts.iter().filter(|fact| {
            fact.cloud == cloud
                && fact.kind == Kind::Snapshot
                && !fact.is_hidden
                && !judge.calls[fact.call].is_killed
                && !judge.calls[fact.call].fates.iter().any(is_open)
                && judge.is_in_sight(fact, running.number, &self.plan)
                && there.iter().any(|there| there.id == fact.id)
                && listed.iter().all(|snapshot| snapshot.id != fact.id)
        });
        let missing: Vec<_> =
            missing.map(|fact| format!("{} of #{}", fact.id, fact.call)).collect();
        if !missing.is_empty() {
            state
                .judge
                .findings
                .push(format!("{cloud}: the snapshots {missing:?} exist, and are not listed"));
        }
    }

    /// Checks that the keys of unknown outcomes can be resolved.
    async fn keys(&self, running: &Running) {
        let unknown = self.state().unknown.clone();
        for (cloud, kind, key) in unknown {
            let provider = &running.providers[cloud];
            let found = match kind {
                Kind::Snapshot => provider
                    .resolve_snapshot(&key)
                    .await
                    .map(|found| found.map(|snapshot| snapshot.id)),
                _ => provider.resolve(&key).await.map(|found| found.map(|machine| machine.id)),
            };
            let there = existing(&self.clouds, cloud, kind);
            let mut state = self.state();
            let judge = &state.judge;
            let made: Vec<_> = judge
                .facts
                .iter()
                .filter(|fact| fact.cloud == cloud && fact.kind == kind)
                .filter(|fact| {
                    there.iter().any(|there| {
                        there.id == fact.id
                            && !there.ending
                            && judge.is_of_key(fact, &there.name, &key)
                    })
                })
                .map(|fact| fact.id.clone())
                .collect();
            let is_by_name = kind == Kind::Snapshot && account_of(cloud).0 == "digitalocean";
            let name = key.rsplit(':').next().unwrap_or_default();
            let named = there.iter().filter(|there| there.name == name).count();
            self.log.line(|| format!("{key} is resolved: {found:?}; there is {made:?}"));
            let finding = match found {
                Err(_) if state.stuck.contains(&key) => None,
                // Two snapshots share the name, and neither is known by its action.
                Err(ProviderError::UnknownOutcome { .. }) if is_by_name && named > 1 => None,
                Err(error) => {
                    Some(format!("{cloud}: {key} cannot be resolved in the end: {error}"))
                }
                Ok(None) if !made.is_empty() => {
                    Some(format!("{cloud}: {key} has made {made:?}, and is resolved to nothing"))
                }
                Ok(Some(id))
                    if judge.may_be_taken_for_anothers(cloud, &id, &key, running.number) =>
                {
                    None
                }
                Ok(Some(id))
                    if !made.contains(&id)
                        && there.iter().any(|there| there.id == id && !there.ending) =>
                {
                    Some(format!("{cloud}: {key} is resolved to {id}, which it has not made"))
                }
                Ok(_) => None,
            };
            state.judge.findings.extend(finding);
        }
    }
}
