//! Servers: create, read, list, update, delete.

use serde::Serialize;
use serde_json::json;

use super::super::account::{Action, Image as WorldImage, Machine, NewMachine, Power, Progress};
use super::super::backend::{Answer, Asked};
use super::super::clock::{Moment, delta};
use super::super::fault::{Effects, Fault};
use super::catalogue::{LOCATIONS, TYPES, Type};
use super::input::{self, Input, Reference};
use super::list::{self, Key, Meta};
use super::show::{Image, PrimaryIp, Server, ShownAction};
use super::{Hetzner, Nature, Outcome, refusal, reply, rules};

const STATUSES: [&str; 9] = [
    "initializing",
    "starting",
    "running",
    "stopping",
    "off",
    "deleting",
    "migrating",
    "rebuilding",
    "unknown",
];

#[derive(Serialize)]
struct One<'a> {
    server: Server<'a>,
}

#[derive(Serialize)]
struct Many<'a> {
    servers: Vec<Server<'a>>,
    meta: Meta,
}

#[derive(Serialize)]
struct Created<'a> {
    server: Server<'a>,
    action: ShownAction,
    next_actions: Vec<ShownAction>,
    root_password: Option<String>,
}

/// A validated create request.
struct Order {
    machine: NewMachine,
    start: bool,
}

impl Hetzner {
    pub(super) fn create_server(
        &mut self,
        asked: &Asked<'_>,
        now: Moment,
        effects: Effects,
    ) -> Outcome {
        let Order { machine, start } = self.read_order(asked, now)?;
        if self.account.named(&machine.name, now).is_some() {
            return Err(refusal::not_unique("server name is already used", "name"));
        }
        if effects.is(Fault::QuotaReached) || self.account.quota_reached(now) {
            return Err(refusal::quota_reached());
        }
        if effects.is(Fault::CapacityOut) {
            return Err(refusal::sold_out());
        }
        let root_password = machine.keys.is_empty().then(|| self.password());
        let (id, mut create) = self.account.launch(machine, "create_server", now, effects);
        // Reserves the ids of the server's two addresses.
        let _ = (self.account.next_id(), self.account.next_id());
        let mut next_actions = Vec::new();
        if start {
            let region = create.region;
            let ends = create.ends;
            let fails = create.fails;
            next_actions.push(ShownAction::new(
                &self.account.act("start_server", id, None, region, now, ends, fails),
                now,
            ));
            // The create action ends before the start action does.
            create.ends = ends.map(|ends| now + (ends - now) * 2 / 3);
            if let Some(action) = self.account.action_mut(create.id) {
                action.ends = create.ends;
            }
        } else if let (Some(ends), false, Some(machine)) =
            (create.ends, create.fails, self.account.machine_mut(id))
        {
            machine.plan(ends, Power::Off);
            if let Some(after) = effects.vanishes_after() {
                machine.plan(now + delta(after), Power::Gone);
            }
        }
        let action = ShownAction::new(&create, now);
        let server = self.show_server(id, now)?;
        Ok(reply(201, &Created { server, action, next_actions, root_password }))
    }

    fn read_order(&self, asked: &Asked<'_>, now: Moment) -> Result<Order, Answer> {
        let mut input = Input::read(asked)?;
        let name = input.required_text("name");
        if let (false, Err(message)) = (input.is_wrong("name"), rules::server_name(&name)) {
            input.complain("name", message);
        }
        let wanted_type = input.required_reference("server_type");
        let wanted_image = input.required_reference("image");
        let wanted_location = input.reference("location");
        let wanted_keys = input.references("ssh_keys");
        let user_data = input.text("user_data");
        if user_data.as_ref().is_some_and(|text| text.len() > rules::MAX_USER_DATA) {
            input.complain("user_data", "is too long");
        }
        let labels = input.labels().unwrap_or_default();
        let start = input.flag("start_after_create").unwrap_or(true);
        input.flag("automount");
        let (ipv4, ipv6) = input.within("public_net", |net| {
            for field in ["ipv4", "ipv6"] {
                if net.reference(field).is_some() {
                    net.complain(field, "primary IP not found");
                }
            }
            (net.flag("enable_ipv4").unwrap_or(true), net.flag("enable_ipv6").unwrap_or(true))
        });
        // The project has none of these.
        for (field, message) in [
            ("volumes", "volume not found"),
            ("networks", "network not found"),
            ("firewalls", "firewall not found"),
        ] {
            if input.names_any(field) {
                input.complain(field, message);
            }
        }
        if input.reference("placement_group").is_some() {
            input.complain("placement_group", "placement group not found");
        }
        input.check()?;

        if !ipv4 && !ipv6 {
            return Err(refusal::invalid("no public network interfaces and no private networks"));
        }
        let server_type = find_type(&wanted_type)?;
        let size = match wanted_location {
            None => server_type
                .sizes
                .first()
                .and_then(|size| size.regions.first().map(|region| (size, *region))),
            Some(wanted) => {
                let known = LOCATIONS.iter().find(|location| wanted.is(location.id, location.name));
                let name = known
                    .ok_or_else(|| refusal::invalid_field("location", "location not found"))?
                    .name;
                server_type.at(name).map(|size| (size, name))
            }
        };
        let (size, region) =
            size.ok_or_else(|| refusal::invalid("unsupported location for server type"))?;
        let image = self.usable_image(&wanted_image, server_type, now)?;
        let find_key = |wanted: &Reference| {
            self.account.keys.iter().find(|key| wanted.is(key.id, &key.name)).map(|key| key.id)
        };
        let keys: Option<Vec<u64>> = wanted_keys.iter().map(find_key).collect();
        let keys = keys.ok_or_else(|| refusal::invalid_field("ssh_keys", "SSH key not found"))?;
        Ok(Order {
            machine: NewMachine { name, region, size, image, labels, keys, user_data, ipv4, ipv6 },
            start,
        })
    }

