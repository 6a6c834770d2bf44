//! The one pipeline that every request to a cloud goes through: authorize, send, classify, retry.
//!
//! Stands on the contract's errors. A cloud's room gives it a [`Dialect`] and [`Call`]s; it knows no cloud by name.

mod call;
mod client;
mod endpoint;
mod page;
mod retry;
mod secret;
mod status;
mod tls;
pub(crate) mod wire;

pub use client::http_client;

pub(crate) use call::{Call, Class, Failure, Reply};
pub(crate) use client::{Authorized, Dialect, HttpClient, SETTLING_OPTION, client_for, encode};
pub(crate) use endpoint::Endpoint;
pub(crate) use page::{Next, NumberedPage, Page, all_pages, numbered_pages};
pub(crate) use retry::Deadline;
pub(crate) use secret::clean_token;
pub(crate) use status::{Fault, Refusal};
