//! `TlsError`, of a connection; `TlsConfigError`, of a configuration.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use crate::provider::Provider;

/// Error of a TLS connection, during its handshake or later.
///
/// The message says what failed, names the peer, and says what to do.
///
/// # Examples
///
/// ```
/// use reactor_tls::{TlsError, TlsErrorKind};
///
/// fn is_worth_a_retry(failure: &deferred::Failure) -> bool {
///     match failure.downcast_ref::<TlsError>() {
///         Some(error) => matches!(error.kind(), TlsErrorKind::TimedOut | TlsErrorKind::Truncated),
///         None => false,
///     }
/// }
/// # assert!(!is_worth_a_retry(&deferred::Failure::msg("other")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError {
    kind: TlsErrorKind,
    /// The peer: a server by the requested name, a client by its address.
    peer: String,
    /// This side is the server, and `peer` its client.
    is_server: bool,
}

impl TlsError {
    /// An error that this side, as the server, has with a client.
    pub(crate) fn at_server(client: String, kind: TlsErrorKind) -> Self {
        Self {
            kind,
            peer: client,
            is_server: true,
        }
    }

    /// An error that this side, as the client, has with the server of this name.
    pub(crate) fn at_client(server: String, kind: TlsErrorKind) -> Self {
        Self {
            kind,
            peer: server,
            is_server: false,
        }
    }

    /// The kind of error.
    pub fn kind(&self) -> &TlsErrorKind {
        &self.kind
    }

    /// The other side: the name of a server, or the address of a client.
    pub fn peer(&self) -> &str {
        &self.peer
    }
}

/// Kinds of [`TlsError`].
///
/// # Examples
///
/// ```
/// use reactor_tls::TlsErrorKind;
///
/// assert_ne!(TlsErrorKind::Expired, TlsErrorKind::UnknownIssuer);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsErrorKind {
    /// The peer's certificate is not issued by a trusted root.
    UnknownIssuer,
    /// The server's certificate is for other names.
    WrongName {
        /// The names of the certificate.
        presented: Vec<String>,
    },
    /// The peer's certificate has expired.
    Expired,
    /// The peer's certificate is not valid yet.
    NotValidYet,
    /// The peer's certificate was revoked.
    Revoked,
    /// The peer's certificate is invalid for another reason.
    BadCertificate(String),
    /// The server requires a certificate of the client, which has sent none.
    NoCertificate,
    /// The server has no certificate for the requested name, or its callback has chosen none.
    NoIdentity(String),
    /// The two sides have no application protocol (ALPN) in common.
    NoCommonProtocol,
    /// The two sides have no version of TLS, cipher suite or signature scheme in common.
    Incompatible(String),
    /// The peer has refused the handshake with this alert.
    Refused(String),
    /// The peer has sent bytes that are not TLS.
    NotTls,
    /// The peer has sent plain HTTP.
    PlainHttp,
    /// The handshake timed out.
    TimedOut,
    /// The peer closed the connection during the handshake.
    Interrupted,
    /// The connection ended without a close_notify, so its input may be truncated.
    Truncated,
    /// Another error.
    Other(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = &self.peer;
        write!(f, "TLS with {peer}: ")?;
        match &self.kind {
            TlsErrorKind::UnknownIssuer => write!(
                f,
                "its certificate comes from none of the trusted roots; add its issuer with \
                 `Roots::from_pem`, or have it send its intermediate certificates"
            ),
            TlsErrorKind::WrongName { presented } if presented.is_empty() => write!(
                f,
                "its certificate is not for {peer}; connect by a name that it is for"
            ),
            TlsErrorKind::WrongName { presented } => write!(
                f,
                "its certificate is not for {peer} but for {}; connect by one of these names",
                presented.join(", ")
            ),
            TlsErrorKind::Expired => write!(
                f,
                "its certificate has expired; have it renewed, or set the clock of this machine"
            ),
            TlsErrorKind::NotValidYet => write!(
                f,
                "its certificate is not valid yet; set the clock of this machine"
            ),
            TlsErrorKind::Revoked => write!(f, "its certificate was revoked by its issuer"),
            TlsErrorKind::BadCertificate(what) => write!(f, "its certificate is bad: {what}"),
            TlsErrorKind::NoCertificate => write!(
                f,
                "it has shown no certificate, and this server requires one"
            ),
            TlsErrorKind::NoIdentity(what) => {
                write!(
                    f,
                    "there is no certificate for what it has asked for: {what}"
                )
            }
            TlsErrorKind::NoCommonProtocol => write!(
                f,
                "it speaks none of the application protocols (ALPN) that are offered here"
            ),
            TlsErrorKind::Incompatible(what) => write!(
                f,
                "the two sides have no version or algorithm in common: {what}"
            ),
            TlsErrorKind::Refused(alert) => {
                let advice = match (alert.as_str(), self.is_server) {
                    ("UnknownCA", true) => {
                        "; it does not trust the issuer of this server's certificate"
                    }
                    ("UnknownCA", false) => {
                        "; it does not trust the issuer of this client's certificate"
                    }
                    ("CertificateRequired", false) => {
                        "; give the client a certificate with `identity`"
                    }
                    ("NoApplicationProtocol", false) => {
                        "; offer one of its application protocols with `alpn`"
                    }
                    ("UnrecognisedName", false) => "; it has no certificate for this name",
                    ("ProtocolVersion", _) => "; it speaks another version of TLS",
                    ("BadCertificate" | "CertificateExpired" | "CertificateUnknown", _) => {
                        "; it does not accept the certificate of this side"
                    }
                    _ => "",
                };
                write!(f, "it has refused: {alert}{advice}")
            }
            TlsErrorKind::NotTls => write!(
                f,
                "it has sent bytes that are not TLS; check that its port speaks TLS"
            ),
            TlsErrorKind::PlainHttp if self.is_server => write!(
                f,
                "it speaks plain HTTP to a port for TLS; use an address that begins with https"
            ),
            TlsErrorKind::PlainHttp => write!(
                f,
                "it answers in plain HTTP; use its port for TLS (for HTTPS, 443)"
            ),
            TlsErrorKind::TimedOut => write!(
                f,
                "the handshake was not finished in time; see `handshake_timeout`"
            ),
            TlsErrorKind::Interrupted => {
                write!(f, "the connection ended in the middle of the handshake")
            }
            TlsErrorKind::Truncated => write!(
                f,
                "the connection ended without a close_notify; what it was about to send may be \
                 missing"
            ),
            TlsErrorKind::Other(what) => f.write_str(what),
        }
    }
}

