//! Sending of a transport: writing into the out-buffer, flushing it, and throttling the input while
//! much output waits.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;

use super::{Io, SEND_AT_ONCE, Transport, length_of};
use crate::connection::flags::Flags;
use crate::error::ConnectionClosed;

/// Until this is dropped, output does not count as an answer to input.
pub(in crate::connection) struct Unprompted<'a> {
    transport: &'a Transport,
    was_set: bool,
}

impl Drop for Unprompted<'_> {
    #[inline]
    fn drop(&mut self) {
        // Restored, because these nest.
        let flags = &self.transport.flags;
        flags.set_to(Flags::UNPROMPTED, self.was_set);
    }
}

impl Transport {
    /// Whether something written now would be sent.
    #[inline]
    pub(in crate::connection) fn takes_writes(&self) -> bool {
        let flags = self.flags.get();
        !flags.has_any(Flags::NOT_WRITING)
            // A registered producer may write until it unregisters.
            || flags.has_any(Flags::HAS_PRODUCER) && !flags.has_any(Flags::NEVER_WRITING)
    }

    #[inline]
    pub(in crate::connection) fn write(&self, bytes: &[u8]) {
        if !self.write_little(bytes) {
            self.write_much(bytes);
        }
    }

    /// Writes, if that only adds a few bytes to the buffer; returns whether it did.
    #[inline]
    pub(in crate::connection) fn write_little(&self, bytes: &[u8]) -> bool {
        let mut io = self.io.borrow_mut();
        // One test covers size, limits and state: `WRITES_CHECKED` has every flag under which a
        // write is more than an append.
        let buffered = io.out.waiting() + bytes.len();
        if buffered >= SEND_AT_ONCE || self.flags.has_any(Flags::WRITES_CHECKED) {
            return false;
        }
        if !bytes.is_empty() {
            io.out.push(bytes, &self.core);
            self.flags.set(Flags::HAS_OUTPUT);
        }
        true
    }

    /// The slow path of [`write`](Self::write): for large writes, and for states in which a write
    /// is more than an append. Bytes that can no longer be sent are dropped.
    #[inline(never)]
    pub(in crate::connection) fn write_much(&self, bytes: &[u8]) {
        if !self.takes_writes() {
            tracing::debug!(target: "reactor", peer = %self.peer(), "a write after the close is dropped");
            return;
        }
        if self.flags.has_any(Flags::FILTERED) {
            return self.write_filtered(bytes);
        }
        let io = &mut *self.io.borrow_mut();
        let limits = self.limits();
        let before = io.out.waiting();
        let most = limits.most().saturating_add(io.out.allowance());
        let crosses = |limit: usize| before <= limit && before + bytes.len() > limit;
        if before > 0 && (crosses(limits.max_buffered) || before + bytes.len() > most) {
            // The peer may have made room since the handler began.
            if let Err(error) = self.send_waiting(io) {
                return self.fail_writing(io, error);
            }
        }
        let rest = match self.send_at_once(io, &[IoSlice::new(bytes)]) {
            Ok(sent) => &bytes[sent..],
            Err(error) => return self.fail_writing(io, error),
        };
        if rest.is_empty() {
            return;
        }
        let before = io.out.waiting();
        let buffered = before + rest.len();
        // Checked before the bytes of this write: so that one write of any size is accepted, and
        // the next one is not.
        if before <= limits.max_buffered {
            io.out
                .set_allowance(rest.len().saturating_sub(limits.max_buffered));
        } else if buffered > limits.most().saturating_add(io.out.allowance()) {
            let limit = limits.max_buffered;
            return self.abort(ConnectionClosed::Overflow { buffered, limit });
        }
        io.out.push(rest, &self.core);
        if self.flags.has_any(Flags::UNPROMPTED) {
            // Counted apart, because throttling looks at answers to input only: output that the
            // peer did not cause must not stop the reading of its input.
            io.out.add_unprompted(rest.len());
            self.flags.set(Flags::COUNTED);
        }
        self.flags.set(Flags::HAS_OUTPUT);
    }

