//! `ImapClient`: the handle of a connection to an IMAP server.

use std::fmt;
use std::rc::Rc;

use deferred::{Deferred, Trigger, fail};
use imap_types::command::CommandBody;
use imap_types::mailbox::Mailbox;
use imap_types::response::Code;
use reactor::Connection;

use super::super::mailbox_name;
use super::collected::Collected;
use super::error::ImapError;
use super::event::ImapEvent;
use super::request::{Answered, Request};
use super::session::{Session, Tags};

/// A connection to an IMAP server. Clones are handles of the same connection.
///
/// - Each command is a method that returns a Deferred. Commands are sent in the order of the calls,
///   without waiting for earlier answers where IMAP allows that (RFC 3501, section 5.5).
/// - Responses that no command has asked for go to the callback of [`on_event`](Self::on_event).
/// - **Cancelling** a Deferred: a command that was not sent yet is not sent. A command that was sent
///   goes on, because IMAP cannot cancel it; its answer is dropped, and the connection stays open.
/// - Names of mailboxes are Unicode; the client encodes and decodes them for IMAP4rev1. An argument
///   cannot end its command and begin another one.
/// - When the last handle is dropped, the client logs out as soon as no command is waiting.
///
/// # Errors
///
/// Each Deferred fails with an [`ImapError`], or with the failure that has ended the connection.
///
/// # Examples
///
/// ```
/// use reactor::testing;
/// # use reactor::{Context, Lines, Protocol};
/// # struct Server;
/// # impl Protocol for Server {
/// #     type Framing = Lines;
/// #     fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
/// #         Ok(cx.send_line("* OK [CAPABILITY IMAP4rev1] ready"))
/// #     }
/// #     fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
/// #         let line = std::str::from_utf8(line)?.to_owned();
/// #         let (tag, command) = line.split_once(' ').unwrap();
/// #         match command {
/// #             "LOGIN eve sesame" => cx.send_line(format!("{tag} OK [CAPABILITY IMAP4rev1] in")),
/// #             "SELECT INBOX" => cx.send_line(format!("* 3 EXISTS\r\n{tag} OK selected")),
/// #             _ => cx.send_line(format!("* BYE bye\r\n{tag} OK")),
/// #         }
/// #         Ok(())
/// #     }
/// # }
/// use reactor_mail::ImapClient;
///
/// testing::run(|reactor| {
///     # let port = reactor.listen_tcp("192.0.2.1:143", || Server).unwrap();
///     let builder = ImapClient::builder().dangerously_in_the_clear();
///     let client = reactor.block_on(builder.connect(reactor, "192.0.2.1:143")).unwrap();
///     client.login("eve", "sesame").ignore();
///     let inbox = reactor.block_on(client.select("INBOX")).unwrap();
///     assert_eq!(inbox.exists, 3);
///     reactor.block_on(client.logout()).unwrap();
///     # port.stop_listening();
/// });
/// ```
#[derive(Clone)]
#[doc(alias = "IMAP4Client")]
pub struct ImapClient {
    handle: Rc<Handle>,
}

struct Handle {
    connection: Connection<Session>,
    tags: Rc<Tags>,
}

/// Lets the session log out, because the last handle is dropped.
impl Drop for Handle {
    fn drop(&mut self) {
        // Errs if the connection has ended; then there is nothing to end.
        let _ = self.connection.post(|session, cx| {
            session.is_abandoned = true;
            session.go_on(cx);
        });
    }
}

impl fmt::Debug for ImapClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapClient")
            .field("connection", &self.handle.connection)
            .finish_non_exhaustive()
    }
}

impl ImapClient {
    pub(super) fn new(connection: Connection<Session>, tags: Rc<Tags>) -> Self {
        let handle = Rc::new(Handle { connection, tags });
        Self { handle }
    }

    /// Sets the function that gets events: the responses that no command has asked for. It replaces
    /// an earlier one.
    pub fn on_event(&self, handler: impl FnMut(ImapEvent) + 'static) {
        // Errs if the connection has ended; then there are no more events.
        let _ = self.handle.connection.post(move |session, _| {
            session.on_event = Some(Box::new(handler));
        });
    }

