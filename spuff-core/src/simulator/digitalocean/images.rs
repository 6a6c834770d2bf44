//! Images: the cloud's public ones, and snapshots, which the API lists in two forms.
//!
//! A snapshot is visible once its action has ended, and in lists after a further lag.

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::account::Image;
use super::super::backend::Answer;
use super::super::clock::{Moment, delta};
use super::super::fault::Fault;
use super::super::inspect::Kind;
use super::calls::{body, text};
use super::catalogue::find_stock;
use super::page::{Keyed, respond};
use super::problem::Problem;
use super::show;
use super::{Ask, DigitalOcean, Outcome, number};

/// Billable resources that remain when a droplet is destroyed.
#[derive(Serialize)]
struct Leftovers {
    reserved_ips: [(); 0],
    floating_ips: [(); 0],
    snapshots: Vec<Leftover>,
    volumes: [(); 0],
    volume_snapshots: [(); 0],
}

#[derive(Serialize)]
struct Leftover {
    id: String,
    name: String,
    cost: String,
}

impl DigitalOcean {
    /// Resolves the field `image`: a slug, or an id as a number or a string of digits.
    pub(super) fn image_for(
        &self,
        body: &Map<String, Value>,
        now: Moment,
    ) -> Result<&Image, Problem> {
        let given = body.get("image").unwrap_or(&Value::Null);
        let id = given.as_u64().or_else(|| given.as_str().and_then(number));
        let id = id.or_else(|| self.stock.get(given.as_str()?).copied());
        let image =
            id.and_then(|id| self.account.image(id)).filter(|image| image.is_available(now));
        image
            .ok_or_else(|| Problem::refused("You specified an invalid image for Droplet creation."))
    }

    /// Returns a snapshot of the account, whether or not a client can see it.
    pub(super) fn own_image(&self, id: u64) -> Option<&Image> {
        self.account.image(id).filter(|image| !image.public)
    }

    /// The snapshots of a droplet that lists show.
    pub(super) fn snapshot_ids(&self, droplet: u64, now: Moment) -> Vec<u64> {
        let Some(ids) = self.snapshots_of.get(&droplet) else { return Vec::new() };
        let since = now - delta(self.account.timings.list_lag);
        let shown = |id: &&u64| {
            self.account.image(**id).is_some_and(|image| image.has_ended(since))
                && self.account.shows_image(**id, now)
        };
        ids.iter().filter(shown).copied().collect()
    }

    /// The images that `wanted` selects and a list shows.
    fn listed(&mut self, now: Moment, wanted: impl Fn(&Image) -> bool) -> Vec<u64> {
        let since = now - delta(self.account.timings.list_lag);
        let wanted = move |image: &Image| (image.public || image.has_ended(since)) && wanted(image);
        self.account.list_images_where(now, wanted).map(|image| image.id).collect()
    }

    /// Returns an image if a read by id shows it. Counts as a read if it is hidden.
    fn read(&mut self, id: u64, now: Moment) -> Result<&Image, Problem> {
        let since = now - delta(self.account.timings.read_lag);
        if !self.account.image(id).is_some_and(|image| image.public || image.has_ended(since)) {
            return Err(Problem::not_found());
        }
        self.account.read_image(id, now).ok_or_else(Problem::not_found)
    }

    pub(super) fn list_images(&mut self, ask: &Ask<'_>) -> Outcome {
        let [kind, private, tag] = ["type", "private", "tag_name"]
            .map(|name| ask.asked.param(name).filter(|value| !value.is_empty()));
        let apps = match kind.as_deref() {
            None => None,
            Some("application") => Some(true),
            Some("distribution") => Some(false),
            Some(_) => {
                return Err(Problem::bad_request("type has to be application or distribution"));
            }
        };
        let private = private.is_some_and(|private| private == "true");
        let tags = std::mem::take(&mut self.tags);
        let wanted = |image: &Image| {
            let is_app = || find_stock(&image.name).is_some_and(|stock| stock.app);
            let tagged = |tag: &str| {
                image.labels.contains_key(tag)
                    && !tags.is_fresh(tag, Kind::Snapshot, image.id, ask.now)
            };
            apps.is_none_or(|apps| image.public && is_app() == apps)
                && !(private && image.public)
                && tag.as_deref().is_none_or(tagged)
        };
        let ids = self.listed(ask.now, wanted);
        self.tags = tags;
        let page = ask.page();
        let (ids, total) = page.cut(ids);
        let images = ids.iter().filter_map(|id| self.account.image(*id)).map(show::image);
        Ok(page.answer("images", (images.collect(), total)))
    }

    /// Reads an image by its id, or a public one by its slug.
    pub(super) fn show_image(&mut self, ask: &Ask<'_>, name: &str) -> Outcome {
        let id = number(name)
            .or_else(|| self.stock.get(name).copied())
            .ok_or_else(Problem::not_found)?;
        let image = self.read(id, ask.now)?;
        Ok(respond(200, &Keyed("image", show::image(image))))
    }

