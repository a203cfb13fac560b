//! Free list: the memory of dropped chains, for new ones.
//!
//! A short chain runs in less time than an allocator takes to allocate and free its memory,
//! so each thread keeps up to [`KEPT`] blocks. They never move to another thread.

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;

use super::block::Memory;
use super::storage::Storage;

/// Number of blocks that a thread keeps at most, for each flavour: 32 KiB. A chain whose
/// stages outgrew its core leaves a buffer with its block, of at most 1.5 KiB.
///
/// None in debug builds, so that a sanitizer sees when a block is freed.
const KEPT: usize = if cfg!(debug_assertions) { 0 } else { 128 };

/// The blocks that one thread keeps.
pub(crate) struct FreeList<M: Storage> {
    /// INVARIANT: the first `count` places are initialised.
    count: Cell<usize>,
    places: UnsafeCell<[MaybeUninit<Memory<M>>; KEPT]>,
}

impl<M: Storage> FreeList<M> {
    pub(crate) const fn new() -> Self {
        Self {
            count: Cell::new(0),
            places: UnsafeCell::new([const { MaybeUninit::uninit() }; KEPT]),
        }
    }

    #[inline(always)]
    fn pop(&self) -> Option<Memory<M>> {
        let left = self.count.get().checked_sub(1)?;
        self.count.set(left);
        // SAFETY: no reference to the places outlives a call. Place `left` is initialised,
        // and `count` no longer covers it.
        Some(unsafe { (&(*self.places.get()))[left].assume_init_read() })
    }

    #[inline(always)]
    fn push(&self, memory: Memory<M>) {
        let count = self.count.get();
        // SAFETY: no reference to the places outlives a call.
        match unsafe { &mut *self.places.get() }.get_mut(count) {
            Some(place) => {
                place.write(memory);
                self.count.set(count + 1);
            }
            None => drop(memory),
        }
    }
}

impl<M: Storage> Drop for FreeList<M> {
    fn drop(&mut self) {
        while let Some(memory) = self.pop() {
            drop(memory);
        }
    }
}

/// Memory for a block.
#[inline(always)]
pub(super) fn take<M: Storage>() -> Memory<M> {
    let spare = M::free_list(FreeList::pop).flatten();
    spare.unwrap_or_else(Memory::new)
}

/// Takes memory back.
#[inline(always)]
pub(super) fn give_back<M: Storage>(memory: Memory<M>) {
    let mut memory = Some(memory);
    // Errs only when the thread is at its end: then the memory is freed here.
    let _ = M::free_list(|free_list| {
        if let Some(memory) = memory.take() {
            free_list.push(memory);
        }
    });
}
