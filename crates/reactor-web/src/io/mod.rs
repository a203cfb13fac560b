//! `Io`: a connection of the loop with the I/O traits of hyper, [`hyper::rt::Read`] and
//! [`hyper::rt::Write`].
//!
//! In this module, a body is not that of an HTTP message, but the `async` body that the loop runs
//! for a connection: usually hyper's. A read that has to wait registers it with a [`BodyWaker`],
//! not with a [`Waker`](std::task::Waker): a `wake` by `received` resumes the body before it
//! returns. So hyper parses a request and writes its answer inside of `received`, and the loop
//! sends the answer when `received` returns. A `Waker` would only queue the body, and the answer
//! would wait for a later step of the turn.

mod input;
#[cfg(feature = "reverse-proxy")]
mod pump;
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

/// The protocol of a connection that an [`Io`] reads and writes. Pass it to any function that takes
/// a protocol, such as `connect_tcp`; the closure gets the `Io` when the connection is made.
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
    /// Taken by `connection_made`.
    opened: Option<Box<dyn FnOnce(Io)>>,
}

/// State that a connection's protocol and its [`Io`] share.
#[derive(Default)]
struct Shared {
    // Not borrowed while `reader` is woken: the body that it resumes reads from it.
    input: RefCell<Input>,
    /// The check that the input has to pass. Set by `set_strict`, cleared by `end_strict`.
    strict: Cell<Option<Box<Strict>>>,
    /// The body that waits for input, if any. Woken by input, by its end, and by the end of the
    /// connection.
    reader: BodyWaker,
    /// Small output that the reader writes while `received` runs it. `received` then writes it by
    /// its context, which takes less work than a write through a `Connection`.
    output: RefCell<Vec<u8>>,
    /// Set while `received` runs the reader: only then is output collected in `output`.
    is_receiving: Cell<bool>,
    /// Triggers of the Deferreds that [`Io::lost`] has returned.
    lost: RefCell<Vec<Trigger<()>>>,
    /// Set by `switch_to`: aborts the connection of the protocol that has taken over, since
    /// `connection` is gone then.
    abort_next: RefCell<Option<Box<dyn Fn()>>>,
    /// Number of bytes that were received.
    received: Cell<u64>,
    /// Number of bytes that were written, sent or not.
    written: Cell<u64>,
    /// Whether a write waits for room.
    awaits_room: Cell<bool>,
}

/// View of a connection whose [`Io`] hyper owns: for the timeouts and the shutdown of a site.
pub(crate) struct Monitor {
    shared: Rc<Shared>,
    connection: Connection<IoProtocol>,
}

impl Monitor {
    /// Number of bytes that were received.
    pub(crate) fn received(&self) -> u64 {
        self.shared.received.get()
    }

    /// A number that grows when the system takes output; `None` if no output waits, or the
    /// connection is over. Without filters, it is the number of bytes that were taken. With TLS,
    /// the bytes that wait are encrypted, and so more than those that were written: then the number
    /// is smaller, may be negative, and falls with each write.
    pub(crate) fn sent_of_waiting(&self) -> Option<i64> {
        let waiting = self.connection.buffered().ok().filter(|count| *count > 0)?;
        Some(self.shared.written.get().cast_signed() - waiting.cast_signed() as i64)
    }

    /// Whether hyper holds output, for which there is no room here.
    pub(crate) fn awaits_room(&self) -> bool {
        self.shared.awaits_room.get()
    }

    /// Whether all output was sent. `false` if the connection is over.
    pub(crate) fn is_drained(&self) -> bool {
        !self.awaits_room()
            && self.shared.output.borrow().is_empty()
            && self.connection.buffered().is_ok_and(|count| count == 0)
    }

    /// Whether the connection is over. `false` if both sides have closed it in order, which hyper
    /// sees as the end of its input.
    pub(crate) fn is_lost(&self) -> bool {
        self.shared.input.borrow().is_lost()
    }

    pub(crate) fn connection(&self) -> &Connection<IoProtocol> {
        &self.connection
    }

