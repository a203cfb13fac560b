//! Receiving of a transport: reading, when to read and to deliver frames, and discarding the input
//! of a connection that closes.

use std::io;
use std::os::fd::OwnedFd;

use super::Transport;
use crate::connection::flags::Flags;
use crate::error::ConnectionClosed;
use crate::io::RawStream;

/// Number of reads of a closing connection in a turn, to discard what comes.
const DISCARDS_PER_TURN: usize = 4;

impl Transport {
    /// Reads once; `None` if there is nothing now.
    #[inline(always)]
    pub(in crate::connection) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let io = self.io.borrow_mut();
        let Some(stream) = &io.stream else {
            return Ok(None);
        };
        let received = if self.flags.has_any(Flags::CARRIES_DESCRIPTORS) {
            stream.receive_with(buffer, &mut self.received_descriptors.borrow_mut())?
        } else {
            stream.receive(buffer)?
        };
        if let Some(received) = received {
            self.core.counters.received(received);
        }
        Ok(received)
    }

    /// As [`receive`](Self::receive), not inlined: at the end of a connection.
    #[cold]
    pub(in crate::connection) fn receive_last(
        &self,
        buffer: &mut [u8],
    ) -> io::Result<Option<usize>> {
        self.receive(buffer)
    }

    pub(in crate::connection) fn take_descriptors(&self) -> Vec<OwnedFd> {
        self.received_descriptors.take()
    }

    /// Whether a frame may be delivered.
    #[inline]
    pub(in crate::connection) fn takes_frames(&self) -> bool {
        // The usual case: no flag forbids it, and nothing waits to be sent.
        !self.flags.has_any(
            Flags::NO_FRAMES
                .union(Flags::HAS_OUTPUT)
                .union(Flags::FILTERED),
        ) || self.takes_more_frames()
    }

    fn takes_more_frames(&self) -> bool {
        if self.waiting() > self.limits().high_water {
            if self.flags.has_any(Flags::FILTERED) {
                self.flush_filters();
            }
            // A flush may find the connection lost, so the flags are read anew here and below.
            if self.can_flush() {
                self.flush();
            } else {
                self.throttle(&mut self.io.borrow_mut());
            }
        }
        !self.flags.has_any(Flags::NO_FRAMES)
    }

    /// Whether the socket is to be read.
    #[inline]
    pub(in crate::connection) fn is_reading(&self) -> bool {
        if self.flags.has_any(Flags::FILTERED) {
            return self.is_reading_filtered();
        }
        !self.flags.has_any(Flags::NOT_READING)
    }

    /// Begins a pause of reading. Pauses are counted, so that two parts of a program do not end
    /// each other's pause.
    pub(in crate::connection) fn pause(&self) {
        self.pauses.set(self.pauses.get().saturating_add(1));
        self.flags.set(Flags::PAUSED);
    }

    /// Ends a pause of reading, if there is one.
    pub(in crate::connection) fn resume(&self) {
        let left = self.pauses.get().saturating_sub(1);
        self.pauses.set(left);
        self.flags.set_to(Flags::PAUSED, left > 0);
    }

    pub(in crate::connection) fn has_read_eof(&self) -> bool {
        self.flags.has_any(Flags::READ_EOF)
    }

    pub(in crate::connection) fn set_read_eof(&self) {
        self.flags.set(Flags::READ_EOF);
    }

    /// Whether input is read and discarded: the connection is closing, and output waits to be sent.
    /// The peer may read nothing before its own output is read, so this side has to read.
    pub(in crate::connection) fn is_discarding(&self) -> bool {
        self.flags.has_any(Flags::CLOSE_AFTER_FLUSH)
            && !self
                .flags
                .has_any(Flags::READ_EOF.union(Flags::FILTER_OPENING))
            && self.is_alive()
    }

    /// Reads input, and discards it.
    #[cold]
    pub(in crate::connection) fn discard_input(&self) {
        let mut buffer = self.core.buffers.take_read();
        // Bounded per turn, as reading is, so that a peer which sends without end does not keep the
        // loop from its other sources.
        for _ in 0..DISCARDS_PER_TURN {
            let received = self.receive_last(&mut *buffer);
            // Closed at once: descriptors that come with discarded bytes must not pile up.
            drop(self.received_descriptors.take());
            match received {
                Ok(None) => break,
                Ok(Some(0)) => {
                    self.set_read_eof();
                    break;
                }
                // A short read has emptied the socket, so a further call would read nothing.
                Ok(Some(received)) if received < buffer.len() => break,
                Ok(Some(_)) => {}
                Err(error) => {
                    self.abort(ConnectionClosed::Lost(error));
                    break;
                }
            }
        }
        self.core.buffers.return_read(buffer);
    }

    /// Number of bytes that have arrived and were not read.
    pub(in crate::connection) fn arrived(&self) -> usize {
        let io = self.io.borrow();
        io.stream.as_ref().map_or(0, RawStream::arrived)
    }

    /// Looks into a hang-up that neither reading nor writing would show, and that the poller
    /// would report again and again.
    pub(in crate::connection) fn look_into_hang_up(&self) {
        // An error of the socket ends the connection. Without one, the descriptor is masked: the
        // poller reports a hang-up also without interest, in each turn.
        let looked = match &self.io.borrow().stream {
            Some(stream) => match stream.take_error() {
                Ok(None) => stream.mask(),
                Ok(Some(error)) | Err(error) => Err(error),
            },
            None => Ok(()),
        };
        // The masked descriptor is not registered for input, so `update_interest` has to register it
        // once there is an interest again, such as after `resume_reading`.
        self.flags.set(Flags::INTEREST_CHANGED);
        if let Err(error) = looked {
            self.fail_with(error);
        }
    }
}
