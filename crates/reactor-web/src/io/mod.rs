//! `Io`: a connection of the loop with the I/O traits of hyper, [`hyper::rt::Read`] and
//! [`hyper::rt::Write`].
//!
//! A read that has to wait registers with a [`BodyWaker`], not with a
//! [`Waker`](std::task::Waker): `received` calls `BodyWaker::wake`, which polls the async body of
//! the connection before it returns. So hyper parses a request and writes its answer inside of
//! `received`, and the answer leaves with the send that follows the handler. A `Waker` would only
//! put the body into the loop's queue, and the answer would leave later.
//!
//! ```text
//!   socket ──▶ received ──▶ Strict ──▶ Input ──▶ poll_read ──▶ hyper
//!   socket ◀── cx.write ◀── Shared::output ◀── poll_write ◀── hyper, inside of `received`
//!   socket ◀── Connection::write_some ◀─────── poll_write ◀── hyper, at any other time
//! ```

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

/// The protocol of a connection that an [`Io`] reads and writes. Give it to a port, an endpoint or
/// a test, as any [`Protocol`].
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
    input: RefCell<Input>,
    /// The filter for input of HTTP/1.1, if [`Limits::strict`](crate::Limits) is set.
    strict: Cell<Option<Box<Strict>>>,
    /// Woken at the next input, at its end, and when the connection is over.
    reader: BodyWaker,
    /// Output that hyper writes while `received` runs, which then writes it with its context: for a
    /// small answer, that is less work than a write through the handle.
    output: RefCell<Vec<u8>>,
    /// Set while `received` runs the reader: only then is output collected in `output`.
    is_receiving: Cell<bool>,
    /// Deferreds of [`Io::lost`].
    lost: RefCell<Vec<Trigger<()>>>,
    /// Aborts the connection through its new handle. Set when another protocol has taken the
    /// connection over, since the old handle is `Gone` then.
    abort_next: RefCell<Option<Box<dyn Fn()>>>,
    /// Number of bytes that were received.
    received: Cell<u64>,
    /// Number of bytes that were written by the [`Io`], sent or not.
    written: Cell<u64>,
}

/// A view of a connection for the watchdog and the site, while hyper owns its [`Io`].
pub(crate) struct Monitor {
    shared: Rc<Shared>,
    connection: Connection<IoProtocol>,
}

impl Monitor {
    /// Number of bytes that have come.
    pub(crate) fn received(&self) -> u64 {
        self.shared.received.get()
    }

    /// Number of bytes that the system has taken so far; `None` if no output waits, or the
    /// connection is over.
    pub(crate) fn sent_of_waiting(&self) -> Option<u64> {
        let waiting = self.connection.buffered().ok().filter(|count| *count > 0)?;
        Some(self.shared.written.get() - waiting as u64)
    }

    /// Whether the connection is over. `false` after an end in order of both sides, which hyper
    /// sees as the end of its input.
    pub(crate) fn is_lost(&self) -> bool {
        self.shared.input.borrow().is_lost()
    }

    pub(crate) fn connection(&self) -> &Connection<IoProtocol> {
        &self.connection
    }

    /// Aborts the connection, also if another protocol has taken it over.
    pub(crate) fn abort(&self) {
        // Taken out, so that nothing is borrowed while it runs; a second call has nothing to abort.
        match self.shared.abort_next.take() {
            Some(abort) => abort(),
            None => self.connection.abort(),
        }
    }
}

impl IoProtocol {
    /// A protocol that calls `opened` with the [`Io`] when the connection is made.
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
        // Answers are written whole, so that Nagle's algorithm would only delay their ends. Errs if
        // the connection is no TCP socket, which has no such delay.
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
            // An idle connection keeps the buffer, so a large one is freed.
            if output.capacity() > KEPT {
                *output = Vec::new();
            }
        }
        Ok(())
    }

    fn read_closed(&mut self, _: &mut Context<'_, Self>) -> Result<()> {
        // `is_receiving` is not set here: what the reader writes goes to the connection at once.
        self.shared.input.borrow_mut().end();
        self.shared.reader.wake();
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        // In this order, the body that reads has seen the end before the waiters of `lost` run.
        self.shared.input.borrow_mut().lose(reason);
        self.shared.reader.wake();
        for lost in self.shared.lost.take() {
            // Errs if it was cancelled: then nothing waits.
            let _ = lost.callback(());
        }
    }
}

impl Shared {
    /// Adds `data` to the input, through the filter if there is one; returns whether the caller
    /// must pause reading.
    fn push(&self, data: &[u8]) -> bool {
        let mut input = self.input.borrow_mut();
        // A `Cell` has no borrow: the filter is taken out and put back.
        let Some(mut strict) = self.strict.take() else {
            return input.push(data);
        };
        let mut is_full = false;
        strict.filter(data, |right| is_full |= input.push(right));
        self.strict.set(Some(strict));
        is_full
    }
}

/// A connection with the I/O traits of hyper; [`IoProtocol::new`] gives it.
///
/// - From 64 KiB of unread input on, the connection is not read from, until half of that is read.
/// - While less than 64 KiB wait to be sent, a write takes what the system takes at once and up to
///   64 KiB more; otherwise it is pending. A flush is ready at once, since everything that was
///   written goes out when the handler returns: so the answers to pipelined requests leave
///   together.
/// - Dropping it closes the connection when everything is sent.
///
/// Its methods [`poll_fill`](Self::poll_fill) and [`consume`](Self::consume) read without a copy.
///
/// hyper has two ways to write. By default, it passes head and body of an answer as two slices, so
/// a large body is not copied. With `http1::Builder::writev(false)`, it copies the body behind the
/// head, and keeps a buffer of the size of the largest answer. If all answers are small, the copy
/// is cheaper: an answer of 13 bytes takes a twelfth fewer instructions.
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
    /// Fires when the connection has room again. Set while a write is pending.
    room: Option<Deferred<()>>,
    /// Set by `switch_to`: another protocol has the connection, so dropping this must not close it.
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

    /// The connection, for everything but reading and writing: its options, its filters, its end.
    pub fn connection(&self) -> &Connection<IoProtocol> {
        &self.connection
    }

    /// From now on, refuses requests that two parsers may read in two ways: see [`Strict`].
    pub(crate) fn set_strict(&self) {
        self.shared.strict.set(Some(Box::default()));
    }

    /// Undoes [`set_strict`](Self::set_strict): after an upgrade, the input is no longer HTTP.
    pub(crate) fn end_strict(&self) {
        self.shared.strict.set(None);
    }

    /// A view of this connection, to be made before hyper takes it.
    pub(crate) fn monitor(&self) -> Monitor {
        Monitor {
            shared: Rc::clone(&self.shared),
            connection: self.connection.clone(),
        }
    }

    /// Fires when the connection is over; if it is over already, at once. That may be later than
    /// the end of the async body that drives it: the connection is over only when its output is
    /// sent too, or cannot be sent any more.
    pub fn lost(&self) -> Deferred<()> {
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
        // A write was pending: without a cancel, its waiter would stay in the connection's list.
        drop(self.room.take().map(Deferred::cancel_on_drop));
        if self.is_handed_over {
            return;
        }
        // In this order: after the close, output that was gathered inside of `received` could not
        // be written.
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
