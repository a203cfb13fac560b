//! Being woken by something that is no Deferred, from any thread.
//!
//! A waker knows the inbox of the thread its body lives on, puts itself into it, and
//! wakes those that can see to it that the thread empties it: the executor that polls for
//! what comes of the body (see `Poller`), and the hook. The thread keeps the bodies that
//! are asleep, so that a waker elsewhere never holds, and never drops, a body.
//!
//! A body that awaits nothing but Deferreds needs no waker of its own: it is polled with
//! one that the thread keeps for the next.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem;
use std::pin::Pin;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};

use super::task::{self, SharedPolledTask};
use crate::chain::{self, Local, Poller, Receiver};
use crate::failure::Result;
use crate::panics::{drop_contained, run_contained};

type Hook = Arc<dyn Fn() + Send + Sync>;

/// What wakes one body.
///
/// When the last clone is gone, so is the last chance of being woken by it, and the
/// thread lets go of the body.
pub(super) struct TaskWaker {
    id: u64,
    inbox: Arc<Inbox>,
    /// It is in the inbox.
    is_woken: AtomicBool,
    /// The thread has let go of the body already.
    is_released: AtomicBool,
    /// Of the body, once that sleeps.
    poller: Mutex<Option<Arc<Poller>>>,
}

/// The inbox of one thread.
#[derive(Default)]
struct Inbox {
    mail: Mutex<Mail>,
    /// To ask without the lock.
    has_mail: AtomicBool,
    /// An executor has polled a Deferred on the thread: there may be one to wake.
    has_executor: AtomicBool,
}

#[derive(Default)]
struct Mail {
    woken: Vec<Arc<TaskWaker>>,
    /// Whose last waker is gone.
    released: Vec<u64>,
    hook: Option<Hook>,
    /// The thread is at its end.
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

/// Nothing of a user's runs under these locks.
fn lock<X>(mutex: &Mutex<X>) -> MutexGuard<'_, X> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inbox {
    /// Puts something in; gives the hook if that is to be told.
    fn put(&self, put: impl FnOnce(&mut Mail)) -> Option<Hook> {
        let mut mail = lock(&self.mail);
        if mail.is_closed {
            return None;
        }
        put(&mut mail);
        let had_mail = self.has_mail.swap(true, Ordering::SeqCst);
        mail.hook.clone().filter(|_| !had_mail)
    }

    /// One that takes nothing.
    fn closed() -> Self {
        Self {
            mail: Mutex::new(Mail::closed()),
            ..Self::default()
        }
    }

    fn take(&self) -> (Vec<Arc<TaskWaker>>, Vec<u64>) {
        let mut mail = lock(&self.mail);
        self.has_mail.store(false, Ordering::Relaxed);
        (mem::take(&mut mail.woken), mem::take(&mut mail.released))
    }

    fn note_executor(&self) {
        // Only this thread does so.
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
        // Perhaps before there was a poller to tell.
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
        // The thread of the body needs no lock, which would cost more than all the rest.
        let is_home = INBOX.get() == Arc::as_ptr(&self.inbox);
        let hook = match is_home.then(|| HOME.try_with(|home| home.put(Arc::clone(self)))) {
            Some(Ok(hook)) => hook,
            _ => self.inbox.put(|mail| mail.woken.push(Arc::clone(self))),
        };
        tell(hook);
        // An executor that polls for the first time says so before it looks whether there
        // is mail: so one of the two sees what the other has done.
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
        if !*self.is_released.get_mut() {
            tell(self.inbox.put(|mail| mail.released.push(self.id)));
        }
        let poller = lock(&self.poller).take();
        drop_contained(poller);
    }
}

/// What a body is polled with.
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

    /// Whether nobody else has a clone.
    pub(super) fn is_ours(&self) -> bool {
        // One is in the waker itself.
        Arc::strong_count(&self.shared) == 2
    }

    pub(super) fn into_shared(self) -> Arc<TaskWaker> {
        self.shared
    }
}

fn tell(hook: Option<Hook>) {
    if let Some(hook) = hook {
        run_contained("the wake hook", || hook());
    }
}

type ById = BuildHasherDefault<IdHasher>;

