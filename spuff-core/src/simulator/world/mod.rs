//! An account at a cloud: its machines, images, actions and keys, each of which knows when it
//! changes.
//!
//! Holds what is the same at every cloud; what a cloud calls it and how it shows it is its room's.

mod action;
mod fingerprint;
mod image;
mod ledger;
mod machine;
mod sight;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use chrono::TimeDelta;

use super::clock::{Moment, delta, times};
use super::fault::{Effects, Fault};
use super::options::{Options, Timings};
use super::truth::{BillLine, Kind, Resource};

pub(super) use action::{Action, Progress};
pub(super) use fingerprint::fingerprint;
pub(super) use image::{Architecture, Image, NewImage};
use ledger::Ledger;
pub(super) use ledger::{Rate, Rounding};
pub(super) use machine::{Machine, NewMachine, Power, Size};
use sight::Sight;

/// An SSH key of the account.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) fingerprint: String,
    pub(super) public_key: String,
    pub(super) created: Moment,
}

/// What an account holds. Ids come from one sequence, so that no two things share one.
#[derive(Debug)]
pub(super) struct World {
    pub(super) provider: &'static str,
    pub(super) timings: Timings,
    pub(super) rng: fastrand::Rng,
    pub(super) keys: Vec<Key>,
    /// Whether names are looked up without regard to upper and lower case.
    pub(super) fold_names: bool,
    /// What the bill and the truth call a machine, an image and a disk snapshot.
    ids: fn(Kind, u64) -> String,
    /// How long a machine that is gone can still be read.
    remembered: TimeDelta,
    quota: usize,
    machines: BTreeMap<u64, Machine>,
    by_name: HashMap<String, Vec<u64>>,
    images: BTreeMap<u64, Image>,
    actions: BTreeMap<u64, Action>,
    machine_actions: HashMap<u64, Vec<u64>>,
    ledger: Ledger,
    ends: BinaryHeap<Reverse<(Moment, u64)>>,
    last_id: u64,
}

