//! One body: being polled, resumed, cancelled.

use std::cell::Cell;
use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use super::wake::{self, OwnWaker, TaskWaker};
use crate::chain::{
    self, Awaited, Awaits, Canceller, CoreRef, CoreWeak, Local, OwnedRunGuard, Pinned, Poller,
    Receiver, ReceiverState, Sender, SharedTask, Task, WeakTask, closes_a_cycle, count_pollers,
};
use crate::error::{Panicked, WaitCycle};
use crate::failure::{Failure, Result};
use crate::panics::{catch, drop_contained};
use crate::stage_trace::CallSite;

/// A body of which nothing is known but that it is one.
pub(super) type SharedPolledTask = Pin<Rc<dyn PolledTask>>;

/// What the code here needs of a body, whatever its type.
pub(super) trait PolledTask: Task {
    fn state(&self) -> &State;
    /// Whether it is there, and not being polled.
    fn is_idle(&self) -> bool;
    /// Whether it is over.
    fn is_gone(&self) -> bool;
    /// Polls it. At its end it is dropped, and its chain fired: that one is given, if it is
    /// to be run.
    fn poll_future(self: Pin<&Self>, cx: &mut Context<'_>) -> Poll<Option<OwnedRunGuard<Local>>>;
    /// Drops it; its chain is left as it is.
    fn drop_future(&self);
}

/// What is in the allocation of a body, beside the body.
///
/// It is kept alive by what may resume it: the Deferreds it awaits, and, while it is
/// asleep, its thread.
pub(super) struct Head<T: 'static> {
    state: State,
    /// What it fires in the end.
    sender: Cell<Option<Sender<Local, T>>>,
}

#[derive(Default)]
pub(super) struct State {
    /// What it polled first in the last poll, by its own waker, and found pending.
    awaited: Cell<Option<CoreWeak<Local>>>,
    cold: Cell<Option<Box<Cold>>>,
}

/// What few bodies need: those that await several at once, or other futures, or that were
/// cancelled or resumed while they were polled.
#[derive(Default)]
struct Cold {
    /// What else it polled in the last poll, by its own waker.
    more: Chains,
    /// What other futures have polled, with wakers of theirs, in any poll so far.
    nested: Chains,
    /// A cancel that came while it was being polled.
    cancelled_at: Option<CallSite>,
    /// It is to be polled once more.
    is_polled_again: bool,
    /// The waker that somebody else keeps a clone of.
    given_away: Weak<TaskWaker>,
    poller: Option<Arc<Poller>>,
}

impl State {
    fn with_cold<R>(&self, f: impl FnOnce(&mut Cold) -> R) -> R {
        let mut cold = self.cold.take().unwrap_or_default();
        let result = f(&mut cold);
        self.cold.set(Some(cold));
        result
    }

    /// The same, but nothing if there is none.
    fn with_some_cold<R>(&self, f: impl FnOnce(&mut Cold) -> R) -> Option<R> {
        let mut cold = self.cold.take()?;
        let result = f(&mut cold);
        self.cold.set(Some(cold));
        Some(result)
    }

    /// A poll begins: what is awaited by the body's own waker is polled again in it, or is
    /// awaited no more.
    fn begin_poll(&self) {
        self.awaited.take();
        self.with_some_cold(|cold| {
            cold.more.all.clear();
            cold.is_polled_again = false;
        });
    }

    fn is_polled_again(&self) -> bool {
        self.with_some_cold(|cold| cold.is_polled_again) == Some(true)
    }

    /// The waker that somebody else has a clone of.
    fn given_away(&self) -> Option<Arc<TaskWaker>> {
        self.with_some_cold(|cold| cold.given_away.upgrade())?
    }

    /// Its waker is nobody else's any more.
    fn forget_waker(&self) {
        self.with_some_cold(|cold| cold.given_away = Weak::new());
    }

    /// It awaits `core`, by its own waker.
    fn awaits(&self, core: &CoreRef<Local>, body: *const ()) {
        let core = CoreRef::downgrade(core);
        match self.awaited.take() {
            None => self.awaited.set(Some(core)),
            first => {
                self.awaited.set(first);
                self.with_cold(|cold| cold.more.push(core, body, Awaits::Directly));
            }
        }
    }

