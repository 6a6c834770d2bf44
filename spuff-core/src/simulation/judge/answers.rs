//! Compares the result of a call with the true state.

use std::time::Duration;

use tokio::time::Instant;

use super::super::plan::Plan;
use super::super::told::{Told, unknown};
use super::super::verb::Verb;
use super::{Call, Fact, Fate, Judge, existing, fact_of};
use crate::provider::ProviderInstance;
use crate::provider::error::{ErrorKind, ProviderError, ProviderResult};
use crate::simulator::{Inside, Kind, Resource};

/// How long a list may lack a new resource.
const LAG: Duration = Duration::from_secs(30);
/// How long another program may not find a new resource by its id.
const READ_LAG: Duration = Duration::from_secs(5);

impl Judge {
    /// Records and checks the result of a call.
    pub(in super::super) fn told(
        &mut self,
        number: usize,
        told: &Told,
        plan: &Plan,
        truth: &Inside,
    ) {
        let now = Instant::now();
        let limits = &plan.limits;
        let who = self.show(number);
        let call = &mut self.calls[number];
        call.ended = Some(now);
        let cloud = call.cloud;
        let verb = call.verb;
        let took = now - call.began;
        let program = call.program;
        let names = call.names.clone();
        let key = call.key.clone();
        let targets = call.targets.clone();
        if took > verb.bound(limits) && !limits.rates {
            self.find(format!(
                "{who} has answered after {took:?}, which is later than {:?}",
                verb.bound(limits)
            ));
        }
        for error in told.errors() {
            if error.kind() == ErrorKind::Internal {
                self.find(format!("{who} has failed by a fault of its own: {error}"));
            }
        }
        match told {
            Told::Made(outcomes) => {
                if outcomes.len() != names.len() {
                    return self.find(format!(
                        "{who} has {} outcomes for {} requests",
                        outcomes.len(),
                        names.len()
                    ));
                }
                let machines = existing(truth, cloud, Kind::Instance);
                for (name, outcome) in names.iter().zip(outcomes) {
                    let fate = match outcome {
                        Ok(machine) => {
                            self.given(number, &who, name, key.as_deref(), machine, &machines)
                        }
                        Err(error) => self.failed(number, &who, name, error, &machines),
                    };
                    self.calls[number].fates.push(fate);
                }
                self.unnamed(number, &who, outcomes, &machines);
            }
            Told::Snapshot(outcome) => {
                let snapshots = existing(truth, cloud, Kind::Snapshot);
                let name = names.first().cloned().unwrap_or_default();
                let fate = match outcome {
                    Ok(snapshot) => {
                        let is_there = snapshots.iter().any(|there| there.id == snapshot.id);
                        match self.fact_mut(cloud, &snapshot.id) {
                            Some(fact) if fact.name == name => fact.given.push((number, true)),
                            _ => self.find(format!(
                                "{who} gives {}, which is not its snapshot",
                                snapshot.id
                            )),
                        }
                        let ended =
                            self.fact(cloud, &snapshot.id).is_some_and(|fact| fact.ended.is_some());
                        if !is_there && !ended {
                            self.find(format!("{who} gives {}, which does not exist", snapshot.id));
                        }
                        Fate::Given(snapshot.id.clone())
                    }
                    Err(error) => self.failed(number, &who, &name, error, &snapshots),
                };
                self.calls[number].fates.push(fate);
            }
            Told::Used(outcome) => {
                let machines = existing(truth, cloud, Kind::Instance);
                let name = names.first().cloned().unwrap_or_default();
                let fate = match outcome {
                    Ok(()) => {
                        let left = self.left(number, &name, &machines);
                        if let Some(id) = left.first() {
                            self.find(format!("{who} is done, and has left {id}"));
                        }
                        Fate::Nothing
                    }
                    // The error is that of the work; the instance is destroyed in the background.
                    Err(ProviderError::Other { .. }) => Fate::Nothing,
                    Err(error) => self.failed(number, &who, &name, error, &machines),
                };
                self.calls[number].fates.push(fate);
            }
            Told::Ended(outcomes) => {
                let mut there = existing(truth, cloud, Kind::Instance);
                there.extend(existing(truth, cloud, Kind::Snapshot));
                for (id, outcome) in targets.iter().zip(outcomes) {
                    let lives = there.iter().any(|there| there.id == *id && !there.ending);
                    if outcome.is_ok()
                        && lives
                        && !self.calls[number].is_deceived
                        && !self.is_unseen(cloud, id, program, took)
                    {
                        self.find(format!("{who} says that {id} is ended, and it lives"));
                    }
                }
            }
            Told::Read(id, Ok(None)) => {
                let lives = existing(truth, cloud, Kind::Instance)
                    .into_iter()
                    .any(|there| there.id == *id && !there.ending);
                let is_new = self.fact(cloud, id).is_none_or(|fact| now - fact.at < LAG + took);
                if lives && !is_new && !self.is_unseen(cloud, id, program, took) {
                    self.find(format!("{who} says that there is no {id}, and it lives"));
                }
            }
            Told::Read(id, Ok(Some(machine))) if machine.id != *id => {
                self.find(format!("{who} was asked for {id} and has read {}", machine.id));
            }
            Told::Ready(id, Ok(machine)) if machine.id != *id || !machine.is_ready() => {
                self.find(format!("{who} says of {id} that it is ready: {machine:?}"));
            }
            Told::List(Ok(listed)) => {
                let mut ids: Vec<_> = listed.iter().map(|machine| machine.id.as_str()).collect();
                ids.sort_unstable();
                let many = ids.len();
                ids.dedup();
                if ids.len() < many {
                    self.find(format!("{who} lists an instance twice"));
                }
                self.listed(number, &who, &ids, plan, truth);
            }
            Told::Other(Ok(())) if verb == Verb::SetLabels => self.calls[number].has_written = true,
            Told::Renewed(Ok(end)) => {
                self.calls[number].has_written = true;
                if let Some((_, (_, value))) = &mut self.calls[number].label {
                    *value = end.timestamp().to_string();
                }
            }
            Told::Resolved(key, Ok(None)) => self.resolved_to_nothing(&who, number, key, truth),
            Told::Resolved(key, Ok(Some(id))) => {
                let is_its_own =
                    self.fact(cloud, id).is_some_and(|fact| self.is_of_key(fact, &fact.name, key));
                if !is_its_own && !self.may_be_taken_for_anothers(cloud, id, key, program) {
                    self.find(format!("{who} resolves {key} to {id}, which it has not made"));
                }
            }
            Told::Resolved(..)
            | Told::Renewed(_)
            | Told::Read(..)
            | Told::Ready(..)
            | Told::List(_)
            | Told::Other(_) => {}
        }
    }

