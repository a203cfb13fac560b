//! `ByteStream`: a connection that `async` code reads and writes.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use deferred::{Cancelled, Deferred};

use super::io_traits::{PollIo, first_of, io_traits};
use super::protocol::{ByteStreamProtocol, CAPACITY, Inbound, Opened, error_of};
use crate::address::Address;
use crate::connection::Connection;
use crate::error::{ConnectionClosed, Gone};
use crate::handle::ReactorHandle;

/// A connection that is read from and written to by `async` code, with the traits of
/// `futures`: [`AsyncRead`], [`AsyncBufRead`] and [`AsyncWrite`]. With the feature `tokio`, it
/// has Tokio's traits of these names, too, and needs no runtime of Tokio.
///
/// - The stream buffers up to 64 KiB of input; after that, reading is paused, and the peer has to
///   wait. So lines can be read without a `BufReader` around the stream, and
///   [`poll_fill_buf`](Self::poll_fill_buf) lends the input without a copy.
/// - Output is sent in this turn of the loop. Writing and flushing are pending while more waits to
///   be sent than the high-water mark of [`WriteLimits`](crate::WriteLimits) allows.
///   [`drained`](Connection::drained) of its [`connection`](Self::connection) fires when all output
///   is sent.
/// - `poll_close` is ready when all output is sent; this side can still read. When the peer has
///   ended its output, a read gives 0 bytes; this side can still write.
/// - When the connection is over, input that has arrived can still be read. After that, reading and
///   writing fail with an error whose inner error is the [`ConnectionClosed`].
/// - If a task is cancelled while it waits to write, flush or close, it gets an error whose inner
///   error is [`Cancelled`].
/// - Dropping the stream closes the connection after the written output is sent.
///
/// [`AsyncRead`]: futures_io::AsyncRead
/// [`AsyncBufRead`]: futures_io::AsyncBufRead
/// [`AsyncWrite`]: futures_io::AsyncWrite
///
/// # Examples
///
/// ```
/// use futures::{AsyncReadExt, AsyncWriteExt};
/// use reactor::Reactor;
///
/// let reactor = Reactor::new()?;
/// let port = reactor.listen_tcp_streams("127.0.0.1:0", |mut stream| async move {
///     let mut question = String::new();
///     stream.read_to_string(&mut question).await?;
///     stream.write_all(question.to_uppercase().as_bytes()).await?;
///     Ok(())
/// })?;
///
/// let handle = reactor.handle();
/// let asking = reactor.spawn(async move {
///     let mut stream = handle.connect_tcp_stream(port.address()).await?;
///     stream.write_all(b"is anybody there?").await?;
///     stream.close().await?;
///     let mut answer = String::new();
///     stream.read_to_string(&mut answer).await?;
///     Ok(answer)
/// });
/// assert_eq!(reactor.block_on(asking).unwrap(), "IS ANYBODY THERE?");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ByteStream {
    connection: Connection<ByteStreamProtocol>,
    reactor: ReactorHandle,
    inbound: Rc<RefCell<Inbound>>,
    /// Taken out of `inbound`, all at once; the first `read` bytes were read.
    buffer: Vec<u8>,
    read: usize,
    /// The Deferred for which writing, flushing or closing waits.
    waiting: Option<(For, Deferred<()>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Room,
    Drained,
}

impl ByteStreamProtocol {
    /// Returns a protocol, and a Deferred that fires with its stream when the protocol has a
    /// connection. The protocol can be given to any function that takes one.
    ///
    /// If the Deferred is cancelled before that, the connection is closed as soon as it is made.
    pub fn pair() -> (Self, Deferred<ByteStream>) {
        // The canceller does nothing, but with one, a Deferred that was cancelled refuses the
        // connection instead of swallowing it: then `connection_made` closes the connection.
        let (trigger, opened) = Deferred::with_canceller(|_trigger| ());
        let stream = opened.add_callback(|opened| Ok(ByteStream::new(opened)));
        (Self::new(trigger), stream)
    }
}

impl ByteStream {
    fn new(opened: Opened) -> Self {
        Self {
            connection: opened.connection,
            reactor: opened.reactor,
            inbound: opened.inbound,
            buffer: Vec::new(),
            read: 0,
            waiting: None,
        }
    }

