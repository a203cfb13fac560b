//! References to a core, counted.
//!
//! They are `Rc`s and `Arc`s in all but four things: a core is made in place; its memory
//! may come from a chain that is gone; a core is made with as many references as it is
//! to have; and to let go of the last one takes no exchange between threads, if that can
//! be seen. All of them show in what a short chain costs.

use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::Deref;
use std::ptr::NonNull;

use super::core::{Core, StateGuard};
use super::free_list;
use crate::chain::flavour::{CrossesThreads, Flavour};
use crate::stage_trace::CallSite;

/// Counts the references to a core: strong ones, and weak ones, of which all the strong
/// ones have one together.
///
/// # Safety
/// The methods say what is there, and what is to be done, as the references come and go;
/// if several threads may count, what they did before is done when the last is told so.
pub(crate) unsafe trait Counts {
    /// So many strong references, and a weak one.
    fn new(strong: u32) -> Self;
    fn add_strong(&self);
    fn drop_strong(&self) -> Left;
    /// Adds a strong reference, if there is one; says whether.
    fn upgrade(&self) -> bool;
    /// Whether the strong reference that asks is known to be the only one of all.
    fn is_sole(&self) -> bool;
    fn add_weak(&self);
    /// How many weak ones there are, that of all the strong ones not counted.
    fn weak(&self) -> u32;
    /// Whether the weak reference that asks is known to be the only one of all.
    fn is_last_weak(&self) -> bool;
    /// Whether it was the last one.
    fn drop_weak(&self) -> bool;
}

/// What is left when a strong reference went.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Strong,
    /// There may be weak ones, with one of which the strong ones have held the block.
    Weak,
    /// None at all, and that weak one need not be dropped.
    None,
}

/// References take memory: there are never so many that a count overflows, unless they
/// are forgotten. As for an `Rc`, there is no way to go on.
#[cold]
pub(super) fn too_many() -> ! {
    std::process::abort()
}

/// A core and its counts.
#[repr(C)] // the counts common what is used most
pub(crate) struct Block<M: Flavour> {
    counts: M::Counts,
    core: Core<M>,
}

/// Memory of a block, ready for a core.
///
/// INVARIANT: `block` came from a `Box`, nobody else has it, and nothing of it is there but
/// the queue of stages, which is empty, and as [`Core::reset_stages`] leaves it.
pub(super) struct Memory<M: Flavour> {
    block: NonNull<Block<M>>,
}

impl<M: Flavour> Memory<M> {
    #[cold]
    #[inline(never)]
    pub(super) fn new() -> Self {
        let memory = Box::leak(Box::<Block<M>>::new_uninit());
        let block = NonNull::from(memory).cast::<Block<M>>();
        // SAFETY: it is valid for writes, and stays where it is.
        unsafe { Core::write_stages(&raw mut (*block.as_ptr()).core) };
        Self { block }
    }

    /// # Safety
    /// As the invariant has it.
    #[inline(always)]
    unsafe fn from_block(block: NonNull<Block<M>>) -> Self {
        Self { block }
    }

    #[inline(always)]
    fn into_block(self) -> NonNull<Block<M>> {
        ManuallyDrop::new(self).block
    }
}

impl<M: Flavour> Drop for Memory<M> {
    #[cold]
    fn drop(&mut self) {
        // SAFETY: by the invariant.
        unsafe {
            Core::free_stages(&raw mut (*self.block.as_ptr()).core);
            drop(Box::from_raw(
                self.block.as_ptr().cast::<MaybeUninit<Block<M>>>(),
            ));
        }
    }
}

/// A strong reference.
///
/// INVARIANT: `block` came from a `Box`, this is counted, and the core is there.
pub(crate) struct CoreRef<M: Flavour> {
    block: NonNull<Block<M>>,
    owned: PhantomData<Block<M>>,
}

