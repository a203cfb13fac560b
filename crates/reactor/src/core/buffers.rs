//! The buffers that the connections of a loop share.

use std::cell::{Cell, RefCell};

const READ_BUFFER: usize = 64 * 1024;

/// Buffers of this capacity at the most are kept for the next connection that
/// writes, and so many of them.
const SPARE_CAPACITY: usize = 64 * 1024;
const SPARE_BUFFERS: usize = 16;

#[derive(Default)]
pub(crate) struct Buffers {
    /// Made when somebody reads for the first time.
    read: Cell<Vec<u8>>,
    spare: RefCell<Vec<Vec<u8>>>,
}

impl Buffers {
    /// The buffer to read into. Whoever takes it gives it back; a second taker
    /// gets a new one.
    #[inline]
    pub(crate) fn take_read(&self) -> Vec<u8> {
        let buffer = self.read.take();
        if buffer.is_empty() {
            vec![0; READ_BUFFER]
        } else {
            buffer
        }
    }

    #[inline]
    pub(crate) fn return_read(&self, buffer: Vec<u8>) {
        self.read.set(buffer);
    }

    /// An empty buffer, with room in it if there is one to spare: connections
    /// with nothing to send own none.
    #[inline]
    pub(crate) fn take_spare(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    #[inline]
    pub(crate) fn return_spare(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() == 0 || buffer.capacity() > SPARE_CAPACITY {
            return;
        }
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_BUFFERS {
            buffer.clear();
            spare.push(buffer);
        }
    }
}
