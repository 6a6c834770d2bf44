//! Counts which operations met which faults, with which outcomes.

use std::collections::BTreeMap;
use std::fmt;

use super::plan::{FAULTS, OUTAGES, fault_name};
use super::verb::{Verb, WEIGHTS};

/// How often each operation met each fault, by outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<(&'static str, Verb), BTreeMap<String, u64>>);

impl Coverage {
    pub(super) fn add(&mut self, verb: Verb, fault: &'static str, outcome: &str) {
        *self.0.entry((fault, verb)).or_default().entry(outcome.to_string()).or_default() += 1;
    }

    /// Adds the counts of another run.
    pub fn merge(&mut self, other: &Self) {
        for (cell, outcomes) in &other.0 {
            let mine = self.0.entry(*cell).or_default();
            for (outcome, count) in outcomes {
                *mine.entry(outcome.clone()).or_default() += count;
            }
        }
    }

    /// Returns the pairs of operation and fault that can meet and have met fewer than `often`
    /// times, with their counts.
    pub fn rarer_than(&self, often: u64) -> Vec<(Verb, &'static str, u64)> {
        let verbs = WEIGHTS.map(|(verb, _)| verb);
        let faults = FAULTS.iter().flat_map(|fault| {
            verbs
                .iter()
                .filter(|verb| verb.can_meet(*fault))
                .map(|verb| (*verb, fault_name(*fault)))
        });
        let outages =
            OUTAGES.iter().flat_map(|outage| verbs.iter().map(|verb| (*verb, outage.name())));
        let met =
            |verb, fault| self.0.get(&(fault, verb)).map_or(0, |outcomes| outcomes.values().sum());
        let cells = faults.chain(outages).map(|(verb, fault)| (verb, fault, met(verb, fault)));
        cells.filter(|(_, _, count)| *count < often).collect()
    }
}

/// Writes a line for each fault and operation: the total, and the count of each outcome.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = "";
        for ((fault, verb), outcomes) in &self.0 {
            if *fault != last {
                writeln!(f, "{fault}")?;
                last = fault;
            }
            let told: Vec<_> =
                outcomes.iter().map(|(outcome, count)| format!("{outcome} {count}")).collect();
            writeln!(
                f,
                "  {:24}{:>8}  {}",
                verb.name(),
                outcomes.values().sum::<u64>(),
                told.join(", ")
            )?;
        }
        Ok(())
    }
}
