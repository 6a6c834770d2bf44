//! AMIs: create from an instance, read, deregister.
//!
//! Deregistering keeps an AMI's EBS snapshots, unless the request asks to delete them.

use super::super::account::{Image, NewImage, Power};
use super::super::clock::{Moment, delta};
use super::super::fault::Fault;
use super::super::inspect::Kind;
use super::call::Call;
use super::catalogue::FREE;
use super::filters::{Filters, on_tags};
use super::holdings::{Ami, Mapping, Stored};
use super::ids;
use super::page::Window;
use super::problem::{Outcome, Problem};
use super::publish;
use super::show;
use super::snapshots::{check_rate, used};
use super::tags::Specifications;
use super::xml::Xml;
use super::{Ec2, REMEMBERED, state};

fn check_name(name: &str) -> Outcome<()> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "()[] ./-'@_".contains(letter);
    if (3..=128).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    let message = "AMI names must be between 3 and 128 characters long, and may contain letters, \
     numbers, '(', ')', '[', ']', \
                   ' ', '.', '/', '-', ''', '@', and '_'";
    Err(Problem::new("InvalidAMIName.Malformed", message))
}

pub(super) fn create(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let params = &call.params;
    let now = call.now;
    let name = params.need("Name")?;
    let machine = backend.find_machine(call)?;
    check_name(name)?;
    let mut specifications = Specifications::read(params, &["image", "snapshot"])?;
    let no_reboot = params.flag("NoReboot")?.unwrap_or_default();
    let of_name = |image: &&Image| {
        !image.public && image.name == name && image.regions.contains(&call.region.name)
    };
    if let Some(other) = backend.account.images().find(of_name) {
        let message = format!(
            "AMI name {name} is already in use by AMI {}",
            ids::of_kind(Kind::Snapshot, other.id)
        );
        return Err(Problem::new("InvalidAMIName.Duplicate", message));
    }
    if call.effects.is(Fault::Locked) {
        let message = "Too many images of this instance are being created without a reboot.";
        return Err(Problem::new("ConcurrentCreateImageNoRebootLimitExceeded", message));
    }
    let id = {
        let found = backend
            .account
            .machine(machine)
            .filter(|found| matches!(found.power(now), Power::Running | Power::Off));
        let wrong = || {
            let id = ids::of_kind(Kind::Instance, machine);
            Problem::new(
                "IncorrectInstanceState",
                format!("Instance '{id}' is not in the 'running' or 'stopped' state"),
            )
        };
        let found = found.ok_or_else(wrong)?;
        for volume in backend.launches.get(&machine).into_iter().flat_map(|launch| &launch.volumes)
        {
            check_rate(backend, call, *volume)?;
        }
        let source = backend.account.image(found.image);
        let disks = backend.launches.get(&machine).into_iter().flat_map(|launch| &launch.volumes);
        let gib: u32 =
            disks.filter_map(|id| backend.volumes.get(id)).map(|volume| volume.gib).sum();
        let new = NewImage {
            name: name.to_string(),
            description: params.get("Description").unwrap_or_default().to_string(),
            distribution: source.map_or("ubuntu", |source| source.distribution),
            architecture: found.size.architecture,
            regions: vec![call.region.name],
            min_disk_gib: gib,
            size_centi_gib: used(gib),
            source: Some((machine, found.name.clone())),
            labels: specifications.take("image"),
            public: false,
        };
        backend.account.snapshot(machine, new, "CreateImage", FREE, now, call.effects).0
    };
    let tags = specifications.take("snapshot");
    let mappings = backend.copy_disks(call, machine, id, &tags);
    let root_device =
        backend.launches.get(&machine).map_or("/dev/sda1", |launch| launch.root_device);
    backend.amis.insert(id, Ami { root_device, mappings });
    if !no_reboot {
        backend.restart(machine, now);
    }
    xml.text("imageId", &ids::of_kind(Kind::Snapshot, id));
    Ok(())
}

impl Ec2 {
    /// Copies an instance's volumes for an AMI; the copies are ready when the AMI is.
    fn copy_disks(
        &mut self,
        call: &Call<'_>,
        machine: u64,
        ami: u64,
        tags: &super::holdings::Tags,
    ) -> Vec<Mapping> {
        let image = self.account.image(ami);
        let (ready, fails) = image.map_or((None, false), |image| (image.ready_at(), image.failed));
        let volumes =
            self.launches.get(&machine).map(|launch| launch.volumes.clone()).unwrap_or_default();
        let of = ids::of_kind(Kind::Instance, machine);
        let to = ids::of_kind(Kind::Snapshot, ami);
        let mut mappings = Vec::new();
        for volume in volumes {
            let Some(disk) = self.volumes.get(&volume) else { continue };
            let (device, gib, kind, ends_with_machine) =
                (disk.device.clone(), disk.gib, disk.kind, disk.ends_with_machine);
            let copy = Stored {
                ami: Some(ami),
                free_from: None,
                volume,
                region: call.region.name,
                gib,
                centi_gib: used(gib),
                description: format!("Created by CreateImage({of}) for {to}"),
                created: call.now,
                listed_from: call.now + delta(self.timings.list_lag),
                ready,
                fails,
                tags: tags.clone(),
            };
            let stored = self.keep_copy(copy);
            mappings.push(Mapping { device, stored, gib, kind, ends_with_machine });
        }
        mappings
    }
}

