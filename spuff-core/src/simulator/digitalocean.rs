//! DigitalOcean API v2: lists lag behind creates, replies never contain a new snapshot's id, tags
//! outlive their resources, and 422 covers many errors.
//!
//! `calls` parses requests; a file for each kind of resource answers them.

mod actions;
mod calls;
mod catalogue;
mod droplets;
mod images;
mod keys;
mod limits;
mod page;
mod problem;
mod show;
mod tags;

use std::collections::HashMap;

use chrono::TimeDelta;
use serde::Serialize;

use self::calls::Call;
use self::catalogue::{REGIONS, STOCK};
use self::limits::Limits;
use self::page::{Keyed, Page, respond};
use self::problem::Problem;
use self::show::CatalogueBodies;
use self::tags::Tags;
use super::account::{Account, Image, Machine, NewImage};
use super::backend::{Answer, Asked, Backend, Refusal};
use super::clock::Moment;
use super::fault::{Effects, Fault};
use super::inspect::Kind;
use super::options::Options;
use super::route::Route;

/// The droplet limit that the API shows if there is none.
const SHOWN_LIMIT: usize = 100_000;

/// The simulated cloud.
pub(super) struct DigitalOcean {
    account: Account,
    bodies: CatalogueBodies,
    /// The ids of the cloud's public images, by slug.
    stock: HashMap<&'static str, u64>,
    tags: Tags,
    limits: Limits,
    quota: usize,
    /// The snapshots of each droplet, including droplets that no longer exist.
    snapshots_of: HashMap<u64, Vec<u64>>,
    /// A separate generator, so that request ids do not affect the world's random sequence.
    rng: fastrand::Rng,
    /// The current request's id, if the reply's body contains it.
    request_id: Option<String>,
}

type Outcome = Result<Answer, Problem>;

/// A request with its time and effects.
struct Ask<'a> {
    asked: &'a Asked<'a>,
    now: Moment,
    effects: Effects,
}

impl Ask<'_> {
    fn page(&self) -> Page {
        Page::of(self.asked, self.effects)
    }

    /// Refuses if the `Locked` fault hits the request.
    fn not_locked(&self, what: &str) -> Result<(), Problem> {
        if self.effects.is(Fault::Locked) { Err(Problem::busy(what)) } else { Ok(()) }
    }
}

/// Parses the numeric id in a path.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[derive(Serialize)]
struct AccountBody {
    droplet_limit: usize,
    floating_ip_limit: u32,
    reserved_ip_limit: u32,
    volume_limit: u32,
    email: &'static str,
    name: &'static str,
    uuid: &'static str,
    email_verified: bool,
    status: &'static str,
    status_message: &'static str,
    team: Team,
}

#[derive(Serialize)]
struct Team {
    uuid: &'static str,
    name: &'static str,
}

