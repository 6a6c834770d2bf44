//! Parses the time formats that AWS's tools have used.

use chrono::DateTime;
use reqsign_core::time::Timestamp;

const FORMS: [&str; 5] = [
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y%m%dT%H%M%S%#z",
    "%Y-%m-%dT%H:%M%#z",
    "%a, %d %b %Y %H:%M:%S%#z",
];

/// Parses a time with its zone. A time without one is rejected, as it could mean another time.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let named = ["UTC", "GMT", "Z", "z"].iter().find_map(|zone| text.strip_suffix(zone));
    let text = named.map_or_else(|| text.to_string(), |time| format!("{}+0000", time.trim_end()));
    let time = FORMS.iter().find_map(|form| DateTime::parse_from_str(&text, form).ok())?;
    Timestamp::from_millisecond(time.timestamp_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_spelling() {
        let expected = parse("2099-12-07T01:19:12Z").unwrap();
        for text in [
            "2099-12-07T01:19:12UTC",
            "2099-12-07T01:19:12 UTC",
            "2099-12-07T01:19:12.000Z",
            "2099-12-07T01:19:12+00:00",
            "2099-12-06T17:19:12-08:00",
            "2099-12-06T17:19:12-0800",
            "2099-12-07 01:19:12+00",
            "20991207T011912Z",
            "Mon, 07 Dec 2099 01:19:12 GMT",
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        for text in ["", "soon", "2099-12-07", "2099-12-07T01:19:12", "2099-13-07T01:19:12Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
