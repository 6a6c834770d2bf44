//! Everything that can be refused without asking the cloud. A caller that gets `InvalidConfig` from
//! here knows that no request has been made and nothing is paid for.

use std::collections::BTreeMap;

use spuff_core::provider::{InstanceRequest, ProviderError, ProviderResult, labels};

/// The label that a machine's key is kept under, so that the machine can be found by it.
pub(crate) const KEY_LABEL: &str = "spuff-key";
/// What Nimbus takes.
pub(crate) const MAX_USER_DATA: usize = 32 * 1024;
const MAX_WORD: usize = 63;

/// A name, id or key: what can stand in a path, a query and a label without being written in
/// another way.
pub(crate) fn word<'a>(field: &str, value: &'a str) -> ProviderResult<&'a str> {
    let message = if value.is_empty() {
        "must not be empty".to_string()
    } else if value.len() > MAX_WORD {
        format!("{} bytes, but the limit is {MAX_WORD}; shorten it", value.len())
    } else if !value.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        format!("{value:?} must begin with a letter or digit")
    } else if let Some(wrong) =
        value.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'))
    {
        format!("{value:?} holds {wrong:?}; use letters, digits, '-', '_' and '.'")
    } else {
        return Ok(value);
    };
    Err(ProviderError::invalid_config(field, message))
}

pub(crate) fn user_data(text: Option<&str>) -> ProviderResult<Option<&str>> {
    match text.map_or(0, str::len) {
        bytes if bytes <= MAX_USER_DATA => Ok(text),
        bytes => {
            let message = format!(
                "{bytes} bytes, but the limit is {MAX_USER_DATA}; load the rest from the machine \
                 itself"
            );
            Err(ProviderError::invalid_config("user_data", message))
        }
    }
}

/// The caller's labels, the mark of spuff, and the machine's key. What marks a machine is not for
/// callers to set.
pub(crate) fn labels<'a>(
    request: &'a InstanceRequest,
    key: &'a str,
) -> ProviderResult<BTreeMap<&'a str, &'a str>> {
    let mut labels: BTreeMap<_, _> =
        request.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for (name, value) in [(labels::MANAGED_BY, labels::MANAGED_BY_VALUE), (KEY_LABEL, key)] {
        if labels.insert(name, value).is_some_and(|given| given != value) {
            return Err(ProviderError::invalid_config(
                "labels",
                format!("{name} is set by spuff; use another name"),
            ));
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_leave_their_place() {
        for text in ["vm-1", "a", "web_1.example"] {
            assert!(word("id", text).is_ok(), "{text}");
        }
        for text in ["", "..", "../keys", "a/b", "a?b", "a b", "ä", &"a".repeat(64)] {
            assert!(word("id", text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_mark_of_spuff_cannot_be_overwritten() {
        let request = InstanceRequest::new("a", "b", "c").with_label("env", "prod");
        assert_eq!(labels(&request, "k-1").unwrap().len(), 3);
        assert!(labels(&request.clone().with_label("managed-by", "spuff"), "k-1").is_ok());
        for name in ["managed-by", "spuff-key"] {
            assert!(labels(&request.clone().with_label(name, "me"), "k-1").is_err(), "{name}");
        }
    }
}
