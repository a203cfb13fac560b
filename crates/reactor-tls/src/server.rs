//! `TlsServer`: the configuration of a server, and its filters.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use deferred::Deferred;

use crate::adapter::{self, ClientAuth, TICKET_KEY_LIFETIME, Ticketer};
use crate::config::{Common, Names, common_setters};
use crate::error::TlsConfigError;
use crate::identity::{Identity, Roots};

/// First message of a client (ClientHello), for the choice of a certificate.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, fail};
/// use reactor_tls::{ClientHello, Identity};
///
/// fn choose(hello: &ClientHello) -> Deferred<Identity> {
///     match hello.server_name.as_deref() {
///         Some(name) => look_up(name),
///         None => fail(deferred::Failure::msg("no name")),
///     }
/// }
/// # fn look_up(_: &str) -> Deferred<Identity> { Deferred::pair().1 }
/// # choose(&ClientHello::default()).ignore();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientHello {
    /// The name that the client requests (SNI).
    pub server_name: Option<String>,
    /// The application protocols of the client (ALPN), in order of preference.
    pub alpn: Vec<Vec<u8>>,
}

pub(crate) type Choose = dyn Fn(&ClientHello) -> Deferred<Identity> + Send + Sync;

/// TLS configuration of a server, which makes a filter for each connection.
///
/// A clone shares the configuration and the session tickets: if all loops of
/// [`Cores`](reactor::Cores) have clones of one server, a session that was begun on one loop can be
/// resumed on another. The keys of the tickets change every six hours, or as
/// [`ticket_key_lifetime`](TlsServerBuilder::ticket_key_lifetime) says. 0-RTT data is never
/// accepted.
///
/// # Examples
///
/// Two names, and a certificate for all others:
///
/// ```no_run
/// use reactor_tls::{Identity, TlsServer};
///
/// let server = TlsServer::builder()
///     .identity(Identity::from_pem_files("default.pem", "default.key")?)
///     .identity_for("example.org", Identity::from_pem_files("org.pem", "org.key")?)
///     .identity_for("*.example.org", Identity::from_pem_files("any.pem", "any.key")?)
///     .alpn(["h2", "http/1.1"])
///     .build()?;
/// # drop(server);
/// # Ok::<(), reactor_tls::TlsConfigError>(())
/// ```
#[derive(Clone)]
pub struct TlsServer {
    shared: Arc<Shared>,
}

struct Shared {
    /// Locked during `reload`.
    identities: Mutex<Names<Identity>>,
    client_auth: ClientAuth,
    common: Common,
    choose: Option<Box<Choose>>,
    ticketer: Ticketer,
    // Read by each handshake, on any thread, for the time of a clone; written by `reload` only. It
    // has a lock of its own, so that no handshake waits while `reload` reads files.
    current: RwLock<adapter::Server>,
}

impl TlsServer {
    /// Starts a configuration.
    pub fn builder() -> TlsServerBuilder {
        TlsServerBuilder::default()
    }

    /// Reads the files of all identities again, for new connections. Open connections do not
    /// change, and sessions can still be resumed.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or a key does not fit its certificate. Then nothing has changed.
    pub fn reload(&self) -> Result<(), TlsConfigError> {
        let shared = &self.shared;
        // A poisoned lock is fine: the value is replaced in one step, so a panic cannot leave half
        // of it.
        let mut identities = shared
            .identities
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Locked until the end of the function: of two reloads at the same time, the one that reads
        // last also stores last. Nothing is stored before all files are read and accepted.
        let read = identities.try_map(Identity::reread)?;
        let config = shared.build(&read)?;
        *shared
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner) = config;
        *identities = read;
        Ok(())
    }

    pub(crate) fn current(&self) -> adapter::Server {
        let current = self.shared.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the server has certificates of its own, besides those of the callback.
    pub(crate) fn has_identities(&self) -> bool {
        let identities = self.shared.identities.lock();
        !identities
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    pub(crate) fn choose(&self) -> Option<&Choose> {
        self.shared.choose.as_deref()
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.shared.common.timeout
    }
}

impl Shared {
    fn build(&self, identities: &Names<Identity>) -> Result<adapter::Server, TlsConfigError> {
        // With the same ticketer as before: tickets from before a `reload` stay valid.
        build(&self.common, identities, &self.client_auth, &self.ticketer)
    }
}

fn build(
    common: &Common,
    identities: &Names<Identity>,
    client_auth: &ClientAuth,
    ticketer: &Ticketer,
) -> Result<adapter::Server, TlsConfigError> {
    let pairs =
        identities.try_map(|identity| Ok::<_, TlsConfigError>(Arc::clone(&identity.pair)))?;
    adapter::server(common, &pairs, client_auth, Arc::clone(ticketer))
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer")
            .field("common", &self.shared.common)
            .finish_non_exhaustive()
    }
}