impl World {
    pub(super) fn new(
        provider: &'static str,
        options: &Options,
        ids: fn(Kind, u64) -> String,
        remembered: TimeDelta,
    ) -> Self {
        // Each cloud has chances of its own, so that one more request to one does not change
        // another.
        let salt = provider
            .bytes()
            .fold(0_u64, |salt, byte| salt.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Self {
            provider,
            timings: options.timings_of(provider),
            rng: fastrand::Rng::with_seed(options.seed ^ salt),
            keys: Vec::new(),
            fold_names: false,
            ids,
            remembered,
            quota: options.quota,
            machines: BTreeMap::new(),
            by_name: HashMap::new(),
            images: BTreeMap::new(),
            actions: BTreeMap::new(),
            machine_actions: HashMap::new(),
            ledger: Ledger::default(),
            ends: BinaryHeap::new(),
            last_id: options.first_id,
        }
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A duration with the account's jitter.
    pub(super) fn take(&mut self, duration: std::time::Duration) -> TimeDelta {
        let jitter = self.timings.jitter;
        let factor = (1.0 + jitter * self.rng.f64().mul_add(2.0, -1.0)).max(0.0);
        times(duration, factor)
    }

    /// Forgets what has ended and can no longer be read. To be called before each request.
    pub(super) fn sweep(&mut self, now: Moment) {
        while let Some(Reverse((moment, id))) = self.ends.peek().copied()
            && moment <= now
        {
            self.ends.pop();
            // One that was to vanish of itself may have been destroyed since, and is then gone at
            // another time.
            let gone = self.machines.get(&id).and_then(Machine::gone_at);
            if gone.is_none_or(|gone| gone + self.remembered > now) {
                continue;
            }
            let Some(machine) = self.machines.remove(&id) else { continue };
            self.unname(&machine.name, id);
            for action in self.machine_actions.remove(&id).unwrap_or_default() {
                // An action can be read for a while longer than its machine: the last of them tells
                // of the end.
                if self.actions.len() > 100_000 {
                    self.actions.remove(&action);
                }
            }
        }
    }

    // Machines.

    /// Whether one more would be too many.
    pub(super) fn quota_reached(&self, now: Moment) -> bool {
        self.quota_left(now) == 0
    }

    /// How many more there may be.
    pub(super) fn quota_left(&self, now: Moment) -> usize {
        if self.quota == usize::MAX {
            return usize::MAX;
        }
        self.quota
            .saturating_sub(self.machines.values().filter(|machine| machine.exists(now)).count())
    }

    /// Makes a machine, with the action that makes it. The cloud's rules have been checked before.
    pub(super) fn launch(
        &mut self,
        new: NewMachine,
        action: &'static str,
        now: Moment,
        effects: Effects,
    ) -> (u64, Action) {
        let (id, timings) = (self.next_id(), self.timings);
        let up = now + self.take(timings.boot);
        let fails = effects.is(Fault::ActionFails);
        let ends = (!effects.is(Fault::StuckCreating)).then_some(up);
        let mut machine = Machine::new(id, new, now);
        machine.sight = Sight::later(&timings, now, effects);
        machine.failed = fails;
        machine.locked_until = up;
        if ends.is_some() {
            machine.plan(up, if fails { Power::Gone } else { Power::Running });
        }
        if let Some(after) = effects.vanishes_after() {
            machine.plan(now + delta(after), Power::Gone);
        }
        let rate = machine.size.rate;
        let from = if matches!(rate.rounding, Rounding::Running) { up } else { now };
        self.charge(Kind::Instance, id, machine.size.name, from, rate);
        if ends.is_none() && matches!(rate.rounding, Rounding::Running) {
            self.end_charge(Kind::Instance, id, up);
        }
        self.by_name.entry(self.name_key(&machine.name).into_owned()).or_default().push(id);
        let region = machine.region;
        self.machines.insert(id, machine);
        self.note_end(id);
        (id, self.act(action, id, None, region, now, ends, fails))
    }

    /// A machine that can be read by its id now. Counts as a read of one that is hidden for some.
    pub(super) fn read_machine(&mut self, id: u64, now: Moment) -> Option<&Machine> {
        let machine = self.machines.get_mut(&id)?;
        machine.sight.reads(now).then_some(&*machine)
    }

    /// Machines that a list shows now, oldest first. Counts as a read of each that is hidden for
    /// some.
    pub(super) fn list_machines(&mut self, now: Moment) -> impl Iterator<Item = &Machine> {
        self.machines
            .values_mut()
            .filter_map(move |machine| machine.sight.lists(now).then_some(&*machine))
    }

    /// As [`list_machines`](Self::list_machines), of those that `wanted` picks: only these have
    /// been looked at.
    pub(super) fn list_machines_where(
        &mut self,
        now: Moment,
        wanted: impl Fn(&Machine) -> bool,
    ) -> impl Iterator<Item = &Machine> {
        let machines = self.machines.values_mut().filter(move |machine| wanted(machine));
        machines.filter_map(move |machine| machine.sight.lists(now).then_some(&*machine))
    }

    /// Every machine, whether or not it can be seen.
    pub(super) fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.machines.values()
    }

    fn name_key<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if self.fold_names { Cow::Owned(name.to_lowercase()) } else { Cow::Borrowed(name) }
    }

    /// Machines of that exact name that a list shows now.
    pub(super) fn list_named(&mut self, name: &str, now: Moment) -> Vec<&Machine> {
        let ids = self.by_name.get(self.name_key(name).as_ref()).cloned().unwrap_or_default();
        let shown: Vec<u64> = ids
            .into_iter()
            .filter(|id| self.machines.get_mut(id).is_some_and(|machine| machine.sight.lists(now)))
            .collect();
        shown.iter().filter_map(|id| self.machines.get(id)).collect()
    }

    /// Whether a list shows a machine now. Counts as a read of one that is hidden for some.
    pub(super) fn lists_machine(&mut self, id: u64, now: Moment) -> bool {
        self.machines.get_mut(&id).is_some_and(|machine| machine.sight.lists(now))
    }

    /// Machines from that id on, oldest first, whether or not they can be seen.
    pub(super) fn machines_from(&self, id: u64) -> impl Iterator<Item = &Machine> {
        self.machines.range(id..).map(|(_, machine)| machine)
    }

    /// How many machines are remembered.
    pub(super) fn machine_count(&self) -> usize {
        self.machines.len()
    }

    /// The ids of the machines of exactly that name, whether or not they can be seen.
    pub(super) fn ids_named(&self, name: &str) -> &[u64] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// A machine, whether or not it can be seen.
    pub(super) fn machine(&self, id: u64) -> Option<&Machine> {
        self.machines.get(&id)
    }

    /// A machine to change, whether or not it can be seen. Its name is changed by
    /// [`rename`](Self::rename).
    pub(super) fn machine_mut(&mut self, id: u64) -> Option<&mut Machine> {
        self.machines.get_mut(&id)
    }

    /// A machine of that name that exists, whether or not it can be seen.
    pub(super) fn named(&self, name: &str, now: Moment) -> Option<&Machine> {
        let ids = self.by_name.get(self.name_key(name).as_ref()).into_iter().flatten();
        ids.filter_map(|id| self.machines.get(id)).find(|machine| machine.exists(now))
    }

