//! Tags: their rules, the tags of a create request, and later changes.
//!
//! Filters on instances use the previous tags for the list lag.

use std::collections::BTreeMap;

use super::super::clock::delta;
use super::super::fault::Fault;
use super::super::inspect::Kind;
use super::Ec2;
use super::call::Call;
use super::filters::{Filters, on_tags};
use super::holdings::{NAME_TAG, Tags, tags_of};
use super::ids;
use super::page::Window;
use super::params::Params;
use super::problem::{Outcome, Problem};
use super::xml::Xml;

const MAX_TAGS: usize = 50;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;
/// The prefix that AWS reserves.
const RESERVED: &str = "aws:";

fn check(key: &str, value: &str) -> Outcome<()> {
    let problem = if key.is_empty() {
        "Tag key cannot be empty".to_string()
    } else if key.to_ascii_lowercase().starts_with(RESERVED) {
        format!("Tag keys starting with '{RESERVED}' are reserved for internal use")
    } else if key.chars().count() > MAX_KEY {
        format!("Tag key exceeds the maximum length of {MAX_KEY} characters")
    } else if value.chars().count() > MAX_VALUE {
        format!("Tag value exceeds the maximum length of {MAX_VALUE} characters")
    } else {
        return Ok(());
    };
    Err(Problem::value(problem))
}

fn check_count(tags: &Tags) -> Outcome<()> {
    if tags.len() <= MAX_TAGS {
        return Ok(());
    }
    Err(Problem::new(
        "TagLimitExceeded",
        "The maximum number of Tags for a resource has been reached.",
    ))
}

/// Reads the tags under a prefix; a tag without a value has `None`.
fn read<'p>(params: &'p Params<'_>, prefix: &str) -> Outcome<Vec<(&'p str, Option<&'p str>)>> {
    let one = |number: u32| {
        let key = params.get(&format!("{prefix}.{number}.Key")).unwrap_or_default();
        let name = format!("{prefix}.{number}.Value");
        // An empty value counts as a value.
        let value = params.get(&name).or_else(|| params.is_set(&name).then_some(""));
        check(key, value.unwrap_or_default()).map(|()| (key, value))
    };
    params.numbers(prefix).into_iter().map(one).collect()
}

/// The tags of a create request, by resource type.
#[derive(Debug, Default)]
pub(super) struct Specifications(BTreeMap<String, Tags>);

impl Specifications {
    pub(super) fn read(params: &Params<'_>, allowed: &[&str]) -> Outcome<Self> {
        let mut specifications = Self::default();
        for number in params.numbers("TagSpecification") {
            let prefix = format!("TagSpecification.{number}");
            let kind = params.get(&format!("{prefix}.ResourceType"));
            let kind = kind.ok_or_else(|| {
                Problem::value("Tag specification resource type must have a value")
            })?;
            if !allowed.contains(&kind) {
                let message =
                    format!("'{kind}' is not a valid taggable resource type for this operation.");
                return Err(Problem::value(message));
            }
            let given = read(params, &format!("{prefix}.Tag"))?;
            if given.is_empty() {
                return Err(Problem::value("Tag specification must have at least one tag"));
            }
            let mut tags = Tags::new();
            for (key, value) in given {
                if tags.insert(key.to_string(), value.unwrap_or_default().to_string()).is_some() {
                    return Err(Problem::value(format!("Duplicate tag key '{key}' specified.")));
                }
            }
            check_count(&tags)?;
            if specifications.0.insert(kind.to_string(), tags).is_some() {
                let message = format!(
                    "The same resource type may not be specified more than once in tag \
                     specifications: {kind}"
                );
                return Err(Problem::value(message));
            }
        }
        Ok(specifications)
    }

    pub(super) fn take(&mut self, kind: &str) -> Tags {
        self.0.remove(kind).unwrap_or_default()
    }
}

/// A resource that has tags.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tagged {
    Machine(u64),
    Image(u64),
    Copy(u64),
    Volume(u64),
    Key(String),
}