const FILTERS: [&str; 17] = [
    "architecture",
    "block-device-mapping.snapshot-id",
    "creation-date",
    "description",
    "image-id",
    "image-type",
    "is-public",
    "name",
    "owner-alias",
    "owner-id",
    "root-device-name",
    "root-device-type",
    "source-instance-id",
    "state",
    "tag",
    "tag-key",
    "virtualization-type",
];

impl Ec2 {
    fn in_image(&self, image: &Image, now: Moment, name: &str, is: &dyn Fn(&str) -> bool) -> bool {
        let publisher = publish::publisher(image);
        match name {
            "architecture" => is(publish::architecture_of(image)),
            "block-device-mapping.snapshot-id" => {
                let mappings =
                    self.amis.get(&image.id).map(|ami| ami.mappings.as_slice()).unwrap_or_default();
                mappings.iter().any(|mapping| is(&ids::of_kind(Kind::DiskSnapshot, mapping.stored)))
            }
            "creation-date" => is(&image.created.format("%Y-%m-%dT%H:%M:%S.000Z").to_string()),
            "description" => is(&image.description),
            "image-id" => is(&ids::of_kind(Kind::Snapshot, image.id)),
            "image-type" => is("machine"),
            "is-public" => is(if image.public { "true" } else { "false" }),
            "name" => is(&image.name),
            "owner-alias" => image.public && publisher.alias.is_some_and(is),
            "owner-id" => is(publish::owner(image)),
            "root-device-name" => {
                is(self.amis.get(&image.id).map_or(publisher.root_device, |ami| ami.root_device))
            }
            "root-device-type" => is("ebs"),
            "source-instance-id" => image
                .source
                .as_ref()
                .is_some_and(|(machine, _)| is(&ids::of_kind(Kind::Instance, *machine))),
            "state" => is(state::of_image(image, now)),
            "virtualization-type" => is("hvm"),
            _ => on_tags(
                image.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())),
                name,
                is,
            ),
        }
    }
}

fn is_owned(image: &Image, owners: &[&str]) -> bool {
    let owned = |owner: &&str| match *owner {
        "self" => !image.public,
        alias @ ("amazon" | "aws-marketplace" | "aws-backup-vault") => {
            image.public && publish::publisher(image).alias == Some(alias)
        }
        id => publish::owner(image) == id,
    };
    owners.is_empty() || owners.iter().any(owned)
}

pub(super) fn describe(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let params = &call.params;
    let asked = params.list("ImageId");
    let owners = params.list("Owner");
    let filters = Filters::read(params, &FILTERS)?;
    for flag in ["IncludeDeprecated", "IncludeDisabled"] {
        params.flag(flag)?;
    }
    let by_id: Vec<u64> =
        asked.iter().map(|text| backend.find_image(call, text)).collect::<Outcome<_>>()?;
    let window = Window::read(params, call.effects, (1, 1000))?;
    let passes = |backend: &Ec2, image: &Image| {
        is_owned(image, &owners)
            && image.regions.contains(&call.region.name)
            && filters.hold(|name, is| backend.in_image(image, call.now, name, is))
    };
    let (found, next) = if by_id.is_empty() {
        let page = window.page(
            backend
                .account
                .images()
                .filter(|image| passes(backend, image))
                .map(|image| (image.id, image.id)),
        );
        let seen: Vec<u64> = page
            .items
            .into_iter()
            .filter(|id| backend.account.lists_image(*id, call.now))
            .collect();
        (seen, page.next)
    } else {
        (
            by_id
                .into_iter()
                .filter(|id| backend.account.image(*id).is_some_and(|image| passes(backend, image)))
                .collect(),
            None,
        )
    };
    let found = found.iter().filter_map(|id| backend.account.image(*id));
    xml.set("imagesSet", found, |xml, image| show::image(xml, backend, image, call.now));
    xml.maybe("nextToken", next.as_deref());
    Ok(())
}

pub(super) fn deregister(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let text = call.params.need("ImageId")?;
    let with_copies = call.params.flag("DeleteAssociatedSnapshots")?.unwrap_or_default();
    let id = backend.find_image(call, text)?;
    if !backend.amis.contains_key(&id) {
        let message = format!("Not authorized for image:{text}");
        return Err(Problem::new("AuthFailure", message).with_status(403));
    }
    if call.effects.is(Fault::Locked) {
        let message = format!(
            "The image '{text}' cannot be deregistered because deregistration protection is \
             enabled."
        );
        return Err(Problem::new("OperationNotPermitted", message));
    }
    backend.account.delete_image(id, call.now);
    backend.deregistered.retain(|_, at| call.now < *at + REMEMBERED);
    backend.deregistered.insert(id, call.now);
    let free_from = call.now + delta(backend.timings.list_lag);
    let mappings = backend.amis.remove(&id).map(|ami| ami.mappings).unwrap_or_default();
    for mapping in &mappings {
        if let Some(copy) = backend.stored.get_mut(&mapping.stored) {
            copy.free_from = Some(free_from);
        }
        if with_copies {
            backend.drop_copy(mapping.stored, call.now);
        }
    }
    xml.flag("return", true);
    if with_copies {
        xml.set("deleteSnapshotResultSet", mappings, |xml, mapping| {
            xml.text("snapshotId", &ids::of_kind(Kind::DiskSnapshot, mapping.stored));
            xml.text("returnCode", "success");
        });
    }
    Ok(())
}
