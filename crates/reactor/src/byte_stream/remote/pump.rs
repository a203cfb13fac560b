//! The pump of a `RemoteStream`: moves bytes between the connection and the shared buffers, in the
//! thread of the loop.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::shared::{Shared, Writer};
use crate::byte_stream::io_traits::PollIo;
use crate::byte_stream::stream::ByteStream;
use crate::error::ConnectionClosed;

/// Most times that the pump takes output in one poll. Bounded, because another thread may write as
/// fast as the pump takes.
const TAKES_PER_POLL: usize = 4;

/// A future that is ready when both directions have ended; its drop then closes the connection. It
/// is spawned as a driver: the loop polls it a last time at the end of a shutdown, and then drops
/// it.
pub(super) struct Pump {
    stream: ByteStream,
    shared: Arc<Shared<ConnectionClosed>>,
    /// Output that was taken from the `RemoteStream`; its first `sent` bytes were written to the
    /// connection.
    output: Vec<u8>,
    sent: usize,
    /// Whether the input has ended; `has_written` is the same for the output.
    // Each is set once and never cleared. `poll` is ready when both are set.
    has_read: bool,
    has_written: bool,
}

impl Pump {
    pub(super) fn new(stream: ByteStream, shared: Arc<Shared<ConnectionClosed>>) -> Self {
        Self {
            stream,
            shared,
            output: Vec::new(),
            sent: 0,
            has_read: false,
            has_written: false,
        }
    }

    /// Moves input until there is none, or no room for it.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.has_read {
            let end = match ready!(self.stream.poll_fill_buf(cx)) {
                Ok([]) => Ok(()),
                Ok(input) => {
                    match self.shared.give(input) {
                        // The stream was dropped.
                        None => break,
                        // The stream wakes the pump when there is room.
                        Some(0) => return Poll::Pending,
                        Some(given) => self.stream.consume(given),
                    }
                    continue;
                }
                Err(_) => Err(self.stream.reason()),
            };
            self.shared.end_input(&[], end);
            self.has_read = true;
        }
        self.has_read = true;
        Poll::Ready(())
    }

    /// Moves output until there is none, or the connection has no room for it.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut takes = 0;
        while !self.has_written {
            if self.sent < self.output.len() {
                match ready!(self.stream.poll_write(cx, &self.output[self.sent..])) {
                    Ok(count) => self.sent += count,
                    Err(_) => self.end_output(Err(self.stream.reason())),
                }
                continue;
            }
            if takes == TAKES_PER_POLL {
                // More output may wait, but the other sources of the loop come first.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            takes += 1;
            self.output.clear();
            self.sent = 0;
            match self.shared.take(&mut self.output) {
                _ if !self.output.is_empty() => {}
                Writer::Open => return Poll::Pending,
                Writer::Closed => {
                    let closed = ready!(self.stream.poll_close(cx));
                    self.end_output(closed.map_err(|_| self.stream.reason()));
                }
                Writer::Dropped => self.has_written = true,
            }
        }
        Poll::Ready(())
    }

    /// Writes all output to the connection, however much waits there already. The output is bounded
    /// by the capacity of the shared buffer and of one taken buffer. From then on, the timeouts of
    /// a close apply to it.
    fn write_last_output(&mut self) {
        while !self.has_written {
            let rest = &self.output[self.sent..];
            // Errs if the connection is over: then the output cannot be sent.
            let is_over = self.stream.connection().write(rest).is_err();
            self.output.clear();
            self.sent = 0;
            self.shared.take(&mut self.output);
            self.has_written = is_over || self.output.is_empty();
        }
    }

    fn end_output(&mut self, end: Result<(), ConnectionClosed>) {
        self.shared.end_output(end);
        self.has_written = true;
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let pump = &mut *self;
        // Before the state is looked at, so that each change after the look wakes the pump.
        pump.shared.register_pump(cx);
        let read = pump.poll_input(cx);
        if pump.stream.is_over() {
            pump.end_output(Err(pump.stream.reason()));
        }
        let written = pump.poll_output(cx);
        if pump.shared.is_dropped() {
            pump.write_last_output();
            return Poll::Ready(());
        }
        // Each direction ends by itself; the pump is ready when both have ended.
        ready!(read);
        written
    }
}

impl Drop for Pump {
    /// Ends the directions that are still open. That happens if the connection was lost while the
    /// stream had no room for the last input, and if the reactor is stopped or dropped, which drops
    /// the pump.
    fn drop(&mut self) {
        let reason = self.stream.reason();
        let (rest, is_at_end) = self.stream.take_rest();
        let end = if is_at_end {
            Ok(())
        } else {
            Err(reason.clone())
        };
        self.shared.end_input(&rest, end);
        self.shared.end_output(Err(reason));
    }
}
