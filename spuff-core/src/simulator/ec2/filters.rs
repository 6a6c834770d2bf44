//! Filters: all must match, one matching value of each is enough, and `*` and `?` are wildcards.

use super::params::Params;
use super::problem::{Outcome, Problem};

/// Maximum values of all filters of a request together.
const MAX_VALUES: usize = 200;

/// A filter.
#[derive(Debug)]
struct Filter<'p> {
    name: &'p str,
    values: Vec<&'p str>,
}

/// The filters of a request.
#[derive(Debug)]
pub(super) struct Filters<'p>(Vec<Filter<'p>>);

impl<'p> Filters<'p> {
    /// Reads the filters, each of which must be known. A known `tag` allows `tag:` with any key.
    pub(super) fn read(params: &'p Params<'_>, known: &[&str]) -> Outcome<Self> {
        let mut filters = Vec::new();
        for number in params.numbers("Filter") {
            let name = params.get(&format!("Filter.{number}.Name")).unwrap_or("null");
            let is_tag = name.strip_prefix("tag:").is_some_and(|key| !key.is_empty())
                && known.contains(&"tag");
            if !is_tag && (name == "tag" || !known.contains(&name)) {
                return Err(Problem::value(format!("The filter '{name}' is invalid")));
            }
            let prefix = format!("Filter.{number}.Value");
            let mut values: Vec<&str> = params.list(&prefix);
            // A tag's value may be empty.
            let all = params.numbers(&prefix).len();
            if is_tag && values.len() < all {
                values.push("");
            }
            if values.is_empty() {
                return Err(Problem::value(format!("The filter '{name}' has no values")));
            }
            if values.len() > MAX_VALUES {
                let message = format!(
                    "The maximum number of filter values specified on a single call is {MAX_VALUES}"
                );
                return Err(Problem::new("FilterLimitExceeded", message));
            }
            filters.push(Filter { name, values });
        }
        Ok(Self(filters))
    }

    /// Whether a resource matches. `field` takes a filter's name and a predicate, and returns
    /// whether any of the resource's values of that name satisfies it.
    pub(super) fn hold(&self, mut field: impl FnMut(&str, &dyn Fn(&str) -> bool) -> bool) -> bool {
        self.0.iter().all(|filter| {
            let is = |value: &str| filter.values.iter().any(|pattern| matches(pattern, value));
            field(filter.name, &is)
        })
    }

    /// The values of a filter, if none of them has wildcards.
    pub(super) fn exactly(&self, name: &str) -> Option<&[&'p str]> {
        let values = &self.0.iter().find(|filter| filter.name == name)?.values;
        let plain = values.iter().all(|value| !value.contains(['*', '?', '\\']));
        plain.then_some(values.as_slice())
    }
}

/// Whether tags match a filter on tags.
pub(super) fn on_tags<'t>(
    tags: impl Iterator<Item = (&'t str, &'t str)>,
    name: &str,
    is: &dyn Fn(&str) -> bool,
) -> bool {
    let mut tags = tags;
    match name.strip_prefix("tag:") {
        Some(wanted) => tags.any(|(key, value)| key == wanted && is(value)),
        None => name == "tag-key" && tags.any(|(key, _)| is(key)),
    }
}

/// Whether a text matches a pattern. A backslash escapes the next character.
fn matches(pattern: &str, text: &str) -> bool {
    if !pattern.contains(['*', '?', '\\']) {
        return pattern == text;
    }
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let mut at = 0;
    let mut read = 0;
    // The position of the last star, and how much text it covers.
    let mut star: Option<(usize, usize)> = None;
    while let Some(letter) = text.get(read) {
        let step = match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('\\') => (pattern.get(at + 1) == Some(letter)).then_some(2),
            Some(other) => (other == letter).then_some(1),
            None => None,
        };
        match (step, star) {
            (Some(step), _) => (at, read) = (at + step, read + 1),
            (None, Some((place, stretched))) => {
                star = Some((place, stretched + 1));
                (at, read) = (place + 1, stretched + 1);
            }
            (None, None) => return false,
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "A", false),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("a*c", "abbbc", true),
            ("a*c", "abbbd", false),
            ("*a*b*", "xxaxxbxx", true),
            ("a?c", "aéc", true),
            ("a\\*c", "a*c", true),
            ("a\\*c", "abc", false),
            ("\\?", "?", true),
            ("a\\", "a", false),
            (
                "ubuntu/images/hvm-ssd*/ubuntu-*-24.04-amd64-server-*",
                "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-1",
                true,
            ),
            ("*********************a", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
