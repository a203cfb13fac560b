//! Wakers of tasks: wake-ups by something that is no Deferred, from any thread.
//!
//! A waker puts itself into the inbox of the thread that its task lives on, and wakes what
//! makes that thread run its inbox: the executor above the task (see `Poller`), and the wake
//! hook. The thread keeps the tasks that are asleep, so that a waker on another thread never
//! owns, and never drops, a task.
//!
//! A task that awaits nothing but Deferreds needs no waker of its own: it is polled with one
//! that the thread keeps for the next task. If a clone of that waker is kept elsewhere after the
//! poll (by a channel, a timer, another thread), the waker is *given away*: it belongs to this
//! task until the last clone is dropped.

use std::cell::{Cell, RefCell};
use std::mem;
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use crate::chain::{Local, OwnedRunGuard, Poller};
use crate::panics::{drop_contained, run_contained};

/// A task that goes on when it is woken: what the thread keeps while it is asleep.
pub(super) trait Sleeper {
    /// Resumes the task, which `waker` has woken; returns the chain that is to be run.
    fn wake_up(self: Pin<Rc<Self>>, waker: Arc<TaskWaker>) -> Option<OwnedRunGuard<Local>>;
}

pub(super) type SharedSleeper = Pin<Rc<dyn Sleeper>>;

pub(super) type Hook = Arc<dyn Fn() + Send + Sync>;

/// The waker of one task.
///
/// When the last clone is dropped, nothing can wake the task by it any more, and the thread
/// lets go of the task.
pub(super) struct TaskWaker {
    inbox: Arc<Inbox>,
    /// Whether the waker is in the inbox. Set by a wake, cleared when the thread takes it out.
    is_woken: AtomicBool,
    /// Where the thread keeps the task; [`NOT_KEPT`] if it does not. Only that thread
    /// changes it, while there is a clone.
    slot: AtomicUsize,
    /// The poller of the task, once the task sleeps.
    poller: Mutex<Option<Arc<Poller>>>,
}

/// The inbox of one thread.
#[derive(Default)]
struct Inbox {
    mail: Mutex<Mail>,
    /// Set with the lock when something is put in, cleared when all is taken out; read without
    /// the lock.
    has_mail: AtomicBool,
    /// Set when an executor polls a Deferred on the thread for the first time, never cleared:
    /// before, no poller has to be woken.
    has_executor: AtomicBool,
}

#[derive(Default)]
struct Mail {
    woken: Vec<Arc<TaskWaker>>,
    /// Slots of tasks whose last waker was dropped.
    released: Vec<usize>,
    hook: Option<Hook>,
    /// Set at the end of the thread: nothing is put in any more.
    is_closed: bool,
}

impl Mail {
    fn closed() -> Self {
        Self {
            is_closed: true,
            ..Self::default()
        }
    }
}

/// Locks a mutex of this module. No code of users runs under it.
fn lock<X>(mutex: &Mutex<X>) -> MutexGuard<'_, X> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inbox {
    /// Puts something in; returns the hook if it is to be called.
    fn put(&self, put: impl FnOnce(&mut Mail)) -> Option<Hook> {
        let mut mail = lock(&self.mail);
        if mail.is_closed {
            return None;
        }
        put(&mut mail);
        let had_mail = self.has_mail.swap(true, Ordering::SeqCst);
        mail.hook.clone().filter(|_| !had_mail)
    }

    /// The inbox of a thread at its end.
    fn closed() -> Self {
        Self {
            mail: Mutex::new(Mail::closed()),
            ..Self::default()
        }
    }

    fn take(&self) -> (Vec<Arc<TaskWaker>>, Vec<usize>) {
        let mut mail = lock(&self.mail);
        // Under the lock, so that mail which is put in after this sets it again.
        self.has_mail.store(false, Ordering::Relaxed);
        (mem::take(&mut mail.woken), mem::take(&mut mail.released))
    }

    fn note_executor(&self) {
        // No other thread sets it, so the load and the store need not be one step.
        if !self.has_executor.load(Ordering::Relaxed) {
            self.has_executor.store(true, Ordering::SeqCst);
        }
    }

    #[inline]
    fn has_mail(&self) -> bool {
        self.has_mail.load(Ordering::SeqCst)
    }
}

impl TaskWaker {
    pub(super) fn set_poller(&self, poller: &Arc<Poller>) {
        let replaced = lock(&self.poller).replace(Arc::clone(poller));
        drop_contained(replaced);
        // The task may have been woken before it had a poller.
        if self.is_woken.load(Ordering::Acquire) {
            poller.wake();
        }
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_woken.swap(true, Ordering::AcqRel) {
            return;
        }
        // On the thread of the task no lock is needed; a lock would cost more than all the rest.
        let is_home = INBOX.get() == Arc::as_ptr(&self.inbox);
        let hook = match is_home.then(|| HOME.try_with(|home| home.put(Arc::clone(self)))) {
            Some(Ok(hook)) => hook,
            _ => self.inbox.put(|mail| mail.woken.push(Arc::clone(self))),
        };
        call_hook(hook);
        // An executor that polls for the first time sets the flag before it tests for mail,
        // and this puts mail in before it tests the flag: so one of the two sees the other.
        if self.inbox.has_executor.load(Ordering::SeqCst) {
            let poller = lock(&self.poller).clone();
            if let Some(poller) = poller {
                poller.wake();
            }
        }
    }
}