    /// Aborts the connection, even if another protocol has taken it over.
    pub(crate) fn abort(&self) {
        // Taken out, since nothing may be borrowed while it runs; a second abort has no effect
        // anyway.
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
        // Answers are written as a whole, so Nagle's algorithm would only delay their last
        // segments. Errs on UNIX sockets and in memory, which have no such algorithm.
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
        // No cell is borrowed during `wake`: the body reads and writes, and may drop the `Io`. If
        // it waits again, it registers again.
        self.shared.is_receiving.set(true);
        self.shared.reader.wake();
        self.shared.is_receiving.set(false);
        let mut output = self.shared.output.borrow_mut();
        if !output.is_empty() {
            cx.write(&*output);
            output.clear();
            // So that an idle connection does not keep the buffer of a large answer.
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
    /// Adds `data` to the input, or the part of it that `strict` lets through; returns whether
    /// reading is to be paused, because `CAPACITY` bytes wait.
    fn push(&self, data: &[u8]) -> bool {
        let mut input = self.input.borrow_mut();
        // A `Cell` has no borrow: the filter is taken out and put back.
        let Some(mut strict) = self.strict.take() else {
            return input.push(data);
        };
        let mut is_full = false;
        strict.filter(data, |passed| is_full |= input.push(passed));
        self.strict.set(Some(strict));
        is_full
    }
}

/// A connection with the I/O traits of hyper; [`IoProtocol::new`] gives it.
///
/// - While 64 KiB of input wait to be read, the connection does not read from the socket.
/// - While 64 KiB of output wait to be sent, a write is pending. Else it takes up to 128 KiB.
/// - A flush is ready at once, because the loop sends everything that was written when the handler
///   returns. So the answers to pipelined requests leave in one send.
/// - The drop of an `Io` closes the connection when everything is sent.
///
/// The methods [`poll_fill`](Self::poll_fill) and [`consume`](Self::consume) read without a copy.
///
/// hyper has two ways to write. By default, it writes the head and the body of an answer as two
/// slices, and does not copy a large body. With `http1::Builder::writev(false)`, it copies the body
/// behind the head, and keeps a buffer of the size of the largest answer. If all answers are small,
/// this is cheaper: an answer of 13 bytes takes a twelfth fewer instructions.
///
/// # Examples
///
/// Peeks at the first bytes, before hyper gets the connection:
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
    /// The wait of a pending write, kept from poll to poll.
    room: Option<Deferred<()>>,
    /// Set by `switch_to`: another protocol has the connection, so the drop must not close it.
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

    /// The connection, for everything except reading and writing, such as timeouts.
    pub fn connection(&self) -> &Connection<IoProtocol> {
        &self.connection
    }

    /// Refuses input that two HTTP parsers may read in two ways: see [`Strict`].
    pub(crate) fn set_strict(&self) {
        self.shared.strict.set(Some(Box::default()));
    }

    /// Undoes [`set_strict`](Self::set_strict), after an upgrade: the input is no longer HTTP.
    pub(crate) fn end_strict(&self) {
        self.shared.strict.set(None);
    }

    /// Frees the buffers that are kept for the next input and output, if they are empty.
    pub(crate) fn release_buffers(&self) {
        self.shared.input.borrow_mut().release();
        let mut output = self.shared.output.borrow_mut();
        if output.is_empty() {
            *output = Vec::new();
        }
        // A `Cell` has no borrow: the filter is taken out and put back.
        if let Some(mut strict) = self.shared.strict.take() {
            strict.release();
            self.shared.strict.set(Some(strict));
        }
    }

    /// A view of this connection, to be made before hyper takes it.
    pub(crate) fn monitor(&self) -> Monitor {
        Monitor {
            shared: Rc::clone(&self.shared),
            connection: self.connection.clone(),
        }
    }

    /// Fires when the connection is closed; at once if it is closed already. After the drop of the
    /// `Io`, the connection stays open until all of its output is sent.
    pub fn lost(&self) -> Deferred<()> {
        // `connection_lost`, which fires the triggers, has run already, and runs only once.
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
        // Cancels the wait for room, so that the connection does not keep its trigger.
        drop(self.room.take().map(Deferred::cancel_on_drop));
        if self.is_handed_over {
            return;
        }
        // Before the close: otherwise `received` would write the gathered output after it, which
        // has no effect.
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
