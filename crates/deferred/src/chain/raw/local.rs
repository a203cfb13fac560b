//! Chains of one thread: reference counts without atomics, no locks.

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::panic::Location;
use std::rc::Rc;

use super::core::{LockedState, NoIncoming};
use super::counted::{CoreRef, Counts, Left, too_many};
use super::free_list::FreeList;
use super::run_guard::OwnedRunGuard;
use crate::chain::core::{Group, Phase};
use crate::chain::flavour::{Fits, Flavour, PhaseCell};
use crate::chain::task::{self, Awaited, SharedTask, WeakTask};
use crate::chain::trampoline::Trampoline;
use crate::chain::wait_graph;
use crate::stage_trace::CallSite;

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
            "a step of a chain ran nested another"
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

/// Counts without atomics.
pub(crate) struct LocalCounts {
    strong: Cell<u32>,
    weak: Cell<u32>,
}

// SAFETY: one thread counts, and nothing else.
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

    /// Not asked for: there is no lock that it would save.
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

impl PhaseCell for Cell<Phase> {
    #[inline(always)]
    fn new(phase: Phase) -> Self {
        Self::new(phase)
    }

    #[inline(always)]
    fn get(&self) -> Phase {
        self.get()
    }

    #[inline(always)]
    fn set(&self, phase: Phase) {
        self.set(phase);
    }
}

impl Flavour for Local {
    const IS_SHARED: bool = false;

    type Counts = LocalCounts;
    type PhaseCell = Cell<Phase>;
    type CoreLock = LocalCell<LockedState<Self>>;
    type Incoming = NoIncoming;
    type Lock<X> = LocalCell<X>;
    type Handle<X: 'static> = Rc<LocalCell<X>>;
    type Canceller = Box<dyn FnOnce(CoreRef<Self>)>;
    type Group = Rc<dyn Group<Self>>;
    type Task = SharedTask;
    type WeakTask = WeakTask;

    fn upgrade_task(weak: &WeakTask) -> Option<SharedTask> {
        weak.upgrade()
    }

    fn resume(task: SharedTask) -> Option<OwnedRunGuard<Self>> {
        task.resume()
    }

    fn result_of(task: &SharedTask) -> Option<CoreRef<Self>> {
        task.result()
    }

    fn cancel_task(task: SharedTask, cancelled_at: &'static Location<'static>) -> Awaited<Self> {
        task.cancel(cancelled_at)
    }

    fn give_up_task(task: SharedTask, cancelled_at: &'static Location<'static>) {
        task.give_up(cancelled_at);
    }

    fn progress_of(task: &SharedTask) -> u32 {
        task.progress()
    }

    fn address_of(task: &SharedTask) -> *const () {
        task::address(&**task)
    }

    fn address_of_weak(task: &WeakTask) -> *const () {
        task.address()
    }

    fn awaited_by(task: &SharedTask) -> Awaited<Self> {
        task.awaited()
    }

    fn is_task_asleep(task: &SharedTask) -> bool {
        task.is_asleep()
    }

    #[inline(always)]
    fn init_locked(
        lock: &mut MaybeUninit<LocalCell<LockedState<Self>>>,
        triggers: u32,
        made_at: CallSite,
    ) {
        let place = lock.as_mut_ptr();
        // SAFETY: these are all the fields.
        unsafe {
            #[cfg(debug_assertions)]
            (&raw mut (*place).is_borrowed).write(Cell::new(false));
            let locked = UnsafeCell::raw_get(&raw const (*place).value);
            LockedState::write_new(locked, triggers, made_at);
        }
    }

    #[inline(always)]
    fn with_locked<R>(
        lock: &LocalCell<LockedState<Self>>,
        f: impl FnOnce(&mut LockedState<Self>) -> R,
    ) -> R {
        lock.with(f)
    }

    #[inline(always)]
    fn locked_ptr(lock: &LocalCell<LockedState<Self>>) -> *mut LockedState<Self> {
        lock.value.get()
    }

    #[inline(always)]
    fn locked_mut(lock: &mut LocalCell<LockedState<Self>>) -> &mut LockedState<Self> {
        lock.value.get_mut()
    }

    fn call_canceller(canceller: Self::Canceller, core: CoreRef<Self>) {
        canceller(core);
    }

    #[inline(always)]
    fn linked(outer: &CoreRef<Self>, inner: &CoreRef<Self>) {
        if task::has_any_poller() {
            wait_graph::chain_waits(outer, inner);
        }
    }

    fn unlinked(core: &CoreRef<Self>) {
        wait_graph::separate_pollers(core);
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

    fn trampoline<R>(f: impl FnOnce(&Trampoline<Self>) -> R) -> Option<R> {
        thread_local! {
            static TRAMPOLINE: Trampoline<Local> = const { Trampoline::new() };
        }
        TRAMPOLINE.try_with(f).ok()
    }

    #[inline(always)]
    fn free_list<R>(f: impl FnOnce(&FreeList<Self>) -> R) -> Option<R> {
        thread_local! {
            static FREE_LIST: FreeList<Local> = const { FreeList::new() };
        }
        FREE_LIST.try_with(f).ok()
    }
}
