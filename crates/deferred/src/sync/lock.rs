// Generated from ../local/lock.rs by tests/flavours: change that file, not this one.

//! `DeferredLock`: a mutex that is acquired by waiting for a Deferred.

use std::fmt;
use std::panic::Location;

use super::deferred::Deferred;
use super::outcome::Outcome;
use crate::chain::Shared;
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
/// use deferred::sync::DeferredLock;
/// use std::thread;
///
/// let lock = DeferredLock::new();
/// let guard = lock.acquire().into_result().unwrap().unwrap();
/// let next = lock.run(|| Ok(thread::current().id()));
/// let other = thread::spawn(move || {
///     guard.release();
///     thread::current().id()
/// });
/// let other = other.join().unwrap();
/// assert_eq!(next.into_result().unwrap().unwrap(), other);
/// ```
#[doc(alias = "Mutex")]
pub struct DeferredLock {
    tokens: Tokens<Shared, LockGuard>,
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
        F: FnOnce() -> O + Send + 'static,
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
/// use deferred::sync::DeferredLock;
/// use std::thread;
///
/// let lock = DeferredLock::new();
/// let guard = lock.acquire().into_result().unwrap().unwrap();
/// let worker = thread::spawn(move || {
///     let _guard = guard;
///     panic!("out of memory");
/// });
/// assert!(worker.join().is_err());
/// assert!(!lock.is_locked(), "released all the same");
/// ```
#[doc(alias = "MutexGuard")]
#[must_use = "the lock is released as soon as this is dropped"]
#[derive(Debug)]
pub struct LockGuard {
    _token: Token<Shared, Self>,
}

impl LockGuard {
    /// Releases the lock. The callbacks of the next waiter run before this returns.
    #[doc(alias = "unlock")]
    pub fn release(self) {
        drop(self);
    }
}

#[doc(hidden)]
impl From<Token<Shared, Self>> for LockGuard {
    fn from(token: Token<Shared, Self>) -> Self {
        Self { _token: token }
    }
}