    /// Returns an image that can be used with this server type. A name resolves to the image for
    /// the type's architecture.
    pub(super) fn usable_image(
        &self,
        wanted: &Reference,
        server_type: &Type,
        now: Moment,
    ) -> Result<u64, Answer> {
        let missing = || refusal::invalid_field("image", "image not found");
        let image = match wanted {
            Reference::Id(id) => self.account.image(*id),
            Reference::Name(name) => {
                let named =
                    || self.account.images().filter(|image| image.public && image.name == *name);
                named()
                    .find(|image| image.architecture == server_type.architecture)
                    .or_else(|| named().next())
            }
        };
        let image = image.ok_or_else(missing)?;
        if image.architecture != server_type.architecture {
            return Err(refusal::invalid("image has incompatible architecture"));
        }
        if !image.is_available(now) {
            return Err(refusal::invalid_field("image", "image is not available"));
        }
        if image.min_disk_gib > server_type.disk_gib {
            return Err(refusal::invalid("image disk is bigger than server type disk"));
        }
        Ok(image.id)
    }

    pub(super) fn get_server(&mut self, id: &str, now: Moment) -> Outcome {
        let id = self.visible_server(id, now)?;
        Ok(reply(200, &One { server: self.show_server(id, now)? }))
    }

    pub(super) fn list_servers(
        &mut self,
        asked: &Asked<'_>,
        now: Moment,
        effects: Effects,
    ) -> Outcome {
        let statuses = input::words(asked, "status", &STATUSES)?;
        let selector = input::selector(asked)?;
        let is_meant = |machine: &Machine| {
            machine.exists(now)
                && selector.as_ref().is_none_or(|selector| selector.matches(&machine.labels))
        };
        let ids: Vec<u64> = match asked.param("name") {
            Some(name) => {
                self.account.list_named(&name, now).into_iter().map(|machine| machine.id).collect()
            }
            None => {
                self.account.list_machines_where(now, is_meant).map(|machine| machine.id).collect()
            }
        };
        let mut machines: Vec<&Machine> =
            ids.iter().filter_map(|id| self.account.machine(*id)).collect();
        machines.retain(|machine| {
            is_meant(machine)
                && (statuses.is_empty()
                    || statuses.iter().any(|status| status == self.status(machine, now)))
        });
        list::sort(asked, &mut machines, |machine, field| match field {
            "id" => Some(Key::Number(machine.id.cast_signed())),
            "name" => Some(Key::Text(machine.name.clone())),
            "created" => Some(Key::Number(machine.created.timestamp_micros())),
            _ => None,
        })?;
        let (page, meta) = list::page(asked, machines, effects)?;
        let servers = page.into_iter().map(|machine| self.show_machine(machine, now)).collect();
        Ok(reply(200, &Many { servers, meta }))
    }

    pub(super) fn update_server(&mut self, asked: &Asked<'_>, id: &str, now: Moment) -> Outcome {
        let id = self.visible_server(id, now)?;
        let mut input = Input::read(asked)?;
        let name = input.text("name");
        let labels = input.labels();
        if let Some(Err(message)) = name.as_deref().map(rules::server_name) {
            input.complain("name", message);
        }
        input.check()?;
        if let Some(name) = name {
            if self.account.named(&name, now).is_some_and(|other| other.id != id) {
                return Err(refusal::not_unique("server name is already used", "name"));
            }
            self.account.rename(id, &name);
        }
        if let (Some(labels), Some(machine)) = (labels, self.account.machine_mut(id)) {
            machine.labels = labels;
        }
        Ok(reply(200, &One { server: self.show_server(id, now)? }))
    }

    pub(super) fn delete_server(&mut self, id: &str, now: Moment, effects: Effects) -> Outcome {
        let id = self.visible_server(id, now)?;
        if self.extras.get(&id).is_some_and(|extra| extra.protected) {
            return Err(refusal::protected("server"));
        }
        self.unlocked(id, now, effects)?;
        let action = self
            .account
            .destroy(id, "delete_server", now, effects)
            .ok_or_else(|| refusal::not_found("server"))?;
        if !action.fails && self.extras.remove(&id).is_some_and(|extra| extra.backups) {
            self.forget_backups(id, now);
        }
        Ok(reply(200, &json!({"action": ShownAction::new(&action, now)})))
    }

