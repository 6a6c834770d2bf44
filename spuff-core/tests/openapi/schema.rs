//! From the schema objects of OpenAPI 3.0 to JSON Schema, stricter where OpenAPI is lax.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value, json};

/// Says nothing about whether a value is valid.
const REMARKS: [&str; 10] = [
    "default",
    "deprecated",
    "description",
    "discriminator",
    "example",
    "format",
    "nullable",
    "readOnly",
    "title",
    "writeOnly",
];

/// The keyword that is false where all properties are known.
const UNKNOWN: &str = "unevaluatedProperties";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Properties that are not listed, or that only the server may write, are wrong.
    Request,
    /// An API may send more than it has described.
    Reply,
}

/// A validator for a schema that stands anywhere in an OpenAPI document.
pub(super) fn validator(document: &Value, schema: &Value, direction: Direction) -> Validator {
    let translator = Translator { document, direction };
    let mut root = translator.translate(schema, true);
    let components = document["components"]["schemas"].as_object().unwrap();
    root["components"] = json!({"schemas": translator.map(components, false)});
    jsonschema::draft202012::new(&root).unwrap_or_else(|error| panic!("not a schema: {error}"))
}

/// What is wrong with a value. Whether properties are unknown is told only where nothing else is
/// wrong: a branch that does not fit knows none.
pub(super) fn violations(validator: &Validator, value: &Value) -> Vec<String> {
    let errors = || validator.iter_errors(value);
    let others: Vec<_> = errors()
        .filter(|error| error.kind().keyword() != UNKNOWN)
        .map(|error| explain(&error))
        .collect();
    if others.is_empty() { errors().map(|error| explain(&error)).collect() } else { others }
}

/// An error with its place, and where nothing fits, why not.
fn explain(error: &ValidationError<'_>) -> String {
    let at = Some(error.instance_path().as_str()).filter(|at| !at.is_empty()).unwrap_or("/");
    let reasons = match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            context
        }
        _ => return format!("{at} {error}"),
    };
    let branches =
        reasons.iter().map(|branch| branch.iter().map(explain).collect::<Vec<_>>().join(", "));
    format!(
        "{at} none of: {}",
        branches.map(|branch| format!("({branch})")).collect::<Vec<_>>().join(" or ")
    )
}

pub(super) fn resolve<'a>(document: &'a Value, mut value: &'a Value) -> &'a Value {
    while let Some(reference) = value["$ref"].as_str() {
        let pointer = reference
            .strip_prefix('#')
            .unwrap_or_else(|| panic!("{reference} is not in this document"));
        value = document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"));
    }
    value
}

struct Translator<'a> {
    document: &'a Value,
    direction: Direction,
}

impl Translator<'_> {
    /// `whole`: the schema describes a value by itself, and not together with others, as a branch
    /// of `allOf` does. Only then is it known which properties there are.
    fn translate(&self, schema: &Value, whole: bool) -> Value {
        let Some(keywords) = schema.as_object() else { return schema.clone() };
        let mut translated = match keywords.get("$ref") {
            // What stands beside a reference does not count.
            Some(reference) => Map::from_iter([("$ref".to_string(), reference.clone())]),
            None => self.keywords(keywords),
        };
        if whole && self.direction == Direction::Request && self.lists_properties(schema) {
            translated.insert(UNKNOWN.to_string(), json!(false));
        }
        if keywords.get("nullable") != Some(&json!(true)) || keywords.contains_key("$ref") {
            return Value::Object(translated);
        }
        let Some(kind) = translated.get("type").cloned() else {
            return json!({"anyOf": [translated, {"type": "null"}]});
        };
        translated.insert("type".to_string(), json!([kind, "null"]));
        if let Some(Value::Array(values)) = translated.get_mut("enum") {
            values.push(Value::Null);
        }
        Value::Object(translated)
    }

    fn keywords(&self, keywords: &Map<String, Value>) -> Map<String, Value> {
        let mapping = keywords.get("discriminator").map(|discriminator| &discriminator["mapping"]);
        let mut translated = Map::new();
        for (keyword, value) in keywords {
            let new = match (keyword.as_str(), value) {
                // The discriminator says which one it must be.
                ("anyOf" | "oneOf", _) if mapping.is_some() => continue,
                ("allOf" | "anyOf" | "oneOf", Value::Array(branches)) => {
                    branches.iter().map(|branch| self.translate(branch, false)).collect()
                }
                ("properties", Value::Object(properties)) => {
                    let sent = properties.iter().filter(|(_, property)| !self.is_foreign(property));
                    self.map(sent, true)
                }
                ("required", Value::Array(names)) => {
                    let property = |name: &Value| keywords.get("properties")?.get(name.as_str()?);
                    names
                        .iter()
                        .filter(|name| !property(name).is_some_and(|it| self.is_foreign(it)))
                        .cloned()
                        .collect()
                }
                ("items" | "additionalProperties", schema) => self.translate(schema, true),
                (
                    "type" | "enum" | "pattern" | "minimum" | "maximum" | "multipleOf"
                    | "minLength" | "maxLength" | "minItems" | "maxItems" | "uniqueItems",
                    value,
                ) => value.clone(),
                (remark, _) if REMARKS.contains(&remark) => continue,
                (unknown, _) => panic!("the keyword {unknown:?} has no translation yet"),
            };
            translated.insert(keyword.clone(), new);
        }
        if let Some(mapping) = mapping.and_then(Value::as_object) {
            let name = keywords["discriminator"]["propertyName"].as_str().unwrap();
            let choices = mapping.iter().map(|(value, schema)| {
                json!({"if": {"properties": {name: {"const": value}}}, "then": {"$ref": schema}})
            });
            translated.insert("allOf".to_string(), choices.collect());
            translated.insert("required".to_string(), json!([name]));
            translated.insert(
                "properties".to_string(),
                json!({name: {"enum": mapping.keys().collect::<Vec<_>>()}}),
            );
        }
        translated
    }

    fn map<'a>(
        &self,
        schemas: impl IntoIterator<Item = (&'a String, &'a Value)>,
        whole: bool,
    ) -> Value {
        let translated =
            schemas.into_iter().map(|(name, schema)| (name.clone(), self.translate(schema, whole)));
        Value::Object(translated.collect())
    }

    /// Whether only the other side may send a property.
    fn is_foreign(&self, property: &Value) -> bool {
        let mark = if self.direction == Direction::Request { "readOnly" } else { "writeOnly" };
        resolve(self.document, property)[mark] == json!(true)
    }

    /// A schema that lists none leaves them open.
    fn lists_properties(&self, schema: &Value) -> bool {
        let schema = resolve(self.document, schema);
        let branches = ["allOf", "anyOf", "oneOf"]
            .into_iter()
            .filter_map(|keyword| schema[keyword].as_array())
            .flatten();
        schema.get("properties").is_some()
            || branches.into_iter().any(|branch| self.lists_properties(branch))
    }
}
