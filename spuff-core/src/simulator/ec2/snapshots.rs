//! EBS snapshots: copies of volumes. An instance cannot boot from one, only from an AMI that is
//! based on it.
//!
//! Each is billed until it is deleted, even if its AMI is gone.

use chrono::TimeDelta;

use super::super::clock::{Moment, delta};
use super::super::fault::Fault;
use super::super::inspect::Kind;
use super::Ec2;
use super::call::Call;
use super::catalogue::{ACCOUNT, copy_rate};
use super::filters::{Filters, on_tags};
use super::holdings::Stored;
use super::ids;
use super::page::Window;
use super::problem::{Outcome, Problem};
use super::tags::Specifications;
use super::xml::Xml;

/// Minimum time between two concurrent snapshots of one volume.
const PAUSE: TimeDelta = TimeDelta::seconds(15);
/// Maximum concurrent snapshots of one volume.
const MAX_OF_VOLUME: usize = 5;
/// Maximum concurrent snapshots of an account in a region.
const MAX_PENDING: usize = 100;

/// The used part of a volume in hundredths of a GiB: a snapshot stores only this.
pub(super) fn used(gib: u32) -> u32 {
    gib.saturating_mul(30)
}

/// Checks whether one more snapshot of a volume may start.
pub(super) fn check_rate(backend: &Ec2, call: &Call<'_>, volume: u64) -> Outcome<()> {
    let now = call.now;
    let pending = || {
        backend
            .stored
            .values()
            .filter(|copy| copy.region == call.region.name && copy.status(now) == "pending")
    };
    let of_volume = || pending().filter(|copy| copy.volume == volume);
    if call.effects.is(Fault::QuotaReached) {
        return Err(Problem::new(
            "SnapshotLimitExceeded",
            "You have reached the maximum number of snapshots.",
        ));
    }
    if of_volume().any(|copy| now < copy.created + PAUSE) {
        let message = "The maximum per volume CreateSnapshot request rate has been exceeded. Use \
         an increasing or variable \
                       sleep interval between requests.";
        return Err(Problem::new("SnapshotCreationPerVolumeRateExceeded", message));
    }
    if of_volume().count() >= MAX_OF_VOLUME {
        let message =
            format!("Maximum allowed in-progress snapshots for volume exceeded: {MAX_OF_VOLUME}.");
        return Err(Problem::new("ConcurrentSnapshotLimitExceeded", message));
    }
    if pending().count() >= MAX_PENDING {
        let message = format!("Maximum allowed in-progress snapshots exceeded: {MAX_PENDING}.");
        return Err(Problem::new("PendingSnapshotLimitExceeded", message));
    }
    Ok(())
}

impl Ec2 {
    /// Stores a snapshot and starts its charge. The charge of one that fails ends when it fails.
    pub(super) fn keep_copy(&mut self, copy: Stored) -> u64 {
        let id = self.account.next_id();
        self.account.charge(Kind::DiskSnapshot, id, "", copy.created, copy_rate(copy.centi_gib));
        if let Some(ready) = copy.ready.filter(|_| copy.fails) {
            self.account.end_charge(Kind::DiskSnapshot, id, ready);
        }
        self.stored.insert(id, copy);
        id
    }

    pub(super) fn drop_copy(&mut self, id: u64, now: Moment) {
        self.stored.remove(&id);
        self.account.end_charge(Kind::DiskSnapshot, id, now);
    }

    /// Returns an existing snapshot of the region.
    pub(super) fn find_copy(&self, call: &Call<'_>, text: &str) -> Outcome<u64> {
        let malformed = || {
            let message = format!(
                "Value ({text}) for parameter snapshotId is invalid. Expected: 'snap-...'."
            );
            Problem::new("InvalidSnapshotID.Malformed", message)
        };
        let id = ids::read("snap-", text).thing(malformed)?;
        let found =
            id.filter(|id| self.stored.get(id).is_some_and(|copy| copy.region == call.region.name));
        found.ok_or_else(|| {
            Problem::new(
                "InvalidSnapshot.NotFound",
                format!("The snapshot '{text}' does not exist."),
            )
        })
    }
}

