//! `ImapClientBuilder`: settings with which an IMAP client connects.

use std::time::Duration;

use deferred::Deferred;
use reactor::{ClientEndpoint, ReactorHandle, ask};
use reactor_tls::TlsClient;

use super::framing::MAX_RESPONSE;
use super::handle::ImapClient;
use super::session::{Session, Settings};

/// Time after which a connection is closed if nothing is received or sent while a command waits for its
/// answer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Time after which an IDLE is ended and begun anew: 28 minutes, because a server may close a connection
/// that idles for 30 minutes (RFC 2177).
const IDLE_RENEWAL: Duration = Duration::from_secs(1_680);

/// Settings with which an [`ImapClient`] connects.
///
/// By default, the connection must be encrypted: by the endpoint (port 993), or by
/// [`with_starttls`](Self::with_starttls) (port 143).
///
/// # Examples
///
/// ```
/// use deferred::Deferred;
/// use reactor::ReactorHandle;
/// use reactor_mail::ImapClient;
/// use reactor_tls::TlsClient;
///
/// fn connect(reactor: &ReactorHandle, tls: &TlsClient) -> Deferred<ImapClient> {
///     let name = "imap.example.org";
///     ImapClient::builder().with_starttls(tls, name).connect(reactor, (name, 143))
/// }
/// # let _ = connect;
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until `connect`"]
pub struct ImapClientBuilder {
    settings: Settings,
}

impl ImapClientBuilder {
    pub(super) fn new() -> Self {
        Self {
            settings: Settings {
                starttls: None,
                allows_cleartext: false,
                timeout: TIMEOUT,
                max_response: MAX_RESPONSE,
                idle_renewal: IDLE_RENEWAL,
            },
        }
    }

    /// Encrypts the connection by STARTTLS before anything else is sent. The certificate of the server
    /// must be valid for the host name `name`. If the server refuses STARTTLS, connecting fails. If
    /// the endpoint uses TLS already, this does nothing.
    pub fn with_starttls(mut self, client: &TlsClient, name: &str) -> Self {
        self.settings.starttls = Some((client.clone(), name.to_owned()));
        self
    }

    /// Allows a connection that is not encrypted: anyone on the network path can read and change the
    /// password and the mail. For servers on the same machine.
    pub fn dangerously_in_the_clear(mut self) -> Self {
        self.settings.allows_cleartext = true;
        self
    }

    /// Time after which the connection is closed if nothing is received or sent while a command waits
    /// for its answer; 1 minute by default. The commands then fail with
    /// [`ImapError::TimedOut`](crate::ImapError::TimedOut).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Most bytes of a response with its literals; 8 MiB by default. Bodies that are
    /// [streamed](ImapClient::fetch_streamed) do not count. If a response is longer, the connection is
    /// closed.
    pub fn max_response(mut self, bytes: usize) -> Self {
        self.settings.max_response = bytes;
        self
    }

    /// Time after which an IDLE is ended and begun anew; 28 minutes by default, because servers may
    /// close a connection that idles for 30 minutes.
    pub fn idle_renewal(mut self, interval: Duration) -> Self {
        self.settings.idle_renewal = interval;
        self
    }

    /// Connects, encrypts the connection if [`with_starttls`](Self::with_starttls) was called, and
    /// asks for the capabilities of the server.
    ///
    /// `server` is an address or endpoint, as for [`connect_tcp`](ReactorHandle::connect_tcp); for TLS
    /// from the beginning (port 993), the [endpoint of a `TlsClient`](TlsClient::endpoint). Cancelling
    /// ends the attempt.
    ///
    /// # Errors
    ///
    /// Through the Deferred: [`ImapError`](crate::ImapError), or the error of connecting or of TLS.
    pub fn connect(
        &self,
        reactor: &ReactorHandle,
        server: impl ClientEndpoint,
    ) -> Deferred<ImapClient> {
        let settings = self.settings.clone();
        ask(reactor, server, |opened| Session::new(settings, opened))
    }
}

impl ImapClient {
    /// A builder with the default settings.
    pub fn builder() -> ImapClientBuilder {
        ImapClientBuilder::new()
    }

    /// Connects to an endpoint that uses TLS, such as that of
    /// [`TlsClient::endpoint`](reactor_tls::TlsClient::endpoint). For STARTTLS, and for servers
    /// without encryption, see [`builder`](Self::builder).
    pub fn connect(reactor: &ReactorHandle, server: impl ClientEndpoint) -> Deferred<Self> {
        Self::builder().connect(reactor, server)
    }
}
