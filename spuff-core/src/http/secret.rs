//! Keeps secrets out of messages: `secrecy` holds them, sensitive headers carry them, and no
//! message repeats the content of such a header.

use http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};

use crate::provider::error::{ProviderError, ProviderResult};

const REDACTED: &str = "[redacted]";
/// Shorter texts would match parts of ordinary words.
const SHORTEST: usize = 6;
/// A text that begins with this many bytes of a secret counts as a part of it.
const BEGINNING: usize = 8;
/// The most bytes of a cloud's message that are kept, and that are read.
const MAX_MESSAGE: usize = 500;
const MAX_READ: usize = 64 * 1024;

/// Cleans a token: removes the white space, quotes and line end that copying and `.env` files add.
pub(crate) fn clean_token(token: &str) -> ProviderResult<SecretString> {
    let token = token.trim().trim_matches(['"', '\'']).trim();
    if token.is_empty() {
        return Err(ProviderError::invalid_config("token", "the API token is empty"));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ProviderError::invalid_config(
            "token",
            "the API token contains a space, line break or non-ASCII character; copy it again",
        ));
    }
    Ok(SecretString::from(token))
}

/// The `Authorization: Bearer` header of an account.
pub(crate) struct Bearer(HeaderValue);

impl Bearer {
    pub(crate) fn new(token: &SecretString) -> ProviderResult<Self> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .map_err(|_| {
                ProviderError::invalid_config(
                    "token",
                    "the API token is not valid in an HTTP header",
                )
            })?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(header::AUTHORIZATION, self.0.clone());
    }
}

/// The secrets of a request, to remove them from a reply that echoes them.
pub(crate) fn sent_with(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.values().filter(|value| value.is_sensitive()).cloned().collect()
}

/// Cleans a cloud's message: no secrets, no control characters, one line of bounded length. The
/// secrets are removed first, because half of one that is cut in two would not be recognized.
pub(crate) fn tidy(text: &str, secrets: &[HeaderValue]) -> String {
    let text = scrub(&text[..boundary(text, MAX_READ)], secrets);
    let mut line = String::new();
    for word in
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty())
    {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > MAX_MESSAGE {
            line.truncate(boundary(&line, MAX_MESSAGE));
            line.push('…');
            break;
        }
    }
    line
}

/// The last character boundary of `text` within `longest` bytes.
fn boundary(text: &str, longest: usize) -> usize {
    (0..=longest.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Returns `text` without the secrets.
fn scrub(text: &str, secrets: &[HeaderValue]) -> String {
    let words = secrets
        .iter()
        .filter_map(|secret| secret.to_str().ok())
        .flat_map(|value| value.split([' ', ',']));
    // In `Credential=…`, the name is an ordinary word; a trailing `=` is padding.
    let words = words
        .map(|word| word.trim_end_matches('='))
        .map(|word| word.split_once('=').map_or(word, |(_, value)| value));
    words.filter(|word| word.len() >= SHORTEST).fold(text.to_string(), without_beginnings)
}

/// Returns `text` without these words.
pub(crate) fn without<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> String {
    words
        .filter(|word| word.len() >= SHORTEST)
        .fold(text.to_string(), |text, word| text.replace(word, REDACTED))
}

/// Returns `text` without a token or a truncated copy of it: clouds cut what they repeat.
fn without_beginnings(text: String, word: &str) -> String {
    // A long token is recognized by its beginning.
    let beginning = &word[..boundary(word, BEGINNING)];
    let mut at = match text.find(beginning) {
        Some(at) => at,
        None => return text,
    };
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.as_str();
    loop {
        kept.push_str(&rest[..at]);
        kept.push_str(REDACTED);
        let alike = rest[at..].chars().zip(word.chars()).take_while(|(one, other)| one == other);
        rest = &rest[at + alike.map(|(c, _)| c.len_utf8()).sum::<usize>()..];
        at = match rest.find(beginning) {
            Some(at) => at,
            None => break,
        };
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_cleaned_and_checked() {
        for text in ["abcdef", " abcdef\n", "\"abcdef\"", "'abcdef' "] {
            assert_eq!(clean_token(text).unwrap().expose_secret(), "abcdef", "{text:?}");
        }
        for text in ["", " ", "\"\"", "abc def", "abc\ndef", "abcdéf"] {
            assert!(clean_token(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn messages_are_one_bounded_line_of_text() {
        assert_eq!(tidy("\n  The  instance\n is gone ", &[]), "The instance is gone");
        assert_eq!(tidy("red: \u{1b}[31m\u{0}\u{7f}alert", &[]), "red: [31m alert");
        for long in ["é".repeat(2000), "word ".repeat(2000), "é ".repeat(MAX_READ)] {
            let long = tidy(&long, &[]);
            assert!(
                long.len() <= MAX_MESSAGE + '…'.len_utf8() && long.ends_with('…'),
                "{}",
                long.len()
            );
        }
    }

    #[test]
    fn a_secret_is_found_at_every_distance_from_the_cut_and_also_when_it_breaks_off() {
        let token = format!("dop_v1_{}", "0123456789abcdef".repeat(4));
        let mut headers = HeaderMap::new();
        Bearer::new(&SecretString::from(token.clone())).unwrap().write(&mut headers);
        let secrets = sent_with(&headers);
        for before in (0..MAX_MESSAGE + 20).chain(MAX_READ - 100..MAX_READ + 20) {
            // White space is dropped, so that the text behind it is shown as well.
            let padding = if before > 1000 { " " } else { "x" }.repeat(before);
            for text in
                [format!("{padding} {token} is bad"), format!("{padding} {}...(cut)", &token[..39])]
            {
                let shown = tidy(&text, &secrets);
                assert!(!shown.contains(&token[..BEGINNING]), "{before}: {shown}");
            }
        }
        assert_eq!(
            tidy(&format!("token '{}(32 characters)...' reached", &token[..32]), &secrets),
            "token '[redacted](32 characters)...' reached"
        );
        assert_eq!(tidy("dop_v1_ is how tokens begin", &secrets), "dop_v1_ is how tokens begin");
    }

    #[test]
    fn what_was_sent_is_cut_out_of_what_comes_back() {
        let mut headers = HeaderMap::new();
        Bearer::new(&SecretString::from("canary-token")).unwrap().write(&mut headers);
        let text = scrub("token canary-token (Bearer canary-token) is bad", &sent_with(&headers));
        assert_eq!(text, "token [redacted] ([redacted] [redacted]) is bad");

        let mut signed = HeaderValue::from_static(
            "AWS4-HMAC-SHA256 Credential=AKIDCANARY/20260105/x, Signature=c0ffee==",
        );
        signed.set_sensitive(true);
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, signed)]);
        let text = scrub(
            "the Credential AKIDCANARY/20260105/x and Signature c0ffee are bad",
            &sent_with(&headers),
        );
        assert_eq!(text, "the Credential [redacted] and Signature [redacted] are bad");
    }
}
