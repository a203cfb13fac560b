//! Reference counts and state cells of single-threaded chains: no atomics, no locks.

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::counts::{Counts, Left, too_many};
use super::lock::CoreLock;
use super::slot::Fits;

/// The flavour of one thread.
#[derive(Debug)]
pub(crate) struct Local {
    /// Neither `Send` nor `Sync`.
    _stays: PhantomData<*const ()>,
}

// No value leaves the thread, so a chain takes any type.
impl<X: 'static> Fits<Local> for X {}

/// A `RefCell` that checks its borrows only in debug builds: there is one borrow per step of
/// a chain, and by the rule of [`CoreLock::with`] they never overlap.
pub(crate) struct LocalCell<T> {
    #[cfg(debug_assertions)]
    is_borrowed: Cell<bool>,
    value: UnsafeCell<T>,
}

impl<T> LocalCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            #[cfg(debug_assertions)]
            is_borrowed: Cell::new(false),
            value: UnsafeCell::new(value),
        }
    }
}

// SAFETY: the cell is not `Sync`, and the callers of `with` keep to its rule, so that one
// borrow of the content exists at a time.
unsafe impl<T> CoreLock<T> for LocalCell<T> {
    #[inline(always)]
    unsafe fn init(place: &mut MaybeUninit<Self>, write: impl FnOnce(*mut T)) {
        let place = place.as_mut_ptr();
        // SAFETY: the place is valid for writes, and these are all the fields.
        unsafe {
            #[cfg(debug_assertions)]
            (&raw mut (*place).is_borrowed).write(Cell::new(false));
            write(UnsafeCell::raw_get(&raw const (*place).value));
        }
    }

    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the cell is not `Sync`, and by the rule `f` runs no code of users and no
        // `with` of the same cell: so this is the only reference. Debug builds check it.
        let result = f(unsafe { self.lend() });
        self.end_step();
        result
    }

    #[inline(always)]
    fn as_ptr(&self) -> *mut T {
        self.value.get()
    }

    #[inline(always)]
    fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

// Not generic over what `with` runs, so that these are not compiled for each step of a chain.
impl<T> LocalCell<T> {
    /// # Safety
    /// There is no other reference until [`end_step`](Self::end_step).
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "by contract, it is the only one")]
    unsafe fn lend(&self) -> &mut T {
        #[cfg(debug_assertions)]
        assert!(
            !self.is_borrowed.replace(true),
            "a step of a chain ran inside another"
        );
        // SAFETY: by contract.
        unsafe { &mut *self.value.get() }
    }

    #[inline(always)]
    fn end_step(&self) {
        #[cfg(debug_assertions)]
        self.is_borrowed.set(false);
    }
}

/// Reference counts without atomics, as in `Rc`.
pub(crate) struct LocalCounts {
    strong: Cell<u32>,
    /// Number of weak references, and one more that all the strong ones hold together.
    weak: Cell<u32>,
}

// SAFETY: the cells are not `Sync`, so one thread counts, and each change is exact.
unsafe impl Counts for LocalCounts {
    #[inline(always)]
    fn new(strong: u32) -> Self {
        Self {
            strong: Cell::new(strong),
            weak: Cell::new(1),
        }
    }

    #[inline(always)]
    fn add_strong(&self) {
        count_one_more(&self.strong);
    }

    #[inline(always)]
    fn drop_strong(&self) -> Left {
        let left = self.strong.get() - 1;
        self.strong.set(left);
        if left == 0 { Left::Weak } else { Left::Strong }
    }

    fn upgrade(&self) -> bool {
        let is_there = self.strong.get() > 0;
        if is_there {
            count_one_more(&self.strong);
        }
        is_there
    }

    /// Always false. The caller skips the lock of the core if this is true, and here there is no
    /// lock to skip.
    #[inline(always)]
    fn is_sole(&self) -> bool {
        false
    }

    #[inline(always)]
    fn add_weak(&self) {
        count_one_more(&self.weak);
    }

    fn weak(&self) -> u32 {
        self.weak.get() - 1
    }

    #[inline(always)]
    fn is_last_weak(&self) -> bool {
        self.weak.get() == 1
    }

    #[inline(always)]
    fn drop_weak(&self) -> bool {
        let left = self.weak.get() - 1;
        self.weak.set(left);
        left == 0
    }
}

#[inline(always)]
fn count_one_more(count: &Cell<u32>) {
    count.set(count.get().checked_add(1).unwrap_or_else(|| too_many()));
}