    /// Sends what the system takes of a large write, if nothing waits before it.
    pub(super) fn send_at_once(&self, io: &mut Io, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let length = length_of(pieces);
        if length < SEND_AT_ONCE || io.out.waiting() > 0 || self.is_write_blocked() {
            return Ok(0);
        }
        let sent = io.send(pieces)?;
        self.core.counters.sent(sent);
        if sent > 0 {
            self.note_activity();
        }
        // Set only here and in `has_sent`, from what the system took: the next write must not
        // overtake the rest in the buffer.
        self.flags.set_to(Flags::WRITE_BLOCKED, sent < length);
        Ok(sent)
    }

    /// Number of bytes that may be added until one byte more than the high-water mark waits: so a
    /// writer that has used all of the room has to wait for more.
    pub(in crate::connection) fn room(&self) -> usize {
        let bound = self.limits().high_water.saturating_add(1);
        bound.saturating_sub(self.waiting())
    }

    /// Sends what the system takes of `pieces` at once, and buffers nothing. The caller must buffer
    /// a part of the rest, if there is one: only for what is buffered does the loop wait for room.
    pub(in crate::connection) fn send_some(&self, pieces: &[IoSlice<'_>]) -> usize {
        if self.flags.has_any(Flags::FILTERED) || !self.takes_writes() {
            return 0;
        }
        let io = &mut *self.io.borrow_mut();
        match self.send_at_once(io, pieces) {
            Ok(sent) => sent,
            Err(error) => {
                self.fail_writing(io, error);
                // Discarded, as what is written to a connection that has failed.
                length_of(pieces)
            }
        }
    }

    /// Until the result is dropped, output does not count as an answer to input.
    #[inline]
    pub(in crate::connection) fn unprompted(&self) -> Unprompted<'_> {
        let was_set = self.flags.has_any(Flags::UNPROMPTED);
        self.flags.set(Flags::UNPROMPTED);
        Unprompted {
            transport: self,
            was_set,
        }
    }

    pub(in crate::connection) fn carries_descriptors(&self) -> bool {
        self.flags.has_any(Flags::CARRIES_DESCRIPTORS)
    }

    /// How many descriptors wait to be sent.
    pub(in crate::connection) fn waiting_descriptors(&self) -> usize {
        self.io.borrow().out.waiting_descriptors()
    }

    /// Writes `bytes`; `descriptor` goes with the first of them.
    pub(in crate::connection) fn write_with(&self, descriptor: OwnedFd, bytes: &[u8]) {
        self.io.borrow_mut().out.push_descriptor(descriptor);
        // Below SEND_AT_ONCE, so that no piece overtakes buffered bytes.
        for piece in bytes.chunks(SEND_AT_ONCE - 1) {
            self.write(piece);
        }
    }

    /// How many bytes wait to be sent.
    #[inline]
    pub(in crate::connection) fn waiting(&self) -> usize {
        let waiting = self.io.borrow().out.waiting();
        if self.flags.has_any(Flags::FILTERED) {
            return waiting + self.waiting_for_filters();
        }
        waiting
    }

    /// Whether there is something to send, and the system might take it.
    #[inline]
    pub(in crate::connection) fn can_flush(&self) -> bool {
        // `WRITE_BLOCKED`: the poller reports room first. Trying before would be a system call in
        // vain for each handler.
        let stopped = Flags::WRITE_BLOCKED
            .union(Flags::ABORTING)
            .union(Flags::CLOSED);
        let flags = self.flags.get();
        flags.intersection(stopped.union(Flags::HAS_OUTPUT)) == Flags::HAS_OUTPUT
    }

    /// Whether the system took no more at the last attempt, so that the poller has to report room.
    #[inline]
    pub(in crate::connection) fn is_write_blocked(&self) -> bool {
        self.flags.has_any(Flags::WRITE_BLOCKED)
    }

    /// Sends the output that waits, as far as the system takes it. Not to be called while a handler
    /// runs, since it also decides by the output of the last handler whether to throttle the input.
    #[inline]
    pub(in crate::connection) fn flush(&self) {
        let io = &mut *self.io.borrow_mut();
        let Some(stream) = &io.stream else {
            return;
        };
        let sent = match io.out.send(stream) {
            Ok(sent) => sent,
            Err(error) => return self.fail_writing(io, error),
        };
        self.core.counters.sent(sent);
        let is_write_blocked = io.out.tidy(&self.core) > 0;
        self.flags.set_to(Flags::HAS_OUTPUT, is_write_blocked);
        if is_write_blocked || self.flags.has_any(Flags::SEND_IS_SPECIAL) {
            self.wait_for_room(io, sent);
        }
    }