impl Error for TlsError {}

/// Error of a TLS configuration.
///
/// # Examples
///
/// ```
/// use reactor_tls::{Identity, TlsConfigError};
///
/// let error = Identity::from_pem_files("no-such.pem", "no-such.key").unwrap_err();
/// assert!(matches!(error, TlsConfigError::Unreadable { .. }));
/// assert!(error.to_string().contains("no-such.pem"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// A file cannot be read.
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// A certificate, key or list is invalid.
    Invalid {
        /// The part of the configuration that is invalid, as a noun for the message: `private key`.
        what: &'static str,
        /// Why it is invalid.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A PEM text has no section of the expected kind.
    Missing {
        /// What the section would have held, as a noun for the message: `private key`.
        what: &'static str,
        /// The expected section, with its article: ``a `PRIVATE KEY` ``.
        expected: &'static str,
    },
    /// A server has no certificate.
    NoCertificate,
    /// The crate was built without the requested provider, or without any.
    NoProvider {
        /// The provider that the configuration names.
        wanted: Option<Provider>,
    },
    /// The crate was built without the feature `platform-verifier`.
    NoPlatformRoots,
    /// The name of a server is neither a host name nor an IP address.
    BadName {
        /// The name, as it was given.
        name: String,
    },
}

impl TlsConfigError {
    pub(crate) fn invalid(what: &'static str, error: impl Error + Send + Sync + 'static) -> Self {
        Self::Invalid {
            what,
            source: Box::new(error),
        }
    }

    pub(crate) fn missing(what: &'static str, expected: &'static str) -> Self {
        Self::Missing { what, expected }
    }
}

impl fmt::Display for TlsConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, source } => {
                write!(f, "cannot read {}: {source}", path.display())
            }
            Self::Invalid { what, source } => write!(f, "bad {what}: {source}"),
            Self::Missing { what, expected } => {
                write!(f, "no {what}: the PEM text has no section with {expected}")
            }
            Self::NoCertificate => f.write_str("a TLS server needs a certificate: see `identity`"),
            Self::NoProvider {
                wanted: Some(wanted),
            } => write!(
                f,
                "`reactor-tls` was built without its feature for {wanted:?}"
            ),
            Self::NoProvider { wanted: None } => f.write_str(
                "`reactor-tls` was built without cryptography: turn on `ring` or `aws-lc-rs`",
            ),
            Self::NoPlatformRoots => f.write_str(
                "`reactor-tls` was built without `platform-verifier`: turn it on, or give roots",
            ),
            Self::BadName { name } => write!(
                f,
                "{name:?} is neither a host name nor an IP address, so no certificate can be for it"
            ),
        }
    }
}

impl Error for TlsConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::Invalid { source, .. } => Some(&**source),
            _ => None,
        }
    }
}
