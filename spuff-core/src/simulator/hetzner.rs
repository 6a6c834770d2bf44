//! Hetzner Cloud API v1: request routing, and behavior that all requests share.
//!
//! `input` parses requests, `rules` validates names and labels, `refusal` builds errors, and `show`
//! and `list` build bodies; `servers`, `actions`, `images`, `keys` and `reading` implement the
//! resources.

mod actions;
mod catalogue;
mod images;
mod input;
mod keys;
mod list;
mod reading;
mod refusal;
mod rules;
mod servers;
mod show;
mod system;

use std::collections::HashMap;

use chrono::TimeDelta;
use http::Method;
use serde::Serialize;

use self::rules::Labels;
use self::show::Extra;
use super::account::{Account, Image, Machine};
use super::backend::{Answer, Asked, Backend, Bucket, Refusal};
use super::clock::Moment;
use super::fault::Effects;
use super::inspect::Kind;
use super::options::Options;
use super::route::Route;

const ROOT: &str = "/v1";
/// Request budget per hour, and its refill rate.
const REQUESTS: u32 = 3600;
const REQUESTS_PER_SECOND: f64 = 1.0;

/// A reply; a refusal is the `Err`.
type Outcome = Result<Answer, Answer>;

/// The simulated cloud.
pub(super) struct Hetzner {
    account: Account,
    /// The project's request budget.
    bucket: Bucket,
    /// Whether a fault has made the rate limit appear exhausted.
    throttled: bool,
    /// Generator of request ids and passwords, separate so that they do not affect durations.
    names: fastrand::Rng,
    images: HashMap<u64, About>,
    /// Only of servers that have extra state.
    extras: HashMap<u64, Extra>,
    key_labels: HashMap<u64, Labels>,
}

/// Image data of Hetzner that the world does not store.
#[derive(Debug, Clone)]
struct About {
    nature: Nature,
    os_version: Option<&'static str>,
    deprecated: Option<Moment>,
    protected: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    System,
    App,
    Snapshot,
    Backup,
}

impl Nature {
    fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::App => "app",
            Self::Snapshot => "snapshot",
            Self::Backup => "backup",
        }
    }
}

impl Hetzner {
    pub(super) fn new(options: &Options, now: Moment) -> Self {
        let mut account =
            Account::new("hetzner", options, |_: Kind, id| id.to_string(), TimeDelta::zero());
        let images = system::publish(&mut account, now).into_iter().collect();
        keys::upload_first(&mut account, now);
        Self {
            account,
            bucket: Bucket::new(f64::from(REQUESTS), REQUESTS_PER_SECOND, now),
            throttled: false,
            names: fastrand::Rng::with_seed(options.seed),
            images,
            extras: HashMap::new(),
            key_labels: HashMap::new(),
        }
    }

    fn dispatch(&mut self, asked: &Asked<'_>, now: Moment, effects: Effects) -> Outcome {
        let parts = asked.parts(ROOT);
        match (asked.method.as_str(), parts.as_slice()) {
            ("GET", ["servers"]) => self.list_servers(asked, now, effects),
            ("POST", ["servers"]) => self.create_server(asked, now, effects),
            ("GET", [kind @ ("servers" | "images"), "actions"]) => {
                self.list_actions(asked, kind, now, effects)
            }
            ("GET", ["servers" | "images", "actions", id]) => self.get_action(id, None, now),
            ("GET", ["servers", id]) => self.get_server(id, now),
            ("PUT", ["servers", id]) => self.update_server(asked, id, now),
            ("DELETE", ["servers", id]) => self.delete_server(id, now, effects),
            ("GET", [kind @ ("servers" | "images"), id, "actions"]) => {
                self.list_actions_of(asked, (kind, id), now, effects)
            }
            ("GET", ["servers" | "images", of, "actions", id]) => {
                self.get_action(id, Some(of), now)
            }
            ("POST", ["servers", id, "actions", action]) => {
                self.act_on_server(asked, (id, action), now, effects)
            }
            ("GET", ["actions"]) => self.list_asked_actions(asked, now, effects),
            ("GET", ["actions", id]) => self.get_action(id, None, now),
            ("GET", ["images"]) => self.list_images(asked, now, effects),
            ("GET", ["images", id]) => self.get_image(id, now),
            ("PUT", ["images", id]) => self.update_image(asked, id, now),
            ("DELETE", ["images", id]) => self.delete_image(id, now, effects),
            ("POST", ["images", id, "actions", "change_protection"]) => {
                self.protect_image(asked, id, now, effects)
            }
            ("GET", ["ssh_keys"]) => self.list_keys(asked, effects),
            ("POST", ["ssh_keys"]) => self.create_key(asked, now),
            ("GET", ["ssh_keys", id]) => self.get_key(id),
            ("PUT", ["ssh_keys", id]) => self.update_key(asked, id),
            ("DELETE", ["ssh_keys", id]) => self.delete_key(id),
            ("GET", ["primary_ips"]) => self.list_primary_ips(asked, now, effects),
            ("GET", ["primary_ips", id]) => self.get_primary_ip(id, now),
            ("GET", _) => reading::answer(asked, &parts, effects),
            (
                _,
                [
                    "servers" | "images" | "ssh_keys" | "actions" | "locations" | "server_types"
                    | "pricing",
                ],
            )
            | (
                _,
                ["servers" | "images" | "ssh_keys" | "actions" | "locations" | "server_types", _],
            ) => Err(refusal::method_not_allowed()),
            _ => Err(refusal::not_found("path")),
        }
    }