impl Drop for TaskWaker {
    fn drop(&mut self) {
        let slot = *self.slot.get_mut();
        if slot != NOT_KEPT {
            call_hook(self.inbox.put(|mail| mail.released.push(slot)));
        }
        let poller = lock(&self.poller).take();
        drop_contained(poller);
    }
}

/// A waker to poll a task with.
pub(super) struct OwnWaker {
    shared: Arc<TaskWaker>,
    waker: Waker,
}

impl OwnWaker {
    fn new(shared: Arc<TaskWaker>) -> Self {
        let waker = Waker::from(Arc::clone(&shared));
        Self { shared, waker }
    }

    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Whether there is no other clone.
    pub(super) fn is_ours(&self) -> bool {
        // Only then may the next task have it: a copy that a future has kept would wake that task.
        // Two references: `shared`, and the one inside of `waker`.
        Arc::strong_count(&self.shared) == 2
    }

    pub(super) fn into_shared(self) -> Arc<TaskWaker> {
        self.shared
    }
}

fn call_hook(hook: Option<Hook>) {
    if let Some(hook) = hook {
        run_contained("the wake hook", || hook());
    }
}

/// The tasks of a thread that are asleep, by the number of their slot.
#[derive(Default)]
struct Asleep {
    slots: Vec<Option<SharedSleeper>>,
    /// INVARIANT: the numbers of the empty slots.
    free: Vec<usize>,
}

impl Asleep {
    fn insert(&mut self, task: SharedSleeper) -> usize {
        if let Some(slot) = self.free.pop() {
            self.slots[slot] = Some(task);
            return slot;
        }
        self.slots.push(Some(task));
        self.slots.len() - 1
    }

    fn get(&self, slot: usize) -> Option<&SharedSleeper> {
        self.slots.get(slot)?.as_ref()
    }

    fn remove(&mut self, slot: usize) -> Option<SharedSleeper> {
        let task = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        Some(task)
    }
}

/// No slot has this number.
const NOT_KEPT: usize = usize::MAX;

/// The wakers and sleeping tasks of one thread.
struct Home {
    inbox: Arc<Inbox>,
    /// Wakers of the tasks that the thread itself has woken.
    woken: RefCell<Vec<Arc<TaskWaker>>>,
    /// Whether `woken` is not empty.
    has_woken: Cell<bool>,
    /// An empty list, whose memory is used for `woken` next.
    room: Cell<Vec<Arc<TaskWaker>>>,
    /// The hook, as in the inbox, but without its lock.
    hook: RefCell<Option<Hook>>,
    asleep: RefCell<Asleep>,
    /// Wakers without other clones, to poll tasks with.
    free_wakers: RefCell<Vec<OwnWaker>>,
}

thread_local! {
    /// The inbox of this thread; null for a thread that has had no task.
    static INBOX: Cell<*const Inbox> = const { Cell::new(ptr::null()) };

    static HOME: Home = Home {
        inbox: {
            let inbox = Arc::default();
            INBOX.set(Arc::as_ptr(&inbox));
            inbox
        },
        woken: RefCell::default(),
        has_woken: Cell::new(false),
        room: Cell::default(),
        hook: RefCell::default(),
        asleep: RefCell::default(),
        free_wakers: RefCell::default(),
    };
}

impl Drop for Home {
    fn drop(&mut self) {
        let mail = mem::replace(&mut *lock(&self.inbox.mail), Mail::closed());
        drop_contained(mail);
        drop_contained(mem::take(self.woken.get_mut()));
        drop_contained(mem::take(self.asleep.get_mut()));
    }
}

impl Home {
    /// Adds a waker that this thread has used; returns the hook if it is to be called.
    fn put(&self, woken: Arc<TaskWaker>) -> Option<Hook> {
        self.woken.borrow_mut().push(woken);
        if self.has_woken.replace(true) {
            None
        } else {
            self.hook.borrow().clone()
        }
    }

    #[inline]
    fn has_mail(&self) -> bool {
        self.has_woken.get() || self.inbox.has_mail()
    }

    /// Takes the wakers of all woken tasks, and the slots of those without wakers.
    fn take(&self) -> (Vec<Arc<TaskWaker>>, Vec<usize>) {
        self.has_woken.set(false);
        // `room` is the list of the call before, emptied, so that a steady loop allocates nothing.
        let mut woken = mem::replace(&mut *self.woken.borrow_mut(), self.room.take());
        if !self.inbox.has_mail() {
            return (woken, Vec::new());
        }
        let (mut by_others, released) = self.inbox.take();
        woken.append(&mut by_others);
        (woken, released)
    }

    /// Takes a task out, for the caller to drop when nothing is borrowed.
    fn release(&self, slot: usize) -> Option<SharedSleeper> {
        self.asleep.borrow_mut().remove(slot)
    }

