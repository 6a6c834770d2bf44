//! Operations on servers, and the actions that report their progress.

use chrono::TimeDelta;
use serde::Serialize;
use serde_json::json;

use super::super::account::{Action, NewImage, Power, Rate, Rounding};
use super::super::backend::{Answer, Asked};
use super::super::clock::Moment;
use super::super::fault::{Effects, Fault};
use super::super::inspect::Kind;
use super::input::{self, Input};
use super::list::{self, Key, Meta};
use super::servers::find_type;
use super::show::{Image, ShownAction, action_status};
use super::{About, Hetzner, Nature, Outcome, refusal, reply};

/// Monthly price (720 hours) of an image in millionths of a euro per GB.
pub(super) const IMAGE_MICROS: u64 = 11_000;

#[derive(Serialize)]
struct Many {
    actions: Vec<ShownAction>,
    meta: Meta,
}

#[derive(Serialize)]
struct Snapped<'a> {
    action: ShownAction,
    image: Image<'a>,
}

impl Hetzner {
    pub(super) fn act_on_server(
        &mut self,
        asked: &Asked<'_>,
        (id, action): (&str, &str),
        now: Moment,
        effects: Effects,
    ) -> Outcome {
        let act: fn(&mut Self, &Asked<'_>, u64, Moment, Effects) -> Outcome = match action {
            "poweron" => |backend, _, id, now, effects| {
                backend.power(id, "start_server", (Power::Starting, Power::Running), now, effects)
            },
            "poweroff" => |backend, _, id, now, effects| {
                backend.power(id, "stop_server", (Power::Stopping, Power::Off), now, effects)
            },
            "shutdown" => |backend, _, id, now, effects| backend.shutdown(id, now, effects),
            "reboot" => |backend, _, id, now, effects| {
                backend.power(id, "reboot_server", (Power::Running, Power::Running), now, effects)
            },
            "reset" => |backend, _, id, now, effects| {
                backend.power(id, "reset_server", (Power::Running, Power::Running), now, effects)
            },
            "create_image" => Self::create_image,
            "rebuild" => Self::rebuild,
            "change_type" => Self::change_type,
            "change_protection" => Self::protect_server,
            "enable_backup" => {
                |backend, _, id, now, effects| backend.set_backups(id, true, now, effects)
            }
            "disable_backup" => {
                |backend, _, id, now, effects| backend.set_backups(id, false, now, effects)
            }
            "enable_rescue" => {
                |backend, _, id, now, effects| backend.set_rescue(id, true, now, effects)
            }
            "disable_rescue" => {
                |backend, _, id, now, effects| backend.set_rescue(id, false, now, effects)
            }
            "reset_password" => |backend, _, id, now, effects| {
                let action = backend.at_once(id, "reset_password", now, effects);
                Ok(reply(201, &json!({"action": action, "root_password": backend.password()})))
            },
            "request_console" => |backend, _, id, now, effects| {
                let action = backend.at_once(id, "request_console", now, effects);
                let wss_url = format!(
                    "wss://console.hetzner.cloud/?server_id={id}&token={}",
                    backend.password()
                );
                Ok(reply(
                    201,
                    &json!({"action": action, "wss_url": wss_url, "password": backend.password()}),
                ))
            },
            _ => return Err(refusal::not_found("path")),
        };
        let id = self.visible_server(id, now)?;
        self.unlocked(id, now, effects)?;
        act(self, asked, id, now, effects)
    }

    /// A server that is off stays off, unless it is started.
    fn power(
        &mut self,
        id: u64,
        command: &'static str,
        way: (Power, Power),
        now: Moment,
        effects: Effects,
    ) -> Outcome {
        Ok(reply(201, &json!({"action": self.change_power(id, command, way, now, effects)?})))
    }

    fn change_power(
        &mut self,
        id: u64,
        command: &'static str,
        way: (Power, Power),
        now: Moment,
        effects: Effects,
    ) -> Result<ShownAction, Answer> {
        let way = match self.account.machine(id).map(|machine| machine.power(now)) {
            Some(Power::Off) if way.0 != Power::Starting => (Power::Off, Power::Off),
            Some(Power::Running) if way.0 == Power::Starting => (Power::Running, Power::Running),
            _ => way,
        };
        let action = self
            .account
            .power(id, command, way, now, effects)
            .ok_or_else(|| refusal::not_found("server"))?;
        Ok(ShownAction::new(&action, now))
    }

