//! Records the true state, call by call, and compares it with what callers were told: a difference
//! is a finding.
//!
//! This file holds the true state, and checks whether each create and destroy is allowed. `answers`
//! checks results, `labels` checks labels and leases.
//!
//! The name of each instance in a run identifies its call or its key.

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

/// Within this time two processes may create two instances under one key at DigitalOcean: only a
/// lookup prevents the second, and lists lag.
const AT_ONCE: Duration = Duration::from_secs(35);

/// An instance or snapshot made in a run.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) cloud: &'static str,
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) name: String,
    /// Whether some reads did not show it, at any time.
    pub(super) is_hidden: bool,
    pub(super) region: String,
    /// Creation time by its cloud's calendar, in seconds since 1970.
    pub(super) created: i64,
    /// The call that made it.
    pub(super) call: usize,
    pub(super) at: Instant,
    /// When its destroy was accepted, and from which call.
    pub(super) ended: Option<Instant>,
    pub(super) ended_by: Option<usize>,
    /// The calls that returned it, and whether as newly made.
    pub(super) given: Vec<(usize, bool)>,
}

/// What a caller was told about one instance or snapshot.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fate {
    Given(String),
    /// It failed, and the error names what may exist.
    Left(String),
    /// It failed with the key of an unknown outcome.
    Unknown(String),
    /// It failed: nothing was made, or it was destroyed.
    Nothing,
}

/// An operation that was begun.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) verb: Verb,
    pub(super) cloud: &'static str,
    pub(super) program: u64,
    pub(super) owner: String,
    /// The names to create.
    pub(super) names: Vec<String>,
    pub(super) key: Option<String>,
    /// Whether its results stay when its caller leaves.
    pub(super) keeps: bool,
    /// The ids to destroy.
    pub(super) targets: Vec<String>,
    /// The instance to label, and the label; and whether the call reported success.
    pub(super) label: Option<(String, (String, String))>,
    pub(super) has_written: bool,
    pub(super) began: Instant,
    pub(super) ended: Option<Instant>,
    /// Whether its future was dropped, or its program killed.
    pub(super) has_left: bool,
    pub(super) is_killed: bool,
    /// Whether a cloud accepted its destroy, which failed later.
    pub(super) is_deceived: bool,
    /// Of a reap: the lease end of each instance and snapshot, as listed.
    pub(super) leases: BTreeMap<String, i64>,
    /// The outcome for each name.
    pub(super) fates: Vec<Fate>,
    /// The faults that its requests met.
    pub(super) faults: BTreeSet<&'static str>,
}

impl Call {
    /// Returns an operation begun now that creates, destroys and labels nothing.
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
    /// The latest time that the programs' calendar has shown, in seconds since 1970.
    latest: i64,
}

impl Judge {
    fn find(&mut self, finding: String) {
        self.findings.push(finding);
    }

    /// Formats a call for a message.
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

    /// Records a request that has arrived at a cloud.
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
        // Delayed requests arrive at another pace, and absurd headers say that there is no limit.
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
        // A destroy is done once the cloud accepts it: the caller cannot know that it fails later.
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

    /// Records the time that the programs' calendar shows.
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
        let of = &self.calls[call];
        let who = self.show(call);
        let place = of.names.iter().position(|wanted| wanted == name);
        // At EC2 each instance of a batch gets its name once all exist.
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
        let verb = self.calls[call].verb;
        let is_told = self.calls[call].targets.contains(id);
        let given = self.calls[call].fates.iter().any(|fate| *fate == Fate::Given(id.clone()));
        let has_left = self.calls[call].has_left;
        let Some(fact) = self.fact_mut(cloud, id) else {
            return self.find(format!("{who} has ended {id} ({name}), which no call had made"));
        };
        fact.ended = fact.ended.or(Some(now));
        fact.ended_by = fact.ended_by.or(Some(call));
        if is_told {
            return;
        }
        let maker = fact.call;
        let takers = fact.given.clone();
        let created = fact.created;
        if verb == Verb::Reap {
            // A renewal after the reap's read is too late.
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
        // It made the instance, which was not ready: callers that share the key know that it may
        // end.
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

    /// Whether another program has made this snapshot at DigitalOcean, where only a name leads to
    /// one.
    pub(super) fn is_anothers(&self, cloud: &str, id: &str, program: u64) -> bool {
        let fact = self
            .fact(cloud, id)
            .filter(|fact| fact.kind == Kind::Snapshot && account_of(cloud).0 == "digitalocean");
        fact.is_some_and(|fact| self.calls[fact.call].program != program)
    }

    /// Whether a snapshot's key may lead to a snapshot of a program other than the resolver or the
    /// one that received the key; or, if nothing was made under it, to any that other programs have
    /// begun, or that its own maker does not know yet.
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

    /// Whether something was made under a key: an idempotency key, or that of an unknown outcome.
    pub(super) fn is_of_key(&self, fact: &Fact, name: &str, key: &str) -> bool {
        let call = &self.calls[fact.call];
        let mut fates = call.names.iter().zip(&call.fates);
        call.key.as_deref() == Some(key)
            || fates.any(|(wanted, fate)| wanted == name && *fate == Fate::Unknown(key.to_string()))
    }

    /// Whether a program's lists read the region of a resource: at EC2 those configured, and those
    /// in which the program has made something and not destroyed it. It cannot know that an
    /// accepted destroy was not carried out, nor of resources that the cloud does not show.
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

/// Returns the existing resources of a kind at a cloud.
pub(super) fn existing(truth: &Inside, cloud: &str, kind: Kind) -> Vec<Resource> {
    let mut all = if kind == Kind::Snapshot { truth.snapshots() } else { truth.instances() };
    all.retain(|resource| resource.provider == cloud);
    all
}

/// Returns the end of a lease: the latest, if there are several.
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
