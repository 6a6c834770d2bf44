//! Tags: objects of the account that outlive their resources, and keep the spelling of their first
//! use.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::super::backend::Answer;
use super::super::clock::{Moment, delta};
use super::super::inspect::Kind;
use super::calls::{body, list, text};
use super::page::{HOME, Keyed, respond};
use super::problem::Problem;
use super::{Ask, DigitalOcean, Outcome, number};

const MAX_TAG: usize = 255;

/// A tag of the account.
#[derive(Debug)]
struct Tag {
    /// The spelling of its first use.
    name: String,
    created: Moment,
    last: Option<(Kind, u64)>,
    last_droplet: Option<u64>,
    last_image: Option<u64>,
}

/// The tags of the account.
#[derive(Debug, Default)]
pub(super) struct Tags {
    by_key: BTreeMap<String, Tag>,
    /// Taggings that filters do not show yet: tag, kind, id, and end of the lag.
    fresh: Vec<(String, Kind, u64, Moment)>,
}

impl Tags {
    /// Returns the tag of a name, and creates it if needed.
    fn spell(&mut self, name: &str, now: Moment) -> &mut Tag {
        let new = || Tag {
            name: name.to_string(),
            created: now,
            last: None,
            last_droplet: None,
            last_image: None,
        };
        self.by_key.entry(name.to_ascii_lowercase()).or_insert_with(new)
    }

    fn get(&self, name: &str) -> Option<&Tag> {
        self.by_key.get(&name.to_ascii_lowercase()).filter(|tag| tag.name == name)
    }

    /// Records that a resource is tagged, and returns the tag's spelling.
    fn note(&mut self, name: &str, kind: Kind, id: u64, now: Moment) -> String {
        let tag = self.spell(name, now);
        tag.last = Some((kind, id));
        *(if kind == Kind::Instance { &mut tag.last_droplet } else { &mut tag.last_image }) =
            Some(id);
        tag.name.clone()
    }

    /// Whether a filter by the tag does not show the tagged resource yet.
    pub(super) fn is_fresh(&self, name: &str, kind: Kind, id: u64, now: Moment) -> bool {
        self.fresh.iter().any(|(tag, of, which, until)| {
            tag == name && *of == kind && *which == id && now < *until
        })
    }
}

/// Checks a tag's name.
pub(super) fn check(name: &str) -> Result<(), &'static str> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':');
    if name.is_empty() {
        return Err("Tag name cannot be blank");
    }
    if name.len() > MAX_TAG {
        return Err("Tag name is too long (maximum is 255 characters)");
    }
    if !name.bytes().all(good) {
        return Err("Tag name can only contain letters, numbers, colons, dashes and underscores");
    }
    Ok(())
}

#[derive(Serialize)]
struct TagBody<'a> {
    name: &'a str,
    resources: Resources,
}

#[derive(Serialize)]
struct Resources {
    #[serde(flatten)]
    all: Count,
    droplets: Count,
    images: Count,
    volumes: Count,
    volume_snapshots: Count,
    databases: Count,
}

#[derive(Default, Serialize)]
struct Count {
    count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_tagged_uri: Option<String>,
}

impl DigitalOcean {
    /// Tags a new droplet, and creates missing tags.
    pub(super) fn tag_droplet(&mut self, id: u64, names: &[String], now: Moment) {
        for name in names {
            let name = self.tags.note(name, Kind::Instance, id, now);
            if let Some(machine) = self.account.machine_mut(id) {
                machine.labels.insert(name, String::new());
            }
        }
    }

    pub(super) fn list_tags(&mut self, ask: &Ask<'_>) -> Outcome {
        let lag = delta(self.account.timings.list_lag);
        let listed: Vec<&Tag> =
            self.tags.by_key.values().filter(|tag| tag.created + lag <= ask.now).collect();
        let page = ask.page();
        let (tags, total) = page.cut(listed);
        let counts = self.counts();
        let bodies = tags
            .into_iter()
            .map(|tag| tag_body(tag, counts.get(tag.name.as_str()).copied().unwrap_or_default()));
        Ok(page.answer("tags", (bodies.collect(), total)))
    }

    /// The numbers of droplets and images with each tag.
    fn counts(&self) -> BTreeMap<&str, (usize, usize)> {
        let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        let droplets = self.account.machines().flat_map(|machine| machine.labels.keys());
        droplets.for_each(|tag| counts.entry(tag).or_default().0 += 1);
        let images = self.account.images().flat_map(|image| image.labels.keys());
        images.for_each(|tag| counts.entry(tag).or_default().1 += 1);
        counts
    }

    pub(super) fn create_tag(&mut self, ask: &Ask<'_>) -> Outcome {
        let body = body(ask.asked)?;
        let name = text(&body, "name")?.unwrap_or_default();
        check(name).map_err(Problem::bad_request)?;
        let name = self.tags.spell(name, ask.now).name.clone();
        self.show_tag(&name).map(|answer| Answer { status: 201, ..answer })
    }

