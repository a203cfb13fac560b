//! `Io`: a connection of the loop as hyper wants it, [`hyper::rt::Read`] and
//! [`hyper::rt::Write`].
//!
//! A read that has to wait registers with a [`BodyWaker`], not with a
//! [`Waker`](std::task::Waker): `received` wakes it, which resumes the body before the call
//! returns. So hyper parses a request and writes its answer inside of `received`, and the answer
//! leaves with the send that follows the handler. A waker would put the body into the queue of
//! the loop first.

mod input;
mod read;
mod strict;
mod switch;
mod write;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use deferred::driver::BodyWaker;
use deferred::{Deferred, Result, Trigger};
use reactor::{Address, Connection, ConnectionClosed, Context, Protocol, Raw, ReactorHandle};

use self::input::{Input, KEPT};
use self::strict::Strict;

/// The protocol of a connection that [`Io`] reads and writes: for whatever takes a protocol.
///
/// # Examples
///
/// hyper's own API on a port of the loop:
///
/// ```
/// use http::{Request, Response};
/// use hyper::body::Incoming;
/// use hyper::server::conn::http1;
/// use hyper::service::service_fn;
/// use reactor::testing::TestReactor;
/// use reactor_web::{Body, IoProtocol};
///
/// async fn hello(_: Request<Incoming>) -> Result<Response<Body>, deferred::Failure> {
///     Ok(Response::new(Body::from("hello")))
/// }
///
/// let reactor = TestReactor::new();
/// let (_connection, peer) = reactor.connect_to_peer(IoProtocol::new(|io| {
///     let reactor = io.reactor().clone();
///     let serving = http1::Builder::new().serve_connection(io, service_fn(hello));
///     reactor.spawn(async { Ok(serving.await?) }).log_error().ignore();
/// }));
/// peer.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
/// assert!(peer.received().ends_with(b"\r\n\r\nhello"));
/// ```
pub struct IoProtocol {
    shared: Rc<Shared>,
    opened: Option<Box<dyn FnOnce(Io)>>,
}

/// What a connection's protocol and its [`Io`] share.
#[derive(Default)]
struct Shared {
    // Not borrowed while `reader` is woken: the body that it resumes reads from it.
    input: RefCell<Input>,
    /// What the input has to pass, if anything.
    // Set before the first input, cleared by an upgrade. Boxed, since it is off by default.
    strict: Cell<Option<Box<Strict>>>,
    /// Woken at the next input, at its end, and when the connection is over.
    reader: BodyWaker,
    /// Output that is written in `received`, which sends it with its context: for a small
    /// answer, that is less work than a write through the handle.
    // At most `GATHERED` bytes, from `gather` until `received` returns. A larger write takes them
    // along, and so does the drop of the `Io`.
    output: RefCell<Vec<u8>>,
    /// Set while `received` runs the reader.
    is_receiving: Cell<bool>,
    /// Deferreds of [`Io::lost`].
    // Taken out before they fire. `switch_to` moves them to the end of the whole connection.
    lost: RefCell<Vec<Trigger<()>>>,
    /// Aborts the connection after another protocol has taken it over.
    // Set when `switch_to` has succeeded: the handle of this protocol does not reach the connection
    // any more.
    abort_next: RefCell<Option<Box<dyn Fn()>>>,
    /// Number of bytes that were received.
    received: Cell<u64>,
    /// Number of bytes that were written.
    // Counted when the bytes are gathered or handed over.
    written: Cell<u64>,
}

/// What a connection has received and sent, after hyper has taken its [`Io`].
pub(crate) struct Monitor {
    shared: Rc<Shared>,
    connection: Connection<IoProtocol>,
}

impl Monitor {
    /// Number of bytes that have come.
    pub(crate) fn received(&self) -> u64 {
        self.shared.received.get()
    }

    /// Number of bytes that the system has taken, if any wait to be.
    pub(crate) fn sent_of_waiting(&self) -> Option<u64> {
        let waiting = self.connection.buffered().ok().filter(|count| *count > 0)?;
        Some(self.shared.written.get() - waiting as u64)
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.shared.input.borrow().is_lost()
    }

    pub(crate) fn connection(&self) -> &Connection<IoProtocol> {
        &self.connection
    }

    /// Ends the connection at once, whichever protocol has it.
    pub(crate) fn abort(&self) {
        // Taken out, not borrowed: it is needed once.
        match self.shared.abort_next.take() {
            Some(abort) => abort(),
            None => self.connection.abort(),
        }
    }
}

impl IoProtocol {
    /// A protocol that gives its connection to `opened` when that is made.
    pub fn new(opened: impl FnOnce(Io) + 'static) -> Self {
        Self {
            shared: Rc::default(),
            opened: Some(Box::new(opened)),
        }
    }
}

impl Protocol for IoProtocol {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        // Answers are written whole, so that Nagle's algorithm would only delay their ends. Errs
        // on what is no TCP socket, where there is nothing to set.
        let _ = cx.connection().set_nodelay(true);
        if let Some(opened) = self.opened.take() {
            opened(Io {
                shared: Rc::clone(&self.shared),
                connection: cx.connection(),
                reactor: cx.reactor().clone(),
                peer: cx.peer().clone(),
                host: cx.host(),
                room: None,
                is_handed_over: false,
            });
        }
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        // Counted before the strict filter: refused bytes have come, too.
        let received = self.shared.received.get() + data.len() as u64;
        self.shared.received.set(received);
        if self.shared.push(data) {
            cx.pause_reading();
        }
        // No cell is borrowed from here on: the body that resumes reads, writes, and may drop the
        // `Io`. It may also begin to wait again, which registers it anew.
        self.shared.is_receiving.set(true);
        self.shared.reader.wake();
        self.shared.is_receiving.set(false);
        let mut output = self.shared.output.borrow_mut();
        if !output.is_empty() {
            cx.write(&*output);
            output.clear();
            if output.capacity() > KEPT {
                *output = Vec::new();
            }
        }
        Ok(())
    }

    fn read_closed(&mut self, _: &mut Context<'_, Self>) -> Result<()> {
        self.shared.input.borrow_mut().end();
        self.shared.reader.wake();
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        self.shared.input.borrow_mut().lose(reason);
        self.shared.reader.wake();
        for lost in self.shared.lost.take() {
            // Errs if it was cancelled: then nothing waits.
            let _ = lost.callback(());
        }
    }
}

