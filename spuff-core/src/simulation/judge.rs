//! What is true, call by call, and what was said: where the two differ, that is a finding.
//!
//! Stands on the simulator's truth. Each machine that a run makes has a name that tells which call, or which key, it is of.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::plan::{Plan, REGIONS, fault_name, is_apt};
use super::program::OLD;
use super::told::{Told, unknown};
use super::verb::Verb;
use crate::process::Program;
use crate::provider::ProviderInstance;
use crate::provider::error::{ErrorKind, ProviderError, ProviderResult};
use crate::simulator::{Fault, Inside, Kind, Resource, Route, Served, account_of};

/// Within this time two processes may make two machines under one key at DigitalOcean, where only looking keeps the second out, and
/// lists lag.
const AT_ONCE: Duration = Duration::from_secs(35);
/// How long a list may lack what is new.
const LAG: Duration = Duration::from_secs(30);
/// How long another program may find that there is nothing by the id of what is new.
const READ_LAG: Duration = Duration::from_secs(5);
/// After this time what has left has arrived.
const LATE: Duration = Duration::from_secs(60);
/// Within this time a reap that goes well reads again what it ends.
const READ_AGAIN: Duration = Duration::from_secs(20);

/// A machine or snapshot that was made in a run.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) cloud: &'static str,
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) name: String,
    /// Whether it was hidden from some reads, whenever they are.
    pub(super) is_hidden: bool,
    pub(super) region: String,
    /// When, by its cloud's calendar.
    pub(super) created: i64,
    /// The call that has made it.
    pub(super) call: usize,
    pub(super) at: Instant,
    /// When its end was accepted, and from which call.
    pub(super) ended: Option<Instant>,
    pub(super) ended_by: Option<usize>,
    /// The calls that were given it, and whether as what they had made.
    pub(super) given: Vec<(usize, bool)>,
}

/// What a caller was told of one machine or snapshot.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fate {
    Given(String),
    /// It failed, and what may exist is named.
    Left(String),
    /// It failed with a key.
    Unknown(String),
    /// It failed: nothing was made, or it was ended.
    Nothing,
}

/// A verb that was begun.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) verb: Verb,
    pub(super) cloud: &'static str,
    pub(super) program: u64,
    pub(super) owner: String,
    /// What it is to make.
    pub(super) names: Vec<String>,
    pub(super) key: Option<String>,
    /// Whether what it has made stays when its caller leaves.
    pub(super) keeps: bool,
    /// What it was told to end.
    pub(super) targets: Vec<String>,
    /// The machine that it is to label, and the label; and whether it says that it has.
    pub(super) label: Option<(String, (String, String))>,
    pub(super) has_written: bool,
    pub(super) began: Instant,
    pub(super) ended: Option<Instant>,
    /// Whether its future was dropped, or its program killed.
    pub(super) has_left: bool,
    pub(super) is_killed: bool,
    /// Whether a cloud has taken a destroy of it that failed later.
    pub(super) is_deceived: bool,
    /// Of a reap: when the lease of each machine and snapshot was over, as it was listed.
    pub(super) leases: BTreeMap<String, i64>,
    /// For each name, what was told.
    pub(super) fates: Vec<Fate>,
    /// What went wrong on its way.
    pub(super) faults: BTreeSet<&'static str>,
}

impl Call {
    /// Whether a request of it may arrive after its end.
    fn may_come_late(&self) -> bool {
        self.has_left || self.is_killed || self.faults.iter().any(|fact| fact.starts_with("network"))
    }

    /// When it has written for sure; none while it may still.
    fn written(&self) -> Option<Instant> {
        self.ended.map(|ended| if self.may_come_late() { ended + LATE } else { ended })
    }

    fn overlaps(&self, other: &Self) -> bool {
        let is_before = |one: &Self, other: &Self| one.written().is_some_and(|ended| ended <= other.began);
        !is_before(self, other) && !is_before(other, self)
    }
}