    #[cold]
    fn wait_for_room(&self, io: &mut Io, sent: usize) {
        self.has_sent(io, sent);
        self.throttle(io);
    }

    /// Notes that the system has taken `sent` bytes of what waited, and whether any are left.
    fn has_sent(&self, io: &mut Io, sent: usize) {
        io.out.forget_sent(sent);
        if sent > 0 {
            self.flags.set(Flags::PROGRESS);
            if self.flags.has_any(Flags::FILTERED) {
                self.note_filtered_output(io.out.waiting());
            } else {
                self.note_activity();
            }
        }
        let is_write_blocked = io.out.waiting() > 0;
        self.flags.set_to(Flags::WRITE_BLOCKED, is_write_blocked);
        self.flags.set_to(Flags::HAS_OUTPUT, is_write_blocked);
    }

    /// As [`flush`](Self::flush), in the middle of a handler, also if the system took nothing.
    pub(super) fn send_waiting(&self, io: &mut Io) -> io::Result<()> {
        if let Some(stream) = &io.stream {
            let sent = io.out.send(stream)?;
            self.core.counters.sent(sent);
            io.out.tidy(&self.core);
            self.has_sent(io, sent);
        }
        Ok(())
    }

    /// Stops reading while more answers wait than the high-water mark allows, and resumes below
    /// half of it.
    pub(super) fn throttle(&self, io: &mut Io) {
        let flags = self.flags.get();
        let high_water = self.limits().high_water;
        // Two limits, so that a peer that takes a little at a time does not switch reading off and
        // on with each piece.
        let limit = if flags.has_any(Flags::READ_THROTTLED) {
            high_water / 2
        } else {
            high_water
        };
        let answers = if flags.has_any(Flags::FILTERED) {
            self.answers_for_filters(high_water)
        } else {
            io.out.answers(high_water)
        };
        // A producer is paused itself, so its connection is read on.
        let is_throttled = answers > limit && !flags.has_any(Flags::HAS_PRODUCER);
        self.flags.set_to(Flags::READ_THROTTLED, is_throttled);
        self.flags.set_to(Flags::COUNTED, io.out.waiting() > 0);
    }

    /// As [`throttle`](Self::throttle), between two handlers, if the system takes no more.
    pub(in crate::connection) fn throttle_if_blocked(&self) {
        if self.is_write_blocked() {
            // A producer lifts the throttling; when it has unregistered, the output that waits
            // counts again.
            self.throttle(&mut self.io.borrow_mut());
        }
    }

    pub(in crate::connection) fn has_producer(&self) -> bool {
        self.flags.has_any(Flags::HAS_PRODUCER)
    }

    pub(in crate::connection) fn set_has_producer(&self, has_producer: bool) {
        self.flags.set_to(Flags::HAS_PRODUCER, has_producer);
        // Counted anew: a producer lifts the throttling, and its end may bring it back.
        self.throttle(&mut self.io.borrow_mut());
    }

    /// Whether the peer must take some output from time to time: the connection is closing, or more
    /// output waits than `max_buffered` allows.
    pub(in crate::connection) fn is_to_be_watched(&self) -> bool {
        let flags = self.flags.get();
        flags.has_any(Flags::WRITE_BLOCKED.union(Flags::FILTERED))
            && (flags.has_any(Flags::CLOSING) || self.overfull().is_some())
    }

    /// The number of bytes that wait, if that is more than `max_buffered` allows.
    pub(in crate::connection) fn overfull(&self) -> Option<usize> {
        let waiting = self.waiting();
        (waiting > self.limits().max_buffered).then_some(waiting)
    }

    /// Whether the peer has taken something since the last call.
    pub(in crate::connection) fn take_progress(&self) -> bool {
        let has_progressed = self.flags.has_any(Flags::PROGRESS);
        self.flags.clear(Flags::PROGRESS);
        has_progressed
    }
}
