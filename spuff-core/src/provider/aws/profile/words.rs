//! Splits a command line or a section's title into words, with a shell's quoting rules.

/// Returns `None` for an unclosed quote, or a backslash at the end.
pub(crate) fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\\') => word.get_or_insert_default().push(chars.next()?),
            (Some('"'), '\\') => {
                let next = chars.next()?;
                let word = word.get_or_insert_default();
                if !matches!(next, '"' | '\\') {
                    word.push('\\');
                }
                word.push(next);
            }
            (None, ' ' | '\t' | '\r' | '\n') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// Splits a command line as Windows does: a backslash is literal unless it precedes a quote.
#[cfg(any(windows, test))]
pub(crate) fn windows_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quoted = false;
    let mut slashes = 0;
    for c in text.chars() {
        if c == '\\' {
            slashes += 1;
            continue;
        }
        let kept = if c == '"' { slashes / 2 } else { slashes };
        if kept > 0 {
            word.get_or_insert_default().push_str(&"\\".repeat(kept));
        }
        match c {
            '"' if slashes % 2 == 1 => word.get_or_insert_default().push('"'),
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' | '\t' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
        slashes = 0;
    }
    if slashes > 0 {
        word.get_or_insert_default().push_str(&"\\".repeat(slashes));
    }
    words.extend(word);
    (!quoted).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_words_together() {
        for (command, expected) in [
            ("get-keys --profile x", vec!["get-keys", "--profile", "x"]),
            (
                r#""/opt/my tools/keys"  'a "b"' c"d e"f ''"#,
                vec!["/opt/my tools/keys", r#"a "b""#, "cd ef", ""],
            ),
            (r#"a\ b "c\"d\e" 'f\'"#, vec!["a b", r#"c"d\e"#, r"f\"]),
            ("  ", vec![]),
        ] {
            assert_eq!(words(command).unwrap(), expected, "{command}");
        }
        for open in ["a 'b", r#"a "b"#, r"a\"] {
            assert_eq!(words(open), None, "{open}");
        }
    }

    #[test]
    fn backslashes_of_windows_stand_for_themselves() {
        for (command, expected) in [
            (r"C:\tools\keys.exe x", vec![r"C:\tools\keys.exe", "x"]),
            (
                r#""C:\my tools\keys.exe" a\"b "c\\" 'd"#,
                vec![r"C:\my tools\keys.exe", r#"a"b"#, r"c\", "'d"],
            ),
        ] {
            assert_eq!(windows_words(command).unwrap(), expected, "{command}");
        }
    }
}
