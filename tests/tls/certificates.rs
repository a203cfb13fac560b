//! An issuer of certificates for tests, made anew in each run.

use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use reactor_tls::{Identity, Roots, TlsClient, TlsServer};

pub(crate) struct Issuer(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, both PEM.
pub(crate) struct Pem {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("issuer {number} of test {}", std::process::id());
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            rcgen::KeyUsagePurpose::KeyCertSign,
            rcgen::KeyUsagePurpose::CrlSign,
        ];
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::from_pem(self.pem()).unwrap()
    }

    pub(crate) fn issue_with(&self, params: &CertificateParams) -> Pem {
        let key = KeyPair::generate().unwrap();
        let mut params = params.clone();
        params.distinguished_name.push(DnType::CommonName, "a test");
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Pem {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    pub(crate) fn issue(&self, name: &str) -> Pem {
        self.issue_with(&CertificateParams::new(vec![name.to_owned()]).unwrap())
    }

    pub(crate) fn identity(&self, name: &str) -> Identity {
        self.issue(name).identity()
    }

    /// A list that says that the certificate with this number is revoked.
    pub(crate) fn revoke(&self, serial: u64) -> String {
        let day = |day| rcgen::date_time_ymd(day, 1, 1);
        let params = rcgen::CertificateRevocationListParams {
            this_update: day(2020),
            next_update: day(2090),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: vec![rcgen::RevokedCertParams {
                serial_number: serial.into(),
                revocation_time: day(2020),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).unwrap().pem().unwrap()
    }
}

impl Pem {
    pub(crate) fn identity(&self) -> Identity {
        Identity::from_pem(&self.certificate, &self.key).unwrap()
    }
}

/// A server of `localhost`, and a client that trusts it.
pub(crate) fn both() -> (TlsServer, TlsClient) {
    let issuer = Issuer::new();
    let server = TlsServer::builder().identity(issuer.identity("localhost"));
    let client = TlsClient::builder().roots(issuer.roots());
    (server.build().unwrap(), client.build().unwrap())
}
