//! Dispatches requests to the rooms of the three clouds, applies faults, and records the requests.
//!
//! It uses no sockets: the server carries out the returned [`Delivery`].

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use http::header::DATE;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::backend::{Answer, Asked, Backend, Refusal};
use super::clock::{Moment, Time};
use super::fault::{Effects, Fault, Faults};
use super::inspect::{Bill, Request, Resource};
use super::options::Options;
use super::route::Route;
use super::{digitalocean, ec2, hetzner};

/// Maximum bytes kept of a request's body.
const KEPT_BODY: usize = 64 << 10;

/// How the server sends a reply.
#[derive(Debug)]
pub(super) enum Delivery {
    /// Close the connection without a byte.
    Close,
    /// Send it at once.
    Now(Reply),
    /// Send it after this time.
    After(Duration, Reply),
    /// Send half of the body, then close the connection.
    Half(Reply),
    /// Send the body one byte at a time, with this pause.
    Drip(Duration, Reply),
    /// Send the headers, then this many bytes.
    Flood(u64, Reply),
}

/// A reply, ready to be sent.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn new(answer: Answer, content_type: &str, now: Moment) -> Self {
        let mut headers = HeaderMap::with_capacity(answer.headers.len() + 2);
        if !answer.body.is_empty() {
            headers.insert(http::header::CONTENT_TYPE, value(content_type));
        }
        headers.insert(DATE, value(&now.format("%a, %d %b %Y %H:%M:%S GMT").to_string()));
        for (name, text) in answer.headers {
            headers.insert(HeaderName::from_static(name), value(&text));
        }
        Self { status: answer.status, headers, body: answer.body }
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The state of the simulator: clock, faults, rooms and request log.
pub(super) struct Engine {
    pub(super) time: Time,
    pub(super) faults: Faults,
    rng: fastrand::Rng,
    rate_limits: bool,
    tokens: Vec<String>,
    page: usize,
    rooms: [Box<dyn Backend>; 3],
    requests: VecDeque<Request>,
    kept_requests: usize,
    counts: BTreeMap<(&'static str, Route), u64>,
}

impl Engine {
    pub(super) fn new(options: &Options) -> Self {
        let time = Time::start(options.clock);
        let now = time.now();
        Self {
            rng: fastrand::Rng::with_seed(options.seed),
            rate_limits: options.rate_limits,
            tokens: options.tokens.clone(),
            page: options.page,
            kept_requests: options.kept_requests,
            faults: Faults::default(),
            requests: VecDeque::new(),
            counts: BTreeMap::new(),
            rooms: [
                Box::new(digitalocean::DigitalOcean::new(options, now)),
                Box::new(hetzner::Hetzner::new(options, now)),
                Box::new(ec2::Ec2::new(options, now)),
            ],
            time,
        }
    }

    /// Answers a request to a cloud; returns `None` if it is for no cloud.
    pub(super) fn serve(&mut self, asked: &Asked<'_>) -> Option<Delivery> {
        let now = self.time.now();
        let index = room_of(asked.path)?;
        let backend = &mut self.rooms[index];
        backend.account_mut().sweep(now);
        let provider = backend.account().provider;
        let route = backend.route(asked);
        let fault = self.faults.strike(provider, route, &mut self.rng);
        let effects = Effects { fault, page: self.page };
        let (answer, committed) =
            answer(backend.as_mut(), asked, route, now, effects, self.rate_limits, &self.tokens);

        let status = (fault != Some(Fault::ConnectionClosed)).then_some(answer.status);
        let number = self.counts.values().sum::<u64>() + 1;
        *self.counts.entry((provider, route)).or_default() += 1;
        self.keep(Request {
            number,
            at: now,
            provider,
            route,
            method: asked.method.to_string(),
            path: if asked.query.is_empty() {
                asked.path.to_string()
            } else {
                format!("{}?{}", asked.path, asked.query)
            },
            body: String::from_utf8_lossy(&asked.body[..asked.body.len().min(KEPT_BODY)])
                .into_owned(),
            status,
            fault,
        });

        let mut answer = answer;
        let html = matches!(fault, Some(Fault::Html { .. }));
        if let (Some(Fault::Html { status }), true) = (fault, committed) {
            answer = Answer::new(status, HTML);
        }
        let backend = &mut self.rooms[index];
        let content_type =
            if html { "text/html; charset=utf-8" } else { backend.content_type(asked) };
        let common = if matches!(fault, Some(Fault::RateLimited { headers: false, .. })) {
            Vec::new()
        } else {
            backend.common_headers(asked, now)
        };
        answer.headers.extend(common);
        let reply = Reply::new(answer, content_type, now);
        Some(match fault {
            Some(Fault::ConnectionClosed | Fault::ReplyLost) => Delivery::Close,
            Some(Fault::Slow { millis }) => Delivery::After(Duration::from_millis(millis), reply),
            Some(Fault::Truncated) => Delivery::Half(reply),
            Some(Fault::SlowDrip { millis }) => {
                Delivery::Drip(Duration::from_millis(millis), reply)
            }
            Some(Fault::Oversized { bytes }) => Delivery::Flood(bytes, reply),
            _ => Delivery::Now(reply),
        })
    }

