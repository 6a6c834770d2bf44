//! Liberal reading of what clouds write: null or absent, numbers or text, dates that are none.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};

/// A value that may be null as well as absent (with `#[serde(default)]`).
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An id that is a number in one place and text in another.
pub(crate) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Id {
        Number(u64),
        Text(String),
    }
    Ok(match Id::deserialize(deserializer)? {
        Id::Number(number) => number.to_string(),
        Id::Text(text) => text,
    })
}

/// A time in RFC 3339; what is not one is no time.
pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.and_then(|text| DateTime::parse_from_rfc3339(&text).ok()).map(|time| time.to_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Thing {
        #[serde(deserialize_with = "id")]
        id: String,
        #[serde(default, deserialize_with = "nullable")]
        tags: Vec<String>,
        #[serde(default, deserialize_with = "time")]
        created: Option<DateTime<Utc>>,
    }

    #[test]
    fn reads_what_clouds_write() {
        let read = |text| serde_json::from_str::<Thing>(text).unwrap();
        let thing = read(r#"{"id": 9007199254740993, "tags": null, "created": "2026-01-30T23:55:00+00:00", "new": {}}"#);
        assert_eq!((thing.id.as_str(), thing.tags.len()), ("9007199254740993", 0));
        assert_eq!(thing.created.unwrap().timestamp(), 1_769_817_300);
        let thing = read(r#"{"id": "7", "created": "yesterday"}"#);
        assert_eq!((thing.id.as_str(), thing.created), ("7", None));
        assert!(serde_json::from_str::<Thing>(r#"{"id": null}"#).is_err());
    }
}
