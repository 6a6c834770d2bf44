//! A simulated cloud called by functions, in tokio's time: the counts of a test do not depend on
//! the computer's speed.

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

/// Latency of a request, and of its reply.
const LATENCY: Duration = Duration::from_millis(20);

/// Until this is dropped, the providers that this thread creates call the cloud by functions.
pub struct Direct {
    _carried: Carried,
    _calendar: Simulated,
}

/// Replaces the network between this thread and a cloud whose clock is
/// [`Manual`](crate::simulator::Clock::Manual): its time follows tokio's, which a test can pause.
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
