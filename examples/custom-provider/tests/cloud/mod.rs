//! A fake of Nimbus: a server that keeps the resources that it has made.
#![allow(unreachable_pub, reason = "each test program includes this module")]

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// How long an instance boots, and how long a snapshot takes.
const WORK: Duration = Duration::from_millis(200);
/// Small, so that every list has several pages.
const PER_PAGE: usize = 3;

/// Starts the server.
pub async fn start() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(Cloud::default()).mount(&server).await;
    server
}

#[derive(Default)]
struct Cloud(Mutex<State>);

#[derive(Default)]
struct State {
    made: u32,
    machines: BTreeMap<String, (Value, Instant)>,
    snapshots: BTreeMap<String, (Value, Instant)>,
}

impl Respond for Cloud {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let path: Vec<_> = request.url.path().split('/').skip(1).collect();
        let mut state = self.lock();
        match (request.method.as_str(), path.as_slice()) {
            ("POST", ["machines"]) => state.start(&request.body_json().unwrap_or_default()),
            ("GET", ["machines"]) => page("machines", state.machines.values().map(shown), request),
            ("GET", ["machines", id]) => match state.machines.get(*id) {
                Some(machine) => answer(200, json!({"machine": shown(machine)})),
                None => refusal(404, "not_found", "no such machine"),
            },
            ("DELETE", ["machines", id]) => removed(state.machines.remove(*id)),
            ("POST", ["machines", id, "snapshots"]) => {
                state.save(id, &request.body_json().unwrap_or_default())
            }
            ("GET", ["actions", id]) => {
                let done =
                    state.snapshots.get(*id).is_some_and(|(_, since)| since.elapsed() >= WORK);
                answer(
                    200,
                    json!({"action": {"id": id, "state": if done { "done" } else { "running" }}}),
                )
            }
            ("GET", ["snapshots"]) => page(
                "snapshots",
                state.snapshots.values().map(|(snapshot, _)| snapshot.clone()),
                request,
            ),
            ("DELETE", ["snapshots", id]) => removed(state.snapshots.remove(*id)),
            _ => refusal(405, "no_such_call", request.url.path()),
        }
    }
}

impl Cloud {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the time in the API's format.
fn now() -> String {
    DateTime::<Utc>::from(SystemTime::now()).to_rfc3339()
}

impl State {
    fn start(&mut self, order: &Value) -> ResponseTemplate {
        let image = order["image"].as_str().unwrap_or_default();
        if order["size"] != "small" {
            return refusal(422, "bad_size", "the only size is small");
        }
        if image != "ubuntu-24.04" && !self.snapshots.contains_key(image) {
            return refusal(422, "bad_image", "no such image");
        }
        self.made += 1;
        let id = format!("vm-{}", self.made);
        let machine = json!({
            "id": id, "name": order["name"], "place": order["place"], "size": order["size"],
            "labels": order["labels"], "created": now(),
        });
        let machine = (machine, Instant::now());
        let reply = answer(202, json!({"machine": shown(&machine)}));
        self.machines.insert(id, machine);
        reply
    }

    fn save(&mut self, machine: &str, order: &Value) -> ResponseTemplate {
        if !self.machines.contains_key(machine) {
            return refusal(404, "not_found", "no such machine");
        }
        self.made += 1;
        let id = format!("s-{}", self.made);
        let snapshot =
            json!({"id": id, "name": order["name"], "labels": order["labels"], "created": now()});
        let reply =
            answer(202, json!({"snapshot": snapshot, "action": {"id": id, "state": "running"}}));
        self.snapshots.insert(id, (snapshot, Instant::now()));
        reply
    }
}

fn shown((machine, since): &(Value, Instant)) -> Value {
    let mut machine = machine.clone();
    if since.elapsed() >= WORK {
        machine["state"] = json!("running");
        machine["public_ips"] = json!(["192.0.2.1"]);
    } else {
        machine["state"] = json!("booting");
    }
    machine
}

/// Returns one page of the items that have the label in the query.
fn page(of: &str, items: impl Iterator<Item = Value>, request: &Request) -> ResponseTemplate {
    let query: BTreeMap<_, _> = request.url.query_pairs().into_owned().collect();
    let Some((key, value)) = query.get("label").and_then(|label| label.split_once('=')) else {
        return refusal(422, "bad_label", "a list needs a label");
    };
    let items: Vec<_> = items.filter(|item| item["labels"][key] == value).collect();
    let number: usize = query.get("page").and_then(|number| number.parse().ok()).unwrap_or(1);
    let next = (items.len() > number * PER_PAGE).then_some(number + 1);
    let items: Vec<_> = items.into_iter().skip((number - 1) * PER_PAGE).take(PER_PAGE).collect();
    answer(200, json!({of: items, "next_page": next}))
}

fn removed<T>(removed: Option<T>) -> ResponseTemplate {
    if removed.is_some() {
        ResponseTemplate::new(204)
    } else {
        refusal(404, "not_found", "no such resource")
    }
}

fn answer(status: u16, body: Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

fn refusal(status: u16, code: &str, message: &str) -> ResponseTemplate {
    answer(status, json!({"error": {"code": code, "message": message}}))
}
