//! TLS configurations of the servers and clients: the same certificate, provider and tickets for
//! all contenders.

use std::error::Error;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use reactor_tls::{Identity, TlsServer};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A certificate of `localhost` that its own key (ECDSA, P-256) has signed.
fn certificate() -> Result<(rcgen::Certificate, KeyPair)> {
    let key = KeyPair::generate()?;
    let params = CertificateParams::new(vec![String::from("localhost")])?;
    Ok((params.self_signed(&key)?, key))
}

/// The server of this project.
///
/// # Errors
///
/// If no certificate can be made.
pub fn our_server() -> Result<TlsServer> {
    let (certificate, key) = certificate()?;
    let identity = Identity::from_pem(certificate.pem(), key.serialize_pem())?;
    Ok(TlsServer::builder().identity(identity).build()?)
}

/// The same for a peer: rustls, with all that [`our_server`] sets.
///
/// # Errors
///
/// If no certificate can be made.
pub fn server_of_peers() -> Result<Arc<ServerConfig>> {
    let (certificate, key) = certificate()?;
    let key = PrivateKeyDer::try_from(key.serialize_der())?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.ticketer = ring::Ticketer::new()?;
    Ok(Arc::new(config))
}

/// A client that takes the certificates of both; with `resumes`, it keeps its sessions.
///
/// # Errors
///
/// If the provider lacks what a client needs.
pub fn client(resumes: bool) -> Result<Arc<ClientConfig>> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAny(provider())))
        .with_no_client_auth();
    if !resumes {
        config.resumption = Resumption::disabled();
    }
    Ok(Arc::new(config))
}

/// The name that clients ask for.
///
/// # Panics
///
/// Never: it is a name.
pub fn server_name() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("it is a name")
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

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
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
