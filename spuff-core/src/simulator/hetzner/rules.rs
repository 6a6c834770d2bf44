//! Validation of names, labels and label selectors.

use std::collections::BTreeMap;

pub(super) type Labels = BTreeMap<String, String>;

/// Maximum bytes of user data.
pub(super) const MAX_USER_DATA: usize = 32 << 10;

const MAX_NAME: usize = 253;
const MAX_PART: usize = 63;

/// Checks a server's name, which must be a host name by RFC 1123.
pub(super) fn server_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("must not be empty");
    }
    if name.len() > MAX_NAME || name.split('.').any(|part| part.len() > MAX_PART) {
        return Err("is too long");
    }
    let part_is_right = |part: &str| {
        let inside = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        inside && !part.is_empty() && !part.starts_with('-') && !part.ends_with('-')
    };
    if name.split('.').all(part_is_right) {
        Ok(())
    } else {
        Err("must be a valid hostname as per RFC 1123")
    }
}

/// Checks labels.
pub(super) fn labels(labels: &Labels) -> Result<(), String> {
    for (key, value) in labels {
        let (prefix, name) =
            key.split_once('/').map_or((None, key.as_str()), |(prefix, name)| (Some(prefix), name));
        let prefix_is_right = prefix
            .is_none_or(|prefix| is_word(prefix, MAX_NAME, "-.") && prefix != "hetzner.cloud");
        if !(prefix_is_right && is_word(name, MAX_PART, "-_.")) {
            return Err(format!("label key '{key}' is not correctly formatted"));
        }
        if !(value.is_empty() || is_word(value, MAX_PART, "-_.")) {
            return Err(format!("label value '{value}' (key: {key}) is not correctly formatted"));
        }
    }
    Ok(())
}

/// Whether the text begins and ends with a letter or digit, and contains only these and `symbols`.
fn is_word(text: &str, most: usize, symbols: &str) -> bool {
    let is_end = |c: char| c.is_ascii_alphanumeric();
    text.len() <= most
        && text.starts_with(is_end)
        && text.ends_with(is_end)
        && text.chars().all(|c| is_end(c) || symbols.contains(c))
}

/// A label selector: all of its terms must match.
#[derive(Debug, PartialEq)]
pub(super) struct Selector(Vec<Term>);

#[derive(Debug, PartialEq)]
struct Term {
    key: String,
    wanted: Wanted,
}

#[derive(Debug, PartialEq)]
enum Wanted {
    Present,
    Absent,
    In(Vec<String>),
    /// Also matches if the label is absent.
    NotIn(Vec<String>),
}

impl Selector {
    /// Returns `None` if the text is not a valid selector.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut terms = Vec::new();
        let mut start = 0;
        let mut depth = 0_u32;
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                b'(' => depth += 1,
                b')' => depth = depth.checked_sub(1)?,
                b',' if depth == 0 => {
                    terms.push(Term::parse(text.get(start..at)?)?);
                    start = at + 1;
                }
                _ => {}
            }
        }
        terms.push(Term::parse(text.get(start..)?)?);
        (depth == 0).then_some(Self(terms))
    }

    pub(super) fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|term| {
            let value = labels.get(&term.key);
            match &term.wanted {
                Wanted::Present => value.is_some(),
                Wanted::Absent => value.is_none(),
                Wanted::In(values) => value.is_some_and(|value| values.contains(value)),
                Wanted::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            }
        })
    }
}

impl Term {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (key, wanted) = if let Some((key, value)) = text.split_once("!=") {
            (key, Wanted::NotIn(vec![one_value(value)?]))
        } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            (key, Wanted::In(vec![one_value(value)?]))
        } else if let Some((words, values)) = text.split_once('(') {
            let values: Option<Vec<_>> =
                values.strip_suffix(')')?.split(',').map(one_value).collect();
            let (key, word) = words.trim_end().rsplit_once(char::is_whitespace)?;
            match word {
                "in" => (key, Wanted::In(values?)),
                "notin" => (key, Wanted::NotIn(values?)),
                _ => return None,
            }
        } else if let Some(key) = text.strip_prefix('!') {
            (key, Wanted::Absent)
        } else {
            (text, Wanted::Present)
        };
        let key = key.trim();
        labels(&Labels::from([(key.to_string(), String::new())]))
            .is_ok()
            .then(|| Self { key: key.to_string(), wanted })
    }
}

fn one_value(text: &str) -> Option<String> {
    let value = text.trim();
    (value.is_empty() || is_word(value, MAX_PART, "-_.")).then(|| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_host_names() {
        let part = "a".repeat(63);
        let whole = "a.".repeat(126) + "a";
        for good in ["a", "web-1", "WEB-1.example.com", "1", "xn--bcher-kva", &part, &whole] {
            assert_eq!(server_name(good), Ok(()), "{good}");
        }
        let longer_part = "a".repeat(64);
        let longer = "a.".repeat(127);
        for bad in [
            "",
            "web_1",
            "web 1",
            "-a",
            "a-",
            "a..b",
            ".a",
            "a.",
            "bücher",
            "a/b",
            &longer_part,
            &longer,
        ] {
            assert!(server_name(bad).is_err(), "{bad}");
        }
    }

    fn of(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    #[test]
    fn labels_are_words() {
        let long = "a".repeat(63);
        let longer = "a".repeat(64);
        for (key, value, good) in [
            ("env", "prod", true),
            ("env", "", true),
            ("example.com/my", "A_b-c.d", true),
            (&long, &long, true),
            (&format!("{}/k", "a.".repeat(126) + "a"), "", true),
            ("", "", false),
            ("/k", "", false),
            ("k/", "", false),
            ("a/b/c", "", false),
            ("-a", "", false),
            ("a b", "", false),
            ("hetzner.cloud/k", "", false),
            (&longer, "", false),
            (&format!("{}/k", "a".repeat(254)), "", false),
            ("k", "-a", false),
            ("k", "a:b", false),
            ("k", "2026-01-05T10:00:00+00:00", false),
            ("k", "a@b", false),
            ("k", "é", false),
            ("k", &longer, false),
        ] {
            assert_eq!(labels(&of(&[(key, value)])).is_ok(), good, "{key}={value}");
        }
    }

    #[test]
    fn selectors_select() {
        let web = of(&[("env", "prod"), ("role", "web"), ("empty", ""), ("example.com/a", "1")]);
        for (selector, expected) in [
            ("env==prod", true),
            ("env=prod", true),
            (" env = prod , role == web", true),
            ("env=prod,role=db", false),
            ("env!=prod", false),
            ("env!=test", true),
            ("nothing!=test", true),
            ("env", true),
            ("nothing", false),
            ("!env", false),
            ("!nothing", true),
            ("empty=", true),
            ("env in (test, prod)", true),
            ("env in (test)", false),
            ("env notin (test,stage),role", true),
            ("env notin (prod)", false),
            ("nothing notin (prod)", true),
            ("example.com/a=1", true),
            ("ENV=prod", false),
        ] {
            assert_eq!(
                Selector::parse(selector).map(|it| it.matches(&web)),
                Some(expected),
                "{selector}"
            );
        }
    }

    #[test]
    fn what_is_no_selector_is_told() {
        for wrong in [
            "",
            ",",
            "env,",
            "=prod",
            "env=a b",
            "env in prod",
            "env in (prod",
            "env in prod)",
            "env is (prod)",
            "a===b",
            "!",
        ] {
            assert_eq!(Selector::parse(wrong), None, "{wrong}");
        }
    }
}