    pub(super) fn update_image(&mut self, ask: &Ask<'_>, id: &str) -> Outcome {
        let id = number(id).ok_or_else(Problem::not_found)?;
        if self.read(id, ask.now)?.public {
            return Err(Problem::forbidden());
        }
        let body = body(ask.asked)?;
        let name = text(&body, "name")?;
        let description = text(&body, "description")?;
        if name.is_some_and(str::is_empty) {
            return Err(Problem::refused("Name can't be blank"));
        }
        let image = self.account.image_mut(id).ok_or_else(Problem::not_found)?;
        if let Some(name) = name {
            image.name = name.to_string();
        }
        if let Some(description) = description {
            image.description = description.to_string();
        }
        Ok(respond(200, &Keyed("image", show::image(image))))
    }

    pub(super) fn delete_image(&mut self, ask: &Ask<'_>, id: &str) -> Outcome {
        let id =
            number(id).or_else(|| self.stock.get(id).copied()).ok_or_else(Problem::not_found)?;
        if self.account.image(id).is_some_and(|image| image.public) {
            return Err(Problem::forbidden());
        }
        self.delete(ask, id)
    }

    pub(super) fn delete_snapshot(&mut self, ask: &Ask<'_>, id: &str) -> Outcome {
        let id = number(id).ok_or_else(Problem::not_found)?;
        if self.account.image(id).is_some_and(|image| image.public) {
            return Err(Problem::bad_request("the resource is not a snapshot"));
        }
        self.delete(ask, id)
    }

    fn delete(&mut self, ask: &Ask<'_>, id: u64) -> Outcome {
        let ended = self.own_image(id).is_some_and(|image| image.has_ended(ask.now));
        if !ended {
            return Err(Problem::not_found());
        }
        ask.not_locked("Image")?;
        if ask.effects.is(Fault::ActionFails) {
            return Err(Problem::server_error(500));
        }
        let source = self.account.delete_image(id, ask.now).and_then(|image| image.source);
        if let Some((droplet, _)) = source
            && let Some(ids) = self.snapshots_of.get_mut(&droplet)
        {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.snapshots_of.remove(&droplet);
            }
        }
        Ok(Answer::new(204, ""))
    }

    pub(super) fn list_snapshots(&mut self, ask: &Ask<'_>) -> Outcome {
        let of_droplets = match ask.asked.param("resource_type").as_deref() {
            None | Some("" | "droplet") => true,
            Some("volume") => false,
            Some(_) => {
                return Err(Problem::bad_request("resource_type has to be droplet or volume"));
            }
        };
        let ids = self.listed(ask.now, |image| !image.public && of_droplets);
        let page = ask.page();
        let (ids, total) = page.cut(ids);
        let snapshots = ids.iter().filter_map(|id| self.account.image(*id)).map(show::snapshot);
        Ok(page.answer("snapshots", (snapshots.collect(), total)))
    }

    pub(super) fn show_snapshot(&mut self, ask: &Ask<'_>, id: &str) -> Outcome {
        let id = number(id).ok_or_else(Problem::not_found)?;
        let image = self.read(id, ask.now)?;
        if image.public {
            return Err(Problem::bad_request("the resource is not a snapshot"));
        }
        Ok(respond(200, &Keyed("snapshot", show::snapshot(image))))
    }

    /// In this list, snapshot ids are numbers.
    pub(super) fn list_droplet_snapshots(&mut self, ask: &Ask<'_>, id: &str) -> Outcome {
        let droplet = self.existing(number(id).ok_or_else(Problem::not_found)?)?.id;
        let ids = self.listed(ask.now, |image| {
            image.source.as_ref().is_some_and(|(source, _)| *source == droplet)
        });
        let page = ask.page();
        let (ids, total) = page.cut(ids);
        let snapshots = ids.iter().filter_map(|id| self.account.image(*id)).map(show::image);
        Ok(page.answer("snapshots", (snapshots.collect(), total)))
    }

    pub(super) fn leftovers(&mut self, ask: &Ask<'_>, id: &str) -> Outcome {
        let droplet = self.existing(number(id).ok_or_else(Problem::not_found)?)?.id;
        let snapshots =
            self.snapshot_ids(droplet, ask.now).into_iter().filter_map(|id| self.account.image(id));
        let snapshots = snapshots.map(|image| Leftover {
            id: image.id.to_string(),
            name: image.name.clone(),
            cost: format!("{:.2}", f64::from(image.size_centi_gib) * 0.06 / 100.0),
        });
        let snapshots = snapshots.collect();
        let leftovers = Leftovers {
            reserved_ips: [],
            floating_ips: [],
            snapshots,
            volumes: [],
            volume_snapshots: [],
        };
        Ok(respond(200, &leftovers))
    }

    /// Always empty: no actions on images are simulated.
    pub(super) fn list_image_actions(&mut self, ask: &Ask<'_>, id: &str) -> Outcome {
        let id = number(id).ok_or_else(Problem::not_found)?;
        self.read(id, ask.now)?;
        Ok(ask.page().answer::<()>("actions", (Vec::new(), 0)))
    }
}
