//! An account at a cloud: its instances, images, actions and keys, each of which stores when it
//! changes.
//!
//! Holds the state that all clouds share; each room adds its cloud's names and formats.

mod action;
mod fingerprint;
mod image;
mod ledger;
mod machine;
mod visibility;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use chrono::TimeDelta;

use super::clock::{Moment, delta, times};
use super::fault::{Effects, Fault};
use super::inspect::{BillLine, Kind, Resource};
use super::options::{Options, Timings};

pub(super) use action::{Action, Progress};
pub(super) use fingerprint::fingerprint;
pub(super) use image::{Architecture, Image, NewImage};
use ledger::Ledger;
pub(super) use ledger::{Rate, Rounding};
pub(super) use machine::{Machine, NewMachine, Power, Size};
use visibility::Visibility;

/// An SSH key of the account.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) fingerprint: String,
    pub(super) public_key: String,
    pub(super) created: Moment,
}

/// The resources of an account. All ids come from one sequence, so each is unique.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) provider: &'static str,
    pub(super) timings: Timings,
    pub(super) rng: fastrand::Rng,
    pub(super) keys: Vec<Key>,
    /// Whether name lookups ignore case.
    pub(super) fold_names: bool,
    /// Formats an id for the bill and the reported resources.
    ids: fn(Kind, u64) -> String,
    /// How long an instance that is gone can still be read.
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

impl Account {
    pub(super) fn new(
        provider: &'static str,
        options: &Options,
        ids: fn(Kind, u64) -> String,
        remembered: TimeDelta,
    ) -> Self {
        // Each cloud has its own random sequence, so that a request to one does not affect another.
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

    /// Applies the account's jitter to a duration.
    pub(super) fn take(&mut self, duration: std::time::Duration) -> TimeDelta {
        let jitter = self.timings.jitter;
        let factor = (1.0 + jitter * self.rng.f64().mul_add(2.0, -1.0)).max(0.0);
        times(duration, factor)
    }

    /// Removes instances that are gone and can no longer be read. Called before each request.
    pub(super) fn sweep(&mut self, now: Moment) {
        while let Some(Reverse((moment, id))) = self.ends.peek().copied()
            && moment <= now
        {
            self.ends.pop();
            // An instance that was to vanish may have been destroyed since, and then is gone at
            // another time.
            let gone = self.machines.get(&id).and_then(Machine::gone_at);
            if gone.is_none_or(|gone| gone + self.remembered > now) {
                continue;
            }
            let Some(machine) = self.machines.remove(&id) else { continue };
            self.unname(&machine.name, id);
            for action in self.machine_actions.remove(&id).unwrap_or_default() {
                // Actions stay readable after their instance is removed, so that clients can read
                // its deletion; the limit bounds the memory.
                if self.actions.len() > 100_000 {
                    self.actions.remove(&action);
                }
            }
        }
    }

    // Machines.

    /// Whether the quota allows no more instances.
    pub(super) fn quota_reached(&self, now: Moment) -> bool {
        self.quota_left(now) == 0
    }

    /// Number of instances that the quota still allows.
    pub(super) fn quota_left(&self, now: Moment) -> usize {
        if self.quota == usize::MAX {
            return usize::MAX;
        }
        self.quota
            .saturating_sub(self.machines.values().filter(|machine| machine.exists(now)).count())
    }

    /// Creates an instance and its create action. The caller has checked the cloud's rules.
    pub(super) fn launch(
        &mut self,
        new: NewMachine,
        action: &'static str,
        now: Moment,
        effects: Effects,
    ) -> (u64, Action) {
        let id = self.next_id();
        let timings = self.timings;
        let up = now + self.take(timings.boot);
        let fails = effects.is(Fault::ActionFails);
        let ends = (!effects.is(Fault::StuckCreating)).then_some(up);
        let mut machine = Machine::new(id, new, now);
        machine.visibility = Visibility::later(&timings, now, effects);
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

    /// Returns an instance if a read by id shows it now. Counts as a read if it is hidden.
    pub(super) fn read_machine(&mut self, id: u64, now: Moment) -> Option<&Machine> {
        let machine = self.machines.get_mut(&id)?;
        machine.visibility.reads(now).then_some(&*machine)
    }

    /// Returns the instances that a list shows now, oldest first. Counts as a read of each hidden
    /// one.
    pub(super) fn list_machines(&mut self, now: Moment) -> impl Iterator<Item = &Machine> {
        self.machines
            .values_mut()
            .filter_map(move |machine| machine.visibility.lists(now).then_some(&*machine))
    }

    /// Like [`list_machines`](Self::list_machines), but only of the instances that `wanted`
    /// selects: only these count as read.
    pub(super) fn list_machines_where(
        &mut self,
        now: Moment,
        wanted: impl Fn(&Machine) -> bool,
    ) -> impl Iterator<Item = &Machine> {
        let machines = self.machines.values_mut().filter(move |machine| wanted(machine));
        machines.filter_map(move |machine| machine.visibility.lists(now).then_some(&*machine))
    }

    /// All instances, whether or not a client can see them.
    pub(super) fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.machines.values()
    }

    fn name_key<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if self.fold_names { Cow::Owned(name.to_lowercase()) } else { Cow::Borrowed(name) }
    }

