//! `SmtpServer`: factory and settings of the connections of an SMTP server.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use reactor::{Address, Factory};
use reactor_tls::TlsServer;

use super::delivery::Delivery;
use super::receiver::SmtpReceiver;
use super::smtp_settings::{LoginPolicy, Settings};

/// An SMTP server: give it to `listen_tcp`. (Twisted: `SMTPFactory`, `ESMTP`.)
///
/// # Examples
///
/// ```
/// # use deferred::{Deferred, fail};
/// # use reactor::Reactor;
/// use reactor_mail::{Delivery, Envelope, Message, Recipient, SmtpReply, SmtpServer};
///
/// struct Nothing;
///
/// impl Delivery for Nothing {
///     fn validate_to(&self, _: &Envelope, _: &Recipient) -> Deferred<()> {
///         fail(SmtpReply::new(550, "5.1.1 no such user"))
///     }
///
///     fn begin(&self, _: &Envelope) -> Deferred<Box<dyn Message>> {
///         fail(SmtpReply::new(554, "5.3.0 no message is taken"))
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// reactor.listen_tcp("127.0.0.1:0", SmtpServer::new("mail.example.org", Nothing))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SmtpServer {
    pub(super) settings: Rc<Settings>,
}

impl SmtpServer {
    /// A server with the host name `name`, without TLS and without logins.
    pub fn new(name: impl Into<String>, delivery: impl Delivery) -> Self {
        let settings = Settings {
            name: name.into(),
            delivery: Rc::new(delivery),
            tls: None,
            login: LoginPolicy::Never,
            max_size: 32 * 1024 * 1024,
            // The minimum that a server must accept (RFC 5321, section 4.5.3.1.8).
            max_recipients: 100,
            max_errors: 20,
            // The minimum that a server must wait (RFC 5321, section 4.5.3.2.7).
            idle_timeout: Duration::from_secs(300),
            message_timeout: Duration::from_secs(3600),
            session_timeout: Duration::from_secs(7200),
            max_failed_logins: 3,
            failed_login_delay: Duration::from_secs(2),
            has_received_header: true,
        };
        Self {
            settings: Rc::new(settings),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Rc::make_mut(&mut self.settings));
        self
    }

    /// Offers STARTTLS. For TLS from the beginning (port 465), put it
    /// [in the endpoint](reactor_tls::TlsServer::endpoint).
    #[must_use]
    pub fn with_tls(self, tls: TlsServer) -> Self {
        self.with(|settings| settings.tls = Some(tls))
    }

    /// Lets clients log in (AUTH PLAIN and LOGIN) once the connection is encrypted.
    /// [`Delivery::login`] checks the password; [`Envelope::login`](crate::Envelope::login) has the
    /// name.
    #[must_use]
    pub fn with_login(self) -> Self {
        self.with(|settings| settings.login = LoginPolicy::Encrypted)
    }

    /// As [`with_login`](Self::with_login), also without encryption: anyone who listens on the
    /// network reads the passwords.
    #[must_use]
    pub fn dangerously_with_login_in_the_clear(self) -> Self {
        self.with(|settings| settings.login = LoginPolicy::Always)
    }

    /// Most bytes of a message: 32 MiB unless this is set.
    #[must_use]
    pub fn with_max_size(self, bytes: u64) -> Self {
        self.with(|settings| settings.max_size = bytes)
    }

    /// Most recipients of a message: 100 unless this is set.
    #[must_use]
    pub fn with_max_recipients(self, recipients: usize) -> Self {
        self.with(|settings| settings.max_recipients = recipients)
    }

    /// Number of refused commands after which the connection is closed: 20 unless this is set.
    #[must_use]
    pub fn with_max_errors(self, errors: u32) -> Self {
        self.with(|settings| settings.max_errors = errors)
    }

    /// Time after which a connection is closed if the client sends nothing: 5 minutes unless this is
    /// set.
    #[must_use]
    pub fn with_idle_timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.idle_timeout = timeout)
    }

    /// Most time for a message, from DATA or its first chunk to its end: 1 hour unless this is set. The
    /// idle timeout does not stop a client that sends a byte now and then; this limit does.
    #[must_use]
    pub fn with_message_timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.message_timeout = timeout)
    }

    /// Most time for a connection: 2 hours unless this is set. If a message is being delivered at that
    /// time, the connection is closed after the reply to it.
    #[must_use]
    pub fn with_session_timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.session_timeout = timeout)
    }

    /// Number of failed logins after which the connection is closed: 3 unless this is set.
    #[must_use]
    pub fn with_max_failed_logins(self, logins: u32) -> Self {
        self.with(|settings| settings.max_failed_logins = logins)
    }

    /// Delay of the reply to a failed login: 2 seconds unless this is set. It slows down programs that
    /// guess passwords. They can still guess over many connections at once: limit those with
    /// [`ConnectionLimits`](reactor::endpoint::ConnectionLimits).
    #[must_use]
    pub fn with_failed_login_delay(self, delay: Duration) -> Self {
        self.with(|settings| settings.failed_login_delay = delay)
    }

    /// Puts no `Received` header before messages. By default there is one, as RFC 5321 demands. It has
    /// the name and the address of the client, the time, and the recipient if there is only one.
    #[must_use]
    pub fn without_received_header(self) -> Self {
        self.with(|settings| settings.has_received_header = false)
    }

    /// The protocol of one connection.
    pub fn receiver(&self) -> SmtpReceiver {
        SmtpReceiver::new(Rc::clone(&self.settings))
    }
}

impl Factory for SmtpServer {
    type Protocol = SmtpReceiver;

    fn build_protocol(&mut self, _peer: &Address) -> Option<SmtpReceiver> {
        Some(self.receiver())
    }
}

impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpServer")
            .field("name", &self.settings.name)
            .finish_non_exhaustive()
    }
}
