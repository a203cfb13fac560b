//! Errors of rustls as kinds of [`TlsError`](crate::TlsError).

use rustls::{CertificateError, Error, InvalidMessage};

use crate::error::TlsErrorKind;

/// Converts an error of rustls.
pub(super) fn kind_of(error: Error) -> TlsErrorKind {
    match &error {
        Error::InvalidCertificate(certificate) => kind_of_certificate(certificate),
        Error::NoCertificatesPresented => TlsErrorKind::NoCertificate,
        Error::NoApplicationProtocol => TlsErrorKind::NoCommonProtocol,
        Error::PeerIncompatible(_) => TlsErrorKind::Incompatible(error.to_string()),
        Error::AlertReceived(alert) => {
            TlsErrorKind::Refused(alert.as_str().unwrap_or("an unknown alert").to_owned())
        }
        // The two checks of a record header that plain text fails. Other invalid messages come of a
        // peer that does speak TLS.
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => TlsErrorKind::NotTls,
        _ => TlsErrorKind::Other(error.to_string()),
    }
}

fn kind_of_certificate(error: &CertificateError) -> TlsErrorKind {
    match error {
        CertificateError::UnknownIssuer => TlsErrorKind::UnknownIssuer,
        CertificateError::NotValidForName => TlsErrorKind::WrongName {
            presented: Vec::new(),
        },
        CertificateError::NotValidForNameContext { presented, .. } => TlsErrorKind::WrongName {
            presented: presented.iter().map(|name| plain_name(name)).collect(),
        },
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            TlsErrorKind::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsErrorKind::NotValidYet
        }
        CertificateError::Revoked => TlsErrorKind::Revoked,
        other => TlsErrorKind::BadCertificate(other.to_string()),
    }
}

/// A name of a certificate as it is typed. rustls gives it as text for debugging:
/// `DnsName("example.org")`, `IpAddress(192.0.2.1)`.
fn plain_name(presented: &str) -> String {
    let inside = |before: &str, after: &str| {
        presented
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
    };
    inside("DnsName(\"", "\")")
        .or_else(|| inside("IpAddress(", ")"))
        .unwrap_or(presented)
        .to_owned()
}
