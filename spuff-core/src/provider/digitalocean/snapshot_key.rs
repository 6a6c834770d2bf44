//! The key of a snapshot with an unknown outcome. A snapshot cannot carry a key, so the key encodes
//! how to find it.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::provider::error::{ProviderError, ProviderResult};

/// The last second of the year 9999. Later times are rejected: arithmetic on them may fail.
const LATEST: i64 = 253_402_300_799;

/// How to find a snapshot. Written `droplet:begun.before.action:name`; `action` is omitted if
/// unknown, and `before` is 0 if there was no snapshot. Keys of earlier versions are
/// `droplet:begun:name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SnapshotKey {
    pub(super) droplet: u64,
    /// By this computer's clock.
    pub(super) begun: DateTime<Utc>,
    pub(super) before: Before,
    /// The action that makes the snapshot, if the API has reported it.
    pub(super) action: Option<u64>,
    pub(super) name: String,
}

/// The droplet's newest snapshot when this one was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    NotTold,
    Nothing,
    Snapshot(u64),
}

impl SnapshotKey {
    pub(super) fn read(key: &str) -> ProviderResult<Self> {
        let read = || {
            let mut parts = key.splitn(3, ':');
            let (droplet, middle, name) =
                (number(parts.next()?)?, parts.next()?, parts.next()?.to_string());
            let mut middle = middle.splitn(3, '.');
            let begun = middle.next()?.parse().ok().filter(|begun| (0..=LATEST).contains(begun))?;
            let before = match middle.next().map(number) {
                None => Before::NotTold,
                Some(id) => {
                    id.filter(|id| *id > 0).map_or(id.map(|_| Before::Nothing)?, Before::Snapshot)
                }
            };
            let action = middle.next().map(|id| number(id).ok_or(())).transpose().ok()?;
            Some(Self { droplet, begun: DateTime::from_timestamp(begun, 0)?, before, action, name })
        };
        read().ok_or_else(|| {
            let message = format!(
                "{key:?} is not the key of an unknown outcome of create_snapshot at this provider"
            );
            ProviderError::invalid_config("key", message)
        })
    }
}

impl fmt::Display for SnapshotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.droplet, self.begun.timestamp())?;
        match self.before {
            Before::NotTold => {}
            Before::Nothing => f.write_str(".0")?,
            Before::Snapshot(id) => write!(f, ".{id}")?,
        }
        self.action.map_or(Ok(()), |action| write!(f, ".{action}"))?;
        write!(f, ":{}", self.name)
    }
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written_and_those_of_earlier_versions_too() {
        let begun = DateTime::from_timestamp(1_767_607_200, 0).unwrap();
        for (text, before, action) in [
            ("7:1767607200:a:b", Before::NotTold, None),
            ("7:1767607200.0:a:b", Before::Nothing, None),
            ("7:1767607200.100:a:b", Before::Snapshot(100), None),
            ("7:1767607200.0.36:a:b", Before::Nothing, Some(36)),
            ("7:1767607200.18446744073709551615.36:a:b", Before::Snapshot(u64::MAX), Some(36)),
        ] {
            let key = SnapshotKey { droplet: 7, begun, before, action, name: "a:b".to_string() };
            assert_eq!(SnapshotKey::read(text).unwrap(), key, "{text}");
            assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_key_is_refused_whatever_its_numbers() {
        for key in [
            "",
            "7",
            "7:1767607200",
            "7:soon:x",
            "1:-8334601228800:x",
            "1:-1:x",
            "1:253402300800:x",
            "1:9223372036854775807:x",
            "1:99999999999999999999:x",
            "-1:1767607200:x",
            "../droplets:1767607200:x",
            "1:1767607200.:x",
            "1:1767607200.-5:x",
            "1:1767607200.5.:x",
            "1:1767607200.5.6.7:x",
            "1:1767607200.5.18446744073709551616:x",
        ] {
            let error = SnapshotKey::read(key).unwrap_err();
            assert!(
                matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "key"),
                "{key}: {error}"
            );
        }
    }
}
