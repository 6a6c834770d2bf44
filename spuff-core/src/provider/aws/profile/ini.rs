//! Parses INI files as Python's `configparser` does, which determines what AWS's own tools read.

use std::collections::{HashMap, HashSet};

pub(super) type Section = HashMap<String, String>;

/// The section whose keys every section inherits.
const DEFAULTS: &str = "DEFAULT";

/// The maximum number of inherited values; real files have far fewer.
const MOST_INHERITED: usize = 100_000;

/// The state of the parser.
#[derive(Default)]
struct Reading {
    defaults: Section,
    sections: Vec<(String, Section)>,
    known: HashSet<(String, String)>,
    /// The current section and key, and the indentation of their line.
    section: Option<String>,
    key: Option<String>,
    indent: usize,
}

/// Returns the sections in the order of the file; keys are in lower case. A value of several lines
/// keeps its line ends.
///
/// # Errors
/// Reports the reason and, if known, the line's number, but not the line: it may hold a secret.
pub(super) fn parse(text: &str) -> Result<Vec<(String, Section)>, String> {
    let mut reading = Reading::default();
    for (index, line) in text.replace("\r\n", "\n").replace('\r', "\n").split('\n').enumerate() {
        reading.line(line).map_err(|what| format!("line {}: {what}", index + 1))?;
    }
    let Reading { defaults, mut sections, .. } = reading;
    if defaults.len().saturating_mul(sections.len()) > MOST_INHERITED {
        return Err(format!(
            "too large: {} sections would inherit {} keys of [{DEFAULTS}]",
            sections.len(),
            defaults.len()
        ));
    }
    for (_, section) in &mut sections {
        for (key, value) in &defaults {
            section.entry(key.clone()).or_insert_with(|| value.clone());
        }
        for value in section.values_mut() {
            value.truncate(value.trim_end().len());
        }
        if section.values().any(|value| value.starts_with('\n') && nested(value).is_none()) {
            return Err(
                "an indented line below a key without a value is not KEY = VALUE".to_string()
            );
        }
    }
    Ok(sections)
}

impl Reading {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        let text = line.trim();
        if text.starts_with(['#', ';']) {
            return Ok(());
        }
        if text.is_empty() {
            self.append("");
            return Ok(());
        }
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        if self.key.is_some() && indent > self.indent {
            self.append(text);
            return Ok(());
        }
        self.indent = indent;
        if let Some(title) = title(text) {
            if title != DEFAULTS && !self.known.insert((title.to_string(), String::new())) {
                return Err("the section was there before");
            }
            if title != DEFAULTS {
                self.sections.push((title.to_string(), Section::new()));
            }
            (self.section, self.key) = (Some(title.to_string()), None);
            return Ok(());
        }
        let Some(section) = self.section.clone() else {
            return Err("there is no [section] above it");
        };
        let Some((key, value)) = text.split_once(['=', ':']) else {
            return Err("it is neither KEY = VALUE nor [section]");
        };
        let key = key.trim_end().to_lowercase();
        if key.is_empty() {
            return Err("it has no key");
        }
        if !self.known.insert((section, key.clone())) {
            return Err("the section has the key twice");
        }
        if let Some(section) = self.current() {
            section.insert(key.clone(), value.trim().to_string());
        }
        self.key = Some(key);
        Ok(())
    }

    fn current(&mut self) -> Option<&mut Section> {
        match self.section.as_deref() {
            None => None,
            Some(DEFAULTS) => Some(&mut self.defaults),
            Some(_) => self.sections.last_mut().map(|(_, section)| section),
        }
    }

    /// Appends a line to the last value.
    fn append(&mut self, text: &str) {
        let Some(key) = self.key.clone() else { return };
        if let Some(value) = self.current().and_then(|section| section.get_mut(&key)) {
            value.push('\n');
            value.push_str(text);
        }
    }
}

/// Returns the title, which ends at the last bracket; `[]` is not a title.
fn title(text: &str) -> Option<&str> {
    let (title, _) = text.strip_prefix('[')?.rsplit_once(']')?;
    Some(title).filter(|title| !title.is_empty())
}

/// Parses the settings indented below a key; `None` if a line is not a setting.
pub(super) fn nested(value: &str) -> Option<Section> {
    let lines = value.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            line.split_once('=')
                .map(|(key, value)| (key.trim().to_string(), value.trim().to_string()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(text: &str, title: &str, key: &str) -> Option<String> {
        let sections = parse(text).unwrap();
        sections.into_iter().find(|(name, _)| name == title)?.1.remove(key)
    }

    #[test]
    fn a_line_belongs_to_the_one_above_when_it_is_indented_further() {
        for indent in ["", "  ", "\t"] {
            let text = format!(
                "[a]\n{indent}One=1\n{indent}two : 2\n{indent}s3 =\n{indent}  x = \
                 y\n{indent}three= 3 # no comment\n"
            );
            for (key, value) in
                [("one", "1"), ("two", "2"), ("s3", "\nx = y"), ("three", "3 # no comment")]
            {
                assert_eq!(get(&text, "a", key).as_deref(), Some(value), "{indent:?}");
            }
        }
        assert_eq!(
            get("[a]\r\nx = 1\r\n  2\r\n\r\n# no\r\ny=\r\n", "a", "x").as_deref(),
            Some("1\n2")
        );
        assert_eq!(get("[DEFAULT]\nx = 1\n[a]\ny = 2\n", "a", "x").as_deref(), Some("1"));
        assert_eq!(nested("\nx = y\n\nz= a=b").unwrap()["z"], "a=b");
    }

    #[test]
    fn what_python_refuses_is_refused_without_the_line() {
        // Also refuses a file that inheritance would multiply.
        let keys: String = (0..1_000).map(|n| format!("k{n} = canary\n")).collect();
        let inherited = format!(
            "[DEFAULT]\n{keys}{}",
            (0..1_000).map(|n| format!("[s{n}]\n")).collect::<String>()
        );
        for text in [
            "canary = 1",
            "[a]\ncanary",
            "[a]\n= canary",
            "[a]\n[a]",
            "[a]\nx=1\nX=canary",
            "\u{feff}[a]",
            "[a]\ns3 =\n  canary",
            "[]\n",
            &inherited,
        ] {
            let error = parse(text).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
