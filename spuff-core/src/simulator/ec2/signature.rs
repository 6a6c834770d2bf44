//! Reads the access key, region and service from a request's signature. The signature itself is not
//! verified; the simulator accepts any secret.
//!
//! Supports version 4 in the `Authorization` header, and version 2 in the parameters, which older
//! clients use and which has no region.

use super::super::backend::Asked;

/// The region of a signature without one.
const DEFAULT_REGION: &str = "us-east-1";

/// The contents of a signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signer<'a> {
    pub(super) key: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

impl<'a> Signer<'a> {
    /// Returns `None` if the request is not signed or the signature is malformed.
    pub(super) fn of(asked: &Asked<'a>) -> Option<Self> {
        let header = asked.header("authorization");
        if header.is_empty() { Self::of_query(asked) } else { Self::of_header(header) }
    }

    fn of_header(header: &'a str) -> Option<Self> {
        let parts =
            header.strip_prefix("AWS4-HMAC-SHA256")?.strip_prefix(' ')?.split(',').map(str::trim);
        let mut scope = "";
        let mut signed = "";
        let mut signature = "";
        for part in parts {
            match part.split_once('=')? {
                ("Credential", value) => scope = value,
                ("SignedHeaders", value) => signed = value,
                ("Signature", value) => signature = value,
                _ => return None,
            }
        }
        let is_signature =
            signature.len() == 64 && signature.bytes().all(|byte| byte.is_ascii_hexdigit());
        let signs_host = signed.split(';').any(|name| name == "host");
        if is_signature && signs_host { Self::of_scope(scope) } else { None }
    }

    fn of_query(asked: &Asked<'a>) -> Option<Self> {
        let text = if asked.method == http::Method::GET {
            asked.query
        } else {
            std::str::from_utf8(asked.body).ok()?
        };
        let value = |name: &str| {
            text.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let key = value("AWSAccessKeyId")?;
        let _ = value("Signature")?;
        (!key.is_empty()).then_some(Self { key, region: DEFAULT_REGION, service: "ec2" })
    }

    fn of_scope(scope: &'a str) -> Option<Self> {
        let mut parts = scope.rsplitn(5, '/');
        let (end, service, region, date, key) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_date = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
        (end == "aws4_request" && is_date && !key.is_empty()).then_some(Self {
            key,
            region,
            service,
        })
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;

    fn signer(header: &str, body: &'static str) -> Option<(String, String, String)> {
        let mut headers = HeaderMap::new();
        if !header.is_empty() {
            headers.insert("authorization", header.parse().unwrap());
        }
        let asked = Asked {
            method: &Method::POST,
            path: "/",
            query: "",
            headers: &headers,
            body: body.as_bytes(),
        };
        Signer::of(&asked).map(|signer| {
            (signer.key.to_string(), signer.region.to_string(), signer.service.to_string())
        })
    }

    #[test]
    fn only_what_has_the_form_of_a_signature_is_one() {
        let signature = "a".repeat(64);
        let good = format!(
            "AWS4-HMAC-SHA256 Credential=AKIA/20260105/eu-west-1/ssm/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={signature}"
        );
        let told = |key: &str, region: &str, service: &str| {
            Some((key.to_string(), region.to_string(), service.to_string()))
        };
        assert_eq!(signer(&good, ""), told("AKIA", "eu-west-1", "ssm"));
        assert_eq!(signer(&good.replace(", ", ","), ""), told("AKIA", "eu-west-1", "ssm"));
        assert_eq!(
            signer("", "Action=X&AWSAccessKeyId=AKIA&Signature=x"),
            told("AKIA", "us-east-1", "ec2")
        );
        for bad in [
            good.replace("aws4_request", "aws3"),
            good.replace("20260105", "today"),
            good.replace("AKIA/", "/"),
            good.replace("AKIA/", ""),
            good.replace("host;", ""),
            good.replace(&signature, "abc"),
            good.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
            "Bearer simulated".to_string(),
            "AWS4-HMAC-SHA256".to_string(),
        ] {
            assert_eq!(signer(&bad, ""), None, "{bad}");
        }
        assert_eq!(signer("", "AWSAccessKeyId=AKIA"), None);
        assert_eq!(signer("", ""), None);
    }
}
