//! The simulator's control interface over HTTP, for programs that are not written in Rust: faults,
//! the clock, and the simulator's state.
//!
//! All bodies are JSON in the shape of the public types; the documentation of [`simulator`](super)
//! lists the requests.

use std::time::Duration;

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderName, Method, Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::backend::{Answer, Asked};
use super::engine::{Engine, Reply};
use super::fault::FaultRule;
use crate::http::is_loopback;

/// Path prefix of the control interface.
const ROOT: &str = "/simulator";
/// Error message for a path that belongs to no cloud.
const NOWHERE: &str = "no cloud here: DigitalOcean is under /v2, Hetzner under /v1, EC2 at /, the \
 simulator's own under /simulator";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: f64,
}

/// Answers a request that is for no cloud.
pub(super) fn answer(engine: &mut Engine, asked: &Asked<'_>) -> Reply {
    let outcome = if asked.path.starts_with(ROOT) {
        foreign(asked).map_or_else(|| switch(engine, asked), Err)
    } else {
        Err((404, NOWHERE.to_string()))
    };
    let answer = match outcome {
        Ok(body) => Answer::json(200, &body),
        Err((status, message)) => Answer::json(status, &json!({"error": message})),
    };
    Reply::new(answer, "application/json", engine.time.now())
}

fn switch(engine: &mut Engine, asked: &Asked<'_>) -> Result<Value, (u16, String)> {
    match (asked.method, asked.path.strip_prefix(ROOT).unwrap_or_default().trim_matches('/')) {
        (&Method::GET, "requests") => Ok(requests(engine)),
        (&Method::GET, "resources") => {
            Ok(json!({"instances": engine.instances(), "snapshots": engine.snapshots()}))
        }
        (&Method::GET, "leaks") => Ok(json!(engine.leaks())),
        (&Method::GET, "bill") => Ok(json!(engine.bill())),
        (&Method::GET, "faults") => Ok(json!(engine.faults.counts())),
        (&Method::POST, "faults") => {
            read::<FaultRule>(asked).map(|rule| json!(engine.faults.add(rule)))
        }
        (&Method::DELETE, "faults") => {
            engine.faults.clear();
            Ok(json!([]))
        }
        (&Method::GET, "clock") => Ok(json!({"now": engine.time.now()})),
        (&Method::POST, "clock") => advance(engine, asked),
        (method, path) => Err((404, format!("there is no {method} {ROOT}/{path}"))),
    }
}

/// Refuses requests from web pages: a page can reach this port under its own host name for this
/// computer, or from a foreign origin.
fn foreign(asked: &Asked<'_>) -> Option<(u16, String)> {
    let header =
        |name: HeaderName| asked.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let is_here = |host: Option<&str>| host.is_some_and(is_loopback);
    let host = header(HOST)
        .filter(|host| !is_here(host.parse::<Authority>().ok().as_ref().map(Authority::host)));
    let origin = header(ORIGIN)
        .filter(|origin| !is_here(origin.parse::<Uri>().ok().as_ref().and_then(Uri::host)));
    let (name, value) =
        host.map(|host| ("host", host)).or(origin.map(|origin| ("origin", origin)))?;
    Some((
        403,
        format!(
            "{ROOT} is for programs of this computer, by localhost or 127.0.0.1: the {name} is \
             {value:?}"
        ),
    ))
}

fn requests(engine: &Engine) -> Value {
    let counts = engine.counts().iter();
    let counts: Vec<Value> = counts
        .map(|((provider, route), count)| {
            json!({"provider": provider, "route": route, "count": count})
        })
        .collect();
    json!({"counts": counts, "requests": engine.requests().collect::<Vec<_>>()})
}

fn advance(engine: &mut Engine, asked: &Asked<'_>) -> Result<Value, (u16, String)> {
    let seconds = read::<Advance>(asked)?.advance_seconds;
    let by = Duration::try_from_secs_f64(seconds)
        .map_err(|error| (400, format!("advance_seconds: {error}")))?;
    engine.time.advance(by);
    Ok(json!({"now": engine.time.now()}))
}

fn read<'a, T: Deserialize<'a>>(asked: &Asked<'a>) -> Result<T, (u16, String)> {
    serde_json::from_slice(asked.body).map_err(|error| (400, error.to_string()))
}
