//! The one pipeline for every request to a cloud: pace, authorize, send, classify, retry.
//!
//! A provider module supplies a [`Dialect`] and [`Call`]s; the pipeline knows no cloud by name.

mod account;
mod budget;
mod call;
#[cfg(test)]
pub(crate) mod changed;
mod client;
mod connection;
mod endpoint;
mod errand;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod governor;
pub(crate) mod number;
mod page;
mod retry;
mod secret;
mod status;
mod time;
mod tls;
mod told;
pub(crate) mod wire;

pub use connection::http_client;

pub(crate) use account::PACE_OPTION;
pub(crate) use budget::{Budget, Limit};
pub(crate) use call::{Call, Class, Failure, Reply};
pub(crate) use client::{Authorized, Dialect, HttpClient, SETTLING_OPTION, encode};
pub(crate) use connection::{Cause, Connection, TransportError};
#[cfg(feature = "simulation")]
pub(crate) use connection::{Sent, Transport, carried};
pub(crate) use endpoint::{Endpoint, is_loopback};
pub(crate) use errand::{Deadline, Errand};
pub(crate) use governor::{Cost, Costs};
pub(crate) use page::{NumberedPage, Page, all_pages, numbered_pages};
pub(crate) use retry::{ReadLag, retry_after};
pub(crate) use secret::{clean_token, sent_with, tidy, without};
pub(crate) use status::{ApiError, ErrorClass};
pub(crate) use told::wanted;