    /// The action ends when the server has received the shutdown signal; the server may turn off
    /// later.
    fn shutdown(&mut self, id: u64, now: Moment, effects: Effects) -> Outcome {
        let told = now + TimeDelta::seconds(1);
        let off = (Power::Stopping, Power::Off);
        let action = self
            .account
            .power(id, "shutdown_server", off, now, effects)
            .ok_or_else(|| refusal::not_found("server"))?;
        let ends = action.ends.map(|ends| ends.min(told));
        if let (Some(ends), Some(machine)) = (ends, self.account.machine_mut(id)) {
            machine.locked_until = ends;
        }
        if let Some(action) = self.account.action_mut(action.id) {
            action.ends = ends;
        }
        Ok(reply(201, &json!({"action": ShownAction::new(&Action { ends, ..action }, now)})))
    }

    /// Runs an action that ends immediately.
    fn at_once(
        &mut self,
        id: u64,
        command: &'static str,
        now: Moment,
        effects: Effects,
    ) -> ShownAction {
        let region = self.account.machine(id).map_or("", |machine| machine.region);
        let fails = effects.is(Fault::ActionFails);
        ShownAction::new(&self.account.act(command, id, None, region, now, Some(now), fails), now)
    }

    fn create_image(
        &mut self,
        asked: &Asked<'_>,
        id: u64,
        now: Moment,
        effects: Effects,
    ) -> Outcome {
        let mut input = Input::read_optional(asked)?;
        let description = input.text("description");
        let kind = input.text("type");
        let labels = input.labels().unwrap_or_default();
        let nature = match kind.as_deref() {
            None | Some("snapshot") => Nature::Snapshot,
            Some("backup") => Nature::Backup,
            Some(_) => {
                input.complain("type", "must be one of snapshot, backup");
                Nature::Snapshot
            }
        };
        input.check()?;
        if nature == Nature::Backup && !self.extras.get(&id).is_some_and(|extra| extra.backups) {
            return Err(refusal::invalid("backups are not enabled for this server"));
        }
        let machine = self.account.machine(id).ok_or_else(|| refusal::not_found("server"))?;
        let name = description.filter(|text| !text.is_empty()).unwrap_or_else(|| {
            format!("{}-{}", machine.name, now.format("%Y-%m-%dT%H:%M:%S+00:00"))
        });
        let disk =
            self.extras.get(&id).and_then(|extra| extra.disk_gib).unwrap_or(machine.size.disk_gib);
        let image = NewImage {
            description: name.clone(),
            name,
            public: false,
            distribution: self
                .account
                .image(machine.image)
                .map_or("unknown", |image| image.distribution),
            architecture: machine.size.architecture,
            regions: Vec::new(),
            min_disk_gib: disk,
            size_centi_gib: 0,
            source: Some((id, machine.name.clone())),
            labels,
        };
        let os_version = self.images.get(&machine.image).and_then(|about| about.os_version);
        let size_centi_gib = self.account.rng.u32(110..290);
        // The server's price includes its backups.
        let month = if nature == Nature::Backup {
            0
        } else {
            u64::from(size_centi_gib) * IMAGE_MICROS / 100
        };
        let rate =
            Rate { currency: "EUR", micros_per_hour: month / 720, rounding: Rounding::Hours };
        let image = NewImage { size_centi_gib, ..image };
        let (image, action) = self.account.snapshot(id, image, "create_image", rate, now, effects);
        let about = About { nature, os_version, deprecated: None, protected: false };
        self.images.insert(image, about.clone());
        let image = self.account.image(image).ok_or_else(|| refusal::not_found("image"))?;
        Ok(reply(
            201,
            &Snapped {
                action: ShownAction::new(&action, now),
                image: Image::new(image, &about, now),
            },
        ))
    }

