//! `BodyWaker`: resumes a body directly, for an event that comes again and again.
//!
//! A Deferred is an event that comes once. A stream of bytes would need a new one for each read;
//! the place of a [`BodyWaker`] is used for all of them, and costs no allocation.

use std::cell::Cell;
use std::fmt;
use std::task::{Context, Waker};

use super::task::{self, SharedPolledTask};
use crate::chain;
use crate::panics::{drop_contained, run_contained};

/// Number of wake-ups that may nest on the stack: a body that is resumed may wake another one.
const NESTED_WAKES: usize = 8;

/// The place of one body that waits for an event which may come many times: for a source of
/// events that is polled, as a stream is.
///
/// It is an `AtomicWaker` of one thread, with one difference: a body of
/// [`inline_callbacks`](crate::inline_callbacks) that has registered with its own context is
/// resumed before [`wake`](Self::wake) returns, as a Deferred would resume it. Any other future is woken by
/// its waker, and so goes on when its executor polls it.
///
/// Up to 8 of these wake-ups nest; deeper ones wait for the next
/// [`run_woken`](super::run_woken). A cancel of a body that waits for nothing else drops it.
///
/// # Examples
///
/// A counter that a body waits for:
///
/// ```
/// use deferred::driver::BodyWaker;
/// use deferred::inline_callbacks;
/// use std::cell::Cell;
/// use std::future::poll_fn;
/// use std::rc::Rc;
/// use std::task::Poll;
///
/// #[derive(Default)]
/// struct Counter {
///     count: Cell<u32>,
///     waiting: BodyWaker,
/// }
///
/// let counter = Rc::new(Counter::default());
/// let seen = Rc::clone(&counter);
/// let done = inline_callbacks(poll_fn(move |cx| {
///     if seen.count.get() < 3 {
///         seen.waiting.register(cx);
///         return Poll::Pending;
///     }
///     Poll::Ready(Ok("three"))
/// }));
/// for _ in 0..3 {
///     counter.count.set(counter.count.get() + 1);
///     counter.waiting.wake();
/// }
/// assert_eq!(done.into_result().unwrap()?, "three");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Default)]
#[doc(alias = "AtomicWaker")]
pub struct BodyWaker(Cell<Option<Waiting>>);

enum Waiting {
    /// A body, polled with its own waker.
    Body(SharedPolledTask),
    /// Any other future, also one inside of a body that has a waker of its own.
    Future(Waker),
}

impl BodyWaker {
    /// A `BodyWaker` with nothing registered.
    pub const fn new() -> Self {
        Self(Cell::new(None))
    }

    /// Registers the body or future that is polled with `cx`, for the next [`wake`](Self::wake) to
    /// resume. An earlier registration is replaced: if nothing else would resume its body, that
    /// body is dropped, and its Deferred fails with [`Abandoned`](crate::Abandoned).
    pub fn register(&self, cx: &Context<'_>) {
        let waiting = match task::current(cx.waker()) {
            Some((body, true)) => Waiting::Body(body),
            _ => Waiting::Future(cx.waker().clone()),
        };
        // A replaced registration is rare. It may be the last reference to another body, whose drop
        // runs code of the user.
        if let Some(replaced) = self.0.replace(Some(waiting)) {
            drop_contained(replaced);
        }
    }

    /// Whether something is registered that was not woken since.
    pub fn is_registered(&self) -> bool {
        let waiting = self.0.take();
        let is_registered = waiting.is_some();
        self.0.set(waiting);
        is_registered
    }

    /// Resumes what is registered, once.
    pub fn wake(&self) {
        match self.0.take() {
            Some(Waiting::Body(body)) => resume(body),
            Some(Waiting::Future(waker)) => run_contained("a waker", || waker.wake()),
            None => {}
        }
    }
}

thread_local! {
    /// Number of calls of [`resume`] that are on the stack.
    static NESTED: Cell<usize> = const { Cell::new(0) };
}

fn resume(body: SharedPolledTask) {
    let depth = NESTED.get();
    if depth == NESTED_WAKES {
        return task::wake_later(&body);
    }
    NESTED.set(depth + 1);
    // Neither unwinds: panics of bodies and of callbacks are caught.
    if let Some(guard) = task::run(body) {
        chain::run_chain(guard);
    }
    NESTED.set(depth);
}

impl fmt::Debug for BodyWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyWaker")
            .field("is_registered", &self.is_registered())
            .finish()
    }
}
