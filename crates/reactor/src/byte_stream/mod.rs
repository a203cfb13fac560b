//! `ByteStream`: a connection for `async` code, with the traits of `futures`.

mod open;

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};

use deferred::{Deferred, Result, Trigger};
use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use crate::address::Address;
use crate::connection::{Connection, Context, Protocol};
use crate::error::{ConnectionClosed, Gone};
use crate::framing::Raw;

/// Bound of the bytes that were not read yet: above it, the connection is not read
/// from until half of them are.
const CAPACITY: usize = 64 * 1024;

/// A connection that is read from and written to by `async` code, with the traits of
/// `futures`: [`AsyncRead`], [`AsyncBufRead`] and [`AsyncWrite`].
///
/// - What comes in waits here, up to 64 KiB; then the peer has to wait. As it is kept here,
///   lines can be read with no further buffer around it.
/// - Writing is pending while more waits to be sent than the high-water mark of
///   [`WriteLimits`](crate::WriteLimits) allows; flushing, while anything does.
/// - Closing finishes sending, when everything is sent; reading goes on. The peer's
///   end is a read of 0 bytes; writing goes on.
/// - Dropping it loses the connection, after what was written is sent.
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
    inbound: Rc<RefCell<Inbound>>,
    /// Taken out of `inbound`, all at once; the first `read` bytes were read.
    buffer: Vec<u8>,
    read: usize,
    /// What writing, flushing or closing waits for.
    waiting: Option<(For, Deferred<()>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Room,
    Drained,
}

/// The protocol of a [`ByteStream`]: from [`ByteStreamProtocol::pair`].
///
/// # Examples
///
/// A stream in a test, which is its other side:
///
/// ```
/// use futures::AsyncWriteExt;
/// use reactor::{ByteStreamProtocol, testing};
///
/// testing::run(|reactor| {
///     let (protocol, stream) = ByteStreamProtocol::pair();
///     let (_connection, peer) = reactor.connect_to_peer(protocol);
///     let body = async { Ok(stream.await?.write_all(b"hello").await?) };
///     reactor.spawn(body).detach();
///     assert_eq!(peer.received(), b"hello");
/// });
/// ```
pub struct ByteStreamProtocol {
    inbound: Rc<RefCell<Inbound>>,
    opened: Option<Trigger<ByteStream>>,
}

#[derive(Default)]
struct Inbound {
    bytes: Vec<u8>,
    /// Number of bytes that the stream has taken, and its user has not read.
    taken: usize,
    is_held_back: bool,
    is_at_end: bool,
    /// Why the connection is over.
    over: Option<ConnectionClosed>,
    reader: Option<Waker>,
}

impl Inbound {
    fn unread(&self) -> usize {
        self.taken + self.bytes.len()
    }
}

impl ByteStreamProtocol {
    /// A protocol, and the stream that it becomes when it has its connection: for
    /// whatever takes a protocol.
    pub fn pair() -> (Self, Deferred<ByteStream>) {
        let (trigger, stream) = Deferred::pair();
        let protocol = Self {
            inbound: Rc::default(),
            opened: Some(trigger),
        };
        (protocol, stream)
    }
}

impl Protocol for ByteStreamProtocol {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        if let Some(opened) = self.opened.take() {
            let stream = ByteStream {
                connection: cx.connection(),
                inbound: Rc::clone(&self.inbound),
                buffer: Vec::new(),
                read: 0,
                waiting: None,
            };
            // If it was cancelled, dropping the stream ends the connection.
            drop(opened.callback(stream));
        }
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        let mut inbound = self.inbound.borrow_mut();
        inbound.bytes.extend_from_slice(data);
        if inbound.unread() >= CAPACITY {
            inbound.is_held_back = true;
            cx.pause_reading();
        }
        wake(inbound);
        Ok(())
    }

    fn read_closed(&mut self, _cx: &mut Context<'_, Self>) -> Result<()> {
        let mut inbound = self.inbound.borrow_mut();
        inbound.is_at_end = true;
        wake(inbound);
        Ok(())
    }

    fn connection_lost(&mut self, cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        let mut inbound = self.inbound.borrow_mut();
        if matches!(reason, ConnectionClosed::Lost(_)) {
            // Bytes that have arrived, and wait to be read.
            cx.take_unread(|bytes| inbound.bytes.extend(bytes));
        }
        inbound.over = Some(reason);
        wake(inbound);
    }
}

