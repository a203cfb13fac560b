//! The reading half of [`Io`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use reactor::ConnectionClosed;

use super::Io;
use super::input::End;

impl Io {
    /// Polls until input is there, and calls `f` with all of it; at the end of the input, with an
    /// empty slice. The input stays unread until [`consume`](Self::consume) takes it.
    ///
    /// # Errors
    ///
    /// The connection is over, and not because both sides have finished.
    pub fn poll_fill<R>(
        &mut self,
        cx: &mut Context<'_>,
        f: impl FnOnce(&[u8]) -> R,
    ) -> Poll<io::Result<R>> {
        self.poll_fill_to(1, cx, f)
    }

    /// As [`poll_fill`](Self::poll_fill), but waits for `count` bytes or the end of the input.
    ///
    /// # Errors
    ///
    /// As there.
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
            Some(End::Finished | End::Lost(ConnectionClosed::Done)) => Poll::Ready(Ok(f(unread))),
            Some(End::Lost(_)) => Poll::Ready(Err(input.write_error())),
            None => {
                self.shared.reader.register(cx);
                Poll::Pending
            }
        }
    }

    /// As [`poll_fill`](Self::poll_fill), for async code: returns a copy of the unread input, which
    /// stays unread. To choose a protocol by the first bytes, for one.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn peek(&mut self) -> io::Result<Vec<u8>> {
        std::future::poll_fn(|cx| self.poll_fill(cx, <[u8]>::to_vec)).await
    }

    /// Takes the first `count` bytes of the unread input, or all of it if it has fewer.
    pub fn consume(&mut self, count: usize) {
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