    /// Returns the id of a server if a read shows it now.
    pub(super) fn visible_server(&mut self, id: &str, now: Moment) -> Result<u64, Answer> {
        let number = input::number(id).ok_or_else(|| refusal::not_found("server"))?;
        let found = self.account.read_machine(number, now).filter(|machine| machine.exists(now));
        found
            .map(|machine| machine.id)
            .ok_or_else(|| refusal::not_found(&format!("server with ID '{number}'")))
    }

    /// Refuses if a running action or a fault locks the server.
    pub(super) fn unlocked(&self, id: u64, now: Moment, effects: Effects) -> Result<(), Answer> {
        let locked = self.account.machine(id).is_some_and(|machine| machine.is_locked(now));
        if locked || effects.is(Fault::Locked) { Err(refusal::locked("server")) } else { Ok(()) }
    }

    pub(super) fn status(&self, machine: &Machine, now: Moment) -> &'static str {
        let running = |action: &&Action| action.progress(now) == Progress::Running;
        match machine.power(now) {
            Power::Booting => match self.account.actions_of(machine.id).next().filter(running) {
                Some(_) => "initializing",
                None => "starting",
            },
            _ if machine.is_locked(now) && self.does(machine, "rebuild_server", now) => {
                "rebuilding"
            }
            _ if machine.is_locked(now) && self.does(machine, "change_server_type", now) => {
                "migrating"
            }
            Power::Running => "running",
            Power::Stopping => "stopping",
            Power::Off => "off",
            Power::Starting => "starting",
            Power::Deleting => "deleting",
            Power::Gone => "unknown",
        }
    }

    fn does(&self, machine: &Machine, command: &str, now: Moment) -> bool {
        let last = self.account.actions_of(machine.id).next_back();
        last.is_some_and(|action| {
            action.kind == command && action.progress(now) == Progress::Running
        })
    }

    fn show_server(&self, id: u64, now: Moment) -> Result<Server<'_>, Answer> {
        let machine = self.account.machine(id).ok_or_else(|| refusal::not_found("server"))?;
        Ok(self.show_machine(machine, now))
    }

    fn show_machine<'a>(&'a self, machine: &'a Machine, now: Moment) -> Server<'a> {
        let image = self.account.image(machine.image).zip(self.images.get(&machine.image));
        let image = image.map(|(image, about)| Image::new(image, about, now));
        Server::new(machine, self.status(machine, now), image, self.extras.get(&machine.id), now)
    }

    /// Deletes a server's backups, which end with it; its snapshots remain.
    pub(super) fn forget_backups(&mut self, server: u64, now: Moment) {
        let of_server = |image: &&WorldImage| {
            image.source.as_ref().is_some_and(|(source, _)| *source == server)
        };
        let ids: Vec<u64> = self.account.images().filter(of_server).map(|image| image.id).collect();
        for id in ids {
            if self.images.get(&id).is_some_and(|about| about.nature == Nature::Backup) {
                self.account.delete_image(id, now);
                self.images.remove(&id);
            }
        }
    }

    pub(super) fn list_primary_ips(
        &mut self,
        asked: &Asked<'_>,
        now: Moment,
        effects: Effects,
    ) -> Outcome {
        let machines = self.account.list_machines(now).filter(|machine| machine.exists(now));
        let ips: Vec<PrimaryIp<'_>> = machines.flat_map(PrimaryIp::of).collect();
        let (primary_ips, meta) = list::page(asked, ips, effects)?;
        Ok(reply(200, &json!({"primary_ips": primary_ips, "meta": meta})))
    }

    pub(super) fn get_primary_ip(&mut self, id: &str, now: Moment) -> Outcome {
        let number = input::number(id).unwrap_or_default();
        let machines = [2, 3]
            .into_iter()
            .filter_map(|behind| self.account.machine(number.checked_sub(behind)?));
        let ips = machines.filter(|machine| machine.exists(now)).flat_map(PrimaryIp::of);
        let found = { ips }.find(|ip| ip.is(number));
        let primary_ip =
            found.ok_or_else(|| refusal::not_found(&format!("primary IP with ID '{id}'")))?;
        Ok(reply(200, &json!({"primary_ip": primary_ip})))
    }
}

pub(super) fn find_type(wanted: &Reference) -> Result<&'static Type, Answer> {
    let found = TYPES.iter().find(|server_type| wanted.is(server_type.id, server_type.name));
    let found =
        found.ok_or_else(|| refusal::invalid_field("server_type", "server type not found"))?;
    if found.deprecated {
        return Err(refusal::invalid(&format!("server type {} is deprecated", found.id)));
    }
    Ok(found)
}