/// The judge of a run.
#[derive(Debug, Default)]
pub(super) struct Judge {
    pub(super) facts: Vec<Fact>,
    pub(super) calls: Vec<Call>,
    pub(super) findings: Vec<String>,
    /// Whether a cloud has refused a request for its rate.
    pub(super) is_throttled: bool,
    /// The latest that the programs' calendar has shown, in seconds since 1970.
    latest: i64,
}

impl Judge {
    fn find(&mut self, finding: String) {
        self.findings.push(finding);
    }

    /// A call, for a message.
    fn show(&self, call: usize) -> String {
        let Call { verb, cloud, program, .. } = &self.calls[call];
        format!("#{call} ({} at {cloud} by p{program})", verb.name())
    }

    pub(super) fn fact(&self, cloud: &str, id: &str) -> Option<&Fact> {
        self.facts.iter().find(|fact| fact.cloud == cloud && fact.id == id)
    }

    fn fact_mut(&mut self, cloud: &str, id: &str) -> Option<&mut Fact> {
        self.facts.iter_mut().find(|fact| fact.cloud == cloud && fact.id == id)
    }

    /// A request has come to a cloud.
    pub(super) fn served(&mut self, served: &Served, by: Option<Program>, rates: bool, calendar: i64, truth: &Inside) {
        let now = Instant::now();
        self.has_shown(calendar);
        if let Some(call) = by.map(|by| by.call).filter(|call| self.calls[*call].cloud != served.provider) {
            let who = self.show(call);
            self.find(format!("{who} has asked {} {}", served.provider, served.route));
        }
        if let (Some(fault), Some(by)) = (served.fault.filter(|fault| is_apt(*fault, served.route)), by) {
            self.calls[by.call].faults.insert(fault_name(fault));
        }
        // What the network holds back arrives at another pace, and headers beyond reason say that there is no limit.
        let is_even =
            || !self.calls.iter().any(|call| call.faults.iter().any(|fault| matches!(*fault, "network late" | "header numbers")));
        let is_refused = served.fault.is_none() && matches!(served.status, 429 | 503);
        if is_refused && rates && is_even() {
            self.find(format!("{}: a request was refused for its rate, though the program keeps to it", served.provider));
        }
        if let (Some(by), Route::ListInstances | Route::ListSnapshots) = (by, served.route)
            && self.calls[by.call].verb == Verb::Reap
        {
            let kind = if served.route == Route::ListInstances { Kind::Instance } else { Kind::Snapshot };
            let leases =
                existing(truth, served.provider, kind).into_iter().filter_map(|there| Some((there.id.clone(), expiry(&there)?)));
            self.calls[by.call].leases.extend(leases);
        }
        self.is_throttled |= matches!(served.fault, Some(Fault::RateLimited { .. }));
        // A destroy is done when the cloud has taken it: that it fails later is not to be known.
        if let (Some(Fault::ActionFails), Some(by), Route::DestroyInstance) = (served.fault, by, served.route) {
            self.calls[by.call].is_deceived = true;
        }
        for resource in &served.made {
            self.made(served.provider, resource, by, served.fault, truth);
        }
        for resource in &served.ended {
            self.ended(served.provider, resource, by, now);
        }
    }

    /// The programs' calendar shows that time.
    pub(super) fn has_shown(&mut self, calendar: i64) {
        self.latest = self.latest.max(calendar);
    }

