//! Checks of the caller's input, made before any request is sent. The limits differ, so the
//! provider modules define them.

use std::collections::{BTreeMap, HashMap};

use super::defaults::Defaults;
use crate::provider::config::{InstanceRequest, ProviderConfig};
use crate::provider::error::{ErrorContext, ProviderError, ProviderResult};
use crate::provider::{labels, similar};

/// Refuses an empty value.
pub(crate) fn required(field: &str, value: &str) -> ProviderResult<()> {
    if value.trim().is_empty() {
        Err(ProviderError::invalid_config(field, "must not be empty"))
    } else {
        Ok(())
    }
}

/// Refuses more than `limit` of a `unit`.
pub(crate) fn at_most(
    field: &str,
    actual: usize,
    limit: usize,
    unit: &str,
    way_out: &str,
) -> ProviderResult<()> {
    if actual <= limit {
        return Ok(());
    }
    Err(ProviderError::invalid_config(
        field,
        format!("{actual} {unit}, but the limit is {limit}; {way_out}"),
    ))
}

/// Checks a name that becomes a host name: letters, digits, `-` and `.`, beginning and ending with
/// a letter or digit.
pub(crate) fn host_name(field: &str, name: &str, limit: usize) -> ProviderResult<()> {
    required(field, name)?;
    at_most(field, name.len(), limit, "characters", "shorten it")?;
    let alphanumeric = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    if let Some(wrong) =
        name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.')))
    {
        let message = format!(
            "{name:?} contains {wrong:?}, but becomes a host name: use letters, digits, '-' and '.'"
        );
        return Err(ProviderError::invalid_config(field, message));
    }
    if !alphanumeric(bytes.first()) || !alphanumeric(bytes.last()) {
        return Err(ProviderError::invalid_config(
            field,
            format!("{name:?} must begin and end with a letter or digit"),
        ));
    }
    Ok(())
}

/// Checks a region, location, size or type: at most 64 letters, digits, `-`, `.` and `_`.
pub(crate) fn slug(field: &str, value: &str) -> ProviderResult<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if value.chars().all(allowed) && value.len() <= 64 {
        return Ok(());
    }
    Err(ProviderError::invalid_config(
        field,
        format!(
            "{value:?} is not a valid {field}; use the provider's identifier, as in its price list"
        ),
    ))
}

/// Checks a request for a cloud whose instance names are host names, against that cloud's limits.
pub(crate) fn request(
    request: &InstanceRequest,
    max_name: usize,
    max_user_data: usize,
) -> ProviderResult<()> {
    host_name("name", &request.name, max_name)?;
    slug("region", &request.region)?;
    required("size", &request.size)?;
    slug("size", &request.size)?;
    let bytes = request.user_data.as_ref().map_or(0, String::len);
    at_most("user_data", bytes, max_user_data, "bytes", "shorten it, or let it fetch the rest")?;
    user_data(request.user_data.as_deref().unwrap_or_default())?;
    request.ssh_keys.iter().try_for_each(|key| required("ssh_keys", key))
}

/// Refuses user data that cloud-init would not recognize by its beginning. Clouds accept any, and
/// cloud-init silently ignores what it does not recognize: the instance would boot unconfigured.
pub(crate) fn user_data(text: &str) -> ProviderResult<()> {
    let invalid = |message: String| Err(ProviderError::invalid_config("user_data", message));
    if let Some(at) = text.find('\0') {
        return invalid(format!("byte {at} is NUL: not text, or UTF-16; save it as UTF-8"));
    }
    let text = text.trim_start();
    match text.chars().next() {
        // The last one is the UTF-8 byte order mark, decoded as Latin-1.
        _ if text.starts_with(['\u{feff}', '\u{fffe}'])
            || text.starts_with("\u{ef}\u{bb}\u{bf}") =>
        {
            invalid("begins with a byte order mark: save it without one".to_string())
        }
        Some(hidden @ ('\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{fffd}' | '\u{ffff}')) => {
            invalid(format!("begins with the invisible {hidden:?}: remove it"))
        }
        _ => Ok(()),
    }
}

/// Returns the labels of a new instance, in a fixed order, with `managed-by=spuff`.
pub(crate) fn labels(request: &InstanceRequest) -> ProviderResult<BTreeMap<&str, &str>> {
    let mut labels: BTreeMap<_, _> =
        request.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    match labels.insert(labels::MANAGED_BY, labels::MANAGED_BY_VALUE) {
        Some(other) if other != labels::MANAGED_BY_VALUE => {
            let message = format!(
                "{}={other}: reserved for spuff, which marks its resources by it; use another key",
                labels::MANAGED_BY
            );
            Err(ProviderError::invalid_config("labels", message))
        }
        _ => Ok(labels),
    }
}

