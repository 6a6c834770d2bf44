//! Volumes: create at a launch, read, delete.
//!
//! A volume that is not deleted with its instance remains and is billed.

use super::super::account::{Machine, Power};
use super::super::clock::Moment;
use super::super::inspect::Kind;
use super::Ec2;
use super::call::Call;
use super::catalogue::{self, ACCOUNT};
use super::filters::{Filters, on_tags};
use super::holdings::{Attachment, Tags, Volume};
use super::ids;
use super::page::Window;
use super::problem::{Outcome, Problem};
use super::publish;
use super::xml::Xml;

/// A requested volume.
struct Wanted {
    device: String,
    gib: u32,
    kind: &'static str,
    snapshot: Option<String>,
    ends_with_machine: bool,
    encrypted: bool,
}

/// The volumes of a launch.
pub(super) struct Disks {
    pub(super) root_device: &'static str,
    wanted: Vec<Wanted>,
}

impl Disks {
    /// Reads the image's volumes with the request's changes, and the request's additional volumes.
    pub(super) fn read(backend: &Ec2, call: &Call<'_>, image: u64) -> Outcome<Self> {
        let mut disks = Self::of_image(backend, image)?;
        for number in call.params.numbers("BlockDeviceMapping") {
            disks.add(call, &format!("BlockDeviceMapping.{number}"))?;
        }
        Ok(disks)
    }

    fn of_image(backend: &Ec2, id: u64) -> Outcome<Self> {
        let image = backend.account.image(id).ok_or_else(|| Problem::missing("ImageId"))?;
        let snapshot = |id: u64| Some(ids::of_kind(Kind::DiskSnapshot, id));
        if let Some(ami) = backend.amis.get(&id) {
            let wanted = ami.mappings.iter().map(|mapping| Wanted {
                device: mapping.device.clone(),
                gib: mapping.gib,
                kind: mapping.kind,
                snapshot: snapshot(mapping.stored),
                ends_with_machine: mapping.ends_with_machine,
                encrypted: false,
            });
            return Ok(Self { root_device: ami.root_device, wanted: wanted.collect() });
        }
        let publisher = publish::publisher(image);
        let root = Wanted {
            device: publisher.root_device.to_string(),
            gib: publisher.root_gib,
            kind: publish::root_kind(image),
            snapshot: snapshot(id),
            ends_with_machine: true,
            encrypted: false,
        };
        Ok(Self { root_device: publisher.root_device, wanted: vec![root] })
    }

    /// Reads one mapping of the request. A device that the image lacks is an additional volume.
    fn add(&mut self, call: &Call<'_>, prefix: &str) -> Outcome<()> {
        let params = &call.params;
        let name = |part: &str| format!("{prefix}.{part}");
        let device = params.need(&name("DeviceName"))?;
        let known = self.wanted.iter().position(|wanted| wanted.device == device);
        if params.is_set(&name("NoDevice")) {
            self.wanted.retain(|wanted| wanted.device != device);
            return Ok(());
        }
        // Instance store volumes are not simulated.
        if params.get(&name("VirtualName")).is_some() {
            return Ok(());
        }
        let size = params.number(&name("Ebs.VolumeSize"))?;
        let kind = params.get(&name("Ebs.VolumeType")).map(|kind| {
            let message = || format!("Invalid volume type: '{kind}'");
            catalogue::disk(kind).map(|disk| disk.name).ok_or_else(|| Problem::value(message()))
        });
        let kind = kind.transpose()?;
        let ends_with_machine = params.flag(&name("Ebs.DeleteOnTermination"))?;
        let encrypted = params.flag(&name("Ebs.Encrypted"))?;
        let invalid = |message: String| Problem::new("InvalidBlockDeviceMapping", message);
        if let Some(gib) = size.filter(|gib| !(1..=65_536).contains(gib)) {
            return Err(invalid(format!("Volume of size {gib}GB is not between 1GB and 65536GB")));
        }
        match known.and_then(|at| self.wanted.get_mut(at)) {
            Some(wanted) => {
                if let Some(gib) = size.filter(|gib| *gib < wanted.gib) {
                    let (snapshot, least) =
                        (wanted.snapshot.as_deref().unwrap_or_default(), wanted.gib);
                    let message = format!(
                        "Volume of size {gib}GB is smaller than snapshot '{snapshot}', expect size \
                         >= {least}GB"
                    );
                    return Err(invalid(message));
                }
                wanted.gib = size.unwrap_or(wanted.gib);
                wanted.kind = kind.unwrap_or(wanted.kind);
                wanted.ends_with_machine = ends_with_machine.unwrap_or(wanted.ends_with_machine);
                wanted.encrypted = encrypted.unwrap_or(wanted.encrypted);
            }
            None => {
                let gib = size.ok_or_else(|| Problem::missing("size or snapshotId"))?;
                self.wanted.push(Wanted {
                    device: device.to_string(),
                    gib,
                    kind: kind.unwrap_or("gp2"),
                    snapshot: None,
                    ends_with_machine: ends_with_machine.unwrap_or_default(),
                    encrypted: encrypted.unwrap_or_default(),
                });
            }
        }
        Ok(())
    }

