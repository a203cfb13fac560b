//! The flavour of several threads: atomic counts and a spin lock.
//!
//! A chain of this flavour resumes no async task itself, since it may be fired in another thread
//! than the task's: it wakes the task, as any future does. So the types of tasks are empty here
//! (`Infallible`), and the functions that take one are never called.

use std::convert::Infallible;
use std::sync::Arc;

use parking_lot::Mutex;

use super::cancel;
use super::flavour::{Flavour, Waited};
use super::raw::{
    Core, CoreRef, FreeList, Group, OwnedRunGuard, Remains, RunGuard, Shared, SharedCounts,
    SharedPhase, SpinLock, Storage,
};
use super::run;
use super::task::Awaited;
use super::trampoline;
use super::wait;
use super::work_queue::WorkQueue;
use crate::stage_trace::CallSite;

/// References to a core are `Send` and `Sync` because `Shared` crosses threads, so a core
/// has to be both.
const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Core<Shared>>();
};

impl Storage for Shared {
    const IS_SHARED: bool = true;

    type Counts = SharedCounts;
    type PhaseCell = SharedPhase;
    type CoreLock<X> = SpinLock<X>;
    type Incoming<X> = Option<Box<X>>;
    type Canceller = Box<dyn FnOnce(CoreRef<Self>) + Send>;
    type Group = Arc<dyn Group<Self> + Send + Sync>;
    type Task = Infallible;
    type WeakTask = Infallible;

    fn address_of(task: &Infallible) -> *const () {
        match *task {}
    }

    fn address_of_weak(task: &Infallible) -> *const () {
        match *task {}
    }

    #[inline(always)]
    fn free_list<R>(f: impl FnOnce(&FreeList<Self>) -> R) -> Option<R> {
        thread_local! {
            static FREE_LIST: FreeList<Shared> = const { FreeList::new() };
        }
        // `None` when the thread-locals of an ending thread are gone: then its cores are freed, not
        // kept.
        FREE_LIST.try_with(f).ok()
    }

    fn discard(remains: Remains<Self>) {
        trampoline::discard(remains);
    }
}

impl Flavour for Shared {
    type Lock<X> = Mutex<X>;
    type Handle<X: 'static> = Arc<Mutex<X>>;

    fn call_canceller(canceller: Self::Canceller, core: CoreRef<Self>) {
        canceller(core);
    }

    fn upgrade_task(weak: &Infallible) -> Option<Infallible> {
        match *weak {}
    }

    fn resume(task: Infallible) -> Option<OwnedRunGuard<Self>> {
        match task {}
    }

    fn result_of(task: &Infallible) -> Option<CoreRef<Self>> {
        match *task {}
    }

    fn cancel_task(task: Infallible, _at: CallSite) -> Awaited<Self> {
        match task {}
    }

    fn give_up_task(task: Infallible, _at: CallSite) {
        match task {}
    }

    fn progress_of(task: &Infallible) -> u32 {
        match *task {}
    }

    fn awaited_by(task: &Infallible) -> Awaited<Self> {
        match *task {}
    }

    fn is_task_asleep(task: &Infallible) -> bool {
        match *task {}
    }

    // No task is resumed in place here, so there is no graph of tasks that wait for each other.
    fn linked(_outer: &CoreRef<Self>, _inner: &CoreRef<Self>) {}

    fn unlinked(_core: &CoreRef<Self>) {}

    fn handle<X: 'static>(content: X) -> Arc<Mutex<X>> {
        Arc::new(Mutex::new(content))
    }

    #[inline(always)]
    fn with<X, R>(lock: &Mutex<X>, f: impl FnOnce(&mut X) -> R) -> R {
        f(&mut lock.lock())
    }

    // Compiled once, in this crate: see `local`.
    #[inline(never)]
    fn cancel(core: CoreRef<Self>, cancelled_at: CallSite) {
        cancel::cancel(core, cancelled_at);
    }

    #[inline(never)]
    fn wait_for<'a>(guard: RunGuard<'a, Self>, inner: CoreRef<Self>) -> Waited<'a, Self> {
        wait::wait_for(guard, inner)
    }

    #[inline(never)]
    fn hand_down(link: &CoreRef<Self>) -> Option<OwnedRunGuard<Self>> {
        wait::hand_down(link)
    }

    #[inline(never)]
    fn go_on(next: OwnedRunGuard<Self>, caller: Option<OwnedRunGuard<Self>>) {
        run::go_on(next, caller);
    }

    fn work_queue<R>(f: impl FnOnce(&WorkQueue<Self>) -> R) -> Option<R> {
        #[cfg(not(deferred_loom))]
        thread_local! {
            static WORK_QUEUE: WorkQueue<Shared> = const { WorkQueue::new() };
        }
        #[cfg(deferred_loom)]
        loom::thread_local! {
            static WORK_QUEUE: WorkQueue<Shared> = WorkQueue::new();
        }
        // `None` as above. What would be queued is then done by the caller.
        WORK_QUEUE.try_with(f).ok()
    }
}