/// A weak reference.
///
/// INVARIANT: `block` came from a `Box` and this is counted. The core is there while
/// there is a strong reference.
pub(crate) struct CoreWeak<M: Flavour> {
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

impl<M: Flavour> CoreRef<M> {
    /// A new core of a chain that was not fired, with so many triggers and no stages.
    #[inline(always)]
    pub(crate) fn new(triggers: u32, made_at: CallSite) -> Self {
        Self::with_references(1, triggers, made_at)
    }

    /// The same, with two references.
    #[inline(always)]
    pub(crate) fn new_pair(triggers: u32, made_at: CallSite) -> (Self, Self) {
        let first = Self::with_references(2, triggers, made_at);
        // This is the second.
        let second = Self {
            block: first.block,
            owned: PhantomData,
        };
        (first, second)
    }

    /// One of `strong` references to a new core.
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

    /// Whether there are no more weak references than so many, which the caller knows of.
    pub(crate) fn has_no_weak_but(&self, known: u32) -> bool {
        self.block().counts.weak() <= known
    }

    /// As [`Core::with`]; takes no lock if nobody else can reach the core.
    #[inline(always)]
    pub(crate) fn with_last<R>(&self, f: impl FnOnce(&mut StateGuard<'_, M>) -> R) -> R {
        if self.block().counts.is_sole() {
            // SAFETY: nobody else has the core, nor can get at it but by this
            // reference, which does nothing else meanwhile.
            return unsafe { self.with_unlocked(f) };
        }
        self.with(f)
    }

    #[inline(never)]
    fn drop_last(&mut self, left: Left) {
        // SAFETY: this was the last strong reference, so nobody else reaches the
        // core; the block stays while a weak reference is counted.
        let place = unsafe { &raw mut (*self.block.as_ptr()).core };
        // Mostly there is nothing left to drop, and to see that is cheaper than to
        // go through the fields.
        // SAFETY: as above.
        if !unsafe { &mut *place }.is_bare() {
            // SAFETY: as above. The queue of stages goes with the rest, and another one
            // takes its place.
            unsafe {
                place.drop_in_place();
                Core::write_stages(place);
            }
        }
        let weak = ManuallyDrop::new(CoreWeak { block: self.block });
        if left == Left::None || weak.counts().is_last_weak() {
            return weak.free();
        }
        // It would stay for as long as they do.
        // SAFETY: as above; there are no stages.
        unsafe { Core::free_stages(place) };
        if weak.counts().drop_weak() {
            weak.free();
        }
    }
}

impl<M: Flavour> Clone for CoreRef<M> {
    #[inline(always)]
    fn clone(&self) -> Self {
        self.block().counts.add_strong();
        Self {
            block: self.block,
            owned: PhantomData,
        }
    }
}

impl<M: Flavour> Deref for CoreRef<M> {
    type Target = Core<M>;

    #[inline(always)]
    fn deref(&self) -> &Core<M> {
        &self.block().core
    }
}

impl<M: Flavour> Drop for CoreRef<M> {
    #[inline(always)]
    fn drop(&mut self) {
        let left = self.block().counts.drop_strong();
        if left != Left::Strong {
            self.drop_last(left);
        }
    }
}

impl<M: Flavour> CoreWeak<M> {
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

    /// Where the block is, by which chains are told from one another.
    pub(crate) fn address(&self) -> *const () {
        self.block.as_ptr().cast()
    }

    pub(crate) fn is_same(a: &Self, b: &Self) -> bool {
        a.block == b.block
    }

    /// Gives the memory back, when there is no other reference left.
    #[inline(always)]
    fn free(&self) {
        // SAFETY: nobody else has the block, and the core is gone with the last strong
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

impl<M: Flavour> Clone for CoreWeak<M> {
    fn clone(&self) -> Self {
        self.counts().add_weak();
        Self { block: self.block }
    }
}

impl<M: Flavour> Drop for CoreWeak<M> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.counts().drop_weak() {
            self.free_late();
        }
    }
}
