//! `Local`, the flavour of chains that stay in one thread: it has no locks, and async tasks may
//! await its chains.

use std::cell::Cell;
use std::rc::Rc;

use super::cancel;
use super::flavour::{Flavour, Waited};
use super::phase::Phase;
use super::raw::{
    Core, CoreLock, CoreRef, FreeList, Group, Local, LocalCell, LocalCounts, NoIncoming,
    OwnedRunGuard, Remains, RunGuard, Storage,
};
use super::run;
use super::task::{self, Awaited, SharedTask, WeakTask};
use super::trampoline;
use super::wait;
use super::wait_graph;
use super::work_queue::WorkQueue;
use crate::stage_trace::CallSite;

/// Size of a pending chain with up to three small stages: 256 bytes, of which the reference
/// counts take 8. Not checked in debug builds.
const _: () = assert!(cfg!(debug_assertions) || size_of::<Core<Local>>() <= 248);

impl Storage for Local {
    const IS_SHARED: bool = false;

    type Counts = LocalCounts;
    type PhaseCell = Cell<Phase>;
    type CoreLock<X> = LocalCell<X>;
    type Incoming<X> = NoIncoming;
    type Canceller = Box<dyn FnOnce(CoreRef<Self>)>;
    type Group = Rc<dyn Group<Self>>;
    type Task = SharedTask;
    type WeakTask = WeakTask;

    fn address_of(task: &SharedTask) -> *const () {
        task::address(&**task)
    }

    fn address_of_weak(task: &WeakTask) -> *const () {
        task.address()
    }

    #[inline(always)]
    fn free_list<R>(f: impl FnOnce(&FreeList<Self>) -> R) -> Option<R> {
        thread_local! {
            static FREE_LIST: FreeList<Local> = const { FreeList::new() };
        }
        // `None` when the thread-locals of an ending thread are gone: then its cores are freed, not
        // kept.
        FREE_LIST.try_with(f).ok()
    }

    fn discard(remains: Remains<Self>) {
        trampoline::discard(remains);
    }
}

impl Flavour for Local {
    type Lock<X> = LocalCell<X>;
    type Handle<X: 'static> = Rc<LocalCell<X>>;

    fn call_canceller(canceller: Self::Canceller, core: CoreRef<Self>) {
        canceller(core);
    }

    fn upgrade_task(weak: &WeakTask) -> Option<SharedTask> {
        weak.upgrade()
    }

    fn resume(task: SharedTask) -> Option<OwnedRunGuard<Self>> {
        task.resume()
    }

    fn result_of(task: &SharedTask) -> Option<CoreRef<Self>> {
        task.result()
    }

    fn cancel_task(task: SharedTask, cancelled_at: CallSite) -> Awaited<Self> {
        task.cancel(cancelled_at)
    }

    fn give_up_task(task: SharedTask, cancelled_at: CallSite) {
        task.give_up(cancelled_at);
    }

    fn progress_of(task: &SharedTask) -> u32 {
        task.progress()
    }

    fn awaited_by(task: &SharedTask) -> Awaited<Self> {
        task.awaited()
    }

    fn is_task_asleep(task: &SharedTask) -> bool {
        task.is_asleep()
    }

    #[inline(always)]
    fn linked(outer: &CoreRef<Self>, inner: &CoreRef<Self>) {
        // The chains share the poller of a task that sleeps below; most threads have none.
        if task::has_any_poller() {
            wait_graph::chain_waits(outer, inner);
        }
    }

    fn unlinked(core: &CoreRef<Self>) {
        wait_graph::separate_pollers(core);
    }

    fn handle<X: 'static>(content: X) -> Rc<LocalCell<X>> {
        Rc::new(LocalCell::new(content))
    }

    #[inline(always)]
    fn with<X, R>(lock: &LocalCell<X>, f: impl FnOnce(&mut X) -> R) -> R {
        lock.with(f)
    }

    // The following are methods of the flavour, though they are the same in both, so that each is
    // compiled once, in this crate: a generic function would be compiled again in each crate that
    // makes a Deferred.
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
        thread_local! {
            static WORK_QUEUE: WorkQueue<Local> = const { WorkQueue::new() };
        }
        // `None` as above. What would be queued is then done by the caller.
        WORK_QUEUE.try_with(f).ok()
    }
}