    fn made(&mut self, cloud: &'static str, resource: &Resource, by: Option<Program>, fault: Option<Fault>, truth: &Inside) {
        let now = Instant::now();
        let Resource { kind, id, name, .. } = resource;
        let Some(Program { number, call }) = by else {
            return self.find(format!("{cloud}: {id} ({name}) was made by no call"));
        };
        let (of, who) = (&self.calls[call], self.show(call));
        let place = of.names.iter().position(|wanted| wanted == name);
        // Of a batch at EC2 each gets its name when all are there.
        let is_unnamed = name.is_empty() && of.verb == Verb::CreateMany;
        let twins = self.facts.iter().filter(|fact| {
            let is_same = fact.call == call && fact.name == *name && !is_unnamed;
            let is_keyed = of.key.is_some() && self.calls[fact.call].key == of.key && fact.kind == *kind;
            fact.cloud == cloud && fact.ended.is_none() && (is_same || is_keyed)
        });
        let twins: Vec<_> = twins.map(|fact| (fact.id.clone(), fact.at, fact.call)).collect();
        let mut findings = Vec::new();
        let live = self.facts.iter().filter(|fact| fact.call == call && fact.ended.is_none()).count();
        if live >= of.names.len() {
            let there = existing(truth, cloud, *kind);
            let live = self
                .facts
                .iter()
                .filter(|fact| fact.call == call && there.iter().any(|there| there.id == fact.id && !there.ending));
            if live.count() >= of.names.len() {
                findings.push(format!("{who} has made more than it was asked for: {id} ({name})"));
            }
        }
        if place.is_none() && !is_unnamed {
            findings.push(format!("{who} has made {id} under a name that it was not given: {name}"));
        }
        if let Some(Fate::Nothing) = place.and_then(|place| of.fates.get(place))
            && !of.has_left
        {
            findings.push(format!("{who} has failed and said that it made nothing, and then made {id} ({name})"));
        }
        for (twin, at, other) in twins {
            let is_hidden = fact_of(&self.facts, cloud, &twin).is_some_and(|fact| fact.is_hidden);
            let only_looks = account_of(cloud).0 == "digitalocean";
            let is_apart = self.calls[other].program != number && only_looks;
            let between = (is_apart && now - at < AT_ONCE) || (is_hidden && only_looks);
            let exists = existing(truth, cloud, *kind).iter().any(|there| there.id == twin && !there.ending);
            if exists && !between {
                findings.push(format!("two of one: {who} has made {id} ({name}), and there is {twin} of {}", self.show(other)));
            }
        }
        self.findings.append(&mut findings);
        self.facts.push(Fact {
            cloud,
            kind: *kind,
            id: id.clone(),
            name: name.clone(),
            region: resource.region.clone(),
            created: resource.created_at.timestamp(),
            is_hidden: matches!(fault, Some(Fault::NotYetVisible { .. })),
            call,
            at: now,
            ended: None,
            ended_by: None,
            given: Vec::new(),
        });
    }

    fn ended(&mut self, cloud: &'static str, resource: &Resource, by: Option<Program>, now: Instant) {
        let Resource { id, name, kind, .. } = resource;
        if matches!(kind, Kind::DiskSnapshot | Kind::Disk | Kind::Address) {
            return;
        }
        let Some(Program { call, .. }) = by else {
            return self.find(format!("{cloud}: {id} ({name}) was ended by no call"));
        };
        let who = self.show(call);
        let (verb, is_told) = (self.calls[call].verb, self.calls[call].targets.contains(id));
        let (given, has_left) =
            (self.calls[call].fates.iter().any(|fate| *fate == Fate::Given(id.clone())), self.calls[call].has_left);
        let Some(fact) = self.fact_mut(cloud, id) else {
            return self.find(format!("{who} has ended {id} ({name}), which no call had made"));
        };
        fact.ended = fact.ended.or(Some(now));
        fact.ended_by = fact.ended_by.or(Some(call));
        if is_told {
            return;
        }
        let (maker, takers, created) = (fact.call, fact.given.clone(), fact.created);
        if verb == Verb::Reap {
            // A renewal that comes after it has looked comes too late.
            let expires = self.calls[call].leases.get(id).copied();
            if expires.is_none_or(|end| end > self.latest) {
                self.find(format!("{who} has reaped {id} ({name}), whose lease is not over"));
            }
            if let Some(end) = self.renewed(cloud, id, call).filter(|end| *end > self.latest) {
                self.find(format!("{who} has reaped {id} ({name}), whose lease was renewed until {end}"));
            }
            return;
        }
        if verb == Verb::ReapOld {
            let age = self.latest - created;
            if age < OLD.as_secs().cast_signed() {
                self.find(format!("{who} has reaped {id} ({name}), which is {age} s old"));
            }
            if self.calls[maker].owner != self.calls[call].owner {
                self.find(format!("{who} has reaped {id} ({name}), which is of {}", self.calls[maker].owner));
            }
            return;
        }
        // It has made it, and it was not ready: who shares the key has been told that it may end.
        if maker == call && verb == Verb::CreateAndWaitKeyed {
            return;
        }
        if maker != call {
            let maker = self.show(maker);
            return self.find(format!("{who} has ended {id} ({name}), which {maker} has made"));
        }
        let others: Vec<_> = takers.into_iter().map(|(taker, _)| taker).filter(|taker| *taker != call).collect();
        if let Some(other) = others.first() {
            let other = self.show(*other);
            self.find(format!("{who} has ended {id} ({name}), which {other} was given"));
        } else if given && !has_left {
            self.find(format!("{who} has ended {id} ({name}), which it had given to its caller"));
        }
    }

