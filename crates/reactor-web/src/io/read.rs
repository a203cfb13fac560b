//! The reading half of [`Io`].

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use deferred::Deferred;
use reactor::ConnectionClosed;

use super::Io;
use super::input::End;

impl Io {
    /// Polls until input is there, and calls `f` with all of it: with nothing at the end of the
    /// input. [`consume`](Self::consume) says how much of it was read.
    ///
    /// # Errors
    ///
    /// The connection is over, and was not ended by both sides.
    pub fn poll_fill<R>(
        &mut self,
        cx: &mut Context<'_>,
        f: impl FnOnce(&[u8]) -> R,
    ) -> Poll<io::Result<R>> {
        self.poll_fill_to(1, cx, f)
    }

    /// As [`poll_fill`](Self::poll_fill), until `count` bytes are there, or the end of the input.
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
        loop {
            {
                let input = self.shared.input.borrow();
                let unread = input.unread();
                match &input.end {
                    _ if unread.len() >= count => return Poll::Ready(Ok(f(unread))),
                    Some(End::Finished | End::Lost(ConnectionClosed::Done)) => {
                        return Poll::Ready(Ok(f(unread)));
                    }
                    Some(End::Lost(_)) => return Poll::Ready(Err(input.write_error())),
                    None => {}
                }
            }
            // Kept from poll to poll: a trigger that is replaced in `reader` would abandon its
            // Deferred, which is what this waits for.
            let reading = self.reading.get_or_insert_with(|| {
                let (trigger, reading) = Deferred::pair();
                self.shared.reader.set(Some(trigger));
                reading
            });
            // It cannot fail but by a cancel, after which the input is looked at again.
            let _ = ready!(Pin::new(reading).poll(cx));
            self.reading = None;
        }
    }

    /// As [`poll_fill`](Self::poll_fill), awaited, with a copy of what is there: for a look at the
    /// first bytes.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn peek(&mut self) -> io::Result<Vec<u8>> {
        std::future::poll_fn(|cx| self.poll_fill(cx, <[u8]>::to_vec)).await
    }

    /// Says that the first `count` bytes of the input were read.
    pub fn consume(&mut self, count: usize) {
        if self.shared.input.borrow_mut().consume(count) {
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
        let count = ready!(io.poll_fill(cx, |unread| {
            let count = unread.len().min(buffer.remaining());
            buffer.put_slice(&unread[..count]);
            count
        }))?;
        io.consume(count);
        Poll::Ready(Ok(()))
    }
}
