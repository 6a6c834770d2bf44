//! The simulator's actual state: the requests received, the existing resources, and their cost.
//!
//! Plain data for tests, produced by the engine and its worlds.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::route::Route;

/// A request that reached a cloud.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Request {
    /// Sequence number, from 1.
    pub number: u64,
    /// When it was received, in the cloud's time.
    pub at: DateTime<Utc>,
    /// The cloud.
    pub provider: &'static str,
    /// The kind of request.
    pub route: Route,
    /// The HTTP method.
    pub method: String,
    /// The path, with the query.
    pub path: String,
    /// The body as text, at most 64 KiB. Headers, and so the token, are not kept.
    pub body: String,
    /// The reply's status, even if the reply was lost; `None` if the request was not carried out
    /// because its connection was closed.
    pub status: Option<u16>,
    /// The fault that hit it.
    pub fault: Option<Fault>,
}

/// An existing instance or snapshot, or an address or disk that one has left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Resource {
    /// The cloud.
    pub provider: String,
    /// The kind of resource.
    pub kind: Kind,
    /// The cloud's id of it.
    pub id: String,
    /// Its name; empty if it has none.
    pub name: String,
    /// Its region; empty if it has none.
    pub region: String,
    /// Its state, as the cloud names it.
    pub state: String,
    /// Whether its deletion has been accepted and is in progress.
    pub ending: bool,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Its labels. DigitalOcean's tags are keys without values.
    pub labels: BTreeMap<String, String>,
}

/// The kind of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// An instance, running or stopped.
    Instance,
    /// A snapshot that an instance can be created from.
    Snapshot,
    /// A copy of a disk: on EC2 it remains if only the AMI is deregistered.
    DiskSnapshot,
    /// A separately billed disk: on EC2 it remains when its instance is terminated, unless it is
    /// set to be deleted with it.
    Disk,
    /// A separately billed public address.
    Address,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Instance => "machine",
            Kind::Snapshot => "snapshot",
            Kind::DiskSnapshot => "disk snapshot",
            Kind::Disk => "disk",
            Kind::Address => "address",
        };
        write!(f, "{} {kind} {} ({}, {})", self.provider, self.id, self.name, self.state)
    }
}

/// The cost of all resources at the simulated clouds. Prices come from the catalogue; they resemble
/// the real ones and are not offers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Bill {
    /// One line for each resource that is or was billed.
    pub lines: Vec<BillLine>,
}

/// The cost of one resource so far.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BillLine {
    /// The cloud.
    pub provider: String,
    /// The kind of resource.
    pub kind: Kind,
    /// The cloud's id of it.
    pub id: String,
    /// Its size; empty for snapshots.
    pub size: String,
    /// Start of billing.
    pub from: DateTime<Utc>,
    /// End of billing; `None` while it is billed.
    pub until: Option<DateTime<Utc>>,
    /// `USD` or `EUR`.
    pub currency: String,
    /// The cost in millionths of the currency.
    pub micros: u64,
}

impl Bill {
    /// The total in one currency, in millionths of it.
    ///
    /// # Examples
    /// ```
    /// let cloud = spuff_core::simulator::Cloud::start()?;
    /// assert_eq!(cloud.bill().total("EUR"), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn total(&self, currency: &str) -> u64 {
        self.lines.iter().filter(|line| line.currency == currency).map(|line| line.micros).sum()
    }
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            let provider = &line.provider;
            let id = &line.id;
            let size = &line.size;
            writeln!(
                f,
                "{provider:14}{id:24}{size:16}{:>12.6} {}",
                to_units(line.micros),
                line.currency
            )?;
        }
        let mut currencies: Vec<&str> =
            self.lines.iter().map(|line| line.currency.as_str()).collect();
        currencies.sort_unstable();
        currencies.dedup();
        for currency in currencies {
            writeln!(f, "{:54}{:>12.6} {currency}", "total", to_units(self.total(currency)))?;
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "for display")]
fn to_units(micros: u64) -> f64 {
    micros as f64 / 1e6
}
