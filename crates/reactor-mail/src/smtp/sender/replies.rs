//! `Replies`: the connection of a client, as the replies to what it has sent.

use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::{Rc, Weak};
use std::time::Duration;

use deferred::{Deferred, Failure, Result, Trigger, fail};
use reactor::{ClientEndpoint, Connect, Connection, ConnectionClosed, Context, Lines, Protocol};
use reactor::{ReactorHandle, filter::Filter};

use crate::smtp::smtp_error::SmtpError;
use crate::smtp::smtp_reply::SmtpReply;

/// How long a server may take for a reply (RFC 5321, section 4.5.3.2, has up to 10 minutes).
const REPLY_TIMEOUT: Duration = Duration::from_secs(600);
/// Most lines of a reply.
// Replies to EHLO are the longest, with a line for each extension.
const MAX_REPLY_LINES: usize = 100;

/// A connection to a server: text that is sent, and the replies to it.
#[derive(Clone)]
pub(super) struct Conversation {
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Set by `connection_made`, taken by `connection_lost`.
    connection: RefCell<Option<Connection<Replies>>>,
    // One at a time: a session sends one message, and each command waits for the one before. Taken
    // out before its trigger fires, since the code behind it may send the next command at once.
    waiter: RefCell<Option<Waiter>>,
    /// No further reply can come: it was lost, or is being closed.
    // Set by QUIT, by an abort, by a reply that ends the session and by `connection_lost`; never
    // cleared.
    has_ended: Cell<bool>,
}

/// Set while replies are awaited.
struct Waiter {
    /// The last command that was sent.
    command: &'static str,
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
        // The greeting may come with the connection.
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
                    // It goes with the attempt.
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

    /// The next `count` replies, the last one of which answers `command`. One of code 421 ends the
    /// conversation.
    pub(super) fn wait(&self, command: &'static str, count: usize) -> Deferred<Vec<SmtpReply>> {
        if self.has_ended() {
            return fail(SmtpError::HungUp);
        }
        // Weak: the canceller is in the Deferred of a waiter, which `shared` owns.
        let shared = Rc::downgrade(&self.shared);
        let (done, replies) = Deferred::with_canceller(move |_| abort(&shared));
        let waiter = Waiter {
            command,
            count,
            replies: Vec::with_capacity(count),
            done,
        };
        // Put back for `end`, which fails it.
        self.shared.waiter.replace(Some(waiter));
        replies
    }

    /// Sends commands, and gives the replies.
    pub(super) fn exchange(
        &self,
        command: &'static str,
        text: impl AsRef<[u8]>,
        count: usize,
    ) -> Deferred<Vec<SmtpReply>> {
        // Before the command goes out, so that there is a waiter for the reply.
        let replies = self.wait(command, count);
        self.send(text);
        replies
    }

    /// Sends one command, `text`, which begins with `command`, and gives the reply.
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
            // `Gone` if it is over: then `connection_lost` tells the waiter.
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

    /// Says goodbye, and closes the connection when that is sent.
    pub(super) fn quit(&self) {
        // First, so that the reply to QUIT and the close count as asked for.
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
        // Cloned, so that nothing is borrowed while the connection is aborted.
        let connection = shared.connection.borrow().clone();
        if let Some(connection) = connection {
            connection.abort();
        }
    }
}

/// The protocol of a [`Conversation`].
pub(super) struct Replies {
    shared: Rc<Shared>,
    /// Lines of a reply whose last one has not come.
    lines: Vec<String>,
}

impl Replies {
    /// Ends the conversation; a waiter gets `error`.
    fn end(&self, cx: &mut Context<'_, Self>, error: SmtpError) {
        self.shared.has_ended.set(true);
        // Before the waiter gets its error: what it does then finds a connection that closes.
        cx.lose_connection();
        self.fail(Failure::new(error));
    }

    fn fail(&self, failure: Failure) {
        if let Some(waiter) = self.shared.waiter.take() {
            // Errs if it was cancelled: then the connection is being aborted.
            let _ = waiter.done.errback(failure);
        }
    }

    fn replied(&self, cx: &mut Context<'_, Self>, reply: SmtpReply) {
        let Some(mut waiter) = self.shared.waiter.take() else {
            return;
        };
        if reply.code() == 421 {
            let command = waiter.command;
            self.shared.waiter.replace(Some(waiter));
            return self.end(cx, SmtpError::Refused { command, reply });
        }
        waiter.replies.push(reply);
        if waiter.replies.len() < waiter.count {
            self.shared.waiter.replace(Some(waiter));
            return;
        }
        // Errs if it was cancelled: then the connection is being aborted.
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
            // Unasked for, as what an attacker appends to the reply to STARTTLS; or an end that
            // the server announces (421).
            self.end(cx, SmtpError::BadReply);
            return Ok(());
        };
        self.lines.push(text);
        if !has_more {
            // All lines have the same code (RFC 5321, section 4.2.1); that of the last one is
            // taken.
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
        // A code without a text: not by the grammar, but RFC 5321 (section 4.2) asks clients to
        // take it.
        [] => (false, rest),
        _ => return None,
    };
    let text = String::from_utf8_lossy(text).into_owned();
    is_code.then_some((code, has_more, text))
}
