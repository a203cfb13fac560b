//! Task: one async body, polled, resumed and cancelled.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use super::waker::{self, OwnWaker, SharedSleeper, Sleeper, TaskWaker};
use crate::chain::{
    self, AddressMap, Awaited, Awaits, Canceller, CoreRef, CoreWeak, Local, OwnedRunGuard, Pinned,
    Poller, Receiver, ReceiverState, Sender, SharedTask, Task, WeakTask, closes_a_cycle,
    count_pollers,
};
use crate::error::{Panicked, WaitCycle};
use crate::failure::{Failure, Result};
use crate::panics::{catch, drop_contained};
use crate::stage_trace::CallSite;

/// A task of any type.
pub(super) type SharedPolledTask = Pin<Rc<dyn PolledTask>>;

/// What this module needs of a task of any type.
pub(super) trait PolledTask: Task + Sleeper {
    fn state(&self) -> &State;
    /// Whether the body is there, and not being polled.
    fn is_idle(&self) -> bool;
    /// Whether the body was dropped: at its end, or by a cancel.
    fn is_gone(&self) -> bool;
    /// Polls the body. When it ends, drops it and fires its chain, which is returned if it is
    /// to be run.
    fn poll_future(self: Pin<&Self>, cx: &mut Context<'_>) -> Poll<Option<OwnedRunGuard<Local>>>;
    /// Drops the body without firing its chain.
    fn drop_future(&self);
}

/// The part of a task beside its body.
///
/// A task is kept alive by what may resume it: the Deferreds that it awaits, and, while it is
/// asleep, its thread.
pub(super) struct Head<T: 'static> {
    state: State,
    /// Fired with the result of the body; taken by that, or by the drop of the body.
    sender: Cell<Option<Sender<Local, T>>>,
}

#[derive(Default)]
pub(super) struct State {
    /// The Deferred that the last poll found pending first, polled with the task's own waker.
    awaited: Cell<Option<CoreWeak<Local>>>,
    cold: Cell<Option<Box<Cold>>>,
}

/// State that few tasks need: those that await several Deferreds at once, or other futures, or
/// that were cancelled or resumed while they were polled.
#[derive(Default)]
struct Cold {
    /// Further Deferreds that the last poll found pending, polled with the task's own waker.
    more: Chains,
    /// Deferreds that other futures have polled with wakers of their own, in any poll so far.
    nested: Chains,
    /// Set by a cancel that comes while the body is polled, taken after that poll.
    cancelled_at: Option<CallSite>,
    /// Set by a resume that comes while the body is polled, cleared by the next poll.
    is_polled_again: bool,
    /// The waker of which a clone is kept elsewhere (see `waker`); while it is, the task is asleep.
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

    /// As [`with_cold`](Self::with_cold), but does nothing if there is no cold state.
    fn with_some_cold<R>(&self, f: impl FnOnce(&mut Cold) -> R) -> Option<R> {
        let mut cold = self.cold.take()?;
        let result = f(&mut cold);
        self.cold.set(Some(cold));
        Some(result)
    }

    /// Forgets what the last poll awaited with the task's own waker: it is polled again, or
    /// not awaited any more.
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

    /// The waker of which a clone is kept elsewhere, if there is one.
    fn given_away(&self) -> Option<Arc<TaskWaker>> {
        self.with_some_cold(|cold| cold.given_away.upgrade())?
    }

    /// Notes that no clone of the task's waker is left.
    fn forget_waker(&self) {
        self.with_some_cold(|cold| cold.given_away = Weak::new());
    }

    /// Notes that the task awaits `core` with its own waker.
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

    /// Notes that the task awaits `core` inside of another future.
    fn awaits_nested(&self, core: &CoreRef<Local>, body: *const ()) {
        let core = CoreRef::downgrade(core);
        self.with_cold(|cold| cold.nested.push(core, body, Awaits::Nested));
    }

