//! The writing half of [`Io`].

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use smallvec::SmallVec;

use super::Io;

/// Number of bytes that wait to be sent from which on a write is pending.
// The default of `WriteLimits::high_water`, so that the connection accepts what has room here.
const HIGH_WATER: usize = 64 * 1024;

/// Most bytes of output that wait for the end of `received`. A larger output goes to the connection
/// at once, which can send it without a copy.
const GATHERED: usize = 16 * 1024;

/// Most bytes that a write hands over although the connection accepts none: see `write`.
const LEAST: usize = 16 * 1024;

/// Slices of one write: the gathered output, a head and a body.
type Pieces<'a> = SmallVec<[IoSlice<'a>; 8]>;

impl Io {
    /// Polls until there is room for a write: at once while less than 64 KiB wait to be sent, else
    /// when half of that was sent.
    ///
    /// # Errors
    ///
    /// The connection is over or closing.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A wait that has begun ends at half of the bound, not below it: see `Connection::ready`.
        if self.room.is_none() && self.buffered()? < HIGH_WATER {
            return Poll::Ready(Ok(()));
        }
        // Kept from one poll to the next, so that it wakes the body that polls.
        let room = self.room.get_or_insert_with(|| self.connection.ready());
        let polled = Pin::new(room).poll(cx);
        self.shared.awaits_room.set(polled.is_pending());
        let result = ready!(polled);
        self.room = None;
        Poll::Ready(result.map_err(|_| self.error()))
    }

    /// Bytes that wait to be sent, gathered ones included.
    fn buffered(&self) -> io::Result<usize> {
        // Both, since what was gathered goes out first.
        let gathered = self.shared.output.borrow().len();
        let buffered = self.connection.buffered().map_err(|_gone| self.error())?;
        Ok(gathered + buffered)
    }

    fn error(&self) -> io::Error {
        self.shared.input.borrow().write_error()
    }

    /// Gathers `slices`, of `count` bytes in all, if `received` runs and at most `GATHERED` bytes
    /// are gathered then. Returns whether it did.
    ///
    /// This need not look at the output that waits to be sent: each `received` gathers `GATHERED`
    /// bytes at most, and the connection reads nothing, and so calls no `received`, while more than
    /// its high-water mark waits.
    fn gather(&self, slices: &[IoSlice<'_>], count: usize) -> bool {
        // Outside of `received`, nothing would take it out of `output`.
        if !self.shared.is_receiving.get() || self.room.is_some() {
            return false;
        }
        let mut output = self.shared.output.borrow_mut();
        if output.len() + count > GATHERED {
            return false;
        }
        for slice in slices {
            output.extend_from_slice(slice);
        }
        self.count_written(count);
        true
    }

    fn count_written(&self, count: usize) {
        let written = self.shared.written.get() + count as u64;
        self.shared.written.set(written);
    }

    /// Hands the gathered output, and then the beginning of `slices`, to the connection. Returns
    /// the number of bytes that it has taken of `slices`.
    ///
    /// The connection sends a large output at once if nothing waits before it. Of the bytes that
    /// the system does not take, it copies up to its high-water mark; hyper keeps the rest.
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        // Taken, so that nothing is borrowed while the connection writes: a filter is user code.
        let gathered = self.shared.output.take();
        let mut taken = if gathered.is_empty() {
            self.write_some(slices)?
        } else {
            let mut pieces: Pieces<'_> = SmallVec::with_capacity(slices.len() + 1);
            pieces.push(IoSlice::new(&gathered));
            pieces.extend_from_slice(slices);
            let taken = self.write_some(&pieces)?;
            // hyper was told that the gathered bytes are written, so they are, without regard to
            // room.
            let rest = gathered.get(taken..).unwrap_or_default();
            if !rest.is_empty() {
                self.hand_over(rest)?;
            }
            // Only `slices` count for hyper: `gather` has told it that the other bytes are written.
            taken.saturating_sub(gathered.len())
        };
        if taken == 0
            && let Some(slice) = slices.iter().find(|slice| !slice.is_empty())
        {
            // hyper treats a write of no bytes as an error. The connection takes none here only if
            // its high-water mark is lower than `HIGH_WATER`.
            let some = &slice[..slice.len().min(LEAST)];
            self.hand_over(some)?;
            taken = some.len();
        }
        self.count_written(taken);
        Ok(taken)
    }

    fn write_some(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let taken = self.connection.write_some_sequence(pieces);
        taken.map_err(|_gone| self.error())
    }

    fn hand_over(&self, bytes: &[u8]) -> io::Result<()> {
        self.connection.write(bytes).map_err(|_gone| self.error())
    }

    /// Hands the gathered output to the connection, before the connection ends, or is written to by
    /// other means than this `Io`.
    pub(crate) fn send_gathered(&self) {
        let gathered = self.shared.output.take();
        if !gathered.is_empty() {
            // `Gone` if the connection is over: then there is nothing to send to.
            let _ = self.connection.write(gathered);
        }
    }
}

impl hyper::rt::Write for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let io = self.get_mut();
        let slices = [IoSlice::new(bytes)];
        if io.gather(&slices, bytes.len()) {
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(io.poll_room(cx))?;
        Poll::Ready(io.write(&slices))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The loop sends what was written when the handler returns.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let io = self.get_mut();
        io.send_gathered();
        io.connection.lose_write_connection();
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let io = self.get_mut();
        let count = slices.iter().map(|slice| slice.len()).sum();
        if io.gather(slices, count) {
            return Poll::Ready(Ok(count));
        }
        ready!(io.poll_room(cx))?;
        Poll::Ready(io.write(slices))
    }
}
