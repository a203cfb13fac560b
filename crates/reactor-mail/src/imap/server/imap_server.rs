//! `ImapServer`: factory and settings of the connections of an IMAP server.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use reactor::{Address, Factory};
use reactor_tls::TlsServer;

use super::imap_settings::Settings;
use super::session::ImapSession;
use crate::store::Login;

const MAX_SIZE: u32 = 32 * 1024 * 1024;

const MAX_ERRORS: u32 = 20;

const MAX_FAILED_LOGINS: u32 = 3;

const FAILED_LOGIN_DELAY: Duration = Duration::from_secs(2);

const LOGIN_TIMEOUT: Duration = Duration::from_secs(60);

/// The shortest time that RFC 3501 (5.4) allows.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// An IMAP server: give it to `listen_tcp`. (Twisted: `IMAP4Server`.)
///
/// It supports IMAP4rev1 with IDLE, LITERAL+, MOVE, NAMESPACE, SASL-IR, UIDPLUS and UNSELECT. Clients
/// can log in only when the connection is encrypted, except with
/// [`dangerously_with_login_in_the_clear`](Self::dangerously_with_login_in_the_clear).
///
/// If the store fails with a [`MailboxError`](crate::MailboxError), the client gets its text. Any
/// other failure, and each panic, is logged with its origin and the stages that it has passed, and the
/// client gets only "local error".
///
/// # Examples
///
/// ```
/// use reactor::Reactor;
/// use reactor_mail::{ImapServer, MemoryMail};
///
/// let mail = MemoryMail::new().with_account("bob", "sesame");
/// let reactor = Reactor::new()?;
/// reactor.listen_tcp("127.0.0.1:0", ImapServer::new("mail.example.org", mail))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ImapServer {
    settings: Rc<Settings>,
}

impl ImapServer {
    /// A server with the host name `name`, without TLS.
    pub fn new(name: impl Into<String>, login: impl Login) -> Self {
        let settings = Settings {
            name: name.into(),
            login: Rc::new(login),
            tls: None,
            allows_clear_login: false,
            max_size: MAX_SIZE,
            max_errors: MAX_ERRORS,
            max_failed_logins: MAX_FAILED_LOGINS,
            failed_login_delay: FAILED_LOGIN_DELAY,
            login_timeout: LOGIN_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
        };
        Self {
            settings: Rc::new(settings),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Rc::make_mut(&mut self.settings));
        self
    }

    /// Offers STARTTLS. For TLS from the beginning (port 993), put it
    /// [in the endpoint](reactor_tls::TlsServer::endpoint).
    #[must_use]
    pub fn with_tls(self, tls: TlsServer) -> Self {
        self.with(|settings| settings.tls = Some(tls))
    }

    /// Lets clients log in also without encryption: anyone who listens on the network reads
    /// the passwords.
    #[must_use]
    pub fn dangerously_with_login_in_the_clear(self) -> Self {
        self.with(|settings| settings.allows_clear_login = true)
    }

    /// Most bytes of a message that a client appends: 32 MiB unless this is set.
    #[must_use]
    pub fn with_max_size(self, bytes: u32) -> Self {
        self.with(|settings| settings.max_size = bytes)
    }

    /// Number of errors after which a connection is closed: 20 unless this is set. Malformed commands
    /// count always, refused ones only before the login.
    #[must_use]
    pub fn with_max_errors(self, errors: u32) -> Self {
        self.with(|settings| settings.max_errors = errors)
    }

    /// Number of failed logins after which the connection is closed: 3 unless this is set.
    #[must_use]
    pub fn with_max_failed_logins(self, logins: u32) -> Self {
        self.with(|settings| settings.max_failed_logins = logins)
    }

    /// Delay of the reply to a failed login: 2 seconds unless this is set. During the delay, nothing
    /// is read from the client.
    #[must_use]
    pub fn with_failed_login_delay(self, delay: Duration) -> Self {
        self.with(|settings| settings.failed_login_delay = delay)
    }

    /// Time within which a client must log in: 60 seconds unless this is set.
    #[must_use]
    pub fn with_login_timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.login_timeout = timeout)
    }

    /// Time after which a connection is closed if a client that has logged in sends nothing, also in
    /// IDLE: 30 minutes unless this is set, which is the shortest time that the protocol allows.
    #[must_use]
    pub fn with_idle_timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.idle_timeout = timeout)
    }

    /// The protocol of one connection.
    pub fn session(&self) -> ImapSession {
        ImapSession::new(Rc::clone(&self.settings))
    }
}

impl Factory for ImapServer {
    type Protocol = ImapSession;

    fn build_protocol(&mut self, _peer: &Address) -> Option<ImapSession> {
        Some(self.session())
    }
}

impl fmt::Debug for ImapServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapServer")
            .field("name", &self.settings.name)
            .finish_non_exhaustive()
    }
}