    /// A call has answered.
    pub(super) fn told(&mut self, number: usize, told: &Told, plan: &Plan, truth: &Inside) {
        let (now, limits) = (Instant::now(), &plan.limits);
        let who = self.show(number);
        let call = &mut self.calls[number];
        call.ended = Some(now);
        let (cloud, verb, took, program) = (call.cloud, call.verb, now - call.began, call.program);
        let (names, key, targets) = (call.names.clone(), call.key.clone(), call.targets.clone());
        if took > verb.bound(limits) && !limits.rates {
            self.find(format!("{who} has answered after {took:?}, which is later than {:?}", verb.bound(limits)));
        }
        for error in told.errors() {
            if error.kind() == ErrorKind::Internal {
                self.find(format!("{who} has failed by a fault of its own: {error}"));
            }
        }
        match told {
            Told::Made(outcomes) => {
                if outcomes.len() != names.len() {
                    return self.find(format!("{who} has {} outcomes for {} requests", outcomes.len(), names.len()));
                }
                let machines = existing(truth, cloud, Kind::Instance);
                for (name, outcome) in names.iter().zip(outcomes) {
                    let fate = match outcome {
                        Ok(machine) => self.given(number, &who, name, key.as_deref(), machine, &machines),
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
                            _ => self.find(format!("{who} gives {}, which is not its snapshot", snapshot.id)),
                        }
                        let ended = self.fact(cloud, &snapshot.id).is_some_and(|fact| fact.ended.is_some());
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
                    // What the work says is told, and the machine is ended in the background.
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
                    if outcome.is_ok() && lives && !self.calls[number].is_deceived && !self.is_unseen(cloud, id, program, took) {
                        self.find(format!("{who} says that {id} is ended, and it lives"));
                    }
                }
            }
            Told::Read(id, Ok(None)) => {
                let lives = existing(truth, cloud, Kind::Instance).into_iter().any(|there| there.id == *id && !there.ending);
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
                    self.find(format!("{who} lists a machine twice"));
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
                let is_its_own = self.fact(cloud, id).is_some_and(|fact| self.is_of_key(fact, &fact.name, key));
                if !is_its_own && !self.is_anothers(cloud, id, program) {
                    self.find(format!("{who} resolves {key} to {id}, which it has not made"));
                }
            }
            Told::Resolved(..) | Told::Renewed(_) | Told::Read(..) | Told::Ready(..) | Told::List(_) | Told::Other(_) => {}
        }
    }

