//! End of a transport: of one direction, of both when all is sent, or at once.

use std::io;

use deferred::Failure;

use super::{Io, Transport};
use crate::connection::flags::Flags;
use crate::connection::linger::{self, Linger};
use crate::error::ConnectionClosed;
use crate::io::RawStream;
use crate::panics::contain;

/// How a socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::connection) enum Close {
    /// Close so that everything that was sent arrives: this side waits for the peer (`linger`).
    InOrder,
    /// Close in order, but without waiting for the peer, since the reactor stops.
    AtOnce,
    /// The connection is broken: nothing that was sent arrives any more.
    Broken,
    /// Reset the connection: output that has not arrived is dropped.
    Reset,
}

impl Transport {
    /// Ends writing when everything is sent; reading goes on.
    pub(in crate::connection) fn lose_write(&self) {
        if !self.flags.has_any(Flags::WRITE_CLOSED) {
            self.flags.set(Flags::SHUT_WRITE_AFTER_FLUSH);
        }
    }

    /// Shuts writing down, if [`lose_write`](Self::lose_write) was called and everything is sent;
    /// returns whether it did.
    #[inline]
    pub(in crate::connection) fn shut_write(&self) -> bool {
        let flags = self.flags.get();
        // A connection that is closing shuts down both directions together, in `close`. A producer
        // may still write, and filters send their end (such as a close_notify) before that of the
        // stream.
        if !flags.has_any(Flags::SHUT_WRITE_AFTER_FLUSH)
            || flags.has_any(Flags::CLOSING.union(Flags::HAS_PRODUCER))
            || self.waiting() > 0
            || !self.filters_are_finished()
        {
            return false;
        }
        self.flags.clear(Flags::SHUT_WRITE_AFTER_FLUSH);
        self.flags.set(Flags::WRITE_CLOSED);
        let finished = match &self.io.borrow().stream {
            Some(stream) => stream.shut_write(),
            None => Ok(()),
        };
        if let Err(error) = finished {
            self.fail_with(error);
        }
        true
    }

    /// Ends the connection when everything is sent.
    pub(in crate::connection) fn lose(&self) {
        // After a send that has failed, there is a reason already.
        self.lose_because(ConnectionClosed::Done);
    }

    /// As [`lose`](Self::lose), with another reason than `Done`.
    #[inline(always)]
    pub(in crate::connection) fn lose_because(&self, reason: ConnectionClosed) {
        if self.is_open() {
            self.reason.borrow_mut().get_or_insert(reason);
            self.flags.set(Flags::CLOSE_AFTER_FLUSH);
        }
    }

    /// As [`lose`](Self::lose), because of `failure`.
    pub(in crate::connection) fn fail(&self, failure: Failure) {
        // The first reason stays, unless it is `Done`: the program has closed the connection then,
        // and does not know of a failure that comes later.
        let is_in_order = matches!(*self.reason.borrow(), None | Some(ConnectionClosed::Done));
        if is_in_order && !self.flags.has_any(Flags::ABORTING.union(Flags::CLOSED)) {
            self.reason.replace(Some(ConnectionClosed::Failed(failure)));
        } else {
            contain("the drop of a failure", || drop(failure));
        }
        self.flags.set(Flags::CLOSE_AFTER_FLUSH);
    }

    /// Whether the connection was aborted, or sending, a handler or a filter has failed.
    pub(in crate::connection) fn has_failed(&self) -> bool {
        self.flags
            .has_any(Flags::ABORTING.union(Flags::WRITE_FAILED))
            || matches!(*self.reason.borrow(), Some(ConnectionClosed::Failed(_)))
    }

    /// Ends the connection at the next opportunity; output that waits is not sent.
    pub(in crate::connection) fn abort(&self, reason: ConnectionClosed) {
        if self.flags.has_any(Flags::ABORTING.union(Flags::CLOSED)) {
            return;
        }
        let mut first = self.reason.borrow_mut();
        // A failure or an idle timeout stays the reason, whatever came of it.
        if !matches!(
            *first,
            Some(ConnectionClosed::Failed(_) | ConnectionClosed::IdleTimeout { .. })
        ) {
            *first = Some(reason);
        }
        self.flags.set(Flags::ABORTING);
    }

