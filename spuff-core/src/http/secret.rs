//! Secrets on their way out, and kept from coming back: `secrecy` holds them, sensitive headers carry them, and no
//! message repeats what a header carried.

use http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};

use crate::provider::error::{ProviderError, ProviderResult};

const REDACTED: &str = "[redacted]";
/// Shorter texts would be cut out of ordinary words.
const SHORTEST: usize = 6;

/// A token as it was meant: without the white space, quotes and line end that copying and `.env` files add.
pub(crate) fn clean_token(token: &str) -> ProviderResult<SecretString> {
    let token = token.trim().trim_matches(['"', '\'']).trim();
    if token.is_empty() {
        return Err(ProviderError::invalid_config("token", "the API token is empty"));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ProviderError::invalid_config(
            "token",
            "the API token holds a space, line break or non-ASCII character; copy it again",
        ));
    }
    Ok(SecretString::from(token))
}

/// The `Authorization: Bearer` header of an account.
pub(crate) struct Bearer(HeaderValue);

impl Bearer {
    pub(crate) fn new(token: &SecretString) -> ProviderResult<Self> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .map_err(|_| ProviderError::invalid_config("token", "the API token cannot stand in an HTTP header"))?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(header::AUTHORIZATION, self.0.clone());
    }
}

/// The secrets of a request, so that a reply that echoes them can be cleaned.
pub(super) fn sent_with(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.values().filter(|value| value.is_sensitive()).cloned().collect()
}

/// `text` without the secrets.
pub(super) fn scrub(text: &str, secrets: &[HeaderValue]) -> String {
    let words = secrets.iter().filter_map(|secret| secret.to_str().ok()).flat_map(|value| value.split([' ', ',']));
    // Of `Credential=…` the name is an ordinary word; an `=` at the end is padding.
    let words = words.map(|word| word.trim_end_matches('=')).map(|word| word.split_once('=').map_or(word, |(_, value)| value));
    without(text, words)
}

/// `text` without these words.
pub(crate) fn without<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> String {
    words.filter(|word| word.len() >= SHORTEST).fold(text.to_string(), |text, word| text.replace(word, REDACTED))
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
    fn what_was_sent_is_cut_out_of_what_comes_back() {
        let mut headers = HeaderMap::new();
        Bearer::new(&SecretString::from("canary-token")).unwrap().write(&mut headers);
        let text = scrub("token canary-token (Bearer canary-token) is bad", &sent_with(&headers));
        assert_eq!(text, "token [redacted] ([redacted] [redacted]) is bad");

        let mut signed = HeaderValue::from_static("AWS4-HMAC-SHA256 Credential=AKIDCANARY/20260105/x, Signature=c0ffee==");
        signed.set_sensitive(true);
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, signed)]);
        let text = scrub("the Credential AKIDCANARY/20260105/x and Signature c0ffee are bad", &sent_with(&headers));
        assert_eq!(text, "the Credential [redacted] and Signature [redacted] are bad");
    }
}
