//! What is known of each timer, by number.
//!
//! All lie together, so that a timer takes no memory of its own. The number of one that is
//! done with is used again, but not before its last handle is gone; the memory is kept for
//! that until the queue is gone, too.

use super::call::Call;

/// Which timer.
pub(super) type Number = u32;

/// That a number stands for none.
const NONE: Number = Number::MAX;

/// One timer: what makes it, in one line of the processor's cache.
pub(super) struct Record {
    pub(super) due: u64,
    /// Of those that are due at one time, the one with the lowest is the first.
    pub(super) sequence: u64,
    /// Its place in the list of the wheel that it is in, or what became of it. If the
    /// number is not used: the next one of those.
    index: u32,
    /// How many [`DelayedCall`](super::DelayedCall)s stand for it.
    handles: u32,
    pub(super) call: Call,
}

const _: () = assert!(size_of::<Record>() == 64);

/// In place of an index, higher than any.
const CALLED: u32 = u32::MAX;
const CANCELLED: u32 = u32::MAX - 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Active,
    Called,
    Cancelled,
}

/// So many records lie together.
const BLOCK: usize = 256;

pub(super) struct Records {
    /// Full ones, and a last one that may not be. One block would be copied as it grows.
    blocks: Vec<Vec<Record>>,
    /// How many numbers there are.
    len: Number,
    first_free: Number,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            len: 0,
            first_free: NONE,
        }
    }
}

impl Record {
    pub(super) fn status(&self) -> Status {
        match self.index {
            CALLED => Status::Called,
            CANCELLED => Status::Cancelled,
            _ => Status::Active,
        }
    }

    /// The place in the list that it is in.
    #[inline]
    pub(super) fn index(&self) -> usize {
        self.index as usize
    }

    #[inline]
    pub(super) fn set_index(&mut self, index: usize) {
        // There are no more than there are numbers.
        self.index = index as u32;
    }
}

impl Records {
    /// Adds one that has a handle, and neither a place nor a call yet.
    #[inline]
    pub(super) fn add(&mut self, due: u64, sequence: u64) -> Number {
        let number = self.first_free;
        if number == NONE {
            return self.add_new(due, sequence);
        }
        let free = self.get_mut(number);
        let next = free.index;
        free.due = due;
        free.sequence = sequence;
        free.handles = 1;
        self.first_free = next;
        number
    }

    fn add_new(&mut self, due: u64, sequence: u64) -> Number {
        let number = self.len;
        assert!(number < CANCELLED, "there is no memory for so many timers");
        let at = number as usize / BLOCK;
        if at == self.blocks.len() {
            // The first one grows: few clocks have many timers.
            let room = if at == 0 { 0 } else { BLOCK };
            self.blocks.push(Vec::with_capacity(room));
        }
        self.blocks[at].push(Record {
            due,
            sequence,
            index: CANCELLED,
            handles: 1,
            call: Call::none(),
        });
        self.len = number + 1;
        number
    }

    #[inline]
    pub(super) fn get(&self, number: Number) -> &Record {
        &self.blocks[number as usize / BLOCK][number as usize % BLOCK]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, number: Number) -> &mut Record {
        &mut self.blocks[number as usize / BLOCK][number as usize % BLOCK]
    }

    /// Takes the call of one that has just been taken out of the wheel, and is to be made.
    #[inline]
    pub(super) fn take_called(&mut self, number: Number) -> Call {
        self.take(number, CALLED)
    }

    /// The same of one that is cancelled.
    #[inline]
    pub(super) fn take_cancelled(&mut self, number: Number) -> Call {
        self.take(number, CANCELLED)
    }

    #[inline]
    fn take(&mut self, number: Number, became: u32) -> Call {
        let record = self.get_mut(number);
        record.index = became;
        let call = record.call.take();
        if record.handles == 0 {
            self.free(number);
        }
        call
    }

    pub(super) fn add_handle(&mut self, number: Number) {
        self.get_mut(number).handles += 1;
    }

    #[inline]
    pub(super) fn drop_handle(&mut self, number: Number) {
        let record = self.get_mut(number);
        record.handles -= 1;
        if record.handles == 0 && record.status() != Status::Active {
            self.free(number);
        }
    }

    #[inline]
    fn free(&mut self, number: Number) {
        let next = self.first_free;
        self.get_mut(number).index = next;
        self.first_free = number;
    }
}