impl Ec2 {
    fn find_tagged(&mut self, call: &Call<'_>, text: &str) -> Outcome<Tagged> {
        match text.split_once('-').map_or("", |(prefix, _)| prefix) {
            "i" => {
                let found = self.find_machines(call, &[text])?;
                found
                    .first()
                    .map(|id| Tagged::Machine(*id))
                    .ok_or_else(|| Problem::missing("ResourceId"))
            }
            "ami" => {
                let id = self.find_image(call, text)?;
                let own = self.amis.contains_key(&id);
                let refused = || {
                    Problem::new(
                        "UnauthorizedOperation",
                        "You are not authorized to perform this operation.",
                    )
                };
                own.then_some(Tagged::Image(id)).ok_or_else(|| refused().with_status(403))
            }
            "snap" => self.find_copy(call, text).map(Tagged::Copy),
            "vol" => self.find_volume(call, text).map(Tagged::Volume),
            "key" => {
                let place = self.places.get(call.region.name);
                let named = place
                    .into_iter()
                    .flat_map(|place| &place.keys)
                    .find(|(_, pair)| ids::name("key-", pair.id) == text);
                let missing = || {
                    Problem::new(
                        "InvalidKeyPair.NotFound",
                        format!("The keyPair ID '{text}' does not exist"),
                    )
                };
                named.map(|(name, _)| Tagged::Key(name.clone())).ok_or_else(missing)
            }
            _ => Err(Problem::new("InvalidID", format!("The ID '{text}' is not valid"))),
        }
    }

    fn tags(&self, thing: &Tagged, region: &str) -> Tags {
        match thing {
            Tagged::Machine(id) => {
                let found = self.account.machine(*id).zip(self.launches.get(id));
                let tags = found.into_iter().flat_map(|(machine, launch)| tags_of(machine, launch));
                tags.map(|(key, value)| (key.to_string(), value.to_string())).collect()
            }
            Tagged::Image(id) => {
                self.account.image(*id).map(|image| image.labels.clone()).unwrap_or_default()
            }
            Tagged::Copy(id) => {
                self.stored.get(id).map(|copy| copy.tags.clone()).unwrap_or_default()
            }
            Tagged::Volume(id) => {
                self.volumes.get(id).map(|volume| volume.tags.clone()).unwrap_or_default()
            }
            Tagged::Key(name) => {
                let pair = self.places.get(region).and_then(|place| place.keys.get(name));
                pair.map(|pair| pair.tags.clone()).unwrap_or_default()
            }
        }
    }

    fn set_tags(&mut self, thing: &Tagged, mut tags: Tags, call: &Call<'_>) {
        let until = call.now + delta(self.timings.list_lag);
        let before = self.tags(thing, call.region.name);
        match thing {
            Tagged::Machine(id) => {
                let name = tags.remove(NAME_TAG);
                if let Some(launch) = self.launches.get_mut(id) {
                    launch.named = name.is_some();
                    launch.tags_before = Some((until, before));
                }
                self.account.rename(*id, &name.unwrap_or_default());
                if let Some(machine) = self.account.machine_mut(*id) {
                    machine.labels = tags;
                }
            }
            Tagged::Image(id) => self
                .account
                .image_mut(*id)
                .into_iter()
                .for_each(|image| image.labels = std::mem::take(&mut tags)),
            Tagged::Copy(id) => self
                .stored
                .get_mut(id)
                .into_iter()
                .for_each(|copy| copy.tags = std::mem::take(&mut tags)),
            Tagged::Volume(id) => self
                .volumes
                .get_mut(id)
                .into_iter()
                .for_each(|volume| volume.tags = std::mem::take(&mut tags)),
            Tagged::Key(name) => {
                let pair = self
                    .places
                    .get_mut(call.region.name)
                    .and_then(|place| place.keys.get_mut(name));
                pair.into_iter().for_each(|pair| pair.tags = std::mem::take(&mut tags));
            }
        }
    }

