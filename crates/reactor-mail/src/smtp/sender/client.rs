//! `SmtpClient`: sends messages to one server, over a connection that is kept.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, DeferredLock, DelayedCall, Failure, Result, fail, inline_callbacks};
use reactor::{ClientEndpoint, ConnectionClosed, ReactorHandle};
use reactor_tls::{TlsClient, TlsConfigError};

use super::mail::Mail;
use super::options::{Login, Options, StartTlsOptions};
use super::sent::Sent;
use super::session::Session;
use crate::smtp::smtp_error::SmtpError;

/// Time for which a connection is kept without a message.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// A client of one SMTP server, which sends messages one after the other over a connection that it
/// keeps. (Twisted: `ESMTPSenderFactory`, for one message.)
///
/// It connects for the first message, and again if the server has closed the connection since the
/// last one. After [`with_idle_time`](Self::with_idle_time) without a message, and when the last clone
/// is dropped, it sends QUIT and closes the connection. Clones share the connection.
///
/// # TLS and login
///
/// By default, STARTTLS is not used, so a message is encrypted only if the endpoint uses TLS. For
/// submission (port 587), use [`with_tls`](Self::with_tls) and [`with_login`](Self::with_login); for
/// port 465, where TLS begins at once, the endpoint of
/// [`TlsClient::endpoint`](reactor_tls::TlsClient::endpoint). A password is never sent in the clear,
/// except with
/// [`dangerously_with_login_in_the_clear`](Self::dangerously_with_login_in_the_clear).
///
/// # Examples
///
/// ```
/// # use deferred::{Deferred, succeed};
/// # use reactor_mail::{Delivery, Envelope, Message, Recipient, SmtpServer};
/// use reactor::testing;
/// use reactor_mail::SmtpClient;
/// # struct Inbox;
/// # impl Delivery for Inbox {
/// #     fn validate_to(&self, _: &Envelope, _: &Recipient) -> Deferred<()> { succeed(()) }
/// #     fn begin(&self, _: &Envelope) -> Deferred<Box<dyn Message>> { succeed(Box::new(Text)) }
/// # }
/// # struct Text;
/// # impl Message for Text {
/// #     fn data(&mut self, _: &[u8]) -> Deferred<()> { succeed(()) }
/// #     fn end(self: Box<Self>) -> Deferred<()> { succeed(()) }
/// # }
///
/// testing::run(|reactor| {
///     # let inbox = SmtpServer::new("mail.example.org", Inbox);
///     # let port = reactor.listen_tcp("192.0.2.1:25", inbox).unwrap();
///     let client = SmtpClient::new(reactor, "192.0.2.1:25");
///     for subject in ["one", "two"] {
///         let message = format!("Subject: {subject}\r\n\r\nHello!\r\n");
///         let sent = client.send("eve@example.org", &["bob@example.org"], message);
///         assert_eq!(reactor.block_on(sent).unwrap().reply.code(), 250);
///     }
///     reactor.block_on(client.quit()).unwrap();
///     # port.stop_listening();
/// });
/// ```
#[doc(alias = "ESMTPSenderFactory")]
#[derive(Clone)]
pub struct SmtpClient {
    settings: Rc<Settings>,
    kept: Rc<Kept>,
}

#[derive(Clone)]
struct Settings {
    reactor: ReactorHandle,
    server: Rc<dyn ClientEndpoint>,
    options: Rc<Options>,
    idle_time: Duration,
}

impl SmtpClient {
    /// A client of `server`: an address or endpoint, as for
    /// [`connect_tcp`](ReactorHandle::connect_tcp). It does not connect yet.
    pub fn new(reactor: &ReactorHandle, server: impl ClientEndpoint + 'static) -> Self {
        let settings = Settings {
            reactor: reactor.clone(),
            server: Rc::new(server),
            options: Rc::default(),
            idle_time: IDLE_TIME,
        };
        Self {
            settings: Rc::new(settings),
            kept: Rc::default(),
        }
    }

