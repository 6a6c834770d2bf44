//! The API's base URL: checked once, so that no token is sent to an unsafe address.

use std::fmt;

use reqwest::Url;

use crate::provider::error::{ProviderError, ProviderResult};

/// A base URL without trailing `/`: `https`, or `http` on loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    base: String,
    loopback: bool,
    https: bool,
}

impl Endpoint {
    pub(crate) fn parse(text: &str) -> ProviderResult<Self> {
        let invalid = |what: &str| {
            Err(ProviderError::invalid_config(
                "endpoint",
                format!("{what}; for example https://api.example.com/v1"),
            ))
        };
        let text = text.trim();
        let Ok(url) = Url::parse(text) else {
            return invalid("must be a URL");
        };
        if !url.username().is_empty() || url.password().is_some() {
            return invalid("must not contain a user name or password");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return invalid("must not contain a query or fragment");
        }
        let Some(host) = url.host_str() else {
            return invalid("must contain a host");
        };
        let loopback = is_loopback(host);
        let https = match url.scheme() {
            "https" => true,
            "http" if loopback => false,
            "http" => {
                return invalid(
                    "plain http would expose the token to the network; use https (http is allowed \
                     on loopback addresses only)",
                );
            }
            _ => return invalid("must begin with https://"),
        };
        Ok(Self { base: url.as_str().trim_end_matches('/').to_string(), loopback, https })
    }

    /// Removes a last path segment that users may add or omit.
    pub(crate) fn without_suffix(mut self, suffix: &str) -> Self {
        let rest = self.base.strip_suffix(suffix).map(|base| base.trim_end_matches('/'));
        // A host may have the same name.
        if let Some(rest) = rest.filter(|rest| rest.contains("://")) {
            self.base = rest.to_string();
        }
        self
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.base
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.loopback
    }

    pub(crate) fn is_https(&self) -> bool {
        self.https
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_https_anywhere_and_http_on_loopback() {
        for (text, base) in [
            ("https://api.example.com/", "https://api.example.com"),
            (" https://api.example.com/v1/ ", "https://api.example.com/v1"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
            ("http://localhost:5000", "http://localhost:5000"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().as_str(), base, "{text}");
        }
    }

    #[test]
    fn refuses_what_could_leak_the_token() {
        for text in [
            "",
            "api.example.com",
            "http://api.example.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "ftp://127.0.0.1",
            "https://user:pass@api.example.com",
            "https://api.example.com?x=1",
            "https://api.example.com/#x",
            "https://",
        ] {
            let error = Endpoint::parse(text).unwrap_err();
            assert!(
                matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "endpoint"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn drops_a_version_that_the_paths_already_have() {
        let parse = |text| Endpoint::parse(text).unwrap().without_suffix("/v2");
        assert_eq!(parse("https://a.example/v2/").as_str(), "https://a.example");
        assert_eq!(parse("https://a.example").as_str(), "https://a.example");
        assert_eq!(
            (parse("https://v2").as_str(), parse("https://v2//v2").as_str()),
            ("https://v2", "https://v2")
        );
    }
}
