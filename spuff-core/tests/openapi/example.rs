//! Example values: those that a document gives, and where it gives none, those that its schemas
//! amount to.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::schema::resolve;

/// The examples of one reply, by their names.
pub(super) struct Examples(BTreeMap<String, Value>);

impl Examples {
    /// Of a media type object.
    pub(super) fn of(document: &Value, media: &Value) -> Self {
        if let Some(examples) = media["examples"].as_object() {
            let value = |example| resolve(document, example)["value"].clone();
            return Self(
                examples.iter().map(|(name, example)| (name.clone(), value(example))).collect(),
            );
        }
        let example =
            media.get("example").cloned().unwrap_or_else(|| build(document, &media["schema"]));
        Self(BTreeMap::from([("only".to_string(), example)]))
    }

    /// The first by name: the order in the document is lost.
    pub(super) fn first(&self) -> Value {
        self.0.values().next().unwrap().clone()
    }

    pub(super) fn named(&self, name: &str) -> Value {
        self.0.get(name).unwrap_or_else(|| panic!("no example named {name:?}")).clone()
    }
}

/// A value that a schema describes: its example, or one made of the examples below it.
fn build(document: &Value, schema: &Value) -> Value {
    let schema = resolve(document, schema);
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    let parts = schema["allOf"].as_array().into_iter().flatten();
    let choices =
        ["oneOf", "anyOf"].into_iter().filter_map(|keyword| schema[keyword].as_array()?.first());
    let mut built: Vec<_> = parts.chain(choices).map(|part| build(document, part)).collect();
    if let Some(properties) = schema["properties"].as_object() {
        built.push(
            properties
                .iter()
                .map(|(name, property)| (name.clone(), build(document, property)))
                .collect(),
        );
    }
    // Objects are put together; of other values there is one.
    let objects = built.iter().filter_map(Value::as_object).cloned();
    match objects.reduce(|all, part| all.into_iter().chain(part).collect::<Map<_, _>>()) {
        Some(merged) => Value::Object(merged),
        None => built.into_iter().next().unwrap_or_else(|| plain(document, schema)),
    }
}

fn plain(document: &Value, schema: &Value) -> Value {
    let text = match schema["format"].as_str() {
        Some("date-time") => "2020-07-21T18:37:44Z",
        Some("ipv4") => "203.0.113.7",
        Some("ipv6") => "2001:db8::7",
        Some("uri") => "https://example.com/",
        Some("uuid") => "3d80cb72-342b-4aaa-b92e-4e4abb24a933",
        Some("decimal") => "1.0",
        _ => "text",
    };
    match schema["type"].as_str() {
        Some("string") => json!(text),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(false),
        Some("array") => json!([build(document, &schema["items"])]),
        Some("object") => json!({}),
        _ => Value::Null,
    }
}
