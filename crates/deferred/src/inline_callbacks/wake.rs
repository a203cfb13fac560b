//! Running woken tasks: for event loops, and for executors that poll a Deferred.

use std::sync::Arc;
use std::task::{Poll, Waker};

use super::waker::{has_mail, note_executor, replace_hook, run_mail};
use crate::chain::{self, Local, Receiver};
use crate::failure::Result;

/// Polls the bodies of this thread that were woken by something other than a Deferred since
/// the last call; returns their number.
///
/// If it is called inside of an errback that runs because a
/// [`Trigger`](crate::Trigger) was dropped, it first runs the abandonments that are
/// queued behind that errback, and counts them too: so a loop that runs inside of a
/// callback misses none.
///
/// A loop calls it once a turn; [`set_wake_hook`] sets a hook that says when there is
/// something to do. A body that is woken again during the call waits for the next one.
/// See [`inline_callbacks`](crate::inline_callbacks).
///
/// # Examples
///
/// ```
/// use deferred::driver::run_woken;
/// use deferred::inline_callbacks;
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
        abandonments + run_mail(chain::run_chain)
    } else {
        abandonments
    }
}

/// Calls `hook` when a body of this thread was woken and [`run_woken`] has something to
/// do: once, until that is called.
///
/// The hook is called on the thread that woke the body, which may hold any lock: so the hook
/// may do no more than tell a loop to call `run_woken` soon. A panic in it is
/// contained. There is one hook per thread.
///
/// # Examples
///
/// ```
/// use deferred::driver::{reset_wake_hook, run_woken, set_wake_hook};
/// use deferred::inline_callbacks;
/// use std::sync::mpsc;
/// use std::task::Poll;
/// use std::thread;
///
/// // A loop that sleeps until a message says that there is something to do.
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
/// use deferred::driver::{reset_wake_hook, set_wake_hook};
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

/// Polls the end of a Deferred for an executor, whose `waker` is also woken when a body that the
/// Deferred waits for is.
pub(super) fn poll_end<T: 'static>(
    end: &mut Receiver<Local, T>,
    waker: &Waker,
) -> Poll<Option<Result<T>>> {
    run_woken();
    note_executor();
    let polled = end.poll(|link| {
        link.set_waker(waker);
        chain::set_poller(link.core(), waker);
    });
    // A task may have been woken before this executor had set its waker, or by the tasks
    // that were just run.
    if polled.is_pending() && has_mail() {
        waker.wake_by_ref();
    }
    polled
}