    /// The address of the other side.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    #[doc(alias = "peer_addr")]
    pub fn peer(&self) -> Result<Address, Gone> {
        self.connection.peer()
    }

    /// The handle of the connection, for all methods besides reading and writing.
    pub fn connection(&self) -> &Connection<ByteStreamProtocol> {
        &self.connection
    }

    /// The reactor of the connection.
    pub fn reactor(&self) -> &ReactorHandle {
        &self.reactor
    }

    /// Polls for input that was not consumed yet, and lends it without a copy. It is empty at
    /// the end of the input.
    ///
    /// Same as the method of [`AsyncBufRead`](futures_io::AsyncBufRead) in `futures` and in Tokio,
    /// but without a trait, for adapters to the traits of another crate.
    ///
    /// # Errors
    ///
    /// The connection is over, and all input that had arrived was consumed.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{ByteStreamProtocol, testing};
    /// use std::future::poll_fn;
    ///
    /// testing::run(|reactor| {
    ///     let (protocol, stream) = ByteStreamProtocol::pair();
    ///     let (_connection, peer) = reactor.connect_to_peer(protocol);
    ///     let first_word = reactor.spawn(async {
    ///         let mut stream = stream.await?;
    ///         poll_fn(|cx| stream.poll_fill_buf(cx).map_ok(|input| input.len())).await?;
    ///         let length = stream.buffer().iter().position(|byte| *byte == b' ').unwrap();
    ///         let word = stream.buffer()[..length].to_vec();
    ///         stream.consume(length + 1);
    ///         assert_eq!(stream.take_buffer(), b"to whom it may concern");
    ///         Ok(word)
    ///     });
    ///     peer.send("hello to whom it may concern");
    ///     assert_eq!(first_word.into_result().unwrap().unwrap(), b"hello");
    /// });
    /// ```
    pub fn poll_fill_buf(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        if self.read == self.buffer.len() {
            let mut inbound = self.inbound.borrow_mut();
            if inbound.bytes.is_empty() {
                return match &inbound.over {
                    // This case comes first: if the peer has ended its output, that was before the
                    // connection was lost.
                    _ if inbound.is_at_end => Poll::Ready(Ok(&[])),
                    Some(ConnectionClosed::Done) => Poll::Ready(Ok(&[])),
                    Some(reason) => Poll::Ready(Err(error_of(reason))),
                    None => {
                        let replaced = inbound.reader.replace(cx.waker().clone());
                        drop(inbound);
                        drop(replaced);
                        Poll::Pending
                    }
                };
            }
            self.buffer.clear();
            self.read = 0;
            // The two buffers change places: no byte is copied, and both keep their memory.
            std::mem::swap(&mut self.buffer, &mut inbound.bytes);
            inbound.taken = self.buffer.len();
        }
        Poll::Ready(Ok(&self.buffer[self.read..]))
    }

    /// The input that [`poll_fill_buf`](Self::poll_fill_buf) has lent, and that was not consumed
    /// since.
    pub fn buffer(&self) -> &[u8] {
        &self.buffer[self.read..]
    }

    /// Marks the first `count` bytes of [`buffer`](Self::buffer) as consumed, or all of it if it is
    /// shorter.
    pub fn consume(&mut self, count: usize) {
        let count = count.min(self.buffer.len() - self.read);
        self.read += count;
        let mut inbound = self.inbound.borrow_mut();
        inbound.taken -= count;
        // Resumes at half of the capacity, so that reading is not paused and resumed with each
        // byte.
        if inbound.is_held_back && inbound.unread() <= CAPACITY / 2 {
            inbound.is_held_back = false;
            drop(inbound);
            // Errs only if the connection is over: then there is nothing to resume.
            let _ = self.connection.resume_reading();
        }
    }