    /// It awaits `core` inside of another future.
    fn awaits_nested(&self, core: &CoreRef<Local>, body: *const ()) {
        let core = CoreRef::downgrade(core);
        self.with_cold(|cold| cold.nested.push(core, body, Awaits::Nested));
    }

    /// What it awaits: what it has polled, is pending, and not polled by anybody else
    /// since.
    fn awaited(&self, body: *const ()) -> Awaited<Local> {
        let first = self.awaited.take();
        let mut awaited: Awaited<Local> = first.iter().cloned().collect();
        self.awaited.set(first);
        awaited.retain(|core| is_awaited(core, body, Awaits::Directly));
        self.with_some_cold(|cold| {
            cold.more.tidy(body, Awaits::Directly);
            cold.nested.tidy(body, Awaits::Nested);
            for core in cold.more.all.iter().chain(&cold.nested.all) {
                // The first one may have been polled more than once.
                if awaited
                    .first()
                    .is_none_or(|first| !CoreWeak::is_same(first, core))
                {
                    awaited.push(core.clone());
                }
            }
        });
        awaited
    }
}

fn is_awaited(core: &CoreWeak<Local>, body: *const (), how: Awaits) -> bool {
    let core = core.upgrade();
    core.is_some_and(|core| Awaits::of(&core, body) == how)
}

/// Chains that a body awaits, and some that it does no more.
#[derive(Default)]
struct Chains {
    all: Vec<CoreWeak<Local>>,
    /// When they are as many as this, they are tidied up.
    most: usize,
}

impl Chains {
    fn push(&mut self, core: CoreWeak<Local>, body: *const (), how: Awaits) {
        if self.all.len() >= self.most {
            self.tidy(body, how);
            self.most = 2 * self.all.len() + 4;
        }
        self.all.push(core);
    }

    /// Takes out those that `body` does not await like that, and those that are there
    /// twice.
    fn tidy(&mut self, body: *const (), how: Awaits) {
        let mut seen = HashSet::new();
        self.all
            .retain(|core| is_awaited(core, body, how) && seen.insert(core.address()));
    }
}

impl Drop for Cold {
    fn drop(&mut self) {
        if self.poller.is_some() {
            count_pollers(-1);
        }
    }
}

/// Makes a body that fires the chain of `source`, and is what cancels that; polls it
/// for the first time, and gives the chain that is to be run.
pub(super) fn start<F, T>(future: F, sender: Sender<Local, T>) -> Option<OwnedRunGuard<Local>>
where
    F: Future<Output = Result<T>> + 'static,
    T: 'static,
{
    let head = Head {
        state: State::default(),
        sender: Cell::new(None),
    };
    let task = Rc::pin(Pinned::new(head, future));
    let body: SharedTask = task.clone();
    sender.set_canceller(Canceller::Task(WeakTask::new(&body)));
    drop(body);
    task.sender.set(Some(sender));
    run(task)
}

impl<F, T> PolledTask for Pinned<Head<T>, F>
where
    F: Future<Output = Result<T>> + 'static,
    T: 'static,
{
    fn state(&self) -> &State {
        &self.state
    }

    fn is_idle(&self) -> bool {
        Self::is_idle(self)
    }

    fn is_gone(&self) -> bool {
        Self::is_gone(self)
    }

    fn poll_future(self: Pin<&Self>, cx: &mut Context<'_>) -> Poll<Option<OwnedRunGuard<Local>>> {
        let result = match catch(|| self.poll(cx)) {
            Ok(Some(Poll::Ready(result))) => result,
            Ok(Some(Poll::Pending) | None) => return Poll::Pending,
            Err(payload) => {
                let made_at = self.result().map(|core| chain::made_at(&core));
                Err(panicked(payload, made_at))
            }
        };
        self.clear();
        // Refused if it was cancelled in the middle.
        let sender = self.sender.take();
        drop_contained(self.state.cold.take());
        Poll::Ready(sender.and_then(|sender| sender.fire_unrun(result).ok().flatten()))
    }

    fn drop_future(&self) {
        self.clear();
        drop_contained(self.state.cold.take());
        drop(self.sender.take());
    }
}

