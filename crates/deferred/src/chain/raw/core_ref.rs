//! References to a core, counted.
//!
//! They differ from `Rc` and `Arc` in four things, each of which makes a short chain cheaper: a
//! core is made in place; its memory may come from a dropped chain; a core is made with two
//! references at once if it needs two; and dropping the last reference takes no atomic exchange
//! if one load shows that it is the last.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;

use super::block::{Block, Memory};
use super::core::Core;
use super::counts::{Counts, Left};
use super::free_list;
use super::storage::{CrossesThreads, Storage};
use crate::stage_trace::CallSite;

/// A strong reference.
///
/// INVARIANT: `block` came from a `Box`, this reference is counted, and the core is there.
pub(crate) struct CoreRef<M: Storage> {
    block: NonNull<Block<M>>,
    owned: PhantomData<Block<M>>,
}

/// A weak reference.
///
/// INVARIANT: `block` came from a `Box` and this reference is counted. The core is there while
/// there is a strong reference.
pub(crate) struct CoreWeak<M: Storage> {
    block: NonNull<Block<M>>,
}

// SAFETY: as of an `Arc`: any holder of a reference can reach the core and may be the one
// to drop it, so the core must be `Send` and `Sync`; for the flavours that cross threads,
// that is checked below. The bound is on the flavour, so that the compiler names one
// missing trait, with what to do, and not every field of a core.
unsafe impl<M: CrossesThreads> Send for CoreRef<M> {}
// SAFETY: as above.
unsafe impl<M: CrossesThreads> Sync for CoreRef<M> {}
// SAFETY: as above.
unsafe impl<M: CrossesThreads> Send for CoreWeak<M> {}
// SAFETY: as above.
unsafe impl<M: CrossesThreads> Sync for CoreWeak<M> {}

impl<M: Storage> CoreRef<M> {
    /// A new core of a chain that was not fired, with `triggers` triggers and no stages.
    #[inline(always)]
    pub(crate) fn new(triggers: u32, made_at: CallSite) -> Self {
        Self::with_references(1, triggers, made_at)
    }

    /// As `new`, but returns two references to the core.
    #[inline(always)]
    pub(crate) fn new_pair(triggers: u32, made_at: CallSite) -> (Self, Self) {
        let first = Self::with_references(2, triggers, made_at);
        // The second of the two references that were counted.
        let second = Self {
            block: first.block,
            owned: PhantomData,
        };
        (first, second)
    }

    /// Makes a new core that counts `strong` references, and returns the first of them.
    #[inline(always)]
    fn with_references(strong: u32, triggers: u32, made_at: CallSite) -> Self {
        let block = free_list::take::<M>().into_block();
        let place = block.as_ptr();
        // SAFETY: `block` is valid for writes, it is ready for a core, nothing else in it
        // is read before it is written, and these are all its fields.
        unsafe {
            (&raw mut (*place).counts).write(M::Counts::new(strong));
            Core::write_new(&raw mut (*place).core, triggers, made_at);
        }
        Self {
            block,
            owned: PhantomData,
        }
    }

    #[inline(always)]
    fn block(&self) -> &Block<M> {
        // SAFETY: by the invariant.
        unsafe { self.block.as_ref() }
    }

    #[inline(always)]
    pub(crate) fn downgrade(this: &Self) -> CoreWeak<M> {
        this.block().counts.add_weak();
        CoreWeak { block: this.block }
    }

    #[inline(always)]
    pub(crate) fn is_same(a: &Self, b: &Self) -> bool {
        a.block == b.block
    }

    /// Whether there are at most `known` weak references.
    pub(crate) fn has_no_weak_but(&self, known: u32) -> bool {
        self.block().counts.weak() <= known
    }

    /// Whether this is known to be the only reference of all.
    #[inline(always)]
    pub(super) fn is_sole(&self) -> bool {
        self.block().counts.is_sole()
    }

    #[inline(never)]
    fn drop_last(&mut self, left: Left) {
        // SAFETY: this was the last strong reference, so nothing else reaches the core;
        // the block stays allocated while a weak reference is counted.
        let place = unsafe { &raw mut (*self.block.as_ptr()).core };
        // A chain whose result was taken has nothing left to drop. To test for that is
        // cheaper than to drop each field.
        // SAFETY: as above.
        if !unsafe { &mut *place }.is_bare() {
            // SAFETY: as above.
            unsafe { drop_core(place) };
        }
        let weak = ManuallyDrop::new(CoreWeak { block: self.block });
        if left == Left::None || weak.counts().is_last_weak() {
            return weak.free();
        }
        // Weak references are left, which keep the block. A buffer of stages would stay with it.
        // SAFETY: as above; there are no stages.
        unsafe { Core::free_stages(place) };
        if weak.counts().drop_weak() {
            weak.free();
        }
    }
}

/// Drops a core that holds something; an empty queue of stages takes the place of its own.
///
/// Not inlined, so that the drop of a bare core saves no registers for this.
///
/// # Safety
/// Nothing else reaches the core, and its block stays allocated.
#[cold]
#[inline(never)]
unsafe fn drop_core<M: Storage>(place: *mut Core<M>) {
    // SAFETY: by contract.
    unsafe {
        place.drop_in_place();
        Core::write_stages(place);
    }
}

impl<M: Storage> Clone for CoreRef<M> {
    #[inline(always)]
    fn clone(&self) -> Self {
        self.block().counts.add_strong();
        Self {
            block: self.block,
            owned: PhantomData,
        }
    }
}

impl<M: Storage> Deref for CoreRef<M> {
    type Target = Core<M>;

    #[inline(always)]
    fn deref(&self) -> &Core<M> {
        &self.block().core
    }
}

impl<M: Storage> Drop for CoreRef<M> {
    #[inline(always)]
    fn drop(&mut self) {
        let left = self.block().counts.drop_strong();
        if left != Left::Strong {
            self.drop_last(left);
        }
    }
}

impl<M: Storage> CoreWeak<M> {
    /// The counts, which are there whether or not the core is.
    #[inline(always)]
    fn counts(&self) -> &M::Counts {
        // SAFETY: by the invariant. Only the counts are referred to.
        unsafe { &(*self.block.as_ptr()).counts }
    }

    /// A strong reference, if the core is there.
    pub(crate) fn upgrade(&self) -> Option<CoreRef<M>> {
        self.counts().upgrade().then(|| CoreRef {
            block: self.block,
            owned: PhantomData,
        })
    }

    /// The address of the block, which identifies the chain.
    pub(crate) fn address(&self) -> *const () {
        self.block.as_ptr().cast()
    }

    pub(crate) fn is_same(a: &Self, b: &Self) -> bool {
        a.block == b.block
    }

    /// Gives the memory back, when there is no other reference left.
    #[inline(always)]
    fn free(&self) {
        // SAFETY: no other reference is left, and the core is gone with the last strong
        // reference, but for its queue of stages, which is empty.
        let memory = unsafe {
            Core::reset_stages(&raw mut (*self.block.as_ptr()).core);
            Memory::from_block(self.block)
        };
        free_list::give_back(memory);
    }

    #[cold]
    #[inline(never)]
    fn free_late(&self) {
        self.free();
    }
}

impl<M: Storage> Clone for CoreWeak<M> {
    fn clone(&self) -> Self {
        self.counts().add_weak();
        Self { block: self.block }
    }
}

impl<M: Storage> Drop for CoreWeak<M> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.counts().drop_weak() {
            self.free_late();
        }
    }
}