    fn new_waker(&self) -> OwnWaker {
        OwnWaker::new(TaskWaker::new(Arc::clone(&self.inbox)))
    }
}

impl TaskWaker {
    fn new(inbox: Arc<Inbox>) -> Arc<Self> {
        Arc::new(Self {
            inbox,
            is_woken: AtomicBool::new(false),
            slot: AtomicUsize::new(NOT_KEPT),
            poller: Mutex::new(None),
        })
    }
}

/// Limit for the capacity of the list that a thread keeps for its next wake-ups.
const MOST_ROOM: usize = 1024;

/// Number of wakers that a thread keeps: tasks may be polled inside of one another to this
/// depth without an allocation.
const FREE_WAKERS: usize = 16;

/// A waker to poll a task of this thread with: the one that was given away to this task before, if
/// clones of it are left; else one that the thread keeps, or a new one.
pub(super) fn take_waker(given_away: Option<Arc<TaskWaker>>) -> OwnWaker {
    if let Some(given_away) = given_away {
        return OwnWaker::new(given_away);
    }
    let take = |home: &Home| {
        let free = home.free_wakers.borrow_mut().pop();
        free.unwrap_or_else(|| home.new_waker())
    };
    // At the end of the thread the inbox is closed: in an open one that is never emptied, a
    // waker and the inbox would keep each other for ever.
    HOME.try_with(take)
        .unwrap_or_else(|_| OwnWaker::new(TaskWaker::new(Arc::new(Inbox::closed()))))
}

/// Takes a waker back that has no other clone.
pub(super) fn give_back(own: OwnWaker) {
    if own.shared.slot.load(Ordering::Relaxed) != NOT_KEPT {
        release(&own.shared);
    }
    let mut own = Some(own);
    let _ = HOME.try_with(|home| {
        let mut free = home.free_wakers.borrow_mut();
        if free.len() < FREE_WAKERS {
            free.extend(own.take());
        }
    });
    // The waker is still here if the thread is at its end, or has enough of them.
    drop_contained(own);
}

/// Lets go of the task that a waker was given away to: takes the task out of its slot.
#[cold]
fn release(waker: &TaskWaker) {
    let slot = waker.slot.swap(NOT_KEPT, Ordering::Relaxed);
    let poller = lock(&waker.poller).take();
    let task = HOME.try_with(|home| home.release(slot));
    drop_contained((poller, task));
}

/// Keeps a task until the last clone of its waker is dropped; returns whether it was not kept
/// yet.
pub(super) fn keep_asleep(waker: &TaskWaker, task: impl FnOnce() -> SharedSleeper) -> bool {
    let is_new = waker.slot.load(Ordering::Relaxed) == NOT_KEPT;
    if is_new {
        let task = task();
        let keep = |home: &Home| home.asleep.borrow_mut().insert(task);
        // At the end of the thread nothing is kept: the task goes with its last reference.
        if let Ok(slot) = HOME.try_with(keep) {
            waker.slot.store(slot, Ordering::Relaxed);
        }
    }
    is_new
}

#[inline]
pub(super) fn has_mail() -> bool {
    HOME.try_with(Home::has_mail) == Ok(true)
}

/// Runs the tasks that were woken; returns their number.
#[cold]
pub(super) fn run_mail(mut run: impl FnMut(OwnedRunGuard<Local>)) -> usize {
    let Ok((mut woken, released)) = HOME.try_with(Home::take) else {
        return 0;
    };
    let count = woken.len();
    for waker in woken.drain(..) {
        // Before the poll: a wake that comes during it counts, and is for the next call.
        waker.is_woken.store(false, Ordering::Release);
        let slot = waker.slot.load(Ordering::Relaxed);
        // Cloned out of the borrow: the poll runs code of the user, and may put tasks to sleep.
        let find = |home: &Home| home.asleep.borrow().get(slot).cloned();
        let Ok(Some(task)) = HOME.try_with(find) else {
            continue;
        };
        if let Some(guard) = task.wake_up(waker) {
            run(guard);
        }
    }
    for slot in released {
        let task = HOME.try_with(|home| home.release(slot));
        drop_contained(task);
    }
    if woken.capacity() <= MOST_ROOM {
        // Errs at the end of the thread; the list is then freed.
        let _ = HOME.try_with(|home| home.room.set(woken));
    }
    count
}

/// Replaces the hook of this thread, and calls the new one if there is something to do.
pub(super) fn replace_hook(hook: Option<Hook>) {
    let replace = |home: &Home| {
        let in_inbox = mem::replace(&mut lock(&home.inbox.mail).hook, hook.clone());
        (in_inbox, home.hook.replace(hook.clone()), home.has_mail())
    };
    let Ok((in_inbox, own, is_due)) = HOME.try_with(replace) else {
        return;
    };
    // Outside of borrow and lock: a hook owns values of the user's.
    drop_contained((in_inbox, own));
    // Tasks may have been woken before this hook was set.
    call_hook(hook.filter(|_| is_due));
}

/// Notes that an executor polls Deferreds on this thread.
pub(super) fn note_executor() {
    // Errs at the end of the thread, where no task is polled any more.
    let _ = HOME.try_with(|home| home.inbox.note_executor());
}
