//! `SmtpServer`: what the connections of an SMTP server have in common.

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
    /// A server that calls itself `name`, without TLS, and in which none may log in.
    pub fn new(name: impl Into<String>, delivery: impl Delivery) -> Self {
        let settings = Settings {
            name: name.into(),
            delivery: Rc::new(delivery),
            tls: None,
            login: LoginPolicy::Never,
            max_size: 32 * 1024 * 1024,
            // The least that a server has to take (RFC 5321, section 4.5.3.1.8).
            max_recipients: 100,
            max_errors: 20,
            // The least that a server has to wait (RFC 5321, section 4.5.3.2.7).
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

    /// Lets clients log in (AUTH PLAIN and LOGIN) once the connection is encrypted;
    /// [`Delivery::login`] checks them, [`Envelope::login`](crate::Envelope::login) tells which
    /// one it was.
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

    /// How many bytes a message may have: 32 MiB unless this is set.
    #[must_use]
    pub fn with_max_size(self, bytes: u64) -> Self {
        self.with(|settings| settings.max_size = bytes)
    }

    /// How many recipients a message may have: 100 unless this is set.
    #[must_use]
    pub fn with_max_recipients(self, recipients: usize) -> Self {
        self.with(|settings| settings.max_recipients = recipients)
    }

    /// How many commands of a connection may be refused before it is closed: 20 unless this is set.
    #[must_use]
    pub fn with_max_errors(self, errors: u32) -> Self {
        self.with(|settings| settings.max_errors = errors)
    }

    /// How long a client may send nothing: 5 minutes unless this is set.
    #[must_use]
    pub fn with_idle_timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.idle_timeout = timeout)
    }

    /// How long a message may take, from DATA or its first chunk to its end: an hour unless this is
    /// set. A client that sends a byte now and then is never silent, but would never end.
    #[must_use]
    pub fn with_message_timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.message_timeout = timeout)
    }

    /// How long a connection may last: 2 hours unless this is set. A message that is being
    /// delivered then is delivered.
    #[must_use]
    pub fn with_session_timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.session_timeout = timeout)
    }

    /// How many logins of a connection may fail before it is closed: 3 unless this is set.
    #[must_use]
    pub fn with_max_failed_logins(self, logins: u32) -> Self {
        self.with(|settings| settings.max_failed_logins = logins)
    }

    /// How long a client waits for the reply to a login that failed: 2 seconds unless this is set.
    /// A program that guesses passwords needs that time for each. Many connections at once are
    /// quicker: bound them with [`ConnectionLimits`](reactor::endpoint::ConnectionLimits).
    #[must_use]
    pub fn with_failed_login_delay(self, delay: Duration) -> Self {
        self.with(|settings| settings.failed_login_delay = delay)
    }

    /// Puts no `Received` header before messages. By default there is one, as RFC 5321 wants it: it
    /// names the client, its address and the time, and the recipient if there is only one.
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
