//! Memory of chains that are gone, for those to come.
//!
//! A short chain runs in less time than an allocator takes to give and take back its
//! memory, so each thread keeps some. It never gives what it keeps to another one.

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;

use super::local::Block;

/// How many are kept at most, by each thread: some 48 KiB.
///
/// None in debug builds, so that a tool which looks for the use of freed memory sees
/// when it is freed.
const KEPT: usize = if cfg!(debug_assertions) { 0 } else { 128 };

type Memory = Box<MaybeUninit<Block>>;

struct Spares {
    /// INVARIANT: so many of the places hold something, from the first on.
    count: Cell<usize>,
    places: UnsafeCell<[MaybeUninit<Memory>; KEPT]>,
}

thread_local! {
    static SPARES: Spares = const {
        Spares {
            count: Cell::new(0),
            places: UnsafeCell::new([const { MaybeUninit::uninit() }; KEPT]),
        }
    };
}

impl Spares {
    #[inline(always)]
    fn pop(&self) -> Option<Memory> {
        let left = self.count.get().checked_sub(1)?;
        self.count.set(left);
        // SAFETY: no other reference to the places is ever kept, and this one holds
        // something, which `count` no longer says.
        Some(unsafe { (&(*self.places.get()))[left].assume_init_read() })
    }

    #[inline(always)]
    fn push(&self, memory: Memory) {
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

impl Drop for Spares {
    fn drop(&mut self) {
        while let Some(memory) = self.pop() {
            drop(memory);
        }
    }
}

/// Memory for a block.
#[inline(always)]
pub(super) fn take() -> Memory {
    let spare = SPARES.try_with(Spares::pop).ok().flatten();
    spare.unwrap_or_else(Box::new_uninit)
}

/// Takes memory back.
#[inline(always)]
pub(super) fn give_back(memory: Memory) {
    let mut memory = Some(memory);
    // At the end of the thread it is just dropped.
    let _ = SPARES.try_with(|spares| {
        if let Some(memory) = memory.take() {
            spares.push(memory);
        }
    });
}
