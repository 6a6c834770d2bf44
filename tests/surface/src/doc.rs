//! The documentation of an operation: its paragraphs, and their links in each language's names.

/// Paragraphs, each without line breaks.
pub(crate) type Paragraphs = Vec<String>;

/// What stands before the first heading, and the sections.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Doc {
    pub(crate) summary: Paragraphs,
    sections: Vec<(String, Paragraphs)>,
}

impl Doc {
    pub(crate) fn read(lines: &[String]) -> Self {
        let mut doc = Self::default();
        let mut is_new = true;
        for line in lines {
            let line = line.trim();
            if let Some(title) = line.strip_prefix("# ") {
                doc.sections.push((title.to_string(), Vec::new()));
                is_new = true;
            } else if line.is_empty() {
                is_new = true;
            } else {
                let current = doc.sections.last_mut().map_or(&mut doc.summary, |(_, text)| text);
                match current.last_mut() {
                    Some(paragraph) if !is_new => {
                        paragraph.push(' ');
                        paragraph.push_str(line);
                    }
                    _ => current.push(line.to_string()),
                }
                is_new = false;
            }
        }
        doc
    }

    pub(crate) fn section(&self, title: &str) -> Option<&Paragraphs> {
        self.sections.iter().find(|(found, _)| found == title).map(|(_, text)| text)
    }
}

/// How a language says what the documentation names.
pub(crate) trait Words {
    /// A link to an item of the contract, by its path, such as `Self::resolve`; `label` is its
    /// text. `None` where the language has no name for it.
    fn link(&self, path: &str, label: &str) -> Option<String>;

    /// Other words in backticks.
    fn code(&self, word: &str) -> String;
}

/// A paragraph in a language's words.
///
/// # Errors
/// If a link has no name there.
pub(crate) fn turned(verb: &str, text: &str, words: &impl Words) -> Result<String, String> {
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('`') {
        let is_link = rest[..at].ends_with('[');
        done.push_str(&rest[..at - usize::from(is_link)]);
        let unclosed = || format!("{verb}: a backtick is not closed in {text:?}");
        let (code, after) = rest[at + 1..].split_once('`').ok_or_else(unclosed)?;
        rest = after;
        if !is_link {
            done.push_str(&words.code(code));
            continue;
        }
        rest = rest.strip_prefix(']').ok_or_else(unclosed)?;
        let mut path = code;
        if let Some((target, after)) = rest.strip_prefix('(').and_then(|own| own.split_once(')')) {
            (path, rest) = (target, after);
        }
        done.push_str(&words.link(path, code).ok_or_else(|| {
            format!(
                "{verb}: the link to {path} has no name in one of the languages: add it to the \
                 table of links there, or move the sentence to a section that only Rust shows, \
                 such as `# See also`"
            )
        })?);
    }
    done.push_str(rest);
    Ok(done)
}

/// The paragraphs before the first heading, in a language's words.
pub(crate) fn summary(verb: &str, doc: &Doc, words: &impl Words) -> Result<Paragraphs, String> {
    doc.summary.iter().map(|text| turned(verb, text, words)).collect()
}

/// The paragraphs of sections, in a language's words. Headings are left out; errors say that they
/// are.
pub(crate) fn sections(
    verb: &str,
    doc: &Doc,
    titles: &[&str],
    words: &impl Words,
) -> Result<Paragraphs, String> {
    let mut paragraphs = Vec::new();
    for title in titles {
        for (at, text) in doc.section(title).into_iter().flatten().enumerate() {
            let text = turned(verb, text, words)?;
            let is_named = at > 0 || *title != "Errors" || text.starts_with("Errors");
            paragraphs.push(match text.strip_prefix("As ") {
                _ if is_named => text,
                Some(rest) => format!("Errors: as {rest}"),
                None => format!("Errors: {text}"),
            });
        }
    }
    Ok(paragraphs)
}

/// Lines of a comment that are no longer than `width`, each behind `before`. A paragraph may begin
/// with a heading, on a line of its own.
pub(crate) fn wrapped(paragraphs: &[String], before: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in paragraphs {
        if !lines.is_empty() {
            lines.push(before.trim_end().to_string());
        }
        for part in paragraph.split('\n') {
            let mut line = before.to_string();
            for word in part.split(' ') {
                let is_first = line.len() == before.len();
                let length = line.chars().count() + usize::from(!is_first) + word.chars().count();
                if !is_first && length > width {
                    lines.push(std::mem::replace(&mut line, before.to_string()));
                } else if !is_first {
                    line.push(' ');
                }
                line.push_str(word);
            }
            lines.push(line);
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}