    fn rebuild(&mut self, asked: &Asked<'_>, id: u64, now: Moment, effects: Effects) -> Outcome {
        let mut input = Input::read(asked)?;
        let wanted = input.required_reference("image");
        let user_data = input.text("user_data");
        input.check()?;
        if self.extras.get(&id).is_some_and(|extra| extra.protected) {
            return Err(refusal::protected("server"));
        }
        let machine = self.account.machine(id).ok_or_else(|| refusal::not_found("server"))?;
        let server_type = super::catalogue::type_of(machine.size)
            .ok_or_else(|| refusal::not_found("server type"))?;
        let image = self.usable_image(&wanted, server_type, now)?;
        let without_keys = machine.keys.is_empty();
        let action = self.change_power(
            id,
            "rebuild_server",
            (Power::Starting, Power::Running),
            now,
            effects,
        )?;
        if let (false, Some(machine)) =
            (effects.is(Fault::ActionFails), self.account.machine_mut(id))
        {
            machine.image = image;
            machine.user_data = user_data.or_else(|| machine.user_data.take());
        }
        let root_password = without_keys.then(|| self.password());
        Ok(reply(201, &json!({"action": action, "root_password": root_password})))
    }

    fn change_type(
        &mut self,
        asked: &Asked<'_>,
        id: u64,
        now: Moment,
        effects: Effects,
    ) -> Outcome {
        let mut input = Input::read(asked)?;
        let (wanted, upgrade_disk) =
            (input.required_reference("server_type"), input.flag("upgrade_disk"));
        if upgrade_disk.is_none() {
            input.complain("upgrade_disk", "is required");
        }
        input.check()?;
        let server_type = find_type(&wanted)?;
        let machine = self.account.machine(id).ok_or_else(|| refusal::not_found("server"))?;
        if machine.power(now) != Power::Off {
            return Err(refusal::not_stopped());
        }
        let disk =
            self.extras.get(&id).and_then(|extra| extra.disk_gib).unwrap_or(machine.size.disk_gib);
        let fits =
            server_type.architecture == machine.size.architecture && server_type.disk_gib >= disk;
        let size = server_type.at(machine.region).filter(|_| fits);
        let size = size.ok_or_else(|| {
            refusal::invalid_server_type("server type does not fit for the given server")
        })?;
        let action = self.change_power(
            id,
            "change_server_type",
            (Power::Starting, Power::Running),
            now,
            effects,
        )?;
        if !effects.is(Fault::ActionFails) {
            if let Some(machine) = self.account.machine_mut(id) {
                machine.size = size;
            }
            self.extras.entry(id).or_default().disk_gib =
                if upgrade_disk == Some(true) { None } else { Some(disk) };
            self.charge_anew(id, now);
        }
        Ok(reply(201, &json!({"action": action})))
    }

    /// Restarts the charge of a server at its current price; backups add 20 %.
    fn charge_anew(&mut self, id: u64, now: Moment) {
        let Some(machine) = self.account.machine(id) else { return };
        let name = machine.size.name;
        let mut rate = machine.size.rate;
        if self.extras.get(&id).is_some_and(|extra| extra.backups) {
            rate.micros_per_hour += rate.micros_per_hour / 5;
        }
        self.account.end_charge(Kind::Instance, id, now);
        self.account.charge(Kind::Instance, id, name, now, rate);
    }

    fn protect_server(
        &mut self,
        asked: &Asked<'_>,
        id: u64,
        now: Moment,
        effects: Effects,
    ) -> Outcome {
        let mut input = Input::read(asked)?;
        let delete = input.flag("delete");
        let rebuild = input.flag("rebuild");
        if delete != rebuild {
            input.complain("delete", "must be the same as rebuild");
        }
        input.check()?;
        let action = self.at_once(id, "change_protection", now, effects);
        if let (Some(protected), false) = (delete, effects.is(Fault::ActionFails)) {
            self.extras.entry(id).or_default().protected = protected;
        }
        Ok(reply(201, &json!({"action": action})))
    }

    fn set_backups(&mut self, id: u64, on: bool, now: Moment, effects: Effects) -> Outcome {
        let action =
            self.at_once(id, if on { "enable_backup" } else { "disable_backup" }, now, effects);
        if !effects.is(Fault::ActionFails) {
            let was = std::mem::replace(&mut self.extras.entry(id).or_default().backups, on);
            if was != on {
                self.charge_anew(id, now);
            }
            if !on {
                self.forget_backups(id, now);
            }
        }
        Ok(reply(201, &json!({"action": action})))
    }