    /// Checks an instance that a caller received.
    fn given(
        &mut self,
        number: usize,
        who: &str,
        name: &str,
        key: Option<&str>,
        machine: &ProviderInstance,
        machines: &[Resource],
    ) -> Fate {
        let cloud = self.calls[number].cloud;
        let fate = Fate::Given(machine.id.clone());
        let lives = machines.iter().any(|there| there.id == machine.id && !there.ending);
        let Some(fact) = self.fact(cloud, &machine.id) else {
            self.find(format!("{who} gives {}, which no call has made", machine.id));
            return fate;
        };
        let is_its_own = (fact.name == name || fact.name.is_empty())
            && (fact.call == number
                || (key.is_some() && self.calls[fact.call].key.as_deref() == key));
        let maker = fact.call;
        if !is_its_own {
            let maker = self.show(maker);
            self.find(format!("{who} gives {}, which is of {maker}", machine.id));
        }
        if fact_of(&self.facts, cloud, &machine.id)
            .is_some_and(|fact| fact.given.iter().any(|(_, as_made)| *as_made))
            && !machine.adopted
        {
            self.find(format!("{who} gives {} as made, which was given before", machine.id));
        }
        let ended =
            fact_of(&self.facts, cloud, &machine.id).and_then(|fact| fact.ended.zip(fact.ended_by));
        if !lives && let Some((ended, by)) = ended {
            let ender = &self.calls[by];
            // A call may destroy its own targets; callers that share a key with a failed create
            // share its cleanup.
            let is_known = ender.targets.contains(&machine.id)
                || matches!(ender.verb, Verb::Reap | Verb::ReapOld | Verb::CreateAndWaitKeyed);
            if !is_known {
                let since = Instant::now() - ended;
                let ender = self.show(by);
                self.find(format!(
                    "{who} gives {}, whose end was accepted {since:?} ago from {ender}",
                    machine.id
                ));
            }
        }
        if let Some(fact) = self.fact_mut(cloud, &machine.id) {
            fact.given.push((number, !machine.adopted));
        }
        fate
    }

