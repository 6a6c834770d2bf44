//! A published description of an API, and whether a request is as it says.

use std::collections::BTreeMap;
use std::fs;

use jsonschema::Validator;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use wiremock::Request;

use super::example::Examples;
use super::schema::{Direction, resolve, validator, violations};

pub(super) struct Document(Value);

/// A request, in the words of the description.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    /// Names are in lower case.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Sent {
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The last part of the path, which for most is an id.
    pub(super) fn id(&self) -> u64 {
        self.path.rsplit('/').next().unwrap().parse().unwrap()
    }
}

impl From<&Request> for Sent {
    fn from(request: &Request) -> Self {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers =
            request.headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes())));
        Self {
            method: request.method.to_string(),
            path: request.url.path().to_string(),
            query: request
                .url
                .query_pairs()
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
            headers: headers.collect(),
            body: request.body.clone(),
        }
    }
}

/// An operation that a request has been found to be for.
pub(super) struct Operation<'a> {
    pub(super) id: &'a str,
    node: &'a Value,
    /// What stands in the path for `{these}`.
    path: Vec<(&'a str, String)>,
}

/// The documented reply of an operation that succeeds; one without content has no examples.
pub(super) struct Success {
    pub(super) status: u16,
    pub(super) content: Option<(Examples, Validator)>,
}

impl Document {
    pub(super) fn load(name: &str) -> Self {
        let path = format!("{}/../tests/specs/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self(serde_json::from_str(&text).unwrap())
    }

    /// A part of the document, to write down where it differs from the API.
    pub(super) fn part(&mut self, pointer: &str) -> &mut Value {
        self.0.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not in the document"))
    }

    /// The operation of a request: of several paths that fit, the one that spells out most.
    pub(super) fn operation(&self, sent: &Sent) -> Option<Operation<'_>> {
        let method = sent.method.to_ascii_lowercase();
        let paths = self.0["paths"].as_object().unwrap().iter();
        let found = paths.filter_map(|(template, item)| {
            Some((path_values(template, &sent.path)?, item.get(&method)?))
        });
        let (path, node) = found.min_by_key(|(values, _)| values.len())?;
        Some(Operation { id: node["operationId"].as_str().unwrap(), node, path })
    }

    /// What is wrong with a request, in one sentence each.
    pub(super) fn violations(&self, sent: &Sent) -> Vec<String> {
        let Some(operation) = self.operation(sent) else {
            return vec![format!("{} {}: there is no such operation", sent.method, sent.path)];
        };
        let mut found = self.parameter_violations(&operation, sent);
        found.extend(self.body_violations(&operation, sent));
        if !sent.headers.get("authorization").is_some_and(|value| value.starts_with("Bearer ")) {
            found.push("no bearer token".to_string());
        }
        found.into_iter().map(|violation| format!("{}: {violation}", operation.id)).collect()
    }

    fn parameter_violations(&self, operation: &Operation<'_>, sent: &Sent) -> Vec<String> {
        let declared = operation.node["parameters"].as_array().into_iter().flatten();
        let declared: Vec<_> = declared.map(|parameter| resolve(&self.0, parameter)).collect();
        let mut found = Vec::new();
        for parameter in &declared {
            let name = parameter["name"].as_str().unwrap();
            let of_path = |(known, value): &(&str, String)| (*known == name).then(|| value.clone());
            let values: Vec<String> = match parameter["in"].as_str().unwrap() {
                "query" => sent
                    .query
                    .iter()
                    .filter(|(known, _)| known == name)
                    .map(|(_, value)| value.clone())
                    .collect(),
                "path" => operation.path.iter().filter_map(of_path).collect(),
                "header" => {
                    sent.headers.get(&name.to_ascii_lowercase()).cloned().into_iter().collect()
                }
                other => panic!("a parameter in {other} has no check yet"),
            };
            match values.len() {
                0 if parameter["required"] == json!(true) => {
                    found.push(format!("the parameter {name} is missing"))
                }
                0 => {}
                _ if self.takes(&parameter["schema"], &values) => {}
                _ => found.push(format!("the parameter {name} does not take {values:?}")),
            }
        }
        let is_declared = |name: &str| {
            declared
                .iter()
                .any(|known| known["in"] == json!("query") && known["name"] == json!(name))
        };
        let unknown = sent.query.iter().filter(|(name, _)| !is_declared(name));
        found
            .extend(unknown.map(|(name, _)| format!("the query parameter {name} is not declared")));
        found
    }

