//! Images: the cloud's public ones, which are read-only, and snapshots and backups.
//!
//! An action of the server creates a snapshot.

use serde::Serialize;
use serde_json::json;

use super::super::account::{Image as WorldImage, Progress};
use super::super::backend::{Answer, Asked};
use super::super::clock::Moment;
use super::super::fault::{Effects, Fault};
use super::catalogue::architecture;
use super::input::{self, Input};
use super::list::{self, Key, Meta};
use super::show::{Image, ShownAction, image_status};
use super::{About, Hetzner, Nature, Outcome, refusal, reply};

#[derive(Serialize)]
struct One<'a> {
    image: Image<'a>,
}

#[derive(Serialize)]
struct Many<'a> {
    images: Vec<Image<'a>>,
    meta: Meta,
}

impl Hetzner {
    pub(super) fn list_images(
        &mut self,
        asked: &Asked<'_>,
        now: Moment,
        effects: Effects,
    ) -> Outcome {
        let kinds = input::words(asked, "type", &["system", "app", "snapshot", "backup"])?;
        let statuses = input::words(asked, "status", &["available", "creating", "unavailable"])?;
        let architectures = input::words(asked, "architecture", &["x86", "arm"])?;
        // The official clients send `true` or `True`.
        let with_deprecated =
            asked.param("include_deprecated").is_some_and(|word| word.eq_ignore_ascii_case("true"));
        let bound_to: Vec<_> = asked.params("bound_to").collect();
        let name = asked.param("name");
        let selector = input::selector(asked)?;
        let any = |wanted: &[String], word: &str| {
            wanted.is_empty() || wanted.iter().any(|one| one == word)
        };

        let abouts = &self.images;
        let is_meant = |image: &WorldImage| {
            let Some(about) = abouts.get(&image.id) else { return false };
            let server = image
                .source
                .as_ref()
                .filter(|_| about.nature == Nature::Backup)
                .map(|(id, _)| id.to_string());
            any(&kinds, about.nature.word())
                && any(&statuses, image_status(image, now))
                && any(&architectures, architecture(image.architecture))
                && (with_deprecated || about.deprecated.is_none())
                && (bound_to.is_empty()
                    || server.is_some_and(|server| bound_to.iter().any(|id| *id == server)))
                && name.as_ref().is_none_or(|name| image.public && image.name == **name)
                && selector.as_ref().is_none_or(|selector| selector.matches(&image.labels))
        };
        let shown = self.account.list_images_where(now, is_meant);
        let mut images: Vec<(&WorldImage, &About)> =
            shown.filter_map(|image| Some((image, abouts.get(&image.id)?))).collect();
        list::sort(asked, &mut images, |(image, _), field| match field {
            "id" => Some(Key::Number(image.id.cast_signed())),
            "name" => {
                Some(Key::Text(if image.public { image.name.clone() } else { String::new() }))
            }
            "created" => Some(Key::Number(image.created.timestamp_micros())),
            _ => None,
        })?;
        let (page, meta) = list::page(asked, images, effects)?;
        let images = page.into_iter().map(|(image, about)| Image::new(image, about, now)).collect();
        Ok(reply(200, &Many { images, meta }))
    }

    pub(super) fn get_image(&mut self, id: &str, now: Moment) -> Outcome {
        let id = self.visible_image(id, now)?;
        Ok(reply(200, &One { image: self.show_image(id, now)? }))
    }

    pub(super) fn update_image(&mut self, asked: &Asked<'_>, id: &str, now: Moment) -> Outcome {
        let id = self.own_image(id, now)?;
        let mut input = Input::read(asked)?;
        let (description, kind, labels) =
            (input.text("description"), input.text("type"), input.labels());
        if kind.as_ref().is_some_and(|kind| kind != "snapshot") {
            input.complain("type", "must be snapshot");
        }
        input.check()?;
        if let Some(image) = self.account.image_mut(id) {
            if let Some(description) = description {
                image.name.clone_from(&description);
                image.description = description;
            }
            if let Some(labels) = labels {
                image.labels = labels;
            }
        }
        if let (Some(_), Some(about)) = (kind, self.images.get_mut(&id)) {
            about.nature = Nature::Snapshot;
        }
        Ok(reply(200, &One { image: self.show_image(id, now)? }))
    }

    pub(super) fn delete_image(&mut self, id: &str, now: Moment, effects: Effects) -> Outcome {
        let id = self.own_image(id, now)?;
        if self.images.get(&id).is_some_and(|about| about.protected) {
            return Err(refusal::protected("image"));
        }
        if effects.is(Fault::Locked) || self.is_being_made(id, now) {
            return Err(refusal::locked("image"));
        }
        self.account.delete_image(id, now);
        self.images.remove(&id);
        Ok(Answer::new(204, ""))
    }

    pub(super) fn protect_image(
        &mut self,
        asked: &Asked<'_>,
        id: &str,
        now: Moment,
        effects: Effects,
    ) -> Outcome {
        let id = self.own_image(id, now)?;
        let mut input = Input::read(asked)?;
        let delete = input.flag("delete");
        input.check()?;
        if effects.is(Fault::Locked) {
            return Err(refusal::locked("image"));
        }
        let fails = effects.is(Fault::ActionFails);
        let action = self.account.act("change_protection", id, Some(id), "", now, Some(now), fails);
        if let (Some(protected), false, Some(about)) = (delete, fails, self.images.get_mut(&id)) {
            about.protected = protected;
        }
        Ok(reply(201, &json!({"action": ShownAction::new(&action, now)})))
    }

    /// Returns the id of an image if a read shows it now.
    pub(super) fn visible_image(&mut self, id: &str, now: Moment) -> Result<u64, Answer> {
        let number = input::number(id).ok_or_else(|| refusal::not_found("image"))?;
        let found = self.account.read_image(number, now).map(|image| image.id);
        found.ok_or_else(|| refusal::not_found(&format!("image with ID '{number}'")))
    }

    /// Returns the id of a snapshot or backup if a read shows it now.
    fn own_image(&mut self, id: &str, now: Moment) -> Result<u64, Answer> {
        let id = self.visible_image(id, now)?;
        let own = self.account.image(id).is_some_and(|image| !image.public);
        own.then_some(id)
            .ok_or_else(|| refusal::unsupported("only snapshots and backups can be changed"))
    }

    /// Whether its create action is running. An action that never ends does not count.
    fn is_being_made(&self, id: u64, now: Moment) -> bool {
        let Some((server, _)) = self.account.image(id).and_then(|image| image.source.as_ref())
        else {
            return false;
        };
        let mut actions =
            self.account.actions_of(*server).filter(|action| action.image == Some(id));
        actions.any(|action| action.ends.is_some() && action.progress(now) == Progress::Running)
    }

    fn show_image(&self, id: u64, now: Moment) -> Result<Image<'_>, Answer> {
        let image = self.account.image(id).zip(self.images.get(&id));
        image
            .map(|(image, about)| Image::new(image, about, now))
            .ok_or_else(|| refusal::not_found("image"))
    }
}
