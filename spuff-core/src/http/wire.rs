//! Liberal reading of what clouds write: null or absent, numbers or text, dates that are none.

use std::borrow::Cow;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};

use crate::provider::InstanceStatus;

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
    let parse = |text: &str| DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
    Ok(text(deserializer)?.and_then(|text| parse(&text)))
}

/// Text that stands for something else, such as an address; what does not is none.
pub(crate) fn parsed<'de, D: Deserializer<'de>, T: FromStr>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(text(deserializer)?.and_then(|text| text.parse().ok()))
}

/// A cloud's word for a state.
pub(crate) fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<InstanceStatus, D::Error> {
    Ok(InstanceStatus::from_word(&text(deserializer)?.unwrap_or_default()))
}

/// Text that is only looked at: a long list has thousands, and none of them is copied.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    Ok(Option::<Text<'de>>::deserialize(deserializer)?.map(|text| text.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    #[derive(Deserialize)]
    struct Thing {
        #[serde(deserialize_with = "id")]
        id: String,
        #[serde(default, deserialize_with = "nullable")]
        tags: Vec<String>,
        #[serde(default, deserialize_with = "time")]
        created: Option<DateTime<Utc>>,
        #[serde(default, deserialize_with = "parsed")]
        ip: Option<IpAddr>,
    }

    #[test]
    fn reads_what_clouds_write() {
        let read = |text| serde_json::from_str::<Thing>(text).unwrap();
        let thing = read(r#"{"id": 9007199254740993, "tags": null, "created": "2026-01-30T23:55:00+00:00", "new": {}}"#);
        assert_eq!((thing.id.as_str(), thing.tags.len()), ("9007199254740993", 0));
        assert_eq!(thing.created.unwrap().timestamp(), 1_769_817_300);
        let thing = read(r#"{"id": "7", "created": "yesterday", "ip": "203.0.113.7"}"#);
        assert_eq!((thing.id.as_str(), thing.created, thing.ip), ("7", None, "203.0.113.7".parse().ok()));
        // An escape keeps text from being borrowed, not from being read.
        assert_eq!(read(r#"{"id": 7, "ip": "203\u002e0.113.7"}"#).ip, thing.ip);
        assert_eq!(read(r#"{"id": 7, "ip": "<nil>"}"#).ip, None);
        assert!(serde_json::from_str::<Thing>(r#"{"id": null}"#).is_err());
    }
}