/// Refuses to change the labels by which a key finds its instance.
pub(crate) fn changed_labels(labels: &HashMap<String, String>) -> ProviderResult<()> {
    for key in [labels::CREATE_KEY, labels::REQUEST_DIGEST] {
        if labels.contains_key(key) {
            let message =
                format!("{key} is reserved for spuff, which finds resources by it: leave it out");
            return Err(ProviderError::invalid_config("labels", message));
        }
    }
    Ok(())
}

/// Refuses options that are neither in `own` nor among those of every provider.
pub(crate) fn known_options(
    config: &ProviderConfig,
    own: &[&[&'static str]],
) -> ProviderResult<()> {
    let known = [own, &[&Defaults::LEASE]].concat().concat();
    match config.options.keys().find(|option| !known.contains(&option.as_str())) {
        Some(option) => {
            let message = format!(
                "this provider has no such option{}; it has {}",
                similar::hint(option, &known),
                known.join(", ")
            );
            Err(ProviderError::invalid_config(option, message))
        }
        None => Ok(()),
    }
}

/// Adds the given value of the refused field, if the cloud's message lacks it.
pub(crate) fn with_given(error: ProviderError, request: &InstanceRequest) -> ProviderError {
    let ProviderError::InvalidConfig { field, message } = &error else { return error };
    let given = match field.as_str() {
        "name" => request.name.clone(),
        "region" => request.region.clone(),
        "size" => request.size.clone(),
        "image" => request.image.to_string(),
        _ => return error,
    };
    if message.contains(&given) {
        return error;
    }
    ProviderError::invalid_config(field, format!("{message} (given was {given:?})"))
}

/// Converts `NotFound` of a read to `None`.
pub(crate) fn absent_is_none<T>(read: ProviderResult<T>) -> ProviderResult<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(ProviderError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The error of an instance or snapshot that has failed, with the cloud's reason.
pub(crate) fn failed(provider: &str, instance_id: &str, code: &str, reason: &str) -> ProviderError {
    let context = ErrorContext::new(provider).with_code(code).with_instance_id(instance_id);
    ProviderError::api(200, reason).with_context(context)
}

/// Parses a numeric id.
pub(crate) fn numeric_id(provider: &str, field: &str, id: &str) -> ProviderResult<u64> {
    // A leading zero would be another spelling of an id.
    let digits =
        (id == "0" || !id.starts_with('0')) && id.bytes().all(|byte| byte.is_ascii_digit());
    id.parse().ok().filter(|_| digits).ok_or_else(|| {
        ProviderError::invalid_config(
            field,
            format!(
                "{id:?} is not an id of {provider}, whose ids are whole numbers; it may belong \
             to another provider"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names() {
        for name in ["a", "web-1", "a.b.example", "0x"] {
            assert!(host_name("name", name, 63).is_ok(), "{name}");
        }
        for name in ["", " ", "web_1", "-a", "a-", ".a", "wéb", "a b", &"a".repeat(64)] {
            let error = host_name("name", name, 63).unwrap_err();
            assert!(
                matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "name"),
                "{name}"
            );
        }
        assert!(host_name("name", "web_1", 63).unwrap_err().to_string().contains("'_'"));
    }

    #[test]
    fn ids_are_digits_only() {
        assert_eq!(numeric_id("hetzner", "id", "9007199254740993").unwrap(), 9_007_199_254_740_993);
        for id in ["", "i-0abc", "+1", "-1", "1.0", " 1", "99999999999999999999"] {
            assert!(numeric_id("hetzner", "id", id).is_err(), "{id}");
        }
    }

    #[test]
    fn user_data_begins_with_what_can_be_seen() {
        for text in [
            "",
            "#!/bin/sh\n",
            "#cloud-config\nwho: Zoë \u{feff}\n",
            "\n #!/bin/sh\r\n",
            "é",
            "H4sIAAAA",
        ] {
            assert!(user_data(text).is_ok(), "{text:?}");
        }
        for (text, part) in [
            ("\u{feff}#cloud-config\n", "byte order mark"),
            ("\u{feff}#!/bin/sh\n", "byte order mark"),
            (" \n\u{feff}#!/bin/sh\n", "byte order mark"),
            ("ï»¿#cloud-config\n", "byte order mark"),
            ("\u{200b}#!/bin/sh\n", "200b"),
            ("\u{fffd}\u{fffd}#!/bin/sh\n", "\u{fffd}"),
            ("#\0!\0/\0", "UTF-16"),
            ("#!/bin/sh\n\0", "byte 10 is NUL"),
        ] {
            let request = InstanceRequest::new("web-1", "", "small").with_user_data(text);
            let error = super::request(&request, 63, 1000).unwrap_err();
            assert!(
                matches!(
                    &error,
                    ProviderError::InvalidConfig { field, .. } if field == "user_data"
                ),
                "{text:?}: {error}"
            );
            assert!(error.to_string().contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn limits_name_both_numbers() {
        let error =
            at_most("user_data", 71_680, 65_536, "bytes", "compress it").unwrap_err().to_string();
        assert!(
            error.contains("71680") && error.contains("65536") && error.contains("compress it"),
            "{error}"
        );
    }
}
