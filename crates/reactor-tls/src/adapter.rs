//! Adapter of rustls: the only file that names it, so that a new version changes only this one.
//!
//! It uses the buffered API: `read_tls` takes ciphertext, `reader` gives plaintext, and after each
//! step `write_tls` gives the ciphertext to be sent.

use std::io::{BufRead, Write};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reactor::filter::Link;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, GetRandomFailed};
pub(crate) use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::{
    Accepted, Acceptor, ProducesTickets, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::ticketer::TicketRotator;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Connection, DigitallySignedStruct, Error,
    HandshakeKind, InvalidMessage, PeerIncompatible, ProtocolVersion, RootCertStore, ServerConfig,
    ServerConnection, SignatureScheme, SupportedProtocolVersion,
};

use crate::config::{Common, Names};
use crate::error::{TlsConfigError, TlsErrorKind};
use crate::info::{TlsInfo, TlsVersion};
use crate::provider::Provider;

/// Configuration of rustls for one side.
pub(crate) type Server = Arc<ServerConfig>;
pub(crate) type Client = Arc<ClientConfig>;

// --- configuration ---

/// Constructors of one library of cryptography.
struct Cryptography {
    provider: fn() -> CryptoProvider,
    one_key: fn() -> OneKey,
}

fn cryptography(wanted: Option<Provider>) -> Result<Cryptography, TlsConfigError> {
    // With both features, `None` means `ring`: the default must not depend on which other crate of
    // the program turns the second feature on.
    #[cfg(feature = "ring")]
    if matches!(wanted, None | Some(Provider::Ring)) {
        return Ok(Cryptography {
            provider: rustls::crypto::ring::default_provider,
            one_key: || one_key(rustls::crypto::ring::Ticketer::new()),
        });
    }
    #[cfg(feature = "aws-lc-rs")]
    if matches!(wanted, None | Some(Provider::AwsLcRs)) {
        return Ok(Cryptography {
            provider: rustls::crypto::aws_lc_rs::default_provider,
            one_key: || one_key(rustls::crypto::aws_lc_rs::Ticketer::new()),
        });
    }
    Err(TlsConfigError::NoProvider { wanted })
}

fn provider(wanted: Option<Provider>) -> Result<Arc<CryptoProvider>, TlsConfigError> {
    let Cryptography { provider, .. } = cryptography(wanted)?;
    Ok(Arc::new(provider()))
}

fn versions(wanted: &[TlsVersion]) -> Vec<&'static SupportedProtocolVersion> {
    // No wish means every version that the crate was built with.
    let has = |version| wanted.is_empty() || wanted.contains(&version);
    let mut versions = Vec::new();
    if has(TlsVersion::Tls13) {
        versions.push(&rustls::version::TLS13);
    }
    #[cfg(feature = "tls12")]
    if has(TlsVersion::Tls12) {
        versions.push(&rustls::version::TLS12);
    }
    versions
}

/// Root certificates, and revocation lists.
pub(crate) struct RootSet {
    certificates: Vec<CertificateDer<'static>>,
    revoked: Vec<CertificateRevocationListDer<'static>>,
}

impl Clone for RootSet {
    fn clone(&self) -> Self {
        Self {
            certificates: self.certificates.clone(),
            revoked: self.revoked.clone(),
        }
    }
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

    fn store(&self) -> Result<Arc<RootCertStore>, TlsConfigError> {
        let mut store = RootCertStore::empty();
        for certificate in &self.certificates {
            let added = store.add(certificate.clone());
            added.map_err(|error| TlsConfigError::invalid("root certificates", error))?;
        }
        Ok(Arc::new(store))
    }
}

/// Whether a server asks its clients for certificates.
#[derive(Clone, Default)]
pub(crate) enum ClientAuth {
    #[default]
    None,
    Optional(RootSet),
    Required(RootSet),
}

