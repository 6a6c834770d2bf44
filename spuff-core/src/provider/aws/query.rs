//! The form encoding of the EC2 Query API: lists are flattened and numbered from 1.

use std::borrow::Cow;

use crate::http::encode;

const VERSION: &str = "2016-11-15";

/// The parameters of one action, in sending order: the same request produces the same bytes.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pairs: Vec<(Cow<'static, str>, String)>,
    filters: usize,
}

impl Query {
    pub(super) fn new(action: &'static str) -> Self {
        let pairs =
            vec![("Action".into(), action.to_string()), ("Version".into(), VERSION.to_string())];
        Self { pairs, filters: 0 }
    }

    pub(super) fn with(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> Self {
        self.pairs.push((name.into(), value.into()));
        self
    }

    pub(super) fn with_some(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a filter. All filters must match; the values of one are alternatives. EC2 reads values
    /// as patterns, so this method escapes them.
    pub(super) fn filter(self, name: &str, values: &[&str]) -> Self {
        let values: Vec<_> = values.iter().map(|value| literally(value)).collect();
        self.matching(name, &values.iter().map(AsRef::as_ref).collect::<Vec<_>>())
    }

    /// Adds a filter of patterns: `*` and `?` are wildcards, and a backslash escapes the next
    /// character.
    pub(super) fn matching(mut self, name: &str, values: &[&str]) -> Self {
        self.filters += 1;
        let prefix = format!("Filter.{}", self.filters);
        let named = self.with(format!("{prefix}.Name"), name);
        values.iter().enumerate().fold(named, |query, (at, value)| {
            query.with(format!("{prefix}.Value.{}", at + 1), *value)
        })
    }

    /// Adds the tags for each of these resource types, which the action makes.
    pub(super) fn tags(self, resource_types: &[&str], tags: &[(&str, &str)]) -> Self {
        resource_types.iter().enumerate().fold(self, |query, (at, resource_type)| {
            let prefix = format!("TagSpecification.{}", at + 1);
            let query = query.with(format!("{prefix}.ResourceType"), *resource_type);
            tags.iter().enumerate().fold(query, |query, (at, (key, value))| {
                let tag = format!("{prefix}.Tag.{}", at + 1);
                query.with(format!("{tag}.Key"), *key).with(format!("{tag}.Value"), *value)
            })
        })
    }

    pub(super) fn body(&self) -> String {
        encode(&self.pairs)
    }
}

/// Returns the pattern that matches only this text.
fn literally(text: &str) -> Cow<'_, str> {
    let special = ['*', '?', '\\'];
    if !text.contains(special) {
        return Cow::Borrowed(text);
    }
    let escaped = text
        .chars()
        .flat_map(|letter| special.contains(&letter).then_some('\\').into_iter().chain([letter]));
    Cow::Owned(escaped.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_flattened_and_spaces_are_not_plus() {
        let query = Query::new("X")
            .with("Name", "a b+c/ü")
            .with_some("None", None::<String>)
            .filter("tag:managed-by", &["spuff"])
            .filter("instance-state-name", &["pending", "running"])
            .tags(&["instance", "volume"], &[("k", "v&=")]);
        let expected = "Action=X&Version=2016-11-15&Name=a%20b%2Bc%2F%C3%BC\
            &Filter.1.Name=tag%3Amanaged-by&Filter.1.Value.1=spuff\
            &Filter.2.Name=instance-state-name&Filter.2.Value.1=pending&Filter.2.Value.2=running\
            &TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=k\
            &TagSpecification.1.Tag.1.Value=v%26%3D\
            &TagSpecification.2.ResourceType=volume&TagSpecification.2.Tag.1.Key=k\
            &TagSpecification.2.Tag.1.Value=v%26%3D";
        assert_eq!(query.body(), expected);
    }

    #[test]
    fn what_is_filtered_for_stands_for_itself() {
        for (text, pattern) in [("order-7", "order-7"), ("a*?\\é", "a\\*\\?\\\\é")] {
            let body = |query: Query| query.body();
            assert_eq!(
                body(Query::new("X").filter("n", &[text])),
                body(Query::new("X").matching("n", &[pattern]))
            );
        }
    }
}
