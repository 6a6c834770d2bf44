//! Resolves SSH keys of an account by name, id or fingerprint, whatever form the input has.

use super::wire::{Reference, SshKey};
use crate::provider::error::{ProviderError, ProviderResult};

/// Whether the input can only be a name.
pub(super) fn is_name(asked: &str) -> bool {
    matches!(Reference::parse(asked), Reference::Text(text) if !text.contains(':'))
}

/// Returns the requested keys. An unknown entry that may be an id or a fingerprint is sent as it
/// is: the key may be newer than `known`.
pub(super) fn chosen(known: &[SshKey], asked: &[String]) -> ProviderResult<Vec<Reference>> {
    asked.iter().map(|asked| choose(known, asked)).collect()
}

fn choose(known: &[SshKey], asked: &str) -> ProviderResult<Reference> {
    let invalid = |message| Err(ProviderError::invalid_config("ssh_keys", message));
    let is_meant = |key: &&SshKey| {
        let marked = !key.fingerprint.is_empty() && key.fingerprint.eq_ignore_ascii_case(asked);
        key.name == asked || key.id.to_string() == asked || marked
    };
    let meant: Vec<_> = known.iter().filter(is_meant).collect();
    match meant.as_slice() {
        [key] => Ok(Reference::Id(key.id)),
        [] if !is_name(asked) => Ok(Reference::parse(asked)),
        [] => {
            let names = known.iter().map(|key| key.name.as_str()).collect::<Vec<_>>().join(", ");
            invalid(format!("no key named {asked:?} in the account; it has: {names}"))
        }
        several => {
            let told = several
                .iter()
                .map(|key| format!("key {} named {:?}", key.id, key.name))
                .collect::<Vec<_>>()
                .join(" and ");
            invalid(format!("{asked:?} is ambiguous: {told}; give a fingerprint, or rename one"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u64, name: &str, fingerprint: &str) -> SshKey {
        SshKey { id, name: name.to_string(), fingerprint: fingerprint.to_string() }
    }

    #[test]
    fn a_key_is_known_by_what_there_is_and_not_by_its_looks() {
        let known = [
            key(1, "laptop", "aa:01"),
            key(2, "12345", "aa:02"),
            key(3, "me@host:home", "aa:03"),
            key(4, "1", "aa:04"),
            key(5, "twin", "aa:05"),
            key(6, "twin", "aa:06"),
            key(7, "7", ""),
        ];
        let choose = |asked: &str| choose(&known, asked);
        for (asked, expected) in [
            ("laptop", Reference::Id(1)),
            ("12345", Reference::Id(2)),
            ("me@host:home", Reference::Id(3)),
            ("4", Reference::Id(4)),
            ("AA:05", Reference::Id(5)),
            ("7", Reference::Id(7)),
            ("99", Reference::Id(99)),
            ("aa:99", Reference::Text("aa:99".to_string())),
        ] {
            assert_eq!(choose(asked).unwrap(), expected, "{asked}");
        }
        for (asked, parts) in [
            ("1", ["key 1 named \"laptop\"", "key 4 named \"1\""]),
            ("twin", ["key 5", "key 6"]),
            ("desk", ["desk", "laptop"]),
        ] {
            let error = choose(asked).unwrap_err();
            assert!(
                matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "ssh_keys"),
                "{asked}: {error}"
            );
            assert!(parts.iter().all(|part| error.to_string().contains(part)), "{asked}: {error}");
        }
    }
}