pub(super) fn create(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let volume = backend.find_volume(call, call.params.need("VolumeId")?)?;
    let mut specifications = Specifications::read(&call.params, &["snapshot"])?;
    check_rate(backend, call, volume)?;
    let gib = backend.volumes.get(&volume).map_or(1, |volume| volume.gib);
    let done = call.now + backend.account.take(backend.timings.snapshot);
    let copy = Stored {
        ami: None,
        free_from: None,
        volume,
        region: call.region.name,
        gib,
        centi_gib: used(gib),
        description: call.params.get("Description").unwrap_or_default().to_string(),
        created: call.now,
        listed_from: call.now + delta(backend.timings.list_lag),
        ready: (!call.effects.is(Fault::StuckCreating)).then_some(done),
        fails: call.effects.is(Fault::ActionFails),
        tags: specifications.take("snapshot"),
    };
    let id = backend.keep_copy(copy);
    if let Some(copy) = backend.stored.get(&id) {
        show(xml, id, copy, call.now);
    }
    Ok(())
}

fn show(xml: &mut Xml, id: u64, copy: &Stored, now: Moment) {
    xml.text("snapshotId", &ids::of_kind(Kind::DiskSnapshot, id));
    xml.text("volumeId", &ids::of_kind(Kind::Disk, copy.volume));
    xml.text("status", copy.status(now));
    xml.time("startTime", copy.created);
    if let Some(ready) = copy.ready.filter(|ready| *ready <= now && !copy.fails) {
        xml.time("completionTime", ready);
    }
    xml.text("progress", &format!("{}%", copy.percent(now)));
    xml.text("ownerId", ACCOUNT);
    xml.value("volumeSize", copy.gib);
    xml.text("description", &copy.description);
    xml.flag("encrypted", false);
    xml.text("storageTier", "standard");
    xml.value("fullSnapshotSizeInBytes", u64::from(copy.centi_gib) * (1 << 30) / 100);
    xml.tags("tagSet", copy.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
}

const FILTERS: [&str; 10] = [
    "description",
    "encrypted",
    "owner-id",
    "progress",
    "snapshot-id",
    "status",
    "tag",
    "tag-key",
    "volume-id",
    "volume-size",
];

fn in_copy(id: u64, copy: &Stored, now: Moment, name: &str, is: &dyn Fn(&str) -> bool) -> bool {
    match name {
        "description" => is(&copy.description),
        "encrypted" => is("false"),
        "owner-id" => is(ACCOUNT),
        "progress" => is(&format!("{}%", copy.percent(now))),
        "snapshot-id" => is(&ids::of_kind(Kind::DiskSnapshot, id)),
        "status" => is(copy.status(now)),
        "volume-id" => is(&ids::of_kind(Kind::Disk, copy.volume)),
        "volume-size" => is(&copy.gib.to_string()),
        _ => on_tags(copy.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())), name, is),
    }
}

pub(super) fn describe(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let asked = call.params.list("SnapshotId");
    let owners = call.params.list("Owner");
    let asked: Vec<u64> =
        asked.iter().map(|text| backend.find_copy(call, text)).collect::<Outcome<_>>()?;
    let filters = Filters::read(&call.params, &FILTERS)?;
    if !asked.is_empty() && call.params.has("MaxResults") {
        return Err(Problem::combination(
            "The parameter snapshotSet cannot be used with the parameter maxResults",
        ));
    }
    let window = Window::read(&call.params, call.effects, (5, 1000))?;
    // Snapshots of other accounts are not simulated.
    let own = owners.is_empty() || owners.iter().any(|owner| matches!(*owner, "self" | ACCOUNT));
    let here = backend.stored.iter().filter(|(id, copy)| {
        own && copy.region == call.region.name
            && if asked.is_empty() { copy.listed_from <= call.now } else { asked.contains(id) }
            && filters.hold(|name, is| in_copy(**id, copy, call.now, name, is))
    });
    let page = window.page(here.map(|(id, copy)| (*id, (*id, copy))));
    xml.set("snapshotSet", page.items, |xml, (id, copy)| show(xml, id, copy, call.now));
    xml.maybe("nextToken", page.next.as_deref());
    Ok(())
}

pub(super) fn delete(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let text = call.params.need("SnapshotId")?;
    let id = backend.find_copy(call, text)?;
    let copy = backend.stored.get(&id).and_then(|copy| copy.ami.map(|ami| (ami, copy.free_from)));
    let user = copy
        .filter(|(_, free_from)| free_from.is_none_or(|free| call.now < free))
        .map(|(ami, _)| ami);
    if user.is_some() || call.effects.is(Fault::Locked) {
        let user = user
            .or(copy.map(|(ami, _)| ami))
            .map(|ami| ids::of_kind(Kind::Snapshot, ami))
            .unwrap_or_default();
        let message = format!("The snapshot {text} is currently in use by {user}");
        return Err(Problem::new("InvalidSnapshot.InUse", message));
    }
    backend.drop_copy(id, call.now);
    xml.flag("return", true);
    Ok(())
}
