//! Memory of chains that are gone, for those to come.
//!
//! A short chain runs in less time than an allocator takes to give and take back its
//! memory, so each thread keeps some. What it keeps it never gives to another one.

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;

use super::counted::Memory;
use crate::chain::flavour::Flavour;

/// How many are kept at most, by each thread and for each flavour: 32 KiB. A chain whose
/// stages had no place in its core leaves a buffer with its memory, of 1.5 KiB at the most.
///
/// None in debug builds, so that a tool which looks for the use of freed memory sees
/// when it is freed.
const KEPT: usize = if cfg!(debug_assertions) { 0 } else { 128 };

/// What one thread keeps.
pub(crate) struct FreeList<M: Flavour> {
    /// INVARIANT: so many of the places hold something, from the first on.
    count: Cell<usize>,
    places: UnsafeCell<[MaybeUninit<Memory<M>>; KEPT]>,
}

impl<M: Flavour> FreeList<M> {
    pub(super) const fn new() -> Self {
        Self {
            count: Cell::new(0),
            places: UnsafeCell::new([const { MaybeUninit::uninit() }; KEPT]),
        }
    }

    #[inline(always)]
    fn pop(&self) -> Option<Memory<M>> {
        let left = self.count.get().checked_sub(1)?;
        self.count.set(left);
        // SAFETY: no other reference to the places is ever kept, and this one holds
        // something, which `count` no longer says.
        Some(unsafe { (&(*self.places.get()))[left].assume_init_read() })
    }

    #[inline(always)]
    fn push(&self, memory: Memory<M>) {
        let count = self.count.get();
        // SAFETY: no other reference to the places is ever kept.
        match unsafe { &mut *self.places.get() }.get_mut(count) {
            Some(place) => {
                place.write(memory);
                self.count.set(count + 1);
            }
            None => drop(memory),
        }
    }
}

impl<M: Flavour> Drop for FreeList<M> {
    fn drop(&mut self) {
        while let Some(memory) = self.pop() {
            drop(memory);
        }
    }
}

/// Memory for a block.
#[inline(always)]
pub(super) fn take<M: Flavour>() -> Memory<M> {
    let spare = M::free_list(FreeList::pop).flatten();
    spare.unwrap_or_else(Memory::new)
}

/// Takes memory back.
#[inline(always)]
pub(super) fn give_back<M: Flavour>(memory: Memory<M>) {
    let mut memory = Some(memory);
    // At the end of the thread it is just dropped.
    let _ = M::free_list(|free_list| {
        if let Some(memory) = memory.take() {
            free_list.push(memory);
        }
    });
}
