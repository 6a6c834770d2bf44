//! TLS: a server is believed when the platform, or the extra file, knows who signed for it.
#![cfg(feature = "hetzner")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use spuff_core::provider::{
    Provider, ProviderConfig, ProviderError, ProviderRegistry, ProviderTimeouts,
};

/// An HTTPS server for `localhost` that answers 404, and the authority that signed for it.
fn server() -> (String, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_string()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream =
                StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            // A client that does not believe us goes away in the middle of the handshake.
            if stream.read(&mut [0; 4096]).is_ok() {
                let body = r#"{"error": {"code": "not_found", "message": "server with ID '42' not found"}}"#;
                let head = format!(
                    "HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all((head + body).as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    (url, authority.pem())
}

fn connect(config: ProviderConfig) -> Result<Box<dyn Provider>, ProviderError> {
    let timeouts = ProviderTimeouts { http_request: Duration::from_secs(2), ..support::timeouts() };
    ProviderRegistry::with_defaults().connect("hetzner", config.with_timeouts(timeouts))
}

#[tokio::test]
async fn an_extra_authority_is_trusted_and_a_stranger_is_not() {
    let (url, authority) = server();
    let config = || ProviderConfig::new("token").with_endpoint(&url);
    let error = connect(config()).unwrap().get_instance("42").await.unwrap_err();
    assert!(
        matches!(error, ProviderError::Network(_)) && error.to_string().contains("certificate"),
        "{error}"
    );

    let path = std::env::temp_dir().join(format!("spuff-authority-{}.pem", std::process::id()));
    std::fs::write(&path, authority).unwrap();
    let answer = connect(config().with_ca_file(&path)).unwrap().get_instance("42").await;
    std::fs::write(&path, "no certificate").unwrap();
    let empty = connect(config().with_ca_file(&path)).err().unwrap();
    std::fs::remove_file(&path).unwrap();
    let missing = connect(config().with_ca_file(&path)).err().unwrap();

    assert_eq!(answer.unwrap(), None);
    for error in [empty, missing] {
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "ca_file"),
            "{error}"
        );
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}
