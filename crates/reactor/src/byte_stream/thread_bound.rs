//! `ThreadBoundStream`: a stream that is `Send`, for crates that require `Send` but do not move the
//! stream to another thread.

use std::fmt;
use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use send_wrapper::SendWrapper;

use super::io_traits::{PollIo, io_traits};
use super::stream::ByteStream;
use crate::remote::Remote;

/// A [`ByteStream`] whose type is [`Send`], but that can be used in its own thread only.
///
/// Many crates ask for a stream that is `Send`, because they may be used with a runtime of several
/// threads, and do not move it themselves. In another thread, reading and writing give an error,
/// and a drop sends the stream back to its own thread, which drops it.
///
/// Made by [`ByteStream::into_thread_bound`]. Needs the feature `send_wrapper`.
///
/// # Examples
///
/// ```
/// use futures::{AsyncRead, AsyncReadExt};
/// use reactor::Reactor;
/// # use futures::AsyncWriteExt;
///
/// /// Takes only what is `Send`, as a function of another crate may.
/// async fn greeting(mut stream: impl AsyncRead + Unpin + Send) -> std::io::Result<String> {
///     let mut text = String::new();
///     stream.read_to_string(&mut text).await?;
///     Ok(text)
/// }
///
/// let reactor = Reactor::new()?;
/// # let port = reactor.listen_tcp_streams("127.0.0.1:0", |mut stream| async move {
/// #     Ok(stream.write_all(b"hello").await?)
/// # })?;
/// let handle = reactor.handle();
/// let reading = reactor.spawn(async move {
///     let stream = handle.connect_tcp_stream(port.address()).await?;
///     Ok(greeting(stream.into_thread_bound()).await?)
/// });
/// assert_eq!(reactor.block_on(reading)?, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ThreadBoundStream {
    held: Held,
    remote: Remote,
}

/// A stream that is dropped in its own thread only. In another thread, it is leaked; that happens
/// only if the reactor, and so the connection, is gone.
struct Held(Option<SendWrapper<ByteStream>>);

impl Drop for Held {
    fn drop(&mut self) {
        match self.0.take() {
            Some(stream) if !stream.valid() => mem::forget(stream),
            stream => drop(stream),
        }
    }
}

impl ByteStream {
    /// Wraps the stream in a type that is [`Send`], for use in this thread only.
    ///
    /// With the feature `send_wrapper`.
    pub fn into_thread_bound(self) -> ThreadBoundStream {
        ThreadBoundStream {
            remote: self.reactor().remote(),
            held: Held(Some(SendWrapper::new(self))),
        }
    }
}

impl ThreadBoundStream {
    /// The stream without the wrapper.
    ///
    /// # Errors
    ///
    /// If this is not the thread of the stream, returns `self`.
    pub fn into_inner(mut self) -> Result<ByteStream, Self> {
        match self.held.0.take() {
            Some(stream) if stream.valid() => Ok(SendWrapper::take(stream)),
            stream => {
                self.held.0 = stream;
                Err(self)
            }
        }
    }

    fn stream(&mut self) -> io::Result<&mut ByteStream> {
        match &mut self.held.0 {
            Some(stream) if stream.valid() => Ok(stream),
            _ => Err(io::Error::other(
                "a stream that is bound to the thread of its reactor is used in another thread",
            )),
        }
    }
}

impl PollIo for ThreadBoundStream {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.stream()?.poll_fill(cx)
    }

    fn consume(&mut self, count: usize) {
        // Errs in another thread, where `poll_fill` has lent no bytes that could be consumed.
        if let Ok(stream) = self.stream() {
            stream.consume(count);
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write_vectored(cx, pieces)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_close(cx)
    }
}

io_traits!(ThreadBoundStream);

impl Drop for ThreadBoundStream {
    fn drop(&mut self) {
        // The closure below owns a `Held`, so that the stream is leaked and not dropped if the
        // closure is dropped in this thread.
        let held = Held(self.held.0.take());
        if held.0.as_ref().is_some_and(|stream| !stream.valid()) {
            // Errs if the reactor is gone; then the connection is gone, too.
            let _ = self.remote.call_from_thread(move |_| drop(held));
        }
    }
}

impl fmt::Debug for ThreadBoundStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("ThreadBoundStream");
        match &self.held.0 {
            Some(stream) if stream.valid() => debug.field(&**stream).finish(),
            _ => debug.finish_non_exhaustive(),
        }
    }
}
