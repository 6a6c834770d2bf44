//! Parses and validates a request's body, field by field, and its query parameters.
//!
//! Errors are collected, so that one refusal reports all of them.

use serde_json::{Map, Value};

use super::super::backend::{Answer, Asked};
use super::refusal;
use super::rules::{self, Labels, Selector};

/// A reference to a resource by its id or name.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reference {
    Id(u64),
    Name(String),
}

impl Reference {
    fn parse(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_u64().map(Self::Id),
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => {
                Some(text.parse().map_or_else(|_| Self::Name(text.clone()), Self::Id))
            }
            _ => None,
        }
    }

    /// Whether it refers to the resource with this id and name.
    pub(super) fn is(&self, id: u64, name: &str) -> bool {
        match self {
            Self::Id(wanted) => *wanted == id || wanted.to_string() == name,
            Self::Name(wanted) => wanted == name,
        }
    }
}

/// The body of a request. A null field counts as absent.
pub(super) struct Input {
    fields: Map<String, Value>,
    wrong: Vec<(String, String)>,
}

impl Input {
    /// # Errors
    /// The cloud's refusal, if the body is not a JSON object.
    pub(super) fn read(asked: &Asked<'_>) -> Result<Self, Answer> {
        match serde_json::from_slice(asked.body) {
            Ok(Value::Object(fields)) => Ok(Self { fields, wrong: Vec::new() }),
            _ => Err(refusal::json_error()),
        }
    }

    /// Like [`read`](Self::read), but accepts an empty body as an empty object.
    pub(super) fn read_optional(asked: &Asked<'_>) -> Result<Self, Answer> {
        if asked.body.is_empty() {
            Ok(Self { fields: Map::new(), wrong: Vec::new() })
        } else {
            Self::read(asked)
        }
    }

    pub(super) fn complain(&mut self, field: &str, message: impl Into<String>) {
        self.wrong.push((field.to_string(), message.into()));
    }

    pub(super) fn is_wrong(&self, field: &str) -> bool {
        self.wrong.iter().any(|(wrong, _)| wrong == field)
    }

    /// Returns the refusal if there were errors.
    pub(super) fn check(&self) -> Result<(), Answer> {
        if self.wrong.is_empty() { Ok(()) } else { Err(refusal::invalid_fields(&self.wrong)) }
    }

    fn get<T>(&mut self, field: &str, kind: &str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let value = self.fields.get(field).filter(|value| !value.is_null())?;
        let read = read(value);
        if read.is_none() {
            self.complain(field, format!("must be {kind}"));
        }
        read
    }

    fn require<T>(&mut self, field: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.is_wrong(field) {
            self.complain(field, "is required");
        }
        value
    }

    pub(super) fn text(&mut self, field: &str) -> Option<String> {
        self.get(field, "a string", |value| value.as_str().map(str::to_string))
    }

    pub(super) fn required_text(&mut self, field: &str) -> String {
        let text = self.text(field);
        self.require(field, text).unwrap_or_default()
    }

    pub(super) fn flag(&mut self, field: &str) -> Option<bool> {
        self.get(field, "a boolean", Value::as_bool)
    }

    pub(super) fn reference(&mut self, field: &str) -> Option<Reference> {
        self.get(field, "an ID or a name", Reference::parse)
    }

    /// A missing field is reported only by [`check`](Self::check), which the caller calls before
    /// acting.
    pub(super) fn required_reference(&mut self, field: &str) -> Reference {
        let reference = self.reference(field);
        self.require(field, reference).unwrap_or(Reference::Id(0))
    }

    pub(super) fn references(&mut self, field: &str) -> Vec<Reference> {
        let all = |value: &Value| value.as_array()?.iter().map(Reference::parse).collect();
        self.get(field, "a list of IDs or names", all).unwrap_or_default()
    }

    /// Whether a list field is non-empty.
    pub(super) fn names_any(&mut self, field: &str) -> bool {
        self.get(field, "a list", |value| value.as_array().map(|items| !items.is_empty()))
            .unwrap_or_default()
    }

    pub(super) fn labels(&mut self) -> Option<Labels> {
        let pair =
            |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_string()));
        let labels: Labels = self.get("labels", "an object of strings", |value| {
            value.as_object()?.iter().map(pair).collect()
        })?;
        if let Err(message) = rules::labels(&labels) {
            self.complain("labels", message);
        }
        Some(labels)
    }

    /// Reads a nested object; reports errors of its fields as `field.name`.
    pub(super) fn within<T>(&mut self, field: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let fields =
            self.get(field, "an object", |value| value.as_object().cloned()).unwrap_or_default();
        let mut inner = Self { fields, wrong: Vec::new() };
        let found = read(&mut inner);
        self.wrong.extend(
            inner.wrong.into_iter().map(|(name, message)| (format!("{field}.{name}"), message)),
        );
        found
    }
}

/// Parses a number in a path or a query.
pub(super) fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Parses the label selector of a list request.
pub(super) fn selector(asked: &Asked<'_>) -> Result<Option<Selector>, Answer> {
    match asked.param("label_selector") {
        Some(text) if !text.trim().is_empty() => Selector::parse(&text)
            .map(Some)
            .ok_or_else(|| refusal::invalid_field("label_selector", "is not a label selector")),
        _ => Ok(None),
    }
}

/// Returns the values of a repeatable parameter, each of which must be one of the known words;
/// empty if it is absent.
pub(super) fn words(asked: &Asked<'_>, name: &str, known: &[&str]) -> Result<Vec<String>, Answer> {
    let words: Vec<String> = asked.params(name).map(|word| word.into_owned()).collect();
    match words.iter().find(|word| !known.contains(&word.as_str())) {
        Some(_) => {
            Err(refusal::invalid_field(name, &format!("must be one of {}", known.join(", "))))
        }
        None => Ok(words),
    }
}
