//! What is true, call by call, and what was said: where the two differ, that is a finding.
//!
//! Here: what is true, and whether what is made and ended may be. What callers are told is judged
//! in `answers`, what becomes of labels and leases in `labels`.
//!
//! Each machine that a run makes has a name that tells which call, or which key, it is of.

mod answers;
mod labels;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::plan::{Plan, REGIONS, fault_name, is_apt};
use super::program::OLD;
use super::verb::Verb;
use crate::per_process::Program;
use crate::simulator::{Fault, Inside, Kind, Resource, Route, Served, account_of};

/// Within this time two processes may make two machines under one key at DigitalOcean, where only
/// looking keeps the second out, and lists lag.
const AT_ONCE: Duration = Duration::from_secs(35);

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
    /// A verb that is begun now, to make, end and label nothing.
    pub(super) fn begun(verb: Verb, cloud: &'static str, program: u64, owner: String) -> Self {
        Self {
            verb,
            cloud,
            program,
            owner,
            names: Vec::new(),
            key: None,
            keeps: false,
            targets: Vec::new(),
            label: None,
            has_written: false,
            began: Instant::now(),
            ended: None,
            has_left: false,
            is_killed: false,
            is_deceived: false,
            leases: BTreeMap::new(),
            fates: Vec::new(),
            faults: BTreeSet::new(),
        }
    }
}

