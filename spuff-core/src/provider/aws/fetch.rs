//! HTTP for the sources of credentials: STS, SSO, and the metadata services of instances and
//! containers.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use reqsign_core::{Error, HttpSend, Result};

use crate::http::{Cause, Connection, Endpoint, TransportError};
use crate::provider::config::ProviderConfig;

/// A metadata service answers quickly or does not exist.
const NEAR: Duration = Duration::from_secs(2);
const FAR: Duration = Duration::from_secs(10);
const MAX_BODY: usize = 1024 * 1024;

/// Sends over https; over http only if no other host can listen. Creates clients on demand.
#[derive(Debug)]
pub(super) struct Fetch {
    config: ProviderConfig,
    near: OnceLock<Connection>,
    far: OnceLock<Connection>,
}

impl Fetch {
    pub(super) fn new(config: &ProviderConfig) -> Self {
        let config = ProviderConfig {
            ca_file: config.ca_file.clone(),
            timeouts: config.timeouts,
            ..ProviderConfig::default()
        };
        Self { config, near: OnceLock::new(), far: OnceLock::new() }
    }

    /// Returns the client for an address: near ones use no proxy and no TLS.
    fn client(&self, uri: &Uri) -> Result<(&Connection, Duration)> {
        let (place, like, patience) = match uri.scheme_str() {
            Some("https") => (&self.far, "https://sts.amazonaws.com", FAR),
            Some("http") if is_near(uri.host().unwrap_or_default()) => {
                (&self.near, "http://127.0.0.1", NEAR)
            }
            _ => {
                return Err(Error::config_invalid(
                    "credentials are requested only over https, or over http at a link-local \
                     address",
                ));
            }
        };
        if let Some(client) = place.get() {
            return Ok((client, patience));
        }
        let made = Endpoint::parse(like)
            .and_then(|endpoint| Connection::open(&endpoint, &self.config, MAX_BODY));
        let made = made.map_err(|error| Error::config_invalid(error.to_string()))?;
        Ok((place.get_or_init(|| made), patience))
    }
}

/// Whether the host is this computer or a service of its hypervisor.
fn is_near(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.segments()[..2] == [0xfd00, 0xec2],
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

impl HttpSend for Fetch {
    async fn http_send(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let (client, patience) = self.client(request.uri())?;
        client.send(request, patience).await.map_err(|TransportError { cause, .. }| match cause {
            Cause::TooLong { .. } => {
                Error::unexpected("the reply is too long for one with credentials")
            }
            Cause::Late => Error::unexpected("the reply did not come in time").set_retryable(true),
            Cause::Network(error) => Error::unexpected(error.to_string()).set_retryable(true),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_asked_for_in_the_open() {
        let fetch = Fetch::new(&ProviderConfig::default());
        for uri in [
            "http://169.254.169.254/latest",
            "http://[fd00:ec2::254]/",
            "http://127.0.0.1:80/",
            "http://localhost/",
        ] {
            assert_eq!(
                fetch.client(&uri.parse().unwrap()).map(|(_, patience)| patience).ok(),
                Some(NEAR),
                "{uri}"
            );
        }
        for uri in [
            "http://example.com/",
            "http://10.0.0.1/",
            "http://169.254.169.254.example.com/",
            "ftp://127.0.0.1/",
            "/x",
        ] {
            assert!(fetch.client(&uri.parse().unwrap()).is_err(), "{uri}");
        }
    }
}