/// Configures a [`TlsServer`].
///
/// # Examples
///
/// A server that requires client certificates of a private certificate authority:
///
/// ```no_run
/// use reactor_tls::{Identity, Roots, TlsServer, TlsVersion};
/// use std::time::Duration;
///
/// let server = TlsServer::builder()
///     .identity(Identity::from_pem_files("server.pem", "server.key")?)
///     .require_client_certificates(Roots::from_pem_file("clients.pem")?)
///     .versions([TlsVersion::Tls13])
///     .handshake_timeout(Duration::from_secs(5))
///     .build()?;
/// # drop(server);
/// # Ok::<(), reactor_tls::TlsConfigError>(())
/// ```
#[derive(Default)]
pub struct TlsServerBuilder {
    common: Common,
    identities: Names<Identity>,
    client_auth: ClientAuth,
    choose: Option<Box<Choose>>,
    /// `None` for [`TICKET_KEY_LIFETIME`].
    ticket_key_lifetime: Option<Duration>,
}

impl TlsServerBuilder {
    common_setters!();

    /// Sets the default certificate: for clients that request no name, and for those that request a
    /// name without a certificate of its own.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identities.set(None, identity);
        self
    }

    /// Sets the certificate for clients that request `name`. `*.example.org` matches any name with
    /// one label in place of the `*`.
    pub fn identity_for(mut self, name: &str, identity: Identity) -> Self {
        self.identities.set(Some(name), identity);
        self
    }

    /// Sets the callback that chooses the certificate for each client. The handshake waits for its
    /// Deferred; if that fails, the client gets a certificate by name, if there is one.
    pub fn choose_identity(
        mut self,
        choose: impl Fn(&ClientHello) -> Deferred<Identity> + Send + Sync + 'static,
    ) -> Self {
        self.choose = Some(Box::new(choose));
        self
    }

    /// Requires a certificate of each client, issued by `roots`.
    pub fn require_client_certificates(mut self, roots: Roots) -> Self {
        self.client_auth = ClientAuth::Required(roots.set);
        self
    }

    /// Requests a certificate of each client, issued by `roots`, and accepts clients without one,
    /// too. [`TlsInfo::peer_certificates`](crate::TlsInfo::peer_certificates) has the certificate.
    pub fn request_client_certificates(mut self, roots: Roots) -> Self {
        self.client_auth = ClientAuth::Optional(roots.set);
        self
    }

    /// Replaces the key of session tickets after `lifetime`, in whole seconds. The default, and the
    /// maximum, is six hours. Tickets of the old key are accepted for one more `lifetime`; then the
    /// key is forgotten, and so cannot be stolen to decrypt recorded connections that were resumed
    /// with its tickets.
    pub fn ticket_key_lifetime(mut self, lifetime: Duration) -> Self {
        self.ticket_key_lifetime = Some(lifetime);
        self
    }

    /// Makes the server.
    ///
    /// # Errors
    ///
    /// The server has no certificate, a key does not fit its certificate, or the crate was built
    /// without the feature that the configuration needs.
    pub fn build(self) -> Result<TlsServer, TlsConfigError> {
        let Self {
            common,
            identities,
            client_auth,
            choose,
            ticket_key_lifetime,
        } = self;
        if identities.is_empty() && choose.is_none() {
            return Err(TlsConfigError::NoCertificate);
        }
        let key_lifetime = ticket_key_lifetime.unwrap_or(TICKET_KEY_LIFETIME);
        let ticketer = adapter::ticketer(&common, key_lifetime)?;
        let current = build(&common, &identities, &client_auth, &ticketer)?;
        Ok(TlsServer {
            shared: Arc::new(Shared {
                identities: Mutex::new(identities),
                client_auth,
                common,
                choose,
                ticketer,
                current: RwLock::new(current),
            }),
        })
    }
}

impl fmt::Debug for TlsServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServerBuilder")
            .field("common", &self.common)
            .finish_non_exhaustive()
    }
}
