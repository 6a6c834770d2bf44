//! A simulated cloud that is asked by function calls, in tokio's time: what a test counts there
//! does not depend on how fast the computer is.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use super::reply::reply;
use crate::clock::calendar::Simulated;
use crate::http::carried::Carried;
use crate::http::{Cause, Sent, Transport, TransportError};
use crate::simulator::{Cloud, Within};

/// How long a request takes to the cloud, and its reply back.
const LATENCY: Duration = Duration::from_millis(20);

/// Until this is dropped, the providers that are made on this thread ask the cloud by function
/// calls.
pub struct Direct {
    _carried: Carried,
    _calendar: Simulated,
}

/// Takes the place of the network between this thread and a cloud whose clock is
/// [`Manual`](crate::simulator::Clock::Manual): its time goes with tokio's, which a test can pause.
///
/// # Panics
/// Outside a tokio runtime.
pub fn direct(cloud: &Cloud) -> Direct {
    let calendar = Simulated::begin(cloud.now());
    Direct { _carried: Carried::begin(Arc::new(Way(cloud.within()))), _calendar: calendar }
}

struct Way(Within);

#[async_trait]
impl Transport for Way {
    async fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Bytes>, TransportError> {
        let exchange = async {
            tokio::time::sleep(LATENCY).await;
            let (head, body) = request.into_parts();
            reply(self.0.serve(&head, &body), LATENCY).await
        };
        tokio::time::timeout(within, exchange)
            .await
            .unwrap_or_else(|_| Err(TransportError { sent: Sent::Unknown, cause: Cause::Late }))
    }
}
