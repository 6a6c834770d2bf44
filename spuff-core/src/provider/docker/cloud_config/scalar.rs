//! Resolves plain scalars by YAML 1.1, as PyYAML does.

use std::fmt;
use std::ops::RangeInclusive;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Text,
    Null,
    Bool(bool),
    Integer,
    Float,
    Time,
    /// `<<`
    Merge,
    /// `=`
    Default,
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a string",
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer | Self::Float => "a number",
            Self::Time => "a time",
            Self::Merge | Self::Default => "a special key",
        })
    }
}

pub(super) fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "<<" => Scalar::Merge,
        "=" => Scalar::Default,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        _ if is_integer(text) => Scalar::Integer,
        _ if is_float(text) => Scalar::Float,
        _ if is_time(text) => Scalar::Time,
        _ => Scalar::Text,
    }
}

/// Whether YAML 1.1 and Python write this number the same way: only then is it safe as a text.
pub(super) fn is_canonical(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let integer = digits == "0"
        || (digits.starts_with(|c: char| c != '0') && all(digits, |c| c.is_ascii_digit()));
    let float = || text.parse().is_ok_and(|number: f64| format!("{number:?}") == text);
    (integer && text != "-0") || float()
}

fn all(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(allowed)
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn decimal(c: char) -> bool {
    c.is_ascii_digit() || c == '_'
}

fn is_integer(text: &str) -> bool {
    let digits = unsigned(text);
    if let Some(binary) = digits.strip_prefix("0b") {
        return all(binary, |c| matches!(c, '0' | '1' | '_'));
    }
    if let Some(hexadecimal) = digits.strip_prefix("0x") {
        return all(hexadecimal, |c| c.is_ascii_hexdigit() || c == '_');
    }
    if let Some(octal) = digits.strip_prefix('0') {
        return octal.chars().all(|c| matches!(c, '0'..='7' | '_'));
    }
    digits.starts_with(|c: char| c.is_ascii_digit())
        && (all(digits, decimal) || is_to_base_sixty(digits))
}

fn is_float(text: &str) -> bool {
    let digits = unsigned(text);
    if matches!(digits, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let Some((whole, fraction)) = digits.split_once('.') else {
        return false;
    };
    if whole.contains(':') {
        return is_to_base_sixty(whole) && fraction.chars().all(decimal);
    }
    let (fraction, exponent) = fraction
        .split_once(['e', 'E'])
        .map_or((fraction, None), |(fraction, e)| (fraction, Some(e)));
    let signed = |e: &str| e.starts_with(['-', '+']) && all(unsigned(e), |c| c.is_ascii_digit());
    let number =
        |part: &str| part.starts_with(|c: char| c.is_ascii_digit()) && part.chars().all(decimal);
    let digits = (number(whole) && fraction.chars().all(decimal))
        || (text.starts_with('.') && number(fraction));
    digits && exponent.is_none_or(signed)
}

/// Whether a text is a number in base 60, such as `12:30:59`.
fn is_to_base_sixty(text: &str) -> bool {
    let Some((first, rest)) = text.split_once(':') else {
        return false;
    };
    let below_sixty = |part: &str| match part.as_bytes() {
        [digit] => digit.is_ascii_digit(),
        [tens, digit] => (b'0'..=b'5').contains(tens) && digit.is_ascii_digit(),
        _ => false,
    };
    first.starts_with(|c: char| c.is_ascii_digit())
        && all(first, decimal)
        && rest.split(':').all(below_sixty)
}

/// Whether a text is a date, alone or followed by a time.
fn is_time(text: &str) -> bool {
    let date = text.split(['T', 't', ' ', '\t']).next().unwrap_or_default();
    let rest = &text[date.len()..];
    if rest.is_empty() {
        return has_parts(date, '-', &[4..=4, 2..=2, 2..=2]);
    }
    let rest =
        rest.strip_prefix(['T', 't']).unwrap_or_else(|| rest.trim_start_matches([' ', '\t']));
    let clock = rest.split(['Z', '+', '-', ' ', '\t']).next().unwrap_or_default();
    let zone = rest[clock.len()..].trim_start_matches([' ', '\t']);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let is_zone = match zone.strip_prefix(['+', '-']) {
        Some(offset) => has_parts(offset, ':', &[1..=2]) || has_parts(offset, ':', &[1..=2, 2..=2]),
        None => {
            zone == "Z"
                || (zone.is_empty() && rest.ends_with(|c: char| c.is_ascii_digit() || c == '.'))
        }
    };
    has_parts(date, '-', &[4..=4, 1..=2, 1..=2])
        && has_parts(clock, ':', &[1..=2, 2..=2, 2..=2])
        && fraction.chars().all(|c| c.is_ascii_digit())
        && is_zone
}

/// Whether a text consists of one number per length, each of such a length.
fn has_parts(text: &str, between: char, lengths: &[RangeInclusive<usize>]) -> bool {
    let fits = |(part, length): (&str, &RangeInclusive<usize>)| {
        length.contains(&part.len()) && all(part, |c| c.is_ascii_digit())
    };
    text.split(between).count() == lengths.len() && text.split(between).zip(lengths).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_they_mean_to_cloud_init() {
        for (kind, texts) in [
            (Scalar::Null, &["", "~", "null", "NULL"][..]),
            (Scalar::Bool(true), &["yes", "Yes", "ON", "true"]),
            (Scalar::Bool(false), &["no", "off", "False"]),
            (
                Scalar::Integer,
                &[
                    "0", "00", "0644", "644", "-1", "+1", "1_000", "0x1f", "0b11", "22:22",
                    "1:30:59", "00_7",
                ],
            ),
            (
                Scalar::Float,
                &[
                    "1.5",
                    "1.",
                    ".5",
                    "-1.5",
                    "1.0e+3",
                    ".inf",
                    "-.Inf",
                    ".nan",
                    "1:30.5",
                    "685_230.15",
                ],
            ),
            (Scalar::Time, &["2026-01-30", "2026-01-30T10:00:00Z", "2026-1-3 10:00:00 +1"]),
            (Scalar::Merge, &["<<"]),
            (Scalar::Default, &["="]),
            (
                Scalar::Text,
                &[
                    "0o644",
                    "0800",
                    "08",
                    "y",
                    "n",
                    "1e3",
                    "1.2.3",
                    "22:60",
                    "1000:1000",
                    "v1",
                    "-",
                    "+",
                    ".",
                    "0x",
                    "1.0e3",
                    "2026-01-30-1",
                    "2026-1-3",
                    "127.0.0.1",
                    "nULL",
                    "True ",
                    ":1",
                    "1:",
                    "é",
                    "_1",
                    "-.nan",
                ],
            ),
        ] {
            for text in texts {
                assert_eq!(resolve(text), kind, "{text:?}");
            }
        }
    }

    #[test]
    fn numbers_that_are_printed_as_they_are_written() {
        for text in ["0", "10", "-1", "1.5", "0.25", "18446744073709551616", "1.0"] {
            assert!(is_canonical(text), "{text}");
        }
        for text in [
            "010", "+1", "1_000", "0x1f", "1.10", "1.", ".5", "-0", "22:22", "1.0e+3", ".inf",
            ".nan", "",
        ] {
            assert!(!is_canonical(text), "{text}");
        }
    }
}
