//! Buffers that the connections of a loop share: one buffer to read into, and spare output buffers.

use std::cell::{Cell, RefCell};

/// Size of the read buffer: 64 KiB of data that TLS has encrypted fit into one read.
const READ_BUFFER: usize = 66 * 1024;

/// Maximum number of reads of one descriptor in a turn, so that a descriptor that always has
/// more input does not starve the others.
pub(crate) const READS_PER_TURN: usize = 4;

/// Largest capacity of a spare buffer: the bytes of one read, after an incomplete TLS record, with
/// the bytes that a filter adds.
const SPARE_CAPACITY: usize = 88 * 1024;
/// Most spare buffers that are kept, besides the one that is taken next.
const SPARE_BUFFERS: usize = 16;

/// Boxed, so that a move copies one word; an array, so that the compiler knows the length.
pub(crate) type ReadBuffer = Box<[u8; READ_BUFFER]>;

/// Boxed, so that a move copies one word instead of three.
pub(crate) type Spare = Box<Vec<u8>>;

#[derive(Default)]
pub(crate) struct Buffers {
    /// Allocated by the first read.
    read: Cell<Option<ReadBuffer>>,
    /// The spare buffer that was returned last; it is taken next.
    spare: Cell<Option<Spare>>,
    spares: RefCell<Vec<Spare>>,
}

/// Allocated as a `Vec`, because an array would be built on the stack first.
#[cold]
fn new_read_buffer() -> ReadBuffer {
    let buffer = vec![0; READ_BUFFER].into_boxed_slice();
    buffer
        .try_into()
        .unwrap_or_else(|_| unreachable!("it has that length"))
}

impl Buffers {
    /// Takes the buffer to read into, which the caller returns with `return_read`. While it is
    /// taken, a second caller gets a new one.
    #[inline]
    pub(crate) fn take_read(&self) -> ReadBuffer {
        match self.read.take() {
            Some(buffer) => buffer,
            None => new_read_buffer(),
        }
    }

    #[inline]
    pub(crate) fn return_read(&self, buffer: ReadBuffer) {
        // If a second buffer was taken, one of the two is dropped here.
        self.read.set(Some(buffer));
    }

    /// Takes an empty buffer; it has capacity if there is a spare. Connections without unsent
    /// output own no buffer.
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