    /// Whether the texts of a parameter, as numbers or booleans where they can be read so, fit its
    /// schema. Only an array may be given more than once.
    fn takes(&self, schema: &Value, values: &[String]) -> bool {
        let schema = resolve(&self.0, schema);
        if schema["type"] == json!("array") {
            return values
                .iter()
                .all(|value| self.takes(&schema["items"], std::slice::from_ref(value)));
        }
        let [text] = values else { return false };
        let number =
            text.parse().ok().filter(|number: &i64| number.to_string() == *text).map(Value::from);
        let boolean = text.parse::<bool>().ok().map(Value::from);
        let validator = validator(&self.0, schema, Direction::Request);
        [Some(json!(text)), number, boolean]
            .into_iter()
            .flatten()
            .any(|value| validator.is_valid(&value))
    }

    fn body_violations(&self, operation: &Operation<'_>, sent: &Sent) -> Vec<String> {
        let Some(declared) = operation.node.get("requestBody").map(|body| resolve(&self.0, body))
        else {
            return if sent.body.is_empty() {
                Vec::new()
            } else {
                vec!["there is a body, and none is declared".to_string()]
            };
        };
        if sent.body.is_empty() {
            return vec!["there is no body".to_string()];
        }
        let content_type = sent
            .headers
            .get("content-type")
            .map_or("", |value| value.split(';').next().unwrap().trim());
        let Some(media) = declared["content"].get(content_type) else {
            return vec![format!("the content type {content_type:?} is not declared")];
        };
        match serde_json::from_slice(&sent.body) {
            Ok(body) => {
                violations(&validator(&self.0, &media["schema"], Direction::Request), &body)
            }
            Err(error) => vec![format!("the body is no JSON: {error}")],
        }
    }

    /// What a reply with this status has to be like: `None` where it has no body.
    #[cfg(feature = "simulator")]
    pub(super) fn reply(&self, operation: &Operation<'_>, status: u16) -> Option<Validator> {
        let replies = &operation.node["responses"];
        let class = format!("{}XX", status / 100);
        let reply = [status.to_string().as_str(), &class, "default"]
            .into_iter()
            .find_map(|key| replies.get(key));
        let reply = reply.unwrap_or_else(|| panic!("{} has no reply {status}", operation.id));
        let media = resolve(&self.0, reply).get("content")?.get("application/json")?;
        Some(validator(&self.0, &media["schema"], Direction::Reply))
    }

    /// The reply with the lowest status that is a success.
    pub(super) fn success(&self, operation: &Operation<'_>) -> Success {
        let replies = operation.node["responses"].as_object().unwrap();
        let (status, reply) = replies
            .iter()
            .filter(|(status, _)| status.starts_with('2'))
            .min_by_key(|(status, _)| status.as_str())
            .unwrap();
        let media =
            resolve(&self.0, reply).get("content").map(|content| &content["application/json"]);
        let content = media.map(|media| {
            (Examples::of(&self.0, media), validator(&self.0, &media["schema"], Direction::Reply))
        });
        Success { status: status.parse().unwrap(), content }
    }
}

/// What stands in a path for each `{name}` of a template that it fits.
fn path_values<'a>(template: &'a str, path: &str) -> Option<Vec<(&'a str, String)>> {
    let (wanted, given): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    if wanted.len() != given.len() {
        return None;
    }
    let mut values = Vec::new();
    for (wanted, given) in wanted.into_iter().zip(given) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !given.is_empty() => {
                values.push((name, percent_decode_str(given).decode_utf8().ok()?.into_owned()))
            }
            _ if wanted == given => {}
            _ => return None,
        }
    }
    Some(values)
}