    /// Returns a request id of sixteen hexadecimal digits.
    fn request_id(&mut self) -> String {
        format!("{:016x}", self.names.u64(..))
    }

    fn password(&mut self) -> String {
        (0..20).map(|_| self.names.alphanumeric()).collect()
    }
}

fn reply(status: u16, body: &impl Serialize) -> Answer {
    Answer::new(status, serde_json::to_vec(body).unwrap_or_default())
}

/// Whether a request for a list of images can return snapshots.
fn is_for_snapshots(asked: &Asked<'_>) -> bool {
    let mut types = asked.params("type").peekable();
    if types.peek().is_none() {
        asked.param("name").is_none()
    } else {
        types.any(|word| word == "snapshot" || word == "backup")
    }
}

impl Backend for Hetzner {
    fn account(&self) -> &Account {
        &self.account
    }

    fn account_mut(&mut self) -> &mut Account {
        &mut self.account
    }

    fn content_type(&self, _: &Asked<'_>) -> &'static str {
        "application/json"
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        match (asked.method, asked.parts(ROOT).as_slice()) {
            (_, ["actions", ..] | ["servers" | "images", "actions", ..]) => Route::GetAction,
            (&Method::GET, ["servers" | "images", _, "actions", ..]) => Route::GetAction,
            (&Method::POST, ["servers"]) => Route::CreateInstance,
            (&Method::GET, ["servers"]) => Route::ListInstances,
            (&Method::GET, ["servers", _]) => Route::GetInstance,
            (&Method::PUT, ["servers", _]) => Route::UpdateInstance,
            (&Method::DELETE, ["servers", _]) => Route::DestroyInstance,
            (&Method::POST, ["servers", _, "actions", "create_image"]) => Route::CreateSnapshot,
            (
                &Method::POST,
                ["servers", _, "actions", "poweron" | "poweroff" | "shutdown" | "reboot" | "reset"],
            ) => Route::PowerInstance,
            (&Method::GET, ["images"]) if is_for_snapshots(asked) => Route::ListSnapshots,
            (&Method::GET, ["images"]) => Route::Catalogue,
            (&Method::GET, ["images", _]) => Route::GetSnapshot,
            (&Method::PUT, ["images", _]) | (&Method::POST, ["images", _, "actions", _]) => {
                Route::UpdateSnapshot
            }
            (&Method::DELETE, ["images", _]) => Route::DeleteSnapshot,
            (_, ["ssh_keys", ..]) => Route::SshKeys,
            (
                &Method::GET,
                ["locations" | "server_types" | "datacenters" | "pricing" | "isos", ..],
            ) => Route::Catalogue,
            _ => Route::Other,
        }
    }

    fn token<'a>(&self, asked: &Asked<'a>) -> &'a str {
        asked.bearer()
    }

    fn pace(&mut self, _: &Asked<'_>, _: Route, now: Moment) -> Result<(), TimeDelta> {
        self.bucket.take(now)
    }

    fn common_headers(&mut self, _: &Asked<'_>, now: Moment) -> Vec<(&'static str, String)> {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between none and all of them"
        )]
        let left = if self.throttled { 0 } else { self.bucket.level(now) as u32 };
        // When the budget is full again, not when the next request is available.
        let full = now.timestamp() + i64::from(REQUESTS.saturating_sub(left));
        vec![
            ("ratelimit-limit", REQUESTS.to_string()),
            ("ratelimit-remaining", left.to_string()),
            ("ratelimit-reset", full.to_string()),
            ("x-correlation-id", self.request_id()),
        ]
    }

    fn refuse(&mut self, _: &Asked<'_>, refusal: Refusal) -> Answer {
        self.throttled = matches!(refusal, Refusal::RateLimited { .. });
        refusal::general(refusal)
    }

    fn answer(&mut self, asked: &Asked<'_>, now: Moment, effects: Effects) -> Answer {
        self.throttled = false;
        self.dispatch(asked, now, effects).unwrap_or_else(|refusal| refusal)
    }

    fn instance_state(&self, machine: &Machine, now: Moment) -> &'static str {
        self.status(machine, now)
    }

    fn snapshot_state(&self, image: &Image, now: Moment) -> &'static str {
        show::image_status(image, now)
    }
}