    /// Returns what a call has made under a name and not destroyed.
    fn left(&self, number: usize, name: &str, existing: &[Resource]) -> Vec<String> {
        let own = self.facts.iter().filter(|fact| fact.call == number && fact.ended.is_none());
        if self.calls[number].is_deceived {
            return Vec::new();
        }
        let own = own.filter(|fact| fact.kind == Kind::Instance || !fact.is_hidden);
        let left = own.filter(|fact| {
            existing.iter().any(|there| there.id == fact.id && !there.ending && there.name == name)
        });
        // Callers know of the instances that they received.
        left.filter(|fact| fact.given.iter().all(|(taker, _)| *taker == number))
            .map(|fact| fact.id.clone())
            .collect()
    }

    /// Checks that an outcome of a batch names each instance that it has left without a name.
    fn unnamed(
        &mut self,
        number: usize,
        who: &str,
        outcomes: &[ProviderResult<ProviderInstance>],
        existing: &[Resource],
    ) {
        if outcomes
            .iter()
            .any(|outcome| outcome.as_ref().err().is_some_and(|error| unknown(error).is_some()))
        {
            return;
        }
        for id in self.left(number, "", existing) {
            let is_told = outcomes.iter().any(|outcome| match outcome {
                Ok(machine) => machine.id == id,
                Err(error) => error.instance_id() == Some(&id),
            });
            if !is_told {
                self.find(format!(
                    "{who} has left {id}, which has no name yet, and tells of it in no outcome"
                ));
            }
        }
    }

    /// Checks a failure that a caller received.
    fn failed(
        &mut self,
        number: usize,
        who: &str,
        name: &str,
        error: &ProviderError,
        existing: &[Resource],
    ) -> Fate {
        let left = self.left(number, name, existing);
        if let Some(key) = unknown(error) {
            return Fate::Unknown(key.to_string());
        }
        if let ProviderError::AfterCreate { instance_id, exists: false, .. } = error
            && existing.iter().any(|there| there.id == *instance_id && !there.ending)
            && !self.calls[number].is_deceived
            && !fact_of(&self.facts, self.calls[number].cloud, instance_id)
                .is_some_and(|fact| fact.is_hidden)
        {
            self.find(format!(
                "{who} says that {instance_id} does not exist any more, and it lives: {error}"
            ));
        }
        if let Some(id) = self.waits_in_vain(number, error, existing) {
            self.find(format!("{who} has waited for the end of {id}, which no call ends: {error}"));
        }
        let named = error.instance_id().map(str::to_string);
        for id in left {
            // The message of a snapshot's error names it.
            let is_said =
                self.calls[number].verb == Verb::CreateSnapshot && error.to_string().contains(&id);
            if named.as_ref() != Some(&id) && !is_said {
                self.find(format!("{who} has left {id} ({name}) and does not name it: {error}"));
            }
        }
        named.map_or(Fate::Nothing, Fate::Left)
    }

