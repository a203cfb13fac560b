//! Chains of one thread: reference counts without atomics, no locks.

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::panic::Location;
use std::ptr::NonNull;
use std::rc::Rc;

use super::claim::OwnedClaim;
use super::core::{Core, Locked};
use super::spares;
use crate::chain::backlog::Backlog;
use crate::chain::body::{self, SharedBody, WeakBody};
use crate::chain::lineage;
use crate::chain::mode::{Fits, Mode};
use crate::trail::Place;

/// One thread, no locks.
#[derive(Debug)]
pub(crate) struct Local {
    /// Neither `Send` nor `Sync`.
    _stays: PhantomData<*const ()>,
}

impl<X: 'static> Fits<Local> for X {}

/// A `RefCell` that checks its borrows only in debug builds: there is one borrow
/// per step of a chain, and by [`Mode::with`]'s rule they never overlap.
pub(crate) struct LocalCell<T> {
    #[cfg(debug_assertions)]
    is_borrowed: Cell<bool>,
    value: UnsafeCell<T>,
}

impl<T> LocalCell<T> {
    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        #[cfg(debug_assertions)]
        assert!(
            !self.is_borrowed.replace(true),
            "a step of a chain ran inside another"
        );
        // SAFETY: the cell is not `Sync`, and `f`, which runs nothing of a
        // user's and calls no `with` of the same cell, is the only one that has
        // a reference.
        let result = f(unsafe { &mut *self.value.get() });
        #[cfg(debug_assertions)]
        self.is_borrowed.set(false);
        result
    }
}

/// A core and its counts.
///
/// It is an `Rc` in all but three things: it is made in place, the memory may come from
/// a chain that is gone, and what happens when the last reference goes is one function.
/// All show in what a short chain costs.
#[repr(C)] // the counts beside what is used most
pub(super) struct Block {
    strong: Cell<u32>,
    /// Weak references, and one more while there are strong ones.
    weak: Cell<u32>,
    core: Core<Local>,
}

/// A strong reference.
///
/// INVARIANT: `block` came from a `Box`, it is counted in `strong`, and its core
/// is there.
pub(crate) struct LocalRef {
    block: NonNull<Block>,
    owned: PhantomData<Block>,
}

/// A weak reference.
///
/// INVARIANT: `block` came from a `Box` and it is counted in `weak`. The core is
/// there while `strong` is not zero.
pub(crate) struct LocalWeak {
    block: NonNull<Block>,
}

impl LocalRef {
    #[inline(always)]
    fn new(triggers: u32, made_at: Place) -> Self {
        let block = NonNull::from(Box::leak(spares::take())).cast::<Block>();
        let place = block.as_ptr();
        // SAFETY: `block` is valid for writes, nothing in it is read before it is
        // written, and these are all its fields.
        unsafe {
            (&raw mut (*place).strong).write(Cell::new(1));
            (&raw mut (*place).weak).write(Cell::new(1));
            Core::write_new(&raw mut (*place).core, |lock| {
                #[cfg(debug_assertions)]
                (&raw mut (*lock).is_borrowed).write(Cell::new(false));
                let locked = UnsafeCell::raw_get(&raw const (*lock).value);
                Locked::write_new(locked, triggers, made_at);
            });
        }
        Self {
            block,
            owned: PhantomData,
        }
    }

    #[inline(always)]
    fn block(&self) -> &Block {
        // SAFETY: by the invariant.
        unsafe { self.block.as_ref() }
    }

    #[inline(never)]
    fn drop_last(&mut self) {
        // SAFETY: this was the last strong reference, so nobody else reaches the
        // core; the block stays while it is counted in `weak`.
        let core = unsafe { &mut (*self.block.as_ptr()).core };
        // Mostly there is nothing left to drop, and to see that is cheaper than to
        // go through the fields.
        if core.is_bare() {
            core.stages.get_mut().free();
        } else {
            // SAFETY: as above.
            unsafe { (&raw mut (*self.block.as_ptr()).core).drop_in_place() };
        }
        let weak = std::mem::ManuallyDrop::new(LocalWeak { block: self.block });
        if weak.count_one_less() {
            weak.free();
        }
    }
}

impl Clone for LocalRef {
    #[inline(always)]
    fn clone(&self) -> Self {
        count_one_more(&self.block().strong);
        Self {
            block: self.block,
            owned: PhantomData,
        }
    }
}

impl Deref for LocalRef {
    type Target = Core<Local>;

    #[inline(always)]
    fn deref(&self) -> &Core<Local> {
        &self.block().core
    }
}

impl Drop for LocalRef {
    #[inline(always)]
    fn drop(&mut self) {
        let strong = self.block().strong.get() - 1;
        self.block().strong.set(strong);
        if strong == 0 {
            self.drop_last();
        }
    }
}

