//! Terminating, stopping, starting and rebooting instances.

use std::net::Ipv4Addr;

use super::super::account::{Machine, Power};
use super::super::clock::{Moment, delta};
use super::super::fault::Fault;
use super::super::inspect::Kind;
use super::call::Call;
use super::problem::{Outcome, Problem};
use super::state::{PENDING, SHUTTING_DOWN, of_machine};
use super::xml::Xml;
use super::{Ec2, catalogue, ids, show};

type State = (u16, &'static str);
/// Maximum instances in one terminate request.
const MAX_IDS: usize = 1000;
const STOPPING: State = (64, "stopping");

/// Writes the instances, each with its current and previous state.
fn show_changes(xml: &mut Xml, changes: Vec<(u64, State, State)>) {
    xml.set("instancesSet", changes, |xml, (id, current, previous)| {
        xml.text("instanceId", &ids::of_kind(Kind::Instance, id));
        show::code_and_name(xml, "currentState", current);
        show::code_and_name(xml, "previousState", previous);
    });
}

fn wrong_state(id: u64, what: &str) -> Problem {
    let id = ids::of_kind(Kind::Instance, id);
    let message = format!("The instance '{id}' is not in a state from which it can be {what}.");
    Problem::new("IncorrectInstanceState", message)
}

impl Ec2 {
    /// Ends the charges that end with an instance.
    pub(super) fn settle(&mut self, id: u64, at: Moment) {
        self.account.end_charge(Kind::Address, id, at);
        for volume in self.launches.get(&id).into_iter().flat_map(|launch| &launch.volumes) {
            if self.volumes.get(volume).is_some_and(|volume| volume.ends_with_machine) {
                self.account.end_charge(Kind::Disk, *volume, at);
            }
        }
    }

    /// Returns the instances' states; refuses if one of them is not allowed.
    fn states(
        &self,
        machines: &[u64],
        now: Moment,
        what: &str,
        allowed: impl Fn(Power) -> bool,
    ) -> Outcome<Vec<(u64, Power, State)>> {
        let state_of = |id: &u64| {
            let machine = self.account.machine(*id).ok_or_else(|| wrong_state(*id, what))?;
            let power = machine.power(now);
            if allowed(power) {
                Ok((*id, power, of_machine(machine, now)))
            } else {
                Err(wrong_state(*id, what))
            }
        };
        machines.iter().map(state_of).collect()
    }
}

pub(super) fn terminate(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    if call.params.list("InstanceId").len() > MAX_IDS {
        return Err(Problem::value(format!("The maximum number of instance IDs is {MAX_IDS}")));
    }
    let asked = backend.need_machines(call)?;
    for id in &asked {
        let protected = backend.launches.get(id).is_some_and(|launch| launch.protected)
            || call.effects.is(Fault::Locked);
        if protected && backend.account.machine(*id).is_some_and(|machine| machine.exists(call.now))
        {
            let id = ids::of_kind(Kind::Instance, *id);
            let message = format!(
                "The instance '{id}' may not be terminated. Modify its 'disableApiTermination' \
                 instance attribute and try again."
            );
            return Err(Problem::new("OperationNotPermitted", message));
        }
    }
    let mut changes = Vec::new();
    for (id, power, previous) in backend.states(&asked, call.now, "terminated", |_| true)? {
        if matches!(power, Power::Deleting | Power::Gone) {
            changes.push((id, previous, previous));
            continue;
        }
        changes.push((id, SHUTTING_DOWN, previous));
        let ended = backend.account.destroy(id, "TerminateInstances", call.now, call.effects);
        if ended.is_some_and(|action| !action.fails) {
            backend.settle(id, call.now);
            if let Some(launch) = backend.launches.get_mut(&id) {
                launch.ended_by_user = true;
            }
        }
    }
    show_changes(xml, changes);
    Ok(())
}

pub(super) fn stop(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let asked = backend.need_machines(call)?;
    let can_stop = |power| {
        matches!(power, Power::Running | Power::Stopping | Power::Off)
            && !call.effects.is(Fault::Locked)
    };
    let mut changes = Vec::new();
    for (id, power, previous) in backend.states(&asked, call.now, "stopped", can_stop)? {
        if power != Power::Running {
            changes.push((id, previous, previous));
            continue;
        }
        changes.push((id, STOPPING, previous));
        let stopped = backend.account.power(
            id,
            "StopInstances",
            (Power::Stopping, Power::Off),
            call.now,
            call.effects,
        );
        if stopped.is_some_and(|action| !action.fails) {
            backend.account.end_charge(Kind::Instance, id, call.now);
            backend.account.end_charge(Kind::Address, id, call.now);
        }
    }
    show_changes(xml, changes);
    Ok(())
}

pub(super) fn start(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let asked = backend.need_machines(call)?;
    let can_start = |power| {
        matches!(power, Power::Off | Power::Running | Power::Booting | Power::Starting)
            && !call.effects.is(Fault::Locked)
    };
    let states = backend.states(&asked, call.now, "started", can_start)?;
    if call.effects.is(Fault::CapacityOut) {
        return Err(
            Problem::new("InsufficientInstanceCapacity", "Insufficient capacity.").with_status(500)
        );
    }
    let mut changes = Vec::new();
    for (id, power, previous) in states {
        if power != Power::Off {
            changes.push((id, previous, previous));
            continue;
        }
        changes.push((id, PENDING, previous));
        let started = backend.account.power(
            id,
            "StartInstances",
            (Power::Starting, Power::Running),
            call.now,
            call.effects,
        );
        let Some(action) = started.filter(|action| !action.fails) else { continue };
        let running = action.ends.unwrap_or(call.now);
        let address = another_address(backend.account.next_id());
        let Some(machine) = backend.account.machine_mut(id) else { continue };
        let size = machine.size;
        let public = machine.ipv4.is_some();
        let gone = machine.gone_at();
        machine.ipv4 = machine.ipv4.map(|_| address);
        backend.account.charge(Kind::Instance, id, size.name, running, size.rate);
        if public {
            backend.account.charge(Kind::Address, id, "", running, catalogue::ADDRESS);
        }
        if let Some(gone) = gone {
            backend.account.end_charge(Kind::Instance, id, gone);
            backend.settle(id, gone);
        }
        if let Some(launch) = backend.launches.get_mut(&id) {
            (launch.started, launch.booted) = (call.now, running);
        }
    }
    show_changes(xml, changes);
    Ok(())
}

/// The public address of an id; the range is not routed.
fn another_address(id: u64) -> Ipv4Addr {
    let low = u32::try_from(id % (1 << 17)).unwrap_or_default();
    (u32::from(Ipv4Addr::new(198, 18, 0, 0)) | low).into()
}

/// Reboots instances: the state does not change, only the status checks show it.
pub(super) fn reboot(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let asked = backend.need_machines(call)?;
    let can_reboot =
        |power| matches!(power, Power::Running | Power::Booting) && !call.effects.is(Fault::Locked);
    for (id, ..) in backend.states(&asked, call.now, "rebooted", can_reboot)? {
        backend.restart(id, call.now);
    }
    xml.flag("return", true);
    Ok(())
}

impl Ec2 {
    /// Reboots a running instance without changing its state.
    pub(super) fn restart(&mut self, id: u64, now: Moment) {
        let takes = self.account.take(self.timings.power);
        let runs =
            self.account.machine(id).is_some_and(|machine| machine.power(now) == Power::Running);
        if let Some(launch) = self.launches.get_mut(&id).filter(|_| runs) {
            launch.booted = now + takes;
        }
    }

    /// Whether a running instance has passed the checks of its last boot.
    pub(super) fn has_passed_checks(&self, machine: &Machine, now: Moment) -> bool {
        let booted = self.launches.get(&machine.id).map_or(machine.created, |launch| launch.booted);
        machine.power(now) == Power::Running
            && booted.max(machine.since(now)) + delta(self.timings.power) <= now
    }
}
