//! Results of operations, as the judge receives them.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::{ProviderInstance, Snapshot};

/// The result of an operation.
#[derive(Debug)]
pub(super) enum Told {
    Made(Vec<ProviderResult<ProviderInstance>>),
    Used(ProviderResult<()>),
    Snapshot(ProviderResult<Snapshot>),
    Ended(Vec<ProviderResult<()>>),
    Read(String, ProviderResult<Option<ProviderInstance>>),
    Ready(String, ProviderResult<ProviderInstance>),
    List(ProviderResult<Vec<ProviderInstance>>),
    Resolved(String, ProviderResult<Option<String>>),
    Renewed(ProviderResult<DateTime<Utc>>),
    Other(ProviderResult<()>),
}

impl Told {
    /// Returns one word for a table: `ok`, or the kind of the first error.
    pub(super) fn word(&self) -> String {
        self.errors().first().map_or("ok".to_string(), |error| format!("{:?}", error.kind()))
    }

    pub(super) fn errors(&self) -> Vec<&ProviderError> {
        match self {
            Self::Made(all) => all.iter().filter_map(|one| one.as_ref().err()).collect(),
            Self::Ended(all) => all.iter().filter_map(|one| one.as_ref().err()).collect(),
            Self::Used(one) | Self::Other(one) => one.as_ref().err().into_iter().collect(),
            Self::Renewed(one) => one.as_ref().err().into_iter().collect(),
            Self::Snapshot(one) => one.as_ref().err().into_iter().collect(),
            Self::Read(_, one) => one.as_ref().err().into_iter().collect(),
            Self::Ready(_, one) => one.as_ref().err().into_iter().collect(),
            Self::List(one) => one.as_ref().err().into_iter().collect(),
            Self::Resolved(_, one) => one.as_ref().err().into_iter().collect(),
        }
    }
}

/// Formats the result for a log: ids, and error messages.
impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = |machine: &ProviderInstance| {
            let adopted = if machine.adopted { ", adopted" } else { "" };
            format!("{} {} {}{adopted}", machine.id, machine.name, machine.status)
        };
        let done = |_: &()| "done".to_string();
        let told: Vec<String> = match self {
            Self::Made(all) => all.iter().map(|one| one.as_ref().map(machine)).map(shown).collect(),
            Self::Ended(all) => all.iter().map(|one| one.as_ref().map(done)).map(shown).collect(),
            Self::Used(one) | Self::Other(one) => vec![shown(one.as_ref().map(done))],
            Self::Renewed(one) => {
                vec![shown(one.as_ref().map(|end| format!("until {}", end.timestamp())))]
            }
            Self::Snapshot(one) => vec![shown(
                one.as_ref().map(|snapshot| format!("{} {}", snapshot.id, snapshot.name)),
            )],
            Self::Read(_, one) => vec![shown(
                one.as_ref().map(|read| read.as_ref().map_or("nothing".to_string(), machine)),
            )],
            Self::Ready(_, one) => vec![shown(one.as_ref().map(machine))],
            Self::List(one) => vec![shown(one.as_ref().map(|all| {
                let mut ids: Vec<_> = all.iter().map(|machine| machine.id.as_str()).collect();
                ids.sort_unstable();
                ids.join(" ")
            }))],
            Self::Resolved(key, one) => {
                vec![shown(
                    one.as_ref()
                        .map(|found| format!("{key}: {}", found.as_deref().unwrap_or("nothing"))),
                )]
            }
        };
        f.write_str(&told.join("; "))
    }
}

/// Formats one outcome.
fn shown(outcome: Result<String, &ProviderError>) -> String {
    outcome.unwrap_or_else(|error| format!("{:?}: {error}", error.kind()))
}

/// Returns the key of an unknown outcome.
pub(super) fn unknown(error: &ProviderError) -> Option<&str> {
    match error {
        ProviderError::UnknownOutcome { key, .. } => Some(key),
        ProviderError::AfterCreate { source, .. } | ProviderError::NotPlaced { source, .. } => {
            unknown(source)
        }
        _ => None,
    }
}
