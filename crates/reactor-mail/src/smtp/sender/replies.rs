//! `Conversation`: a connection on which commands are sent and their replies awaited; `Replies` is its
//! protocol.

use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::{Rc, Weak};
use std::time::Duration;

use deferred::{Deferred, Failure, Result, Trigger, fail};
use reactor::{ClientEndpoint, Connect, Connection, ConnectionClosed, Context, Lines, Protocol};
use reactor::{ReactorHandle, filter::Filter};

use crate::smtp::smtp_error::SmtpError;
use crate::smtp::smtp_reply::SmtpReply;

/// Time after which a connection is closed if nothing is received or sent. The timeouts in RFC 5321
/// (section 4.5.3.2) are 10 minutes at most.
const REPLY_TIMEOUT: Duration = Duration::from_secs(600);
/// Most lines of a reply.
// Replies to EHLO are the longest, with a line for each extension.
const MAX_REPLY_LINES: usize = 100;

/// A connection to a server, on which commands are sent and their replies awaited.
#[derive(Clone)]
pub(super) struct Conversation {
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Set by `connection_made`, taken by `connection_lost`.
    connection: RefCell<Option<Connection<Replies>>>,
    // Only one: a session sends one message at a time, and each exchange waits for the one before.
    // Taken before its trigger fires, since a callback may send the next command at once.
    waiter: RefCell<Option<Waiter>>,
    /// No further reply is expected: the connection is lost or being closed.
    // Set by QUIT, by an abort, by a reply that ends the session and by `connection_lost`; never
    // cleared.
    has_ended: Cell<bool>,
}

/// Collects the replies to commands.
struct Waiter {
    /// The last of the commands.
    command: &'static str,
    /// Number of replies to wait for.
    count: usize,
    replies: Vec<SmtpReply>,
    done: Trigger<Vec<SmtpReply>>,
}

impl Conversation {
    /// Connects, and waits for the greeting. Cancelling aborts the connection.
    pub(super) fn begin(
        reactor: &ReactorHandle,
        server: &impl ClientEndpoint,
    ) -> Deferred<(Self, SmtpReply)> {
        let this = Self {
            shared: Rc::default(),
        };
        // Before connecting, because the greeting may arrive together with the connection.
        let greeting = this.wait("connect", 1);
        let replies = Replies {
            shared: Rc::clone(&this.shared),
            lines: Vec::new(),
        };
        server
            .connect(reactor, replies)
            .add_both(|connected| match connected {
                Ok(_) => greeting.map_ok(|mut replies| (this, replies.remove(0))),
                Err(failure) => {
                    // The attempt has failed, so its greeting is not needed.
                    greeting.ignore();
                    fail(failure)
                }
            })
    }

    pub(super) fn connection(&self) -> Option<Connection<Replies>> {
        self.shared.connection.borrow().clone()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.shared.has_ended.get()
    }

    /// Waits for the next `count` replies, the last of which is that to `command`. A reply with code
    /// 421 ends the conversation. Cancelling aborts the connection.
    pub(super) fn wait(&self, command: &'static str, count: usize) -> Deferred<Vec<SmtpReply>> {
        if self.has_ended() {
            return fail(SmtpError::HungUp);
        }
        // Weak, to avoid a cycle: `shared` owns the waiter, whose trigger belongs to the Deferred with
        // the canceller.
        let shared = Rc::downgrade(&self.shared);
        let (done, replies) = Deferred::with_canceller(move |_| abort(&shared));
        let waiter = Waiter {
            command,
            count,
            replies: Vec::with_capacity(count),
            done,
        };
        self.shared.waiter.replace(Some(waiter));
        replies
    }

    /// Sends `text`, which is one or more commands, and waits for `count` replies. `command` names the
    /// last one.
    pub(super) fn exchange(
        &self,
        command: &'static str,
        text: impl AsRef<[u8]>,
        count: usize,
    ) -> Deferred<Vec<SmtpReply>> {
        // Before the command is sent, so that there is a waiter for the reply.
        let replies = self.wait(command, count);
        self.send(text);
        replies
    }

    /// Sends one command, `text`, and waits for its reply. `command` names it in errors.
    pub(super) fn command(
        &self,
        command: &'static str,
        text: impl AsRef<[u8]>,
    ) -> Deferred<SmtpReply> {
        self.exchange(command, text, 1)
            .map_ok(|mut replies| replies.remove(0))
    }

    fn send(&self, text: impl AsRef<[u8]>) {
        if let Some(connection) = self.connection() {
            // Errs with `Gone` if the connection has ended; then `connection_lost` fails the waiter.
            let _ = connection.write(text);
        }
    }

