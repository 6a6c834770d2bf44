//! What a cloud truly knows: what was asked of it, what exists, and what that costs.
//!
//! Plain data, made by the world and given to whoever tests against the cloud.

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
    /// Which one, from 1.
    pub number: u64,
    /// When, in the cloud's time.
    pub at: DateTime<Utc>,
    /// The cloud.
    pub provider: &'static str,
    /// What it was for.
    pub route: Route,
    /// The HTTP method.
    pub method: String,
    /// The path, with the query.
    pub path: String,
    /// The body as text, up to 64 KiB of it. Headers, and with them the token, are not kept.
    pub body: String,
    /// The status that was answered, or would have been had the reply not been lost.
    pub status: Option<u16>,
    /// What went wrong.
    pub fault: Option<Fault>,
}

/// A machine or a snapshot that exists, or an address or disk that one has left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Resource {
    /// The cloud.
    pub provider: String,
    /// What it is.
    pub kind: Kind,
    /// The cloud's id.
    pub id: String,
    /// Its name; empty where it has none.
    pub name: String,
    /// Its region; empty where it has none.
    pub region: String,
    /// The cloud's word for its state.
    pub state: String,
    /// Whether its end has been accepted, so that it will soon be gone.
    pub ending: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Its labels. DigitalOcean's tags are keys without values.
    pub labels: BTreeMap<String, String>,
}

/// What a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A machine, also one that is stopped.
    Instance,
    /// A snapshot that a machine can be made from.
    Snapshot,
    /// A copy of a disk: on EC2 what stays when only an AMI is deregistered.
    DiskSnapshot,
    /// A disk that is paid for by itself: on EC2 it stays when its machine ends, unless it is to
    /// end with it.
    Disk,
    /// A public address that is paid for by itself.
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

/// What a cloud's time has cost. Prices are those of the catalogue; they resemble the real ones and
/// are not offers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Bill {
    /// One line for each thing that is or was paid for.
    pub lines: Vec<BillLine>,
}

/// What one thing has cost so far.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BillLine {
    /// The cloud.
    pub provider: String,
    /// What it is.
    pub kind: Kind,
    /// The cloud's id.
    pub id: String,
    /// Its size; for snapshots, empty.
    pub size: String,
    /// Since when it was paid for.
    pub from: DateTime<Utc>,
    /// Until when; `None` while it is.
    pub until: Option<DateTime<Utc>>,
    /// `USD` or `EUR`.
    pub currency: String,
    /// Millionths of the currency.
    pub micros: u64,
}

impl Bill {
    /// The sum in a currency, in millionths of it.
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
            let (provider, id, size) = (&line.provider, &line.id, &line.size);
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
