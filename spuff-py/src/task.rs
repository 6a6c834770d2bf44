//! Work that goes on by itself, and ends when nobody holds it any more.
//!
//! Stands on the core's runtime.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use spuff_core::provider::{ProviderError, ProviderResult};
use tokio::task::JoinHandle;

/// A task that is aborted when it is dropped.
pub(crate) struct Task<T>(pub(crate) JoinHandle<ProviderResult<T>>);

impl<T> Future for Task<T> {
    type Output = ProviderResult<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|ended| {
            ended.unwrap_or_else(|ended| match ended.try_into_panic() {
                Ok(panic) => Err(ProviderError::from_panic(&*panic)),
                Err(_) => Err(ProviderError::Other { message: "the runtime has ended".to_string() }),
            })
        })
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