impl DigitalOcean {
    pub(super) fn new(options: &Options, now: Moment) -> Self {
        let id = |_: Kind, id: u64| id.to_string();
        let mut account = Account::new("digitalocean", options, id, TimeDelta::zero());
        account.fold_names = true;
        keys::first(&mut account, now);
        let open: Vec<&'static str> =
            REGIONS.iter().filter(|region| region.open).map(|region| region.slug).collect();
        let publish = |image: &'static catalogue::Stock| {
            let new = NewImage {
                name: image.slug.to_string(),
                description: format!("{} {}", image.distribution, image.name),
                public: true,
                distribution: image.distribution,
                regions: open.clone(),
                min_disk_gib: image.min_disk_gib,
                size_centi_gib: image.size_centi_gib,
                ..NewImage::default()
            };
            (image.slug, account.publish(new, now))
        };
        Self {
            stock: STOCK.iter().map(publish).collect(),
            account,
            bodies: CatalogueBodies::new(),
            tags: Tags::default(),
            limits: Limits::default(),
            quota: options.quota,
            snapshots_of: HashMap::new(),
            rng: fastrand::Rng::with_seed(options.seed),
            request_id: None,
        }
    }

    fn new_request_id(&mut self) -> String {
        let bits = self.rng.u128(..);
        let part = |shift: u32, mask: u128| (bits >> shift) & mask;
        let variant = 0x8000 | part(48, 0x3fff);
        let version = 0x4000 | part(64, 0xfff);
        format!(
            "{:08x}-{:04x}-{version:04x}-{variant:04x}-{:012x}",
            part(96, 0xffff_ffff),
            part(80, 0xffff),
            part(0, (1 << 48) - 1)
        )
    }

    fn refused(&mut self, problem: &Problem, for_tags: bool) -> Answer {
        let id = self.new_request_id();
        let answer = Answer::json(problem.status, &problem.body(&id, for_tags));
        self.request_id = Some(id);
        answer
    }

    fn account(&self) -> Answer {
        let account = AccountBody {
            droplet_limit: self.quota.min(SHOWN_LIMIT),
            floating_ip_limit: 3,
            reserved_ip_limit: 3,
            volume_limit: 100,
            email: "alice@example.org",
            name: "Alice",
            uuid: "b6fc48dbf6d9906cace5f3c78dc9851d957381ef",
            email_verified: true,
            status: "active",
            status_message: "",
            team: Team { uuid: "5df3e3004a17e242b7c20ca6c9fc25b701a47ece", name: "Alice's Team" },
        };
        respond(200, &Keyed("account", account))
    }

    fn carry_out(&mut self, ask: &Ask<'_>, call: &Call<'_>) -> Outcome {
        match call {
            Call::Account => Ok(self.account()),
            Call::Regions => Ok(self.catalogue_page(ask, "regions", &self.bodies.regions)),
            Call::Sizes => Ok(self.catalogue_page(ask, "sizes", &self.bodies.sizes)),
            Call::Keys => self.list_keys(ask),
            Call::CreateKey => self.create_key(ask),
            Call::Key(name) => self.show_key(name),
            Call::UpdateKey(name) => self.update_key(ask, name),
            Call::DeleteKey(name) => self.delete_key(name),
            Call::Droplets => self.list_droplets(ask),
            Call::CreateDroplets => self.create_droplets(ask),
            Call::DestroyTagged => self.destroy_tagged(ask),
            Call::Droplet(id) => self.show_droplet(ask, id),
            Call::DestroyDroplet(id) => self.destroy_droplet(ask, id),
            Call::DropletSnapshots(id) => self.list_droplet_snapshots(ask, id),
            Call::DropletActions(id) => self.list_droplet_actions(ask, id),
            Call::DropletAction(id, action) => self.show_droplet_action(ask, id, action),
            Call::Act(id) => self.act(ask, id),
            Call::ActOnTagged => self.act_on_tagged(ask),
            Call::Leftovers(id) => self.leftovers(ask, id),
            Call::Neighbors(id) => self.neighbors(id),
            Call::NoneOf(id, key) => self
                .existing(number(id).ok_or_else(Problem::not_found)?)
                .map(|_| ask.page().answer::<()>(key, (Vec::new(), 0))),
            Call::NoneAtAll(key) => Ok(ask.page().answer::<()>(key, (Vec::new(), 0))),
            Call::Actions => self.list_actions(ask),
            Call::Action(id) => self.show_action(ask, id),
            Call::Images => self.list_images(ask),
            Call::Image(name) => self.show_image(ask, name),
            Call::ImageActions(id) => self.list_image_actions(ask, id),
            Call::UpdateImage(id) => self.update_image(ask, id),
            Call::DeleteImage(id) => self.delete_image(ask, id),
            Call::Snapshots => self.list_snapshots(ask),
            Call::Snapshot(id) => self.show_snapshot(ask, id),
            Call::DeleteSnapshot(id) => self.delete_snapshot(ask, id),
            Call::Tags => self.list_tags(ask),
            Call::CreateTag => self.create_tag(ask),
            Call::Tag(name) => self.show_tag(name),
            Call::DeleteTag(name) => self.delete_tag(name),
            Call::TagResources(name) => self.change_tagged(ask, name, true),
            Call::UntagResources(name) => self.change_tagged(ask, name, false),
        }
    }

    fn catalogue_page<T: Serialize>(&self, ask: &Ask<'_>, key: &'static str, all: &[T]) -> Answer {
        let page = ask.page();
        page.answer(key, page.cut(all.iter().collect()))
    }
}

impl Backend for DigitalOcean {
    fn account(&self) -> &Account {
        &self.account
    }

    fn account_mut(&mut self) -> &mut Account {
        &mut self.account
    }

    fn content_type(&self, _: &Asked<'_>) -> &'static str {
        "application/json; charset=utf-8"
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        let is_own = |id: &str| number(id).is_some_and(|id| self.own_image(id).is_some());
        Call::of(asked).map_or(Route::Other, |call| call.route(asked, is_own))
    }

    fn token<'a>(&self, asked: &Asked<'a>) -> &'a str {
        asked.bearer()
    }

    fn pace(&mut self, asked: &Asked<'_>, _: Route, now: Moment) -> Result<(), TimeDelta> {
        self.limits.take(asked.bearer(), Call::of(asked) == Some(Call::Keys), now)
    }

    fn common_headers(&mut self, _: &Asked<'_>, now: Moment) -> Vec<(&'static str, String)> {
        let id = self.request_id.take().unwrap_or_else(|| self.new_request_id());
        let mut headers = Vec::from([("x-request-id", id)]);
        headers.extend(self.limits.headers(now));
        headers
    }

    fn refuse(&mut self, _: &Asked<'_>, refusal: Refusal) -> Answer {
        self.limits.begin();
        let problem = match refusal {
            Refusal::Unauthorized => Problem::unauthorized(),
            Refusal::RateLimited { .. } => Problem::too_many_requests(),
            Refusal::ServerError(status) => Problem::server_error(status),
        };
        let answer = self.refused(&problem, false);
        let Refusal::RateLimited { retry_after } = refusal else { return answer };
        self.limits.pretend_used_up(retry_after);
        match retry_after
            .or_else(|| self.limits.retry_after().and_then(|seconds| seconds.try_into().ok()))
        {
            Some(seconds) => answer.with_header("retry-after", seconds),
            None => answer,
        }
    }

    fn answer(&mut self, asked: &Asked<'_>, now: Moment, effects: Effects) -> Answer {
        self.limits.begin();
        self.request_id = None;
        let call = Call::of(asked);
        let ask = Ask { asked, now, effects };
        let outcome = call
            .as_ref()
            .map_or_else(|| Err(Problem::not_found()), |call| self.carry_out(&ask, call));
        outcome.unwrap_or_else(|problem| {
            self.refused(&problem, call.is_some_and(|call| call.is_for_tags()))
        })
    }

    fn instance_state(&self, machine: &Machine, now: Moment) -> &'static str {
        show::status(machine, now)
    }

    fn snapshot_state(&self, image: &Image, now: Moment) -> &'static str {
        if image.is_available(now) { "available" } else { "pending" }
    }
}