    /// Changes the settings. The result has a connection of its own.
    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Rc::make_mut(&mut self.settings));
        // A connection that clones share was opened with the old settings, perhaps without TLS or a
        // login.
        self.kept = Rc::default();
        self
    }

    fn with_options(self, change: impl FnOnce(&mut Options)) -> Self {
        self.with(|settings| change(Rc::make_mut(&mut settings.options)))
    }

    /// Encrypts by STARTTLS; the certificate of the server must be valid for the host name `name`. A
    /// server that does not offer STARTTLS gets no message, because an attacker could have removed
    /// the offer. If the endpoint uses TLS already, STARTTLS is not used.
    ///
    /// # Errors
    ///
    /// If `name` is not a valid host name.
    pub fn with_tls(self, tls: TlsClient, name: &str) -> Result<Self, TlsConfigError> {
        self.with_start_tls(tls, name, true)
    }

    /// As [`with_tls`](Self::with_tls), but messages go in the clear to a server that does not offer
    /// STARTTLS: for servers that receive mail for their own users, some of which have no TLS. A
    /// login still requires encryption.
    ///
    /// # Errors
    ///
    /// If `name` is not a valid host name.
    pub fn with_tls_if_offered(self, tls: TlsClient, name: &str) -> Result<Self, TlsConfigError> {
        self.with_start_tls(tls, name, false)
    }

    fn with_start_tls(
        self,
        client: TlsClient,
        name: &str,
        is_required: bool,
    ) -> Result<Self, TlsConfigError> {
        // The filter is dropped: it is made only to find an invalid name here, and not at the first
        // message.
        client.filter(name)?; // checks the name
        let name = name.to_owned();
        let tls = StartTlsOptions {
            client,
            name,
            is_required,
        };
        Ok(self.with_options(|options| options.tls = Some(tls)))
    }

    /// Logs in (AUTH PLAIN or LOGIN), once the connection is encrypted: if it is not, sending
    /// fails with [`SmtpError::NotEncrypted`].
    #[must_use]
    pub fn with_login(self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.with_password(name.into(), password.into(), false)
    }

    /// As [`with_login`](Self::with_login), also without encryption: anyone who listens on the
    /// network reads the password.
    #[must_use]
    pub fn dangerously_with_login_in_the_clear(
        self,
        name: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        self.with_password(name.into(), password.into(), true)
    }

    fn with_password(self, name: String, password: String, in_the_clear: bool) -> Self {
        let login = Login {
            name,
            password,
            in_the_clear,
        };
        self.with_options(|options| options.login = Some(login))
    }

    /// The name by which the client introduces itself (EHLO). Unless this is set, it is the local IP
    /// address of the connection. Servers that receive mail for their own users expect a host name.
    #[must_use]
    pub fn with_hello(self, name: impl Into<String>) -> Self {
        self.with_options(|options| options.hello = Some(name.into()))
    }

    /// Time for which the connection is kept without a message: 30 seconds unless this is set. It is
    /// closed after 10 minutes in any case.
    #[must_use]
    pub fn with_idle_time(self, time: Duration) -> Self {
        self.with(|settings| settings.idle_time = time)
    }

    /// Sends a message as [`send_mail`](crate::send_mail) does, after the earlier messages of this
    /// client. Cancelling closes the connection if this message is being sent.
    ///
    /// If a kept connection turns out to be closed before the message has begun, the message is
    /// sent over a new one.
    ///
    /// # Errors
    ///
    /// As those of [`send_mail`](crate::send_mail). Further messages can be sent after an error.
    #[doc(alias = "sendmail")]
    pub fn send(&self, from: &str, to: &[&str], message: impl AsRef<[u8]>) -> Deferred<Sent> {
        let mail = match Mail::new(from, to, message.as_ref()) {
            Ok(mail) => mail,
            Err(error) => return fail(error),
        };
        let (settings, kept) = (Rc::clone(&self.settings), Rc::clone(&self.kept));
        inline_callbacks(async move {
            // Released by its drop, also when the body is cancelled.
            let _turn = kept.lock.acquire().await?;
            kept.send(&settings, &mail).await
        })
    }

    /// Sends QUIT after the earlier messages. The Deferred fires when the connection is closed. A
    /// later message opens a new connection.
    pub fn quit(&self) -> Deferred<()> {
        let kept = Rc::clone(&self.kept);
        inline_callbacks(async move {
            let _turn = kept.lock.acquire().await?;
            let Some(session) = kept.take() else {
                return Ok(());
            };
            let closed = session.closed();
            session.quit();
            closed.await
        })
    }
}

impl fmt::Debug for SmtpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpClient")
            .field("options", &self.settings.options)
            .finish_non_exhaustive()
    }
}

/// The connection of a client, kept for the next message.
#[derive(Default)]
struct Kept {
    /// Held while a message is being sent.
    // So only one `send` or `quit` at a time changes `session` and `idle`, besides the timer.
    lock: DeferredLock,
    /// Taken by each message, and put back if it can be used again.
    session: RefCell<Option<Session>>,
    /// The timer that ends the kept session.
    idle: RefCell<Option<DelayedCall>>,
}

impl Kept {
    async fn send(self: &Rc<Self>, settings: &Settings, mail: &Mail) -> Result<Sent> {
        // Taken out: if this body is cancelled, the session is dropped with it, and not used again
        // in the middle of a message.
        if let Some(session) = self.take().filter(Session::is_open) {
            let result = session.send(mail).await;
            // The server may have closed the idle connection, which is no reason for the message to
            // fail, so it is sent again. Not if it is in doubt, since it could be delivered twice.
            let was_stale = result.as_ref().is_err_and(is_lost) && !session.is_in_doubt();
            if !was_stale {
                self.keep(session, settings);
                return result;
            }
        }
        let Settings {
            reactor,
            server,
            options,
            ..
        } = settings;
        let session = Session::open(reactor, server, Rc::clone(options)).await?;
        let result = session.send(mail).await;
        self.keep(session, settings);
        result
    }

    fn take(&self) -> Option<Session> {
        if let Some(idle) = self.idle.take() {
            // Does nothing if the timer has fired: then there is no session.
            idle.cancel();
        }
        self.session.take()
    }

    fn keep(self: &Rc<Self>, session: Session, settings: &Settings) {
        if !session.is_open() {
            return;
        }
        self.session.replace(Some(session));
        // Weak: the timer must not keep the client alive, whose drop sends QUIT.
        let kept = Rc::downgrade(self);
        let quit = move || {
            // No `send` can be running: it would have taken the session, and cancelled this timer.
            if let Some(session) = kept.upgrade().and_then(|kept| kept.take()) {
                session.quit();
            }
        };
        let idle = settings.reactor.call_later(settings.idle_time, quit);
        self.idle.replace(Some(idle));
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(session) = self.take() {
            session.quit();
        }
    }
}

/// Whether the failure means that the server has closed the connection, or is closing it.
fn is_lost(failure: &Failure) -> bool {
    let is_goodbye = |error: &SmtpError| match error {
        SmtpError::Refused { reply, .. } => reply.code() == 421,
        error => *error == SmtpError::HungUp,
    };
    failure.check().is_some_and(is_goodbye) || failure.is::<ConnectionClosed>()
}
