//! Validation that needs no request. A caller that gets `InvalidConfig` from this module knows that
//! nothing was sent and nothing costs money.

use std::collections::BTreeMap;

use spuff_core::provider::{InstanceRequest, ProviderError, ProviderResult, labels};

/// The label that holds an instance's create key, by which the provider finds the instance.
pub(crate) const KEY_LABEL: &str = "spuff-key";
/// The longest user data that Nimbus accepts, in bytes.
pub(crate) const MAX_USER_DATA: usize = 32 * 1024;
const MAX_WORD: usize = 63;

/// Checks a name, id or key: it must fit into a path, a query and a label without escapes.
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
                "{bytes} bytes, but the limit is {MAX_USER_DATA}; let the instance load the rest \
                 itself"
            );
            Err(ProviderError::invalid_config("user_data", message))
        }
    }
}

/// Returns the caller's labels with `managed-by=spuff` and the create key. Callers must not set
/// these two.
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
    fn unsafe_words_are_refused() {
        for text in ["vm-1", "a", "web_1.example"] {
            assert!(word("id", text).is_ok(), "{text}");
        }
        for text in ["", "..", "../keys", "a/b", "a?b", "a b", "ä", &"a".repeat(64)] {
            assert!(word("id", text).is_err(), "{text}");
        }
    }

    #[test]
    fn reserved_labels_cannot_be_overwritten() {
        let request = InstanceRequest::new("a", "b", "c").with_label("env", "prod");
        assert_eq!(labels(&request, "k-1").unwrap().len(), 3);
        assert!(labels(&request.clone().with_label("managed-by", "spuff"), "k-1").is_ok());
        for name in ["managed-by", "spuff-key"] {
            assert!(labels(&request.clone().with_label(name, "me"), "k-1").is_err(), "{name}");
        }
    }
}
