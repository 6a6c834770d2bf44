//! TLS by rustls: the platform's authorities and verifier, plus an extra file if one is given.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;

use super::endpoint::Endpoint;
use crate::per_process::PerProcess;
use crate::provider::error::{NetworkError, ProviderError, ProviderResult};

/// The configuration for an endpoint. For `http`, it trusts no authority and reads no file, so that
/// a computer without authorities can still reach itself.
pub(super) fn config(endpoint: &Endpoint, ca_file: Option<&Path>) -> ProviderResult<ClientConfig> {
    // It has a lock of its own, for the sessions, which a parent may have held when it forked.
    static PLATFORM: PerProcess<OnceLock<ClientConfig>> = PerProcess::new();
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    if !endpoint.is_https() {
        let nobody = rustls::RootCertStore::empty();
        let config = versions(&crypto)?.with_root_certificates(nobody).with_no_client_auth();
        return Ok(config);
    }
    if let Some(path) = ca_file {
        return trusting(&crypto, read_authorities(path)?);
    }
    let platform = PLATFORM.get_or_init(OnceLock::new);
    if let Some(config) = platform.get() {
        return Ok(config.clone());
    }
    let config = trusting(&crypto, Vec::new())?;
    Ok(platform.get_or_init(|| config).clone())
}

fn trusting(
    crypto: &Arc<CryptoProvider>,
    extra: Vec<CertificateDer<'static>>,
) -> ProviderResult<ClientConfig> {
    let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(crypto)).map_err(failed)?;
    let mut config = versions(crypto)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn versions(
    crypto: &Arc<CryptoProvider>,
) -> ProviderResult<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>> {
    ClientConfig::builder_with_provider(Arc::clone(crypto))
        .with_safe_default_protocol_versions()
        .map_err(failed)
}

fn failed(error: rustls::Error) -> ProviderError {
    ProviderError::Network(NetworkError::new("cannot set up TLS", error))
}

fn read_authorities(path: &Path) -> ProviderResult<Vec<CertificateDer<'static>>> {
    let invalid = |what: String| {
        ProviderError::invalid_config("ca_file", format!("{}: {what}", path.display()))
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| invalid(error.to_string()))?;
    if certificates.is_empty() {
        return Err(invalid("contains no PEM certificate".to_string()));
    }
    Ok(certificates)
}
