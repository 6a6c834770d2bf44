//! Values as JSON, as the core writes and reads them.

use std::collections::HashMap;
use std::ffi::CString;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::boundary::{Failure, Outcome, c_text};

const LABELS: &str = "labels";

/// A value as JSON; `null` for one that has no JSON, such as an endless number.
pub(crate) fn written(value: &impl Serialize) -> CString {
    c_text(serde_json::to_string(value).unwrap_or_else(|_| "null".to_string()))
}

/// As [`written`], with labels beside the fields.
pub(crate) fn with_labels(value: &impl Serialize, labels: &HashMap<String, String>) -> CString {
    let mut value = serde_json::to_value(value).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.insert(LABELS.to_string(), labels.clone().into_iter().collect());
    }
    written(&value)
}

/// The value that JSON says.
pub(crate) fn read<T: DeserializeOwned>(json: &str) -> Outcome<T> {
    serde_json::from_str(json).map_err(|error| Failure::argument("json", &error.to_string()))
}

/// The labels beside the fields; none where it has none.
pub(crate) fn labels_of(json: &str) -> Outcome<HashMap<String, String>> {
    let mut value: Value = read(json)?;
    match value.get_mut(LABELS).map(Value::take) {
        None | Some(Value::Null) => Ok(HashMap::new()),
        Some(labels) => read(&labels.to_string()),
    }
}