/// A chain of certificates, and the private key of the first.
pub(crate) struct KeyPair {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
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
            rustls::pki_types::pem::Error::NoItemsFound => {
                TlsConfigError::missing("private key", "a `PRIVATE KEY`")
            }
            error => TlsConfigError::invalid("private key", error),
        })?;
        let pair = Self {
            chain,
            key,
            certified: OnceLock::new(),
        };
        // Fails here if the key is not that of the certificate, not at the first handshake.
        pair.certified(&*provider(None)?)?;
        Ok(pair)
    }

    fn certified(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsConfigError> {
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
struct ByName {
    names: Names<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.names.find(hello.server_name()).cloned()
    }
}

/// Certificate resolver: one certificate for all names.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _hello: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Session tickets, shared by all loops of a server; rustls rotates their key.
pub(crate) type Ticketer = Arc<dyn ProducesTickets>;

/// Ticketer with one key, or the error of making it; [`TicketRotator`] replaces it.
type OneKey = Result<Box<dyn ProducesTickets>, GetRandomFailed>;

pub(crate) fn ticketer(
    common: &Common,
    key_lifetime: Duration,
) -> Result<Ticketer, TlsConfigError> {
    let Cryptography { one_key, .. } = cryptography(common.provider)?;
    // In seconds; rustls tells clients twice as many, because a ticket is accepted under the
    // previous key, too.
    // At least one second: clients discard tickets with a lifetime of 0 at once (RFC 8446, section
    // 4.6.1).
    let seconds = key_lifetime.min(TICKET_KEY_LIFETIME).as_secs().max(1);
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    let rotator = TicketRotator::new(seconds, one_key);
    let rotator = rotator.map_err(|error| TlsConfigError::invalid("tickets", error))?;
    Ok(Arc::new(rotator))
}

/// Default and maximum lifetime of a key. The ticketers of the providers rotate their own key every
/// six hours, so a longer lifetime would have no effect.
pub(crate) const TICKET_KEY_LIFETIME: Duration = Duration::from_secs(6 * 60 * 60);

#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
fn one_key(ticketer: Result<Ticketer, Error>) -> OneKey {
    // The only error of these constructors is that of the random numbers for the key.
    let ticketer = ticketer.map_err(|_| GetRandomFailed)?;
    Ok(Box::new(Shared(ticketer)))
}

/// A shared ticketer, as the box that `TicketRotator` takes.
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
#[derive(Debug)]
struct Shared(Ticketer);

#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
impl ProducesTickets for Shared {
    fn enabled(&self) -> bool {
        self.0.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.0.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(cipher)
    }
}

pub(crate) fn server(
    common: &Common,
    names: &Names<Arc<KeyPair>>,
    client_auth: &ClientAuth,
    ticketer: Ticketer,
) -> Result<Server, TlsConfigError> {
    let provider = provider(common.provider)?;
    let names = names.try_map(|pair| pair.certified(&provider))?;
    let invalid = |error| TlsConfigError::invalid("versions", error);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(&common.versions))
        .map_err(invalid)?;
    let builder = match client_auth {
        ClientAuth::None => builder.with_no_client_auth(),
        ClientAuth::Optional(roots) | ClientAuth::Required(roots) => {
            let mut verifier =
                WebPkiClientVerifier::builder_with_provider(roots.store()?, provider)
                    .with_crls(roots.revoked.clone());
            if matches!(client_auth, ClientAuth::Optional(_)) {
                verifier = verifier.allow_unauthenticated();
            }
            let verifier = verifier
                .build()
                .map_err(|error| TlsConfigError::invalid("roots of clients", error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName { names }));
    config.alpn_protocols.clone_from(&common.alpn);
    config.ticketer = ticketer;
    // 0-RTT data can be replayed by an attacker (RFC 8446, section 8), so it is not accepted.
    config.max_early_data_size = 0;
    if common.logs_keys {
        config.key_log = Arc::new(rustls::KeyLogFile::new());
    }
    Ok(Arc::new(config))
}

/// A copy of `config` with the certificate that was chosen for one connection.
fn with_identity(config: &Server, pair: &KeyPair) -> Result<Server, TlsConfigError> {
    let certified = pair.certified(config.crypto_provider())?;
    // rustls takes a certificate only as part of the configuration. The copy is shallow: session
    // storage and ticketer stay shared, so its sessions can be resumed by any connection.
    let mut config = ServerConfig::clone(config);
    config.cert_resolver = Arc::new(Always(certified));
    Ok(Arc::new(config))
}

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
            // Fails here if the key is not that of the certificate.
            pair.certified(&provider)?;
            builder
                .with_client_auth_cert(pair.chain.clone(), pair.key.clone_key())
                .map_err(|error| TlsConfigError::invalid("certificate and private key", error))?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols.clone_from(&common.alpn);
    // A client must not send what an attacker can replay, either (RFC 8446, section 8).
    config.enable_early_data = false;
    if common.logs_keys {
        config.key_log = Arc::new(rustls::KeyLogFile::new());
    }
    Ok(Arc::new(config))
}

/// `config`, which does not offer `name` by ALPN.
pub(crate) fn without_alpn(config: &Client, name: &[u8]) -> Client {
    let mut config = Arc::clone(config);
    if config.alpn_protocols.iter().any(|known| known == name) {
        // The clone shares the sessions, which are those of the server and not of a protocol.
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

// --- one connection ---

/// Most bytes of plain text in a record, and how many bytes a record adds to them at most
/// (TLS 1.2 with GCM: header, nonce, tag).
const RECORD: usize = 16 * 1024;
const RECORD_OVERHEAD: usize = 5 + 8 + 16;

/// Contents of a client's first message.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    pub(crate) server_name: Option<String>,
    pub(crate) alpn: Vec<Vec<u8>>,
}

/// A server connection that has not received all of the client's first message (ClientHello).
pub(crate) struct Accepting(Acceptor);

/// A server connection that has received the ClientHello, and has not answered it.
pub(crate) struct Greeted(Accepted);

/// A connection that has its configuration: during its handshake, or open.
pub(crate) struct Session(Connection);

impl Accepting {
    pub(crate) fn new() -> Self {
        Self(Acceptor::default())
    }

    /// Gets new input; returns the number of bytes consumed, and the ClientHello once that is
    /// complete.
    pub(crate) fn receive(
        &mut self,
        input: &[u8],
        link: &mut Link<'_>,
    ) -> Result<(usize, Option<Greeted>), TlsErrorKind> {
        let mut left = input;
        // One step for each read: rustls takes some 4 KiB at a time, and the ClientHello may be
        // complete after any of them. What is behind it stays with the acceptor, or unconsumed.
        while !left.is_empty() {
            let read = self.0.read_tls(&mut left);
            let read = read.map_err(|error| TlsErrorKind::Other(error.to_string()))?;
            match self.0.accept() {
                Ok(Some(accepted)) => {
                    return Ok((input.len() - left.len(), Some(Greeted(accepted))));
                }
                // Without progress, the loop would not end.
                Ok(None) if read == 0 => break,
                Ok(None) => {}
                Err((error, mut alert)) => {
                    write_all(|to| alert.write_all(to), link);
                    return Err(kind_of(error));
                }
            }
        }
        Ok((input.len() - left.len(), None))
    }
}

impl Greeted {
    pub(crate) fn hello(&self) -> Hello {
        let hello = self.0.client_hello();
        Hello {
            server_name: hello.server_name().map(str::to_owned),
            alpn: hello
                .alpn()
                .map_or_else(Vec::new, |names| names.map(<[u8]>::to_vec).collect()),
        }
    }

    /// Answers the ClientHello, with the certificate that was chosen for it, if there is one.
    pub(crate) fn answer(
        self,
        config: &Server,
        chosen: Option<&KeyPair>,
        link: &mut Link<'_>,
    ) -> Result<Session, TlsErrorKind> {
        let config = match chosen {
            Some(pair) => with_identity(config, pair)
                .map_err(|error| TlsErrorKind::NoIdentity(error.to_string()))?,
            None => Arc::clone(config),
        };
        match self.0.into_connection(config) {
            Ok(connection) => Ok(Session::new(Connection::Server(connection))),
            Err((error, mut alert)) => {
                write_all(|to| alert.write_all(to), link);
                Err(kind_of(error))
            }
        }
    }
}

/// Writing to a vector does not fail.
fn write_all(f: impl FnOnce(&mut dyn Write) -> std::io::Result<()>, link: &mut Link<'_>) {
    let _ = f(link.down());
}

impl Session {
    fn new(mut connection: Connection) -> Self {
        // What is encrypted is fetched at once: the loop limits how much it gives.
        connection.set_buffer_limit(None);
        Self(connection)
    }

    pub(crate) fn client(config: &Client, name: ServerName<'static>) -> Result<Self, TlsErrorKind> {
        let connection = ClientConnection::new(Arc::clone(config), name).map_err(kind_of)?;
        Ok(Self::new(Connection::Client(connection)))
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.0.is_handshaking()
    }

    /// Gets new input; returns the number of bytes consumed. Delivers its plaintext.
    pub(crate) fn receive(
        &mut self,
        input: &[u8],
        link: &mut Link<'_>,
    ) -> Result<usize, TlsErrorKind> {
        if input.len() > RECORD {
            // Exactly, as in `send`; with a record that was incomplete before.
            link.up().reserve_exact(input.len() + RECORD);
        }
        let mut left = input;
        loop {
            // No `read_tls` without input: rustls takes a read of no bytes for the end of the
            // stream. An empty `input` processes what the acceptor has read already.
            let read = if left.is_empty() {
                0
            } else {
                let read = self.0.read_tls(&mut left);
                read.map_err(|error| TlsErrorKind::Other(error.to_string()))?
            };
            let processed = self.0.process_new_packets();
            // Both come before the look at the error: the records before the bad one are valid, and
            // the alert that rustls has made for the peer must go out.
            self.deliver(link);
            self.flush(link);
            if processed.map_err(kind_of)?.peer_has_closed() {
                link.end();
                // Input behind the close_notify is ignored (RFC 8446, section 6.1), and so counts as
                // consumed.
                return Ok(input.len());
            }
            // Without progress, the rest is offered again with more input.
            if left.is_empty() || read == 0 {
                return Ok(input.len() - left.len());
            }
        }
    }

    fn deliver(&mut self, link: &mut Link<'_>) {
        let mut reader = self.0.reader();
        // Errs if there is no plaintext now, or no more at all; `receive` looks at both.
        while let Ok(chunk) = reader.fill_buf()
            && !chunk.is_empty()
        {
            link.deliver(chunk);
            let length = chunk.len();
            reader.consume(length);
        }
    }

    /// Moves the pending ciphertext to the link.
    pub(crate) fn flush(&mut self, link: &mut Link<'_>) {
        while self.0.wants_write() {
            // Writing to a vector does not fail.
            let _ = self.0.write_tls(link.down());
        }
    }

    pub(crate) fn send(
        &mut self,
        bytes: &[u8],
        link: &mut Link<'_>,
    ) -> Result<usize, TlsErrorKind> {
        // Exactly: a buffer that grows by doubling gets too large for the loop to keep it.
        let records = bytes.len() / RECORD + 1;
        link.down()
            .reserve_exact(bytes.len() + records * RECORD_OVERHEAD);
        let taken = self.0.writer().write(bytes);
        let taken = taken.map_err(|error| TlsErrorKind::Other(error.to_string()))?;
        self.flush(link);
        Ok(taken)
    }

    pub(crate) fn finish(&mut self, link: &mut Link<'_>) {
        self.0.send_close_notify();
        self.flush(link);
    }

    /// The facts of an open connection.
    pub(crate) fn info(&self) -> TlsInfo {
        // No other version is configured; an open connection has one.
        let version = match self.0.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
            _ => TlsVersion::Tls13,
        };
        let suite = self.0.negotiated_cipher_suite();
        let suite = suite.and_then(|suite| suite.suite().as_str());
        let key_exchange = self.0.negotiated_key_exchange_group();
        let key_exchange = key_exchange.and_then(|group| group.name().as_str());
        let certificates = self.0.peer_certificates().unwrap_or_default();
        TlsInfo {
            version,
            cipher_suite: suite.unwrap_or("unknown"),
            key_exchange,
            alpn: self.0.alpn_protocol().map(<[u8]>::to_vec),
            server_name: match &self.0 {
                Connection::Server(connection) => server_name_of(connection),
                Connection::Client(_) => None,
            },
            peer_certificates: certificates.iter().map(|der| der.to_vec()).collect(),
            is_resumed: self.0.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

fn server_name_of(connection: &ServerConnection) -> Option<String> {
    connection.server_name().map(str::to_owned)
}

/// Converts an error of rustls.
fn kind_of(error: Error) -> TlsErrorKind {
    match &error {
        Error::InvalidCertificate(certificate) => kind_of_certificate(certificate),
        Error::NoCertificatesPresented => TlsErrorKind::NoCertificate,
        Error::NoApplicationProtocol => TlsErrorKind::NoCommonProtocol,
        Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
            TlsErrorKind::Incompatible(error.to_string())
        }
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

#[cfg(all(test, feature = "ring", feature = "aws-lc-rs"))]
mod tests {
    use super::{CryptoProvider, Provider, provider};

    fn groups(provider: &CryptoProvider) -> Vec<&'static str> {
        let groups = provider.kx_groups.iter();
        groups.filter_map(|group| group.name().as_str()).collect()
    }

    #[test]
    fn with_both_providers_it_is_ring_unless_the_other_is_named() {
        let of = |wanted| groups(&provider(wanted).expect("both are built"));
        assert_eq!(of(None), of(Some(Provider::Ring)));
        assert!(!of(None).contains(&"X25519MLKEM768"));
        assert_eq!(of(Some(Provider::AwsLcRs))[0], "X25519MLKEM768");
    }
}