    /// A caller was given a machine.
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
            self.find(format!("{who} gives {}, which nobody has made", machine.id));
            return fate;
        };
        let is_its_own = (fact.name == name || fact.name.is_empty())
            && (fact.call == number || (key.is_some() && self.calls[fact.call].key.as_deref() == key));
        let maker = fact.call;
        if !is_its_own {
            let maker = self.show(maker);
            self.find(format!("{who} gives {}, which is of {maker}", machine.id));
        }
        if fact_of(&self.facts, cloud, &machine.id).is_some_and(|fact| fact.given.iter().any(|(_, as_made)| *as_made))
            && !machine.adopted
        {
            self.find(format!("{who} gives {} as made, which was given before", machine.id));
        }
        let ended = fact_of(&self.facts, cloud, &machine.id).and_then(|fact| fact.ended.zip(fact.ended_by));
        if !lives && let Some((ended, by)) = ended {
            let ender = &self.calls[by];
            // What another was told to end is that one's to end; and who shares a key with one that fails shares the end.
            let is_known = ender.targets.contains(&machine.id)
                || matches!(ender.verb, Verb::Reap | Verb::ReapOld | Verb::CreateAndWaitKeyed);
            if !is_known {
                let (since, ender) = (Instant::now() - ended, self.show(by));
                self.find(format!("{who} gives {}, whose end was accepted {since:?} ago from {ender}", machine.id));
            }
        }
        if let Some(fact) = self.fact_mut(cloud, &machine.id) {
            fact.given.push((number, !machine.adopted));
        }
        fate
    }

    /// What a call has made under a name, and not ended.
    fn left(&self, number: usize, name: &str, existing: &[Resource]) -> Vec<String> {
        let own = self.facts.iter().filter(|fact| fact.call == number && fact.ended.is_none());
        if self.calls[number].is_deceived {
            return Vec::new();
        }
        let own = own.filter(|fact| fact.kind == Kind::Instance || !fact.is_hidden);
        let left = own.filter(|fact| existing.iter().any(|there| there.id == fact.id && !there.ending && there.name == name));
        // What others were given is known.
        left.filter(|fact| fact.given.iter().all(|(taker, _)| *taker == number)).map(|fact| fact.id.clone()).collect()
    }

    /// What a batch has left without a name is named by one of its outcomes.
    fn unnamed(&mut self, number: usize, who: &str, outcomes: &[ProviderResult<ProviderInstance>], existing: &[Resource]) {
        if outcomes.iter().any(|outcome| outcome.as_ref().err().is_some_and(|error| unknown(error).is_some())) {
            return;
        }
        for id in self.left(number, "", existing) {
            let is_told = outcomes.iter().any(|outcome| match outcome {
                Ok(machine) => machine.id == id,
                Err(error) => error.instance_id() == Some(&id),
            });
            if !is_told {
                self.find(format!("{who} has left {id}, which has no name yet, and tells of it in no outcome"));
            }
        }
    }

    /// A caller was told of a failure.
    fn failed(&mut self, number: usize, who: &str, name: &str, error: &ProviderError, existing: &[Resource]) -> Fate {
        let left = self.left(number, name, existing);
        if let Some(key) = unknown(error) {
            return Fate::Unknown(key.to_string());
        }
        if let ProviderError::AfterCreate { instance_id, exists: false, .. } = error
            && existing.iter().any(|there| there.id == *instance_id && !there.ending)
            && !self.calls[number].is_deceived
            && !fact_of(&self.facts, self.calls[number].cloud, instance_id).is_some_and(|fact| fact.is_hidden)
        {
            self.find(format!("{who} says that {instance_id} does not exist any more, and it lives: {error}"));
        }
        let named = error.instance_id().map(str::to_string);
        for id in left {
            // An error of a snapshot names it in its words.
            let is_said = self.calls[number].verb == Verb::CreateSnapshot && error.to_string().contains(&id);
            if named.as_ref() != Some(&id) && !is_said {
                self.find(format!("{who} has left {id} ({name}) and does not name it: {error}"));
            }
        }
        named.map_or(Fate::Nothing, Fate::Left)
    }

    /// Whether a program cannot know of something, as the cloud did not show it: a cloud that lags by reads does so for any time.
    fn is_unseen(&self, cloud: &str, id: &str, program: u64, took: Duration) -> bool {
        self.fact(cloud, id).is_none_or(|fact| {
            let is_anothers = self.calls[fact.call].program != program && fact.at.elapsed() < READ_LAG + took;
            is_anothers || fact.is_hidden
        })
    }

    /// Whether something is a snapshot of DigitalOcean, where a name is all that leads to one, that another program has made.
    pub(super) fn is_anothers(&self, cloud: &str, id: &str, program: u64) -> bool {
        let fact = self.fact(cloud, id).filter(|fact| fact.kind == Kind::Snapshot && account_of(cloud).0 == "digitalocean");
        fact.is_some_and(|fact| self.calls[fact.call].program != program)
    }

    /// Whether something was made under a key: a caller's own, or that of an outcome that was not known.
    pub(super) fn is_of_key(&self, fact: &Fact, name: &str, key: &str) -> bool {
        let call = &self.calls[fact.call];
        let mut fates = call.names.iter().zip(&call.fates);
        call.key.as_deref() == Some(key) || fates.any(|(wanted, fate)| wanted == name && *fate == Fate::Unknown(key.to_string()))
    }

    /// Machines were listed: all that were there for long before, and still are, are among them.
    fn listed(&mut self, number: usize, who: &str, ids: &[&str], plan: &Plan, truth: &Inside) {
        let Call { cloud, verb, began, program, ref owner, .. } = self.calls[number];
        // Where as much has come as has gone while pages were read, nothing tells of it.
        let mut meanwhile = self.facts.iter().filter(|fact| fact.cloud == cloud && fact.at.elapsed() < began.elapsed() + LAG);
        let has_gone = |fact: &Fact| fact.cloud == cloud && fact.ended.is_some_and(|ended| ended + LAG > began);
        if plan.page < usize::MAX && meanwhile.next().is_some() && self.facts.iter().any(has_gone) {
            return;
        }
        let there = existing(truth, cloud, Kind::Instance);
        let missing = self.facts.iter().filter(|fact| {
            let is_meant = verb == Verb::List || self.calls[fact.call].owner == *owner;
            let is_old = began.saturating_duration_since(fact.at) > LAG;
            fact.cloud == cloud && is_meant && is_old && !fact.is_hidden && self.is_in_sight(fact, program, plan)
        });
        let missing = missing.filter(|fact| !ids.contains(&fact.id.as_str()));
        let lives = |fact: &&Fact| there.iter().any(|there| there.id == fact.id && !there.ending);
        let missing: Vec<_> = missing.filter(lives).map(|fact| fact.id.clone()).collect();
        if !missing.is_empty() {
            self.find(format!("{who} does not list {missing:?}, which were there all the time"));
        }
    }

    /// Whether the lists of a program read the region of something: at EC2 those that were said, and those in which the program itself has
    /// made something.
    pub(super) fn is_in_sight(&self, fact: &Fact, program: u64, plan: &Plan) -> bool {
        let is_read = fact.region == REGIONS[0] || plan.says_regions || account_of(fact.cloud).0 != "aws";
        is_read || self.calls[fact.call].program == program
    }

    /// Until when the lease of a machine was renewed, where a reap must have seen that.
    fn renewed(&self, cloud: &str, id: &str, reap: usize) -> Option<i64> {
        // What has failed on its way it need not have seen.
        let is_hindered = self.calls[reap].faults.iter().any(|fault| *fault != "locked");
        let renewals = self.labels_of(cloud, id).filter(|call| call.verb == Verb::Renew);
        let told = renewals.filter(|call| call.ended.is_some_and(|ended| ended.elapsed() > READ_AGAIN));
        told.filter_map(|call| call.label.as_ref()?.1.1.parse().ok()).next_back().filter(|_| !is_hindered)
    }

    /// In the end a machine has the labels that were put on it: each that nobody else has written to at the same time.
    pub(super) fn labelled(&mut self, cloud: &str, machine: &ProviderInstance, plan: &Plan) {
        let mut findings = Vec::new();
        let calls: Vec<&Call> = self.labels_of(cloud, &machine.id).collect();
        for (at, call) in calls.iter().enumerate() {
            let Some((_, (key, value))) = &call.label else { continue };
            let others = calls.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| *other);
            let (mut is_alone, mut is_last) = (true, true);
            for other in others {
                // Who waits for another's turn longer than for a request writes beside it.
                let is_slow = other.ended.is_none_or(|ended| ended - other.began > plan.limits.http_request);
                let has_turns = other.program == call.program && !other.may_come_late() && !is_slow;
                is_alone &= has_turns || !other.overlaps(call);
                let is_before = other.written().is_some_and(|ended| ended <= call.began);
                is_last &= is_before || other.label.as_ref().is_none_or(|(_, (of, _))| of != key);
            }
            if !call.has_written || !is_alone {
                continue;
            }
            match machine.labels.get(key) {
                None => findings.push(format!("{cloud}: {} has lost its label {key}, which was put on it: {value}", machine.id)),
                Some(other) if is_last && other != value => {
                    findings.push(format!("{cloud}: {} has the label {key} {other}, and was given {value}", machine.id));
                }
                Some(_) => {}
            }
        }
        findings.into_iter().for_each(|finding| self.find(finding));
    }

    /// The calls that were to label a machine, in the order of their beginnings.
    pub(super) fn labels_of(&self, cloud: &str, id: &str) -> impl DoubleEndedIterator<Item = &Call> {
        let calls = self.calls.iter().filter(move |call| call.cloud == cloud);
        calls.filter(move |call| call.label.as_ref().is_some_and(|(of, _)| of == id))
    }

    /// A key was said to have made nothing.
    fn resolved_to_nothing(&mut self, who: &str, number: usize, key: &str, truth: &Inside) {
        let Call { cloud, verb, began, .. } = self.calls[number];
        let kind = if verb == Verb::ResolveSnapshot { Kind::Snapshot } else { Kind::Instance };
        let there = existing(truth, cloud, kind);
        // What came while it was looking, or is shown after some reads only, need not be seen.
        let known = self.facts.iter().filter(|fact| fact.cloud == cloud && fact.kind == kind && fact.ended.is_none());
        let known = known.filter(|fact| fact.at < began && !fact.is_hidden);
        let lives = known.filter(|fact| {
            there.iter().any(|there| there.id == fact.id && !there.ending && self.is_of_key(fact, &there.name, key))
        });
        let old = lives.filter(|fact| fact.at.elapsed() > LAG).map(|fact| fact.id.clone()).next();
        if let Some(id) = old {
            self.find(format!("{who} says that {key} has made nothing, and {id} lives"));
        }
    }
}

fn fact_of<'a>(facts: &'a [Fact], cloud: &str, id: &str) -> Option<&'a Fact> {
    facts.iter().find(|fact| fact.cloud == cloud && fact.id == id)
}

/// What there is of a kind at a cloud.
pub(super) fn existing(truth: &Inside, cloud: &str, kind: Kind) -> Vec<Resource> {
    let mut all = if kind == Kind::Snapshot { truth.snapshots() } else { truth.instances() };
    all.retain(|resource| resource.provider == cloud);
    all
}

/// The end of a lease: the latest, where there are several.
fn expiry(resource: &Resource) -> Option<i64> {
    let label = resource.labels.get(crate::provider::EXPIRES_KEY).and_then(|label| label.parse().ok());
    // DigitalOcean's labels are tags.
    let prefix = format!("{}:", crate::provider::EXPIRES_KEY);
    let tags = resource.labels.keys().filter_map(|tag| tag.strip_prefix(&prefix)?.parse().ok());
    label.into_iter().chain(tags).max()
}

#[cfg(test)]
mod tests;