    /// Begins to idle (IDLE): the server sends each change of the selected mailbox at once, as an
    /// [event](Self::on_event). [`idle_done`](Self::idle_done) or a cancel ends idling; if the
    /// connection ends, the Deferred fails.
    ///
    /// Commands can be sent all the same: they interrupt the IDLE, which begins again after them. It
    /// is also ended and begun anew after 28 minutes
    /// ([`idle_renewal`](crate::ImapClientBuilder::idle_renewal)).
    ///
    /// A second call, while the first idling has neither ended nor was cancelled, fails with
    /// [`ImapError::InvalidArgument`]. If the server ends the IDLE without being asked to, the Deferred
    /// fails with [`ImapError::IdleEnded`], and the connection goes on.
    pub fn idle(&self) -> Deferred<()> {
        let connection = self.handle.connection.clone();
        let (ended, deferred) = Deferred::with_canceller(move |_| {
            // Errs if the connection has ended, and with it the IDLE.
            let _ = connection.post(Session::idle_cancelled);
        });
        let begun = self.handle.connection.post(move |session, cx| {
            session.begin_idling(cx, ended);
        });
        match begun {
            Ok(()) => deferred,
            Err(_) => {
                deferred.ignore();
                fail(ImapError::Closed)
            }
        }
    }

    /// Ends [`idle`](Self::idle). Its Deferred fires when the server has confirmed the end.
    pub fn idle_done(&self) {
        // Errs if the connection has ended, and with it the IDLE.
        let _ = self.handle.connection.post(Session::stop_idling);
    }

    /// Sends a LOGOUT. The Deferred fires when the server has answered; then the connection closes.
    pub fn logout(&self) -> Deferred<()> {
        self.simple(Ok(CommandBody::Logout))
    }

    /// Sends `AUTHENTICATE PLAIN` with its answer.
    pub(super) fn authenticate_with(&self, answer: &[u8]) -> Deferred<()> {
        let tag = self.handle.tags.next();
        let (trigger, deferred) = self.deferred(&tag);
        self.post(Request::authenticate_plain(tag, answer, trigger));
        deferred
    }

    /// A Deferred for the command with this tag.
    fn deferred<T: 'static>(&self, tag: &str) -> (Trigger<T>, Deferred<T>) {
        let connection = self.handle.connection.clone();
        let tag = tag.to_owned();
        Deferred::with_canceller(move |_| {
            // Errs if the connection has ended: then there is nothing to cancel.
            let _ = connection.post(move |session, cx| session.cancel(cx, &tag));
        })
    }

    fn post(&self, request: Request) {
        // Errs if the connection has ended; then the request is dropped, and its Deferred fails.
        let _ = self
            .handle
            .connection
            .post(move |session, cx| session.enqueue(cx, request));
    }

    /// Sends a command, or fails if `body` is an error. The Deferred fires with the value that `get`
    /// makes of the answer.
    pub(super) fn send<T: 'static>(
        &self,
        body: Result<CommandBody<'_>, ImapError>,
        collected: Collected,
        get: impl FnOnce(Answered) -> T + 'static,
    ) -> Deferred<T> {
        let tag = self.handle.tags.next();
        let (trigger, deferred) = self.deferred(&tag);
        let request = body.and_then(|body| Request::new(tag, body, collected, trigger, get));
        match request {
            Ok(request) => {
                self.post(request);
                deferred
            }
            Err(error) => {
                // The trigger was dropped, so this Deferred fails with `Abandoned`; the caller gets
                // another one, with the error.
                deferred.ignore();
                fail(error)
            }
        }
    }

    /// Sends a command whose responses are not collected. The Deferred gives no value.
    pub(super) fn simple(&self, body: Result<CommandBody<'_>, ImapError>) -> Deferred<()> {
        self.send(body, Collected::Nothing, drop)
    }
}

/// The code that came before the answer, if there is one; else that of the answer.
pub(super) fn code((collected, code): Answered) -> Option<Code<'static>> {
    match (collected, code) {
        (Collected::Code(Some(earlier)), _) => Some(earlier),
        (_, code) => code,
    }
}

/// The encoded name of a mailbox, for a command.
pub(super) fn mailbox(name: &str) -> Result<Mailbox<'static>, ImapError> {
    let what = "the name of the mailbox";
    let mailbox = Mailbox::try_from(mailbox_name::encode(name));
    mailbox.map_err(|_| ImapError::InvalidArgument { what })
}