    /// The chains that it awaits: polled by it, pending, and not polled by another task or
    /// executor since.
    fn awaited(&self, body: *const ()) -> Awaited<Local> {
        let first = self.awaited.take();
        let mut awaited: Awaited<Local> = first.iter().cloned().collect();
        self.awaited.set(first);
        awaited.retain(|core| is_awaited(core, body, Awaits::Directly));
        self.with_some_cold(|cold| {
            cold.more.tidy(body, Awaits::Directly);
            cold.nested.tidy(body, Awaits::Nested);
            for core in cold.more.all.iter().chain(&cold.nested.all) {
                // The first one may stand in the lists, too, if it was polled twice.
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

/// Chains that a task awaits, and some that it does not await any more.
#[derive(Default)]
struct Chains {
    all: Vec<CoreWeak<Local>>,
    /// Number of entries at which the list is tidied: twice the number that the last tidying has
    /// left, plus 4, so that a push costs constant time on average.
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

    /// Removes chains that `body` does not await in this way, and duplicates.
    fn tidy(&mut self, body: *const (), how: Awaits) {
        let mut seen = AddressMap::default();
        self.all.retain(|core| {
            is_awaited(core, body, how) && std::mem::replace(seen.at(core.address()), 1) == 0
        });
    }
}

impl Drop for Cold {
    fn drop(&mut self) {
        if self.poller.is_some() {
            count_pollers(-1);
        }
    }
}

/// Makes a task that fires the chain of `sender` and is the target of its cancel; polls it for
/// the first time, and returns the chain that is to be run.
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
    // Weak: the chain must not keep the task alive. The task owns the sender, so a strong reference
    // would be a cycle.
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
        // The fire is refused if the task was cancelled during the poll.
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

impl<F, T> Sleeper for Pinned<Head<T>, F>
where
    F: Future<Output = Result<T>> + 'static,
    T: 'static,
{
    fn wake_up(self: Pin<Rc<Self>>, waker: Arc<TaskWaker>) -> Option<OwnedRunGuard<Local>> {
        run_woken(self, waker)
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

/// Polls a task until it waits.
pub(super) fn run(task: SharedPolledTask) -> Option<OwnedRunGuard<Local>> {
    let given_away = task.state().given_away();
    run_woken(task, given_away)
}

/// As [`run`], with the waker that has woken the task. If `waker` is the last clone, and the poll
/// keeps no new one, the thread may use it for another task.
pub(super) fn run_woken(
    task: SharedPolledTask,
    waker: impl Into<Option<Arc<TaskWaker>>>,
) -> Option<OwnedRunGuard<Local>> {
    let mut waker = waker.into();
    let state = task.state();
    if !task.is_idle() {
        // A poll of it is on the stack, and repeats. The flag is enough, since a poll
        // looks at all that woke it.
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
    // A cancel that came during the poll, from the body itself or from a chain that it ran. It is
    // made now that the body is idle, with what the poll has left it waiting for.
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
    let own = waker::take_waker(given_away);
    let polled = {
        // Restores the outer task at the end, also if the poll panics.
        let _entered = Entered::new(Pin::clone(task), own.waker());
        task.as_ref()
            .poll_future(&mut Context::from_waker(own.waker()))
    };
    // No clone of the waker was kept: only the awaited Deferreds can resume the task, and they own
    // it. The waker is used again by the next poll of any task.
    if own.is_ours() {
        task.state().forget_waker();
        waker::give_back(own);
    } else if polled.is_pending() {
        sleep(task, own);
    }
    polled
}

/// Puts a task to sleep, because a clone of its waker is kept elsewhere: the thread keeps the task
/// until the last clone is dropped.
fn sleep(task: &SharedPolledTask, own: OwnWaker) {
    let shared = own.into_shared();
    if !waker::keep_asleep(&shared, || -> SharedSleeper { task.clone() }) {
        // It has slept before with this waker.
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

/// Has a task polled by the next `run_woken`, and puts it to sleep until then.
#[cold]
pub(super) fn wake_later(task: &SharedPolledTask) {
    if task.is_gone() {
        return;
    }
    let own = waker::take_waker(task.state().given_away());
    own.waker().wake_by_ref();
    sleep(task, own);
}

/// Polls a Deferred from inside of a task. `is_direct` says that it is polled with the task's
/// own waker.
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
        // An edge that exists was searched for a cycle when it was made; polling again, as `select`
        // does each time, costs no search.
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
            // Listed once: the list is kept from poll to poll, since the other future need not poll
            // the Deferred each time.
            if was != Awaits::Nested {
                task.state().awaits_nested(core, address);
            }
        }
        if was == Awaits::No {
            chain::task_waits(&body, core);
        }
    });
    if is_cycle {
        // The attempt consumes the Deferred, as a returned one is consumed: its failure is reported
        // as unhandled.
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
    // Nothing in this crate will resume it (it waits for a foreign future): so its body is dropped,
    // and its result is `Cancelled`.
    if awaited.is_empty() {
        give_up(&*task, cancelled_at);
    }
    awaited
}

/// Drops a body whose result is to be `Cancelled`.
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

/// The task that is being polled on this thread.
struct Current {
    /// The innermost one.
    task: Cell<Option<SharedPolledTask>>,
    /// The data pointer of its waker, which identifies that.
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

/// Makes a task the current one, for as long as this lives.
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
    // Errs at the end of the thread: then Deferreds are polled as by an executor.
    CURRENT.try_with(replace).unwrap_or((None, ptr::null()))
}

/// The task that is being polled, if one is, and whether `waker` is its own.
pub(super) fn current(waker: &Waker) -> Option<(SharedPolledTask, bool)> {
    let look = |current: &Current| {
        let task = current.task.take()?;
        let found = Pin::clone(&task);
        current.task.set(Some(task));
        Some((found, current.waker.get() == waker.data()))
    };
    CURRENT.try_with(look).ok()?
}
