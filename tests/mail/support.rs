//! What the tests of mail have in common.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::thread;

use deferred::{Deferred, Result, Trigger, fail, succeed};
use reactor::testing::{Peer, TestReactor};
use reactor::{Connection, Factory, Reactor};
use reactor_mail::{
    Delivery, Envelope, MailAddress, Message, Recipient, Sent, SmtpError, SmtpReceiver, SmtpReply,
    SmtpServer,
};

/// Keeps what is delivered; waits where a test says so.
#[derive(Clone, Default)]
pub(crate) struct Inbox(pub(crate) Rc<State>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) delivered: RefCell<Vec<(Envelope, Vec<u8>)>>,
    /// Messages that were dropped before their end.
    pub(crate) lost: Cell<usize>,
    pub(crate) cancelled: Cell<usize>,
    /// The next step of this name waits for `waiting`.
    pub(crate) wait_at: Cell<&'static str>,
    pub(crate) waiting: RefCell<Option<Trigger<()>>>,
    /// The next step of this name fails.
    pub(crate) fail_at: RefCell<Option<(&'static str, SmtpReply)>>,
}

impl Inbox {
    fn step(&self, name: &'static str) -> Deferred<()> {
        let state = &self.0;
        if let Some((_, reply)) = state.fail_at.take_if(|(at, _)| *at == name) {
            return fail(reply);
        }
        if state.wait_at.get() != name {
            return succeed(());
        }
        state.wait_at.set("");
        let inbox = self.clone();
        let cancelled = move |_| inbox.0.cancelled.set(inbox.0.cancelled.get() + 1);
        let (trigger, deferred) = Deferred::with_canceller(cancelled);
        state.waiting.replace(Some(trigger));
        deferred
    }

    pub(crate) fn go_on(&self) {
        let trigger = self.0.waiting.take().expect("it waits");
        // Errs if it was cancelled.
        let _ = trigger.callback(());
    }

    pub(crate) fn messages(&self) -> Vec<Vec<u8>> {
        let delivered = self.0.delivered.borrow();
        delivered.iter().map(|(_, text)| text.clone()).collect()
    }
}

trait TakeIf<T> {
    fn take_if(&self, f: impl FnOnce(&T) -> bool) -> Option<T>;
}

impl<T> TakeIf<T> for RefCell<Option<T>> {
    fn take_if(&self, f: impl FnOnce(&T) -> bool) -> Option<T> {
        self.borrow_mut().take_if(|value| f(value))
    }
}

impl Delivery for Inbox {
    fn validate_from(&self, _: &Envelope, _: Option<&MailAddress>) -> Deferred<()> {
        self.step("from")
    }

    fn validate_to(&self, _: &Envelope, to: &Recipient) -> Deferred<()> {
        if to.address.local_part() == "nobody" {
            return fail(SmtpReply::new(550, "5.1.1 no such user"));
        }
        self.step("to")
    }

    fn begin(&self, envelope: &Envelope) -> Deferred<Box<dyn Message>> {
        let text = Text {
            inbox: self.clone(),
            envelope: envelope.clone(),
            text: Vec::new(),
            has_ended: false,
        };
        self.step("begin")
            .map_ok(|()| Box::new(text) as Box<dyn Message>)
    }

    fn login(&self, name: &str, password: &str) -> Deferred<()> {
        if (name, password) != ("eve", "sesame") {
            return fail(SmtpReply::new(535, "5.7.8 wrong name or password"));
        }
        self.step("login")
    }
}

struct Text {
    inbox: Inbox,
    envelope: Envelope,
    text: Vec<u8>,
    has_ended: bool,
}

impl Message for Text {
    fn data(&mut self, data: &[u8]) -> Deferred<()> {
        self.text.extend_from_slice(data);
        self.inbox.step("data")
    }

    fn end(mut self: Box<Self>) -> Deferred<()> {
        self.has_ended = true;
        self.inbox.step("end").add_callback(move |()| {
            let message = (self.envelope.clone(), std::mem::take(&mut self.text));
            self.inbox.0.delivered.borrow_mut().push(message);
        })
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        if !self.has_ended {
            self.inbox.0.lost.set(self.inbox.0.lost.get() + 1);
        }
    }
}

pub(crate) fn server() -> (Inbox, SmtpServer) {
    let inbox = Inbox::default();
    let server = SmtpServer::new("mx.example.org", inbox.clone()).without_received_header();
    (inbox, server)
}

/// Serves on a port of 127.0.0.1 while `program` runs, which gets the port.
pub(crate) fn serve<T: Send>(
    server: impl Factory + 'static,
    program: impl FnOnce(u16) -> T + Send,
) -> T {
    let reactor = Reactor::new().expect("a reactor");
    let port = reactor
        .listen_tcp("127.0.0.1:0", server)
        .expect("it listens");
    let number = port.address().port();
    let remote = reactor.remote();
    thread::scope(|scope| {
        let runner = scope.spawn(move || {
            // The reactor stops also if an assertion fails.
            let result = catch_unwind(AssertUnwindSafe(|| program(number)));
            remote
                .call_from_thread(|handle| handle.stop())
                .expect("it runs");
            result.unwrap_or_else(|panic| resume_unwind(panic))
        });
        reactor.run().expect("it runs");
        runner.join().expect("it has ended")
    })
}

/// A connection that has greeted.
pub(crate) fn greeted(
    reactor: &TestReactor,
    server: &SmtpServer,
) -> (Connection<SmtpReceiver>, Peer) {
    let (connection, peer) = reactor.connect_to_peer(server.receiver());
    assert_eq!(peer.received(), b"220 mx.example.org ESMTP\r\n");
    peer.send("EHLO client\r\n");
    let extensions = text(&peer);
    assert!(extensions.ends_with("\r\n"), "{extensions}");
    (connection, peer)
}

/// The error of a message that was not sent.
#[track_caller]
pub(crate) fn error(result: Result<Sent>) -> SmtpError {
    let failure = result.expect_err("it is not sent");
    let error = failure.check::<SmtpError>();
    error.unwrap_or_else(|| panic!("{failure}")).clone()
}

/// What a peer has received.
pub(crate) fn text(peer: &Peer) -> String {
    String::from_utf8(peer.received()).expect("it is text")
}

/// The codes of the replies that a peer has received.
pub(crate) fn codes(peer: &Peer) -> Vec<u16> {
    let text = text(peer);
    let last_lines = text.lines().filter(|line| line.as_bytes()[3] == b' ');
    let code = |line: &str| line[..3].parse().expect("a code");
    last_lines.map(code).collect()
}

pub(crate) const BEGIN: &str =
    "MAIL FROM:<eve@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n";