    /// Resolves the request's resources, all of which must exist.
    fn need_tagged(&mut self, call: &Call<'_>) -> Outcome<Vec<Tagged>> {
        let asked = call.params.list("ResourceId");
        if asked.is_empty() {
            return Err(Problem::missing("ResourceIdSet"));
        }
        if call.effects.is(Fault::Locked) {
            let message =
                "You can't run simultaneous commands to modify a tag for a specific resource.";
            return Err(Problem::new("ConcurrentTagAccess", message));
        }
        asked.into_iter().map(|text| self.find_tagged(call, text)).collect()
    }
}

pub(super) fn create(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let things = backend.need_tagged(call)?;
    let given = read(&call.params, "Tag")?;
    if given.is_empty() {
        return Err(Problem::missing("Tag"));
    }
    let mut changed = Vec::new();
    for thing in things {
        let mut tags = backend.tags(&thing, call.region.name);
        tags.extend(
            given
                .iter()
                .map(|(key, value)| ((*key).to_string(), value.unwrap_or_default().to_string())),
        );
        check_count(&tags)?;
        changed.push((thing, tags));
    }
    for (thing, tags) in changed {
        backend.set_tags(&thing, tags, call);
    }
    xml.flag("return", true);
    Ok(())
}

/// Deletes tags: one given with a value only if the value matches; all tags if none is given.
pub(super) fn delete(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let things = backend.need_tagged(call)?;
    let given = read(&call.params, "Tag")?;
    for thing in things {
        let mut tags = backend.tags(&thing, call.region.name);
        let is_meant = |key: &str, value: &str| {
            given.is_empty()
                || given
                    .iter()
                    .any(|(of, wanted)| *of == key && wanted.is_none_or(|wanted| wanted == value))
        };
        tags.retain(|key, value| !is_meant(key, value));
        backend.set_tags(&thing, tags, call);
    }
    xml.flag("return", true);
    Ok(())
}

pub(super) fn describe(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let filters = Filters::read(
        &call.params,
        &["key", "value", "resource-id", "resource-type", "tag", "tag-key"],
    )?;
    let window = Window::read(&call.params, call.effects, (5, 1000))?;
    let here = |region: &str| region == call.region.name;
    let machines = backend.account.machines_from(0).filter(|machine| here(machine.region));
    let images = backend
        .account
        .images()
        .filter(|image| !image.public && image.regions.contains(&call.region.name));
    let snapshots = backend.stored.iter().filter(|(_, copy)| here(copy.region));
    let volumes = backend.volumes.iter().filter(|(_, volume)| here(volume.region));
    let things = machines.map(|machine| {
        (Tagged::Machine(machine.id), ids::of_kind(Kind::Instance, machine.id), "instance")
    });
    let things =
        things.chain(images.map(|image| {
            (Tagged::Image(image.id), ids::of_kind(Kind::Snapshot, image.id), "image")
        }));
    let things = things.chain(
        snapshots
            .map(|(id, _)| (Tagged::Copy(*id), ids::of_kind(Kind::DiskSnapshot, *id), "snapshot")),
    );
    let things = things.chain(
        volumes.map(|(id, _)| (Tagged::Volume(*id), ids::of_kind(Kind::Disk, *id), "volume")),
    );
    let tags = things.flat_map(|(thing, id, kind)| {
        backend
            .tags(&thing, call.region.name)
            .into_iter()
            .map(move |(key, value)| (id.clone(), kind, key, value))
    });
    let shown = tags.filter(|(id, kind, key, value)| {
        filters.hold(|name, is| match name {
            "key" => is(key),
            "value" => is(value),
            "resource-id" => is(id),
            "resource-type" => is(kind),
            _ => on_tags(std::iter::once((key.as_str(), value.as_str())), name, is),
        })
    });
    let page = window.page(shown.enumerate().map(|(index, tag)| (index as u64, tag)));
    xml.set("tagSet", page.items, |xml, (id, kind, key, value)| {
        xml.text("resourceId", &id);
        xml.text("resourceType", kind);
        xml.text("key", &key);
        xml.text("value", &value);
    });
    xml.maybe("nextToken", page.next.as_deref());
    Ok(())
}