    /// Creates the volumes of an instance.
    pub(super) fn make(
        &self,
        backend: &mut Ec2,
        call: &Call<'_>,
        machine: u64,
        zone: usize,
        tags: &Tags,
    ) -> Vec<u64> {
        let make = |wanted: &Wanted| {
            let id = backend.account.next_id();
            let volume = Volume {
                machine,
                device: wanted.device.clone(),
                region: call.region.name,
                zone: call.region.zone(zone),
                gib: wanted.gib,
                kind: wanted.kind,
                snapshot: wanted.snapshot.clone(),
                ends_with_machine: wanted.ends_with_machine,
                encrypted: wanted.encrypted,
                created: call.now,
                tags: tags.clone(),
            };
            if let Some(disk) = catalogue::disk(wanted.kind) {
                backend.account.charge(Kind::Disk, id, disk.name, call.now, disk.rate(wanted.gib));
            }
            backend.volumes.insert(id, volume);
            id
        };
        self.wanted.iter().map(make).collect()
    }
}

/// Whether a volume remains after its instance, which is terminated or terminating.
pub(super) fn outlives(volume: &Volume, machine: Option<&Machine>, now: Moment) -> bool {
    let ends =
        machine.is_none_or(|machine| matches!(machine.power(now), Power::Deleting | Power::Gone));
    ends && !volume.ends_with_machine
}

impl Ec2 {
    /// Returns an existing volume of the region.
    pub(super) fn find_volume(&self, call: &Call<'_>, text: &str) -> Outcome<u64> {
        let malformed = || {
            Problem::value(format!(
                "Value ({text}) for parameter volumeId is invalid. Expected: 'vol-...'."
            ))
        };
        let id = ids::read("vol-", text).thing(malformed)?;
        let missing = || {
            Problem::new("InvalidVolume.NotFound", format!("The volume '{text}' does not exist."))
        };
        let found = id.and_then(|id| self.volumes.get(&id).map(|volume| (id, volume)));
        let found = found.filter(|(_, volume)| {
            volume.region == call.region.name
                && self.attachment(volume, call.now) != Attachment::Gone
        });
        found.map(|(id, _)| id).ok_or_else(missing)
    }

    fn attachment(&self, volume: &Volume, now: Moment) -> Attachment {
        volume.attachment(self.account.machine(volume.machine), now)
    }