/// What a waker does is other people's code.
fn wake(mut inbound: std::cell::RefMut<'_, Inbound>) {
    let reader = inbound.reader.take();
    drop(inbound);
    if let Some(reader) = reader {
        reader.wake();
    }
}

impl ByteStream {
    /// The address of the other side.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    pub fn peer(&self) -> std::result::Result<Address, Gone> {
        self.connection.peer()
    }

    /// The connection, for what is not reading or writing.
    pub fn connection(&self) -> &Connection<ByteStreamProtocol> {
        &self.connection
    }

    fn error(&self) -> io::Error {
        match &self.inbound.borrow().over {
            Some(ConnectionClosed::Lost(error)) => io::Error::new(error.kind(), error.to_string()),
            Some(reason) => io::Error::new(io::ErrorKind::NotConnected, reason.to_string()),
            None => io::ErrorKind::BrokenPipe.into(),
        }
    }

    /// Polls for bytes that were not read yet; there are none at the end of the input.
    fn poll_unread(&mut self, cx: &TaskContext<'_>) -> Poll<io::Result<&[u8]>> {
        if self.read == self.buffer.len() {
            let mut inbound = self.inbound.borrow_mut();
            if inbound.bytes.is_empty() {
                return match &inbound.over {
                    _ if inbound.is_at_end => Poll::Ready(Ok(&[])),
                    Some(ConnectionClosed::Done) => Poll::Ready(Ok(&[])),
                    Some(_) => {
                        drop(inbound);
                        Poll::Ready(Err(self.error()))
                    }
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
            std::mem::swap(&mut self.buffer, &mut inbound.bytes);
            inbound.taken = self.buffer.len();
        }
        Poll::Ready(Ok(&self.buffer[self.read..]))
    }

    /// How many of those were read.
    fn was_read(&mut self, count: usize) {
        let count = count.min(self.buffer.len() - self.read);
        self.read += count;
        let mut inbound = self.inbound.borrow_mut();
        inbound.taken -= count;
        if inbound.is_held_back && inbound.unread() <= CAPACITY / 2 {
            inbound.is_held_back = false;
            drop(inbound);
            // Errs only if the connection is over: then there is nothing to resume.
            let _ = self.connection.resume_reading();
        }
    }

    /// Polls for what is waited for; it begins to wait with `wait`.
    fn poll_waiting(
        &mut self,
        cx: &mut TaskContext<'_>,
        what: For,
        wait: impl FnOnce(&Connection<ByteStreamProtocol>) -> Deferred<()>,
    ) -> Poll<io::Result<()>> {
        let mut deferred = match self.waiting.take() {
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
            Poll::Ready(Err(_)) => Poll::Ready(Err(self.error())),
        }
    }
}

/// Has what is no longer waited for leave the list of its connection.
fn give_up(waiting: Option<(For, Deferred<()>)>) {
    if let Some((_, deferred)) = waiting {
        deferred.cancel();
        deferred.ignore();
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let stream = self.get_mut();
        let unread = std::task::ready!(stream.poll_unread(cx))?;
        let count = unread.len().min(buffer.len());
        buffer[..count].copy_from_slice(&unread[..count]);
        stream.was_read(count);
        Poll::Ready(Ok(count))
    }
}

impl AsyncBufRead for ByteStream {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut().poll_unread(cx)
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.get_mut().was_read(count);
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_waiting(cx, For::Room, Connection::ready))?;
        // No more than is to wait at a time.
        let piece = &bytes[..bytes.len().min(CAPACITY)];
        match self.connection.write(piece) {
            Ok(()) => Poll::Ready(Ok(piece.len())),
            Err(Gone) => Poll::Ready(Err(self.error())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        self.poll_waiting(cx, For::Drained, Connection::drained)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        if self.connection.is_gone() {
            // Both sides have finished.
            return Poll::Ready(Ok(()));
        }
        self.connection.lose_write_connection();
        self.poll_waiting(cx, For::Drained, Connection::drained)
    }
}

impl Drop for ByteStream {
    fn drop(&mut self) {
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

impl fmt::Debug for ByteStreamProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStreamProtocol").finish_non_exhaustive()
    }
}
