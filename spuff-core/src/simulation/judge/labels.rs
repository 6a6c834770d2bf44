//! Checks labels, and leases, which are labels.

use std::time::Duration;

use tokio::time::Instant;

use super::super::verb::Verb;
use super::{Call, Judge};
use crate::provider::ProviderInstance;

/// After this time a request that has left has arrived.
const LATE: Duration = Duration::from_secs(60);
/// Within this time a successful reap reads again what it destroys.
const READ_AGAIN: Duration = Duration::from_secs(20);

impl Call {
    /// Whether its requests may arrive after its end.
    fn may_come_late(&self) -> bool {
        self.has_left
            || self.is_killed
            || self.faults.iter().any(|fact| fact.starts_with("network"))
    }

    /// Returns when its writes are certainly done; `None` while it runs.
    fn written(&self) -> Option<Instant> {
        self.ended.map(|ended| if self.may_come_late() { ended + LATE } else { ended })
    }

    fn overlaps(&self, other: &Self) -> bool {
        let is_before =
            |one: &Self, other: &Self| one.written().is_some_and(|ended| ended <= other.began);
        !is_before(self, other) && !is_before(other, self)
    }
}

impl Judge {
    /// Returns the end of a renewed lease that a reap must have seen.
    pub(super) fn renewed(&self, cloud: &str, id: &str, reap: usize) -> Option<i64> {
        // A reap whose requests met a fault need not have seen it.
        let is_hindered = self.calls[reap].faults.iter().any(|fault| *fault != "locked");
        let renewals: Vec<&Call> =
            self.labels_of(cloud, id).filter(|call| call.verb == Verb::Renew).collect();
        let is_told = |call: &&Call| {
            call.has_written && call.ended.is_some_and(|ended| ended.elapsed() > READ_AGAIN)
        };
        let told = renewals.iter().rposition(is_told).filter(|_| !is_hindered)?;
        // A concurrent or later renewal may have written too: after the clock was set back, or for
        // a shorter time, an earlier end. Of one that failed after its write the end is not known.
        let may_hold = |(at, call): &(usize, &&Call)| *at >= told || call.overlaps(renewals[told]);
        let held = renewals.iter().enumerate().filter(may_hold);
        let ends: Option<Vec<i64>> =
            held.map(|(_, call)| call.label.as_ref()?.1.1.parse().ok()).collect();
        ends?.into_iter().min()
    }

    /// Checks that in the end an instance has the labels set on it, except those that another call
    /// may have written at the same time.
    pub(in super::super) fn labelled(&mut self, cloud: &str, machine: &ProviderInstance) {
        let mut findings = Vec::new();
        let calls: Vec<&Call> = self.labels_of(cloud, &machine.id).collect();
        for (at, call) in calls.iter().enumerate() {
            let Some((_, (key, value))) = &call.label else { continue };
            let others =
                calls.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| *other);
            let mut is_alone = true;
            let mut is_last = true;
            for other in others {
                let has_turns = other.program == call.program && !other.may_come_late();
                is_alone &= has_turns || !other.overlaps(call);
                let is_before = other.written().is_some_and(|ended| ended <= call.began);
                is_last &= is_before || other.label.as_ref().is_none_or(|(_, (of, _))| of != key);
            }
            if !call.has_written || !is_alone {
                continue;
            }
            match machine.labels.get(key) {
                None => findings.push(format!(
                    "{cloud}: {} has lost its label {key}, which was put on it: {value}",
                    machine.id
                )),
                Some(other) if is_last && other != value => {
                    findings.push(format!(
                        "{cloud}: {} has the label {key} {other}, and was given {value}",
                        machine.id
                    ));
                }
                Some(_) => {}
            }
        }
        findings.into_iter().for_each(|finding| self.find(finding));
    }

    /// Returns the calls that label an instance, by their start.
    fn labels_of(&self, cloud: &str, id: &str) -> impl DoubleEndedIterator<Item = &Call> {
        let calls = self.calls.iter().filter(move |call| call.cloud == cloud);
        calls.filter(move |call| call.label.as_ref().is_some_and(|(of, _)| of == id))
    }
}
