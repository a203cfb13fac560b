//! `Identity`: certificates and key of one side. `Roots`: the issuers that it trusts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::adapter::{KeyPair, RootSet};
use crate::error::TlsConfigError;

/// A certificate chain, and the private key of its first certificate.
///
/// # Examples
///
/// ```
/// use reactor_tls::{Identity, TlsServer};
///
/// fn server() -> Result<TlsServer, reactor_tls::TlsConfigError> {
///     let identity = Identity::from_pem_files("fullchain.pem", "privkey.pem")?;
///     TlsServer::builder().identity(identity).build()
/// }
/// # assert!(server().is_err());
/// ```
#[derive(Clone)]
pub struct Identity {
    pub(crate) pair: Arc<KeyPair>,
    /// The files that it was read from, for `reread`.
    files: Option<Arc<(PathBuf, PathBuf)>>,
}

impl Identity {
    /// Parses PEM texts: the certificate, followed by the intermediate ones, and its key (PKCS #8,
    /// PKCS #1 or SEC 1).
    ///
    /// # Errors
    ///
    /// The texts have no such sections, or the key does not fit the certificate.
    pub fn from_pem(
        certificates: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, TlsConfigError> {
        let pair = KeyPair::from_pem(certificates.as_ref(), key.as_ref())?;
        Ok(Self {
            pair: Arc::new(pair),
            files: None,
        })
    }

    /// The same as [`from_pem`](Self::from_pem), from files, which
    /// [`TlsServer::reload`](crate::TlsServer::reload) reads again.
    ///
    /// # Errors
    ///
    /// As for `from_pem`; or a file cannot be read.
    pub fn from_pem_files(
        certificates: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsConfigError> {
        let files = (certificates.as_ref().to_owned(), key.as_ref().to_owned());
        Self::read(Arc::new(files))
    }

    fn read(files: Arc<(PathBuf, PathBuf)>) -> Result<Self, TlsConfigError> {
        let (certificates, key) = &*files;
        // If a renewal replaces the files between the two reads, `from_pem` refuses the key, which
        // does not fit the certificate.
        let pair = KeyPair::from_pem(&read(certificates)?, &read(key)?)?;
        Ok(Self {
            pair: Arc::new(pair),
            files: Some(files),
        })
    }

    /// Reads the files again, if the identity is from files.
    pub(crate) fn reread(&self) -> Result<Self, TlsConfigError> {
        match &self.files {
            Some(files) => Self::read(Arc::clone(files)),
            None => Ok(self.clone()),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A private key never appears in output.
        f.debug_struct("Identity")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TlsConfigError> {
    std::fs::read(path).map_err(|source| TlsConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// Trusted issuers of the peer's certificates, and revocation lists.
///
/// # Examples
///
/// ```
/// use reactor_tls::Roots;
///
/// let error = Roots::from_pem("no certificate").unwrap_err();
/// assert!(error.to_string().contains("no root certificates"));
/// ```
#[derive(Clone)]
pub struct Roots {
    pub(crate) set: RootSet,
}

impl Roots {
    /// Parses a PEM text with at least one certificate.
    ///
    /// # Errors
    ///
    /// The text has no certificate, or an invalid one.
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, TlsConfigError> {
        Ok(Self {
            set: RootSet::from_pem(pem.as_ref())?,
        })
    }

    /// The same as [`from_pem`](Self::from_pem), from a file.
    ///
    /// # Errors
    ///
    /// As for `from_pem`; or the file cannot be read.
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<Self, TlsConfigError> {
        Self::from_pem(read(path.as_ref())?)
    }

    /// Adds certificate revocation lists (CRLs), as a PEM text. From then on, a certificate is
    /// refused if a list of its issuer contains it, and also if its issuer has no list.
    ///
    /// # Errors
    ///
    /// The text has no list, or an invalid one.
    pub fn revocation_lists(mut self, pem: impl AsRef<[u8]>) -> Result<Self, TlsConfigError> {
        self.set.add_revocation_lists(pem.as_ref())?;
        Ok(self)
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").finish_non_exhaustive()
    }
}