    /// Returns the instance whose end a create under a key awaited, if no call was to destroy it or
    /// could reap it.
    pub(super) fn waits_in_vain(
        &self,
        number: usize,
        error: &ProviderError,
        existing: &[Resource],
    ) -> Option<String> {
        let Call { cloud, began, .. } = self.calls[number];
        let words = error.to_string();
        let is_waited_for = |fact: &&Fact| {
            fact.cloud == cloud && words.contains(&format!("{}, which was made under", fact.id))
        };
        let fact = self
            .facts
            .iter()
            .find(is_waited_for)
            .filter(|_| words.contains("is still being destroyed"))?;
        let lives = existing.iter().any(|there| there.id == fact.id && !there.ending);
        let is_kept =
            self.calls[fact.call].verb == Verb::CreateKeyed && !self.calls[fact.call].has_left;
        let mut enders = self.calls.iter().filter(|call| {
            let reaps = matches!(call.verb, Verb::Reap | Verb::ReapOld)
                && call.ended.is_none_or(|ended| ended > began);
            call.targets.contains(&fact.id) || (call.cloud == cloud && reaps)
        });
        (lives && is_kept && fact.ended.is_none() && enders.next().is_none())
            .then(|| fact.id.clone())
    }

    /// Whether a program cannot know of a resource that the cloud did not show: a fault that hides
    /// it from some reads has no time limit.
    fn is_unseen(&self, cloud: &str, id: &str, program: u64, took: Duration) -> bool {
        self.fact(cloud, id).is_none_or(|fact| {
            let is_anothers =
                self.calls[fact.call].program != program && fact.at.elapsed() < READ_LAG + took;
            is_anothers || fact.is_hidden
        })
    }

    /// Checks that a list has all instances that existed long before it and still do.
    fn listed(&mut self, number: usize, who: &str, ids: &[&str], plan: &Plan, truth: &Inside) {
        let Call { cloud, verb, began, program, ref owner, .. } = self.calls[number];
        let there = existing(truth, cloud, Kind::Instance);
        let missing = self.facts.iter().filter(|fact| {
            let is_meant = verb == Verb::List || self.calls[fact.call].owner == *owner;
            let is_old = began.saturating_duration_since(fact.at) > LAG;
            fact.cloud == cloud
                && is_meant
                && is_old
                && !fact.is_hidden
                && self.is_in_sight(fact, program, plan)
        });
        let missing = missing.filter(|fact| !ids.contains(&fact.id.as_str()));
        let lives = |fact: &&Fact| there.iter().any(|there| there.id == fact.id && !there.ending);
        let missing: Vec<_> = missing.filter(lives).map(|fact| fact.id.clone()).collect();
        if !missing.is_empty() {
            self.find(format!("{who} does not list {missing:?}, which were there all the time"));
        }
    }

    /// Checks a key that was resolved to nothing.
    fn resolved_to_nothing(&mut self, who: &str, number: usize, key: &str, truth: &Inside) {
        let Call { cloud, verb, began, .. } = self.calls[number];
        let kind = if verb == Verb::ResolveSnapshot { Kind::Snapshot } else { Kind::Instance };
        let there = existing(truth, cloud, kind);
        // A lookup may miss what came during it, or what only later reads show.
        let known = self
            .facts
            .iter()
            .filter(|fact| fact.cloud == cloud && fact.kind == kind && fact.ended.is_none());
        let known = known.filter(|fact| fact.at < began && !fact.is_hidden);
        let lives = known.filter(|fact| {
            there.iter().any(|there| {
                there.id == fact.id && !there.ending && self.is_of_key(fact, &there.name, key)
            })
        });
        let old = lives.filter(|fact| fact.at.elapsed() > LAG).map(|fact| fact.id.clone()).next();
        if let Some(id) = old {
            self.find(format!("{who} says that {key} has made nothing, and {id} lives"));
        }
    }
}