    /// Begins TLS.
    pub(super) fn insert_filter(&self, filter: impl Filter) -> Deferred<()> {
        match self.connection() {
            Some(connection) => connection.insert_filter(filter),
            None => fail(SmtpError::HungUp),
        }
    }

    /// Sends QUIT, and closes the connection when that is sent. Does nothing if the conversation has
    /// ended.
    pub(super) fn quit(&self) {
        // Set first, so that `received` ignores the reply to QUIT.
        if self.shared.has_ended.replace(true) {
            return;
        }
        self.send("QUIT\r\n");
        if let Some(connection) = self.connection() {
            connection.lose_connection();
        }
    }

    /// Ends the connection at once.
    pub(super) fn abort(&self) {
        abort(&Rc::downgrade(&self.shared));
    }
}

fn abort(shared: &Weak<Shared>) {
    if let Some(shared) = shared.upgrade() {
        shared.has_ended.set(true);
        // Cloned, so that the cell is not borrowed while the connection is aborted.
        let connection = shared.connection.borrow().clone();
        if let Some(connection) = connection {
            connection.abort();
        }
    }
}

/// The protocol of a [`Conversation`].
pub(super) struct Replies {
    shared: Rc<Shared>,
    /// The lines received so far of a reply that is not complete.
    lines: Vec<String>,
}

impl Replies {
    /// Ends the conversation; the waiter, if there is one, fails with `error`.
    fn end(&self, cx: &mut Context<'_, Self>, error: SmtpError) {
        self.shared.has_ended.set(true);
        // Before the waiter fails, so that its callbacks find a connection that is being closed.
        cx.lose_connection();
        self.fail(Failure::new(error));
    }

    fn fail(&self, failure: Failure) {
        if let Some(waiter) = self.shared.waiter.take() {
            // Errs if the Deferred was cancelled: then the connection is being aborted.
            let _ = waiter.done.errback(failure);
        }
    }

    fn replied(&self, cx: &mut Context<'_, Self>, reply: SmtpReply) {
        let Some(mut waiter) = self.shared.waiter.take() else {
            return;
        };
        if reply.code() == 421 {
            let command = waiter.command;
            // Put back for `end`, which fails it.
            self.shared.waiter.replace(Some(waiter));
            return self.end(cx, SmtpError::Refused { command, reply });
        }
        waiter.replies.push(reply);
        if waiter.replies.len() < waiter.count {
            self.shared.waiter.replace(Some(waiter));
            return;
        }
        // Errs if the Deferred was cancelled: then the connection is being aborted.
        let _ = waiter.done.callback(waiter.replies);
    }
}

impl Protocol for Replies {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.set_idle_timeout(REPLY_TIMEOUT);
        self.shared.connection.replace(Some(cx.connection()));
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        if self.shared.has_ended.get() {
            return Ok(()); // the reply to QUIT
        }
        let is_awaited = self.shared.waiter.borrow().is_some();
        let parsed = parse(line).filter(|_| is_awaited && self.lines.len() < MAX_REPLY_LINES);
        let Some((code, has_more, text)) = parsed else {
            // An invalid line, a reply that is too long, or a line without a waiter: one that an
            // attacker has appended to the reply to STARTTLS, or a 421 with which the server announces
            // that it closes the connection.
            self.end(cx, SmtpError::BadReply);
            return Ok(());
        };
        self.lines.push(text);
        if !has_more {
            // All lines have the same code (RFC 5321, section 4.2.1), so the code of the last line is
            // used.
            let reply = SmtpReply::new(code, mem::take(&mut self.lines).join("\n"));
            self.replied(cx, reply);
        }
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        self.shared.has_ended.set(true);
        self.shared.connection.replace(None);
        self.fail(match reason.into_result() {
            Ok(()) => Failure::new(SmtpError::HungUp),
            Err(failure) => failure,
        });
    }
}

/// A line of a reply: its code, whether another line follows, and its text.
fn parse(line: &[u8]) -> Option<(u16, bool, String)> {
    let (code, rest) = line.split_at_checked(3)?;
    let is_code = code.iter().all(u8::is_ascii_digit) && (b'2'..=b'5').contains(&code[0]);
    let code = std::str::from_utf8(code).ok()?.parse().ok()?;
    let (has_more, text) = match rest {
        [b'-', text @ ..] => (true, text),
        [b' ', text @ ..] => (false, text),
        // A code without a text. The grammar does not allow it, but RFC 5321 (section 4.2) asks
        // clients to accept it.
        [] => (false, rest),
        _ => return None,
    };
    let text = String::from_utf8_lossy(text).into_owned();
    is_code.then_some((code, has_more, text))
}
