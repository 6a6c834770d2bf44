//! Fuzz target of the simulator: a sequence of client requests.

use http::{Method, Uri};

use super::backend::Asked;
use super::engine::{Delivery, Engine};
use super::options::Options;
use crate::fuzzing::checks::{Target, text};
use crate::http::fuzzing::reply;

pub(crate) const TARGETS: &[Target] = &[Target::new("simulator", requests)];

/// Parses and serves requests that are separated by lines of dashes. Each has a method and a path,
/// one line for each header, an empty line, and the body.
fn requests(input: &[u8]) {
    let mut engine = Engine::new(&Options::default());
    for request in text(input).split("\n-----\n").take(16) {
        let (line, rest) = request.split_once('\n').unwrap_or((request, ""));
        let (method, uri) = line.split_once(' ').unwrap_or(("GET", line));
        let (Ok(method), Ok(uri)) = (method.parse::<Method>(), uri.parse::<Uri>()) else {
            continue;
        };
        // Except for its first line, a request's head has the format of a reply's.
        let read = reply(format!("200\n{rest}").as_bytes());
        let asked = Asked {
            method: &method,
            path: uri.path(),
            query: uri.query().unwrap_or_default(),
            headers: &read.headers,
            body: &read.body,
        };
        let is_closed = matches!(engine.serve(&asked), Some(Delivery::Close));
        assert!(!is_closed || text(input).contains("/simulator/faults"), "{request}");
    }
    let _ =
        (engine.instances().len(), engine.snapshots().len(), engine.leaks().len(), engine.bill());
}
