//! Droplets: create, read, list and destroy.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::account::{Machine, NewMachine};
use super::super::backend::Answer;
use super::super::clock::Moment;
use super::super::fault::Fault;
use super::super::inspect::Kind;
use super::calls::{body, flag, list, text};
use super::catalogue::{Plan, REGIONS, find_plan};
use super::page::{Keyed, respond};
use super::problem::Problem;
use super::show::{self, ActionLink, DropletBody, is_locked};
use super::{Ask, DigitalOcean, Outcome, number, tags};

const MAX_NAME: usize = 255;
const MAX_NAMES: usize = 10;
const MAX_USER_DATA: usize = 64 << 10;

/// A validated create request.
struct Wanted {
    names: Vec<String>,
    several: bool,
    region: &'static str,
    plan: &'static Plan,
    image: u64,
    keys: Vec<u64>,
    tags: Vec<String>,
    user_data: Option<String>,
    ipv4: bool,
    ipv6: bool,
    features: Vec<&'static str>,
}

#[derive(Serialize)]
struct Created<T> {
    #[serde(flatten)]
    droplets: T,
    links: Links,
}

#[derive(Serialize)]
struct Links {
    actions: Vec<ActionLink>,
}

#[derive(Serialize)]
struct Single<'a> {
    droplet: DropletBody<'a>,
}

#[derive(Serialize)]
struct Several<'a> {
    droplets: Vec<DropletBody<'a>>,
}

/// Checks a droplet's name, which becomes its host name.
pub(super) fn check_name(name: &str) -> Result<(), Problem> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    if name.is_empty() {
        return Err(Problem::refused("Name can't be blank"));
    }
    if name.len() > MAX_NAME {
        return Err(Problem::refused("Name is too long (maximum is 255 characters)"));
    }
    if !name.bytes().all(good)
        || !name.bytes().next_back().is_some_and(|last| last.is_ascii_alphanumeric())
    {
        return Err(Problem::refused(
            "Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)",
        ));
    }
    Ok(())
}

impl DigitalOcean {
    pub(super) fn create_droplets(&mut self, ask: &Ask<'_>) -> Outcome {
        let wanted = self.wanted(&body(ask.asked)?, ask.now)?;
        if ask.effects.is(Fault::QuotaReached) || self.exceeds_limit(wanted.names.len(), ask.now) {
            return Err(Problem::droplet_limit());
        }
        if ask.effects.is(Fault::CapacityOut) {
            return Err(Problem::no_size_here());
        }
        let mut ids = Vec::new();
        let mut actions = Vec::new();
        for name in wanted.names {
            let new = NewMachine {
                name,
                region: wanted.region,
                size: &wanted.plan.size,
                image: wanted.image,
                labels: BTreeMap::new(),
                keys: wanted.keys.clone(),
                user_data: wanted.user_data.clone(),
                ipv4: wanted.ipv4,
                ipv6: wanted.ipv6,
            };
            let (id, action) = self.account.launch(new, "create", ask.now, ask.effects);
            if let Some(machine) = self.account.machine_mut(id) {
                machine.features.clone_from(&wanted.features);
            }
            self.tag_droplet(id, &wanted.tags, ask.now);
            ids.push(id);
            actions.push(ActionLink::new(action.id));
        }
        let links = Links { actions };
        let mut droplets: Vec<_> = ids
            .iter()
            .filter_map(|id| self.account.machine(*id))
            .map(|it| self.droplet(it, ask.now))
            .collect();
        if wanted.several {
            return Ok(respond(202, &Created { droplets: Several { droplets }, links }));
        }
        let droplet = droplets.pop().ok_or_else(|| Problem::server_error(500))?;
        Ok(respond(202, &Created { droplets: Single { droplet }, links }))
    }

    fn exceeds_limit(&self, more: usize, now: Moment) -> bool {
        let there = || self.account.machines().filter(|machine| machine.exists(now)).count();
        self.quota != usize::MAX && there() + more > self.quota
    }

