//! `RemoteStream`: a stream that another thread may poll.
//!
//! ```text
//!   other thread                            thread of the loop
//!   RemoteStream ◀──input──── Shared ◀───── Pump ◀───── ByteStream ◀── connection
//!                ───output──▶ (a lock) ───▶      ─────▶            ──▶
//! ```
//!
//! Each side takes all bytes of its direction at once, by a swap, and wakes the other side by a
//! [`Waker`](std::task::Waker). The pump is an async task of the loop, so its waker puts it into
//! the inbox of the loop.

mod lock;
mod pump;
mod shared;

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use self::pump::Pump;
use self::shared::{NoRoom, Shared};
use super::io_traits::{PollIo, io_traits};
use super::protocol::error_of;
use super::stream::ByteStream;
use crate::address::Address;
use crate::error::{ConnectionClosed, Gone};

/// A [`ByteStream`] that any thread may poll, with the same traits: for crates that do their I/O in
/// a thread of their own, or in another runtime.
///
/// The connection stays in its loop, which moves bytes between it and this stream. So, compared
/// with a `ByteStream`, each byte is copied once more, and each wait ends with a wake-up of the
/// other thread. For a crate that only asks for [`Send`], use
/// [`ThreadBoundStream`](ByteStream::into_thread_bound), which costs neither.
///
/// - In each direction, up to 64 KiB wait between the threads, and up to 64 KiB more that the
///   receiving side has taken but not used. If this side does not read, the peer has to wait; if
///   the peer does not read, writing and flushing are pending.
/// - `poll_close` is ready when all output is sent; this side can still read. When the peer has
///   ended its output, a read gives 0 bytes; this side can still write.
/// - When the connection is over, input that has arrived can still be read. After that, reading and
///   writing fail with an error whose inner error is the [`ConnectionClosed`]. If the connection
///   ends at the moment of a write, the write may succeed although its bytes are never sent;
///   closing then gives the error.
/// - At a stop of the reactor, output that the loop has taken by then is sent. Then the stream
///   gives [`ReactorStopped`](ConnectionClosed::ReactorStopped), as it does when the reactor is
///   dropped.
/// - Dropping the stream, in any thread, closes the connection after the written output is sent.
///
/// Made by [`ByteStream::into_remote`], so it works over the same transports as a `ByteStream`:
/// TCP, UNIX sockets, TLS and the simulated network of tests.
///
/// # Examples
///
/// A connection of a loop is served by another thread:
///
/// ```
/// use futures::executor::block_on;
/// use futures::{AsyncReadExt, AsyncWriteExt};
/// use reactor::Reactor;
/// use std::thread;
///
/// let reactor = Reactor::new()?;
/// let port = reactor.listen_tcp_streams("127.0.0.1:0", |stream| {
///     let mut stream = stream.into_remote();
///     thread::spawn(move || {
///         block_on(async move {
///             let mut question = String::new();
///             stream.read_to_string(&mut question).await?;
///             stream.write_all(question.to_uppercase().as_bytes()).await?;
///             stream.close().await
///         })
///     });
///     async { Ok(()) }
/// })?;
/// # let handle = reactor.handle();
/// # let asking = reactor.spawn(async move {
/// #     let mut stream = handle.connect_tcp_stream(port.address()).await?;
/// #     stream.write_all(b"is anybody there?").await?;
/// #     stream.close().await?;
/// #     let mut answer = String::new();
/// #     stream.read_to_string(&mut answer).await?;
/// #     Ok(answer)
/// # });
/// # assert_eq!(reactor.block_on(asking).unwrap(), "IS ANYBODY THERE?");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RemoteStream {
    shared: Arc<Shared<ConnectionClosed>>,
    /// Taken out of `shared`, all at once; the first `read` bytes were read.
    buffer: Vec<u8>,
    read: usize,
    peer: Result<Address, Gone>,
}

impl ByteStream {
    /// Makes this a stream that any thread may poll. The connection stays in its loop.
    #[doc(alias = "into_send")]
    pub fn into_remote(self) -> RemoteStream {
        let peer = self.peer();
        let reactor = self.reactor().clone();
        let shared = Arc::new(Shared::new());
        let pump = Pump::new(self, Arc::clone(&shared));
        // Fails only if the reactor is gone. Then the pump was dropped, and its drop has ended the
        // stream.
        reactor.spawn_driver(pump).ignore();
        RemoteStream {
            shared,
            buffer: Vec::new(),
            read: 0,
            peer,
        }
    }
}

impl RemoteStream {
    /// The address of the other side.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection was over when this stream was made.
    #[doc(alias = "peer_addr")]
    pub fn peer(&self) -> Result<&Address, Gone> {
        self.peer.as_ref().map_err(|gone| *gone)
    }
}

impl PollIo for RemoteStream {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        if self.read == self.buffer.len() {
            // Emptied, because `poll_read` swaps it with the buffer of the pump.
            self.buffer.clear();
            self.read = 0;
            let polled = ready!(self.shared.poll_read(cx, &mut self.buffer));
            polled.map_err(|reason| error_of(&reason))?;
        }
        Poll::Ready(Ok(&self.buffer[self.read..]))
    }

    fn consume(&mut self, count: usize) {
        self.read += count.min(self.buffer.len() - self.read);
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(self.shared.poll_write(cx, pieces));
        Poll::Ready(written.map_err(|error| match error {
            NoRoom::Closed => io::ErrorKind::BrokenPipe.into(),
            NoRoom::Over(reason) => error_of(&reason),
        }))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Without pieces, this only waits for room; a flush needs no more, because the pump sends
        // all output by itself.
        self.poll_write_vectored(cx, &[]).map_ok(|_| ())
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match ready!(self.shared.poll_close(cx)) {
            Ok(()) | Err(ConnectionClosed::Done) => Ok(()),
            Err(reason) => Err(error_of(&reason)),
        })
    }
}

io_traits!(RemoteStream);

impl Drop for RemoteStream {
    fn drop(&mut self) {
        self.shared.drop_stream();
    }
}

impl fmt::Debug for RemoteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteStream")
            .field("peer", &self.peer().ok())
            .field(
                "unread",
                &(self.buffer.len() - self.read + self.shared.unread()),
            )
            .finish_non_exhaustive()
    }
}
