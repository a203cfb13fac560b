//! Certificates: roots, chains with their private keys, and the choice among them by name.

use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::cryptography::provider;
use crate::config::Names;
use crate::error::TlsConfigError;

/// Root certificates, and revocation lists.
#[derive(Clone)]
pub(crate) struct RootSet {
    certificates: Vec<CertificateDer<'static>>,
    pub(super) revoked: Vec<CertificateRevocationListDer<'static>>,
}

impl RootSet {
    pub(crate) fn from_pem(pem: &[u8]) -> Result<Self, TlsConfigError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates =
            certificates.map_err(|error| TlsConfigError::invalid("root certificates", error))?;
        if certificates.is_empty() {
            return Err(TlsConfigError::missing(
                "root certificates",
                "a `CERTIFICATE`",
            ));
        }
        Ok(Self {
            certificates,
            revoked: Vec::new(),
        })
    }

    pub(crate) fn add_revocation_lists(&mut self, pem: &[u8]) -> Result<(), TlsConfigError> {
        let before = self.revoked.len();
        for list in CertificateRevocationListDer::pem_slice_iter(pem) {
            let list = list.map_err(|error| TlsConfigError::invalid("revocation lists", error))?;
            // Kept as DER; the verifier parses them when the configuration is built, and refuses
            // bad ones there.
            self.revoked.push(list);
        }
        if self.revoked.len() == before {
            return Err(TlsConfigError::missing("revocation lists", "an `X509 CRL`"));
        }
        Ok(())
    }

    pub(super) fn store(&self) -> Result<Arc<RootCertStore>, TlsConfigError> {
        let mut store = RootCertStore::empty();
        for certificate in &self.certificates {
            let added = store.add(certificate.clone());
            added.map_err(|error| TlsConfigError::invalid("root certificates", error))?;
        }
        Ok(Arc::new(store))
    }
}

/// A chain of certificates, and the private key of the first.
pub(crate) struct KeyPair {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    /// Parsed by the first provider that needed it; the result works with any provider.
    certified: OnceLock<Arc<CertifiedKey>>,
}

impl KeyPair {
    pub(crate) fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsConfigError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|error| TlsConfigError::invalid("certificate", error))?;
        if chain.is_empty() {
            return Err(TlsConfigError::missing("certificate", "a `CERTIFICATE`"));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsConfigError::missing("private key", "a `PRIVATE KEY`"),
            error => TlsConfigError::invalid("private key", error),
        })?;
        let pair = Self {
            chain,
            key,
            certified: OnceLock::new(),
        };
        // Fails here if the key does not fit the certificate, not at the first handshake.
        pair.certified(&*provider(None)?)?;
        Ok(pair)
    }

    pub(super) fn certified(
        &self,
        provider: &CryptoProvider,
    ) -> Result<Arc<CertifiedKey>, TlsConfigError> {
        if let Some(certified) = self.certified.get() {
            return Ok(Arc::clone(certified));
        }
        let key = self.key.clone_key();
        let certified = CertifiedKey::from_der(self.chain.clone(), key, provider)
            .map_err(|error| TlsConfigError::invalid("certificate and private key", error))?;
        // Two loops may parse at the same time; the first result is kept. (`get_or_try_init`, which
        // would parse once, is not stable.)
        Ok(Arc::clone(
            self.certified.get_or_init(|| Arc::new(certified)),
        ))
    }
}

/// Certificate resolver: by the name that the client requests (SNI).
#[derive(Debug)]
pub(super) struct ByName {
    pub(super) names: Names<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.names.find(hello.server_name()).cloned()
    }
}

/// Certificate resolver: one certificate for all names.
#[derive(Debug)]
pub(super) struct Always(pub(super) Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
