//! The simulated clouds without a socket: called as functions, with tokio's clock as their time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use tokio::time::Instant;

use super::PROVIDERS;
use super::backend::Asked;
use super::control;
use super::engine::{Delivery, Engine, Reply};
use super::fault::{Fault, FaultRule};
use super::inspect::Resource;
use super::options::Options;
use super::route::Route;

/// How a reply arrives.
#[derive(Debug)]
pub(crate) enum Answered {
    /// Whole, after this time.
    Whole(Duration, http::Response<Bytes>),
    /// The connection is closed without a byte.
    Closed,
    /// The connection is closed in the middle of the body.
    Cut,
    /// The body is longer than this many bytes.
    Flood(u64, StatusCode),
}

/// The effects of a request.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) provider: &'static str,
    pub(crate) route: Route,
    pub(crate) fault: Option<Fault>,
    /// The reply's status, even if the reply was lost.
    pub(crate) status: u16,
    /// The resources that the request created.
    pub(crate) made: Vec<Resource>,
    /// The resources that the request deleted or began to delete.
    pub(crate) ended: Vec<Resource>,
    pub(crate) answered: Answered,
}

/// The accounts' names in the reported resources: those of the first account are the clouds' names.
const ACCOUNTS: [[&str; 3]; 2] =
    [PROVIDERS, ["digitalocean, the other", "hetzner, the other", "aws, the other"]];

/// The cloud and account number of an account's name.
pub(crate) fn account_of(name: &str) -> (&'static str, usize) {
    let number = usize::from(!PROVIDERS.contains(&name));
    let cloud = ACCOUNTS[number].iter().position(|account| *account == name).unwrap_or_default();
    (PROVIDERS[cloud], number)
}

/// An account's name in the reported resources.
pub(crate) fn name_of(provider: &str, account: usize) -> &'static str {
    PROVIDERS
        .iter()
        .position(|cloud| *cloud == provider)
        .map_or("", |cloud| ACCOUNTS[account][cloud])
}

/// Three clouds with up to two accounts each, called within the process. The last character of a
/// token selects the account.
pub(crate) struct Inside(Mutex<(Vec<Engine>, Instant)>);

