//! `ImapClientBuilder`: how an IMAP client connects.

use std::time::Duration;

use deferred::Deferred;
use reactor::{ClientEndpoint, ReactorHandle, ask};
use reactor_tls::TlsClient;

use super::framing::MAX_RESPONSE;
use super::handle::ImapClient;
use super::session::{Session, Settings};

/// How long a server may say nothing while something is expected of it.
const TIMEOUT: Duration = Duration::from_secs(60);
/// A server may hang up after 30 minutes, and so may what is between (RFC 2177).
const IDLE_RENEWAL: Duration = Duration::from_secs(1_680);

/// How an [`ImapClient`] connects.
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

    /// Encrypts a connection by STARTTLS before anything else is sent, with a certificate for
    /// `name`. If the server refuses, connecting fails. Over an endpoint that is encrypted, this
    /// does nothing.
    pub fn with_starttls(mut self, client: &TlsClient, name: &str) -> Self {
        self.settings.starttls = Some((client.clone(), name.to_owned()));
        self
    }

    /// Takes a connection that is not encrypted: anyone on the way can read the password and the
    /// mail, and change both. For servers on the same machine.
    pub fn dangerously_in_the_clear(mut self) -> Self {
        self.settings.allows_cleartext = true;
        self
    }

    /// How long nothing may come or go while a command waits for its answer; a minute by default.
    /// Then the connection is closed, and the commands fail with
    /// [`ImapError::TimedOut`](crate::ImapError::TimedOut).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// The most bytes that a response may have, with its literals, unless they are bodies that
    /// are [streamed](ImapClient::fetch_streamed); 8 MiB by default. After a longer one, the
    /// connection is closed.
    pub fn max_response(mut self, bytes: usize) -> Self {
        self.settings.max_response = bytes;
        self
    }

    /// How often IDLE is begun anew; after 28 minutes by default, because servers may hang up
    /// after 30.
    pub fn idle_renewal(mut self, interval: Duration) -> Self {
        self.settings.idle_renewal = interval;
        self
    }

    /// Connects, encrypts the connection if it is to be, and asks what the server can do.
    ///
    /// `server` is what [`connect_tcp`](ReactorHandle::connect_tcp) takes; for TLS from the
    /// beginning (port 993), the [endpoint of a `TlsClient`](TlsClient::endpoint). Cancelling
    /// ends the attempt.
    ///
    /// # Errors
    ///
    /// Through the Deferred: [`ImapError`](crate::ImapError), or what connecting and TLS fail
    /// with.
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
    /// How to connect.
    pub fn builder() -> ImapClientBuilder {
        ImapClientBuilder::new()
    }

    /// Connects to an endpoint that encrypts, as the one of
    /// [`TlsClient::endpoint`](reactor_tls::TlsClient::endpoint). For STARTTLS, and for servers
    /// without encryption, see [`builder`](Self::builder).
    pub fn connect(reactor: &ReactorHandle, server: impl ClientEndpoint) -> Deferred<Self> {
        Self::builder().connect(reactor, server)
    }
}
