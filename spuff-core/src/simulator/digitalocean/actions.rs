//! Actions on droplets, and their status.

use serde_json::{Map, Value};

use super::super::account::{Action, NewImage, Power};
use super::super::backend::Answer;
use super::super::clock::Moment;
use super::super::fault::Fault;
use super::calls::{body, text};
use super::catalogue::snapshot_rate;
use super::droplets::check_name;
use super::page::{Keyed, respond};
use super::problem::Problem;
use super::show::{self, is_locked};
use super::{Ask, DigitalOcean, Outcome, number};

impl DigitalOcean {
    pub(super) fn list_actions(&self, ask: &Ask<'_>) -> Outcome {
        Ok(self.page_of_actions(ask, self.account.actions().rev().collect()))
    }

    pub(super) fn list_droplet_actions(&self, ask: &Ask<'_>, id: &str) -> Outcome {
        let machine = self.existing(number(id).ok_or_else(Problem::not_found)?)?;
        Ok(self.page_of_actions(ask, self.account.actions_of(machine.id).rev().collect()))
    }

    fn page_of_actions(&self, ask: &Ask<'_>, newest_first: Vec<&Action>) -> Answer {
        let page = ask.page();
        let (actions, total) = page.cut(newest_first);
        let bodies = actions.into_iter().map(|action| show::action(action, &self.bodies, ask.now));
        page.answer("actions", (bodies.collect(), total))
    }

    pub(super) fn show_action(&self, ask: &Ask<'_>, id: &str) -> Outcome {
        let action =
            number(id).and_then(|id| self.account.action(id)).ok_or_else(Problem::not_found)?;
        Ok(respond(200, &Keyed("action", show::action(action, &self.bodies, ask.now))))
    }

    pub(super) fn show_droplet_action(&self, ask: &Ask<'_>, droplet: &str, id: &str) -> Outcome {
        let machine = self.existing(number(droplet).ok_or_else(Problem::not_found)?)?.id;
        let action = number(id)
            .and_then(|id| self.account.action(id))
            .filter(|action| action.machine == machine);
        let action = action.ok_or_else(Problem::not_found)?;
        Ok(respond(200, &Keyed("action", show::action(action, &self.bodies, ask.now))))
    }

    pub(super) fn act(&mut self, ask: &Ask<'_>, id: &str) -> Outcome {
        let id = self.existing(number(id).ok_or_else(Problem::not_found)?)?.id;
        let action = self.begin(ask, id, &body(ask.asked)?)?;
        Ok(respond(201, &Keyed("action", show::action(&action, &self.bodies, ask.now))))
    }

    /// Starts an action on every droplet with a tag; skips droplets that cannot accept it.
    pub(super) fn act_on_tagged(&mut self, ask: &Ask<'_>) -> Outcome {
        let tag = ask
            .asked
            .param("tag_name")
            .filter(|tag| self.has_tag(tag))
            .ok_or_else(Problem::not_found)?;
        let body = body(ask.asked)?;
        let kind = text(&body, "type")?.unwrap_or_default();
        if !["power_cycle", "power_on", "power_off", "shutdown", "snapshot"].contains(&kind) {
            return Err(Problem::refused("You specified an invalid action type."));
        }
        ask.not_locked("Droplet")?;
        let begun: Vec<Action> = self
            .tagged_droplets(&tag)
            .into_iter()
            .filter_map(|id| self.begin(ask, id, &body).ok())
            .collect();
        let bodies: Vec<_> =
            begun.iter().map(|action| show::action(action, &self.bodies, ask.now)).collect();
        Ok(respond(201, &Keyed("actions", bodies)))
    }

    fn begin(
        &mut self,
        ask: &Ask<'_>,
        id: u64,
        body: &Map<String, Value>,
    ) -> Result<Action, Problem> {
        let now = ask.now;
        let kind = text(body, "type")?.unwrap_or_default();
        let machine = self.existing(id)?;
        let is_off = matches!(machine.power(now), Power::Off);
        let busy = ask.effects.is(Fault::Locked) || is_locked(machine, now);
        let power = |kind, to| Ok((kind, to));
        let change = match kind {
            _ if busy => Err(Problem::busy("Droplet")),
            "power_on" | "power_off" | "shutdown" | "reboot" | "power_cycle" | "snapshot"
            | "rebuild" | "password_reset"
                if machine.power(now) == Power::Booting =>
            {
                Err(Problem::refused("Droplet is not active yet"))
            }
            "power_on" if !is_off => Err(Problem::refused("Droplet is already powered on")),
            "power_off" | "shutdown" if is_off => {
                Err(Problem::refused("Droplet is already powered off"))
            }
            "reboot" | "power_cycle" if is_off => {
                Err(Problem::refused("Droplet is currently powered off"))
            }
            "power_on" => power("power_on", (Power::Starting, Power::Running)),
            "power_off" => power("power_off", (Power::Stopping, Power::Off)),
            "shutdown" => power("shutdown", (Power::Stopping, Power::Off)),
            "reboot" => power("reboot", (Power::Stopping, Power::Running)),
            "power_cycle" => power("power_cycle", (Power::Stopping, Power::Running)),
            "rename" => return self.rename(ask, id, text(body, "name")?.unwrap_or_default()),
            "snapshot" => return self.take_snapshot(ask, id, text(body, "name")?),
            "rebuild" => return self.rebuild(ask, id, body),
            "password_reset" => return Ok(self.hold(ask, id, "password_reset")),
            _ => Err(Problem::refused("You specified an invalid action type.")),
        };
        let (kind, states) = change?;
        self.account.power(id, kind, states, now, ask.effects).ok_or_else(Problem::not_found)
    }