    fn set_rescue(&mut self, id: u64, on: bool, now: Moment, effects: Effects) -> Outcome {
        let action =
            self.at_once(id, if on { "enable_rescue" } else { "disable_rescue" }, now, effects);
        if !effects.is(Fault::ActionFails) {
            self.extras.entry(id).or_default().rescue = on;
        }
        if !on {
            return Ok(reply(201, &json!({"action": action})));
        }
        Ok(reply(201, &json!({"action": action, "root_password": self.password()})))
    }

    // Actions.

    /// Returns one action; with `of`, only if it belongs to that server or image.
    pub(super) fn get_action(&self, id: &str, of: Option<&str>, now: Moment) -> Outcome {
        let action = input::number(id).and_then(|id| self.account.action(id));
        let action =
            action.filter(|action| of.is_none_or(|of| input::number(of) == Some(action.machine)));
        let action = action.ok_or_else(|| refusal::not_found(&format!("action with ID '{id}'")))?;
        Ok(reply(200, &json!({"action": ShownAction::new(action, now)})))
    }

    /// Returns the actions with the requested ids. The API no longer lists all actions.
    pub(super) fn list_asked_actions(
        &self,
        asked: &Asked<'_>,
        now: Moment,
        effects: Effects,
    ) -> Outcome {
        let removed =
            "2025-01-30-listing-arbitrary-actions-in-the-actions-list-endpoint-is-removed";
        let actions = self.actions_by_id(asked)?.ok_or_else(|| refusal::removed(removed))?;
        page_of_actions(asked, actions, now, effects)
    }

    /// Returns the actions of all servers or of all images; if ids are given, only those.
    pub(super) fn list_actions(
        &self,
        asked: &Asked<'_>,
        kind: &str,
        now: Moment,
        effects: Effects,
    ) -> Outcome {
        let mut actions = match self.actions_by_id(asked)? {
            Some(actions) => actions,
            None => self.account.actions().collect(),
        };
        actions.retain(|action| (action.image == Some(action.machine)) == (kind == "images"));
        page_of_actions(asked, actions, now, effects)
    }

    pub(super) fn list_actions_of(
        &mut self,
        asked: &Asked<'_>,
        (kind, id): (&str, &str),
        now: Moment,
        effects: Effects,
    ) -> Outcome {
        let id = if kind == "servers" {
            self.visible_server(id, now)?
        } else {
            self.visible_image(id, now)?
        };
        page_of_actions(asked, self.account.actions_of(id).collect(), now, effects)
    }

    fn actions_by_id(&self, asked: &Asked<'_>) -> Result<Option<Vec<&Action>>, Answer> {
        let mut ids = Vec::new();
        for text in asked.params("id") {
            ids.push(
                input::number(&text)
                    .ok_or_else(|| refusal::invalid_field("id", "must be an integer"))?,
            );
        }
        if ids.is_empty() {
            return Ok(None);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(Some(ids.into_iter().filter_map(|id| self.account.action(id)).collect()))
    }
}

fn page_of_actions(
    asked: &Asked<'_>,
    mut actions: Vec<&Action>,
    now: Moment,
    effects: Effects,
) -> Outcome {
    let statuses = input::words(asked, "status", &["running", "success", "error"])?;
    actions.retain(|action| {
        statuses.is_empty() || statuses.iter().any(|status| status == action_status(action, now))
    });
    let micros = |moment: Moment| Key::Number(moment.timestamp_micros());
    list::sort(asked, &mut actions, |action, field| match field {
        "id" => Some(Key::Number(action.id.cast_signed())),
        "command" => Some(Key::Text(action.kind.to_string())),
        "status" => Some(Key::Text(action_status(action, now).to_string())),
        "started" => Some(micros(action.started)),
        "finished" => Some(micros(action.ends.unwrap_or(Moment::MAX_UTC))),
        _ => None,
    })?;
    let (page, meta) = list::page(asked, actions, effects)?;
    let actions = page.into_iter().map(|action| ShownAction::new(action, now)).collect();
    Ok(reply(200, &Many { actions, meta }))
}