    /// Returns the instances of exactly this name that a list shows now.
    pub(super) fn list_named(&mut self, name: &str, now: Moment) -> Vec<&Machine> {
        let ids = self.by_name.get(self.name_key(name).as_ref()).cloned().unwrap_or_default();
        let shown: Vec<u64> = ids
            .into_iter()
            .filter(|id| {
                self.machines.get_mut(id).is_some_and(|machine| machine.visibility.lists(now))
            })
            .collect();
        shown.iter().filter_map(|id| self.machines.get(id)).collect()
    }

    /// Whether a list shows an instance now. Counts as a read if it is hidden.
    pub(super) fn lists_machine(&mut self, id: u64, now: Moment) -> bool {
        self.machines.get_mut(&id).is_some_and(|machine| machine.visibility.lists(now))
    }

    /// Instances from this id on, oldest first, whether or not a client can see them.
    pub(super) fn machines_from(&self, id: u64) -> impl Iterator<Item = &Machine> {
        self.machines.range(id..).map(|(_, machine)| machine)
    }

    /// Number of instances kept, including those that are gone and still readable.
    pub(super) fn machine_count(&self) -> usize {
        self.machines.len()
    }

    /// The ids of the instances of exactly this name, whether or not a client can see them.
    pub(super) fn ids_named(&self, name: &str) -> &[u64] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns an instance, whether or not a client can see it.
    pub(super) fn machine(&self, id: u64) -> Option<&Machine> {
        self.machines.get(&id)
    }

    /// Returns an instance for changes, whether or not a client can see it. To change its name,
    /// call [`rename`](Self::rename).
    pub(super) fn machine_mut(&mut self, id: u64) -> Option<&mut Machine> {
        self.machines.get_mut(&id)
    }

    /// Returns an existing instance of this name, whether or not a client can see it.
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

