//! Carries a cloud's reply back to its caller.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::Response;

use crate::http::{Cause, Sent, TransportError};
use crate::provider::error::NetworkError;
use crate::simulator::Answered;

/// Limit on the bytes read of a reply, as in production.
const LIMIT: usize = 32 << 20;

/// Returns what the caller receives of a reply, after the latency `back`.
///
/// # Errors
/// A reply that does not arrive whole, or is too long.
pub(super) async fn reply(
    answered: Answered,
    back: Duration,
) -> Result<Response<Bytes>, TransportError> {
    let broken = |words: &str| {
        let error = NetworkError::new(words, io::Error::from(io::ErrorKind::ConnectionReset));
        Err(TransportError { sent: Sent::Unknown, cause: Cause::Network(error) })
    };
    tokio::time::sleep(back).await;
    match answered {
        Answered::Whole(time, response) => {
            if !time.is_zero() {
                tokio::time::sleep(time).await;
            }
            Ok(response)
        }
        Answered::Closed => broken("the reply did not arrive"),
        Answered::Cut => broken("the reply broke off"),
        Answered::Flood(bytes, status) => {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            if bytes > LIMIT {
                let cause = Cause::TooLong { status: status.as_u16(), limit: LIMIT };
                return Err(TransportError { sent: Sent::Unknown, cause });
            }
            let mut response = Response::new(Bytes::from(vec![b' '; bytes]));
            *response.status_mut() = status;
            Ok(response)
        }
    }
}