    /// The request's token; empty if absent.
    #[cfg(feature = "simulation")]
    pub(super) fn token<'a>(&self, asked: &Asked<'a>) -> &'a str {
        room_of(asked.path).map_or("", |backend| self.rooms[backend].token(asked))
    }

    /// Whether a request may create or delete an instance or a snapshot.
    #[cfg(feature = "simulation")]
    pub(super) fn changes(&self, asked: &Asked<'_>) -> bool {
        let Some(backend) = room_of(asked.path) else { return false };
        let route = self.rooms[backend].route(asked);
        matches!(
            route,
            Route::CreateInstance
                | Route::DestroyInstance
                | Route::CreateSnapshot
                | Route::DeleteSnapshot
                | Route::PowerInstance
        )
    }

    /// The existing instances and snapshots.
    #[cfg(feature = "simulation")]
    pub(super) fn resources(&mut self) -> Vec<Resource> {
        let mut all = self.instances();
        all.extend(self.snapshots());
        all
    }

    fn keep(&mut self, request: Request) {
        if self.kept_requests == 0 {
            return;
        }
        if self.requests.len() == self.kept_requests {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    pub(super) fn requests(&self) -> impl Iterator<Item = &Request> {
        self.requests.iter()
    }

    pub(super) fn counts(&self) -> &BTreeMap<(&'static str, Route), u64> {
        &self.counts
    }

    pub(super) fn instances(&mut self) -> Vec<Resource> {
        let now = self.time.now();
        let rooms = self.rooms.iter();
        rooms
            .flat_map(|backend| {
                backend.account().instances(now, |machine| backend.instance_state(machine, now))
            })
            .collect()
    }

    pub(super) fn snapshots(&mut self) -> Vec<Resource> {
        let now = self.time.now();
        let rooms = self.rooms.iter();
        rooms
            .flat_map(|backend| {
                backend.account().snapshots(|image| backend.snapshot_state(image, now))
            })
            .collect()
    }

    /// The billable resources that exist and are not being deleted.
    pub(super) fn leaks(&mut self) -> Vec<Resource> {
        let now = self.time.now();
        let mut leaks = self.instances();
        leaks.retain(|machine| !machine.ending);
        leaks.extend(self.snapshots());
        leaks.extend(self.rooms.iter().flat_map(|backend| backend.left_over(now)));
        leaks
    }

    pub(super) fn bill(&mut self) -> Bill {
        let now = self.time.now();
        Bill { lines: self.rooms.iter().flat_map(|backend| backend.account().bill(now)).collect() }
    }
}

/// The index of the room that serves a path.
fn room_of(path: &str) -> Option<usize> {
    match path {
        path if path.starts_with("/v2/") || path == "/v2" => Some(0),
        path if path.starts_with("/v1/") || path == "/v1" => Some(1),
        "/" => Some(2),
        _ => None,
    }
}

/// Answers in the room, unless a fault, the token check or the rate limit refuses the request
/// first. Also returns whether the room was asked.
fn answer(
    backend: &mut dyn Backend,
    asked: &Asked<'_>,
    route: Route,
    now: Moment,
    effects: Effects,
    rate_limits: bool,
    tokens: &[String],
) -> (Answer, bool) {
    let fault = effects.fault;
    let token = backend.token(asked);
    let known =
        !token.is_empty() && (tokens.is_empty() || tokens.iter().any(|known| known == token));
    let refusal = match fault {
        Some(Fault::ConnectionClosed) => return (Answer::new(0, ""), false),
        Some(Fault::Unauthorized) => Some(Refusal::Unauthorized),
        Some(Fault::RateLimited { retry_after, .. }) => Some(Refusal::RateLimited { retry_after }),
        Some(Fault::ServerError { status, committed: false }) => Some(Refusal::ServerError(status)),
        _ if !known => Some(Refusal::Unauthorized),
        _ if rate_limits => backend
            .pace(asked, route, now)
            .err()
            .map(|_| Refusal::RateLimited { retry_after: None }),
        _ => None,
    };
    if let Some(refusal) = refusal {
        return (backend.refuse(asked, refusal), false);
    }
    let answer = backend.answer(asked, now, effects);
    match fault {
        Some(Fault::ServerError { status, committed: true }) => {
            (backend.refuse(asked, Refusal::ServerError(status)), true)
        }
        _ => (answer, true),
    }
}

const HTML: &str = "<!DOCTYPE html>\n<html><head><title>Just a moment</title></head>\n\
    <body><h1>The page cannot be shown</h1><p>Please try again later.</p></body></html>\n";