    /// Called when sending has failed with `error`: discards the output that waits. Input that has
    /// arrived is still delivered, unless the connection is closing.
    #[cold]
    pub(super) fn fail_writing(&self, io: &mut Io, error: io::Error) {
        let flags = self.flags.get();
        if flags.has_any(
            Flags::ABORTING
                .union(Flags::CLOSED)
                .union(Flags::WRITE_FAILED),
        ) {
            return;
        }
        // Before the output is dropped, since `both_have_finished` needs the number of its bytes.
        let is_loss = !self.both_have_finished(io.out.waiting());
        std::mem::take(&mut io.out).discard(&self.core);
        self.discard_plain();
        let was_writing = Flags::HAS_OUTPUT
            .union(Flags::WRITE_BLOCKED)
            .union(Flags::READ_THROTTLED);
        self.flags
            .clear(was_writing.union(Flags::SHUT_WRITE_AFTER_FLUSH));
        self.flags.set(Flags::WRITE_FAILED);
        let mut reason = self.reason.borrow_mut();
        if !matches!(*reason, Some(ConnectionClosed::Failed(_))) {
            *reason = Some(if is_loss {
                ConnectionClosed::Lost(error)
            } else {
                ConnectionClosed::Done
            });
        }
    }

    /// Ends the connection for `reason`: for a failure, after the output that waits is sent; for
    /// any other reason, without sending it.
    pub(in crate::connection) fn end_with(&self, reason: ConnectionClosed) {
        match reason {
            ConnectionClosed::Failed(failure) => self.fail(failure),
            reason => self.abort(reason),
        }
    }

    /// Called when receiving has failed: the connection is lost, unless both sides had sent their
    /// end before.
    #[cold]
    pub(in crate::connection) fn receiving_failed(&self, error: io::Error) {
        let waiting = self.io.borrow().out.waiting();
        self.abort(if self.both_have_finished(waiting) {
            ConnectionClosed::Done
        } else {
            ConnectionClosed::Lost(error)
        });
    }

    /// As [`fail_writing`](Self::fail_writing), for an error that another call than a send has
    /// returned.
    pub(in crate::connection) fn fail_with(&self, error: io::Error) {
        self.fail_writing(&mut self.io.borrow_mut(), error);
    }

    /// Whether nothing will be sent any more, although there may be something to send.
    pub(in crate::connection) fn is_cut_off(&self) -> bool {
        let flags = self.flags.get();
        flags.has_any(
            Flags::WRITE_FAILED
                .union(Flags::ABORTING)
                .union(Flags::CLOSED),
        )
    }

    /// Whether sending has failed, and what has arrived is to be looked at before the end.
    pub(in crate::connection) fn has_write_failed(&self) -> bool {
        let flags = self.flags.get();
        flags.has_any(Flags::WRITE_FAILED) && !flags.has_any(Flags::ABORTING.union(Flags::CLOSED))
    }

    /// Ends a broken connection at the next opportunity, with the reason that it has.
    pub(in crate::connection) fn end_after_failed_write(&self) {
        self.flags.set(Flags::ABORTING);
    }

    /// If nothing keeps the connection alive any more, marks it as closed and returns the reason;
    /// `None` if it was closed before.
    #[inline]
    pub(in crate::connection) fn end(&self) -> Option<ConnectionClosed> {
        if self.is_alive() || self.is_closed() {
            return None;
        }
        self.flags.set(Flags::CLOSED);
        let reason = self.reason.take();
        // Without a reason, both sides have finished.
        Some(reason.unwrap_or(ConnectionClosed::Done))
    }

    /// Closes the socket: in order, when the peer has finished sending too, or with
    /// a reset.
    ///
    /// The system resets a connection whose socket is closed with input that was not read, and
    /// then may drop output that the peer has not read yet. So before an orderly close, the input
    /// is discarded: by a `Linger`, which waits for the peer's end, or as much as has arrived.
    pub(in crate::connection) fn close(&self, how: Close) {
        // Taken out first, so that `io` is not borrowed while the output is dropped and the socket
        // is closed or handed to a `Linger`.
        let (stream, out) = {
            let io = &mut *self.io.borrow_mut();
            (io.stream.take(), std::mem::take(&mut io.out))
        };
        out.discard(&self.core);
        drop(self.received_descriptors.take());
        let Some(stream) = stream else {
            return;
        };
        // After the peer's end, no input can come that would cause a reset.
        let is_in_order = matches!(how, Close::InOrder | Close::AtOnce) && !self.has_read_eof();
        // A reactor that has ended makes no more turns in which a `Linger` could read.
        let lingers = is_in_order && how == Close::InOrder && !self.core.is_gone();
        let stream = match stream {
            RawStream::Socket(registration) | RawStream::Unix(registration) if lingers => {
                // `Linger` takes over the descriptor, and its key in the registry.
                return Linger::start(&self.core, registration);
            }
            stream => stream,
        };
        if is_in_order {
            match &stream {
                RawStream::Socket(registration) | RawStream::Unix(registration) => {
                    linger::discard_arrived(&self.core, registration);
                }
                RawStream::Memory(socket) => socket.linger(linger::BYTES),
                RawStream::Pipes(_) => {}
            }
        }
        if how == Close::Reset {
            stream.reset();
        }
        // The stream is dropped at the end of this function, after its keys: an event that is in the
        // poller's list already finds no source.
        for &key in &self.keys {
            drop(self.core.registry.remove(key));
        }
    }
}
