//! `SmtpClient`: messages to one server, over a connection that is kept.

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

/// How long a connection is kept that has no message.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// A client of one SMTP server, which sends messages one after the other over a connection that it
/// keeps. (Twisted: `ESMTPSenderFactory`, for one message.)
///
/// It connects for the first message, and again if the server has closed the connection in the
/// meantime. After [some time](Self::with_idle_time) without a message, and when the last clone is
/// dropped, it says QUIT. Clones share the connection.
///
/// # TLS and login
///
/// By default, a message is sent as the endpoint connects, without STARTTLS. For submission (port
/// 587), use [`with_tls`](Self::with_tls) and [`with_login`](Self::with_login); for port 465, where
/// TLS begins at once, the endpoint of
/// [`TlsClient::endpoint`](reactor_tls::TlsClient::endpoint). A password is never sent in the clear,
/// unless [the name says so](Self::dangerously_with_login_in_the_clear).
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
    /// A client of `server`, which is what [`connect_tcp`](ReactorHandle::connect_tcp) takes. It
    /// does not connect yet.
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

    /// Another client: it has a connection of its own.
    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Rc::make_mut(&mut self.settings));
        // The connection of the client before has other settings: it may be without TLS or a login.
        self.kept = Rc::default();
        self
    }

    fn with_options(self, change: impl FnOnce(&mut Options)) -> Self {
        self.with(|settings| change(Rc::make_mut(&mut settings.options)))
    }

    /// Encrypts by STARTTLS; `name` is the host name that the certificate of the server must be
    /// for. A server that does not offer STARTTLS gets no message: an attacker could have taken
    /// the offer away. An endpoint with TLS is encrypted already.
    ///
    /// # Errors
    ///
    /// `name` is no host name.
    pub fn with_tls(self, tls: TlsClient, name: &str) -> Result<Self, TlsConfigError> {
        self.with_start_tls(tls, name, true)
    }

    /// As [`with_tls`](Self::with_tls), but to a server that does not offer STARTTLS, messages go
    /// in the clear. It is for servers that take mail for their own users, many of which have no
    /// valid certificate. With a login, encryption is still needed.
    ///
    /// # Errors
    ///
    /// `name` is no host name.
    pub fn with_tls_if_offered(self, tls: TlsClient, name: &str) -> Result<Self, TlsConfigError> {
        self.with_start_tls(tls, name, false)
    }

    fn with_start_tls(
        self,
        client: TlsClient,
        name: &str,
        is_required: bool,
    ) -> Result<Self, TlsConfigError> {
        // Only to find a wrong name here, and not at the first message.
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

    /// The name that this side gives itself (EHLO). Unless this is set, it is the address from
    /// which it connects; a server that takes mail for its users expects the name of a host.
    #[must_use]
    pub fn with_hello(self, name: impl Into<String>) -> Self {
        self.with_options(|options| options.hello = Some(name.into()))
    }

    /// How long the connection is kept without a message: 30 seconds unless this is set, and 10
    /// minutes at most.
    #[must_use]
    pub fn with_idle_time(self, time: Duration) -> Self {
        self.with(|settings| settings.idle_time = time)
    }

    /// Sends a message, after those before it, as [`send_mail`](crate::send_mail) does. Cancelling
    /// closes the connection if the message is being sent.
    ///
    /// If a kept connection turns out to be closed before the message has begun, the message is
    /// sent over a new one.
    ///
    /// # Errors
    ///
    /// As those of [`send_mail`](crate::send_mail). The client remains of use.
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

    /// Says QUIT after the messages before, and fires when the connection is closed. A message
    /// after that opens a new one.
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

/// The connection of a client, for the next message.
#[derive(Default)]
struct Kept {
    /// Held while a message is being sent.
    // With it, `session` and `idle` change only in one send or quit at a time, and in the timer.
    lock: DeferredLock,
    /// Taken by each message, and put back if it can be used again.
    session: RefCell<Option<Session>>,
    /// Ends the session that is kept.
    idle: RefCell<Option<DelayedCall>>,
}

impl Kept {
    async fn send(self: &Rc<Self>, settings: &Settings, mail: &Mail) -> Result<Sent> {
        // Taken out: if this body is cancelled, the session is dropped with it, and not used again
        // in the middle of a message.
        if let Some(session) = self.take().filter(Session::is_open) {
            let result = session.send(mail).await;
            // A server closes idle connections when it likes, so that is no failure of the message.
            // With the message in doubt, a second attempt could deliver it twice.
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
            // Does nothing if it has run: then there is no session.
            idle.cancel();
        }
        self.session.take()
    }

    fn keep(self: &Rc<Self>, session: Session, settings: &Settings) {
        if !session.is_open() {
            return;
        }
        self.session.replace(Some(session));
        // Weak: the timer must not keep the client, whose drop says QUIT.
        let kept = Rc::downgrade(self);
        let quit = move || {
            // No send can be on its way: it would have taken the session, and cancelled this timer.
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

/// Whether the connection had been closed, or was being closed.
fn is_lost(failure: &Failure) -> bool {
    let is_goodbye = |error: &SmtpError| match error {
        SmtpError::Refused { reply, .. } => reply.code() == 421,
        error => *error == SmtpError::HungUp,
    };
    failure.check().is_some_and(is_goodbye) || failure.is::<ConnectionClosed>()
}
