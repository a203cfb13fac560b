//! What is known of each timer, by key.
//!
//! All lie together, so that a timer takes no memory of its own. The key of one that is
//! done with is used again, but not before its last handle is gone; the memory is kept for
//! that until the queue is gone, too.

use super::call::Call;

/// Which timer.
pub(super) type Key = u32;

/// That a key stands for none.
const NONE: Key = Key::MAX;

/// One timer: what makes it, in one line of the processor's cache.
pub(super) struct Timer {
    pub(super) due: u64,
    /// Of those that are due at one time, the one with the lowest is the first.
    pub(super) sequence: u64,
    /// Its place in the list of the wheel that it is in, or what became of it. If the
    /// key is not used: the next one of those.
    index: u32,
    /// How many [`DelayedCall`](super::DelayedCall)s stand for it.
    handles: u32,
    pub(super) call: Call,
}

const _: () = assert!(size_of::<Timer>() == 64);

/// In place of an index, higher than any.
const CALLED: u32 = u32::MAX;
const CANCELLED: u32 = u32::MAX - 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Active,
    Called,
    Cancelled,
}

/// So many slab lie together.
const BLOCK: usize = 256;

pub(super) struct Slab {
    /// Full ones, and a last one that may not be. One block would be copied as it grows.
    blocks: Vec<Vec<Timer>>,
    /// How many numbers there are.
    len: Key,
    first_free: Key,
}

impl Default for Slab {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            len: 0,
            first_free: NONE,
        }
    }
}

impl Timer {
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

impl Slab {
    /// Adds one that has a handle, and neither a place nor a call yet.
    #[inline]
    pub(super) fn add(&mut self, due: u64, sequence: u64) -> Key {
        let key = self.first_free;
        if key == NONE {
            return self.add_new(due, sequence);
        }
        let free = self.get_mut(key);
        let next = free.index;
        free.due = due;
        free.sequence = sequence;
        free.handles = 1;
        self.first_free = next;
        key
    }

    fn add_new(&mut self, due: u64, sequence: u64) -> Key {
        let key = self.len;
        assert!(key < CANCELLED, "there is no memory for so many timers");
        let at = key as usize / BLOCK;
        if at == self.blocks.len() {
            // The first one grows: few clocks have many timers.
            let room = if at == 0 { 0 } else { BLOCK };
            self.blocks.push(Vec::with_capacity(room));
        }
        self.blocks[at].push(Timer {
            due,
            sequence,
            index: CANCELLED,
            handles: 1,
            call: Call::none(),
        });
        self.len = key + 1;
        key
    }

    #[inline]
    pub(super) fn get(&self, key: Key) -> &Timer {
        &self.blocks[key as usize / BLOCK][key as usize % BLOCK]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: Key) -> &mut Timer {
        &mut self.blocks[key as usize / BLOCK][key as usize % BLOCK]
    }

    /// Takes the call of one that has just been taken out of the wheel, and is to be made.
    #[inline]
    pub(super) fn take_called(&mut self, key: Key) -> Call {
        self.take(key, CALLED)
    }

    /// The same of one that is cancelled.
    #[inline]
    pub(super) fn take_cancelled(&mut self, key: Key) -> Call {
        self.take(key, CANCELLED)
    }

    #[inline]
    fn take(&mut self, key: Key, became: u32) -> Call {
        let timer = self.get_mut(key);
        timer.index = became;
        let call = timer.call.take();
        if timer.handles == 0 {
            self.free(key);
        }
        call
    }

    pub(super) fn add_handle(&mut self, key: Key) {
        self.get_mut(key).handles += 1;
    }

    #[inline]
    pub(super) fn drop_handle(&mut self, key: Key) {
        let timer = self.get_mut(key);
        timer.handles -= 1;
        if timer.handles == 0 && timer.status() != Status::Active {
            self.free(key);
        }
    }

    #[inline]
    fn free(&mut self, key: Key) {
        let next = self.first_free;
        self.get_mut(key).index = next;
        self.first_free = key;
    }
}