    /// Starts an action that locks a droplet for the duration of a power action and does not change
    /// its state.
    fn hold(&mut self, ask: &Ask<'_>, id: u64, kind: &'static str) -> Action {
        let ends = ask.now + self.account.take(self.account.timings.power);
        self.hold_until(ask, id, kind, ends, Some(ends))
    }

    fn hold_until(
        &mut self,
        ask: &Ask<'_>,
        id: u64,
        kind: &'static str,
        free: Moment,
        ends: Option<Moment>,
    ) -> Action {
        let mut region = "";
        if let Some(machine) = self.account.machine_mut(id) {
            machine.locked_until = free;
            region = machine.region;
        }
        self.account.act(kind, id, None, region, ask.now, ends, ask.effects.is(Fault::ActionFails))
    }

    fn rename(&mut self, ask: &Ask<'_>, id: u64, name: &str) -> Result<Action, Problem> {
        check_name(name)?;
        if !ask.effects.is(Fault::ActionFails) {
            self.account.rename(id, name);
        }
        Ok(self.hold(ask, id, "rename"))
    }

    fn rebuild(
        &mut self,
        ask: &Ask<'_>,
        id: u64,
        body: &Map<String, Value>,
    ) -> Result<Action, Problem> {
        let machine = self.existing(id)?;
        let image = self.image_for(body, ask.now)?;
        if !image.regions.contains(&machine.region) || image.min_disk_gib > machine.size.disk_gib {
            return Err(Problem::refused("You specified an invalid image for Droplet rebuild."));
        }
        let image = image.id;
        if !ask.effects.is(Fault::ActionFails)
            && let Some(machine) = self.account.machine_mut(id)
        {
            machine.image = image;
        }
        let states = (Power::Stopping, Power::Running);
        self.account
            .power(id, "rebuild", states, ask.now, ask.effects)
            .ok_or_else(Problem::not_found)
    }

    /// A snapshot is visible once its action has succeeded. An action that fails or never ends
    /// creates no snapshot.
    fn take_snapshot(
        &mut self,
        ask: &Ask<'_>,
        id: u64,
        name: Option<&str>,
    ) -> Result<Action, Problem> {
        let machine = self.existing(id)?;
        let stamp = || format!("{}-{}", machine.name, ask.now.timestamp_millis());
        let name = name.filter(|name| !name.is_empty()).map_or_else(stamp, str::to_string);
        let base = self.account.image(machine.image);
        let new = NewImage {
            name,
            distribution: base.map_or("Unknown", |image| image.distribution),
            architecture: machine.size.architecture,
            regions: vec![machine.region],
            min_disk_gib: machine.size.disk_gib,
            size_centi_gib: base.map_or(100, |image| image.size_centi_gib),
            source: Some((id, machine.name.clone())),
            ..NewImage::default()
        };
        if ask.effects.is(Fault::ActionFails) || ask.effects.is(Fault::StuckCreating) {
            let ends = ask.now + self.account.take(self.account.timings.snapshot);
            let ending = (!ask.effects.is(Fault::StuckCreating)).then_some(ends);
            return Ok(self.hold_until(ask, id, "snapshot", ends, ending));
        }
        // The droplet has written some data since it was created.
        let new =
            NewImage { size_centi_gib: new.size_centi_gib + self.account.rng.u32(100..250), ..new };
        let rate = snapshot_rate(new.size_centi_gib);
        let (image, action) =
            self.account.snapshot(id, new, "snapshot", rate, ask.now, ask.effects);
        self.snapshots_of.entry(id).or_default().push(image);
        Ok(action)
    }

    /// Lists the droplets on the same physical host: always none.
    pub(super) fn neighbors(&self, id: &str) -> Outcome {
        self.existing(number(id).ok_or_else(Problem::not_found)?)?;
        Ok(respond(200, &Keyed("droplets", [(); 0])))
    }
}
