//! The writing half of [`Io`].

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use smallvec::SmallVec;

use super::Io;

/// Bound of the output that waits to be sent before a write is pending.
// The default of `WriteLimits::high_water`, so that the connection takes what has room here.
const HIGH_WATER: usize = 64 * 1024;

/// Bound of the output that waits for the end of `received`. What is larger goes to the
/// connection at once, which need not copy it then.
const GATHERED: usize = 16 * 1024;

/// How much is taken though there is no room.
// The connection copies it, beyond its mark.
const LEAST: usize = 16 * 1024;

/// What goes out together: mostly a head and a body.
type Pieces<'a> = SmallVec<[IoSlice<'a>; 8]>;

impl Io {
    /// Polls until no more than 64 KiB wait to be sent.
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
        let result = ready!(Pin::new(room).poll(cx));
        self.room = None;
        Poll::Ready(result.map_err(|_| self.error()))
    }

    fn buffered(&self) -> io::Result<usize> {
        // Both, since what was gathered goes out first.
        let gathered = self.shared.output.borrow().len();
        let buffered = self.connection.buffered().map_err(|_gone| self.error())?;
        Ok(gathered + buffered)
    }

    fn error(&self) -> io::Error {
        self.shared.input.borrow().write_error()
    }

    /// Gathers `slices`, of `count` bytes in all, if `received` runs and they are few.
    ///
    /// How much waits to be sent need not be looked at: each `received` gathers so much at the
    /// most, and the connection is not read from while more than the high-water mark waits.
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

    /// Hands the beginning of `slices` to the connection, after what was gathered; gives how much
    /// of them.
    ///
    /// The connection sends a large output at once if nothing waits before it, and copies no more
    /// than its high-water mark of what the system does not take: hyper keeps the rest.
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
            // What was gathered counts as written, whether or not there is room for it.
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
            // Nothing, to hyper, is an error. It is so only with a high-water mark of the
            // connection that is lower than ours.
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

    /// Hands what was gathered to the connection, before that ends or is written by others.
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
