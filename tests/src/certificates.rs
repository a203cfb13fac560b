//! Certificates of the servers of a test, and TLS by them.

use reactor_tls::{Identity, Roots, TlsClient, TlsServer};

/// A certificate that has no issuer but itself, and its key, in PEM.
#[derive(Debug)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Pair {
    /// Makes one for `name`.
    ///
    /// # Panics
    ///
    /// Panics if `name` cannot be in a certificate.
    pub fn new(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]);
        let made = made.expect("a certificate");
        Self {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    /// A server that has it.
    ///
    /// # Panics
    ///
    /// Panics if the certificate and the key are not PEM, or do not belong together.
    pub fn server(&self) -> TlsServer {
        let identity = Identity::from_pem(&self.certificate, &self.key).expect("a pair");
        let server = TlsServer::builder().identity(identity);
        server.build().expect("a server")
    }

    /// A client that trusts no other certificate.
    ///
    /// # Panics
    ///
    /// Panics if the certificate is not PEM.
    pub fn client(&self) -> TlsClient {
        let roots = Roots::from_pem(&self.certificate).expect("a certificate");
        let client = TlsClient::builder().roots(roots);
        client.build().expect("a client")
    }
}