    /// Moves an instance through state `by` into state `to`, and returns the action. The action
    /// locks the instance until it ends.
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
        let back = machine.power(now);
        let gone = machine.gone_at();
        machine.plan(now, by);
        machine.plan(ends, if fails { back } else { to });
        // An instance that is to vanish still does, at the end of the action at the earliest.
        if let Some(gone) = gone {
            machine.plan(gone.max(ends), Power::Gone);
        }
        machine.locked_until = ends;
        let region = machine.region;
        Some(self.act(action, id, None, region, now, Some(ends), fails))
    }

    /// Destroys an instance, and returns the action.
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

    /// Schedules the end of the charge and the removal of an instance that is going to vanish.
    fn note_end(&mut self, id: u64) {
        if let Some(gone) = self.machines.get(&id).and_then(Machine::gone_at) {
            self.end_charge(Kind::Instance, id, gone);
            self.ends.push(Reverse((gone + self.remembered, id)));
        }
    }

    // Actions.

    /// Starts an action.
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

    /// The actions of an instance, oldest first.
    pub(super) fn actions_of(&self, machine: u64) -> impl DoubleEndedIterator<Item = &Action> {
        self.machine_actions
            .get(&machine)
            .into_iter()
            .flatten()
            .filter_map(|id| self.actions.get(id))
    }

    // Images.

    /// Adds a public image of the cloud.
    pub(super) fn publish(&mut self, new: NewImage, now: Moment) -> u64 {
        let id = self.next_id();
        self.images.insert(id, Image::new(id, new, now, Some(now)));
        id
    }

    /// Creates a snapshot of an instance, and returns its id and the action. The instance is locked
    /// for the snapshot's duration.
    pub(super) fn snapshot(
        &mut self,
        machine: u64,
        new: NewImage,
        action: &'static str,
        rate: Rate,
        now: Moment,
        effects: Effects,
    ) -> (u64, Action) {
        let id = self.next_id();
        let timings = self.timings;
        let done = now + self.take(timings.snapshot);
        let fails = effects.is(Fault::ActionFails);
        let ends = (!effects.is(Fault::StuckCreating)).then_some(done);
        let mut image = Image::new(id, new, now, ends);
        image.failed = fails;
        image.visibility = Visibility::later(&timings, now, effects);
        self.images.insert(id, image);
        self.charge(Kind::Snapshot, id, "", now, rate);
        let mut region = "";
        if let Some(machine) = self.machines.get_mut(&machine) {
            machine.locked_until = done;
            region = machine.region;
        }
        (id, self.act(action, machine, Some(id), region, now, ends, fails))
    }

    /// Returns an image if a read by id shows it now. Counts as a read if it is hidden.
    pub(super) fn read_image(&mut self, id: u64, now: Moment) -> Option<&Image> {
        let image = self.images.get_mut(&id)?;
        image.visibility.reads(now).then_some(&*image)
    }

    /// Returns the images that `wanted` selects and a list shows now, oldest first. Counts as a
    /// read of each hidden one.
    pub(super) fn list_images_where(
        &mut self,
        now: Moment,
        wanted: impl Fn(&Image) -> bool,
    ) -> impl Iterator<Item = &Image> {
        let images = self.images.values_mut().filter(move |image| wanted(image));
        images.filter_map(move |image| image.visibility.lists(now).then_some(&*image))
    }

    /// Whether a list would show an image now. Does not count as a read.
    pub(super) fn shows_image(&self, id: u64, now: Moment) -> bool {
        self.images.get(&id).is_some_and(|image| image.visibility.would_list(now))
    }

    /// Whether a list shows an image now. Counts as a read if it is hidden.
    pub(super) fn lists_image(&mut self, id: u64, now: Moment) -> bool {
        self.images.get_mut(&id).is_some_and(|image| image.visibility.lists(now))
    }

    /// All images, whether or not a client can see them.
    pub(super) fn images(&self) -> impl Iterator<Item = &Image> {
        self.images.values()
    }

    /// Returns an image, whether or not a client can see it.
    pub(super) fn image(&self, id: u64) -> Option<&Image> {
        self.images.get(&id)
    }

    /// Returns an image for changes, whether or not a client can see it.
    pub(super) fn image_mut(&mut self, id: u64) -> Option<&mut Image> {
        self.images.get_mut(&id)
    }

    /// Deletes a snapshot at once, and returns it.
    pub(super) fn delete_image(&mut self, id: u64, now: Moment) -> Option<Image> {
        let image = self.images.remove(&id)?;
        self.end_charge(Kind::Snapshot, id, now);
        Some(image)
    }

    // Reporting.

    /// Starts a charge for a resource.
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

    /// Ends the charge for a resource, unless it has already ended earlier.
    pub(super) fn end_charge(&mut self, kind: Kind, id: u64, until: Moment) {
        self.ledger.end(kind, id, until);
    }

    pub(super) fn bill(&self, now: Moment) -> impl Iterator<Item = BillLine> {
        self.ledger.lines(self.provider, self.ids, now)
    }

    /// The existing instances, with their states named by `state`.
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

    /// The existing snapshots, with their states named by `state`. The cloud's public images are
    /// not included.
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