impl Shared {
    /// Adds `data` to the input; returns whether the connection is to be paused.
    fn push(&self, data: &[u8]) -> bool {
        let mut input = self.input.borrow_mut();
        let Some(mut strict) = self.strict.take() else {
            return input.push(data);
        };
        let mut is_full = false;
        // Several pieces at most: what is right, and the line for hyper after it. One of them that
        // fills the input is enough to pause.
        strict.filter(data, |right| is_full |= input.push(right));
        // Put back: it keeps its place in the request from one read to the next.
        self.strict.set(Some(strict));
        is_full
    }
}

/// A connection as hyper reads and writes it; from [`IoProtocol`].
///
/// - Up to 64 KiB of input wait here; then the peer has to wait.
/// - A write takes up to 128 KiB, until 64 KiB wait to be sent; then it is pending. A flush
///   is ready at once, since everything that was written goes out when the handler returns: so
///   the answers to pipelined requests leave together.
/// - Dropping it ends the connection when everything is sent.
///
/// Its methods [`poll_fill`](Self::poll_fill) and [`consume`](Self::consume) read without a copy.
///
/// hyper has two ways to write. By default, it hands head and body of an answer over as slices:
/// then a large body is not copied. If all answers are small, `http1::Builder::writev(false)` is
/// cheaper, by a twelfth of the instructions of an answer of 13 bytes: hyper copies the body
/// behind the head, and keeps a buffer of the size of the largest answer.
///
/// # Examples
///
/// A look at the first bytes, before hyper gets the connection:
///
/// ```
/// use reactor::testing::TestReactor;
/// use reactor_web::{Io, IoProtocol};
/// use std::{cell::RefCell, rc::Rc};
///
/// async fn look(mut io: Io, seen: Rc<RefCell<Vec<u8>>>) -> deferred::Result<()> {
///     *seen.borrow_mut() = io.peek().await?;
///     Ok(())
/// }
///
/// let reactor = TestReactor::new();
/// let seen = Rc::new(RefCell::new(Vec::new()));
/// let slot = Rc::clone(&seen);
/// let (_connection, peer) = reactor.connect_to_peer(IoProtocol::new(|io| {
///     let reactor = io.reactor().clone();
///     reactor.spawn(look(io, slot)).log_error().ignore();
/// }));
/// peer.send("PRI * HTTP/2.0");
/// assert!(seen.borrow().starts_with(b"PRI"));
/// ```
pub struct Io {
    shared: Rc<Shared>,
    connection: Connection<IoProtocol>,
    reactor: ReactorHandle,
    peer: Address,
    host: Address,
    /// What a pending write waits for.
    // Set by a write that finds no room, cleared when that is there. While it is set, `gather`
    // refuses, so that no output overtakes the one that waits.
    room: Option<Deferred<()>>,
    /// Set by `switch_to`: another protocol has the connection, which does not end with this.
    is_handed_over: bool,
}

impl Io {
    /// The loop of the connection.
    pub fn reactor(&self) -> &ReactorHandle {
        &self.reactor
    }

    /// The address of the other side.
    #[doc(alias = "peer_addr")]
    pub fn peer(&self) -> &Address {
        &self.peer
    }

    /// The address of this side.
    #[doc(alias = "local_addr")]
    pub fn host(&self) -> &Address {
        &self.host
    }

    /// The connection, for what is not reading or writing.
    pub fn connection(&self) -> &Connection<IoProtocol> {
        &self.connection
    }

    /// Has input refused that two parsers may read in two ways: see [`Strict`].
    pub(crate) fn set_strict(&self) {
        self.shared.strict.set(Some(Box::default()));
    }

    /// Undoes [`set_strict`](Self::set_strict): what comes is no longer HTTP.
    pub(crate) fn end_strict(&self) {
        self.shared.strict.set(None);
    }

    pub(crate) fn monitor(&self) -> Monitor {
        Monitor {
            shared: Rc::clone(&self.shared),
            connection: self.connection.clone(),
        }
    }

    /// Fires when the connection is over, at once if that is so now. A connection is over when
    /// all of its output is sent, which an ended body does not say.
    pub fn lost(&self) -> Deferred<()> {
        // `connection_lost` has fired the Deferreds, and comes only once.
        if self.connection.is_gone() {
            return deferred::succeed(());
        }
        let (trigger, lost) = Deferred::pair();
        self.shared.lost.borrow_mut().push(trigger);
        lost
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        // Withdraws from what is no longer waited for.
        drop(self.room.take().map(Deferred::cancel_on_drop));
        if self.is_handed_over {
            return;
        }
        // In this order: output that was gathered inside of `received` would come after the close.
        self.send_gathered();
        self.connection.lose_connection();
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io")
            .field("peer", &self.peer)
            .field("unread", &self.shared.input.borrow().unread().len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for IoProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoProtocol")
            .field("is_open", &self.opened.is_none())
            .finish_non_exhaustive()
    }
}