    /// Parses and validates a create request.
    fn wanted(&self, body: &Map<String, Value>, now: Moment) -> Result<Wanted, Problem> {
        let (names, several) = names(body)?;
        names.iter().try_for_each(|name| check_name(name))?;
        let plan = text(body, "size")?.and_then(find_plan);
        let plan = plan.ok_or_else(|| {
            Problem::refused("You specified an invalid size for Droplet creation.")
        })?;
        let image = self.image_for(body, now)?;
        let region = region_for(text(body, "region")?.unwrap_or_default(), plan, &image.regions)?;
        if plan.size.disk_gib < image.min_disk_gib {
            let disk = plan.size.disk_gib;
            let needed = image.min_disk_gib;
            let why = format!(
                "The size ({disk}GB) does not have enough disk space to support the image you \
                 selected ({needed}GB)."
            );
            return Err(Problem::refused(why));
        }
        let keys = self.keys_for(list(body, "ssh_keys")?, now)?;
        let tags = tags_for(list(body, "tags")?)?;
        let user_data =
            text(body, "user_data")?.filter(|data| !data.is_empty()).map(str::to_string);
        if user_data.as_ref().is_some_and(|data| data.len() > MAX_USER_DATA) {
            return Err(Problem::refused("User data is too long (maximum is 64 KiB)"));
        }
        let ipv4 = flag(body, "public_networking")?.unwrap_or(true);
        let ipv6 = flag(body, "ipv6")?.unwrap_or(false);
        if ipv6 && !ipv4 {
            return Err(Problem::refused(
                "IPv6 cannot be enabled when public networking is disabled.",
            ));
        }
        if !list(body, "volumes")?.is_empty() {
            return Err(Problem::refused("Volume not found."));
        }
        if text(body, "vpc_uuid")?.is_some_and(|vpc| !vpc.is_empty() && vpc != show::vpc(region)) {
            return Err(Problem::refused("You specified an invalid VPC for Droplet creation."));
        }
        let mut features = Vec::from(["private_networking"]);
        for (field, feature) in [
            ("backups", "backups"),
            ("monitoring", "monitoring"),
            ("with_droplet_agent", "droplet_agent"),
        ] {
            features.extend(flag(body, field)?.filter(|on| *on).map(|_| feature));
        }
        let image = image.id;
        Ok(Wanted {
            names,
            several,
            region,
            plan,
            image,
            keys,
            tags,
            user_data,
            ipv4,
            ipv6,
            features,
        })
    }

    pub(super) fn droplet<'a>(&'a self, machine: &'a Machine, now: Moment) -> DropletBody<'a> {
        show::droplet(machine, &self.account, &self.bodies, self.snapshot_ids(machine.id, now), now)
    }

    pub(super) fn show_droplet(&mut self, ask: &Ask<'_>, id: &str) -> Outcome {
        let id = number(id).ok_or_else(Problem::not_found)?;
        self.account.read_machine(id, ask.now).ok_or_else(Problem::not_found)?;
        let machine = self.existing(id)?;
        Ok(respond(200, &Keyed("droplet", self.droplet(machine, ask.now))))
    }

    /// Returns an existing droplet. Changes see a new droplet before reads do.
    pub(super) fn existing(&self, id: u64) -> Result<&Machine, Problem> {
        self.account.machine(id).ok_or_else(Problem::not_found)
    }

    /// Lists omit GPU droplets unless the request asks for only these.
    pub(super) fn list_droplets(&mut self, ask: &Ask<'_>) -> Outcome {
        let [tag, name, kind] = ["tag_name", "name", "type"]
            .map(|name| ask.asked.param(name).filter(|value| !value.is_empty()));
        if tag.is_some() && (name.is_some() || kind.is_some()) {
            return Err(Problem::bad_request("tag_name can not be combined with name or type"));
        }
        let gpus = match kind.as_deref() {
            None | Some("droplets") => false,
            Some("gpus") => true,
            Some(_) => return Err(Problem::bad_request("type has to be droplets or gpus")),
        };
        let tags = &self.tags;
        let now = ask.now;
        let tagged = |machine: &Machine, tag: &str| {
            machine.labels.contains_key(tag) && !tags.is_fresh(tag, Kind::Instance, machine.id, now)
        };
        let wanted = |machine: &Machine| {
            machine.size.gpu == gpus && tag.as_deref().is_none_or(|tag| tagged(machine, tag))
        };
        let ids: Vec<u64> = match name {
            Some(name) => {
                let named = self.account.list_named(&name, now);
                named
                    .into_iter()
                    .filter(|machine| wanted(machine))
                    .map(|machine| machine.id)
                    .collect()
            }
            None => {
                self.account.list_machines_where(now, wanted).map(|machine| machine.id).collect()
            }
        };
        let page = ask.page();
        let (ids, total) = page.cut(ids);
        let droplets = ids
            .iter()
            .filter_map(|id| self.account.machine(*id))
            .map(|machine| self.droplet(machine, now));
        Ok(page.answer("droplets", (droplets.collect(), total)))
    }