    /// Returns the bytes of [`buffer`](Self::buffer), and marks them as consumed. They are not
    /// copied if nothing of the buffer was consumed before.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        let consumed = self.read;
        self.consume(usize::MAX);
        self.read = 0;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.drain(..consumed);
        buffer
    }

    pub(super) fn is_over(&self) -> bool {
        self.inbound.borrow().over.is_some()
    }

    /// Why the connection is over, or takes no more output. In the second case, it is closing:
    /// because of a stop of the reactor, or because this side has closed it.
    pub(super) fn reason(&self) -> ConnectionClosed {
        match &self.inbound.borrow().over {
            Some(reason) => reason.clone(),
            None if self.reactor.is_stopping() => ConnectionClosed::ReactorStopped,
            None => ConnectionClosed::Done,
        }
    }

    /// Takes all input that was not consumed, and says whether the input has ended after it.
    pub(super) fn take_rest(&mut self) -> (Vec<u8>, bool) {
        let mut rest = self.take_buffer();
        let mut inbound = self.inbound.borrow_mut();
        rest.append(&mut inbound.bytes);
        let is_at_end = inbound.is_at_end || matches!(inbound.over, Some(ConnectionClosed::Done));
        (rest, is_at_end)
    }

    fn error(&self) -> io::Error {
        match &self.inbound.borrow().over {
            Some(reason) => error_of(reason),
            // At a stop, a connection with unsent output takes no more, and ends when that output
            // is sent.
            None if self.reactor.is_stopping() => error_of(&ConnectionClosed::ReactorStopped),
            None => io::ErrorKind::BrokenPipe.into(),
        }
    }

    /// Polls the Deferred that waits for `what`; if there is none, `wait` makes it.
    fn poll_waiting(
        &mut self,
        cx: &mut Context<'_>,
        what: For,
        wait: impl FnOnce(&Connection<ByteStreamProtocol>) -> Deferred<()>,
    ) -> Poll<io::Result<()>> {
        let mut deferred = match self.waiting.take() {
            // The wait of an earlier poll is polled again: a new one each time would leave waiters
            // in the list of the connection.
            Some((waited_for, deferred)) if waited_for == what => deferred,
            replaced => {
                give_up(replaced);
                wait(&self.connection)
            }
        };
        match Pin::new(&mut deferred).poll(cx) {
            Poll::Pending => {
                self.waiting = Some((what, deferred));
                Poll::Pending
            }
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            // The task that waits was cancelled, and its connection is still open.
            Poll::Ready(Err(failure))
                if failure.is::<Cancelled>() && self.inbound.borrow().over.is_none() =>
            {
                Poll::Ready(Err(io::Error::other(Cancelled::new())))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(self.error())),
        }
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_waiting(cx, For::Room, Connection::ready)
    }

    /// The result of closing, if the connection is over: a success if both sides have finished.
    fn closed(&self) -> Option<io::Result<()>> {
        match &self.inbound.borrow().over {
            Some(ConnectionClosed::Done) => Some(Ok(())),
            Some(reason) => Some(Err(error_of(reason))),
            None => None,
        }
    }
}

/// Cancels a wait that is no longer needed, so that it leaves the list of its connection.
fn give_up(waiting: Option<(For, Deferred<()>)>) {
    if let Some((_, deferred)) = waiting {
        deferred.cancel();
        deferred.ignore();
    }
}

impl PollIo for ByteStream {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.poll_fill_buf(cx)
    }

    fn consume(&mut self, count: usize) {
        Self::consume(self, count);
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(cx))?;
        // At most `CAPACITY` in one call, which bounds the unsent output.
        let piece = &bytes[..bytes.len().min(CAPACITY)];
        match self.connection.write(piece) {
            Ok(()) => Poll::Ready(Ok(piece.len())),
            Err(Gone) => Poll::Ready(Err(self.error())),
        }
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(cx))?;
        let written = Cell::new(0);
        let counted = first_of(pieces, CAPACITY).inspect(|piece| {
            written.set(written.get() + piece.len());
        });
        match self.connection.write_sequence(counted) {
            Ok(()) => Poll::Ready(Ok(written.get())),
            Err(Gone) => Poll::Ready(Err(self.error())),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_room(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(closed) = self.closed() {
            return Poll::Ready(closed);
        }
        self.connection.lose_write_connection();
        let drained = ready!(self.poll_waiting(cx, For::Drained, Connection::drained));
        Poll::Ready(match drained {
            Err(_) if let Some(closed) = self.closed() => closed,
            drained => drained,
        })
    }
}

io_traits!(ByteStream);

impl Drop for ByteStream {
    fn drop(&mut self) {
        // The wait is cancelled first, because the close would fire it for nothing.
        give_up(self.waiting.take());
        self.connection.lose_connection();
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream")
            .field("peer", &self.peer().ok())
            .field("unread", &self.inbound.borrow().unread())
            .finish_non_exhaustive()
    }
}