impl Inside {
    /// [`Options::of_account`] sets the page size and the regions.
    pub(crate) fn start(
        options: &Options,
        accounts: usize,
        page: usize,
        regions: &'static [&'static str],
    ) -> Self {
        let options = options.clone().with_clock(super::Clock::Manual).with_kept_requests(1);
        let engines = (0..accounts as u64)
            .map(|account| Engine::new(&options.clone().of_account(account, page, regions)));
        Self(Mutex::new((engines.collect(), Instant::now())))
    }

    /// Locks the engines and advances their time to tokio's clock.
    fn engines(&self) -> MutexGuard<'_, (Vec<Engine>, Instant)> {
        let mut locked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let passed = now - locked.1;
        if !passed.is_zero() {
            locked.0.iter_mut().for_each(|engine| engine.time.advance(passed));
            locked.1 = now;
        }
        locked
    }

    pub(crate) fn serve(&self, head: &Parts, body: &[u8]) -> Served {
        let asked = asked(head, body);
        let engines = &mut self.engines().0;
        let token = engines[0].token(&asked);
        let account = usize::from(token.ends_with('1') && engines.len() > 1);
        let engine = &mut engines[account];
        let changes = engine.changes(&asked);
        let before = if changes { engine.resources() } else { Vec::new() };
        let delivery = delivery(engine, &asked);
        let after = if changes { engine.resources() } else { Vec::new() };
        let mut made: Vec<Resource> = Vec::new();
        let mut ended: Vec<Resource> = Vec::new();
        let are_one = |one: &Resource, other: &Resource| {
            (&one.provider, one.kind, &one.id) == (&other.provider, other.kind, &other.id)
        };
        for resource in &after {
            match before.iter().find(|known| are_one(known, resource)) {
                None => made.push(resource.clone()),
                Some(known) if resource.ending && !known.ending => ended.push(resource.clone()),
                Some(_) => {}
            }
        }
        ended.extend(before.into_iter().filter(|known| {
            !known.ending && !after.iter().any(|resource| are_one(known, resource))
        }));
        let (provider, route, fault, status) =
            engine.requests().last().map_or(("", Route::Other, None, 0), |last| {
                (last.provider, last.route, last.fault, last.status.unwrap_or_default())
            });
        let provider = name_of(provider, account);
        made.iter_mut()
            .chain(&mut ended)
            .for_each(|resource| resource.provider = provider.to_string());
        Served { provider, route, fault, status, made, ended, answered: answered(delivery) }
    }

    pub(crate) fn inject(&self, rule: FaultRule) {
        self.engines().0.iter_mut().for_each(|engine| _ = engine.faults.add(rule.clone()));
    }

    pub(crate) fn clear_faults(&self) {
        self.engines().0.iter_mut().for_each(|engine| engine.faults.clear());
    }

    /// The existing instances, whether or not a client can see them.
    pub(crate) fn instances(&self) -> Vec<Resource> {
        self.each(Engine::instances)
    }

    /// The existing snapshots, whether or not a client can see them.
    pub(crate) fn snapshots(&self) -> Vec<Resource> {
        self.each(Engine::snapshots)
    }

    fn each(&self, all: impl Fn(&mut Engine) -> Vec<Resource>) -> Vec<Resource> {
        let engines = &mut self.engines().0;
        let of_account = |(account, engine): (usize, &mut Engine)| {
            let mut all = all(engine);
            all.iter_mut().for_each(|resource| {
                resource.provider = name_of(&resource.provider, account).to_string()
            });
            all
        };
        engines.iter_mut().enumerate().flat_map(of_account).collect()
    }
}

/// A cloud that is called within the process, with tokio's clock as its time.
pub(crate) struct Within {
    engine: Arc<Mutex<Engine>>,
    at: Mutex<Instant>,
}

impl Within {
    pub(super) fn new(engine: Arc<Mutex<Engine>>) -> Self {
        Self { engine, at: Mutex::new(Instant::now()) }
    }

    pub(crate) fn serve(&self, head: &Parts, body: &[u8]) -> Answered {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let before =
            std::mem::replace(&mut *self.at.lock().unwrap_or_else(PoisonError::into_inner), now);
        engine.time.advance(now - before);
        answered(delivery(&mut engine, &asked(head, body)))
    }
}

fn asked<'a>(head: &'a Parts, body: &'a [u8]) -> Asked<'a> {
    Asked {
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        headers: &head.headers,
        body,
    }
}

fn delivery(engine: &mut Engine, asked: &Asked<'_>) -> Delivery {
    engine.serve(asked).unwrap_or_else(|| Delivery::Now(control::answer(engine, asked)))
}

fn answered(delivery: Delivery) -> Answered {
    match delivery {
        Delivery::Close => Answered::Closed,
        Delivery::Half(_) => Answered::Cut,
        Delivery::Flood(bytes, reply) => Answered::Flood(bytes, status(&reply)),
        Delivery::Now(reply) => Answered::Whole(Duration::ZERO, whole(reply)),
        Delivery::After(time, reply) => Answered::Whole(time, whole(reply)),
        Delivery::Drip(pause, reply) => {
            let bytes = u32::try_from(reply.body.len()).unwrap_or(u32::MAX);
            Answered::Whole(pause.saturating_mul(bytes), whole(reply))
        }
    }
}

fn status(reply: &Reply) -> StatusCode {
    StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn whole(reply: Reply) -> http::Response<Bytes> {
    let mut response = http::Response::new(Bytes::new());
    *response.status_mut() = status(&reply);
    *response.headers_mut() = reply.headers;
    *response.body_mut() = Bytes::from(reply.body);
    response
}