/// The judge of a run.
#[derive(Debug, Default)]
pub(super) struct Judge {
    pub(super) facts: Vec<Fact>,
    pub(super) calls: Vec<Call>,
    pub(super) findings: Vec<String>,
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
    pub(super) fn served(
        &mut self,
        served: &Served,
        by: Option<Program>,
        rates: bool,
        calendar: i64,
        truth: &Inside,
    ) {
        let now = Instant::now();
        self.has_shown(calendar);
        if let Some(call) =
            by.map(|by| by.call).filter(|call| self.calls[*call].cloud != served.provider)
        {
            let who = self.show(call);
            self.find(format!("{who} has asked {} {}", served.provider, served.route));
        }
        if let (Some(fault), Some(by)) =
            (served.fault.filter(|fault| is_apt(*fault, served.route)), by)
        {
            self.calls[by.call].faults.insert(fault_name(fault));
        }
        // What the network holds back arrives at another pace, and headers beyond reason say that
        // there is no limit.
        let is_even = || {
            !self.calls.iter().any(|call| {
                call.faults.iter().any(|fault| matches!(*fault, "network late" | "header numbers"))
            })
        };
        let is_refused = served.fault.is_none() && matches!(served.status, 429 | 503);
        if is_refused && rates && is_even() {
            self.find(format!(
                "{}: a request was refused for its rate, though the program keeps to it",
                served.provider
            ));
        }
        if let (Some(by), Route::ListInstances | Route::ListSnapshots) = (by, served.route)
            && self.calls[by.call].verb == Verb::Reap
        {
            let kind =
                if served.route == Route::ListInstances { Kind::Instance } else { Kind::Snapshot };
            let leases = existing(truth, served.provider, kind)
                .into_iter()
                .filter_map(|there| Some((there.id.clone(), expiry(&there)?)));
            self.calls[by.call].leases.extend(leases);
        }
        // A destroy is done when the cloud has taken it: that it fails later is not to be known.
        if let (Some(Fault::ActionFails), Some(by), Route::DestroyInstance) =
            (served.fault, by, served.route)
        {
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

    fn made(
        &mut self,
        cloud: &'static str,
        resource: &Resource,
        by: Option<Program>,
        fault: Option<Fault>,
        truth: &Inside,
    ) {
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
            let is_keyed =
                of.key.is_some() && self.calls[fact.call].key == of.key && fact.kind == *kind;
            fact.cloud == cloud && fact.ended.is_none() && (is_same || is_keyed)
        });
        let twins: Vec<_> = twins.map(|fact| (fact.id.clone(), fact.at, fact.call)).collect();
        let mut findings = Vec::new();
        let live =
            self.facts.iter().filter(|fact| fact.call == call && fact.ended.is_none()).count();
        if live >= of.names.len() {
            let there = existing(truth, cloud, *kind);
            let live = self.facts.iter().filter(|fact| {
                fact.call == call && there.iter().any(|there| there.id == fact.id && !there.ending)
            });
            if live.count() >= of.names.len() {
                findings.push(format!("{who} has made more than it was asked for: {id} ({name})"));
            }
        }
        if place.is_none() && !is_unnamed {
            findings
                .push(format!("{who} has made {id} under a name that it was not given: {name}"));
        }
        if let Some(Fate::Nothing) = place.and_then(|place| of.fates.get(place))
            && !of.has_left
        {
            findings.push(format!(
                "{who} has failed and said that it made nothing, and then made {id} ({name})"
            ));
        }
        for (twin, at, other) in twins {
            let is_hidden = fact_of(&self.facts, cloud, &twin).is_some_and(|fact| fact.is_hidden);
            let only_looks = account_of(cloud).0 == "digitalocean";
            let is_apart = self.calls[other].program != number && only_looks;
            let between = (is_apart && now - at < AT_ONCE) || (is_hidden && only_looks);
            let exists =
                existing(truth, cloud, *kind).iter().any(|there| there.id == twin && !there.ending);
            if exists && !between {
                findings.push(format!(
                    "two of one: {who} has made {id} ({name}), and there is {twin} of {}",
                    self.show(other)
                ));
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

    fn ended(
        &mut self,
        cloud: &'static str,
        resource: &Resource,
        by: Option<Program>,
        now: Instant,
    ) {
        let Resource { id, name, kind, .. } = resource;
        if matches!(kind, Kind::DiskSnapshot | Kind::Disk | Kind::Address) {
            return;
        }
        let Some(Program { call, .. }) = by else {
            return self.find(format!("{cloud}: {id} ({name}) was ended by no call"));
        };
        let who = self.show(call);
        let (verb, is_told) = (self.calls[call].verb, self.calls[call].targets.contains(id));
        let (given, has_left) = (
            self.calls[call].fates.iter().any(|fate| *fate == Fate::Given(id.clone())),
            self.calls[call].has_left,
        );
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
                self.find(format!(
                    "{who} has reaped {id} ({name}), whose lease was renewed until {end}"
                ));
            }
            return;
        }
        if verb == Verb::ReapOld {
            let age = self.latest - created;
            if age < OLD.as_secs().cast_signed() {
                self.find(format!("{who} has reaped {id} ({name}), which is {age} s old"));
            }
            if self.calls[maker].owner != self.calls[call].owner {
                self.find(format!(
                    "{who} has reaped {id} ({name}), which is of {}",
                    self.calls[maker].owner
                ));
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
        let others: Vec<_> =
            takers.into_iter().map(|(taker, _)| taker).filter(|taker| *taker != call).collect();
        if let Some(other) = others.first() {
            let other = self.show(*other);
            self.find(format!("{who} has ended {id} ({name}), which {other} was given"));
        } else if given && !has_left {
            self.find(format!("{who} has ended {id} ({name}), which it had given to its caller"));
        }
    }

    /// Whether something is a snapshot of DigitalOcean, where a name is all that leads to one, that
    /// another program has made.
    pub(super) fn is_anothers(&self, cloud: &str, id: &str, program: u64) -> bool {
        let fact = self
            .fact(cloud, id)
            .filter(|fact| fact.kind == Kind::Snapshot && account_of(cloud).0 == "digitalocean");
        fact.is_some_and(|fact| self.calls[fact.call].program != program)
    }

    /// Whether a key of a snapshot may lead to what is another program's than that which resolves
    /// it, or which was told the key; or, where nothing was made under it, to whatever other
    /// programs have begun, and to what its own maker does not know yet.
    pub(super) fn may_be_taken_for_anothers(
        &self,
        cloud: &str,
        id: &str,
        key: &str,
        resolver: u64,
    ) -> bool {
        let teller =
            self.calls.iter().position(|call| call.fates.contains(&Fate::Unknown(key.to_string())));
        let has_made =
            teller.is_some_and(|teller| self.facts.iter().any(|fact| fact.call == teller));
        let programs =
            teller.map(|teller| self.calls[teller].program).into_iter().chain([resolver]);
        let mut others = programs.filter(|program| {
            self.is_anothers(cloud, id, *program)
                || (!has_made
                    && self.facts.iter().any(|fact| self.is_anothers(cloud, &fact.id, *program)))
        });
        let is_open = !has_made && self.fact(cloud, id).is_some_and(|fact| fact.given.is_empty());
        is_open || others.next().is_some()
    }

    /// Whether something was made under a key: a caller's own, or that of an outcome that was not
    /// known.
    pub(super) fn is_of_key(&self, fact: &Fact, name: &str, key: &str) -> bool {
        let call = &self.calls[fact.call];
        let mut fates = call.names.iter().zip(&call.fates);
        call.key.as_deref() == Some(key)
            || fates.any(|(wanted, fate)| wanted == name && *fate == Fate::Unknown(key.to_string()))
    }

    /// Whether the lists of a program read the region of something: at EC2 those that were said,
    /// and those in which the program itself has made something, and not destroyed it: that the
    /// cloud has accepted a destroy and not carried it out is not to be known, nor that what it
    /// does not show is there.
    pub(super) fn is_in_sight(&self, fact: &Fact, program: u64, plan: &Plan) -> bool {
        let is_read =
            fact.region == REGIONS[0] || plan.says_regions || account_of(fact.cloud).0 != "aws";
        let is_deceived =
            || self.calls.iter().any(|call| call.cloud == fact.cloud && call.is_deceived);
        is_read || (self.calls[fact.call].program == program && !fact.is_hidden && !is_deceived())
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
    let label = resource
        .labels
        .get(crate::provider::labels::EXPIRES_AT)
        .and_then(|label| label.parse().ok());
    // DigitalOcean's labels are tags.
    let prefix = format!("{}:", crate::provider::labels::EXPIRES_AT);
    let tags = resource.labels.keys().filter_map(|tag| tag.strip_prefix(&prefix)?.parse().ok());
    label.into_iter().chain(tags).max()
}

#[cfg(test)]
mod tests;