    fn in_volume(
        &self,
        id: u64,
        volume: &Volume,
        now: Moment,
        name: &str,
        is: &dyn Fn(&str) -> bool,
    ) -> bool {
        let attached = self.attachment(volume, now) == Attachment::InUse;
        match name {
            "volume-id" => is(&ids::of_kind(Kind::Disk, id)),
            "volume-type" => is(volume.kind),
            "size" => is(&volume.gib.to_string()),
            "status" => is(if attached { "in-use" } else { "available" }),
            "availability-zone" => is(&volume.zone),
            "snapshot-id" => volume.snapshot.as_deref().is_some_and(is),
            "attachment.instance-id" => {
                attached && is(&ids::of_kind(Kind::Instance, volume.machine))
            }
            "attachment.device" => attached && is(&volume.device),
            "attachment.delete-on-termination" => {
                attached && is(if volume.ends_with_machine { "true" } else { "false" })
            }
            "attachment.status" => attached && is("attached"),
            "encrypted" => is(if volume.encrypted { "true" } else { "false" }),
            _ => on_tags(
                volume.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())),
                name,
                is,
            ),
        }
    }
}

const FILTERS: [&str; 13] = [
    "volume-id",
    "volume-type",
    "size",
    "status",
    "availability-zone",
    "snapshot-id",
    "attachment.instance-id",
    "attachment.device",
    "attachment.delete-on-termination",
    "attachment.status",
    "encrypted",
    "tag",
    "tag-key",
];

pub(super) fn describe(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let asked = call.params.list("VolumeId");
    let asked: Vec<u64> =
        asked.iter().map(|text| backend.find_volume(call, text)).collect::<Outcome<_>>()?;
    let filters = Filters::read(&call.params, &FILTERS)?;
    let window = Window::read(&call.params, call.effects, (5, 1000))?;
    let here = backend.volumes.iter().filter(|(id, volume)| {
        volume.region == call.region.name
            && (asked.is_empty() || asked.contains(id))
            && backend.attachment(volume, call.now) != Attachment::Gone
            && filters.hold(|name, is| backend.in_volume(**id, volume, call.now, name, is))
    });
    let page = window.page(here.map(|(id, volume)| (*id, (*id, volume))));
    xml.set("volumeSet", page.items, |xml, (id, volume)| {
        let name = ids::of_kind(Kind::Disk, id);
        let attached = backend.attachment(volume, call.now) == Attachment::InUse;
        xml.text("volumeId", &name);
        xml.value("size", volume.gib);
        xml.text("snapshotId", volume.snapshot.as_deref().unwrap_or_default());
        xml.text("availabilityZone", &volume.zone);
        xml.text("status", if attached { "in-use" } else { "available" });
        xml.time("createTime", volume.created);
        xml.set("attachmentSet", attached.then_some(()), |xml, ()| {
            xml.text("volumeId", &name);
            xml.text("instanceId", &ids::of_kind(Kind::Instance, volume.machine));
            xml.text("device", &volume.device);
            xml.text("status", "attached");
            xml.time("attachTime", volume.created);
            xml.flag("deleteOnTermination", volume.ends_with_machine);
        });
        xml.tags("tagSet", volume.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        xml.text("volumeType", volume.kind);
        if let Some(iops) = catalogue::disk(volume.kind).and_then(|disk| disk.iops) {
            xml.value("iops", iops);
        }
        if volume.kind == "gp3" {
            xml.value("throughput", 125);
        }
        xml.flag("encrypted", volume.encrypted);
        xml.flag("multiAttachEnabled", false);
        xml.text("ownerId", ACCOUNT);
        xml.within("operator", |xml| xml.flag("managed", false));
    });
    xml.maybe("nextToken", page.next.as_deref());
    Ok(())
}

pub(super) fn delete(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let text = call.params.need("VolumeId")?;
    let id = backend.find_volume(call, text)?;
    if let Some(volume) = backend
        .volumes
        .get(&id)
        .filter(|volume| backend.attachment(volume, call.now) == Attachment::InUse)
    {
        let machine = ids::of_kind(Kind::Instance, volume.machine);
        return Err(Problem::new(
            "VolumeInUse",
            format!("Volume {text} is currently attached to {machine}"),
        ));
    }
    backend.volumes.remove(&id);
    backend.account.end_charge(Kind::Disk, id, call.now);
    xml.flag("return", true);
    Ok(())
}
