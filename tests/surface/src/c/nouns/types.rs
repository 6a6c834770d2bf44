//! What C says of each type of field.

use super::is_text;
use crate::nouns::{Field, Kind, Shape};

/// Whether a getter of a field points to something that the handle owns.
pub(super) fn is_part(field: &Field) -> bool {
    is_text(&field.kind) || matches!(field.kind, Kind::Noun(_))
}

/// The type of what getters point to.
pub(super) fn part_type(field: &Field) -> String {
    let one = match &field.kind {
        Kind::Noun(name) => name.as_str(),
        _ => "CString",
    };
    match field.shape {
        Shape::One => one.to_string(),
        Shape::Optional => format!("Option<{one}>"),
        Shape::List => format!("Vec<{one}>"),
        Shape::Map => "Vec<(CString, CString)>".to_string(),
    }
}

/// How what getters point to is made of the field at a place.
pub(super) fn part_value(field: &Field, place: &str) -> String {
    let of = |value: &str| match &field.kind {
        Kind::Noun(name) => format!("{name}::from({value}.clone())"),
        Kind::Text => format!("c_text({value}.as_str())"),
        Kind::Choice(_) => format!("c_text({value}.as_str())"),
        _ => format!("c_text({value}.to_string())"),
    };
    match field.shape {
        Shape::One => of(place),
        Shape::Optional => format!("{place}.as_ref().map(|value| {})", of("value")),
        Shape::List => format!("{place}.iter().map(|value| {}).collect()", of("value")),
        Shape::Map => format!("c_pairs(&{place})"),
    }
}

/// What makes the pointer of what the handle owns; `None` where a getter gives a number.
pub(super) fn part_pointer(kind: &Kind) -> Option<&'static str> {
    match kind {
        Kind::Noun(_) => Some("std::ptr::from_ref"),
        kind if is_text(kind) => Some("|text| text.as_ptr()"),
        _ => None,
    }
}

/// The type that a getter gives.
pub(super) fn c_type(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "bool".to_string(),
        Kind::Number(number) => (*number).to_string(),
        Kind::Duration | Kind::Time => "i64".to_string(),
        Kind::Noun(name) => format!("*const {name}"),
        _ => "*const c_char".to_string(),
    }
}

/// What a getter gives where there is no value.
pub(super) fn missing(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "false",
        Kind::Number("f64") => "0.0",
        Kind::Number(_) => "0",
        Kind::Duration | Kind::Time => "-1",
        _ => "null()",
    }
}

/// `address` as `an address`.
pub(super) fn with_article(name: &str) -> String {
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {}", name.replace('_', " "))
}

/// What the number of a time is.
pub(super) fn unit(kind: &Kind) -> &'static str {
    match kind {
        Kind::Duration => " In milliseconds.",
        Kind::Time => " In milliseconds since 1970 (UTC).",
        _ => "",
    }
}

/// That in words.
pub(super) fn nothing(kind: &Kind) -> &'static str {
    match kind {
        Kind::Number(_) => "0",
        kind if part_pointer(kind).is_some() => "NULL",
        kind => missing(kind),
    }
}

/// What a getter gives of a value, which is borrowed or not.
pub(super) fn told(kind: &Kind, value: &str, is_borrowed: bool) -> String {
    let copied = if is_borrowed { format!("*{value}") } else { value.to_string() };
    match kind {
        Kind::Duration => format!("millis(Some({copied}))"),
        Kind::Time => format!("Some({value}.timestamp_millis())"),
        _ => format!("Some({copied})"),
    }
}
