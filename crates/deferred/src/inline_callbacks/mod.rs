//! `inline_callbacks`: an `async` body that awaits Deferreds and returns one, without a
//! runtime.
//!
//! A Deferred that gets its result resumes the body that awaits it as it would run a callback:
//! before the fire returns. Every other wake-up may come from any thread and under any lock,
//! so it never polls: it puts the task into the inbox of its thread, and wakes the executor
//! above the task and the wake hook (`waker`). `wake` runs what is in the inbox, `task` is
//! one body.

mod body_waker;
mod task;
mod wake;
mod waker;

use std::future::Future;
use std::panic::Location;
use std::task::{Context, Poll};

pub use self::body_waker::BodyWaker;
pub use self::wake::{reset_wake_hook, run_woken, set_wake_hook};
use crate::chain::{self, Local, Receiver, Sender};
use crate::failure::Result;
use crate::local::Deferred;

/// Runs an `async` body, and returns a Deferred of its result.
///
/// The body runs at once, until it awaits a [`Deferred`] that has no result yet. When that
/// Deferred is fired, the body goes on before the fire returns. A body that awaits nothing
/// but Deferreds needs no executor.
///
/// A panic in the body becomes a failure ([`Panicked`](crate::Panicked)).
///
/// # Cancelling
///
/// [`cancel`](Deferred::cancel) of the returned Deferred cancels every Deferred that the body
/// waits for; the body gets their results, and may handle them. It may be cancelled again.
/// The body waits for the Deferreds that its last poll awaited, and for those that a
/// combinator such as `FuturesUnordered` or `join_all` has polled in any poll, while they are
/// pending and not dropped. Bodies may be nested 100,000 deep: a cancel takes constant stack.
///
/// If the body awaits no Deferred, but some other future, it is dropped where it stands and
/// the result is [`Cancelled`](crate::Cancelled). (A `deferred::sync::Deferred` is some
/// other future, too.)
///
/// Two bodies that would wait for each other fail with [`WaitCycle`](crate::errors::WaitCycle),
/// whatever futures are between them. A body that waits for itself through a
/// [`DeferredList`](crate::DeferredList) waits, which its `Debug` shows; a cancel drops it.
///
/// Dropping the returned Deferred does not stop the body.
///
/// # Other futures
///
/// The body may await any future. A wake-up by such a future only marks the body: it goes on
/// in the next [`run_woken`] of its thread. An executor that awaits the returned Deferred, or
/// a chain or a body that waits for it, calls that for you; so does a loop such as that of
/// the `reactor` crate. Without either, call it yourself, or the body waits for ever:
/// [`set_wake_hook`] says when.
///
/// An executor that awaits a list of such Deferreds, or one that the body fires by a
/// [`Trigger`](crate::Trigger), does not know of the body: await the list in an
/// `async` block of the executor's, by `futures::future::join_all`, or have one of its
/// tasks call [`run_woken`] whenever the hook says so.
///
/// The body never leaves its thread, nor is it dropped on another one.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, inline_callbacks};
///
/// let (first_trigger, first) = Deferred::pair();
/// let (second_trigger, second) = Deferred::pair();
/// let sum = inline_callbacks(async move {
///     let a: i32 = first.await?;
///     let b: i32 = second.await.unwrap_or(100);
///     Ok(a + b)
/// });
///
/// first_trigger.callback(1).unwrap();
/// second_trigger.errback(std::fmt::Error).unwrap();
/// assert_eq!(sum.into_result().unwrap().unwrap(), 101);
/// ```
#[track_caller]
#[doc(alias = "inlineCallbacks")]
#[doc(alias = "ensureDeferred")]
#[doc(alias = "spawn_local")]
pub fn inline_callbacks<F, T>(body: F) -> Deferred<T>
where
    F: Future<Output = Result<T>> + 'static,
    T: 'static,
{
    let (sender, receiver) = Sender::pair(Location::caller());
    if let Some(guard) = task::start(body, sender) {
        chain::run_chain(guard);
    }
    Deferred::from_receiver(receiver)
}

/// Polls the end of a Deferred for `cx`, which is that of a body or of an executor.
pub(crate) fn poll_end<T: 'static>(
    receiver: &mut Receiver<Local, T>,
    cx: &Context<'_>,
) -> Poll<Option<Result<T>>> {
    if let Some(result) = receiver.take_ready() {
        return Poll::Ready(Some(result));
    }
    match task::current(cx.waker()) {
        Some((body, is_direct)) => task::poll_end(body, receiver, cx.waker(), is_direct),
        None => wake::poll_end(receiver, cx.waker()),
    }
}

/// Runs pending abandonments before a Deferred of `sync` is polled with `waker`, since they may
/// fire it. If a task polls, only those run that the job on the stack has added, as before each
/// look at a chain. If an executor polls, all run, because the executor may go to sleep.
#[cfg(feature = "sync")]
pub(crate) fn before_polling(waker: &std::task::Waker) {
    if task::current(waker).is_some() {
        chain::run_pending();
    } else {
        chain::run_all_pending();
    }
}
