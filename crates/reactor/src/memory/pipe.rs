//! One direction of a connection in memory.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use super::CAPACITY;

#[derive(Default)]
pub(super) struct Pipe {
    bytes: RefCell<VecDeque<u8>>,
    descriptors: RefCell<VecDeque<OwnedFd>>,
    /// Nothing more will be written.
    is_finished: Cell<bool>,
    /// Nobody will read.
    is_unread: Cell<bool>,
    /// What is in it was thrown away.
    is_reset: Cell<bool>,
}

impl Pipe {
    pub(super) fn write(&self, bytes: &[u8], descriptors: Vec<OwnedFd>) -> io::Result<usize> {
        if self.is_finished.get() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.is_unread.get() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let mut buffered = self.bytes.borrow_mut();
        let taken = bytes.len().min(CAPACITY - buffered.len());
        buffered.extend(&bytes[..taken]);
        if taken > 0 {
            self.descriptors.borrow_mut().extend(descriptors);
        }
        Ok(taken)
    }

    /// `None` if there is nothing now, 0 at the end.
    pub(super) fn read(
        &self,
        buffer: &mut [u8],
        descriptors: &mut Vec<OwnedFd>,
    ) -> io::Result<Option<usize>> {
        if self.is_reset.get() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let mut bytes = self.bytes.borrow_mut();
        if bytes.is_empty() {
            return Ok(self.is_finished.get().then_some(0));
        }
        descriptors.extend(self.descriptors.borrow_mut().drain(..));
        let read = buffer.len().min(bytes.len());
        for (to, from) in buffer.iter_mut().zip(bytes.drain(..read)) {
            *to = from;
        }
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

    pub(super) fn is_readable(&self) -> bool {
        self.is_finished.get() || !self.bytes.borrow().is_empty()
    }

    pub(super) fn is_writable(&self) -> bool {
        self.is_unread.get() || self.bytes.borrow().len() < CAPACITY
    }

    pub(super) fn is_finished(&self) -> bool {
        self.is_finished.get()
    }

    pub(super) fn is_reset(&self) -> bool {
        self.is_reset.get()
    }
}