/// Hash of a number that is given out in order, and to nobody who could choose it.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(self.0 << 8 | u64::from(byte));
        }
    }

    /// The map takes the lowest bits for the place, and the highest as a tag.
    fn write_u64(&mut self, id: u64) {
        self.0 = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// What a thread knows of its bodies.
struct Home {
    inbox: Arc<Inbox>,
    /// The bodies that the thread itself has woken.
    woken: RefCell<Vec<Arc<TaskWaker>>>,
    /// Whether there are any.
    has_woken: Cell<bool>,
    /// An empty list, whose room is for the next ones that are woken.
    room: Cell<Vec<Arc<TaskWaker>>>,
    /// The same as that of the inbox.
    hook: RefCell<Option<Hook>>,
    next_id: Cell<u64>,
    asleep: RefCell<HashMap<u64, SharedPolledTask, ById>>,
    /// Those that nobody else has, to poll bodies with.
    free_wakers: RefCell<Vec<OwnWaker>>,
}

thread_local! {
    /// The inbox of this thread, if it has one: a thread that only wakes others has none.
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
        next_id: Cell::new(0),
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
    /// Adds one that the thread has woken; gives the hook if that is to be told.
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

    /// Takes all that were woken, and the numbers of those that nobody can wake any more.
    fn take(&self) -> (Vec<Arc<TaskWaker>>, Vec<u64>) {
        self.has_woken.set(false);
        let mut woken = mem::replace(&mut *self.woken.borrow_mut(), self.room.take());
        if !self.inbox.has_mail() {
            return (woken, Vec::new());
        }
        let (mut by_others, released) = self.inbox.take();
        woken.append(&mut by_others);
        (woken, released)
    }

    /// Lets go of a body, which may then be dropped: by the caller, with nothing
    /// borrowed.
    fn release(&self, id: u64) -> Option<SharedPolledTask> {
        self.asleep.borrow_mut().remove(&id)
    }

    fn new_waker(&self) -> OwnWaker {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        OwnWaker::new(TaskWaker::new(id, Arc::clone(&self.inbox)))
    }
}

impl TaskWaker {
    fn new(id: u64, inbox: Arc<Inbox>) -> Arc<Self> {
        Arc::new(Self {
            id,
            inbox,
            is_woken: AtomicBool::new(false),
            // Not before the thread has the body.
            is_released: AtomicBool::new(true),
            poller: Mutex::new(None),
        })
    }
}

/// The room that a thread keeps for bodies that it wakes itself, in bodies.
const MOST_ROOM: usize = 1024;

/// How many wakers a thread keeps: as many bodies may be polled inside of one another
/// without making one.
const FREE_WAKERS: usize = 16;

/// A waker to poll a body of this thread with: the one that was given away, if it was.
pub(super) fn take_waker(given_away: Option<Arc<TaskWaker>>) -> OwnWaker {
    if let Some(given_away) = given_away {
        return OwnWaker::new(given_away);
    }
    let take = |home: &Home| {
        let free = home.free_wakers.borrow_mut().pop();
        free.unwrap_or_else(|| home.new_waker())
    };
    // At the end of the thread nobody looks into an inbox: a waker in an open one, which it
    // keeps itself, would never be freed.
    HOME.try_with(take)
        .unwrap_or_else(|_| OwnWaker::new(TaskWaker::new(0, Arc::new(Inbox::closed()))))
}

/// Takes a waker back that nobody else has.
pub(super) fn give_back(own: OwnWaker) {
    if !own.shared.is_released.load(Ordering::Relaxed) {
        release(&own.shared);
    }
    let mut own = Some(own);
    let _ = HOME.try_with(|home| {
        let mut free = home.free_wakers.borrow_mut();
        if free.len() < FREE_WAKERS {
            free.extend(own.take());
        }
    });
    // A thread that is at its end, or has enough of them.
    drop_contained(own);
}

/// Lets go of the body that a waker was given away for.
#[cold]
fn release(waker: &TaskWaker) {
    waker.is_released.store(true, Ordering::Relaxed);
    let poller = lock(&waker.poller).take();
    let task = HOME.try_with(|home| home.release(waker.id));
    drop_contained((poller, task));
}

/// Keeps a body for as long as somebody may wake it; says whether it was not kept yet.
pub(super) fn keep_asleep(waker: &TaskWaker, task: &SharedPolledTask) -> bool {
    // Only the thread of the body changes it before the last clone goes.
    let is_new = waker.is_released.load(Ordering::Relaxed);
    if is_new {
        waker.is_released.store(false, Ordering::Relaxed);
        let keep = |home: &Home| home.asleep.borrow_mut().insert(waker.id, Pin::clone(task));
        let _ = HOME.try_with(keep);
    }
    is_new
}

/// Goes on with the bodies of this thread that were woken, by something that is no
/// Deferred, since the last time; says how many.
///
/// If it is called inside of an errback that runs because a
/// [`Trigger`](crate::Trigger) was dropped, it first runs the abandonments that are
/// queued behind that errback, and counts them too: so a loop that runs inside of a
/// callback misses none.
///
/// A loop calls it once a turn, and is told by [`set_wake_hook`] when there is
/// something to do. A body that is woken again meanwhile is left for the next time.
/// See [`inline_callbacks`](crate::inline_callbacks).
///
/// # Examples
///
/// ```
/// use deferred::{inline_callbacks, run_woken};
/// use std::future::poll_fn;
/// use std::task::Poll;
///
/// let mut is_first = true;
/// let done = inline_callbacks(async move {
///     // As a future does that lets others have a turn.
///     poll_fn(|cx| {
///         cx.waker().wake_by_ref();
///         if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }
///     })
///     .await;
///     Ok("done")
/// });
///
/// let done = done.into_result().expect_err("it was woken, and not polled");
/// assert_eq!(run_woken(), 1);
/// assert_eq!(done.into_result().unwrap().unwrap(), "done");
/// ```
#[inline]
pub fn run_woken() -> usize {
    let abandonments = chain::run_all_pending();
    if has_mail() {
        abandonments + run_mail()
    } else {
        abandonments
    }
}

#[inline]
fn has_mail() -> bool {
    HOME.try_with(Home::has_mail) == Ok(true)
}

#[cold]
fn run_mail() -> usize {
    let Ok((mut woken, released)) = HOME.try_with(Home::take) else {
        return 0;
    };
    let count = woken.len();
    for waker in woken.drain(..) {
        waker.is_woken.store(false, Ordering::Release);
        let find = |home: &Home| home.asleep.borrow().get(&waker.id).cloned();
        let Ok(Some(task)) = HOME.try_with(find) else {
            continue;
        };
        if let Some(guard) = task::run_woken(task, waker) {
            chain::run_chain(guard);
        }
    }
    for id in released {
        let task = HOME.try_with(|home| home.release(id));
        drop_contained(task);
    }
    if woken.capacity() <= MOST_ROOM {
        let _ = HOME.try_with(|home| home.room.set(woken));
    }
    count
}

/// Calls `hook` when a body of this thread was woken and [`run_woken`] has something to
/// do: once, until that is called.
///
/// It is called on the thread that woke the body, under whatever lock that holds: it
/// may do no more than tell a loop to call `run_woken` soon. A panic in it is
/// contained. There is one hook per thread.
///
/// # Examples
///
/// ```
/// use deferred::{inline_callbacks, reset_wake_hook, run_woken, set_wake_hook};
/// use std::sync::mpsc;
/// use std::task::Poll;
/// use std::thread;
///
/// // A loop that sleeps until it is told that there is something to do.
/// let (tell, told) = mpsc::channel();
/// set_wake_hook(move || {
///     let _ = tell.send(());
/// });
///
/// let mut helper = None;
/// let done = inline_callbacks(std::future::poll_fn(move |cx| match helper.take() {
///     Some(()) => Poll::Ready(Ok(())),
///     None => {
///         helper = Some(());
///         let waker = cx.waker().clone();
///         thread::spawn(move || waker.wake());
///         Poll::Pending
///     }
/// }));
/// told.recv().unwrap();
/// run_woken();
/// assert!(done.into_result().unwrap().is_ok());
/// reset_wake_hook();
/// ```
pub fn set_wake_hook(hook: impl Fn() + Send + Sync + 'static) {
    replace_hook(Some(Arc::new(hook)));
}

/// Removes the hook of this thread.
///
/// # Examples
///
/// ```
/// use deferred::{reset_wake_hook, set_wake_hook};
/// use std::sync::mpsc;
///
/// let (wake, woken) = mpsc::channel::<()>();
/// set_wake_hook(move || {
///     let _ = wake.send(());
/// });
/// // ... a loop that calls `run_woken` when it is woken, and ends ...
/// reset_wake_hook();
/// assert!(woken.recv().is_err(), "the hook is gone, and its sender with it");
/// ```
pub fn reset_wake_hook() {
    replace_hook(None);
}

fn replace_hook(hook: Option<Hook>) {
    let replace = |home: &Home| {
        let in_inbox = mem::replace(&mut lock(&home.inbox.mail).hook, hook.clone());
        (in_inbox, home.hook.replace(hook.clone()), home.has_mail())
    };
    let Ok((in_inbox, own, is_due)) = HOME.try_with(replace) else {
        return;
    };
    drop_contained((in_inbox, own));
    tell(hook.filter(|_| is_due));
}

/// Polls the end of a Deferred for an executor, which has to come back for the bodies
/// that it waits for.
pub(super) fn poll_end<T: 'static>(
    end: &mut Receiver<Local, T>,
    waker: &Waker,
) -> Poll<Option<Result<T>>> {
    run_woken();
    let _ = HOME.try_with(|home| home.inbox.note_executor());
    let polled = end.poll(|link| {
        link.set_waker(waker);
        chain::set_poller(link.core(), waker);
    });
    // Woken while nobody knew whom to tell, or by the bodies that were just run.
    if polled.is_pending() && has_mail() {
        waker.wake_by_ref();
    }
    polled
}
