//! The reading half of [`Io`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use reactor::ConnectionClosed;

use super::Io;
use super::input::End;

impl Io {
    /// Polls until there is input, and calls `f` with all of it; at the end of the input, with no
    /// bytes. The bytes stay until [`consume`](Self::consume) removes them.
    ///
    /// # Errors
    ///
    /// The connection has ended otherwise than by a close of both sides.
    pub fn poll_fill<R>(
        &mut self,
        cx: &mut Context<'_>,
        f: impl FnOnce(&[u8]) -> R,
    ) -> Poll<io::Result<R>> {
        self.poll_fill_to(1, cx, f)
    }

    /// As [`poll_fill`](Self::poll_fill), but polls until there are `count` bytes, or the input
    /// ends.
    ///
    /// # Errors
    ///
    /// As for [`poll_fill`](Self::poll_fill).
    pub fn poll_fill_to<R>(
        &mut self,
        count: usize,
        cx: &mut Context<'_>,
        f: impl FnOnce(&[u8]) -> R,
    ) -> Poll<io::Result<R>> {
        let input = self.shared.input.borrow();
        let unread = input.unread();
        match &input.end {
            // First, so that input that came before a loss is still read.
            _ if unread.len() >= count => Poll::Ready(Ok(f(unread))),
            // The input has ended with fewer than `count` bytes, maybe none.
            Some(End::Finished | End::Lost(ConnectionClosed::Done)) => Poll::Ready(Ok(f(unread))),
            Some(End::Lost(_)) => Poll::Ready(Err(input.write_error())),
            None => {
                // Nothing is borrowed during `register`: it drops the waker that it replaces, which
                // runs code of users.
                drop(input);
                self.shared.reader.register(cx);
                Poll::Pending
            }
        }
    }

    /// Waits for input, and returns a copy of it without removing it.
    ///
    /// # Errors
    ///
    /// As for [`poll_fill`](Self::poll_fill).
    pub async fn peek(&mut self) -> io::Result<Vec<u8>> {
        std::future::poll_fn(|cx| self.poll_fill(cx, <[u8]>::to_vec)).await
    }

    /// Removes the first `count` bytes of the input.
    pub fn consume(&mut self, count: usize) {
        // The borrow ends with this statement, before the connection is touched.
        let resumes = self.shared.input.borrow_mut().consume(count);
        self.resume_reading_if(resumes);
    }

    fn resume_reading_if(&self, resumes: bool) {
        if resumes {
            // `Gone` if the connection is over: then there is nothing to resume.
            let _ = self.connection.resume_reading();
        }
    }
}

impl hyper::rt::Read for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let io = self.get_mut();
        let mut input = io.shared.input.borrow_mut();
        let unread = input.unread();
        if unread.is_empty() {
            drop(input);
            // Registers for a wake. Ready only at the end of the input, when there is nothing to
            // copy.
            return io.poll_fill(cx, |_| ());
        }
        let count = unread.len().min(buffer.remaining());
        buffer.put_slice(&unread[..count]);
        let resumes = input.consume(count);
        drop(input);
        io.resume_reading_if(resumes);
        Poll::Ready(Ok(()))
    }
}
