//! The parameters of a Query request, from its body or its query: lists are flattened, and their
//! numbering may start anywhere.

use std::borrow::Cow;

use super::super::backend::Asked;
use super::problem::{Outcome, Problem};

/// Parameters that every request may have besides those of its action.
const COMMON: [&str; 16] = [
    "Action",
    "Version",
    "AWSAccessKeyId",
    "Signature",
    "SignatureMethod",
    "SignatureVersion",
    "Timestamp",
    "Expires",
    "SecurityToken",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

/// The parameters, sorted by name.
#[derive(Debug)]
pub(super) struct Params<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Params<'a> {
    pub(super) fn of(asked: &Asked<'a>) -> Self {
        let text =
            if asked.method == http::Method::GET { asked.query.as_bytes() } else { asked.body };
        let mut pairs: Vec<_> = form_urlencoded::parse(text).collect();
        // Stable: the first of two parameters with one name wins.
        pairs.sort_by(|one, other| one.0.cmp(&other.0));
        Self(pairs)
    }

    /// Returns a parameter's value; an empty one counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let first = self.0.partition_point(|(key, _)| &**key < name);
        self.0
            .get(first)
            .filter(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| &**value)
    }

    /// Whether a parameter is present, even if its value is empty.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.0.binary_search_by(|(key, _)| (**key).cmp(name)).is_ok()
    }

    /// Whether anything of this name is present: a value, a list or a structure.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| top(key) == name)
    }

    pub(super) fn need(&self, name: &str) -> Outcome<&str> {
        self.get(name).ok_or_else(|| Problem::missing(name))
    }

    /// The numbers under a name, sorted: `Filter.1.Name` and `Filter.2.Name` have 1 and 2.
    pub(super) fn numbers(&self, name: &str) -> Vec<u32> {
        let mut numbers: Vec<u32> = self
            .0
            .iter()
            .filter_map(|(key, _)| key.strip_prefix(name)?.strip_prefix('.'))
            .filter_map(|rest| rest.split('.').next()?.parse().ok())
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// The values of a list; a value without a number is included.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        let numbered = self
            .numbers(name)
            .into_iter()
            .filter_map(|number| self.get(&format!("{name}.{number}")));
        self.get(name).into_iter().chain(numbered).collect()
    }

    pub(super) fn flag(&self, name: &str) -> Outcome<Option<bool>> {
        let read = |text: &str| match text {
            _ if text.eq_ignore_ascii_case("true") => Ok(true),
            _ if text.eq_ignore_ascii_case("false") => Ok(false),
            other => Err(Problem::value(format!(
                "Value ({other}) for parameter {name} is invalid. Expected a boolean."
            ))),
        };
        self.get(name).map(read).transpose()
    }

    pub(super) fn number(&self, name: &str) -> Outcome<Option<u32>> {
        let wrong = |text: &str| {
            Problem::value(format!(
                "Value ({text}) for parameter {name} is invalid. Expected an integer."
            ))
        };
        self.get(name).map(|text| text.parse().map_err(|_| wrong(text))).transpose()
    }

    /// The first parameter that is unknown to the action.
    pub(super) fn unknown(&self, known: &[&str]) -> Option<&str> {
        self.0
            .iter()
            .map(|(key, _)| top(key))
            .find(|name| !known.contains(name) && !COMMON.contains(name))
    }

    /// The parameters without those that differ when the same request is sent again.
    pub(super) fn meaning(&self) -> impl Iterator<Item = (&str, &str)> {
        let own =
            self.0.iter().filter(|(key, _)| !COMMON.contains(&&**key) && key != "ClientToken");
        own.map(|(key, value)| (&**key, &**value))
    }
}

/// The name before the first dot.
fn top(key: &str) -> &str {
    key.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;

    #[test]
    fn lists_are_put_together_again() {
        let body = b"Action=X&F.2.Name=b&F.1.Name=a&F.10.Value.1=z&L=one&L.3=three&L.0=null&L.x=y\
            &Empty=&B=TRUE&N=-1&A%2E1=%C3%BC&%ff=%ff";
        let headers = HeaderMap::new();
        let params = Params::of(&Asked {
            method: &Method::POST,
            path: "/",
            query: "Q=1",
            headers: &headers,
            body,
        });
        assert_eq!(params.numbers("F"), [1, 2, 10]);
        assert_eq!(params.list("L"), ["one", "null", "three"]);
        assert_eq!(
            (params.get("F.2.Name"), params.get("Empty"), params.get("Q")),
            (Some("b"), None, None)
        );
        assert_eq!((params.flag("B"), params.flag("Empty")), (Ok(Some(true)), Ok(None)));
        assert!(
            params.number("N").is_err()
                && params.flag("L").is_err()
                && params.need("Empty").is_err()
        );
        assert_eq!(params.list("A"), ["ü"]);
        assert!(params.has("F") && params.has("Empty") && !params.has("F.1"));
        assert_eq!(params.unknown(&["F", "L", "Empty", "B", "A"]), Some("N"));
        assert_eq!(params.meaning().count(), 12);
    }
}
