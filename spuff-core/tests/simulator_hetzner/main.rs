//! The simulated Hetzner Cloud over plain HTTP: what is known of the real one, and that each reply
//! is as published. And our own provider's whole life on it.
#![cfg(all(feature = "simulator", feature = "hetzner"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

#[allow(dead_code, reason = "only replies are checked here")]
#[path = "../openapi/document.rs"]
mod document;
#[allow(dead_code, reason = "only replies are checked here")]
#[path = "../openapi/example.rs"]
mod example;
#[path = "../openapi/schema.rs"]
mod schema;
#[path = "../support/mod.rs"]
mod support;

mod actions;
mod catalogue;
mod faults;
mod garbage;
mod images;
mod keys;
mod limits;
mod lists;
mod power;
mod provider;
mod published;
mod refusals;
mod servers;

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use spuff_core::provider::ProviderConfig;
use spuff_core::simulator::{Clock, Cloud, Options, Timings};

/// How long things take in these tests: as usual, without chance.
const BOOT: u64 = 12;
const POWER: u64 = 5;
const DESTROY: u64 = 4;
const SNAPSHOT: u64 = 40;

/// A cloud whose time is moved by hand, and a client for it. Each reply is held against the
/// published description.
struct Lab {
    cloud: Cloud,
    client: Client,
    published: published::Published,
}

#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
    body: Value,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn number(&self, pointer: &str) -> u64 {
        self.body
            .pointer(pointer)
            .and_then(Value::as_u64)
            .unwrap_or_else(|| panic!("{pointer}: {self:?}"))
    }

    /// The texts, or whatever else, at a field of each thing of a list.
    #[track_caller]
    fn each(&self, list: &str, field: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
        self.body[list]
            .as_array()
            .unwrap_or_else(|| panic!("{self:?}"))
            .iter()
            .map(|item| text(&item[field]))
            .collect()
    }

    #[track_caller]
    fn ok(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    #[track_caller]
    fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!(
            (self.status, self.body["error"]["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.text
        );
        assert!(!self.message().is_empty(), "{}", self.text);
        self
    }

    /// Refused because of this field.
    #[track_caller]
    fn refused_for(self, field: &str) -> Self {
        let reply = self.refused(422, "invalid_input");
        let fields = reply.body["error"]["details"]["fields"]
            .as_array()
            .unwrap_or_else(|| panic!("{}", reply.text));
        assert!(
            fields.iter().any(|it| it["name"] == field && it["messages"].is_array()),
            "{field}: {}",
            reply.text
        );
        assert!(reply.message().contains(&format!("'{field}'")), "{}", reply.text);
        reply
    }

    fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }
}

fn timings() -> Timings {
    let mut timings = Timings::usual("hetzner");
    timings.jitter = 0.0;
    timings
}

impl Lab {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with(options: Options) -> Self {
        let cloud =
            options.with_clock(Clock::Manual).with_timings("hetzner", timings()).start().unwrap();
        let root = format!("http://{}", cloud.address());
        let client = spuff_core::http_client(&root, &ProviderConfig::new("token")).unwrap();
        Self { cloud, client, published: published::Published::default() }
    }

    fn pass(&self, seconds: u64) {
        self.cloud.advance(Duration::from_secs(seconds));
    }

    async fn raw(&self, method: Method, path: &str, token: &str, body: Option<Vec<u8>>) -> Reply {
        let url = format!("http://{}/v1{path}", self.cloud.address());
        let mut request = self
            .client
            .request(method.clone(), url)
            .header("authorization", format!("Bearer {token}"));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let reply = request.send().await.unwrap();
        let status = reply.status().as_u16();
        let headers = reply.headers().clone();
        let text = reply.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_default();
        self.published.check(method.as_str(), path, status, &text);
        Reply { status, headers, text, body }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        self.raw(method, path, "token", body.map(|body| body.to_string().into_bytes())).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PUT, path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None).await
    }

    /// Begins to make a server; gives its id.
    async fn begin(&self, name: &str) -> u64 {
        self.post("/servers", order(name)).await.ok(201).number("/server/id")
    }

    /// A server that is finished.
    async fn server(&self, name: &str) -> u64 {
        self.made(order(name)).await
    }

    async fn made(&self, order: Value) -> u64 {
        let id = self.post("/servers", order).await.ok(201).number("/server/id");
        self.pass(BOOT);
        id
    }

    /// Begins something with a server.
    async fn act(&self, id: u64, action: &str, body: Value) -> Reply {
        self.post(&format!("/servers/{id}/actions/{action}"), body).await
    }

    /// A snapshot that is finished.
    async fn snapshot(&self, server: u64, description: &str) -> u64 {
        let made = self
            .act(server, "create_image", json!({"description": description, "type": "snapshot"}))
            .await
            .ok(201);
        self.pass(SNAPSHOT);
        made.number("/image/id")
    }

    async fn status(&self, id: u64) -> String {
        self.get(&format!("/servers/{id}")).await.ok(200).body["server"]["status"]
            .as_str()
            .unwrap()
            .to_string()
    }

    async fn action_status(&self, id: u64) -> String {
        self.get(&format!("/actions/{id}")).await.ok(200).body["action"]["status"]
            .as_str()
            .unwrap()
            .to_string()
    }
}

fn order(name: &str) -> Value {
    json!({"name": name, "server_type": "cx23", "image": "ubuntu-24.04", "location": "fsn1"})
}

/// An order with some fields changed; null takes one out.
fn order_with(changes: Value) -> Value {
    let mut order = order("web-1");
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(order.as_object_mut().unwrap().remove(name)),
            value => order[name] = value.clone(),
        }
    }
    order
}
