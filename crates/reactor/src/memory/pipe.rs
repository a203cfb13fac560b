//! One direction of a simulated connection, with limited capacity.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

/// Number of unread bytes that one direction holds.
const CAPACITY: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Pipe {
    bytes: RefCell<VecDeque<u8>>,
    descriptors: RefCell<VecDeque<OwnedFd>>,
    /// Whether the writing end is closed.
    // Set by `finish` and `reset`, never cleared.
    is_finished: Cell<bool>,
    /// Whether the reading end is closed.
    // Set by `stop_reading`, never cleared.
    is_unread: Cell<bool>,
    /// Whether the direction ends with an error.
    // Set by `reset`, never cleared.
    is_reset: Cell<bool>,
    /// Number of bytes that are still taken and discarded although the reading end is closed.
    discards: Cell<usize>,
}

impl Pipe {
    pub(super) fn write(&self, bytes: &[u8], descriptors: Vec<OwnedFd>) -> io::Result<usize> {
        if self.is_finished.get() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        // A reader that has closed in an orderly way takes some more bytes (`discard`), as its
        // `Linger` would; after that, the writer gets a reset.
        if self.is_unread.get() {
            let taken = bytes.len().min(self.discards.get());
            self.discards.set(self.discards.get() - taken);
            return match taken {
                0 => Err(io::ErrorKind::ConnectionReset.into()),
                taken => Ok(taken),
            };
        }
        let mut buffered = self.bytes.borrow_mut();
        let taken = bytes.len().min(CAPACITY - buffered.len());
        buffered.extend(&bytes[..taken]);
        // Descriptors are sent with bytes, as in the system: if no byte is taken, none is sent.
        if taken > 0 {
            self.descriptors.borrow_mut().extend(descriptors);
        }
        Ok(taken)
    }

    /// Reads into `buffer`. Returns `None` if there is no input now, 0 at the end of the input.
    pub(super) fn read(
        &self,
        buffer: &mut [u8],
        descriptors: &mut Vec<OwnedFd>,
    ) -> io::Result<Option<usize>> {
        let mut bytes = self.bytes.borrow_mut();
        if bytes.is_empty() {
            // The reset is reported only here, after all bytes that have arrived.
            if self.is_reset.get() {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            return Ok(self.is_finished.get().then_some(0));
        }
        descriptors.extend(self.descriptors.borrow_mut().drain(..));
        let read = buffer.len().min(bytes.len());
        let (first, second) = bytes.as_slices();
        let from_first = read.min(first.len());
        buffer[..from_first].copy_from_slice(&first[..from_first]);
        buffer[from_first..read].copy_from_slice(&second[..read - from_first]);
        bytes.drain(..read);
        Ok(Some(read))
    }

    pub(super) fn finish(&self) {
        self.is_finished.set(true);
    }

    pub(super) fn reset(&self) {
        self.is_reset.set(true);
        self.is_finished.set(true);
    }

    pub(super) fn stop_reading(&self) {
        self.is_unread.set(true);
    }

    /// Discards the unread bytes, and up to `bytes` further ones.
    pub(super) fn discard(&self, bytes: usize) {
        self.discards.set(bytes);
        self.bytes.borrow_mut().clear();
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.borrow().len()
    }

    pub(super) fn is_readable(&self) -> bool {
        self.is_finished.get() || !self.bytes.borrow().is_empty()
    }

    pub(super) fn is_writable(&self) -> bool {
        // Writable, so that the writer finds the error.
        self.is_unread.get() || self.bytes.borrow().len() < CAPACITY
    }

    pub(super) fn is_finished(&self) -> bool {
        self.is_finished.get()
    }

    pub(super) fn is_reset(&self) -> bool {
        self.is_reset.get()
    }
}