#[cold]
fn panicked(payload: Box<dyn std::any::Any + Send>, made_at: Option<CallSite>) -> Failure {
    let panicked = Panicked::from_payload(payload);
    match made_at {
        Some(made_at) => Failure::raised_at_place(panicked, made_at),
        None => Failure::new(panicked),
    }
}

impl<F, T> Task for Pinned<Head<T>, F>
where
    F: Future<Output = Result<T>> + 'static,
    T: 'static,
{
    fn resume(self: Pin<Rc<Self>>) -> Option<OwnedRunGuard<Local>> {
        run(self)
    }

    fn result(&self) -> Option<CoreRef<Local>> {
        let sender = self.sender.take();
        let core = sender.as_ref().map(|sender| sender.core().clone());
        self.sender.set(sender);
        core
    }

    fn cancel(self: Pin<Rc<Self>>, cancelled_at: CallSite) -> Awaited<Local> {
        cancel(self, cancelled_at)
    }

    fn give_up(self: Pin<Rc<Self>>, cancelled_at: CallSite) {
        give_up(&*self, cancelled_at);
    }

    fn progress(&self) -> u32 {
        self.polls()
    }

    fn awaited(&self) -> Awaited<Local> {
        self.state.awaited(chain::address(self))
    }

    fn is_asleep(&self) -> bool {
        let strong = |cold: &mut Cold| cold.given_away.strong_count();
        self.state.with_some_cold(strong).unwrap_or(0) > 0
    }

    fn poller(&self) -> Option<Arc<Poller>> {
        self.state.with_some_cold(|cold| cold.poller.clone())?
    }

    fn set_poller(&self, poller: &Arc<Poller>) {
        let (old, given_away) = self.state.with_cold(|cold| {
            let old = cold.poller.replace(Arc::clone(poller));
            (old, cold.given_away.upgrade())
        });
        if old.is_none() {
            count_pollers(1);
        }
        if let Some(given_away) = given_away {
            given_away.set_poller(poller);
        }
    }
}

/// Polls a body until it waits.
pub(super) fn run(task: SharedPolledTask) -> Option<OwnedRunGuard<Local>> {
    let given_away = task.state().given_away();
    run_woken(task, given_away)
}

/// The same of one that was woken by `waker`, with which it is polled; if that is the last
/// clone, it goes when the body does not give away another one.
pub(super) fn run_woken(
    task: SharedPolledTask,
    waker: impl Into<Option<Arc<TaskWaker>>>,
) -> Option<OwnedRunGuard<Local>> {
    let mut waker = waker.into();
    let state = task.state();
    if !task.is_idle() {
        if !task.is_gone() {
            state.with_cold(|cold| cold.is_polled_again = true);
        }
        return None;
    }
    loop {
        state.begin_poll();
        if let Poll::Ready(guard) = poll_once(&task, waker.take()) {
            return guard;
        }
        if !state.is_polled_again() {
            break;
        }
        waker = state.given_away();
    }
    let cancelled_at = state.with_some_cold(|cold| cold.cancelled_at.take());
    if let Some(cancelled_at) = cancelled_at.flatten()
        && let Some(result) = task.result()
    {
        chain::cancel_core::<Local>(&result, cancelled_at);
    }
    None
}

fn poll_once(
    task: &SharedPolledTask,
    given_away: Option<Arc<TaskWaker>>,
) -> Poll<Option<OwnedRunGuard<Local>>> {
    let own = wake::take_waker(given_away);
    let polled = {
        let _entered = Entered::new(Pin::clone(task), own.waker());
        task.as_ref()
            .poll_future(&mut Context::from_waker(own.waker()))
    };
    if own.is_ours() {
        task.state().forget_waker();
        wake::give_back(own);
    } else if polled.is_pending() {
        sleep(task, own);
    }
    polled
}

