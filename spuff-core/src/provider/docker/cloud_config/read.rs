//! Typed access to nodes, with errors that name their position.

use std::collections::HashSet;
use std::rc::Rc;

use super::scalar::{self, Scalar};
use super::yaml::{Node, Value};
use crate::provider::error::{ProviderError, ProviderResult};

/// A node with its path, such as `users[0].groups`.
#[derive(Debug, Clone)]
pub(super) struct Item<'a> {
    pub(super) path: String,
    pub(super) node: &'a Node,
}

impl<'a> Item<'a> {
    pub(super) fn root(node: &'a Node) -> Self {
        Self { path: String::new(), node }
    }

    /// Returns an error for a value that cannot be used.
    pub(super) fn invalid(&self, problem: &str) -> ProviderError {
        let path = if self.path.is_empty() { "the cloud-config" } else { &self.path };
        let message = format!(
            "{path} (line {}, column {}): {problem}",
            self.node.at.line, self.node.at.column
        );
        ProviderError::invalid_config("user_data", message)
    }

    /// Returns an error for a key of cloud-init that is not supported here.
    pub(super) fn unsupported(&self) -> ProviderError {
        unsupported(&self.path)
    }

    pub(super) fn wants(&self, wanted: &str) -> ProviderError {
        let found = match &self.node.value {
            Value::Scalar(Scalar::Text, _) => "a string".to_string(),
            Value::Scalar(Scalar::Null, _) => "null".to_string(),
            Value::Scalar(kind, _) => format!(
                "{kind} in YAML; if a string is meant, put it in \
             quotes"
            ),
            Value::Bytes(_) => "!!binary".to_string(),
            Value::List(_) => "a list".to_string(),
            Value::Map(_) => "a map".to_string(),
        };
        self.invalid(&format!("must be {wanted}, but is {found}"))
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Scalar(Scalar::Null, _))
    }

    pub(super) fn as_text(&self) -> Option<&'a str> {
        if let Value::Scalar(Scalar::Text, text) = &self.node.value { Some(text) } else { None }
    }

    pub(super) fn text(&self) -> ProviderResult<&'a str> {
        let text = self.as_text().ok_or_else(|| self.wants("a string"))?;
        self.without_nul(text)?;
        Ok(text)
    }

    /// Returns a text, or a number that every reader writes the same way.
    pub(super) fn word(&self) -> ProviderResult<&'a str> {
        match &self.node.value {
            Value::Scalar(Scalar::Integer | Scalar::Float, text) if scalar::is_canonical(text) => {
                Ok(text)
            }
            _ => self.text(),
        }
    }

    /// Returns a text of one line.
    pub(super) fn line(&self) -> ProviderResult<&'a str> {
        let text = self.text()?.trim_end_matches(['\r', '\n']);
        if text.contains(['\r', '\n']) {
            return Err(self.invalid("must be a single line"));
        }
        Ok(text)
    }

    fn without_nul(&self, text: &str) -> ProviderResult<()> {
        if text.contains('\0') { Err(self.invalid("must not contain NUL")) } else { Ok(()) }
    }

    pub(super) fn boolean(&self) -> ProviderResult<bool> {
        match self.node.value {
            Value::Scalar(Scalar::Bool(value), _) => Ok(value),
            _ => Err(self.wants("true or false, without quotes")),
        }
    }

    pub(super) fn as_list(&self) -> Option<Vec<Item<'a>>> {
        let Value::List(items) = &self.node.value else {
            return None;
        };
        let item = |(index, node): (usize, &'a Rc<Node>)| Item {
            path: format!("{}[{index}]", self.path),
            node,
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    pub(super) fn list(&self, of: &str) -> ProviderResult<Vec<Item<'a>>> {
        self.as_list().ok_or_else(|| self.wants(&format!("a list of {of}")))
    }

    pub(super) fn as_map(&self) -> Option<Fields<'a>> {
        let Value::Map(entries) = &self.node.value else {
            return None;
        };
        let entry = |(key, node): &'a (String, Rc<Node>)| (key.as_str(), self.below(key, node));
        Some(Fields { entries: entries.iter().map(entry).collect(), loose: false })
    }

    pub(super) fn map(&self) -> ProviderResult<Fields<'a>> {
        self.as_map().ok_or_else(|| self.wants("a map"))
    }

    fn below(&self, key: &str, node: &'a Node) -> Item<'a> {
        let plain = !key.is_empty()
            && key.len() <= 64
            && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        let key = if plain {
            key.to_string()
        } else {
            format!("{:?}", key.chars().take(64).collect::<String>())
        };
        let path = if self.path.is_empty() { key } else { format!("{}.{key}", self.path) };
        Item { path, node }
    }
}

/// The entries of a map that were not taken yet.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    entries: Vec<(&'a str, Item<'a>)>,
    /// Whether `-` in a key equals `_`.
    loose: bool,
}

impl<'a> Fields<'a> {
    /// Treats `-` in keys as `_`, as cloud-init does for users.
    pub(super) fn loosely(mut self) -> ProviderResult<Self> {
        let mut seen = HashSet::new();
        for (key, item) in &self.entries {
            let key = key.replace('-', "_");
            if seen.contains(&key) {
                return Err(item.invalid(&format!("the same as {key}; keep one")));
            }
            seen.insert(key);
        }
        self.loose = true;
        Ok(self)
    }

    /// Takes the value of a key. `null` counts as absent.
    pub(super) fn take(&mut self, key: &str) -> Option<Item<'a>> {
        let index = self.entries.iter().position(|(found, _)| {
            if self.loose { found.replace('-', "_") == key } else { *found == key }
        })?;
        let (_, item) = self.entries.remove(index);
        (!item.is_null()).then_some(item)
    }

    pub(super) fn take_bool(&mut self, key: &str) -> ProviderResult<Option<bool>> {
        self.take(key).map(|item| item.boolean()).transpose()
    }

    pub(super) fn first(&self) -> Option<&Item<'a>> {
        self.entries.first().map(|(_, item)| item)
    }

    pub(super) fn rest(self) -> Vec<(&'a str, Item<'a>)> {
        self.entries
    }

    /// Refuses the remaining entries.
    pub(super) fn finish(self) -> ProviderResult<()> {
        self.first().map_or(Ok(()), |item| Err(item.unsupported()))
    }
}

pub(super) fn unsupported(path: &str) -> ProviderError {
    ProviderError::NotSupported {
        feature: format!("user_data: the cloud-config key {path} (docker)"),
    }
}
