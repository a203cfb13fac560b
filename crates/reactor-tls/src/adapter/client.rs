//! Configuration of a client, and how it verifies its server.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::certificates::{KeyPair, RootSet};
use super::cryptography::{provider, versions};
use crate::config::Common;
use crate::error::TlsConfigError;

pub(crate) type Client = Arc<ClientConfig>;

/// How a client verifies its server.
#[derive(Clone)]
pub(crate) enum Verification {
    Platform,
    Roots(RootSet),
    /// No verification.
    None,
}

pub(crate) fn client(
    common: &Common,
    verification: &Verification,
    identity: Option<&KeyPair>,
) -> Result<Client, TlsConfigError> {
    let provider = provider(common.provider)?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(&common.versions))
        .map_err(|error| TlsConfigError::invalid("versions", error))?;
    let builder = match verification {
        Verification::Platform => {
            let verifier = platform_verifier(&provider)?;
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
        }
        Verification::Roots(roots) => {
            let verifier =
                WebPkiServerVerifier::builder_with_provider(roots.store()?, Arc::clone(&provider))
                    .with_crls(roots.revoked.clone())
                    .build()
                    .map_err(|error| TlsConfigError::invalid("roots", error))?;
            builder.with_webpki_verifier(verifier)
        }
        Verification::None => {
            let verifier = Arc::new(AcceptAny(Arc::clone(&provider)));
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
        }
    };
    let mut config = match identity {
        Some(pair) => {
            // Fails here if the key does not fit the certificate.
            pair.certified(&provider)?;
            builder
                .with_client_auth_cert(pair.chain.clone(), pair.key.clone_key())
                .map_err(|error| TlsConfigError::invalid("certificate and private key", error))?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols.clone_from(&common.alpn);
    // Early data (0-RTT) could be replayed by an attacker (RFC 8446, section 8), so a client sends
    // none, either.
    config.enable_early_data = false;
    if common.logs_keys {
        config.key_log = Arc::new(rustls::KeyLogFile::new());
    }
    Ok(Arc::new(config))
}

/// `config` without `name` among the protocols that it offers by ALPN.
pub(crate) fn without_alpn(config: &Client, name: &[u8]) -> Client {
    let mut config = Arc::clone(config);
    if config.alpn_protocols.iter().any(|known| known == name) {
        // The clone shares the sessions, which belong to the server and not to a protocol.
        let changed = Arc::make_mut(&mut config);
        changed.alpn_protocols.retain(|known| known != name);
    }
    config
}

#[cfg(feature = "platform-verifier")]
fn platform_verifier(
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsConfigError> {
    let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(provider))
        .map_err(|error| TlsConfigError::invalid("roots of the platform", error))?;
    Ok(Arc::new(verifier))
}

#[cfg(not(feature = "platform-verifier"))]
fn platform_verifier(
    _provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsConfigError> {
    Err(TlsConfigError::NoPlatformRoots)
}

/// Verifier that accepts any certificate of a server.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    // The signatures are still checked: so the peer has the key of the certificate that it shows,
    // and a peer that signs wrongly is found in tests, too.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Parses a name that a certificate can be for: a host name or an IP address.
pub(crate) fn server_name(name: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).ok()
}
