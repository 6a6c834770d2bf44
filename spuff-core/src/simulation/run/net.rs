//! The network between the programs and the clouds: delays requests, and loses those that the plan
//! says.
//!
//! A request that has left arrives, even if its sender has given up.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};

use super::super::plan::Outage;
use super::super::reply::reply;
use super::super::way::Way;
use super::Run;
use crate::create::Group;
use crate::http::{Cause, Sent, Transport, TransportError};
use crate::per_process::Program;
use crate::provider::error::NetworkError;
use crate::simulator::Answered;

/// Headers that hold a number, and an absurdly large one.
const NUMBERED: [&str; 5] = [
    "retry-after",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "x-ratelimit-reset",
];
const BEYOND: &str = "18446744073709551615";

/// Carries the requests of a run.
pub(super) struct Net(pub(super) Weak<Run>);

#[async_trait]
impl Transport for Net {
    async fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Bytes>, TransportError> {
        let Some(run) = self.0.upgrade() else { return std::future::pending().await };
        let program = u64::from(request.uri().port_u16().unwrap_or_default());
        let by = Group::carried()
            .and_then(|carried| carried.downcast::<Program>().ok())
            .map(|program| *program);
        let way = run.way(program);
        let Some(way) = way else { return std::future::pending().await };
        if way.outage == Some(Outage::Refused) {
            run.met(by, Outage::Refused);
            tokio::time::sleep(way.there).await;
            let refused = NetworkError::new(
                "cannot connect to 127.0.0.1",
                io::Error::from(io::ErrorKind::ConnectionRefused),
            );
            return Err(TransportError { sent: Sent::No, cause: Cause::Network(refused) });
        }
        let late = || TransportError { sent: Sent::Unknown, cause: Cause::Late };
        // A request that has left arrives even if its sender drops it; one of the other half that
        // is dropped has never left.
        let arrive = arrive(run.clone(), request, by, way);
        let exchange = async {
            let answered =
                if way.has_left { tokio::spawn(arrive).await.ok() } else { Some(arrive.await) };
            let mut replied = match answered {
                Some(answered) => reply(answered, way.back).await?,
                None => return Err(late()),
            };
            if way.outage == Some(Outage::Numbers) {
                NUMBERED.iter().for_each(|name| {
                    _ = replied.headers_mut().insert(*name, HeaderValue::from_static(BEYOND))
                });
            }
            Ok(replied)
        };
        let answered = tokio::time::timeout(within, exchange).await;
        if !run.is_alive(program) {
            return std::future::pending().await;
        }
        answered.unwrap_or_else(|_| Err(late()))
    }
}

/// Carries a request to its cloud.
async fn arrive(run: Arc<Run>, request: Request<Bytes>, by: Option<Program>, way: Way) -> Answered {
    match way.outage {
        Some(outage @ Outage::Late(time)) => {
            run.met(by, outage);
            tokio::time::sleep(time).await;
        }
        Some(outage @ Outage::Numbers) => run.met(by, outage),
        Some(outage) => {
            run.met(by, outage);
            return std::future::pending().await;
        }
        None => {}
    }
    tokio::time::sleep(way.there).await;
    let (head, body) = request.into_parts();
    run.arrived(&head, &body, by)
}
