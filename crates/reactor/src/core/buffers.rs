//! Buffers that the connections of a loop share: one to read into, and spare out-buffers.

use std::cell::{Cell, RefCell};

/// So that 64 KiB which TLS has encrypted come with one read.
const READ_BUFFER: usize = 66 * 1024;

/// Maximum number of reads of one descriptor in a turn, so that a descriptor that always has
/// more input does not starve the others.
pub(crate) const READS_PER_TURN: usize = 4;

/// Largest capacity of a spare buffer, and the number of spares that are kept. A spare holds what
/// one read brings, with a record of TLS that was incomplete before it, and what a filter adds.
const SPARE_CAPACITY: usize = 88 * 1024;
const SPARE_BUFFERS: usize = 16;

/// Boxed, so that one word is moved; an array, so that the length is known.
pub(crate) type ReadBuffer = Box<[u8; READ_BUFFER]>;

/// Boxed, so that one word is moved instead of three.
pub(crate) type Spare = Box<Vec<u8>>;

#[derive(Default)]
pub(crate) struct Buffers {
    /// Made at the first read.
    read: Cell<Option<ReadBuffer>>,
    /// The one that was returned last, which is taken next.
    spare: Cell<Option<Spare>>,
    spares: RefCell<Vec<Spare>>,
}

/// Allocated as a `Vec`: an array would be built on the stack first.
#[cold]
fn new_read_buffer() -> ReadBuffer {
    let buffer = vec![0; READ_BUFFER].into_boxed_slice();
    buffer
        .try_into()
        .unwrap_or_else(|_| unreachable!("it has that length"))
}

impl Buffers {
    /// The buffer to read into. Its taker returns it; a second taker
    /// gets a new one.
    #[inline]
    pub(crate) fn take_read(&self) -> ReadBuffer {
        match self.read.take() {
            Some(buffer) => buffer,
            None => new_read_buffer(),
        }
    }

    #[inline]
    pub(crate) fn return_read(&self, buffer: ReadBuffer) {
        // If a second one was taken, one of the two is dropped here.
        self.read.set(Some(buffer));
    }

    /// An empty buffer, with room in it if there is one to spare: connections
    /// with nothing to send own none.
    #[inline]
    pub(crate) fn take_spare(&self) -> Spare {
        match self.spare.take() {
            Some(spare) => spare,
            None => self.take_another(),
        }
    }

    #[cold]
    fn take_another(&self) -> Spare {
        self.spares.borrow_mut().pop().unwrap_or_default()
    }

    #[inline]
    pub(crate) fn return_spare(&self, mut buffer: Spare) {
        if buffer.capacity() > SPARE_CAPACITY {
            return;
        }
        buffer.clear();
        if let Some(other) = self.spare.replace(Some(buffer)) {
            self.keep_another(other);
        }
    }

    #[cold]
    fn keep_another(&self, buffer: Spare) {
        let mut spares = self.spares.borrow_mut();
        if spares.len() < SPARE_BUFFERS {
            spares.push(buffer);
        }
    }
}
