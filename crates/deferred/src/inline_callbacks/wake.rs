//! Being woken by something that is no Deferred, from any thread.
//!
//! A waker knows the inbox of the thread its body lives on, puts itself into it, and
//! tells whoever can see to it that the thread empties it: the one who polls for what
//! comes of the body, and the hook. The thread keeps the bodies that are asleep, so
//! that a waker elsewhere never holds, and never drops, a body.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::mem;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};

use super::task::Task;
use crate::chain::{self, End, Local};
use crate::contain::{drop_contained, run_contained};
use crate::failure::Result;

type Hook = Arc<dyn Fn() + Send + Sync>;

/// What wakes one body.
///
/// When the last clone is gone, so is the last chance of being woken by it, and the
/// thread lets go of the body.
pub(super) struct BodyWaker {
    id: u64,
    inbox: Arc<Inbox>,
    /// It is in the inbox.
    is_woken: AtomicBool,
    /// The thread has let go of the body already.
    is_released: AtomicBool,
    /// Who polls for what comes of the body.
    poller: Mutex<Option<Waker>>,
}

/// The inbox of one thread.
#[derive(Default)]
struct Inbox {
    mail: Mutex<Mail>,
    /// To ask without the lock.
    has_mail: AtomicBool,
}

#[derive(Default)]
struct Mail {
    woken: Vec<Arc<BodyWaker>>,
    /// Whose last waker is gone.
    released: Vec<u64>,
    hook: Option<Hook>,
    /// The thread is at its end.
    is_closed: bool,
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
        let had_mail = self.has_mail.swap(true, Ordering::Release);
        mail.hook.clone().filter(|_| !had_mail)
    }

    fn take(&self) -> (Vec<Arc<BodyWaker>>, Vec<u64>) {
        let mut mail = lock(&self.mail);
        self.has_mail.store(false, Ordering::Relaxed);
        (mem::take(&mut mail.woken), mem::take(&mut mail.released))
    }

    #[inline]
    fn has_mail(&self) -> bool {
        self.has_mail.load(Ordering::Acquire)
    }
}

impl BodyWaker {
    pub(super) fn set_poller(&self, poller: Waker) {
        let replaced = lock(&self.poller).replace(poller);
        drop_contained(replaced);
    }
}

impl Wake for BodyWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_woken.swap(true, Ordering::AcqRel) {
            return;
        }
        let hook = self.inbox.put(|mail| mail.woken.push(Arc::clone(self)));
        let poller = lock(&self.poller).take();
        tell(hook);
        if let Some(poller) = poller {
            run_contained("a waker", || poller.wake());
        }
    }
}

impl Drop for BodyWaker {
    fn drop(&mut self) {
        if !*self.is_released.get_mut() {
            tell(self.inbox.put(|mail| mail.released.push(self.id)));
        }
        let poller = lock(&self.poller).take();
        drop_contained(poller);
    }
}

fn tell(hook: Option<Hook>) {
    if let Some(hook) = hook {
        run_contained("the wake hook", || hook());
    }
}

/// What a thread knows of its bodies.
struct Home {
    inbox: Arc<Inbox>,
    next_id: Cell<u64>,
    asleep: RefCell<HashMap<u64, Rc<Task>>>,
}

thread_local! {
    static HOME: Home = Home {
        inbox: Arc::default(),
        next_id: Cell::new(0),
        asleep: RefCell::default(),
    };
}

impl Drop for Home {
    fn drop(&mut self) {
        let closed = Mail {
            is_closed: true,
            ..Mail::default()
        };
        let mail = mem::replace(&mut *lock(&self.inbox.mail), closed);
        drop_contained(mail);
        drop_contained(mem::take(self.asleep.get_mut()));
    }
}

impl Home {
    fn let_sleep(&self, waker: &BodyWaker, task: Rc<Task>) {
        let old = self.asleep.borrow_mut().insert(waker.id, task);
        match old {
            None => chain::count_asleep(1),
            Some(old) => drop(old),
        }
    }

    /// Lets go of a body, which may then be dropped: by the caller, with nothing
    /// borrowed.
    fn release(&self, id: u64) -> Option<Rc<Task>> {
        let task = self.asleep.borrow_mut().remove(&id);
        if task.is_some() {
            chain::count_asleep(-1);
        }
        task
    }
}

/// A waker of a body of this thread.
pub(super) fn new_waker() -> Arc<BodyWaker> {
    let (id, inbox) = HOME
        .try_with(|home| {
            let id = home.next_id.get();
            home.next_id.set(id + 1);
            (id, Arc::clone(&home.inbox))
        })
        // The thread is at its end: nobody will look into the inbox.
        .unwrap_or_default();
    Arc::new(BodyWaker {
        id,
        inbox,
        is_woken: AtomicBool::new(false),
        // Not before the thread has the body.
        is_released: AtomicBool::new(true),
        poller: Mutex::new(None),
    })
}

/// Keeps a body for as long as somebody may wake it.
pub(super) fn keep_asleep(waker: &BodyWaker, task: Rc<Task>) {
    waker.is_released.store(false, Ordering::Relaxed);
    let _ = HOME.try_with(|home| home.let_sleep(waker, task));
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
    HOME.try_with(|home| home.inbox.has_mail()) == Ok(true)
}

#[cold]
fn run_mail() -> usize {
    let Ok((woken, released)) = HOME.try_with(|home| home.inbox.take()) else {
        return 0;
    };
    let count = woken.len();
    for waker in woken {
        waker.is_woken.store(false, Ordering::Release);
        let task = HOME.try_with(|home| {
            let is_last = Arc::strong_count(&waker) == 1;
            if is_last {
                waker.is_released.store(true, Ordering::Relaxed);
                return home.release(waker.id);
            }
            home.asleep.borrow().get(&waker.id).cloned()
        });
        if let Ok(Some(task)) = task
            && let Some(claim) = task.run()
        {
            chain::run_claim(claim);
        }
    }
    for id in released {
        let task = HOME.try_with(|home| home.release(id));
        drop_contained(task);
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
    let Ok(inbox) = HOME.try_with(|home| Arc::clone(&home.inbox)) else {
        return;
    };
    let is_due = inbox.has_mail();
    let replaced = mem::replace(&mut lock(&inbox.mail).hook, hook.clone());
    drop_contained(replaced);
    tell(hook.filter(|_| is_due));
}

/// Polls the end of a Deferred for an executor, which has to come back for the bodies
/// that it waits for.
pub(super) fn poll_end<T: 'static>(
    end: &mut End<Local, T>,
    waker: &Waker,
) -> Poll<Option<Result<T>>> {
    run_woken();
    let polled = end.poll(|link| {
        link.set_waker(waker);
        if chain::is_any_asleep() {
            chain::for_each_body::<Local>(link.core(), |body| body.polled_by(waker));
        }
    });
    // Woken while nobody knew whom to tell, or by the bodies that were just run.
    if polled.is_pending() && has_mail() {
        waker.wake_by_ref();
    }
    polled
}