    pub(super) fn rename(&mut self, id: u64, name: &str) {
        if let Some(machine) = self.machines.get_mut(&id) {
            let old = std::mem::replace(&mut machine.name, name.to_string());
            self.unname(&old, id);
            self.by_name.entry(self.name_key(name).into_owned()).or_default().push(id);
        }
    }

    fn unname(&mut self, name: &str, id: u64) {
        let name = self.name_key(name);
        if let Some(ids) = self.by_name.get_mut(name.as_ref()) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_name.remove(name.as_ref());
            }
        }
    }

    /// Brings a machine into a state by way of another, with the action that does so. While that
    /// lasts it is locked.
    pub(super) fn power(
        &mut self,
        id: u64,
        action: &'static str,
        (by, to): (Power, Power),
        now: Moment,
        effects: Effects,
    ) -> Option<Action> {
        let power = self.timings.power;
        let ends = now + self.take(power);
        let fails = effects.is(Fault::ActionFails);
        let machine = self.machines.get_mut(&id)?;
        let (back, gone) = (machine.power(now), machine.gone_at());
        machine.plan(now, by);
        machine.plan(ends, if fails { back } else { to });
        // One that is to vanish does so whatever is done to it.
        if let Some(gone) = gone {
            machine.plan(gone.max(ends), Power::Gone);
        }
        machine.locked_until = ends;
        let region = machine.region;
        Some(self.act(action, id, None, region, now, Some(ends), fails))
    }

    /// Ends a machine, with the action that does so.
    pub(super) fn destroy(
        &mut self,
        id: u64,
        action: &'static str,
        now: Moment,
        effects: Effects,
    ) -> Option<Action> {
        let duration = self.timings.destroy;
        let ends = now + self.take(duration);
        let fails = effects.is(Fault::ActionFails);
        let machine = self.machines.get_mut(&id)?;
        let region = machine.region;
        machine.locked_until = ends;
        if !fails {
            machine.states.retain(|(moment, _)| *moment <= now);
            machine.plan(now, Power::Deleting);
            machine.plan(ends, Power::Gone);
            self.end_charge(Kind::Instance, id, now);
            self.ends.push(Reverse((ends + self.remembered, id)));
        }
        Some(self.act(action, id, None, region, now, Some(ends), fails))
    }

    /// Stops the charge of a machine that will be gone of itself, at that time.
    fn note_end(&mut self, id: u64) {
        if let Some(gone) = self.machines.get(&id).and_then(Machine::gone_at) {
            self.end_charge(Kind::Instance, id, gone);
            self.ends.push(Reverse((gone + self.remembered, id)));
        }
    }

    // Actions.

    /// Begins an action.
    #[allow(clippy::too_many_arguments, reason = "all that an action is")]
    pub(super) fn act(
        &mut self,
        kind: &'static str,
        machine: u64,
        image: Option<u64>,
        region: &'static str,
        started: Moment,
        ends: Option<Moment>,
        fails: bool,
    ) -> Action {
        let action =
            Action { id: self.next_id(), kind, machine, image, region, started, ends, fails };
        self.actions.insert(action.id, action.clone());
        self.machine_actions.entry(machine).or_default().push(action.id);
        action
    }

    pub(super) fn action(&self, id: u64) -> Option<&Action> {
        self.actions.get(&id)
    }

    pub(super) fn action_mut(&mut self, id: u64) -> Option<&mut Action> {
        self.actions.get_mut(&id)
    }

    /// All actions, oldest first.
    pub(super) fn actions(&self) -> impl DoubleEndedIterator<Item = &Action> {
        self.actions.values()
    }

    /// The actions of a machine, oldest first.
    pub(super) fn actions_of(&self, machine: u64) -> impl DoubleEndedIterator<Item = &Action> {
        self.machine_actions
            .get(&machine)
            .into_iter()
            .flatten()
            .filter_map(|id| self.actions.get(id))
    }

    // Images.

    /// Adds an image of the cloud's own.
    pub(super) fn publish(&mut self, new: NewImage, now: Moment) -> u64 {
        let id = self.next_id();
        self.images.insert(id, Image::new(id, new, now, Some(now)));
        id
    }

    /// Takes a snapshot of a machine, with the action that does so. The machine is locked while
    /// that lasts.
    pub(super) fn snapshot(
        &mut self,
        machine: u64,
        new: NewImage,
        action: &'static str,
        rate: Rate,
        now: Moment,
        effects: Effects,
    ) -> (u64, Action) {
        let (id, timings) = (self.next_id(), self.timings);
        let done = now + self.take(timings.snapshot);
        let fails = effects.is(Fault::ActionFails);
        let ends = (!effects.is(Fault::StuckCreating)).then_some(done);
        let mut image = Image::new(id, new, now, ends);
        image.failed = fails;
        image.sight = Sight::later(&timings, now, effects);
        self.images.insert(id, image);
        self.charge(Kind::Snapshot, id, "", now, rate);
        let mut region = "";
        if let Some(machine) = self.machines.get_mut(&machine) {
            machine.locked_until = done;
            region = machine.region;
        }
        (id, self.act(action, machine, Some(id), region, now, ends, fails))
    }

    /// An image that can be read by its id now. Counts as a read of one that is hidden for some.
    pub(super) fn read_image(&mut self, id: u64, now: Moment) -> Option<&Image> {
        let image = self.images.get_mut(&id)?;
        image.sight.reads(now).then_some(&*image)
    }

    /// Images that a list shows now, oldest first, of those that `wanted` picks. Counts as a read
    /// of each of these that is hidden for some.
    pub(super) fn list_images_where(
        &mut self,
        now: Moment,
        wanted: impl Fn(&Image) -> bool,
    ) -> impl Iterator<Item = &Image> {
        let images = self.images.values_mut().filter(move |image| wanted(image));
        images.filter_map(move |image| image.sight.lists(now).then_some(&*image))
    }

    /// Whether a list would show an image now. Counts as no look.
    pub(super) fn shows_image(&self, id: u64, now: Moment) -> bool {
        self.images.get(&id).is_some_and(|image| image.sight.would_list(now))
    }

    /// Whether a list shows an image now. Counts as a read of one that is hidden for some.
    pub(super) fn lists_image(&mut self, id: u64, now: Moment) -> bool {
        self.images.get_mut(&id).is_some_and(|image| image.sight.lists(now))
    }

    /// Every image, whether or not it can be seen.
    pub(super) fn images(&self) -> impl Iterator<Item = &Image> {
        self.images.values()
    }

    /// An image, whether or not it can be seen.
    pub(super) fn image(&self, id: u64) -> Option<&Image> {
        self.images.get(&id)
    }

    /// An image to change, whether or not it can be seen.
    pub(super) fn image_mut(&mut self, id: u64) -> Option<&mut Image> {
        self.images.get_mut(&id)
    }

    /// Deletes a snapshot at once; gives it back.
    pub(super) fn delete_image(&mut self, id: u64, now: Moment) -> Option<Image> {
        let image = self.images.remove(&id)?;
        self.end_charge(Kind::Snapshot, id, now);
        Some(image)
    }

    // Truth.

    /// Begins to charge for something.
    pub(super) fn charge(
        &mut self,
        kind: Kind,
        id: u64,
        size: &'static str,
        from: Moment,
        rate: Rate,
    ) {
        self.ledger.begin(kind, id, size, from, rate);
    }

    /// Ends the charge for something, unless it has ended before.
    pub(super) fn end_charge(&mut self, kind: Kind, id: u64, until: Moment) {
        self.ledger.end(kind, id, until);
    }

    pub(super) fn bill(&self, now: Moment) -> impl Iterator<Item = BillLine> {
        self.ledger.lines(self.provider, self.ids, now)
    }

    /// Machines that exist, by what `state` calls their state.
    pub(super) fn instances(
        &self,
        now: Moment,
        state: impl Fn(&Machine) -> &'static str,
    ) -> Vec<Resource> {
        let existing = self.machines.values().filter(|machine| machine.exists(now));
        existing
            .map(|machine| Resource {
                provider: self.provider.to_string(),
                kind: Kind::Instance,
                id: (self.ids)(Kind::Instance, machine.id),
                name: machine.name.clone(),
                region: machine.region.to_string(),
                state: state(machine).to_string(),
                ending: machine.power(now) == Power::Deleting,
                created_at: machine.created,
                labels: machine.labels.clone(),
            })
            .collect()
    }

    /// Snapshots that exist, by what `state` calls their state; images of the cloud's own are not
    /// among them.
    pub(super) fn snapshots(&self, state: impl Fn(&Image) -> &'static str) -> Vec<Resource> {
        let own = self.images.values().filter(|image| !image.public);
        own.map(|image| Resource {
            provider: self.provider.to_string(),
            kind: Kind::Snapshot,
            id: (self.ids)(Kind::Snapshot, image.id),
            name: image.name.clone(),
            region: image.regions.first().copied().unwrap_or_default().to_string(),
            state: state(image).to_string(),
            ending: false,
            created_at: image.created,
            labels: image.labels.clone(),
        })
        .collect()
    }
}
