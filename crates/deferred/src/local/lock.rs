//! `DeferredLock`: a mutex that is acquired by waiting for a Deferred.

use std::fmt;
use std::panic::Location;

use super::deferred::Deferred;
use super::outcome::Outcome;
use crate::chain::Local;
use crate::concurrency::{Token, Tokens};

/// A mutual-exclusion lock for work that takes more than one callback.
///
/// Waiters are served first come, first served. Clones are handles on the same lock. The lock
/// is not recursive: if the holder of the guard acquires the lock again, it waits for ever.
///
/// # Nested releases
///
/// Releasing the lock hands it to the first waiter, whose callbacks run before the release
/// returns. If they release it in turn, and so on, these calls nest up to 8 deep; the
/// callbacks of further waiters run when the outermost release is done.
///
/// # Dropping
///
/// Dropping the [`LockGuard`] releases the lock, wherever the guard is: a Deferred that is
/// dropped with a guard as its result releases it. A guard keeps the lock alive, so that
/// waiters get it even if all other handles are gone. If the last guard is forgotten
/// ([`std::mem::forget`]) instead of dropped, they wait for ever.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, DeferredLock};
/// use std::cell::RefCell;
/// use std::rc::Rc;
///
/// let log = Rc::new(RefCell::new(Vec::new()));
/// let lock = DeferredLock::new();
/// let (write, written) = Deferred::pair();
///
/// let first = lock.run(move || written);
/// let sink = Rc::clone(&log);
/// let second = lock.run(move || sink.borrow_mut().push("the second runs"));
///
/// log.borrow_mut().push("the first is written");
/// write.callback(()).unwrap();
/// assert_eq!(*log.borrow(), ["the first is written", "the second runs"]);
/// assert!(first.into_result().is_ok() && second.into_result().is_ok());
/// ```
#[doc(alias = "Mutex")]
pub struct DeferredLock {
    tokens: Tokens<Local, LockGuard>,
}

impl DeferredLock {
    /// A lock that is free.
    pub fn new() -> Self {
        Self {
            tokens: Tokens::new(1),
        }
    }

    /// Waits for the lock. If the lock is free, the Deferred has the guard at once.
    ///
    /// Cancelling the Deferred while it waits removes it from the queue, and it fails with
    /// [`Cancelled`](crate::Cancelled).
    #[track_caller]
    #[doc(alias = "lock")]
    pub fn acquire(&self) -> Deferred<LockGuard> {
        Deferred::from_receiver(self.tokens.acquire(Location::caller()))
    }

    /// Calls `f` with the lock held, and releases the lock when `f` has returned a result, or
    /// when the Deferred that `f` has returned has one.
    ///
    /// The lock is released before the callbacks of the returned Deferred run, so the `f` of
    /// the next waiter runs before them. A panic in `f` releases the lock, too.
    ///
    /// A cancel while the lock is awaited drops `f` uncalled. A cancel after that cancels the
    /// Deferred that `f` has returned.
    #[track_caller]
    pub fn run<F, O>(&self, f: F) -> Deferred<O::Value>
    where
        F: FnOnce() -> O + 'static,
        O: Outcome,
    {
        let f = move || f().into_step().0;
        Deferred::from_receiver(self.tokens.run(f, Location::caller()))
    }

    /// Whether a guard exists.
    pub fn is_locked(&self) -> bool {
        self.tokens.free() == 0
    }
}

impl Default for DeferredLock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for DeferredLock {
    fn clone(&self) -> Self {
        Self {
            tokens: self.tokens.clone(),
        }
    }
}

impl fmt::Debug for DeferredLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredLock")
            .field("is_locked", &self.is_locked())
            .finish()
    }
}

/// Holds a [`DeferredLock`]. Dropping it hands the lock to the next waiter, or frees it.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, DeferredLock};
///
/// let file = DeferredLock::new();
/// let (write, written) = Deferred::pair();
/// // The guard moves along with the work, and is dropped at its end.
/// let first = file.acquire().add_callback(|guard| written.add_both(move |_result| drop(guard)));
/// let second = file.acquire().into_result().expect_err("the first one is writing");
/// write.callback("a line").unwrap();
/// assert!(second.into_result().is_ok());
/// # first.ignore();
/// ```
#[doc(alias = "MutexGuard")]
#[must_use = "the lock is released as soon as this is dropped"]
#[derive(Debug)]
pub struct LockGuard {
    _token: Token<Local, Self>,
}

impl LockGuard {
    /// Releases the lock. The callbacks of the next waiter run before this returns.
    #[doc(alias = "unlock")]
    pub fn release(self) {
        drop(self);
    }
}

#[doc(hidden)]
impl From<Token<Local, Self>> for LockGuard {
    fn from(token: Token<Local, Self>) -> Self {
        Self { _token: token }
    }
}