/// Somebody else has a clone of the waker: it is left to him, and the thread keeps the
/// task for as long as he has it.
fn sleep(task: &SharedPolledTask, own: OwnWaker) {
    let shared = own.into_shared();
    if !wake::keep_asleep(&shared, task) {
        // It has slept before, and all is as it was.
        return;
    }
    task.state()
        .with_cold(|cold| cold.given_away = Arc::downgrade(&shared));
    match task.poller() {
        Some(poller) => shared.set_poller(&poller),
        None => {
            let body: SharedTask = task.clone();
            chain::task_sleeps(&body, &Poller::new());
        }
    }
}

/// Polls the end of a Deferred from inside of a body.
/// `is_direct` says that it is polled with the body's own waker.
pub(super) fn poll_end<T: 'static>(
    task: SharedPolledTask,
    receiver: &mut Receiver<Local, T>,
    waker: &Waker,
    is_direct: bool,
) -> Poll<Option<Result<T>>> {
    let mut is_cycle = false;
    let polled = receiver.poll(|link| {
        let body: SharedTask = task.clone();
        let (core, address) = (link.core(), chain::address(&*body));
        let was = Awaits::of(core, address);
        if was == Awaits::No && closes_a_cycle::<Local>(|| body.result(), core) {
            is_cycle = true;
            return;
        }
        if is_direct {
            link.set_task(&body);
            task.state().awaits(core, address);
        } else {
            link.set_nested(waker, &body);
            if was != Awaits::Nested {
                task.state().awaits_nested(core, address);
            }
        }
        if was == Awaits::No {
            chain::task_waits(&body, core);
        }
    });
    if is_cycle {
        receiver.take().let_go(ReceiverState::Detached);
        return Poll::Ready(Some(Err(Failure::new(WaitCycle::new()))));
    }
    polled
}

fn cancel(task: SharedPolledTask, cancelled_at: CallSite) -> Awaited<Local> {
    if task.is_gone() {
        return Awaited::new();
    }
    if !task.is_idle() {
        let state = task.state();
        state.with_cold(|cold| cold.cancelled_at = Some(cancelled_at));
        return Awaited::new();
    }
    let awaited = task.awaited();
    if awaited.is_empty() {
        give_up(&*task, cancelled_at);
    }
    awaited
}

/// Drops a body; its result is `Cancelled`.
fn give_up(task: &dyn PolledTask, cancelled_at: CallSite) {
    if !task.is_idle() {
        return;
    }
    match task.result() {
        Some(result) => {
            chain::fail_core::<Local>(&result, cancelled_at, || task.drop_future());
        }
        None => task.drop_future(),
    }
}

/// What is being polled on this thread.
struct Current {
    /// The innermost body.
    task: Cell<Option<SharedPolledTask>>,
    /// Where its waker points to, which tells it from those of others.
    waker: Cell<*const ()>,
}

thread_local! {
    static CURRENT: Current = const {
        Current {
            task: Cell::new(None),
            waker: Cell::new(ptr::null()),
        }
    };
}

/// A body is being polled, for as long as this lives.
struct Entered {
    outer: Option<SharedPolledTask>,
    outer_waker: *const (),
}

impl Entered {
    fn new(task: SharedPolledTask, waker: &Waker) -> Self {
        let (outer, outer_waker) = replace_current(Some(task), waker.data());
        Self { outer, outer_waker }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        replace_current(self.outer.take(), self.outer_waker);
    }
}

fn replace_current(
    task: Option<SharedPolledTask>,
    waker: *const (),
) -> (Option<SharedPolledTask>, *const ()) {
    let replace = |current: &Current| (current.task.replace(task), current.waker.replace(waker));
    // At the end of the thread there is none: bodies are polled as by an executor.
    CURRENT.try_with(replace).unwrap_or((None, ptr::null()))
}

/// The body that is being polled, if one is, and whether `waker` is its own.
pub(super) fn current(waker: &Waker) -> Option<(SharedPolledTask, bool)> {
    let look = |current: &Current| {
        let task = current.task.take()?;
        let found = Pin::clone(&task);
        current.task.set(Some(task));
        Some((found, current.waker.get() == waker.data()))
    };
    CURRENT.try_with(look).ok()?
}
