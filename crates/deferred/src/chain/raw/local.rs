//! Chains of one thread: reference counts without atomics, no locks.

use std::cell::UnsafeCell;
use std::rc::{Rc, Weak};

use super::{Slot, Stages};
use crate::chain::backlog::Backlog;
use crate::chain::core::{Core, Head, State};
use crate::chain::mode::Mode;

/// One thread, no locks.
#[derive(Debug)]
pub(crate) enum Local {}

/// A `RefCell` that checks its borrows only in debug builds: there is one borrow
/// per step of a chain, and by [`Mode::with`]'s rule they never overlap.
pub(crate) struct LocalCell<T> {
    #[cfg(debug_assertions)]
    is_borrowed: std::cell::Cell<bool>,
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

impl Mode for Local {
    type Ref = Rc<Core<Self>>;
    type Weak = Weak<Core<Self>>;
    type Cell = LocalCell<State<Self>>;
    type Canceller = Box<dyn FnOnce(Self::Ref)>;

    /// Writes the parts in place: a core is mostly room for what is to come, and
    /// copying that room costs more than the rest of a short chain's life.
    #[inline(always)]
    fn share(head: Head<Self>) -> Self::Ref {
        let mut place = Rc::<Core<Self>>::new_uninit();
        let Some(core) = Rc::get_mut(&mut place) else {
            unreachable!("it was just made");
        };
        // SAFETY: `core` is valid for writes, nothing in it is read before it is
        // written, and these are all its fields.
        unsafe {
            let cell = &raw mut (*core.as_mut_ptr()).state;
            #[cfg(debug_assertions)]
            (&raw mut (*cell).is_borrowed).write(std::cell::Cell::new(false));
            let state = UnsafeCell::raw_get(&raw const (*cell).value);
            // Field by field, since `head` would be put together elsewhere first.
            let Head {
                phase,
                cancelling,
                end,
                pauses,
                triggers,
                waiter,
                waiting_on,
                canceller,
                waker,
                made_at,
            } = head;
            let head = &raw mut (*state).head;
            (&raw mut (*head).phase).write(phase);
            (&raw mut (*head).cancelling).write(cancelling);
            (&raw mut (*head).end).write(end);
            (&raw mut (*head).pauses).write(pauses);
            (&raw mut (*head).triggers).write(triggers);
            (&raw mut (*head).waiter).write(waiter);
            (&raw mut (*head).waiting_on).write(waiting_on);
            (&raw mut (*head).canceller).write(canceller);
            (&raw mut (*head).waker).write(waker);
            (&raw mut (*head).made_at).write(made_at);
            Slot::write_empty(&raw mut (*state).slot);
            Stages::write_empty(&raw mut (*state).stages);
            place.assume_init()
        }
    }

    fn downgrade(core: &Self::Ref) -> Self::Weak {
        Rc::downgrade(core)
    }

    fn upgrade(weak: &Self::Weak) -> Option<Self::Ref> {
        weak.upgrade()
    }

    fn is_same(a: &Self::Ref, b: &Self::Ref) -> bool {
        Rc::ptr_eq(a, b)
    }

    fn is_unobserved(core: &Self::Ref) -> bool {
        Rc::weak_count(core) == 0
    }

    fn call_canceller(canceller: Self::Canceller, core: Self::Ref) {
        canceller(core);
    }

    #[inline(always)]
    fn with<R>(cell: &Self::Cell, f: impl FnOnce(&mut State<Self>) -> R) -> R {
        cell.with(f)
    }

    fn backlog<R>(f: impl FnOnce(&Backlog<Self>) -> R) -> Option<R> {
        thread_local! {
            static BACKLOG: Backlog<Local> = const { Backlog::new() };
        }
        BACKLOG.try_with(f).ok()
    }
}
