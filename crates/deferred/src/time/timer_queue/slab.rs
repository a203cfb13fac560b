//! Slab of the timers of a queue.
//!
//! Timers are stored in blocks, without an allocation for each. A key is used again when its
//! timer is done and its last handle is dropped. The memory is freed with the queue.

use super::call::Call;

/// Index of a timer in the slab.
pub(super) type Key = u32;

/// Niche value: no timer.
const NONE: Key = Key::MAX;

/// One timer: 64 bytes, one cache line.
pub(super) struct Timer {
    pub(super) due: u64,
    /// Orders timers of the same due time: the lowest is the first.
    pub(super) sequence: u64,
    /// The index in its bucket or in the heap; [`CALLED`] or [`CANCELLED`] if it is in none. If
    /// the key is free: the next free key.
    index: u32,
    /// How many [`DelayedCall`](super::DelayedCall)s refer to it.
    handles: u32,
    pub(super) call: Call,
}

const _: () = assert!(size_of::<Timer>() == 64);

/// Values of `Timer::index` above all indices.
const CALLED: u32 = u32::MAX;
const CANCELLED: u32 = u32::MAX - 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Active,
    Called,
    Cancelled,
}

/// Timers per block.
const BLOCK: usize = 256;

pub(super) struct Slab {
    /// All but the last are full. In blocks, so that growing does not copy the timers.
    blocks: Vec<Vec<Timer>>,
    /// How many keys were ever used.
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

    /// The index in its bucket or in the heap.
    #[inline]
    pub(super) fn index(&self) -> usize {
        // Exact: the crate is built for systems with 32 bits and more.
        self.index as usize
    }

    #[inline]
    pub(super) fn set_index(&mut self, index: usize) {
        // It fits: there are fewer entries than keys.
        self.index = index as u32;
    }
}

impl Slab {
    /// Adds a timer with one handle, without an index and a call.
    #[inline]
    pub(super) fn add(&mut self, due: u64, sequence: u64) -> Key {
        let key = self.first_free;
        if key == NONE {
            return self.add_new(due, sequence);
        }
        let free = self.get_mut(key);
        // The free keys are a list, linked by their indices.
        let next = free.index;
        free.due = due;
        free.sequence = sequence;
        free.handles = 1;
        self.first_free = next;
        key
    }

    fn add_new(&mut self, due: u64, sequence: u64) -> Key {
        let key = self.len;
        // The two largest numbers are the states, in the indices.
        assert!(key < CANCELLED, "there is no memory for so many timers");
        let at = key as usize / BLOCK;
        if at == self.blocks.len() {
            // The first block grows on demand: few clocks have many timers.
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

    /// Takes the call of a timer that was just removed from the wheel, to be made.
    #[inline]
    pub(super) fn take_called(&mut self, key: Key) -> Call {
        self.take(key, CALLED)
    }

    /// Takes the call of a timer that was just removed from the wheel, to be dropped.
    #[inline]
    pub(super) fn take_cancelled(&mut self, key: Key) -> Call {
        self.take(key, CANCELLED)
    }

    #[inline]
    fn take(&mut self, key: Key, became: u32) -> Call {
        let timer = self.get_mut(key);
        timer.index = became;
        let call = timer.call.take();
        // Otherwise the drop of the last handle frees the key: until then, a handle may ask for
        // the status.
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
        // An active timer stays, because the wheel has its key.
        if timer.handles == 0 && timer.status() != Status::Active {
            self.free(key);
        }
    }

    #[inline]
    fn free(&mut self, key: Key) {
        let next = self.first_free;
        // Without a handle, nothing asks for the status any more: so the index serves as the link.
        self.get_mut(key).index = next;
        self.first_free = key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_used_again_when_timer_and_handles_are_gone() {
        let mut slab = Slab::default();
        let (first, second) = (slab.add(1, 1), slab.add(2, 2));
        // Both are in the wheel: handles alone free nothing.
        slab.get_mut(first).set_index(0);
        slab.get_mut(second).set_index(1);
        slab.drop_handle(first);
        assert_eq!(slab.get(first).status(), Status::Active);
        slab.take_called(first);
        assert_eq!(slab.add(3, 3), first);

        slab.add_handle(second);
        slab.take_cancelled(second);
        assert_eq!(slab.get(second).status(), Status::Cancelled);
        slab.drop_handle(second);
        assert_eq!(slab.add(4, 4), 2, "one handle is left");
        slab.drop_handle(second);
        assert_eq!(slab.add(5, 5), second);
    }
}