impl LocalWeak {
    /// The counts, which are there whether or not the core is: strong, weak.
    #[inline(always)]
    fn counts(&self) -> (&Cell<u32>, &Cell<u32>) {
        let block = self.block.as_ptr();
        // SAFETY: by the invariant. Only the counts are referred to.
        let (strong, weak) = unsafe { (&raw const (*block).strong, &raw const (*block).weak) };
        // SAFETY: as above.
        unsafe { (&*strong, &*weak) }
    }
}

impl LocalWeak {
    /// Whether this was the last one of all.
    #[inline(always)]
    fn count_one_less(&self) -> bool {
        let (_, weak) = self.counts();
        let left = weak.get() - 1;
        weak.set(left);
        left == 0
    }

    /// Gives the memory back, when there is no reference left.
    #[inline(always)]
    fn free(&self) {
        let block = self.block.as_ptr().cast::<MaybeUninit<Block>>();
        // SAFETY: it came from a box, there is no reference left, and the core is
        // gone with the last strong one.
        spares::give_back(unsafe { Box::from_raw(block) });
    }

    #[cold]
    #[inline(never)]
    fn free_late(&self) {
        self.free();
    }
}

impl Clone for LocalWeak {
    fn clone(&self) -> Self {
        let (_, weak) = self.counts();
        count_one_more(weak);
        Self { block: self.block }
    }
}

impl Drop for LocalWeak {
    #[inline(always)]
    fn drop(&mut self) {
        if self.count_one_less() {
            self.free_late();
        }
    }
}

/// References take memory: there are never so many that it overflows, unless they are
/// forgotten.
#[inline(always)]
fn count_one_more(count: &Cell<u32>) {
    count.set(count.get().checked_add(1).unwrap_or_else(too_many));
}

#[cold]
fn too_many() -> u32 {
    // As `Rc` does: there is no way to go on.
    std::process::abort()
}

impl Mode for Local {
    const IS_SHARED: bool = false;

    type Ref = LocalRef;
    type Weak = LocalWeak;
    type Lock<X> = LocalCell<X>;
    type Handle<X: 'static> = Rc<LocalCell<X>>;
    type Canceller = Box<dyn FnOnce(Self::Ref)>;
    type Body = SharedBody;
    type WeakBody = WeakBody;

    fn upgrade_body(weak: &WeakBody) -> Option<SharedBody> {
        weak.upgrade()
    }

    fn resume(body: SharedBody) -> Option<OwnedClaim<Self>> {
        body.resume()
    }

    fn result_of(body: &SharedBody) -> Option<LocalRef> {
        body.result()
    }

    fn cancel_body(body: SharedBody, cancelled_at: &'static Location<'static>) {
        body.cancel(cancelled_at);
    }

    fn awaited_by(body: &SharedBody) -> (Vec<LocalWeak>, bool) {
        body.awaited()
    }

    #[inline(always)]
    fn share(triggers: u32, made_at: Place) -> LocalRef {
        LocalRef::new(triggers, made_at)
    }

    #[inline(always)]
    fn downgrade(core: &LocalRef) -> LocalWeak {
        count_one_more(&core.block().weak);
        LocalWeak { block: core.block }
    }

    fn upgrade(weak: &LocalWeak) -> Option<LocalRef> {
        let (strong, _) = weak.counts();
        (strong.get() > 0).then(|| {
            count_one_more(strong);
            LocalRef {
                block: weak.block,
                owned: PhantomData,
            }
        })
    }

    #[inline(always)]
    fn is_same(a: &LocalRef, b: &LocalRef) -> bool {
        a.block == b.block
    }

    fn call_canceller(canceller: Self::Canceller, core: LocalRef) {
        canceller(core);
    }

    #[inline(always)]
    fn linked(outer: &LocalRef) {
        if body::is_any_asleep() {
            lineage::wake_above(outer);
        }
    }

    fn handle<X: 'static>(content: X) -> Rc<LocalCell<X>> {
        Rc::new(LocalCell {
            #[cfg(debug_assertions)]
            is_borrowed: Cell::new(false),
            value: UnsafeCell::new(content),
        })
    }

    #[inline(always)]
    fn with<X, R>(lock: &LocalCell<X>, f: impl FnOnce(&mut X) -> R) -> R {
        lock.with(f)
    }

    fn backlog<R>(f: impl FnOnce(&Backlog<Self>) -> R) -> Option<R> {
        thread_local! {
            static BACKLOG: Backlog<Local> = const { Backlog::new() };
        }
        BACKLOG.try_with(f).ok()
    }
}