    pub(super) fn show_tag(&self, name: &str) -> Outcome {
        let tag = self.tags.get(name).ok_or_else(Problem::not_found)?;
        let droplets =
            self.account.machines().filter(|machine| machine.labels.contains_key(name)).count();
        let images = self.account.images().filter(|image| image.labels.contains_key(name)).count();
        Ok(respond(200, &Keyed("tag", tag_body(tag, (droplets, images)))))
    }

    /// Deletes a tag, and removes it from all resources.
    pub(super) fn delete_tag(&mut self, name: &str) -> Outcome {
        let key = self
            .tags
            .get(name)
            .map(|tag| tag.name.to_ascii_lowercase())
            .ok_or_else(Problem::not_found)?;
        self.tags.by_key.remove(&key);
        let droplets: Vec<u64> = self.tagged_droplets(name);
        let images: Vec<u64> = self
            .account
            .images()
            .filter(|image| image.labels.contains_key(name))
            .map(|image| image.id)
            .collect();
        droplets.into_iter().for_each(|id| self.untag(Kind::Instance, id, name));
        images.into_iter().for_each(|id| self.untag(Kind::Snapshot, id, name));
        Ok(Answer::new(204, ""))
    }

    /// The droplets with a tag.
    pub(super) fn tagged_droplets(&self, name: &str) -> Vec<u64> {
        self.account
            .machines()
            .filter(|machine| machine.labels.contains_key(name))
            .map(|machine| machine.id)
            .collect()
    }

    pub(super) fn has_tag(&self, name: &str) -> bool {
        self.tags.get(name).is_some()
    }

    fn untag(&mut self, kind: Kind, id: u64, name: &str) {
        if kind == Kind::Instance {
            self.account.machine_mut(id).map(|machine| machine.labels.remove(name));
        } else {
            self.account.image_mut(id).map(|image| image.labels.remove(name));
        }
    }

    /// Adds a tag to resources or removes it, after checking that all of them exist.
    pub(super) fn change_tagged(&mut self, ask: &Ask<'_>, name: &str, on: bool) -> Outcome {
        if !self.has_tag(name) {
            return Err(Problem::not_found());
        }
        let body = body(ask.asked)?;
        let resources = list(&body, "resources")?;
        if resources.is_empty() {
            return Err(Problem::bad_request("param is missing or the value is empty: resources"));
        }
        let things = resources
            .iter()
            .map(|resource| self.resource(resource))
            .collect::<Result<Vec<_>, _>>()?;
        ask.not_locked(if things.iter().any(|(kind, _)| *kind == Kind::Instance) {
            "Droplet"
        } else {
            "Image"
        })?;
        let now = ask.now;
        let until = ask.now + delta(self.account.timings.list_lag);
        self.tags.fresh.retain(|(_, _, _, until)| now < *until);
        for (kind, id) in things {
            if !on {
                self.untag(kind, id, name);
                continue;
            }
            let labels = match kind {
                Kind::Instance => self.account.machine_mut(id).map(|machine| &mut machine.labels),
                _ => self.account.image_mut(id).map(|image| &mut image.labels),
            };
            let is_new = labels
                .is_some_and(|labels| labels.insert(name.to_string(), String::new()).is_none());
            if is_new {
                self.tags.note(name, kind, id, now);
                self.tags.fresh.push((name.to_string(), kind, id, until));
            }
        }
        Ok(Answer::new(204, ""))
    }

    /// Resolves an entry such as `{"resource_id": "7555620", "resource_type": "image"}`.
    fn resource(&self, resource: &Value) -> Result<(Kind, u64), Problem> {
        let resource = resource
            .as_object()
            .ok_or_else(|| Problem::malformed("resources has to be a list of objects"))?;
        let id = text(resource, "resource_id")?.unwrap_or_default();
        let found = match text(resource, "resource_type")?.unwrap_or_default() {
            "droplet" => number(id)
                .filter(|id| self.account.machine(*id).is_some())
                .map(|id| (Kind::Instance, id)),
            "image" => {
                number(id).filter(|id| self.own_image(*id).is_some()).map(|id| (Kind::Snapshot, id))
            }
            // The account has none of these.
            "volume" | "volume_snapshot" | "database" => None,
            other => {
                return Err(Problem::bad_request(format!("{other} is not a valid resource type")));
            }
        };
        found.ok_or_else(Problem::not_found)
    }
}

fn tag_body(tag: &Tag, (droplets, images): (usize, usize)) -> TagBody<'_> {
    let uri = |kind, id| {
        format!("{HOME}/v2/{}/{id}", if kind == Kind::Instance { "droplets" } else { "images" })
    };
    let count = |count, last: Option<(Kind, u64)>| Count {
        count,
        last_tagged_uri: last.filter(|_| count > 0).map(|(kind, id)| uri(kind, id)),
    };
    TagBody {
        name: &tag.name,
        resources: Resources {
            all: count(droplets + images, tag.last),
            droplets: count(droplets, tag.last_droplet.map(|id| (Kind::Instance, id))),
            images: count(images, tag.last_image.map(|id| (Kind::Snapshot, id))),
            volumes: Count::default(),
            volume_snapshots: Count::default(),
            databases: Count::default(),
        },
    }
}
