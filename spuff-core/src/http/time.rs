//! Parses times, in the spellings that clouds have used.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveTime, Utc};

/// The length of `2026-01-30`.
const DATE: usize = 10;

/// The years of four digits, which every wire format and language supports.
const YEARS: RangeInclusive<i32> = 0..=9999;

/// The year 2200: a number for a later time means something else.
const LATEST: i64 = 7_258_118_400;

/// Parses a time, with or without seconds, fraction and zone (UTC if absent), or a number. Returns
/// `None` for any other text, and for a year beyond four digits.
pub(crate) fn read(text: &str) -> Option<DateTime<Utc>> {
    written(text.trim()).filter(|time| YEARS.contains(&time.year()))
}

fn written(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) =
        DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc2822(text))
    {
        return Some(time.to_utc());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return of_number(text.parse().ok()?);
    }
    let (date, rest) = text.split_at_checked(DATE)?;
    let rest = rest.strip_prefix(['T', 't', ' ', '_'])?;
    let end = rest
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.' | ',')))
        .unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(end);
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let clock = clock.replace(',', ".");
    let clock = ["%H:%M:%S%.f", "%H:%M"]
        .iter()
        .find_map(|form| NaiveTime::parse_from_str(&clock, form).ok())?;
    Some(date.and_time(clock).and_local_timezone(offset(zone)?).single()?.to_utc())
}

/// Reads a number as seconds, milli-, micro- or nanoseconds since 1970, by its size.
pub(crate) fn of_number(number: f64) -> Option<DateTime<Utc>> {
    let unit = match number.abs() {
        size if size < 1e11 => 1e3,
        size if size < 1e14 => 1.0,
        size if size < 1e17 => 1e-3,
        size if size < 1e20 => 1e-6,
        _ => return None,
    };

    let time = DateTime::from_timestamp_millis((number * unit).round() as i64)?;
    (0..LATEST).contains(&time.timestamp()).then_some(time)
}

/// `Z`, `UTC`, `+02:00`, `-0800`, `+02`, or `+0800 CST`, as Go writes it.
fn offset(zone: &str) -> Option<FixedOffset> {
    let zone = zone.trim().to_ascii_uppercase();
    if matches!(zone.as_str(), "" | "Z" | "UTC" | "GMT") {
        return FixedOffset::east_opt(0);
    }
    let (hours, word) = zone.split_once(' ').unwrap_or((&zone, ""));
    let sign = match hours.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits: String = hours.chars().skip(1).filter(|c| *c != ':').collect();
    let number =
        |range: std::ops::Range<usize>| digits.get(range).and_then(|part| part.parse::<i32>().ok());
    let minutes = if digits.len() == 2 { 0 } else { number(2..4)? };
    let plain = matches!(digits.len(), 2 | 4)
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && minutes < 60;
    let seconds = sign * (number(0..2)? * 3600 + minutes * 60);
    // The name of a zone that follows adds nothing.
    FixedOffset::east_opt(seconds)
        .filter(|_| plain && word.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_every_spelling_that_clouds_have_used() {
        // 2026-01-30, 23:55.
        const AT: i64 = 1_769_817_300;
        for text in [
            "2026-01-30T23:55:00Z",
            "2026-01-30T23:55:00z",
            "2026-01-30T23:55:00.000Z",
            "2026-01-30T23:55:00.123456789Z",
            "2026-01-30T23:55:00,5Z",
            "2026-01-30T23:55:00+00:00",
            "2026-01-30T15:55:00-08:00",
            "2026-01-31T01:25:00+0130",
            "2026-01-31T01:55:00+02",
            "2026-01-30T23:55:00",
            "2026-01-30T23:55",
            "2026-01-30T23:55Z",
            "2026-01-30 23:55:00",
            "2026-01-30 23:55",
            "2026-01-30 23:55:00Z",
            "2026-01-30 23:55:00 UTC",
            "2026-01-30T23:55:00UTC",
            "2026-01-30T23:55:00 GMT",
            "2026-01-30 23:55:00 +0000 UTC",
            "2026-01-30 23:55:00.5 +0000",
            "2026-01-30 15:55:00 -08:00",
            "2026-01-31 07:55:00.25 +0800 CST",
            "Fri, 30 Jan 2026 23:55:00 GMT",
            "Fri, 30 Jan 2026 23:55:00 +0000",
            " 2026-01-30T23:55:00Z\n",
            "1769817300",
            "1769817300.25",
            "1769817300000",
            "1769817300000000",
            "1769817300000000000",
        ] {
            assert_eq!(read(text).map(|time| time.timestamp()), Some(AT), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            " ",
            "null",
            "never",
            "yesterday",
            "2026-01-30",
            "2026-02-30T00:00:00Z",
            "2026-01-30T25:00:00Z",
            "2026-01-30T23:55:00 PST",
            "2026-01-30T23:55:00+99:99",
            "2026-01-30T23:55:00 +0800 m=+1",
            "30/01/2026 23:55",
            "2026-01-30é23:55",
            "1.2.3",
            "...",
            "99999999999999999999999999",
            "18446744073709551616",
            "9999-12-31T23:59:59-23:59",
            "0000-01-01T00:00:00+23:59",
            "-9999-1-01T00:00:00Z",
            "31 Dec 10000 23:59:59 +0000",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        for number in [f64::NAN, f64::INFINITY, 1e300, -1e300, -1.0, 9e13] {
            assert_eq!(of_number(number), None, "{number}");
        }
    }
}
