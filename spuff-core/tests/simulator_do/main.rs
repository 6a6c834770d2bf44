//! The simulated DigitalOcean: each thing that is known of the real one, over plain HTTP and
//! through the provider.
#![cfg(all(feature = "simulator", feature = "digitalocean"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

#[path = "../support/mod.rs"]
mod support;

mod create;
mod faults;
mod lags;
mod life;
mod limits;
mod lists;
mod power;
mod provider;
mod snapshots;
mod tags;

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use spuff_core::simulator::{Clock, Cloud, Options, Timings};

/// A reply.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What an error says.
    fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    #[track_caller]
    fn refused(&self, status: u16, message: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.message().contains(message), "{message}: {self:?}");
        assert_eq!(
            self.body["request_id"],
            json!(self.header("x-request-id")),
            "the id of the request stands in both places"
        );
    }

    fn number(&self, pointer: &str) -> u64 {
        self.body
            .pointer(pointer)
            .and_then(Value::as_u64)
            .unwrap_or_else(|| panic!("{pointer}: {self:?}"))
    }

    /// The texts at a place of each item of a list.
    fn each(&self, list: &str, field: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
        self.body[list]
            .as_array()
            .unwrap_or_else(|| panic!("{self:?}"))
            .iter()
            .map(|item| text(&item[field]))
            .collect()
    }
}

/// A cloud whose time is moved by hand, and a plain client of it.
struct Api {
    cloud: Cloud,
    http: Client,
    token: &'static str,
}

/// How long things take here: never by chance.
const BOOT: u64 = 30;
const POWER: u64 = 10;
const DESTROY: u64 = 3;
const SNAPSHOT: u64 = 60;
const LIST_LAG: u64 = 5;
const READ_LAG: u64 = 2;

fn timings() -> Timings {
    let mut timings = Timings::instant();
    timings.boot = Duration::from_secs(BOOT);
    timings.power = Duration::from_secs(POWER);
    timings.destroy = Duration::from_secs(DESTROY);
    timings.snapshot = Duration::from_secs(SNAPSHOT);
    timings.list_lag = Duration::from_secs(LIST_LAG);
    timings.read_lag = Duration::from_secs(READ_LAG);
    timings
}

fn options() -> Options {
    Options::default().with_clock(Clock::Manual).with_timings("digitalocean", timings())
}

impl Api {
    fn start() -> Self {
        Self::with(&options())
    }

    fn with(options: &Options) -> Self {
        let cloud = options.start().unwrap();
        let http = spuff_core::http_client(
            &format!("http://{}", cloud.address()),
            &cloud.config("digitalocean"),
        )
        .unwrap();
        Self { cloud, http, token: "token" }
    }

    async fn send(&self, method: Method, path: &str, body: impl Into<Vec<u8>>) -> Reply {
        let url = format!("http://{}{path}", self.cloud.address());
        let request = self.http.request(method, url).bearer_auth(self.token).body(body.into());
        let reply = request.send().await.unwrap();
        let status = reply.status().as_u16();
        let headers = reply.headers().clone();
        let text = reply.text().await.unwrap();
        Reply { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, "").await
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, body.to_string()).await
    }

    async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, "").await
    }

    fn pass(&self, seconds: u64) {
        self.cloud.advance(Duration::from_secs(seconds));
    }

    /// Asks for a droplet with these fields besides the usual ones; a null takes one out.
    async fn create(&self, fields: Value) -> Reply {
        self.post("/v2/droplets", droplet(fields)).await
    }

    /// A droplet that is active, and listed.
    async fn active(&self, fields: Value) -> u64 {
        let created = self.create(fields).await;
        assert_eq!(created.status, 202, "{created:?}");
        self.pass(BOOT);
        created.number("/droplet/id")
    }

    async fn act(&self, droplet: u64, body: Value) -> Reply {
        self.post(&format!("/v2/droplets/{droplet}/actions"), body).await
    }

    async fn droplet(&self, id: u64) -> Reply {
        self.get(&format!("/v2/droplets/{id}")).await
    }

    /// A finished snapshot of a droplet, listed.
    async fn snapshot(&self, droplet: u64, name: &str) -> u64 {
        let begun = self.act(droplet, json!({"type": "snapshot", "name": name})).await;
        assert_eq!(begun.status, 201, "{begun:?}");
        self.pass(SNAPSHOT + LIST_LAG);
        let listed = self.get(&format!("/v2/droplets/{droplet}/snapshots?per_page=200")).await;
        let found = listed.body["snapshots"]
            .as_array()
            .unwrap()
            .iter()
            .rfind(|snapshot| snapshot["name"] == json!(name));
        found.unwrap_or_else(|| panic!("{listed:?}"))["id"].as_u64().unwrap()
    }
}

/// The body of a create.
fn droplet(fields: Value) -> Value {
    let mut body = json!({
        "name": "web-1", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "ubuntu-24-04-x64"
    });
    let object = body.as_object_mut().unwrap();
    for (name, value) in fields.as_object().unwrap() {
        match value {
            Value::Null => drop(object.remove(name)),
            value => drop(object.insert(name.clone(), value.clone())),
        }
    }
    body
}
