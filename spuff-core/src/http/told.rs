//! Locates the field at which a reply cannot be read, without its content.

/// Longer than any API's field name.
const LONGEST: usize = 40;

/// No parser goes deeper: content below is skipped, and never causes an error.
const DEEPEST: usize = 128;

/// An open object or list, with the position in it.
#[derive(Clone)]
enum Open<'a> {
    Object { key: &'a [u8], is_value: bool },
    List(usize),
}

/// Returns the path of the JSON field that was last read at that place, such as
/// `servers[3].created`, and the path of its object, which is empty for the outermost.
pub(crate) fn field(body: &[u8], line: usize, column: usize) -> (String, String) {
    let starts = body.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let start = std::iter::once(0).chain(starts).nth(line.saturating_sub(1)).unwrap_or(0);
    let before = &body[..start.saturating_add(column).min(body.len())];
    // A parser that rejects an object's last field has already read the object's end.
    let mut open = opened(before.trim_ascii_end().strip_suffix(b"}").unwrap_or(before));
    let field = path(&open);
    if let Some(Open::Object { key, .. }) = open.last_mut() {
        *key = b"";
    }
    (field, path(&open))
}

fn opened(text: &[u8]) -> Vec<Open<'_>> {
    let mut open: Vec<Open<'_>> = Vec::new();
    // How many more levels are open below that.
    let mut deeper = 0_usize;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                let end = string_end(text, at + 1);
                if deeper > 0 {
                    // Too deep to be a field of the path.
                } else if let Some(Open::Object { key, is_value: false }) = open.last_mut() {
                    *key = &text[at + 1..end];
                }
                at = end;
            }
            b'{' | b'[' if open.len() == DEEPEST => deeper += 1,
            b'}' | b']' if deeper > 0 => deeper -= 1,
            b':' | b',' if deeper > 0 => {}
            b'{' => open.push(Open::Object { key: b"", is_value: false }),
            b'[' => open.push(Open::List(0)),
            b'}' | b']' => drop(open.pop()),
            b':' | b',' => match open.last_mut() {
                Some(Open::Object { is_value, .. }) => *is_value = *byte == b':',
                Some(Open::List(place)) => *place += 1,
                None => {}
            },
            _ => {}
        }
        at += 1;
    }
    open
}

fn path(open: &[Open<'_>]) -> String {
    open.iter().fold(String::new(), |path, open| match open {
        Open::List(place) => format!("{path}[{place}]"),
        Open::Object { key: b"", .. } => path,
        Open::Object { key, .. } => {
            format!("{path}{}{}", if path.is_empty() { "" } else { "." }, name(key))
        }
    })
}

/// The end of the string that begins at `at`.
fn string_end(text: &[u8], mut at: usize) -> usize {
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// Returns a key that looks like a field's name; any other may be user data and becomes `…`.
fn name(key: &[u8]) -> &str {
    let is_name = key.len() <= LONGEST
        && key.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    std::str::from_utf8(key).ok().filter(|_| is_name).unwrap_or("…")
}

/// Returns the field that is missing or duplicated, from the parser's message, which takes it from
/// the type and not from the reply.
pub(crate) fn wanted(words: &str) -> Option<(&'static str, &str)> {
    let after = |prefix: &str| words.strip_prefix(prefix)?.split('`').next();
    let missing = after("missing field `").map(|field| ("lacks", field));
    missing.or_else(|| after("duplicate field `").map(|field| ("has a duplicate", field)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_told_and_not_what_stands_there() {
        for (text, expected) in [
            (r#"{"servers": [{"id": 1}, {"id": 2, "created": "#, "servers[1].created"),
            (r#"{"a": {"b": 1}, "c": "x", "d": ["#, "d[0]"),
            (r#"{"a": {"b": 1}, "c": "x\"}\\", "d": "#, "d"),
            (r#"{"a": {"b": 7}"#, "a.b"),
            (r#"{"labels": {"my secret": "#, "labels.…"),
            (r#"{"user_data": "{\"a\": ["#, "user_data"),
            ("[", "[0]"),
            ("", ""),
            ("7", ""),
        ] {
            assert_eq!(field(text.as_bytes(), 1, text.len()).0, expected, "{text}");
            let lines = text.replacen('{', "{\n", 1);
            let (line, column) =
                if lines.contains('\n') { (2, lines.len() - 2) } else { (1, lines.len()) };
            assert_eq!(field(lines.as_bytes(), line, column).0, expected, "{lines}");
        }
        for (text, expected) in
            [(r#"{"a": {}"#, "a"), (r#"{"a": [{"b": 1}"#, "a[0]"), (r#"{"a": 1}"#, "")]
        {
            assert_eq!(field(text.as_bytes(), 1, text.len()).1, expected, "{text}");
        }
        assert_eq!(field(b"{}", 99, usize::MAX), (String::new(), String::new()));
        assert_eq!(wanted("missing field `id` at line 1"), Some(("lacks", "id")));
        assert_eq!(wanted("duplicate field `a`"), Some(("has a duplicate", "a")));
        assert_eq!(wanted("invalid type: string \"secret\""), None);
    }
}