    pub(super) fn destroy_droplet(&mut self, ask: &Ask<'_>, id: &str) -> Outcome {
        let machine = self.existing(number(id).ok_or_else(Problem::not_found)?)?;
        ask.not_locked("Droplet")?;
        if is_locked(machine, ask.now) {
            return Err(Problem::busy("Droplet"));
        }
        let id = machine.id;
        self.account.destroy(id, "destroy", ask.now, ask.effects);
        Ok(Answer::new(204, ""))
    }

    /// Destroys every droplet with a tag. Skips locked droplets; the request still succeeds.
    pub(super) fn destroy_tagged(&mut self, ask: &Ask<'_>) -> Outcome {
        let tag = ask
            .asked
            .param("tag_name")
            .filter(|tag| self.has_tag(tag))
            .ok_or_else(Problem::not_found)?;
        ask.not_locked("Droplet")?;
        for id in self.tagged_droplets(&tag) {
            if self.account.machine(id).is_some_and(|machine| !is_locked(machine, ask.now)) {
                self.account.destroy(id, "destroy", ask.now, ask.effects);
            }
        }
        Ok(Answer::new(204, ""))
    }
}

/// The names in a create request, and whether `names` (not `name`) held them.
fn names(body: &Map<String, Value>) -> Result<(Vec<String>, bool), Problem> {
    let given = list(body, "names")?;
    if given.is_empty() {
        let name = text(body, "name")?.unwrap_or_default();
        return Ok((vec![name.to_string()], false));
    }
    if given.len() > MAX_NAMES {
        return Err(Problem::refused("You cannot create more than 10 Droplets at a time."));
    }
    let names = given.iter().map(|name| name.as_str().map(str::to_string));
    let names: Option<Vec<String>> = names.collect();
    Ok((names.ok_or_else(|| Problem::malformed("names has to be a list of strings"))?, true))
}

/// Finds a region by its slug or a prefix of it; an empty slug matches any suitable region.
fn region_for(slug: &str, plan: &Plan, images: &[&'static str]) -> Result<&'static str, Problem> {
    let exact = REGIONS.iter().any(|region| region.slug == slug);
    let meant: Vec<_> = REGIONS
        .iter()
        .filter(|region| if exact { region.slug == slug } else { region.slug.starts_with(slug) })
        .collect();
    if meant.is_empty() {
        return Err(Problem::refused("You specified an invalid region for Droplet creation."));
    }
    let open: Vec<&'static str> =
        meant.iter().filter(|region| region.open).map(|region| region.slug).collect();
    if open.is_empty() {
        return Err(Problem::refused("Region is not available"));
    }
    let sold: Vec<&'static str> =
        open.into_iter().filter(|region| plan.size.regions.contains(region)).collect();
    if sold.is_empty() {
        return Err(Problem::no_size_here());
    }
    let there = sold.into_iter().find(|region| images.contains(region));
    there.ok_or_else(|| {
        Problem::refused("The image you specified is not available in the selected region.")
    })
}

fn tags_for(given: &[Value]) -> Result<Vec<String>, Problem> {
    let tag = |tag: &Value| {
        let tag =
            tag.as_str().ok_or_else(|| Problem::malformed("tags has to be a list of strings"))?;
        tags::check(tag).map(|()| tag.to_string()).map_err(Problem::refused)
    };
    given.iter().map(tag).collect()
}
