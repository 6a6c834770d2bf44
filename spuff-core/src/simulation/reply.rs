//! The way of a cloud's answer back to its caller.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::Response;

use crate::http::{Cause, Sent, TransportError};
use crate::provider::error::NetworkError;
use crate::simulator::Answered;

/// The most bytes of a reply that are read, as of a real one.
const LIMIT: usize = 32 << 20;

/// What the caller has of an answer, which takes so long to come.
///
/// # Errors
/// A reply that does not come whole.
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
